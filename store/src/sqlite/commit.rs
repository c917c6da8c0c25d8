//! Commits: one transaction each, one at a time over all processes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::notes;
use super::rows::{self, State, sqlite_error};
use super::shared::{GROWN, READERS, Shared, TOO_LARGE, Writer};
use crate::backend::{Batch, CommitError, StoreError, UnlockWriter, WriterGuard};
use crate::record::{self, Write, count};

/// A turn to write, given back when it is dropped.
struct WriterLockGuard<'a>(&'a Shared);

impl Drop for WriterLockGuard<'_> {
    fn drop(&mut self) {
        self.0.writer_lock.release(&self.0.peers);
    }
}

impl Shared {
    fn acquire_writer_lock(&self) -> Result<WriterLockGuard<'_>, StoreError> {
        let timeout = Duration::from_millis(self.lock_timeout_ms.load(Ordering::Relaxed));
        self.writer_lock.acquire(&self.peers, timeout)?;
        Ok(WriterLockGuard(self))
    }

    /// Writes as the only process.
    fn writing<T>(
        &self,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T, CommitError>,
    ) -> Result<T, CommitError> {
        {
            let _no_fork_meanwhile = self.here.gate.enter();
            let mut writing = self.writing.lock();
            if writing.writer_locks > 0 {
                return self.final_where_it_is(&mut writing.writer(self)?, work);
            }
        }
        let _guard = self.acquire_writer_lock()?;
        let _no_fork_meanwhile = self.here.gate.enter();
        let mut writing = self.writing.lock();
        self.final_where_it_is(&mut writing.writer(self)?, work)
    }

    fn final_where_it_is<T>(
        &self,
        writer: &mut Writer<'_>,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T, CommitError>,
    ) -> Result<T, CommitError> {
        self.must_be_whole()?;
        let outcome = work(writer);
        let stuck = || StoreError::failed("a transaction could not be rolled back");
        match outcome {
            Err(CommitError::Store(error @ StoreError::Failed { .. })) => {
                if rows::is_failed_sync(&error) {
                    self.peers.break_all();
                }
                Err(self.failure.get_or_init(|| error).clone().into())
            }
            _ if !writer.connection.is_autocommit() => {
                Err(self.failure.get_or_init(stuck).clone().into())
            }
            Err(CommitError::Store(error)) => Err(self.named(error).into()),
            other => other,
        }
    }

    pub(super) fn lock_writer(&self) -> Result<WriterGuard<'_>, StoreError> {
        self.process.check()?;
        let guard = self.acquire_writer_lock()?;
        let _no_fork_meanwhile = self.here.gate.enter();
        let mut writing = self.writing.lock();
        let writer = writing.writer(self)?;
        self.must_be_whole()?;
        // Who had it before may have been killed before it could tell.
        let state = rows::state(writer.connection).map_err(|error| self.named(error))?;
        self.peers.publish_state(&state);
        writing.writer_locks += 1;
        std::mem::forget(guard);
        Ok(WriterGuard::locked(self))
    }

    pub(super) fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        self.process.check()?;
        let writes = record::sorted(batch)?;
        if writes.is_empty() && batch.note.is_empty() {
            let _no_fork_meanwhile = self.here.gate.enter();
            let mut writing = self.writing.lock();
            return self.final_where_it_is(&mut writing.writer(self)?, |writer| {
                let transaction = begin(writer, TransactionBehavior::Deferred)?;
                let state = self.check(&transaction, batch)?;
                Ok(state.head.commit)
            });
        }
        let number = self.writing(|writer| self.write(writer, batch, &writes))?;
        self.written.fetch_max(number, Ordering::AcqRel);
        if !batch.note.is_empty() {
            self.notes_written.fetch_add(1, Ordering::Relaxed);
        }
        Ok(number)
    }

    /// The state of the store, told to all, where what the batch relies on still is as it was.
    fn check(&self, connection: &Connection, batch: &Batch) -> Result<State, CommitError> {
        let state = rows::state(connection)?;
        self.peers.publish_state(&state);
        if batch.read_since != Some(state.head.commit) {
            let version = |key: &[u8]| {
                record::check_key(key)?;
                Ok(rows::get(connection, key)?.map_or(0, |found| found.record.version))
            };
            let count =
                |from: &[u8], until: &[u8], most| rows::count(connection, from, until, most);
            if !batch.holds::<StoreError>(version, count)? {
                return Err(CommitError::Conflict);
            }
        }
        Ok(state)
    }

    fn write(
        &self,
        writer: &mut Writer<'_>,
        batch: &Batch,
        writes: &[&Write],
    ) -> Result<u64, CommitError> {
        let seen = *writer.state;
        // Is taken back when it is dropped.
        let transaction = begin(writer, TransactionBehavior::Immediate)?;
        let mut state = self.check(&transaction, batch)?;
        must_follow(&seen, &state)?;
        let head = &mut state.head;
        head.commit = head
            .commit
            .checked_add(1)
            .ok_or_else(|| StoreError::failed("no commit number is left"))?;
        for (key, value) in writes {
            let old = rows::get(&transaction, key)?.map(|found| found.checksum);
            let new = match value {
                Some(value) => Some(rows::put(&transaction, key, head.commit, value)?),
                None if old.is_none() => continue,
                None => {
                    rows::delete(&transaction, key)?;
                    None
                }
            };
            count(&mut head.records, &mut head.sum, old, new);
        }
        if !batch.note.is_empty() {
            notes::add(&transaction, head.commit, state.noted, &batch.note)?;
            state.noted = head.commit;
        }
        rows::write_state(&transaction, &state)?;
        transaction.commit().map_err(cannot)?;
        *writer.state = state;
        self.peers.publish_state(&state);
        Ok(state.head.commit)
    }

    /// Where the log has grown too large, empties it while nobody writes.
    pub(super) fn relieve(&self) {
        let is_too_large =
            || self.pages.load(Ordering::Acquire) >= self.too_large.load(Ordering::Acquire);
        if !is_too_large() || self.must_be_whole().is_err() {
            return;
        }
        // The commits are made whether or not this works.
        if self.writer_lock.acquire(&self.peers, READERS).is_err() {
            return;
        }
        let _guard = WriterLockGuard(self);
        let _no_fork_meanwhile = self.here.gate.enter();
        let writing = self.writing.lock();
        if let Some(connection) = writing.connection.as_ref().filter(|_| is_too_large()) {
            let _ = self.empty_by(|| {
                let _ = connection.busy_timeout(READERS);
                let outcome = rows::checkpoint(connection, "RESTART");
                let _ = connection.busy_timeout(rows::OTHERS);
                outcome
            });
            // Where somebody reads in it for long, not every commit waits.
            let next = self.pages.load(Ordering::Acquire).saturating_add(GROWN);
            self.too_large.store(next.max(TOO_LARGE), Ordering::Release);
        }
    }

    /// Writes the database anew without what is free in it, and empties the log into it. Other
    /// processes wait for that as for a commit; where somebody reads in the log, the file becomes
    /// shorter later.
    pub(super) fn compact(&self) -> Result<(), StoreError> {
        self.process.check()?;
        let written = self.writing(|writer| Ok(rows::vacuum(writer.connection)?));
        written.map_err(|error| match error {
            CommitError::Store(error) => error,
            CommitError::Conflict => {
                StoreError::failed("a write that expects nothing met a conflict")
            }
        })?;
        let _guard = self.acquire_writer_lock()?;
        let _no_fork_meanwhile = self.here.gate.enter();
        let mut writing = self.writing.lock();
        let connection = writing.writer(self)?.connection;
        self.empty_by(|| {
            let _ = connection.busy_timeout(READERS);
            let outcome = rows::checkpoint(connection, "TRUNCATE");
            let _ = connection.busy_timeout(rows::OTHERS);
            outcome
        })
    }

    /// Removes notes that nobody is to ask for any more, in steps that let others write.
    pub(super) fn prune(&self, kept: u64) -> Result<(), CommitError> {
        loop {
            let removed = self.writing(|writer| {
                let transaction = begin(writer, TransactionBehavior::Immediate)?;
                let removed = notes::prune(&transaction, kept, notes::STEP)?;
                transaction.commit().map_err(cannot)?;
                Ok(removed)
            })?;
            if removed < notes::STEP {
                return Ok(());
            }
            self.go_on()?;
        }
    }
}

impl UnlockWriter for Shared {
    fn unlock(&self) {
        // In a forked child the lock is not ours, and whoever has the mutex may be gone.
        if self.process.check().is_err() {
            return;
        }
        // After the commit that another thread is just making.
        self.writing.lock().writer_locks -= 1;
        self.writer_lock.release(&self.peers);
    }
}

fn begin<'a>(
    writer: &'a mut Writer<'_>,
    behavior: TransactionBehavior,
) -> Result<Transaction<'a>, StoreError> {
    writer
        .connection
        .transaction_with_behavior(behavior)
        .map_err(|error| sqlite_error("cannot commit", &error))
}

fn cannot(error: rusqlite::Error) -> StoreError {
    sqlite_error("cannot commit", &error)
}

/// What the processes of a store do to its head only goes forward.
fn must_follow(seen: &State, found: &State) -> Result<(), StoreError> {
    let follows = found.head.id == seen.head.id && found.head.commit > seen.head.commit;
    if follows || found == seen {
        return Ok(());
    }
    Err(StoreError::failed(
        "another program has written to the database while the store was open",
    ))
}
