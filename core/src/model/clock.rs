//! What is recorded of the clock by which decisions are made.

use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// A jump of the system's clock, measured against a clock that only counts on (R-QTA-13).
#[answer]
#[derive(Copy, Eq)]
pub struct ClockJump {
    /// What time it would have been without the jump, in unix milliseconds.
    pub from_ms: u64,
    /// What the system's clock said, in unix milliseconds.
    pub to_ms: u64,
    /// Whether the jump is held back: the store's time continues from `from_ms` until the clock is
    /// right again, or `clock.confirm` says that it is right.
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
