//! Where credits lie: in the free balance and in the reserves of groups, grant by grant, in the
//! order in which grants pay.

use crate::access::request::Ctx;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{Channel, CreditBucket, CreditEntry, CreditKind, CreditPart, Id};
use crate::rules::credit::{Rank, pay};
use crate::sending::credits::ledger::{OpenLedger, STEP, broken};

/// Credits of a grant that were taken out of the reserve of a group, or of what is free.
pub(crate) struct Taken {
    group: Option<Id>,
    pub(crate) rank: Rank,
    pub(crate) amount: u64,
}

impl OpenLedger {
    pub(crate) fn bucket(
        &self,
        ctx: &mut Ctx<'_>,
        group: Option<&Id>,
    ) -> Result<CreditBucket, Error> {
        Ok(ctx
            .tx
            .get(&keys::credit_bucket(&self.account, self.channel, group))?
            .unwrap_or_default())
    }

    pub(super) fn save_bucket(
        &self,
        ctx: &mut Ctx<'_>,
        group: Option<&Id>,
        bucket: &CreditBucket,
    ) -> Result<(), Error> {
        // How many a send can be paid with is prepared.
        ctx.tx.invalidate_account(&self.account);
        let key = keys::credit_bucket(&self.account, self.channel, group);
        if *bucket == CreditBucket::default() {
            ctx.tx.delete(key);
            Ok(())
        } else {
            ctx.tx.put(key, bucket)
        }
    }

    pub(super) fn left_of(
        &self,
        ctx: &mut Ctx<'_>,
        group: Option<&Id>,
        rank: &Rank,
    ) -> Result<u64, Error> {
        Ok(ctx
            .tx
            .get(&keys::credit_part(&self.account, self.channel, group, rank))?
            .unwrap_or(0))
    }

    /// Where a payer takes credits from, in this order: the reserve of their group, then what is
    /// free. Where the account has no groups by policy, the reserves bind nobody: they come last
    /// (section 16).
    pub(crate) fn sources(
        &self,
        ctx: &mut Ctx<'_>,
        group: Option<&Id>,
    ) -> Result<Vec<Option<Id>>, Error> {
        let mut sources: Vec<_> = group.cloned().map(Some).into_iter().chain([None]).collect();
        if !ctx.policies(Some(&self.account))?.groups {
            let others = self.reserves(ctx)?;
            sources.extend(
                others
                    .into_iter()
                    .filter(|other| Some(other) != group)
                    .map(Some),
            );
        }
        Ok(sources)
    }

    /// The groups that have something in reserve, or have spent something.
    pub(crate) fn reserves(&self, ctx: &mut Ctx<'_>) -> Result<Vec<Id>, Error> {
        let (from, until) = keys::credit_reserves(&self.account, self.channel);
        let rows = ctx.tx.range::<CreditBucket>(&from, &until, usize::MAX)?;
        rows.iter()
            .map(|(key, _)| keys::last_id(key).ok_or_else(|| broken(key)))
            .collect()
    }

    /// How many credits there are in these.
    pub(crate) fn payable(&self, ctx: &mut Ctx<'_>, sources: &[Option<Id>]) -> Result<u64, Error> {
        let mut all: u64 = 0;
        for source in sources {
            all = all.saturating_add(self.bucket(ctx, source.as_ref())?.left);
        }
        Ok(all)
    }

    /// Takes up to so many credits out of these, one after the other; with a giver, only what came
    /// from there.
    pub(crate) fn take(
        &self,
        ctx: &mut Ctx<'_>,
        sources: &[Option<Id>],
        amount: u64,
        giver: Option<Option<&Id>>,
    ) -> Result<Vec<Taken>, Error> {
        let mut taken: Vec<Taken> = Vec::new();
        for source in sources {
            let open = amount.saturating_sub(sum(&taken));
            let from_here = self.take_from(ctx, source.as_ref(), open, giver)?;
            taken.extend(from_here.into_iter().map(|(rank, amount)| Taken {
                group: source.clone(),
                rank,
                amount,
            }));
        }
        Ok(taken)
    }

    /// Puts credits of a grant into the free balance or the reserve of a group.
    pub(super) fn raise(
        &self,
        ctx: &mut Ctx<'_>,
        group: Option<&Id>,
        rank: &Rank,
        amount: u64,
    ) -> Result<(), Error> {
        let left = self.left_of(ctx, group, rank)?;
        let mut bucket = self.bucket(ctx, group)?;
        bucket.left = bucket.left.saturating_add(amount);
        self.save_bucket(ctx, group, &bucket)?;
        if let Some(expires_at_ms) = rank.expires_at_ms() {
            ctx.tx.mark(keys::credit_expiry(
                &self.account,
                self.channel,
                expires_at_ms,
                rank.grant(),
                group,
            ));
        }
        ctx.tx.put(
            keys::credit_part(&self.account, self.channel, group, rank),
            &left.saturating_add(amount),
        )
    }

    /// Takes credits of a grant, of which there are as many, out of the free balance or the reserve
    /// of a group.
    pub(super) fn lower(
        &self,
        ctx: &mut Ctx<'_>,
        group: Option<&Id>,
        rank: &Rank,
        amount: u64,
    ) -> Result<(), Error> {
        let left = self.left_of(ctx, group, rank)?.saturating_sub(amount);
        let mut bucket = self.bucket(ctx, group)?;
        bucket.left = bucket.left.saturating_sub(amount);
        self.save_bucket(ctx, group, &bucket)?;
        let key = keys::credit_part(&self.account, self.channel, group, rank);
        if left > 0 {
            return ctx.tx.put(key, &left);
        }
        ctx.tx.delete(key);
        if let Some(expires_at_ms) = rank.expires_at_ms() {
            ctx.tx.delete(keys::credit_expiry(
                &self.account,
                self.channel,
                expires_at_ms,
                rank.grant(),
                group,
            ));
        }
        Ok(())
    }

    /// Takes up to so many credits out of the free balance or the reserve of a group, in the order
    /// in which grants pay; with a giver, only what came from there: an account above, or the
    /// platform, which is no account.
    fn take_from(
        &self,
        ctx: &mut Ctx<'_>,
        group: Option<&Id>,
        amount: u64,
        giver: Option<Option<&Id>>,
    ) -> Result<Vec<(Rank, u64)>, Error> {
        let (mut from, until) = keys::credit_parts(&self.account, self.channel, group);
        let mut open = amount;
        let mut taken = Vec::new();
        while open > 0 {
            let rows = ctx.tx.range::<u64>(&from, &until, STEP)?;
            let Some((last, _)) = rows.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            let mut left = Vec::new();
            for (key, amount) in rows {
                let (_, rank) = keys::credit_part_at(&key).ok_or_else(|| broken(&key))?;
                let wanted = match giver {
                    Some(giver) => self.grant(ctx, rank.grant())?.other.as_ref() == giver,
                    None => true,
                };
                if wanted {
                    left.push((rank, amount));
                }
            }
            for (rank, paid) in pay(&left, open) {
                self.lower(ctx, group, &rank, paid)?;
                open -= paid;
                taken.push((rank, paid));
            }
        }
        Ok(taken)
    }

    /// Moves so many credits, of which there are as many, between the free balance and the reserve
    /// of a group.
    pub(crate) fn shift(
        &mut self,
        ctx: &mut Ctx<'_>,
        kind: CreditKind,
        group: &Id,
        amount: u64,
    ) -> Result<CreditEntry, Error> {
        let (from, to) = if kind == CreditKind::Reserved {
            (None, Some(group))
        } else {
            (Some(group), None)
        };
        let moved = self.take_from(ctx, from, amount, None)?;
        for (rank, part) in &moved {
            self.raise(ctx, to, rank, *part)?;
        }
        let entry = self.entry(ctx, kind, amount);
        let parts = moved
            .iter()
            .map(|(rank, amount)| CreditPart {
                grant: rank.grant(),
                amount: *amount,
                group: None,
            })
            .collect();
        self.append(
            ctx,
            CreditEntry {
                group: Some(group.clone()),
                parts,
                ..entry
            },
        )
    }

    /// Takes in what came back from an account below, where it lay in these grants.
    pub(crate) fn take_in(
        &mut self,
        ctx: &mut Ctx<'_>,
        child: &OpenLedger,
        taken: &[Taken],
    ) -> Result<(), Error> {
        let mut back = Vec::with_capacity(taken.len());
        for Taken { rank, amount, .. } in taken {
            let of = child.grant(ctx, rank.grant())?.from_grant;
            let of = of.ok_or_else(|| {
                Error::corrupt(format!(
                    "A grant of `{}` does not name the grant that it came from; restore a backup.",
                    child.account
                ))
            })?;
            let rank = rank.as_grant(of);
            self.raise(ctx, None, &rank, *amount)?;
            back.push(Taken {
                group: None,
                rank,
                amount: *amount,
            });
        }
        let entry = self.entry(ctx, CreditKind::TakenBack, sum(&back));
        self.append(
            ctx,
            CreditEntry {
                other: Some(child.account.clone()),
                parts: parts_of(&back),
                ..entry
            },
        )
        .map(drop)
    }
}

pub(crate) fn sum(taken: &[Taken]) -> u64 {
    taken.iter().map(|part| part.amount).sum()
}

pub(crate) fn parts_of(taken: &[Taken]) -> Vec<CreditPart> {
    taken
        .iter()
        .map(|part| CreditPart {
            grant: part.rank.grant(),
            amount: part.amount,
            group: part.group.clone(),
        })
        .collect()
}

/// What is kept for a group, and what it has spent.
pub(crate) fn of_group(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    group: &Id,
) -> Result<(u64, u64), Error> {
    let CreditBucket { left, spent } =
        OpenLedger::open(ctx, account, channel)?.bucket(ctx, Some(group))?;
    Ok((left, spent))
}

/// What the reserve of a group that is deleted holds becomes free (R-CRD-3).
pub(crate) fn release_group(ctx: &mut Ctx<'_>, account: &Id, group: &Id) -> Result<(), Error> {
    for channel in Channel::ALL {
        let mut ledger = OpenLedger::open(ctx, account, channel)?;
        let left = ledger.bucket(ctx, Some(group))?.left;
        if left > 0 {
            ledger.shift(ctx, CreditKind::Unreserved, group, left)?;
        }
        ledger.save_bucket(ctx, Some(group), &CreditBucket::default())?;
    }
    Ok(())
}
