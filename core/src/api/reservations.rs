//! Reservations: messages of a campaign are charged now, and go out later or are given back
//! (R-QTA-5): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/reservations.md"))]

use crate::model::Refusal;
use crate::model::{Channel, Count, Cursor, Id, MessageInput, PaidWithCredits, ReservationState};
use std::sync::Arc;
use tenantry_macros::{answer, request};

/// Reserves messages that go out later, and charges them now. Until the reservation is committed,
/// is released or expires, all of its messages count as used.
///
/// A pace does not refuse a reservation: the reservation takes slots of the pace, and
/// `not_before_ms` in the answer says when the last slot is reached, so that all messages may have
/// gone out.
///
/// The call answers as `sending.admit` does. If it is refused, nothing is reserved. When messages
/// of the reservation are given back, the credits that paid for some of them are given back first
/// (R-CRD-2).
#[request]
pub struct Create {
    /// The account that sends.
    pub account: Id,
    /// The user who sends, and who needs the permission to send; absent when the host itself sends
    /// for the account.
    pub user: Option<Id>,
    /// The channel; e-mail when absent.
    #[serde(default)]
    pub channel: Channel,
    /// What kind of messages they are; the caps of members, campaigns and domains depend on it
    /// (R-QTA-14).
    pub message: Option<MessageInput>,
    /// How many messages, at least 1.
    pub count: Count,
    /// The smallest number that is useful: if at least this many messages fit, as many as fit are
    /// reserved; if fewer fit, none is. When absent, all are reserved or none (R-QTA-2).
    pub min: Option<Count>,
    /// How long the reservation lasts, in milliseconds: 1,000 to 2,678,400,000 (31 days).
    pub life_ms: Count,
    /// An idempotency key: the same request repeated within a day after it was granted gets the
    /// same answer, and charges nothing.
    pub key: Option<Id>,
}

/// Commits a reservation: says how many of its messages go out. The other messages are given back
/// to the windows to which they were charged (R-QTA-5).
///
/// The host commits before it hands the messages over, and refunds those that failed. If the same
/// commit is repeated, it gets the same answer. A commit for a campaign that is stopped, or for a
/// user who may no longer send, is refused; the reservation can be released.
#[request]
pub struct Commit {
    /// The account.
    pub account: Id,
    /// The reservation.
    pub reservation: Id,
    /// How many messages go out, at most as many as were reserved.
    pub count: Count,
}

/// Releases a reservation: all of its messages are given back (R-QTA-5).
#[request]
pub struct Release {
    /// The account.
    pub account: Id,
    /// The reservation.
    pub reservation: Id,
}

/// Reads a reservation. A reservation can be read until a day after its end.
#[request]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The reservation.
    pub reservation: Id,
}

/// Lists the open reservations of an account, those that expire first first, a page at a time; a
/// page may be shorter than `limit` while there is a `next`. A reservation whose time is over, or
/// that has ended in another way, is not listed; `reservations.get` reads it for a day
/// (R-QTA-17).
#[request]
pub struct List {
    /// The account.
    pub account: Id,
    /// Whether the reservations of all accounts below are listed too; only for users who manage the
    /// team.
    #[serde(default)]
    pub include_descendants: bool,
    /// Only the reservations of this user.
    pub user: Option<Id>,
    /// Only the reservations of this channel.
    pub channel: Option<Channel>,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many reservations the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// The answer to a request to reserve messages.
#[answer]
#[schemars(extend("x-yes" = "refusal"))]
pub struct ReservationDecision {
    /// The reservation; absent when nothing was granted.
    pub reservation: Option<Id>,
    /// How many messages are reserved.
    pub granted: u64,
    /// When the reservation expires, in unix milliseconds; messages that are not committed by then
    /// are given back.
    pub expires_at_ms: Option<u64>,
    /// When a pace spreads the messages, the instant, in unix milliseconds, from which on all of
    /// them may have gone out; absent when they may all go out now.
    pub not_before_ms: Option<u64>,
    /// Why nothing was granted.
    pub refusal: Option<Arc<Refusal>>,
    /// How many messages credits paid for, beyond the account's own limits (R-CRD-2).
    pub credits: Option<PaidWithCredits>,
}

/// A reservation.
#[answer]
pub struct Reservation {
    /// The account.
    pub account: Id,
    /// The reservation.
    pub id: Id,
    /// The user who sends.
    pub user: Option<Id>,
    /// The channel that was charged.
    pub channel: Channel,
    /// How many messages were charged.
    pub count: u64,
    /// The state of the reservation.
    pub state: ReservationState,
    /// How many messages go out, according to the commit.
    pub committed: u64,
    /// When the messages were charged, in unix milliseconds.
    pub reserved_at_ms: u64,
    /// When the reservation expires, in unix milliseconds; messages that are not committed by then
    /// are given back.
    pub expires_at_ms: u64,
    /// When a pace spreads the messages, the instant, in unix milliseconds, from which on all of
    /// them may have gone out.
    pub not_before_ms: Option<u64>,
    /// How many messages credits paid for when the reservation was charged; when messages are given
    /// back, the credits are given back first (R-CRD-2).
    pub credits: Option<PaidWithCredits>,
}

/// A page of open reservations.
#[answer]
pub struct ReservationList {
    /// The reservations.
    pub reservations: Vec<Reservation>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}
