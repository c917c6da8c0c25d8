//! Packages: service tiers with limits and a role that is the ceiling of every member (R-PKG-1).

use super::{Id, Limits, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Package {
    /// The id.
    pub id: Id,
    /// The name that people see.
    pub name: Name,
    /// Its limits; an absent one falls to the platform's default.
    pub limits: Limits,
    /// The role that no member of its accounts can exceed (R-ROL-5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// Whether it takes no new accounts (R-PKG-4).
    pub retired: bool,
    /// How many accounts use it.
    pub accounts: u64,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}
