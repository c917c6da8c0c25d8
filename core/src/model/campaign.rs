//! The outcomes of campaigns, as far as bounces need them (R-QTA-11).

use super::{Count, Id};
use tenantry_macros::answer;

/// The outcomes of a campaign, as they are stored and shown.
#[answer]
#[derive(Eq)]
pub struct Campaign {
    /// The account that sends the campaign.
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
    /// Why the campaign is stopped; absent when it is not stopped.
    pub stop: Option<CampaignStop>,
    /// When the campaign was first reported or stopped, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the record of the campaign was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// How many messages of a campaign had each outcome.
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

/// Why a campaign is stopped.
#[answer]
#[derive(Eq)]
pub struct CampaignStop {
    /// What stopped the campaign.
    pub reason: CampaignStopReason,
    /// The bounce rate that was reached, in bounces per thousand outcomes; absent when somebody
    /// stopped the campaign.
    pub per_mille: Option<Count>,
    /// When the campaign was stopped, in unix milliseconds.
    pub at_ms: u64,
}

/// What stops a campaign.
#[answer]
pub enum CampaignStopReason {
    /// Too many of its messages bounced.
    Bounces,
    /// Somebody stopped the campaign.
    Request,
}
