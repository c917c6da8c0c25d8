//! A reading of a limit as callers see it.

use crate::access::request::Ctx;
use crate::api::usage::UsageWindow;
use crate::error::Error;
use crate::meters::MeterReading;
use crate::model::{Id, Limit, LimitName, OverLimit, Reservation, Window};
use crate::rules::limit::Source;
use crate::rules::window::{self, counts_from};
use crate::sending::credits;

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
        reserved: None,
        overuse: if reading.reading.over.refuses() {
            0
        } else {
            reading.reading.used.saturating_sub(limit)
        },
        kept_apart: Some(reading.kept_apart).filter(|kept| *kept > 0),
        remaining: (reading.limit != Limit::Unlimited).then(|| {
            reading
                .reading
                .left()
                .min(limit.saturating_sub(reading.reading.used))
        }),
        starts_at_ms: reading.starts_at_ms,
        resets_at_ms: match reading.reading.over {
            OverLimit::Spread => reading.ends_at_ms,
            _ => window::resets_at_ms(
                reading.window,
                reading.ends_at_ms,
                reading.reading.helps_at_ms(),
            ),
        },
    }
}

/// How much of what is used in a window open reservations hold (R-QTA-17). What credits paid for
/// was not charged to the account's own limits.
pub(crate) fn reserved_in(reading: &MeterReading, open: &[Reservation]) -> Option<u64> {
    let from_ms = first_counted(reading.window, reading.starts_at_ms);
    let counter = reading.id.text();
    let charged = open
        .iter()
        .filter(|open| open.reserved_at_ms >= from_ms && open.counters.contains(&counter))
        .map(|open| match reading.reading.lifted {
            true if reading.id.is_own_of(&open.account) => open.count - open.paid_of(open.count),
            _ => open.count,
        });
    let reserved = charged.fold(0, u64::saturating_add);
    Some(reserved.min(reading.reading.used)).filter(|reserved| *reserved > 0)
}

/// The first instant of what counts in a window that began then.
fn first_counted(window: Window, starts_at_ms: u64) -> u64 {
    match window {
        Window::RollingHour => counts_from(starts_at_ms),
        _ => starts_at_ms,
    }
}

/// Adds to the account's own limits what credits paid for beyond them (R-CRD-2).
pub(crate) fn add_paid(
    ctx: &mut Ctx<'_>,
    account: &Id,
    windows: &mut [UsageWindow],
) -> Result<(), Error> {
    for window in windows
        .iter_mut()
        .filter(|window| window.scope == "account" && window.source != Source::Cap)
    {
        let Some(limit) = LimitName::find(&window.limit) else {
            continue;
        };
        let from_ms = first_counted(window.window, window.starts_at_ms);
        window.overuse += credits::paid_in(ctx, account, limit, from_ms, window.starts_at_ms + 1)?;
    }
    Ok(())
}
