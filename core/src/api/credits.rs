//! Credits: a ledger for each account and channel, what is left of its grants, and where it lies
//! (R-CRD-1 to R-CRD-3): requests and answers.

use crate::model::{Channel, Count, CreditEntry, Id, Note};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adds credits to an account (R-CRD-1). Needs the commercial edition.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The account.
    pub account: Id,
    /// What they pay.
    pub channel: Channel,
    /// How many, at least 1.
    pub amount: Count,
    /// Why.
    pub reason: Note,
    /// Grants with a lower number pay first, 0 to 100; 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Count>,
    /// When what is left of them is gone, in unix milliseconds; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<Count>,
    /// The same request with the same key is carried out once, and answered alike; another one is
    /// `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Says how many credits an account has, how many of them are free, and what is left of each grant.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// The account.
    pub account: Id,
    /// Only those for this channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Only the reserve of this group and the grants that it lies in, beside the sums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
}

/// Reads a ledger of credits, a page at a time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The account.
    pub account: Id,
    /// Which of its ledgers.
    pub channel: Channel,
    /// The newest entry first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<CreditOrder>,
    /// Go on after this entry: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Count>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// In which order a ledger is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CreditOrder {
    /// The last entry first.
    #[default]
    Newest,
    /// The first entry first.
    Oldest,
}

/// Pays with credits, all or nothing: a group with its own reserve first, then with the free
/// balance (R-CRD-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spend {
    /// The account.
    pub account: Id,
    /// What is paid.
    pub channel: Channel,
    /// How many credits, at least 1.
    pub amount: Count,
    /// The group that spends; without one the free balance alone pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// What is paid, in the host's words: a campaign, a reservation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Id>,
    /// The same request with the same key is carried out once, and answered alike; another one is
    /// `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Gives back what was spent on messages that did not go out, to the grants that paid and where
/// they paid from; no more than was spent (R-CRD-2). What goes back to a grant that has expired is
/// gone again with the next entry.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refund {
    /// The account.
    pub account: Id,
    /// Which of its ledgers.
    pub channel: Channel,
    /// The number of the entry that is refunded.
    pub spend: Count,
    /// How many credits, at least 1.
    pub amount: Count,
    /// The same request with the same key is carried out once, and answered alike; another one is
    /// `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Keeps free credits for a group: no other spends them (R-CRD-3). Those whose turn to pay is first
/// go first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reserve {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// What they pay.
    pub channel: Channel,
    /// How many, at least 1.
    pub amount: Count,
    /// Asked again within a day with the same key it gets the same answer, and moves nothing;
    /// another request is `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Makes credits of a group's reserve free again (R-CRD-3). Those whose turn to pay is first go
/// first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unreserve {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// What they pay.
    pub channel: Channel,
    /// How many, at least 1; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Count>,
    /// Asked again within a day with the same key it gets the same answer, and moves nothing;
    /// another request is `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Gives free credits of an account to one directly below; they pay there as they would have here
/// (R-CRD-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allocate {
    /// The account below that gets them.
    pub account: Id,
    /// What they pay.
    pub channel: Channel,
    /// How many, at least 1.
    pub amount: Count,
    /// Asked again within a day with the same key it gets the same answer, and moves nothing;
    /// another request is `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Takes back what is left, and free, of the credits that an account got from the one above
/// (R-CRD-3). What the platform gave it stays.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeBack {
    /// The account below that gives them back.
    pub account: Id,
    /// What they pay.
    pub channel: Channel,
    /// How many, at least 1; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Count>,
    /// Asked again within a day with the same key it gets the same answer, and moves nothing;
    /// another request is `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Takes back what is left, and free, of the credits that the platform gave an account: a grant by
/// mistake, an invoice that was not paid (R-CRD-1). What is kept for groups, or came from the
/// account above, stays.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    /// The account.
    pub account: Id,
    /// What they pay.
    pub channel: Channel,
    /// How many, at least 1; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Count>,
    /// Why.
    pub reason: Note,
    /// The same request with the same key is carried out once, and answered alike; another one is
    /// `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// The credits of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreditBalance {
    /// The account.
    pub account: Id,
    /// One entry for each channel.
    pub channels: Vec<CreditChannel>,
}

/// The credits of an account for one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreditChannel {
    /// What they pay.
    pub channel: Channel,
    /// All of them: the free ones and those in reserves.
    pub total: u64,
    /// Those that any group may spend.
    pub free: u64,
    /// What groups have in reserve and have spent, at most 500.
    pub groups: Vec<CreditGroup>,
    /// What is left of grants, in the order in which they pay: the free balance, then the reserve
    /// of each group; at most 500.
    pub grants: Vec<CreditLeft>,
    /// Whether all groups and grants are listed.
    pub complete: bool,
}

/// The credits of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreditGroup {
    /// The group.
    pub group: Id,
    /// What is kept for it.
    pub reserve: u64,
    /// What it has spent in all, from its reserve and from the free balance, without what was
    /// refunded.
    pub spent: u64,
}

/// What is left of a grant in one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreditLeft {
    /// The number of the grant in the ledger.
    pub grant: u64,
    /// The group in whose reserve it lies; absent for the free balance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// How many credits.
    pub left: u64,
    /// Grants with a lower number pay first.
    pub priority: u64,
    /// When what is left is gone, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// How old the grant is, in unix milliseconds.
    pub granted_at_ms: u64,
}

/// A page of a ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreditLedger {
    /// The entries.
    pub entries: Vec<CreditEntry>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Credits that went into a group's reserve, or out of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreditReserve {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// What they pay.
    pub channel: Channel,
    /// How many went there.
    pub amount: u64,
    /// What the group has in reserve now.
    pub reserve: u64,
    /// What is free now.
    pub free: u64,
}

/// Credits that went to an account below, or came back from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreditMove {
    /// The account below.
    pub account: Id,
    /// The account above.
    pub parent: Id,
    /// What they pay.
    pub channel: Channel,
    /// How many went.
    pub amount: u64,
    /// What the account below has now, reserves of groups included.
    pub balance: u64,
    /// What is free in the account above now.
    pub free_above: u64,
}
