//! Paces: sends are spread over a window, one every so often (R-QTA-4, R-QTA-7).
//!
//! The generic cell rate algorithm: what counts is when the last of what went out would have gone, had all waited its turn.

use super::send::Reading;
use crate::model::{OverLimit, Window};

/// The turn of a pace that is not in memory: no clock gets there.
const UNKNOWN: u64 = u64::MAX;

/// A pace, and how far ahead of it the sends are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long one send takes, in microseconds.
    each_us: u64,
    /// How many may go out at once.
    burst: u64,
    /// When the next send has its turn.
    turn_us: u64,
}

impl Pace {
    /// So many in a window, and `burst` of them at once.
    pub fn new(window: Window, limit: u64, burst: u64) -> Pace {
        let window_us = window.usual_ms().saturating_mul(1000);
        Pace { each_us: window_us.checked_div(limit).unwrap_or(u64::MAX).max(1), burst, turn_us: 0 }
    }

    /// The same sends at another pace.
    pub fn go_on_as(&mut self, other: Pace) {
        *self = Pace { turn_us: self.turn_us, ..other };
    }

    /// Is no further ahead than one whose burst has just gone out: the clock was wrong.
    pub fn bound(&mut self, now_ms: u64) {
        if self.turn_us != UNKNOWN {
            self.turn_us = self.turn_us.min(self.without_burst(now_ms).turn_us);
        }
    }

    /// The same pace, where the next send has its turn at an instant, in microseconds.
    #[must_use]
    pub fn at(self, turn_us: u64) -> Pace {
        Pace { turn_us, ..self }
    }

    /// The same pace, of which nobody knows how far it is: nothing goes out.
    #[must_use]
    pub fn unknown(self) -> Pace {
        self.at(UNKNOWN)
    }

    /// When the next send has its turn, in microseconds; none where nobody knows.
    pub fn turn_us(&self) -> Option<u64> {
        Some(self.turn_us).filter(|turn_us| *turn_us != UNKNOWN)
    }

    /// The same pace after a crash: all of the burst may have gone out at the last moment (R-QTA-13).
    #[must_use]
    pub fn without_burst(self, now_ms: u64) -> Pace {
        self.at(now_ms.saturating_mul(1000).saturating_add(self.burst_us()))
    }

    fn burst_us(&self) -> u64 {
        self.burst.saturating_mul(self.each_us).min(UNKNOWN / 2)
    }

    /// From when on all that took turns so far may have gone out.
    pub fn opens_for_all_ms(&self) -> u64 {
        self.turn_us.saturating_sub(self.burst_us()).div_ceil(1000)
    }

    /// Gives turns of `count` back that could go out from `from_ms` on and did not: those that are not over.
    pub fn give_back(&mut self, count: u64, from_ms: u64, now_ms: u64) {
        let ends_us = from_ms.saturating_mul(1000).saturating_add(self.burst_us()).min(self.turn_us);
        let to_come = ends_us.saturating_sub(now_ms.saturating_mul(1000)) / self.each_us;
        if self.turn_us != UNKNOWN {
            self.turn_us -= count.min(to_come).saturating_mul(self.each_us);
        }
    }

    /// From when on `count` may go out.
    fn opens_us(&self, count: u64) -> u64 {
        let ahead = self.burst.saturating_sub(count).saturating_mul(self.each_us);
        self.turn_us.saturating_sub(ahead)
    }

    /// Whether `count` may go out now.
    #[inline]
    pub fn lets_through(&self, count: u64, now_ms: u64) -> bool {
        count <= self.burst && self.opens_us(count) <= now_ms.saturating_mul(1000)
    }

    /// Takes the turns of `count` that go out now.
    #[inline]
    pub fn take(&mut self, count: u64, now_ms: u64) {
        let from_us = self.turn_us.max(now_ms.saturating_mul(1000));
        self.turn_us = from_us.saturating_add(count.saturating_mul(self.each_us)).min(UNKNOWN - 1);
    }

    /// How many of the burst wait for their turn.
    fn used(&self, now_ms: u64) -> u64 {
        self.turn_us.saturating_sub(now_ms.saturating_mul(1000)).div_ceil(self.each_us).min(self.burst)
    }

    /// How many may go out now.
    #[inline]
    pub fn left(&self, now_ms: u64) -> u64 {
        self.burst - self.used(now_ms)
    }

    /// How it stands for a send of `count`.
    pub fn reading(&self, count: u64, now_ms: u64) -> Reading {
        let used = self.used(now_ms);
        let frees = vec![(self.opens_us(count).div_ceil(1000), used)];
        Reading { limit: self.burst, used, over: OverLimit::Spread, lifted: false, frees, limits: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_every_so_often() {
        let mut pace = Pace::new(Window::Hour, 3600, 1);
        assert!(pace.lets_through(1, 10_000) && !pace.lets_through(2, 10_000));
        pace.take(1, 10_000);
        assert!(!pace.lets_through(1, 10_999));
        assert_eq!(pace.reading(1, 10_500).frees.first().unwrap().0, 11_000);
        assert!(pace.lets_through(1, 11_000));
    }

    /// With no event but the clock, refused at every instant before and let through at it.
    #[test]
    fn a_burst_comes_back_one_by_one() {
        let mut pace = Pace::new(Window::Hour, 1200, 4);
        pace.take(4, 1_000_000);
        for count in 1..=4 {
            let reading = pace.reading(count, 1_000_000);
            let opens_ms = reading.frees.first().unwrap().0;
            assert_eq!(opens_ms, 1_000_000 + 3000 * count);
            assert!(!pace.lets_through(count, opens_ms - 1) && pace.lets_through(count, opens_ms));
            assert_eq!(pace.reading(count, opens_ms).left(), count);
        }
        assert!(pace.reading(5, 9_000_000).limit < 5);
    }

    /// 18.6, R-QTA-13: after a crash one by one, and never more than a process could have let out that did not crash.
    #[test]
    fn after_a_crash_there_is_no_burst() {
        let pace = Pace::new(Window::Hour, 3600, 10).without_burst(5_000);
        assert!(!pace.lets_through(1, 5_999) && pace.lets_through(1, 6_000) && !pace.lets_through(2, 6_000));
        assert!(!pace.unknown().lets_through(1, u64::MAX / 2000));
        assert_eq!((pace.unknown().turn_us(), pace.turn_us()), (None, Some(15_000_000)));
    }

    /// 18.6, R-QTA-5: what is reserved takes its turns at once; those to come are given back, those that are over are not.
    #[test]
    fn turns_are_reserved_and_given_back() {
        let mut pace = Pace::new(Window::Hour, 3600, 1);
        pace.take(10_000, 0);
        let opens_ms = pace.opens_for_all_ms();
        assert_eq!(opens_ms, 9_999_000);
        let mut half = pace;
        half.give_back(10_000, opens_ms, 4_000_000);
        assert_eq!(half.turn_us(), Some(4_000_000_000));
        pace.give_back(1_000, opens_ms, 0);
        assert_eq!(pace.turn_us(), Some(9_000_000_000));
        pace.take(1, 10_000_000);
        pace.give_back(9_000, 8_999_000, 10_000_000);
        assert_eq!(pace.turn_us(), Some(10_001_000_000));
    }
}
