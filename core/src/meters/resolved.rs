//! The value of a limit that counts for an account, and its terms.

use crate::model::{Count, CountedClass, Limit, LimitName, LimitTerms, MessageClass, OverLimit};
use crate::rules::limit::{Candidate, Source};

/// The value of a limit and where it comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolved {
    pub(crate) limit: Limit,
    pub(crate) source: Source,
    /// The only class of messages that it counts; none where it counts both.
    pub(crate) class: Option<MessageClass>,
    /// What happens beyond it.
    pub(crate) over: OverLimit,
    /// How many may go out at once where it spreads.
    pub(crate) burst: u64,
}

impl Resolved {
    /// One that counts everything, and refuses beyond it.
    pub(crate) const fn plain(limit: Limit, source: Source) -> Resolved {
        Resolved {
            limit,
            source,
            class: None,
            over: OverLimit::Reject,
            burst: 1,
        }
    }

    /// The value that counts, with the terms of the limit.
    pub(crate) fn of(value: &Candidate, terms: LimitTerms, policy: OverLimit) -> Resolved {
        Resolved {
            class: terms.message_class.and_then(CountedClass::only),
            over: terms.over.unwrap_or(policy),
            burst: terms.burst.map_or(1, Count::get),
            ..Resolved::plain(value.limit, value.source)
        }
    }
}

/// One of the limits.
pub(crate) fn value_of(limits: &[Resolved; LimitName::COUNT], name: LimitName) -> Resolved {
    let place = LimitName::ALL.iter().position(|one| *one == name);
    place
        .and_then(|at| limits.get(at))
        .copied()
        .unwrap_or(Resolved::plain(Limit::Unlimited, Source::PlatformDefault))
}
