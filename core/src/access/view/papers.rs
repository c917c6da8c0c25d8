//! What roles allow on paper, before any ceiling (R-ROL-5).

use crate::error::Error;
use crate::kernel::Tx;
use crate::model::{Id, Member, PermissionTree};
use crate::rules::role::Powers;
use crate::tables::roles::role_with_includes;
use std::collections::HashMap;

/// What roles allow on paper, each worked out once however many members of a list have it.
pub(crate) struct Papers<'a> {
    pub(crate) tree: &'a PermissionTree,
    roles: HashMap<Id, Powers>,
}

impl<'a> Papers<'a> {
    pub(crate) fn new(tree: &'a PermissionTree) -> Papers<'a> {
        Papers {
            tree,
            roles: HashMap::new(),
        }
    }

    /// As [`powers_on_paper`].
    pub(super) fn of(&mut self, tx: &mut Tx<'_>, member: &Member) -> Result<Powers, Error> {
        let Some(role) = member.role.as_ref().filter(|_| !member.owner) else {
            return powers_on_paper(tx, self.tree, member);
        };
        if let Some(known) = self.roles.get(role) {
            return Ok(known.clone());
        }
        let held = powers_on_paper(tx, self.tree, member)?;
        self.roles.insert(role.clone(), held.clone());
        Ok(held)
    }
}

/// What a member's role allows, or the owner's everything, before any ceiling (R-ROL-5).
fn powers_on_paper(
    tx: &mut Tx<'_>,
    tree: &PermissionTree,
    member: &Member,
) -> Result<Powers, Error> {
    match (&member.role, member.owner) {
        (_, true) => Ok(Powers::all(tree)),
        (Some(role), false) => role_powers(tx, tree, role),
        (None, false) => Ok(Powers::none(tree)),
    }
}

/// What a role allows to a member of an account.
pub(crate) fn role_powers(
    tx: &mut Tx<'_>,
    tree: &PermissionTree,
    role: &Id,
) -> Result<Powers, Error> {
    Ok(
        crate::rules::role::role_powers(tree, &role_with_includes(tx, tree, role)?)
            .within_accounts(tree),
    )
}
