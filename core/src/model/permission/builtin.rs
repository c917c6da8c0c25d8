//! The nodes that every platform has.

/// One line of the tree: a parent, its title, whether grants below carry a scope, and its children
/// as `name: title`.
pub(super) struct Branch {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) scoped: bool,
    pub(super) children: &'static [(&'static str, &'static str)],
}

const fn branch(
    id: &'static str,
    title: &'static str,
    scoped: bool,
    children: &'static [(&'static str, &'static str)],
) -> Branch {
    Branch {
        id,
        title,
        scoped,
        children,
    }
}

const RESOURCE: &[(&str, &str)] = &[
    ("view", "View"),
    ("create", "Create"),
    ("edit", "Edit"),
    ("delete", "Delete"),
    ("share", "Share"),
];
const ASSET: &[(&str, &str)] = &[("view", "View"), ("add", "Add"), ("delete", "Delete")];

/// Nodes that have to be granted by their own name, and are not included in a grant of their
/// parent.
pub(super) const SENSITIVE: &[&str] = &[
    "clients.login_as",
    "clients.add_credits",
    "accounts.transfer_owner",
    "accounts.team",
    "contacts.export",
    "roles.assign",
    "api_keys.create",
    "impersonation.start",
    "operators.manage",
    "clients.status",
    "clients.bulk",
];

/// Branches in which `create` implies `share`, because roles that name their permissions one by one
/// may be older than `share`, and sharing is the default. A role takes the permission away by
/// denying it.
pub(super) const SHARED_BY_DEFAULT: &[&str] = &["campaigns", "templates", "automation"];

/// Branches for operators of the platform, which no user of an account holds.
pub(super) const OPERATORS_ONLY: &[&str] = &["platform", "operators", "clients", "packages"];

/// The tree; each parent comes before its children.
pub(super) const BRANCHES: &[Branch] = &[
    branch(
        "platform",
        "Platform",
        false,
        &[
            ("licence", "Licence edition"),
            ("policies", "Policies"),
            ("catalogue", "Permission catalogue"),
        ],
    ),
    branch(
        "operators",
        "Operators",
        false,
        &[("manage", "Manage operators")],
    ),
    branch(
        "clients",
        "Clients",
        false,
        &[
            ("add", "Add a client"),
            ("view_all", "View all clients"),
            ("edit", "Edit a client"),
            ("delete", "Delete a client"),
            ("status", "Change a client's status"),
            ("login_as", "Log in as a client"),
            ("add_credits", "Add credits to a client"),
            ("bulk", "Bulk actions on clients"),
        ],
    ),
    branch(
        "packages",
        "Packages",
        false,
        &[
            ("view", "View packages"),
            ("create", "Create a package"),
            ("edit", "Edit a package"),
            ("delete", "Delete a package"),
            ("assign", "Assign a package"),
            ("override_limits", "Override limits of an account"),
        ],
    ),
    branch(
        "roles",
        "User roles",
        false,
        &[
            ("view", "View roles"),
            ("create", "Create a user role"),
            ("edit", "Edit a user role"),
            ("delete", "Delete a user role"),
            ("assign", "Assign a role"),
        ],
    ),
    branch(
        "accounts",
        "Accounts",
        false,
        &[
            ("view", "View the account"),
            ("create_child", "Create an account below"),
            ("edit", "Edit the account"),
            ("close", "Close the account"),
            ("delete", "Delete the account"),
            ("transfer_owner", "Make another user the owner"),
            ("switch", "Switch account"),
            ("team", "Manage all accounts of the team"),
        ],
    ),
    branch(
        "accounts.price",
        "Prices of accounts",
        false,
        &[("view", "View the price of a further account")],
    ),
    branch(
        "users",
        "Users",
        false,
        &[
            ("view", "View users"),
            ("invite", "Invite users"),
            ("edit_profile", "Edit profiles"),
            ("edit_role", "Change roles of users"),
            ("grant_account", "Give users access to accounts"),
            ("revoke_account", "Take access to accounts away"),
            ("disable", "Disable users"),
            ("delete", "Delete users"),
            ("reset_password", "Send password resets"),
            ("export_csv", "Export users as CSV"),
            ("default_permissions", "Set default permissions of users"),
        ],
    ),
    branch(
        "users.invitations",
        "Invitations",
        false,
        &[
            ("resend", "Resend an invitation"),
            ("edit", "Edit an invitation"),
            ("delete", "Delete an invitation"),
        ],
    ),
    branch(
        "groups",
        "Groups of users",
        false,
        &[
            ("view", "View groups"),
            ("create", "Create a group"),
            ("rename", "Rename a group"),
            ("avatar", "Change a group's avatar"),
            ("limit", "Limit a group's consumption"),
            ("reserve", "Set a group's credit reserve"),
            ("delete", "Delete a group"),
        ],
    ),
    branch(
        "groups.members",
        "Members of groups",
        false,
        &[
            ("add", "Add members"),
            ("remove", "Remove members"),
            ("transfer", "Transfer members"),
        ],
    ),
    branch(
        "self",
        "Own profile",
        false,
        &[
            ("profile", "Own profile details"),
            ("email", "Own e-mail address"),
            ("password", "Own password"),
            ("notifications", "Own notifications"),
        ],
    ),
    branch(
        "self.devices",
        "Own devices",
        false,
        &[
            ("view", "View connected devices"),
            ("sign_out", "Sign out devices"),
        ],
    ),
    branch(
        "contacts",
        "Contacts",
        true,
        &[
            ("view", "View"),
            ("create", "Create"),
            ("edit", "Edit"),
            ("delete", "Delete"),
            ("import", "Import"),
            ("export", "Export"),
        ],
    ),
    branch("lists", "Contact lists", true, RESOURCE),
    branch("segments", "Segments", true, RESOURCE),
    branch("forms", "Forms", true, RESOURCE),
    branch("pages", "Pages", true, RESOURCE),
    branch("images", "Images", true, RESOURCE),
    branch("blacklists", "Blacklists", true, RESOURCE),
    branch(
        "campaigns",
        "Campaigns",
        true,
        &[
            ("view", "View"),
            ("create", "Create"),
            ("edit", "Edit"),
            ("delete", "Delete"),
            ("test", "Send tests"),
            ("send", "Send"),
            ("schedule", "Schedule"),
            ("pause", "Pause"),
            ("resume", "Resume"),
            ("report", "See reports"),
            ("share", "Share"),
        ],
    ),
    branch(
        "sms",
        "Text messages",
        true,
        &[("view", "View"), ("create", "Create"), ("send", "Send")],
    ),
    branch(
        "automation",
        "Automation",
        true,
        &[
            ("view", "View"),
            ("create", "Create"),
            ("edit", "Edit"),
            ("activate", "Activate"),
            ("share", "Share"),
            ("triggers", "Triggers"),
            ("evergreen", "Evergreen campaigns"),
        ],
    ),
    branch(
        "templates",
        "Templates",
        true,
        &[
            ("view", "View"),
            ("create", "Create"),
            ("edit", "Edit"),
            ("delete", "Delete"),
            ("share", "Share"),
            ("share_down", "Share with accounts below"),
            ("unshare", "Unshare"),
            ("use_shared", "Use shared templates"),
        ],
    ),
    branch(
        "suppressions",
        "Suppressions",
        false,
        &[
            ("view", "View"),
            ("add", "Add"),
            ("remove", "Remove"),
            ("import", "Import"),
            ("share", "Share"),
        ],
    ),
    branch(
        "suppressions.domains",
        "Suppressed domains",
        false,
        &[("add", "Add"), ("remove", "Remove")],
    ),
    branch("sending", "Sending assets", false, &[]),
    branch("sending.domains", "Sending domains", false, ASSET),
    branch("sending.nodes", "Sending nodes", false, ASSET),
    branch("sending.bounce_addresses", "Bounce addresses", false, ASSET),
    branch("sending.from_addresses", "From addresses", false, ASSET),
    branch(
        "responses",
        "Responses",
        false,
        &[("view", "View"), ("reply", "Reply")],
    ),
    branch(
        "credits",
        "Credits",
        false,
        &[
            ("view", "View"),
            ("allocate", "Allocate"),
            ("refund", "Refund"),
        ],
    ),
    branch(
        "limits",
        "Limits",
        false,
        &[
            ("view", "View limits and usage"),
            ("explain", "Explain limits"),
        ],
    ),
    branch(
        "reports",
        "Reports",
        true,
        &[("view", "View"), ("export", "Export")],
    ),
    branch(
        "audit",
        "Audit",
        false,
        &[("view", "View"), ("export", "Export"), ("verify", "Verify")],
    ),
    branch(
        "api_keys",
        "API keys",
        false,
        &[("view", "View"), ("create", "Create"), ("revoke", "Revoke")],
    ),
    branch(
        "impersonation",
        "Acting as another user",
        false,
        &[("start", "Start"), ("end", "End"), ("list", "List")],
    ),
];
