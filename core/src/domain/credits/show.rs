//! What an account has of credits, and the entries of its ledger.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::credits::{
    Balance, CreditBalance, CreditChannel, CreditGroup, CreditLedger, CreditLeft, CreditOrder,
    Ledger,
};
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::page::page_size;
use crate::model::{Channel, Count, CreditBucket, CreditEntry, Id};
use crate::sending::credits::{OpenLedger, broken};
use crate::tables::{accounts, groups};

/// Most groups, and most grants, that one answer lists.
const MOST_LISTED: usize = 500;

impl Operation for Balance {
    type Answer = CreditBalance;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditBalance, Error> {
        let Balance {
            account,
            channel,
            group,
        } = self;
        accounts::load(&mut ctx.tx, &account, "/account")?;
        if let Some(group) = &group {
            groups::load(&mut ctx.tx, &account, group, "/group")?;
        }
        let mut channels = Vec::new();
        for of in Channel::ALL
            .into_iter()
            .filter(|of| channel.is_none_or(|channel| channel == *of))
        {
            channels.push(balance_of(ctx, &account, of, group.as_ref())?);
        }
        Ok(CreditBalance { account, channels })
    }
}

fn balance_of(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    group: Option<&Id>,
) -> Result<CreditChannel, Error> {
    let ledger = OpenLedger::open(ctx, account, channel)?;
    let mut answer = CreditChannel {
        channel,
        total: ledger.head.balance,
        free: ledger.bucket(ctx, None)?.left,
        groups: Vec::new(),
        grants: Vec::new(),
        complete: true,
    };
    let (from, until) = match group {
        Some(group) => {
            let CreditBucket { left, spent } = ledger.bucket(ctx, Some(group))?;
            answer.groups.push(CreditGroup {
                group: group.clone(),
                reserve: left,
                spent,
            });
            keys::credit_parts(account, channel, Some(group))
        }
        None => {
            let (from, until) = keys::credit_reserves(account, channel);
            for (key, CreditBucket { left, spent }) in
                ctx.tx.range(&from, &until, MOST_LISTED + 1)?
            {
                let group = keys::last_id(&key).ok_or_else(|| broken(&key))?;
                answer.groups.push(CreditGroup {
                    group,
                    reserve: left,
                    spent,
                });
            }
            keys::all_credit_parts(account, channel)
        }
    };
    for (key, left) in ctx.tx.range::<u64>(&from, &until, MOST_LISTED + 1)? {
        let (group, rank) = keys::credit_part_at(&key).ok_or_else(|| broken(&key))?;
        answer.grants.push(CreditLeft {
            grant: rank.grant(),
            group,
            left,
            priority: rank.priority(),
            expires_at_ms: rank.expires_at_ms(),
            granted_at_ms: rank.granted_at_ms(),
        });
    }
    answer.complete = answer.groups.len() <= MOST_LISTED && answer.grants.len() <= MOST_LISTED;
    answer.groups.truncate(MOST_LISTED);
    answer.grants.truncate(MOST_LISTED);
    Ok(answer)
}

impl Operation for Ledger {
    type Answer = CreditLedger;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditLedger, Error> {
        let size = page_size(self.limit)?;
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let ledger = OpenLedger::open(ctx, &self.account, self.channel)?;
        let (most, last) = (size as u64, ledger.head.entries);
        let after = self.after.map(Count::get);
        // Numbers have no gaps: a page is a range of them, from the first until the second.
        let newest = self.order.unwrap_or_default() == CreditOrder::Newest;
        let (from, until) = if newest {
            let until = after.map_or(last + 1, |after| after.min(last + 1));
            (until.saturating_sub(most).max(1), until)
        } else {
            let from = after.map_or(1, |after| after.min(last) + 1);
            (from, from.saturating_add(most).min(last + 1))
        };
        let span =
            [from, until].map(|entry| keys::credit_entry(&self.account, self.channel, entry));
        let [first, end] = &span;
        let mut entries: Vec<CreditEntry> = ctx
            .tx
            .range(first, end, size)?
            .into_iter()
            .map(|(_, entry)| entry)
            .collect();
        if newest {
            entries.reverse();
        }
        let more = if newest { from > 1 } else { until <= last };
        let next = if more {
            entries.last().map(|entry| entry.entry)
        } else {
            None
        };
        Ok(CreditLedger { entries, next })
    }
}
