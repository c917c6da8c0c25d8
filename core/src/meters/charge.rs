//! A send is charged to all its counters, or to none: from memory, or with draws from the store.

use crate::access::state::Engine;
use crate::error::Error;
use crate::meters::allowance::Allowance;
use crate::meters::ask::Ask;
use crate::meters::draw::{Draw, ROUNDS, push_draw};
use crate::meters::paid::Paid;
use crate::meters::prepared::Prepared;
use crate::meters::team::Locked;
use crate::model::{Decision, OverLimit};
use crate::rules::{send, threshold};
use crate::tables::reservations;
use std::sync::Arc;
use tenantry_store::Batch;

impl Engine {
    /// Charges `count` to every counter, or none, when memory alone can tell, and says how many are
    /// left; none when it cannot.
    #[inline]
    pub(crate) fn charge_in_memory(&self, prepared: &Arc<Prepared>, count: u64) -> Option<u64> {
        self.charge_in_memory_at(prepared, count, self.kernel.clock.now_ms())
    }

    /// As [`charge_in_memory`](Engine::charge_in_memory), for whoever has looked at the clock.
    #[inline]
    pub(crate) fn charge_in_memory_at(
        &self,
        prepared: &Arc<Prepared>,
        count: u64,
        now_ms: u64,
    ) -> Option<u64> {
        prepared
            .take_shared(count, now_ms)
            .or_else(|| self.charge_meters(prepared, &prepared.allowance, count, now_ms))
    }

    /// As [`charge_in_memory`](Engine::charge_in_memory), for a sender with an allowance of its own
    /// that does not suffice.
    pub(crate) fn charge_meters(
        &self,
        prepared: &Arc<Prepared>,
        allowance: &Arc<Allowance>,
        count: u64,
        now_ms: u64,
    ) -> Option<u64> {
        if now_ms >= prepared.until_ms {
            return None;
        }
        let (left, low) = prepared
            .team
            .meters()
            .charge_or_leave(prepared, allowance, count, now_ms)?;
        if low {
            self.ask_for_blocks(prepared);
        }
        Some(left)
    }

    /// Charges what is asked for to every counter, or nothing, drawing from the store where needed.
    pub(crate) fn charge(&self, prepared: &Arc<Prepared>, ask: Ask) -> Result<Decision, Error> {
        let left = if ask.later.is_some() {
            None
        } else {
            self.charge_in_memory(prepared, ask.count)
        };
        if let Some(left) = left {
            return Ok(Decision::granted(ask.count, left));
        }
        if let Some(refused) = self.refused_in_memory(prepared, ask)? {
            return Ok(refused);
        }
        self.charge_but(prepared, ask, 0)
            .map(|(decision, _)| decision)
    }

    /// Charges what is asked for, or as much of it as fits and can be paid for with so many
    /// credits; answers how many of them are owed for it, which are not charged to the account's
    /// own limits.
    pub(crate) fn charge_but(
        &self,
        prepared: &Arc<Prepared>,
        ask: Ask,
        credits: u64,
    ) -> Result<(Decision, Paid), Error> {
        for _ in 0..ROUNDS {
            if let Some(charged) = self.charge_now(prepared, ask, credits)? {
                return Ok(charged);
            }
            let commit = self
                .asks_store(prepared)
                .then(|| self.kernel.backend.last_commit());
            let coming = self.coming(prepared)?;
            let mut state = self.limit_state(prepared, ask.min, coming, None)?;
            if ask.later.is_some() {
                state.readings.retain(|reading| !reading.is_pace);
            }
            if let Some(refusal) = state.refusal(&prepared.account, ask.min) {
                let refused = Decision::refused(Arc::new(refusal), state.remaining());
                prepared.remember(&state, ask, &refused, commit);
                return Ok((refused, Paid::default()));
            }
            // Something has come back meanwhile.
        }
        Err(Error::busy(
            "Others keep drawing from the same limits; try again.",
        ))
    }

    /// As [`charge_but`](Engine::charge_but); none where it does not fit.
    fn charge_now(
        &self,
        prepared: &Arc<Prepared>,
        ask: Ask,
        credits: u64,
    ) -> Result<Option<(Decision, Paid)>, Error> {
        let _drawing = prepared.team.drawing.lock();
        for _ in 0..ROUNDS {
            self.kernel.refuse_when_shut()?;
            prepared.team.refuse_when_ended()?;
            let now_ms = self.kernel.clock.now_ms();
            self.roll(prepared, now_ms)?;
            if !self.take_paces(prepared, now_ms)? {
                continue;
            }
            let mut meters = prepared.team.meters();
            let readings = meters.as_they_stand(prepared, ask, now_ms)?;
            let count = ask.count.min(send::most(&readings, credits));
            let granted = if count < ask.min { 0 } else { count };
            let paid = send::excess(&readings, granted);
            let (draws, batch) = self.draws(&mut meters, prepared, ask, granted, paid, now_ms)?;
            if !draws.is_empty() {
                drop(meters);
                meters = self.draw(prepared, &batch, &draws)?;
            }
            if count < ask.min {
                return Ok(None);
            }
            // Under the same lock: nobody else takes what was drawn for this send.
            let now_ms = self.kernel.clock.now_ms();
            let charged = match ask.later.is_some() {
                true => meters.charge_for_later(prepared, count, paid, credits - paid, now_ms),
                false => meters.charge(prepared, count, paid, credits - paid, now_ms),
            };
            if let Some((left, is_low)) = charged {
                if is_low {
                    self.ask_for_blocks(prepared);
                }
                let lifted = if paid > 0 {
                    meters.lifted(prepared)?
                } else {
                    Vec::new()
                };
                return Ok(Some((
                    Decision::granted(count, left),
                    Paid {
                        amount: paid,
                        lifted: Some(lifted),
                    },
                )));
            }
        }
        Err(Error::busy(
            "Others keep drawing from the same limits; try again.",
        ))
    }

    /// What is to be drawn for a send, and the thresholds that it reaches.
    fn draws(
        &self,
        meters: &mut Locked<'_>,
        prepared: &Prepared,
        ask: Ask,
        granted: u64,
        paid: u64,
        now_ms: u64,
    ) -> Result<(Vec<Draw>, Batch), Error> {
        let (mut draws, mut batch) = (Vec::new(), Batch::default());
        let mut alerts = self.kernel.tx();
        for (place, wanted) in prepared.places.iter().zip(&prepared.wanted) {
            let (hot, cold) = meters.pair(*place)?;
            let is_paid = paid > 0 && prepared.lifts(wanted);
            let granted = granted.saturating_sub(if is_paid { paid } else { 0 });
            // Nothing is written of a window that nobody charged.
            let alert = threshold::crossed(
                &cold.alert_at,
                cold.limit,
                hot.used.saturating_add(granted),
                cold.meter.alerted,
            )
            .filter(|_| granted > 0 || cold.meter.is_charged() || !cold.meter.past.is_empty());
            if hot.unspent < granted || alert.is_some() || (is_paid && !cold.meter.paid) {
                let (hot, cold) = meters.pair_mut(*place)?;
                let size = if hot.unspent < granted {
                    cold.draw_size(hot, granted, now_ms)
                } else {
                    0
                };
                let (alerted, paid) = (
                    alert.unwrap_or(cold.meter.alerted),
                    is_paid || cold.meter.paid,
                );
                draws.push(Draw {
                    place: *place,
                    size,
                    alerted,
                    paid,
                });
                push_draw(&mut batch, cold, &draws)?;
            }
            let (hot, cold) = meters.pair(*place)?;
            if let Some(percent) = alert.filter(|_| cold.over != OverLimit::Shadow) {
                let open =
                    reservations::open_in_tree(&mut self.kernel.tx(), cold.id.account.as_ref())?;
                let reading =
                    cold.reading_with(hot, granted, ask.later, &open, wanted.takes_credits());
                alerts.enqueue_message(&cold.alert(percent, &reading, now_ms))?;
            }
        }
        if let Some(messages) = alerts.finish().0 {
            batch.writes.extend(messages.writes);
            batch.expected.extend(messages.expected);
        }
        Ok((draws, batch))
    }
}
