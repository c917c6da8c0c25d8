//! Meters that were drawn from in a future that was none: the clock was wrong, and is right again (R-QTA-13).

use super::meters::{meter_of, next_window};
use super::{Ctx, Engine, keys};
use crate::error::{Code, Error};
use crate::model::{Actor, Cap, Id, LimitName, Meter, PaceRecord, Window};
use crate::ops::credits;
use crate::rules::pace::Pace;
use crate::rules::window::{Calendar, last_of_part};
use crate::store::Order;
use std::sync::Arc;

/// How many meters are looked at, and written, at once.
const STEP: usize = 500;

impl Engine {
    /// Takes all meters out of windows that begin after now: the last true window is there again, with all that it counted, and what
    /// was counted in the future counts in the window of now. Answers how many meters they were.
    pub(crate) fn leave_future(&self, actor: &Actor) -> Result<u64, Error> {
        self.draw_anew()?;
        let left = self.change_each(actor, keys::METER, |key, value, now_ms| Ok(meter_of::<Meter>(key, value)?.starts_at_ms > now_ms), leave)?;
        let is_ahead = |key: &[u8], value: &[u8], now_ms: u64| Ok(meter_of::<PaceRecord>(key, value)?.turn_us.is_some_and(|us| us / 1000 > now_ms));
        self.change_each(actor, keys::PACE, is_ahead, bound_pace)?;
        // Who has drawn meanwhile looks into the store again.
        self.draw_anew()?;
        Ok(left)
    }

    /// Changes the records of a kind that are wanted, some in each commit; answers how many were changed.
    fn change_each(
        &self,
        actor: &Actor,
        letter: u8,
        is_wanted: impl Fn(&[u8], &[u8], u64) -> Result<bool, Error>,
        change: impl Fn(&mut Ctx<'_>, &[u8]) -> Result<bool, Error>,
    ) -> Result<u64, Error> {
        let (mut from, until) = (vec![letter], vec![letter + 1]);
        let mut changed = 0;
        loop {
            let rows = self.backend.range(&from, &until, Order::Ascending, STEP)?;
            let now_ms = self.clock.now_ms();
            let mut wanted = Vec::new();
            for (key, record) in &rows {
                if is_wanted(key, &record.value, now_ms)? {
                    wanted.push(key);
                }
            }
            if !wanted.is_empty() {
                changed += self.commit_beside(actor, None, |ctx| wanted.iter().try_fold(0, |sum, key| Ok(sum + u64::from(change(ctx, key)?))))?;
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => return Ok(changed),
            }
        }
    }

    /// Gives back what was drawn ahead, and lets no pace go beyond its burst from now on.
    fn draw_anew(&self) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        self.cells.teams().iter().try_for_each(|team| {
            team.bound_paces(now_ms);
            self.give_blocks_back(team)
        })
    }
}

/// Takes a meter out of the future; whether it was there.
fn leave(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<bool, Error> {
    let now_ms = ctx.now_ms;
    let Some(meter) = ctx.tx.get::<Meter>(key)?.filter(|meter| meter.starts_at_ms > now_ms) else { return Ok(false) };
    // One whose cap is gone counts for nobody.
    let Some((kind, calendar)) = kind_of(ctx, key)? else { return Ok(false) };
    let (last, counted, paid) = match kind {
        Window::RollingHour => last_hour(&meter, now_ms),
        _ => last_window(ctx, key, &meter)?,
    };
    let now = next_window(last, kind, now_ms, &calendar)?;
    if let (Some(account), Some(limit), true) = (keys::part(key, 1), keys::part(key, 4).and_then(LimitName::find), paid) {
        credits::leave_future(ctx, &Id::new(account).map_err(|error| Error::new(Code::StoreCorrupt, error))?, limit, now.starts_at_ms)?;
    }
    ctx.tx.put(key.to_vec(), &Meter { drawn: now.drawn + counted, paid: now.paid || paid, ..now })?;
    Ok(true)
}

/// Lets a pace that no process has in memory be no further ahead than its burst; whether it is that of a cap that is there.
fn bound_pace(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<bool, Error> {
    let Some(PaceRecord { turn_us: Some(turn_us) }) = ctx.tx.get(key)? else { return Ok(false) };
    let Some(cap) = cap_at(ctx, key)? else { return Ok(false) };
    let mut pace = Pace::new(cap.window, cap.limit.get(), cap.burst.get()).at(turn_us);
    pace.bound(ctx.now_ms);
    ctx.tx.put(key.to_vec(), &PaceRecord { turn_us: pace.turn_us() })?;
    Ok(true)
}

/// The cap whose counter or pace lies at a key.
fn cap_at(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Option<Cap>, Error> {
    let account = keys::part(key, 1).and_then(|carrier| Id::new(carrier).ok());
    match keys::part(key, 2).and_then(|scope| Id::new(scope.strip_prefix("cap ")?).ok()) {
        Some(cap) => ctx.tx.get(&keys::cap(account.as_ref(), &cap)),
        None => Ok(None),
    }
}

/// What was used in the hour before the future began, and what is counted in the future.
fn last_hour(meter: &Meter, now_ms: u64) -> (Meter, u64, bool) {
    let parts = meter.before.into_iter().chain(meter.past.iter().copied());
    let (past, future): (Vec<_>, Vec<_>) = parts.partition(|(until_ms, _)| last_of_part(*until_ms) <= now_ms);
    let counted = future.iter().map(|(_, used)| used).sum::<u64>() + meter.drawn;
    (Meter { past, alerted: meter.alerted, ..Meter::default() }, counted, meter.paid)
}

/// The last window that began before now, and what is counted in later ones, which are not kept any more.
fn last_window(ctx: &mut Ctx<'_>, key: &[u8], meter: &Meter) -> Result<(Meter, u64, bool), Error> {
    let (mut counted, mut paid) = (meter.drawn, meter.paid);
    let (from, now, until) = (keys::history_of(key, 0), keys::history_of(key, ctx.now_ms + 1), keys::history_of(key, u64::MAX));
    for (kept, window) in ctx.tx.range::<Meter>(&now, &until, usize::MAX)? {
        (counted, paid) = (counted + window.drawn, paid || window.paid);
        ctx.tx.delete(kept);
    }
    let Some((kept, record)) = ctx.engine.backend.range(&from, &now, Order::Descending, 1)?.pop() else {
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
    let [carrier, scope, name] = [1, 2, 4].map(|place| keys::part(key, place).unwrap_or_default());
    let account = Id::new(carrier).ok();
    let kind = match scope {
        "" => LimitName::find(name).and_then(LimitName::window),
        "group" if name.ends_with("year") => Some(Window::Year),
        "group" => Some(Window::Month),
        _ => cap_at(ctx, key)?.map(|cap| cap.window),
    };
    let Some(kind) = kind else { return Ok(None) };
    let calendar = match &account {
        Some(account) => ctx.engine.cell(account)?.view(ctx.engine)?.frame.calendar.clone(),
        None => ctx.engine.cells.platform(ctx.engine)?.frame.calendar.clone(),
    };
    Ok(Some((kind, calendar)))
}
