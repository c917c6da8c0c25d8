//! Whether what lies beside a ledger of credits is what its entries sum up to (R-CRD-1).

use crate::error::Error;
use crate::kernel::check::{Look, STEP, broken};
use crate::kernel::table::{Declared, Owner};
use crate::kernel::{Tx, keys};
use crate::model::{
    Account, AuditKind, Channel, CreditBucket, CreditEntry, CreditHead, CreditKind, CreditPart,
    CreditTotals, Id, LimitName,
};
use crate::rules::credit::Rank;
use crate::tables::idempotency::Answered;
use std::collections::BTreeMap;
use tenantry_store::Order;

pub(super) const TABLES: &[Declared] = &[Declared::plain(
    keys::CREDIT,
    Some(AuditKind::Credits),
    Owner::Account,
    |look, key, parts| match parts {
        [account, parts @ ..] => look.credits(key, account, parts),
        _ => look.no_such_key(),
    },
)];

/// A ledger: the account, and which of its two.
#[derive(Clone, Copy)]
struct Of<'a> {
    account: &'a Id,
    channel: Channel,
}

/// What the entries of a ledger sum up to, as far as they were read. What has nothing left is
/// forgotten: there is no more of it in memory than there are open grants, groups and refunded
/// spends.
#[derive(Default)]
struct Sums {
    balance: u64,
    totals: CreditTotals,
    at_ms: u64,
    /// What is left of a grant in the free balance or the reserve of a group.
    left: BTreeMap<(Option<Id>, u64), u64>,
    spent: BTreeMap<Option<Id>, u64>,
    refunded: BTreeMap<u64, u64>,
}

impl Sums {
    /// None where an entry takes what is not there, tells other sums, or comes before the last.
    fn add(&mut self, entry: &CreditEntry) -> Option<()> {
        self.balance = match entry.kind.adds() {
            Some(true) => self.balance.checked_add(entry.amount)?,
            Some(false) => self.balance.checked_sub(entry.amount)?,
            None => self.balance,
        };
        self.totals = self.totals.and(entry.kind, entry.amount)?;
        if entry.totals != self.totals || entry.at_ms < self.at_ms {
            return None;
        }
        self.at_ms = entry.at_ms;
        let is_grant = matches!(entry.kind, CreditKind::Granted | CreditKind::Received);
        let parts: u64 = entry.parts.iter().map(|part| part.amount).sum();
        if entry.balance != self.balance
            || entry.amount == 0
            || parts != if is_grant { 0 } else { entry.amount }
        {
            return None;
        }
        if is_grant {
            return self.raise((None, entry.entry), entry.amount);
        }
        for CreditPart {
            grant,
            amount,
            group,
        } in &entry.parts
        {
            let here = (group.clone(), *grant);
            match entry.kind {
                CreditKind::Reserved => {
                    self.lower((None, *grant), *amount)?;
                    self.raise((entry.group.clone(), *grant), *amount)?;
                }
                CreditKind::Unreserved => {
                    self.lower((entry.group.clone(), *grant), *amount)?;
                    self.raise((None, *grant), *amount)?;
                }
                _ if entry.kind.adds() == Some(true) => self.raise(here, *amount)?,
                _ => self.lower(here, *amount)?,
            }
        }
        match entry.kind {
            CreditKind::Spent => {
                let spent = self.spent.entry(entry.group.clone()).or_default();
                *spent = spent.checked_add(entry.amount)?;
            }
            CreditKind::Refunded => {
                let spent = self.spent.get_mut(&entry.group)?;
                *spent = spent.checked_sub(entry.amount)?;
                let refunded = self.refunded.entry(entry.spend?).or_default();
                *refunded = refunded.checked_add(entry.amount)?;
            }
            _ => {}
        }
        Some(())
    }

    fn raise(&mut self, at: (Option<Id>, u64), amount: u64) -> Option<()> {
        let left = self.left.entry(at).or_default();
        *left = left.checked_add(amount)?;
        Some(())
    }

    fn lower(&mut self, at: (Option<Id>, u64), amount: u64) -> Option<()> {
        let left = self.left.get_mut(&at)?;
        *left = left.checked_sub(amount)?;
        if *left == 0 {
            self.left.remove(&at);
        }
        Some(())
    }
}

fn number(text: &str) -> Result<u64, Error> {
    u64::from_str_radix(text, 16).map_err(|_| broken(format!("`{text}` in the key is no number.")))
}

impl Look<'_> {
    /// A record of the credits of an account.
    fn credits(&mut self, key: &[u8], account: &str, parts: &[&str]) -> Result<(), Error> {
        let account = &self.id(account)?;
        let [channel, parts @ ..] = parts else {
            return Err(broken("The key is none of a ledger."));
        };
        let channel = Channel::ALL
            .into_iter()
            .find(|known| known.name() == *channel)
            .ok_or_else(|| broken("The key names no channel."))?;
        let of = Of { account, channel };
        self.must_have(keys::credit_head(account, channel))?;
        match parts {
            ["head"] => self.ledger(of),
            ["entry", entry] => self.entry(of, number(entry)?),
            ["pocket", group] => self.bucket(of, group),
            ["part", ..] => self.credit_part(of, key),
            ["expiry", ..] => self.credit_expiry(of, key),
            ["refunded", spend] => self.credits_refunded(of, spend),
            ["lifted", spend] => self.credits_lifted(of, spend),
            ["paid", limit, starts_at_ms] => {
                self.record::<u64>()?;
                number(starts_at_ms)?;
                self.must(
                    LimitName::find(limit).and_then(Channel::of) == Some(channel),
                    "What credits paid for is kept for a limit that the channel does not have.",
                );
                Ok(())
            }
            _ => Err(broken("The key is none of a ledger.")),
        }
    }

    /// What is left of a grant in the free balance or the reserve of a group.
    fn credit_part(&mut self, Of { account, channel }: Of<'_>, key: &[u8]) -> Result<(), Error> {
        let (group_id, rank) =
            keys::credit_part_at(key).ok_or_else(|| broken("The key names no grant."))?;
        self.must(
            keys::credit_part(account, channel, group_id.as_ref(), &rank) == key,
            "The key is not that of the group and the grant that it names.",
        );
        let left: u64 = self.record()?;
        let granted: Option<CreditEntry> =
            self.tx
                .get(&keys::credit_entry(account, channel, rank.grant()))?;
        self.must(
            left > 0 && granted.as_ref().and_then(Rank::of) == Some(rank),
            "What is left of a grant belongs to no grant, or to one on other terms.",
        );
        self.must_have(keys::credit_bucket(account, channel, group_id.as_ref()))?;
        match rank.expires_at_ms() {
            Some(at_ms) => self.must_have(keys::credit_expiry(
                account,
                channel,
                at_ms,
                rank.grant(),
                group_id.as_ref(),
            )),
            None => Ok(()),
        }
    }

    /// When what is left of a grant expires.
    fn credit_expiry(&mut self, Of { account, channel }: Of<'_>, key: &[u8]) -> Result<(), Error> {
        let (at_ms, grant, group) =
            keys::credit_expiry_at(key).ok_or_else(|| broken("The key names no grant."))?;
        self.must(
            keys::credit_expiry(account, channel, at_ms, grant, group.as_ref()) == key,
            "The key is not that of the grant that it names.",
        );
        let granted: Option<CreditEntry> =
            self.tx.get(&keys::credit_entry(account, channel, grant))?;
        let rank = granted
            .as_ref()
            .and_then(Rank::of)
            .filter(|rank| rank.expires_at_ms() == Some(at_ms));
        let rank = rank.ok_or_else(|| broken("No grant of the ledger expires at this instant."))?;
        self.must_have(keys::credit_part(account, channel, group.as_ref(), &rank))
    }

    /// How much of a spend was refunded.
    fn credits_refunded(
        &mut self,
        Of { account, channel }: Of<'_>,
        spend: &str,
    ) -> Result<(), Error> {
        let refunded: u64 = self.record()?;
        let spent: Option<CreditEntry> =
            self.tx
                .get(&keys::credit_entry(account, channel, number(spend)?))?;
        let spent = spent.filter(|entry| entry.kind == CreditKind::Spent);
        self.must(
            spent.is_some_and(|spent| (1..=spent.amount).contains(&refunded)),
            "More is refunded of a spend than was spent.",
        );
        Ok(())
    }

    /// The limits that a spend went beyond.
    fn credits_lifted(
        &mut self,
        Of { account, channel }: Of<'_>,
        spend: &str,
    ) -> Result<(), Error> {
        let lifted: Vec<(LimitName, u64)> = self.record()?;
        let spent: Option<CreditEntry> =
            self.tx
                .get(&keys::credit_entry(account, channel, number(spend)?))?;
        let fits = lifted
            .iter()
            .all(|(limit, _)| Channel::of(*limit) == Some(channel));
        self.must(
            fits && spent.is_some_and(|entry| entry.kind == CreditKind::Spent),
            "Limits are recorded for an entry of the ledger that is no spend of a send.",
        );
        Ok(())
    }

    fn entry(&mut self, Of { account, channel }: Of<'_>, number: u64) -> Result<(), Error> {
        let entry: CreditEntry = self.record()?;
        let same = entry.account == *account && entry.channel == channel && entry.entry == number;
        self.must(same, "The entry of the ledger says that it is another one.");
        let head: CreditHead = self
            .tx
            .get(&keys::credit_head(account, channel))?
            .unwrap_or_default();
        self.must(
            (1..=head.entries).contains(&number),
            "The number of the entry is larger than that of the last entry.",
        );
        let is_grant = matches!(entry.kind, CreditKind::Granted | CreditKind::Received);
        self.must(
            is_grant == Rank::of(&entry).is_some(),
            "A grant has no terms, or an entry has terms that is no grant.",
        );
        self.must(
            (entry.kind == CreditKind::Received) == entry.from_grant.is_some(),
            "Received credits name no grant of the account above, or other credits name one.",
        );
        if let Some(key) = &entry.key {
            let kept: Option<Answered> = self.tx.get(&keys::answered(account, &entry.by, key))?;
            let place = serde_json::json!((channel, number));
            self.must(
                kept.is_some_and(|kept| kept.until_ms.is_none() && kept.answer == place),
                "The idempotency key of the entry is not kept.",
            );
        }
        // An account that became a top account keeps what it had.
        let parent = self
            .tx
            .get::<Account>(&keys::account(account))?
            .and_then(|account| account.parent);
        if let (Some(grant), Some(ancestor)) = (
            entry.from_grant,
            entry
                .other
                .as_ref()
                .filter(|other| parent.as_ref() == Some(*other)),
        ) {
            let from: Option<CreditEntry> =
                self.tx.get(&keys::credit_entry(ancestor, channel, grant))?;
            let rank = from
                .as_ref()
                .and_then(Rank::of)
                .map(|rank| rank.as_grant(number));
            self.must(
                rank.is_some() && rank == Rank::of(&entry),
                "The grant that the account above is said to have passed on does not exist there.",
            );
        }
        Ok(())
    }

    fn bucket(&mut self, Of { account, channel }: Of<'_>, group: &str) -> Result<(), Error> {
        let group = if group.is_empty() {
            None
        } else {
            Some(self.id(group)?)
        };
        if let Some(group) = &group {
            self.must_have(keys::group(account, group))?;
        }
        let bucket: CreditBucket = self.record()?;
        self.must(
            bucket != CreditBucket::default(),
            "A balance of nothing is kept.",
        );
        let (mut from, until) = keys::credit_parts(account, channel, group.as_ref());
        let mut there = 0;
        loop {
            let rows =
                Tx::on(self.reads.clone(), self.tx.now_ms).range::<u64>(&from, &until, STEP)?;
            there += rows.iter().map(|(_, left)| left).sum::<u64>();
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => break,
            }
        }
        self.must(
            bucket.left == there,
            &format!(
                "The balance is {}, but grants have {there} left.",
                bucket.left
            ),
        );
        Ok(())
    }

    /// Walks over a whole ledger: what it sums up to is what is kept beside it.
    fn ledger(&mut self, of: Of<'_>) -> Result<(), Error> {
        let Of { account, channel } = of;
        let head: CreditHead = self.record()?;
        let mut sums = Sums::default();
        let mut from = keys::credit_entry(account, channel, 0);
        let until = keys::credit_entry(account, channel, u64::MAX);
        let mut last_entry = 0;
        loop {
            let rows = Tx::on(self.reads.clone(), self.tx.now_ms)
                .range::<CreditEntry>(&from, &until, STEP)?;
            for (_, entry) in &rows {
                let follows = entry.entry == last_entry + 1;
                if !follows || sums.add(entry).is_none() {
                    return Err(broken(format!(
                        "The entry {} of the ledger does not follow from those before it.",
                        entry.entry
                    )));
                }
                last_entry = entry.entry;
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => break,
            }
        }
        let recorded = CreditHead {
            entries: last_entry,
            balance: sums.balance,
            totals: sums.totals,
            at_ms: sums.at_ms,
        };
        self.must(
            recorded == head && last_entry > 0,
            &format!("The entries of the ledger sum up to {recorded:?}."),
        );
        for (spend, refunded) in &sums.refunded {
            let kept: Option<u64> = self
                .tx
                .get(&keys::credit_refunded(account, channel, *spend))?;
            self.must(
                kept == Some(*refunded),
                &format!(
                    "Of the spend {spend}, the ledger refunds {refunded}; another sum is kept."
                ),
            );
        }
        let refunds = self.count(
            keys::CREDIT,
            &[account.as_str(), channel.name(), "refunded"],
        )?;
        self.must(
            refunds == sums.refunded.len() as u64,
            "Refunds are kept of spends that the ledger does not refund.",
        );
        self.left(of, &sums)?;
        self.spent(of, &sums)
    }

    fn left(&mut self, Of { account, channel }: Of<'_>, sums: &Sums) -> Result<(), Error> {
        let (mut from, until) = keys::all_credit_parts(account, channel);
        let mut parts = 0;
        loop {
            let rows =
                Tx::on(self.reads.clone(), self.tx.now_ms).range::<u64>(&from, &until, STEP)?;
            for (key, left) in &rows {
                let (group, rank) = keys::credit_part_at(key)
                    .ok_or_else(|| broken("What is left of a grant names no grant."))?;
                let recorded = sums.left.get(&(group, rank.grant()));
                self.must(
                    recorded == Some(left),
                    &format!(
                        "Of the grant {}, {left} are kept as left; the ledger says {recorded:?}.",
                        rank.grant()
                    ),
                );
                parts += 1;
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => break,
            }
        }
        self.must(
            parts == sums.left.len(),
            "The ledger says that more grants have something left than are kept.",
        );
        Ok(())
    }

    fn spent(&mut self, Of { account, channel }: Of<'_>, sums: &Sums) -> Result<(), Error> {
        let (mut from, until) =
            keys::range(keys::CREDIT, &[account.as_str(), channel.name(), "pocket"]);
        loop {
            let rows = self.reads.range(&from, &until, Order::Ascending, STEP)?;
            for (key, _) in &rows {
                let bucket: CreditBucket = Tx::on(self.reads.clone(), self.tx.now_ms)
                    .get(key)?
                    .unwrap_or_default();
                let recorded = sums.spent.get(&keys::last_id(key)).copied().unwrap_or(0);
                self.must(
                    bucket.spent == recorded,
                    &format!(
                        "As spent, {} are kept; the ledger says {recorded}.",
                        bucket.spent
                    ),
                );
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => break,
            }
        }
        for (group, _) in sums.spent.iter().filter(|(_, spent)| **spent > 0) {
            let known = match group {
                Some(group) => self.tx.has(&keys::group(account, group))?,
                None => true,
            };
            if known {
                self.must_have(keys::credit_bucket(account, channel, group.as_ref()))?;
            }
        }
        Ok(())
    }
}
