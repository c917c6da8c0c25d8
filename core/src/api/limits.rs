//! The limits of accounts: each is the account's own or inherited (R-PKG-2, R-PKG-3): requests and
//! answers.
#![cfg_attr(doc, doc = include_str!("../../doc/limits.md"))]

use crate::model::{Count, CountedClass, Id, Limit, LimitName, Limits, MessageClass, OverLimit};
use crate::rules::limit::Source;
use tenantry_macros::{answer, request};

/// Gives an account a limit of its own, which overrides the limit of its package (R-PKG-2). Apart
/// from the value, a field that is absent stays as it was; `limits.inherit` removes the whole
/// limit.
#[request]
pub struct Set {
    /// The account.
    pub account: Id,
    /// Which limit.
    pub limit: LimitName,
    /// `unlimited`, 0 for nothing, or a number.
    pub value: Limit,
    /// The class of the messages that the limit counts. If the account has no class of its own, it
    /// inherits the class; if no level sets one, the limit counts both classes (R-QTA-14).
    pub message_class: Option<CountedClass>,
    /// What happens beyond the limit. If the account has no setting of its own, it inherits the
    /// setting; if no level sets one, the policy `over_limit` decides (R-QTA-7).
    pub over: Option<OverLimit>,
    /// For a limit that spreads, how many messages may go out at once: at least 1; 1 until it is
    /// set.
    pub burst: Option<Count>,
    /// The revision of the account on which the change is based; a stale one is refused with
    /// `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Removes an account's own limit, so that the account inherits the limit again (R-PKG-2).
#[request]
pub struct Inherit {
    /// The account.
    pub account: Id,
    /// Which limit.
    pub limit: LimitName,
    /// The revision of the account on which the change is based; a stale one is refused with
    /// `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Gives an account a part of the limit of the account above it (R-TEA-9).
///
/// The guaranteed parts of all accounts directly below must fit together into the limit of the
/// account above; otherwise the call is refused with `guarantee_exceeded`. A part that is not
/// guaranteed is best effort. In any case, the limit of the account above applies to all accounts
/// below it together. Users cannot change a limit that the platform set.
#[request]
pub struct Allocate {
    /// The account below, which gets the part.
    pub account: Id,
    /// Which limit.
    pub limit: LimitName,
    /// `unlimited`, 0 for nothing, or a number. When it is absent, the part is taken back and the
    /// account inherits the limit again.
    pub value: Option<Limit>,
    /// Whether the part is guaranteed; `unlimited` cannot be. When absent, it stays as it was; a
    /// new part is not guaranteed.
    pub guaranteed: Option<bool>,
    /// The revision of the account on which the change is based; a stale one is refused with
    /// `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Sets the platform's default value of a limit. It applies to an account if neither the account
/// itself, nor its package or (if it has no package) an account above, sets the limit. Until the
/// default is set, it is `unlimited` (R-PKG-3). Apart from the value, a field that is absent stays
/// as it was.
#[request]
pub struct SetDefault {
    /// Which limit.
    pub limit: LimitName,
    /// `unlimited`, 0 for nothing, or a number.
    pub value: Limit,
    /// The class of the messages that the limit counts; both classes until it is set (R-QTA-14).
    pub message_class: Option<CountedClass>,
    /// What happens beyond the limit; until it is set, the policy `over_limit` decides (R-QTA-7).
    pub over: Option<OverLimit>,
    /// For a limit that spreads, how many messages may go out at once: at least 1; 1 until it is
    /// set.
    pub burst: Option<Count>,
}

/// Shows for every limit of an account which value applies, where the value comes from, and which
/// other values it overrides (R-PKG-3).
#[request]
pub struct Explain {
    /// The account.
    pub account: Id,
}

/// The limits of an account explained.
#[answer]
pub struct LimitExplanations {
    /// The account.
    pub account: Id,
    /// One entry for each limit.
    pub limits: Vec<LimitExplanation>,
    /// The accounts directly below whose guaranteed part became best effort by this change, at most
    /// 500 (R-TEA-9).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub now_best_effort: Vec<Id>,
}

/// One limit explained.
#[answer]
pub struct LimitExplanation {
    /// Which limit.
    pub limit: LimitName,
    /// The account's own value.
    pub value: Limit,
    /// Where the value comes from.
    pub source: Source,
    /// The only class of messages that the limit counts; absent when it counts both classes, or no
    /// messages.
    pub message_class: Option<MessageClass>,
    /// What happens beyond the limit; absent when the limit does not count in windows.
    pub over: Option<OverLimit>,
    /// The smallest value among this account and the accounts above it: nothing goes out beyond it.
    pub smallest: Limit,
    /// Whether the value is a guaranteed part of the limit of the account above. It is false when
    /// the part was guaranteed and that limit has been lowered since, and absent when the part was
    /// never guaranteed (R-TEA-9).
    pub guaranteed: Option<bool>,
    /// How much of the limit is guaranteed to the accounts directly below; absent when nothing is
    /// guaranteed.
    pub promised: Option<u64>,
    /// Every value that was considered: the one that applies first, and those that the edition does
    /// not include last.
    pub candidates: Vec<LimitCandidate>,
}

/// A value that a limit could have.
#[answer]
pub struct LimitCandidate {
    /// Where the value comes from.
    pub source: Source,
    /// The account or package that sets the value; absent for the platform's default.
    pub set_by: Option<Id>,
    /// The value.
    pub value: Limit,
    /// Whether the edition of the store includes the limit; if not, the value is kept but does not
    /// apply (R-PLT-1).
    pub enforced: bool,
}

/// The platform's default limits.
#[answer]
pub struct DefaultLimits {
    /// The values that were set; a limit that is absent is unlimited.
    pub limits: Limits,
}
