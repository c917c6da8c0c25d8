//! Reservations: messages that are charged before they go out (R-QTA-5).

use super::{Channel, Id, MessageInput, PaidWithCredits};
use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// How long a reservation is remembered after its end, so that the same request gets the same
/// answer.
pub const REMEMBERED_MS: u64 = 24 * 3_600_000;

/// Messages that were charged and have not gone out yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The account that sends.
    pub account: Id,
    /// Its id.
    pub id: Id,
    /// The user who sends.
    pub user: Option<Id>,
    /// The group in which the user was at that time.
    pub group: Option<Id>,
    /// The channel that was charged.
    pub channel: Channel,
    /// What kind of messages they are.
    pub message: MessageInput,
    /// How many messages were charged.
    pub count: u64,
    /// The state of the reservation.
    pub state: ReservationState,
    /// How many messages go out, according to the commit.
    pub committed: u64,
    /// When the messages were charged; messages that are given back go to the windows of that
    /// instant.
    pub reserved_at_ms: u64,
    /// When the reservation expires; messages that are not committed by then are given back.
    pub expires_at_ms: u64,
    /// When the reservation ended.
    pub ended_at_ms: Option<u64>,
    /// The counters that were charged; nothing is given back to other counters.
    pub counters: Vec<String>,
    /// When a pace spreads the messages, the instant from which on all of them may have gone out;
    /// none when they could go out at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before_ms: Option<u64>,
    /// For how many messages credits paid, beyond the account's own limits (R-CRD-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<PaidWithCredits>,
    /// Whether it is listed, while it is open, with the accounts to whose counters it is given
    /// back.
    #[serde(default)]
    pub listed: bool,
}

/// The state of a reservation.
#[answer]
pub enum ReservationState {
    /// The reservation can be committed or released.
    Open,
    /// The reservation was committed: the committed messages go out, and the others were given
    /// back.
    Committed,
    /// The reservation was released: all of its messages were given back.
    Released,
    /// The reservation expired, and all of its messages were given back.
    Expired,
    /// The account was suspended or closed, and all messages of the reservation were given back
    /// (R-ACC-4).
    Void,
}

impl Reservation {
    /// How many of the messages that are given back credits paid for; credits are given back first.
    pub fn paid_of(&self, count: u64) -> u64 {
        self.credits.map_or(0, |paid| paid.amount.min(count))
    }

    /// When all messages could have gone out; the slots of a pace are given back from then on.
    pub fn slots_from_ms(&self) -> u64 {
        self.not_before_ms.unwrap_or(self.reserved_at_ms)
    }

    /// Whether it is open, and its time is over.
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.state == ReservationState::Open && now_ms >= self.expires_at_ms
    }

    /// When something happens to it without a call: it expires, or it is forgotten.
    pub fn due_at_ms(&self) -> u64 {
        self.ended_at_ms.map_or(self.expires_at_ms, |ended| {
            ended.saturating_add(REMEMBERED_MS)
        })
    }
}
