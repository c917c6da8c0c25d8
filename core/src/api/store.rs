//! The store itself: its id and version, its verification, and a fingerprint of all that it holds:
//! requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/store.md"))]

use crate::model::{ClockJump, Count, FilePath, Id, Replaceable, StorePath};
use tenantry_macros::{answer, request};

/// Reads what the store is and who has it open, its id, its last commit, and the version of the
/// library.
#[request]
pub struct Info {}

/// Verifies the store: it reads and checks every record, and checks that the records agree with
/// each other in their indexes, counts and references.
#[request]
pub struct Verify {}

/// Computes a fingerprint of every record: two stores that went through the same operations have
/// the same fingerprint.
///
/// Quota blocks that were drawn ahead are stored too, so that the same sends give the same
/// fingerprint only if they were asked for in the same calls.
#[request]
pub struct StateHash {}

/// Copies the store, as it is at one instant, into a new store of the same or another kind, while
/// other calls continue. Use it for a backup, which is opened like any other store, or to move
/// between a folder, SQLite and PostgreSQL.
///
/// What this process has drawn ahead and not used counts as used in the copy, at most 2 % of a
/// limit. The key of the tokens is copied along, unless the host gave it with `token_key`; into
/// PostgreSQL it is not: open the copy with the bytes of the key file as `token_key`. A copy that
/// was cut off cannot be opened.
#[request]
pub struct Copy {
    /// Where the copy is made: a folder, `sqlite:` and a file, or `postgresql://` and a database.
    /// There must be no store yet.
    pub to: StorePath,
}

/// Writes a backup: all that the store holds at one instant, while others go on, in one file of
/// JSON lines that is also an export for other programs (docs/backup-file.md says what is in it).
///
/// The file has its name once all of it is durable, and takes the place of no other. Until then it
/// lies under the name that ends in `.part`, where its length shows how far it is, and where the
/// next attempt begins anew after a crash. It holds the hashes of all passwords, and the key of the
/// tokens unless the host gave that with `token_key`: keep it as safe as the store. What this
/// process has drawn ahead and not used counts as used in it, at most 2 % of a limit.
#[request]
pub struct Backup {
    /// The file, in a folder that is there. There must be no such file yet.
    pub to: FilePath,
}

/// A backup that was written.
#[answer]
pub struct StoreBackup {
    /// The id of the store that it is of.
    pub store_id: String,
    /// The last commit that it holds.
    pub last_commit: u64,
    /// How many records it holds.
    pub records: u64,
    /// How many bytes the file has.
    pub bytes: u64,
    /// The fingerprint of what it holds, as `store.state_hash` computes it.
    pub state_hash: String,
}

/// Makes a store of a backup, at a place where there is none: whichever store is asked, only the
/// file is read. The file is checked before anything is made, and the records after that: a backup
/// that is cut or damaged is refused, and so is one whose records do not fit each other.
///
/// An attempt that was cut off is begun anew by the next one.
#[request]
pub struct Restore {
    /// The file that `store.backup` has written.
    pub backup: FilePath,
    /// Where the store is made: a folder, `sqlite:` and a file, or `postgresql://` and a database.
    /// There must be no store yet.
    pub to: StorePath,
    /// Whether somebody has changed the file on purpose: then the records are checked, and the
    /// fingerprint may differ.
    #[serde(default)]
    pub edited: bool,
}

/// Computes what takes how much room: it reads every record.
#[request]
pub struct Stats {}

/// What the store holds, and what that takes.
#[answer]
pub struct StoreStats {
    /// How many records there are, index lines and counts included.
    pub records: u64,
    /// How many bytes their keys and values have.
    pub bytes: u64,
    /// What the files take of the disk, in bytes; 0 in memory.
    pub disk_bytes: u64,
    /// How many bytes are left on that disk; absent in memory.
    pub free_bytes: Option<u64>,
    /// How many accounts are in the memory of this process.
    pub cached_accounts: u64,
    /// How many reservations are open.
    pub open_reservations: u64,
    /// How many messages the outbox holds, whether or not they were acknowledged.
    pub outbox_messages: u64,
    /// How many of the messages are still to be given to the consumer that has been given the
    /// fewest; all of them where there is no consumer.
    pub outbox_backlog: u64,
    /// Each kind of record that there is, those that take the most bytes first.
    pub kinds: Vec<StoreKindStats>,
}

/// What the records of one kind take.
#[answer]
pub struct StoreKindStats {
    /// The kind, as in the lines of a backup.
    pub kind: String,
    /// How many records there are.
    pub records: u64,
    /// How many bytes their keys and values have.
    pub bytes: u64,
}

/// Reads what is counted of this process and of the store, as OpenMetrics text for a monitor to
/// fetch. Nothing of it names an account or a person.
///
/// Calls and refusals are those of operations since the store was opened here. Prepared calls and
/// decisions from memory are not counted one by one, which would cost as much as they do; what they
/// draw from the store is.
#[request]
pub struct Metrics {}

/// What is counted.
#[answer]
pub struct StoreMetrics {
    /// The text, with the media type `application/openmetrics-text; version=1.0.0`.
    pub text: String,
}

/// Gives back to the disk what the store takes and nothing lies in. A store in SQLite is written
/// anew, for which as much room is needed once more; what other processes write waits meanwhile,
/// and is refused as `busy` after five seconds. A store in a folder cannot be compacted while it is
/// open: copy it with `store.copy`, and put the copy in its place. In memory nothing is to be done.
#[request]
pub struct Compact {}

/// What was compacted.
#[answer]
pub struct StoreCompacted {
    /// What the files took of the disk before, in bytes.
    pub bytes_before: u64,
    /// What they take now. It is not less before those who are reading have ended.
    pub bytes: u64,
}

/// Waits until the next call in every process that has the store open applies what was acknowledged
/// before this call. Only a store in PostgreSQL has to be waited for.
#[request]
pub struct Barrier {
    /// How long to wait at most, in milliseconds, at most a minute.
    pub timeout_ms: Count,
}

/// Which processes do not apply yet what was acknowledged.
#[answer]
#[schemars(extend("x-yes" = "reached"))]
pub struct StoreBarrier {
    /// Whether all of them do.
    pub reached: bool,
    /// Machine and process id of those that do not, as far as is known.
    pub behind: Vec<String>,
}

/// A copy that was made.
#[answer]
pub struct StoreCopy {
    /// The id of the new store.
    pub store_id: String,
    /// How many records it has.
    pub records: u64,
    /// The fingerprint of both stores, as `store.state_hash` computes it.
    pub state_hash: String,
}

/// What a store is and who has it open, its id, its last commit, and the version of the library.
#[answer]
pub struct StoreInfo {
    /// The id that the store got when it was created.
    pub store_id: String,
    /// What keeps the store.
    pub kind: StoreKind,
    /// How many processes have the store open, this one included.
    pub processes: u64,
    /// The number of the last commit.
    pub last_commit: u64,
    /// The version of this library.
    pub version: String,
    /// The last jump of the system's clock, and whether it is held back; absent when there was none
    /// (R-QTA-13).
    pub clock_jump: Option<ClockJump>,
    /// Large accounts that were deleted and are being erased step by step, at most 100; absent
    /// where there are none (R-QTA-16).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erasing: Vec<ErasedAccount>,
    /// Packages and roles that were deleted, of which the records that named them are written anew
    /// step by step, at most 100; absent where there are none (R-QTA-16).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replacing: Vec<ReplacedEverywhere>,
}

/// What keeps a store.
#[answer]
pub enum StoreKind {
    /// The memory of this process.
    Memory,
    /// A folder, for one process.
    Folder,
    /// A file that SQLite keeps, for any number of processes of a machine.
    Sqlite,
    /// A PostgreSQL database, for any number of processes of any number of machines.
    Postgresql,
}

/// The progress of replacing a deleted package or role wherever it is used. Every answer is as if
/// all of it were done.
#[answer]
pub struct ReplacedEverywhere {
    /// What it was.
    pub kind: Replaceable,
    /// The package or role that was deleted.
    pub id: Id,
    /// What is in its place.
    pub replaced_by: Id,
    /// When it was deleted, in unix milliseconds.
    pub deleted_at_ms: u64,
    /// How many records were written anew so far.
    pub records: u64,
}

/// The progress of erasing a deleted account.
#[answer]
pub struct ErasedAccount {
    /// The account.
    pub account: Id,
    /// When it was deleted, in unix milliseconds.
    pub deleted_at_ms: u64,
    /// How many accounts are gone so far, of it and those below.
    pub accounts: u64,
    /// How many users went with them.
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
    /// The places where records are damaged or do not agree with each other, at most 100.
    pub damaged: Vec<String>,
}

/// The fingerprint of a store.
#[answer]
pub struct StoreStateHash {
    /// SHA-256 over all keys and values in order, in hexadecimal.
    pub state_hash: String,
    /// How many records the fingerprint covers.
    pub records: u64,
}
