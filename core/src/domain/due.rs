//! What becomes due by itself: an account gets another package (R-PKG-6), a reservation expires
//! (R-QTA-5). And what the clock has to tell (R-QTA-13): it is told before anything else.
//!
//! No thread waits for it. Every call looks at the clock first, where anything is scheduled at all,
//! and carries out what is due before it does anything else: nobody sees the state before. Until
//! somebody calls, nobody can tell the difference.
//!
//! What is remembered for a time is not among it: whoever looks something up compares its instant
//! with the clock. It is erased [beside the calls](crate::kernel::background), a part at a time.

use crate::access::request::Ctx;
use crate::access::state::Engine;
use crate::domain::{accounts, pruning, reservations};
use crate::error::Error;
use crate::kernel::{due, keys};
use crate::model::{Actor, ClockJump, ClockRecord, Id, OutboxKind, OutboxMessage};
use crate::tables::idempotency;
use std::sync::atomic::Ordering;

/// How many accounts are carried out in one commit.
const BATCH: usize = 500;
/// How many records are forgotten in one commit.
pub(crate) const FORGOTTEN_AT_ONCE: usize = 256;
/// What the audit calls it.
const OPERATION: &str = "schedule";

impl Engine {
    /// Carries out what is due by now. One load where nothing is scheduled.
    #[inline]
    pub(crate) fn carry_out_due(&self) -> Result<(), Error> {
        if self.has_due() {
            self.carry_out()
        } else {
            Ok(())
        }
    }

    /// Whether something is due by now, which a write of the store carries out.
    #[inline]
    pub(crate) fn has_due(&self) -> bool {
        let next_ms = self.kernel.clock.next_due_ms.load(Ordering::Acquire);
        next_ms != due::NEVER && self.kernel.clock.now_ms() >= next_ms
    }

    #[cold]
    fn carry_out(&self) -> Result<(), Error> {
        // What can only be read is read as it is.
        if self.kernel.is_poisoned() || self.kernel.is_shut() {
            return Ok(());
        }
        let _alone = self.kernel.writer.lock();
        if let Some((record, unreported)) = self.kernel.clock.news() {
            self.commit(&Actor::System, None, |ctx| {
                tell_of_clock(ctx, &record, unreported)
            })?;
            self.kernel.clock.is_known(record, unreported);
        }
        loop {
            let committed = self.commit(&Actor::System, Some(OPERATION), carry_out_some)?;
            // Not synced by itself where nothing comes back and nobody is to be told: what a power
            // loss takes back is due again at the next opening.
            let more = if committed.returned.is_empty() && committed.lowered.is_empty() {
                committed.answer
            } else {
                self.complete(committed)?
            };
            if !more {
                break;
            }
        }
        self.kernel.clock.next_due_ms.store(
            due::first(&mut self.kernel.tx(), keys::DUE)?,
            Ordering::Release,
        );
        Ok(())
    }

    /// Erases a part of what is to be forgotten by now. Not synced by itself: what a power loss
    /// takes back is forgotten once more.
    pub(crate) fn forget_some(&self) -> Result<(), Error> {
        let _alone = self.kernel.writer.lock();
        self.commit(&Actor::System, Some(OPERATION), forget_some)?;
        let next_ms = due::first(&mut self.kernel.tx(), keys::FORGET)?;
        self.background.next_ms.store(next_ms, Ordering::Release);
        Ok(())
    }
}

/// Keeps what is known of the clock, and tells the host of a jump (R-QTA-13).
fn tell_of_clock(
    ctx: &mut Ctx<'_>,
    record: &ClockRecord,
    jump: Option<ClockJump>,
) -> Result<(), Error> {
    ctx.tx.put(keys::clock(), record)?;
    match jump {
        Some(_) => ctx.enqueue_message(&OutboxMessage {
            jump,
            ..OutboxMessage::about(OutboxKind::ClockJumped, None, ctx.now_ms)
        }),
        None => Ok(()),
    }
}

/// Carries out a part of what is due; whether there may be more.
fn carry_out_some(ctx: &mut Ctx<'_>) -> Result<bool, Error> {
    let (from, _) = keys::range(keys::DUE, &[]);
    let until = keys::due_after(keys::DUE, ctx.now_ms);
    let rows = ctx
        .tx
        .range::<serde::de::IgnoredAny>(&from, &until, BATCH)?;
    let more = rows.len() == BATCH;
    for (key, _) in rows {
        ctx.tx.delete(key.clone());
        let Some(account) = keys::part(&key, 2).and_then(|id| Id::new(id).ok()) else {
            continue;
        };
        match (keys::part(&key, 3), keys::last_id(&key)) {
            (Some(_), Some(reservation)) => reservations::expire(ctx, &account, &reservation)?,
            _ => accounts::package::take_next_package(ctx, &account)?,
        }
    }
    Ok(more)
}

/// Forgets a part of what is to be forgotten.
fn forget_some(ctx: &mut Ctx<'_>) -> Result<(), Error> {
    let (from, _) = keys::range(keys::FORGET, &[]);
    let until = keys::due_after(keys::FORGET, ctx.now_ms);
    let rows = ctx
        .tx
        .range::<serde::de::IgnoredAny>(&from, &until, FORGOTTEN_AT_ONCE)?;
    for (key, _) in rows {
        ctx.tx.delete(key.clone());
        if keys::meters::is_pruning(&key) {
            pruning::clear_some(ctx)?;
            continue;
        }
        let Some(account) = keys::part(&key, 2).and_then(|id| Id::new(id).ok()) else {
            continue;
        };
        match (
            keys::part(&key, 3),
            keys::part(&key, 4),
            keys::last_id(&key),
        ) {
            (Some(actor), Some(_), Some(name)) => {
                idempotency::forget(&mut ctx.tx, &account, actor, &name)
            }
            (Some(_), None, Some(reservation)) => {
                reservations::forget(ctx, &account, &reservation)?
            }
            _ => {}
        }
    }
    Ok(())
}
