//! Waiting for the next message of the outbox without asking again and again (R-OUT-1).

use super::{Kernel, keys};
use crate::error::Error;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Longest that one sleep lasts.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Longest with a clock that somebody moves, and where nobody tells what other processes commit.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

impl Kernel {
    /// The number of the last message of the outbox; 0 where there never was one.
    pub(crate) fn last_message(&self) -> Result<u64, Error> {
        let next = self.tx().get::<u64>(&keys::outbox_next())?.unwrap_or(1);
        Ok(next.saturating_sub(1))
    }

    /// Sleeps until there is a message after this one, until the instant, for a nap at most, or
    /// until `is_over` and somebody was notified.
    pub(crate) fn sleep_until_message(
        &self,
        after: u64,
        until: Option<Instant>,
        is_over: impl Fn() -> bool,
    ) -> Result<(), Error> {
        let mut lock = self.notifier.lock.lock();
        if self.last_message()? > after || is_over() {
            return Ok(());
        }
        let sleep = until.map_or(LONGEST_SLEEP, |until| {
            until.saturating_duration_since(Instant::now())
        });
        self.notifier
            .changed
            .wait_for(&mut lock, sleep.min(self.longest_sleep()));
        Ok(())
    }

    /// Until the next that becomes due by itself, which may bring messages.
    fn longest_sleep(&self) -> Duration {
        let must_poll = self.is_shared() && !self.notifier.is_listening.load(Ordering::Acquire);
        if self.has_manual_clock() || must_poll {
            return POLL_INTERVAL;
        }
        let due_in_ms = self
            .clock
            .next_due_ms
            .load(Ordering::Acquire)
            .saturating_sub(self.clock.now_ms());
        Duration::from_millis(due_in_ms.saturating_add(1)).min(LONGEST_SLEEP)
    }

    /// Wakes who waits, to look whether they still should.
    pub(crate) fn wake_waiting(&self) {
        self.notifier.notify();
    }
}
