//! Credits: a ledger for each account and channel, and the credits that are left of each grant, in
//! the free balance or in reserves (R-CRD-1 to R-CRD-3): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/credits.md"))]

use crate::model::{Channel, Count, CreditEntry, Id, Note};
use tenantry_macros::{answer, request};

/// Adds credits to an account (R-CRD-1). It needs the commercial edition, or the preset `groups`.
#[request]
pub struct Grant {
    /// The account.
    pub account: Id,
    /// What the credits pay for.
    pub channel: Channel,
    /// How many credits, at least 1.
    pub amount: Count,
    /// The reason.
    pub reason: Note,
    /// The priority, 0 to 100: grants with a lower number pay first; 50 when absent.
    pub priority: Option<Count>,
    /// When the credits that are left expire, in unix milliseconds; never when absent.
    pub expires_at_ms: Option<Count>,
    /// An idempotency key, which is never forgotten: the same request with the same key is carried
    /// out once and gets the same answer; another request with the same key, also of another
    /// operation, is refused with `idempotency_mismatch`.
    pub key: Option<Id>,
}

/// Shows how many credits an account has, how many of them are free, and what is left of each
/// grant.
#[request]
pub struct Balance {
    /// The account.
    pub account: Id,
    /// Only the credits for this channel.
    pub channel: Option<Channel>,
    /// Lists only the reserve of this group, and only the grants of which the group holds a part.
    /// The sums are still those of the whole account.
    pub group: Option<Id>,
}

/// Reads a ledger of credits, a page at a time.
#[request]
pub struct Ledger {
    /// The account.
    pub account: Id,
    /// The channel of the ledger.
    pub channel: Channel,
    /// The order; the newest entry first when absent.
    pub order: Option<CreditOrder>,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Count>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// In which order a ledger is read.
#[request]
#[derive(Default)]
pub enum CreditOrder {
    /// The newest entry first.
    #[default]
    Newest,
    /// The oldest entry first.
    Oldest,
}

/// Pays with credits, all or nothing: first with the reserve of the group, if one is named, then
/// with the free balance (R-CRD-2).
#[request]
pub struct Spend {
    /// The account.
    pub account: Id,
    /// What the credits pay for.
    pub channel: Channel,
    /// How many credits, at least 1.
    pub amount: Count,
    /// The group that spends; when absent, only the free balance pays.
    pub group: Option<Id>,
    /// What the credits pay for, as the host names it: for example a campaign or a reservation.
    pub reference: Option<Id>,
    /// An idempotency key, which is never forgotten: the same request with the same key is carried
    /// out once and gets the same answer; another request with the same key, also of another
    /// operation, is refused with `idempotency_mismatch`.
    pub key: Option<Id>,
}

/// Gives back credits that were spent on messages that did not go out, at most as many as were
/// spent. The credits go back to the grants that paid, and to the reserve or free balance from
/// which they came (R-CRD-2). Credits that go back to an expired grant expire with the next entry.
#[request]
pub struct Refund {
    /// The account.
    pub account: Id,
    /// The channel of the ledger.
    pub channel: Channel,
    /// The number of the entry that is refunded.
    pub spend: Count,
    /// How many credits, at least 1.
    pub amount: Count,
    /// An idempotency key, which is never forgotten: the same request with the same key is carried
    /// out once and gets the same answer; another request with the same key, also of another
    /// operation, is refused with `idempotency_mismatch`.
    pub key: Option<Id>,
}

/// Moves free credits into the reserve of a group, so that nobody else spends them (R-CRD-3). The
/// credits that would pay first are moved first.
#[request]
pub struct Reserve {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// What the credits pay for.
    pub channel: Channel,
    /// How many credits, at least 1.
    pub amount: Count,
    /// An idempotency key: the same request repeated within a day gets the same answer and moves
    /// nothing; another request with the same key is refused with `idempotency_mismatch`.
    pub key: Option<Id>,
}

/// Moves credits out of the reserve of a group back into the free balance (R-CRD-3). The credits
/// that would pay first are moved first.
#[request]
pub struct Unreserve {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// What the credits pay for.
    pub channel: Channel,
    /// How many credits, at least 1; all of them when absent.
    pub amount: Option<Count>,
    /// An idempotency key: the same request repeated within a day gets the same answer and moves
    /// nothing; another request with the same key is refused with `idempotency_mismatch`.
    pub key: Option<Id>,
}

/// Gives free credits of an account to an account directly below it. The credits keep their
/// priority, expiry and age (R-CRD-3).
#[request]
pub struct Allocate {
    /// The account below, which gets the credits.
    pub account: Id,
    /// What the credits pay for.
    pub channel: Channel,
    /// How many credits, at least 1.
    pub amount: Count,
    /// An idempotency key: the same request repeated within a day gets the same answer and moves
    /// nothing; another request with the same key is refused with `idempotency_mismatch`.
    pub key: Option<Id>,
}

/// Takes back the credits that an account got from the account above it, as far as they are left
/// and free (R-CRD-3). Credits that the platform gave the account stay.
#[request]
pub struct TakeBack {
    /// The account below, which gives the credits back.
    pub account: Id,
    /// What the credits pay for.
    pub channel: Channel,
    /// How many credits, at least 1; all of them when absent.
    pub amount: Option<Count>,
    /// An idempotency key: the same request repeated within a day gets the same answer and moves
    /// nothing; another request with the same key is refused with `idempotency_mismatch`.
    pub key: Option<Id>,
}

/// Takes back the credits that the platform gave an account, as far as they are left and free: for
/// example after a grant by mistake, or when an invoice was not paid (R-CRD-1). Credits that are in
/// the reserves of groups, or that came from the account above, stay.
#[request]
pub struct Withdraw {
    /// The account.
    pub account: Id,
    /// What the credits pay for.
    pub channel: Channel,
    /// How many credits, at least 1; all of them when absent.
    pub amount: Option<Count>,
    /// The reason.
    pub reason: Note,
    /// An idempotency key, which is never forgotten: the same request with the same key is carried
    /// out once and gets the same answer; another request with the same key, also of another
    /// operation, is refused with `idempotency_mismatch`.
    pub key: Option<Id>,
}

/// The credits of an account.
#[answer]
pub struct CreditBalance {
    /// The account.
    pub account: Id,
    /// One entry for each channel.
    pub channels: Vec<CreditChannel>,
}

/// The credits of an account for one channel.
#[answer]
pub struct CreditChannel {
    /// What the credits pay for.
    pub channel: Channel,
    /// All credits: the free balance and the reserves of groups.
    pub total: u64,
    /// The free balance, which any group may spend.
    pub free: u64,
    /// What each group has in reserve and has spent; at most 500 groups.
    pub groups: Vec<CreditGroup>,
    /// What is left of each grant, in the order in which the grants pay: those of the free balance,
    /// then those of each group's reserve; at most 500.
    pub grants: Vec<CreditLeft>,
    /// Whether all groups and grants are listed.
    pub complete: bool,
}

/// The credits of a group.
#[answer]
pub struct CreditGroup {
    /// The group.
    pub group: Id,
    /// How many credits are in the group's reserve.
    pub reserve: u64,
    /// How many credits the group has spent in all, from its reserve and from the free balance,
    /// without the credits that were refunded.
    pub spent: u64,
}

/// What is left of a grant in the free balance, or in the reserve of one group.
#[answer]
pub struct CreditLeft {
    /// The number of the grant in the ledger.
    pub grant: u64,
    /// The group in whose reserve the credits are; absent for the free balance.
    pub group: Option<Id>,
    /// How many credits are left.
    pub left: u64,
    /// Grants with a lower number pay first.
    pub priority: u64,
    /// When the credits that are left expire, in unix milliseconds.
    pub expires_at_ms: Option<u64>,
    /// When the credits were granted, in unix milliseconds.
    pub granted_at_ms: u64,
}

/// A page of a ledger.
#[answer]
pub struct CreditLedger {
    /// The entries.
    pub entries: Vec<CreditEntry>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<u64>,
}

/// Credits that were moved into a group's reserve, or out of it.
#[answer]
pub struct CreditReserve {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// What the credits pay for.
    pub channel: Channel,
    /// How many credits were moved.
    pub amount: u64,
    /// How many credits the group has in reserve now.
    pub reserve: u64,
    /// How many credits are free now.
    pub free: u64,
}

/// Credits that were moved to an account below, or back from it.
#[answer]
pub struct CreditMove {
    /// The account below.
    pub account: Id,
    /// The account above.
    pub parent: Id,
    /// What the credits pay for.
    pub channel: Channel,
    /// How many credits were moved.
    pub amount: u64,
    /// How many credits the account below has now, including the reserves of its groups.
    pub balance: u64,
    /// How many credits of the parent are free now.
    pub parent_free: u64,
}
