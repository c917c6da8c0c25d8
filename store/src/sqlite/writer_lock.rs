//! Whose turn it is to write: one process at a time, and in it one thread at a time.
//!
//! The lock of the processes is a byte of a file, which does not tell threads apart, so threads
//! queue before it. Whoever waits for the byte sleeps on a word of the page that all share; the
//! sleep is short, because a process that dies gives its byte back and wakes nobody.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Thread, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tenantry_pulse::Word;

use super::peers::{Peers, WRITER, no_lock};
use crate::backend::StoreError;

/// How long a thread waits for another process before it gives up.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it sleeps at most before it tries again.
const RETRY_INTERVAL: Duration = Duration::from_millis(2);
/// A thread that has waited for so long has its turn next; before, who comes first has it, which
/// spares a switch between threads for most commits.
const FAIRNESS_AFTER: Duration = Duration::from_micros(500);
/// How long a process that has just written leaves the lock to those who wait for it.
const YIELD: Duration = Duration::from_micros(30);

#[derive(Default)]
pub(super) struct WriterLock {
    queue: Mutex<Queue>,
    /// Whether others waited when this process gave the lock back.
    others_wait: AtomicBool,
}

#[derive(Default)]
struct Queue {
    holder: Option<ThreadId>,
    /// How often the holder has taken it.
    taken: usize,
    waiting: VecDeque<Waiting>,
    /// The store was closed: nobody's turn comes, and the byte is not touched any more.
    closed: bool,
}

struct Waiting {
    thread: Thread,
    since: Instant,
}

impl WriterLock {
    /// Waits until it is this thread's turn; a thread that has it already has it once more.
    pub(super) fn acquire(&self, peers: &Peers, timeout: Duration) -> Result<(), StoreError> {
        let until = Instant::now() + timeout;
        let thread = std::thread::current();
        let mut queue = self.queue.lock();
        if queue.holder == Some(thread.id()) {
            queue.taken += 1;
            return Ok(());
        }
        self.enqueue(&mut queue, &thread, until, peers)?;
        queue.taken = 1;
        drop(queue);
        self.acquire_byte(peers, until).inspect_err(|_| {
            let mut queue = self.queue.lock();
            queue.taken = 0;
            queue.next();
        })
    }

    fn enqueue(
        &self,
        queue: &mut MutexGuard<'_, Queue>,
        thread: &Thread,
        until: Instant,
        peers: &Peers,
    ) -> Result<(), StoreError> {
        if queue.holder.is_none() && !queue.closed {
            queue.holder = Some(thread.id());
            return Ok(());
        }
        queue.waiting.push_back(Waiting {
            thread: thread.clone(),
            since: Instant::now(),
        });
        loop {
            if queue.closed {
                queue.leave(thread);
                return Err(StoreError::Closed);
            }
            if queue.holder == Some(thread.id()) {
                return Ok(());
            }
            if queue.holder.is_none() {
                queue.leave(thread);
                queue.holder = Some(thread.id());
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                queue.leave(thread);
                return Err(peers.locked(WRITER));
            }
            MutexGuard::unlocked(queue, || std::thread::park_timeout(left));
        }
    }

    fn acquire_byte(&self, peers: &Peers, until: Instant) -> Result<(), StoreError> {
        let pulse = peers.pulse();
        if self.others_wait.swap(false, Ordering::Relaxed) {
            std::thread::sleep(YIELD);
        }
        let mut has_waited = false;
        loop {
            let freed = pulse.word(Word::Freed).load(Ordering::SeqCst);
            if self.try_byte(peers)? {
                // Others may be asleep, who told so before.
                if has_waited {
                    pulse.raise(Word::Waiting, 1);
                }
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(peers.locked(WRITER));
            }
            has_waited = true;
            pulse.raise(Word::Waiting, 1);
            pulse.wait(Word::Freed, freed, left.min(RETRY_INTERVAL));
        }
    }

    fn try_byte(&self, peers: &Peers) -> Result<bool, StoreError> {
        let queue = self.queue.lock();
        if queue.closed {
            return Err(StoreError::Closed);
        }
        peers
            .bytes()
            .try_lock(WRITER)
            .map_err(|error| no_lock(&error))
    }

    /// Once for each time that it was taken, by the same thread.
    pub(super) fn release(&self, peers: &Peers) {
        let mut queue = self.queue.lock();
        queue.taken = queue.taken.saturating_sub(1);
        if queue.taken > 0 {
            return;
        }
        if !queue.closed {
            self.release_byte(peers);
        }
        queue.next();
    }

    fn release_byte(&self, peers: &Peers) {
        // A byte that cannot be given back ends with the process.
        let _ = peers.bytes().unlock(WRITER);
        let pulse = peers.pulse();
        pulse.word(Word::Freed).fetch_add(1, Ordering::SeqCst);
        if pulse.word(Word::Waiting).swap(0, Ordering::SeqCst) != 0 {
            self.others_wait.store(true, Ordering::Relaxed);
            pulse.wake_one(Word::Freed);
        }
    }

    /// The store is closed: whoever waits is told so, and a turn that somebody has ends now.
    pub(super) fn close(&self, peers: &Peers) {
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        queue.closed = true;
        if queue.holder.is_some() {
            self.release_byte(peers);
        }
        queue
            .waiting
            .iter()
            .for_each(|waiting| waiting.thread.unpark());
    }
}

impl Queue {
    /// The turn is free: of the first who waits, where that has waited for long.
    fn next(&mut self) {
        self.holder = None;
        let Some(first) = self.waiting.front() else {
            return;
        };
        let thread = first.thread.clone();
        if first.since.elapsed() >= FAIRNESS_AFTER {
            self.holder = Some(thread.id());
            self.waiting.pop_front();
        }
        thread.unpark();
    }

    fn leave(&mut self, thread: &Thread) {
        self.waiting
            .retain(|waiting| waiting.thread.id() != thread.id());
    }
}
