//! Memberships: a user in an account, with a role.

use super::Id;
use serde::{Deserialize, Serialize};

/// A membership as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The role; the owner needs none.
    pub role: Option<Id>,
    /// Whether the role is that of an administrator (R-ROL-4).
    pub administrator: bool,
    /// The group; owner and administrators are in none (R-GRP-2).
    pub group: Option<Id>,
    /// The kinds of resources that the member does not share with the group (R-GRP-3).
    pub unshared: Vec<Id>,
    /// Whether the user owns the account.
    pub owner: bool,
    /// Whether the membership is disabled (R-ACC-3).
    pub disabled: bool,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
}
