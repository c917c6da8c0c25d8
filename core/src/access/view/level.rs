//! What bounds the members of each account of a line: its status, its package, and those above.

use crate::access::view::nominal_cache::{NominalCache, role_permissions};
use crate::error::{Code, Error};
use crate::kernel::Tx;
use crate::model::{
    Account, HoldReason, Id, Member, Package, PermissionTree, PolicyRecord, RoleScope,
};
use crate::rules::account::{Status, effective_status};
use crate::rules::role::PermissionSet;
use std::sync::Arc;

/// What bounds the members of one account of a line.
pub(super) struct Level {
    pub(super) account: Id,
    /// What the roles of its package and of those above leave; everything where there is none
    /// (R-ROL-5).
    pub(super) ceiling: Option<Arc<PermissionSet>>,
    /// Whether members have their permissions from the package, by policy `role_scope` (R-INV-8).
    by_package: bool,
    status: Status,
    /// Whether an owner may enter in spite of the status (R-ACC-3).
    owner_may_enter: bool,
}

impl Level {
    /// Why the account cannot be entered now, by an owner or by somebody else.
    pub(super) fn refusal(&self, owner: bool) -> Option<Code> {
        self.status
            .refusal()
            .filter(|_| !(owner && self.owner_may_enter))
    }

    /// Whether this membership has its permissions from the package.
    pub(super) fn is_by_package(&self, member: &Member) -> bool {
        self.by_package && !member.owner
    }

    pub(super) fn under_ceiling(&self, held: PermissionSet) -> PermissionSet {
        match &self.ceiling {
            Some(ceiling) => held.under(ceiling),
            None => held,
        }
    }

    /// What a membership gives before the ceilings.
    pub(super) fn nominal(
        &self,
        tx: &mut Tx<'_>,
        cache: &mut NominalCache<'_>,
        member: &Member,
    ) -> Result<PermissionSet, Error> {
        match (self.is_by_package(member), &self.ceiling) {
            (false, _) => cache.of(tx, member),
            (true, Some(ceiling)) => Ok(ceiling.as_ref().clone()),
            // Without a package there is no role to have.
            (true, None) => Ok(PermissionSet::none(cache.tree)),
        }
    }

    /// Whether who holds this here reaches the accounts below (R-TEA-3).
    pub(super) fn manages_tree(&self, tree: &PermissionTree, nominal: &PermissionSet) -> bool {
        let held = |place| {
            nominal.at(place).is_some()
                && self
                    .ceiling
                    .as_ref()
                    .is_none_or(|ceiling| ceiling.at(place).is_some())
        };
        tree.place(crate::model::TEAM_PERMISSION).is_some_and(held)
    }
}

/// What bounds the members of each account of a line, given their packages and policies; the last
/// of these are the platform's.
pub(super) fn levels(
    tx: &mut Tx<'_>,
    tree: &PermissionTree,
    line: &[(&Account, Option<&Package>)],
    policies: &[Option<PolicyRecord>],
) -> Result<Vec<Level>, Error> {
    let mut levels: Vec<Level> = Vec::with_capacity(line.len());
    for (height, (account, package)) in line.iter().enumerate().rev() {
        let inherited = levels.last().and_then(|level| level.ceiling.clone());
        let own = package
            .and_then(|package| package.role.as_ref())
            .map(|role| role_permissions(tx, tree, role))
            .transpose()?;
        let ceiling = match (own, inherited) {
            (Some(own), Some(inherited)) => Some(Arc::new(own.under(&inherited))),
            (Some(own), None) => Some(Arc::new(own)),
            (None, inherited) => inherited,
        };
        let from_here = policies.iter().skip(height).flatten();
        let policies = crate::rules::policy::effective(from_here);
        let line = || line.iter().skip(height).map(|(account, _)| *account);
        let status = effective_status(line());
        levels.push(Level {
            account: account.id.clone(),
            ceiling,
            by_package: policies.role_scope == RoleScope::Package,
            status,
            owner_may_enter: policies.billing_hold_owner_enters
                && held_for_billing_alone(status, line()),
        });
    }
    levels.reverse();
    Ok(levels)
}

/// Whether unpaid invoices are all that keeps an account of this status from being active.
fn held_for_billing_alone<'a>(status: Status, line: impl Iterator<Item = &'a Account>) -> bool {
    status == Status::Suspended
        && line
            .flat_map(|account| &account.holds)
            .all(|hold| hold.reason == HoldReason::Billing)
}
