//! Memberships: the users of an account, each with a role (R-INV-4, R-INV-7, R-INV-8, R-INV-10,
//! R-ACC-3, R-ROL-7): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/members.md"))]

use crate::api::groups::GroupResources;
use crate::model::{
    AccountGrant, Count, Cursor, Email, Id, Name, NextRole, PendingStep, ResourcesTo,
};
use tenantry_macros::{answer, request};

/// Makes a user a member of an account: an existing user by id, or a new user by e-mail address
/// (R-INV-7).
///
/// The host, and operators with `clients.edit`, can create new users; everybody else has to invite
/// them. The policy `grant_existing` decides who can give an existing user of the team access to
/// the account: only the parent, or everybody who holds `users.grant_account` there.
#[request]
pub struct Add {
    /// The account.
    pub account: Id,
    /// The id of an existing user, or the id that the new user gets.
    pub user: Option<Id>,
    /// The e-mail address of a new user.
    pub email: Option<Email>,
    /// The first name of a new user.
    pub first_name: Option<Name>,
    /// The last name of a new user.
    pub last_name: Option<Name>,
    /// The role. When absent: if a user has one role in the whole team (policy `role_scope`), the
    /// role that the user has in the team; otherwise the default role of the account. If the role
    /// comes from the package, no role can be named.
    pub role: Option<Id>,
    /// The group; the default group when absent.
    pub group: Option<Id>,
    /// When the membership is disabled by itself, in unix milliseconds; never when absent
    /// (R-INV-14).
    pub until_ms: Option<Count>,
}

/// Gives an existing user access to further accounts with one role: to all of them, or to none
/// (R-INV-7).
#[request]
pub struct Grant {
    /// The user.
    pub user: Id,
    /// The accounts: 1 to 100.
    pub accounts: Vec<Id>,
    /// The role, as in `members.add`.
    pub role: Option<Id>,
    /// When the memberships are disabled by themselves, as in `members.add`.
    pub until_ms: Option<Count>,
}

/// Reads a membership.
#[request]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
}

/// Lists the members of an account, a page at a time. In an account below another one, users who do
/// not manage the team do not see members who own an account above (R-INV-10).
#[request]
pub struct List {
    /// The account.
    pub account: Id,
    /// Only members with this role.
    pub role: Option<Id>,
    /// Only members of this group.
    pub group: Option<Id>,
    /// Only members with this status.
    pub status: Option<MemberStatus>,
    /// Only members who have not been seen since this instant, in unix milliseconds: they were last
    /// seen before it, or were never seen and were created before it.
    pub inactive_since_ms: Option<Count>,
    /// Only members whose e-mail address, last name or first name begins with this text; case and
    /// accents do not matter.
    pub search: Option<Name>,
    /// Only members with this text anywhere in their name or e-mail address, such as a part of a
    /// name or `@acme.example`; case and accents do not matter. A call looks at 2,000 members at
    /// most, so that a page may be empty while there is still a `next` (R-ACC-8).
    pub contains: Option<Name>,
    /// The order; by id when absent, or by e-mail address when there is a `search`. In a search,
    /// members who match in the field that orders the list come first.
    pub order: Option<MemberOrder>,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many members the page has at most: 1 to 500; 50 when absent. With filters, a page may be
    /// shorter while there is still a `next`.
    pub limit: Option<Count>,
}

/// The order of a list of members.
#[request]
pub enum MemberOrder {
    /// The user's id.
    Id,
    /// The e-mail address.
    Email,
    /// The last name, then the first.
    Name,
}

/// Whether a member can use the account already (R-INV-4).
#[request]
pub enum MemberStatus {
    /// The member has done all steps.
    Active,
    /// The member still has a step to do; the policy `pending_until` says which steps there are.
    Pending,
    /// The membership, or the user as a whole, is disabled.
    Disabled,
}

/// Gives a member another role, higher or lower; nobody can give a role that allows more than they
/// hold (R-INV-8, R-ROL-7).
///
/// If, by the policy `role_scope`, a user has one role in the whole team, the role changes in all
/// accounts of the team, and the actor must be allowed to change roles in all of them. If the role
/// comes from the package, the call is refused with `role_by_package`.
#[request]
pub struct SetRole {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The new role.
    pub role: Id,
    /// The group, if the new role needs one. When absent: the group in which the member is or, if
    /// the member is in no group, the default group.
    pub group: Option<Id>,
    /// Until when the member has the role, in unix milliseconds; then the member has the role again
    /// that they had for good (R-INV-14). For good when absent.
    pub until_ms: Option<Count>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Ends a membership. If it is the user's last membership, the user is deleted. The owner cannot be
/// removed until another user owns the account (R-TEA-5).
#[request]
pub struct Remove {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// Who gets the resources of the member; required when they have any (R-USR-4).
    pub resources_to: Option<ResourcesTo>,
}

/// Leaves the account in which the user acts: the membership ends as by `members.remove`, without a
/// permission. If it is the user's last membership, the user is deleted. The owner cannot leave
/// until another user owns the account (R-INV-12).
///
/// Only the member in person leaves: neither a program with an API key nor somebody who acts as the
/// member does. For others there is `members.remove`.
#[request]
pub struct Leave {
    /// The account, in which the user acts.
    pub account: Id,
    /// Who gets the resources of the member; required when they have any (R-USR-4).
    pub resources_to: Option<ResourcesTo>,
}

/// Disables a membership; the user's other accounts are not affected (R-ACC-3).
#[request]
pub struct Disable {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
}

/// Enables a membership that was disabled (R-ACC-3), or sets until when one is enabled (R-INV-14).
#[request]
pub struct Enable {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// When the membership is disabled by itself, in unix milliseconds; never when absent. The
    /// owner's membership has no end.
    pub until_ms: Option<Count>,
}

/// Carries out one action for many members of an account. The answer says for each member whether
/// the action was carried out, or why it was refused (R-ACC-5).
#[request]
pub struct Bulk {
    /// The account.
    pub account: Id,
    /// The users: 1 to 500.
    pub users: Vec<Id>,
    /// The action.
    pub action: MemberAction,
    /// The new role, for `set_role`.
    pub role: Option<Id>,
    /// The group into which the members go, for `set_group`.
    pub group: Option<Id>,
    /// What happens to the members' resources, for `set_group`; `follow` when absent.
    pub resources: Option<GroupResources>,
    /// Who gets the resources of the members who are removed, for `remove`.
    pub resources_to: Option<ResourcesTo>,
    /// Whether the action is carried out for all members or for none. If one member is refused,
    /// nothing is done, and the answer says which member was refused.
    #[serde(default)]
    pub atomic: bool,
}

/// An action that is carried out for many members.
#[request]
pub enum MemberAction {
    /// Changes the role, as `members.set_role` does.
    SetRole,
    /// Puts the members into a group, as `groups.add_members` does. It needs `groups.members.add`,
    /// and also `groups.members.transfer` for members who are in a group other than the default
    /// group.
    SetGroup,
    /// Disables the memberships, as `members.disable` does.
    Disable,
    /// Enables the memberships, as `members.enable` does.
    Enable,
    /// Ends the memberships, as `members.remove` does.
    Remove,
}

/// A member of an account.
#[answer]
pub struct Member {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The user's e-mail address, as typed.
    pub email: String,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// The role; an owner needs none.
    pub role: Option<Id>,
    /// The role that the member will have again, if `role` is theirs only until then.
    pub next_role: Option<NextRole>,
    /// Whether the role is an administrator's role.
    pub administrator: bool,
    /// The group; owners and administrators are in none.
    pub group: Option<Id>,
    /// Whether the user owns the account.
    pub owner: bool,
    /// Whether the membership, or the user as a whole, is disabled.
    pub disabled: bool,
    /// When the membership is disabled by itself, in unix milliseconds; absent if it has no end.
    pub until_ms: Option<u64>,
    /// Whether they can use the account already.
    pub status: MemberStatus,
    /// The steps that are still to be done.
    pub pending: Vec<PendingStep>,
    /// When the user was last seen, in unix milliseconds, to within five minutes; absent when the
    /// user was never seen.
    pub last_seen_at_ms: Option<u64>,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When the membership was created, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the membership was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of members.
#[answer]
pub struct MemberList {
    /// The members.
    pub members: Vec<Member>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// The memberships that a user was given.
#[answer]
pub struct MembersGranted {
    /// The user.
    pub user: Id,
    /// The new memberships, in the order of the accounts.
    pub members: Vec<Member>,
}

/// One of many members.
#[answer]
pub struct BulkMember {
    /// The user.
    pub user: Id,
}

/// A membership that ended.
#[answer]
pub struct MemberRemoved {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// For the host and operators: whether the user was deleted. For other callers: whether this
    /// was the last membership in which the caller could see the user.
    pub user_deleted: bool,
}

/// Lists the people of an account in one list by e-mail address: its members, and the people who
/// were invited and have not accepted (R-INV-4).
///
/// The list shows the actor the members that `members.list` shows and the invitations that
/// `invitations.list` shows, and no others.
#[request]
pub struct People {
    /// The account.
    pub account: Id,
    /// Whether the people of all accounts below are listed too, each person once; only for users
    /// who manage the team.
    #[serde(default)]
    pub include_descendants: bool,
    /// Only people with this status.
    pub status: Option<PersonStatus>,
    /// Only people with this text in the address or in the name; case and accents do not matter.
    pub search: Option<Name>,
    /// Only members who have not been seen since this instant, in unix milliseconds: they were last
    /// seen before it, or were never seen and were created before it.
    pub inactive_since_ms: Option<Count>,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many people the page has at most: 1 to 500; 50 when absent. With filters, a page may be
    /// shorter while there is still a `next`.
    pub limit: Option<Count>,
}

/// Whether a person can use an account already.
#[request]
pub enum PersonStatus {
    /// A member who has done all steps.
    Active,
    /// A person who was invited, or a member who still has a step to do.
    Pending,
    /// A person who was invited and did not accept in time.
    Expired,
    /// A member who is disabled.
    Disabled,
}

/// A page of people.
#[answer]
pub struct PersonList {
    /// The people.
    pub people: Vec<Person>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// A member, or a person who was invited.
#[answer]
pub struct Person {
    /// The user; absent for a person who was invited.
    pub user: Option<Id>,
    /// The invitation; absent for a member.
    pub invitation: Option<Id>,
    /// The e-mail address, as typed.
    pub email: String,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// Whether they can use the account already.
    pub status: PersonStatus,
    /// The steps that are still to be done.
    pub pending: Vec<PendingStep>,
    /// The accounts of which the person is a member, or which the person is offered, among the
    /// accounts that are listed; for a member at most 50.
    pub accounts: Vec<AccountGrant>,
    /// Whether the person owns one of these accounts, or will own one when they accept.
    pub owner: bool,
    /// When the user was last seen, in unix milliseconds, to within five minutes; absent when the
    /// user was never seen.
    pub last_seen_at_ms: Option<u64>,
    /// When the invitation expires, in unix milliseconds: from then on it cannot be accepted.
    pub expires_at_ms: Option<u64>,
    /// When the user, or the invitation, was created, in unix milliseconds.
    pub created_at_ms: u64,
}
