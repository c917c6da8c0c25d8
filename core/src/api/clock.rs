//! The clock of the store: requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/clock.md"))]

use crate::model::Count;
use tenantry_macros::{answer, request};

/// Reads the time by which the store makes its decisions.
#[request]
pub struct Get {}

/// Moves a manual clock forwards or backwards. For a store that uses the system's clock, the call
/// is refused with `clock_not_manual` (R-QTA-13).
#[request]
pub struct Set {
    /// The new time, in unix milliseconds.
    pub now_ms: Count,
}

/// Confirms that the system's clock is right after a jump that the store holds back (R-QTA-13):
/// from then on, the store's time follows the system's clock again. If no jump is held back,
/// nothing changes.
///
/// The store holds back a jump forward of more than a minute that the monotonic clock did not make.
/// When the store is opened, it also holds back a clock that is more than 366 days ahead of the
/// last time that the store knew. Until the jump is confirmed, or the system's clock is right
/// again, the store's time runs on without the jump: for decisions, for expiries, and in the audit.
#[request]
pub struct Confirm {}

/// Undoes the effects of a clock that was wrong and is right now (R-QTA-13): what was counted in
/// windows that begin in the future is counted in the current window instead. The last windows from
/// before the error return with their counts, so nothing is granted twice. If nothing was counted
/// in the future, nothing changes.
///
/// Everything else that began in the future is treated as if it began now: paces, reservations,
/// credit entries, sessions, links, invitations, the time in which a closed account can be
/// reopened, a package for the next month, and how long the answers to idempotency keys are
/// remembered. Slots and edit leases end, and outbox messages that were taken are delivered again.
#[request]
pub struct Undo {}

/// The time of the store's clock.
#[answer]
pub struct ClockReading {
    /// The time in unix milliseconds.
    pub now_ms: u64,
    /// Whether the clock is manual, so that `clock.set` can move it.
    pub manual: bool,
    /// What the system's clock says, in unix milliseconds; present only while a jump of that clock
    /// is held back.
    pub held_back_ms: Option<u64>,
}

/// The result of undoing the effects of a wrong clock.
#[answer]
pub struct ClockUndone {
    /// How many counters of limits and caps were moved.
    pub counters: u64,
}
