//! Where the windows of limits begin and end (R-QTA-4).

use crate::model::Window;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, ZonedDateTime};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// What the boundaries of an account's windows follow.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Its time zone.
    pub zone: TimeZone,
    /// The day of the month on which it is billed, 1 to 31; the last day of a shorter month
    /// (R-QTA-4).
    pub billing_day: i8,
}

/// How long what was used in a part of a rolling hour that ended at `ends_at_ms` still counts: an
/// hour after its last instant.
pub fn counts_until(ends_at_ms: u64) -> u64 {
    ends_at_ms.saturating_add(HOUR_MS)
}

/// When it helps to try again: the end of a window, or where it rolls, when the first of what is
/// used counts no longer.
pub fn resets_at_ms(window: Window, ends_at_ms: u64, first_free_ms: Option<u64>) -> u64 {
    match window {
        Window::RollingHour => first_free_ms.unwrap_or_else(|| counts_until(ends_at_ms)),
        _ => ends_at_ms,
    }
}

/// Whether an instant lies in the part of a rolling hour that counts until `until_ms`.
pub fn is_of_part(at_ms: u64, until_ms: u64) -> bool {
    let counts_until_ms = counts_until(at_ms);
    counts_until_ms < until_ms && until_ms <= counts_until_ms.saturating_add(MINUTE_MS)
}

/// The last instant of the part of a rolling hour that counts until `until_ms`.
pub fn last_of_part(until_ms: u64) -> u64 {
    until_ms.saturating_sub(HOUR_MS + 1)
}

/// The window that holds `now_ms`, or the minute of it that is drawn from where it rolls, as its
/// first instant and the first after it; none for a time that no calendar has.
pub fn bounds(window: Window, now_ms: u64, calendar: &Calendar) -> Option<(u64, u64)> {
    let zone = &calendar.zone;
    match window {
        Window::RollingHour => {
            let starts_at_ms = now_ms - now_ms % MINUTE_MS;
            Some((starts_at_ms, starts_at_ms.checked_add(MINUTE_MS)?))
        }
        Window::Hour => {
            let time = local(now_ms, zone)?.time();
            let since_ms = (u64::try_from(time.minute()).ok()? * 60
                + u64::try_from(time.second()).ok()?)
                * 1000
                + now_ms % 1000;
            let starts_at_ms = now_ms.saturating_sub(since_ms);
            Some((starts_at_ms, starts_at_ms.checked_add(HOUR_MS)?))
        }
        Window::Week => {
            let today = local(now_ms, zone)?.date();
            let monday = today
                .checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days())
                .ok()?;
            Some((
                midnight(monday, zone)?,
                midnight(monday.checked_add(1.week()).ok()?, zone)?,
            ))
        }
        Window::BillingMonth => {
            let today = local(now_ms, zone)?.date();
            let anchor = |first: Date| {
                first
                    .with()
                    .day(calendar.billing_day.clamp(1, first.days_in_month()))
                    .build()
                    .ok()
            };
            let first = today.first_of_month();
            let (from, until) = match anchor(first)? {
                here if today >= here => (here, anchor(first.checked_add(1.month()).ok()?)?),
                here => (anchor(first.checked_sub(1.month()).ok()?)?, here),
            };
            Some((midnight(from, zone)?, midnight(until, zone)?))
        }
        Window::Day => {
            let day = local(now_ms, zone)?.date();
            Some((midnight(day, zone)?, midnight(day.tomorrow().ok()?, zone)?))
        }
        Window::Month => {
            let first = local(now_ms, zone)?.date().first_of_month();
            Some((
                midnight(first, zone)?,
                midnight(first.checked_add(1.month()).ok()?, zone)?,
            ))
        }
        Window::Year => {
            let first = local(now_ms, zone)?.date().first_of_year();
            Some((
                midnight(first, zone)?,
                midnight(first.checked_add(1.year()).ok()?, zone)?,
            ))
        }
    }
}

/// The window that holds `now_ms`, after the last one that was charged, which is over.
///
/// Where the zone or the billing day was changed since, it would begin inside that one, and the
/// same hours could be used twice: it begins at the end of that one instead. It ends at the first
/// boundary that leaves it at least half of its usual length; where that one was cut short already,
/// at the first that does not cut this one short as well.
pub fn bounds_after(
    window: Window,
    last: (u64, u64),
    now_ms: u64,
    calendar: &Calendar,
) -> Option<(u64, u64)> {
    let (starts_at_ms, mut ends_at_ms) = bounds(window, now_ms, calendar)?;
    let (last_starts_at_ms, last_ends_at_ms) = last;
    if starts_at_ms >= last_ends_at_ms {
        return Some((starts_at_ms, ends_at_ms));
    }
    let half_ms = window.usual_ms() / 2;
    // By itself none is as short: a day of 22 hours, a February.
    let whole_ms = window.usual_ms() / 8 * 7;
    let was_cut = (half_ms..whole_ms).contains(&last_ends_at_ms.saturating_sub(last_starts_at_ms));
    let least_ms = if was_cut { whole_ms } else { half_ms };
    while ends_at_ms.saturating_sub(last_ends_at_ms) < least_ms {
        ends_at_ms = bounds(window, ends_at_ms, calendar)?.1;
    }
    Some((last_ends_at_ms, ends_at_ms))
}

/// How many midnights of the zone lie between two instants; none where the later one comes first.
pub fn days_since(from_ms: u64, until_ms: u64, calendar: &Calendar) -> u64 {
    let date = |at_ms| Some(local(at_ms, &calendar.zone)?.date());
    let days = date(from_ms)
        .zip(date(until_ms))
        .and_then(|(from, until)| from.until(until).ok())
        .map_or(0, |span| span.get_days());
    u64::try_from(days).unwrap_or(0)
}

/// The first instant at which a window begins, so many midnights after an instant or later.
pub fn starts_after_days(
    window: Window,
    from_ms: u64,
    days: u64,
    calendar: &Calendar,
) -> Option<u64> {
    let day = local(from_ms, &calendar.zone)?
        .date()
        .checked_add(i64::try_from(days).ok()?.days())
        .ok()?;
    starts_from(window, midnight(day, &calendar.zone)?, calendar)
}

/// The first instant at which a window begins, from an instant on.
pub fn starts_from(window: Window, at_ms: u64, calendar: &Calendar) -> Option<u64> {
    let (starts_at_ms, ends_at_ms) = bounds(window, at_ms, calendar)?;
    Some(if starts_at_ms == at_ms {
        at_ms
    } else {
        ends_at_ms
    })
}

/// The first instant of what counts in a rolling hour.
pub fn counts_from(now_ms: u64) -> u64 {
    let from_ms = now_ms.saturating_sub(HOUR_MS);
    from_ms - from_ms % MINUTE_MS
}

fn local(now_ms: u64, zone: &TimeZone) -> Option<ZonedDateTime> {
    Some(
        Timestamp::from_millisecond(i64::try_from(now_ms).ok()?)
            .ok()?
            .to_zoned_datetime(zone.clone()),
    )
}

/// The first instant of a date: midnight, or the first instant after it where the clocks skip
/// midnight.
fn midnight(date: Date, zone: &TimeZone) -> Option<u64> {
    let start = date
        .to_zoned_datetime(zone.clone())
        .ok()?
        .start_of_day()
        .ok()?;
    Some(u64::try_from(start.timestamp().as_millisecond()).unwrap_or(0))
}

/// The zone of this IANA name, from the tables built into the library.
pub fn zone(name: &str) -> Option<TimeZone> {
    jiff::tz::TimeZoneDatabase::bundled().get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(window: Window, local: &str, zone_name: &str) -> (String, u64) {
        let zone = zone(zone_name).unwrap();
        let calendar = Calendar {
            zone: zone.clone(),
            billing_day: 31,
        };
        let now: ZonedDateTime = format!("{local}[{zone_name}]").parse().unwrap();
        let (start, end) = bounds(
            window,
            u64::try_from(now.timestamp().as_millisecond()).unwrap(),
            &calendar,
        )
        .unwrap();
        let start = Timestamp::from_millisecond(i64::try_from(start).unwrap())
            .unwrap()
            .to_zoned_datetime(zone);
        (
            start.datetime().to_string(),
            (end - u64::try_from(start.timestamp().as_millisecond()).unwrap()) / 3_600_000,
        )
    }

    /// R-QTA-4: a day of 23 or 25 hours is a day; a midnight that does not exist is the first
    /// instant of the date.
    #[test]
    fn days_and_months_follow_the_zone() {
        assert_eq!(
            hours(Window::Day, "2026-11-22T12:00", "Europe/Berlin"),
            ("2026-11-22T00:00:00".to_owned(), 24)
        );
        assert_eq!(
            hours(Window::Day, "2026-03-29T12:00", "Europe/Berlin"),
            ("2026-03-29T00:00:00".to_owned(), 23)
        );
        assert_eq!(
            hours(Window::Day, "2026-10-25T12:00", "Europe/Berlin"),
            ("2026-10-25T00:00:00".to_owned(), 25)
        );
        assert_eq!(
            hours(Window::Day, "2018-11-04T12:00", "America/Sao_Paulo"),
            ("2018-11-04T01:00:00".to_owned(), 23)
        );
        assert_eq!(
            hours(Window::Day, "2026-11-22T00:00", "Asia/Kathmandu"),
            ("2026-11-22T00:00:00".to_owned(), 24)
        );
        assert_eq!(
            hours(Window::Month, "2028-02-29T23:59:59", "UTC"),
            ("2028-02-01T00:00:00".to_owned(), 29 * 24)
        );
        assert_eq!(
            hours(Window::Month, "2026-03-31T12:00", "Europe/Berlin"),
            ("2026-03-01T00:00:00".to_owned(), 31 * 24 - 1)
        );
        assert_eq!(
            hours(Window::Hour, "2026-11-22T12:59:59.999", "Asia/Kathmandu"),
            ("2026-11-22T12:00:00".to_owned(), 1)
        );
        assert_eq!(
            hours(Window::Week, "2026-03-29T23:00", "Europe/Berlin"),
            ("2026-03-23T00:00:00".to_owned(), 7 * 24 - 1)
        );
        assert_eq!(
            hours(Window::Year, "2028-06-15T12:00", "Europe/Berlin"),
            ("2028-01-01T00:00:00".to_owned(), 366 * 24)
        );
    }

    #[test]
    fn days_are_counted_by_midnights() {
        let berlin = Calendar {
            zone: zone("Europe/Berlin").unwrap(),
            billing_day: 1,
        };
        let at = |local: &str| {
            u64::try_from(
                format!("{local}[Europe/Berlin]")
                    .parse::<ZonedDateTime>()
                    .unwrap()
                    .timestamp()
                    .as_millisecond(),
            )
            .unwrap()
        };
        let days = |from: &str, until: &str| days_since(at(from), at(until), &berlin);
        assert_eq!(days("2026-11-22T23:59", "2026-11-23T00:00"), 1);
        assert_eq!(days("2026-11-22T00:00", "2026-11-22T23:59"), 0);
        assert_eq!(days("2026-03-29T00:00", "2026-03-30T00:00"), 1);
        assert_eq!(days("2026-01-01T12:00", "2027-03-01T00:00"), 424);
        assert_eq!(days("2026-11-22T12:00", "2026-11-22T00:00"), 0);
        assert_eq!(days("2026-11-22T12:00", "2026-11-20T00:00"), 0);
    }

    #[test]
    fn windows_that_begin_after_days() {
        let utc = Calendar {
            zone: TimeZone::UTC,
            billing_day: 31,
        };
        let (noon, day) = (1_781_524_800_000, 24 * HOUR_MS);
        let after = |window, days| starts_after_days(window, noon, days, &utc);
        // A Monday in June.
        let today = noon - 12 * HOUR_MS;
        assert_eq!(after(Window::Day, 3), Some(today + 3 * day));
        assert_eq!(after(Window::RollingHour, 1), Some(today + day));
        assert_eq!(
            (
                after(Window::Week, 1),
                after(Window::Week, 7),
                after(Window::Week, 8)
            ),
            (
                Some(today + 7 * day),
                Some(today + 7 * day),
                Some(today + 14 * day)
            )
        );
        assert_eq!(after(Window::Month, 1), Some(today + 16 * day));
        assert_eq!(after(Window::BillingMonth, 1), Some(today + 15 * day));
        assert_eq!(after(Window::Day, u64::MAX), None);
    }

    /// R-QTA-4: 31 -> 30 -> 28 -> 31, no drift.
    #[test]
    fn the_billing_day_of_a_shorter_month_is_its_last() {
        let from = |local: &str| hours(Window::BillingMonth, local, "UTC");
        assert_eq!(
            from("2027-01-31T00:00"),
            ("2027-01-31T00:00:00".to_owned(), 28 * 24)
        );
        assert_eq!(
            from("2027-02-27T23:59"),
            ("2027-01-31T00:00:00".to_owned(), 28 * 24)
        );
        assert_eq!(
            from("2027-02-28T00:00"),
            ("2027-02-28T00:00:00".to_owned(), 31 * 24)
        );
        assert_eq!(
            from("2027-03-31T00:00"),
            ("2027-03-31T00:00:00".to_owned(), 30 * 24)
        );
        assert_eq!(
            from("2027-04-30T12:00"),
            ("2027-04-30T00:00:00".to_owned(), 31 * 24)
        );
        assert_eq!(
            from("2027-05-30T12:00"),
            ("2027-04-30T00:00:00".to_owned(), 31 * 24)
        );
        assert_eq!(
            from("2028-02-29T12:00"),
            ("2028-02-29T00:00:00".to_owned(), 31 * 24)
        );
    }

    #[test]
    fn the_end_belongs_to_the_next_window() {
        let zone = Calendar {
            zone: zone("Europe/Berlin").unwrap(),
            billing_day: 31,
        };
        for window in [
            Window::RollingHour,
            Window::Hour,
            Window::Day,
            Window::Week,
            Window::Month,
            Window::BillingMonth,
            Window::Year,
        ] {
            let (start, end) = bounds(window, 1_795_000_000_000, &zone).unwrap();
            assert_eq!(bounds(window, end - 1, &zone).unwrap(), (start, end));
            assert_eq!(bounds(window, end, &zone).unwrap().0, end);
        }
    }

    const DAY_MS: u64 = 24 * HOUR_MS;
    const CALENDAR_WINDOWS: [Window; 6] = [
        Window::Hour,
        Window::Day,
        Window::Week,
        Window::Month,
        Window::BillingMonth,
        Window::Year,
    ];

    fn at(local: &str, zone: &TimeZone) -> u64 {
        let zoned = local
            .parse::<jiff::civil::DateTime>()
            .unwrap()
            .to_zoned_datetime(zone.clone())
            .unwrap();
        u64::try_from(zoned.timestamp().as_millisecond()).unwrap()
    }

    /// 18.2, R-QTA-4: eastward and westward, in hours from the start of the window that was open.
    #[test]
    fn a_change_acts_from_the_next_window() {
        let of = |name, billing_day| Calendar {
            zone: zone(name).unwrap(),
            billing_day,
        };
        let after = |window, local, from: Calendar, to: Calendar| {
            let last = bounds(window, at(local, &from.zone), &from).unwrap();
            let (starts_at_ms, ends_at_ms) = bounds_after(window, last, last.1, &to).unwrap();
            assert_eq!(starts_at_ms, last.1);
            (ends_at_ms - starts_at_ms) / HOUR_MS
        };
        let (utc, tokyo, azores) = (of("UTC", 1), of("Asia/Tokyo", 1), of("Atlantic/Azores", 1));
        let hours =
            |window, to: &Calendar| after(window, "2026-11-22T12:00", utc.clone(), to.clone());
        assert_eq!(
            (
                hours(Window::Day, &utc),
                hours(Window::Day, &tokyo),
                hours(Window::Day, &azores)
            ),
            (24, 15, 25)
        );
        assert_eq!(
            (hours(Window::Week, &tokyo), hours(Window::Month, &tokyo)),
            (7 * 24 - 9, 31 * 24 - 9)
        );
        assert_eq!(
            (hours(Window::Year, &tokyo), hours(Window::Year, &azores)),
            (365 * 24 - 9, 365 * 24 + 1)
        );
        assert_eq!(hours(Window::Day, &of("Africa/Cairo", 1)), 22);
        // Fourteen hours ahead the next midnight is too near.
        assert_eq!(hours(Window::Day, &of("Pacific/Kiritimati", 1)), 34);
        let billed = |local, to| after(Window::BillingMonth, local, of("UTC", 20), of("UTC", to));
        assert_eq!(
            (
                billed("2026-03-01T12:00", 10),
                billed("2026-03-01T12:00", 25)
            ),
            (21 * 24, (31 + 5) * 24)
        );
    }

    /// 18.2: from zone to zone a window is never cut twice in a row.
    #[test]
    fn to_and_fro() {
        let of = |name| Calendar {
            zone: zone(name).unwrap(),
            billing_day: 1,
        };
        let (utc, fiji) = (of("UTC"), of("Pacific/Fiji"));
        let mut last = bounds(Window::Day, 1_795_305_600_000, &utc).unwrap();
        let mut lengths = Vec::new();
        for calendar in [&fiji, &utc, &fiji, &fiji, &utc, &utc] {
            last = bounds_after(Window::Day, last, last.1, calendar).unwrap();
            lengths.push((last.1 - last.0) / HOUR_MS);
        }
        assert_eq!(lengths, [12, 36, 12, 24, 12, 24]);
    }

    /// 18.2: all zones, all windows, changed at every window in turn: no gap, none shorter than
    /// half, none twice as long, no two in a row that are cut, and all ends are boundaries of the
    /// calendar of then.
    #[test]
    fn changes_between_all_zones() {
        let zones: Vec<_> = jiff::tz::TimeZoneDatabase::bundled()
            .available()
            .map(|name| zone(name.as_str()).unwrap())
            .collect();
        assert!(zones.len() > 400);
        let mut dice = 1_u64;
        let mut roll = |below: usize| {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(dice >> 33).unwrap() % below
        };
        for window in CALENDAR_WINDOWS {
            let (half, whole) = (window.usual_ms() / 2, window.usual_ms() / 8 * 7);
            for from in &zones {
                let calendar = |zone: &TimeZone, day: usize| Calendar {
                    zone: zone.clone(),
                    billing_day: i8::try_from(day).unwrap(),
                };
                let mut last = bounds(window, 1_795_000_000_000, &calendar(from, 1)).unwrap();
                let mut was_cut = false;
                for _ in 0..12 {
                    let to = calendar(&zones[roll(zones.len())], 1 + roll(31));
                    let next = bounds_after(window, last, last.1, &to).unwrap();
                    let length = next.1 - next.0;
                    let natural = bounds(window, next.0, &to).unwrap();
                    assert_eq!(next.0, last.1);
                    assert!(
                        next == natural || (half <= length && length < half * 4 + DAY_MS),
                        "{window:?} of {length} ms"
                    );
                    assert!(
                        !was_cut || next == natural || length >= whole,
                        "{window:?} cut twice"
                    );
                    assert_eq!(bounds(window, next.1, &to).unwrap().0, next.1);
                    (was_cut, last) = (length < whole, next);
                }
            }
        }
    }

    /// One that nobody charged moves none after it, and where nothing was changed a window is the
    /// calendar's.
    #[test]
    fn a_window_begins_at_the_end_of_the_last_that_was_charged() {
        let of = |zone| Calendar {
            zone,
            billing_day: 1,
        };
        let (utc, west) = (of(TimeZone::UTC), of(zone("Atlantic/Azores").unwrap()));
        let midnight = 1_795_305_600_000;
        let last = (midnight - DAY_MS, midnight);
        assert_eq!(
            bounds_after(Window::Day, last, midnight, &utc),
            Some((midnight, midnight + DAY_MS))
        );
        assert_eq!(
            bounds(Window::Day, midnight, &west),
            Some((midnight - 23 * HOUR_MS, midnight + HOUR_MS))
        );
        assert_eq!(
            bounds_after(Window::Day, last, midnight, &west),
            Some((midnight, midnight + 25 * HOUR_MS))
        );
        assert_eq!(
            bounds_after(Window::Day, last, midnight + HOUR_MS, &west),
            Some((midnight + HOUR_MS, midnight + 25 * HOUR_MS))
        );
    }

    #[test]
    fn unknown_zones_and_impossible_times_have_no_window() {
        assert!(zone("Mars/Olympus").is_none());
        let utc = Calendar {
            zone: TimeZone::UTC,
            billing_day: 1,
        };
        assert!(bounds(Window::Day, u64::MAX, &utc).is_none());
        assert!(bounds(Window::RollingHour, u64::MAX, &utc).is_none());
    }
}
