//! How much of a limit was used at another platform (R-QTA-19).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::operation::Request;
use crate::api::usage::{ImportUsed, UsageImported};
use crate::domain::usage::{cap_of, subject_of};
use crate::domain::{caps, pruning};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::meters::{ImportInto, MeterId, MeterScope, Prepared, ROUNDS, Wanted};
use crate::model::{
    AuditChain, AuditChange, AuditFields, AuditKind, Cap, CapScope, Group, Id, ImportedUse,
    LimitName, Name, OverLimit,
};
use crate::tables::accounts::{self, account_line};
use serde_json::Value;
use std::sync::Arc;

impl Operation for ImportUsed {
    type Answer = UsageImported;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UsageImported, Error> {
        if self.used.get() == 0 {
            let message = "`used` is at least 1; where 0 were used, there is nothing to import.";
            return Err(Error::invalid("/used", message));
        }
        for _ in 0..ROUNDS {
            let import = |ctx: &mut Ctx<'_>| self.import(ctx);
            let imported = ctx
                .engine
                .commit_durably(ctx.actor, Some(ImportUsed::NAME), import)?;
            match imported {
                Some(answer) => return Ok(answer),
                None => self.prepare(ctx)?.wait_for_draw(),
            }
        }
        Err(Error::busy(
            "Other callers keep drawing from the same limits; try again.",
        ))
    }
}

impl ImportUsed {
    /// None where somebody draws from the counters just now.
    fn import(&self, ctx: &mut Ctx<'_>) -> Result<Option<UsageImported>, Error> {
        let used = self.used.get();
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let prepared = self.prepare(ctx)?;
        // Those above may be raised too: whoever deletes one of them comes before this or after it.
        account_line(&mut ctx.tx, &self.account)?;
        let Some(_drawing) = prepared.put_down(ctx.engine)? else {
            return Ok(None);
        };
        let Some((own, ancestors)) = prepared.wanted.split_first() else {
            return Err(Error::internal(
                "This is a defect to report: an import has no counter.",
            ));
        };
        let mut into = ImportInto::new(&mut ctx.tx, own)?;
        match into.own() {
            Some(known) if known.used == used => return Ok(Some(answer_of(known))),
            Some(known) => return Err(imported_before(known)),
            None => {}
        }
        // After the record was read: who begins later draws from it, and then it is another.
        if into.counted() > 0 && ctx.engine.kernel.count_processes()? > 1 {
            return Err(Error::busy(
                "Other processes have the store open, and may have drawn from this limit; close it \
                 there, and try again.",
            ));
        }
        let counted = into.counted();
        let mut raised_by = into.import(used);
        write(ctx, own, &into, counted, Some(used))?;
        for ancestor in ancestors {
            if raised_by == 0 {
                break;
            }
            let mut into = ImportInto::new(&mut ctx.tx, ancestor)?;
            let counted = into.counted();
            raised_by = into.import_below(raised_by);
            write(ctx, ancestor, &into, counted, None)?;
        }
        Ok(Some(UsageImported {
            used: used.max(counted),
            raised_by: used.saturating_sub(counted),
        }))
    }
}

fn answer_of(known: ImportedUse) -> UsageImported {
    UsageImported {
        used: known.used.max(known.counted),
        raised_by: known.used.saturating_sub(known.counted),
    }
}

fn imported_before(known: ImportedUse) -> Error {
    let message = format!(
        "This window has an import of {} already; import again when the next one has begun.",
        known.used
    );
    let error = Error::new(Code::UsageImported, message);
    error.at("/used").with("used", known.used)
}

/// Writes a counter, and what the audit tells of it; whoever has it in memory reads it anew.
fn write(
    ctx: &mut Ctx<'_>,
    wanted: &Wanted,
    into: &ImportInto<'_>,
    counted: u64,
    imported: Option<u64>,
) -> Result<(), Error> {
    let has_ended = into.write(&mut ctx.tx)?;
    if has_ended || matches!(wanted.id.scope, MeterScope::Cap(..)) {
        pruning::begin(ctx)?;
    }
    let Some(account) = &wanted.id.account else {
        return Ok(());
    };
    if imported.is_none() && into.counted() == counted {
        return Ok(());
    }
    ctx.tx.recount(account);
    let field = |name: &str, value: u64| (name.to_owned(), Value::from(value));
    let mut after = AuditFields::from_iter([field("used", into.counted())]);
    after.extend(imported.map(|imported| field("imported", imported)));
    let change = AuditChange {
        kind: AuditKind::Usage,
        id: audited_as(&wanted.id),
        before: Some(AuditFields::from_iter([field("used", counted)])),
        after: Some(after),
        person: None,
    };
    ctx.also_audited
        .push((AuditChain::Account(account.clone()), change));
    Ok(())
}

/// What a counter is called in the audit of its account.
fn audited_as(id: &MeterId) -> String {
    match &id.scope {
        MeterScope::Group(group) => format!("{}/{group}", id.limit),
        MeterScope::Cap(cap, scope, subject) if *scope != CapScope::Account => {
            format!("{cap}/{subject}")
        }
        MeterScope::Account | MeterScope::Uncounted | MeterScope::Cap(..) => id.name().to_owned(),
    }
}

impl ImportUsed {
    /// The counter that is named, and for a limit those of the accounts above.
    fn prepare(&self, ctx: &mut Ctx<'_>) -> Result<Arc<Prepared>, Error> {
        if self.subject.is_some() && self.cap.is_none() {
            return Err(Error::invalid(
                "/subject",
                "Only a cap has a `subject`; leave it out.",
            ));
        }
        if self.channel.is_some() && self.group.is_none() {
            return Err(Error::invalid(
                "/channel",
                "Only with a group a `channel` is named; leave it out.",
            ));
        }
        match (self.limit, &self.cap, &self.group) {
            (Some(limit), None, None) => self.prepare_limit(ctx, limit),
            (None, Some(cap), None) => {
                let cap = cap_of(ctx, &self.account, cap)?;
                self.prepare_cap(ctx, &cap).map(Arc::new)
            }
            (None, None, Some(group)) => self.prepare_group(ctx, group).map(Arc::new),
            _ => Err(Error::invalid(
                "/limit",
                "Name either a `limit`, a `cap` or a `group`.",
            )),
        }
    }

    fn prepare_limit(&self, ctx: &Ctx<'_>, limit: LimitName) -> Result<Arc<Prepared>, Error> {
        super::require_window(limit)?;
        let cell = ctx.engine.cell(&self.account)?;
        ctx.engine.prepare_limit(&cell, limit)
    }

    fn prepare_cap(&self, ctx: &mut Ctx<'_>, cap: &Cap) -> Result<Prepared, Error> {
        if cap.over == OverLimit::Spread {
            let message = format!("The cap `{}` spreads, and counts no window.", cap.id);
            return Err(Error::invalid("/cap", message));
        }
        let subject = subject_of(cap, &self.account, self.subject.as_ref())?;
        let only = cap
            .subject
            .as_ref()
            .filter(|_| cap.scope != CapScope::Account);
        if let Some(only) = only.filter(|only| only.as_str() != subject) {
            let message = format!("The cap counts `{only}` alone, not `{subject}`.");
            return Err(Error::invalid("/subject", message));
        }
        let named = Name::new(&subject).map_err(|error| Error::invalid("/subject", error))?;
        caps::require_limited(ctx, Some(&self.account), cap.scope, Some(&named))?;
        let cell = ctx.engine.cell(&self.account)?;
        let view = cell.view(ctx.engine)?;
        let wanted = view.frame.wanted_of_cap(cap, &subject);
        Prepared::new(&cell, &view, vec![wanted]).hold_places(ctx.now_ms)
    }

    fn prepare_group(&self, ctx: &mut Ctx<'_>, group: &Id) -> Result<Prepared, Error> {
        let known: Option<Group> = ctx.tx.get(&keys::group(&self.account, group))?;
        if known.is_none() {
            return Err(Error::not_found("group", group.as_str()).at("/group"));
        }
        let cell = ctx.engine.cell(&self.account)?;
        let channel = self.channel.unwrap_or_default();
        ctx.engine.prepare_group(&cell, group, channel)
    }
}
