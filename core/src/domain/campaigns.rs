//! Campaigns: what became of their messages, and when they are stopped for their bounces or
//! complaints (R-QTA-11, R-QTA-18).
//!
//! A campaign is the host's id for it; its record begins with the first report. Whether it is a
//! resource too is another matter (R-RES-1): where it is, users reach it as far as their permission
//! reaches that.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::campaigns::{CampaignList, Get, List, Report, Resume, Stop};
use crate::domain::resources::{self, Kind, Need};
use crate::domain::stops::{self, Rates, too_many};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::model::{
    Actor, Campaign, CampaignOutcomes, CampaignStop, CampaignStopReason, Channel, Count, Id,
    OutboxKind, OutboxMessage, RateNotice, StopRule, StopScope,
};
use crate::rules::campaign::{rate_reached, sum};
use crate::rules::stop::{self as rule, Standing, standing};
use crate::sending::idempotency;
use crate::tables::accounts;
use crate::tables::campaigns::{find, load, save};

/// Refuses a user whose permission does not reach the campaign, where it is a resource of the
/// account.
fn require_campaign_access(
    ctx: &mut Ctx<'_>,
    account: &Id,
    campaign: &Id,
    choice: &[&str],
) -> Result<(), Error> {
    const KIND: &str = "campaign";
    let Actor::User { user, .. } = ctx.actor else {
        return accounts::load(&mut ctx.tx, account, "/account").map(drop);
    };
    let kind = Id::new(KIND).map_err(Error::internal)?;
    if !ctx.tx.has(&keys::resource(account, &kind, campaign))? {
        return Ok(());
    }
    let (kind, resource): (Kind, _) =
        resources::look(ctx, account, kind, campaign).map_err(|error| error.at("/campaign"))?;
    resources::require(ctx, user, &kind, &resource, choice, Need::Any)
}

fn new(ctx: &Ctx<'_>, account: Id, id: Id) -> Campaign {
    let none = CampaignOutcomes::default();
    let now_ms = ctx.now_ms;
    Campaign {
        account,
        id,
        sample: none,
        sample_since_ms: now_ms,
        total: none,
        stop: None,
        at_risk: None,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    }
}

/// Stops a campaign and asks the host to; who sends looks again.
fn stop(
    ctx: &mut Ctx<'_>,
    campaign: &mut Campaign,
    reason: CampaignStopReason,
    per_mille: Option<Count>,
    notice: Option<RateNotice>,
) -> Result<(), Error> {
    campaign.stop = Some(CampaignStop {
        reason,
        per_mille,
        rule: notice.map(|notice| notice.rule),
        at_ms: ctx.now_ms,
    });
    campaign.at_risk = None;
    ctx.tx.invalidate_account(&campaign.account);
    tell(ctx, OutboxKind::StopCampaign, campaign, notice)
}

fn tell(
    ctx: &mut Ctx<'_>,
    kind: OutboxKind,
    campaign: &Campaign,
    notice: Option<RateNotice>,
) -> Result<(), Error> {
    ctx.enqueue_message(&OutboxMessage {
        campaign: Some(campaign.id.clone()),
        rate: notice.map(Box::new),
        ..OutboxMessage::about(kind, Some(campaign.account.clone()), ctx.now_ms)
    })
}

/// Stops a campaign that has reached a rate, or tells the host that it is at risk.
fn judge(
    ctx: &mut Ctx<'_>,
    campaign: &mut Campaign,
    rates: Rates,
    channel: Channel,
) -> Result<(), Error> {
    if let Some(rate) = rate_reached(&campaign.sample, rates.bounces) {
        let (reason, per_mille) = (CampaignStopReason::Bounces, Some(rate.per_mille));
        return stop(ctx, campaign, reason, per_mille, None);
    }
    let outcomes = campaign.sample;
    let notice = |rule: StopRule| RateNotice {
        channel,
        rule,
        outcomes,
    };
    let reached = match standing(&outcomes, StopScope::Campaign, &rates.rules) {
        Standing::Stopped(reached) => {
            let reason = rule::reason(reached.outcome);
            return stop(ctx, campaign, reason, None, Some(notice(reached)));
        }
        Standing::AtRisk(reached) => Some(reached),
        Standing::Good => None,
    };
    let before = campaign.at_risk;
    campaign.at_risk = rule::at_risk(before, reached, ctx.now_ms);
    match campaign.at_risk {
        Some(risk) if before.is_none() => {
            tell(ctx, OutboxKind::AtRisk, campaign, Some(notice(risk.rule)))
        }
        _ => Ok(()),
    }
}

impl Operation for Report {
    type Answer = Campaign;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Campaign, Error> {
        idempotency::run_idempotent(ctx, &self, self.key.as_ref(), |ctx| {
            self.clone().carry_out(ctx)
        })
    }
}

impl Report {
    fn carry_out(self, ctx: &mut Ctx<'_>) -> Result<Campaign, Error> {
        let rates = Rates::load(ctx, &self.account)?;
        let channel = self.channel.unwrap_or_default();
        let more = |count: Option<Count>| count.map_or(0, Count::get);
        let outcomes = CampaignOutcomes {
            delivered: more(self.delivered),
            hard: more(self.hard),
            soft: more(self.soft),
            complaints: more(self.complaints),
        };
        stops::report(ctx, &self.account, channel, &outcomes, &rates.rules)?;
        let mut campaign = match find(&mut ctx.tx, &self.account, &self.campaign)? {
            Some(campaign) => campaign,
            None => new(ctx, self.account, self.campaign),
        };
        campaign.total = sum(&campaign.total, &outcomes).map_err(too_many)?;
        campaign.sample = sum(&campaign.sample, &outcomes).map_err(too_many)?;
        if campaign.stop.is_none() {
            judge(ctx, &mut campaign, rates, channel)?;
        }
        save(&mut ctx.tx, campaign)
    }
}

impl Operation for Get {
    type Answer = Campaign;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Campaign, Error> {
        require_campaign_access(ctx, &self.account, &self.campaign, &["view"])?;
        load(&mut ctx.tx, &self.account, &self.campaign)
    }
}

impl Operation for Resume {
    type Answer = Campaign;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Campaign, Error> {
        require_campaign_access(ctx, &self.account, &self.campaign, &["resume"])?;
        let mut campaign = load(&mut ctx.tx, &self.account, &self.campaign)?;
        // A new sample for one that goes on anyway would be a way around the rate.
        if campaign.stop.take().is_none() {
            return Ok(campaign);
        }
        campaign.sample = CampaignOutcomes::default();
        campaign.sample_since_ms = ctx.now_ms;
        ctx.tx.invalidate_account(&campaign.account);
        save(&mut ctx.tx, campaign)
    }
}

impl Operation for Stop {
    type Answer = Campaign;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Campaign, Error> {
        require_campaign_access(ctx, &self.account, &self.campaign, &["pause"])?;
        let mut campaign = match find(&mut ctx.tx, &self.account, &self.campaign)? {
            Some(campaign) if campaign.stop.is_some() => return Ok(campaign),
            Some(campaign) => campaign,
            None => new(ctx, self.account, self.campaign),
        };
        stop(ctx, &mut campaign, CampaignStopReason::Request, None, None)?;
        save(&mut ctx.tx, campaign)
    }
}

impl Operation for List {
    type Answer = CampaignList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CampaignList, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let account = self.account;
        let span = keys::range(keys::STOPPED_CAMPAIGN, &[account.as_str()]);
        let (campaigns, next) = walk(ctx, &[span], self.after.as_ref(), self.limit, |ctx, key| {
            let Some(id) = keys::last_id(key) else {
                return Ok(None);
            };
            match require_campaign_access(ctx, &account, &id, &["view"]) {
                Ok(()) => find(&mut ctx.tx, &account, &id),
                Err(error) if matches!(error.code(), Code::NotFound | Code::PermissionDenied) => {
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        })?;
        Ok(CampaignList { campaigns, next })
    }
}
