//! What counts for an account and its members is taken from the store, once after each change.

use crate::access::state::Engine;
use crate::access::view::cell::{AccountCell, Platform, View};
use crate::access::view::cells::Cells;
use crate::access::view::level::levels;
use crate::access::view::member::MemberView;
use crate::access::view::nominal_cache::NominalCache;
use crate::access::view::ruled::{Ruled, assigned, planned_packages};
use crate::error::Error;
use crate::kernel::{Tx, keys};
use crate::meters::{Frame, TRIED, Team};
use crate::model::{Account, Id, Limits, Package, PolicyRecord, SecondFactorPolicy};
use crate::rules::account::{Status, effective_status};
use crate::rules::policy::includes_credits;
use crate::rules::trial::MissingPermission;
use crate::tables::accounts::living_line;
use crate::tables::caps::caps_of;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl AccountCell {
    /// Changes whenever something that this account depends on does.
    #[inline]
    pub(crate) fn stamp(&self, engine: &Engine) -> u64 {
        engine.views.epoch.load(Ordering::Acquire) + self.epoch.load(Ordering::Acquire)
    }

    /// What counts now.
    pub(crate) fn view(self: &Arc<AccountCell>, engine: &Engine) -> Result<Arc<View>, Error> {
        let stamp = self.stamp(engine);
        let kept = self
            .view
            .load_full()
            .filter(|view| view.frame.stamp == stamp);
        // An operation that was overtaken by a commit goes on with what its snapshot says. What was
        // kept may know more, and of what is built of it nothing may be kept.
        if !engine.kernel.reads_newest() {
            return Ok(Arc::new(self.viewed(engine, TRIED, None)?));
        }
        if let Some(view) = kept {
            return Ok(view);
        }
        let view = Arc::new(self.viewed(engine, stamp, None)?);
        self.view.store(Some(view.clone()));
        Ok(view)
    }

    /// What would count if the account had another package now, and none were planned for it
    /// (R-QTA-15).
    pub(crate) fn view_under(
        self: &Arc<AccountCell>,
        engine: &Engine,
        package: Package,
    ) -> Result<View, Error> {
        self.viewed(engine, TRIED, Some(package))
    }

    fn viewed(
        self: &Arc<AccountCell>,
        engine: &Engine,
        stamp: u64,
        other: Option<Package>,
    ) -> Result<View, Error> {
        let mut tx = engine.kernel.reading();
        let (line, packages) = line_with_packages(&mut tx, &self.id, other)?;
        let defaults: Limits = tx.get(&keys::defaults())?.unwrap_or_default();
        let pairs: Vec<_> = line
            .iter()
            .zip(packages.iter().map(Option::as_ref))
            .collect();
        let (mut records, mut addresses) = (Vec::new(), Vec::new());
        for account in &line {
            addresses.extend(tx.get(&keys::account_allow_list(&account.id))?);
            records.push(tx.get::<PolicyRecord>(&keys::policy(Some(&account.id)))?);
        }
        records.push(tx.get::<PolicyRecord>(&keys::policy(None))?);
        let policies = crate::rules::policy::effective(records.iter().flatten());
        let ruled = Ruled {
            line: &line,
            defaults: &defaults,
            edition: engine.kernel.edition,
            over_limit: policies.over_limit,
            includes_credits: includes_credits(engine.kernel.edition, records.iter().flatten()),
        };
        let now = packages.iter().map(Option::as_ref).collect::<Vec<_>>();
        let planned = planned_packages(&mut tx, &line)?;
        let (guaranteed, later) = (
            ruled.guaranteed(&mut tx, &now, &planned)?,
            ruled.later(&now, &planned),
        );
        let levels = levels(&mut tx, &engine.views.tree.load(), &pairs, &records)?;
        let zone_name = line
            .first()
            .map_or("UTC", |account| account.time_zone.as_str());
        let ancestors: Vec<_> = line
            .iter()
            .skip(1)
            .map(|account| engine.views.cells.get_or_insert(engine, &account.id))
            .collect();
        let platform = engine.views.cells.platform(engine)?;
        Ok(View {
            account: self.id.clone(),
            frame: Frame::new(stamp, zone_name, &policies),
            status: effective_status(&line),
            limits: ruled.limits(&now),
            pays: ruled.pays(&now),
            later,
            guaranteed,
            caps: caps_of(&mut tx, Some(&self.id))?,
            assets: assigned(&pairs),
            addresses,
            team: self.team_under(engine, &ancestors, &platform),
            platform,
            ancestors,
            levels,
            groups: policies.groups,
            group_cap_period: policies.group_cap_period,
            needs_second_factor: policies.second_factor == SecondFactorPolicy::Required,
        })
    }

    /// Whose mutex the counters of a send are under: that of the whole tree, or of all accounts
    /// where the platform has caps of its own.
    fn team_under(
        self: &Arc<AccountCell>,
        engine: &Engine,
        ancestors: &[Arc<AccountCell>],
        platform: &Platform,
    ) -> Arc<Team> {
        if !platform.caps.is_empty() {
            return engine.views.cells.all.clone();
        }
        let top = ancestors.last().unwrap_or(self);
        let team = top.team.get_or_init(|| Team::in_room(&engine.views.room));
        team.clone()
    }

    /// What a member may do now; `not_member` as the refusal of those who are none.
    pub(crate) fn member(
        self: &Arc<AccountCell>,
        engine: &Engine,
        user: &str,
    ) -> Result<Arc<MemberView>, Error> {
        let stamp = self.stamp(engine);
        let kept = self
            .members
            .read()
            .get(user)
            .filter(|member| member.stamp == stamp)
            .cloned();
        let is_newest = engine.kernel.reads_newest();
        if let Some(member) = kept.filter(|_| is_newest) {
            return Ok(member);
        }
        let stamp = if is_newest { stamp } else { TRIED };
        let view = self.view(engine)?;
        let user = Id::new(user).map_err(|error| Error::invalid("/user", error))?;
        let tree = engine.views.tree.load();
        let mut tx = engine.kernel.reading();
        let Some(judged) = view.judge(&mut tx, &mut NominalCache::new(&tree), &user)? else {
            // Not kept: strangers are without number.
            return Ok(Arc::new(MemberView::stranger(stamp, &tree)));
        };
        let member = Arc::new(view.member(&mut tx, &tree, stamp, &user, &judged)?);
        if is_newest {
            engine.views.cells.keep_member(self, user, member.clone());
        }
        Ok(member)
    }

    /// Looks at a member who is cached.
    pub(crate) fn cached_member<T>(
        &self,
        engine: &Engine,
        user: &str,
        at: impl FnOnce(&MemberView) -> T,
    ) -> Option<T> {
        let stamp = self.stamp(engine);
        self.members
            .read()
            .get(user)
            .filter(|member| member.stamp == stamp)
            .map(|member| at(member))
    }

    /// The same as if all accounts of the line were active.
    pub(crate) fn member_whatever_status(
        self: &Arc<AccountCell>,
        engine: &Engine,
        user: &Id,
    ) -> Result<Arc<MemberView>, Error> {
        let view = self.view(engine)?;
        if view.status == Status::Active {
            return self.member(engine, user.as_str());
        }
        let (stamp, tree) = (view.frame.stamp, engine.views.tree.load());
        let mut tx = engine.kernel.reading();
        let judged = view.judge_whatever_status(&mut tx, &mut NominalCache::new(&tree), user)?;
        Ok(Arc::new(match judged {
            Some(judged) => view.member(&mut tx, &tree, stamp, user, &judged)?,
            None => MemberView::stranger(stamp, &tree),
        }))
    }
}

/// An account and those above it, each with its package; the account itself with the other one,
/// where there is one to try.
fn line_with_packages(
    tx: &mut Tx<'_>,
    id: &Id,
    other: Option<Package>,
) -> Result<(Vec<Account>, Vec<Option<Package>>), Error> {
    let mut line = living_line(tx, id)?;
    let mut packages = Vec::new();
    for account in &line {
        packages.push(
            account
                .package
                .as_ref()
                .map(|id| tx.get::<Package>(&keys::package(id)))
                .transpose()?
                .flatten(),
        );
    }
    if let Some((other, (account, package))) = other.zip(line.first_mut().zip(packages.first_mut()))
    {
        (account.package, account.next_package, *package) =
            (Some(other.id.clone()), None, Some(other));
    }
    Ok((line, packages))
}

impl Cells {
    /// What counts for all accounts together now.
    pub(crate) fn platform(&self, engine: &Engine) -> Result<Arc<Platform>, Error> {
        let stamp = engine.views.epoch.load(Ordering::Acquire);
        let kept = self
            .platform
            .load_full()
            .filter(|platform| platform.frame.stamp == stamp);
        let is_newest = engine.kernel.reads_newest();
        if let Some(platform) = kept.filter(|_| is_newest) {
            return Ok(platform);
        }
        let stamp = if is_newest { stamp } else { TRIED };
        let mut tx = engine.kernel.reading();
        let policies: Option<PolicyRecord> = tx.get(&keys::policy(None))?;
        let frame = Frame::new(
            stamp,
            "UTC",
            &crate::rules::policy::effective(policies.as_slice()),
        );
        let platform = Arc::new(Platform {
            frame,
            caps: caps_of(&mut tx, None)?,
        });
        if is_newest {
            self.platform.store(Some(platform.clone()));
        }
        Ok(platform)
    }
}

impl MemberView {
    /// Whether the permission at this place is held, as far as it may reach. Where a role is tried
    /// that would refuse, that counts: this is for checks that decide (R-QTA-15).
    pub(crate) fn may(&self, engine: &Engine, place: usize) -> bool {
        if let Some(missing) = self.missing(engine, place) {
            engine.trials.count(&missing);
        }
        self.permissions.at(place).is_some()
    }

    /// What a role that is tried would refuse here, though it is held.
    pub(crate) fn missing(&self, engine: &Engine, place: usize) -> Option<MissingPermission> {
        let trial = self.trial.as_deref()?;
        self.permissions.at(place)?;
        trial.missing(&engine.views.tree.load(), place)
    }
}
