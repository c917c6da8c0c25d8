//! Operators: the platform's staff (R-PLT-2).

use super::Id;
use serde::{Deserialize, Serialize};

/// A user's membership of the platform itself, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operator {
    /// The user.
    pub user: Id,
    /// The role, which says what the operator may do with the platform's clients.
    pub role: Id,
    /// Whether the user is disabled as an operator.
    pub disabled: bool,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When it was created.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
}
