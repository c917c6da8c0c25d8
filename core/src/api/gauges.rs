//! Gauges: how many contacts, lists and the like an account has, against the limits that count them
//! (R-QTA-10, R-PKG-1, R-PKG-3): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/gauges.md"))]

use crate::model::{Count, Id, Limit, LimitName};
use crate::rules::limit::Source;
use tenantry_macros::{answer, request};

/// Claims a number of things that a limit counts, such as contacts, for the account and for every
/// account above it: all of them or none (R-QTA-10).
///
/// A refusal with `limit_reached` names the account whose limit does not allow it. A pending,
/// suspended or closed account cannot claim anything.
#[request]
pub struct Claim {
    /// The account.
    pub account: Id,
    /// Which limit: `contacts`, `lists`, `segments`, `sending_domains`, `triggers` or
    /// `evergreen_campaigns`.
    pub limit: LimitName,
    /// How many, at least 1.
    pub count: Count,
    /// An idempotency key: the same request repeated within a day gets the same answer and counts
    /// once; another request with the same key is refused with `idempotency_mismatch`.
    pub key: Option<Id>,
}

/// Gives back some of the things that were claimed (R-QTA-10).
#[request]
pub struct Release {
    /// The account.
    pub account: Id,
    /// Which limit, as in `gauges.claim`.
    pub limit: LimitName,
    /// How many, at least 1; more than the account itself has is refused with `more_than_claimed`.
    pub count: Count,
    /// An idempotency key: the same request repeated within a day gets the same answer and counts
    /// once; another request with the same key is refused with `idempotency_mismatch`.
    pub key: Option<Id>,
}

/// Sets how many things that a limit counts the account really has, as the host has counted them.
/// The number may be above the limit: then nothing more can be claimed until the number is below
/// the limit again (R-QTA-10).
#[request]
pub struct Reconcile {
    /// The account.
    pub account: Id,
    /// Which limit, as in `gauges.claim`.
    pub limit: LimitName,
    /// How many the account itself has, without the accounts below it.
    pub value: Count,
}

/// Shows how much is used of every limit that counts existing things, such as contacts (R-QTA-10).
#[request]
pub struct Get {
    /// The account.
    pub account: Id,
}

/// The gauges of an account.
#[answer]
pub struct GaugeList {
    /// The account.
    pub account: Id,
    /// One entry for each limit that counts existing things.
    pub gauges: Vec<Gauge>,
}

/// How much of a limit is used now.
#[answer]
pub struct Gauge {
    /// Which limit.
    pub limit: LimitName,
    /// The account's own value of the limit; the limits of the accounts above apply as well.
    pub value: Limit,
    /// Where the value comes from; absent when it comes from the policy `seats` (R-INV-9).
    pub source: Option<Source>,
    /// How many of the things exist in the account and in all accounts below it.
    pub used: u64,
    /// How many of them the account itself has; absent when they are not counted for each account.
    pub own: Option<u64>,
    /// How many more the value allows; absent when it is unlimited.
    pub left: Option<u64>,
}
