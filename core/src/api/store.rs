//! The store itself: its id and version, its verification, and a fingerprint of all that it holds:
//! requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/store.md"))]

use crate::model::{ClockJump, Count, FilePath, Id, Replaceable, StorePath};
use tenantry_macros::{answer, request};

/// Reads the kind, the id and the last commit of the store, how many processes have it open, the
/// deletions that still go on in steps, and the version of the library.
#[request]
pub struct Info {}

/// Verifies the store: it reads and checks every record, and checks that the records agree with
/// each other in their indexes, counts and references.
#[request]
pub struct Verify {}

/// Repairs what follows from records: it writes index lines and counts that are missing or wrong,
/// and deletes those that follow from no record. Records themselves are never changed. What cannot
/// be repaired is named in the answer.
///
/// The repair runs in steps, each of which is one durable commit, while other calls continue. Each
/// step is recorded in the audit chain of the platform. A store in which a record cannot be read is
/// refused (`store_corrupt`) and not changed: restore a backup.
#[request]
pub struct Repair {
    /// Whether the call only tells what it would repair, and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Computes a fingerprint of every record: two stores that went through the same operations have
/// the same fingerprint.
///
/// The store also holds the quota that processes have drawn ahead. So the same sends give the same
/// fingerprint only if the same calls asked for them.
#[request]
pub struct StateHash {}

/// Copies the store, as it is at one instant, into a new store of the same or another kind, while
/// other calls continue. Use the copy as a backup, which can be opened like any other store, or to
/// move between a folder, SQLite and PostgreSQL.
///
/// Quota that this process has drawn ahead and not used counts as used in the copy: at most 2 % of
/// a limit. The key of the tokens is copied too, unless the host gave it with `token_key`. The key
/// is not copied into PostgreSQL: open such a copy with the bytes of the key file as `token_key`. A
/// copy that was interrupted cannot be opened.
#[request]
pub struct Copy {
    /// Where the copy is made: a folder, `sqlite:` and a file, or `postgresql://` and a database.
    /// There must be no store at this place yet.
    pub to: StorePath,
}

/// Writes a backup: everything that the store holds at one instant, in one file of JSON lines,
/// while other calls continue. Other programs can read the file too (docs/backup-file.md describes
/// it).
///
/// The file gets its name when all of it is on disk, and never replaces an existing file. Until
/// then it has the same name with `.part` at the end, and its length shows the progress; after a
/// crash, the next attempt overwrites the `.part` file. The file holds the hashes of all passwords,
/// and the key of the tokens unless the host gave the key with `token_key`: keep the file as safe
/// as the store. Quota that this process has drawn ahead and not used counts as used in the backup:
/// at most 2 % of a limit.
#[request]
pub struct Backup {
    /// The path of the file. Its folder must exist, and the file must not exist yet.
    pub to: FilePath,
}

/// A backup that was written.
#[answer]
pub struct StoreBackup {
    /// The id of the store that was backed up.
    pub store_id: String,
    /// The number of the last commit that the backup holds.
    pub last_commit: u64,
    /// How many records the backup holds.
    pub records: u64,
    /// How many bytes the file has.
    pub bytes: u64,
    /// The fingerprint of the records in the backup, as `store.state_hash` computes it.
    pub state_hash: String,
}

/// Creates a new store from a backup, at a place where there is no store yet. The store that runs
/// the call is neither read nor changed. The file is checked before anything is created, and the
/// records are checked when they are in the new store. A backup that is truncated or damaged is
/// refused, and so is a backup whose records do not agree with each other.
///
/// If an attempt was interrupted, the next attempt begins anew.
#[request]
pub struct Restore {
    /// The file that `store.backup` has written.
    pub backup: FilePath,
    /// Where the store is made: a folder, `sqlite:` and a file, or `postgresql://` and a database.
    /// There must be no store at this place yet.
    pub to: StorePath,
    /// Whether somebody has changed the file on purpose. If so, the fingerprint may differ; the
    /// records are still checked.
    #[serde(default)]
    pub edited: bool,
}

/// Computes how much space each kind of record takes. For this, it reads every record.
#[request]
pub struct Stats {}

/// What the store holds, and how much space it takes.
#[answer]
pub struct StoreStats {
    /// How many records there are, index lines and counts included.
    pub records: u64,
    /// How many bytes the keys and values of these records have.
    pub bytes: u64,
    /// How many bytes the files take on the disk; 0 for a store in memory.
    pub disk_bytes: u64,
    /// How many bytes are free on that disk; absent for a store in memory.
    pub free_bytes: Option<u64>,
    /// How many accounts are cached in the memory of this process.
    pub cached_accounts: u64,
    /// How many reservations are open.
    pub open_reservations: u64,
    /// How many messages the outbox holds, whether or not they were acknowledged.
    pub outbox_messages: u64,
    /// How many of the messages have not been delivered yet to the consumer that is furthest
    /// behind; all messages if there is no consumer.
    pub outbox_backlog: u64,
    /// The kinds of records in the store; the kind that takes the most bytes comes first.
    pub kinds: Vec<StoreKindStats>,
}

/// How much space the records of one kind take.
#[answer]
pub struct StoreKindStats {
    /// The kind, as the lines of a backup name it.
    pub kind: String,
    /// How many records there are.
    pub records: u64,
    /// How many bytes the keys and values of these records have.
    pub bytes: u64,
}

/// Reads the metrics of this process and of the store as OpenMetrics text, for a monitoring system.
/// No metric names an account or a person.
///
/// Calls and refusals of operations are counted from the time when this process opened the store.
/// Prepared calls and decisions from memory are not counted one by one, because counting would cost
/// as much as the call; but what they draw from the store is counted.
#[request]
pub struct Metrics {}

/// The metrics.
#[answer]
pub struct StoreMetrics {
    /// The text, with the media type `application/openmetrics-text; version=1.0.0`.
    pub text: String,
}

/// Compacts the store: frees disk space that the store takes but does not use. A store in SQLite is
/// rewritten, which needs as much free space again; meanwhile, writes of other processes wait, and
/// are refused with `busy` after five seconds. A store in a folder cannot be compacted
/// (`invalid_argument`): copy it with `store.copy`, and put the copy in its place. For a store in
/// memory or in PostgreSQL, the call does nothing.
#[request]
pub struct Compact {}

/// The result of compacting a store.
#[answer]
pub struct StoreCompacted {
    /// How many bytes the files took on the disk before.
    pub bytes_before: u64,
    /// How many bytes the files take now. The number falls only when the reads that are still
    /// running have ended.
    pub bytes: u64,
}

/// Waits until, in every process that has the store open, the next call applies all changes that
/// were acknowledged before this call. Only for a store in PostgreSQL does the call have to wait.
#[request]
pub struct Barrier {
    /// How long the call waits at most, in milliseconds: 0 to 60,000.
    pub timeout_ms: Count,
}

/// Which processes do not apply all acknowledged changes yet.
#[answer]
#[schemars(extend("x-yes" = "reached"))]
pub struct StoreBarrier {
    /// Whether all processes apply the changes.
    pub reached: bool,
    /// The machine and the process id of the processes that do not apply them yet, as far as they
    /// are known.
    pub behind: Vec<String>,
}

/// A copy that was made.
#[answer]
pub struct StoreCopy {
    /// The id of the new store.
    pub store_id: String,
    /// How many records the new store has.
    pub records: u64,
    /// The fingerprint of both stores, as `store.state_hash` computes it.
    pub state_hash: String,
}

/// What `store.info` says about a store.
#[answer]
pub struct StoreInfo {
    /// The id that the store got when it was created.
    pub store_id: String,
    /// Where the store keeps its records.
    pub kind: StoreKind,
    /// How many processes have the store open, this one included.
    pub processes: u64,
    /// The number of the last commit.
    pub last_commit: u64,
    /// The version of this library.
    pub version: String,
    /// The last jump of the system's clock, and whether the jump is held back; absent when the
    /// clock has not jumped (R-QTA-13).
    pub clock_jump: Option<ClockJump>,
    /// Large accounts that were deleted and are being erased step by step, at most 100; absent when
    /// there are none (R-QTA-16).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erasing: Vec<ErasedAccount>,
    /// Packages and roles that were deleted and are being replaced step by step in the records that
    /// use them, at most 100; absent when there are none (R-QTA-16).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replacing: Vec<ReplacedEverywhere>,
}

/// Where a store keeps its records.
#[answer]
pub enum StoreKind {
    /// In the memory of this process.
    Memory,
    /// In a folder, for one process.
    Folder,
    /// In an SQLite file, for any number of processes of one machine.
    Sqlite,
    /// In a PostgreSQL database, for any number of processes on any number of machines.
    Postgresql,
}

/// The progress of replacing a deleted package or role wherever it is used. All other calls already
/// answer as if the replacement were complete.
#[answer]
pub struct ReplacedEverywhere {
    /// Whether a package or a role was deleted.
    pub kind: Replaceable,
    /// The package or role that was deleted.
    pub id: Id,
    /// The package or role that takes its place.
    pub replaced_by: Id,
    /// When the deletion began, in unix milliseconds.
    pub deleted_at_ms: u64,
    /// How many records have been updated so far.
    pub records: u64,
}

/// The progress of erasing a deleted account.
#[answer]
pub struct ErasedAccount {
    /// The account.
    pub account: Id,
    /// When the deletion began, in unix milliseconds.
    pub deleted_at_ms: u64,
    /// How many accounts have been erased so far, of this account and the accounts below it.
    pub accounts: u64,
    /// How many users have been erased with them.
    pub users: u64,
}

/// What the verification found.
#[answer]
#[schemars(extend("x-yes" = "whole"))]
pub struct StoreVerification {
    /// Whether every record is undamaged and agrees with the others.
    pub whole: bool,
    /// How many records there are.
    pub records: u64,
    /// How many bytes the records have.
    pub bytes: u64,
    /// The number of the last commit.
    pub last_commit: u64,
    /// The findings as one line of text each, at most 100.
    pub damaged: Vec<String>,
    /// What is damaged or does not agree, at most 100. If a record cannot be read from the disk,
    /// only such records are named: the others cannot be compared with each other then.
    pub findings: Vec<StoreFinding>,
}

/// Something in the store that is damaged, or does not agree with the rest.
#[answer]
pub struct StoreFinding {
    /// What is wrong.
    pub kind: StoreFindingKind,
    /// The kind of the record, index line or count that is wrong, as the lines of a backup name it;
    /// absent if it is of no known kind.
    pub record: Option<String>,
    /// The parts of its key, as the lines of a backup have them.
    pub key: Vec<String>,
    /// What is wrong with it, in a sentence.
    pub message: String,
    /// What to do about it.
    pub remedy: StoreRemedy,
}

/// What is wrong with a record, an index line or a count.
#[answer]
pub enum StoreFindingKind {
    /// A record cannot be read.
    UnreadableRecord,
    /// A key is not one that a store has.
    UnknownKey,
    /// A record needs another one, which does not exist.
    MissingRecord,
    /// A record contradicts others, or itself.
    Contradiction,
    /// An index line is missing that follows from a record.
    MissingLine,
    /// An index line follows from no record.
    SuperfluousLine,
    /// An index line holds another value than the one that follows from its record.
    WrongLine,
    /// A count differs from what there is to count.
    WrongCount,
}

/// What to do about a finding.
#[answer]
pub enum StoreRemedy {
    /// Call `store.repair`: the right value follows from the records.
    Repair,
    /// Restore a backup, and keep the damaged store: nothing else in the store says what is right.
    RestoreBackup,
}

/// What a repair did; in a dry run, what it would do.
#[answer]
#[schemars(extend("x-yes" = "whole"))]
pub struct StoreRepair {
    /// Whether the store is whole now: `store.verify` finds nothing.
    pub whole: bool,
    /// How many index lines and counts were repaired; in a dry run, how many of those that are
    /// found now would be repaired. What is repaired can bring further ones to light, such as the
    /// count of index lines that were missing.
    pub repaired_count: u64,
    /// The first of them, at most 100.
    pub repaired: Vec<StoreFinding>,
    /// What cannot be repaired, at most 100.
    pub remaining: Vec<StoreFinding>,
}

/// The fingerprint of a store.
#[answer]
pub struct StoreStateHash {
    /// SHA-256 over all keys and values in order, in hexadecimal.
    pub state_hash: String,
    /// How many records the fingerprint covers.
    pub records: u64,
}
