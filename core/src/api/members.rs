//! Memberships: users in an account, each with a role (R-INV-4, R-INV-7, R-INV-8, R-INV-10,
//! R-ACC-3, R-ROL-7): requests and answers.

use crate::api::groups::GroupResources;
use crate::error::Code;
use crate::model::{AccountGrant, Count, Cursor, Email, Id, Name, PendingStep, ResourcesTo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a user a member of an account: an existing one by id, or a new one by e-mail address
/// (R-INV-7).
///
/// New users are made by the host, and by operators with `clients.edit`; everybody else invites
/// them. Who gives an existing user of the team access is a policy (`grant_existing`): the parent,
/// or whoever holds `users.grant_account` there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The account.
    pub account: Id,
    /// The existing user, or the id that the new one gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The e-mail address of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// First name of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// The role. When absent: the one that the user has in the team where a user has one role
    /// (`role_scope`), or the default role of the account. None where the role is that of the
    /// package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// The group; the default group when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
}

/// Gives an existing user access to further accounts with one role, to all of them or to none
/// (R-INV-7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The user.
    pub user: Id,
    /// The accounts: 1 to 100.
    pub accounts: Vec<Id>,
    /// The role, as in `members.add`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
}

/// Reads a membership.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
}

/// Lists the members of an account, a page at a time. Who acts in an account below another and does
/// not manage the team does not see the owners of the accounts above (R-INV-10).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: Id,
    /// Only members with this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// Only members of this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// Only members of this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<MemberStatus>,
    /// Only who was not here since this instant, in unix milliseconds: seen last before it, or
    /// never seen and made before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive_since_ms: Option<Count>,
    /// Only whose e-mail address, last name or first name begins with this, without regard to case
    /// and accents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Name>,
    /// What it is ordered by; the id when absent, the e-mail address in a search. In a search, who
    /// is found by what it is ordered by comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<MemberOrder>,
    /// Go on after the page before: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent). With filters a page may hold fewer while there
    /// is a `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// What a list of members is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberOrder {
    /// The user's id.
    Id,
    /// The e-mail address.
    Email,
    /// The last name, then the first.
    Name,
}

/// Where a member is on the way into an account (R-INV-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberStatus {
    /// All is done.
    Active,
    /// A step is missing; which ones there are is a policy (`pending_until`).
    Pending,
    /// The membership, or the user as a whole, is disabled.
    Disabled,
}

/// Gives a member another role, up or down; nobody gives more than they hold (R-INV-8, R-ROL-7).
///
/// By policy (`role_scope`) a user has one role in all accounts of the team: then it changes in all
/// of them, by who may change roles in all of them. Where the role is that of the package, it is
/// `role_by_package`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The new role.
    pub role: Id,
    /// The group, where the new role needs one; the one that the member is in, or the default
    /// group, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Ends a membership; the user goes with the last one. The owner stays until another owns the
/// account (R-TEA-5).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// Who gets the resources of the member; needed where they have some (R-USR-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources_to: Option<ResourcesTo>,
}

/// Disables a membership; the user's other accounts are not touched (R-ACC-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disable {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
}

/// Enables a membership that was disabled (R-ACC-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Enable {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
}

/// Does one thing to many members of an account, and answers for each (R-ACC-5).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// The account.
    pub account: Id,
    /// The users: 1 to 500.
    pub users: Vec<Id>,
    /// What is done.
    pub action: MemberAction,
    /// The new role, for `set_role`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// The group that they come into, for `set_group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// What becomes of their resources, for `set_group`; they follow when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<GroupResources>,
    /// Who gets the resources of those who leave, for `remove`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources_to: Option<ResourcesTo>,
    /// Whether it is done to all of them or to none.
    #[serde(default)]
    pub atomic: bool,
}

/// What is done to many members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberAction {
    /// As `members.set_role`.
    SetRole,
    /// As `groups.add_members`: needs `groups.members.add`, and for whoever is in another group
    /// than the default one `groups.members.transfer` too.
    SetGroup,
    /// As `members.disable`.
    Disable,
    /// As `members.enable`.
    Enable,
    /// As `members.remove`.
    Remove,
}

/// A member of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// Their e-mail address, as typed.
    pub email: String,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// The role; the owner needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// Whether the role is that of an administrator.
    pub administrator: bool,
    /// The group; owner and administrators are in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// Whether they own the account.
    pub owner: bool,
    /// Whether the membership, or the user as a whole, is disabled.
    pub disabled: bool,
    /// Where they are on the way into the account.
    pub status: MemberStatus,
    /// The steps that are still to be done.
    pub pending: Vec<PendingStep>,
    /// When they were last here, in unix milliseconds, to five minutes; absent where they never
    /// were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at_ms: Option<u64>,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberList {
    /// The members.
    pub members: Vec<Member>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// What a user was granted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MembersGranted {
    /// The user.
    pub user: Id,
    /// The new memberships, in the order of the accounts.
    pub members: Vec<Member>,
}

/// What became of each of many members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberBulk {
    /// How many it was done to.
    pub done: u64,
    /// For each user, in the order of the request.
    pub results: Vec<MemberBulkResult>,
}

/// What became of one of many members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "problem"))]
pub struct MemberBulkResult {
    /// The user.
    pub user: Id,
    /// Why not; absent where it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<MemberProblem>,
}

/// Why something was not done to a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberProblem {
    /// The code that the single operation is refused with.
    pub code: Code,
    /// A sentence a person can act on.
    pub message: String,
}

/// A membership that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberRemoved {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// Whether it was the last one in which the caller could see them. To the host and to
    /// operators: whether the user is gone.
    pub user_deleted: bool,
}

/// The users page of an account: its members, and who was invited and has not accepted, in one list
/// by e-mail address (R-INV-4).
///
/// Members are listed as by `members.list`, invitations as by `invitations.list`: nobody sees more
/// here than there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// The account.
    pub account: Id,
    /// Those of all accounts below it as well, each person once; for who manages the team.
    #[serde(default)]
    pub below: bool,
    /// Only people of this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<PersonStatus>,
    /// Only those with this in the address or in the name, without regard to case and accents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Name>,
    /// Only members who were not here since this instant, in unix milliseconds: seen last before
    /// it, or never seen and made before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive_since_ms: Option<Count>,
    /// Go on after the page before: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent). With filters a page may hold fewer while there
    /// is a `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Where somebody is on the way into an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonStatus {
    /// A member who has done all.
    Active,
    /// Invited, or a member who has a step to do.
    Pending,
    /// Invited, and did not accept in time.
    Expired,
    /// A member who is disabled.
    Disabled,
}

/// People, a page at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PersonList {
    /// The people.
    pub people: Vec<Person>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// A member, or somebody who was invited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    /// The user; absent for who was invited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The invitation; absent for a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Id>,
    /// The e-mail address, as typed.
    pub email: String,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// Where they are on the way.
    pub status: PersonStatus,
    /// The steps that are still to be done.
    pub pending: Vec<PendingStep>,
    /// Where they are a member, or what they are offered, of what is listed; of a member at most
    /// 50.
    pub accounts: Vec<AccountGrant>,
    /// Whether they own one of these accounts, or are to own it.
    pub owner: bool,
    /// When they were last here, in unix milliseconds, to five minutes; absent where they never
    /// were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_at_ms: Option<u64>,
    /// From when on the invitation cannot be accepted, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// When the user, or the invitation, was made, in unix milliseconds.
    pub created_at_ms: u64,
}
