//! A counter or a pace that is to be charged, with what bounds it now and with planned packages.

use crate::meters::frame::Frame;
use crate::meters::guaranteed::{Guarantee, Guaranteed};
use crate::meters::id::{MeterId, MeterScope};
use crate::meters::resolved::Resolved;
use crate::model::{Cap, Id, Limit, Meter, OverLimit, Window};
use crate::rules::limit::Source;
use crate::rules::pace::Pace;
use crate::rules::threshold;
use crate::rules::window::{self, Calendar};
use std::sync::Arc;

/// A counter that is to be charged, with what bounds it.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) id: Arc<MeterId>,
    pub(crate) window: Window,
    pub(crate) resolved: Resolved,
    /// Whether it counts such messages now; otherwise a planned package makes it.
    pub(crate) counts: bool,
    /// What it becomes with planned packages, in order.
    pub(crate) later: Vec<(u64, Term)>,
    pub(crate) over: OverLimit,
    /// Whether it is a pace, and no counter.
    pub(crate) is_pace: bool,
    /// How much it grows each day since an instant.
    pub(crate) growth: Option<(u64, u64)>,
    /// What is guaranteed of it to accounts below.
    pub(crate) kept: Option<Arc<Guaranteed>>,
    /// The account below that is on the line of who sends: what is guaranteed to it is not kept
    /// apart from it.
    pub(crate) child: Option<Id>,
    pub(crate) burst: u64,
    pub(crate) made_at_ms: u64,
    pub(crate) stamp: u64,
    pub(crate) calendar: Arc<Calendar>,
    pub(crate) alert_at: Arc<[u64]>,
}

/// What a limit is from an instant on.
#[derive(Clone, Copy)]
pub(crate) struct Term {
    pub(crate) resolved: Resolved,
    /// Whether it counts such messages.
    pub(crate) counts: bool,
}

impl Term {
    /// How the sends are spread, where they are.
    pub(crate) fn pace(&self, window: Window) -> Option<Pace> {
        let Resolved {
            limit, over, burst, ..
        } = self.resolved;
        let spreads = self.counts
            && over == OverLimit::Spread
            && matches!(limit, Limit::At(count) if count.get() > 0);
        spreads.then(|| Pace::new(window, limit.ceiling(), burst))
    }
}

impl Wanted {
    /// Whether credits pay beyond it, where its account pays with credits.
    pub(super) fn takes_credits(&self) -> bool {
        self.resolved.over == OverLimit::UseCredits
    }

    /// What a planned package has made of it by an instant.
    fn planned(&self, at_ms: u64) -> Option<&Term> {
        self.later
            .iter()
            .rfind(|(from_ms, _)| *from_ms <= at_ms)
            .map(|(_, term)| term)
    }

    /// Whether it counts such messages at an instant.
    pub(super) fn counts_at(&self, at_ms: u64) -> bool {
        self.planned(at_ms).map_or(self.counts, |term| term.counts)
    }

    /// Whether more than the limit is refused at an instant.
    pub(super) fn refuses_at(&self, at_ms: u64) -> bool {
        self.planned(at_ms)
            .map_or(self.counts && self.over.refuses(), |term| {
                term.counts && over_of(term.resolved).refuses()
            })
    }

    /// The pace that it is now.
    pub(crate) fn pace(&self, now_ms: u64) -> Pace {
        Pace::new(self.window, self.limit_at(now_ms), self.burst)
    }

    /// How it spreads the sends, now and later.
    pub(super) fn paces(&self, now: Pace) -> Vec<(u64, Option<Pace>)> {
        std::iter::once((0, self.counts.then_some(now)))
            .chain(
                self.later
                    .iter()
                    .map(|(from_ms, term)| (*from_ms, term.pace(self.window))),
            )
            .collect()
    }

    /// Whether the record at a key is that of this counter.
    pub(crate) fn has_key(&self, key: &[u8]) -> bool {
        self.id.key() == key
    }

    /// Whether a counter of the store reaches a threshold that the host was not told of.
    pub(crate) fn needs_alert(&self, meter: &Meter) -> bool {
        let used = meter
            .past
            .iter()
            .fold(meter.drawn, |sum, (_, used)| sum.saturating_add(*used));
        let alerted = if self.window == Window::RollingHour {
            0
        } else {
            meter.alerted
        };
        threshold::crossed(
            &self.alert_at,
            self.limit_at(meter.starts_at_ms),
            used,
            alerted,
        )
        .is_some()
    }

    /// By how much it has grown in a window that began at an instant.
    fn grown(&self, starts_at_ms: u64) -> u64 {
        self.growth.map_or(0, |(by, from_ms)| {
            by.saturating_mul(window::days_since(from_ms, starts_at_ms, &self.calendar))
        })
    }

    /// The limit of a window that began at an instant.
    pub(super) fn limit_at(&self, starts_at_ms: u64) -> u64 {
        self.resolved
            .limit
            .ceiling()
            .saturating_add(self.grown(starts_at_ms))
    }

    pub(crate) fn is_pace(&self) -> bool {
        self.is_pace
    }

    /// What it is at an instant.
    pub(super) fn resolved_then(&self, at_ms: u64) -> Resolved {
        self.planned(at_ms)
            .map_or(self.resolved, |term| term.resolved)
    }

    /// The limit at an instant of a window that began at another.
    pub(super) fn limit_then(&self, at_ms: u64, starts_at_ms: u64) -> u64 {
        self.resolved_then(at_ms)
            .limit
            .ceiling()
            .saturating_add(self.grown(starts_at_ms))
    }

    /// Whether what is guaranteed of it is kept apart, until it is made anew when a planned package
    /// comes into force.
    pub(super) fn keeps_apart_now(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.holds(0))
    }

    /// The counter of an account below that is guaranteed a part of it.
    pub(super) fn counter_of(&self, of: &Guarantee) -> MeterId {
        MeterId {
            account: Some(of.account.clone()),
            scope: MeterScope::Account,
            limit: self.id.limit,
        }
    }
}

impl Frame {
    pub(crate) fn wanted(&self, id: MeterId, window: Window, resolved: Resolved) -> Wanted {
        Wanted {
            id: Arc::new(id),
            window,
            resolved,
            counts: true,
            later: Vec::new(),
            over: OverLimit::Reject,
            is_pace: false,
            growth: None,
            kept: None,
            child: None,
            burst: 0,
            made_at_ms: 0,
            stamp: self.stamp,
            calendar: self.calendar.clone(),
            alert_at: self.alert_at.clone(),
        }
    }

    /// The counter of a cap for one that it counts by.
    pub(crate) fn wanted_of_cap(&self, cap: &Cap, subject: &str) -> Wanted {
        let id = MeterId::of_cap(cap, subject);
        let resolved = Resolved::plain(Limit::At(cap.limit), Source::Cap);
        Wanted {
            over: cap.over,
            is_pace: cap.over == OverLimit::Spread,
            growth: cap.grows_daily_by.map(|by| (by.get(), cap.created_at_ms)),
            burst: cap.burst.get(),
            made_at_ms: cap.created_at_ms,
            ..self.wanted(id, cap.window, resolved)
        }
    }
}

/// What a counter does beyond its limit. Where credits are to pay it refuses: what they lift is
/// looked at apart.
pub(crate) fn over_of(resolved: Resolved) -> OverLimit {
    match resolved.over {
        OverLimit::UseCredits => OverLimit::Reject,
        over => over,
    }
}
