//! What is guaranteed of a limit to accounts below, and what a counter keeps apart for them
//! (R-TEA-9).

use crate::meters::places::Hold;
use crate::model::{Id, LimitName};
use crate::rules::window::Calendar;
use std::sync::Arc;

/// What is guaranteed of one limit.
pub(crate) struct Guaranteed {
    pub(crate) limit: LimitName,
    pub(crate) parts: Vec<Guarantee>,
    /// From when on they fit into the limit, or do not, in order, from now on: together, or they
    /// are best effort.
    pub(crate) holds: Vec<(u64, bool)>,
}

impl Guaranteed {
    /// Whether the parts fit into the limit at an instant.
    pub(crate) fn holds(&self, at_ms: u64) -> bool {
        self.holds
            .iter()
            .rfind(|(from_ms, _)| *from_ms <= at_ms)
            .is_some_and(|(_, holds)| *holds)
    }
}

/// A part of a limit that is kept for an account below.
pub(crate) struct Guarantee {
    pub(crate) account: Id,
    /// Of the account below, whose windows are its own.
    pub(crate) calendar: Arc<Calendar>,
    pub(crate) part: u64,
    /// Whether credits pay beyond its limit.
    pub(crate) takes_credits: bool,
}

/// The counter of an account below that is guaranteed a part of a counter.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) child: usize,
    pub(super) _hold: Hold,
    pub(super) part: u64,
    /// Whether credits pay beyond the limit of the account below.
    pub(super) takes_credits: bool,
}

/// A counter on the line of who sends that is guaranteed a part of the one above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Promise {
    pub(super) parent: usize,
    pub(super) child: usize,
    pub(super) part: u64,
}
