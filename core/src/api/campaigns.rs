//! Campaigns: the outcomes of their messages, and when their bounces stop them (R-QTA-11): requests
//! and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/campaigns.md"))]

use crate::model::{Campaign, Count, Cursor, Id};
use tenantry_macros::{answer, request};

/// Reports further outcomes of the messages of a campaign. If the bounces reach the bounce rate of
/// the account's package, or of the package of an account above, the same call stops the campaign,
/// and the host is notified through the outbox (R-QTA-11).
#[request]
pub struct Report {
    /// The account that sends the campaign.
    pub account: Id,
    /// The campaign.
    pub campaign: Id,
    /// How many more messages were delivered; none when absent.
    pub delivered: Option<Count>,
    /// How many more messages bounced permanently; none when absent.
    pub hard: Option<Count>,
    /// How many more messages bounced temporarily; none when absent.
    pub soft: Option<Count>,
    /// How many more of the delivered messages brought a complaint; none when absent.
    pub complaints: Option<Count>,
    /// An idempotency key: the same request repeated within a day gets the same answer and counts
    /// once; another request with the same key is refused with `idempotency_mismatch`.
    pub key: Option<Id>,
}

/// Shows the outcomes of the messages of a campaign, and whether the campaign is stopped
/// (R-QTA-11).
#[request]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The campaign.
    pub campaign: Id,
}

/// Lets a stopped campaign continue, with a new sample (R-QTA-11). A campaign that is not stopped
/// stays as it is.
#[request]
pub struct Resume {
    /// The account.
    pub account: Id,
    /// The campaign.
    pub campaign: Id,
}

/// Stops a campaign by hand, even before its first report; the host is notified through the outbox
/// (R-QTA-11). A campaign that is already stopped stays as it is.
#[request]
pub struct Stop {
    /// The account.
    pub account: Id,
    /// The campaign.
    pub campaign: Id,
}

/// Lists the stopped campaigns of an account by id, a page at a time (R-QTA-11).
#[request]
pub struct List {
    /// The account.
    pub account: Id,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// A page of campaigns.
#[answer]
pub struct CampaignList {
    /// The campaigns; a page may be shorter than `limit`, and even empty, while there is a `next`.
    pub campaigns: Vec<Campaign>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}
