//! The permission tree (R-ROL-1, R-ROL-2; section 15 of the rules).

mod builtin;
pub mod tree;

use crate::model::{Id, Name};
use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// The permission that lets a user reach every account below their own as they reach their own
/// (R-TEA-3).
pub(crate) const TEAM_PERMISSION: &str = "accounts.team";

/// How far a permission on resources reaches: `any` implies `group` implies `own` (R-ROL-3).
#[answer]
#[derive(PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The user's own resources.
    Own,
    /// The user's own resources, and those that are shared in the user's group.
    Group,
    /// All resources of the account.
    Any,
}

/// A node that the host added to the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostNode {
    /// The id, with dots.
    pub id: Id,
    /// The title for people; searches look at it too.
    pub title: Name,
    /// Whether grants carry a scope.
    pub scoped: bool,
    /// Whether the permission has to be granted by its own name.
    pub sensitive: bool,
}
