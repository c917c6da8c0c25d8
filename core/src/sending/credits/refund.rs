//! What was spent comes back, to the grants that paid.

use crate::access::request::Ctx;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{Channel, CreditEntry, CreditKind, CreditPart, Id};
use crate::rules::credit::give_back;
use crate::sending::credits::ledger::OpenLedger;
use crate::sending::credits::lifted::unpay;

/// Gives back a part of what was spent, to the grants that paid; once (R-CRD-2).
pub(crate) fn refund(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    spend: u64,
    amount: u64,
) -> Result<CreditEntry, Error> {
    ctx.require_credits(Some(account), "/amount")?;
    let (spent, before) = spent(ctx, account, channel, spend)?;
    let left = spent.amount.saturating_sub(before);
    if amount > left {
        let error = Error::new(
            Code::RefundExceeded,
            format!("`amount` can be at most {left}: {before} credits are refunded already."),
        );
        return Err(error.at("/amount").with("left", left));
    }
    give_back_of(ctx, account, channel, spent, before, amount)
}

/// Gives back to the grants that paid for a send, but no more than they have not got back yet;
/// answers how much that was. What the licence includes by now does not matter: they were paid
/// with.
pub(crate) fn refund_at_most(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    spend: u64,
    amount: u64,
) -> Result<u64, Error> {
    let (spent, before) = spent(ctx, account, channel, spend)?;
    let amount = amount.min(spent.amount.saturating_sub(before));
    if amount > 0 {
        give_back_of(ctx, account, channel, spent, before, amount)?;
    }
    Ok(amount)
}

/// What was spent, and how much of it came back already.
pub(crate) fn spent(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    spend: u64,
) -> Result<(CreditEntry, u64), Error> {
    let spent = OpenLedger::open(ctx, account, channel)?
        .read(ctx, spend)?
        .filter(|entry| entry.kind == CreditKind::Spent);
    let spent = spent.ok_or_else(|| Error::not_found("spend", &spend.to_string()).at("/spend"))?;
    let before: u64 = ctx
        .tx
        .get(&keys::credit_refunded(account, channel, spend))?
        .unwrap_or(0);
    Ok((spent, before))
}

fn give_back_of(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    spent: CreditEntry,
    before: u64,
    amount: u64,
) -> Result<CreditEntry, Error> {
    let mut ledger = OpenLedger::open(ctx, account, channel)?;
    ctx.tx.put(
        keys::credit_refunded(account, channel, spent.entry),
        &(before + amount),
    )?;
    unpay(ctx, account, channel, spent.entry, amount)?;
    let group = still_there(ctx, account, spent.group.as_ref())?;
    let paid: Vec<u64> = spent.parts.iter().map(|part| part.amount).collect();
    let mut parts = Vec::new();
    for (part, back) in spent
        .parts
        .iter()
        .zip(give_back(&paid, before, amount))
        .filter(|(_, back)| *back > 0)
    {
        let rank = ledger.rank_of(ctx, part.grant)?;
        let into = still_there(ctx, account, part.group.as_ref())?;
        ledger.raise(ctx, into, &rank, back)?;
        parts.push(CreditPart {
            grant: part.grant,
            amount: back,
            group: into.cloned(),
        });
    }
    if group.is_some() == spent.group.is_some() {
        let mut bucket = ledger.bucket(ctx, group)?;
        bucket.spent = bucket.spent.saturating_sub(amount);
        ledger.save_bucket(ctx, group, &bucket)?;
    }
    let entry = ledger.entry(ctx, CreditKind::Refunded, amount);
    let entry = ledger.append(
        ctx,
        CreditEntry {
            group: spent.group,
            spend: Some(spent.entry),
            parts,
            ..entry
        },
    )?;
    ledger.expire(ctx)?;
    Ok(entry)
}

/// A group, where it is still there: the reserve of one that is gone has become free.
pub(super) fn still_there<'g>(
    ctx: &mut Ctx<'_>,
    account: &Id,
    group: Option<&'g Id>,
) -> Result<Option<&'g Id>, Error> {
    match group {
        Some(group) if ctx.tx.has(&keys::group(account, group))? => Ok(Some(group)),
        _ => Ok(None),
    }
}
