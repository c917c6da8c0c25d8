//! The outcomes of campaigns, as far as bounces need them (R-QTA-11).

use super::{Count, Id};
use tenantry_macros::answer;

/// The outcomes of a campaign, as they are stored and shown.
#[answer]
#[derive(Eq)]
pub struct Campaign {
    /// The account that sends it.
    pub account: Id,
    /// The host's own id, unique within the account.
    pub id: Id,
    /// The outcomes reported since the sample began; they decide whether the campaign is stopped.
    pub sample: CampaignOutcomes,
    /// When the sample began, in unix milliseconds: with the first report, and anew whenever the
    /// campaign is resumed.
    pub sample_since_ms: u64,
    /// All outcomes that were reported.
    pub total: CampaignOutcomes,
    /// Why it is stopped; absent when it is not.
    pub stop: Option<CampaignStop>,
    /// When the store first heard of it, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// How many messages of a campaign had each outcome.
#[answer]
#[derive(Copy, Default, Eq)]
pub struct CampaignOutcomes {
    /// How many were delivered.
    pub delivered: u64,
    /// How many bounced for good.
    pub hard: u64,
    /// How many bounced for now.
    pub soft: u64,
    /// How many were delivered and brought a complaint.
    pub complaints: u64,
}

/// Why a campaign is stopped.
#[answer]
#[derive(Eq)]
pub struct CampaignStop {
    /// What stopped it.
    pub reason: CampaignStopReason,
    /// The rate that was reached, in bounces per thousand outcomes; absent when somebody stopped
    /// it.
    pub per_mille: Option<Count>,
    /// When it was stopped, in unix milliseconds.
    pub at_ms: u64,
}

/// What stops a campaign.
#[answer]
pub enum CampaignStopReason {
    /// Too many of its messages bounced.
    Bounces,
    /// Somebody stopped it.
    Request,
}
