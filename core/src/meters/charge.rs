//! A send is charged to all its counters, or to none: from memory, or with draws from the store.

use crate::error::Error;
use crate::meters::allowance::Allowance;
use crate::meters::ask::Ask;
use crate::meters::draw::{Draw, ROUNDS, push_draw};
use crate::meters::pace::PaceSlots;
use crate::meters::paid::Paid;
use crate::meters::prepared::Prepared;
use crate::meters::store::MeterStore;
use crate::meters::team::Locked;
use crate::model::{Decision, OverLimit};
use crate::rules::{send, threshold};
use crate::tables::reservations;
use std::sync::Arc;
use tenantry_store::Batch;

/// What has come of a send that is charged with draws.
enum Outcome {
    Charged(Decision, Paid),
    DoesNotFit,
    /// Others have committed something that is to be applied first.
    Overtaken,
}

impl Prepared {
    /// Charges `count` to every counter, or none, when memory alone can tell, and says how many are
    /// left; none when it cannot.
    #[inline]
    pub(crate) fn charge_in_memory(
        self: &Arc<Self>,
        store: &impl MeterStore,
        count: u64,
    ) -> Option<u64> {
        self.charge_in_memory_at(store, count, store.kernel().clock.now_ms())
    }

    /// As [`charge_in_memory`](Prepared::charge_in_memory), for whoever has looked at the clock.
    #[inline]
    pub(crate) fn charge_in_memory_at(
        self: &Arc<Self>,
        store: &impl MeterStore,
        count: u64,
        now_ms: u64,
    ) -> Option<u64> {
        self.take_shared(count, now_ms)
            .or_else(|| self.charge_meters(store, &self.allowance, count, now_ms))
    }

    /// As [`charge_in_memory`](Prepared::charge_in_memory), for a sender with an allowance of its
    /// own that does not suffice.
    pub(crate) fn charge_meters(
        self: &Arc<Self>,
        store: &impl MeterStore,
        allowance: &Arc<Allowance>,
        count: u64,
        now_ms: u64,
    ) -> Option<u64> {
        if now_ms >= self.until_ms {
            return None;
        }
        let (left, low) = self
            .team
            .meters()
            .charge_or_leave(self, allowance, count, now_ms)?;
        if low {
            self.ask_for_blocks(store);
        }
        Some(left)
    }

    /// Charges what is asked for to every counter, or nothing, drawing from the store where needed.
    pub(crate) fn charge(
        self: &Arc<Self>,
        store: &impl MeterStore,
        ask: Ask,
    ) -> Result<Decision, Error> {
        let left = if ask.later.is_some() {
            None
        } else {
            self.charge_in_memory(store, ask.count)
        };
        if let Some(left) = left {
            return Ok(Decision::granted(ask.count, left));
        }
        if let Some(refused) = self.refused_in_memory(store, ask)? {
            return Ok(refused);
        }
        self.charge_with_credits(store, ask, 0)
            .map(|(decision, _)| decision)
    }

    /// Charges what is asked for, or as much of it as fits and can be paid for with so many
    /// credits; answers how many of them are owed for it, which are not charged to the account's
    /// own limits.
    pub(crate) fn charge_with_credits(
        self: &Arc<Self>,
        store: &impl MeterStore,
        ask: Ask,
        credits: u64,
    ) -> Result<(Decision, Paid), Error> {
        for _ in 0..ROUNDS {
            match self.charge_now(store, ask, credits)? {
                Outcome::Charged(decision, paid) => return Ok((decision, paid)),
                Outcome::DoesNotFit => {}
                Outcome::Overtaken => {
                    store.catch_up(self)?;
                    continue;
                }
            }
            let commit = self
                .asks_store(store)
                .then(|| store.kernel().backend.last_commit());
            let coming = store.coming(self)?;
            let mut state = self.limit_state(store, ask.min, coming, None)?;
            if ask.later.is_some() {
                state.readings.retain(|reading| !reading.is_pace);
            }
            if let Some(refusal) = state.refusal(&self.account, ask.min) {
                let refused = Decision::refused(Arc::new(refusal), state.remaining());
                self.remember(store.kernel(), &state, ask, &refused, commit, None);
                return Ok((refused, Paid::default()));
            }
            // Something has come back meanwhile.
        }
        Err(Error::busy(
            "Other callers keep drawing from the same limits; try again.",
        ))
    }

    /// As [`charge_with_credits`](Prepared::charge_with_credits). What was drawn while others
    /// lowered a limit is not used by whoever drew it: they may have looked at the counters before.
    fn charge_now(
        self: &Arc<Self>,
        store: &impl MeterStore,
        ask: Ask,
        credits: u64,
    ) -> Result<Outcome, Error> {
        let _drawing = self.team.drawing.lock();
        for _ in 0..ROUNDS {
            store.kernel().refuse_when_shut()?;
            self.team.refuse_when_ended()?;
            if store.kernel().is_behind() {
                return Ok(Outcome::Overtaken);
            }
            let now_ms = store.kernel().clock.now_ms();
            self.roll(store, now_ms)?;
            let Some(slots) = self.take_paces(store, now_ms)? else {
                continue;
            };
            let mut meters = self.team.meters();
            let readings =
                meters.with_slots(&slots, |meters| meters.readings_now(self, ask, now_ms))?;
            let count = ask.count.min(send::most(&readings, credits));
            let granted = if count < ask.min { 0 } else { count };
            let paid = send::excess(&readings, granted);
            let (draws, mut batch) = self.draws(store, &mut meters, ask, granted, paid, now_ms)?;
            slots.push_taken(&mut batch, granted, now_ms)?;
            if !batch.writes.is_empty() {
                drop(meters);
                let Some(drawn) = self.draw(store, batch, &draws)? else {
                    continue;
                };
                meters = drawn;
            }
            if count < ask.min {
                return Ok(Outcome::DoesNotFit);
            }
            // Under the same lock: nobody else takes what was drawn for this send.
            let charged =
                self.charge_drawn(store, &mut meters, &slots, ask, (count, paid, credits))?;
            if let Some(charged) = charged {
                return Ok(charged);
            }
            drop(meters);
            slots.refund_slots(self, store, ask, count, now_ms)?;
        }
        Err(Error::busy(
            "Other callers keep drawing from the same limits; try again.",
        ))
    }

    /// Charges what was drawn; none where the window has ended meanwhile, or was closed.
    fn charge_drawn(
        self: &Arc<Self>,
        store: &impl MeterStore,
        meters: &mut Locked<'_>,
        slots: &PaceSlots,
        ask: Ask,
        (count, paid, credits): (u64, u64, u64),
    ) -> Result<Option<Outcome>, Error> {
        let now_ms = store.kernel().clock.now_ms();
        let charged = meters.with_slots(slots, |meters| match ask.later.is_some() {
            true => meters.charge_for_later(self, count, paid, credits - paid, now_ms),
            false => meters.charge(self, count, paid, credits - paid, now_ms),
        });
        let Some((left, is_low)) = charged else {
            return Ok(None);
        };
        if is_low {
            self.ask_for_blocks(store);
        }
        let lifted = if paid > 0 {
            meters.lifted(self)?
        } else {
            Vec::new()
        };
        let paid = Paid {
            amount: paid,
            lifted: Some(lifted),
        };
        let decision = Decision::granted(count, left);
        Ok(Some(Outcome::Charged(decision, paid)))
    }

    /// What is to be drawn for a send, and the thresholds that it reaches.
    fn draws(
        &self,
        store: &impl MeterStore,
        meters: &mut Locked<'_>,
        ask: Ask,
        granted: u64,
        paid: u64,
        now_ms: u64,
    ) -> Result<(Vec<Draw>, Batch), Error> {
        let (mut draws, mut batch) = (Vec::new(), Batch::default());
        let mut alerts = store.kernel().tx();
        // Who begins to send would have the next block drawn at once: it is drawn along. With a
        // clock that stands still nothing is drawn ahead.
        let processes = store.kernel().processes();
        let along = match store.kernel().has_manual_clock() {
            true => 0,
            false => meters.least_ahead(self, processes)?,
        };
        for (place, wanted) in self.places.iter().zip(&self.wanted) {
            let (hot, cold) = meters.pair(*place)?;
            let is_paid = paid > 0 && self.lifts(wanted);
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
                    cold.start_with(along);
                    cold.draw_size(hot, granted, processes, now_ms)
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
                    reservations::open_in_tree(&mut store.kernel().tx(), cold.id.account.as_ref())?;
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
