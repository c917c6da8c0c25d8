//! The store itself: what it is, whether it is whole, and a fingerprint of all it holds.

mod backup;
mod compact;
mod copy;
mod file;
mod metrics;
mod new;
mod repair;
mod restore;
mod stats;
#[cfg(test)]
mod tests;

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::store::{
    Barrier, ErasedAccount, Info, ReplacedEverywhere, StateHash, StoreBarrier, StoreFinding,
    StoreFindingKind, StoreInfo, StoreKind, StoreStateHash, StoreVerification, Verify,
};
use crate::error::Error;
use crate::kernel::check::finding;
use crate::kernel::keys;
use crate::kernel::replaced::Replacement;
use crate::kernel::snapshot::Reads;
use crate::tables::check::check;
use crate::tables::deletions::{self, Deletion};
use crate::tables::replacements;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tenantry_store::{Damage, Kind, Order, Record};

/// Most of each kind of work under way that is told.
const MOST_TOLD: usize = 100;
/// The longest that is waited for other processes.
const LONGEST_BARRIER: Duration = Duration::from_secs(60);
/// Most places that are told.
const MOST_DAMAGED: usize = 100;

fn answer_of(deletion: Deletion) -> ErasedAccount {
    ErasedAccount {
        account: deletion.account,
        deleted_at_ms: deletion.began_at_ms,
        accounts: deletion.accounts,
        users: deletion.users,
    }
}

fn answer_of_replacement(replacement: Replacement) -> ReplacedEverywhere {
    ReplacedEverywhere {
        kind: replacement.kind,
        id: replacement.old,
        replaced_by: replacement.new,
        deleted_at_ms: replacement.began_at_ms,
        records: replacement.done,
    }
}

impl Operation for Info {
    type Answer = StoreInfo;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreInfo, Error> {
        let erasing = deletions::some(&mut ctx.tx, MOST_TOLD)?.into_iter();
        let replacing = replacements::some(&mut ctx.tx, MOST_TOLD)?.into_iter();
        let backend = &ctx.engine.kernel.backend;
        Ok(StoreInfo {
            erasing: erasing.map(answer_of).collect(),
            replacing: replacing.map(answer_of_replacement).collect(),
            store_id: backend.store_id(),
            kind: match backend.kind() {
                Kind::Memory => StoreKind::Memory,
                Kind::Folder => StoreKind::Folder,
                Kind::Sqlite => StoreKind::Sqlite,
                Kind::Postgres => StoreKind::Postgresql,
            },
            processes: ctx.engine.kernel.count_processes()?,
            last_commit: backend.last_commit(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            clock_jump: ctx.engine.kernel.clock.last_jump(),
        })
    }
}

impl Operation for Barrier {
    type Answer = StoreBarrier;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreBarrier, Error> {
        let most = Duration::from_millis(self.timeout_ms.get());
        if most > LONGEST_BARRIER {
            return Err(Error::invalid(
                "/timeout_ms",
                format!(
                    "`timeout_ms` must be from 0 to {}, and is {}.",
                    LONGEST_BARRIER.as_millis(),
                    most.as_millis()
                ),
            ));
        }
        let shared = ctx.engine.kernel.backend.shared();
        let behind = shared.map_or(Ok(Vec::new()), |shared| shared.barrier(most))?;
        Ok(StoreBarrier {
            reached: behind.is_empty(),
            behind,
        })
    }
}

impl Operation for Verify {
    type Answer = StoreVerification;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreVerification, Error> {
        let found = ctx.engine.kernel.backend.verify()?;
        // What is damaged cannot be looked up; then that alone is told.
        let findings: Vec<StoreFinding> = match found.damaged.is_empty() {
            // Reading everything took long: what it is held against begins only now.
            true => check(ctx.engine.kernel.snapshot(), MOST_DAMAGED)?,
            false => found.damaged.iter().map(finding_of).collect(),
        };
        Ok(StoreVerification {
            whole: findings.is_empty(),
            records: found.records,
            bytes: found.bytes,
            last_commit: found.last_commit,
            damaged: findings.iter().map(StoreFinding::text).collect(),
            findings,
        })
    }
}

/// What the store itself says is damaged.
fn finding_of(damage: &Damage) -> StoreFinding {
    let (key, message) = match damage {
        Damage::Record(key) => (
            key.as_slice(),
            "The record cannot be read: its bytes are not those that were written.".to_owned(),
        ),
        Damage::Whole(what) => (&[][..], format!("The store as a whole is damaged: {what}.")),
    };
    finding(StoreFindingKind::UnreadableRecord, key, message)
}

impl Operation for StateHash {
    type Answer = StoreStateHash;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreStateHash, Error> {
        state_hash(ctx.tx.reads())
    }
}

/// So many records are read at once.
const STEP: usize = 1000;

/// The records of a store in the order of their keys, some at a time.
fn each_step(
    reads: &Reads<'_>,
    mut step: impl FnMut(&[(Vec<u8>, Record)]) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut from, until) = (vec![0], vec![0x7f]);
    loop {
        let rows = reads.range(&from, &until, Order::Ascending, STEP)?;
        step(&rows)?;
        match rows.last() {
            Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
            _ => return Ok(()),
        }
    }
}

fn state_hash(reads: &Reads<'_>) -> Result<StoreStateHash, Error> {
    let mut hash = StateHasher::default();
    each_step(reads, |rows| {
        rows.iter()
            .for_each(|(key, record)| hash.add(key, &record.value));
        Ok(())
    })?;
    Ok(hash.finish())
}

/// A fingerprint of records that come in the order of their keys. What the store knows of itself is
/// no part of it.
#[derive(Default)]
struct StateHasher {
    hash: Sha256,
    records: u64,
}

impl StateHasher {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        if key < keys::FIRST {
            return;
        }
        for part in [key, value] {
            self.hash.update((part.len() as u64).to_le_bytes());
            self.hash.update(part);
        }
        self.records += 1;
    }

    fn finish(self) -> StoreStateHash {
        StoreStateHash {
            state_hash: keys::hex(&self.hash.finalize()),
            records: self.records,
        }
    }
}
