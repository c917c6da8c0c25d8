//! A store in one file, kept by SQLite in its write-ahead mode. See the crate's documentation for
//! what it promises.
//!
//! A commit is a transaction of SQLite, which writes to the log and syncs nothing; whoever waits
//! for it syncs the log through a descriptor of our own, for all that wait at once. SQLite itself
//! syncs when the log is emptied into the database. The database file is never opened here but by
//! SQLite: closing it once would take away all that SQLite has locked in this process.

mod check;
mod keeper;
mod opening;
mod place;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle, TransactionBehavior};
use tenantry_fork::Withheld;

use crate::backend::{
    Backend, Batch, CommitError, Options, Order, Record, StoreError, Verification, hex,
};
use crate::files::{self, Identity};
use crate::group::Group;
use crate::manifest::Mark;
use crate::process::{Process, refuse_after_fork};
use crate::raw::Failure;
use crate::record::{self, Head, Write, count};
use keeper::{Keeper, Kept};
use opening::{Disk, Opened};
use place::Place;
use rows::{Stored, sqlite_error};

/// SQLite keeps what it has locked for the whole process, and a child inherits that: it would
/// believe that it holds locks which it does not hold.
static FIRST: AtomicU32 = AtomicU32::new(0);

/// So many connections for reading are kept while nobody uses them.
const IDLE: usize = 8;
/// From so many pages on the log is emptied beside the commits, and from so many on a commit waits
/// for it.
const GROWN: i32 = 8 << 8;
const TOO_LARGE: i32 = 64 << 8;
/// How long a commit that empties the log waits for those who read in it.
const READERS: Duration = Duration::from_millis(100);

/// The file of the key that tokens are derived with.
pub(crate) fn key_file(path: &Path) -> Result<PathBuf, StoreError> {
    Ok(Place::new(path)?.key())
}

pub(crate) struct SqliteStore {
    // In an Arc so that it can be leaked: a forked child must not close a connection.
    shared: Arc<Shared>,
}

struct Shared {
    place: Place,
    /// Which file the database is.
    db: Option<Identity>,
    cache_kib: u64,
    id: String,
    /// `None` once closed.
    writer: Mutex<Option<Writer>>,
    /// Held alone while a commit becomes visible, so that nobody sees a part of it, or sees it
    /// before its number is known.
    visible: RwLock<()>,
    idle: Mutex<Vec<Connection>>,
    last_commit: AtomicU64,
    /// How many pages the log has.
    pages: Arc<AtomicI32>,
    /// From how many on a commit empties it.
    too_large: AtomicI32,
    group: Group<Disk>,
    failure: Failure,
    process: Process,
    keeper: Arc<Keeper>,
    closing: AtomicBool,
    /// Held while everything is read; closing ends that.
    verifying: Mutex<()>,
    verification: Mutex<Option<InterruptHandle>>,
    /// Files that forked children give up.
    withheld: Mutex<BTreeMap<RawFd, Withheld>>,
    closed: Mutex<Option<Result<(), StoreError>>>,
}

struct Writer {
    connection: Connection,
    head: Head,
}

impl SqliteStore {
    pub(crate) fn open(path: &Path, options: &Options) -> Result<SqliteStore, StoreError> {
        refuse_after_fork(&FIRST)?;
        let place = Place::new(path)?;
        let (lock, is_there) = place.take(options.create)?;
        // One for writing, those that are idle, and one that reads everything.
        let cache_kib = (options.cache_bytes / 1024 / (IDLE as u64 + 2)).max(512);
        let Opened {
            connection,
            head,
            pages,
            disk,
        } = opening::open(&place, lock, is_there, cache_kib)?;
        let failure = Failure::default();
        let shared = Arc::new(Shared {
            db: files::metadata(place.db())?.as_ref().map(Identity::from),
            cache_kib,
            id: hex(&head.id),
            writer: Mutex::new(Some(Writer { connection, head })),
            visible: RwLock::new(()),
            idle: Mutex::default(),
            last_commit: AtomicU64::new(head.commit),
            pages,
            too_large: AtomicI32::new(TOO_LARGE),
            group: Group::new(head.commit, disk, failure.clone()),
            failure,
            process: Process::default(),
            keeper: Arc::default(),
            closing: AtomicBool::new(false),
            verifying: Mutex::new(()),
            verification: Mutex::default(),
            withheld: Mutex::default(),
            closed: Mutex::new(None),
            place,
        });
        let store = SqliteStore { shared };
        // One is there whatever happens to the files.
        store.shared.read(|_| Ok(()))?;
        let kept: Arc<dyn Kept> = store.shared.clone();
        let kept: Weak<dyn Kept> = Arc::downgrade(&kept);
        store.shared.keeper.start(kept)?;
        Ok(store)
    }
}

impl Shared {
    /// Has forked children give up what SQLite has opened since.
    fn withhold(&self) {
        let mut withheld = self.withheld.lock();
        for number in files::open_numbers(&self.place.opened_by_sqlite()) {
            if !withheld.contains_key(&number)
                && let Some(given_up) = tenantry_fork::withhold(number)
            {
                withheld.insert(number, given_up);
            }
        }
    }

    fn go_on(&self) -> Result<(), StoreError> {
        match self.closing.load(Ordering::Acquire) {
            true => Err(StoreError::Closed),
            false => Ok(()),
        }
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let connection = rows::connect(self.place.db(), self.cache_kib)?;
        files::still_leads_to(self.place.db(), self.db)?;
        // What is read first opens the log, too.
        rows::head(&connection)?;
        self.withhold();
        Ok(connection)
    }

    /// Reads at one state of the store.
    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.process.check()?;
        let _no_commit_meanwhile = self.visible.read();
        self.go_on()?;
        self.with_connection(read)
    }

    /// Whoever calls sees to it that the store is not closed meanwhile.
    fn with_connection<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let kept = self.idle.lock().pop();
        let connection = match kept {
            Some(connection) => connection,
            None => self.connect().map_err(|error| self.named(error))?,
        };
        let outcome = work(&connection).map_err(|error| self.named(error));
        if outcome.is_ok() {
            let mut idle = self.idle.lock();
            if idle.len() < IDLE {
                idle.push(connection);
            }
        }
        outcome
    }

    /// An error with the name of the store, where it asks for it.
    fn named(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Locked { pid, .. } => StoreError::Locked {
                folder: self.place.db().display().to_string(),
                pid,
            },
            other => other,
        }
    }

    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        self.process.check()?;
        let writes = record::sorted(batch)?;
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or(StoreError::Closed)?;
        if let Some(error) = self.failure.get() {
            return Err(error.clone().into());
        }
        let outcome = self.write(writer, batch, &writes);
        let stuck = || StoreError::failed("a transaction could not be taken back");
        match outcome {
            Err(CommitError::Store(error @ StoreError::Failed { .. })) => {
                Err(self.failure.get_or_init(|| error).clone().into())
            }
            _ if !writer.connection.is_autocommit() => {
                Err(self.failure.get_or_init(stuck).clone().into())
            }
            Err(CommitError::Store(error)) => Err(self.named(error).into()),
            other => other,
        }
    }

    fn write(
        &self,
        writer: &mut Writer,
        batch: &Batch,
        writes: &[&Write],
    ) -> Result<u64, CommitError> {
        let cannot = |error| sqlite_error("cannot commit", &error);
        let behavior = match writes.is_empty() {
            true => TransactionBehavior::Deferred,
            false => TransactionBehavior::Immediate,
        };
        // Is taken back when it is dropped.
        let transaction = writer
            .connection
            .transaction_with_behavior(behavior)
            .map_err(cannot)?;
        let mut head = rows::head(&transaction)?;
        if head != writer.head {
            return Err(StoreError::failed(
                "another program has written to the database while the store was open",
            )
            .into());
        }
        if batch.read_since != Some(head.commit) {
            let version = |key: &[u8]| {
                record::check_key(key)?;
                Ok(rows::get(&transaction, key)?.map_or(0, |found| found.record.version))
            };
            let count =
                |from: &[u8], until: &[u8], most| rows::count(&transaction, from, until, most);
            if !batch.holds::<StoreError>(version, count)? {
                return Err(CommitError::Conflict);
            }
        }
        if writes.is_empty() {
            return Ok(head.commit);
        }
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
        rows::write_head(&transaction, &head)?;
        let _nobody_reads = self.visible.write();
        transaction.commit().map_err(cannot)?;
        writer.head = head;
        self.last_commit.store(head.commit, Ordering::Release);
        Ok(head.commit)
    }

    /// Makes durable what was committed before, and returns the number of the last of that.
    fn sync(&self, disk: &mut Disk) -> Result<u64, StoreError> {
        let commit = self.last_commit.load(Ordering::Acquire);
        disk.wal
            .sync_data()
            .map_err(|error| StoreError::io("cannot sync SQLite's log", &error))?;
        self.still_holds(disk)?;
        disk.manifest.advance(commit)?;
        Ok(commit)
    }

    /// Refuses when the names of the files lead to other files than those that are open, or to
    /// none: what is written to these is lost.
    fn still_holds(&self, disk: &Disk) -> Result<(), StoreError> {
        let of = |file: &File| file.metadata().ok().as_ref().map(Identity::from);
        let files = [
            (self.place.db().to_owned(), self.db),
            (self.place.wal(), of(&disk.wal)),
            (self.place.manifest(), of(disk.manifest.file())),
            (self.place.lock(), of(disk.lock.file())),
        ];
        files
            .iter()
            .try_for_each(|(path, open)| files::still_leads_to(path, *open))
    }

    fn sync_up_to(&self, commit: u64) -> Result<(), StoreError> {
        self.group.wait_for(commit, |disk| self.sync(disk))
    }

    /// What emptying the log brings about: an error of the disk is final, as for a sync.
    fn emptied(&self, outcome: Result<rows::Emptied, StoreError>) {
        match outcome {
            Ok(emptied) if emptied.all => self.pages.store(0, Ordering::Release),
            Err(error @ StoreError::Failed { .. }) => {
                self.failure.get_or_init(|| error);
            }
            // Somebody reads in it, or there is no room in the database: later.
            _ => {}
        }
    }

    fn verify(&self) -> Result<Verification, StoreError> {
        self.process.check()?;
        let _one_at_a_time = self.verifying.lock();
        let connection = {
            let _no_commit_meanwhile = self.visible.read();
            self.go_on()?;
            let connection = self.connect().map_err(|error| self.named(error))?;
            *self.verification.lock() = Some(connection.get_interrupt_handle());
            connection
        };
        let outcome = connection
            .unchecked_transaction()
            .map_err(|error| sqlite_error("cannot read", &error))
            .and_then(|transaction| {
                let head = rows::head(&transaction)?;
                check::verify(&transaction, &head, || self.go_on())
            });
        *self.verification.lock() = None;
        outcome.map_err(|error| self.named(error))
    }

    fn close(&self) -> Result<(), StoreError> {
        let Some(mut disk) = self.group.take() else {
            return Ok(());
        };
        self.closing.store(true, Ordering::Release);
        let writer = self.writer.lock().take();
        let synced = match self.failure.get() {
            Some(error) => Err(error.clone()),
            None => self.sync(&mut disk),
        };
        if let Err(error) = &synced {
            self.failure.get_or_init(|| error.clone());
        }
        self.group.close(synced.as_ref().ok().copied());
        self.keeper.end();
        let verified = loop {
            if let Some(ended) = self.verifying.try_lock_for(Duration::from_millis(20)) {
                break ended;
            }
            if let Some(verification) = &*self.verification.lock() {
                verification.interrupt();
            }
        };
        drop(verified);
        let _nobody_reads = self.visible.write();
        self.idle.lock().clear();
        let outcome = match (synced, writer) {
            (Ok(commit), Some(writer)) => self.settle(&mut disk, writer.connection, commit),
            (synced, _) => synced.map(drop),
        };
        self.withheld.lock().clear();
        outcome.and(disk.lock.release())
    }

    /// After the last sync, with nobody else: all is in the database, and there is no log.
    fn settle(
        &self,
        disk: &mut Disk,
        connection: Connection,
        commit: u64,
    ) -> Result<(), StoreError> {
        // Without room for it in the database the log stays, and the next who opens goes on.
        if rows::checkpoint(&connection, "TRUNCATE").is_ok_and(|emptied| emptied.all) {
            connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
                .map_err(|error| sqlite_error("cannot close the database", &error))?;
        }
        connection
            .close()
            .map_err(|(_, error)| sqlite_error("cannot close the database", &error))?;
        files::sync_folder(self.place.folder())?;
        disk.manifest.write_and_sync(Mark {
            commit,
            ..disk.manifest.mark()
        })
    }
}

impl Kept for Shared {
    fn commits(&self) -> (u64, u64) {
        let commit = self.last_commit.load(Ordering::Acquire);
        match self.failure.get() {
            Some(_) => (commit, commit),
            None => (commit, self.group.durable()),
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
        // Closing waits for the thread, and no commit waits for this.
        let outcome = self.with_connection(|connection| rows::checkpoint(connection, "PASSIVE"));
        self.emptied(outcome);
    }
}

impl Backend for SqliteStore {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        record::check_key(key)?;
        let read = |connection: &Connection| rows::get(connection, key);
        Ok(self.shared.read(read)?.map(|found: Stored| found.record))
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, StoreError> {
        keys.iter().try_for_each(|key| record::check_key(key))?;
        self.shared.read(|connection| {
            // Cheaper than a transaction for each.
            let transaction = connection
                .unchecked_transaction()
                .map_err(|error| sqlite_error("cannot read", &error))?;
            let read = |key: &Vec<u8>| Ok(rows::get(&transaction, key)?.map(|found| found.record));
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
            .read(|connection| rows::range(connection, (from, until), order, limit))
    }

    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        let number = self.shared.commit(batch)?;
        self.shared.keeper.look();
        Ok(number)
    }

    fn relieve(&self) {
        let shared = &self.shared;
        let is_too_large =
            || shared.pages.load(Ordering::Acquire) >= shared.too_large.load(Ordering::Acquire);
        if !is_too_large() || shared.failure.get().is_some() {
            return;
        }
        let writer = shared.writer.lock();
        if let Some(writer) = writer.as_ref().filter(|_| is_too_large()) {
            // The commits are made whether or not this works.
            let connection = &writer.connection;
            let _ = connection.busy_timeout(READERS);
            let outcome = rows::checkpoint(connection, "RESTART");
            let _ = connection.busy_timeout(rows::OTHERS);
            shared.emptied(outcome);
            // Where somebody reads in it for long, not every commit waits.
            let next = shared.pages.load(Ordering::Acquire).saturating_add(GROWN);
            shared
                .too_large
                .store(next.max(TOO_LARGE), Ordering::Release);
        }
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
        self.shared.last_commit.load(Ordering::Acquire)
    }

    fn goes_on_after(&self, error: &StoreError) -> bool {
        let passes = matches!(error, StoreError::Full { .. } | StoreError::Locked { .. });
        passes && self.shared.failure.get().is_none()
    }

    fn store_id(&self) -> String {
        self.shared.id.clone()
    }

    fn verify(&self) -> Result<Verification, StoreError> {
        self.shared.verify()
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

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // Who wants to know whether it worked calls `close`. An abandoned store refuses.
        let _ = Backend::close(self);
    }
}
