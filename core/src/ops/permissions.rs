//! The permission tree (R-ROL-1, R-ROL-2).

use super::{Operation, unknown_permission};
use crate::engine::Ctx;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::page_size;
use crate::model::{Count, HostNode, Id, Name, PermissionTree};
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

fn shown(tree: &PermissionTree, place: usize) -> Option<Permission> {
    let node = tree.node(place)?;
    Some(Permission {
        permission: node.id.clone(),
        title: node.title.clone(),
        path: tree.path(place).into_iter().map(str::to_owned).collect(),
        scoped: node.scoped,
        sensitive: node.sensitive,
    })
}

impl Operation for Add {
    type Answer = Permission;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Permission, Error> {
        let id = self.permission.as_str();
        let plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
        };
        if !id.split('.').all(plain) {
            return Err(Error::invalid(
                "/permission",
                format!(
                    "`{id}` must be lower-case letters, digits, `_` and `-` between single dots"
                ),
            ));
        }
        let tree = ctx.tree();
        if tree.place(id).is_some() || ctx.tx.has(&keys::tree_node(&self.permission))? {
            return Err(Error::new(
                Code::PermissionExists,
                format!("the permission tree has `{id}` already"),
            )
            .at("/permission"));
        }
        let mut path = Vec::new();
        if let Some((above, _)) = id.rsplit_once('.') {
            let place = tree
                .place(above)
                .ok_or_else(|| unknown_permission(above, "/permission"))?;
            path = tree.path(place).into_iter().map(str::to_owned).collect();
        }
        if tree.nodes().len() >= PermissionTree::MAX_NODES {
            return Err(Error::invalid(
                "/permission",
                format!(
                    "a platform has at most {} permissions",
                    PermissionTree::MAX_NODES
                ),
            ));
        }
        path.push(id.to_owned());
        let node = HostNode {
            id: self.permission,
            title: self.title,
            scoped: self.scoped,
            sensitive: self.sensitive,
        };
        ctx.tx.put(keys::tree_node(&node.id), &node)?;
        ctx.tx.touch_permission_tree();
        Ok(Permission {
            permission: node.id.to_string(),
            title: node.title.to_string(),
            path,
            scoped: node.scoped,
            sensitive: node.sensitive,
        })
    }
}

impl Operation for List {
    type Answer = PermissionList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PermissionList, Error> {
        let tree = ctx.tree();
        Ok(PermissionList {
            permissions: (0..tree.nodes().len())
                .filter_map(|place| shown(&tree, place))
                .collect(),
        })
    }
}

impl Operation for Search {
    type Answer = PermissionList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PermissionList, Error> {
        let most = page_size(self.limit)?;
        let tree = ctx.tree();
        let hits = tree.search(self.words.as_str());
        Ok(PermissionList {
            permissions: hits
                .into_iter()
                .take(most)
                .filter_map(|place| shown(&tree, place))
                .collect(),
        })
    }
}
