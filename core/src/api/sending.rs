//! Sending: one decision on status, permission and every limit, which charges in the same step
//! (R-QTA-1, R-QTA-3): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/sending.md"))]

use crate::api::usage::UsageWindow;
use crate::error::Code;
use crate::model::{Channel, Count, Id, MessageInput};
use crate::model::{Decision, Refusal};
use tenantry_macros::{answer, request};

/// Asks to send messages, and charges them to every limit of the account and of the accounts above
/// it: all or none (R-QTA-1).
///
/// The prepared calls and the calls by id in each language give the same answer.
#[request]
pub struct Admit {
    /// The account that sends.
    pub account: Id,
    /// The user who sends, and who needs `campaigns.send`; absent when the host itself sends for
    /// the account.
    pub user: Option<Id>,
    /// The channel; e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What kind of message it is; the caps of members, campaigns, API keys and domains depend on
    /// it (R-QTA-14).
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
    /// The smallest number that is useful: if at least this many messages fit, as many as fit are
    /// granted; if fewer fit, none is. When absent, all are granted or none (R-QTA-2).
    pub min: Option<Count>,
    /// An idempotency key: the same request repeated within a day after it was granted gets the
    /// same answer, and charges nothing (R-QTA-5). A request with a key costs a commit; without
    /// one, a send is decided in memory.
    pub key: Option<Id>,
}

/// Decides many sends in one call, one after the other. Each is decided on its own: a refusal does
/// not affect the others.
#[request]
pub struct AdmitBatch {
    /// The sends, 1 to 1,000 of them.
    pub sends: Vec<BatchedSend>,
}

/// One send of many.
#[request]
#[derive(PartialEq)]
pub struct BatchedSend {
    /// The account that sends.
    pub account: Id,
    /// The user who sends; absent when the host itself sends for the account.
    pub user: Option<Id>,
    /// The channel; e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What kind of messages they are.
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
    /// The smallest number that is useful: if at least this many messages fit, as many as fit are
    /// granted; if fewer fit, none is. When absent, all are granted or none.
    pub min: Option<Count>,
}

/// The answers to many sends.
#[answer]
pub struct SendDecisions {
    /// One decision for each send, in the order of the request.
    pub decisions: Vec<Decision>,
}

/// Predicts when a number of messages will have gone out, if they go out as soon as every limit
/// allows it and nothing else goes out meanwhile (R-QTA-12). The call charges nothing.
#[request]
pub struct Forecast {
    /// The account that would send.
    pub account: Id,
    /// The user who would send; absent when the host itself would send.
    pub user: Option<Id>,
    /// The channel; e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What kind of messages they are.
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
}

/// When messages will have gone out.
#[answer]
pub struct SendForecast {
    /// When the last of the messages goes out, in unix milliseconds; absent when it never goes out,
    /// or only too far in the future to tell.
    pub done_at_ms: Option<u64>,
    /// The code that says why nothing may go out at all, whatever the limits allow.
    pub refusal: Option<Code>,
}

/// Gives back messages that were granted but failed before they were handed over. They are given
/// back to the windows in which they were granted, as far as these windows still count (R-QTA-6).
///
/// The host vouches that so many messages were granted at that time. In each window, no more is
/// given back than was used.
#[request]
pub struct Refund {
    /// The account that sent.
    pub account: Id,
    /// The user who sent, as in `sending.admit`. If a group's cap was charged, the group in which
    /// the user was at that time gets the messages back.
    pub user: Option<Id>,
    /// The channel; e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What kind of messages they were, as in `sending.admit`.
    pub message: Option<MessageInput>,
    /// How many messages failed, at least 1.
    pub count: Count,
    /// When the messages were granted, in unix milliseconds.
    pub granted_at_ms: Count,
    /// If credits paid for some of the messages, the number of the ledger entry, which
    /// `sending.admit` answered in `credits`. The credit grants that paid get their credits back
    /// first, and only once; the account's own limits get the rest (R-CRD-2).
    pub spend: Option<Count>,
    /// An idempotency key: the same request repeated within a day gets the same answer, and
    /// messages are given back only once (R-QTA-5). A request with a key costs a commit.
    pub key: Option<Id>,
}

/// The result of giving messages back.
#[answer]
pub struct SendRefund {
    /// To how many counters messages were given back; counters whose window is over get none.
    pub counters: u64,
    /// How many credits were given back.
    pub credits: u64,
}

/// Explains a send: the call answers as `sending.admit` would, lists every limit that is
/// considered, and charges nothing (R-QTA-3).
#[request]
pub struct Explain {
    /// The account that would send.
    pub account: Id,
    /// The user who would send; absent when the host itself would send.
    pub user: Option<Id>,
    /// The channel; e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What kind of message it is; the caps of members, campaigns, API keys and domains depend on
    /// it (R-QTA-14).
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
}

/// Explains a send as `sending.explain` does, but for another time or another package (R-QTA-15).
/// The call assumes that nothing goes out until that time, and that the account has that package
/// now while the account's own limits are unchanged. It charges nothing.
#[request]
pub struct WhatIf {
    /// The account that would send.
    pub account: Id,
    /// The user who would send; absent when the host itself would send.
    pub user: Option<Id>,
    /// The channel; e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What kind of message it is.
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
    /// The time, in unix milliseconds; it cannot be in the past. When absent, now.
    pub at_ms: Option<Count>,
    /// The package, which only operators and the host can name; the account's own package when
    /// absent.
    pub package: Option<Id>,
}

/// A send explained.
#[answer]
#[schemars(extend("x-yes" = "would_grant"))]
pub struct SendExplanation {
    /// Whether the messages would go out.
    pub would_grant: bool,
    /// Why they would be refused.
    pub refusal: Option<Refusal>,
    /// How many messages could be granted under every limit, including those that credits would pay
    /// for; absent when nothing limits them.
    pub remaining: Option<u64>,
    /// For how many of the messages credits would pay (R-CRD-2).
    pub credits: u64,
    /// Every limit and cap that was considered: the limits of the account, then those of the
    /// accounts above, then those of the group.
    pub limits: Vec<UsageWindow>,
}
