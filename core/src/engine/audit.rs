//! Every commit of an operation remembers what it changed (R-AUD-1): derived here from the records
//! that it writes, so that no operation can forget it. As what a kind of record is remembered is
//! said with its table.

use crate::access::request::Ctx;
use crate::error::Error;
use crate::kernel::Tx;
use crate::kernel::keys::{self, Prefix};
use crate::model::{
    AUDIT_IP, AuditActor, AuditChain, AuditChange, AuditFields, AuditHead, AuditKind, AuditLink,
    AuditPerson, AuditPersonal, AuditRecord, Id,
};
use crate::rules::audit::{difference, hash, parsed, redacted};
use crate::tables;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Changes of one commit share a record up to so many bytes: a record that is stored as one stays
/// below 4 KiB.
const FULL: usize = 3000;

/// The order in which the changes of a commit are told: by kind, and those of one kind by their
/// keys. It says the same in every format of the store.
const ORDER: [AuditKind; 25] = [
    AuditKind::Password,
    AuditKind::Session,
    AuditKind::AllowList,
    AuditKind::SecondFactor,
    AuditKind::Audit,
    AuditKind::ApiKey,
    AuditKind::Credits,
    AuditKind::Campaign,
    AuditKind::Link,
    AuditKind::Share,
    AuditKind::Avatar,
    AuditKind::Cap,
    AuditKind::Account,
    AuditKind::Operator,
    AuditKind::DefaultLimits,
    AuditKind::Group,
    AuditKind::Invitation,
    AuditKind::Member,
    AuditKind::Package,
    AuditKind::Role,
    AuditKind::Permission,
    AuditKind::User,
    AuditKind::Resource,
    AuditKind::Policies,
    AuditKind::Suppression,
];

/// A change that was found in a commit, and the personal fields that are kept apart.
struct Found {
    change: AuditChange,
    /// As they are stored.
    personal: Option<Vec<u8>>,
}

/// What a record of a commit is about.
struct Subject {
    chain: AuditChain,
    id: String,
    person: Option<(AuditKind, Id)>,
}

fn kind_of(key: &[u8]) -> Option<AuditKind> {
    tables::of(Prefix::of(key)?)?.audit
}

fn broken(key: &[u8]) -> Error {
    Error::corrupt(format!(
        "The key `{}` does not name a record; restore a backup.",
        key.escape_ascii()
    ))
}

/// Adds to the chains what the operation has written so far.
pub(crate) fn remember(ctx: &mut Ctx<'_>, operation: &str) -> Result<(), Error> {
    let mut found: BTreeMap<AuditChain, Vec<Found>> = BTreeMap::new();
    let written = ctx.tx.written(|key| kind_of(key).is_some()).into_iter();
    let mut written: Vec<_> = written
        .filter_map(|(key, after)| Some((kind_of(&key)?, key, after)))
        .collect();
    written.sort_by_cached_key(|(kind, ..)| ORDER.iter().position(|listed| listed == kind));
    for (kind, key, after) in written {
        let before = ctx.tx.stored(&key)?;
        if before == after {
            continue;
        }
        let (before, after) =
            parsed(before.as_deref(), after.as_deref()).map_err(|_| broken(&key))?;
        let Some(record) = after.as_ref().or(before.as_ref()) else {
            continue;
        };
        let Some(subject) = subject(kind, &key, record)? else {
            continue;
        };
        let is_gone = after.is_none();
        // With the record of a person, or with the address in it, goes what is known of them.
        let is_forgotten = is_gone || is_without_address(kind, after.as_ref());
        if let Some((_, id)) = subject
            .person
            .as_ref()
            .filter(|(person, _)| is_forgotten && *person == kind)
        {
            forget_person(&mut ctx.tx, kind, id)?;
        }
        for (chain, before, after) in
            by_chain(kind, &subject.chain, before.as_ref(), after.as_ref())
                .ok_or_else(|| broken(&key))?
        {
            if let Some(one) = find(
                ctx,
                kind,
                &subject,
                before.as_deref(),
                after.as_deref(),
                is_forgotten,
            )? {
                found.entry(chain).or_default().push(one);
            }
        }
    }
    for change in std::mem::take(&mut ctx.also_audited) {
        let personal = None;
        found
            .entry(AuditChain::Platform)
            .or_default()
            .push(Found { change, personal });
    }
    for (chain, found) in found {
        append(ctx, &chain, operation, found)?;
    }
    Ok(())
}

/// Whether a person is forgotten whose record stays: an invitation that was deleted.
fn is_without_address(kind: AuditKind, record: Option<&Value>) -> bool {
    kind == AuditKind::Invitation
        && record
            .and_then(|record| record.get("email"))
            .is_none_or(Value::is_null)
}

/// The change of a record, as one chain tells it; none where nothing changed that is worth
/// remembering. What is known of somebody who is gone is not written down once more.
fn find(
    ctx: &mut Ctx<'_>,
    kind: AuditKind,
    subject: &Subject,
    before: Option<&Value>,
    after: Option<&Value>,
    is_forgotten: bool,
) -> Result<Option<Found>, Error> {
    let Some(mut difference) = difference(kind, before, after) else {
        return Ok(None);
    };
    if subject.person.is_none() {
        difference.tell_all();
    }
    let personal = if difference.personal.is_empty() || is_forgotten {
        None
    } else {
        let (before, after) = (difference.personal.before, difference.personal.after);
        Some(bytes_of(&AuditPersonal {
            salt: ctx.engine.kernel.ids.next(ctx.now_ms)?.into(),
            before,
            after,
        })?)
    };
    let hash = personal.as_deref().map(hash);
    let side = |there: bool, fields: AuditFields| there.then_some(fields);
    let change = AuditChange {
        kind,
        id: subject.id.clone(),
        before: side(before.is_some(), difference.open.before),
        after: side(after.is_some(), difference.open.after),
        person: subject
            .person
            .clone()
            .map(|(kind, id)| AuditPerson { kind, id, hash }),
    };
    Ok(Some(Found { change, personal }))
}

/// A chain, and a record before and after as it is told there.
type ChainView<'v> = (AuditChain, Option<Cow<'v, Value>>, Option<Cow<'v, Value>>);

/// Where a change is told, and what of it: in the chain of the record, and in those of others whom
/// it concerns. None where the record names something that is no id.
fn by_chain<'v>(
    kind: AuditKind,
    chain: &AuditChain,
    before: Option<&'v Value>,
    after: Option<&'v Value>,
) -> Option<Vec<ChainView<'v>>> {
    let whole = |chain: AuditChain| (chain, before.map(Cow::Borrowed), after.map(Cow::Borrowed));
    let both = || before.into_iter().chain(after);
    Some(match kind {
        // Each account that is offered reads of its own offer, and of no other.
        AuditKind::Invitation => {
            let accounts: BTreeSet<&str> = both().flat_map(offers).filter_map(account_of).collect();
            let offered = |record: Option<&'v Value>, account: &str| {
                record
                    .and_then(|record| offer_to(record, account))
                    .map(Cow::Owned)
            };
            let by_chain = |account: &str| {
                Some((
                    AuditChain::Account(Id::new(account).ok()?),
                    offered(before, account),
                    offered(after, account),
                ))
            };
            accounts.into_iter().map(by_chain).collect::<Option<_>>()?
        }
        // The platform sees which accounts come and go.
        AuditKind::Account if before.is_none() || after.is_none() => {
            vec![whole(AuditChain::Platform), whole(chain.clone())]
        }
        // An account sees who acts as one of its users.
        AuditKind::Session => match both()
            .last()
            .and_then(|record| record.pointer("/behind/account"))
            .and_then(Value::as_str)
        {
            Some(account) => vec![
                whole(AuditChain::Account(Id::new(account).ok()?)),
                whole(chain.clone()),
            ],
            None => vec![whole(chain.clone())],
        },
        _ => vec![whole(chain.clone())],
    })
}

/// What an invitation offers.
fn offers(invitation: &Value) -> impl Iterator<Item = &Value> {
    invitation
        .get("grants")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn account_of(offer: &Value) -> Option<&str> {
    offer.get("account").and_then(Value::as_str)
}

/// An invitation as far as it concerns one of its accounts; none where that is not offered.
fn offer_to(invitation: &Value, account: &str) -> Option<Value> {
    let own: Vec<Value> = offers(invitation)
        .filter(|offer| account_of(offer) == Some(account))
        .cloned()
        .collect();
    if own.is_empty() {
        return None;
    }
    let mut visible = invitation.clone();
    *visible.get_mut("grants")? = Value::Array(own);
    Some(visible)
}

/// A record that a commit changes, and the parts of its key.
struct Changed<'a> {
    key: &'a [u8],
    parts: Vec<&'a str>,
    record: &'a Value,
}

impl<'a> Changed<'a> {
    fn new(key: &'a [u8], record: &'a Value) -> Result<Changed<'a>, Error> {
        let parts = key
            .split(|byte| *byte == 0)
            .skip(1)
            .map(std::str::from_utf8)
            .collect::<Result<_, _>>()
            .map_err(|_| broken(key))?;
        Ok(Changed { key, parts, record })
    }

    fn id(&self, text: &str) -> Result<Id, Error> {
        Id::new(text).map_err(|_| broken(self.key))
    }

    /// The last part of the key.
    fn last(&self) -> String {
        self.parts.last().copied().unwrap_or_default().to_owned()
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.record.get(name).and_then(Value::as_str)
    }

    fn chain_of(&self, account: &str) -> Result<AuditChain, Error> {
        self.id(account).map(AuditChain::Account)
    }

    /// The user whom the record names.
    fn user(&self) -> Result<(AuditKind, Id), Error> {
        let user = self.id(self.field("user").unwrap_or_default())?;
        Ok((AuditKind::User, user))
    }
}

/// Where a record is remembered, and as what; none for what lies beside a ledger of credits.
fn subject(kind: AuditKind, key: &[u8], record: &Value) -> Result<Option<Subject>, Error> {
    let changed = Changed::new(key, record)?;
    if let Some(subject) = subject_with_person(kind, &changed)? {
        return Ok(Some(subject));
    }
    let last = changed.last();
    let (chain, id) = match (kind, changed.parts.as_slice()) {
        (AuditKind::Audit, [of, id]) => {
            let chain = AuditChain::from_parts(of, id).ok_or_else(|| broken(key))?;
            (chain, (*id).to_owned())
        }
        (AuditKind::Credits, [account, channel, "entry", entry]) => {
            let number = u64::from_str_radix(entry, 16).map_err(|_| broken(key))?;
            (changed.chain_of(account)?, format!("{channel}/{number}"))
        }
        (AuditKind::Credits, _) => return Ok(None),
        (AuditKind::AllowList, [_, account, ..]) => (changed.chain_of(account)?, last),
        // The words are not for everybody who reads the chain.
        (AuditKind::Password, _) => (AuditChain::Platform, String::new()),
        (AuditKind::Cap, ["", _]) => (AuditChain::Platform, last),
        (AuditKind::Role, _) => {
            let account = changed.field("account");
            let chain = account.map_or(Ok(AuditChain::Platform), |id| changed.chain_of(id))?;
            (chain, last)
        }
        (AuditKind::DefaultLimits, _) => (AuditChain::Platform, String::new()),
        (AuditKind::Operator | AuditKind::Package | AuditKind::Permission, _) => {
            (AuditChain::Platform, last)
        }
        (AuditKind::Policies, [account]) => (changed.chain_of(account)?, last),
        (AuditKind::Policies, _) => (AuditChain::Platform, String::new()),
        (AuditKind::Suppression, [account, value, class]) => (
            changed.chain_of(account)?,
            format!("{}/{class}", redacted(value)),
        ),
        (AuditKind::Resource | AuditKind::Share, [account, kind, id]) => {
            (changed.chain_of(account)?, format!("{kind}/{id}"))
        }
        (_, [account, ..]) => (changed.chain_of(account)?, last),
        _ => return Err(broken(key)),
    };
    Ok(Some(Subject {
        chain,
        id,
        person: None,
    }))
}

/// The subject of a record that is about a user, or about somebody who is invited.
fn subject_with_person(kind: AuditKind, changed: &Changed<'_>) -> Result<Option<Subject>, Error> {
    let (chain, person) = match (kind, changed.parts.as_slice()) {
        (AuditKind::AllowList, ["user", user])
        | (AuditKind::Password | AuditKind::SecondFactor | AuditKind::User, [user]) => {
            (AuditChain::Users, (AuditKind::User, changed.id(user)?))
        }
        (AuditKind::AllowList, ["member", account, user]) => (
            changed.chain_of(account)?,
            (AuditKind::User, changed.id(user)?),
        ),
        (AuditKind::Session, [_]) | (AuditKind::Link, _) => (AuditChain::Users, changed.user()?),
        (AuditKind::ApiKey, _) => {
            let account = changed.field("account").unwrap_or_default();
            (changed.chain_of(account)?, changed.user()?)
        }
        (AuditKind::Invitation, [invitation]) => {
            let team = changed.field("team").unwrap_or_default();
            let person = (AuditKind::Invitation, changed.id(invitation)?);
            (changed.chain_of(team)?, person)
        }
        _ => return Ok(None),
    };
    Ok(Some(Subject {
        chain,
        id: changed.last(),
        person: Some(person),
    }))
}

/// Puts what was found at the end of a chain, in as many records as it needs.
fn append(
    ctx: &mut Ctx<'_>,
    chain: &AuditChain,
    operation: &str,
    found: Vec<Found>,
) -> Result<(), Error> {
    let mut head: AuditHead = ctx.tx.get(&keys::audit_head(chain))?.unwrap_or_default();
    let mut some = Vec::new();
    let mut size = 0;
    let is_one = found.len() == 1;
    for one in found {
        let length = if is_one {
            0
        } else {
            bytes_of(&one.change)?.len()
        };
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

fn append_one(
    ctx: &mut Ctx<'_>,
    chain: &AuditChain,
    operation: &str,
    last: &AuditLink,
    found: Vec<Found>,
) -> Result<AuditLink, Error> {
    let number = last.number + 1;
    let mut changes = Vec::with_capacity(found.len());
    for (place, Found { change, personal }) in found.into_iter().enumerate() {
        if let Some(person) = &change.person {
            let key = keys::audit_person(person.kind, &person.id, chain, number, place);
            match personal {
                Some(personal) => ctx.tx.put_bytes(key, personal),
                None => ctx.tx.mark(key),
            }
        }
        changes.push(change);
    }
    let mut actor = ctx.audit_actor();
    let actor_hash = keep_address(ctx, chain, number, &mut actor)?;
    let record = AuditRecord {
        number,
        at_ms: ctx.now_ms,
        actor,
        actor_hash,
        operation: operation.to_owned(),
        changes,
        previous: last.hash.clone(),
    };
    let bytes = bytes_of(&record)?;
    let hash = hash(&bytes);
    ctx.tx.put_bytes(keys::audit(chain, number), bytes);
    Ok(AuditLink { number, hash })
}

/// Puts the address that somebody acted from beside the chain, and answers the hash of what is kept
/// there. Of who is erased by what they do themselves it is not kept.
fn keep_address(
    ctx: &mut Ctx<'_>,
    chain: &AuditChain,
    number: u64,
    actor: &mut AuditActor,
) -> Result<Option<String>, Error> {
    let (Some(ip), Some(user)) = (actor.ip.take(), &actor.user) else {
        return Ok(None);
    };
    if !ctx.tx.has(&keys::user(user))? {
        return Ok(None);
    }
    let known = AuditPersonal {
        salt: ctx.engine.kernel.ids.next(ctx.now_ms)?.into(),
        before: AuditFields::new(),
        after: AuditFields::from_iter([(AUDIT_IP.to_owned(), Value::String(ip))]),
    };
    let bytes = bytes_of(&known)?;
    let hash = hash(&bytes);
    ctx.tx
        .put_bytes(keys::audit_actor(user, chain, number), bytes);
    Ok(Some(hash))
}

fn bytes_of<T: serde::Serialize>(record: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|error| {
        Error::internal(format!(
            "This is a defect to report: a record cannot be written ({error})."
        ))
    })
}

/// Deletes what tells who a person was. The chains keep the hashes.
fn forget_person(tx: &mut Tx<'_>, kind: AuditKind, id: &Id) -> Result<(), Error> {
    let acted = (kind == AuditKind::User).then(|| keys::audit_of_actor(id));
    for (from, until) in [Some(keys::audit_of_person(kind, id)), acted]
        .into_iter()
        .flatten()
    {
        for (key, known) in tx.range::<Value>(&from, &until, usize::MAX)? {
            if !known.is_null() {
                tx.mark(key);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_place_in_the_order() {
        let kinds: Vec<_> = tables::all().filter_map(|table| table.audit).collect();
        assert_eq!(kinds.len(), ORDER.len());
        assert!(ORDER.iter().all(|kind| kinds.contains(kind)));
        assert!(kinds.iter().all(|kind| ORDER.contains(kind)));
    }
}
