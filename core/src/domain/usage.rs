//! How much of each limit is used now.

pub(crate) mod windows;

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::usage::{
    Get, History, Invoice, InvoiceLine, InvoiceLines, Reconcile, Usage, UsageHistory,
    UsageReconciled, UsageWindow, UsedWindow,
};
use crate::domain::usage::windows::{add_paid, reserved_in, window_of};
use crate::domain::{sending, teams};
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::meters::{Prepared, UNCOUNTED};
use crate::model::{Cap, CapScope, Channel, Id, LimitName, MessageClass, MessageInput, Meter};
use crate::sending::credits;
use crate::tables::{accounts, reservations};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

impl Operation for Get {
    type Answer = Usage;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Usage, Error> {
        let windows = ctx.at_one_moment(|ctx| self.windows(ctx))?;
        Ok(Usage {
            windows,
            account: self.account,
        })
    }
}

impl Get {
    fn windows(&self, ctx: &mut Ctx<'_>) -> Result<Vec<UsageWindow>, Error> {
        let cell = ctx.engine.cell(&self.account)?;
        let open = match ctx.engine.has_reserved.load(Ordering::Acquire) {
            true => reservations::open_in_tree(&mut ctx.tx, Some(&self.account))?,
            false => Vec::new(),
        };
        let mut windows = Vec::new();
        let mut add = |prepared: &Prepared| -> Result<(), Error> {
            for reading in prepared.readings(ctx.engine, 1)? {
                let reserved = reserved_in(&reading, &open);
                let window = UsageWindow {
                    reserved,
                    ..window_of(&self.account, reading)
                };
                let is_new = |known: &UsageWindow| {
                    (&known.limit, known.source) != (&window.limit, window.source)
                };
                if window.scope == "account" && windows.iter().all(is_new) {
                    windows.push(window);
                }
            }
            Ok(())
        };
        for channel in Channel::ALL {
            for message_class in [None, Some(MessageClass::Transactional)] {
                let message = MessageInput {
                    message_class,
                    ..MessageInput::default()
                };
                add(&*cell.sending(ctx.engine, None, channel, &message)?)?;
            }
        }
        for limit in [
            LimitName::AutomationActionsPerMonth,
            LimitName::TriggerActionsPerMonth,
        ] {
            add(&*ctx.engine.prepare_limit(&cell, limit)?)?;
        }
        add_paid(ctx, &self.account, &mut windows)?;
        Ok(windows)
    }
}

/// Elsewhere the size of a page is called `limit`.
fn page_is_meant(error: Error) -> Error {
    if error.field() == Some("/limit") {
        error.at("/page")
    } else {
        error
    }
}

impl Operation for History {
    type Answer = UsageHistory;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UsageHistory, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let (scope, subject, name) = match (&self.limit, &self.cap) {
            (Some(limit), None) => (String::new(), String::new(), limit.name()),
            (None, Some(cap)) => {
                let known: Cap = ctx
                    .tx
                    .get(&keys::cap(Some(&self.account), cap))?
                    .ok_or_else(|| Error::not_found("cap", cap.as_str()).at("/cap"))?;
                let subject = self
                    .subject
                    .as_ref()
                    .or(known.subject.as_ref())
                    .map(|subject| subject.as_str().to_owned());
                let subject = match (known.scope, subject) {
                    (CapScope::Account, _) => self.account.to_string(),
                    (CapScope::SendingDomain | CapScope::RecipientDomain, Some(domain)) => {
                        sending::domain_of(&domain)
                            .map_err(|error| error.at("/subject"))?
                            .as_str()
                            .to_owned()
                    }
                    (_, Some(subject)) => subject,
                    (_, None) => {
                        return Err(Error::invalid(
                            "/subject",
                            "The cap counts for each subject of its own; name one in `subject`.",
                        ));
                    }
                };
                (keys::of_cap(cap), subject, "cap")
            }
            _ => {
                return Err(Error::invalid(
                    "/limit",
                    "Name either a `limit` or a `cap`.",
                ));
            }
        };
        let span = keys::range(
            keys::METER_HISTORY,
            &[self.account.as_str(), &scope, &subject, name],
        );
        let (windows, next) = walk(ctx, &[span], self.after.as_ref(), self.page, |ctx, key| {
            let Some(Meter {
                starts_at_ms,
                ends_at_ms,
                drawn,
                ..
            }) = ctx.tx.get(key)?
            else {
                return Ok(None);
            };
            let paid_with_credits = match self.limit {
                Some(limit) => {
                    credits::paid_in(ctx, &self.account, limit, starts_at_ms, ends_at_ms)?
                }
                None => 0,
            };
            let used = drawn + paid_with_credits;
            Ok((used > 0).then_some(UsedWindow {
                starts_at_ms,
                ends_at_ms,
                used,
                paid_with_credits,
            }))
        })
        .map_err(page_is_meant)?;
        Ok(UsageHistory { windows, next })
    }
}

impl Operation for Reconcile {
    type Answer = UsageReconciled;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UsageReconciled, Error> {
        let cell = ctx
            .engine
            .cell(&self.account)
            .map_err(|error| error.at("/account"))?;
        if self.limit.window().is_none() {
            return Err(Error::invalid(
                "/limit",
                format!(
                    "`{}` has no window; name a limit that has one.",
                    self.limit.name()
                ),
            ));
        }
        let prepared = ctx.engine.prepare_limit(&cell, self.limit)?;
        Ok(UsageReconciled {
            given_back: prepared.reconcile(ctx.engine, self.used.get())?,
        })
    }
}

impl Operation for Invoice {
    type Answer = InvoiceLines;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvoiceLines, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        if self.from_ms.get() >= self.until_ms.get() {
            return Err(Error::invalid(
                "/until_ms",
                "The period must end after it begins; name an `until_ms` after `from_ms`.",
            ));
        }
        let own = keys::account(&self.account);
        let next = [own.as_slice(), &[0]].concat();
        // Who does not manage the team from above sees their own account.
        let below = if ctx.manages_team_of(&self.account)? {
            Some(keys::range(
                keys::TEAM_ACCOUNT,
                &[self.account.as_str(), "id"],
            ))
        } else {
            None
        };
        let spans: Vec<_> = [(own, next)].into_iter().chain(below).collect();
        let (lines, next) = walk(ctx, &spans, self.after.as_ref(), self.page, |ctx, key| {
            let Some(id) = keys::last_id(key) else {
                return Ok(None);
            };
            self.line(ctx, &id).map(Some)
        })
        .map_err(page_is_meant)?;
        Ok(InvoiceLines { lines, next })
    }
}

impl Invoice {
    fn line(&self, ctx: &mut Ctx<'_>, id: &Id) -> Result<InvoiceLine, Error> {
        let account = accounts::load(&mut ctx.tx, id, "/account")?;
        let price = match &account.parent {
            Some(parent) => teams::children::quote(ctx, parent)?.price,
            None => None,
        };
        let (from_ms, until_ms) = (self.from_ms.get(), self.until_ms.get());
        Ok(InvoiceLine {
            email_sent: self.sent(ctx, id, LimitName::EmailPerDay)?,
            sms_sent: self.sent(ctx, id, LimitName::SmsPerDay)?,
            email_credits: credits::totals_within(ctx, id, Channel::Email, from_ms, until_ms)?,
            sms_credits: credits::totals_within(ctx, id, Channel::Sms, from_ms, until_ms)?,
            users: ctx.tx.count(&keys::tally(id, "users"))?,
            account: account.id,
            name: account.name,
            parent: account.parent,
            package: account.package,
            price,
        })
    }

    /// What was granted in the days that begin in the period and not given back, to the account and
    /// all below it, with what its own credits paid for (R-QTA-6).
    fn sent(&self, ctx: &mut Ctx<'_>, id: &Id, per_day: LimitName) -> Result<u64, Error> {
        let (from_ms, until_ms) = (self.from_ms.get(), self.until_ms.get());
        let cell = ctx.engine.cell(id)?;
        // A day is kept with the first send of a later one. Looked at first, and by what is newer
        // than it below: one that is kept meanwhile is found, and counts once.
        let counted = ctx
            .engine
            .prepare_limit(&cell, per_day)?
            .last_window(ctx.engine)?;
        let uncounted = match ctx.engine.prepare_uncounted(&cell, per_day)? {
            Some(prepared) => prepared.last_window(ctx.engine)?,
            None => Meter::default(),
        };
        let (mut sent, mut newer) = (0, ctx.engine.kernel.tx());
        for (scope, last) in [("", counted), (UNCOUNTED, uncounted)] {
            let at = |ms| keys::meter_history(Some(id), per_day.name(), scope, "", ms);
            // Not in the snapshot of the operation: it is older than the meters in memory.
            let kept = newer.range::<Meter>(&at(from_ms), &at(until_ms), usize::MAX)?;
            let mut days: BTreeMap<u64, u64> = kept
                .into_iter()
                .map(|(_, day)| (day.starts_at_ms, day.drawn))
                .collect();
            if (from_ms..until_ms).contains(&last.starts_at_ms) {
                days.entry(last.starts_at_ms).or_insert(last.drawn);
            }
            sent += days.values().sum::<u64>();
        }
        Ok(sent + credits::paid_in(ctx, id, per_day, from_ms, until_ms)?)
    }
}
