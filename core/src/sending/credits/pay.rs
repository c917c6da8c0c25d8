//! Credits pay: how many there are to pay with, and what is spent.

use crate::access::request::Ctx;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::meters::Lifted;
use crate::model::{self, Channel, CreditEntry, CreditKind, Id};
use crate::rules::credit::give_back;
use crate::rules::send::Part;
use crate::sending::credits::buckets::parts_of;
use crate::sending::credits::ledger::{OpenLedger, broken};
use crate::sending::credits::refund::{spent, still_there};

/// How many grants are looked at to say what a send can be paid with later.
const MOST_PARTS: usize = 1000;

/// How many credits a group, or who is in none, could pay with.
pub(crate) fn payable(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
) -> Result<u64, Error> {
    let ledger = OpenLedger::open(ctx, account, channel)?;
    let sources = ledger.sources(ctx, group)?;
    ledger.payable(ctx, &sources)
}

/// What a group, or who is in none, could pay with, in the order in which it pays: what is left of
/// grants, and what would come back of open reservations that they paid for. Of very many grants
/// the last are taken for one that does not expire.
pub(crate) fn payable_parts(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
    open: &[model::Reservation],
) -> Result<Vec<Part>, Error> {
    let ledger = OpenLedger::open(ctx, account, channel)?;
    let sources = ledger.sources(ctx, group)?;
    let mut parts = Vec::new();
    for source in sources.iter().map(Option::as_ref) {
        let mut left = ledger.bucket(ctx, source)?.left;
        let (from, until) = keys::credit_parts(account, channel, source);
        for (key, amount) in ctx.tx.range::<u64>(&from, &until, MOST_PARTS)? {
            let (_, rank) = keys::credit_part_at(&key).ok_or_else(|| broken(&key))?;
            left = left.saturating_sub(amount);
            parts.push(Part {
                amount,
                from_ms: 0,
                until_ms: rank.expires_at_ms().unwrap_or(u64::MAX),
            });
        }
        parts.push(Part {
            amount: left,
            from_ms: 0,
            until_ms: u64::MAX,
        });
    }
    // What comes back to the reserve of a group that has none by now is not among the sources yet.
    let binds = ctx.policies(Some(account))?.groups;
    for reservation in open
        .iter()
        .filter(|open| open.account == *account && open.channel == channel)
    {
        let Some(paid) = reservation.credits else {
            continue;
        };
        let (spent, before) = spent(ctx, account, channel, paid.entry)?;
        let amounts: Vec<u64> = spent.parts.iter().map(|part| part.amount).collect();
        let back = give_back(&amounts, before, reservation.paid_of(reservation.count));
        for (part, amount) in spent.parts.iter().zip(back) {
            let into = still_there(ctx, account, part.group.as_ref())?;
            if binds && into.is_some() && into != group {
                continue;
            }
            let until_ms = ledger
                .rank_of(ctx, part.grant)?
                .expires_at_ms()
                .unwrap_or(u64::MAX);
            parts.push(Part {
                amount,
                from_ms: reservation.expires_at_ms,
                until_ms,
            });
        }
    }
    Ok(parts)
}

/// Pays for messages of a send. The account's own limits were charged so many less in these
/// windows, and their usage tells of it as long as it does not come back (R-QTA-6).
pub(crate) fn pay_for_send(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
    amount: u64,
    lifted: &[Lifted],
) -> Result<CreditEntry, Error> {
    let entry = spend(ctx, account, channel, group, amount, None)?;
    for (limit, starts_at_ms) in lifted {
        let key = keys::credit_paid(account, channel, *limit, *starts_at_ms);
        let paid: u64 = ctx.tx.get(&key)?.unwrap_or(0);
        ctx.tx.put(key, &(paid + amount))?;
    }
    ctx.tx
        .put(keys::credit_lifted(account, channel, entry.entry), &lifted)?;
    Ok(entry)
}

/// Pays with credits, all or nothing; the answer says which grants paid (R-CRD-2).
///
/// What it is worth for is the caller's to say: neither the package's switch nor the account's
/// status is looked at.
pub(crate) fn spend(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
    amount: u64,
    reference: Option<Id>,
) -> Result<CreditEntry, Error> {
    ctx.require_credits(Some(account), "/amount")?;
    let mut ledger = OpenLedger::open(ctx, account, channel)?;
    let sources = ledger.sources(ctx, group)?;
    let left = ledger.payable(ctx, &sources)?;
    if left < amount {
        return Err(exhausted(
            format!("`{account}` would pay {amount} credits and has {left}; ask for less."),
            left,
        ));
    }
    let parts = parts_of(&ledger.take(ctx, &sources, amount, None)?);
    let mut bucket = ledger.bucket(ctx, group)?;
    bucket.spent = bucket.spent.saturating_add(amount);
    ledger.save_bucket(ctx, group, &bucket)?;
    let entry = ledger.entry(ctx, CreditKind::Spent, amount);
    ledger.append(
        ctx,
        CreditEntry {
            group: group.cloned(),
            reference,
            parts,
            ..entry
        },
    )
}

pub(crate) fn exhausted(what: impl Into<String>, left: u64) -> Error {
    Error::new(Code::CreditsExhausted, what)
        .at("/amount")
        .with("left", left)
}
