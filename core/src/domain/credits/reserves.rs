//! Credits that are kept for a group, and such that are free again.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::credits::{CreditReserve, Reserve, Unreserve};
use crate::api::operation::Effect;
use crate::domain;
use crate::domain::credits::check;
use crate::error::Error;
use crate::model::{Count, CreditEntry, CreditKind, Id};
use crate::sending::credits::{OpenLedger, exhausted};
use crate::sending::idempotency;
use crate::tables::groups;

impl Operation for Reserve {
    type Answer = CreditReserve;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditReserve, Error> {
        idempotency::run_idempotent(ctx, &self, self.key.as_ref(), |ctx| {
            self.clone().carry_out(ctx)
        })
    }
}

impl Reserve {
    fn carry_out(self, ctx: &mut Ctx<'_>) -> Result<CreditReserve, Error> {
        let account = domain::groups::enter(ctx, &self.account, Effect::Write)?.id;
        let group = groups::load(&mut ctx.tx, &account, &self.group, "/group")?.id;
        check(ctx, &self.account, Some(self.amount))?;
        let mut ledger = OpenLedger::open(ctx, &account, self.channel)?;
        let (amount, free) = (self.amount.get(), ledger.bucket(ctx, None)?.left);
        if free < amount {
            return Err(exhausted(
                format!(
                    "`{account}` would keep {amount} credits for `{group}` and has {free} free \
                     ones; keep fewer."
                ),
                free,
            ));
        }
        let entry = ledger.shift(ctx, CreditKind::Reserved, &group, amount)?;
        reserve_of(ctx, &ledger, entry, group)
    }
}

impl Operation for Unreserve {
    type Answer = CreditReserve;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditReserve, Error> {
        idempotency::run_idempotent(ctx, &self, self.key.as_ref(), |ctx| {
            self.clone().carry_out(ctx)
        })
    }
}

impl Unreserve {
    fn carry_out(self, ctx: &mut Ctx<'_>) -> Result<CreditReserve, Error> {
        let account = domain::groups::enter(ctx, &self.account, Effect::Write)?.id;
        let group = groups::load(&mut ctx.tx, &account, &self.group, "/group")?.id;
        check(ctx, &self.account, self.amount)?;
        let mut ledger = OpenLedger::open(ctx, &account, self.channel)?;
        let kept = ledger.bucket(ctx, Some(&group))?.left;
        let amount = self.amount.map_or(kept, Count::get);
        if kept < amount || kept == 0 {
            return Err(exhausted(
                format!("`{group}` has {kept} credits in reserve; take back at most that many."),
                kept,
            ));
        }
        let entry = ledger.shift(ctx, CreditKind::Unreserved, &group, amount)?;
        reserve_of(ctx, &ledger, entry, group)
    }
}

fn reserve_of(
    ctx: &mut Ctx<'_>,
    ledger: &OpenLedger,
    entry: CreditEntry,
    group: Id,
) -> Result<CreditReserve, Error> {
    Ok(CreditReserve {
        channel: entry.channel,
        amount: entry.amount,
        reserve: ledger.bucket(ctx, Some(&group))?.left,
        free: ledger.bucket(ctx, None)?.left,
        account: entry.account,
        group,
    })
}
