//! Meters: what may still go out, decided and charged in one step.
//!
//! The store is charged ahead for a block of each counter, and a send spends the block in memory. A clean close gives
//! the rest back; after a crash what was drawn counts as spent. So nothing is ever sent beyond a limit, and what a crash
//! can cost is one block for each counter, or the largest send that was asked for where that is more.

use super::view::{AccountCell, MAX_DEPTH, View};
use super::{Engine, keys};
use crate::error::{Code, Error};
use crate::model::{Count, LimitName, Meter};
use crate::rules::{send, window};
use crate::store::{Batch, CommitError};
use parking_lot::MutexGuard;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A counter draws at most this much ahead of an unlimited window.
const BLOCK_MAX: u64 = 4096;
/// A block is at most this part of its limit: what a crash can cost.
const BLOCK_PART: u64 = 50;
/// A counter that drew less than this ago draws twice as much.
const DRAW_AGAIN_MS: u64 = 1000;
/// How often a draw is tried against others that draw from the same records.
const ROUNDS: usize = 16;

/// The counters of one account.
pub(crate) struct Meters {
    /// The stamp of the view that the limits were taken from.
    stamp: u64,
    counters: [Counter; LimitName::SENDING.len()],
}

#[derive(Clone, Copy, Default)]
struct Counter {
    starts_at_ms: u64,
    ends_at_ms: u64,
    limit: u64,
    /// Charged in the store.
    drawn: u64,
    /// Charged in the store and not yet used.
    rest: u64,
    /// The version of the stored record.
    version: u64,
    block: u64,
    drawn_at_ms: u64,
}

impl Default for Meters {
    fn default() -> Meters {
        Meters { stamp: u64::MAX, counters: Default::default() }
    }
}

impl Counter {
    fn used(&self) -> u64 {
        self.drawn - self.rest
    }

    fn reading(&self) -> send::Reading {
        send::Reading { limit: self.limit, used: self.used(), ends_at_ms: self.ends_at_ms }
    }

    #[inline]
    fn covers(&self, count: u64, now_ms: u64) -> bool {
        now_ms < self.ends_at_ms && count <= self.rest && count <= self.limit.saturating_sub(self.used())
    }

    /// How much to draw so that `count` fit: more when draws come quickly, and never beyond the limit.
    fn draw_size(&mut self, count: u64, now_ms: u64) -> u64 {
        let quick = now_ms.saturating_sub(self.drawn_at_ms) < DRAW_AGAIN_MS;
        let most = (self.limit / BLOCK_PART).clamp(1, BLOCK_MAX);
        self.block = if quick { self.block.saturating_mul(2) } else { self.block / 2 }.clamp(1, most);
        self.drawn_at_ms = now_ms;
        self.block.max(count - self.rest).min(self.limit - self.drawn.min(self.limit))
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
    /// Whose it is: the `account` that sends, or an `ancestor`.
    pub scope: String,
    /// The id of that account.
    pub subject: String,
    /// The value of the limit.
    pub value: u64,
    /// How much of it is used.
    pub used: u64,
    /// Where the value comes from: `override`, `package`, `inherited` or `platform_default`.
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
    pub(crate) cell: Arc<AccountCell>,
    pub(crate) view: Arc<View>,
    pub(crate) name: LimitName,
    pub(crate) starts_at_ms: u64,
    pub(crate) reading: send::Reading,
}

/// How many messages one send may ask for.
pub(crate) fn check_count(count: u64) -> Result<u64, Error> {
    match count {
        1..=Count::MAX => Ok(count),
        _ => Err(Error::invalid("/count", format!("`count` must be from 1 to {}, is {count}", Count::MAX))),
    }
}

type Locked<'a> = [Option<MutexGuard<'a, Meters>>; MAX_DEPTH];

/// Locks the meters of a line. Everyone locks from a child up to its top, so nobody waits in a circle.
#[inline]
fn lock(line: &[Arc<AccountCell>]) -> Locked<'_> {
    let mut locked: Locked<'_> = Default::default();
    for (slot, cell) in locked.iter_mut().zip(line) {
        *slot = Some(cell.meters.lock());
    }
    locked
}

fn counters<'l>(locked: &'l mut Locked<'_>) -> impl Iterator<Item = &'l mut Counter> {
    locked.iter_mut().flatten().flat_map(|meters| meters.counters.iter_mut())
}

fn charge(locked: &mut Locked<'_>, count: u64) -> Option<u64> {
    let mut left = u64::MAX;
    for counter in counters(locked) {
        counter.rest -= count;
        if counter.limit != u64::MAX {
            left = left.min(counter.limit.saturating_sub(counter.used()));
        }
    }
    (left != u64::MAX).then_some(left)
}

impl Engine {
    /// Charges `count` to every counter of the line, or none, when memory alone can tell; none when it cannot.
    #[inline]
    pub(crate) fn charge_in_memory(&self, line: &[Arc<AccountCell>], count: u64) -> Option<Decision> {
        let now_ms = self.clock.now_ms();
        self.charge_locked(&mut lock(line), line, count, now_ms)
    }

    #[inline]
    fn charge_locked(&self, locked: &mut Locked<'_>, line: &[Arc<AccountCell>], count: u64, now_ms: u64) -> Option<Decision> {
        for (meters, cell) in locked.iter().flatten().zip(line) {
            if meters.stamp != cell.stamp(self) || !meters.counters.iter().all(|counter| counter.covers(count, now_ms)) {
                return None;
            }
        }
        Some(Decision { granted: count, refusal: None, remaining: charge(locked, count) })
    }

    /// Charges `count` to every counter of the line, or none, drawing from the store where needed.
    pub(crate) fn charge(&self, line: &[Arc<AccountCell>], count: u64) -> Result<Decision, Error> {
        if let Some(decision) = self.charge_in_memory(line, count) {
            return Ok(decision);
        }
        let _drawing: Vec<_> = line.iter().map(|cell| cell.drawing.lock()).collect();
        for _ in 0..ROUNDS {
            self.refuse_when_shut()?;
            let now_ms = self.clock.now_ms();
            for cell in line {
                self.bring_up_to_date(cell, now_ms)?;
            }
            let mut locked = lock(line);
            let readings: Vec<_> = counters(&mut locked).map(|counter| counter.reading()).collect();
            if let Some(refused) = send::refusal(&readings, count) {
                drop(locked);
                return self.explain_refusal(line, &readings, refused);
            }
            let draws = plan_draws(&mut locked, count, now_ms);
            if draws.iter().all(|draw| *draw == 0) {
                return Ok(Decision { granted: count, refusal: None, remaining: charge(&mut locked, count) });
            }
            let batch = draw_batch(line, &mut locked, &draws)?;
            drop(locked);
            match self.backend.commit(&batch) {
                Ok(version) => {
                    self.wait_until_durable(version)?;
                    let mut locked = lock(line);
                    for (counter, draw) in counters(&mut locked).zip(&draws).filter(|(_, draw)| **draw > 0) {
                        counter.drawn += draw;
                        counter.rest += draw;
                        counter.version = version;
                    }
                    // Under the same lock: nobody else takes what was drawn for this send.
                    if let Some(decision) = self.charge_locked(&mut locked, line, count, self.clock.now_ms()) {
                        return Ok(decision);
                    }
                }
                Err(CommitError::Conflict) => lock(line).iter_mut().flatten().for_each(|meters| **meters = Meters::default()),
                Err(CommitError::Store(error)) => return Err(self.store_failure(error.into())),
            }
        }
        Err(Error::new(Code::Busy, "others keep drawing from the same limits"))
    }

    /// Takes limits from the view and rolls windows that have ended. The store's window counts where it is still open.
    fn bring_up_to_date(&self, cell: &Arc<AccountCell>, now_ms: u64) -> Result<Arc<View>, Error> {
        let stamp = cell.stamp(self);
        let view = cell.view(self)?;
        let mut meters = cell.meters.lock();
        for ((counter, name), resolved) in meters.counters.iter_mut().zip(LimitName::SENDING).zip(&view.limits) {
            counter.limit = resolved.limit.ceiling();
            if now_ms < counter.ends_at_ms {
                continue;
            }
            let record = self.backend.get(&keys::meter(&cell.id, name))?;
            let version = record.as_ref().map_or(0, |record| record.version);
            let stored: Option<Meter> = match record {
                Some(record) => Some(serde_json::from_slice(&record.value).map_err(|error| {
                    Error::new(Code::StoreCorrupt, format!("the meter `{}` of `{}` cannot be read: {error}", name.name(), cell.id))
                })?),
                None => None,
            };
            let current = match stored {
                Some(meter) if now_ms < meter.ends_at_ms => meter,
                _ => {
                    let last_ends_at_ms = stored.map_or(0, |meter| meter.ends_at_ms);
                    let (starts_at_ms, ends_at_ms) = name.window().and_then(|kind| window::bounds_after(kind, last_ends_at_ms, now_ms, &view.zone))
                        .ok_or_else(|| Error::new(Code::Internal, format!("no calendar has the time {now_ms} ms")))?;
                    Meter { starts_at_ms, ends_at_ms, drawn: 0 }
                }
            };
            counter.starts_at_ms = current.starts_at_ms;
            counter.ends_at_ms = current.ends_at_ms;
            counter.drawn = current.drawn;
            counter.rest = 0;
            counter.version = version;
        }
        meters.stamp = stamp;
        Ok(view)
    }

    pub(crate) fn explain_refusal(&self, line: &[Arc<AccountCell>], readings: &[send::Reading], refused: send::Refused) -> Result<Decision, Error> {
        let remaining = readings.iter().filter(|reading| reading.limit != u64::MAX).map(send::Reading::left).min();
        let level = refused.index / LimitName::SENDING.len();
        let place = refused.index % LimitName::SENDING.len();
        let limit = match (line.get(level), LimitName::SENDING.get(place), readings.get(refused.index)) {
            (Some(cell), Some(name), Some(reading)) => Some(BindingLimit {
                name: name.name().to_owned(),
                scope: scope_name(level).to_owned(),
                subject: cell.id.to_string(),
                value: reading.limit,
                used: reading.used,
                source: cell.view(self)?.limits.get(place).map_or("", |resolved| resolved.source.name()).to_owned(),
            }),
            _ => None,
        };
        Ok(Decision::refused(Refusal { code: refused.code, limit, retry_at_ms: refused.retry_at_ms }, remaining))
    }

    /// How every counter of the line stands now.
    pub(crate) fn readings(&self, line: &[Arc<AccountCell>]) -> Result<Vec<MeterReading>, Error> {
        let now_ms = self.clock.now_ms();
        let _drawing: Vec<_> = line.iter().map(|cell| cell.drawing.lock()).collect();
        let mut readings = Vec::new();
        for cell in line {
            let view = self.bring_up_to_date(cell, now_ms)?;
            let meters = cell.meters.lock();
            readings.extend(meters.counters.iter().zip(LimitName::SENDING).map(|(counter, name)| MeterReading {
                cell: cell.clone(),
                view: view.clone(),
                name,
                starts_at_ms: counter.starts_at_ms,
                reading: counter.reading(),
            }));
        }
        Ok(readings)
    }

    /// Gives back what was drawn and not used. From here on nothing is granted from memory.
    pub(crate) fn give_blocks_back(&self) -> Result<(), Error> {
        for cell in self.cells.all() {
            let _drawing = cell.drawing.lock();
            let mut batch = Batch::default();
            {
                let mut meters = cell.meters.lock();
                for (counter, name) in meters.counters.iter_mut().zip(LimitName::SENDING).filter(|(counter, _)| counter.rest > 0) {
                    counter.drawn -= counter.rest;
                    counter.rest = 0;
                    push_meter(&mut batch, &cell, name, counter, 0)?;
                }
                *meters = Meters::default();
            }
            if !batch.writes.is_empty() {
                match self.backend.commit(&batch) {
                    Ok(_) | Err(CommitError::Conflict) => {}
                    Err(CommitError::Store(error)) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

/// Whose limit it is, by the place in the line.
pub(crate) fn scope_name(level: usize) -> &'static str {
    if level == 0 { "account" } else { "ancestor" }
}

fn plan_draws(locked: &mut Locked<'_>, count: u64, now_ms: u64) -> Vec<u64> {
    counters(locked).map(|counter| if counter.rest < count { counter.draw_size(count, now_ms) } else { 0 }).collect()
}

fn draw_batch(line: &[Arc<AccountCell>], locked: &mut Locked<'_>, draws: &[u64]) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    let names = line.iter().flat_map(|cell| LimitName::SENDING.map(|name| (cell, name)));
    for ((counter, (cell, name)), draw) in counters(locked).zip(names).zip(draws).filter(|(_, draw)| **draw > 0) {
        push_meter(&mut batch, cell, name, counter, *draw)?;
    }
    Ok(batch)
}

fn push_meter(batch: &mut Batch, cell: &AccountCell, name: LimitName, counter: &Counter, draw: u64) -> Result<(), Error> {
    let meter = Meter { starts_at_ms: counter.starts_at_ms, ends_at_ms: counter.ends_at_ms, drawn: counter.drawn + draw };
    let bytes = serde_json::to_vec(&meter).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
    let key = keys::meter(&cell.id, name);
    batch.expected.push((key.clone(), counter.version));
    batch.writes.push((key, Some(bytes)));
    Ok(())
}
