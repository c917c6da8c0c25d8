//! The rates at which campaigns and accounts are stopped, and what is counted for them (R-QTA-18).

use super::{Channel, Count, Id};
use serde::{Deserialize, Serialize};
use tenantry_macros::{answer, request};

/// A rate of bounces or complaints at which a campaign, or the whole account, is stopped
/// (R-QTA-18).
#[request]
#[derive(Copy, PartialEq, Eq)]
pub struct StopRule {
    /// What is stopped: each campaign by its own rate, or the account by the rate of everything
    /// that it sends on a channel.
    pub scope: StopScope,
    /// Which outcome of a message counts.
    pub outcome: StopOutcome,
    /// The rate at which the campaign or the account is stopped, in messages per million: 1 to
    /// 1,000,000.
    pub stop_per_million: Count,
    /// The lower rate at which the campaign or the account is at risk and the host is notified, in
    /// messages per million; when absent, the host is not warned.
    pub at_risk_per_million: Option<Count>,
    /// How many messages there must be before the rates count: outcomes, or delivered messages
    /// where complaints count.
    pub sample: Count,
}

/// What a rule stops.
#[answer]
pub enum StopScope {
    /// Each campaign, by the outcomes of its sample.
    Campaign,
    /// The account, by the outcomes of all its campaigns on one channel in the last seven days.
    Account,
}

/// Which outcome of a message counts.
#[answer]
pub enum StopOutcome {
    /// Permanent and temporary bounces, among the messages that were delivered or bounced.
    Bounces,
    /// Permanent bounces alone, among the messages that were delivered or bounced.
    HardBounces,
    /// Complaints, among the messages that were delivered.
    Complaints,
}

/// How many messages of a campaign, or of an account, had each outcome.
#[answer]
#[derive(Copy, Default, Eq)]
pub struct CampaignOutcomes {
    /// How many messages were delivered.
    pub delivered: u64,
    /// How many messages bounced permanently.
    pub hard: u64,
    /// How many messages bounced temporarily.
    pub soft: u64,
    /// How many messages were delivered and brought a complaint.
    pub complaints: u64,
}

/// A rate is close to the one that stops.
#[answer]
#[derive(Copy, Eq)]
pub struct AtRisk {
    /// The rule whose lower rate was reached first.
    pub rule: StopRule,
    /// Since when there is a risk, in unix milliseconds.
    pub at_ms: u64,
}

/// An account is stopped on a channel: no more of its messages go out there.
#[answer]
#[derive(Copy, Eq)]
pub struct AccountStop {
    /// The channel.
    pub channel: Channel,
    /// The rule whose rate was reached.
    pub rule: StopRule,
    /// When the account was stopped, in unix milliseconds.
    pub at_ms: u64,
}

/// The rate that a message of the outbox is about.
#[answer]
#[derive(Copy, Eq)]
pub struct RateNotice {
    /// The channel of the messages.
    pub channel: Channel,
    /// The rule whose rate was reached.
    pub rule: StopRule,
    /// The outcomes that were counted.
    pub outcomes: CampaignOutcomes,
}

/// What became of the messages of an account on a channel, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountOutcomes {
    /// The account.
    pub account: Id,
    /// The channel.
    pub channel: Channel,
    /// The last days on which something was reported, in order; as many as count.
    pub days: Vec<DayOutcomes>,
    /// Whether a rate is close to the one that stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_risk: Option<AtRisk>,
}

/// What was reported on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayOutcomes {
    /// The number of the day of UTC, from 1970-01-01 on.
    pub day: u64,
    /// The outcomes.
    pub outcomes: CampaignOutcomes,
}
