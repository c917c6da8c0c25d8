//! Roles that are tried in the place of others: what they would refuse (R-QTA-15).

use crate::model::{Id, PermissionTree};
use crate::rules::role::PermissionSet;

/// A role that is tried in the place of a member's own.
pub(crate) struct Trial {
    pub(crate) role: Id,
    pub(crate) candidate: Id,
    /// What the candidate allows, under the same ceiling.
    pub(crate) permissions: PermissionSet,
}

/// A permission that a role gives and the one that is tried in its place does not.
pub(crate) struct MissingPermission {
    pub(crate) role: Id,
    pub(crate) candidate: Id,
    pub(crate) permission: String,
}

impl Trial {
    /// What the candidate would refuse at this place of the tree.
    pub(crate) fn missing(&self, tree: &PermissionTree, place: usize) -> Option<MissingPermission> {
        if self.permissions.at(place).is_some() {
            return None;
        }
        let permission = tree.node(place)?.id.clone();
        Some(MissingPermission {
            role: self.role.clone(),
            candidate: self.candidate.clone(),
            permission,
        })
    }
}
