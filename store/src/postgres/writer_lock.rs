//! Who in this process writes: one thread, or all while the process has the lock for longer.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::wire::Connection;

/// Which thread of this process waits for the row.
#[derive(Default)]
pub(super) struct WriterLock {
    held: Mutex<Held>,
    let_go: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Held {
    #[default]
    ByNobody,
    /// By one thread, for its commit.
    ForOne,
    /// This process has the lock for longer, and all its threads may commit.
    ForAll,
}

impl WriterLock {
    /// Waits until no other thread has it. Where one has it for all, `joins` has it at once;
    /// whether that is so.
    pub(super) fn acquire(&self, joins: bool, timeout: Duration) -> Option<bool> {
        let until = Instant::now() + timeout;
        let mut held = self.held.lock();
        loop {
            let now = *held;
            match now {
                Held::ByNobody => {
                    *held = Held::ForOne;
                    return Some(false);
                }
                Held::ForAll if joins => return Some(true),
                _ if self.let_go.wait_until(&mut held, until).timed_out() => return None,
                _ => {}
            }
        }
    }

    pub(super) fn set(&self, to: Held) {
        *self.held.lock() = to;
        self.let_go.notify_all();
    }

    pub(super) fn is_for_all(&self) -> bool {
        *self.held.lock() == Held::ForAll
    }
}

/// The lock, given back when it is dropped.
pub(super) struct Acquired<'a>(pub(super) &'a WriterLock);

impl Drop for Acquired<'_> {
    fn drop(&mut self) {
        self.0.set(Held::ByNobody);
    }
}

/// The connections that write, and what this process has written.
#[derive(Default)]
pub(super) struct Writing {
    pub(super) writer: Option<Connection>,
    /// In a transaction as long as this process is alone.
    pub(super) locker: Option<Connection>,
    /// While this process is alone: the last commit, which is none of another.
    pub(super) last: Option<u64>,
    /// How many writes were begun since this process counts.
    pub(super) seq: u64,
}

impl Writing {
    pub(super) fn begin_anew(&mut self) {
        self.seq = 0;
    }

    pub(super) fn end(&mut self) {
        let both = [self.writer.take(), self.locker.take()];
        both.into_iter().flatten().for_each(Connection::end);
    }
}
