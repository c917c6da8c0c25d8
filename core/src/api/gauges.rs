//! Gauges: how many there are of what a limit counts at a time (R-QTA-10, R-PKG-1, R-PKG-3):
//! requests and answers.

use crate::model::{Count, Id, Limit, LimitName};
use crate::rules::limit::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Claims some more of what a limit counts, for the account and for every account above it: all of
/// them or none (R-QTA-10).
///
/// `limit_reached` names the account whose limit is in the way. An account that is pending,
/// suspended or closed claims nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The account.
    pub account: Id,
    /// Which limit: `contacts`, `lists`, `segments`, `sending_domains`, `triggers` or
    /// `evergreen_campaigns`.
    pub limit: LimitName,
    /// How many, at least 1.
    pub count: Count,
    /// Asked again within a day with the same key it gets the same answer, and counts once; another
    /// request is `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Gives back what was claimed (R-QTA-10).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The account.
    pub account: Id,
    /// Which limit, as in `gauges.claim`.
    pub limit: LimitName,
    /// How many, at least 1; no more than the account itself has (`more_than_claimed`).
    pub count: Count,
    /// Asked again within a day with the same key it gets the same answer, and counts once; another
    /// request is `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Sets how many the account really has. That may be more than its limit allows: then nothing more
/// can be claimed until there are fewer again (R-QTA-10).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    /// The account.
    pub account: Id,
    /// Which limit, as in `gauges.claim`.
    pub limit: LimitName,
    /// How many the account itself has, those of the accounts below not counted.
    pub value: Count,
}

/// Shows for every limit that counts what there is at a time how much of it is used (R-QTA-10).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
}

/// The gauges of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GaugeList {
    /// The account.
    pub account: Id,
    /// One entry for each limit that counts what there is at a time.
    pub gauges: Vec<Gauge>,
}

/// How much of a limit is used now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gauge {
    /// Which limit.
    pub limit: LimitName,
    /// The account's own value of it; those of the accounts above hold as well.
    pub value: Limit,
    /// Where the value comes from; absent where it is the policy `seats` (R-INV-9).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// How many there are in the account and in all accounts below it.
    pub used: u64,
    /// How many of them the account itself has; absent where they are not counted by account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<u64>,
    /// How many more the value allows; absent where it is unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
}
