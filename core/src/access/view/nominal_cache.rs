//! What roles allow before the ceilings (R-ROL-5).

use crate::error::Error;
use crate::kernel::Tx;
use crate::model::{Id, Member, PermissionTree};
use crate::rules::role::PermissionSet;
use crate::tables::roles::role_with_includes;
use std::collections::HashMap;

/// What roles allow before the ceilings, each worked out once however many members of a list have
/// it.
pub(crate) struct NominalCache<'a> {
    pub(crate) tree: &'a PermissionTree,
    roles: HashMap<Id, PermissionSet>,
}

impl<'a> NominalCache<'a> {
    pub(crate) fn new(tree: &'a PermissionTree) -> NominalCache<'a> {
        NominalCache {
            tree,
            roles: HashMap::new(),
        }
    }

    /// As [`membership_permissions`].
    pub(super) fn of(&mut self, tx: &mut Tx<'_>, member: &Member) -> Result<PermissionSet, Error> {
        let Some(role) = member.role.as_ref().filter(|_| !member.owner) else {
            return membership_permissions(tx, self.tree, member);
        };
        if let Some(known) = self.roles.get(role) {
            return Ok(known.clone());
        }
        let held = membership_permissions(tx, self.tree, member)?;
        self.roles.insert(role.clone(), held.clone());
        Ok(held)
    }
}

/// What a member's role allows, or the owner's everything, before any ceiling (R-ROL-5).
fn membership_permissions(
    tx: &mut Tx<'_>,
    tree: &PermissionTree,
    member: &Member,
) -> Result<PermissionSet, Error> {
    match (&member.role, member.owner) {
        (_, true) => Ok(PermissionSet::all(tree)),
        (Some(role), false) => role_permissions(tx, tree, role),
        (None, false) => Ok(PermissionSet::none(tree)),
    }
}

/// What a role allows to a member of an account.
pub(crate) fn role_permissions(
    tx: &mut Tx<'_>,
    tree: &PermissionTree,
    role: &Id,
) -> Result<PermissionSet, Error> {
    Ok(
        crate::rules::role::role_permissions(tree, &role_with_includes(tx, tree, role)?)
            .within_accounts(tree),
    )
}
