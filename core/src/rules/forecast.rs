//! When so many messages will have gone out, if all go as soon as they may and nothing else does
//! (R-QTA-12).

use super::pace::Course;
use super::send::Credits;
use super::window::{self, Calendar};
use crate::model::Window;
use std::collections::VecDeque;

/// After so many steps the end is too far away to be told.
const MOST_STEPS: usize = 20_000;

/// A limit, and how it stands.
pub struct Counter<'a> {
    /// The largest amount at an instant, without what is kept apart for others.
    pub limit: Box<dyn Fn(u64) -> u64 + 'a>,
    /// When that becomes another other than with a window, in order.
    pub instants: Vec<u64>,
    /// Whether it grows from window to window.
    pub grows: bool,
    /// Whether it counts what goes out at an instant.
    pub counts: Box<dyn Fn(u64) -> bool + 'a>,
    /// Whether credits pay for what goes beyond it at an instant.
    pub lifted: Box<dyn Fn(u64) -> bool + 'a>,
    /// How much of it is used.
    pub used: u64,
    /// When what is used counts no longer, in order: until when, and how much.
    pub frees: VecDeque<(u64, u64)>,
    /// The window that it counts in.
    pub window: Window,
    /// The last one that was charged: it owns its boundaries.
    pub last: (u64, u64),
    /// What its boundaries follow.
    pub calendar: &'a Calendar,
}

impl Counter<'_> {
    fn left(&self, now_ms: u64) -> u64 {
        (self.limit)(now_ms).saturating_sub(self.used)
    }

    /// When more may fit than now; none where it never does.
    fn next_ms(&self, now_ms: u64) -> Option<u64> {
        let freed = self
            .frees
            .front()
            .map(|(at_ms, _)| *at_ms)
            .filter(|_| self.used > 0);
        let grown = if self.grows {
            self.window_at(now_ms).map(|(_, ends_at_ms)| ends_at_ms)
        } else {
            None
        };
        let changed = self.instants.iter().copied().find(|at_ms| *at_ms > now_ms);
        freed.into_iter().chain(grown).chain(changed).min()
    }

    fn window_at(&self, now_ms: u64) -> Option<(u64, u64)> {
        if now_ms < self.last.1 {
            Some(self.last)
        } else {
            window::bounds_after(self.window, self.last, now_ms, self.calendar)
        }
    }

    fn go_to(&mut self, now_ms: u64) {
        while let Some((_, freed)) = self.frees.pop_front_if(|(at_ms, _)| *at_ms <= now_ms) {
            self.used -= freed.min(self.used);
        }
    }

    fn take(&mut self, count: u64, now_ms: u64) -> Option<()> {
        if count == 0 || !(self.counts)(now_ms) {
            return Some(());
        }
        self.last = self.window_at(now_ms)?;
        let ends_at_ms = self.last.1;
        let frees_at_ms = if self.window == Window::RollingHour {
            window::counts_until(ends_at_ms)
        } else {
            ends_at_ms
        };
        self.used = self.used.saturating_add(count);
        match self.frees.back_mut() {
            Some((at_ms, freed)) if *at_ms >= frees_at_ms => *freed += count,
            _ => self.frees.push_back((frees_at_ms, count)),
        }
        Some(())
    }
}

/// The least of what is left of some counters.
fn least<'a>(counters: impl Iterator<Item = &'a Counter<'a>>, now_ms: u64) -> u64 {
    counters
        .map(|counter| counter.left(now_ms))
        .min()
        .unwrap_or(u64::MAX)
}

/// The instant at which the last of `count` goes out; none where it never does, or in so far a
/// future that it cannot be told.
pub fn forecast(
    mut counters: Vec<Counter<'_>>,
    mut paces: Vec<Course>,
    mut credits: Credits,
    count: u64,
    from_ms: u64,
) -> Option<u64> {
    let (mut left, mut now_ms) = (count, from_ms);
    for _ in 0..MOST_STEPS {
        counters
            .iter_mut()
            .for_each(|counter| counter.go_to(now_ms));
        paces.iter_mut().for_each(|pace| pace.go_to(now_ms));
        let own = least(
            counters.iter().filter(|counter| (counter.lifted)(now_ms)),
            now_ms,
        );
        let others = least(
            counters.iter().filter(|counter| !(counter.lifted)(now_ms)),
            now_ms,
        );
        let by_paces = paces
            .iter()
            .map(|pace| pace.left(now_ms))
            .min()
            .unwrap_or(u64::MAX);
        let fits = own
            .saturating_add(credits.left(now_ms))
            .min(others)
            .min(by_paces)
            .min(left);
        if fits > 0 {
            let paid = fits.saturating_sub(own);
            for counter in &mut counters {
                counter.take(
                    if (counter.lifted)(now_ms) {
                        fits - paid
                    } else {
                        fits
                    },
                    now_ms,
                )?;
            }
            credits.take(paid, now_ms);
            paces.iter_mut().for_each(|pace| pace.take(fits, now_ms));
            left -= fits;
        }
        if left == 0 {
            return Some(now_ms);
        }
        now_ms = next_ms(&counters, &paces, &credits, now_ms)?.max(now_ms + 1);
    }
    None
}

/// When more may fit than now: as soon as each of those that are full has freed something.
fn next_ms(
    counters: &[Counter<'_>],
    paces: &[Course],
    credits: &Credits,
    now_ms: u64,
) -> Option<u64> {
    let latest = |latest: u64, at_ms: Option<u64>| Some(latest.max(at_ms?));
    let is_full = |counter: &&Counter<'_>, lifted| {
        (counter.lifted)(now_ms) == lifted && counter.left(now_ms) == 0
    };
    let full = |lifted| {
        counters
            .iter()
            .filter(move |counter| is_full(counter, lifted))
            .map(|counter| counter.next_ms(now_ms))
    };
    // Credits that come, or that a package lets pay, do for those that they lift.
    let paid = credits
        .changes_at()
        .filter(|at_ms| *at_ms > now_ms && *at_ms != u64::MAX)
        .min();
    let own = if full(true).next().is_some() && credits.left(now_ms) == 0 {
        full(true)
            .try_fold(now_ms, latest)
            .into_iter()
            .chain(paid)
            .min()
    } else {
        Some(now_ms)
    };
    let instants = paces
        .iter()
        .filter(|pace| pace.left(now_ms) == 0)
        .map(|pace| pace.next_ms(now_ms));
    full(false)
        .chain(instants)
        .chain([own])
        .try_fold(now_ms, latest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::pace::Pace;
    use crate::rules::send::Part;
    use jiff::tz::TimeZone;

    const HOUR_MS: u64 = 3_600_000;
    const DAY_MS: u64 = 24 * HOUR_MS;

    #[test]
    fn window_after_window() {
        let calendar = Calendar {
            zone: TimeZone::UTC,
            billing_day: 1,
        };
        let midnight = 1_795_305_600_000;
        let counter = |limit: Box<dyn Fn(u64) -> u64>, used, window| Counter {
            limit,
            instants: Vec::new(),
            counts: Box::new(|_| true),
            grows: false,
            lifted: Box::new(|_| false),
            used,
            frees: [(midnight + DAY_MS, used)].into(),
            window,
            last: (0, 0),
            calendar: &calendar,
        };
        let day = |limit: u64, used| counter(Box::new(move |_| limit), used, Window::Day);
        let forecast = |counters, count, from_ms| {
            forecast(counters, vec![], Credits::default(), count, from_ms)
        };
        let noon = midnight + 12 * HOUR_MS;
        assert_eq!(forecast(vec![day(10, 0)], 10, noon), Some(noon));
        assert_eq!(forecast(vec![day(10, 4)], 6, noon), Some(noon));
        assert_eq!(forecast(vec![day(10, 4)], 7, noon), Some(midnight + DAY_MS));
        assert_eq!(
            forecast(vec![day(10, 4)], 36, noon),
            Some(midnight + 3 * DAY_MS)
        );
        assert_eq!(
            forecast(vec![day(10, 4)], 37, noon),
            Some(midnight + 4 * DAY_MS)
        );
        assert_eq!(forecast(vec![day(0, 0)], 1, noon), None);
        let grown = move |first: u64| move |at_ms: u64| first + 5 * ((at_ms - midnight) / DAY_MS);
        let warming = |limit| Counter {
            grows: true,
            ..counter(Box::new(grown(limit)), 0, Window::Day)
        };
        // 10 today, then 15, then 20.
        assert_eq!(
            forecast(vec![warming(10)], 25, noon),
            Some(midnight + DAY_MS)
        );
        assert_eq!(
            forecast(vec![warming(10)], 26, noon),
            Some(midnight + 2 * DAY_MS)
        );
        assert_eq!(forecast(vec![warming(0)], 5, noon), Some(midnight + DAY_MS));
        assert_eq!(forecast(vec![], 1_000_000, noon), Some(noon));
        let hour = || Counter {
            frees: VecDeque::new(),
            ..counter(Box::new(|_| 3), 0, Window::RollingHour)
        };
        // Three now, three when the minute of those is an hour ago, then a day has but four.
        assert_eq!(
            forecast(vec![hour(), day(100, 0)], 6, noon),
            Some(noon + HOUR_MS + 60_000)
        );
        assert_eq!(
            forecast(vec![hour(), day(4, 0)], 5, noon),
            Some(midnight + DAY_MS)
        );
    }

    /// 18.3, 18.5, R-QTA-12: credits pay for what the account's own limits do not leave; a planned
    /// package counts from then on.
    #[test]
    fn with_credits_and_with_a_package_to_come() {
        let calendar = Calendar {
            zone: TimeZone::UTC,
            billing_day: 1,
        };
        let midnight = 1_795_305_600_000;
        let own = |instants: Vec<u64>, limit: Box<dyn Fn(u64) -> u64>| Counter {
            limit,
            instants,
            counts: Box::new(|_| true),
            grows: false,
            lifted: Box::new(|_| true),
            used: 0,
            frees: VecDeque::new(),
            window: Window::Day,
            last: (0, 0),
            calendar: &calendar,
        };
        let credits = |amount, until_ms| Credits {
            grants: vec![Part {
                amount,
                from_ms: 0,
                until_ms,
            }],
            pays: vec![(0, true)],
        };
        let after = |count, counter, credits| {
            forecast(vec![counter], vec![], credits, count, midnight)
                .map(|at_ms| (at_ms - midnight) / HOUR_MS)
        };
        let ten = || own(vec![], Box::new(|_| 10));
        assert_eq!(
            [12, 13].map(|count| after(count, ten(), credits(2, u64::MAX))),
            [Some(0), Some(24)]
        );
        assert_eq!(
            after(1, own(vec![], Box::new(|_| 0)), credits(0, u64::MAX)),
            None
        );
        let more = || {
            own(
                vec![midnight + 5 * HOUR_MS],
                Box::new(move |at_ms| {
                    if at_ms < midnight + 5 * HOUR_MS {
                        10
                    } else {
                        50
                    }
                }),
            )
        };
        assert_eq!(
            [10, 50, 51].map(|count| after(count, more(), Credits::default())),
            [Some(0), Some(5), Some(24)]
        );
    }

    #[test]
    fn one_after_the_other_at_a_pace() {
        let from_ms = 1_795_305_600_000;
        let pace = Pace::new(Window::Hour, 3600, 5);
        let course = || Course::new(pace, vec![(0, Some(pace))], VecDeque::new());
        let forecast = |count| forecast(vec![], vec![course()], Credits::default(), count, from_ms);
        assert_eq!(
            (forecast(5), forecast(65)),
            (Some(from_ms), Some(from_ms + 60_000))
        );
    }
}
