//! When so many messages will have gone out, if all go as soon as they may and nothing else does (R-QTA-12).

use super::pace::Pace;
use super::window::{self, Calendar};
use crate::model::Window;
use std::collections::VecDeque;

/// After so many steps the end is too far away to be told.
const MOST_STEPS: usize = 20_000;

/// A limit, and how it stands.
#[derive(Clone, Debug)]
pub struct Counter<'a> {
    /// The largest amount of a window; of a limit that grows, on its first day.
    pub limit: u64,
    /// How much it grows each day since an instant.
    pub growth: Option<(u64, u64)>,
    /// How much of it is used.
    pub used: u64,
    /// When what is used counts no longer, in order: until when, and how much.
    pub frees: VecDeque<(u64, u64)>,
    /// The window that it counts in.
    pub window: Window,
    /// What its boundaries follow.
    pub calendar: &'a Calendar,
}

impl Counter<'_> {
    /// The largest amount of the window of an instant.
    fn limit(&self, now_ms: u64) -> u64 {
        let Some((by, from_ms)) = self.growth else { return self.limit };
        let starts_at_ms = window::bounds(self.window, now_ms, self.calendar).map_or(now_ms, |(starts_at_ms, _)| starts_at_ms);
        self.limit.saturating_add(by.saturating_mul(window::days_since(from_ms, starts_at_ms, self.calendar)))
    }

    /// When more fits than now; none where it never does.
    fn next_ms(&self, now_ms: u64) -> Option<u64> {
        let freed = self.frees.front().map(|(at_ms, _)| *at_ms).filter(|_| self.limit(now_ms) > 0);
        let grown = self.growth.and_then(|_| window::bounds(self.window, now_ms, self.calendar)).map(|(_, ends_at_ms)| ends_at_ms);
        freed.into_iter().chain(grown).min()
    }

    fn go_to(&mut self, now_ms: u64) {
        while let Some((_, freed)) = self.frees.pop_front_if(|(at_ms, _)| *at_ms <= now_ms) {
            self.used -= freed.min(self.used);
        }
    }

    fn take(&mut self, count: u64, now_ms: u64) -> Option<()> {
        let ends_at_ms = window::bounds(self.window, now_ms, self.calendar)?.1;
        let frees_at_ms = if self.window == Window::RollingHour { window::counts_until(ends_at_ms) } else { ends_at_ms };
        self.used = self.used.saturating_add(count);
        match self.frees.back_mut() {
            // Where the zone was changed, the window of now lasts longer than the calendar's.
            Some((at_ms, freed)) if *at_ms >= frees_at_ms => *freed += count,
            _ => self.frees.push_back((frees_at_ms, count)),
        }
        Some(())
    }
}

/// The instant at which the last of `count` goes out; none where it never does, or in so far a future that it cannot be told.
pub fn forecast(mut counters: Vec<Counter<'_>>, mut paces: Vec<Pace>, count: u64, from_ms: u64) -> Option<u64> {
    let (mut left, mut now_ms) = (count, from_ms);
    for _ in 0..MOST_STEPS {
        counters.iter_mut().for_each(|counter| counter.go_to(now_ms));
        let by_counters = counters.iter().map(|counter| counter.limit(now_ms).saturating_sub(counter.used));
        let by_paces = paces.iter().map(|pace| pace.left(now_ms));
        let fits = by_counters.chain(by_paces).min().unwrap_or(u64::MAX).min(left);
        if fits > 0 {
            for counter in &mut counters {
                counter.take(fits, now_ms)?;
            }
            paces.iter_mut().for_each(|pace| pace.take(fits, now_ms));
            left -= fits;
        }
        if left == 0 {
            return Some(now_ms);
        }
        let full = counters.iter().filter(|counter| counter.used >= counter.limit(now_ms));
        let freed = full.map(|counter| counter.next_ms(now_ms));
        let turns = paces.iter().map(|pace| pace.reading(1, now_ms)).filter(|reading| reading.left() == 0).map(|reading| reading.fits_at_ms(1));
        let next_ms = freed.chain(turns).try_fold(now_ms, |latest, at_ms| Some(latest.max(at_ms?)))?;
        now_ms = next_ms.max(now_ms + 1);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    const HOUR_MS: u64 = 3_600_000;
    const DAY_MS: u64 = 24 * HOUR_MS;

    #[test]
    fn window_after_window() {
        let calendar = Calendar { zone: TimeZone::UTC, billing_day: 1 };
        let midnight = 1_795_305_600_000;
        let day =
            |limit, used| Counter { limit, growth: None, used, frees: [(midnight + DAY_MS, used)].into(), window: Window::Day, calendar: &calendar };
        let noon = midnight + 12 * HOUR_MS;
        assert_eq!(forecast(vec![day(10, 0)], vec![], 10, noon), Some(noon));
        assert_eq!(forecast(vec![day(10, 4)], vec![], 6, noon), Some(noon));
        assert_eq!(forecast(vec![day(10, 4)], vec![], 7, noon), Some(midnight + DAY_MS));
        assert_eq!(forecast(vec![day(10, 4)], vec![], 36, noon), Some(midnight + 3 * DAY_MS));
        assert_eq!(forecast(vec![day(10, 4)], vec![], 37, noon), Some(midnight + 4 * DAY_MS));
        assert_eq!(forecast(vec![day(0, 0)], vec![], 1, noon), None);
        let warming = |limit| Counter { growth: Some((5, noon)), ..day(limit, 0) };
        // 10 today, then 15, then 20.
        assert_eq!(forecast(vec![warming(10)], vec![], 25, noon), Some(midnight + DAY_MS));
        assert_eq!(forecast(vec![warming(10)], vec![], 26, noon), Some(midnight + 2 * DAY_MS));
        assert_eq!(forecast(vec![warming(0)], vec![], 5, noon), Some(midnight + DAY_MS));
        assert_eq!(forecast(vec![], vec![], 1_000_000, noon), Some(noon));
        let hour = Counter { limit: 3, growth: None, used: 0, frees: VecDeque::new(), window: Window::RollingHour, calendar: &calendar };
        // Three now, three when the minute of those is an hour ago, then a day has but four.
        assert_eq!(forecast(vec![hour.clone(), day(100, 0)], vec![], 6, noon), Some(noon + HOUR_MS + 60_000));
        assert_eq!(forecast(vec![hour, day(4, 0)], vec![], 5, noon), Some(midnight + DAY_MS));
    }

    #[test]
    fn one_after_the_other_at_a_pace() {
        let from_ms = 1_795_305_600_000;
        let pace = Pace::new(Window::Hour, 3600, 5);
        assert_eq!(forecast(vec![], vec![pace], 5, from_ms), Some(from_ms));
        assert_eq!(forecast(vec![], vec![pace], 65, from_ms), Some(from_ms + 60_000));
    }
}
