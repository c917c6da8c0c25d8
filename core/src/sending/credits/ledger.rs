//! The ledger of an account and channel: its entries, which are only ever added, and what
//! expires of grants.

use crate::access::request::Ctx;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{
    Actor, Channel, Count, CreditEntry, CreditHead, CreditKind, CreditPart, CreditTotals, Id,
};
use crate::rules::credit::Rank;

/// How many grants are read at once.
pub(super) const STEP: usize = 32;

/// A ledger that an operation works with: what has expired by now is entered.
pub(crate) struct OpenLedger {
    pub(crate) account: Id,
    pub(crate) channel: Channel,
    pub(crate) head: CreditHead,
}

impl OpenLedger {
    pub(crate) fn open(
        ctx: &mut Ctx<'_>,
        account: &Id,
        channel: Channel,
    ) -> Result<OpenLedger, Error> {
        let head = ctx
            .tx
            .get(&keys::credit_head(account, channel))?
            .unwrap_or_default();
        let mut ledger = OpenLedger {
            account: account.clone(),
            channel,
            head,
        };
        ledger.expire(ctx)?;
        Ok(ledger)
    }

    /// Enters what has expired by now.
    pub(super) fn expire(&mut self, ctx: &mut Ctx<'_>) -> Result<(), Error> {
        let (from, until) = keys::credits_expired(&self.account, self.channel, ctx.now_ms);
        for (key, ()) in ctx.tx.range::<()>(&from, &until, usize::MAX)? {
            let (expires_at_ms, grant, group) =
                keys::credit_expiry_at(&key).ok_or_else(|| broken(&key))?;
            let rank = self.rank_of(ctx, grant)?;
            let amount = self.left_of(ctx, group.as_ref(), &rank)?;
            self.lower(ctx, group.as_ref(), &rank, amount)?;
            let entry = CreditEntry {
                by: Actor::System.label(),
                at_ms: expires_at_ms,
                ..self.entry(ctx, CreditKind::Expired, amount)
            };
            self.append(
                ctx,
                CreditEntry {
                    parts: vec![CreditPart {
                        grant,
                        amount,
                        group,
                    }],
                    ..entry
                },
            )?;
        }
        Ok(())
    }

    /// An entry to be appended.
    pub(crate) fn entry(&self, ctx: &Ctx<'_>, kind: CreditKind, amount: u64) -> CreditEntry {
        CreditEntry {
            account: self.account.clone(),
            channel: self.channel,
            entry: self.head.entries + 1,
            kind,
            amount,
            balance: 0,
            totals: CreditTotals::default(),
            parts: Vec::new(),
            group: None,
            other: None,
            spend: None,
            reason: None,
            reference: None,
            priority: None,
            expires_at_ms: None,
            granted_at_ms: None,
            from_grant: None,
            key: None,
            by: ctx.actor.label(),
            at_ms: ctx.now_ms,
        }
    }

    /// Adds an entry to the ledger.
    pub(crate) fn append(
        &mut self,
        ctx: &mut Ctx<'_>,
        mut entry: CreditEntry,
    ) -> Result<CreditEntry, Error> {
        let balance = match entry.kind.adds() {
            Some(true) => self.head.balance.checked_add(entry.amount),
            Some(false) => self.head.balance.checked_sub(entry.amount),
            None => Some(self.head.balance),
        };
        let told = balance.zip(self.head.totals.and(entry.kind, entry.amount));
        // No operation takes more than there is: what is left to refuse is a number that no
        // language could tell.
        let too_many = || {
            Error::invalid(
                "/amount",
                format!(
                    "An account can get and spend at most {} credits; name a smaller `amount`.",
                    Count::MAX
                ),
            )
        };
        (entry.balance, entry.totals) = told.ok_or_else(too_many)?;
        // Entered later than it came about, or with a clock that stepped back, it still does not
        // come before what was entered earlier.
        entry.at_ms = entry.at_ms.max(self.head.at_ms);
        self.head = CreditHead {
            entries: entry.entry,
            balance: entry.balance,
            totals: entry.totals,
            at_ms: entry.at_ms,
        };
        ctx.tx
            .put(keys::credit_head(&self.account, self.channel), &self.head)?;
        ctx.tx.put(
            keys::credit_entry(&self.account, self.channel, entry.entry),
            &entry,
        )?;
        Ok(entry)
    }

    /// Adds an entry that is a grant; all of it is free.
    pub(crate) fn bring_in(
        &mut self,
        ctx: &mut Ctx<'_>,
        entry: CreditEntry,
    ) -> Result<CreditEntry, Error> {
        let entry = self.append(ctx, entry)?;
        let rank = Rank::of(&entry)
            .ok_or_else(|| Error::internal("This is a defect to report: a grant has no terms."))?;
        self.raise(ctx, None, &rank, entry.amount)?;
        Ok(entry)
    }

    /// How many entries were made before an instant, and what they sum up to. A ledger may be long:
    /// the last of them is found by halving.
    pub(super) fn before(
        &self,
        ctx: &mut Ctx<'_>,
        at_ms: u64,
    ) -> Result<(u64, CreditTotals), Error> {
        if self.head.at_ms < at_ms {
            return Ok((self.head.entries, self.head.totals));
        }
        let (mut before, mut after) = (0, self.head.entries);
        let mut totals = CreditTotals::default();
        while after.saturating_sub(before) > 1 {
            let middle = before + (after - before) / 2;
            let entry = self.entry_at(ctx, middle)?;
            if entry.at_ms < at_ms {
                (before, totals) = (middle, entry.totals);
            } else {
                after = middle;
            }
        }
        Ok((before, totals))
    }

    pub(super) fn read(&self, ctx: &mut Ctx<'_>, entry: u64) -> Result<Option<CreditEntry>, Error> {
        ctx.tx
            .get(&keys::credit_entry(&self.account, self.channel, entry))
    }

    /// An entry that is there.
    pub(super) fn entry_at(&self, ctx: &mut Ctx<'_>, entry: u64) -> Result<CreditEntry, Error> {
        let missing = || {
            Error::corrupt(format!(
                "The ledger of `{}` has no entry {entry}; restore a backup.",
                self.account
            ))
        };
        self.read(ctx, entry)?.ok_or_else(missing)
    }

    /// The entry that made a grant.
    pub(super) fn grant(&self, ctx: &mut Ctx<'_>, grant: u64) -> Result<CreditEntry, Error> {
        self.read(ctx, grant)?.ok_or_else(|| {
            Error::corrupt(format!(
                "The ledger of `{}` has no grant {grant}; restore a backup.",
                self.account
            ))
        })
    }

    pub(super) fn rank_of(&self, ctx: &mut Ctx<'_>, grant: u64) -> Result<Rank, Error> {
        let entry = self.grant(ctx, grant)?;
        Rank::of(&entry).ok_or_else(|| {
            Error::corrupt(format!(
                "The entry {grant} of `{}` is no grant; restore a backup.",
                self.account
            ))
        })
    }
}

pub(crate) fn broken(key: &[u8]) -> Error {
    Error::corrupt(format!(
        "The key `{}` is not one of credits; restore a backup.",
        key.escape_ascii()
    ))
}

/// How many credits an account has, reserves of groups included.
pub(crate) fn balance(ctx: &mut Ctx<'_>, account: &Id, channel: Channel) -> Result<u64, Error> {
    Ok(OpenLedger::open(ctx, account, channel)?.head.balance)
}

/// What became of an account's credits from an instant on and before another (R-ACC-7).
pub(crate) fn totals_within(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    from_ms: u64,
    until_ms: u64,
) -> Result<CreditTotals, Error> {
    let ledger = OpenLedger::open(ctx, account, channel)?;
    Ok(ledger
        .before(ctx, until_ms)?
        .1
        .since(ledger.before(ctx, from_ms)?.1))
}
