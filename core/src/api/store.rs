//! The store itself: its id and version, its verification, and a fingerprint of all that it holds:
//! requests and answers.

use crate::model::{ClockJump, Count, Id, Replaceable, StorePath};
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

/// Copies the store to another place, where a store of the same kind or another begins: as it is at
/// one instant, while others go on. So a store moves from a folder into SQLite, into PostgreSQL or
/// back, and so a backup is made, which is opened like any other store.
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

/// How far something else has been put in the place of a package or role that was deleted. Every
/// answer is as if all of it were done.
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

/// How far an account that was deleted is erased.
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
