//! What is done beside the calls, a bounded part in each commit: what is to be forgotten, and work
//! that was cut off ([`jobs`](crate::domain::jobs)). No answer depends on when it is done.
//!
//! A thread of its own does it. Where there is none, because the clock is manual or no thread can
//! be had, each call that may wait for the disk does one part first.

use super::Engine;
use crate::error::Error;
use crate::kernel::due::{self, NEVER};
use crate::kernel::keys;
use crate::model::Id;
use crate::tables::works;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Between two parts others get the lock of the writer.
const BREATH: Duration = Duration::from_millis(1);
/// What becomes due one after the other is done together, so late at most.
const ROUND: Duration = Duration::from_secs(60);

/// How many records an operation erases in its own commit at most.
const AT_ONCE: usize = 500;
/// For so many records there are so many keys, index lines included, in one commit.
const KEYS_OF_ONE: usize = 8;

/// When there is something to do, and the thread that does it. The thread starts when it is first
/// asked for and ends with the engine.
pub(crate) struct Background {
    /// The first instant at which something is to be forgotten.
    pub(crate) next_ms: AtomicU64,
    /// Whether accounts are being erased.
    is_under_way: AtomicBool,
    /// Whether nobody who calls is erasing them.
    is_cut_off: AtomicBool,
    /// Who deleted these accounts waits until they are erased, and is told what went with them.
    /// Whoever makes a step has it locked.
    pub(crate) told: Mutex<BTreeMap<Id, Option<Erased>>>,
    at_once: AtomicUsize,
    thread: Arc<Thread>,
}

/// What went with an account that was erased.
#[derive(Clone, Copy, Debug, Default)]
pub struct Erased {
    pub(crate) accounts: u64,
    pub(crate) users: u64,
}

impl Erased {
    pub(crate) fn and(self, other: Erased) -> Erased {
        Erased {
            accounts: self.accounts + other.accounts,
            users: self.users + other.users,
        }
    }
}

/// What one step of work has come to.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Whether there may be another.
    pub(crate) goes_on: bool,
    /// The account that is erased now with all below it.
    pub(crate) ended: Option<(Id, Erased)>,
}

impl Step {
    /// One after which there may be another.
    pub(crate) fn of(ended: Option<(Id, Erased)>) -> Step {
        Step {
            goes_on: true,
            ended,
        }
    }
}

#[derive(Default)]
struct Thread {
    state: Mutex<State>,
    changed: Condvar,
    is_running: AtomicBool,
}

#[derive(Default)]
struct State {
    is_woken: bool,
    is_ended: bool,
}

impl Default for Background {
    fn default() -> Background {
        Background {
            next_ms: AtomicU64::new(NEVER),
            is_under_way: AtomicBool::new(false),
            is_cut_off: AtomicBool::new(false),
            told: Mutex::default(),
            at_once: AtomicUsize::new(AT_ONCE),
            thread: Arc::default(),
        }
    }
}

impl Background {
    /// Something is to be forgotten at an instant.
    pub(crate) fn schedule(&self, engine: &Engine, at_ms: u64) {
        if at_ms < self.next_ms.fetch_min(at_ms, Ordering::AcqRel) {
            self.wake(engine);
        }
    }

    /// How many records an operation erases in its own commit at most.
    pub(crate) fn at_once(&self) -> usize {
        self.at_once.load(Ordering::Relaxed)
    }

    /// How many keys a step writes before it ends.
    pub(crate) fn written_at_once(&self) -> usize {
        self.at_once() * KEYS_OF_ONE
    }

    #[cfg(test)]
    pub(crate) fn set_at_once_for_tests(&self, records: usize) {
        self.at_once.store(records, Ordering::Relaxed);
    }

    /// Nobody goes on with what was cut off.
    #[cfg(test)]
    pub(crate) fn rest_for_tests(&self) {
        self.is_cut_off.store(false, Ordering::Release);
    }

    /// Whether accounts are being erased.
    #[inline]
    pub(crate) fn is_under_way(&self) -> bool {
        self.is_under_way.load(Ordering::Acquire)
    }

    /// Accounts were deleted, and are to be erased.
    pub(crate) fn begins(&self) {
        self.is_under_way.store(true, Ordering::Release);
    }

    /// Whether each of these accounts is erased.
    pub(crate) fn all_told(&self, roots: &BTreeSet<Id>) -> bool {
        let told = self.told.lock();
        roots
            .iter()
            .all(|root| told.get(root).is_none_or(Option::is_some))
    }

    /// Who was erasing accounts could not go on.
    pub(crate) fn cut_off(&self, engine: &Engine) {
        self.is_cut_off.store(true, Ordering::Release);
        self.wake(engine);
    }

    /// There is something to do.
    fn wake(&self, engine: &Engine) {
        let mut state = self.thread.state.lock();
        if state.is_ended || engine.kernel.has_manual_clock() {
            return;
        }
        state.is_woken = true;
        if !self.thread.is_running.load(Ordering::Acquire) {
            let (thread, engine) = (self.thread.clone(), engine.this.clone());
            let started = std::thread::Builder::new()
                .name("tenantry-tidy".to_owned())
                .spawn(move || run(&thread, &engine));
            self.thread
                .is_running
                .store(started.is_ok(), Ordering::Release);
        }
        self.thread.changed.notify_one();
    }

    /// Nothing more is done.
    pub(crate) fn end(&self) {
        self.thread.state.lock().is_ended = true;
        self.thread.changed.notify_one();
    }
}

impl Engine {
    /// Does a part of what a thread would do beside the calls, where there is none.
    #[inline]
    pub(crate) fn help_out(&self) -> Result<(), Error> {
        if self.has_chores() && !self.background.thread.is_running.load(Ordering::Acquire) {
            self.do_some_chores()?;
        }
        Ok(())
    }

    #[inline]
    fn has_chores(&self) -> bool {
        let next_ms = self.background.next_ms.load(Ordering::Acquire);
        self.background.is_cut_off.load(Ordering::Acquire)
            || (next_ms != NEVER && self.kernel.clock.now_ms() >= next_ms)
    }

    /// One commit of what there is to do.
    #[cold]
    pub(crate) fn do_some_chores(&self) -> Result<(), Error> {
        // What can only be read is read as it is.
        if self.kernel.is_poisoned() || self.kernel.is_shut() {
            return Ok(());
        }
        if self.background.is_cut_off.load(Ordering::Acquire) {
            let goes_on = self.step_of_job()?;
            self.background.is_cut_off.store(goes_on, Ordering::Release);
            return Ok(());
        }
        self.forget_some()
    }

    /// What there is to do as the store is opened: what a crash cut off goes on.
    pub(crate) fn resume(&self) -> Result<(), Error> {
        let next_ms = due::first(&mut self.kernel.tx(), keys::FORGET)?;
        self.background.schedule(self, next_ms);
        if self.look_for_work()? {
            self.background.cut_off(self);
        }
        Ok(())
    }

    /// Whether accounts are being erased, as the store has it.
    pub(crate) fn look_for_work(&self) -> Result<bool, Error> {
        // Who deletes one says so before they let go of it.
        let _alone = self.kernel.writer.lock();
        let is_under_way = works::are_under_way(&mut self.kernel.tx())?;
        self.background
            .is_under_way
            .store(is_under_way, Ordering::Release);
        Ok(is_under_way)
    }

    /// How long until there is something to do, of which some was done just now.
    fn rest(&self) -> Duration {
        let next_ms = self.background.next_ms.load(Ordering::Acquire);
        if self.has_chores() {
            BREATH
        } else if next_ms == NEVER {
            Duration::MAX
        } else {
            Duration::from_millis(next_ms.saturating_sub(self.kernel.clock.now_ms())).max(ROUND)
        }
    }
}

fn run(thread: &Thread, engine: &Weak<Engine>) {
    let mut rest = BREATH;
    loop {
        {
            let mut state = thread.state.lock();
            if !state.is_ended && !state.is_woken {
                match rest {
                    Duration::MAX => thread.changed.wait(&mut state),
                    rest => drop(thread.changed.wait_for(&mut state, rest)),
                }
            }
            state.is_woken = false;
            if state.is_ended {
                return;
            }
        }
        // Gone when the last handle was dropped without closing: nobody is left to work for.
        let Some(engine) = engine.upgrade() else {
            return;
        };
        // A failure of the store poisons the engine, and whoever writes next is told; a panic does
        // the same. Anything else is tried again in the next round.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if engine.has_chores() {
                engine.do_some_chores()
            } else {
                Ok(())
            }
        }));
        rest = match done {
            Ok(Ok(())) => engine.rest(),
            Ok(Err(_)) => ROUND,
            Err(panic) => {
                engine.kernel.poison();
                // Dropping the payload of a panic may itself panic.
                std::mem::forget(panic);
                ROUND
            }
        };
    }
}
