//! Every commit of an operation remembers what it changed (R-AUD-1): derived here from the records that it writes, so that
//! no operation can forget it.

use super::{Ctx, Tx, keys};
use crate::error::{Code, Error};
use crate::model::{AuditActor, AuditChain, AuditChange, AuditFields, AuditHead, AuditKind, AuditLink, AuditPerson, AuditPersonal, AuditRecord, Id};
use crate::rules::audit::{difference, hash, masked};
use serde_json::Value;
use std::collections::BTreeMap;

/// Changes of one commit share a record up to so many bytes: a record that is stored as one stays below 4 KiB.
const FULL: usize = 3000;

/// Letters of keys whose records are remembered.
const AUDITED: &[(u8, AuditKind)] = &[
    (keys::ACCOUNT, AuditKind::Account),
    (keys::ALLOW_LIST, AuditKind::AllowList),
    (keys::API_KEY, AuditKind::ApiKey),
    (keys::AUDIT_HEAD, AuditKind::Audit),
    (keys::AVATAR, AuditKind::Avatar),
    (keys::CAMPAIGN, AuditKind::Campaign),
    (keys::CAP, AuditKind::Cap),
    (keys::CREDIT, AuditKind::Credits),
    (keys::DEFAULTS, AuditKind::DefaultLimits),
    (keys::GROUP, AuditKind::Group),
    (keys::INVITATION, AuditKind::Invitation),
    (keys::LINK, AuditKind::Link),
    (keys::MEMBER, AuditKind::Member),
    (keys::OPERATOR, AuditKind::Operator),
    (keys::PACKAGE, AuditKind::Package),
    (keys::TREE_NODE, AuditKind::Permission),
    (keys::PASSWORD, AuditKind::Password),
    (keys::POLICY, AuditKind::Policies),
    (keys::RESOURCE, AuditKind::Resource),
    (keys::ROLE, AuditKind::Role),
    (keys::SECOND_FACTOR, AuditKind::SecondFactor),
    (keys::SESSION, AuditKind::Session),
    (keys::SHARE, AuditKind::Share),
    (keys::SUPPRESSION, AuditKind::Suppression),
    (keys::USER, AuditKind::User),
];

/// Letters of keys whose records are not remembered: indexes and counts follow from others, and what is in use for a moment
/// (meters, reservations, slots, leases, answers) changes with every send.
#[cfg(test)]
const NOT_AUDITED: &[u8] = &[
    keys::ACCOUNT_API_KEY,
    keys::ACCOUNT_INVITATION,
    keys::ACCOUNT_ORDER,
    keys::ACCOUNT_ROLE,
    keys::ADDRESS_INVITATION,
    keys::ANSWERED,
    keys::AUDIT,
    keys::AUDIT_PERSON,
    keys::CHILD,
    keys::CLOCK,
    keys::DUE,
    keys::EMAIL,
    keys::GROUP_MEMBER,
    keys::INVITED,
    keys::LAST_SEEN,
    keys::LEASE,
    keys::MEMBERSHIP,
    keys::METER,
    keys::METER_HISTORY,
    keys::OPEN_INVITATION,
    keys::OUTBOX,
    keys::OUTBOX_CONSUMER,
    keys::OUTBOX_NEXT,
    keys::OUTBOX_PERSON,
    keys::PACE,
    keys::PACKAGE_ACCOUNT,
    keys::PACKAGE_NEXT,
    keys::PERSON,
    keys::RESERVATION,
    keys::RESOURCE_OF_GROUP,
    keys::RESOURCE_OF_OWNER,
    keys::ROLE_USE,
    keys::SEAT,
    keys::SHARED_WITH,
    keys::SLOT,
    keys::SLOT_END,
    keys::STOPPED_CAMPAIGN,
    keys::TALLY,
    keys::TEAM_ACCOUNT,
    keys::TEAM_SUPPRESSION,
    keys::TOKEN_KEY,
    keys::TOMBSTONE,
    keys::USER_LINK,
    keys::USER_SESSION,
];

/// A change that was found in a commit, and the personal fields that are kept apart.
struct Found {
    change: AuditChange,
    personal: Option<AuditPersonal>,
}

/// What a record of a commit is about.
struct Subject {
    chain: AuditChain,
    id: String,
    person: Option<(AuditKind, Id)>,
}

fn kind_of(key: &[u8]) -> Option<AuditKind> {
    let letter = key.first()?;
    AUDITED.iter().find(|(audited, _)| audited == letter).map(|(_, kind)| *kind)
}

fn broken(key: &[u8]) -> Error {
    Error::new(Code::StoreCorrupt, format!("the key {} names nothing", key.escape_ascii()))
}

/// Adds to the chains what the operation has written so far.
pub(super) fn remember(ctx: &mut Ctx<'_>, operation: &str) -> Result<(), Error> {
    let mut found: BTreeMap<AuditChain, Vec<Found>> = BTreeMap::new();
    for (key, after) in ctx.tx.written(|key| kind_of(key).is_some()) {
        let Some(kind) = kind_of(&key) else { continue };
        let before = ctx.tx.stored(&key)?;
        if before == after {
            continue;
        }
        let read = |bytes: Option<&[u8]>| bytes.map(serde_json::from_slice::<Value>).transpose().map_err(|_| broken(&key));
        let (before, after) = (read(before.as_deref())?, read(after.as_deref())?);
        let Some(record) = after.as_ref().or(before.as_ref()) else { continue };
        let Some(subject) = subject(kind, &key, record)? else { continue };
        let is_gone = after.is_none();
        // With the record of a person, or with the address in it, goes what is known of them.
        let is_forgotten = is_gone || is_without_address(kind, after.as_ref());
        if let Some((_, id)) = subject.person.as_ref().filter(|(person, _)| is_forgotten && *person == kind) {
            forget_person(&mut ctx.tx, kind, id)?;
        }
        let Some(mut difference) = difference(kind, before.as_ref(), after.as_ref()) else { continue };
        if subject.person.is_none() {
            difference.tell_all();
        }
        // What is known of somebody who goes is not written down once more.
        let keeps = !difference.personal.is_empty() && !is_forgotten;
        let personal = if keeps {
            let (before, after) = (difference.personal.before, difference.personal.after);
            Some(AuditPersonal { salt: ctx.engine.ids.next(ctx.now_ms)?.into(), before, after })
        } else {
            None
        };
        let hash = personal.as_ref().map(bytes_of).transpose()?.map(|bytes| hash(&bytes));
        let person = subject.person.map(|(kind, id)| AuditPerson { kind, id, hash });
        let side = |there: bool, fields: AuditFields| there.then_some(fields);
        let change = AuditChange {
            kind,
            id: subject.id,
            before: side(before.is_some(), difference.open.before),
            after: side(after.is_some(), difference.open.after),
            person,
        };
        // The platform sees which accounts come and go.
        if kind == AuditKind::Account && (before.is_none() || is_gone) {
            found.entry(AuditChain::Platform).or_default().push(Found { change: change.clone(), personal: None });
        }
        // An account sees who acts as one of its users.
        if kind == AuditKind::Session
            && let Some(account) = record.pointer("/behind/account").and_then(Value::as_str)
        {
            let account = Id::new(account).map_err(|_| broken(&key))?;
            found.entry(AuditChain::Account(account)).or_default().push(Found { change: change.clone(), personal: personal.clone() });
        }
        found.entry(subject.chain).or_default().push(Found { change, personal });
    }
    for (chain, found) in found {
        append(ctx, &chain, operation, found)?;
    }
    Ok(())
}

/// Whether a person is forgotten whose record stays: an invitation that was deleted.
fn is_without_address(kind: AuditKind, record: Option<&Value>) -> bool {
    kind == AuditKind::Invitation && record.and_then(|record| record.get("email")).is_none_or(Value::is_null)
}

/// Where a record is remembered, and as what; none for what lies beside a ledger of credits.
fn subject(kind: AuditKind, key: &[u8], record: &Value) -> Result<Option<Subject>, Error> {
    let parts: Vec<&str> = key.split(|byte| *byte == 0).skip(1).map(std::str::from_utf8).collect::<Result<_, _>>().map_err(|_| broken(key))?;
    let named = |text: &str| Id::new(text).map_err(|_| broken(key));
    let of_account = |account: &str| named(account).map(AuditChain::Account);
    let field = |name: &str| record.get(name).and_then(Value::as_str);
    let last = parts.last().copied().unwrap_or_default().to_owned();
    let (chain, id, person) = match (kind, parts.as_slice()) {
        (AuditKind::Audit, [of, id]) => {
            let chain = AuditChain::from_parts(of, id).ok_or_else(|| broken(key))?;
            (chain, (*id).to_owned(), None)
        }
        (AuditKind::Credits, [account, channel, "entry", entry]) => {
            let number = u64::from_str_radix(entry, 16).map_err(|_| broken(key))?;
            (of_account(account)?, format!("{channel}/{number}"), None)
        }
        (AuditKind::Credits, _) => return Ok(None),
        (AuditKind::AllowList, ["user", user]) | (AuditKind::Password | AuditKind::SecondFactor, [user]) => {
            (AuditChain::Users, last, Some((AuditKind::User, named(user)?)))
        }
        (AuditKind::AllowList, ["member", account, user]) => (of_account(account)?, last, Some((AuditKind::User, named(user)?))),
        (AuditKind::AllowList, [_, account, ..]) => (of_account(account)?, last, None),
        // The words are not for everybody who reads the chain.
        (AuditKind::Password, _) => (AuditChain::Platform, String::new(), None),
        (AuditKind::Session, [session]) => {
            let user = named(field("user").unwrap_or_default())?;
            (AuditChain::Users, (*session).to_owned(), Some((AuditKind::User, user)))
        }
        (AuditKind::ApiKey, _) => {
            let user = named(field("user").unwrap_or_default())?;
            (of_account(field("account").unwrap_or_default())?, last, Some((AuditKind::User, user)))
        }
        (AuditKind::Cap, ["", _]) => (AuditChain::Platform, last, None),
        (AuditKind::User, [user]) => (AuditChain::Users, last, Some((AuditKind::User, named(user)?))),
        (AuditKind::Link, _) => {
            let user = named(field("user").unwrap_or_default())?;
            (AuditChain::Users, last, Some((AuditKind::User, user)))
        }
        (AuditKind::Invitation, [invitation]) => {
            (of_account(field("team").unwrap_or_default())?, last, Some((AuditKind::Invitation, named(invitation)?)))
        }
        (AuditKind::Role, _) => {
            let chain = field("account").map_or(Ok(AuditChain::Platform), of_account)?;
            (chain, last, None)
        }
        (AuditKind::DefaultLimits, _) => (AuditChain::Platform, String::new(), None),
        (AuditKind::Operator | AuditKind::Package | AuditKind::Permission, _) => (AuditChain::Platform, last, None),
        (AuditKind::Policies, [account]) => (of_account(account)?, last, None),
        (AuditKind::Policies, _) => (AuditChain::Platform, String::new(), None),
        (AuditKind::Suppression, [account, value, class]) => (of_account(account)?, format!("{}/{class}", masked(value)), None),
        (AuditKind::Resource | AuditKind::Share, [account, kind, id]) => (of_account(account)?, format!("{kind}/{id}"), None),
        (_, [account, ..]) => (of_account(account)?, last, None),
        _ => return Err(broken(key)),
    };
    Ok(Some(Subject { chain, id, person }))
}

/// Puts what was found at the end of a chain, in as many records as it needs.
fn append(ctx: &mut Ctx<'_>, chain: &AuditChain, operation: &str, found: Vec<Found>) -> Result<(), Error> {
    let mut head: AuditHead = ctx.tx.get(&keys::audit_head(chain))?.unwrap_or_default();
    let mut some = Vec::new();
    let mut size = 0;
    for one in found {
        let length = bytes_of(&one.change)?.len();
        if size + length > FULL && !some.is_empty() {
            head.last = append_one(ctx, chain, operation, &head.last, std::mem::take(&mut some))?;
            size = 0;
        }
        size += length;
        some.push(one);
    }
    head.last = append_one(ctx, chain, operation, &head.last, some)?;
    ctx.tx.put(keys::audit_head(chain), &head)
}

fn append_one(ctx: &mut Ctx<'_>, chain: &AuditChain, operation: &str, last: &AuditLink, found: Vec<Found>) -> Result<AuditLink, Error> {
    let number = last.number + 1;
    let mut changes = Vec::with_capacity(found.len());
    for (place, Found { change, personal }) in found.into_iter().enumerate() {
        if let Some(person) = &change.person {
            let key = keys::audit_person(person.kind, &person.id, chain, number, place);
            match &personal {
                Some(personal) => ctx.tx.put(key, personal)?,
                None => ctx.tx.mark(key),
            }
        }
        changes.push(change);
    }
    let record = AuditRecord {
        number,
        at_ms: ctx.now_ms,
        actor: AuditActor::from(ctx.actor),
        operation: operation.to_owned(),
        changes,
        previous: last.hash.clone(),
    };
    ctx.tx.put(keys::audit(chain, number), &record)?;
    Ok(AuditLink { number, hash: hash(&bytes_of(&record)?) })
}

fn bytes_of<T: serde::Serialize>(record: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|error| Error::new(Code::Internal, format!("a record cannot be written: {error}")))
}

/// Deletes what tells who a person was. The chains keep the hashes.
fn forget_person(tx: &mut Tx<'_>, kind: AuditKind, id: &Id) -> Result<(), Error> {
    let (from, until) = keys::audit_of_person(kind, id);
    for (key, known) in tx.range::<Value>(&from, &until, usize::MAX)? {
        if !known.is_null() {
            tx.mark(key);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-AUD-1: of whoever adds a kind of record, it is asked whether changes of it are remembered.
    #[test]
    fn every_letter_is_remembered_or_known_not_to_be() {
        let source = include_str!("keys.rs");
        let letters = source.lines().filter_map(|line| line.split_once(": u8 = b'")?.1.bytes().next());
        let mut seen = 0;
        for letter in letters {
            let audited = AUDITED.iter().any(|(audited, _)| *audited == letter);
            assert!(audited != NOT_AUDITED.contains(&letter), "the letter `{}` belongs into one of the two lists", letter as char);
            seen += 1;
        }
        assert_eq!(seen, AUDITED.len() + NOT_AUDITED.len());
    }
}
