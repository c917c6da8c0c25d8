//! Accounts that are stopped for the bounces or complaints of all that they send (R-QTA-18).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::stops::{AccountRates, Get, Resume};
use crate::domain::limits::Line;
use crate::error::Error;
use crate::model::{
    AccountOutcomes, AccountStop, BounceRate, CampaignOutcomes, Channel, Count, Edition, Id,
    OutboxKind, OutboxMessage, RateNotice, StopRule, StopScope,
};
use crate::rules::stop::{self, Standing, standing};
use crate::tables::accounts;
use crate::tables::stops::{Outcomes, find};

/// The rates that hold for an account: of its package and of those of the accounts above (R-PKG-3).
/// One without a package has the rates of the account above in any case.
#[derive(Default)]
pub(super) struct Rates {
    pub(super) bounces: Vec<BounceRate>,
    pub(super) rules: Vec<StopRule>,
}

impl Rates {
    pub(super) fn load(ctx: &mut Ctx<'_>, account: &Id) -> Result<Rates, Error> {
        let line = Line::load(ctx, account).map_err(|error| error.at("/account"))?;
        let mut rates = Rates::default();
        // Under another edition a rate is kept and does not count (R-PLT-1).
        if ctx.engine.kernel.edition == Edition::Commercial {
            for package in line.packages.into_iter().flatten() {
                rates.bounces.extend(package.bounce_rate);
                rates.rules.extend(package.stops);
            }
        }
        Ok(rates)
    }
}

pub(super) fn too_many(name: &str) -> Error {
    Error::invalid(
        format!("/{name}"),
        format!(
            "The sum of `{name}` would be more than {}, which is the most that is counted; report \
             fewer.",
            Count::MAX
        ),
    )
}

/// Counts outcomes for an account as a whole, where a rule asks for it, and stops it when its rate
/// is reached.
pub(super) fn report(
    ctx: &mut Ctx<'_>,
    account: &Id,
    channel: Channel,
    outcomes: &CampaignOutcomes,
    rules: &[StopRule],
) -> Result<(), Error> {
    if !rules.iter().any(|rule| rule.scope == StopScope::Account) {
        return Ok(());
    }
    let mut counted = find(&mut ctx.tx, account, channel)?.unwrap_or_else(|| AccountOutcomes {
        account: account.clone(),
        channel,
        days: Vec::new(),
        at_risk: None,
    });
    let total = stop::count(&mut counted.days, outcomes, ctx.now_ms).map_err(too_many)?;
    let mut record = accounts::load(&mut ctx.tx, account, "/account")?;
    if record.stop_on(channel).is_none() {
        let reached = match standing(&total, StopScope::Account, rules) {
            Standing::Stopped(rule) => {
                record.stops.push(AccountStop {
                    channel,
                    rule,
                    at_ms: ctx.now_ms,
                });
                accounts::save(&mut ctx.tx, record)?;
                counted.at_risk = None;
                ctx.tx.save::<Outcomes>(&counted)?;
                return tell(
                    ctx,
                    OutboxKind::StopAccount,
                    account,
                    (channel, rule, total),
                );
            }
            Standing::AtRisk(rule) => Some(rule),
            Standing::Good => None,
        };
        let was_at_risk = counted.at_risk.is_some();
        counted.at_risk = stop::at_risk(counted.at_risk, reached, ctx.now_ms);
        if let Some(risk) = counted.at_risk.filter(|_| !was_at_risk) {
            tell(
                ctx,
                OutboxKind::AtRisk,
                account,
                (channel, risk.rule, total),
            )?;
        }
    }
    ctx.tx.save::<Outcomes>(&counted)
}

fn tell(
    ctx: &mut Ctx<'_>,
    kind: OutboxKind,
    account: &Id,
    (channel, rule, outcomes): (Channel, StopRule, CampaignOutcomes),
) -> Result<(), Error> {
    ctx.enqueue_message(&OutboxMessage {
        rate: Some(Box::new(RateNotice {
            channel,
            rule,
            outcomes,
        })),
        ..OutboxMessage::about(kind, Some(account.clone()), ctx.now_ms)
    })
}

/// How an account stands now, under the rules of now.
fn answer_of(ctx: &mut Ctx<'_>, account: Id, channel: Channel) -> Result<AccountRates, Error> {
    let record = accounts::load(&mut ctx.tx, &account, "/account")?;
    let counted = find(&mut ctx.tx, &account, channel)?;
    let (days, before) = counted.map_or((Vec::new(), None), |counted| {
        (counted.days, counted.at_risk)
    });
    let outcomes = stop::total(&days, ctx.now_ms).map_err(too_many)?;
    let rules = Rates::load(ctx, &account)?.rules;
    let reached = match standing(&outcomes, StopScope::Account, &rules) {
        Standing::AtRisk(rule) | Standing::Stopped(rule) => Some(rule),
        Standing::Good => None,
    };
    Ok(AccountRates {
        outcomes,
        since_ms: stop::since_ms(&days, ctx.now_ms),
        // A risk begins with a report, and ends by itself.
        at_risk: before.and_then(|before| stop::at_risk(Some(before), reached, ctx.now_ms)),
        stop: record.stop_on(channel).copied(),
        account,
        channel,
    })
}

impl Operation for Get {
    type Answer = AccountRates;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountRates, Error> {
        answer_of(ctx, self.account, self.channel.unwrap_or_default())
    }
}

impl Operation for Resume {
    type Answer = AccountRates;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountRates, Error> {
        let channel = self.channel.unwrap_or_default();
        let mut account = accounts::load(&mut ctx.tx, &self.account, "/account")?;
        // A new count for one that goes on anyway would be a way around the rates.
        if account.stop_on(channel).is_some() {
            account.stops.retain(|stop| stop.channel != channel);
            accounts::save(&mut ctx.tx, account)?;
            if let Some(counted) = find(&mut ctx.tx, &self.account, channel)? {
                ctx.tx.erase::<Outcomes>(&counted)?;
            }
        }
        answer_of(ctx, self.account, channel)
    }
}
