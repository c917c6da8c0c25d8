//! What the events of a log have in common (docs/adr/0062).

use std::time::Duration;

/// A duration as the fields `*_ms` of an event have it.
#[must_use]
pub fn in_ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
