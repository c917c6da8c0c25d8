//! A store in one file, kept by SQLite in its write-ahead mode, for any number of processes of one
//! machine at once. See the crate's documentation for what it promises.
//!
//! A commit is a transaction of SQLite, which writes to the log and syncs nothing; whoever waits
//! for it syncs the log through a descriptor of our own, for all that wait at once. SQLite itself
//! syncs when the log is emptied into the database. The database file is never opened here but by
//! SQLite: closing it once would take away all that SQLite has locked in this process.

mod check;
mod closing;
mod commit;
mod disk;
mod forking;
mod maintenance;
mod notes;
mod opening;
mod peers;
mod place;
mod rows;
mod shared;
mod snapshot;
mod syncing;
mod writer_lock;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tenantry_pulse::Word;

use crate::backend::{
    Backend, Batch, CommitError, Kind, Notes, Options, Order, Record, SharedStore, Snapshot, Space,
    StoreError, Verification, WriterGuard,
};
use crate::record;
use maintenance::Maintained;
use peers::OpenRegistration;
use place::Place;
use shared::{GROWN, IDLE, Shared};
use snapshot::AtOneState;

/// The file of the key that tokens are derived with.
pub(crate) fn key_file(path: &Path) -> Result<PathBuf, StoreError> {
    Ok(Place::new(path)?.key())
}

pub(crate) struct SqliteStore {
    // In an Arc so that it can be leaked: a forked child must not close a connection.
    shared: Arc<Shared>,
}

impl SqliteStore {
    pub(crate) fn open(path: &Path, options: &Options) -> Result<SqliteStore, StoreError> {
        let _no_fork_meanwhile = forking::here().gate.enter();
        let entered = forking::OPEN_IN.enter()?;
        let place = Place::new(path)?;
        let registration = OpenRegistration::take(&place, entered)?;
        // One for writing, those that are idle, and one that reads everything.
        let cache_kib = (options.cache_bytes / 1024 / (IDLE as u64 + 2)).max(512);
        let opened = opening::open(&place, options.create, cache_kib)?;
        let shared = Arc::new(Shared::new(place, registration, cache_kib, opened)?);
        let store = SqliteStore { shared };
        // One is there whatever happens to the files.
        store.shared.read(|_| Ok(()))?;
        let kept: Arc<dyn Maintained> = store.shared.clone();
        let kept: Weak<dyn Maintained> = Arc::downgrade(&kept);
        store.shared.maintenance.start(kept)?;
        let connected: Arc<dyn forking::Connected> = store.shared.clone();
        forking::here().add(Arc::downgrade(&connected));
        Ok(store)
    }
}

impl Shared {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.read(|connection| {
            let found = rows::get(connection, key)?.map(|found| found.record);
            // What is not there any more may have been deleted by a commit that nobody told of.
            let is_told = matches!(&found, Some(record) if record.version <= self.peers.commit());
            if !is_told {
                self.peers.publish_state(&rows::state(connection)?);
            }
            Ok(found)
        })
    }

    fn verify(&self) -> Result<Verification, StoreError> {
        self.process.check()?;
        let _one_at_a_time = self.verifying.lock();
        let _no_fork_meanwhile = self.here.gate.enter();
        let connection = {
            let _not_closed_meanwhile = self.open.read();
            self.go_on()?;
            let connection = self.connect().map_err(|error| self.named(error))?;
            *self.verification.lock() = Some(connection.get_interrupt_handle());
            connection
        };
        let outcome = rows::begin_reading(&connection).and_then(|state| {
            self.peers.publish_state(&state);
            check::verify(&connection, &state.head, || self.go_on())
        });
        *self.verification.lock() = None;
        outcome.map_err(|error| self.named(error))
    }
}

impl Maintained for Shared {
    fn commits(&self) -> (u64, u64) {
        // Each process looks after its own.
        let commit = self.written.load(Ordering::Acquire);
        match self.failure.get() {
            Some(_) => (commit, commit),
            None => (commit, self.group.durable().min(commit)),
        }
    }

    fn sync_until(&self, commit: u64) {
        // An error is kept, and meets the next commit or sync.
        let _ = self.sync_up_to(commit);
    }

    fn has_grown(&self) -> bool {
        self.pages.load(Ordering::Acquire) >= GROWN && self.failure.get().is_none()
    }

    fn empty(&self) {
        // Closing waits for the thread, and no commit waits for this. An error is kept.
        let _no_fork_meanwhile = self.here.gate.enter();
        let _ = self.empty_by(|| {
            self.with_connection(|connection| rows::checkpoint(connection, "PASSIVE"))
        });
    }

    fn has_old_notes(&self) -> bool {
        self.notes_written.load(Ordering::Relaxed) >= crate::notes::LOOK_FOR_OLD
    }

    fn prune(&self) {
        self.notes_written.store(0, Ordering::Relaxed);
        // Where it does not work now, it will later.
        let _ = Shared::prune(self, crate::notes::KEPT);
    }
}

impl Backend for SqliteStore {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        record::check_key(key)?;
        self.shared.get(key)
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, StoreError> {
        keys.iter().try_for_each(|key| record::check_key(key))?;
        self.shared.read_at_one_state(|connection, _| {
            let read = |key: &Vec<u8>| Ok(rows::get(connection, key)?.map(|found| found.record));
            keys.iter().map(read).collect()
        })
    }

    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.shared
            .read_at_one_state(|connection, _| rows::range(connection, (from, until), order, limit))
    }

    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        let number = self.shared.commit(batch)?;
        self.shared.maintenance.wake();
        Ok(number)
    }

    fn relieve(&self) {
        self.shared.relieve();
    }

    fn sync(&self, commit: u64) -> Result<(), StoreError> {
        self.shared.process.check()?;
        if commit > self.last_commit() {
            return Err(StoreError::invalid(format!(
                "There is no commit {commit} yet; name one that there is."
            )));
        }
        self.shared.sync_up_to(commit)
    }

    fn last_commit(&self) -> u64 {
        self.shared.peers.commit()
    }

    fn shared(&self) -> Option<&dyn SharedStore> {
        Some(self)
    }

    fn snapshot(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        Ok(Some(Box::new(AtOneState::begin(&self.shared)?)))
    }

    fn goes_on_after(&self, error: &StoreError) -> bool {
        let passes = matches!(error, StoreError::Full { .. } | StoreError::Locked { .. });
        passes && self.shared.failure.get().is_none()
    }

    fn kind(&self) -> Kind {
        Kind::Sqlite
    }

    fn store_id(&self) -> String {
        self.shared.id.clone()
    }

    fn verify(&self) -> Result<Verification, StoreError> {
        self.shared.verify()
    }

    fn space(&self) -> Result<Space, StoreError> {
        self.shared.process.check()?;
        let place = &self.shared.place;
        Space::of(
            [place.db().to_owned(), place.wal(), place.shm()],
            place.db(),
        )
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.shared.compact()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.shared.process.check()?;
        self.shared
            .closed
            .lock()
            .get_or_insert_with(|| self.shared.close())
            .clone()
    }

    fn abandon(&self) {
        self.shared.process.abandon();
        std::mem::forget(Arc::clone(&self.shared));
    }
}

impl SharedStore for SqliteStore {
    fn noted(&self) -> &AtomicU64 {
        self.shared.peers.noted()
    }

    fn notes_after(&self, commit: u64, most: usize) -> Result<Notes, StoreError> {
        self.shared
            .read_at_one_state(|connection, state| notes::after(connection, state, commit, most))
    }

    fn lock_writer(&self) -> Result<WriterGuard<'_>, StoreError> {
        self.shared.lock_writer()
    }

    fn processes(&self) -> u64 {
        self.shared.peers.processes()
    }

    fn wait_for_note(&self, after: u64, most: Duration) {
        let (shared, began) = (&self.shared, Instant::now());
        let pulse = shared.peers.pulse();
        let woken = shared.woken.load(Ordering::SeqCst);
        loop {
            // First: a wake-up after this is not slept through.
            let wakeups = pulse.word(Word::NoteWakeups).load(Ordering::SeqCst);
            let left = most.saturating_sub(began.elapsed());
            if self.noted().load(Ordering::SeqCst) > after
                || shared.woken.load(Ordering::SeqCst) != woken
                || shared.go_on().and(shared.process.check()).is_err()
                || left.is_zero()
            {
                return;
            }
            pulse.wait(Word::NoteWakeups, wakeups, left);
        }
    }

    fn wake_waiting(&self) {
        self.shared.woken.fetch_add(1, Ordering::SeqCst);
        self.shared.peers.wake_listeners();
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // Who wants to know whether it worked calls `close`.
        if let Err(StoreError::Forked { .. }) = Backend::close(self) {
            self.abandon();
        }
    }
}
