//! Roles: those of the platform, and those of single accounts (R-ROL-1, R-ROL-3, R-ROL-4, R-ROL-6
//! to R-ROL-8): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/roles.md"))]

use crate::api::put::PutOutcome;
use crate::model::{Count, Grant, Id, Name, Role};
use tenantry_macros::{answer, request};

/// Creates a role of an account, or a role of the platform, which only the host and operators can
/// create (R-ROL-4).
#[request]
pub struct Create {
    /// The host's own id. When absent, an id is generated.
    pub id: Option<Id>,
    /// The account to which the role belongs; it can be used there and in the accounts below. When
    /// absent: for a user, the account in which they act; for the host and operators, the platform.
    pub account: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// The permissions that the role allows, at most 1,000.
    #[serde(default)]
    pub allow: Vec<Grant>,
    /// The permissions that the role denies, at most 1,000; a denial takes precedence over every
    /// grant.
    #[serde(default)]
    pub deny: Vec<Id>,
    /// The roles whose grants and denials the role includes, at most 1,000. Each included role must
    /// be usable wherever this role is usable.
    #[serde(default)]
    pub includes: Vec<Id>,
}

/// Creates a copy of a role: of a built-in role, a role of the platform, or a role of an account
/// (R-ROL-4). The copy of an administrator's role is an administrator's role.
#[request]
pub struct Copy {
    /// The role to copy.
    pub role: Id,
    /// The host's own id for the copy. When absent, an id is generated.
    pub id: Option<Id>,
    /// The account to which the copy belongs. When absent: for a user, the account in which they
    /// act; for the host and operators, the platform.
    pub account: Option<Id>,
    /// The name that people see; the name of the original when absent.
    pub name: Option<Name>,
}

/// Changes a role; the change applies at once to everybody who has it (R-ROL-6). A field that is
/// absent stays as it is. A built-in role cannot be changed; copy it instead (R-ROL-4). Nobody can
/// change a role that allows more than they hold. Nobody can, by the change, take permissions from
/// users whose role includes this role and allows more than the actor holds (R-ROL-7).
#[request]
pub struct Edit {
    /// The role.
    pub role: Id,
    /// The name that people see.
    pub name: Option<Name>,
    /// The permissions that the role allows; the new list replaces the old one.
    pub allow: Option<Vec<Grant>>,
    /// The permissions that the role denies; the new list replaces the old one.
    pub deny: Option<Vec<Id>>,
    /// The roles that the role includes; the new list replaces the old one.
    pub includes: Option<Vec<Id>>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Creates a role, or changes the one that has the id, so that it is exactly as the request says. A
/// field that is absent is as it would be after `roles.create`. A role that is as it should be
/// already is not written, and keeps its revision; so a script can do the same again.
///
/// The rules are those of `roles.create` and `roles.edit`, and the actor needs `roles.create` too
/// where the role is not there yet. The role keeps what neither of them sets: the other role that
/// is on trial in its place, and whether it is one of administrators. A role stays in its account:
/// an id that belongs to a role of another one, or to one that was deleted, is refused with
/// `id_taken`.
#[request]
pub struct Put {
    /// The host's own id.
    pub id: Id,
    /// The account to which the role belongs; it can be used there and in the accounts below. When
    /// absent: for a user, the account in which they act; for the host and operators, the platform.
    pub account: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// The permissions that the role allows, at most 1,000.
    #[serde(default)]
    pub allow: Vec<Grant>,
    /// The permissions that the role denies, at most 1,000; a denial takes precedence over every
    /// grant.
    #[serde(default)]
    pub deny: Vec<Id>,
    /// The roles whose grants and denials the role includes, at most 1,000. Each included role must
    /// be usable wherever this role is usable.
    #[serde(default)]
    pub includes: Vec<Id>,
}

/// Reads a role. A role of an account that the actor cannot see is refused with `not_found`.
#[request]
pub struct Get {
    /// The role.
    pub role: Id,
}

/// Lists the roles that can be used in an account by id, a page at a time: the built-in roles,
/// those of the platform, those of the account, and those of the accounts above it.
#[request]
pub struct List {
    /// The account. When absent: for a user, the account in which they act; for the host and
    /// operators, only the built-in roles and those of the platform are listed.
    pub account: Option<Id>,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Id>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Deletes a role. If the role is in use, the call must name another role that takes its place
/// (R-ROL-8). A trial of this role in the place of another role is a use too; when the role is
/// replaced, the trial ends.
#[request]
pub struct Delete {
    /// The role.
    pub role: Id,
    /// The role that takes the place of the deleted role everywhere; it must be usable wherever the
    /// deleted role is used.
    pub replace_with: Option<Id>,
}

/// Begins or ends a trial, in which another role is tried in the place of this one without effect.
/// The users who have this role keep the permissions that it allows. Each check that the other role
/// would have refused is counted, and `roles.trial` shows the counts (R-QTA-15). For built-in roles
/// and administrators' roles, no other role can be tried. The actor needs the same permissions as
/// for `roles.edit`.
///
/// The trial covers members who have the role itself, under the ceilings that apply to them. It
/// does not cover operators, owners, members whose role includes this role, or packages. The counts
/// are kept in memory, and begin anew whenever a trial begins or the store is opened.
#[request]
pub struct TryOut {
    /// The role.
    pub role: Id,
    /// The role to try; it must be usable wherever `role` is usable, and must allow no more than
    /// the actor holds (R-ROL-7). When absent, the trial ends.
    pub candidate: Option<Id>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Shows what a role that is on trial would have refused (R-QTA-15). A role without a trial is
/// refused with `not_found`.
#[request]
pub struct Trial {
    /// The role in whose place another role is tried.
    pub role: Id,
}

/// What a role that is on trial would have refused.
#[answer]
pub struct RoleTrial {
    /// The role.
    pub role: Id,
    /// The role that is tried in the place of `role`.
    pub candidate: Id,
    /// Since when the checks are counted, in unix milliseconds: since the trial began, or since the
    /// store was opened if that was later.
    pub since_ms: u64,
    /// What the tried role would have refused, ordered by permission.
    pub would_refuse: Vec<WouldRefuse>,
}

/// How often a role that is on trial would have refused a permission.
#[answer]
pub struct WouldRefuse {
    /// The permission.
    pub permission: Id,
    /// How many checks the tried role would have refused. A send is one check, whatever the number
    /// of its messages; differences in scope are not counted.
    pub count: u64,
}

/// A page of roles.
#[answer]
pub struct RoleList {
    /// The roles.
    pub roles: Vec<Role>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Id>,
}

/// A role that was put into a state.
#[answer]
pub struct RolePut {
    /// The role.
    pub role: Role,
    /// What was done.
    pub outcome: PutOutcome,
}

/// A role that was deleted.
#[answer]
pub struct RoleDeleted {
    /// The role.
    pub role: Id,
    /// In how many places the other role took the place of the deleted role.
    pub replaced: u64,
}
