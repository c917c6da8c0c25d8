//! Campaigns: what became of their messages, and when they are stopped for their bounces
//! (R-QTA-11): requests and answers.

use crate::model::{Campaign, Count, Cursor, Id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adds to what became of the messages of a campaign. Where its bounces reach the rate of the
/// account's package, or of that of an account above, it is stopped in the same step, and the
/// outbox tells the host (R-QTA-11).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The account that sends it.
    pub account: Id,
    /// The campaign.
    pub campaign: Id,
    /// How many more were delivered; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Count>,
    /// How many more bounced for good; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard: Option<Count>,
    /// How many more bounced for now; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft: Option<Count>,
    /// How many more of those delivered were complained about; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaints: Option<Count>,
    /// Asked again within a day with the same key it gets the same answer, and counts once; another
    /// request is `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Shows what became of the messages of a campaign, and whether it is stopped (R-QTA-11).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The campaign.
    pub campaign: Id,
}

/// Lets a campaign that is stopped go on, with a new sample (R-QTA-11). One that is not stopped
/// stays as it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// The account.
    pub account: Id,
    /// The campaign.
    pub campaign: Id,
}

/// Stops a campaign by hand, also one that nothing was reported of yet; the outbox tells the host
/// (R-QTA-11). One that is stopped stays as it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// The account.
    pub account: Id,
    /// The campaign.
    pub campaign: Id,
}

/// Lists the campaigns of an account that are stopped, by id, a page at a time (R-QTA-11).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: Id,
    /// Go on after this: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// A page of campaigns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignList {
    /// The campaigns; a page can be shorter than asked for, and even empty, while there is a
    /// `next`.
    pub campaigns: Vec<Campaign>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}
