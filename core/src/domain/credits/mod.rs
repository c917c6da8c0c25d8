//! Credits are granted, spent, given back and withdrawn (R-CRD-1 to R-CRD-3). The ledger that they
//! are entered in is `sending::credits`.

mod reserves;
mod show;
pub(crate) mod transfers;

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::credits::{Grant, Refund, Spend, Withdraw};
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{Count, CreditEntry, CreditKind, Id};
use crate::sending::credits::{OpenLedger, exhausted, parts_of, refund, spend, sum};
use crate::sending::idempotency;
use crate::tables::idempotency::CreditPlace;
use crate::tables::{accounts, groups};

/// The priority of a grant where none is said.
const PRIORITY: u64 = 50;
/// The largest priority.
const LAST_PRIORITY: u64 = 100;

/// Credits are of the commercial edition and of the preset `groups`: otherwise they are looked at,
/// and nothing else (R-PLT-1).
fn check(ctx: &mut Ctx<'_>, account: &Id, amount: Option<Count>) -> Result<(), Error> {
    if amount.is_some_and(|amount| amount.get() == 0) {
        return Err(Error::invalid(
            "/amount",
            "`amount` must be at least 1, not 0; name more.",
        ));
    }
    ctx.require_credits(Some(account), "/amount")
}

/// Enters what a request asks for, unless the actor asked the same with the same key before: then
/// the entry of then is the answer. The ledger keeps it for ever, and so it is remembered for ever
/// where it lies.
fn entered(
    ctx: &mut Ctx<'_>,
    request: &impl Operation<Answer = CreditEntry>,
    account: &Id,
    key: Option<&Id>,
    enter: impl FnOnce(&mut Ctx<'_>) -> Result<CreditEntry, Error>,
) -> Result<CreditEntry, Error> {
    accounts::load(&mut ctx.tx, account, "/account")?;
    let Some(key) = key else { return enter(ctx) };
    let enter = |ctx: &mut Ctx<'_>| {
        let entry = CreditEntry {
            key: Some(key.clone()),
            ..enter(ctx)?
        };
        let place = (entry.channel, entry.entry);
        ctx.tx
            .put(keys::credit_entry(account, place.0, place.1), &entry)?;
        Ok(place)
    };
    let (channel, number): CreditPlace =
        idempotency::run_idempotent_for_ever(ctx, request, Some(key), enter)?;
    let entry = ctx.tx.get(&keys::credit_entry(account, channel, number))?;
    entry.ok_or_else(|| {
        Error::corrupt(format!(
            "The ledger of `{account}` has no entry {number}; restore a backup."
        ))
    })
}

impl Operation for Grant {
    type Answer = CreditEntry;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        entered(ctx, &self, &self.account, self.key.as_ref(), |ctx| {
            self.clone().enter(ctx)
        })
    }
}

impl Grant {
    fn enter(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        check(ctx, &self.account, Some(self.amount))?;
        let priority = self.priority.map_or(PRIORITY, Count::get);
        if priority > LAST_PRIORITY {
            return Err(Error::invalid(
                "/priority",
                format!("A priority is from 0 to {LAST_PRIORITY}, not {priority}."),
            ));
        }
        let expires_at_ms = self.expires_at_ms.map(Count::get);
        if expires_at_ms.is_some_and(|end| end <= ctx.now_ms) {
            return Err(Error::invalid(
                "/expires_at_ms",
                "`expires_at_ms` is in the past; name a later time.",
            ));
        }
        let mut ledger = OpenLedger::open(ctx, &self.account, self.channel)?;
        let entry = ledger.entry(ctx, CreditKind::Granted, self.amount.get());
        let granted_at_ms = Some(ctx.now_ms);
        ledger.bring_in(
            ctx,
            CreditEntry {
                reason: Some(self.reason),
                priority: Some(priority),
                expires_at_ms,
                granted_at_ms,
                ..entry
            },
        )
    }
}

impl Operation for Spend {
    type Answer = CreditEntry;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        entered(ctx, &self, &self.account, self.key.as_ref(), |ctx| {
            self.clone().enter(ctx)
        })
    }
}

impl Spend {
    fn enter(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        check(ctx, &self.account, Some(self.amount))?;
        if let Some(group) = &self.group {
            groups::load(&mut ctx.tx, &self.account, group, "/group")?;
        }
        spend(
            ctx,
            &self.account,
            self.channel,
            self.group.as_ref(),
            self.amount.get(),
            self.reference,
        )
    }
}

impl Operation for Refund {
    type Answer = CreditEntry;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        entered(ctx, &self, &self.account, self.key.as_ref(), |ctx| {
            check(ctx, &self.account, Some(self.amount))?;
            refund(
                ctx,
                &self.account,
                self.channel,
                self.spend.get(),
                self.amount.get(),
            )
        })
    }
}

impl Operation for Withdraw {
    type Answer = CreditEntry;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        entered(ctx, &self, &self.account, self.key.as_ref(), |ctx| {
            self.clone().enter(ctx)
        })
    }
}

impl Withdraw {
    fn enter(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        check(ctx, &self.account, self.amount)?;
        let mut ledger = OpenLedger::open(ctx, &self.account, self.channel)?;
        let sources = ledger.sources(ctx, None)?;
        let wanted = self.amount.map_or(u64::MAX, Count::get);
        let taken = ledger.take(ctx, &sources, wanted, Some(None))?;
        let withdrawn = sum(&taken);
        if taken.is_empty() || self.amount.is_some_and(|wanted| wanted.get() > withdrawn) {
            return Err(exhausted(
                format!(
                    "`{}` has {withdrawn} free credits from the platform; withdraw at most that \
                     many.",
                    self.account
                ),
                withdrawn,
            ));
        }
        let entry = ledger.entry(ctx, CreditKind::Withdrawn, withdrawn);
        ledger.append(
            ctx,
            CreditEntry {
                reason: Some(self.reason),
                parts: parts_of(&taken),
                ..entry
            },
        )
    }
}
