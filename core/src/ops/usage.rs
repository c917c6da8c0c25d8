//! How much of each limit is used now.

use super::{Access, Effect, Operation};
use crate::engine::Ctx;
use crate::engine::meters::MeterReading;
use crate::error::Error;
use crate::model::{Channel, Id, Limit, MessageInput, Window};
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
