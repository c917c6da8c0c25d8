//! Slots of workers (R-QTA-10).

use super::Id;
use tenantry_macros::answer;

/// A slot that a worker has, as it is stored and shown. The slot is free again when its lease has
/// expired.
#[answer]
#[derive(Eq)]
pub struct Slot {
    /// The id, by which the slot is renewed and released.
    pub id: Id,
    /// The account for which the worker works.
    pub account: Id,
    /// The worker, by the name that the host uses for it.
    pub holder: Id,
    /// The campaign on which the worker works.
    pub campaign: Option<Id>,
    /// When the worker took the slot, in unix milliseconds.
    pub acquired_at_ms: u64,
    /// When the slot is free again unless it is renewed, in unix milliseconds.
    pub expires_at_ms: u64,
}
