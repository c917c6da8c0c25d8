//! Limits of accounts: overridden or inherited, one by one (R-PKG-2, R-PKG-3): requests and
//! answers.

use crate::model::{Count, CountedClass, Id, Limit, LimitName, Limits, MessageClass, OverLimit};
use crate::rules::limit::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gives an account a limit of its own, over that of its package (R-PKG-2). Beside the value, what
/// is absent stays as it was; `limits.inherit` takes all of it away.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The account.
    pub account: Id,
    /// Which limit.
    pub limit: LimitName,
    /// `unlimited`, 0 for nothing, or a number.
    pub value: Limit,
    /// The class of the messages that it counts; as in the package where the account says nothing
    /// (R-QTA-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_class: Option<CountedClass>,
    /// What happens beyond it; as in the package where the account says nothing, and in the end
    /// what the policy `over_limit` says (R-QTA-7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<OverLimit>,
    /// How many may go out at once where it spreads, at least 1; 1 in the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Count>,
    /// The revision of the account that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Takes an account's own limit away, so that it inherits again (R-PKG-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inherit {
    /// The account.
    pub account: Id,
    /// Which limit.
    pub limit: LimitName,
    /// The revision of the account that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Gives an account a part of the limit of the account above (R-TEA-9).
///
/// A guaranteed part counts against what the account above can guarantee: together never more than
/// its own limit (`guarantee_exceeded`). One that is not guaranteed is best effort: the limit of
/// the account above counts for all together in any case. What the platform set stays the
/// platform's.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allocate {
    /// The account below that gets it.
    pub account: Id,
    /// Which limit.
    pub limit: LimitName,
    /// `unlimited`, 0 for nothing, or a number; absent takes the part back, so that the account
    /// inherits again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Limit>,
    /// Whether it is guaranteed; not for `unlimited`. As it was when absent, and in the beginning
    /// it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guaranteed: Option<bool>,
    /// The revision of the account that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Sets what counts where neither account nor package says anything; `unlimited` until then
/// (R-PKG-3). Beside the value, what is absent stays as it was.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetDefault {
    /// Which limit.
    pub limit: LimitName,
    /// `unlimited`, 0 for nothing, or a number.
    pub value: Limit,
    /// The class of the messages that it counts; both in the beginning (R-QTA-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_class: Option<CountedClass>,
    /// What happens beyond it; in the beginning what the policy `over_limit` says (R-QTA-7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<OverLimit>,
    /// How many may go out at once where it spreads, at least 1; 1 in the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Count>,
}

/// Shows for every limit of an account which value counts, where it comes from and what it hides
/// (R-PKG-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The account.
    pub account: Id,
}

/// The limits of an account explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitExplanations {
    /// The account.
    pub account: Id,
    /// One entry for each limit.
    pub limits: Vec<LimitExplanation>,
    /// The accounts directly below whose guaranteed part this change has turned into best effort,
    /// at most 500 (R-TEA-9).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub now_best_effort: Vec<Id>,
}

/// One limit explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitExplanation {
    /// Which limit.
    pub limit: LimitName,
    /// The account's own value.
    pub value: Limit,
    /// Where it comes from.
    pub source: Source,
    /// The only class of messages that it counts; absent where it counts both, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_class: Option<MessageClass>,
    /// What happens beyond it; absent where it does not count what happens in a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<OverLimit>,
    /// The smallest along the accounts above, this one included: nothing goes out beyond it.
    pub smallest: Limit,
    /// Whether it is a guaranteed part of the limit of the account above; false where it was given
    /// as one and that limit was lowered since. Absent where it was not given as one (R-TEA-9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guaranteed: Option<bool>,
    /// How much of it is guaranteed to the accounts directly below; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised: Option<u64>,
    /// Every value that was looked at, the one that counts first, and last what the edition does
    /// not include.
    pub candidates: Vec<LimitCandidate>,
}

/// A value that a limit could have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitCandidate {
    /// Where it comes from.
    pub source: Source,
    /// The account or package that carries it; absent for the platform's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Id>,
    /// The value.
    pub value: Limit,
    /// Whether the edition of the store includes it; otherwise it is kept and does not count
    /// (R-PLT-1).
    pub enforced: bool,
}

/// The platform's default limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DefaultLimits {
    /// The values that were set; an absent one is unlimited.
    pub limits: Limits,
}
