//! What the engine does beside the calls, a part at a time
//! ([`background`](crate::kernel::background)): it forgets what is over, and goes on with work that
//! was cut off ([`jobs`](crate::domain::jobs)).

use crate::access::state::Engine;
use crate::error::Error;
use crate::kernel::due::{self, NEVER};
use crate::kernel::keys;
use crate::model::{Account, Id};
use crate::tables::{deletions, replacements};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Between two parts others get the lock of the writer.
const BREATH: Duration = Duration::from_millis(1);
/// What becomes due one after the other is done together, so late at most.
const ROUND: Duration = Duration::from_secs(60);

impl Engine {
    /// Does a part of what a thread would do beside the calls, where there is none.
    #[inline]
    pub(crate) fn maintain_inline(&self) -> Result<(), Error> {
        if self.background.is_left_to_callers() && self.has_maintenance() {
            self.maintain_some()?;
        }
        Ok(())
    }

    #[inline]
    fn has_maintenance(&self) -> bool {
        let next_ms = self.background.next_ms.load(Ordering::Acquire);
        self.background.is_cut_off.load(Ordering::Acquire)
            || (next_ms != NEVER && self.kernel.clock.now_ms() >= next_ms)
    }

    /// One commit of what there is to do.
    #[cold]
    fn maintain_some(&self) -> Result<(), Error> {
        // What can only be read is read as it is.
        if self.kernel.is_poisoned() || self.kernel.is_shut() {
            return Ok(());
        }
        if !self.background.is_cut_off.load(Ordering::Acquire) {
            return self.forget_some();
        }
        let goes_on = self.run_job_step()?;
        let is_cut_off = &self.background.is_cut_off;
        is_cut_off.store(goes_on, Ordering::Release);
        Ok(())
    }

    /// What there is to do as the store is opened: what a crash cut off goes on.
    pub(crate) fn resume(&self) -> Result<(), Error> {
        self.forget_at(due::first(&mut self.kernel.tx(), keys::FORGET)?);
        if self.refresh_jobs()? {
            self.cut_off();
        }
        Ok(())
    }

    /// Something is to be forgotten at an instant.
    pub(crate) fn forget_at(&self, at_ms: u64) {
        let next_ms = &self.background.next_ms;
        if at_ms < next_ms.fetch_min(at_ms, Ordering::AcqRel) {
            self.wake_background();
        }
    }

    /// Who was doing work that takes more than one commit could not go on.
    pub(crate) fn cut_off(&self) {
        let is_cut_off = &self.background.is_cut_off;
        is_cut_off.store(true, Ordering::Release);
        self.wake_background();
    }

    /// Whether there is work that takes more than one commit, as the store has it.
    pub(crate) fn refresh_jobs(&self) -> Result<bool, Error> {
        // Who begins some says so before they let go of it.
        let _guard = self.lock_writer()?;
        let mut tx = self.kernel.tx();
        let is_under_way =
            deletions::are_under_way(&mut tx)? || replacements::are_under_way(&mut tx)?;
        let known = &self.background.is_under_way;
        known.store(is_under_way, Ordering::Release);
        Ok(is_under_way)
    }

    /// Whether an account was deleted, and is being erased.
    pub(crate) fn is_leaving(&self, id: &Id) -> Result<bool, Error> {
        if !self.background.is_under_way() {
            return Ok(false);
        }
        let account: Option<Account> = self.kernel.reading().get(&keys::account(id))?;
        Ok(account.is_some_and(|account| account.leaving))
    }

    /// With a manual clock no time passes while nobody calls: whoever calls does it.
    pub(crate) fn wake_background(&self) {
        if self.kernel.has_manual_clock() {
            self.background.leave_to_callers();
            return;
        }
        let this = self.this.clone();
        // Gone when the last handle was dropped without closing.
        let task = move || this.upgrade().map(|engine| engine.maintain_in_background());
        self.background.wake(task);
    }

    /// Does a part of what there is to do; says how long until there is more. A failure of the
    /// store poisons the engine, and whoever writes next is told; a panic does the same. Anything
    /// else is tried again in the next round.
    fn maintain_in_background(&self) -> Duration {
        let done = catch_unwind(AssertUnwindSafe(|| {
            if self.has_due() {
                self.carry_out()
            } else if self.has_maintenance() {
                self.maintain_some()
            } else {
                Ok(())
            }
        }));
        match done {
            Ok(Ok(())) => self.pause(),
            Ok(Err(_)) => ROUND,
            Err(panic) => {
                self.kernel.poison();
                // Dropping the payload of a panic may itself panic.
                std::mem::forget(panic);
                ROUND
            }
        }
    }

    fn pause(&self) -> Duration {
        let next_ms = self.background.next_ms.load(Ordering::Acquire);
        if self.kernel.is_poisoned() || self.kernel.is_shut() {
            Duration::MAX
        } else if self.has_due() || self.has_maintenance() {
            BREATH
        } else if next_ms == NEVER {
            Duration::MAX
        } else {
            Duration::from_millis(next_ms.saturating_sub(self.kernel.clock.now_ms())).max(ROUND)
        }
    }
}
