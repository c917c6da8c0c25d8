//! What all counters of an account, or of the platform, have in common.

use crate::model::EffectivePolicies;
use crate::rules::window::Calendar;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// The stamp of what is only looked at: it changes no counter, as every view that counts is later.
pub(crate) const TRIED: u64 = 0;

/// What all counters of an account, or of the platform, have in common.
pub(crate) struct Frame {
    /// Changes whenever something that they depend on does.
    pub(crate) stamp: u64,
    pub(crate) calendar: Arc<Calendar>,
    /// At how much of a limit the host is told, in percent.
    pub(crate) alert_at: Arc<[u64]>,
}

impl Frame {
    pub(crate) fn new(stamp: u64, zone: &str, policies: &EffectivePolicies) -> Frame {
        Frame {
            stamp,
            calendar: Arc::new(Calendar {
                zone: crate::rules::window::zone(zone).unwrap_or(TimeZone::UTC),
                billing_day: i8::try_from(policies.billing_day.get()).unwrap_or(1),
            }),
            alert_at: policies
                .alert_at_percent
                .iter()
                .map(|percent| percent.get())
                .collect(),
        }
    }
}
