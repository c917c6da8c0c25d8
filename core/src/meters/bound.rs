//! What a limit will be at any instant, if nothing happens but time.

use crate::error::Error;
use crate::meters::prepared::Prepared;
use crate::meters::team::Meters;
use crate::meters::wanted::Wanted;
use crate::model::{Reservation, Window};
use crate::rules::window;

/// How many windows of an account end, at most, while one of an account below is open.
const WINDOWS_AHEAD: usize = 4;

/// What a limit is at any instant from now on, if nothing happens but time, for who sends.
pub(super) struct Bound<'a> {
    wanted: &'a Wanted,
    /// The window that was charged last: it owns its boundaries.
    last: (u64, u64),
    /// How much of it is kept apart for others: from when on, and how much; not before the first.
    kept: Vec<(u64, u64)>,
}

impl Bound<'_> {
    fn starts_at_ms(&self, at_ms: u64) -> u64 {
        let (starts_at_ms, ends_at_ms) = self.last;
        if at_ms < ends_at_ms {
            return starts_at_ms;
        }
        window::bounds_after(self.wanted.window, self.last, at_ms, &self.wanted.calendar)
            .map_or(at_ms, |(starts_at_ms, _)| starts_at_ms)
    }

    /// Of all who send.
    fn of_all(&self, at_ms: u64) -> u64 {
        if self.wanted.refuses_at(at_ms) {
            self.wanted.limit_then(at_ms, self.starts_at_ms(at_ms))
        } else {
            u64::MAX
        }
    }

    /// How much of it is kept apart for others.
    pub(super) fn kept(&self, at_ms: u64) -> u64 {
        let holds = self
            .wanted
            .kept
            .as_ref()
            .is_some_and(|kept| kept.holds(at_ms))
            && self.of_all(at_ms) != u64::MAX;
        let kept = self
            .kept
            .iter()
            .rfind(|(from_ms, _)| *from_ms <= at_ms)
            .map_or(0, |(_, kept)| *kept);
        if holds { kept } else { 0 }
    }

    pub(super) fn at(&self, at_ms: u64) -> u64 {
        self.of_all(at_ms).saturating_sub(self.kept(at_ms))
    }

    /// When it becomes another, but for windows in which it grows.
    pub(super) fn changes_at(&self) -> Vec<u64> {
        let packages = self.wanted.later.iter().map(|(at_ms, _)| *at_ms);
        let holds = self
            .wanted
            .kept
            .iter()
            .flat_map(|kept| kept.holds.iter().map(|(at_ms, _)| *at_ms));
        packages
            .chain(holds)
            .chain(self.kept.iter().map(|(at_ms, _)| *at_ms))
            .collect()
    }

    /// When it will have grown: with the windows that come next, one of which a change of zone may
    /// have made longer, and as soon as it is enough for `count`.
    pub(super) fn grown_at(&self, count: u64, ends_at_ms: u64) -> Vec<u64> {
        let Some((by, from_ms)) = self.wanted.growth.filter(|(by, _)| *by > 0) else {
            return Vec::new();
        };
        let (kind, calendar) = (self.wanted.window, &self.wanted.calendar);
        let mut grown = vec![ends_at_ms];
        for _ in 0..3 {
            let next = grown
                .last()
                .and_then(|at_ms| window::bounds(kind, *at_ms, calendar));
            grown.extend(next.map(|(_, ends_at_ms)| ends_at_ms));
        }
        let enough = count
            .saturating_sub(self.wanted.resolved.limit.ceiling())
            .div_ceil(by);
        let tomorrow = window::days_since(from_ms, ends_at_ms, calendar).saturating_add(1);
        let days = [enough, tomorrow]
            .into_iter()
            .filter_map(|days| window::starts_after_days(kind, from_ms, days, calendar));
        grown.extend(days);
        grown
    }
}

impl Meters {
    /// What the limit of a counter will be for who sends.
    pub(super) fn bound<'a>(
        &self,
        prepared: &Prepared,
        place: usize,
        wanted: &'a Wanted,
        open: &[Reservation],
    ) -> Result<Bound<'a>, Error> {
        let cold = self.pair(place)?.1;
        Ok(Bound {
            wanted,
            last: cold.last(),
            kept: self.kept_from(prepared, place, open)?,
        })
    }

    /// How much of a counter is kept apart for others than who sends, from which instant on: what
    /// they have used of their parts is kept for them again once it counts no longer.
    fn kept_from(
        &self,
        prepared: &Prepared,
        place: usize,
        open: &[Reservation],
    ) -> Result<Vec<(u64, u64)>, Error> {
        let (_, parent) = self.pair(place)?;
        let own = prepared
            .promised
            .iter()
            .find(|promise| promise.parent == place)
            .map(|promise| promise.child);
        let mut used = Vec::new();
        let mut instants = std::collections::BTreeSet::from([0]);
        for kept in parent
            .guaranteed
            .iter()
            .filter(|kept| Some(kept.child) != own)
        {
            let (hot, cold) = self.pair(kept.child)?;
            let frees = cold.frees(hot, open, kept.takes_credits);
            instants.extend(frees.iter().map(|(at_ms, _)| *at_ms));
            // With each window above, too, what is used below may count no longer.
            let mut ends_at_ms = parent.meter.ends_at_ms;
            for _ in 0..WINDOWS_AHEAD {
                if parent.window == Window::RollingHour || ends_at_ms >= cold.meter.ends_at_ms {
                    break;
                }
                instants.insert(ends_at_ms);
                ends_at_ms = parent.window_at(ends_at_ms).1;
            }
            used.push((kept.part, hot.used, cold, frees));
        }
        let kept = |at_ms: u64| {
            let (starts_at_ms, ends_at_ms) = parent.window_at(at_ms);
            let of_each = used.iter().map(|(part, used, cold, frees)| {
                let freed: u64 = frees
                    .iter()
                    .filter(|(free_ms, _)| *free_ms <= at_ms)
                    .map(|(_, freed)| freed)
                    .sum();
                part.saturating_sub(if cold.counts_in_window(starts_at_ms, ends_at_ms) {
                    used.saturating_sub(freed)
                } else {
                    0
                })
            });
            of_each.fold(0, u64::saturating_add)
        };
        Ok(instants
            .into_iter()
            .map(|at_ms| (at_ms, kept(at_ms)))
            .collect())
    }
}
