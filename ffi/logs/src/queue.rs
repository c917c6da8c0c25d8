//! The queue between the library and whoever listens, and the thread that empties it.

use crate::event::Event;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

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
    /// Whoever calls may hold any lock of the library. The thread, which this starts where there is
    /// none, gives events by `give`.
    pub(crate) fn push(&'static self, event: Event, give: fn(&Event)) {
        let mut state = self.state.lock();
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
        let mut state = self.state.lock();
        loop {
            let next = match state.waiting.pop_front() {
                Some(event) => event,
                None if state.lost > 0 => Event::lost(std::mem::take(&mut state.lost)),
                None if self.has_come.wait_for(&mut state, IDLE).timed_out()
                    && state.is_given() =>
                {
                    state.runs = false;
                    return;
                }
                None => continue,
            };
            state.giving = Some(std::thread::current().id());
            drop(state);
            // The host's code is no concern of the library.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| give(&next))) {
                std::mem::forget(panic);
            }
            state = self.state.lock();
            state.giving = None;
            self.was_given.notify_all();
        }
    }

    /// Waits until all events were given, but not for long.
    pub(crate) fn wait_until_given(&self) {
        let until = Instant::now() + LONGEST_FLUSH;
        let mut state = self.state.lock();
        while state.runs && !state.is_given() && !state.is_own() {
            if self.was_given.wait_until(&mut state, until).timed_out() {
                return;
            }
        }
    }

    /// Waits until no event is being given.
    pub(crate) fn wait_until_idle(&self) {
        let mut state = self.state.lock();
        while !state.is_idle() && !state.is_own() {
            self.was_given.wait(&mut state);
        }
    }
}
