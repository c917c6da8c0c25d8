//! The queue between the library and whoever listens, and the thread that empties it.
//!
//! Its locks are those of the standard library: parking_lot keeps all who wait in one table of the
//! process, and a forked child whose parent was just using that table would wait for ever.

use crate::event::Event;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

/// So many events wait at most.
pub(crate) const MOST: usize = 1_000;
/// The thread ends when no event came for so long.
const IDLE: Duration = Duration::from_secs(2);
/// So long whoever stops listening waits for what is still to be given.
const LONGEST_FLUSH: Duration = Duration::from_secs(2);

/// The queue of this process.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    has_come: Condvar,
    was_given: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Event>,
    /// How many found no place since the last was told.
    lost: u64,
    runs: bool,
    /// The thread that just gives one.
    giving: Option<ThreadId>,
}

impl State {
    fn is_idle(&self) -> bool {
        self.giving.is_none()
    }

    fn is_given(&self) -> bool {
        self.is_idle() && self.waiting.is_empty() && self.lost == 0
    }

    /// Whether this thread is just being given an event, and would wait for itself.
    fn is_own(&self) -> bool {
        self.giving == Some(std::thread::current().id())
    }
}

impl Queue {
    /// Nothing that panics is done under the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever calls may hold any lock of the library. The thread, which this starts where there is
    /// none, gives events by `give`.
    pub(crate) fn push(&'static self, event: Event, give: fn(&Event)) {
        let mut state = self.state();
        match state.waiting.len() < MOST {
            true => state.waiting.push_back(event),
            false => state.lost += 1,
        }
        if !state.runs {
            let started = std::thread::Builder::new()
                .name("tenantry-log".to_owned())
                .spawn(move || self.run(give));
            // Where no thread can be had, the next event tries again.
            state.runs = started.is_ok();
        }
        self.has_come.notify_one();
    }

    fn run(&self, give: fn(&Event)) {
        let mut state = self.state();
        loop {
            let next = match state.waiting.pop_front() {
                Some(event) => event,
                None if state.lost > 0 => Event::lost(std::mem::take(&mut state.lost)),
                None => {
                    let waited = self.has_come.wait_timeout(state, IDLE);
                    let (back, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    state = back;
                    if timeout.timed_out() && state.is_given() {
                        state.runs = false;
                        return;
                    }
                    continue;
                }
            };
            state.giving = Some(std::thread::current().id());
            drop(state);
            // The host's code is no concern of the library.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| give(&next))) {
                std::mem::forget(panic);
            }
            state = self.state();
            state.giving = None;
            self.was_given.notify_all();
        }
    }

    /// Waits until all events were given, but not for long.
    pub(crate) fn wait_until_given(&self) {
        let is_open = |state: &mut State| state.runs && !state.is_given() && !state.is_own();
        let waited = self
            .was_given
            .wait_timeout_while(self.state(), LONGEST_FLUSH, is_open);
        drop(waited);
    }

    /// Waits until no event is being given.
    pub(crate) fn wait_until_idle(&self) {
        let is_open = |state: &mut State| !state.is_idle() && !state.is_own();
        drop(self.was_given.wait_while(self.state(), is_open));
    }
}
