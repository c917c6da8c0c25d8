//! Meters: what may still go out, decided and charged in one step.
//!
//! All counters that one send can touch belong to one team of accounts and lie under one lock. The store is charged ahead
//! for a block of each counter, and a send spends the block in memory. A clean close gives the rest back; after a crash
//! what was drawn counts as spent. So nothing is ever sent beyond a limit, and what a crash can cost is one block for each
//! counter, or the largest send that was asked for where that is more.

use super::view::{AccountCell, MemberView, Resolved, View};
use super::{Engine, Tx, keys};
use crate::error::{Code, Error};
use crate::model::{CapPeriod, Channel, Count, Group, Id, Limit, Member, Meter, Window};
use crate::rules::limit::Source;
use crate::rules::{send, window};
use crate::store::{Batch, CommitError};
use jiff::tz::TimeZone;
use parking_lot::{Mutex, MutexGuard};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A counter draws at most this much ahead of an unlimited window.
const BLOCK_MAX: u64 = 4096;
/// A block is at most this part of its limit: what a crash can cost.
const BLOCK_PART: u64 = 50;
/// A counter that drew less than this ago draws twice as much.
const DRAW_AGAIN_MS: u64 = 1000;
/// How many counters are given back in one commit.
const GIVEN_BACK_AT_ONCE: usize = 256;
/// Smaller blocks are not drawn ahead.
const DRAWN_AHEAD_FROM: u64 = 8;
/// How often a draw is tried against others that draw from the same records.
const ROUNDS: usize = 16;

/// The meters of a tree of accounts.
#[derive(Default)]
pub(crate) struct Team {
    meters: Mutex<Meters>,
    /// Held by whoever draws from the store for this team.
    drawing: Mutex<()>,
}

#[derive(Default)]
struct Meters {
    /// What every send reads and writes, apart from the rest.
    hot: Vec<Hot>,
    cold: Vec<Cold>,
    places: HashMap<MeterId, usize>,
}

/// What one counter counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MeterId {
    pub(crate) account: Id,
    pub(crate) scope: MeterScope,
    /// Such as `email_per_day`.
    pub(crate) name: &'static str,
}

/// Whose counter it is, within its account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MeterScope {
    /// The account's own.
    Account,
    /// A group's (R-GRP-5).
    Group(Id),
}

impl MeterId {
    /// Whose it is, seen from the account that sends.
    pub(crate) fn scope_name(&self, sender: &Id) -> &'static str {
        match self.scope {
            MeterScope::Group(_) => "group",
            MeterScope::Account if self.account == *sender => "account",
            MeterScope::Account => "ancestor",
        }
    }

    /// The account or the group.
    pub(crate) fn subject(&self) -> &Id {
        match &self.scope {
            MeterScope::Account => &self.account,
            MeterScope::Group(group) => group,
        }
    }

    fn key(&self) -> Vec<u8> {
        match &self.scope {
            MeterScope::Account => keys::meter(&self.account, self.name, "", ""),
            MeterScope::Group(group) => keys::meter(&self.account, self.name, "group", group.as_str()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Hot {
    ends_at_ms: u64,
    /// Charged in the store and not yet used.
    rest: u64,
    used: u64,
    limit: u64,
    /// With less than this at rest the next block is drawn ahead.
    low: u64,
}

#[derive(Clone, Debug)]
struct Cold {
    id: MeterId,
    window: Window,
    source: Source,
    /// The stamp of the view that the limit was taken from; an older view changes nothing.
    stamp: u64,
    /// The window that is drawn from: `drawn` is what is used in it, or in this part of a rolling one, and the rest.
    meter: Meter,
    /// The last window that was charged, without its rest. One that nobody charged moves none after it (ADR 6).
    charged: Meter,
    /// Whether the store still counts a rest of it as used.
    rest_is_stored: bool,
    /// The version of the stored record.
    version: u64,
    block: u64,
    drawn_at_ms: u64,
}

impl Hot {
    #[inline]
    fn covers(&self, count: u64, now_ms: u64) -> bool {
        now_ms < self.ends_at_ms && count <= self.rest && count <= self.limit.saturating_sub(self.used)
    }
}

impl Cold {
    /// How much to draw so that `count` fit: more when draws come quickly, and never beyond the limit.
    fn draw_size(&mut self, hot: &Hot, count: u64, now_ms: u64) -> u64 {
        let quick = now_ms.saturating_sub(self.drawn_at_ms) < DRAW_AGAIN_MS;
        let most = (hot.limit / BLOCK_PART).clamp(1, BLOCK_MAX);
        self.block = if quick { self.block.saturating_mul(2) } else { self.block / 2 }.clamp(1, most);
        self.drawn_at_ms = now_ms;
        self.block.max(count).saturating_sub(hot.rest).min(hot.limit.saturating_sub(hot.used.saturating_add(hot.rest)))
    }

    /// The last window that was charged, as it is used.
    fn without_rest(&self, hot: &Hot) -> Meter {
        match self.meter.drawn {
            0 => self.charged.clone(),
            drawn => Meter { drawn: drawn - hot.rest, ..self.meter.clone() },
        }
    }

    /// Takes what was used at an instant out of the window that it counts in; answers how much of it was still there.
    fn give_back(&mut self, hot: &mut Hot, count: u64, used_at_ms: u64) -> u64 {
        if self.meter.drawn == 0 {
            self.charged.take_out(count, used_at_ms, 0);
        }
        let from_past = !self.meter.holds(used_at_ms);
        let back = self.meter.take_out(count, used_at_ms, hot.rest);
        if !from_past {
            // It can be used again without a draw.
            self.meter.drawn += back;
            hot.rest += back;
        }
        hot.used -= back;
        back
    }

    fn reading(&self, hot: &Hot) -> send::Reading {
        let now_used = self.meter.drawn - hot.rest;
        let frees = match self.window {
            Window::RollingHour => {
                let current = (now_used > 0).then(|| (window::counts_until(self.meter.ends_at_ms), now_used));
                self.meter.past.iter().copied().chain(current).collect()
            }
            _ => vec![(self.meter.ends_at_ms, hot.used)],
        };
        send::Reading { limit: hot.limit, used: hot.used, frees }
    }
}

/// Sending prepared: whether it is refused, and the counters that it charges.
pub(crate) struct Prepared {
    pub(crate) stamp: u64,
    pub(crate) refusal: Option<Code>,
    account: Id,
    team: Arc<Team>,
    wanted: Vec<Wanted>,
    /// The places of the counters in the team's meters.
    places: Box<[usize]>,
    /// Whether the next blocks are asked for.
    asked: AtomicBool,
}

/// A counter that is to be charged, with what bounds it.
struct Wanted {
    id: MeterId,
    window: Window,
    resolved: Resolved,
    stamp: u64,
    zone: TimeZone,
}

/// How many messages a send asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) count: u64,
    /// With fewer than this nothing is granted; all of them for an exact send (R-QTA-2).
    pub(crate) min: u64,
}

impl Ask {
    /// All or nothing.
    pub(crate) fn exact(count: u64) -> Ask {
        Ask { count, min: count }
    }
}

/// The answer to a send (R-QTA-3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// How many may go out: all that were asked for, or none.
    pub granted: u64,
    /// Why nothing was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Box<Refusal>>,
    /// How many could still be granted after this, under every limit; absent when nothing limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
}

/// Why a send is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// The error code, such as `quota_exceeded`.
    pub code: Code,
    /// The limit that binds, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<BindingLimit>,
    /// The first instant at which, with no event but the clock, the same send is let through; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at_ms: Option<u64>,
}

/// The limit that refused a send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BindingLimit {
    /// Its name, such as `email_per_day`.
    pub name: String,
    /// Whose it is: the `account` that sends, an `ancestor`, or the `group` of the member who sends.
    pub scope: String,
    /// The id of that account or group.
    pub subject: String,
    /// The value of the limit.
    pub value: u64,
    /// How much of it is used.
    pub used: u64,
    /// Where the value comes from: `override`, `package`, `inherited`, `platform_default` or `group`.
    pub source: String,
}

impl Decision {
    fn refused(refusal: Refusal, remaining: Option<u64>) -> Decision {
        Decision { granted: 0, refusal: Some(Box::new(refusal)), remaining }
    }

    /// A refusal that no limit brings about.
    pub(crate) fn refused_for(code: Code) -> Decision {
        Decision::refused(Refusal { code, limit: None, retry_at_ms: None }, None)
    }
}

/// How a counter stands, for people.
pub(crate) struct MeterReading {
    pub(crate) id: MeterId,
    pub(crate) resolved: Resolved,
    pub(crate) starts_at_ms: u64,
    pub(crate) ends_at_ms: u64,
    pub(crate) reading: send::Reading,
}

/// How many messages one send may ask for.
pub(crate) fn check_count(count: u64) -> Result<u64, Error> {
    match count {
        1..=Count::MAX => Ok(count),
        _ => Err(Error::invalid("/count", format!("`count` must be from 1 to {}, is {count}", Count::MAX))),
    }
}

impl Team {
    /// Whether nothing is drawn that could still be used.
    pub(crate) fn is_idle(&self) -> bool {
        self.meters.lock().hot.iter().all(|hot| hot.rest == 0)
    }
}

impl Meters {
    fn pair(&self, place: usize) -> Result<(&Hot, &Cold), Error> {
        self.hot.get(place).zip(self.cold.get(place)).ok_or_else(lost_place)
    }

    fn pair_mut(&mut self, place: usize) -> Result<(&mut Hot, &mut Cold), Error> {
        self.hot.get_mut(place).zip(self.cold.get_mut(place)).ok_or_else(lost_place)
    }

    /// Charges `count` to every counter, or to none; none where one of them does not cover it. Also whether one runs low.
    #[inline]
    fn charge(&mut self, places: &[usize], count: u64, now_ms: u64) -> Option<(Decision, bool)> {
        for place in places {
            if !self.hot.get(*place)?.covers(count, now_ms) {
                return None;
            }
        }
        let mut left = u64::MAX;
        let mut low = false;
        for place in places {
            let hot = self.hot.get_mut(*place)?;
            hot.rest -= count;
            hot.used += count;
            low |= hot.rest < hot.low;
            if hot.limit != u64::MAX {
                left = left.min(hot.limit.saturating_sub(hot.used));
            }
        }
        Some((Decision { granted: count, refusal: None, remaining: (left != u64::MAX).then_some(left) }, low))
    }
}

fn lost_place() -> Error {
    Error::new(Code::Internal, "a counter has no place")
}

impl Meter {
    fn holds(&self, at_ms: u64) -> bool {
        (self.starts_at_ms..self.ends_at_ms).contains(&at_ms)
    }

    /// Takes out what was used at an instant, but nothing of the rest; answers how much of it was there.
    fn take_out(&mut self, count: u64, used_at_ms: u64, rest: u64) -> u64 {
        let (used, rest) = if self.holds(used_at_ms) {
            (&mut self.drawn, rest)
        } else {
            match self.past.iter_mut().find(|(until, _)| window::is_of_part(used_at_ms, *until)) {
                Some((_, used)) => (used, 0),
                None => return 0,
            }
        };
        let back = count.min(*used - rest);
        *used -= back;
        back
    }
}

impl Engine {
    /// Prepares sending by an account, on behalf of a member where one is named.
    pub(crate) fn prepare(&self, cell: &Arc<AccountCell>, member: Option<&MemberView>, channel: Channel) -> Result<Prepared, Error> {
        let stamp = cell.stamp(self);
        let view = cell.view(self)?;
        let mut refusal = view.status.refusal();
        if let (None, Some(member)) = (refusal, member) {
            let place = self.tree.load().place(channel.permission());
            refusal = match (member.refusal, place.and_then(|place| member.powers.at(place))) {
                (Some(code), _) => Some(code),
                (None, None) => Some(Code::PermissionDenied),
                (None, Some(_)) => None,
            };
        }
        let mut wanted = Vec::new();
        for above in std::iter::once(cell).chain(&view.above) {
            let view = above.view(self)?;
            wanted.extend(wanted_of(above, &view, channel));
        }
        if let Some(member) = member.and_then(|member| member.member.as_ref()) {
            wanted.extend(self.wanted_of_group(&view, member, channel)?);
        }
        self.hold_places(Prepared {
            stamp,
            refusal,
            account: cell.id.clone(),
            team: view.team.clone(),
            wanted,
            places: Box::default(),
            asked: AtomicBool::new(false),
        })
    }

    /// The cap of a member's group, where it has one; owner and administrators are in none (R-GRP-5).
    fn wanted_of_group(&self, view: &View, member: &Member, channel: Channel) -> Result<Option<Wanted>, Error> {
        let Some(group) = &member.group else { return Ok(None) };
        let mut tx = Tx::new(&*self.backend);
        let Some(group) = tx.get::<Group>(&keys::group(&member.account, group))? else { return Ok(None) };
        let cap = match channel {
            Channel::Email => group.caps.email,
            Channel::Sms => group.caps.sms,
        };
        let (name, window) = match (channel, view.group_cap_period) {
            (Channel::Email, CapPeriod::Month) => ("email_per_month", Window::Month),
            (Channel::Email, CapPeriod::Year) => ("email_per_year", Window::Year),
            (Channel::Sms, CapPeriod::Month) => ("sms_per_month", Window::Month),
            (Channel::Sms, CapPeriod::Year) => ("sms_per_year", Window::Year),
        };
        Ok(Some(Wanted {
            id: MeterId { account: member.account.clone(), scope: MeterScope::Group(group.id), name },
            window,
            resolved: Resolved { limit: cap.unwrap_or(Limit::Unlimited), source: Source::Group },
            stamp: view.stamp,
            zone: view.zone.clone(),
        }))
    }

    /// Finds or makes the counters, and gives them the limits of today.
    fn hold_places(&self, mut prepared: Prepared) -> Result<Prepared, Error> {
        let mut meters = prepared.team.meters.lock();
        let mut places = Vec::with_capacity(prepared.wanted.len());
        for wanted in &prepared.wanted {
            let limit = wanted.resolved.limit.ceiling();
            let place = match meters.places.get(&wanted.id) {
                Some(place) => *place,
                None => {
                    let place = meters.hot.len();
                    // A window that has ended: the first charge looks into the store.
                    meters.hot.push(Hot { ends_at_ms: 0, rest: 0, used: 0, limit, low: 0 });
                    meters.cold.push(Cold {
                        id: wanted.id.clone(),
                        window: wanted.window,
                        source: wanted.resolved.source,
                        stamp: wanted.stamp,
                        meter: Meter::default(),
                        charged: Meter::default(),
                        rest_is_stored: false,
                        version: 0,
                        block: 0,
                        drawn_at_ms: 0,
                    });
                    meters.places.insert(wanted.id.clone(), place);
                    place
                }
            };
            let (hot, cold) = meters.pair_mut(place)?;
            if wanted.stamp >= cold.stamp {
                cold.stamp = wanted.stamp;
                cold.source = wanted.resolved.source;
                hot.limit = limit;
            }
            places.push(place);
        }
        drop(meters);
        prepared.places = places.into_boxed_slice();
        Ok(prepared)
    }

    /// Charges `count` to every counter, or none, when memory alone can tell; none when it cannot.
    #[inline]
    pub(crate) fn charge_in_memory(&self, prepared: &Arc<Prepared>, count: u64) -> Option<Decision> {
        let now_ms = self.clock.now_ms();
        let (decision, low) = prepared.team.meters.lock().charge(&prepared.places, count, now_ms)?;
        if low && !prepared.asked.swap(true, Ordering::AcqRel) {
            self.ask_for_blocks(prepared);
        }
        Some(decision)
    }

    #[cold]
    fn ask_for_blocks(&self, prepared: &Arc<Prepared>) {
        // With a clock that stands still everything is to be the same in every run.
        if !self.has_manual_clock() {
            self.drawer.ask(&self.this, prepared);
        }
    }

    /// Draws the next blocks of the counters that run low.
    pub(crate) fn draw_ahead(&self, prepared: &Prepared) -> Result<(), Error> {
        let _drawing = prepared.team.drawing.lock();
        prepared.asked.store(false, Ordering::Release);
        self.refuse_when_shut()?;
        let now_ms = self.clock.now_ms();
        let mut draws = Vec::new();
        let mut batch = Batch::default();
        {
            let mut meters = prepared.team.meters.lock();
            for place in &prepared.places {
                let (hot, cold) = meters.pair_mut(*place)?;
                if hot.rest < hot.low && now_ms < hot.ends_at_ms {
                    let size = cold.draw_size(hot, 0, now_ms);
                    if size > 0 {
                        push_meter(&mut batch, cold, &Meter { drawn: cold.meter.drawn + size, ..cold.meter.clone() })?;
                        draws.push((*place, size));
                    }
                }
            }
        }
        self.draw(prepared, &batch, &draws).map(drop)
    }

    /// Commits draws and hands them out once they are durable, to whoever holds the lock that is answered.
    fn draw<'p>(&self, prepared: &'p Prepared, batch: &Batch, draws: &[(usize, u64)]) -> Result<MutexGuard<'p, Meters>, Error> {
        if draws.is_empty() {
            return Ok(prepared.team.meters.lock());
        }
        match self.backend.commit(batch) {
            Ok(version) => {
                self.wait_until_durable(version)?;
                let mut meters = prepared.team.meters.lock();
                for (place, size) in draws {
                    let (hot, cold) = meters.pair_mut(*place)?;
                    cold.meter.drawn += size;
                    cold.rest_is_stored = false;
                    cold.version = version;
                    hot.rest += size;
                    hot.low = if cold.block >= DRAWN_AHEAD_FROM { cold.block / 2 } else { 0 };
                }
                Ok(meters)
            }
            Err(CommitError::Conflict) => {
                // Somebody else has written one of them: all are read anew.
                let mut meters = prepared.team.meters.lock();
                for place in &prepared.places {
                    meters.pair_mut(*place)?.0.ends_at_ms = 0;
                }
                Ok(meters)
            }
            Err(CommitError::Store(error)) => Err(self.store_failure(error.into())),
        }
    }

    /// Charges what is asked for to every counter, or nothing, drawing from the store where needed.
    pub(crate) fn charge(&self, prepared: &Arc<Prepared>, ask: Ask) -> Result<Decision, Error> {
        if let Some(decision) = self.charge_in_memory(prepared, ask.count) {
            return Ok(decision);
        }
        let _drawing = prepared.team.drawing.lock();
        for _ in 0..ROUNDS {
            self.refuse_when_shut()?;
            let now_ms = self.clock.now_ms();
            self.roll(prepared, now_ms)?;
            let mut meters = prepared.team.meters.lock();
            let mut readings = Vec::with_capacity(prepared.places.len());
            for place in &prepared.places {
                let (hot, cold) = meters.pair(*place)?;
                readings.push(cold.reading(hot));
            }
            let count = ask.count.min(readings.iter().map(send::Reading::left).min().unwrap_or(u64::MAX)).max(ask.min);
            if let Some(refused) = send::refusal(&readings, count) {
                return explain_refusal(prepared, &meters, &readings, refused);
            }
            let mut draws = Vec::new();
            let mut batch = Batch::default();
            for place in &prepared.places {
                let (hot, cold) = meters.pair_mut(*place)?;
                if hot.rest < count {
                    let size = cold.draw_size(hot, count, now_ms);
                    push_meter(&mut batch, cold, &Meter { drawn: cold.meter.drawn + size, ..cold.meter.clone() })?;
                    draws.push((*place, size));
                }
            }
            if !draws.is_empty() {
                drop(meters);
                meters = self.draw(prepared, &batch, &draws)?;
            }
            // Under the same lock: nobody else takes what was drawn for this send.
            if let Some((decision, _)) = meters.charge(&prepared.places, count, self.clock.now_ms()) {
                return Ok(decision);
            }
        }
        Err(Error::new(Code::Busy, "others keep drawing from the same limits"))
    }

    /// Gives back what was granted at an instant and did not go out, into the windows of that instant that still count (R-QTA-6).
    ///
    /// Answers to how many of the counters something came back. In memory only: after a crash it counts as used.
    pub(crate) fn refund(&self, prepared: &Prepared, count: u64, granted_at_ms: u64) -> Result<usize, Error> {
        let _drawing = prepared.team.drawing.lock();
        self.refuse_when_shut()?;
        self.roll(prepared, self.clock.now_ms())?;
        let mut meters = prepared.team.meters.lock();
        let mut refunded = 0;
        for place in &prepared.places {
            let (hot, cold) = meters.pair_mut(*place)?;
            refunded += usize::from(cold.give_back(hot, count, granted_at_ms) > 0);
        }
        Ok(refunded)
    }

    /// Begins the next window of the counters whose window has ended. The store's window counts where it is still open.
    fn roll(&self, prepared: &Prepared, now_ms: u64) -> Result<(), Error> {
        for (place, wanted) in prepared.places.iter().zip(&prepared.wanted) {
            {
                let meters = prepared.team.meters.lock();
                let (hot, cold) = meters.pair(*place)?;
                if now_ms < hot.ends_at_ms && cold.meter.drawn > 0 {
                    continue;
                }
            }
            let record = self.backend.get(&wanted.id.key())?;
            let version = record.as_ref().map_or(0, |record| record.version);
            let stored: Option<Meter> = match record {
                Some(record) => Some(serde_json::from_slice(&record.value).map_err(|error| {
                    Error::new(Code::StoreCorrupt, format!("the meter `{}` of `{}` cannot be read: {error}", wanted.id.name, wanted.id.account))
                })?),
                None => None,
            };
            let mut meters = prepared.team.meters.lock();
            let (hot, cold) = meters.pair_mut(*place)?;
            if version != cold.version {
                cold.charged = stored.unwrap_or_default();
                cold.rest_is_stored = false;
            } else {
                // Nobody else has written it: what was drawn and not used is known here only.
                cold.charged = cold.without_rest(hot);
                cold.rest_is_stored |= hot.rest > 0;
            }
            let meter = next_window(cold.charged.clone(), wanted.window, now_ms, &wanted.zone)?;
            hot.ends_at_ms = meter.ends_at_ms;
            hot.used = meter.drawn + meter.past.iter().map(|(_, used)| used).sum::<u64>();
            hot.rest = 0;
            cold.meter = meter;
            cold.version = version;
        }
        Ok(())
    }

    /// How every counter stands now.
    pub(crate) fn readings(&self, prepared: &Prepared) -> Result<Vec<MeterReading>, Error> {
        let now_ms = self.clock.now_ms();
        let _drawing = prepared.team.drawing.lock();
        self.roll(prepared, now_ms)?;
        let meters = prepared.team.meters.lock();
        let mut readings = Vec::with_capacity(prepared.places.len());
        for (place, wanted) in prepared.places.iter().zip(&prepared.wanted) {
            let (hot, cold) = meters.pair(*place)?;
            readings.push(MeterReading {
                id: cold.id.clone(),
                resolved: wanted.resolved,
                starts_at_ms: cold.meter.starts_at_ms,
                ends_at_ms: cold.meter.ends_at_ms,
                reading: cold.reading(hot),
            });
        }
        Ok(readings)
    }

    /// What stops `count`, with the readings that say so; charges nothing.
    pub(crate) fn refusal_of(&self, prepared: &Prepared, readings: &[MeterReading], count: u64) -> Result<Option<Refusal>, Error> {
        let plain: Vec<_> = readings.iter().map(|reading| reading.reading.clone()).collect();
        let Some(refused) = send::refusal(&plain, count) else { return Ok(None) };
        let meters = prepared.team.meters.lock();
        Ok(explain_refusal(prepared, &meters, &plain, refused)?.refusal.map(|refusal| *refusal))
    }

    /// Gives back what was drawn for an account's team and not used. From here on nothing is granted from memory.
    pub(crate) fn give_blocks_back(&self, team: &Team) -> Result<(), Error> {
        let _drawing = team.drawing.lock();
        let mut batches = vec![Batch::default()];
        {
            let mut meters = team.meters.lock();
            let Meters { hot, cold, .. } = &mut *meters;
            for (hot, cold) in hot.iter_mut().zip(cold) {
                if batches.last().is_none_or(|batch| batch.writes.len() >= GIVEN_BACK_AT_ONCE) {
                    batches.push(Batch::default());
                }
                let Some(batch) = batches.last_mut() else { continue };
                if hot.rest > 0 || cold.rest_is_stored {
                    push_meter(batch, cold, &cold.without_rest(hot))?;
                }
                // Drawn anew, from the store, by whoever is still there.
                *hot = Hot { ends_at_ms: 0, rest: 0, ..*hot };
                cold.version = u64::MAX;
            }
        }
        for batch in batches.into_iter().filter(|batch| !batch.writes.is_empty()) {
            if !self.is_given_back(&batch)? {
                for (write, expected) in batch.writes.into_iter().zip(batch.expected) {
                    self.is_given_back(&Batch { writes: vec![write], expected: vec![expected], ..Batch::default() })?;
                }
            }
        }
        Ok(())
    }

    /// Not where another has written one of the records since, as when its account was deleted: then it counts as spent.
    fn is_given_back(&self, batch: &Batch) -> Result<bool, Error> {
        match self.backend.commit(batch) {
            Ok(_) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }
}

/// The counters of one account.
fn wanted_of<'a>(cell: &'a AccountCell, view: &'a View, channel: Channel) -> impl Iterator<Item = Wanted> + 'a {
    channel.limits().into_iter().filter_map(|limit| {
        Some(Wanted {
            id: MeterId { account: cell.id.clone(), scope: MeterScope::Account, name: limit.name() },
            window: limit.window()?,
            resolved: view.limit(limit),
            stamp: view.stamp,
            zone: view.zone.clone(),
        })
    })
}

/// The window that is drawn from at `now_ms`, after the last one that was charged.
fn next_window(mut last: Meter, kind: Window, now_ms: u64, zone: &TimeZone) -> Result<Meter, Error> {
    if kind == Window::RollingHour {
        last.past.retain(|(until, _)| now_ms < *until);
    }
    if now_ms < last.ends_at_ms {
        return Ok(last);
    }
    let (starts_at_ms, ends_at_ms) = window::bounds_after(kind, last.ends_at_ms, now_ms, zone)
        .ok_or_else(|| Error::new(Code::Internal, format!("no calendar has the time {now_ms} ms")))?;
    let mut past = Vec::new();
    if kind == Window::RollingHour {
        past = last.past;
        let until = window::counts_until(last.ends_at_ms);
        if last.drawn > 0 && now_ms < until {
            past.push((until, last.drawn));
        }
    }
    Ok(Meter { starts_at_ms, ends_at_ms, drawn: 0, past })
}

fn explain_refusal(prepared: &Prepared, meters: &Meters, readings: &[send::Reading], refused: send::Refused) -> Result<Decision, Error> {
    let remaining = readings.iter().filter(|reading| reading.limit != u64::MAX).map(send::Reading::left).min();
    let place = prepared.places.get(refused.index).ok_or_else(lost_place)?;
    let (hot, cold) = meters.pair(*place)?;
    let limit = BindingLimit {
        name: cold.id.name.to_owned(),
        scope: cold.id.scope_name(&prepared.account).to_owned(),
        subject: cold.id.subject().to_string(),
        value: hot.limit,
        used: hot.used,
        source: cold.source.name().to_owned(),
    };
    Ok(Decision::refused(Refusal { code: refused.code, limit: Some(limit), retry_at_ms: refused.retry_at_ms }, remaining))
}

fn push_meter(batch: &mut Batch, cold: &Cold, meter: &Meter) -> Result<(), Error> {
    let bytes = serde_json::to_vec(meter).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
    let key = cold.id.key();
    batch.expected.push((key.clone(), cold.version));
    batch.writes.push((key, Some(bytes)));
    Ok(())
}
