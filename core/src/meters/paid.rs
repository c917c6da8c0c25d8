//! What a send was charged, and what credits pay for of it.

use crate::meters::ask::Ask;
use crate::meters::prepared::Prepared;
use crate::meters::wanted::Wanted;
use crate::model::{Decision, LimitName};
use std::sync::Arc;

/// A limit of the account, and the start of its window, or of the part of a rolling one, in which
/// credits paid for messages.
pub(crate) type Lifted = (LimitName, u64);

/// What credits pay for of a send: its account's own limits are charged so many less.
#[derive(Clone, Default)]
pub(crate) struct Paid {
    pub(crate) amount: u64,
    /// Which of them; none where nobody knows any more: those of today.
    pub(crate) lifted: Option<Vec<Lifted>>,
}

impl Paid {
    /// How many of so many messages each counter is charged.
    pub(crate) fn charged(&self, prepared: &Prepared, count: u64) -> Vec<u64> {
        let uncovered = count.saturating_sub(self.amount);
        let is_less = |wanted: &Wanted| match &self.lifted {
            Some(lifted) => {
                prepared.is_own(&wanted.id)
                    && lifted
                        .iter()
                        .any(|(limit, _)| limit.name() == wanted.id.limit)
            }
            None => prepared.lifts(wanted),
        };
        prepared
            .wanted
            .iter()
            .map(|wanted| if is_less(wanted) { uncovered } else { count })
            .collect()
    }
}

/// What was decided and charged, before it is committed.
pub(crate) struct Charge<'p> {
    pub(crate) prepared: &'p Arc<Prepared>,
    pub(crate) ask: Ask,
    pub(crate) decision: Decision,
    pub(crate) owed: Paid,
    pub(crate) at_ms: u64,
}

/// What became of a charge.
pub(crate) enum Charged<A> {
    /// It stands.
    Kept(A),
    /// The same was asked before, and answered so: this charge comes back.
    Before(A),
}
