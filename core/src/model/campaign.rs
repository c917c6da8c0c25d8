//! The outcomes of campaigns, as far as bounces and complaints need them (R-QTA-11, R-QTA-18).

use super::{AtRisk, CampaignOutcomes, Count, Id, StopRule};
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
    /// Whether a rate is close to the one that stops the campaign (R-QTA-18); absent when none is,
    /// and when the campaign is stopped.
    pub at_risk: Option<AtRisk>,
    /// When the campaign was first reported or stopped, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the record of the campaign was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// Why a campaign is stopped.
#[answer]
#[derive(Eq)]
pub struct CampaignStop {
    /// What stopped the campaign.
    pub reason: CampaignStopReason,
    /// The bounce rate that was reached, in bounces per thousand outcomes; absent when somebody
    /// or a rule stopped the campaign.
    pub per_mille: Option<Count>,
    /// The rule whose rate was reached (R-QTA-18); absent when somebody or the bounce rate stopped
    /// the campaign.
    pub rule: Option<StopRule>,
    /// When the campaign was stopped, in unix milliseconds.
    pub at_ms: u64,
}

/// What stops a campaign.
#[answer]
pub enum CampaignStopReason {
    /// Too many of its messages bounced.
    Bounces,
    /// Too many of its messages bounced permanently.
    HardBounces,
    /// Too many of its messages brought a complaint.
    Complaints,
    /// Somebody stopped the campaign.
    Request,
}
