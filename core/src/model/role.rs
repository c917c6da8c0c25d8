//! Roles: the permissions that they allow and deny, and the other roles that they include
//! (R-ROL-3).

use super::{Id, Name, PermissionTree, Scope};
use tenantry_macros::{answer, request};

/// A role.
#[answer]
pub struct Role {
    /// The id.
    pub id: Id,
    /// The name that people see.
    pub name: Name,
    /// The permissions that the role allows.
    pub allow: Vec<Grant>,
    /// The permissions that the role denies; a denial takes precedence over every grant.
    pub deny: Vec<Id>,
    /// The roles whose grants and denials the role includes.
    pub includes: Vec<Id>,
    /// The account to which the role belongs; absent for a role of the platform (R-ROL-4).
    pub account: Option<Id>,
    /// Another role that is on trial in the place of this one, in shadow mode: it refuses nothing,
    /// but the checks that it would have refused are counted (R-QTA-15).
    pub trial: Option<Id>,
    /// Whether the users who have the role are administrators, who are in no group and for whom
    /// every scope is `any`. Only the built-in role Administrator and its copies are such roles
    /// (R-ROL-4).
    pub administrator: bool,
    /// Whether the role is one of the five built-in roles, which can be copied but not edited
    /// (R-ROL-4).
    pub built_in: bool,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When the role was created, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the role was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

impl Role {
    /// The role with the permissions that the host added to the tree, if it is an administrator's
    /// role: copies have them as the built-in role does.
    #[must_use]
    pub fn with_nodes_of_host(mut self, tree: &PermissionTree) -> Role {
        if !self.administrator {
            return self;
        }
        for id in added_by_host(tree) {
            if !self
                .allow
                .iter()
                .any(|grant| grant.permission.as_str() == id)
            {
                self.allow.extend(Id::new(id).ok().map(|permission| Grant {
                    permission,
                    scope: None,
                }));
            }
        }
        self
    }
}

/// A permission that a role allows, with its scope for resources.
#[request]
#[derive(PartialEq, Eq)]
pub struct Grant {
    /// The node of the permission tree; the nodes below it are granted too.
    pub permission: Id,
    /// How far the permission reaches; `any` when absent.
    pub scope: Option<Scope>,
}

/// One of the five roles that every platform has (R-ROL-4). They are not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuiltIn {
    /// Every permission of an account, except those to create or end accounts.
    Administrator,
    /// All work in an account, without exports.
    Full,
    /// The same as `Full`, but without sending.
    Editor,
    /// Work on content only.
    Author,
    /// Responses, and the reports of their own work.
    ResponseOnly,
}

/// A branch or a node, and the scope of the grant.
type Line = (&'static str, Option<Scope>);

const ADMINISTRATOR: &[&str] = &[
    "roles",
    "roles.assign",
    "accounts.view",
    "accounts.edit",
    "accounts.switch",
    "accounts.price",
    "users",
    "groups",
    "self",
    "contacts",
    "contacts.export",
    "lists",
    "segments",
    "forms",
    "pages",
    "images",
    "blacklists",
    "campaigns",
    "sms",
    "automation",
    "templates",
    "suppressions",
    "sending",
    "responses",
    "credits",
    "limits",
    "reports",
    "audit",
    "api_keys",
    "api_keys.create",
    "impersonation",
    "impersonation.start",
];

/// What the Administrator does not have, with everything below it: the permissions to create, end
/// and pass on accounts, and to manage the team (R-ROL-4).
const NOT_ADMINISTRATOR: &[&str] = &[
    "accounts.create_child",
    "accounts.close",
    "accounts.delete",
    "accounts.transfer_owner",
    "accounts.team",
];

const FULL: &[&str] = &[
    "self",
    "contacts",
    "lists",
    "segments",
    "forms",
    "pages",
    "images",
    "blacklists",
    "campaigns",
    "sms",
    "automation",
    "templates",
    "suppressions",
    "sending",
    "responses",
];

const EDITOR: &[&str] = &[
    "self",
    "contacts",
    "lists",
    "segments",
    "forms",
    "pages",
    "images",
    "blacklists",
    "campaigns.view",
    "campaigns.create",
    "campaigns.edit",
    "campaigns.delete",
    "campaigns.test",
    "campaigns.pause",
    "campaigns.report",
    "sms.view",
    "sms.create",
    "automation.view",
    "automation.create",
    "automation.edit",
    "templates",
    "suppressions",
    "sending",
    "responses",
];

const AUTHOR: &[Line] = &[
    ("self", None),
    ("templates", None),
    ("campaigns.view", Some(Scope::Own)),
    ("campaigns.create", Some(Scope::Own)),
    ("campaigns.edit", Some(Scope::Own)),
    ("forms", None),
    ("pages", None),
    ("images", None),
];

const RESPONSE_ONLY: &[Line] = &[
    ("self", None),
    ("responses", None),
    ("reports.view", Some(Scope::Own)),
];

impl BuiltIn {
    /// All built-in roles.
    pub const ALL: [BuiltIn; 5] = [
        BuiltIn::Administrator,
        BuiltIn::Full,
        BuiltIn::Editor,
        BuiltIn::Author,
        BuiltIn::ResponseOnly,
    ];

    /// The id, which no other role can have.
    pub const fn id(self) -> &'static str {
        match self {
            BuiltIn::Administrator => "administrator",
            BuiltIn::Full => "full",
            BuiltIn::Editor => "editor",
            BuiltIn::Author => "author",
            BuiltIn::ResponseOnly => "response_only",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            BuiltIn::Administrator => "Administrator",
            BuiltIn::Full => "Full",
            BuiltIn::Editor => "Editor",
            BuiltIn::Author => "Author",
            BuiltIn::ResponseOnly => "Response Only",
        }
    }

    /// The role with this id, if it is a built-in one.
    pub fn find(id: &str, tree: &PermissionTree) -> Option<Role> {
        BuiltIn::named(id).and_then(|one| one.role(tree))
    }

    /// As [`find`](BuiltIn::find), without writing out what the role allows.
    pub fn named(id: &str) -> Option<BuiltIn> {
        BuiltIn::ALL.into_iter().find(|one| one.id() == id)
    }

    /// Whether it is an administrator's role.
    pub fn is_administrator(self) -> bool {
        self == BuiltIn::Administrator
    }

    /// The role; an Administrator also has the permissions that the host added to the tree.
    pub fn role(self, tree: &PermissionTree) -> Option<Role> {
        let unscoped = |ids: &[&'static str]| ids.iter().map(|id| (*id, None)).collect::<Vec<_>>();
        let lines: Vec<(&str, Option<Scope>)> = match self {
            BuiltIn::Administrator => unscoped(ADMINISTRATOR)
                .into_iter()
                .chain(added_by_host(tree).map(|id| (id, None)))
                .collect(),
            BuiltIn::Full => unscoped(FULL),
            BuiltIn::Editor => unscoped(EDITOR),
            BuiltIn::Author => AUTHOR.to_vec(),
            BuiltIn::ResponseOnly => RESPONSE_ONLY.to_vec(),
        };
        let allow = lines
            .into_iter()
            .filter_map(|(id, scope)| {
                Some(Grant {
                    permission: Id::new(id).ok()?,
                    scope,
                })
            })
            .collect();
        Some(Role {
            id: Id::new(self.id()).ok()?,
            name: Name::new(self.title()).ok()?,
            allow,
            deny: Vec::new(),
            includes: Vec::new(),
            account: None,
            trial: None,
            administrator: self.is_administrator(),
            built_in: true,
            rev: 1,
            created_at_ms: 0,
            updated_at_ms: 0,
        })
    }
}

/// The host's nodes that an Administrator has by name: those for accounts that no grant above them
/// covers.
fn added_by_host(tree: &PermissionTree) -> impl Iterator<Item = &str> {
    let by_name = tree.nodes().iter().enumerate().filter(|(place, node)| {
        let lacks = || {
            tree.path(*place)
                .iter()
                .any(|above| NOT_ADMINISTRATOR.contains(above))
        };
        let reached = || {
            !node.sensitive
                && node
                    .parent
                    .is_some_and(|above| is_administrators(tree, above))
        };
        node.host && !node.operators && !lacks() && !reached()
    });
    by_name.map(|(_, node)| node.id.as_str())
}

/// Whether the Administrator holds a node above one that the host added.
fn is_administrators(tree: &PermissionTree, place: usize) -> bool {
    tree.node(place).is_some_and(|node| {
        let by_parent = || {
            !node.sensitive
                && node
                    .parent
                    .is_some_and(|above| is_administrators(tree, above))
        };
        node.host || ADMINISTRATOR.contains(&node.id.as_str()) || by_parent()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_roles_name_nodes_that_exist_and_scopes_where_there_are_some() {
        let tree = PermissionTree::new(&[]);
        for built_in in BuiltIn::ALL {
            for grant in built_in.role(&tree).unwrap().allow {
                let place = tree.place(grant.permission.as_str()).unwrap_or_else(|| {
                    panic!("{} has no node {}", built_in.id(), grant.permission)
                });
                assert!(
                    grant.scope.is_none() || tree.node(place).unwrap().scoped,
                    "{} {}",
                    built_in.id(),
                    grant.permission
                );
            }
        }
    }
}
