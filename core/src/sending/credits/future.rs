//! Entries of a wrong future.

use crate::access::request::Ctx;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{Channel, CreditEntry, CreditHead, Id};
use crate::sending::credits::ledger::{OpenLedger, STEP};

/// What was entered in a wrong future counts as entered now; whether there may be more of
/// it (R-QTA-13). The earliest comes first, so that no entry ever comes before another.
pub(crate) fn undo_future(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
) -> Result<bool, Error> {
    let (key, at_ms) = (keys::credit_head(account, channel), ctx.now_ms);
    let Some(head) = ctx
        .tx
        .get::<CreditHead>(&key)?
        .filter(|head| head.at_ms > at_ms)
    else {
        return Ok(false);
    };
    let ledger = OpenLedger {
        account: account.clone(),
        channel,
        head,
    };
    let (before, _) = ledger.before(ctx, at_ms.saturating_add(1))?;
    let until = ledger.head.entries.min(before.saturating_add(STEP as u64));
    for number in before + 1..=until {
        let entry = ledger.entry_at(ctx, number)?;
        ctx.tx.put(
            keys::credit_entry(account, channel, number),
            &CreditEntry { at_ms, ..entry },
        )?;
    }
    let more = until < ledger.head.entries;
    if !more {
        ctx.tx.put(
            key,
            &CreditHead {
                at_ms,
                ..ledger.head
            },
        )?;
    }
    Ok(more)
}
