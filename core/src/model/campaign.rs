//! Campaigns as far as their bounces matter (R-QTA-11).

use super::{Count, Id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of a campaign, as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Campaign {
    /// The account that sends it.
    pub account: Id,
    /// The host's own id, unique within the account.
    pub id: Id,
    /// What was reported since the sample began: this decides whether the campaign is stopped.
    pub sample: CampaignOutcomes,
    /// When the sample began, in unix milliseconds: with the first report, and anew whenever the
    /// campaign is resumed.
    pub sample_since_ms: u64,
    /// What was reported in all.
    pub total: CampaignOutcomes,
    /// Why it is stopped; absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<CampaignStop>,
    /// When it was first heard of, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// How many messages of a campaign ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignOutcomes {
    /// Delivered.
    pub delivered: u64,
    /// Bounced for good.
    pub hard: u64,
    /// Bounced for now.
    pub soft: u64,
    /// Delivered, and complained about.
    pub complaints: u64,
}

/// Why a campaign is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignStop {
    /// What stopped it.
    pub reason: CampaignStopReason,
    /// The rate that was reached, in bounces of a thousand outcomes; absent where somebody stopped
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_mille: Option<Count>,
    /// When, in unix milliseconds.
    pub at_ms: u64,
}

/// What stops a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CampaignStopReason {
    /// Too many of its messages bounced.
    Bounces,
    /// Somebody did.
    Request,
}
