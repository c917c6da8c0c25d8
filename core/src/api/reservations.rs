//! Reservations: messages are charged for a campaign now, and go out later or come back (R-QTA-5):
//! requests and answers.

use crate::model::Refusal;
use crate::model::{Channel, Count, Id, MessageInput, PaidWithCredits, ReservationState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Charges messages that go out later. Until it is committed, released or expires, all of it counts
/// as used.
///
/// A pace does not stand in the way: it reserves their turns and says from when on they may go out
/// (`not_before_ms`).
///
/// Answers like `sending.admit`: where it is refused, nothing is reserved. Credits that paid for a
/// part of it are the first to come back (R-CRD-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The account that sends.
    pub account: Id,
    /// The user who sends, who needs the permission to; absent when the host itself sends for the
    /// account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// By e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What the messages are; caps for members, campaigns and domains look at it (R-QTA-14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
    /// Reserves as many as fit, and nothing where fewer than these do; all or none when absent
    /// (R-QTA-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Count>,
    /// How long it lives, in milliseconds (1,000 to 31 days).
    pub life_ms: Count,
    /// A name of the host's for this request: asked again within a day after it was granted it gets
    /// the same answer, and charges nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Says how many of a reservation go out; the rest comes back, into the windows that it was charged
/// to (R-QTA-5).
///
/// Hosts commit before they hand over, and refund what failed. The same commit again gets the same
/// answer. What belongs to a campaign that is stopped, or to a user who may send no longer, does
/// not go out: it is refused, and can be released.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// The account.
    pub account: Id,
    /// The reservation.
    pub reservation: Id,
    /// How many go out, at most what was reserved.
    pub count: Count,
}

/// Gives all of a reservation back (R-QTA-5).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The account.
    pub account: Id,
    /// The reservation.
    pub reservation: Id,
}

/// Reads a reservation, for a day after it ended.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The reservation.
    pub reservation: Id,
}

/// The answer to a reservation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "refusal"))]
pub struct ReservationDecision {
    /// The reservation; absent where nothing was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation: Option<Id>,
    /// How many are reserved.
    pub granted: u64,
    /// When what is left of it comes back by itself, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// Where a pace spreads what goes out: from when on all of them may have gone out, in unix
    /// milliseconds; absent where they may now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before_ms: Option<u64>,
    /// Why nothing was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Arc<Refusal>>,
    /// What credits paid for, beyond the account's own limits (R-CRD-2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<PaidWithCredits>,
}

/// A reservation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reservation {
    /// The account.
    pub account: Id,
    /// The reservation.
    pub id: Id,
    /// The user who sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// What was charged.
    pub channel: Channel,
    /// How many were charged.
    pub count: u64,
    /// What became of it.
    pub state: ReservationState,
    /// How many went out.
    pub committed: u64,
    /// When it was charged, in unix milliseconds.
    pub reserved_at_ms: u64,
    /// When what is left comes back by itself, in unix milliseconds.
    pub expires_at_ms: u64,
    /// Where a pace spreads what goes out: from when on all of them may have gone out, in unix
    /// milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before_ms: Option<u64>,
    /// What credits paid for when it was charged; of what comes back they get theirs first
    /// (R-CRD-2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<PaidWithCredits>,
}
