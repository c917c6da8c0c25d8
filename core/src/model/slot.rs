//! Slots of workers (R-QTA-10).

use super::Id;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A slot that a worker has, as it is stored and shown. It is free again once its lease has run
/// out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slot {
    /// The id, which renews it and gives it back.
    pub id: Id,
    /// The account that the worker works for.
    pub account: Id,
    /// The worker, as the host names it.
    pub holder: Id,
    /// The campaign that it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Id>,
    /// Since when, in unix milliseconds.
    pub acquired_at_ms: u64,
    /// When it is free again unless it is renewed, in unix milliseconds.
    pub expires_at_ms: u64,
}
