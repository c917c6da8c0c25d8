//! Stops: accounts that send nothing on a channel, because of their bounces or complaints
//! (R-QTA-18): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/stops.md"))]

use crate::model::{AccountStop, AtRisk, CampaignOutcomes, Channel, Id};
use tenantry_macros::{answer, request};

/// Shows what became of the messages that an account sent on a channel in the last seven days, and
/// whether the account is at risk or stopped there (R-QTA-18). Outcomes are counted for an account
/// while its package, or the package of an account above, has a rule that stops accounts.
#[request]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The channel; e-mail when absent.
    pub channel: Option<Channel>,
}

/// Lets an account that is stopped send on a channel again, and begins its count anew (R-QTA-18).
/// An account that is not stopped there stays as it is.
#[request]
pub struct Resume {
    /// The account.
    pub account: Id,
    /// The channel; e-mail when absent.
    pub channel: Option<Channel>,
}

/// What became of the messages of an account on a channel.
#[answer]
pub struct AccountRates {
    /// The account.
    pub account: Id,
    /// The channel.
    pub channel: Channel,
    /// The outcomes that were reported in the last seven days of UTC, today included.
    pub outcomes: CampaignOutcomes,
    /// When the first day began that is counted, in unix milliseconds; absent while nothing is
    /// counted.
    pub since_ms: Option<u64>,
    /// Whether a rate is close to the one that stops the account; absent when none is.
    pub at_risk: Option<AtRisk>,
    /// Why the account is stopped; absent when it is not stopped on the channel.
    pub stop: Option<AccountStop>,
}
