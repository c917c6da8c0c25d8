//! What was changed, by whom, and that nobody has altered what is remembered of it (R-AUD-1).
//!
//! There is a chain of records for each account, one for the platform, and one for all users. The
//! records are made where operations commit, see `engine/audit.rs`.

#[cfg(test)]
mod tests;

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::audit::{
    AuditChangeItem, AuditExport, AuditField, AuditHeadItem, AuditItem, AuditOf, AuditPage,
    AuditProblem, AuditProblemKind, AuditPruned, AuditVerification, AuditWhat, Export, Head, List,
    Prune, Verify,
};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::{SCAN_MAX, SCAN_STEP, page_size};
use crate::model::{
    AUDIT_IP, Actor, AuditChain, AuditChange, AuditFields, AuditHead, AuditKind, AuditLink,
    AuditPerson, AuditPersonal, AuditRecord, Count, Cursor, Id, Name,
};
use crate::rules::audit::{follows, hash};
use serde_json::{Value, json};
use tenantry_store::Order;

/// What they need for that of the platform.
const OPERATORS_PLATFORM: &str = "operators.manage";
/// How many records one call prunes.
const MOST_PRUNED: usize = 1000;
/// How many bytes of lines one call exports, but for the last line.
const MOST_EXPORTED: usize = 512 * 1024;

/// The chain that is asked for. A user sees that of an account alone; that of the platform,
/// operators who manage operators.
pub(crate) fn chain(
    ctx: &mut Ctx<'_>,
    of: Option<AuditOf>,
    account: Option<&Id>,
) -> Result<AuditChain, Error> {
    let home = match ctx.actor {
        Actor::User { account, .. } => Some(account.clone()),
        Actor::System | Actor::Operator { .. } => None,
    };
    let chain = match (of, account) {
        (None | Some(AuditOf::Account), Some(account)) => AuditChain::Account(account.clone()),
        (Some(AuditOf::Platform | AuditOf::Users), Some(_)) => {
            return Err(Error::invalid(
                "/account",
                "The chains `platform` and `users` belong to no account; leave out `account`.",
            ));
        }
        (Some(AuditOf::Platform), None) => AuditChain::Platform,
        (Some(AuditOf::Users), None) => AuditChain::Users,
        (of, None) => match (home.clone(), of) {
            (Some(home), _) => AuditChain::Account(home),
            (None, None) => AuditChain::Platform,
            (None, Some(_)) => {
                return Err(Error::invalid(
                    "/account",
                    "Name the `account` whose chain you mean.",
                ));
            }
        },
    };
    match &chain {
        AuditChain::Platform | AuditChain::Users if home.is_some() => Err(Error::new(
            Code::ActorNotAllowed,
            "Users see the chains of accounts only; leave out `chain`.",
        )
        .at("/chain")),
        AuditChain::Platform if matches!(ctx.actor, Actor::Operator { .. }) => {
            ctx.require_as_operator(OPERATORS_PLATFORM).map(|()| chain)
        }
        AuditChain::Account(id)
            if !ctx.tx.has(&keys::audit_head(&chain))? && !ctx.tx.has(&keys::account(id))? =>
        {
            Err(Error::not_found("account", id.as_str()).at("/account"))
        }
        _ => Ok(chain),
    }
}

fn head(ctx: &mut Ctx<'_>, chain: &AuditChain) -> Result<AuditHead, Error> {
    Ok(ctx.tx.get(&keys::audit_head(chain))?.unwrap_or_default())
}

fn broken(chain: &AuditChain, number: u64) -> Error {
    Error::corrupt(format!(
        "The record {number} of the chain {:?} cannot be read; restore a backup.",
        chain.parts()
    ))
}

/// The numbers of records before one, the largest first: at most `most`.
fn numbers_before(
    ctx: &Ctx<'_>,
    chain: &AuditChain,
    user: Option<&Id>,
    before: u64,
    most: usize,
) -> Result<Vec<u64>, Error> {
    let (from, until) = match user {
        Some(user) => {
            let [from, until] = [0, before]
                .map(|number| keys::audit_person(AuditKind::User, user, chain, number, 0));
            (from, until)
        }
        None => (keys::audits(chain).0, keys::audit(chain, before)),
    };
    let rows = ctx
        .tx
        .reads()
        .range(&from, &until, Order::Descending, most)?;
    let number = |key: &[u8]| match user {
        Some(_) => keys::part(key, 5).and_then(|number| u64::from_str_radix(number, 16).ok()),
        None => keys::last_number(key),
    };
    rows.iter()
        .map(|(key, _)| number(key).ok_or_else(|| broken(chain, before)))
        .collect()
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

pub(crate) fn fields(before: AuditFields, mut after: AuditFields) -> Vec<AuditField> {
    let mut fields: Vec<AuditField> = before
        .into_iter()
        .map(|(name, before)| AuditField {
            after: after.remove(&name).map(text),
            before: Some(text(before)),
            name,
        })
        .collect();
    fields.extend(after.into_iter().map(|(name, after)| AuditField {
        name,
        before: None,
        after: Some(text(after)),
    }));
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    fields
}

/// A record with what is known of the persons in it.
fn answer_of(
    ctx: &mut Ctx<'_>,
    chain: &AuditChain,
    record: AuditRecord,
) -> Result<AuditItem, Error> {
    let mut changes = Vec::with_capacity(record.changes.len());
    for (place, one) in record.changes.into_iter().enumerate() {
        changes.push(change(ctx, chain, record.number, place, one)?);
    }
    let mut actor = record.actor;
    if let (Some(user), Some(_)) = (&actor.user, &record.actor_hash) {
        actor.ip = address_of(ctx, user, chain, record.number)?;
    }
    Ok(AuditItem {
        number: record.number,
        at_ms: record.at_ms,
        actor,
        operation: record.operation,
        changes,
    })
}

/// Where the actor of a record came from, as far as they are not erased.
pub(crate) fn address_of(
    ctx: &mut Ctx<'_>,
    user: &Id,
    chain: &AuditChain,
    number: u64,
) -> Result<Option<String>, Error> {
    let known: Option<Option<AuditPersonal>> =
        ctx.tx.get(&keys::audit_actor(user, chain, number))?;
    let ip = known
        .flatten()
        .and_then(|mut known| known.after.remove(AUDIT_IP));
    Ok(ip.map(text))
}

/// A change of a record, with what is still known of the person.
pub(crate) fn change(
    ctx: &mut Ctx<'_>,
    chain: &AuditChain,
    number: u64,
    place: usize,
    change: AuditChange,
) -> Result<AuditChangeItem, Error> {
    let what = match (&change.before, &change.after) {
        (None, _) => AuditWhat::Created,
        (Some(_), None) => AuditWhat::Deleted,
        (Some(_), Some(_)) => AuditWhat::Changed,
    };
    let mut answer = fields(
        change.before.unwrap_or_default(),
        change.after.unwrap_or_default(),
    );
    let mut erased = false;
    if let Some(AuditPerson {
        kind,
        id,
        hash: Some(_),
    }) = &change.person
    {
        let known: Option<Option<AuditPersonal>> = ctx
            .tx
            .get(&keys::audit_person(*kind, id, chain, number, place))?;
        match known.flatten() {
            Some(known) => answer.extend(fields(known.before, known.after)),
            None => erased = true,
        }
    }
    Ok(AuditChangeItem {
        kind: change.kind,
        id: change.id,
        what,
        fields: answer,
        erased,
    })
}

impl List {
    fn fits(&self, record: &AuditRecord) -> bool {
        let after = self.from_ms.is_none_or(|from| record.at_ms >= from.get());
        let before = self.until_ms.is_none_or(|until| record.at_ms < until.get());
        let by = self.actor.as_ref().is_none_or(|actor| {
            [&record.actor.user, &record.actor.subject].contains(&&Some(actor.clone()))
        });
        let done = self
            .operation
            .as_ref()
            .is_none_or(|operation| record.operation == operation.as_str());
        let about = self.kind.is_none_or(|kind| {
            let id = self.subject.as_ref().map(Name::as_str);
            record
                .changes
                .iter()
                .any(|change| change.kind == kind && id.is_none_or(|id| change.id == id))
        });
        after && before && by && done && about
    }
}

impl Operation for List {
    type Answer = AuditPage;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AuditPage, Error> {
        let size = page_size(self.limit)?;
        let chain = chain(ctx, self.chain, self.account.as_ref())?;
        if self.user.is_some() && chain != AuditChain::Users {
            return Err(Error::invalid(
                "/user",
                "A `user` goes only with the chain `users`; leave it out, or ask for that chain.",
            ));
        }
        if self.subject.is_some() && self.kind.is_none() {
            return Err(Error::invalid(
                "/subject",
                "A `subject` goes with a `kind`; name the kind, or leave out both.",
            ));
        }
        let wrong = || {
            Error::invalid(
                "/after",
                "`after` must be the `next` of the previous page, unchanged.",
            )
        };
        let mut before = match &self.after {
            Some(after) => after.as_str().parse().map_err(|_| wrong())?,
            None => u64::MAX,
        };
        let mut records = Vec::new();
        let mut looked_at = 0;
        loop {
            let numbers = numbers_before(ctx, &chain, self.user.as_ref(), before, SCAN_STEP)?;
            let is_end = numbers.len() < SCAN_STEP;
            for number in numbers {
                // Two changes of one record may be about the same person.
                if number == before {
                    continue;
                }
                if records.len() == size || looked_at == SCAN_MAX {
                    let next = Cursor::new(before.to_string()).map_err(Error::internal)?;
                    return Ok(AuditPage {
                        records,
                        next: Some(next),
                    });
                }
                looked_at += 1;
                before = number;
                let record: Option<AuditRecord> = ctx.tx.get(&keys::audit(&chain, number))?;
                let record = record.ok_or_else(|| broken(&chain, number))?;
                if self.fits(&record) {
                    records.push(answer_of(ctx, &chain, record)?);
                }
            }
            if is_end {
                return Ok(AuditPage {
                    records,
                    next: None,
                });
            }
        }
    }
}

impl Operation for Export {
    type Answer = AuditExport;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AuditExport, Error> {
        let size = page_size(self.limit)?;
        let chain = chain(ctx, self.chain, self.account.as_ref())?;
        let from = keys::audit(&chain, self.after.map_or(0, Count::get).saturating_add(1));
        let (_, until) = keys::audits(&chain);
        let rows = ctx
            .tx
            .reads()
            .range(&from, &until, Order::Ascending, size + 1)?;
        let mut answer = AuditExport {
            lines: String::new(),
            personal: self.with_personal.then(String::new),
            records: 0,
            next: None,
        };
        let mut last = None;
        for (key, stored) in rows {
            let number = keys::last_number(&key).ok_or_else(|| broken(&chain, 0))?;
            if answer.records as usize == size || answer.lines.len() > MOST_EXPORTED {
                answer.next = last;
                break;
            }
            let line = String::from_utf8(stored.value).map_err(|_| broken(&chain, number))?;
            if let Some(personal) = &mut answer.personal {
                personal.push_str(&personal_lines(ctx, &chain, &line, number)?);
            }
            answer.lines.push_str(&line);
            answer.lines.push('\n');
            answer.records += 1;
            last = Some(number);
        }
        Ok(answer)
    }
}

/// What is known of the persons in a record.
fn personal_lines(
    ctx: &mut Ctx<'_>,
    chain: &AuditChain,
    line: &str,
    number: u64,
) -> Result<String, Error> {
    let record: AuditRecord = serde_json::from_str(line).map_err(|_| broken(chain, number))?;
    let mut lines = String::new();
    for (key, place, _) in person_records(chain, number, &record)
        .into_iter()
        .filter(|(_, _, hash)| hash.is_some())
    {
        let stored = ctx.tx.reads().get(&key)?;
        let Some(stored) = stored.filter(|stored| stored.value != b"null") else {
            continue;
        };
        let text = String::from_utf8(stored.value).map_err(|_| broken(chain, number))?;
        let line = match place {
            Some(place) => json!({"number": number, "place": place, "hashed": text}),
            None => json!({"number": number, "hashed": text}),
        };
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    Ok(lines)
}

/// What lies beside a record: its key, the place of the change that it is about or none where it is
/// about the actor, and its hash.
fn person_records<'r>(
    chain: &AuditChain,
    number: u64,
    record: &'r AuditRecord,
) -> Vec<(Vec<u8>, Option<usize>, Option<&'r String>)> {
    let of_change = |(place, change): (usize, &'r AuditChange)| {
        let person = change.person.as_ref()?;
        let key = keys::audit_person(person.kind, &person.id, chain, number, place);
        Some((key, Some(place), person.hash.as_ref()))
    };
    let of_actor = record.actor.user.as_ref().zip(record.actor_hash.as_ref());
    let of_actor =
        of_actor.map(|(user, hash)| (keys::audit_actor(user, chain, number), None, Some(hash)));
    let changes = record.changes.iter().enumerate();
    changes.filter_map(of_change).chain(of_actor).collect()
}

impl Operation for Verify {
    type Answer = AuditVerification;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AuditVerification, Error> {
        let chain = chain(ctx, self.chain, self.account.as_ref())?;
        let saved = match (self.number, self.hash) {
            (Some(number), Some(hash)) => Some(AuditLink {
                number: number.get(),
                hash: hash.into(),
            }),
            (None, None) => None,
            _ => {
                return Err(Error::invalid(
                    "/hash",
                    "The `number` and the `hash` of a head go together; send both, or neither.",
                ));
            }
        };
        let head = head(ctx, &chain)?;
        let (records, problem) = check(ctx, &chain, &head, saved.as_ref())?;
        Ok(AuditVerification {
            whole: problem.is_none(),
            problem,
            records,
            number: head.last.number,
            hash: head.last.hash,
        })
    }
}

fn problem(kind: AuditProblemKind, number: u64) -> Option<AuditProblem> {
    Some(AuditProblem { kind, number })
}

/// Whether the head that somebody saved is that of a record that reads otherwise now.
fn differs(saved: Option<&AuditLink>, link: &AuditLink) -> bool {
    saved.is_some_and(|saved| saved.number == link.number && saved.hash != link.hash)
}

/// What the head of a chain tells before its records are read.
fn problem_of_head(head: &AuditHead, saved: Option<&AuditLink>) -> Option<AuditProblem> {
    match saved {
        Some(saved) if saved.number > head.last.number => {
            problem(AuditProblemKind::Cut, saved.number)
        }
        Some(saved) if saved.number < head.base.number => {
            problem(AuditProblemKind::Pruned, saved.number)
        }
        _ if differs(saved, &head.base) => problem(AuditProblemKind::Altered, head.base.number),
        _ => None,
    }
}

/// How many records fit, and the first that does not.
fn check(
    ctx: &mut Ctx<'_>,
    chain: &AuditChain,
    head: &AuditHead,
    saved: Option<&AuditLink>,
) -> Result<(u64, Option<AuditProblem>), Error> {
    if let Some(problem) = problem_of_head(head, saved) {
        return Ok((0, Some(problem)));
    }
    let mut last = head.base.clone();
    let mut records = 0;
    let (mut from, until) = keys::audits(chain);
    loop {
        let rows = ctx
            .tx
            .reads()
            .range(&from, &until, Order::Ascending, SCAN_STEP)?;
        for (key, stored) in &rows {
            let number = keys::last_number(key);
            if number != Some(last.number + 1) {
                let kind = if number.is_some_and(|number| number <= last.number) {
                    AuditProblemKind::HeadAltered
                } else {
                    AuditProblemKind::Missing
                };
                return Ok((records, problem(kind, last.number + 1)));
            }
            let Some(record) = follows(&last, &stored.value) else {
                return Ok((records, problem(AuditProblemKind::Altered, last.number + 1)));
            };
            last = AuditLink {
                number: record.number,
                hash: hash(&stored.value),
            };
            if last.number > head.last.number {
                return Ok((records, problem(AuditProblemKind::HeadAltered, last.number)));
            }
            if differs(saved, &last) {
                return Ok((records, problem(AuditProblemKind::Altered, last.number)));
            }
            if !personal_fits(ctx, chain, &record)? {
                return Ok((
                    records,
                    problem(AuditProblemKind::PersonalAltered, last.number),
                ));
            }
            records += 1;
        }
        match rows.last() {
            Some((key, _)) if rows.len() == SCAN_STEP => from = [key.as_slice(), &[0]].concat(),
            _ => break,
        }
    }
    let end = if last.number < head.last.number {
        problem(AuditProblemKind::Missing, last.number + 1)
    } else if last.hash != head.last.hash {
        problem(AuditProblemKind::Altered, last.number)
    } else {
        None
    };
    Ok((records, end))
}

/// Whether what is kept of persons beside a record is what was written, as far as it was not
/// erased.
fn personal_fits(ctx: &Ctx<'_>, chain: &AuditChain, record: &AuditRecord) -> Result<bool, Error> {
    for (key, _, written) in person_records(chain, record.number, record) {
        let stored = ctx.tx.reads().get(&key)?;
        let fits = stored
            .is_some_and(|stored| stored.value == b"null" || written == Some(&hash(&stored.value)));
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Operation for Head {
    type Answer = AuditHeadItem;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AuditHeadItem, Error> {
        let chain = chain(ctx, self.chain, self.account.as_ref())?;
        let AuditHead { last, base } = head(ctx, &chain)?;
        Ok(AuditHeadItem {
            number: last.number,
            hash: last.hash,
            pruned_to: base.number,
            pruned_hash: base.hash,
        })
    }
}

impl Operation for Prune {
    type Answer = AuditPruned;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AuditPruned, Error> {
        let chain = chain(ctx, self.chain, self.account.as_ref())?;
        let head = head(ctx, &chain)?;
        let (from, until) = keys::audits(&chain);
        let rows = ctx
            .tx
            .reads()
            .range(&from, &until, Order::Ascending, MOST_PRUNED + 1)?;
        let (mut last, mut old, mut pruned) = (head.base.clone(), Vec::new(), 0);
        for (key, stored) in rows {
            let number = last.number + 1;
            let record = follows(&last, &stored.value).ok_or_else(|| broken(&chain, number))?;
            let is_old = record.at_ms < self.before_ms.get();
            // The clock was wrong where one is dated after now. It is older than those behind it.
            if !is_old && record.at_ms <= ctx.now_ms {
                break;
            }
            last = AuditLink {
                number,
                hash: hash(&stored.value),
            };
            old.push((key, record, last.clone()));
            pruned = if is_old { old.len() } else { pruned };
        }
        let more = pruned > MOST_PRUNED;
        old.truncate(pruned.min(MOST_PRUNED));
        for (key, record, link) in &old {
            for (person_key, ..) in person_records(&chain, link.number, record) {
                ctx.tx.delete(person_key);
            }
            ctx.tx.delete(key.clone());
        }
        if let Some((_, _, base)) = old.last() {
            ctx.tx.put(
                keys::audit_head(&chain),
                &AuditHead {
                    base: base.clone(),
                    ..head
                },
            )?;
        }
        let pruned = old.len() as u64;
        Ok(AuditPruned { pruned, more })
    }
}
