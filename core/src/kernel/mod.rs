//! What everything that keeps records is made of: keys, transactions, the clock, the declaration of
//! a kind of record, the tool that checks it, and the [`Kernel`] that holds the open store.

pub(crate) mod background;
pub(crate) mod check;
pub(crate) mod clock;
pub(crate) mod due;
pub(crate) mod keys;
pub(crate) mod metrics;
mod note;
pub(crate) mod notifier;
pub(crate) mod page;
pub(crate) mod replaced;
pub(crate) mod revision;
mod shared;
pub(crate) mod slow;
pub(crate) mod snapshot;
mod state;
pub(crate) mod table;
pub(crate) mod tx;
mod waiting;

pub use tx::Tx;

pub(crate) use note::{Erased, Job, Note};
pub(crate) use state::Writing;
pub(crate) use tx::{Lowered, decode};

use crate::error::{Code, Error};
use crate::model::Edition;
use crate::options::{Durability, OpenOptions};
use clock::{Clock, IdSource};
use metrics::Metrics;
use notifier::Notifier;
use parking_lot::Mutex;
use serde::de::IgnoredAny;
use slow::Slow;
use snapshot::{Reading, Reads, Snapshots};
use state::State;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tenantry_store::{Backend, Batch, CommitError, StoreError};
use tracing::warn;

/// An open store, with the clock, the ids and the locks that all who use it share. It knows keys
/// and bytes, and nothing of what they mean.
pub(crate) struct Kernel {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) clock: Clock,
    pub(crate) ids: IdSource,
    durability: Durability,
    pub(crate) edition: Edition,
    /// One operation of this process writes at a time; see [`Kernel::write`].
    pub(crate) writer: Mutex<()>,
    /// What readers read in, so that they see all of a batch or nothing of it.
    snapshots: Snapshots,
    /// All commits up to this one are known to be durable.
    durable: AtomicU64,
    /// Whether something was [replaced](replaced) since the store was opened, or was being replaced
    /// then. It stays so: who reads in an older snapshot still has to know.
    replaces: AtomicBool,
    /// Wakes who waits for messages of the outbox.
    pub(crate) notifier: Notifier,
    pub(crate) metrics: Metrics,
    pub(crate) slow: Slow,
    shut: AtomicBool,
    state: State,
    /// The last note that was applied: what is kept in memory is as after it, or later.
    applied: AtomicU64,
    /// Held by whoever applies notes, one after the other.
    applying: Mutex<()>,
    fork_generation: u64,
}

impl Kernel {
    pub(crate) fn new(backend: Box<dyn Backend>, options: &OpenOptions) -> Result<Kernel, Error> {
        // Before anything is read: what others commit from here on is to be applied.
        let applied = backend
            .shared()
            .map(|shared| shared.noted().load(Ordering::Acquire));
        // What is read here depends on no instant: the clock begins with it.
        let mut tx = Tx::new(&*backend, 0);
        let next_due_ms = due::next(&mut tx)?;
        let (from, until) = keys::range(keys::REPLACEMENT, &[]);
        let replaces = !tx.range::<IgnoredAny>(&from, &until, 1)?.is_empty();
        let clock = match options.manual_clock_ms() {
            Some(now_ms) => Clock::manual(now_ms, next_due_ms),
            None => Clock::system(tx.get(&keys::clock())?, next_due_ms),
        };
        let snapshots = Snapshots::of(&*backend, applied.unwrap_or(0))?;
        let state = State::new(backend.shared());
        Ok(Kernel {
            backend,
            clock,
            ids: match options.seed {
                Some(seed) => IdSource::Seeded(AtomicU64::new(seed)),
                None => IdSource::Random,
            },
            durability: options.durability,
            edition: options.edition,
            writer: Mutex::new(()),
            snapshots,
            durable: AtomicU64::new(0),
            replaces: AtomicBool::new(replaces),
            notifier: Notifier::default(),
            metrics: Metrics::default(),
            slow: Slow::new(options.slow_ms),
            shut: AtomicBool::new(false),
            state,
            applied: AtomicU64::new(applied.unwrap_or(0)),
            applying: Mutex::new(()),
            fork_generation: tenantry_fork::generation(),
        })
    }

    /// A transaction of this instant, which sees each commit as soon as it is made.
    pub(crate) fn tx(&self) -> Tx<'_> {
        self.as_replaced(Tx::new(&*self.backend, self.clock.now_ms()))
    }

    /// A transaction of this instant that only reads, all of it after the same commit: in the
    /// snapshot of the operation that runs on this thread, where there is one.
    pub(crate) fn reading(&self) -> Tx<'_> {
        let snapshot = self
            .snapshots
            .of_this_thread()
            .unwrap_or_else(|| self.snapshots.open(&*self.backend));
        self.as_replaced(Tx::on(
            Reads::at(&*self.backend, snapshot),
            self.clock.now_ms(),
        ))
    }

    /// A transaction that reads records as if what is [replaced](replaced) had been replaced in
    /// each of them.
    fn as_replaced<'a>(&self, tx: Tx<'a>) -> Tx<'a> {
        // What is read may be of another process, and not be applied yet.
        match self.replaces.load(Ordering::Acquire) || self.is_behind() {
            true => tx.with_replacements(),
            false => tx,
        }
    }

    /// Something is about to be replaced: said before the commit that begins it, so that whoever
    /// sees that commit knows.
    pub(crate) fn begin_replacing(&self) {
        self.replaces.store(true, Ordering::Release);
    }

    /// The store as it is now, whatever the operation of this thread reads in.
    pub(crate) fn snapshot(&self) -> Reads<'_> {
        Reads::at(&*self.backend, self.snapshots.open(&*self.backend))
    }

    /// The store as the operation of this thread sees it: in its snapshot, where there is one.
    pub(crate) fn seen_here(&self) -> Reads<'_> {
        match self.snapshots.of_this_thread() {
            Some(snapshot) => Reads::at(&*self.backend, snapshot),
            None => Reads::newest(&*self.backend),
        }
    }

    /// From here on, and as long as the answer lives, this thread [reads](Kernel::reading) in one
    /// snapshot.
    pub(crate) fn begin_reading(&self) -> Reading {
        Reading::begin(self.snapshots.open(&*self.backend))
    }

    /// Whether what this thread reads is what the store holds: no commit was begun since the
    /// snapshot that it reads in, and none of another process was applied that is not in it. What
    /// is built of an older one is not kept.
    pub(crate) fn reads_newest(&self) -> bool {
        self.snapshots.reads_newest()
    }

    /// Commits, and wakes who waits for messages where there are some in it.
    pub(crate) fn commit_batch(&self, batch: &Batch) -> Result<u64, CommitError> {
        let committed = self
            .slow
            .watch("commit", || self.snapshots.commit(&*self.backend, batch));
        if committed.is_ok()
            && batch
                .writes
                .iter()
                .any(|(key, _)| keys::Prefix::of(key) == Some(keys::OUTBOX_NEXT))
        {
            self.notifier.notify();
        }
        committed
    }

    /// With full durability, returns once the commit survives a power loss.
    pub(crate) fn wait_until_durable(&self, version: u64) -> Result<(), Error> {
        if version == 0 || self.durability == Durability::Relaxed {
            return Ok(());
        }
        self.slow
            .watch("sync", || self.backend.sync(version))
            .map_err(|error| self.store_failure(error))?;
        self.durable.fetch_max(version, Ordering::AcqRel);
        Ok(())
    }

    /// With full durability, returns once all commits up to this one survive a power loss: what
    /// leaves the process is true after one. Where the store has failed, what is there is shown as
    /// it is.
    pub(crate) fn wait_until_read_is_durable(&self, version: u64) -> Result<(), Error> {
        if version <= self.durable.load(Ordering::Acquire) || self.is_poisoned() || self.is_shut() {
            return Ok(());
        }
        self.wait_until_durable(version)
    }

    /// After a failure of the store nothing more is written through it, unless it is one that
    /// passes.
    pub(crate) fn store_failure(&self, error: StoreError) -> Error {
        let goes_on = self.backend.goes_on_after(&error);
        if !goes_on {
            self.poison();
        }
        // Whoever closes a store, or forks, knows.
        let is_known = matches!(error, StoreError::Closed | StoreError::Forked { .. });
        let error = self.error_of_store(error);
        if !is_known {
            warn!(
                target: "tenantry::store",
                code = error.code().name(),
                goes_on,
                "The store did not carry out a write."
            );
        }
        error
    }

    fn error_of_store(&self, error: StoreError) -> Error {
        match error {
            // The store is open here: another process writes, and was stopped.
            StoreError::Locked { pid: Some(pid), .. } => Error::busy(format!(
                "The process {pid} has kept others from writing for too long; try again, or end \
                 that process."
            )),
            StoreError::Locked { pid: None, .. } => {
                Error::busy("Another process has kept others from writing for too long; try again.")
            }
            error => error.into(),
        }
    }

    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.fork_generation != tenantry_fork::generation()
    }

    /// Refuses what writes from now on; whether somebody had done so before.
    pub(crate) fn shut(&self) -> bool {
        self.shut.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Acquire)
    }

    pub(crate) fn refuse_when_shut(&self) -> Result<(), Error> {
        if self.is_shut() {
            Err(Error::new(
                Code::Closed,
                "The store was closed; open it again.",
            ))
        } else {
            Ok(())
        }
    }

    pub(crate) fn has_manual_clock(&self) -> bool {
        self.clock.is_manual()
    }
}
