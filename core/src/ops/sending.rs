//! Sending: one decision over status, permission and every limit, charged in the same step
//! (R-QTA-1, R-QTA-3).

use super::usage::{UsageWindow, add_paid, window_of};
use super::{Operation, credits, groups, once};
use crate::engine::Ctx;
use crate::engine::meters::{
    Ask, Decision, Paid, Prepared, Refusal, Sending, Sent, Standing, check_count,
};
use crate::engine::view::AccountCell;
use crate::error::{Code, Error};
use crate::handle;
use crate::kernel::{Tx, keys};
use crate::model::check_instant;
use crate::model::{Actor, ApiKey, Channel, Count, Id, MessageInput, Name, Package, normal_domain};
use crate::tables::accounts::account_line;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The most sends of one call.
const MOST_SENDS: usize = 1000;

/// Asks for messages and charges every limit of the account and of those above, all or none
/// (R-QTA-1).
///
/// The prepared and by-id calls of each language answer the same.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admit {
    /// The account that sends.
    pub account: Id,
    /// The user who sends, who needs `campaigns.send`; absent when the host itself sends for the
    /// account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the message is; caps for members, campaigns, API keys and domains look at it
    /// (R-QTA-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
    /// Grants as many as fit, and nothing where fewer than these do; all or none when absent
    /// (R-QTA-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Count>,
    /// A name of the host's for this request: asked again within a day after it was granted it gets
    /// the same answer, and charges nothing (R-QTA-5). It costs a commit; without it a send is
    /// decided in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Decides many sends in one call, one after the other, each by itself: what one is refused does
/// not touch the others.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdmitBatch {
    /// The sends, 1 to 1,000.
    pub sends: Vec<BatchedSend>,
}

/// One send of many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchedSend {
    /// The account that sends.
    pub account: Id,
    /// The user who sends; absent when the host itself sends for the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the messages are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
    /// Grants as many as fit, and nothing where fewer than these do; all or none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Count>,
}

/// The answers to many sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SendDecisions {
    /// One for each send, in their order.
    pub decisions: Vec<Decision>,
}

/// When so many messages will have gone out, if they go as soon as every limit lets them and
/// nothing else goes out meanwhile (R-QTA-12). Charges nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forecast {
    /// The account that would send.
    pub account: Id,
    /// The user who would send; absent when the host itself would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the messages are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
}

/// When messages will have gone out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SendForecast {
    /// When the last of them goes out, in unix milliseconds; absent where it never does, or in a
    /// future too far to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done_at_ms: Option<u64>,
    /// Why nothing may go out at all, whatever the limits are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Code>,
}

/// Gives back what was granted and failed before it was handed over, into the windows of its own
/// time that still count (R-QTA-6).
///
/// The host answers for it that so many were granted then: no more comes back than was used in each
/// window.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refund {
    /// The account that was to send.
    pub account: Id,
    /// The user who was to send, as in `sending.admit`; the cap of the group that they were in then
    /// gets back what it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the message was, as in `sending.admit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages failed, at least 1.
    pub count: Count,
    /// When they were granted, in unix milliseconds.
    pub granted_at_ms: Count,
    /// Where credits paid for a part of them, the entry that `sending.admit` answered in `credits`:
    /// the grants that paid get theirs back first, once, and the account's own limits the rest
    /// (R-CRD-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<Count>,
    /// A name of the host's for this request: asked again within a day it gets the same answer, and
    /// gives back once (R-QTA-5). It costs a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SendRefund {
    /// How many counters got something back; those whose window is over got nothing.
    pub counters: u64,
    /// How many credits came back.
    pub credits: u64,
}

/// Answers as `sending.admit` would, lists every limit that it looks at, and charges nothing
/// (R-QTA-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The account that would send.
    pub account: Id,
    /// The user who would send; absent when the host itself would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the message is; caps for members, campaigns, API keys and domains look at it
    /// (R-QTA-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
}

/// As `sending.explain`, for another time or another package (R-QTA-15): how it would be if nothing
/// went out until then, and if the account had that package now, with the limits of its own that it
/// has. Charges nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatIf {
    /// The account that would send.
    pub account: Id,
    /// The user who would send; absent when the host itself would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the message is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
    /// When, in unix milliseconds, not in the past; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<Count>,
    /// The package; only for operators and the host. The account's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
}

/// A send explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "would_grant"))]
pub struct SendExplanation {
    /// Whether the messages would go out.
    pub would_grant: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// How many could be granted, under every limit, those that credits would pay for included;
    /// absent when nothing limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// How many of the messages credits would pay for (R-CRD-2).
    pub credits: u64,
    /// Every limit and cap that was looked at: the account's, then those of the accounts above,
    /// then the group's.
    pub limits: Vec<UsageWindow>,
}

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
            .any(|above| above.id == key.account)
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
            "this is not the API key that you act with",
        )
        .at("/message/api_key"));
    }
    message.api_key = acting.cloned();
    Ok(message)
}

/// A domain in normal form.
pub(crate) fn domain_of(text: &str) -> Result<Name, Error> {
    let normal = normal_domain(text)
        .map_err(|error| Error::invalid("/domain", format!("not a domain: {error}")))?;
    Name::new(&normal).map_err(|error| Error::invalid("/domain", error))
}

/// A user acts for themselves: they cannot send as another.
pub(crate) fn sender_of(ctx: &Ctx<'_>, named: Option<Id>) -> Result<Option<Id>, Error> {
    match (ctx.actor, named) {
        (Actor::System, named) => Ok(named),
        (Actor::User { user, .. }, Some(named)) if named != *user => Err(Error::new(
            Code::PermissionDenied,
            format!("`{user}` cannot send as `{named}`"),
        )
        .at("/user")),
        (Actor::User { user, .. }, _) => Ok(Some(user.clone())),
        // No operator gets this far: the catalogue lets users alone send. What they look at goes by
        // `looked_at`.
        (Actor::Operator { .. }, _) => Err(Error::new(
            Code::ActorNotAllowed,
            "an operator sends nothing",
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
        let prepared = cell.sending(
            ctx.engine,
            user.as_ref().map(Id::as_str),
            self.channel,
            &message,
        )?;
        ctx.count_tried(&prepared);
        if self.key.is_none() {
            return ctx.engine.decide(ctx.actor, &prepared, ask);
        }
        once::charged(
            ctx,
            &self.account,
            self.key.as_ref(),
            &self,
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
                format!("1 to {MOST_SENDS} sends at once, not {}", self.sends.len()),
            ));
        }
        let mut prepared = Vec::with_capacity(self.sends.len());
        for (at, send) in self.sends.into_iter().enumerate() {
            prepared.push(
                send.prepared(ctx)
                    .map_err(|error| handle::below(&format!("/sends/{at}"), error))?,
            );
        }
        prepared
            .iter()
            .for_each(|(prepared, _)| ctx.count_tried(prepared));
        let decisions = prepared
            .iter()
            .map(|(prepared, ask)| ctx.engine.decide(ctx.actor, prepared, *ask))
            .collect::<Result<_, _>>()?;
        Ok(SendDecisions { decisions })
    }
}

impl BatchedSend {
    fn prepared(self, ctx: &mut Ctx<'_>) -> Result<(Arc<Prepared>, Ask), Error> {
        let ask = Ask::of(self.count, self.min)?;
        let message = own_message(ctx, &self.account, self.user.as_ref(), self.message)?;
        let cell = ctx
            .engine
            .cell(&self.account)
            .map_err(|error| error.at("/account"))?;
        Ok((
            cell.sending(
                ctx.engine,
                self.user.as_ref().map(Id::as_str),
                self.channel,
                &message,
            )?,
            ask,
        ))
    }
}

impl Operation for Forecast {
    type Answer = SendForecast;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SendForecast, Error> {
        let count = check_count(self.count.get())?;
        let user = looked_at(ctx, self.user)?;
        let message = own_message(ctx, &self.account, user.as_ref(), self.message)?;
        let cell = ctx.engine.cell(&self.account)?;
        let prepared = cell.sending(
            ctx.engine,
            user.as_ref().map(Id::as_str),
            self.channel,
            &message,
        )?;
        match prepared.refusal {
            Some(code) => Ok(SendForecast {
                done_at_ms: None,
                refusal: Some(code),
            }),
            None => Ok(SendForecast {
                done_at_ms: ctx.engine.forecast(&prepared, count)?,
                refusal: None,
            }),
        }
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
                "what was is not what if: name an instant that is not over",
            ));
        }
        check_instant(at_ms).map_err(|error| Error::invalid("/at_ms", error))?;
        let message = own_message(ctx, &self.account, user.as_ref(), self.message)?;
        let cell = ctx.engine.cell(&self.account)?;
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
        let standing = ctx.engine.outlook_then(&prepared, count, at_ms)?;
        explained(ctx, &self.account, &prepared, standing, count)
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
        return Err(
            Error::new(Code::ActorNotAllowed, "users do not try out packages").at("/package"),
        );
    }
    super::accounts::load(ctx, &cell.id, "/account")?;
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
        if self.key.is_none() && self.spend.is_none() {
            ctx.engine.return_turns(&prepared, count, granted_at_ms);
            let counters = ctx.engine.refund_sent(
                &prepared,
                &sent,
                count,
                &Paid::default(),
                granted_at_ms,
                false,
            )? as u64;
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
        let (refund, is_first) = ctx.engine.commit_beside(ctx.actor, None, |ctx| {
            once::carried_out(ctx, &self, self.key.as_ref(), |ctx| {
                let credits = match self.spend.map(Count::get) {
                    Some(spend) => {
                        credits::refund_at_most(ctx, &self.account, self.channel, spend, count)
                            .map_err(|error| error.at("/spend"))?
                    }
                    None => 0,
                };
                let counters = ctx.engine.refund_sent(
                    &prepared,
                    &sent,
                    count,
                    &paid(credits),
                    granted_at_ms,
                    true,
                )? as u64;
                Ok(SendRefund { counters, credits })
            })
        })?;
        if is_first {
            ctx.engine.return_turns(&prepared, count, granted_at_ms);
            ctx.engine.refund_sent(
                &prepared,
                &sent,
                count,
                &paid(refund.credits),
                granted_at_ms,
                false,
            )?;
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
        let prepared = cell.sending(
            ctx.engine,
            user.as_ref().map(Id::as_str),
            self.channel,
            &message,
        )?;
        let standing = ctx.engine.outlook(&prepared, count)?;
        explained(ctx, &self.account, &prepared, standing, count)
    }
}

fn explained(
    ctx: &mut Ctx<'_>,
    account: &Id,
    prepared: &Prepared,
    standing: Standing,
    count: u64,
) -> Result<SendExplanation, Error> {
    let refusal = match prepared.refusal {
        Some(code) => Some(Refusal::of(code)),
        None => standing.refusal(account, count),
    };
    let would_grant = refusal.is_none();
    let (remaining, credits) = (
        standing.remaining(),
        if would_grant { standing.paid(count) } else { 0 },
    );
    let mut limits: Vec<_> = standing
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
