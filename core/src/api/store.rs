//! The store itself: what it is, whether it is whole, and a fingerprint of all it holds: requests
//! and answers.

use crate::model::{ClockJump, Id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the store is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Info {}

/// Reads every record, checks it, and checks that all of them fit each other: indexes, counts, and
/// what they name.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {}

/// A fingerprint of every record: two stores that went through the same operations have the same.
///
/// Blocks drawn ahead are part of what is stored, so that equal sends give equal fingerprints only
/// when they were asked for alike.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateHash {}

/// What the store is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoreInfo {
    /// The id that it got when it was made.
    pub store_id: String,
    /// The number of the last commit.
    pub last_commit: u64,
    /// The version of this library.
    pub version: String,
    /// The last jump of the system's clock, and whether it is held back; absent where there was
    /// none (R-QTA-13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_jump: Option<ClockJump>,
    /// Large accounts that were deleted and are being erased step by step, at most 100; absent
    /// where there are none (R-QTA-16).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erasing: Vec<ErasedAccount>,
}

/// How far an account that was deleted is erased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// What checking every record found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "whole"))]
pub struct StoreVerification {
    /// Whether every record is whole and fits the others.
    pub whole: bool,
    /// How many records there are.
    pub records: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// The number of the last commit.
    pub last_commit: u64,
    /// Where records are damaged or do not fit, at most 100.
    pub damaged: Vec<String>,
}

/// The fingerprint of a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoreStateHash {
    /// SHA-256 over all keys and values in order, in hexadecimal.
    pub state_hash: String,
    /// How many records went into it.
    pub records: u64,
}
