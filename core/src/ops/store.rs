//! The store itself: what it is, whether it is whole, and a fingerprint of all it holds.

use super::Operation;
use crate::engine::Ctx;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::ClockJump;
use crate::tables::check::check;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tenantry_store::Order;

/// Most places that are told.
const MOST_DAMAGED: usize = 100;

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

impl Operation for Info {
    type Answer = StoreInfo;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreInfo, Error> {
        let backend = &ctx.engine.kernel.backend;
        Ok(StoreInfo {
            store_id: backend.store_id(),
            last_commit: backend.last_commit(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            clock_jump: ctx.engine.kernel.clock.last_jump(),
        })
    }
}

impl Operation for Verify {
    type Answer = StoreVerification;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreVerification, Error> {
        let mut found = ctx.engine.kernel.backend.verify()?;
        // What is damaged cannot be looked up; then that alone is told.
        if found.damaged.is_empty() {
            found.damaged = check(ctx.tx.reads().clone(), MOST_DAMAGED)?;
        }
        Ok(StoreVerification {
            whole: found.damaged.is_empty(),
            records: found.records,
            bytes: found.bytes,
            last_commit: found.last_commit,
            damaged: found.damaged,
        })
    }
}

impl Operation for StateHash {
    type Answer = StoreStateHash;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreStateHash, Error> {
        const STEP: usize = 1000;
        let mut hash = Sha256::new();
        let mut records = 0;
        let (mut from, until) = (keys::FIRST.to_vec(), vec![0x7f]);
        loop {
            let rows = ctx
                .tx
                .reads()
                .range(&from, &until, Order::Ascending, STEP)?;
            for (key, record) in &rows {
                for part in [key, &record.value] {
                    hash.update((part.len() as u64).to_le_bytes());
                    hash.update(part);
                }
                records += 1;
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => break,
            }
        }
        Ok(StoreStateHash {
            state_hash: hash
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            records,
        })
    }
}
