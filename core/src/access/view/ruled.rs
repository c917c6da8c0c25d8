//! The limits of an account by its packages, now and as planned, and what it guarantees to
//! those below.

use crate::access::view::cell::Later;
use crate::error::Error;
use crate::kernel::{Tx, keys};
use crate::meters::{Guarantee, Guaranteed, Resolved};
use crate::model::{
    Account, Assets, Edition, Id, Limit, LimitName, Limits, Name, OverLimit, Package,
};
use crate::rules::limit::{Source, candidates, guarantees_hold, terms};
use crate::rules::window::Calendar;
use crate::tables::limits::promised_key;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// An account and those above it, with what else their limits depend on.
pub(super) struct Ruled<'a> {
    pub(super) line: &'a [Account],
    pub(super) defaults: &'a Limits,
    pub(super) edition: Edition,
    /// What happens beyond a limit of which nothing else is said.
    pub(super) over_limit: OverLimit,
    pub(super) includes_credits: bool,
}

/// The packages along a line, as they are at a time.
type Packages<'a> = [Option<&'a Package>];

impl Ruled<'_> {
    /// The value of a limit of the account at a level of the line.
    fn value(&self, packages: &Packages<'_>, level: usize, name: LimitName) -> Resolved {
        let pairs: Vec<_> = self
            .line
            .iter()
            .zip(packages.iter().copied())
            .skip(level)
            .collect();
        let first = candidates(name, &pairs, self.defaults, self.edition)
            .into_iter()
            .next();
        let plain = Resolved::plain(Limit::Unlimited, Source::PlatformDefault);
        first.map_or(plain, |first| {
            Resolved::of(&first, terms(name, &pairs, self.defaults), self.over_limit)
        })
    }

    pub(super) fn limits(&self, packages: &Packages<'_>) -> [Resolved; LimitName::COUNT] {
        let mut limits =
            [Resolved::plain(Limit::Unlimited, Source::PlatformDefault); LimitName::COUNT];
        for (slot, name) in limits.iter_mut().zip(LimitName::ALL) {
            *slot = self.value(packages, 0, *name);
        }
        limits
    }

    /// Whether credits pay for what exceeds the account's own limits.
    pub(super) fn pays(&self, packages: &Packages<'_>) -> bool {
        self.includes_credits
            && packages
                .iter()
                .flatten()
                .next()
                .is_some_and(|package| package.credits && package.overuse)
    }

    /// The packages at an instant.
    fn packages_at<'p>(
        now: &Packages<'p>,
        planned: &'p [Option<(u64, Package)>],
        at_ms: u64,
    ) -> Vec<Option<&'p Package>> {
        let then = |planned: &'p Option<(u64, Package)>| {
            planned
                .as_ref()
                .filter(|(from_ms, _)| *from_ms <= at_ms)
                .map(|(_, package)| package)
        };
        now.iter()
            .zip(planned)
            .map(|(now, planned)| then(planned).or(*now))
            .collect()
    }

    fn changes_at(planned: &[Option<(u64, Package)>]) -> std::collections::BTreeSet<u64> {
        planned
            .iter()
            .flatten()
            .map(|(from_ms, _)| *from_ms)
            .collect()
    }

    pub(super) fn later(
        &self,
        now: &Packages<'_>,
        planned: &[Option<(u64, Package)>],
    ) -> Vec<Later> {
        let at = |from_ms| {
            let packages = Ruled::packages_at(now, planned, from_ms);
            Later {
                from_ms,
                limits: self.limits(&packages),
                pays: self.pays(&packages),
            }
        };
        Ruled::changes_at(planned).into_iter().map(at).collect()
    }

    /// What is guaranteed to the accounts directly below the first of the line.
    pub(super) fn guaranteed(
        &self,
        tx: &mut Tx<'_>,
        now: &Packages<'_>,
        planned: &[Option<(u64, Package)>],
    ) -> Result<Vec<Arc<Guaranteed>>, Error> {
        let Some(account) = self.line.first().filter(|account| account.children > 0) else {
            return Ok(Vec::new());
        };
        let mut sums = Vec::new();
        for name in LimitName::ALL
            .iter()
            .copied()
            .filter(|name| name.window().is_some())
        {
            sums.extend(
                tx.get::<u64>(&promised_key(&account.id, name))?
                    .map(|sum| (name, sum)),
            );
        }
        if sums.is_empty() {
            return Ok(Vec::new());
        }
        let children = guaranteed_children(tx, &account.id)?;
        let of_each = sums.into_iter().map(|(limit, sum)| {
            let smallest = |packages: &Packages<'_>| {
                (0..self.line.len())
                    .map(|level| self.value(packages, level, limit).limit)
                    .min()
            };
            let holds = |packages: &Packages<'_>| {
                guarantees_hold(sum, smallest(packages).unwrap_or(Limit::Unlimited))
            };
            let later = Ruled::changes_at(planned)
                .into_iter()
                .map(|at_ms| (at_ms, holds(&Ruled::packages_at(now, planned, at_ms))));
            let holds = std::iter::once((0, holds(now))).chain(later).collect();
            Arc::new(Guaranteed {
                limit,
                parts: self.parts_of(now, &children, limit),
                holds,
            })
        });
        Ok(of_each.collect())
    }

    fn parts_of(
        &self,
        now: &Packages<'_>,
        children: &[(Account, Option<Package>)],
        limit: LimitName,
    ) -> Vec<Guarantee> {
        let part = |(child, package): &(Account, Option<Package>)| match child.overrides.get(limit)
        {
            Some(Limit::At(part)) if child.guaranteed.contains(&limit) => {
                let line: Vec<_> = std::iter::once((child, package.as_ref()))
                    .chain(self.line.iter().zip(now.iter().copied()))
                    .collect();
                Some(Guarantee {
                    account: child.id.clone(),
                    // No window of a limit follows the billing day.
                    calendar: Arc::new(Calendar {
                        zone: crate::rules::window::zone(&child.time_zone).unwrap_or(TimeZone::UTC),
                        billing_day: 1,
                    }),
                    part: part.get(),
                    takes_credits: terms(limit, &line, self.defaults)
                        .over
                        .unwrap_or(self.over_limit)
                        == OverLimit::UseCredits,
                })
            }
            _ => None,
        };
        children.iter().filter_map(part).collect()
    }
}

/// The accounts directly below that are guaranteed a part of a limit, with their packages.
fn guaranteed_children(tx: &mut Tx<'_>, id: &Id) -> Result<Vec<(Account, Option<Package>)>, Error> {
    let (from, until) = keys::range(keys::CHILD, &[id.as_str()]);
    let mut children = Vec::new();
    for (key, ()) in tx.range::<()>(&from, &until, usize::MAX)? {
        let Some(child) = keys::last_id(&key) else {
            continue;
        };
        let Some(child) = tx
            .get::<Account>(&keys::account(&child))?
            .filter(|child| !child.guaranteed.is_empty())
        else {
            continue;
        };
        let package = child
            .package
            .as_ref()
            .map(|id| tx.get::<Package>(&keys::package(id)))
            .transpose()?
            .flatten();
        children.push((child, package));
    }
    Ok(children)
}

/// The package that each account of a line is to get, and when.
pub(super) fn planned_packages(
    tx: &mut Tx<'_>,
    line: &[Account],
) -> Result<Vec<Option<(u64, Package)>>, Error> {
    let planned = line.iter().map(|account| {
        let Some(next) = &account.next_package else {
            return Ok(None);
        };
        Ok(tx
            .get::<Package>(&keys::package(&next.package))?
            .map(|package| (next.from_ms, package)))
    });
    planned.collect()
}

/// What is assigned, along the line up to the first package; domains in normal form.
pub(super) fn assigned(line: &[(&Account, Option<&Package>)]) -> Assets {
    let mut all = Assets::default();
    for (account, package) in line {
        for assets in std::iter::once(&account.assets).chain(package.map(|package| &package.assets))
        {
            let normal = |domain: &Name| {
                crate::model::normal_domain(domain.as_str())
                    .ok()
                    .and_then(|normal| Name::new(&normal).ok())
            };
            all.domains.extend(
                assets
                    .domains
                    .iter()
                    .map(|domain| normal(domain).unwrap_or_else(|| domain.clone())),
            );
            all.nodes.extend(assets.nodes.iter().cloned());
            all.bounce_addresses
                .extend(assets.bounce_addresses.iter().cloned());
        }
        if package.is_some() {
            break;
        }
    }
    all
}
