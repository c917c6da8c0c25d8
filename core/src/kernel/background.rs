//! What is done beside the calls, a bounded part in each commit: what is to be forgotten, and work
//! that was cut off ([`jobs`](crate::domain::jobs)). No answer depends on when it is done.
//!
//! A thread of its own does it. Where there is none, because the clock is manual or no thread can
//! be had, each call that may wait for the disk does one part first.

use crate::kernel::due::NEVER;
use crate::kernel::note::{Erased, Job};
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How many records an operation erases in its own commit at most.
const AT_ONCE: usize = 500;
/// For so many records there are so many keys, index lines included, in one commit.
const KEYS_OF_ONE: usize = 8;

/// When there is something to do, and the thread that does it. The thread starts when it is first
/// asked for and ends with the engine.
pub(crate) struct Background {
    /// The first instant at which something is to be forgotten.
    pub(crate) next_ms: AtomicU64,
    /// Whether there is work that takes more than one commit.
    pub(crate) is_under_way: AtomicBool,
    /// Whether nobody who calls is doing it.
    pub(crate) is_cut_off: AtomicBool,
    /// Held by whoever makes a step.
    pub(crate) stepping: Mutex<()>,
    /// Who began these waits until they are done, and is told what went with an account.
    pub(crate) waiting: Mutex<BTreeMap<Job, Option<Erased>>>,
    /// Whether whoever calls does what there is to do: the clock is manual, or no thread can be
    /// had.
    is_left_to_callers: AtomicBool,
    at_once: AtomicUsize,
    thread: Arc<Thread>,
}

#[derive(Default)]
struct Thread {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_running: bool,
    is_woken: bool,
    is_ended: bool,
}

impl Default for Background {
    fn default() -> Background {
        Background {
            next_ms: AtomicU64::new(NEVER),
            is_under_way: AtomicBool::new(false),
            is_cut_off: AtomicBool::new(false),
            stepping: Mutex::default(),
            waiting: Mutex::default(),
            is_left_to_callers: AtomicBool::new(false),
            at_once: AtomicUsize::new(AT_ONCE),
            thread: Arc::default(),
        }
    }
}

impl Background {
    /// Whether whoever calls does what there is to do.
    #[inline]
    pub(crate) fn is_left_to_callers(&self) -> bool {
        self.is_left_to_callers.load(Ordering::Relaxed)
    }

    /// No thread is to do what there is to do.
    pub(crate) fn leave_to_callers(&self) {
        self.is_left_to_callers.store(true, Ordering::Relaxed);
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
    pub(crate) fn give_up_for_tests(&self) {
        self.is_cut_off.store(false, Ordering::Release);
    }

    /// Whether there is work that takes more than one commit.
    #[inline]
    pub(crate) fn is_under_way(&self) -> bool {
        self.is_under_way.load(Ordering::Acquire)
    }

    /// There is such work from here on.
    pub(crate) fn begins(&self) {
        self.is_under_way.store(true, Ordering::Release);
    }

    /// These are done, whoever has done them.
    pub(crate) fn have_ended(&self, ended: &[(Job, Erased)]) {
        let mut waiting = self.waiting.lock();
        for (job, erased) in ended {
            if let Some(waits) = waiting.get_mut(job) {
                *waits = Some(*erased);
            }
        }
    }

    /// Whether all of this is done.
    pub(crate) fn all_done(&self, jobs: &BTreeSet<Job>) -> bool {
        let waiting = self.waiting.lock();
        jobs.iter()
            .all(|job| waiting.get(job).is_none_or(Option::is_some))
    }

    /// There is something to do. `task` does a part of it, and says how long the thread may rest
    /// then; none where nobody is left to work for.
    pub(crate) fn wake(&self, task: impl Fn() -> Option<Duration> + Send + 'static) {
        let mut state = self.thread.state.lock();
        if state.is_ended {
            return;
        }
        state.is_woken = true;
        if !state.is_running {
            let thread = self.thread.clone();
            let started = std::thread::Builder::new()
                .name("tenantry-maint".to_owned())
                .spawn(move || run(&thread, task));
            state.is_running = started.is_ok();
            if started.is_err() {
                self.leave_to_callers();
            }
        }
        self.thread.changed.notify_one();
    }

    /// Nothing more is done.
    pub(crate) fn end(&self) {
        self.thread.state.lock().is_ended = true;
        self.thread.changed.notify_one();
    }
}

fn run(thread: &Thread, task: impl Fn() -> Option<Duration>) {
    let mut pause = Duration::ZERO;
    loop {
        {
            let mut state = thread.state.lock();
            if !state.is_ended && !state.is_woken {
                match pause {
                    Duration::MAX => thread.changed.wait(&mut state),
                    pause => drop(thread.changed.wait_for(&mut state, pause)),
                }
            }
            state.is_woken = false;
            if state.is_ended {
                return;
            }
        }
        match task() {
            Some(next) => pause = next,
            None => return,
        }
    }
}
