//! Campaigns: what became of their messages, and when they are stopped for their bounces
//! (R-QTA-11).
//!
//! A campaign is the host's id for it; its record begins with the first report. Whether it is a
//! resource too is another matter (R-RES-1): where it is, users reach it as far as their permission
//! reaches that.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::campaigns::{CampaignList, Get, List, Report, Resume, Stop};
use crate::domain::limits::Line;
use crate::domain::resources::{self, Kind, Need};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::model::{
    Actor, BounceRate, Campaign, CampaignOutcomes, CampaignStop, CampaignStopReason, Count,
    Edition, Id, OutboxKind, OutboxMessage,
};
use crate::rules::campaign::{rate_reached, sum};
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
) -> Result<(), Error> {
    campaign.stop = Some(CampaignStop {
        reason,
        per_mille,
        at_ms: ctx.now_ms,
    });
    ctx.tx.invalidate_account(&campaign.account);
    ctx.enqueue_message(&OutboxMessage {
        campaign: Some(campaign.id.clone()),
        ..OutboxMessage::about(
            OutboxKind::StopCampaign,
            Some(campaign.account.clone()),
            ctx.now_ms,
        )
    })
}

/// The rates that hold for an account: of its package and of those of the accounts above (R-PKG-3).
/// One without a package has the rate of the account above in any case.
fn rates(ctx: &mut Ctx<'_>, account: &Id) -> Result<Vec<BounceRate>, Error> {
    let line = Line::load(ctx, account).map_err(|error| error.at("/account"))?;
    // Under another edition a rate is kept and does not count (R-PLT-1).
    let counts = ctx.engine.kernel.edition == Edition::Commercial;
    Ok(line
        .packages
        .into_iter()
        .flatten()
        .filter_map(|package| package.bounce_rate)
        .filter(|_| counts)
        .collect())
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
        let rates = rates(ctx, &self.account)?;
        let more = |count: Option<Count>| count.map_or(0, Count::get);
        let outcomes = CampaignOutcomes {
            delivered: more(self.delivered),
            hard: more(self.hard),
            soft: more(self.soft),
            complaints: more(self.complaints),
        };
        let mut campaign = match find(&mut ctx.tx, &self.account, &self.campaign)? {
            Some(campaign) => campaign,
            None => new(ctx, self.account, self.campaign),
        };
        let too_many = |name| {
            Error::invalid(
                format!("/{name}"),
                format!(
                    "The sum of `{name}` would be more than {}, which is the most that is counted; \
                     report fewer.",
                    Count::MAX
                ),
            )
        };
        campaign.total = sum(&campaign.total, &outcomes).map_err(too_many)?;
        campaign.sample = sum(&campaign.sample, &outcomes).map_err(too_many)?;
        if campaign.stop.is_none()
            && let Some(rate) = rate_reached(&campaign.sample, rates)
        {
            stop(
                ctx,
                &mut campaign,
                CampaignStopReason::Bounces,
                Some(rate.per_mille),
            )?;
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
        stop(ctx, &mut campaign, CampaignStopReason::Request, None)?;
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
