//! Paces: sends are spread over a window, one every so often (R-QTA-4, R-QTA-7).
//!
//! The generic cell rate algorithm: what counts is when the last of what went out would have gone, had all waited its turn.

use super::send::Reading;
use crate::model::{OverLimit, Window};

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
        let most_us = now_ms.saturating_mul(1000).saturating_add(self.burst.saturating_mul(self.each_us));
        self.turn_us = self.turn_us.min(most_us);
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
        self.turn_us = self.turn_us.max(now_ms.saturating_mul(1000)).saturating_add(count.saturating_mul(self.each_us));
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
        Reading { limit: self.burst, used, over: OverLimit::Spread, frees: vec![(self.opens_us(count).div_ceil(1000), used)], grows: Vec::new() }
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
        assert_eq!(pace.reading(1, 10_500).fits_at_ms(1), Some(11_000));
        assert!(pace.lets_through(1, 11_000));
    }

    /// With no event but the clock, refused at every instant before and let through at it.
    #[test]
    fn a_burst_comes_back_one_by_one() {
        let mut pace = Pace::new(Window::Hour, 1200, 4);
        pace.take(4, 1_000_000);
        for count in 1..=4 {
            let reading = pace.reading(count, 1_000_000);
            let opens_ms = reading.fits_at_ms(count).unwrap();
            assert_eq!(opens_ms, 1_000_000 + 3000 * count);
            assert!(!pace.lets_through(count, opens_ms - 1) && pace.lets_through(count, opens_ms));
            assert_eq!(pace.reading(count, opens_ms).left(), count);
        }
        assert!(pace.reading(5, 9_000_000).limit < 5);
    }
}
