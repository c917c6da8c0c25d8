//! The outbox: what the host has to carry out, in order (R-OUT-1): requests and answers.

use crate::model::{ClockJump, Count, Id, LimitAlert, LogInNotice, Name, Note, OutboxKind, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads messages of the outbox in their order, a page at a time.
///
/// Tokens are made as they are read, never kept. A message whose link is dead by now, because it
/// expired, was used, or was replaced, comes without one: nothing is to be sent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// Go on after the message of this number: `next` of the page before, or the last one that was
    /// carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Count>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Gives a consumer the next messages that it has neither acknowledged nor holds, in their order
/// (R-OUT-1).
///
/// A consumer is a program of the host by any name; each gets every message, and several workers
/// may take in one name. The first call makes it. A message that is not acknowledged in time is
/// given again, and when that was done as often as `tries` says, it is dead: see `outbox.dead`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Take {
    /// The name of the consumer.
    pub consumer: Id,
    /// At most this many (1 to 500, 50 when absent). Nobody has more than 1,000 that are not
    /// acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
    /// How long they are kept from others of the same name, in milliseconds: 1 to 604,800,000 (a
    /// week), a minute when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<Count>,
    /// How often a message is given at most: 1 to 1,000; the last that was said counts, 10 when
    /// nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<Count>,
}

/// A consumer has carried out messages: it is not given them again. To say so twice does nothing
/// more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// The consumer.
    pub consumer: Id,
    /// The numbers: at most 500.
    pub numbers: Vec<Count>,
}

/// A consumer cannot carry out messages now: they are given again, earlier or later than they would
/// be by themselves.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The consumer.
    pub consumer: Id,
    /// The numbers: at most 500.
    pub numbers: Vec<Count>,
    /// After how many milliseconds: 0 to 604,800,000 (a week), at once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<Count>,
}

/// A consumer gives messages up: they are dead, and no more given.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fail {
    /// The consumer.
    pub consumer: Id,
    /// The numbers: at most 500.
    pub numbers: Vec<Count>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
}

/// The dead messages of a consumer, in their order.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dead {
    /// The consumer.
    pub consumer: Id,
    /// Go on after the message of this number: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Count>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Gives dead messages another chance: they are given again, as if they never had been.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revive {
    /// The consumer.
    pub consumer: Id,
    /// The numbers: at most 500.
    pub numbers: Vec<Count>,
}

/// The consumers, and how far each is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consumers {}

/// Removes a consumer with all that is known of it. A message that it had not acknowledged is
/// nobody's of that name any more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// The consumer.
    pub consumer: Id,
}

/// Deletes messages that every consumer has acknowledged. Where there are no consumers, the host
/// says by this what it has carried out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clear {
    /// Up to the message of this number; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<Count>,
    /// Only what happened before this instant, in unix milliseconds: so long are they kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_ms: Option<Count>,
}

/// What a consumer is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxTaken {
    /// The messages, in their order.
    pub messages: Vec<OutboxDelivery>,
    /// When the next message that was given before may be taken again, in unix milliseconds; absent
    /// where none waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at_ms: Option<u64>,
    /// The last message that the consumer was given: after that one it waits for new ones.
    pub taken_to: u64,
    /// Whether it has 1,000 messages that are not acknowledged: it is given no new ones before some
    /// are.
    pub full: bool,
}

/// A message that a consumer is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxDelivery {
    /// The message.
    pub message: OutboxItem,
    /// How often it was given, this time included: more than once where somebody had it and did not
    /// acknowledge it in time.
    pub deliveries: u64,
    /// Until when it is kept from others, in unix milliseconds.
    pub until_ms: u64,
}

/// What became of the numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxSettled {
    /// How many were open until now; the others had been acknowledged before, or were dead.
    pub settled: u64,
    /// How many are still open.
    pub open: u64,
    /// How many are dead.
    pub dead: u64,
}

/// A page of dead messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxDeadPage {
    /// The messages.
    pub messages: Vec<OutboxDead>,
    /// The number to go on after; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A message that a consumer gave up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxDead {
    /// The message.
    pub message: OutboxItem,
    /// How often it was given.
    pub deliveries: u64,
    /// Why, in the consumer's words; absent where it was given too often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
    /// Since when, in unix milliseconds.
    pub since_ms: u64,
}

/// The consumers of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxConsumerList {
    /// The consumers, by name.
    pub consumers: Vec<OutboxConsumerItem>,
    /// The number of the last message; 0 where there never was one.
    pub last: u64,
}

/// How far a consumer is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxConsumerItem {
    /// Its name.
    pub consumer: Id,
    /// The last message that it was given.
    pub taken_to: u64,
    /// The message up to which all are acknowledged or dead.
    pub done_to: u64,
    /// How many it was given and has not acknowledged.
    pub open: u64,
    /// How many it gave up.
    pub dead: u64,
    /// How often a message is given at most.
    pub tries: u64,
    /// When it first came, in unix milliseconds.
    pub created_at_ms: u64,
}

/// A consumer that was removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxForgotten {
    /// How many messages it had not acknowledged.
    pub open: u64,
    /// How many of its messages were dead.
    pub dead: u64,
}

/// What was deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxCleared {
    /// How many messages: at most 1,000 in one call.
    pub cleared: u64,
    /// Whether another call would delete more.
    pub more: bool,
}

/// A page of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxPage {
    /// The messages.
    pub messages: Vec<OutboxItem>,
    /// The number to go on after; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A message of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxItem {
    /// Its number: from 1 on, in the order in which their causes were committed.
    pub number: u64,
    /// What is to be done.
    pub kind: OutboxKind,
    /// The account that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The user that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// Where the mail goes, which is also the address to log in with; absent where there is none,
    /// or where the person was erased since: then nothing is to be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The accounts that are offered, those that were deleted since left out.
    pub accounts: Vec<OutboxAccount>,
    /// The invitation that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Id>,
    /// The campaign that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Id>,
    /// The token for the link; absent where there is none, or where it is dead by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// From when on the token is dead, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_expires_at_ms: Option<u64>,
    /// The limit that it is about (R-QTA-8).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<LimitAlert>,
    /// Who acts as the user, and why (R-SES-6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_in: Option<LogInNotice>,
    /// How the system's clock has jumped (R-QTA-13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_jump: Option<ClockJump>,
    /// When its cause happened, in unix milliseconds.
    pub at_ms: u64,
}

/// An account that a message names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxAccount {
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Name,
}
