//! Sending: one decision over status, permission and every limit, charged in the same step
//! (R-QTA-1, R-QTA-3).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::sending::Sending;
use crate::access::state::Engine;
use crate::access::view::AccountCell;
use crate::api::sending::{
    Admit, AdmitBatch, BatchedSend, Explain, Forecast, Refund, SendDecisions, SendExplanation,
    SendForecast, SendRefund, WhatIf,
};
use crate::domain::groups;
use crate::domain::usage::windows::{add_paid, window_of};
use crate::error::{Code, Error};
use crate::kernel::{Tx, keys};
use crate::meters::{Ask, LimitState, Paid, Prepared, check_count};
use crate::model::{
    Actor, ApiKey, Channel, Count, Decision, Id, MessageInput, Name, Package, Refusal,
    check_instant, normal_domain,
};
use crate::sending::decide::decide_as;
use crate::sending::refund::Sent;
use crate::sending::{credits, idempotency};
use crate::tables::accounts::{self, account_line};
use std::sync::Arc;

/// The most sends of one call.
const MOST_SENDS: usize = 1000;

/// The message in normal form: domains as A-labels in lower case.
pub(crate) fn message_of(message: Option<MessageInput>) -> Result<MessageInput, Error> {
    let mut message = message.unwrap_or_default();
    for (field, domain) in [
        ("sending_domain", &mut message.sending_domain),
        ("recipient_domain", &mut message.recipient_domain),
    ] {
        if let Some(domain) = domain {
            *domain = domain_of(domain.as_str())
                .map_err(|error| error.at(format!("/message/{field}")))?;
        }
    }
    Ok(message)
}

/// Refuses a message that names an API key of somebody else: a key sends for its user alone, in its
/// account and below it.
pub(crate) fn require_own_key(
    tx: &mut Tx<'_>,
    account: &Id,
    user: Option<&Id>,
    message: &MessageInput,
) -> Result<(), Error> {
    let Some(id) = &message.api_key else {
        return Ok(());
    };
    let key: Option<ApiKey> = tx.get(&keys::api_key(id))?;
    if let Some(key) = key.filter(|key| user.is_none_or(|user| *user == key.user))
        && account_line(tx, account)?
            .iter()
            .any(|ancestor| ancestor.id == key.account)
    {
        return Ok(());
    }
    Err(Error::not_found("API key", id.as_str()).at("/message/api_key"))
}

/// As [`message_of`], of one that is sent in an account by a user of it or by the account: a
/// program that acts with an API key sends with that key, so that its caps count whatever it says
/// (R-SES-7).
pub(crate) fn own_message(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: Option<&Id>,
    message: Option<MessageInput>,
) -> Result<MessageInput, Error> {
    let mut message = message_of(message)?;
    let Actor::User { .. } = ctx.actor else {
        require_own_key(&mut ctx.tx, account, user, &message)?;
        return Ok(message);
    };
    let acting = ctx.actor.api_key().map(|key| &key.id);
    if message.api_key.is_some() && message.api_key.as_ref() != acting {
        return Err(Error::new(
            Code::PermissionDenied,
            "The message names an API key other than the one that you act with; leave out \
             `api_key`.",
        )
        .at("/message/api_key"));
    }
    message.api_key = acting.cloned();
    Ok(message)
}

/// A domain in normal form.
pub(crate) fn domain_of(text: &str) -> Result<Name, Error> {
    let normal = normal_domain(text).map_err(|error| Error::invalid("/domain", error))?;
    Name::new(&normal).map_err(|error| Error::invalid("/domain", error))
}

/// A user acts for themselves: they cannot send as another.
pub(crate) fn sender_of(ctx: &Ctx<'_>, named: Option<Id>) -> Result<Option<Id>, Error> {
    match (ctx.actor, named) {
        (Actor::System, named) => Ok(named),
        (Actor::User { user, .. }, Some(named)) if named != *user => Err(Error::new(
            Code::PermissionDenied,
            format!("`{user}` cannot send as `{named}`; leave out `user`."),
        )
        .at("/user")),
        (Actor::User { user, .. }, _) => Ok(Some(user.clone())),
        // No operator gets this far: the catalogue lets users alone send. What they look at goes by
        // `looked_at`.
        (Actor::Operator { .. }, _) => Err(Error::new(
            Code::ActorNotAllowed,
            "An operator sends nothing; send as a user of the account.",
        )),
    }
}

/// As [`sender_of`], where nobody sends: operators look at whom they name.
fn looked_at(ctx: &Ctx<'_>, named: Option<Id>) -> Result<Option<Id>, Error> {
    match ctx.actor {
        Actor::Operator { .. } => Ok(named),
        Actor::System | Actor::User { .. } => sender_of(ctx, named),
    }
}

impl Operation for Admit {
    type Answer = Decision;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Decision, Error> {
        let ask = Ask::of(self.count, self.min)?;
        ctx.require_in(&self.account, self.channel.permission())?;
        let user = sender_of(ctx, self.user.clone())?;
        let message = own_message(ctx, &self.account, user.as_ref(), self.message.clone())?;
        let cell = ctx.engine.cell(&self.account)?;
        let prepare = || {
            let user = user.as_ref().map(Id::as_str);
            cell.sending(ctx.engine, user, self.channel, &message)
        };
        let mut prepared = prepare()?;
        ctx.count_tried(&prepared);
        if self.key.is_none() {
            return decide_as(ctx.engine, ctx.actor, &cell, &mut prepared, prepare, ask);
        }
        idempotency::charge_idempotent(
            ctx,
            &self,
            self.key.as_ref(),
            &prepared,
            ask,
            |_, decision| Ok(decision),
        )
    }
}

impl Operation for AdmitBatch {
    type Answer = SendDecisions;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SendDecisions, Error> {
        if !(1..=MOST_SENDS).contains(&self.sends.len()) {
            return Err(Error::invalid(
                "/sends",
                format!(
                    "One call takes 1 to {MOST_SENDS} sends, not {}.",
                    self.sends.len()
                ),
            ));
        }
        let mut sends = Vec::with_capacity(self.sends.len());
        for (at, send) in self.sends.into_iter().enumerate() {
            let prepared = send.checked(ctx).and_then(|send| {
                let prepared = send.prepare(ctx.engine)?;
                Ok((send, prepared))
            });
            sends.push(prepared.map_err(|error| error.within(&format!("/sends/{at}")))?);
        }
        sends
            .iter()
            .for_each(|(_, prepared)| ctx.count_tried(prepared));
        let decisions = sends.iter_mut().map(|(send, prepared)| {
            let prepare = || send.prepare(ctx.engine);
            decide_as(
                ctx.engine, ctx.actor, &send.cell, prepared, prepare, send.ask,
            )
        });
        let decisions = decisions.collect::<Result<_, _>>()?;
        Ok(SendDecisions { decisions })
    }
}

/// A send of a batch that can be prepared.
struct CheckedSend {
    cell: Arc<AccountCell>,
    user: Option<Id>,
    channel: Channel,
    message: MessageInput,
    ask: Ask,
}

impl CheckedSend {
    fn prepare(&self, engine: &Engine) -> Result<Arc<Prepared>, Error> {
        let user = self.user.as_ref().map(Id::as_str);
        self.cell.sending(engine, user, self.channel, &self.message)
    }
}

impl BatchedSend {
    fn checked(self, ctx: &mut Ctx<'_>) -> Result<CheckedSend, Error> {
        let ask = Ask::of(self.count, self.min)?;
        let message = own_message(ctx, &self.account, self.user.as_ref(), self.message)?;
        let cell = ctx
            .engine
            .cell(&self.account)
            .map_err(|error| error.at("/account"))?;
        Ok(CheckedSend {
            cell,
            user: self.user,
            channel: self.channel,
            message,
            ask,
        })
    }
}

impl Operation for Forecast {
    type Answer = SendForecast;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SendForecast, Error> {
        let count = check_count(self.count.get())?;
        let user = looked_at(ctx, self.user)?;
        let message = own_message(ctx, &self.account, user.as_ref(), self.message)?;
        let cell = ctx.engine.cell(&self.account)?;
        ctx.at_one_moment(|ctx| {
            let user = user.as_ref().map(Id::as_str);
            let prepared = cell.sending(ctx.engine, user, self.channel, &message)?;
            let done_at_ms = match prepared.refusal {
                Some(_) => None,
                None => prepared.forecast(ctx.engine, count)?,
            };
            Ok(SendForecast {
                done_at_ms,
                refusal: prepared.refusal,
            })
        })
    }
}

impl Operation for WhatIf {
    type Answer = SendExplanation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SendExplanation, Error> {
        let count = check_count(self.count.get())?;
        let user = looked_at(ctx, self.user)?;
        let at_ms = self.at_ms.map_or(ctx.now_ms, Count::get);
        if at_ms < ctx.now_ms {
            return Err(Error::invalid(
                "/at_ms",
                format!("The time {at_ms} ms is in the past; name a later one."),
            ));
        }
        check_instant(at_ms).map_err(|error| Error::invalid("/at_ms", error))?;
        let message = own_message(ctx, &self.account, user.as_ref(), self.message)?;
        let cell = ctx.engine.cell(&self.account)?;
        ctx.at_one_moment(|ctx| {
            let prepared = match &self.package {
                Some(package) => Arc::new(under_package(
                    ctx,
                    &cell,
                    user.as_ref(),
                    self.channel,
                    &message,
                    package,
                )?),
                None => cell.sending(
                    ctx.engine,
                    user.as_ref().map(Id::as_str),
                    self.channel,
                    &message,
                )?,
            };
            let state = prepared.outlook_then(ctx.engine, count, at_ms)?;
            explained(ctx, &self.account, &prepared, state, count)
        })
    }
}

/// Sending as it would be with another package of the account.
fn under_package(
    ctx: &mut Ctx<'_>,
    cell: &Arc<AccountCell>,
    user: Option<&Id>,
    channel: Channel,
    message: &MessageInput,
    package: &Id,
) -> Result<Prepared, Error> {
    if matches!(ctx.actor, Actor::User { .. }) {
        return Err(Error::new(
            Code::ActorNotAllowed,
            "Only the platform can try another `package`; leave it out.",
        )
        .at("/package"));
    }
    accounts::load(&mut ctx.tx, &cell.id, "/account")?;
    let package: Package = ctx
        .tx
        .get(&keys::package(package))?
        .ok_or_else(|| Error::not_found("package", package.as_str()).at("/package"))?;
    let member = user
        .map(|user| cell.member(ctx.engine, user.as_str()))
        .transpose()?;
    let view = cell.view_under(ctx.engine, package)?;
    ctx.engine.prepare_as(
        cell,
        &view,
        &Sending {
            member: member.as_deref(),
            channel,
            message,
        },
    )
}

/// Messages that come back, and the counters that they were charged to.
struct PendingRefund<'a> {
    prepared: &'a Prepared,
    sent: &'a Sent<'a>,
    count: u64,
    granted_at_ms: u64,
}

impl PendingRefund<'_> {
    fn return_slots(&self, ctx: &Ctx<'_>) -> Result<(), Error> {
        self.prepared
            .return_slots(ctx.engine, self.count, self.granted_at_ms)
    }

    /// Gives them back to their counters; answers to how many of these something came back that can
    /// be used again. Where this is asked for alone, nothing comes back.
    fn refund(&self, ctx: &Ctx<'_>, paid: &Paid, asked_alone: bool) -> Result<u64, Error> {
        let counters = ctx.engine.refund_sent(
            self.prepared,
            self.sent,
            self.count,
            paid,
            self.granted_at_ms,
            asked_alone,
        )?;
        Ok(counters as u64)
    }
}

impl Operation for Refund {
    type Answer = SendRefund;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SendRefund, Error> {
        let count = check_count(self.count.get())?;
        let cell = ctx
            .engine
            .cell(&self.account)
            .map_err(|error| error.at("/account"))?;
        let message = message_of(self.message.clone())?;
        let granted_at_ms = self.granted_at_ms.get();
        let groups = match &self.user {
            Some(user) => groups::of_sender_at(ctx, &self.account, user, granted_at_ms)?,
            None => Vec::new(),
        };
        let sent = Sent {
            user: self.user.as_ref(),
            groups: &groups,
            channel: self.channel,
            message: &message,
        };
        let prepared = ctx.engine.prepare_return(&cell, &sent)?;
        let pending = PendingRefund {
            prepared: &prepared,
            sent: &sent,
            count,
            granted_at_ms,
        };
        if self.key.is_none() && self.spend.is_none() {
            pending.return_slots(ctx)?;
            let counters = pending.refund(ctx, &Paid::default(), false)?;
            return Ok(SendRefund {
                counters,
                credits: 0,
            });
        }
        let lifted = match self.spend {
            Some(spend) => credits::lifted_by(ctx, &self.account, self.channel, spend.get())?,
            None => None,
        };
        let paid = |amount| Paid {
            amount,
            lifted: lifted.clone(),
        };
        // What is given back in memory comes after the commit that remembers it: never twice,
        // whatever happens between.
        let (refund, is_first) = ctx.engine.commit_durably(ctx.actor, None, |ctx| {
            idempotency::run_or_replay(ctx, &self, self.key.as_ref(), |ctx| {
                let credits = match self.spend.map(Count::get) {
                    Some(spend) => {
                        credits::refund_at_most(ctx, &self.account, self.channel, spend, count)
                            .map_err(|error| error.at("/spend"))?
                    }
                    None => 0,
                };
                let counters = pending.refund(ctx, &paid(credits), true)?;
                Ok(SendRefund { counters, credits })
            })
        })?;
        if is_first {
            pending.return_slots(ctx)?;
            pending.refund(ctx, &paid(refund.credits), false)?;
        }
        Ok(refund)
    }
}

impl Operation for Explain {
    type Answer = SendExplanation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SendExplanation, Error> {
        let count = check_count(self.count.get())?;
        let user = looked_at(ctx, self.user)?;
        let cell = ctx.engine.cell(&self.account)?;
        let message = own_message(ctx, &self.account, user.as_ref(), self.message)?;
        ctx.at_one_moment(|ctx| {
            let user = user.as_ref().map(Id::as_str);
            let prepared = cell.sending(ctx.engine, user, self.channel, &message)?;
            let state = prepared.outlook(ctx.engine, count)?;
            explained(ctx, &self.account, &prepared, state, count)
        })
    }
}

fn explained(
    ctx: &mut Ctx<'_>,
    account: &Id,
    prepared: &Prepared,
    state: LimitState,
    count: u64,
) -> Result<SendExplanation, Error> {
    let refusal = match prepared.refusal {
        Some(code) => Some(Refusal::of(code)),
        None => state.refusal(account, count),
    };
    let would_grant = refusal.is_none();
    let (remaining, credits) = (
        state.remaining(),
        if would_grant { state.paid(count) } else { 0 },
    );
    let mut limits: Vec<_> = state
        .readings
        .into_iter()
        .filter(|reading| reading.counts)
        .map(|reading| window_of(account, reading))
        .collect();
    add_paid(ctx, account, &mut limits)?;
    Ok(SendExplanation {
        would_grant,
        remaining: remaining.filter(|_| prepared.refusal.is_none()),
        refusal,
        credits,
        limits,
    })
}
