//! Suppressions: who is not written to, per account or pooled for the team (R-TEA-8).
//!
//! An account's entries are its own records, and beside each lies an index entry of its team,
//! whether the account is in the pool or not. Joining and leaving the pool is therefore one flag:
//! the union is seen at once, and nothing is copied that leaving would have to take back.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::bulk::BulkResults;
use crate::api::suppressions::{
    Add, Check, Import, ImportedSuppression, InvalidRecipient, List, Pool, Remove,
    SuppressedRecipient, SuppressionCheck, SuppressionInput, SuppressionList, SuppressionPool,
    SuppressionsAdded, SuppressionsRemoved,
};
use crate::domain::bulk;
use crate::domain::gauges;
use crate::domain::limits::Line;
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::model::{Count, Id, LimitName, Mailbox, MessageClass, Recipient, Suppression, folded};
use crate::rules::suppression::{blocks, values};
use crate::tables::suppressions::{
    Suppressions, is_pooled, is_suppressed, narrowed, normal_form, source_of, span_prefix, team_of,
};
use crate::tables::{self, accounts};
use std::collections::HashMap;

/// Most entries that one call adds or removes.
const MOST_ENTRIES: usize = 500;
/// Most entries that one call imports.
const MOST_IMPORTED: usize = 5000;
/// Most recipients that one call filters.
const MOST_RECIPIENTS: usize = 1000;

fn refuse_too_many(field: &str, given: usize, most: usize) -> Result<(), Error> {
    if given <= most {
        Ok(())
    } else {
        Err(Error::invalid(
            field,
            format!(
                "One call takes at most {most} entries, not {given}; send the rest in another call."
            ),
        ))
    }
}

/// Where entries are written: the account, and what limits it.
struct Place {
    account: Id,
    line: Line,
}

impl Place {
    fn of(ctx: &mut Ctx<'_>, account: &Id) -> Result<Place, Error> {
        let line = Line::load(ctx, account).map_err(|error| error.at("/account"))?;
        Ok(Place {
            account: account.clone(),
            line,
        })
    }
}

/// Writes an entry and its place in the index of the team; answers whether it is new. A domain
/// counts once, of whatever class, until its last entry is removed; the limit of suppressed domains
/// holds for the account and for those above (R-PKG-1).
fn write(
    ctx: &mut Ctx<'_>,
    place: &Place,
    input: SuppressionInput,
) -> Result<(Suppression, bool), Error> {
    let Place { account, line } = place;
    let (value, is_domain) = normal_form(&input.value, "/value")?;
    if is_domain {
        ctx.require(account, "suppressions.domains.add", "clients.edit")?;
    }
    if input
        .expires_at_ms
        .is_some_and(|end| end.get() <= ctx.now_ms)
    {
        return Err(Error::invalid(
            "/expires_at_ms",
            format!(
                "A suppression must end in the future, and {} ms is in the past; name a later \
                 time.",
                input.expires_at_ms.map_or(0, Count::get)
            ),
        ));
    }
    let key = keys::suppression(account, &value, input.message_class.name());
    let before: Option<Suppression> = ctx.tx.get(&key)?;
    if is_domain && !is_suppressed(&mut ctx.tx, account, &value)? {
        gauges::claim(ctx, line, LimitName::SuppressedDomains, 1)
            .map_err(|error| error.at("/value"))?;
    }
    let entry = Suppression {
        value,
        message_class: input.message_class,
        account: account.clone(),
        reason: input.reason,
        expires_at_ms: input.expires_at_ms.map(Count::get),
        created_at_ms: before
            .as_ref()
            .map_or(ctx.now_ms, |before| before.created_at_ms),
    };
    ctx.tx.save::<Suppressions>(&entry)?;
    Ok((entry, before.is_none()))
}

/// What one call knows of the pool: which accounts are in it, and what blocks each value that was
/// looked up.
struct Filter {
    account: Id,
    team: Id,
    pooled: bool,
    class: MessageClass,
    in_pool: HashMap<Id, bool>,
    known: HashMap<String, Option<Suppression>>,
}

impl Filter {
    fn new(ctx: &mut Ctx<'_>, account: Id, class: MessageClass) -> Result<Filter, Error> {
        let team = team_of(&mut ctx.tx, &account)?;
        let pooled = accounts::load(&mut ctx.tx, &account, "/account")?.pooled;
        Ok(Filter {
            account,
            team,
            pooled,
            class,
            in_pool: HashMap::new(),
            known: HashMap::new(),
        })
    }

    /// The entry that keeps a message from going out to a value.
    fn blocking(&mut self, ctx: &mut Ctx<'_>, value: &str) -> Result<Option<Suppression>, Error> {
        if let Some(known) = self.known.get(value) {
            return Ok(known.clone());
        }
        let found = self.look_up(ctx, value)?;
        self.known.insert(value.to_owned(), found.clone());
        Ok(found)
    }

    fn look_up(&mut self, ctx: &mut Ctx<'_>, value: &str) -> Result<Option<Suppression>, Error> {
        let mut found = None;
        for class in MessageClass::ALL {
            found = found.or(self.entry(ctx, &self.account, value, class)?);
        }
        if found.is_some() || !self.pooled {
            return Ok(found);
        }
        let (from, until) = keys::range(keys::TEAM_SUPPRESSION, &[self.team.as_str(), value]);
        for (key, ()) in ctx.tx.range::<()>(&from, &until, usize::MAX)? {
            let Some((class, source)) = source_of(&key) else {
                continue;
            };
            if is_pooled(&mut ctx.tx, &mut self.in_pool, &source)?
                && let Some(entry) = self.entry(ctx, &source, value, class)?
            {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn entry(
        &self,
        ctx: &mut Ctx<'_>,
        account: &Id,
        value: &str,
        class: MessageClass,
    ) -> Result<Option<Suppression>, Error> {
        let entry: Option<Suppression> =
            ctx.tx
                .get(&keys::suppression(account, value, class.name()))?;
        Ok(entry.filter(|entry| blocks(entry, self.class, ctx.now_ms)))
    }
}

impl Operation for Add {
    type Answer = SuppressionsAdded;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SuppressionsAdded, Error> {
        if self.entries.iter().any(|entry| entry.value.contains('@')) || self.entries.is_empty() {
            ctx.require(&self.account, "suppressions.add", "clients.edit")?;
        } else {
            ctx.require(&self.account, "suppressions.domains.add", "clients.edit")?;
        }
        refuse_too_many("/entries", self.entries.len(), MOST_ENTRIES)?;
        let place = Place::of(ctx, &self.account)?;
        let mut suppressions = Vec::new();
        for (at, entry) in self.entries.into_iter().enumerate() {
            let written = write(ctx, &place, entry);
            let (entry, _) = written.map_err(|error| error.within(&format!("/entries/{at}")))?;
            suppressions.push(entry);
        }
        Ok(SuppressionsAdded { suppressions })
    }
}

impl Operation for Remove {
    type Answer = SuppressionsRemoved;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SuppressionsRemoved, Error> {
        let any_address = self.entries.iter().any(|entry| entry.value.contains('@'));
        let any_domain = self.entries.iter().any(|entry| !entry.value.contains('@'));
        if any_address || !any_domain {
            ctx.require(&self.account, "suppressions.remove", "clients.edit")?;
        }
        if any_domain {
            ctx.require(&self.account, "suppressions.domains.remove", "clients.edit")?;
        }
        refuse_too_many("/entries", self.entries.len(), MOST_ENTRIES)?;
        let Place { line, .. } = Place::of(ctx, &self.account)?;
        let mut removed = 0;
        for (at, name) in self.entries.into_iter().enumerate() {
            let (value, is_domain) = normal_form(&name.value, &format!("/entries/{at}/value"))?;
            let before = removed;
            for class in MessageClass::ALL
                .into_iter()
                .filter(|class| name.message_class.is_none_or(|only| only == *class))
            {
                let key = keys::suppression(&self.account, &value, class.name());
                if let Some(entry) = ctx.tx.get::<Suppression>(&key)? {
                    ctx.tx.erase::<Suppressions>(&entry)?;
                    removed += 1;
                }
            }
            if removed == before {
                return Err(Error::not_found("suppression", &value).at(format!("/entries/{at}")));
            }
            if is_domain && !is_suppressed(&mut ctx.tx, &self.account, &value)? {
                tables::gauges::change(
                    &mut ctx.tx,
                    &line.accounts,
                    LimitName::SuppressedDomains,
                    -1,
                )?;
            }
        }
        Ok(SuppressionsRemoved { removed })
    }
}

impl Operation for Import {
    type Answer = BulkResults<ImportedSuppression>;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<BulkResults<ImportedSuppression>, Error> {
        refuse_too_many("/entries", self.entries.len(), MOST_IMPORTED)?;
        let place = Place::of(ctx, &self.account)?;
        let many = self.entries.into_iter().map(|input| {
            let one = ImportedSuppression {
                value: input.value.clone(),
                message_class: input.message_class,
                created: false,
            };
            (one, input)
        });
        bulk::each(ctx, self.atomic, many, |ctx, one, input| {
            (_, one.created) = write(ctx, &place, input)?;
            Ok(())
        })
    }
}

impl Operation for List {
    type Answer = SuppressionList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SuppressionList, Error> {
        let account = accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let search = self
            .search
            .map_or_else(String::new, |text| folded(text.as_str()));
        let wanted = self.message_class;
        let fits = |entry: &Suppression| {
            wanted.is_none_or(|class| class == entry.message_class)
                && folded(&entry.value).starts_with(search.as_str())
        };
        let (suppressions, next) = if self.pooled && account.pooled {
            let team = team_of(&mut ctx.tx, &self.account)?;
            let spans = narrowed(
                keys::range(keys::TEAM_SUPPRESSION, &[team.as_str()]),
                &search,
            );
            let prefix = span_prefix(&team);
            let mut in_pool = HashMap::new();
            walk(ctx, &spans, self.after.as_ref(), self.limit, |ctx, key| {
                let Some((class, source)) = source_of(key) else {
                    return Ok(None);
                };
                let Some(value) = key
                    .get(prefix..)
                    .and_then(|rest| rest.split(|byte| *byte == 0).next())
                else {
                    return Ok(None);
                };
                let Ok(value) = std::str::from_utf8(value) else {
                    return Ok(None);
                };
                if !is_pooled(&mut ctx.tx, &mut in_pool, &source)? {
                    return Ok(None);
                }
                let entry: Option<Suppression> =
                    ctx.tx
                        .get(&keys::suppression(&source, value, class.name()))?;
                Ok(entry.filter(&fits))
            })?
        } else {
            let spans = narrowed(
                keys::range(keys::SUPPRESSION, &[self.account.as_str()]),
                &search,
            );
            walk(ctx, &spans, self.after.as_ref(), self.limit, |ctx, key| {
                Ok(ctx.tx.get::<Suppression>(key)?.filter(&fits))
            })?
        };
        Ok(SuppressionList { suppressions, next })
    }
}

impl Operation for Check {
    type Answer = SuppressionCheck;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SuppressionCheck, Error> {
        refuse_too_many("/recipients", self.recipients.len(), MOST_RECIPIENTS)?;
        let mut filter = Filter::new(ctx, self.account, self.message_class)?;
        let mut answer = SuppressionCheck {
            suppressed: Vec::new(),
            invalid: Vec::new(),
        };
        for (place, address) in (0..).zip(self.recipients) {
            let recipient = match Recipient::new(Mailbox::read(&address).address) {
                Ok(recipient) => recipient,
                Err(message) => {
                    answer.invalid.push(InvalidRecipient {
                        recipient: place,
                        message,
                    });
                    continue;
                }
            };
            for value in values(&recipient) {
                if let Some(by) = filter.blocking(ctx, value)? {
                    answer.suppressed.push(SuppressedRecipient {
                        recipient: place,
                        address,
                        by,
                    });
                    break;
                }
            }
        }
        Ok(answer)
    }
}

impl Operation for Pool {
    type Answer = SuppressionPool;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SuppressionPool, Error> {
        let mut account = accounts::load(&mut ctx.tx, &self.account, "/account")?;
        if account.pooled != self.pooled {
            account.pooled = self.pooled;
            accounts::save(&mut ctx.tx, account)?;
        }
        let team = team_of(&mut ctx.tx, &self.account)?;
        Ok(SuppressionPool {
            account: self.account,
            team,
            pooled: self.pooled,
        })
    }
}
