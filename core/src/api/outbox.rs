//! The outbox: the messages that the host has to process, in order (R-OUT-1): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/outbox.md"))]

use crate::model::{ClockJump, Count, Id, LimitAlert, LogInNotice, Name, Note, OutboxKind, Secret};
use tenantry_macros::{answer, request};

/// Reads messages of the outbox in their order, a page at a time.
///
/// Tokens are derived when the messages are read, and are never stored. If the link of a message is
/// no longer valid because it expired, was used or was replaced, the message comes without a token,
/// and the host sends nothing.
#[request]
pub struct Read {
    /// The number after which the page begins: the `next` of the previous page, or the number of
    /// the last message that the host has processed.
    pub after: Option<Count>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Delivers the next messages to a consumer, in their order: the messages that the consumer has not
/// acknowledged and that none of its workers holds now (R-OUT-1).
///
/// A consumer is a program of the host with a name of the host's choice. Every consumer gets every
/// message. Several workers may take messages in the name of one consumer. The first call with a
/// name creates the consumer. A message that is not acknowledged in time is delivered again. Once
/// it has been delivered as often as `tries` says, it is dead (a dead letter): see `outbox.dead`.
#[request]
pub struct Take {
    /// The name of the consumer.
    pub consumer: Id,
    /// How many messages are delivered at most: 1 to 500; 50 when absent. A consumer never has more
    /// than 1,000 messages that it has not acknowledged.
    pub limit: Option<Count>,
    /// How long the messages are kept from other workers of the consumer, in milliseconds: 1 to
    /// 604,800,000 (a week); a minute when absent.
    pub hold_ms: Option<Count>,
    /// How often a message is delivered at most: 1 to 1,000. When absent, the number that was named
    /// last applies, or 10 if none was ever named.
    pub tries: Option<Count>,
}

/// Acknowledges messages: the consumer has processed them, and they are not delivered to it again.
/// Repeating the call changes nothing.
#[request]
pub struct Ack {
    /// The consumer.
    pub consumer: Id,
    /// The numbers of the messages, at most 500.
    pub numbers: Vec<Count>,
}

/// Returns messages that a consumer cannot process now: they are delivered again after `after_ms`,
/// instead of after `hold_ms`.
#[request]
pub struct Retry {
    /// The consumer.
    pub consumer: Id,
    /// The numbers of the messages, at most 500.
    pub numbers: Vec<Count>,
    /// After how many milliseconds the messages are delivered again: 0 to 604,800,000 (a week); at
    /// once when absent.
    pub after_ms: Option<Count>,
}

/// Gives messages up that a consumer cannot process: they are dead, and are not delivered again.
#[request]
pub struct Fail {
    /// The consumer.
    pub consumer: Id,
    /// The numbers of the messages, at most 500.
    pub numbers: Vec<Count>,
    /// The reason.
    pub reason: Option<Note>,
}

/// Lists the dead messages of a consumer, in their order.
#[request]
pub struct Dead {
    /// The consumer.
    pub consumer: Id,
    /// The number after which the page begins: the `next` of the previous page.
    pub after: Option<Count>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Revives dead messages: they are delivered again, as if they had never been delivered.
#[request]
pub struct Revive {
    /// The consumer.
    pub consumer: Id,
    /// The numbers of the messages, at most 500.
    pub numbers: Vec<Count>,
}

/// Lists the consumers, and how far each of them has come.
#[request]
pub struct Consumers {}

/// Removes a consumer with everything that is stored about it. Messages that it had not
/// acknowledged are no longer delivered in its name.
#[request]
pub struct Forget {
    /// The consumer.
    pub consumer: Id,
}

/// Deletes messages that every consumer has acknowledged. If there are no consumers, this call is
/// how the host says which messages it has processed.
#[request]
pub struct Clear {
    /// The number of the last message to delete; all messages when absent.
    pub up_to: Option<Count>,
    /// Only messages whose cause happened before this instant, in unix milliseconds.
    pub before_ms: Option<Count>,
}

/// The messages that are delivered to a consumer.
#[answer]
pub struct OutboxTaken {
    /// The messages, in their order.
    pub messages: Vec<OutboxDelivery>,
    /// When the next message that was delivered before may be delivered again, in unix
    /// milliseconds; absent when there is no such message.
    pub retry_at_ms: Option<u64>,
    /// The number of the last message that was delivered to the consumer. Pass it as `after` to
    /// wait for new messages.
    pub taken_to: u64,
    /// Whether the consumer has 1,000 messages that it has not acknowledged: no new messages are
    /// delivered to it before it acknowledges some.
    pub full: bool,
}

/// A message that is delivered to a consumer.
#[answer]
pub struct OutboxDelivery {
    /// The message.
    pub message: OutboxItem,
    /// How often the message was delivered, including this time; more than 1 when it was delivered
    /// before and not acknowledged in time.
    pub deliveries: u64,
    /// Until when the message is kept from other workers of the consumer, in unix milliseconds.
    pub until_ms: u64,
}

/// The result of acknowledging, returning, giving up or reviving messages.
#[answer]
pub struct OutboxSettled {
    /// How many of the messages the call changed. When messages are acknowledged, returned or given
    /// up, those that were acknowledged or dead already do not count.
    pub settled: u64,
    /// How many messages the consumer still has to acknowledge.
    pub open: u64,
    /// How many messages of the consumer are dead.
    pub dead: u64,
}

/// A page of dead messages.
#[answer]
pub struct OutboxDeadPage {
    /// The messages.
    pub messages: Vec<OutboxDead>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<u64>,
}

/// A dead message of a consumer.
#[answer]
pub struct OutboxDead {
    /// The message.
    pub message: OutboxItem,
    /// How often the message was delivered.
    pub deliveries: u64,
    /// The reason, as the consumer gave it; absent when the message was delivered too often.
    pub reason: Option<Note>,
    /// Since when the message is dead, in unix milliseconds.
    pub since_ms: u64,
}

/// The consumers of the outbox.
#[answer]
pub struct OutboxConsumerList {
    /// The consumers, by name.
    pub consumers: Vec<OutboxConsumerItem>,
    /// The number of the last message; 0 when there has never been one.
    pub last: u64,
}

/// How far a consumer has come.
#[answer]
pub struct OutboxConsumerItem {
    /// The name of the consumer.
    pub consumer: Id,
    /// The number of the last message that was delivered to the consumer.
    pub taken_to: u64,
    /// The number of the message up to which all messages are acknowledged or dead.
    pub done_to: u64,
    /// How many messages were delivered to the consumer and are not acknowledged.
    pub open: u64,
    /// How many messages are dead.
    pub dead: u64,
    /// How often a message is delivered at most.
    pub tries: u64,
    /// When the consumer was created, in unix milliseconds.
    pub created_at_ms: u64,
}

/// A consumer that was removed.
#[answer]
pub struct OutboxForgotten {
    /// How many messages the consumer had not acknowledged.
    pub open: u64,
    /// How many of the consumer's messages were dead.
    pub dead: u64,
}

/// The result of deleting messages.
#[answer]
pub struct OutboxCleared {
    /// How many messages were deleted: at most 1,000 in one call.
    pub cleared: u64,
    /// Whether another call would delete more.
    pub more: bool,
}

/// A page of the outbox.
#[answer]
pub struct OutboxPage {
    /// The messages.
    pub messages: Vec<OutboxItem>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<u64>,
}

/// A message of the outbox.
#[answer]
pub struct OutboxItem {
    /// The number of the message. Messages are numbered from 1, in the order in which their causes
    /// were committed.
    pub number: u64,
    /// What the host has to do.
    pub kind: OutboxKind,
    /// The account that the message is about.
    pub account: Option<Id>,
    /// The user that the message is about.
    pub user: Option<Id>,
    /// The address to which the mail goes, which is also the address to log in with. Absent when
    /// there is no address, or when the person has been erased since; then nothing is sent.
    pub to: Option<String>,
    /// The accounts that are offered, without those that have been deleted since.
    pub accounts: Vec<OutboxAccount>,
    /// The invitation that the message is about.
    pub invitation: Option<Id>,
    /// The campaign that the message is about.
    pub campaign: Option<Id>,
    /// The token for the link; absent when there is no link, or when the link is no longer valid.
    pub token: Option<Secret>,
    /// When the token expires, in unix milliseconds.
    pub token_expires_at_ms: Option<u64>,
    /// The limit that the message is about (R-QTA-8).
    pub alert: Option<LimitAlert>,
    /// Who acts as the user, and why (R-SES-6).
    pub log_in: Option<LogInNotice>,
    /// How the system's clock has jumped (R-QTA-13).
    pub clock_jump: Option<ClockJump>,
    /// When the cause of the message happened, in unix milliseconds.
    pub at_ms: u64,
}

/// An account that a message names.
#[answer]
pub struct OutboxAccount {
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Name,
}
