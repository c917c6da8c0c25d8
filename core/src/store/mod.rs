//! The store: ordered keys, versioned values, one atomic batch per commit.
//!
//! [`Backend`] is what the rest of the library sees. Two backends are here: [`sled`] (a folder on
//! disk) and [`memory`]. Both keep plain bytes only; everything that gives those bytes a meaning
//! (versions, checksums, large values, the check of what was expected) is written once, in
//! `table.rs`, and used by both.
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
//! ```
//!
//! # Never empty by accident
//!
//! sled repairs by discarding: a log that is cut or damaged can open as an empty or older store,
//! with `Ok`, and opening already overwrites what it discards. Before sled may open a known store
//! we therefore check that its files are there (`db` not empty, `conf` whole, a snapshot not older
//! than the last one that we saw) and, when the last close was a clean one, that every file has the
//! length that it had then, and the part of the log that sled will replay its checksum. After
//! opening, the store must say that it was recovered, carry the id of the manifest, and not be
//! behind the manifest's commit; after a crash all records are read and compared with their number
//! and sum, because sled skips what is damaged in the middle of a log and goes on behind it.
//! Otherwise the answer is [`StoreError::Corrupt`].
//!
//! What is preserved: when a check before sled's opening refuses, not one byte of the data has been
//! changed. That covers missing files, after a clean close every change to the lengths or to the
//! replayed part of the log, and after a crash a log without its newest durable commit. After a
//! crash, damage in the middle of a log gets as far as sled; it then refuses, or the checks after
//! it do, but sled may have zeroed the part of the log that it could not read. So such a folder
//! must not be taken for the original any more: restore a backup. The manifest is never lowered, so
//! a store that was refused stays refused.
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
//! # Processes
//!
//! One process at a time, and one open in it. sled does not survive `fork`: a child must call
//! [`Backend::abandon`], and cannot open any store when its parent had one open before (it is told
//! so instead of waiting for ever).

mod folder;
mod group;
mod key;
mod lock;
mod manifest;
mod memory;
mod record;
mod sled;
mod table;

use std::fmt;
use std::path::Path;

/// A value and the number of the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub version: u64,
    pub value: Vec<u8>,
}

/// What one commit expects and writes. Keys: 1 to 1024 bytes, the first not 0xFF, each written
/// once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// `None` deletes.
    pub writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The version that was seen, 0 for an absent key.
    pub expected: Vec<(Vec<u8>, u64)>,
    /// What was read whole, from the first key until the second: it holds what is expected above,
    /// and nothing else.
    pub ranges: Vec<(Vec<u8>, Vec<u8>)>,
    /// The last commit before the first of these was seen: while it is the last one, all of them
    /// still are as they were.
    pub read_since: Option<u64>,
}

impl Batch {
    /// Whether all that it relies on still is as it was seen. `version` tells that of a key, and
    /// `count` how many records lie in a range, as far as a most that it need not pass.
    pub(crate) fn holds<E>(
        &self,
        version: impl Fn(&[u8]) -> Result<u64, E>,
        count: impl Fn(&[u8], &[u8], usize) -> Result<usize, E>,
    ) -> Result<bool, E> {
        let mut there = Vec::new();
        for (key, seen) in &self.expected {
            if version(key)? != *seen {
                return Ok(false);
            }
            if *seen != 0 {
                there.push(key.as_slice());
            }
        }
        there.sort_unstable();
        there.dedup();
        for (from, until) in &self.ranges {
            let before = |key: &[u8]| there.partition_point(|other| *other < key);
            let known = before(until).saturating_sub(before(from));
            // All that is known is there, so one more is one that was not seen.
            if count(from, until, known + 1)? > known {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Ascending,
    Descending,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// A key is not at the expected version any more, or a range holds another; nothing was
    /// changed.
    Conflict,
    Store(StoreError),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// There is no store, and none was to be created.
    Missing,
    /// Another process (or another open in this one) holds the store.
    Locked { pid: Option<u32> },
    /// The store is not whole.
    Corrupt { what: String },
    /// No room left on the disk.
    Full { what: String },
    /// Something else failed while reading or writing.
    Failed { what: String },
    /// An ancestor of this process opened a store before the fork.
    Forked { what: String },
    /// The path or a key cannot be used at all.
    Invalid { what: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    pub records: u64,
    /// Keys and values, without what the store adds.
    pub bytes: u64,
    pub last_commit: u64,
    /// What is damaged, by printable key, at most 100 entries. Empty: the store is whole.
    pub damaged: Vec<String>,
}

pub trait Backend: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError>;

    /// At most `limit` records with `from <= key < until`, all of one moment.
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError>;

    /// Applies the batch whole or not at all and returns its number. Visible on return, durable
    /// after [`Backend::sync`]. A batch without writes only checks, and returns the number of the
    /// last commit.
    fn commit(&self, batch: &Batch) -> Result<u64, CommitError>;

    /// Returns when that commit and all before it are durable.
    fn sync(&self, commit: u64) -> Result<(), StoreError>;

    fn last_commit(&self) -> u64;

    fn store_id(&self) -> String;

    /// Reads everything, in steps that let other threads go on.
    fn verify(&self) -> Result<Verification, StoreError>;

    /// Makes everything durable and gives the lock back. A second call returns what the first did.
    fn close(&self) -> Result<(), StoreError>;

    /// For a forked child: leaks everything, touches no file and waits for nothing. Every later
    /// call fails.
    fn abandon(&self);
}

#[derive(Clone, Copy, Debug)]
pub struct SledOptions {
    pub cache_bytes: u64,
    /// Whether a store may be created where there is none.
    pub create: bool,
}

/// Opens the store in the folder `path`.
pub fn sled(path: &Path, options: &SledOptions) -> Result<Box<dyn Backend>, StoreError> {
    Ok(Box::new(sled::SledStore::open(path, options)?))
}

/// The key that tokens are derived with, beside the store in the folder `path`. With `make` one is
/// made where there is none.
pub fn token_key(path: &Path, make: bool) -> Result<[u8; 32], StoreError> {
    if make {
        key::read_or_make(path)
    } else {
        key::read(path)
    }
}

/// An empty store that lives as long as the value.
pub fn memory() -> Result<Box<dyn Backend>, StoreError> {
    Ok(Box::new(memory::MemoryStore::new()?))
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Missing => f.write_str("there is no store at this path"),
            StoreError::Locked { pid: Some(pid) } => {
                write!(f, "the store is in use by process {pid}")
            }
            StoreError::Locked { pid: None } => {
                f.write_str("the store is in use by another process")
            }
            StoreError::Corrupt { what } => write!(f, "the store is damaged: {what}"),
            StoreError::Full { what } => write!(f, "no room left: {what}"),
            StoreError::Failed { what } => write!(f, "the store failed: {what}"),
            StoreError::Forked { what } => f.write_str(what),
            StoreError::Invalid { what } => write!(f, "not usable: {what}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitError::Conflict => {
                f.write_str("something that the commit relies on was changed meanwhile")
            }
            CommitError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CommitError {}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        CommitError::Store(error)
    }
}

impl StoreError {
    fn corrupt(what: impl Into<String>) -> Self {
        StoreError::Corrupt { what: what.into() }
    }

    fn failed(what: impl Into<String>) -> Self {
        StoreError::Failed { what: what.into() }
    }

    fn invalid(what: impl Into<String>) -> Self {
        StoreError::Invalid { what: what.into() }
    }

    fn closed() -> Self {
        StoreError::failed("the store is closed")
    }

    /// An error of the file system; `doing` says what was tried.
    fn io(doing: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let what = format!("{doing}: {error}");
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => StoreError::Full { what },
            _ => StoreError::Failed { what },
        }
    }
}

/// The 128 random bits that name a store.
fn random_id() -> Result<[u8; 16], StoreError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)
        .map_err(|error| StoreError::failed(format!("no randomness for the store id: {error}")))?;
    Ok(id)
}

fn hex(id: &[u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
