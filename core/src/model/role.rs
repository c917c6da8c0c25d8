//! Roles: allowed nodes, denied nodes, and other roles that they include (R-ROL-3).

use super::{Id, Name, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Role {
    /// The id.
    pub id: Id,
    /// The name that people see.
    pub name: Name,
    /// The permissions that it allows.
    pub allow: Vec<Grant>,
    /// The permissions that it denies; a denial wins over every grant.
    pub deny: Vec<Id>,
    /// The roles whose grants and denials it takes in.
    pub includes: Vec<Id>,
    /// How many memberships, packages and roles use it.
    pub uses: u64,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A permission that a role allows, and for resources how far it reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The node of the permission tree; everything below it is granted too.
    pub permission: Id,
    /// How far it reaches; `any` where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}
