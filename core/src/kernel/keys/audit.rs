//! Keys of the audit and of the people that it tells of; of the clock, and of what the store
//! knows of itself.

use crate::kernel::keys::codec::{key, part, range, sortable};
use crate::kernel::keys::invitations::invitation;
use crate::kernel::keys::prefixes::{
    ATTEMPTS, AUDIT, AUDIT_HEAD, AUDIT_PERSON, CLOCK, COPYING, TOKEN_KEY,
};
use crate::kernel::keys::users::user;
use crate::model::{AuditChain, AuditKind, Id};

/// A record of a chain of the audit.
pub(crate) fn audit(chain: &AuditChain, number: u64) -> Vec<u8> {
    let [kind, id] = chain.parts();
    key(AUDIT, &[kind, id, &sortable(number)])
}

/// The records of a chain: from the first key, until the second.
pub(crate) fn audits(chain: &AuditChain) -> (Vec<u8>, Vec<u8>) {
    range(AUDIT, &chain.parts())
}

/// Where a chain begins and ends.
pub(crate) fn audit_head(chain: &AuditChain) -> Vec<u8> {
    key(AUDIT_HEAD, &chain.parts())
}

/// What a change tells of a person, by its place in a record; also the index of the records that
/// are about them.
pub(crate) fn audit_person(
    kind: AuditKind,
    person: &Id,
    chain: &AuditChain,
    number: u64,
    place: usize,
) -> Vec<u8> {
    let [of, id] = chain.parts();
    key(
        AUDIT_PERSON,
        &[
            person_kind(kind),
            person.as_str(),
            of,
            id,
            &sortable(number),
            &sortable(place as u64),
        ],
    )
}

/// Where the actor of a record came from; also the index of what somebody did.
pub(crate) fn audit_actor(user: &Id, chain: &AuditChain, number: u64) -> Vec<u8> {
    let [of, id] = chain.parts();
    key(
        AUDIT_PERSON,
        &[
            ACTOR,
            user.as_str(),
            of,
            id,
            &sortable(number),
            &sortable(0),
        ],
    )
}

/// What the audit knows of where somebody acted from: from the first key, until the second.
pub(crate) fn audit_of_actor(user: &Id) -> (Vec<u8>, Vec<u8>) {
    range(AUDIT_PERSON, &[ACTOR, user.as_str()])
}

/// What the audit knows of a person: from the first key, until the second.
pub(crate) fn audit_of_person(kind: AuditKind, person: &Id) -> (Vec<u8>, Vec<u8>) {
    range(AUDIT_PERSON, &[person_kind(kind), person.as_str()])
}

/// The record of a person: of a user, or of somebody who was invited.
pub(crate) fn record_of_person(kind: AuditKind, person: &Id) -> Vec<u8> {
    if kind == AuditKind::Invitation {
        invitation(person)
    } else {
        user(person)
    }
}

/// What stands in the place of the kind of a person, where it is the one who acted.
pub(crate) const ACTOR: &str = "actor";

pub(super) fn person_kind(kind: AuditKind) -> &'static str {
    if kind == AuditKind::Invitation {
        "invitation"
    } else {
        "user"
    }
}

/// The chain, the number of the record, and the place of the change in it, at a key of what the
/// audit knows of a person.
pub(crate) fn audit_person_at(key: &[u8]) -> Option<(AuditChain, u64, usize)> {
    let number = |at| u64::from_str_radix(part(key, at)?, 16).ok();
    let chain = AuditChain::from_parts(part(key, 3)?, part(key, 4)?)?;
    Some((chain, number(5)?, usize::try_from(number(6)?).ok()?))
}

/// Attempts to log in, those of one bucket.
pub(crate) fn attempts(bucket: &str) -> Vec<u8> {
    key(ATTEMPTS, &[bucket])
}

/// What is known of the clock.
pub(crate) fn clock() -> Vec<u8> {
    key(CLOCK, &[])
}

/// As long as this is there, the store is a copy that is not finished.
pub(crate) fn copying() -> Vec<u8> {
    key(COPYING, &[])
}

/// The fingerprint of the key that tokens are derived with.
pub(crate) fn token_key() -> Vec<u8> {
    key(TOKEN_KEY, &[])
}
