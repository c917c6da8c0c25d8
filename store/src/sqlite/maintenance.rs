//! A thread for what nobody waits for: commits that nobody syncs, and a log that has grown.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use parking_lot::Mutex;

use crate::backend::StoreError;

/// What the thread looks after.
pub(super) trait Maintained: Send + Sync {
    /// The last commit, and the last one that is durable; equal where syncing has failed.
    fn commits(&self) -> (u64, u64);
    /// Makes that commit durable. The store keeps the error.
    fn sync_until(&self, commit: u64);
    /// Whether the log is to be emptied.
    fn has_grown(&self) -> bool;
    /// Empties the log as far as that makes nobody wait.
    fn empty(&self);
    /// Whether there may be notes that nobody needs any more.
    fn has_old_notes(&self) -> bool;
    /// Removes them.
    fn prune(&self);
}

/// A commit that was not synced for as long, or twice that, will be.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// The thread; it ends when it is told to, or when the store is gone.
#[derive(Default)]
pub(super) struct Maintenance {
    asleep: AtomicBool,
    ended: AtomicBool,
    thread: OnceLock<Thread>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Maintenance {
    pub(super) fn start(
        self: &Arc<Maintenance>,
        store: Weak<dyn Maintained>,
    ) -> Result<(), StoreError> {
        let maintenance = self.clone();
        let handle = std::thread::Builder::new()
            .name("tenantry-sqlite".into())
            .spawn(move || maintenance.run(&store))
            .map_err(|error| StoreError::io("cannot start a thread", &error))?;
        self.thread.get_or_init(|| handle.thread().clone());
        *self.handle.lock() = Some(handle);
        Ok(())
    }

    fn run(&self, store: &Weak<dyn Maintained>) {
        let mut before = 0;
        while !self.ended.load(Ordering::SeqCst) {
            let Some(store) = store.upgrade() else {
                return;
            };
            let (commit, durable) = store.commits();
            if durable < before {
                store.sync_until(before);
            }
            if store.has_grown() {
                store.empty();
            }
            if store.has_old_notes() {
                store.prune();
            }
            before = commit;
            let (commit, durable) = store.commits();
            if commit != durable || store.has_grown() {
                drop(store);
                std::thread::park_timeout(TICK);
                continue;
            }
            self.asleep.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            let (newest, durable) = store.commits();
            let idle = newest == durable && !store.has_grown();
            drop(store);
            if idle && !self.ended.load(Ordering::SeqCst) {
                std::thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
        }
    }

    /// After a commit.
    pub(super) fn wake(&self) {
        // Either this sees that the thread sleeps, or the thread sees what was committed.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.unpark();
        }
    }

    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Returns when the thread has ended.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.unpark();
        let handle = self.handle.lock().take();
        if let Some(handle) = handle {
            // A panic of it is no concern of who closes the store.
            let _ = handle.join();
        }
    }
}
