//! The permission tree (R-ROL-1, R-ROL-2).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::permissions::{Add, List, Permission, PermissionList, Search};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::page_size;
use crate::model::{HostNode, PermissionTree};

fn answer_of(tree: &PermissionTree, place: usize) -> Option<Permission> {
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
                    "`{id}` is not the id of a permission; write lower-case letters, digits, `_` \
                     and `-` between single dots."
                ),
            ));
        }
        let tree = ctx.tree();
        if tree.place(id).is_some() || ctx.tx.has(&keys::tree_node(&self.permission))? {
            return Err(Error::new(
                Code::PermissionExists,
                format!("The permission tree has `{id}` already; choose another id."),
            )
            .at("/permission"));
        }
        let mut path = Vec::new();
        if let Some((above, _)) = id.rsplit_once('.') {
            let place = tree.find(above, "/permission")?;
            path = tree.path(place).into_iter().map(str::to_owned).collect();
        }
        if tree.nodes().len() >= PermissionTree::MAX_NODES {
            return Err(Error::invalid(
                "/permission",
                format!(
                    "A platform has at most {} permissions, and there is no room for `{id}`; \
                     remove one first.",
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
        ctx.tx.invalidate_permission_tree();
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
                .filter_map(|place| answer_of(&tree, place))
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
                .filter_map(|place| answer_of(&tree, place))
                .collect(),
        })
    }
}
