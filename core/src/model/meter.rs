//! What has been drawn from a limit in its current window.

use serde::{Deserialize, Serialize};

/// A kind of window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// An hour of UTC.
    Hour,
    /// From midnight to midnight in the account's time zone; 23 or 25 hours are a day.
    Day,
    /// From the first to the first in the account's time zone.
    Month,
}

/// A meter as it is stored: the window owns its boundaries, so that nobody splits a day differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// When the window began.
    pub starts_at_ms: u64,
    /// When the window ends; from then on nothing is drawn from it.
    pub ends_at_ms: u64,
    /// How much of the limit is used, or handed to a process that may use it.
    pub drawn: u64,
}
