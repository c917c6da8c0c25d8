//! What is known of the clock that decisions are made by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A jump of the system's clock against one that only counts on (R-QTA-13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockJump {
    /// What time it would have been without it, in unix milliseconds.
    pub from_ms: u64,
    /// What the system's clock said, in unix milliseconds.
    pub to_ms: u64,
    /// Whether it is held back: time goes on from `from_ms` until the clock is right again, or
    /// `clock.confirm` says that it is.
    pub held: bool,
}

/// What is kept of the system's clock, for the process that opens the store next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockRecord {
    /// What time it was.
    pub at_ms: u64,
    /// The last jump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<ClockJump>,
}
