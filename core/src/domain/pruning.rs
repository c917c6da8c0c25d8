//! Counters and windows that are over are cleared away, so that the store holds no more of them
//! than the policies say (ADR 37).
//!
//! What is over goes in passes, one a day, a bounded page of them with each turn. The horizon by
//! which something has to be over moves by two days with each pass at the most, whatever the clock
//! says: one that runs ahead has to be wrong for days before anything goes that still counts
//! (R-QTA-13). What memory holds unspent units of stays until it has given them back.

use crate::access::request::Ctx;
use crate::access::state::Engine;
use crate::error::{Code, Error};
use crate::kernel::keys::{self, Prefix, due};
use crate::meters::{MeterId, Team, meter_of};
use crate::model::{Cap, CapScope, Id, Meter, PaceRecord, Pruning, Window};
use crate::tables::meters::Prunings;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tenantry_store::{Batch, Order, Record};

/// How many records are looked at in one turn.
const PAGE: usize = 500;
/// How long it is between two turns of a pass.
const PAUSE_MS: u64 = 1000;
const DAY_MS: u64 = 24 * 3_600_000;
/// How far the horizon moves with a pass at most: faster than time passes, so that it catches up
/// after the store was closed.
const STEP_MS: u64 = 2 * DAY_MS;
/// For how long a counter stays after its last window was over, for the case that the clock is
/// wrong.
const SPARED_MS: u64 = 7 * DAY_MS;
/// What is cleared, in the order of the keys.
const KINDS: [Prefix; 3] = [keys::METER_HISTORY, keys::METER, keys::PACE];

impl Pruning {
    /// The first pass, or one that begins anew: a day from now, for what is over by now.
    fn first(now_ms: u64) -> Pruning {
        Pruning {
            due_at_ms: now_ms.saturating_add(DAY_MS),
            over_by_ms: now_ms,
            after: None,
        }
    }

    /// The pass after this one.
    fn next(&self, now_ms: u64) -> Pruning {
        Pruning {
            over_by_ms: now_ms.min(self.over_by_ms.saturating_add(STEP_MS)),
            ..Pruning::first(now_ms)
        }
    }

    /// Whether it is from a wrong future.
    pub(crate) fn is_ahead(&self, now_ms: u64) -> bool {
        self.over_by_ms > now_ms || self.due_at_ms > now_ms.saturating_add(DAY_MS)
    }
}

impl Engine {
    /// Draws that make the first record which is to be cleared away some day see to it that it is.
    pub(crate) fn with_pruning<'b>(&self, draws: Cow<'b, Batch>) -> Result<Cow<'b, Batch>, Error> {
        let is_cleared = |key: &Vec<u8>| match Prefix::of(key) {
            Some(keys::METER_HISTORY) => true,
            Some(keys::METER | keys::PACE) => keys::meters::cap_of_meter(key).is_some(),
            _ => false,
        };
        if self.prunes.load(Ordering::Acquire)
            || !draws.writes.iter().any(|(key, _)| is_cleared(key))
        {
            return Ok(draws);
        }
        if self.kernel.backend.get(&keys::meters::pruning())?.is_some() {
            self.prunes.store(true, Ordering::Release);
            return Ok(draws);
        }
        let first = Pruning::first(self.kernel.clock.now_ms());
        let record = serde_json::to_vec(&first)
            .map_err(|error| Error::new(Code::Internal, error.to_string()))?;
        let mut draws = draws.into_owned();
        draws.expected.push((keys::meters::pruning(), 0));
        draws.writes.push((keys::meters::pruning(), Some(record)));
        let due = due::METERS.key(first.due_at_ms, &[]);
        draws.writes.push((due, Some(b"null".to_vec())));
        Ok(Cow::Owned(draws))
    }

    /// These draws were committed.
    pub(crate) fn has_committed(&self, draws: &Batch) {
        let due = |(key, _): &(Vec<u8>, _)| due::at(key).filter(|_| due::METERS.has(key));
        if let Some(at_ms) = draws.writes.iter().rev().find_map(due) {
            self.prunes.store(true, Ordering::Release);
            self.forget_at(at_ms);
        }
    }
}

/// Clears the next page of what is over.
pub(crate) fn clear_some(ctx: &mut Ctx<'_>) -> Result<(), Error> {
    let Some(mut pruning) = ctx.tx.get::<Pruning>(&keys::meters::pruning())? else {
        return Ok(());
    };
    let rows = page(ctx, pruning.after.as_deref())?;
    let mut clearing = Clearing {
        over_by_ms: pruning.over_by_ms,
        days: HashMap::new(),
        teams: None,
    };
    for (key, record) in &rows {
        clearing.look_at(ctx, key, &record.value)?;
    }
    pruning = match rows.last() {
        Some((last, _)) if rows.len() == PAGE => Pruning {
            due_at_ms: ctx.now_ms.saturating_add(PAUSE_MS),
            after: Some(String::from_utf8_lossy(last).into_owned()),
            ..pruning
        },
        _ => pruning.next(ctx.now_ms),
    };
    plan(ctx, &pruning)
}

/// One that is from a wrong future begins anew.
pub(crate) fn undo_future(ctx: &mut Ctx<'_>) -> Result<(), Error> {
    plan(ctx, &Pruning::first(ctx.now_ms))
}

fn plan(ctx: &mut Ctx<'_>, pruning: &Pruning) -> Result<(), Error> {
    ctx.tx.save::<Prunings>(pruning)?;
    ctx.tx.schedule_forget(pruning.due_at_ms);
    Ok(())
}

/// The records behind the last one that was looked at. Senders write some of them meanwhile, which
/// is no reason to look again: what goes is read once more.
fn page(ctx: &Ctx<'_>, after: Option<&str>) -> Result<Vec<(Vec<u8>, Record)>, Error> {
    let after = after.map_or_else(Vec::new, |after| [after.as_bytes(), &[0]].concat());
    let mut rows = Vec::new();
    for prefix in KINDS {
        let (first, until) = keys::range(prefix, &[]);
        let from = after.clone().max(first);
        if from < until && rows.len() < PAGE {
            let backend = &ctx.engine.kernel.backend;
            rows.extend(backend.range(&from, &until, Order::Ascending, PAGE - rows.len())?);
        }
    }
    Ok(rows)
}

/// What is cleared in one turn.
struct Clearing {
    over_by_ms: u64,
    /// For how many days an account, or the platform, keeps windows of limits, and of caps; 0 for
    /// ever.
    days: HashMap<Option<Id>, (u64, u64)>,
    /// The teams that are in memory, once they are asked for.
    teams: Option<Vec<Arc<Team>>>,
}

/// What a record counts for.
enum Counts {
    /// A limit, of an account or of a group that is there.
    Limit,
    /// A cap.
    Cap(Cap),
    /// What was deleted.
    Nothing,
}

impl Clearing {
    fn look_at(&mut self, ctx: &mut Ctx<'_>, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match Prefix::of(key) {
            Some(keys::METER_HISTORY) => {
                let window: Meter = meter_of(key, value)?;
                if !self.keeps(ctx, key, &window)? && ctx.tx.has(key)? {
                    ctx.tx.delete(key.to_vec());
                }
                Ok(())
            }
            Some(keys::METER) => self.look_at_counter(ctx, key, value),
            _ => self.look_at_pace(ctx, key, value),
        }
    }

    /// Whether a window that is over is still to be kept.
    fn keeps(&mut self, ctx: &mut Ctx<'_>, key: &[u8], window: &Meter) -> Result<bool, Error> {
        let owner = keys::part(key, 1).and_then(|id| Id::new(id).ok());
        let (of_limits, of_caps) = match self.days.get(&owner) {
            Some(days) => *days,
            None => {
                let days = days_of(ctx, owner.as_ref())?;
                *self.days.entry(owner).or_insert(days)
            }
        };
        let days = match keys::meters::cap_of_meter(key) {
            Some(_) => of_caps,
            None => of_limits,
        };
        let until_ms = window
            .ends_at_ms
            .saturating_add(days.saturating_mul(DAY_MS));
        Ok(days == 0 || until_ms > self.over_by_ms)
    }

    /// The last window of a counter owns its boundaries (R-QTA-4): it goes once none can begin
    /// inside it, in whatever zone.
    fn look_at_counter(
        &mut self,
        ctx: &mut Ctx<'_>,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Error> {
        let found: Meter = meter_of(key, value)?;
        let (window, cap) = match counts_for(ctx, key)? {
            Counts::Cap(cap) if cap.scope != CapScope::Account => (cap.window, Some(cap)),
            Counts::Nothing => (Window::Year, None),
            Counts::Cap(_) | Counts::Limit => return Ok(()),
        };
        let over_by_ms = self.over_by_ms;
        let is_over = |meter: &Meter| {
            let until_ms = meter.ends_at_ms.saturating_add(2 * window.usual_ms());
            until_ms.saturating_add(SPARED_MS) <= over_by_ms
        };
        if !is_over(&found) || cap.is_some_and(|cap| self.is_unspent(ctx, key, &cap)) {
            return Ok(());
        }
        let Some(last) = ctx.tx.get::<Meter>(key)?.filter(is_over) else {
            return Ok(());
        };
        let is_kept = window != Window::RollingHour && last.is_charged();
        if is_kept && self.keeps(ctx, key, &last)? {
            ctx.tx
                .put(keys::meters::history_of(key, last.starts_at_ms), &last)?;
        }
        ctx.tx.delete(key.to_vec());
        Ok(())
    }

    /// Whether memory holds what was drawn from the counter of a cap and is not spent: that comes
    /// back to its record before it goes from memory.
    fn is_unspent(&mut self, ctx: &Ctx<'_>, key: &[u8], cap: &Cap) -> bool {
        let Some(subject) = keys::part(key, 3) else {
            return false;
        };
        let id = MeterId::of_cap(cap, subject);
        let views = &ctx.engine.views;
        let teams = self.teams.get_or_insert_with(|| views.cells.teams());
        teams.iter().any(|team| team.holds_unspent(&id))
    }

    /// A pace that is at its burst again is as one that never was.
    fn look_at_pace(&mut self, ctx: &mut Ctx<'_>, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let is_over = |pace: &PaceRecord| {
            pace.next_slot_us
                .is_some_and(|next_slot_us| next_slot_us / 1000 <= self.over_by_ms)
        };
        let goes = match counts_for(ctx, key)? {
            Counts::Cap(cap) => cap.scope != CapScope::Account,
            Counts::Nothing => true,
            Counts::Limit => false,
        };
        if goes
            && is_over(&meter_of(key, value)?)
            && ctx.tx.get(key)?.is_some_and(|pace| is_over(&pace))
        {
            ctx.tx.delete(key.to_vec());
        }
        Ok(())
    }
}

fn counts_for(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Counts, Error> {
    let account = keys::part(key, 1).and_then(|id| Id::new(id).ok());
    if let Some(cap) = keys::meters::cap_of_meter(key) {
        let cap: Option<Cap> = ctx.tx.get(&keys::cap(account.as_ref(), &cap))?;
        return Ok(cap.map_or(Counts::Nothing, Counts::Cap));
    }
    let group = keys::part(key, 3).and_then(|subject| Id::new(subject).ok());
    match account
        .zip(group)
        .filter(|_| keys::part(key, 2) == Some("group"))
    {
        Some((account, group)) if !ctx.tx.has(&keys::group(&account, &group))? => {
            Ok(Counts::Nothing)
        }
        _ => Ok(Counts::Limit),
    }
}

/// For how many days an account keeps what limits and caps have counted. Of one that is not there
/// all stays: `store.verify` tells of it.
fn days_of(ctx: &mut Ctx<'_>, account: Option<&Id>) -> Result<(u64, u64), Error> {
    if let Some(account) = account
        && !ctx.tx.has(&keys::account(account))?
    {
        return Ok((0, 0));
    }
    let policies = ctx.policies(account)?;
    Ok((
        policies.usage_history_days.get(),
        policies.cap_history_days.get(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tenantry;
    use crate::engine::room_tests::{HOUR_MS, NOON_MS, call, domain, engine, send, store};
    use serde_json::json;

    /// How many records there are of counters, of windows that are over, and of paces.
    fn records(store: &Tenantry) -> [usize; 3] {
        KINDS.map(|prefix| {
            let (from, until) = keys::range(prefix, &[]);
            let backend = &engine(store).kernel.backend;
            let rows = backend.range(&from, &until, Order::Ascending, usize::MAX);
            rows.unwrap().len()
        })
    }

    /// Goes to a day, and on from there until a pass is over. Each day is a minute later: a pass
    /// begins a day after the one before was over.
    fn pass(store: &Tenantry, day: u64) {
        let mut now_ms = NOON_MS + day * (DAY_MS + 60_000);
        loop {
            call(store, "clock.set", json!({"now_ms": now_ms}));
            call(store, "accounts.get", json!({"account": "acme"}));
            let pruning: Pruning = {
                let mut tx = engine(store).kernel.tx();
                tx.get(&keys::meters::pruning()).unwrap().unwrap()
            };
            if pruning.after.is_none() {
                assert_eq!(pruning.due_at_ms, now_ms + DAY_MS);
                return;
            }
            assert_eq!(pruning.due_at_ms, now_ms + PAUSE_MS, "one page at a time");
            now_ms += PAUSE_MS;
        }
    }

    fn give_back(store: &Tenantry) {
        let teams = engine(store).views.cells.teams();
        teams
            .iter()
            .for_each(|team| team.give_blocks_back(&engine(store).kernel).unwrap());
    }

    /// What is known of the windows of a domain that are over.
    fn history(store: &Tenantry, number: usize) -> Vec<u64> {
        let request = json!({"account": "acme", "cap": "domains", "subject": domain(number)});
        let windows = call(store, "usage.history", request)["windows"].clone();
        let windows = windows.as_array().unwrap();
        let used = windows.iter().map(|window| window["used"].as_u64());
        used.map(Option::unwrap).collect()
    }

    /// The counters of domains go from the store once their windows are over, what they have
    /// counted is kept as long as the policy says, and the account's own longer (20.4). Where
    /// memory holds what was drawn and is not spent, that comes back first.
    #[test]
    fn what_is_over_goes() {
        const DOMAINS: usize = 1200;
        let store = store("hour", 150, "reject");
        for number in 0..DOMAINS {
            assert_eq!(send(&store, number, 1), 1);
            assert_eq!(send(&store, number, 1), 1);
        }
        // A window ends at 13:00, and counts for two more and seven days; a pass clears what was
        // over when the one before it ended.
        (1..=8).for_each(|day| pass(&store, day));
        assert_eq!(records(&store), [0, DOMAINS + 3, 0]);
        pass(&store, 9);
        let [gone, left, _] = records(&store);
        assert_eq!(gone + left, DOMAINS + 3);
        assert!(gone > 0 && left > 3, "{gone} went, {left} stayed");
        let kept: Vec<_> = (0..DOMAINS).map(|number| history(&store, number)).collect();
        let told = kept.iter().filter(|windows| **windows == [2]).count();
        let untold = kept.iter().filter(|windows| windows.is_empty()).count();
        assert_eq!((told, untold), (gone, left - 3));
        give_back(&store);
        pass(&store, 10);
        assert_eq!(records(&store), [DOMAINS, 3, 0]);
        assert!((0..DOMAINS).all(|number| history(&store, number) == [2]));

        // Where a counter goes on, it begins anew.
        assert_eq!((send(&store, 7, 150), send(&store, 7, 1)), (150, 0));
        (11..=32).for_each(|day| pass(&store, day));
        assert_eq!(history(&store, 7).len(), 2);
        assert_eq!(history(&store, 8), [2]);
        pass(&store, 33);
        assert_eq!(history(&store, 7), [150]);
        assert!(history(&store, 8).is_empty());
        (34..=44).for_each(|day| pass(&store, day));
        assert!(history(&store, 7).is_empty());
        assert_eq!(send(&store, 9, 1), 1);
        // Of the account two days and a month.
        assert_eq!(records(&store), [3, 4, 0]);
        give_back(&store);
        (45..=420).for_each(|day| pass(&store, day));
        assert_eq!(records(&store), [0, 3, 0]);
        assert_eq!(
            call(&store, "store.verify", json!({}))["damaged"],
            json!([])
        );
    }

    /// For ever, where the policy says so; and of a cap that spreads nothing is left.
    #[test]
    fn policies_say_for_how_long() {
        let store = store("hour", 5, "reject");
        let policies = json!({"cap_history_days": 0});
        call(
            &store,
            "policies.set",
            json!({"account": "acme", "policies": policies}),
        );
        let pace = json!({"account": "acme", "id": "slowly", "scope": "recipient_domain",
            "window": "hour", "limit": 5, "over": "spread"});
        call(&store, "caps.set", pace);
        assert_eq!(send(&store, 1, 1), 1);
        give_back(&store);
        assert_eq!(records(&store), [0, 4, 1]);
        (1..=60).for_each(|day| pass(&store, day));
        assert_eq!(records(&store), [1, 3, 0]);
    }

    /// R-QTA-13: nothing that still counts goes because the clock was wrong for three days.
    #[test]
    fn a_wrong_future_clears_nothing_of_today() {
        let store = store("day", 5, "reject");
        assert_eq!(send(&store, 1, 5), 5);
        (300..=303).for_each(|day| pass(&store, day));
        assert_eq!(send(&store, 2, 1), 1);
        call(&store, "clock.set", json!({"now_ms": NOON_MS + HOUR_MS}));
        call(&store, "clock.undo", json!({}));
        assert_eq!(send(&store, 1, 1), 0);
        give_back(&store);
        assert_eq!(records(&store)[1], 5);
        (2..=10).for_each(|day| pass(&store, day));
        assert_eq!(records(&store)[1], 5);
        (11..=12).for_each(|day| pass(&store, day));
        assert_eq!(records(&store), [2, 3, 0]);
        assert_eq!(send(&store, 1, 5), 5);
    }
}
