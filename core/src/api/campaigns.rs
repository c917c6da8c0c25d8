//! Campaigns: the outcomes of their messages, and when their bounces stop them (R-QTA-11): requests
//! and answers.

use crate::model::{Campaign, Count, Cursor, Id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reports further outcomes of the messages of a campaign. When its bounces reach the rate of the
/// account's package, or of the package of an account above, the campaign is stopped in the same
/// step and the host is told through the outbox (R-QTA-11).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The account that sends it.
    pub account: Id,
    /// The campaign.
    pub campaign: Id,
    /// How many more messages were delivered; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Count>,
    /// How many more messages bounced for good; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard: Option<Count>,
    /// How many more messages bounced for now; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft: Option<Count>,
    /// How many more of the delivered messages brought a complaint; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaints: Option<Count>,
    /// An idempotency key: the same request repeated within a day gets the same answer and counts
    /// once; another request with the key is refused with `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Shows the outcomes of the messages of a campaign, and whether the campaign is stopped
/// (R-QTA-11).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The campaign.
    pub campaign: Id,
}

/// Lets a stopped campaign continue, with a new sample (R-QTA-11). A campaign that is not stopped
/// stays as it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// The account.
    pub account: Id,
    /// The campaign.
    pub campaign: Id,
}

/// Stops a campaign by hand, even before its first report; the host is told through the outbox
/// (R-QTA-11). A campaign that is stopped already stays as it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// The account.
    pub account: Id,
    /// The campaign.
    pub campaign: Id,
}

/// Lists the stopped campaigns of an account by id, a page at a time (R-QTA-11).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: Id,
    /// Where the page begins: the `next` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// A page of campaigns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignList {
    /// The campaigns; a page may be shorter than `limit`, and even empty, while there is a `next`.
    pub campaigns: Vec<Campaign>,
    /// The `after` of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}
