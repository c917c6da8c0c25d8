//! Keys of the outbox and of its consumers.

use crate::kernel::keys::audit::person_kind;
use crate::kernel::keys::codec::{key, range, sortable};
use crate::kernel::keys::prefixes::{OUTBOX, OUTBOX_CONSUMER, OUTBOX_NEXT, OUTBOX_PERSON};
use crate::model::{AuditKind, Id};

/// A message of the outbox.
pub(crate) fn outbox(number: u64) -> Vec<u8> {
    key(OUTBOX, &[&sortable(number)])
}

/// Index: the messages of the outbox that tell who a person is.
pub(crate) fn outbox_person(kind: AuditKind, person: &Id, number: u64) -> Vec<u8> {
    key(
        OUTBOX_PERSON,
        &[person_kind(kind), person.as_str(), &sortable(number)],
    )
}

/// The messages of the outbox that tell who a person is: from the first key, until the second.
pub(crate) fn outbox_of_person(kind: AuditKind, person: &Id) -> (Vec<u8>, Vec<u8>) {
    range(OUTBOX_PERSON, &[person_kind(kind), person.as_str()])
}

/// The number of the next message of the outbox.
pub(crate) fn outbox_next() -> Vec<u8> {
    key(OUTBOX_NEXT, &[])
}

/// A consumer of the outbox.
pub(crate) fn consumer(name: &Id) -> Vec<u8> {
    key(OUTBOX_CONSUMER, &[name.as_str()])
}

/// A message that a consumer was given and has not acknowledged.
pub(crate) fn open_message(consumer: &Id, number: u64) -> Vec<u8> {
    key(
        OUTBOX_CONSUMER,
        &[consumer.as_str(), "open", &sortable(number)],
    )
}

/// The messages that a consumer was given and has not acknowledged: from the first key, until the
/// second.
pub(crate) fn open_messages(consumer: &Id) -> (Vec<u8>, Vec<u8>) {
    range(OUTBOX_CONSUMER, &[consumer.as_str(), "open"])
}

/// A message that a consumer gave up.
pub(crate) fn dead_message(consumer: &Id, number: u64) -> Vec<u8> {
    key(
        OUTBOX_CONSUMER,
        &[consumer.as_str(), "dead", &sortable(number)],
    )
}

/// The messages that a consumer gave up: from the first key, until the second.
pub(crate) fn dead_messages(consumer: &Id) -> (Vec<u8>, Vec<u8>) {
    range(OUTBOX_CONSUMER, &[consumer.as_str(), "dead"])
}
