//! Credits are granted, spent, given back and withdrawn (R-CRD-1 to R-CRD-3). The ledger that they
//! are entered in is `sending::credits`.

mod reserves;
mod show;
pub(crate) mod transfers;

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::credits::{Grant, Refund, Spend, Withdraw};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{Count, CreditEntry, CreditKey, CreditKind, Id};
use crate::sending::credits::{OpenLedger, exhausted, parts_of, refund, spend, sum};
use crate::sending::idempotency;
use crate::tables::{accounts, groups};

/// The priority of a grant where none is said.
const PRIORITY: u64 = 50;
/// The largest priority.
const LAST_PRIORITY: u64 = 100;

/// Credits are of the commercial edition and of the preset `groups`: otherwise they are looked at,
/// and nothing else (R-PLT-1).
fn check(ctx: &mut Ctx<'_>, account: &Id, amount: Option<Count>) -> Result<(), Error> {
    if amount.is_some_and(|amount| amount.get() == 0) {
        return Err(Error::invalid("/amount", "`amount` is at least 1 credit."));
    }
    ctx.require_credits(Some(account), "/amount")
}

/// Carries out a request, unless the actor asked the same with the same key before: then it answers
/// what it answered then. The ledger is what remembers it, for ever.
fn entered<O: Operation<Answer = CreditEntry>>(
    ctx: &mut Ctx<'_>,
    request: O,
    key: Option<Id>,
    run: impl FnOnce(&mut Ctx<'_>, O) -> Result<CreditEntry, Error>,
) -> Result<CreditEntry, Error> {
    let (Some(key), Some(account)) = (key, request.account().cloned()) else {
        return run(ctx, request);
    };
    let fingerprint = idempotency::digest(&request)?;
    let index = keys::credit_key(&account, &ctx.actor.label(), &key);
    if let Some(before) = ctx.tx.get::<CreditKey>(&index)? {
        if before.fingerprint != fingerprint {
            return Err(Error::new(
                Code::IdempotencyMismatch,
                format!("The key `{key}` was used for another request; take a new key."),
            )
            .at("/key"));
        }
        let entry = ctx
            .tx
            .get(&keys::credit_entry(&account, before.channel, before.entry))?;
        return entry.ok_or_else(|| {
            Error::corrupt(format!(
                "The entry of the key `{key}` is gone; restore a backup."
            ))
        });
    }
    let entry = CreditEntry {
        key: Some(key),
        ..run(ctx, request)?
    };
    ctx.tx.put(
        index,
        &CreditKey {
            fingerprint,
            channel: entry.channel,
            entry: entry.entry,
        },
    )?;
    ctx.tx.put(
        keys::credit_entry(&account, entry.channel, entry.entry),
        &entry,
    )?;
    Ok(entry)
}

impl Operation for Grant {
    type Answer = CreditEntry;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let key = self.key.clone();
        entered(ctx, self, key, |ctx, request| {
            check(ctx, &request.account, Some(request.amount))?;
            let priority = request.priority.map_or(PRIORITY, Count::get);
            if priority > LAST_PRIORITY {
                return Err(Error::invalid(
                    "/priority",
                    format!("A priority is from 0 to {LAST_PRIORITY}, not {priority}."),
                ));
            }
            let expires_at_ms = request.expires_at_ms.map(Count::get);
            if expires_at_ms.is_some_and(|end| end <= ctx.now_ms) {
                return Err(Error::invalid(
                    "/expires_at_ms",
                    "`expires_at_ms` is over already; name a later time.",
                ));
            }
            let mut ledger = OpenLedger::open(ctx, &request.account, request.channel)?;
            let entry = ledger.entry(ctx, CreditKind::Granted, request.amount.get());
            let granted_at_ms = Some(ctx.now_ms);
            ledger.bring_in(
                ctx,
                CreditEntry {
                    reason: Some(request.reason),
                    priority: Some(priority),
                    expires_at_ms,
                    granted_at_ms,
                    ..entry
                },
            )
        })
    }
}

impl Operation for Spend {
    type Answer = CreditEntry;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let key = self.key.clone();
        entered(
            ctx,
            self,
            key,
            |ctx,
             Spend {
                 account,
                 channel,
                 amount,
                 group,
                 reference,
                 ..
             }| {
                check(ctx, &account, Some(amount))?;
                if let Some(group) = &group {
                    groups::load(&mut ctx.tx, &account, group, "/group")?;
                }
                spend(
                    ctx,
                    &account,
                    channel,
                    group.as_ref(),
                    amount.get(),
                    reference,
                )
            },
        )
    }
}

impl Operation for Refund {
    type Answer = CreditEntry;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let key = self.key.clone();
        entered(ctx, self, key, |ctx, request| {
            check(ctx, &request.account, Some(request.amount))?;
            refund(
                ctx,
                &request.account,
                request.channel,
                request.spend.get(),
                request.amount.get(),
            )
        })
    }
}

impl Operation for Withdraw {
    type Answer = CreditEntry;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditEntry, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let key = self.key.clone();
        entered(
            ctx,
            self,
            key,
            |ctx,
             Withdraw {
                 account,
                 channel,
                 amount,
                 reason,
                 ..
             }| {
                check(ctx, &account, amount)?;
                let mut ledger = OpenLedger::open(ctx, &account, channel)?;
                let sources = ledger.sources(ctx, None)?;
                let taken = ledger.take(
                    ctx,
                    &sources,
                    amount.map_or(u64::MAX, Count::get),
                    Some(None),
                )?;
                let withdrawn = sum(&taken);
                if taken.is_empty() || amount.is_some_and(|wanted| wanted.get() > withdrawn) {
                    return Err(exhausted(
                        format!(
                            "`{account}` has {withdrawn} free credits from the platform; withdraw \
                             no more."
                        ),
                        withdrawn,
                    ));
                }
                let entry = ledger.entry(ctx, CreditKind::Withdrawn, withdrawn);
                ledger.append(
                    ctx,
                    CreditEntry {
                        reason: Some(reason),
                        parts: parts_of(&taken),
                        ..entry
                    },
                )
            },
        )
    }
}
