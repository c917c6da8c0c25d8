//! Kinds of resources, and the branch of the permission tree that decides about each (R-RES-1).

use crate::access::request::Ctx;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{Id, PermissionTree};
use crate::rules::resource::branch;
use std::sync::Arc;

/// A kind of resource, and the branch of the permission tree that decides about it.
pub(crate) struct Kind {
    pub(crate) id: Id,
    tree: Arc<PermissionTree>,
    branch: usize,
}

/// What creating needs: the first of these that the branch has. Where nothing can be made, as with
/// reports, who may view may register their own, and change and remove that.
pub(super) const CREATE: &[&str] = &["create", "add"];
/// What changing needs. Where nothing can be edited, who may make it may change it.
pub(crate) const EDIT: &[&str] = &["edit", "create", "add"];
pub(super) const DELETE: &[&str] = &["delete", "edit"];
pub(super) const SHARE: &[&str] = &["share", "edit", "create", "add"];
pub(super) const VIEW: &[&str] = &["view"];

impl Kind {
    /// The kind of this name (R-RES-1).
    pub(crate) fn find(ctx: &mut Ctx<'_>, id: Id) -> Result<Kind, Error> {
        let tree = ctx.tree();
        let place = match branch(id.as_str()) {
            Some(branch) => tree.place(branch),
            None if ctx.tx.has(&keys::tree_node(&id))? => tree.place(id.as_str()).filter(|place| {
                tree.node(*place)
                    .is_some_and(|node| node.scoped && !node.operators && !node.children.is_empty())
            }),
            None => None,
        };
        let branch = place.ok_or_else(|| {
            Error::invalid(
                "/kind",
                format!("There is no kind of resources `{id}`; name one such as `campaign`."),
            )
        })?;
        Ok(Kind { id, tree, branch })
    }

    /// The permission with this last part.
    pub(super) fn action(&self, last: &str) -> Option<usize> {
        let above = self.tree.node(self.branch)?;
        self.tree
            .place(&format!("{}.{last}", above.id))
            .filter(|place| above.children.contains(place))
    }

    /// The first of these permissions that the branch has.
    pub(super) fn permission(&self, choice: &[&str]) -> Result<usize, Error> {
        let found = choice.iter().chain(VIEW).find_map(|last| self.action(last));
        found.ok_or_else(|| {
            let branch = self
                .tree
                .node(self.branch)
                .map_or("", |node| node.id.as_str());
            self.tree.unknown(
                &format!("{branch}.{}", choice.first().copied().unwrap_or_default()),
                "/kind",
            )
        })
    }

    /// Whether none of these permissions is there, so that viewing decides about what is one's own.
    pub(super) fn is_of_ones_own(&self, choice: &[&str]) -> bool {
        choice != VIEW && choice.iter().all(|last| self.action(last).is_none())
    }

    pub(super) fn name_of(&self, place: usize) -> String {
        self.tree
            .node(place)
            .map(|node| node.id.clone())
            .unwrap_or_default()
    }
}
