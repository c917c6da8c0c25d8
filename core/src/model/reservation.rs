//! Reservations: messages that are charged before they go out (R-QTA-5).

use super::{Channel, Id, MessageInput, PaidWithCredits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long a reservation that has ended is remembered, so that asking again gets the same answer.
pub const REMEMBERED_MS: u64 = 24 * 3_600_000;

/// Messages that were charged and not sent yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The account that sends.
    pub account: Id,
    /// Its id.
    pub id: Id,
    /// The user who sends.
    pub user: Option<Id>,
    /// Their group then.
    pub group: Option<Id>,
    /// What was charged.
    pub channel: Channel,
    /// What the messages are.
    pub message: MessageInput,
    /// How many were charged.
    pub count: u64,
    /// Whether they can still go out.
    pub state: ReservationState,
    /// How many of them went out.
    pub committed: u64,
    /// When they were charged: what comes back goes into the windows of that instant.
    pub reserved_at_ms: u64,
    /// When what is left comes back by itself.
    pub expires_at_ms: u64,
    /// When it ended.
    pub ended_at_ms: Option<u64>,
    /// The counters that were charged: nothing comes back to others.
    pub counters: Vec<String>,
    /// From when on all of them may have gone out, where a pace spreads them; none where they could
    /// at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before_ms: Option<u64>,
    /// What credits paid for of it, beyond the account's own limits (R-CRD-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<PaidWithCredits>,
    /// Whether it is listed, as long as it is open, with the accounts to whose counters it comes
    /// back.
    #[serde(default)]
    pub listed: bool,
}

/// What became of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// It can be committed or released.
    Open,
    /// Messages of it went out; the rest came back.
    Committed,
    /// All of it came back.
    Released,
    /// Its time was over, and all of it came back.
    Expired,
    /// The account was suspended or closed, and all of it came back (R-ACC-4).
    Void,
}

impl Reservation {
    /// Of so many that come back, how many credits paid for: those are the first to come back.
    pub fn paid_of(&self, count: u64) -> u64 {
        self.credits.map_or(0, |paid| paid.amount.min(count))
    }

    /// From when on all of it could go out: turns of a pace come back from then on.
    pub fn turns_from_ms(&self) -> u64 {
        self.not_before_ms.unwrap_or(self.reserved_at_ms)
    }

    /// When something happens to it by itself: it expires, or is forgotten.
    pub fn due_at_ms(&self) -> u64 {
        self.ended_at_ms.map_or(self.expires_at_ms, |ended| {
            ended.saturating_add(REMEMBERED_MS)
        })
    }
}
