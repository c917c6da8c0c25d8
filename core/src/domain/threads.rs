//! Threads: slots with a lease for the jobs that run at the same time (R-QTA-10).
//!
//! A worker that dies renews no more, and its slot is free once the lease has run out. Nothing
//! happens at that instant: whoever next finds the slots taken ends those that have run out, and
//! each who gets one clears a few away.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::threads::{Acquire, List, Release, Renew, SlotList};
use crate::domain::gauges;
use crate::domain::limits::{Line, reached};
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::model::{Count, Id, LimitName, Slot};
use crate::rules::account::refuse_unless_active;
use crate::sending::idempotency;
use crate::tables::accounts::account_line;
use crate::tables::slots::{Slots, at_end, end, ended_at_ms, load};
use crate::tables::{self, campaigns};

const SHORTEST_MS: u64 = 1_000;
const LONGEST_MS: u64 = 24 * 3_600_000;
/// How many slots that have run out are cleared away with each that is given: more than one, so
/// that they never pile up.
const CLEARED: usize = 2;

/// Ends one slot of an account, or of one below it, whose lease has run out; whether there was one.
fn end_expired(ctx: &mut Ctx<'_>, ancestor: &Id) -> Result<bool, Error> {
    let (from, _) = keys::range(keys::SLOT_END, &[ancestor.as_str()]);
    let until = keys::slot_ends_after(ancestor, ctx.now_ms);
    let Some((key, ())) = ctx.tx.range::<()>(&from, &until, 1)?.into_iter().next() else {
        return Ok(false);
    };
    let slot = at_end(&mut ctx.tx, &key)?.ok_or_else(|| {
        Error::corrupt(format!(
            "The index entry `{}` names no slot; restore a backup.",
            key.escape_ascii()
        ))
    })?;
    end_at_once(ctx, &slot)?;
    Ok(true)
}

/// Whether a slot was taken after now, or is kept for longer than any can be.
pub(crate) fn is_ahead(slot: &Slot, now_ms: u64) -> bool {
    slot.acquired_at_ms > now_ms || slot.expires_at_ms > now_ms.saturating_add(LONGEST_MS)
}

/// The lease of a slot has run out.
pub(crate) fn end_at_once(ctx: &mut Ctx<'_>, slot: &Slot) -> Result<(), Error> {
    let line = account_line(&mut ctx.tx, &slot.account)?;
    end(&mut ctx.tx, slot, &line)
}

fn check_life(ttl_ms: Count) -> Result<u64, Error> {
    if (SHORTEST_MS..=LONGEST_MS).contains(&ttl_ms.get()) {
        return Ok(ttl_ms.get());
    }
    Err(Error::invalid(
        "/ttl_ms",
        format!(
            "A lease lasts {SHORTEST_MS} to {LONGEST_MS} ms, not {}.",
            ttl_ms.get()
        ),
    ))
}

impl Operation for Acquire {
    type Answer = Slot;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Slot, Error> {
        idempotency::run_idempotent(ctx, &self, self.key.as_ref(), |ctx| {
            self.clone().carry_out(ctx)
        })
    }
}

impl Acquire {
    fn carry_out(self, ctx: &mut Ctx<'_>) -> Result<Slot, Error> {
        let ttl_ms = check_life(self.ttl_ms)?;
        let line = Line::load(ctx, &self.account).map_err(|error| error.at("/account"))?;
        refuse_unless_active(&line.accounts)?;
        if let Some(campaign) = &self.campaign
            && campaigns::is_stopped(&mut ctx.tx, &self.account, campaign)?
        {
            return Err(campaigns::bounce_stop(campaign).at("/campaign"));
        }
        for (level, ancestor) in line.accounts.iter().enumerate() {
            let most = line.value(level, LimitName::Threads).ceiling();
            loop {
                let taken = gauges::total(ctx, &ancestor.id, LimitName::Threads)?;
                if taken < most {
                    break;
                }
                if !end_expired(ctx, &ancestor.id)? {
                    let error = reached(LimitName::Threads, &ancestor.id, most, taken);
                    return Err(
                        match ended_at_ms(&mut ctx.tx, &ancestor.id, taken - most + 1)? {
                            Some(at_ms) => error.with("retry_at_ms", at_ms),
                            None => error,
                        },
                    );
                }
            }
        }
        for _ in 0..CLEARED {
            end_expired(ctx, &self.account)?;
        }
        gauges::claim(ctx, &line, LimitName::Threads, 1)?;
        let id = ctx.new_id(None, keys::SLOT, |id| keys::slot(&self.account, id), "slot")?;
        let slot = Slot {
            id,
            account: self.account,
            holder: self.holder,
            campaign: self.campaign,
            acquired_at_ms: ctx.now_ms,
            expires_at_ms: ctx.now_ms.saturating_add(ttl_ms),
        };
        ctx.tx.save::<Slots>(&slot)?;
        Ok(slot)
    }
}

impl Operation for Renew {
    type Answer = Slot;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Slot, Error> {
        let ttl_ms = check_life(self.ttl_ms)?;
        let (mut slot, line) = load(&mut ctx.tx, &self.account, &self.slot)?;
        refuse_unless_active(&line)?;
        slot.expires_at_ms = ctx.now_ms.saturating_add(ttl_ms);
        ctx.tx.save::<Slots>(&slot)?;
        Ok(slot)
    }
}

impl Operation for Release {
    type Answer = Slot;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Slot, Error> {
        let (slot, line) = load(&mut ctx.tx, &self.account, &self.slot)?;
        end(&mut ctx.tx, &slot, &line)?;
        Ok(slot)
    }
}

impl Operation for List {
    type Answer = SlotList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SlotList, Error> {
        tables::accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let span = keys::range(keys::SLOT_END, &[self.account.as_str()]);
        let now_ms = ctx.now_ms;
        let (slots, next) = walk(ctx, &[span], self.after.as_ref(), self.limit, |ctx, key| {
            Ok(at_end(&mut ctx.tx, key)?.filter(|slot| now_ms < slot.expires_at_ms))
        })?;
        Ok(SlotList { slots, next })
    }
}
