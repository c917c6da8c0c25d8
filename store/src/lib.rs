//! The store: ordered keys, versioned values, one atomic batch per commit.
//!
//! [`Backend`] is what the rest of the library sees, and [`At`] says which one a text names: sled
//! (a folder on disk), SQLite (a file) or memory. The first and the last keep plain bytes only;
//! everything that gives those bytes a meaning (versions, checksums, large values, the check of
//! what was expected) is written once, in `table.rs`, and used by both. SQLite keeps records in a
//! table; what differs there stands at the end.
//!
//! # What is kept
//!
//! Every value is stored as a record: checksum (over the key too), kind, number of the commit that
//! wrote it, payload. A record stays under 4 KiB, because sled puts larger pages into files that it
//! never syncs; a larger value is split into chunks under keys of their own (first byte 0xFF, which
//! no caller may use). One more record, the *head*, is written by every commit: the commit number,
//! how many records there are, and the sum of their checksums. So [`Backend::verify`] finds not
//! only damaged records but also missing and outdated ones.
//!
//! # The folder
//!
//! ```text
//! <path>/            0700, never a symlink
//!   lock             locked (flock) while open; holds the pid of the holder
//!   manifest         store id, format, and the last commit known to be durable
//!   token.key        what tokens are derived with; its fingerprint is in the store
//!   creating         only while the store is being created
//!   sled/            what sled writes: db, conf, snap.*, blobs/
//!   kept/            only while sled opens: what it may write over
//! <path>.tenantry    beside the folder: says that there is a store in it
//! ```
//!
//! # Never empty by accident
//!
//! sled repairs by discarding: a log that is cut or damaged, or that it fails to read once, can
//! open as an empty or older store, with `Ok`, and opening already overwrites what it discards.
//! Before sled may open a known store we therefore check that its files are there (`db` not empty,
//! `conf` whole, a snapshot not older than the last one that we saw) and, when the last close was a
//! clean one, that every file has the length that it had then, and the part of the log that sled
//! will replay its checksum. After opening, the store must say that it was recovered, carry the id
//! of the manifest, and not be behind the manifest's commit. After a crash, and wherever sled has
//! replayed something, all records are read and compared with their number and sum, because sled
//! skips what it cannot read in the middle of a log and goes on behind it. Otherwise the answer is
//! [`StoreError::Corrupt`]. Before any file is opened it is looked at: what is a link, a pipe, a
//! socket or a folder there is [`StoreError::Invalid`], and never waited for.
//!
//! Whatever refuses, nothing is destroyed. A check before sled's opening changes not one byte of
//! the data. What sled may overwrite is kept in `kept/` before it is started, durable, and is put
//! back where it or a check after it refuses, or where the process ends meanwhile (`sled/kept.rs`,
//! docs/adr/0059). So a store that was refused for a disk that failed to read opens when the disk
//! reads again. The manifest is never lowered, so a store that is damaged stays refused: restore a
//! backup.
//!
//! No store is made in a folder that was emptied, as that of a disk that is not mounted: the file
//! `<path>.tenantry` beside it tells that there was one. Who removes the folder as a whole is taken
//! at their word. Where the folder above cannot be written to, nothing tells it.
//!
//! # Durability
//!
//! [`Backend::commit`] makes a batch visible: it joins a layer in memory over the backend.
//! [`Backend::sync`] makes it durable: the layer goes to sled as one atomic batch, then sled's
//! flush (which does not sync), then `fdatasync`. Threads that wait share one such round. A commit
//! that nobody syncs is synced after half a second at most, or when more than 4 MiB wait. After
//! every sync the commit number is written to the manifest, which is itself synced at least every
//! 256 times or every second; it is never ahead of what is durable.
//!
//! Any error while writing or syncing is final: the store goes on answering reads, as of its last
//! commit, and refuses every later commit and sync with the same error. A failed sync is never
//! tried again, because the kernel may have dropped the pages and would report success; closing and
//! opening again reads what is really there.
//!
//! Room on the disk is taken before sled is given anything, so that a full disk refuses the write
//! and not the reads after it: sled remembers an error of its own for ever (`sled/room.rs`).
//!
//! After every sync the files in the folder must still be the ones that are open. Where they were
//! removed or replaced, nothing is acknowledged any more.
//!
//! # Processes
//!
//! In a folder one process at a time, in SQLite any number of one machine; and one open in each.
//! Neither survives `fork`: a child must call [`Backend::abandon`]. It cannot open a folder when
//! its parent had one open before, because sled's threads would be missing (it is told so instead
//! of waiting for ever). It can open the database that its parent has open: all connections are
//! closed before the fork (`sqlite/forking.rs`). Where somebody read for longer than two seconds
//! at the fork, it is told that it cannot. A child gives up the files
//! of the store at the fork, whether or not it knows of them, so that the locks on them end with
//! the parent's. So does a child that is forked while another thread opens or closes the store.
//!
//! # Owners
//!
//! The folder is for one user. What root makes in the folder of somebody else is given to its
//! owner, who could not open the store any more otherwise. A folder that belongs to somebody else,
//! as a volume that is shared by a group, is taken as it is: the files in it are private all the
//! same. Only where everybody may write to it, it is refused.
//!
//! # In SQLite
//!
//! ```text
//! <path>             the database: tables `kv`, `head` and `log`
//! <path>-wal -shm    SQLite's log, and what those who have it open share; gone after a clean close
//! <path>-pulse       a page that the processes share: last commit, last note; gone like these
//! <path>-locks       bytes that they lock (fcntl): the writer, who opens, one for each of them
//! <path>-lock        locked together (flock) by all of them, against who wants it alone
//! <path>-manifest    store id, format, and the last commit known to be durable
//! <path>-key         what tokens are derived with; its fingerprint is in the store
//! <path>-new         only while the store is being created
//! ```
//!
//! A commit is a transaction, visible when it returns; a sync is an `fdatasync` of the log, shared
//! by all who wait. SQLite syncs by itself only when the log is emptied into the database: by a
//! thread from 8 MiB on, and by the commit that finds 64 MiB. A database that is not the
//! manifest's, or lacks a commit that was durable, is [`StoreError::Corrupt`]. Damage inside of it
//! is found by the checksum of each record when that is read, and by [`Backend::verify`], which
//! also has SQLite look at the structure of the file; opening does not read everything.
//!
//! A commit for which there is no room is taken back, and others may follow
//! ([`Backend::goes_on_after`]). All other errors are final, as above.
//!
//! In a forked child nothing of the parent's is called; its files are given up as sled's are.
//!
//! # Several processes
//!
//! Whoever opens the store first, which is when no other process has locked a byte of its own in
//! `-locks`, does what opening does with one process, and makes the page `-pulse` anew; all others
//! join. The last one to close empties the log and removes it, and the page. A process that dies
//! needs nobody to clean up after it: its locks end with it, and what it has not told in the page
//! is in the database.
//!
//! Commits are one at a time over all processes ([`SharedStore::lock_writer`] keeps the lock for
//! longer). Where another process does not let go of it for five seconds, as one that is stopped,
//! the answer is [`StoreError::Locked`] with its pid, and later commits may follow. Readers wait
//! for nobody.
//!
//! A commit with a [`Batch::note`] is acknowledged after its number is in [`SharedStore::noted`] of
//! all processes; one without does not touch that. Whoever reads the store tells the page what the
//! database says before it answers, by `get`, `get_many`, `range`, a snapshot, `commit`,
//! `lock_writer`,
//! `notes_after` or `verify` alike: so no process answers from a commit whose note it does not know
//! of, although the one that made it was killed in between. The newest 100,000 notes are kept.
//!
//! A sync makes durable what was committed by any process. Where it fails in one of them, or the
//! files are not at their place any more, all processes refuse to commit and to sync until all have
//! closed the store. Who removes or replaces `-lock` and `-locks` at once, and opens the store
//! before any process that had it open syncs, is not noticed at opening.
//!
//! SQLite's locks and ours belong to a process, and are lost when it closes any other descriptor of
//! the same file. So a host opens neither the database nor `-shm` nor `-locks` while it has the
//! store open, for a copy as little as by another SQLite (`sqlite3` of Python).

//!
//! # In PostgreSQL
//!
//! Tables of a schema: `kv` with the records, `head` with the last commit, `log` with the notes,
//! `owner` with the processes, `turn`, whose row is locked by whoever writes, and `barrier`. A
//! commit is a transaction of the server, durable when it returns.
//!
//! Reads tell this process what the head says before they answer, as in SQLite; but
//! [`SharedStore::noted`] may be late by as long as [`Server::poll`] where nothing is read. Who
//! answers without reading asks [`SharedStore::is_stale`] too: true where the last sign of life
//! that was answered is older than [`Server::stale`]. A process whose signs of life stop for longer
//! counts as gone; it is told by [`Standing::Expelled`], and none of its writes is carried out
//! until [`SharedStore::rejoin`].
//!
//! After an error of a commit others may follow: what was not acknowledged was not made, but after
//! [`StoreError::Unknown`]. A forked child uses nothing of its parent's, and may open the store
//! itself.

mod at;
mod backend;
#[cfg(test)]
mod contract;
mod event;
mod files;
mod folder;
mod group;
mod key;
mod layers;
mod lock;
mod manifest;
mod memory;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod notes;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod raw;
mod record;
#[cfg(test)]
mod scratch;
mod sled;
mod space;
#[cfg(feature = "sqlite")]
mod sqlite;
mod table;
mod tally;
mod verify;
mod whole_file;

use std::path::PathBuf;

pub use at::{At, ServerText};
pub use backend::{
    Backend, Batch, CommitError, Damage, Kind, Notes, Options, Order, Record, Server, SharedStore,
    Snapshot, Space, Standing, StoreError, UnlockWriter, Verification, WriterGuard,
};
pub use event::in_ms;
pub use manifest::FORMAT;
pub use whole_file::{WholeFile, existing_file};

/// Opens the store that is there; in memory it is an empty one, and lives as long as the value.
pub fn open(at: &At, options: &Options) -> Result<Box<dyn Backend>, StoreError> {
    match at {
        At::Memory => memory(),
        At::Folder(path) => Ok(Box::new(sled::SledStore::open(path, options)?)),
        #[cfg(feature = "sqlite")]
        At::Sqlite(path) => Ok(Box::new(sqlite::SqliteStore::open(path, options)?)),
        #[cfg(not(feature = "sqlite"))]
        At::Sqlite(_) => Err(without_sqlite()),
        #[cfg(feature = "postgres")]
        At::Postgres(text) => {
            let address = postgres::Address::parse(&text.0)?;
            Ok(Box::new(postgres::PostgresStore::open(&address, options)?))
        }
        #[cfg(not(feature = "postgres"))]
        At::Postgres(_) => Err(at::without_postgres()),
    }
}

/// An empty store that lives as long as the value.
pub fn memory() -> Result<Box<dyn Backend>, StoreError> {
    Ok(Box::new(memory::MemoryStore::new()?))
}

/// The key that tokens are derived with, beside the store; of one in memory it is random. With
/// `make` one is made where there is none. Beside a store on a server there is none.
pub fn token_key(at: &At, make: bool) -> Result<[u8; 32], StoreError> {
    match key_file(at)? {
        None if *at == At::Memory => key::random(),
        None => Err(StoreError::invalid(
            "A store on a server keeps no token key; give `token_key`, the same in each process.",
        )),
        Some(file) if make => key::read_or_make(&file),
        Some(file) => key::read(&file),
    }
}

/// Keeps a key beside a new store that is the copy of another, where that kind keeps one.
pub fn keep_token_key(at: &At, key: &[u8; 32]) -> Result<(), StoreError> {
    match key_file(at)? {
        None => Ok(()),
        Some(file) => key::keep(&file, key),
    }
}

fn key_file(at: &At) -> Result<Option<PathBuf>, StoreError> {
    match at {
        At::Memory | At::Postgres(_) => Ok(None),
        At::Folder(path) => Ok(Some(path.join(key::FILE))),
        #[cfg(feature = "sqlite")]
        At::Sqlite(path) => sqlite::key_file(path).map(Some),
        #[cfg(not(feature = "sqlite"))]
        At::Sqlite(_) => Err(without_sqlite()),
    }
}

#[cfg(not(feature = "sqlite"))]
fn without_sqlite() -> StoreError {
    StoreError::invalid(
        "A path that begins with `sqlite:` needs SQLite, and this library was built without it; \
         name a folder.",
    )
}
