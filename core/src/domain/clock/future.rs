//! What bears an instant of a wrong future: the clock was wrong, and is right again
//! (R-QTA-13).

use crate::access::request::Ctx;
use crate::access::state::Engine;
use crate::api;
use crate::api::operation::Request;
use crate::auth::totp;
use crate::domain::{accounts, leases, links, outbox, pruning, reservations, threads};
use crate::error::Error;
use crate::kernel::{decode, keys};
use crate::meters::{UNCOUNTED, meter_of, next_window};
use crate::model::{
    Actor, ApiKey, Cap, Channel, CreditHead, Id, LimitName, Link, Meter, OutboxMessage, PaceRecord,
    Pruning, SecondFactor, Session, Window,
};
use crate::rules::pace::Pace;
use crate::rules::window::{Calendar, last_of_part};
use crate::sending::counters::wanted_of;
use crate::sending::{credits, idempotency};
use crate::tables::invitations;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tenantry_store::Order;

/// How many records are looked at, and written, at once.
const STEP: usize = 500;

impl Engine {
    /// Takes all meters out of windows that begin after now: the last true window is there again,
    /// with all that it counted, and what was counted in the future counts in the window of now.
    /// What else would be wrong until then is brought back to now, or ends. Answers how many meters
    /// they were.
    pub(crate) fn undo_future(&self, actor: &Actor) -> Result<u64, Error> {
        self.draw_anew()?;
        let left = self.leave_meters(actor)?;
        self.leave_what_is_in_use(actor)?;
        self.leave_invitations_and_links(actor)?;
        self.leave_log_ins(actor)?;
        self.leave_accounts_and_outbox(actor)?;
        self.leave_plan_and_ledgers(actor)?;
        // Who has drawn meanwhile looks into the store again, and at all that was prepared in the
        // future.
        self.draw_anew()?;
        self.views.epoch.fetch_add(1, Ordering::AcqRel);
        Ok(left)
    }

    /// Takes caps, meters and paces out of the future; answers how many meters they were.
    fn leave_meters(&self, actor: &Actor) -> Result<u64, Error> {
        // Paces depend on how far caps have grown.
        self.leave_each(
            actor,
            keys::CAP,
            |cap: &Cap, now_ms| cap.created_at_ms > now_ms,
            leave_cap,
        )?;
        let left = self.change_each(
            actor,
            keys::METER,
            |key, value, now_ms| Ok(meter_of::<Meter>(key, value)?.starts_at_ms > now_ms),
            leave,
        )?;
        let is_ahead = |key: &[u8], value: &[u8], now_ms: u64| {
            Ok(meter_of::<PaceRecord>(key, value)?
                .next_slot_us
                .is_some_and(|us| us / 1000 > now_ms))
        };
        self.change_each(actor, keys::PACE, is_ahead, bound_pace)?;
        Ok(left)
    }

    /// What is held for a time, and the answers that are kept for repeated requests.
    fn leave_what_is_in_use(&self, actor: &Actor) -> Result<(), Error> {
        self.leave_each(
            actor,
            keys::RESERVATION,
            reservations::is_ahead,
            |ctx, _, record| reservations::undo_future(ctx, record),
        )?;
        self.leave_each(actor, keys::SLOT, threads::is_ahead, |ctx, _, slot| {
            threads::end_at_once(ctx, &slot)
        })?;
        self.leave_each(actor, keys::LEASE, leases::is_ahead, |ctx, key, _| {
            end_at_once(ctx, key)
        })?;
        self.leave_each(
            actor,
            keys::ANSWERED,
            idempotency::is_ahead,
            idempotency::undo_future,
        )
    }

    fn leave_invitations_and_links(&self, actor: &Actor) -> Result<(), Error> {
        self.leave_each(
            actor,
            keys::INVITATION,
            invitations::is_ahead,
            |ctx, _, record| invitations::undo_future(&mut ctx.tx, record),
        )?;
        let lives = links::lives(&mut self.ctx(actor))?;
        self.leave_each(
            actor,
            keys::LINK,
            |link: &Link, now_ms| lives.is_ahead(link, now_ms),
            |ctx, _, link| lives.bound(ctx, link),
        )
    }

    /// What people and programs log in with, and when they were last seen.
    fn leave_log_ins(&self, actor: &Actor) -> Result<(), Error> {
        self.leave_each(actor, keys::SESSION, Session::is_ahead, leave_session)?;
        self.leave_each(actor, keys::API_KEY, ApiKey::is_ahead, leave_api_key)?;
        self.leave_each(
            actor,
            keys::LAST_SEEN,
            |at_ms: &u64, now_ms| *at_ms > now_ms,
            |ctx, key, _| ctx.tx.put(key.to_vec(), &ctx.now_ms),
        )?;
        let is_used_up =
            |factor: &SecondFactor, now_ms| factor.last_step > totp::last_step_by(now_ms);
        self.leave_each(actor, keys::SECOND_FACTOR, is_used_up, leave_second_factor)
    }

    fn leave_accounts_and_outbox(&self, actor: &Actor) -> Result<(), Error> {
        self.leave_each(
            actor,
            keys::ACCOUNT,
            accounts::package::is_ahead,
            |ctx, _, account| accounts::package::undo_future(ctx, account),
        )?;
        self.leave_each(
            actor,
            keys::OUTBOX,
            |message: &OutboxMessage, now_ms| message.at_ms > now_ms,
            leave_message,
        )?;
        self.change_each(
            actor,
            keys::OUTBOX_CONSUMER,
            outbox::is_ahead,
            outbox::give_again,
        )
        .map(drop)
    }

    /// What is over is cleared away as of now, and ledgers of credits end now.
    fn leave_plan_and_ledgers(&self, actor: &Actor) -> Result<(), Error> {
        self.leave_each(actor, keys::PRUNING, Pruning::is_ahead, |ctx, _, _| {
            pruning::undo_future(ctx)
        })?;
        self.each_descendant(keys::ACCOUNT, &[], |account| {
            Channel::ALL
                .into_iter()
                .try_for_each(|channel| self.leave_in_ledger(actor, account, channel))
        })
    }

    /// Changes the records of a kind that bear an instant after now.
    fn leave_each<T: DeserializeOwned + Clone + 'static>(
        &self,
        actor: &Actor,
        prefix: keys::Prefix,
        is_ahead: impl Fn(&T, u64) -> bool,
        leave: impl Fn(&mut Ctx<'_>, &[u8], T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let is_wanted =
            |key: &[u8], value: &[u8], now_ms| Ok(is_ahead(&decode(key, value)?, now_ms));
        let change = |ctx: &mut Ctx<'_>, key: &[u8]| {
            let now_ms = ctx.now_ms;
            match ctx
                .tx
                .get::<T>(key)?
                .filter(|record| is_ahead(record, now_ms))
            {
                Some(record) => leave(ctx, key, record).map(|()| true),
                None => Ok(false),
            }
        };
        self.change_each(actor, prefix, is_wanted, change).map(drop)
    }

    /// Changes the records of a kind that are wanted, some in each commit; answers how many were
    /// changed.
    fn change_each(
        &self,
        actor: &Actor,
        prefix: keys::Prefix,
        is_wanted: impl Fn(&[u8], &[u8], u64) -> Result<bool, Error>,
        change: impl Fn(&mut Ctx<'_>, &[u8]) -> Result<bool, Error>,
    ) -> Result<u64, Error> {
        let (mut from, until) = keys::range(prefix, &[]);
        let mut changed = 0;
        loop {
            let rows = self
                .kernel
                .backend
                .range(&from, &until, Order::Ascending, STEP)?;
            let now_ms = self.kernel.clock.now_ms();
            let mut wanted = Vec::new();
            for (key, record) in &rows {
                if is_wanted(key, &record.value, now_ms)? {
                    wanted.push(key);
                }
            }
            if !wanted.is_empty() {
                let change_all = |ctx: &mut Ctx<'_>| {
                    wanted
                        .iter()
                        .try_fold(0, |sum, key| Ok(sum + u64::from(change(ctx, key)?)))
                };
                changed += self.commit_durably(actor, Some(api::clock::Undo::NAME), change_all)?;
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => return Ok(changed),
            }
        }
    }

    /// Takes a ledger of credits out of the future, a part of it in each commit.
    fn leave_in_ledger(&self, actor: &Actor, account: &Id, channel: Channel) -> Result<(), Error> {
        let head: Option<CreditHead> =
            self.kernel.tx().get(&keys::credit_head(account, channel))?;
        if head.is_some_and(|head| head.at_ms > self.kernel.clock.now_ms()) {
            while self.commit_durably(actor, Some(api::clock::Undo::NAME), |ctx| {
                credits::undo_future(ctx, account, channel)
            })? {}
        }
        Ok(())
    }

    /// Gives back what was drawn ahead, and lets no pace go beyond its burst from now on.
    fn draw_anew(&self) -> Result<(), Error> {
        let now_ms = self.kernel.clock.now_ms();
        self.views.cells.teams().iter().try_for_each(|team| {
            team.bound_paces(now_ms);
            team.give_blocks_back(&self.kernel)
        })
    }
}

impl Session {
    fn is_ahead(&self, now_ms: u64) -> bool {
        self.created_at_ms
            .max(self.authenticated_at_ms)
            .max(self.last_seen_at_ms)
            > now_ms
    }
}

/// It lasts as long as it would had it begun now, and is not in use for years.
fn leave_session(ctx: &mut Ctx<'_>, key: &[u8], mut session: Session) -> Result<(), Error> {
    let ahead_ms = session.created_at_ms.saturating_sub(ctx.now_ms);
    session.created_at_ms -= ahead_ms;
    session.expires_at_ms = session.expires_at_ms.saturating_sub(ahead_ms);
    session.authenticated_at_ms = session.authenticated_at_ms.min(ctx.now_ms);
    session.last_seen_at_ms = session.last_seen_at_ms.min(ctx.now_ms);
    ctx.tx.invalidate_session(&session.id);
    ctx.tx.put(key.to_vec(), &session)
}

impl ApiKey {
    fn is_ahead(&self, now_ms: u64) -> bool {
        let replaced_at_ms = self.former.as_ref().map(|former| former.replaced_at_ms);
        self.last_used_at_ms.max(replaced_at_ms) > Some(now_ms)
    }
}

/// The token before the last rotation is good for as long as it would be had that been now.
fn leave_api_key(ctx: &mut Ctx<'_>, key: &[u8], mut record: ApiKey) -> Result<(), Error> {
    record.last_used_at_ms = record.last_used_at_ms.map(|at_ms| at_ms.min(ctx.now_ms));
    if let Some(former) = &mut record.former {
        let ahead_ms = former.replaced_at_ms.saturating_sub(ctx.now_ms);
        former.replaced_at_ms -= ahead_ms;
        former.until_ms = former.until_ms.saturating_sub(ahead_ms);
    }
    ctx.tx.invalidate_api_key(&record.id);
    ctx.tx.put(key.to_vec(), &record)
}

/// Whatever code was taken by now stays used up, and the next ones count again.
fn leave_second_factor(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    mut factor: SecondFactor,
) -> Result<(), Error> {
    factor.last_step = totp::last_step_by(ctx.now_ms);
    ctx.tx.put(key.to_vec(), &factor)
}

/// A cap grows from when it was made.
fn leave_cap(ctx: &mut Ctx<'_>, key: &[u8], mut cap: Cap) -> Result<(), Error> {
    (cap.created_at_ms, cap.updated_at_ms) = (ctx.now_ms, ctx.now_ms);
    cap.rev += 1;
    ctx.tx.invalidate_all();
    ctx.tx.put(key.to_vec(), &cap)
}

/// Messages are cleared away by their age.
fn leave_message(ctx: &mut Ctx<'_>, key: &[u8], mut message: OutboxMessage) -> Result<(), Error> {
    message.at_ms = ctx.now_ms;
    ctx.tx.put(key.to_vec(), &message)
}

fn end_at_once(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(), Error> {
    ctx.tx.delete(key.to_vec());
    Ok(())
}

/// Takes a meter out of the future; whether it was there.
fn leave(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<bool, Error> {
    let now_ms = ctx.now_ms;
    let Some(meter) = ctx
        .tx
        .get::<Meter>(key)?
        .filter(|meter| meter.starts_at_ms > now_ms)
    else {
        return Ok(false);
    };
    // One whose cap is gone counts for nobody.
    let Some((kind, calendar)) = kind_of(ctx, key)? else {
        return Ok(false);
    };
    let (last, counted, paid) = match kind {
        Window::RollingHour => last_hour(&meter, now_ms),
        _ => last_window(ctx, key, &meter)?,
    };
    let now = next_window(last, kind, now_ms, &calendar)?;
    if let (Some(account), Some(limit), true) = (
        keys::part(key, 1),
        keys::part(key, 4).and_then(LimitName::find),
        paid,
    ) {
        credits::count_future_now(
            ctx,
            &Id::new(account).map_err(Error::corrupt)?,
            limit,
            now.starts_at_ms,
        )?;
    }
    ctx.tx.put(
        key.to_vec(),
        &Meter {
            drawn: now.drawn + counted,
            paid: now.paid || paid,
            ..now
        },
    )?;
    Ok(true)
}

/// Lets a pace that no process has in memory be no further ahead than its burst. Where nothing
/// spreads by it now it has none, if something ever does again.
fn bound_pace(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<bool, Error> {
    let Some(PaceRecord {
        next_slot_us: Some(next_slot_us),
    }) = ctx.tx.get(key)?
    else {
        return Ok(false);
    };
    let now_ms = ctx.now_ms;
    let pace = pace_at(ctx, key)?.map(|pace| {
        let mut pace = pace.at(next_slot_us);
        pace.bound(now_ms);
        pace
    });
    ctx.tx.put(
        key.to_vec(),
        &PaceRecord {
            next_slot_us: pace.and_then(|pace| pace.next_slot_us()),
        },
    )?;
    Ok(true)
}

/// The pace whose record lies at a key: that of a cap, or of a limit of an account that spreads.
fn pace_at(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Option<Pace>, Error> {
    let [owner, scope, subject, name] =
        [1, 2, 3, 4].map(|place| keys::part(key, place).unwrap_or_default());
    let (engine, now_ms) = (ctx.engine, ctx.now_ms);
    let cap = cap_at(ctx, key)?;
    let Ok(account) = Id::new(owner) else {
        let platform = engine.views.cells.platform(engine)?;
        return Ok(cap.map(|cap| platform.frame.wanted_of_cap(&cap, subject).pace(now_ms)));
    };
    let cell = engine.cell(&account)?;
    let view = cell.view(engine)?;
    Ok(match (cap, scope) {
        (Some(cap), _) => Some(view.frame.wanted_of_cap(&cap, subject).pace(now_ms)),
        (None, "") => wanted_of(&cell, &view, None, LimitName::find(name), None)
            .iter()
            .find(|wanted| wanted.is_pace())
            .map(|pace| pace.pace(now_ms)),
        (None, _) => None,
    })
}

/// The cap whose counter or pace lies at a key.
fn cap_at(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Option<Cap>, Error> {
    let account = keys::part(key, 1).and_then(|id| Id::new(id).ok());
    match keys::part(key, 2).and_then(|scope| Id::new(scope.strip_prefix("cap ")?).ok()) {
        Some(cap) => ctx.tx.get(&keys::cap(account.as_ref(), &cap)),
        None => Ok(None),
    }
}

/// What was used in the hour before the future began, and what is counted in the future.
fn last_hour(meter: &Meter, now_ms: u64) -> (Meter, u64, bool) {
    let parts = meter.before.into_iter().chain(meter.past.iter().copied());
    let (past, future): (Vec<_>, Vec<_>) =
        parts.partition(|(until_ms, _)| last_of_part(*until_ms) <= now_ms);
    let counted = future.iter().map(|(_, used)| used).sum::<u64>() + meter.drawn;
    (
        Meter {
            past,
            alerted: meter.alerted,
            ..Meter::default()
        },
        counted,
        meter.paid,
    )
}

/// The last window that began before now, and what is counted in later ones, which are not kept any
/// more.
fn last_window(ctx: &mut Ctx<'_>, key: &[u8], meter: &Meter) -> Result<(Meter, u64, bool), Error> {
    let (mut counted, mut paid) = (meter.drawn, meter.paid);
    let (from, now, until) = (
        keys::meters::history_of(key, 0),
        keys::meters::history_of(key, ctx.now_ms + 1),
        keys::meters::history_of(key, u64::MAX),
    );
    for (kept, window) in ctx.tx.range::<Meter>(&now, &until, usize::MAX)? {
        (counted, paid) = (counted + window.drawn, paid || window.paid);
        ctx.tx.delete(kept);
    }
    let Some((kept, record)) = ctx
        .engine
        .kernel
        .backend
        .range(&from, &now, Order::Descending, 1)?
        .pop()
    else {
        return Ok((Meter::default(), counted, paid));
    };
    let last: Meter = meter_of(&kept, &record.value)?;
    if ctx.now_ms < last.ends_at_ms {
        ctx.tx.delete(kept);
    }
    Ok((last, counted, paid))
}

/// In which windows a meter counts, and what their boundaries follow; none for a cap that is gone.
fn kind_of(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Option<(Window, Arc<Calendar>)>, Error> {
    let [owner, scope, name] = [1, 2, 4].map(|place| keys::part(key, place).unwrap_or_default());
    let account = Id::new(owner).ok();
    let kind = match scope {
        "" | UNCOUNTED => LimitName::find(name).and_then(LimitName::window),
        "group" if name.ends_with("year") => Some(Window::Year),
        "group" => Some(Window::Month),
        _ => cap_at(ctx, key)?.map(|cap| cap.window),
    };
    let Some(kind) = kind else { return Ok(None) };
    let calendar = match &account {
        Some(account) => ctx
            .engine
            .cell(account)?
            .view(ctx.engine)?
            .frame
            .calendar
            .clone(),
        None => ctx
            .engine
            .views
            .cells
            .platform(ctx.engine)?
            .frame
            .calendar
            .clone(),
    };
    Ok(Some((kind, calendar)))
}
