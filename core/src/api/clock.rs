//! The clock of the store: requests and answers.

use crate::model::Count;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The time that decisions are made by.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {}

/// Moves a manual clock, forwards or backwards; with the system's clock it is `clock_not_manual`
/// (R-QTA-13).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The new time, in unix milliseconds.
    pub now_ms: Count,
}

/// The system's clock is right where it is held back (R-QTA-13): time goes on with it. Where
/// nothing is held back, nothing changes.
///
/// A jump forward of more than a minute that a steady clock did not see is held back, and so is a
/// clock that is more than 366 days ahead of the last time that the store knew of. Until it is
/// confirmed, or the system's clock is right again, time goes on without the jump: for decisions,
/// for what expires, and in the audit.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {}

/// The clock was wrong, and is right now (R-QTA-13): what was counted in windows that begin after
/// now counts in the window of now. The last true windows are there again with all that they
/// counted, so nothing is granted twice. Where nothing was counted in the future, nothing changes.
///
/// What else began after now is as if it began now: paces, reservations, entries of credits,
/// sessions, links, invitations, the time in which a closed account can be reopened, a package for
/// the next month, and how long answers to keys are remembered. Slots and edit leases end, and
/// messages of the outbox that were taken are given again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {}

/// The time of the store's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClockReading {
    /// Unix milliseconds.
    pub now_ms: u64,
    /// Whether `clock.set` can move it.
    pub manual: bool,
    /// What the system's clock says, in unix milliseconds, where it has jumped and is held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_back_ms: Option<u64>,
}

/// What was taken out of the future.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClockUndone {
    /// How many counters of limits and caps.
    pub counters: u64,
}
