//! Instants, in unix milliseconds.

/// The last instant with which the library reckons, in unix milliseconds: the beginning of the year
/// 9000. Calendars end a thousand years later.
pub(crate) const LAST_MS: u64 = 221_845_392_000_000;

/// Refuses an instant after [`LAST_MS`]; the sentence says why.
pub(crate) fn check_instant(at_ms: u64) -> Result<(), String> {
    if at_ms <= LAST_MS {
        return Ok(());
    }
    Err(format!(
        "The time {at_ms} ms is outside the calendar, whose last time is {LAST_MS} ms."
    ))
}
