//! The windows of an account's own limits in which credits paid for messages.

use crate::access::request::Ctx;
use crate::error::Error;
use crate::kernel::keys;
use crate::meters::Lifted;
use crate::model::{Channel, Id, LimitName};

/// How many messages credits paid for in the windows of a limit that begin from an instant on and
/// before another, without what came back of them, then or later (R-QTA-6).
pub(crate) fn paid_in(
    ctx: &mut Ctx<'_>,
    account: &Id,
    limit: LimitName,
    from_ms: u64,
    until_ms: u64,
) -> Result<u64, Error> {
    let Some(channel) = Channel::of(limit) else {
        return Ok(0);
    };
    let [from, until] =
        [from_ms, until_ms].map(|at_ms| keys::credit_paid(account, channel, limit, at_ms));
    Ok(ctx
        .tx
        .range::<u64>(&from, &until, usize::MAX)?
        .iter()
        .map(|(_, paid)| paid)
        .sum())
}

/// The windows that were charged less for a spend; none where no send spent it.
pub(crate) fn lifted_by(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    spend: u64,
) -> Result<Option<Vec<Lifted>>, Error> {
    ctx.tx.get(&keys::credit_lifted(account, channel, spend))
}

/// What credits paid for in windows that begin after now counts in the one of now: the clock was
/// wrong (R-QTA-13).
pub(crate) fn count_future_now(
    ctx: &mut Ctx<'_>,
    account: &Id,
    limit: LimitName,
    starts_at_ms: u64,
) -> Result<(), Error> {
    let Some(channel) = Channel::of(limit) else {
        return Ok(());
    };
    let [now, from, until] = [starts_at_ms, ctx.now_ms + 1, u64::MAX]
        .map(|at_ms| keys::credit_paid(account, channel, limit, at_ms));
    let mut moved = 0;
    for (key, paid) in ctx.tx.range::<u64>(&from, &until, usize::MAX)? {
        moved += paid;
        ctx.tx.delete(key);
    }
    if moved == 0 {
        return Ok(());
    }
    let paid: u64 = ctx.tx.get(&now)?.unwrap_or(0);
    ctx.tx.put(now, &(paid + moved))
}

/// Of what a spend paid for so much did not go out.
pub(super) fn unpay(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    spend: u64,
    amount: u64,
) -> Result<(), Error> {
    for (limit, starts_at_ms) in lifted_by(ctx, account, channel, spend)?.unwrap_or_default() {
        let [first, own, next] = [0, starts_at_ms, starts_at_ms.saturating_add(1)]
            .map(|at_ms| keys::credit_paid(account, channel, limit, at_ms));
        let counted = match ctx.tx.get::<u64>(&own)? {
            Some(paid) => Some((own, paid)),
            // A window of the future has moved into the last one before it.
            None => ctx.tx.range::<u64>(&first, &next, usize::MAX)?.pop(),
        };
        if let Some((key, paid)) = counted {
            ctx.tx.put(key, &paid.saturating_sub(amount))?;
        }
    }
    Ok(())
}
