//! How much of each limit is used now.

use super::{Access, Effect, Operation, accounts, walk};
use crate::engine::meters::MeterReading;
use crate::engine::{Ctx, keys};
use crate::error::Error;
use crate::model::{Cap, CapScope, Channel, Count, Cursor, Id, Limit, LimitName, MessageInput, Meter, Name, Window};
use crate::rules::limit::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much of each of its limits an account has used in the current window.
///
/// After a crash what was drawn ahead counts as used: never less than what was granted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
}

/// What an account has used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// The account.
    pub account: Id,
    /// One entry for each of its own limits.
    pub windows: Vec<UsageWindow>,
}

/// A limit and its current window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageWindow {
    /// The name of the limit, such as `email_per_day`, or the id of the cap.
    pub limit: String,
    /// The window that it counts in.
    pub window: Window,
    /// Whose: the `account` that was asked for, an `ancestor`, a `group`, or for a cap also a `member`, `campaign`,
    /// `sending_domain` or `recipient_domain`.
    pub scope: String,
    /// The id of that account or group, member or campaign, or the domain.
    pub subject: String,
    /// The value of the limit.
    pub value: Limit,
    /// Where the value comes from.
    pub source: Source,
    /// How much is used; of a cap that spreads, how many of its burst wait for their turn.
    pub used: u64,
    /// How much of it is beyond the limit, where that is let through (R-QTA-7).
    pub overuse: u64,
    /// How much is left; absent where it is unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// When the window began, in unix milliseconds.
    pub starts_at_ms: u64,
    /// When the window ends, in unix milliseconds; of a rolling hour, the minute that is counted now.
    pub resets_at_ms: u64,
}

/// The windows of a limit or a cap that are over and that something went out in, the oldest first. A rolling hour has none.
///
/// A window appears with the first send of a later one. After a crash what was drawn ahead counts as used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The account.
    pub account: Id,
    /// The limit; absent for a cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitName>,
    /// The cap; absent for a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Id>,
    /// Whose count of the cap, where it counts for each: a member, campaign or domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Name>,
    /// Go on after the page that answered this `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Count>,
}

/// Windows that are over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageHistory {
    /// The windows.
    pub windows: Vec<UsedWindow>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// A window that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsedWindow {
    /// When it began, in unix milliseconds.
    pub starts_at_ms: u64,
    /// When it ended, in unix milliseconds.
    pub ends_at_ms: u64,
    /// How much of the limit was used in it.
    pub used: u64,
}

pub(crate) fn window_of(asked_for: &Id, reading: MeterReading) -> UsageWindow {
    let limit = reading.limit.ceiling();
    UsageWindow {
        limit: reading.id.name().to_owned(),
        window: reading.window,
        scope: reading.id.scope_name(asked_for).to_owned(),
        subject: reading.id.subject().to_owned(),
        value: reading.limit,
        source: reading.source,
        used: reading.reading.used,
        overuse: if reading.reading.over.refuses() { 0 } else { reading.reading.used.saturating_sub(limit) },
        remaining: (reading.limit != Limit::Unlimited).then(|| reading.reading.left().min(limit.saturating_sub(reading.reading.used))),
        starts_at_ms: reading.starts_at_ms,
        resets_at_ms: reading.ends_at_ms,
    }
}

impl Operation for Get {
    const NAME: &'static str = "usage.get";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::account("limits.view", "clients.view_all");
    type Answer = Usage;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Usage, Error> {
        let cell = ctx.engine.cell(&self.account)?;
        let mut windows = Vec::new();
        for channel in Channel::ALL {
            let prepared = cell.sending(ctx.engine, None, channel, &MessageInput::default())?;
            windows.extend(ctx.engine.readings(&prepared, 1)?.into_iter().map(|reading| window_of(&self.account, reading)));
        }
        windows.retain(|window| window.subject == self.account.as_str());
        Ok(Usage { windows, account: self.account })
    }
}

impl Operation for History {
    const NAME: &'static str = "usage.history";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::account("limits.view", "clients.view_all");
    type Answer = UsageHistory;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UsageHistory, Error> {
        accounts::load(ctx, &self.account, "/account")?;
        let (scope, subject, name) = match (&self.limit, &self.cap) {
            (Some(limit), None) => (String::new(), String::new(), limit.name()),
            (None, Some(cap)) => {
                let known: Cap = ctx.tx.get(&keys::cap(&self.account, cap))?.ok_or_else(|| Error::not_found("cap", cap.as_str()).at("/cap"))?;
                let subject = self.subject.as_ref().or(known.subject.as_ref()).map(|subject| subject.as_str().to_owned());
                let subject = match (known.scope, subject) {
                    (CapScope::Account, _) => self.account.to_string(),
                    (_, Some(subject)) => subject,
                    (_, None) => return Err(Error::invalid("/subject", "say whose count of the cap")),
                };
                (keys::of_cap(cap), subject, "cap")
            }
            _ => return Err(Error::invalid("/limit", "name a limit or a cap")),
        };
        let span = keys::below(keys::METER_HISTORY, &[self.account.as_str(), &scope, &subject, name]);
        let (windows, next) = walk(ctx, &[span], self.after.as_ref(), self.page, |ctx, key| {
            let meter: Option<Meter> = ctx.tx.get(key)?;
            Ok(meter.map(|meter| UsedWindow { starts_at_ms: meter.starts_at_ms, ends_at_ms: meter.ends_at_ms, used: meter.drawn }))
        })?;
        Ok(UsageHistory { windows, next })
    }
}
