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
    /// The group in which they were then.
    pub group: Option<Id>,
    /// The channel that was charged.
    pub channel: Channel,
    /// What kind of messages they are.
    pub message: MessageInput,
    /// How many messages were charged.
    pub count: u64,
    /// Whether they can still go out.
    pub state: ReservationState,
    /// How many messages go out, according to the commit.
    pub committed: u64,
    /// When the messages were charged; what is given back goes into the windows of that instant.
    pub reserved_at_ms: u64,
    /// When the reservation expires and what is left of it is given back.
    pub expires_at_ms: u64,
    /// When it ended.
    pub ended_at_ms: Option<u64>,
    /// The counters that were charged; nothing is given back to others.
    pub counters: Vec<String>,
    /// When a pace spreads the messages: from when on all of them may have gone out; none when they
    /// could go out at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before_ms: Option<u64>,
    /// How many messages credits paid for, beyond the account's own limits (R-CRD-2).
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
    /// It can be committed or released.
    Open,
    /// Messages of it go out; the others were given back.
    Committed,
    /// All of it was given back.
    Released,
    /// It expired, and all of it was given back.
    Expired,
    /// The account was suspended or closed, and all of it was given back (R-ACC-4).
    Void,
}

impl Reservation {
    /// How many of the messages that are given back credits paid for; credits are given back first.
    pub fn paid_of(&self, count: u64) -> u64 {
        self.credits.map_or(0, |paid| paid.amount.min(count))
    }

    /// When all of it could have gone out; the slots of a pace are given back from then on.
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
