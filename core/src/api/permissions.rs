//! The permission tree (R-ROL-1, R-ROL-2): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/permissions.md"))]

use crate::model::{Count, Id, Name};
use tenantry_macros::{answer, request};

/// Adds a permission of the host's own to the tree, below an existing node or at the top (R-ROL-1).
#[request]
pub struct Add {
    /// The id, with dots: lower-case letters, digits, `_` and `-` between the dots. The part before
    /// the last dot must be an existing node.
    pub permission: Id,
    /// A title for people; `permissions.search` looks at it too.
    pub title: Name,
    /// Whether grants carry a scope (own, group, any).
    #[serde(default)]
    pub scoped: bool,
    /// Whether the permission has to be granted by its own name, because a grant of its parent does
    /// not include it.
    #[serde(default)]
    pub sensitive: bool,
}

/// Lists the nodes, each parent before its children.
#[request]
pub struct List {}

/// Finds the nodes in whose paths or titles every word occurs (R-ROL-2).
#[request]
pub struct Search {
    /// The words, in any order; case does not matter.
    pub words: Name,
    /// How many nodes are returned at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// A node of the permission tree.
#[answer]
pub struct Permission {
    /// The id, with dots, such as `campaigns.send`.
    pub permission: String,
    /// The title for people.
    pub title: String,
    /// The ids from the top of the tree to this node.
    pub path: Vec<String>,
    /// Whether grants carry a scope.
    pub scoped: bool,
    /// Whether the permission has to be granted by its own name.
    pub sensitive: bool,
}

/// Nodes of the permission tree.
#[answer]
pub struct PermissionList {
    /// The nodes.
    pub permissions: Vec<Permission>,
}
