//! Sending: one decision over status, permission and every limit, charged in the same step
//! (R-QTA-1, R-QTA-3): requests and answers.

use crate::api::usage::UsageWindow;
use crate::error::Code;
use crate::model::{Channel, Count, Id, MessageInput};
use crate::model::{Decision, Refusal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks for messages and charges every limit of the account and of those above, all or none
/// (R-QTA-1).
///
/// The prepared and by-id calls of each language answer the same.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admit {
    /// The account that sends.
    pub account: Id,
    /// The user who sends, who needs `campaigns.send`; absent when the host itself sends for the
    /// account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the message is; caps for members, campaigns, API keys and domains look at it
    /// (R-QTA-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
    /// Grants as many as fit, and nothing where fewer than these do; all or none when absent
    /// (R-QTA-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Count>,
    /// A name of the host's for this request: asked again within a day after it was granted it gets
    /// the same answer, and charges nothing (R-QTA-5). It costs a commit; without it a send is
    /// decided in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Decides many sends in one call, one after the other, each by itself: what one is refused does
/// not touch the others.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdmitBatch {
    /// The sends, 1 to 1,000.
    pub sends: Vec<BatchedSend>,
}

/// One send of many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchedSend {
    /// The account that sends.
    pub account: Id,
    /// The user who sends; absent when the host itself sends for the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the messages are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
    /// Grants as many as fit, and nothing where fewer than these do; all or none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Count>,
}

/// The answers to many sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SendDecisions {
    /// One for each send, in their order.
    pub decisions: Vec<Decision>,
}

/// When so many messages will have gone out, if they go as soon as every limit lets them and
/// nothing else goes out meanwhile (R-QTA-12). Charges nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forecast {
    /// The account that would send.
    pub account: Id,
    /// The user who would send; absent when the host itself would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the messages are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
}

/// When messages will have gone out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SendForecast {
    /// When the last of them goes out, in unix milliseconds; absent where it never does, or in a
    /// future too far to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done_at_ms: Option<u64>,
    /// Why nothing may go out at all, whatever the limits are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Code>,
}

/// Gives back what was granted and failed before it was handed over, into the windows of its own
/// time that still count (R-QTA-6).
///
/// The host answers for it that so many were granted then: no more comes back than was used in each
/// window.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refund {
    /// The account that was to send.
    pub account: Id,
    /// The user who was to send, as in `sending.admit`; the cap of the group that they were in then
    /// gets back what it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the message was, as in `sending.admit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages failed, at least 1.
    pub count: Count,
    /// When they were granted, in unix milliseconds.
    pub granted_at_ms: Count,
    /// Where credits paid for a part of them, the entry that `sending.admit` answered in `credits`:
    /// the grants that paid get theirs back first, once, and the account's own limits the rest
    /// (R-CRD-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<Count>,
    /// A name of the host's for this request: asked again within a day it gets the same answer, and
    /// gives back once (R-QTA-5). It costs a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SendRefund {
    /// How many counters got something back; those whose window is over got nothing.
    pub counters: u64,
    /// How many credits came back.
    pub credits: u64,
}

/// Answers as `sending.admit` would, lists every limit that it looks at, and charges nothing
/// (R-QTA-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The account that would send.
    pub account: Id,
    /// The user who would send; absent when the host itself would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the message is; caps for members, campaigns, API keys and domains look at it
    /// (R-QTA-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
}

/// As `sending.explain`, for another time or another package (R-QTA-15): how it would be if nothing
/// went out until then, and if the account had that package now, with the limits of its own that it
/// has. Charges nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatIf {
    /// The account that would send.
    pub account: Id,
    /// The user who would send; absent when the host itself would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the message is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
    /// When, in unix milliseconds, not in the past; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<Count>,
    /// The package; only for operators and the host. The account's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
}

/// A send explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "would_grant"))]
pub struct SendExplanation {
    /// Whether the messages would go out.
    pub would_grant: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// How many could be granted, under every limit, those that credits would pay for included;
    /// absent when nothing limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// How many of the messages credits would pay for (R-CRD-2).
    pub credits: u64,
    /// Every limit and cap that was looked at: the account's, then those of the accounts above,
    /// then the group's.
    pub limits: Vec<UsageWindow>,
}
