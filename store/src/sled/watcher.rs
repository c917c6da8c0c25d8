//! A thread that looks after flushes that sled forgets and commits that nobody syncs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crate::backend::StoreError;

/// The store that is watched.
pub(crate) trait Watched: Send + Sync {
    fn last_commit(&self) -> u64;
    fn durable(&self) -> u64;
    fn has_failed(&self) -> bool;
    /// Returns when that commit is durable, or syncing has failed; the store keeps the error.
    fn sync_until(&self, commit: u64);
}

/// A thread that never waits for the disk, for two things that nobody else can do. It wakes a flush
/// that sled has forgotten: when a write of its log fails, one of the two places that note the
/// error does not wake those who wait for that write, so they would wait for ever; another flush
/// does wake them. And it sees to commits that nobody syncs.
pub(crate) struct Watcher {
    pub(crate) watch: Arc<Watch>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
pub(crate) struct Watch {
    /// Odd while a flush is under way.
    flushes: AtomicU64,
    asleep: AtomicBool,
    ended: AtomicBool,
    /// While a thread syncs what nobody else does.
    syncing: Arc<AtomicBool>,
    thread: OnceLock<Thread>,
    store: OnceLock<Weak<dyn Watched>>,
}

/// Is dropped with the thread that syncs, also when there is none after all.
struct Syncing(Arc<AtomicBool>);

impl Syncing {
    /// None while another is under way.
    fn begin(syncing: &Arc<AtomicBool>) -> Option<Syncing> {
        (!syncing.swap(true, Ordering::SeqCst)).then(|| Syncing(syncing.clone()))
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// A flush that takes longer is looked at; a commit that was not synced for as long, or twice that,
/// will be.
pub(crate) const TICK: Duration = Duration::from_millis(250);

impl Watcher {
    pub(crate) fn start(db: sled::Db) -> Result<Watcher, StoreError> {
        let watch = Arc::<Watch>::default();
        let own = watch.clone();
        let thread = std::thread::Builder::new()
            .name("tenantry-watch".into())
            .spawn(move || own.run(&db));
        let thread = thread.map_err(|error| StoreError::io("cannot start a thread", &error))?;
        watch.thread.get_or_init(|| thread.thread().clone());
        Ok(Watcher {
            watch,
            thread: Some(thread),
        })
    }
}

impl Watch {
    /// Names the store that is watched.
    pub(crate) fn over(&self, store: &Arc<dyn Watched>) {
        self.store.get_or_init(|| Arc::downgrade(store));
    }

    fn run(&self, db: &sled::Db) {
        let (mut flushes_before, mut commit_before) = (0, 0);
        while !self.ended.load(Ordering::SeqCst) {
            let flushes = self.flushes.load(Ordering::SeqCst);
            if flushes == flushes_before
                && !flushes.is_multiple_of(2)
                && db.context.global_error().is_err()
            {
                // Only for the waking: whoever was woken gets the error.
                let _ = catch_unwind(AssertUnwindSafe(|| db.flush()));
            }
            let (commit, durable) = self.sync_what_was_there(commit_before);
            let idle = flushes == flushes_before && flushes.is_multiple_of(2) && commit == durable;
            (flushes_before, commit_before) = (flushes, commit);
            if !idle {
                std::thread::park_timeout(TICK);
                continue;
            }
            self.asleep.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            let store = self.store.get().and_then(Weak::upgrade);
            let nothing_new = store.is_none_or(|store| store.last_commit() == commit);
            if nothing_new
                && self.flushes.load(Ordering::SeqCst) == flushes
                && !self.ended.load(Ordering::SeqCst)
            {
                std::thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
        }
    }

    /// The last commit and the last durable one. A commit up to `waited` that is not durable yet
    /// gets a thread of its own, because syncing can take long; one at a time, because it can hang.
    fn sync_what_was_there(&self, waited: u64) -> (u64, u64) {
        let Some(store) = self.store.get().and_then(Weak::upgrade) else {
            return (0, 0);
        };
        let (commit, durable) = (store.last_commit(), store.durable());
        if store.has_failed() {
            return (commit, commit);
        }
        if durable >= waited {
            return (commit, durable);
        }
        let Some(syncing) = Syncing::begin(&self.syncing) else {
            return (commit, durable);
        };
        let sync = std::thread::Builder::new()
            .name("tenantry-sync".into())
            .spawn(move || {
                let _syncing = syncing;
                store.sync_until(waited);
            });
        // Without a thread this is tried again after the next tick.
        drop(sync);
        (commit, durable)
    }

    /// After something was begun that may need watching.
    pub(crate) fn look(&self) {
        // Either this sees that the watcher sleeps, or the watcher sees what was begun.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    pub(crate) fn during<T>(&self, flush: impl FnOnce() -> T) -> T {
        self.flushes.fetch_add(1, Ordering::SeqCst);
        self.look();
        let outcome = flush();
        self.flushes.fetch_add(1, Ordering::SeqCst);
        outcome
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watch.ended.store(true, Ordering::SeqCst);
        self.watch.wake();
        if let Some(thread) = self.thread.take() {
            // It catches panics, so there is no error to learn of.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

    /// A store whose disk answers when it is told to.
    struct Hanging {
        begun: Sender<u64>,
        go: parking_lot::Mutex<Receiver<()>>,
    }

    impl Watched for Hanging {
        fn last_commit(&self) -> u64 {
            1
        }

        fn durable(&self) -> u64 {
            0
        }

        fn has_failed(&self) -> bool {
            false
        }

        fn sync_until(&self, commit: u64) {
            self.begun.send(commit).unwrap();
            self.go.lock().recv().unwrap();
        }
    }

    #[test]
    fn a_sync_that_hangs_is_the_only_one() {
        let ((begun, begins), (go, goes)) = (channel(), channel());
        let store: Arc<dyn Watched> = Arc::new(Hanging {
            begun,
            go: parking_lot::Mutex::new(goes),
        });
        let watch = Watch::default();
        watch.over(&store);
        let long = Duration::from_secs(30);
        for _ in 0..2 {
            for _ in 0..5 {
                assert_eq!(watch.sync_what_was_there(1), (1, 0));
            }
            assert_eq!(begins.recv_timeout(long), Ok(1));
            assert!(begins.recv_timeout(Duration::from_millis(50)).is_err());
            // When it is over, the next may come.
            go.send(()).unwrap();
            let until = Instant::now() + long;
            while watch.syncing.load(Ordering::SeqCst) && Instant::now() < until {
                std::thread::yield_now();
            }
        }
    }
}
