//! Forks of a process that has stores open.
//!
//! SQLite keeps what it has locked for the whole process, and a child inherits that: it would
//! believe that it holds locks which it does not hold. So every connection of the process is closed
//! before it forks, and opened again when it is needed. A child finds no connection, and opens the
//! same stores as any other process would.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Condvar, LockResult, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use tenantry_fork::{Around, PerProcess};
use tracing::warn;

use crate::process::OpenIn;

/// A child that was forked while somebody used SQLite cannot have a store.
pub(super) static OPEN_IN: OpenIn = OpenIn::nobody();

/// How long a fork waits for those who just use SQLite. After that the child cannot have stores in
/// SQLite.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A store that is open.
pub(super) trait Connected: Send + Sync {
    /// Nobody is inside of the gate. Each connection is opened again when it is needed.
    fn close_connections(&self);
}

/// What this process has open.
#[derive(Default)]
pub(super) struct Here {
    pub(super) gate: Gate,
    paths: Mutex<BTreeSet<PathBuf>>,
    stores: Mutex<Vec<Weak<dyn Connected>>>,
}

/// Whoever uses SQLite is inside, and a fork waits until nobody is.
// Locks of the standard library: parking_lot keeps all who wait in one table of the process, and a
// child that was forked while that table was locked would wait for a thread that it does not have.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The threads that are inside, each as often as it is.
    inside: Vec<ThreadId>,
    is_closed: bool,
}

/// A thread that is inside, as long as it lives.
#[must_use]
pub(super) struct Inside {
    gate: &'static Gate,
    thread: ThreadId,
}

/// What is locked here is whole between any two statements, so a panic leaves nothing half done.
fn unpoisoned<T>(locked: LockResult<T>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }

    /// Waits for as long as `waits` says so; none where the time is over.
    fn wait_until<'a>(
        &self,
        state: MutexGuard<'a, State>,
        until: Instant,
        waits: impl FnMut(&mut State) -> bool,
    ) -> Option<MutexGuard<'a, State>> {
        let left = until.saturating_duration_since(Instant::now());
        let (state, end) = unpoisoned(self.changed.wait_timeout_while(state, left, waits));
        (!end.timed_out()).then_some(state)
    }

    /// Waits while the process forks. Who is inside already does not wait: the fork waits for it.
    pub(super) fn enter(&'static self) -> Inside {
        let thread = std::thread::current().id();
        let waits = |state: &mut State| state.is_closed && !state.inside.contains(&thread);
        let mut state = unpoisoned(self.changed.wait_while(self.state(), waits));
        state.inside.push(thread);
        Inside { gate: self, thread }
    }

    /// Waits until nobody is inside, and keeps everybody out; whether that was so in time.
    fn close(&self, until: Instant) -> bool {
        // Another thread may be just forking.
        let Some(mut state) = self.wait_until(self.state(), until, |state| state.is_closed) else {
            return false;
        };
        if state.inside.contains(&std::thread::current().id()) {
            return false;
        }
        state.is_closed = true;
        let is_somebody_inside = |state: &mut State| !state.inside.is_empty();
        if self.wait_until(state, until, is_somebody_inside).is_none() {
            self.open();
            return false;
        }
        true
    }

    fn open(&self) {
        self.state().is_closed = false;
        self.changed.notify_all();
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        let at = state
            .inside
            .iter()
            .position(|thread| *thread == self.thread);
        if let Some(at) = at {
            state.inside.swap_remove(at);
        }
        if state.is_closed && state.inside.is_empty() {
            self.gate.changed.notify_all();
        }
    }
}

static HERE: PerProcess<Here> = PerProcess::new();

/// What this process has open. Whoever asks for the first time has forks looked after.
pub(super) fn here() -> &'static Here {
    // Where the system refuses, a child is refused what it cannot have.
    tenantry_fork::around(Around {
        before,
        in_parent,
        in_child,
    });
    HERE.get()
}

impl Here {
    /// Which stores are open, so that none is opened twice.
    pub(super) fn paths(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        unpoisoned(self.paths.lock())
    }

    /// From now on a fork closes the connections of this store, too.
    pub(super) fn add(&self, store: Weak<dyn Connected>) {
        let mut stores = unpoisoned(self.stores.lock());
        stores.retain(|store| store.strong_count() > 0);
        stores.push(store);
    }
}

thread_local! {
    /// Whether this thread has closed the gate, in order to fork.
    static FORKS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    /// Whether it could not, as somebody was inside for too long.
    static WAITED_IN_VAIN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

pub(super) fn before() {
    let here = HERE.get();
    if !here.gate.close(Instant::now() + TIMEOUT) {
        WAITED_IN_VAIN.set(true);
        return;
    }
    FORKS.set(true);
    let stores = unpoisoned(here.stores.lock());
    for store in stores.iter().filter_map(Weak::upgrade) {
        store.close_connections();
    }
}

pub(super) fn in_parent() {
    if FORKS.replace(false) {
        HERE.get().gate.open();
    }
    // Only now: before the fork, other libraries may have locked what a log needs.
    if WAITED_IN_VAIN.take() {
        warn!(
            target: "tenantry::store",
            "A fork did not wait for a long read; the child cannot open stores in SQLite."
        );
    }
}

fn in_child() {
    if FORKS.replace(false) {
        OPEN_IN.forget_parent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn gate() -> &'static Gate {
        Box::leak(Box::default())
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(30)
    }

    #[test]
    fn a_fork_waits_for_who_is_inside_and_nobody_gets_in_meanwhile() {
        let gate = gate();
        let (go, gone) = channel();
        let (tell, told) = channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let first = gate.enter();
                tell.send(()).unwrap();
                // The fork has begun to wait.
                while !gate.state().is_closed {
                    std::thread::yield_now();
                }
                let nested = gate.enter();
                drop(first);
                assert!(!gate.state().inside.is_empty());
                drop(nested);
                gone.recv().unwrap();
                // Gets in once the fork is over.
                drop(gate.enter());
            });
            told.recv().unwrap();
            assert!(gate.close(Instant::now() + Duration::from_secs(60)));
            go.send(()).unwrap();
            assert!(gate.state().inside.is_empty());
            gate.open();
        });
    }

    #[test]
    fn a_fork_does_not_wait_for_ever_nor_for_itself() {
        let gate = gate();
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| gate.enter()).join().unwrap();
            assert!(!gate.close(soon()));
            // All go on.
            drop(gate.enter());
            drop(inside);
        });
        let _own = gate.enter();
        let began = Instant::now();
        assert!(!gate.close(began + Duration::from_secs(60)));
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn two_who_fork_wait_for_each_other() {
        let gate = gate();
        assert!(gate.close(soon()));
        assert!(!gate.close(soon()));
        gate.open();
        assert!(gate.close(soon()));
    }
}
