//! The last refusal of a sender, and for what it holds.

use crate::locks::AtomicU64;
use crate::model::Refusal;
use arc_swap::ArcSwapOption;
use std::sync::{Arc, OnceLock};

/// A refusal, and for what it holds.
pub(crate) struct Refused {
    pub(super) count: u64,
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
    pub(super) changes: u64,
    /// The last commit before the store was looked at; none where it has no say.
    pub(super) commit: Option<u64>,
    pub(crate) refusal: Arc<Refusal>,
    pub(crate) remaining: Option<u64>,
}

/// The last refusal of a sender.
#[derive(Default)]
pub(crate) struct Remembered {
    pub(super) last: ArcSwapOption<Refused>,
    /// With how many changes of the meters it holds: one look where there is none.
    pub(super) changes: AtomicU64,
    /// Why nothing at all may go out.
    pub(super) before_limits: OnceLock<Arc<Refusal>>,
}
