//! Where the windows of limits begin and end (R-QTA-4).

use crate::model::Window;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// What the boundaries of an account's windows follow.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Its time zone.
    pub zone: TimeZone,
    /// The day of the month on which it is billed, 1 to 31; the last day of a shorter month (R-QTA-4).
    pub billing_day: i8,
}

/// How long what was used in a part of a rolling hour that ended at `ends_at_ms` still counts: an hour after its last instant.
pub fn counts_until(ends_at_ms: u64) -> u64 {
    ends_at_ms.saturating_add(HOUR_MS)
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

/// The window that holds `now_ms`, or the minute of it that is drawn from where it rolls, as its first instant and the first after it; none for a time that no calendar has.
pub fn bounds(window: Window, now_ms: u64, calendar: &Calendar) -> Option<(u64, u64)> {
    let zone = &calendar.zone;
    match window {
        Window::RollingHour => {
            let starts_at_ms = now_ms - now_ms % MINUTE_MS;
            Some((starts_at_ms, starts_at_ms.checked_add(MINUTE_MS)?))
        }
        Window::Hour => {
            let time = local(now_ms, zone)?.time();
            let since_ms = (u64::try_from(time.minute()).ok()? * 60 + u64::try_from(time.second()).ok()?) * 1000 + now_ms % 1000;
            let starts_at_ms = now_ms.saturating_sub(since_ms);
            Some((starts_at_ms, starts_at_ms.checked_add(HOUR_MS)?))
        }
        Window::Week => {
            let today = local(now_ms, zone)?.date();
            let monday = today.checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days()).ok()?;
            Some((midnight(monday, zone)?, midnight(monday.checked_add(1.week()).ok()?, zone)?))
        }
        Window::BillingMonth => {
            let today = local(now_ms, zone)?.date();
            let anchor = |first: Date| first.with().day(calendar.billing_day.clamp(1, first.days_in_month())).build().ok();
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
            Some((midnight(first, zone)?, midnight(first.checked_add(1.month()).ok()?, zone)?))
        }
        Window::Year => {
            let first = local(now_ms, zone)?.date().first_of_year();
            Some((midnight(first, zone)?, midnight(first.checked_add(1.year()).ok()?, zone)?))
        }
    }
}

/// The window that holds `now_ms`, after one that ended at `last_ends_at_ms`.
///
/// Where the zone was changed since, it would begin inside that one, and the same hours could be used twice: it begins
/// at the end of that one instead, and lasts until the next boundary but one.
pub fn bounds_after(window: Window, last_ends_at_ms: u64, now_ms: u64, calendar: &Calendar) -> Option<(u64, u64)> {
    let (starts_at_ms, ends_at_ms) = bounds(window, now_ms, calendar)?;
    if starts_at_ms >= last_ends_at_ms {
        return Some((starts_at_ms, ends_at_ms));
    }
    Some((last_ends_at_ms, bounds(window, ends_at_ms, calendar)?.1))
}

/// How many midnights of the zone lie between two instants; none where the later one comes first.
pub fn days_since(from_ms: u64, until_ms: u64, calendar: &Calendar) -> u64 {
    let date = |at_ms| Some(local(at_ms, &calendar.zone)?.date());
    let days = date(from_ms).zip(date(until_ms)).and_then(|(from, until)| from.until(until).ok()).map_or(0, |span| span.get_days());
    u64::try_from(days).unwrap_or(0)
}

/// The first instant at which a window begins, so many midnights after an instant or later.
pub fn starts_after_days(window: Window, from_ms: u64, days: u64, calendar: &Calendar) -> Option<u64> {
    let day = local(from_ms, &calendar.zone)?.date().checked_add(i64::try_from(days).ok()?.days()).ok()?;
    let midnight = midnight(day, &calendar.zone)?;
    let (starts_at_ms, ends_at_ms) = bounds(window, midnight, calendar)?;
    Some(if starts_at_ms == midnight { starts_at_ms } else { ends_at_ms })
}

fn local(now_ms: u64, zone: &TimeZone) -> Option<Zoned> {
    Some(Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?.to_zoned(zone.clone()))
}

/// The first instant of a date: midnight, or the first instant after it where the clocks skip midnight.
fn midnight(date: Date, zone: &TimeZone) -> Option<u64> {
    let start = date.to_zoned(zone.clone()).ok()?.start_of_day().ok()?;
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
        let calendar = Calendar { zone: zone.clone(), billing_day: 31 };
        let now: Zoned = format!("{local}[{zone_name}]").parse().unwrap();
        let (start, end) = bounds(window, u64::try_from(now.timestamp().as_millisecond()).unwrap(), &calendar).unwrap();
        let start = Timestamp::from_millisecond(i64::try_from(start).unwrap()).unwrap().to_zoned(zone);
        (start.datetime().to_string(), (end - u64::try_from(start.timestamp().as_millisecond()).unwrap()) / 3_600_000)
    }

    /// R-QTA-4: a day of 23 or 25 hours is a day; a midnight that does not exist is the first instant of the date.
    #[test]
    fn days_and_months_follow_the_zone() {
        assert_eq!(hours(Window::Day, "2026-11-22T12:00", "Europe/Berlin"), ("2026-11-22T00:00:00".to_owned(), 24));
        assert_eq!(hours(Window::Day, "2026-03-29T12:00", "Europe/Berlin"), ("2026-03-29T00:00:00".to_owned(), 23));
        assert_eq!(hours(Window::Day, "2026-10-25T12:00", "Europe/Berlin"), ("2026-10-25T00:00:00".to_owned(), 25));
        assert_eq!(hours(Window::Day, "2018-11-04T12:00", "America/Sao_Paulo"), ("2018-11-04T01:00:00".to_owned(), 23));
        assert_eq!(hours(Window::Day, "2026-11-22T00:00", "Asia/Kathmandu"), ("2026-11-22T00:00:00".to_owned(), 24));
        assert_eq!(hours(Window::Month, "2028-02-29T23:59:59", "UTC"), ("2028-02-01T00:00:00".to_owned(), 29 * 24));
        assert_eq!(hours(Window::Month, "2026-03-31T12:00", "Europe/Berlin"), ("2026-03-01T00:00:00".to_owned(), 31 * 24 - 1));
        assert_eq!(hours(Window::Hour, "2026-11-22T12:59:59.999", "Asia/Kathmandu"), ("2026-11-22T12:00:00".to_owned(), 1));
        assert_eq!(hours(Window::Week, "2026-03-29T23:00", "Europe/Berlin"), ("2026-03-23T00:00:00".to_owned(), 7 * 24 - 1));
        assert_eq!(hours(Window::Year, "2028-06-15T12:00", "Europe/Berlin"), ("2028-01-01T00:00:00".to_owned(), 366 * 24));
    }

    #[test]
    fn days_are_counted_by_midnights() {
        let berlin = Calendar { zone: zone("Europe/Berlin").unwrap(), billing_day: 1 };
        let at = |local: &str| u64::try_from(format!("{local}[Europe/Berlin]").parse::<Zoned>().unwrap().timestamp().as_millisecond()).unwrap();
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
        let utc = Calendar { zone: TimeZone::UTC, billing_day: 31 };
        let (noon, day) = (1_781_524_800_000, 24 * HOUR_MS);
        let after = |window, days| starts_after_days(window, noon, days, &utc);
        // A Monday in June.
        let today = noon - 12 * HOUR_MS;
        assert_eq!(after(Window::Day, 3), Some(today + 3 * day));
        assert_eq!(after(Window::RollingHour, 1), Some(today + day));
        assert_eq!(
            (after(Window::Week, 1), after(Window::Week, 7), after(Window::Week, 8)),
            (Some(today + 7 * day), Some(today + 7 * day), Some(today + 14 * day))
        );
        assert_eq!(after(Window::Month, 1), Some(today + 16 * day));
        assert_eq!(after(Window::BillingMonth, 1), Some(today + 15 * day));
        assert_eq!(after(Window::Day, u64::MAX), None);
    }

    /// R-QTA-4: 31 -> 30 -> 28 -> 31, no drift.
    #[test]
    fn the_billing_day_of_a_shorter_month_is_its_last() {
        let from = |local: &str| hours(Window::BillingMonth, local, "UTC");
        assert_eq!(from("2027-01-31T00:00"), ("2027-01-31T00:00:00".to_owned(), 28 * 24));
        assert_eq!(from("2027-02-27T23:59"), ("2027-01-31T00:00:00".to_owned(), 28 * 24));
        assert_eq!(from("2027-02-28T00:00"), ("2027-02-28T00:00:00".to_owned(), 31 * 24));
        assert_eq!(from("2027-03-31T00:00"), ("2027-03-31T00:00:00".to_owned(), 30 * 24));
        assert_eq!(from("2027-04-30T12:00"), ("2027-04-30T00:00:00".to_owned(), 31 * 24));
        assert_eq!(from("2027-05-30T12:00"), ("2027-04-30T00:00:00".to_owned(), 31 * 24));
        assert_eq!(from("2028-02-29T12:00"), ("2028-02-29T00:00:00".to_owned(), 31 * 24));
    }

    #[test]
    fn the_end_belongs_to_the_next_window() {
        let zone = Calendar { zone: zone("Europe/Berlin").unwrap(), billing_day: 31 };
        for window in [Window::RollingHour, Window::Hour, Window::Day, Window::Week, Window::Month, Window::BillingMonth, Window::Year] {
            let (start, end) = bounds(window, 1_795_000_000_000, &zone).unwrap();
            assert_eq!(bounds(window, end - 1, &zone).unwrap(), (start, end));
            assert_eq!(bounds(window, end, &zone).unwrap().0, end);
        }
    }

    /// Without it an account that changes its zone every hour would have a new day every hour.
    #[test]
    fn a_change_of_zone_never_makes_a_window_shorter() {
        let of = |zone| Calendar { zone, billing_day: 1 };
        let (utc, west) = (of(TimeZone::UTC), of(zone("Atlantic/Azores").unwrap()));
        let midnight = 1_795_305_600_000;
        let hour = 3_600_000;
        assert_eq!(bounds(Window::Day, midnight, &utc), Some((midnight, midnight + 24 * hour)));
        assert_eq!(bounds_after(Window::Day, midnight, midnight, &utc), Some((midnight, midnight + 24 * hour)));
        assert_eq!(bounds(Window::Day, midnight, &west), Some((midnight - 23 * hour, midnight + hour)));
        assert_eq!(bounds_after(Window::Day, midnight, midnight, &west), Some((midnight, midnight + 25 * hour)));
        assert_eq!(bounds_after(Window::Day, midnight, midnight + hour, &west), Some((midnight + hour, midnight + 25 * hour)));
    }

    #[test]
    fn unknown_zones_and_impossible_times_have_no_window() {
        assert!(zone("Mars/Olympus").is_none());
        let utc = Calendar { zone: TimeZone::UTC, billing_day: 1 };
        assert!(bounds(Window::Day, u64::MAX, &utc).is_none());
        assert!(bounds(Window::RollingHour, u64::MAX, &utc).is_none());
    }
}
