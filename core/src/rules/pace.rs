//! Paces: sends are spread over a window, one every so often (R-QTA-4, R-QTA-7).
//!
//! The generic cell rate algorithm: what counts is when the last of what went out would have gone,
//! had all waited its turn.

use super::send::Reading;
use crate::model::{OverLimit, Window};
use std::collections::{BTreeSet, VecDeque};

/// The next slot of a pace that is not in memory: no clock gets there.
const UNKNOWN: u64 = u64::MAX;

/// A pace, and how far ahead of it the sends are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long one send takes, in microseconds.
    each_us: u64,
    /// How many may go out at once.
    burst: u64,
    /// When the next slot begins.
    next_slot_us: u64,
}

impl Pace {
    /// So many in a window, and `burst` of them at once.
    pub fn new(window: Window, limit: u64, burst: u64) -> Pace {
        let window_us = window.usual_ms().saturating_mul(1000);
        Pace {
            each_us: window_us.checked_div(limit).unwrap_or(u64::MAX).max(1),
            burst,
            next_slot_us: 0,
        }
    }

    /// The same sends at another pace.
    pub fn go_on_as(&mut self, other: Pace) {
        *self = Pace {
            next_slot_us: self.next_slot_us,
            ..other
        };
    }

    /// Is no further ahead than one whose burst has just gone out: the clock was wrong.
    pub fn bound(&mut self, now_ms: u64) {
        if self.next_slot_us != UNKNOWN {
            self.next_slot_us = self
                .next_slot_us
                .min(self.without_burst(now_ms).next_slot_us);
        }
    }

    /// The same pace, whose next slot begins at an instant, in microseconds.
    #[must_use]
    pub fn at(self, next_slot_us: u64) -> Pace {
        Pace {
            next_slot_us,
            ..self
        }
    }

    /// The same pace, of which nobody knows how far it is: nothing goes out.
    #[must_use]
    pub fn unknown(self) -> Pace {
        self.at(UNKNOWN)
    }

    /// When the next slot begins, in microseconds; none where nobody knows.
    pub fn next_slot_us(&self) -> Option<u64> {
        Some(self.next_slot_us).filter(|next_slot_us| *next_slot_us != UNKNOWN)
    }

    /// The same pace after a crash: all of the burst may have gone out at the last moment
    /// (R-QTA-13).
    #[must_use]
    pub fn without_burst(self, now_ms: u64) -> Pace {
        self.at(now_ms.saturating_mul(1000).saturating_add(self.burst_us()))
    }

    fn burst_us(&self) -> u64 {
        self.burst.saturating_mul(self.each_us).min(UNKNOWN / 2)
    }

    /// From when on all that took slots so far may have gone out.
    pub fn opens_for_all_ms(&self) -> u64 {
        self.next_slot_us
            .saturating_sub(self.burst_us())
            .div_ceil(1000)
    }

    /// Gives the slots of `count` back that could go out from `from_ms` on and did not: those that
    /// are not over.
    pub fn give_back(&mut self, count: u64, from_ms: u64, now_ms: u64) {
        let ends_us = from_ms
            .saturating_mul(1000)
            .saturating_add(self.burst_us())
            .min(self.next_slot_us);
        let to_come = ends_us.saturating_sub(now_ms.saturating_mul(1000)) / self.each_us;
        if self.next_slot_us != UNKNOWN {
            self.next_slot_us -= count.min(to_come).saturating_mul(self.each_us);
        }
    }

    /// From when on `count` may go out.
    fn opens_us(&self, count: u64) -> u64 {
        let ahead = self
            .burst
            .saturating_sub(count)
            .saturating_mul(self.each_us);
        self.next_slot_us.saturating_sub(ahead)
    }

    /// Whether `count` may go out now.
    #[inline]
    pub fn lets_through(&self, count: u64, now_ms: u64) -> bool {
        count <= self.burst && self.opens_us(count) <= now_ms.saturating_mul(1000)
    }

    /// Takes the slots of `count` that go out now.
    #[inline]
    pub fn take(&mut self, count: u64, now_ms: u64) {
        let from_us = self.next_slot_us.max(now_ms.saturating_mul(1000));
        self.next_slot_us = from_us
            .saturating_add(count.saturating_mul(self.each_us))
            .min(UNKNOWN - 1);
    }

    /// How many of the burst wait for their turn.
    fn used(&self, now_ms: u64) -> u64 {
        self.next_slot_us
            .saturating_sub(now_ms.saturating_mul(1000))
            .div_ceil(self.each_us)
            .min(self.burst)
    }

    /// How many may go out now.
    #[inline]
    pub fn left(&self, now_ms: u64) -> u64 {
        self.burst - self.used(now_ms)
    }

    /// How it stands.
    pub fn reading(&self, now_ms: u64) -> Reading {
        let used = self.used(now_ms);
        Reading {
            limit: self.burst,
            used,
            ..Reading::plain(OverLimit::Spread)
        }
    }
}

/// Slots of a reservation that are given back by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return {
    /// When.
    pub at_ms: u64,
    /// Of how many sends.
    pub count: u64,
    /// From when on all of them could have gone out.
    pub from_ms: u64,
}

/// What becomes of a pace if nothing happens but time.
#[derive(Clone, Debug)]
pub struct Course {
    next_slot_us: u64,
    /// What the pace is from an instant on, in order; none where nothing spreads the sends then.
    terms: Vec<(u64, Option<Pace>)>,
    /// What comes back, in order.
    returns: VecDeque<Return>,
}

impl Course {
    /// Of a pace that is as far as `pace` is.
    pub fn new(pace: Pace, terms: Vec<(u64, Option<Pace>)>, returns: VecDeque<Return>) -> Course {
        Course {
            next_slot_us: pace.next_slot_us,
            terms,
            returns,
        }
    }

    /// The pace at an instant, where nothing comes back until then.
    fn pace(&self, at_ms: u64) -> Option<Pace> {
        let term = self.terms.iter().rfind(|(from_ms, _)| *from_ms <= at_ms)?.1;
        term.map(|pace| pace.at(self.next_slot_us))
    }

    /// Gives back what comes back until an instant.
    pub fn go_to(&mut self, now_ms: u64) {
        while let Some(back) = self.returns.pop_front_if(|back| back.at_ms <= now_ms) {
            if let Some(mut pace) = self.pace(back.at_ms) {
                pace.give_back(back.count, back.from_ms, back.at_ms);
                self.next_slot_us = pace.next_slot_us;
            }
        }
    }

    /// How many may go out now.
    pub fn left(&self, now_ms: u64) -> u64 {
        self.pace(now_ms).map_or(u64::MAX, |pace| pace.left(now_ms))
    }

    /// Takes the slots of `count` that go out now.
    pub fn take(&mut self, count: u64, now_ms: u64) {
        if let Some(mut pace) = self.pace(now_ms) {
            pace.take(count, now_ms);
            self.next_slot_us = pace.next_slot_us;
        }
    }

    /// When it becomes another by itself.
    fn changes_at(&self) -> impl Iterator<Item = u64> + '_ {
        self.returns
            .iter()
            .map(|back| back.at_ms)
            .chain(self.terms.iter().map(|(from_ms, _)| *from_ms))
    }

    /// When more may go out than now; none where never.
    pub fn next_ms(&self, now_ms: u64) -> Option<u64> {
        let opens = self
            .pace(now_ms)
            .filter(|pace| pace.burst > 0)
            .map(|pace| pace.opens_us(1).div_ceil(1000));
        opens
            .into_iter()
            .chain(self.changes_at())
            .filter(|at_ms| *at_ms > now_ms)
            .min()
    }

    /// How it stands for a send of `count`, and will.
    pub fn reading(mut self, count: u64, now_ms: u64) -> Reading {
        self.go_to(now_ms);
        let mut reading = match self.pace(now_ms) {
            Some(pace) => pace.reading(now_ms),
            None => Reading {
                limit: u64::MAX,
                ..Reading::plain(OverLimit::Spread)
            },
        };
        let instants: BTreeSet<u64> = self
            .changes_at()
            .filter(|at_ms| *at_ms > now_ms)
            .chain([now_ms])
            .collect();
        for at_ms in instants {
            self.go_to(at_ms);
            let opens_ms = self
                .pace(at_ms)
                .filter(|pace| count <= pace.burst)
                .map(|pace| pace.opens_us(count).div_ceil(1000));
            // Where it becomes another before it opens, the next step says more.
            let step = |at_ms| (at_ms, self.left(at_ms).saturating_add(reading.used));
            reading.limits.retain(|(from_ms, _)| *from_ms < at_ms);
            let steps: Vec<_> = [Some(at_ms), opens_ms]
                .into_iter()
                .flatten()
                .filter(|ms| *ms >= at_ms && *ms > now_ms)
                .map(step)
                .collect();
            reading.limits.extend(steps);
        }
        reading.limits.dedup();
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(pace: Pace) -> Course {
        Course::new(pace, vec![(0, Some(pace))], VecDeque::new())
    }

    #[test]
    fn one_every_so_often() {
        let mut pace = Pace::new(Window::Hour, 3600, 1);
        assert!(pace.lets_through(1, 10_000) && !pace.lets_through(2, 10_000));
        pace.take(1, 10_000);
        assert!(!pace.lets_through(1, 10_999));
        assert_eq!(
            alone(pace).reading(1, 10_500).limits.first().unwrap().0,
            11_000
        );
        assert!(pace.lets_through(1, 11_000));
    }

    /// With no event but the clock, refused at every instant before and let through at it.
    #[test]
    fn a_burst_comes_back_one_by_one() {
        let mut pace = Pace::new(Window::Hour, 1200, 4);
        pace.take(4, 1_000_000);
        for count in 1..=4 {
            let opens_ms = alone(pace)
                .reading(count, 1_000_000)
                .limits
                .first()
                .unwrap()
                .0;
            assert_eq!(opens_ms, 1_000_000 + 3000 * count);
            assert!(!pace.lets_through(count, opens_ms - 1) && pace.lets_through(count, opens_ms));
            assert_eq!(pace.reading(opens_ms).left(), count);
        }
        let never = alone(pace).reading(5, 9_000_000);
        assert!(never.limit < 5 && never.limits.is_empty());
    }

    /// 18.6, R-QTA-13: after a crash one by one, and never more than a process could have let out
    /// that did not crash.
    #[test]
    fn after_a_crash_there_is_no_burst() {
        let pace = Pace::new(Window::Hour, 3600, 10).without_burst(5_000);
        assert!(
            !pace.lets_through(1, 5_999)
                && pace.lets_through(1, 6_000)
                && !pace.lets_through(2, 6_000)
        );
        assert!(!pace.unknown().lets_through(1, u64::MAX / 2000));
        assert_eq!(
            (pace.unknown().next_slot_us(), pace.next_slot_us()),
            (None, Some(15_000_000))
        );
    }

    /// 18.6, R-QTA-5: what is reserved takes its slots at once; those to come are given back, those
    /// that are over are not.
    #[test]
    fn turns_are_reserved_and_given_back() {
        let mut pace = Pace::new(Window::Hour, 3600, 1);
        pace.take(10_000, 0);
        let opens_ms = pace.opens_for_all_ms();
        assert_eq!(opens_ms, 9_999_000);
        let mut half = pace;
        half.give_back(10_000, opens_ms, 4_000_000);
        assert_eq!(half.next_slot_us(), Some(4_000_000_000));
        pace.give_back(1_000, opens_ms, 0);
        assert_eq!(pace.next_slot_us(), Some(9_000_000_000));
        pace.take(1, 10_000_000);
        pace.give_back(9_000, 8_999_000, 10_000_000);
        assert_eq!(pace.next_slot_us(), Some(10_001_000_000));
    }

    /// 18.12, R-QTA-3: slots of a reservation that expires come back then; a pace may begin, end or
    /// change with a package to come.
    #[test]
    fn turns_come_back_by_themselves() {
        let fits_at = |course: Course, count| {
            crate::rules::send::fits_at_ms(
                &[course.reading(count, 0)],
                &Default::default(),
                count,
                0,
            )
        };
        let mut pace = Pace::new(Window::Hour, 3600, 2);
        pace.take(1_000, 0);
        let back = Return {
            at_ms: 60_000,
            count: 1_000,
            from_ms: pace.opens_for_all_ms(),
        };
        let course =
            |terms, returns: &[Return]| Course::new(pace, terms, returns.iter().copied().collect());
        let same = || vec![(0, Some(pace))];
        assert_eq!(
            [1, 2, 3].map(|count| fits_at(course(same(), &[]), count)),
            [Some(999_000), Some(1_000_000), None]
        );
        assert_eq!(
            [1, 2].map(|count| fits_at(course(same(), &[back]), count)),
            [Some(60_000), Some(60_000)]
        );
        let none_at = |at_ms| vec![(0, Some(pace)), (at_ms, None)];
        assert_eq!(
            (
                fits_at(course(none_at(5_000), &[back]), 9),
                fits_at(course(none_at(90_000), &[back]), 1)
            ),
            (Some(5_000), Some(60_000))
        );
        let larger = Pace::new(Window::Hour, 3600, 9);
        assert_eq!(
            fits_at(
                course(vec![(0, Some(pace)), (70_000, Some(larger))], &[back]),
                9
            ),
            Some(70_000)
        );
        let begins = Course::new(
            Pace::new(Window::Hour, 3600, 2),
            vec![(0, None), (5_000, Some(pace))],
            VecDeque::new(),
        );
        assert_eq!((begins.left(4_999), begins.left(5_000)), (u64::MAX, 2));
    }
}
