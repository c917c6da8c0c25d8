//! The store itself: what it is, whether it is whole, and a fingerprint of all it holds.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::store::{
    ErasedAccount, Info, ReplacedEverywhere, StateHash, StoreInfo, StoreStateHash,
    StoreVerification, Verify,
};
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::replaced::Replacement;
use crate::tables::check::check;
use crate::tables::deletions::{self, Deletion};
use crate::tables::replacements;
use sha2::{Digest, Sha256};
use tenantry_store::Order;

/// Most of each kind of work under way that is told.
const MOST_TOLD: usize = 100;
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
            // Reading everything took long: what it is held against begins only now.
            found.damaged = check(ctx.engine.kernel.snapshot(), MOST_DAMAGED)?;
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
