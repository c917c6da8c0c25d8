//! What follows from records is put right: index lines and counts, never a record.
//!
//! A survey says what is wrong, and refuses a store in which a record cannot be read: what follows
//! from that record would be deleted. Then passes over the store mend: first index lines alone,
//! since counts count them, then all that is left. A key that is noticed in a pass is looked at
//! again in the commit that mends it, where nobody else writes.

#[cfg(test)]
mod tests;

use super::MOST_DAMAGED;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::operation::Request;
use crate::api::store::{Repair, StoreFinding, StoreFindingKind as Kind, StoreRepair};
use crate::error::{Error, excerpt};
use crate::kernel::check::{Found, Write};
use crate::kernel::keys::{self, Prefix, due};
use crate::kernel::snapshot::Reads;
use crate::model::{AuditChange, AuditFields, AuditKind};
use crate::tables::check::{each, look};
use std::collections::BTreeSet;

/// How many keys are looked at in one commit.
const AT_ONCE: usize = 100;
/// A total of gauges follows from those of the accounts below: each pass mends one level more, and
/// an account lies below seven others at most.
const MOST_PASSES: usize = 20;
/// How many writes are remembered, so that none is counted twice; beyond that some may be.
const MOST_KNOWN: usize = 100_000;

/// Findings: how many, and the first of them.
#[derive(Default)]
struct Findings {
    count: u64,
    first: Vec<StoreFinding>,
}

impl Findings {
    fn add(&mut self, finding: StoreFinding) {
        self.count += 1;
        if self.first.len() < MOST_DAMAGED {
            self.first.push(finding);
        }
    }

    fn extend(&mut self, other: Findings) {
        self.count += other.count;
        let room = MOST_DAMAGED.saturating_sub(self.first.len());
        self.first.extend(other.first.into_iter().take(room));
    }
}

/// What a look at the whole store finds.
#[derive(Default)]
struct Survey {
    repairable: Findings,
    remaining: Findings,
}

impl Operation for Repair {
    type Answer = StoreRepair;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreRepair, Error> {
        if let Some(what) = ctx.engine.kernel.backend.verify()?.damaged.first() {
            return Err(unreadable(&what.to_string()));
        }
        let found = survey(ctx)?;
        if self.dry_run || found.repairable.count == 0 {
            let is_whole = found.repairable.count + found.remaining.count == 0;
            return Ok(answer(is_whole, found.repairable, found.remaining));
        }
        let mut repaired = Findings::default();
        for only_lines in [true, false] {
            for _ in 0..MOST_PASSES {
                let mended = pass(ctx, only_lines)?;
                if mended.count == 0 {
                    break;
                }
                repaired.extend(mended);
            }
        }
        // What is scheduled and what is to be erased may be known only now.
        ctx.engine.refresh_jobs()?;
        let mut left = survey(ctx)?;
        left.remaining.extend(left.repairable);
        Ok(answer(left.remaining.count == 0, repaired, left.remaining))
    }
}

fn answer(whole: bool, repaired: Findings, remaining: Findings) -> StoreRepair {
    StoreRepair {
        whole,
        repaired_count: repaired.count,
        repaired: repaired.first,
        remaining: remaining.first,
    }
}

fn unreadable(what: &str) -> Error {
    Error::corrupt(format!(
        "A record cannot be read, so nothing was repaired; restore a backup ({}).",
        excerpt(what)
    ))
}

/// Looks at the whole store as it is at one instant. A line that is missing is counted once,
/// however many records need it.
fn survey(ctx: &Ctx<'_>) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    let mut known: BTreeSet<Write> = BTreeSet::new();
    each(&ctx.engine.kernel.snapshot(), |_, found| {
        if found.finding.kind == Kind::UnreadableRecord {
            return Err(unreadable(&found.finding.text()));
        }
        match found.mend {
            Some(mend) => {
                if known.len() >= MOST_KNOWN || known.insert(mend) {
                    survey.repairable.add(found.finding);
                }
            }
            None => survey.remaining.add(found.finding),
        }
        Ok(true)
    })?;
    Ok(survey)
}

/// Mends what a walk over the store as it is now notices.
fn pass(ctx: &Ctx<'_>, only_lines: bool) -> Result<Findings, Error> {
    let mut mended = Findings::default();
    let mut noticed: Vec<Vec<u8>> = Vec::new();
    let reads = Reads::newest(&*ctx.engine.kernel.backend);
    each(&reads, |key, found| {
        if is_wanted(&found, only_lines) && noticed.last().is_none_or(|last| last != key) {
            noticed.push(key.to_vec());
        }
        if noticed.len() == AT_ONCE {
            mended.extend(mend(ctx, &std::mem::take(&mut noticed), only_lines)?);
        }
        Ok(true)
    })?;
    mended.extend(mend(ctx, &noticed, only_lines)?);
    Ok(mended)
}

fn is_wanted(found: &Found, only_lines: bool) -> bool {
    found.mend.is_some() && !(only_lines && found.finding.kind == Kind::WrongCount)
}

/// Mends in one commit what is still wrong at these keys.
fn mend(ctx: &Ctx<'_>, noticed: &[Vec<u8>], only_lines: bool) -> Result<Findings, Error> {
    if noticed.is_empty() {
        return Ok(Findings::default());
    }
    let run = |ctx: &mut Ctx<'_>| mend_in(ctx, noticed, only_lines);
    ctx.engine
        .commit_durably(ctx.actor, Some(Repair::NAME), run)
}

fn mend_in(ctx: &mut Ctx<'_>, noticed: &[Vec<u8>], only_lines: bool) -> Result<Findings, Error> {
    let (mut mended, mut written) = (Findings::default(), BTreeSet::new());
    for key in noticed {
        let Some(value) = ctx.tx.stored(key)? else {
            continue;
        };
        let (found, read) = look(ctx.tx.reads().clone(), key, &value)?;
        ctx.tx.rely_on(read);
        for found in found.into_iter().filter(|one| is_wanted(one, only_lines)) {
            let Some((key, right)) = found.mend else {
                continue;
            };
            if written.insert(key.clone()) {
                mended.add(found.finding);
                write(ctx, key, right);
            }
        }
    }
    if mended.count > 0 {
        ctx.tx.invalidate_all();
        ctx.also_audited.push(AuditChange {
            kind: AuditKind::Store,
            id: ctx.engine.kernel.backend.store_id(),
            before: Some(AuditFields::new()),
            after: Some(AuditFields::from_iter([(
                "repaired".to_owned(),
                mended.count.into(),
            )])),
            person: None,
        });
    }
    Ok(mended)
}

fn write(ctx: &mut Ctx<'_>, key: Vec<u8>, right: Option<Vec<u8>>) {
    let Some(right) = right else {
        return ctx.tx.delete(key);
    };
    if matches!(Prefix::of(&key), Some(keys::DUE | keys::EXPIRE))
        && let Some(at_ms) = due::at(&key)
    {
        ctx.tx.schedule_due(at_ms);
    }
    ctx.tx.put_bytes(key, right);
}
