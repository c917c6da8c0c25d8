//! Every answer to "may they?" is found here, for whoever asks and from whichever account they come
//! (R-ROL-9).

use crate::access::view::cell::View;
use crate::access::view::judged::{Holding, Judged, set_aside, united};
use crate::access::view::member::{MemberView, PerChannel};
use crate::access::view::nominal_cache::{NominalCache, role_permissions};
use crate::error::{Code, Error};
use crate::kernel::{Tx, keys};
use crate::model::{Id, Member, PermissionTree, Role, User};
use crate::rules::role::PermissionSet;
use crate::rules::trial::Trial;
use std::sync::Arc;

/// What nobody does from an account above: an API key belongs to a membership of its account
/// (R-SES-7).
pub(crate) const OF_OWN_MEMBERS: &str = "api_keys.create";

impl View {
    /// What a user holds here before the ceilings, membership by membership: of this account, and
    /// as one who manages the team of accounts above (R-SES-5, R-TEA-2); those included that are
    /// disabled.
    fn held(
        &self,
        tx: &mut Tx<'_>,
        cache: &mut NominalCache<'_>,
        user: &Id,
    ) -> Result<Vec<Holding>, Error> {
        let mut held = Vec::new();
        for (height, level) in self.levels.iter().enumerate() {
            let Some(member) = tx.get::<Member>(&keys::member(&level.account, user))? else {
                continue;
            };
            let nominal = level.nominal(tx, cache, &member)?;
            if height == 0 || level.manages_tree(cache.tree, &nominal) {
                let enters = self.enters(cache.tree, height, member.owner, &nominal);
                held.push(Holding {
                    member,
                    nominal,
                    enters,
                });
            }
        }
        Ok(held)
    }

    /// Whether one who holds this by a membership so many levels up can act here now: they enter
    /// the account of the membership, or one between that and this from which they reach it. A
    /// membership counts by the status of its own account, the worst along that line.
    fn enters(
        &self,
        tree: &PermissionTree,
        height: usize,
        owner: bool,
        nominal: &PermissionSet,
    ) -> bool {
        let mut line = self.levels.iter().take(height + 1).enumerate();
        line.any(|(at, level)| {
            level.refusal(owner).is_none() && (at == 0 || level.manages_tree(tree, nominal))
        })
    }

    /// What a user holds here before the ceilings: what counts now, or all that can, with what is
    /// disabled or on hold.
    pub(crate) fn nominal(
        &self,
        tx: &mut Tx<'_>,
        cache: &mut NominalCache<'_>,
        user: &Id,
        all: bool,
    ) -> Result<PermissionSet, Error> {
        let mut held = self.held(tx, cache, user)?;
        if !all {
            held.retain(|holding| !holding.member.disabled);
            set_aside(&mut held);
        }
        Ok(united(cache.tree, &held))
    }

    /// What the package leaves a member here who has their permissions from it (R-INV-8): none
    /// where there is no package.
    pub(crate) fn permissions_by_package(&self, tree: &PermissionTree) -> PermissionSet {
        let ceiling = self.levels.first().and_then(|own| own.ceiling.as_deref());
        ceiling
            .cloned()
            .unwrap_or_else(|| PermissionSet::none(tree))
    }

    /// Whether who holds this here reaches the accounts below.
    pub(crate) fn may_manage_tree(&self, tree: &PermissionTree, nominal: &PermissionSet) -> bool {
        self.levels
            .first()
            .is_some_and(|own| own.manages_tree(tree, nominal))
    }

    /// Whether a membership of this account lets a user reach those below it.
    pub(crate) fn manages_tree(
        &self,
        tx: &mut Tx<'_>,
        cache: &mut NominalCache<'_>,
        user: &Id,
    ) -> Result<bool, Error> {
        let (Some(own), Some(member)) = (
            self.levels.first(),
            tx.get::<Member>(&keys::member(&self.account, user))?,
        ) else {
            return Ok(false);
        };
        let nominal = own.nominal(tx, cache, &member)?;
        Ok(own.manages_tree(cache.tree, &nominal))
    }

    /// The membership, in no group where there are none.
    fn grouped(&self, member: &Member) -> Member {
        Member {
            group: member.group.clone().filter(|_| self.groups),
            ..member.clone()
        }
    }

    fn is_own(&self, member: &Member) -> bool {
        member.account == self.account
    }

    /// Whether a membership of this account has its permissions from the package, by policy
    /// `role_scope` (R-INV-8).
    pub(crate) fn is_by_package(&self, member: &Member) -> bool {
        self.levels
            .iter()
            .any(|level| level.account == member.account && level.is_by_package(member))
    }

    /// What a user may do here now, and by which memberships; none for a stranger. Every answer to
    /// "may they?" is made here, for whoever asks and from whichever account they come (R-ROL-9).
    pub(crate) fn judge(
        &self,
        tx: &mut Tx<'_>,
        cache: &mut NominalCache<'_>,
        user: &Id,
    ) -> Result<Option<Judged>, Error> {
        self.judge_by(tx, cache, user, true)
    }

    /// The same as if all accounts of the line were active; what was begun before one was put on
    /// hold is judged like that, and who may take that back.
    pub(crate) fn judge_whatever_status(
        &self,
        tx: &mut Tx<'_>,
        cache: &mut NominalCache<'_>,
        user: &Id,
    ) -> Result<Option<Judged>, Error> {
        self.judge_by(tx, cache, user, false)
    }

    fn judge_by(
        &self,
        tx: &mut Tx<'_>,
        cache: &mut NominalCache<'_>,
        user: &Id,
        status_counts: bool,
    ) -> Result<Option<Judged>, Error> {
        let mut held = self.held(tx, cache, user)?;
        // What is disabled gives nothing beside what is not.
        if held.iter().any(|holding| !holding.member.disabled) {
            held.retain(|holding| !holding.member.disabled);
        }
        let owns = held.iter().any(|holding| holding.member.owner);
        let on_hold = match status_counts {
            true => set_aside(&mut held),
            false => Vec::new(),
        };
        let Some(nearest) = held.first() else {
            return Ok(None);
        };
        let disabled = match tx
            .get::<User>(&keys::user(user))?
            .is_none_or(|user| user.disabled)
        {
            true => Some(Code::UserDisabled),
            false => nearest.member.disabled.then_some(Code::MemberDisabled),
        };
        let here = self.levels.first().and_then(|level| level.refusal(owns));
        let status = here.filter(|_| status_counts && !held.iter().any(|holding| holding.enters));
        let mut permissions = self.under_ceiling(united(cache.tree, &held));
        if !self.is_own(&nearest.member) {
            permissions = permissions.only(cache.tree, |permission| permission != OF_OWN_MEMBERS);
        }
        Ok(Some(Judged {
            refusal: status.or(disabled),
            entry: here.or(disabled),
            disabled,
            permissions,
            held,
            on_hold,
        }))
    }

    pub(super) fn member(
        &self,
        tx: &mut Tx<'_>,
        tree: &PermissionTree,
        stamp: u64,
        user: &Id,
        judged: &Judged,
    ) -> Result<MemberView, Error> {
        let mut addresses = self.addresses.clone();
        addresses.extend(tx.get(&keys::user_allow_list(user))?);
        for member in judged.all_memberships() {
            addresses.extend(tx.get(&keys::member_allow_list(&member.account, user))?);
        }
        Ok(MemberView {
            stamp,
            refusal: judged.refusal,
            entry: judged.entry,
            permissions: judged.permissions.clone(),
            addresses,
            // They are in its group whether it is on hold or not.
            member: judged
                .all_memberships()
                .find(|member| self.is_own(member))
                .map(|member| Arc::new(self.grouped(member))),
            from_ancestor: judged.memberships().any(|member| !self.is_own(member)),
            trial: self.trial(tx, tree, judged)?.map(Arc::new),
            prepared: PerChannel::default(),
        })
    }

    /// What is tried in the place of a role by which a user holds what they hold here. Owners, and
    /// who has their permissions from the package, are bound by none.
    fn trial(
        &self,
        tx: &mut Tx<'_>,
        tree: &PermissionTree,
        judged: &Judged,
    ) -> Result<Option<Trial>, Error> {
        for (at, Holding { member, .. }) in judged.held.iter().enumerate() {
            let level = self
                .levels
                .iter()
                .find(|level| level.account == member.account);
            let Some((role, level)) = member
                .role
                .as_ref()
                .zip(level)
                .filter(|(_, level)| !(member.owner || level.is_by_package(member)))
            else {
                continue;
            };
            let Some(candidate) = tx
                .get::<Role>(&keys::role(role))?
                .and_then(|role| role.trial)
            else {
                continue;
            };
            let tried = role_permissions(tx, tree, &candidate)?;
            let tried = if self.is_own(member) || level.manages_tree(tree, &tried) {
                tried
            } else {
                PermissionSet::none(tree)
            };
            let others = judged
                .held
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at);
            let nominal = others.fold(tried, |all, (_, holding)| all.united(&holding.nominal));
            return Ok(Some(Trial {
                role: role.clone(),
                candidate,
                permissions: self.under_ceiling(nominal),
            }));
        }
        Ok(None)
    }

    fn under_ceiling(&self, held: PermissionSet) -> PermissionSet {
        match self.levels.first() {
            Some(own) => own.under_ceiling(held),
            None => held,
        }
    }
}
