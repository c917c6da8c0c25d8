//! How everything that a send looks at stands, and will: what is refused, and what is left.

use crate::error::Code;
use crate::meters::id::MeterId;
use crate::model::{BindingLimit, Id, Limit, OverLimit, Refusal, Reservation, Window};
use crate::rules::limit::Source;
use crate::rules::send;
use std::sync::Arc;

/// How a counter stands, for people.
pub(crate) struct MeterReading {
    pub(crate) id: Arc<MeterId>,
    pub(crate) window: Window,
    pub(crate) source: Source,
    /// As it is meant, also where nothing is refused beyond it.
    pub(crate) limit: Limit,
    pub(crate) starts_at_ms: u64,
    pub(crate) ends_at_ms: u64,
    /// How much is kept apart for others (R-TEA-9).
    pub(crate) kept_apart: u64,
    /// Whether it looks at the send at all; otherwise a planned package makes it.
    pub(crate) counts: bool,
    pub(super) is_pace: bool,
    pub(crate) reading: send::Reading,
}

/// How everything that a send looks at stands at an instant, and how it will if nothing happens but
/// time.
pub(crate) struct LimitState {
    pub(crate) readings: Vec<MeterReading>,
    pub(super) credits: send::Credits,
    pub(super) at_ms: u64,
    /// How often the meters had been changed by then.
    pub(super) changes: u64,
}

impl LimitState {
    fn plain(&self) -> Vec<send::Reading> {
        self.readings
            .iter()
            .map(|reading| reading.reading.clone())
            .collect()
    }

    /// How many may go out, credits included; none where nothing limits it.
    pub(crate) fn remaining(&self) -> Option<u64> {
        let most = send::most(&self.plain(), self.credits.left(self.at_ms));
        (most != u64::MAX).then_some(most)
    }

    /// How many of `count` credits would pay for.
    pub(crate) fn paid(&self, count: u64) -> u64 {
        if self.credits.pay(self.at_ms) {
            send::excess(&self.plain(), count)
        } else {
            0
        }
    }

    /// What stops `count`.
    pub(crate) fn refusal(&self, account: &Id, count: u64) -> Option<Refusal> {
        let refused = send::refusal(&self.plain(), &self.credits, count, self.at_ms)?;
        let reading = self.readings.get(refused.index)?;
        let limit = BindingLimit {
            name: reading.id.name().to_owned(),
            scope: reading.id.scope_name(account).to_owned(),
            subject: reading.id.subject().to_owned(),
            value: reading.reading.limit.saturating_add(reading.kept_apart),
            used: reading.reading.used,
            kept_apart: Some(reading.kept_apart).filter(|kept| *kept > 0),
            source: reading.source.name().to_owned(),
        };
        Some(Refusal {
            code: refused.code,
            limit: Some(limit),
            retry_at_ms: refused.retry_at_ms,
            credits_left: (refused.code == Code::CreditsExhausted)
                .then(|| self.credits.left(self.at_ms)),
            over: Some(refused.over)
                .filter(|over| !matches!(over, OverLimit::Reject | OverLimit::UseCredits)),
        })
    }
}

/// What comes back by itself, and what credits there are to pay with.
#[derive(Default)]
pub(crate) struct Coming {
    pub(crate) open: Vec<Reservation>,
    pub(crate) grants: Vec<send::Part>,
}
