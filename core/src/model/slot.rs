//! Slots of workers (R-QTA-10).

use super::Id;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A slot that a worker has, as it is stored and shown. It is free again once its lease has run
/// out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slot {
    /// The id, with which it is renewed and released.
    pub id: Id,
    /// The account for which the worker works.
    pub account: Id,
    /// The worker, by the name that the host uses for it.
    pub holder: Id,
    /// The campaign on which it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Id>,
    /// When the worker took it, in unix milliseconds.
    pub acquired_at_ms: u64,
    /// When it is free again unless it is renewed, in unix milliseconds.
    pub expires_at_ms: u64,
}
