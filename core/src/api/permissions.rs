//! The permission tree (R-ROL-1, R-ROL-2): requests and answers.

use crate::model::{Count, Id, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adds a node of the host's own below an existing one, or at the top (R-ROL-1).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The dotted id: lower-case letters, digits, `_` and `-` between the dots. What stands before
    /// the last dot must exist.
    pub permission: Id,
    /// Words for people; searched as well.
    pub title: Name,
    /// Whether grants carry a scope (own, group, any).
    #[serde(default)]
    pub scoped: bool,
    /// Whether it is granted by its own name only, never through its parent.
    #[serde(default)]
    pub sensitive: bool,
}

/// Lists the nodes, parents before children.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {}

/// Finds the nodes in whose path or titles every word occurs (R-ROL-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The words, in any order; upper and lower case are alike.
    pub words: Name,
    /// At most this many hits (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// A node of the permission tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Permission {
    /// The dotted id, such as `campaigns.send`.
    pub permission: String,
    /// Words for people.
    pub title: String,
    /// The ids from the top to this one.
    pub path: Vec<String>,
    /// Whether grants carry a scope.
    pub scoped: bool,
    /// Whether it is granted by its own name only.
    pub sensitive: bool,
}

/// Nodes of the permission tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PermissionList {
    /// The nodes.
    pub permissions: Vec<Permission>,
}
