//! Whether the system's clock is believed: it is held against one that only counts on (R-QTA-13).

use crate::model::ClockJump;

/// What is no jump: clocks are set right in small steps.
const TOLERANCE_MS: i64 = 60_000;
/// A store that seems to have been closed for longer is opened under a clock that is wrong.
const LONGEST_CLOSED_MS: i64 = 366 * 24 * 3_600_000;

/// How the system's clock stands to the one that only counts on, and how far it is believed. All
/// instants are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// What time is ahead of the counting clock.
    ahead_ms: i64,
    /// The most that it ever was: back to there the clock may jump by itself.
    most_ms: i64,
    /// What the system's clock is ahead, where it is so far that it is held back.
    held_ms: Option<i64>,
}

impl Watch {
    /// Begins to watch a clock; `last_ms` is the last time that was known before, in another
    /// process.
    pub fn begin(
        system_ms: u64,
        steady_ms: u64,
        last_ms: Option<u64>,
    ) -> (Watch, Option<ClockJump>) {
        let (system, steady) = (signed(system_ms), signed(steady_ms));
        let ahead_ms = system - steady;
        let last = last_ms.map_or(system, signed);
        let mut watch = Watch {
            ahead_ms,
            most_ms: ahead_ms.max(last - steady),
            held_ms: None,
        };
        if system > last + LONGEST_CLOSED_MS {
            watch = Watch {
                ahead_ms: last - steady,
                most_ms: last - steady,
                held_ms: Some(ahead_ms),
            };
        }
        let has_jumped = watch.held_ms.is_some() || system < last - TOLERANCE_MS;
        (
            watch,
            has_jumped.then(|| ClockJump {
                from_ms: unsigned(last),
                to_ms: system_ms,
                held: watch.held_ms.is_some(),
            }),
        )
    }

    /// What time it is, and whether the clock has jumped since it was looked at last. Back it is
    /// followed; forward no further than it ever was right.
    pub fn look(&mut self, system_ms: u64, steady_ms: u64) -> (u64, Option<ClockJump>) {
        let (system, steady) = (signed(system_ms), signed(steady_ms));
        let ahead_ms = system - steady;
        let expected = steady + self.ahead_ms;
        let jump = |held| {
            Some(ClockJump {
                from_ms: unsigned(expected),
                to_ms: system_ms,
                held,
            })
        };
        if ahead_ms > self.most_ms + TOLERANCE_MS {
            let is_known = self
                .held_ms
                .is_some_and(|held_ms| held_ms.abs_diff(ahead_ms) <= TOLERANCE_MS.unsigned_abs());
            self.held_ms = Some(ahead_ms);
            return (unsigned(expected), if is_known { None } else { jump(true) });
        }
        let is_jump = self.ahead_ms.abs_diff(ahead_ms) > TOLERANCE_MS.unsigned_abs();
        (self.held_ms, self.ahead_ms, self.most_ms) = (None, ahead_ms, self.most_ms.max(ahead_ms));
        (system_ms, if is_jump { jump(false) } else { None })
    }

    /// What the system's clock says, where it is held back.
    pub fn held_back(&self, steady_ms: u64) -> Option<u64> {
        self.held_ms
            .map(|held_ms| unsigned(signed(steady_ms) + held_ms))
    }

    /// The clock is right where it is held back: it is followed.
    pub fn confirm(&mut self) {
        if let Some(held_ms) = self.held_ms.take() {
            (self.ahead_ms, self.most_ms) = (held_ms, held_ms);
        }
    }

    /// It never was right beyond where it is now.
    pub fn forget_future(&mut self) {
        self.most_ms = self.ahead_ms;
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX / 4)
}

fn unsigned(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_781_524_800_000;
    const HOUR_MS: u64 = 3_600_000;
    const TEN_YEARS_MS: u64 = 3652 * 24 * HOUR_MS;

    /// 18.11, R-QTA-13: ten years ahead, and right again.
    #[test]
    fn a_jump_forward_is_held_back() {
        let (mut watch, jump) = Watch::begin(NOW_MS, 1000, Some(NOW_MS - 5 * HOUR_MS));
        assert_eq!(
            (jump, watch.look(NOW_MS + 500, 1500)),
            (None, (NOW_MS + 500, None))
        );
        let jump = ClockJump {
            from_ms: NOW_MS + 1000,
            to_ms: NOW_MS + TEN_YEARS_MS,
            held: true,
        };
        assert_eq!(watch.look(jump.to_ms, 2000), (NOW_MS + 1000, Some(jump)));
        assert_eq!(watch.look(jump.to_ms + 5000, 7000), (NOW_MS + 6000, None));
        assert_eq!(watch.held_back(8000), Some(jump.to_ms + 6000));
        assert_eq!(watch.look(NOW_MS + 8000, 9000), (NOW_MS + 8000, None));
        assert_eq!(watch.held_back(9000), None);
    }

    /// While the machine sleeps the counting clock goes on; small steps are followed.
    #[test]
    fn what_the_other_clock_saw_is_no_jump() {
        let (mut watch, _) = Watch::begin(NOW_MS, 0, None);
        assert_eq!(
            watch.look(NOW_MS + 24 * HOUR_MS, 24 * HOUR_MS),
            (NOW_MS + 24 * HOUR_MS, None)
        );
        assert_eq!(
            watch.look(NOW_MS + 25 * HOUR_MS + 59_000, 25 * HOUR_MS),
            (NOW_MS + 25 * HOUR_MS + 59_000, None)
        );
    }

    #[test]
    fn what_is_confirmed_is_followed() {
        let (mut watch, _) = Watch::begin(NOW_MS, 0, None);
        watch.look(NOW_MS + TEN_YEARS_MS, 0);
        watch.confirm();
        assert_eq!(
            watch.look(NOW_MS + TEN_YEARS_MS + 10, 10),
            (NOW_MS + TEN_YEARS_MS + 10, None)
        );
        let back = ClockJump {
            from_ms: NOW_MS + TEN_YEARS_MS + 20,
            to_ms: NOW_MS + 20,
            held: false,
        };
        assert_eq!(watch.look(NOW_MS + 20, 20), (NOW_MS + 20, Some(back)));
        // It was right once, so it may be again; after it was undone it may not.
        let forth = ClockJump {
            from_ms: NOW_MS + 30,
            to_ms: NOW_MS + TEN_YEARS_MS + 30,
            held: false,
        };
        assert_eq!(watch.look(forth.to_ms, 30), (forth.to_ms, Some(forth)));
        watch.look(NOW_MS + 40, 40);
        watch.forget_future();
        assert_eq!(
            watch.look(forth.to_ms, 50),
            (
                NOW_MS + 50,
                Some(ClockJump {
                    from_ms: NOW_MS + 50,
                    held: true,
                    ..forth
                })
            )
        );
    }

    #[test]
    fn what_was_known_before_counts_at_opening() {
        let (mut watch, jump) = Watch::begin(NOW_MS, 0, Some(NOW_MS + 2 * HOUR_MS));
        assert_eq!(
            jump,
            Some(ClockJump {
                from_ms: NOW_MS + 2 * HOUR_MS,
                to_ms: NOW_MS,
                held: false
            })
        );
        assert_eq!(watch.look(NOW_MS + 1, 1).0, NOW_MS + 1);
        let (mut watch, jump) = Watch::begin(NOW_MS + TEN_YEARS_MS, 0, Some(NOW_MS));
        assert_eq!(
            jump,
            Some(ClockJump {
                from_ms: NOW_MS,
                to_ms: NOW_MS + TEN_YEARS_MS,
                held: true
            })
        );
        assert_eq!(watch.look(NOW_MS + TEN_YEARS_MS + 7, 7), (NOW_MS + 7, None));
    }
}
