//! The records of the clock by which decisions are made.

use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// A jump of the system's clock, measured against the monotonic clock (R-QTA-13).
#[answer]
#[derive(Copy, Eq)]
pub struct ClockJump {
    /// The time without the jump, in unix milliseconds.
    pub from_ms: u64,
    /// The time that the system's clock showed, in unix milliseconds.
    pub to_ms: u64,
    /// Whether the jump is held back: the store's time continues from `from_ms` until the clock is
    /// right again, or `clock.confirm` confirms the jump.
    pub held: bool,
}

/// What is stored of the system's clock, for the process that opens the store next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockRecord {
    /// The time when this was stored.
    pub at_ms: u64,
    /// The last jump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<ClockJump>,
}
