//! How much of each limit is used now.

use super::{Operation, accounts, credits, sending, teams};
use crate::engine::Ctx;
use crate::engine::meters::{MeterReading, Prepared, UNCOUNTED};
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::model::{
    Cap, CapScope, Channel, Count, CreditTotals, Cursor, Id, Limit, LimitName, MessageClass,
    MessageInput, Meter, Name, OverLimit, Price, Window,
};
use crate::rules::limit::Source;
use crate::rules::window::{self, counts_from};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much of each of its limits an account has used in the current window.
///
/// After a crash what was drawn ahead counts as used: never less than what was granted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
}

/// What an account has used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// The account.
    pub account: Id,
    /// One entry for each of its own limits.
    pub windows: Vec<UsageWindow>,
}

/// A limit and its current window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageWindow {
    /// The name of the limit, such as `email_per_day`, or the id of the cap.
    pub limit: String,
    /// The window that it counts in.
    pub window: Window,
    /// Whose: the `account` that was asked for, an `ancestor`, a `group`, or for a cap also a
    /// `member`, `campaign`, `api_key`, `sending_domain` or `recipient_domain`.
    pub scope: String,
    /// The id of that account or group, member, campaign or API key, or the domain.
    pub subject: String,
    /// The value of the limit.
    pub value: Limit,
    /// Where the value comes from.
    pub source: Source,
    /// How much is used; of a cap that spreads, how many of its burst wait for their turn.
    pub used: u64,
    /// How much of it is beyond the limit, where that is let through (R-QTA-7); what credits paid
    /// for comes on top of what is used of the limit (R-CRD-2).
    pub overuse: u64,
    /// How much of it is kept apart for accounts below that are guaranteed it, and not used by them
    /// yet (R-TEA-9); absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_apart: Option<u64>,
    /// How much is left, for who is asked about; absent where it is unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// When the window began, in unix milliseconds.
    pub starts_at_ms: u64,
    /// When it helps to try again, in unix milliseconds: when the window ends, or where it rolls,
    /// when the first of what is used counts no longer.
    pub resets_at_ms: u64,
}

/// The windows of a limit or a cap that are over and that something went out in, the oldest first.
/// A rolling hour has none.
///
/// A window appears with the first send of a later one. What is given back later is taken out of
/// the window that it was granted in (R-QTA-6). After a crash what was drawn ahead counts as used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The account.
    pub account: Id,
    /// The limit; absent for a cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitName>,
    /// The cap; absent for a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Id>,
    /// Whose count of the cap, where it counts for each: a member, campaign or domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Name>,
    /// Go on after the page that answered this `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Count>,
}

/// Windows that are over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageHistory {
    /// The windows.
    pub windows: Vec<UsedWindow>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// A window that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsedWindow {
    /// When it began, in unix milliseconds.
    pub starts_at_ms: u64,
    /// When it ended, in unix milliseconds.
    pub ends_at_ms: u64,
    /// How much was granted in it and not given back, with what credits paid for.
    pub used: u64,
    /// How much of it credits paid for, beyond the limit.
    pub paid_with_credits: u64,
}

/// Says how much of a limit of an account was really used in its current window, where the host has
/// counted: after a crash what was drawn ahead counts as used. It only gives back; the accounts
/// above are reconciled by themselves. Of a rolling hour the oldest messages come back first, so
/// that never too few of them count.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    /// The account.
    pub account: Id,
    /// The limit, one that counts in a window.
    pub limit: LimitName,
    /// How much went out in the window, by the account and all below it, without what credits paid
    /// for: at most what is counted.
    pub used: Count,
}

/// What came back of a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageReconciled {
    /// How much of it.
    pub given_back: u64,
}

/// What an invoice needs to know of an account and of those below it, for a period (R-ACC-7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invoice {
    /// The account: its own line comes first, then those below it where the actor manages its team.
    pub account: Id,
    /// The days that begin from this instant on, and credits from it on, in unix milliseconds.
    pub from_ms: Count,
    /// The days that begin before this instant, and credits before it, in unix milliseconds.
    pub until_ms: Count,
    /// Go on after the page that answered this `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many accounts (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Count>,
}

/// Lines of an invoice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceLines {
    /// One for each account.
    pub lines: Vec<InvoiceLine>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// What an account has used in a period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceLine {
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Name,
    /// The account above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// Its package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// What it costs each month as a further account of its team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// How many e-mails it and all accounts below it were granted in those days and did not give
    /// back, then or later; with what its own credits paid for.
    pub email_sent: u64,
    /// The same for text messages.
    pub sms_sent: u64,
    /// What became of its own credits for e-mail in the period; those below it have lines of their
    /// own.
    pub email_credits: CreditTotals,
    /// The same for text messages.
    pub sms_credits: CreditTotals,
    /// How many users it and all accounts below it have now, each once.
    pub users: u64,
}

pub(crate) fn window_of(asked_for: &Id, reading: MeterReading) -> UsageWindow {
    let limit = reading.limit.ceiling();
    UsageWindow {
        limit: reading.id.name().to_owned(),
        window: reading.window,
        scope: reading.id.scope_name(asked_for).to_owned(),
        subject: reading.id.subject().to_owned(),
        value: reading.limit,
        source: reading.source,
        used: reading.reading.used,
        overuse: if reading.reading.over.refuses() {
            0
        } else {
            reading.reading.used.saturating_sub(limit)
        },
        kept_apart: Some(reading.kept_apart).filter(|kept| *kept > 0),
        remaining: (reading.limit != Limit::Unlimited).then(|| {
            reading
                .reading
                .left()
                .min(limit.saturating_sub(reading.reading.used))
        }),
        starts_at_ms: reading.starts_at_ms,
        resets_at_ms: match reading.reading.over {
            OverLimit::Spread => reading.ends_at_ms,
            _ => window::resets_at_ms(
                reading.window,
                reading.ends_at_ms,
                reading.reading.helps_at_ms(),
            ),
        },
    }
}

/// Adds to the account's own limits what credits paid for beyond them (R-CRD-2).
pub(crate) fn add_paid(
    ctx: &mut Ctx<'_>,
    account: &Id,
    windows: &mut [UsageWindow],
) -> Result<(), Error> {
    for window in windows
        .iter_mut()
        .filter(|window| window.scope == "account" && window.source != Source::Cap)
    {
        let Some(limit) = LimitName::find(&window.limit) else {
            continue;
        };
        let from_ms = match window.window {
            Window::RollingHour => counts_from(window.starts_at_ms),
            _ => window.starts_at_ms,
        };
        window.overuse += credits::paid_in(ctx, account, limit, from_ms, window.starts_at_ms + 1)?;
    }
    Ok(())
}

impl Operation for Get {
    type Answer = Usage;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Usage, Error> {
        let cell = ctx.engine.cell(&self.account)?;
        let mut windows = Vec::new();
        let mut add = |prepared: &Prepared| -> Result<(), Error> {
            for window in ctx
                .engine
                .readings(prepared, 1)?
                .into_iter()
                .map(|reading| window_of(&self.account, reading))
            {
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
        Ok(Usage {
            windows,
            account: self.account,
        })
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
        accounts::load(ctx, &self.account, "/account")?;
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
                        return Err(Error::invalid("/subject", "say whose count of the cap"));
                    }
                };
                (keys::of_cap(cap), subject, "cap")
            }
            _ => return Err(Error::invalid("/limit", "name a limit or a cap")),
        };
        let span = keys::below(
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
                format!("`{}` counts in no window", self.limit.name()),
            ));
        }
        let prepared = ctx.engine.prepare_limit(&cell, self.limit)?;
        Ok(UsageReconciled {
            given_back: ctx.engine.reconcile(&prepared, self.used.get())?,
        })
    }
}

impl Operation for Invoice {
    type Answer = InvoiceLines;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvoiceLines, Error> {
        accounts::load(ctx, &self.account, "/account")?;
        if self.from_ms.get() >= self.until_ms.get() {
            return Err(Error::invalid("/until_ms", "a period ends after it begins"));
        }
        let own = keys::account(&self.account);
        let next = [own.as_slice(), &[0]].concat();
        // Who does not manage the team from above sees their own account.
        let below = if ctx.manages_team_of(&self.account)? {
            Some(keys::below(
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
        let account = accounts::load(ctx, id, "/account")?;
        let price = match &account.parent {
            Some(parent) => teams::quote(ctx, parent)?.price,
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
        // A day is kept with the first send of a later one. Looked at first: one that is kept
        // meanwhile is found, and counts once.
        let counted = ctx
            .engine
            .last_window(&*ctx.engine.prepare_limit(&cell, per_day)?)?;
        let uncounted = match ctx.engine.prepare_uncounted(&cell, per_day)? {
            Some(prepared) => ctx.engine.last_window(&prepared)?,
            None => Meter::default(),
        };
        let mut sent = 0;
        for (scope, last) in [("", counted), (UNCOUNTED, uncounted)] {
            let at = |ms| keys::meter_history(Some(id), per_day.name(), scope, "", ms);
            let kept = ctx
                .tx
                .range::<Meter>(&at(from_ms), &at(until_ms), usize::MAX)?;
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
