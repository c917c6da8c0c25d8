//! Roles: of the platform, and of accounts' own (R-ROL-1, R-ROL-3, R-ROL-4, R-ROL-6 to R-ROL-8):
//! requests and answers.

use crate::model::{Count, Grant, Id, Name, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a role: of an account's own, or of the platform, which host and operators alone make
/// (R-ROL-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The host's own id; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The account whose own it is, to be used there and below. When absent: for a user the account
    /// that they act in, for host and operators the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// The permissions that it allows, at most 1000 lines.
    #[serde(default)]
    pub allow: Vec<Grant>,
    /// The permissions that it denies, at most 1000; a denial wins over every grant.
    #[serde(default)]
    pub deny: Vec<Id>,
    /// The roles whose grants and denials it takes in, at most 1000; each must be usable where this
    /// one is.
    #[serde(default)]
    pub includes: Vec<Id>,
}

/// Makes a role like another: built in, of the platform, or of an account (R-ROL-4). The copy of
/// one of administrators is one of administrators.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// The role to copy.
    pub role: Id,
    /// The host's own id for the copy; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The account whose own the copy is. When absent: for a user the account that they act in, for
    /// host and operators the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The name that people see; that of the original when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
}

/// Changes a role; acts at once for everyone who has it (R-ROL-6). What is absent stays. The
/// built-in ones are copied instead (R-ROL-4), and nobody changes a role that allows more than they
/// hold, nor takes by it from those whose role includes it and allows more (R-ROL-7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The role.
    pub role: Id,
    /// The name that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The permissions that it allows, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<Grant>>,
    /// The permissions that it denies, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<Vec<Id>>,
    /// The roles that it includes, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub includes: Option<Vec<Id>>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Reads a role. One of an account that the actor cannot see is `not_found`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The role.
    pub role: Id,
}

/// Lists the roles that can be used in an account, by id, a page at a time: the built-in ones,
/// those of the platform, and those of the account and of the accounts above it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account. When absent: for a user the one that they act in; for host and operators only
    /// the built-in roles and those of the platform are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// Go on after this id: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Id>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Deletes a role; one in use only when another takes its place (R-ROL-8). To be tried in the place
/// of another is a use too: such a trial is over when the role is replaced.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The role.
    pub role: Id,
    /// The role that takes its place everywhere; it must be usable wherever the other is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace_with: Option<Id>,
}

/// Tries another role in the place of one, without effect: who has the role may do what it allows
/// as before, and each check that the other would have refused is counted for `roles.trial`
/// (R-QTA-15). Not the built-in roles and not those of administrators; access as for `roles.edit`.
///
/// It counts for members who have the role itself, under the ceilings that bind them: not for
/// operators, owners, roles that include it, or packages. Counts are kept in memory, and begin anew
/// whenever a trial begins or the store is opened.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TryOut {
    /// The role.
    pub role: Id,
    /// The role to try, usable wherever the other is, and allowing no more than the actor holds
    /// (R-ROL-7). The trial is over when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Id>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Reads what a role that is tried in the place of another would have refused (R-QTA-15).
/// `not_found` where none is tried.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The role in whose place another is tried.
    pub role: Id,
}

/// What a role that is tried would have refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleTrial {
    /// The role.
    pub role: Id,
    /// The role that is tried in its place.
    pub candidate: Id,
    /// Since when it is counted, in unix milliseconds: when the trial began, or when the store was
    /// opened since.
    pub since_ms: u64,
    /// What it would have refused, by permission.
    pub would_refuse: Vec<WouldRefuse>,
}

/// How often a role that is tried would have refused a permission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WouldRefuse {
    /// The permission.
    pub permission: Id,
    /// How many checks it would have refused. A send is one, however many messages it asks for; how
    /// far a permission reaches is not compared.
    pub count: u64,
}

/// A page of roles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleList {
    /// The roles.
    pub roles: Vec<Role>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Id>,
}

/// A role that was deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleDeleted {
    /// The role.
    pub role: Id,
    /// In how many places another took its place.
    pub replaced: u64,
}
