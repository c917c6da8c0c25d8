//! What a store is to the rest of the library: records, batches, errors, and the contract.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// A value and the number of the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The number of the commit that wrote it.
    pub version: u64,
    /// The bytes.
    pub value: Vec<u8>,
}

/// What one commit expects and writes. Keys: 1 to 1024 bytes, the first not 0xFF, each written
/// once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Key and new value; `None` deletes.
    pub writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The version that was seen, 0 for an absent key.
    pub expected: Vec<(Vec<u8>, u64)>,
    /// What was read whole, from the first key until the second: it holds what is expected above,
    /// and nothing else.
    pub ranges: Vec<(Vec<u8>, Vec<u8>)>,
    /// The last commit before the first of these was seen: while it is the last one, all of them
    /// still are as they were.
    pub read_since: Option<u64>,
    /// What the other processes that have the store open are to forget of what they keep in memory;
    /// empty where that is nothing.
    pub note: Vec<u8>,
}

/// What other processes are to forget since a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notes {
    /// The numbers of the next commits with a note, and their notes, the earliest first.
    Next(Vec<(u64, Vec<u8>)>),
    /// Some of them are not kept any more: all is to be forgotten, as of this commit.
    Lost {
        /// The last commit with a note.
        noted: u64,
    },
}

/// One state of a store, as long as it lives.
pub trait Snapshot: Send + Sync {
    /// As [`Backend::get`].
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError>;

    /// As [`Backend::get_many`].
    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, StoreError> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// As [`Backend::range`].
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError>;

    /// The last commit that it holds.
    fn last_commit(&self) -> u64;

    /// The last commit with a note that it holds.
    fn noted(&self) -> u64;
}

/// As long as it lives, no other process begins to write.
#[must_use]
pub struct WriterGuard<'a> {
    store: Option<&'a dyn UnlockWriter>,
}

/// A store that is locked by [`SharedStore::lock_writer`].
pub trait UnlockWriter {
    /// Lets other processes write again.
    fn unlock(&self);
}

impl<'a> WriterGuard<'a> {
    /// For a store that was locked, and unlocks it when it is dropped.
    pub fn locked(store: &'a dyn UnlockWriter) -> WriterGuard<'a> {
        WriterGuard { store: Some(store) }
    }
}

impl Drop for WriterGuard<'_> {
    fn drop(&mut self) {
        if let Some(store) = self.store {
            store.unlock();
        }
    }
}

impl Batch {
    /// Whether all that it relies on still is as it was seen. `version` tells that of a key, and
    /// `count` how many records lie in a range, as far as a most that it need not pass.
    pub fn holds<E>(
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

/// In which order keys are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The smallest first.
    Ascending,
    /// The largest first.
    Descending,
}

/// Why a batch was not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// A key is not at the expected version any more, or a range holds another; nothing was
    /// changed.
    Conflict,
    /// The store could not do it.
    Store(StoreError),
}

/// What can be wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// There is no store, and none was to be created.
    Missing,
    /// Another process (or another open in this one) holds the store.
    Locked {
        /// The folder of the store, or its file.
        folder: String,
        /// The holder, where it is known.
        pid: Option<u32>,
    },
    /// The store is not whole.
    Corrupt {
        /// What was found.
        what: String,
    },
    /// The store has a format that this version does not know.
    Format {
        /// The format of the store.
        found: u32,
        /// The one that this version knows.
        known: u32,
    },
    /// The store was closed.
    Closed,
    /// No room left on the disk.
    Full {
        /// What was tried.
        what: String,
    },
    /// The server that keeps the store does not answer, or does not let this process write now;
    /// nothing was changed.
    Unreachable {
        /// What was found.
        what: String,
    },
    /// The server did not answer, and whether it has done what it was told is not known.
    Unknown {
        /// What was found.
        what: String,
    },
    /// Something else failed while reading or writing.
    Failed {
        /// What was tried, and how it went.
        what: String,
    },
    /// An ancestor of this process opened a store before the fork.
    Forked {
        /// Which processes these are.
        what: String,
    },
    /// The path or a key cannot be used at all.
    Invalid {
        /// What cannot be used, and why.
        what: String,
    },
}

/// What reading everything has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// How many records there are.
    pub records: u64,
    /// Keys and values, without what the store adds.
    pub bytes: u64,
    /// The last commit that was seen.
    pub last_commit: u64,
    /// What is damaged, at most 100 entries. Empty: the store is whole.
    pub damaged: Vec<Damage>,
}

/// Something that reading everything found damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The record at this key cannot be read, or belongs to nothing.
    Record(Vec<u8>),
    /// The store as a whole is not what was written; this says in what.
    Whole(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Record(key) => write!(f, "the record {}", key.escape_ascii()),
            Damage::Whole(what) => write!(f, "the store as a whole: {what}"),
        }
    }
}

/// What a store takes on its disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// What its files take of the disk; 0 in memory.
    pub bytes: u64,
    /// What is left there for this user; none in memory.
    pub free: Option<u64>,
}

/// What a store can do; a second implementation is written against this.
pub trait Backend: Send + Sync {
    /// The record of a key, if there is one.
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError>;

    /// The records of several keys, in the order of the keys. A store that is far away is asked
    /// once for all of them.
    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, StoreError> {
        keys.iter().map(|key| self.get(key)).collect()
    }

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

    /// Where more waits in memory than should, brings it to its place, which may take as long as
    /// [`Backend::sync`]. Called after each [`Backend::commit`] by whoever holds nothing that
    /// others wait for; an error is kept and meets the next commit or sync.
    fn relieve(&self) {}

    /// Returns when that commit and all before it are durable.
    fn sync(&self, commit: u64) -> Result<(), StoreError>;

    /// The number of the last commit, 0 in an empty store. Where other processes write too, it is
    /// the last one that this process knows of.
    fn last_commit(&self) -> u64;

    /// What keeps it.
    fn kind(&self) -> Kind {
        Kind::Memory
    }

    /// What this process shares with others that have the store open; none where it has the store
    /// for itself.
    fn shared(&self) -> Option<&dyn SharedStore> {
        None
    }

    /// One state of the store to read in; none where the store keeps the newest values alone.
    fn snapshot(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        Ok(None)
    }

    /// Whether a commit that was refused with this error changed nothing, and others may follow
    /// when its cause is gone. After any other error of a commit the store is to be opened again.
    fn goes_on_after(&self, _: &StoreError) -> bool {
        false
    }

    /// The random name of the store, in hexadecimal digits.
    fn store_id(&self) -> String;

    /// Reads everything, in steps that let other threads go on.
    fn verify(&self) -> Result<Verification, StoreError>;

    /// What it takes on the disk, and what is left there.
    fn space(&self) -> Result<Space, StoreError> {
        Ok(Space::default())
    }

    /// Gives back to the disk what its files take and nothing lies in, as far as that can be done
    /// while the store is open.
    fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Makes everything durable and gives the lock back. A second call returns what the first did.
    fn close(&self) -> Result<(), StoreError>;

    /// For a forked child: leaks everything, touches no file and waits for nothing. Every later
    /// call fails.
    fn abandon(&self);
}

/// What keeps a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The memory of its process.
    Memory,
    /// A folder on the disk, with sled's files.
    Folder,
    /// A file on the disk, an SQLite database.
    Sqlite,
    /// A server, a PostgreSQL database.
    Postgres,
}

impl Kind {
    /// What it is called in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Memory => "memory",
            Kind::Folder => "folder",
            Kind::Sqlite => "sqlite",
            Kind::Postgres => "postgres",
        }
    }
}

/// A store that several processes have open at once.
pub trait SharedStore: Send + Sync {
    /// The number of the last commit with a note, of any process. Whoever has read in the store
    /// what such a commit wrote, finds its number here or a later one. Every call of a host loads
    /// it.
    fn noted(&self) -> &AtomicU64;

    /// The notes of the commits after this one, at most so many.
    fn notes_after(&self, commit: u64, most: usize) -> Result<Notes, StoreError>;

    /// Waits until no other process writes, and keeps it so. [`StoreError::Locked`] where another
    /// does not let go of it in time. The thread that has it may commit; so may others, where that
    /// relies on no more than what [`Batch::expected`] and [`Batch::ranges`] tell.
    fn lock_writer(&self) -> Result<WriterGuard<'_>, StoreError>;

    /// How many processes have the store open, this one included, as far as is known here.
    fn processes(&self) -> u64;

    /// The same, looked at now.
    fn count_processes(&self) -> Result<u64, StoreError> {
        Ok(self.processes())
    }

    /// Sleeps until there is a commit with a note after this one, or so long.
    fn wait_for_note(&self, after: u64, most: Duration);

    /// Ends the sleep of all threads of this process.
    fn wake_waiting(&self);

    /// Whether [`noted`](SharedStore::noted) may be late, and [`is_stale`](SharedStore::is_stale)
    /// is to be asked with it.
    fn is_bounded(&self) -> bool {
        false
    }

    /// Whether nothing was heard of the others for so long that nothing is to be answered from
    /// memory before [`ask`](SharedStore::ask) has succeeded.
    fn is_stale(&self) -> bool {
        false
    }

    /// Asks whether this process still counts as one of those that have the store open. It waits
    /// for the answer only shortly.
    fn ask(&self) -> Result<Standing, StoreError> {
        Ok(Standing::Member)
    }

    /// After [`Standing::Expelled`], once everything is forgotten: this process counts again.
    fn rejoin(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Waits until the next call in every process applies all notes that there are now, at most so
    /// long. Answers the names of those of which that is not known then.
    fn barrier(&self, _: Duration) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}

/// What a process is to the others that have the store open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One of them.
    Member,
    /// It was silent for so long that it counts as gone. What it holds others may have been given:
    /// it is to be forgotten, and nothing of it given back.
    Expelled,
}

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How much of it is kept in memory, of one on the disk.
    pub cache_bytes: u64,
    /// Whether a store may be created where there is none.
    pub create: bool,
    /// Where a server keeps it.
    pub server: Server,
}

/// How long a process waits for the server that keeps a store, and for news from it.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// The longest that one question to it takes.
    pub timeout: Duration,
    /// How often it is asked what other processes have committed.
    pub poll: Duration,
    /// How long nothing may be heard of it before nothing is answered from memory any more.
    pub stale: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_bytes: 16 << 20,
            create: true,
            server: Server::USUAL,
        }
    }
}

impl Server {
    /// What suits most.
    pub const USUAL: Server = Server {
        timeout: Duration::from_secs(5),
        poll: Duration::from_millis(100),
        stale: Duration::from_secs(5),
    };
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Missing => {
                f.write_str("There is no store at this path; name another path, or set `create`.")
            }
            StoreError::Locked {
                folder,
                pid: Some(pid),
            } => {
                write!(
                    f,
                    "The store in `{folder}` is open in process {pid}; close it there, or set \
                     `lock_wait_ms`."
                )
            }
            StoreError::Locked { folder, pid: None } => {
                write!(
                    f,
                    "The store in `{folder}` is open in another process; close it there, or set \
                     `lock_wait_ms`."
                )
            }
            StoreError::Format { found, known } if found < known => {
                write!(
                    f,
                    "The store has the older format {found}, and this version reads only format \
                     {known}; open it with the version that wrote it."
                )
            }
            StoreError::Format { found, known } => {
                write!(
                    f,
                    "The store has format {found}, and this version reads only format {known}; \
                     open it with the version that wrote it."
                )
            }
            StoreError::Closed => f.write_str("The store was closed; open it again."),
            StoreError::Corrupt { what } => {
                write!(f, "The store is damaged: {what}. Restore a backup.")
            }
            StoreError::Full { what } => write!(
                f,
                "There is no room left: {what}. Make room; if writes are still refused then, open \
                 the store again."
            ),
            StoreError::Unreachable { what } => {
                write!(f, "The database cannot be used: {what}. Try again.")
            }
            StoreError::Unknown { what } => write!(
                f,
                "The database did not answer, so the change may or may not have been written \
                 ({what}). Check before you try again."
            ),
            StoreError::Failed { what } => write!(f, "The store failed: {what}. Open it again."),
            StoreError::Forked { what } | StoreError::Invalid { what } => f.write_str(what),
        }
    }
}

impl std::error::Error for StoreError {}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitError::Conflict => {
                f.write_str("Something that the commit relies on was changed meanwhile; try again.")
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
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        StoreError::Corrupt { what: what.into() }
    }

    pub(crate) fn failed(what: impl Into<String>) -> Self {
        StoreError::Failed { what: what.into() }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        StoreError::Invalid { what: what.into() }
    }

    /// An error of the file system; `doing` says what was tried.
    pub(crate) fn io(doing: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let what = format!("{doing}: {error}");
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => StoreError::Full { what },
            _ => StoreError::Failed { what },
        }
    }
}

/// The 128 random bits that name a store.
pub(crate) fn random_id() -> Result<[u8; 16], StoreError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| {
        StoreError::failed(format!(
            "the system gives no random bytes for the id of the store: {error}"
        ))
    })?;
    Ok(id)
}

pub(crate) fn hex(id: &[u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
