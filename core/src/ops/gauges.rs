//! Gauges: how many there are of what a limit counts at a time (R-QTA-10, R-PKG-1, R-PKG-3).
//!
//! Beside the records of an account lie two counts for each such limit: how many it has itself, and how many with all
//! accounts below it. The first is what may be given back and set; the second is what is held against the limit, so that
//! a claim reads and writes one number for each account above, however many there are below.

use super::limits::{Line, reached};
use super::{Access, Effect, Operation, accounts, members, threads};
use crate::engine::{Ctx, keys, people};
use crate::error::{Code, Error};
use crate::model::{Account, Count, Id, Limit, LimitName};
use crate::rules::limit::{CountedBy, Source, counted_by};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Claims some more of what a limit counts, for the account and for every account above it: all of them or none (R-QTA-10).
///
/// `limit_reached` names the account whose limit is in the way.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The account.
    pub account: Id,
    /// Which limit: `contacts`, `lists`, `segments`, `sending_domains`, `triggers` or `evergreen_campaigns`.
    pub limit: LimitName,
    /// How many, at least 1.
    pub count: Count,
}

/// Gives back what was claimed (R-QTA-10).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The account.
    pub account: Id,
    /// Which limit, as in `gauges.claim`.
    pub limit: LimitName,
    /// How many, at least 1; no more than the account itself has (`more_than_claimed`).
    pub count: Count,
}

/// Sets how many the account really has. That may be more than its limit allows: then nothing more can be claimed until
/// there are fewer again (R-QTA-10).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    /// The account.
    pub account: Id,
    /// Which limit, as in `gauges.claim`.
    pub limit: LimitName,
    /// How many the account itself has, those of the accounts below not counted.
    pub value: Count,
}

/// Shows for every limit that counts what there is at a time how much of it is used (R-QTA-10).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
}

/// The gauges of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GaugeList {
    /// The account.
    pub account: Id,
    /// One entry for each limit that counts what there is at a time.
    pub gauges: Vec<Gauge>,
}

/// How much of a limit is used now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gauge {
    /// Which limit.
    pub limit: LimitName,
    /// The account's own value of it; those of the accounts above hold as well.
    pub value: Limit,
    /// Where the value comes from; absent where it is the policy `seats` (R-INV-9).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// How many there are in the account and in all accounts below it.
    pub used: u64,
    /// How many of them the account itself has; absent where they are not counted by account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<u64>,
    /// How many more the value allows; absent where it is unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
}

/// How many an account has of what a limit counts, with all accounts below it.
pub(crate) fn used(ctx: &mut Ctx<'_>, account: &Id, limit: LimitName) -> Result<u64, Error> {
    match limit {
        LimitName::Seats => {
            let users = people::count(ctx, &keys::tally(account, "users"))?;
            Ok(users.saturating_add(members::open_invitations(ctx, account, u64::MAX)?))
        }
        LimitName::ChildAccounts => people::count(ctx, &keys::tally(account, accounts::BELOW)),
        LimitName::Threads => Ok(total(ctx, account, limit)?.saturating_sub(threads::expired(ctx, account)?)),
        _ => total(ctx, account, limit),
    }
}

/// The count of an account with all below it, as it is kept.
pub(crate) fn total(ctx: &mut Ctx<'_>, account: &Id, limit: LimitName) -> Result<u64, Error> {
    people::count(ctx, &keys::gauge_total(account, limit.name()))
}

/// Adds to the counts of the account that the line begins with and of those above; refuses where a limit is in the way.
pub(crate) fn claim(ctx: &mut Ctx<'_>, line: &Line, limit: LimitName, count: u64) -> Result<(), Error> {
    for (level, above) in line.accounts.iter().enumerate() {
        // Never more than a number can be in every language, whatever is unlimited.
        let most = line.value(level, limit).ceiling().min(Count::MAX);
        let used = total(ctx, &above.id, limit)?;
        if used.saturating_add(count) > most {
            return Err(reached(limit, &above.id, most, used));
        }
    }
    change(ctx, &line.accounts, limit, signed(count))
}

/// Changes the counts of the first account of a line and of those above it.
pub(crate) fn change(ctx: &mut Ctx<'_>, line: &[Account], limit: LimitName, by: i64) -> Result<(), Error> {
    if let Some(account) = line.first() {
        people::add(ctx, keys::gauge(&account.id, limit.name()), by)?;
    }
    for above in line {
        people::add(ctx, keys::gauge_total(&above.id, limit.name()), by)?;
    }
    Ok(())
}

/// What an account and all below it have no longer counts for these accounts above: it is deleted, or a top account now.
pub(crate) fn leave(ctx: &mut Ctx<'_>, account: &Id, above: &[Account]) -> Result<(), Error> {
    for limit in LimitName::ALL.iter().copied() {
        let leaving = signed(total(ctx, account, limit)?);
        for above in above.iter().filter(|_| leaving != 0) {
            people::add(ctx, keys::gauge_total(&above.id, limit.name()), -leaving)?;
        }
    }
    Ok(())
}

/// No count is larger than what every language can say, which is far from the end of this type.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What the host does not count itself is not its to claim.
fn check_limit(limit: LimitName) -> Result<(), Error> {
    match counted_by(limit) {
        CountedBy::Host => Ok(()),
        CountedBy::Tenantry => Err(Error::invalid("/limit", format!("tenantry itself counts `{}`", limit.name()))),
        CountedBy::Nobody => Err(Error::invalid("/limit", format!("`{}` does not count what there is at a time", limit.name()))),
    }
}

fn check_count(count: Count) -> Result<u64, Error> {
    if count.get() == 0 { Err(Error::invalid("/count", "at least 1")) } else { Ok(count.get()) }
}

fn load(ctx: &mut Ctx<'_>, account: &Id) -> Result<Line, Error> {
    Line::load(ctx, account).map_err(|error| error.at("/account"))
}

fn shown(ctx: &mut Ctx<'_>, line: &Line, limit: LimitName) -> Result<Gauge, Error> {
    let account = line.accounts.first().map(|account| account.id.clone()).ok_or_else(|| Error::new(Code::Internal, "a line without accounts"))?;
    let candidate = line.candidates(0, limit).into_iter().next();
    let (mut value, mut source) = candidate.map_or((Limit::Unlimited, None), |first| (first.limit, Some(first.source)));
    if limit == LimitName::Seats {
        let seats = members::seats(ctx, &account)?;
        if seats < value {
            (value, source) = (seats, None);
        }
    }
    let used = used(ctx, &account, limit)?;
    let own = match limit {
        LimitName::Seats | LimitName::ChildAccounts | LimitName::Threads => None,
        _ => Some(people::count(ctx, &keys::gauge(&account, limit.name()))?),
    };
    let left = (value != Limit::Unlimited).then(|| value.ceiling().saturating_sub(used));
    Ok(Gauge { limit, value, source, used, own, left })
}

impl Operation for Claim {
    const NAME: &'static str = "gauges.claim";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Gauge;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Gauge, Error> {
        check_limit(self.limit)?;
        let count = check_count(self.count)?;
        let line = load(ctx, &self.account)?;
        claim(ctx, &line, self.limit, count).map_err(|error| error.at("/count"))?;
        shown(ctx, &line, self.limit)
    }
}

impl Operation for Release {
    const NAME: &'static str = "gauges.release";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Gauge;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Gauge, Error> {
        check_limit(self.limit)?;
        let count = check_count(self.count)?;
        let line = load(ctx, &self.account)?;
        let own = people::count(ctx, &keys::gauge(&self.account, self.limit.name()))?;
        if count > own {
            let error = Error::new(Code::MoreThanClaimed, format!("`{}` has {own} of `{}`, not {count}", self.account, self.limit.name()));
            return Err(error.at("/count").with("limit", self.limit.name()).with("own", own));
        }
        change(ctx, &line.accounts, self.limit, -signed(count))?;
        shown(ctx, &line, self.limit)
    }
}

impl Operation for Reconcile {
    const NAME: &'static str = "gauges.reconcile";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Gauge;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Gauge, Error> {
        check_limit(self.limit)?;
        let line = load(ctx, &self.account)?;
        let own = people::count(ctx, &keys::gauge(&self.account, self.limit.name()))?;
        let by = signed(self.value.get()) - signed(own);
        for above in &line.accounts {
            if total(ctx, &above.id, self.limit)?.saturating_add_signed(by) > Count::MAX {
                return Err(Error::invalid("/value", format!("`{}` would have more than {} in all", above.id, Count::MAX)));
            }
        }
        if by != 0 {
            change(ctx, &line.accounts, self.limit, by)?;
        }
        shown(ctx, &line, self.limit)
    }
}

impl Operation for Get {
    const NAME: &'static str = "gauges.get";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::account("limits.view", "clients.view_all");
    type Answer = GaugeList;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<GaugeList, Error> {
        let line = load(ctx, &self.account)?;
        let counting = LimitName::ALL.iter().copied().filter(|limit| counted_by(*limit) != CountedBy::Nobody);
        let gauges = counting.map(|limit| shown(ctx, &line, limit)).collect::<Result<_, _>>()?;
        Ok(GaugeList { account: self.account, gauges })
    }
}
