//! Refusals from memory: who keeps asking is answered for little more than a grant costs.
//!
//! What a refusal says depends on the meters, on the time, and on what may come back by itself:
//! open reservations and credits, which only the store has. So it is remembered together with how
//! often the meters had been changed, until when nothing turns by itself, and where the store has a
//! say with its last commit. Without reservations and credits the first refusal, too, needs no
//! look into the store.

use super::{
    Ask, Coming, Decision, Meters, Prepared, Refusal, Standing, Wanted, next_window,
};
use crate::engine::Engine;
use crate::error::Error;
use crate::locks::{AtomicU64, MutexGuard};
use crate::rules::{send, threshold};
use arc_swap::ArcSwapOption;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

/// The meters under their lock, with nothing lent of them. It counts how often they may have been
/// changed: only what looks at them leaves the number as it is.
pub(super) struct Locked<'t> {
    meters: MutexGuard<'t, Meters>,
    changes: &'t AtomicU64,
}

impl<'t> Locked<'t> {
    pub(super) fn new(meters: MutexGuard<'t, Meters>, changes: &'t AtomicU64) -> Locked<'t> {
        let mut locked = Locked { meters, changes };
        if locked.meters.lent.is_some() {
            locked.take_back();
        }
        locked
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Whoever looks at the number without the lock comes before the change or sees it.
    #[inline]
    fn count_change(&self) {
        self.changes
            .store(self.changes.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Charges what memory covers; what it does not cover changes nothing.
    #[inline]
    pub(super) fn charge_or_leave(
        &mut self,
        prepared: &Prepared,
        count: u64,
        now_ms: u64,
    ) -> Option<(u64, bool)> {
        let charged = self
            .meters
            .charge(prepared, count, 0, prepared.credits, now_ms)?;
        self.count_change();
        Some(charged)
    }
}

impl Deref for Locked<'_> {
    type Target = Meters;

    #[inline]
    fn deref(&self) -> &Meters {
        &self.meters
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Meters {
        self.count_change();
        &mut self.meters
    }
}

/// A refusal, and for what it holds.
pub(crate) struct Refused {
    count: u64,
    from_ms: u64,
    until_ms: u64,
    changes: u64,
    /// The last commit before the store was looked at; none where it has no say.
    commit: Option<u64>,
    pub(crate) refusal: Arc<Refusal>,
    pub(crate) remaining: Option<u64>,
}

/// The last refusal of a sender.
#[derive(Default)]
pub(super) struct Remembered {
    last: ArcSwapOption<Refused>,
    /// With how many changes of the meters it holds: one look where there is none.
    changes: AtomicU64,
    /// Why nothing at all may go out.
    before_limits: OnceLock<Arc<Refusal>>,
}

impl Prepared {
    /// Why nothing at all may go out, whatever the limits are.
    pub(crate) fn refused_before_limits(&self) -> Option<Arc<Refusal>> {
        let code = self.refusal?;
        let refusal = || Arc::new(Refusal::of(code));
        Some(self.remembered.before_limits.get_or_init(refusal).clone())
    }

    /// Remembers a refusal; of what the store says nothing changes without a commit.
    pub(super) fn remember(
        &self,
        standing: &Standing,
        ask: Ask,
        decision: &Decision,
        commit: Option<u64>,
    ) {
        let Some(refusal) = decision.refusal.clone().filter(|_| is_plain(ask)) else {
            return;
        };
        let refused = Refused {
            count: ask.count,
            from_ms: standing.at_ms,
            until_ms: standing.turns_at_ms().min(self.until_ms),
            changes: standing.changes,
            commit,
            refusal,
            remaining: decision.remaining,
        };
        let changes = refused.changes;
        self.remembered.last.store(Some(Arc::new(refused)));
        self.remembered.changes.store(changes, Ordering::Release);
    }

    /// The refusal of such a send that still holds.
    #[inline]
    pub(crate) fn remembered(
        &self,
        engine: &Engine,
        count: u64,
        now_ms: u64,
    ) -> Option<Arc<Refused>> {
        let changes = self.team.changes.load(Ordering::Acquire);
        // Without a lock: most senders have nothing to remember.
        if self.remembered.changes.load(Ordering::Acquire) != changes {
            return None;
        }
        let last = self.remembered.last.load();
        let holds = |refused: &&Arc<Refused>| {
            refused.count == count
                && refused.changes == changes
                && (refused.from_ms..refused.until_ms).contains(&now_ms)
                && refused
                    .commit
                    .is_none_or(|commit| commit == engine.backend.last_commit())
        };
        last.as_ref().filter(holds).cloned()
    }

    /// Whether what a refusal says depends on the meters and the time alone, in a store without
    /// open reservations.
    fn is_told_by_meters(&self) -> bool {
        self.refusal.is_none()
            && self.lacking.is_none()
            && self.pays_from.is_empty()
            && self.planned.is_empty()
            && self.planned_paces.is_empty()
    }
}

/// A send of which all go out now, or none.
fn is_plain(ask: Ask) -> bool {
    ask.later.is_none() && ask.min == ask.count
}

impl Standing {
    /// The first instant at which another refusal may be right. A pace turns all the time.
    fn turns_at_ms(&self) -> u64 {
        let now_ms = self.at_ms;
        if self.readings.iter().any(|reading| reading.is_pace) {
            return now_ms.saturating_add(1);
        }
        let turns = self.readings.iter().flat_map(|reading| {
            reading
                .reading
                .turns()
                .chain(std::iter::once(reading.ends_at_ms))
        });
        turns
            .chain(self.credits.turns())
            .filter(|at_ms| *at_ms > now_ms)
            .min()
            .unwrap_or(u64::MAX)
    }
}

impl Meters {
    /// Whether something is kept apart of what a send is charged to.
    pub(super) fn keeps_apart_of(&self, prepared: &Prepared) -> Result<bool, Error> {
        for place in prepared.places.iter() {
            if !self.pair(*place)?.1.guaranteed.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a window that nobody has charged is still the one of now: there is nothing to do.
    pub(super) fn is_still_uncharged(
        &self,
        place: usize,
        wanted: Option<&Wanted>,
        version: u64,
        now_ms: u64,
    ) -> Result<bool, Error> {
        let (hot, cold) = self.pair(place)?;
        let is_open = version == cold.version
            && !cold.meter.is_charged()
            && hot.rest == 0
            && now_ms < hot.ends_at_ms
            && cold.guaranteed.is_empty();
        if !is_open || wanted.is_some_and(|wanted| wanted.growth.is_some()) {
            return Ok(false);
        }
        let meter = next_window(cold.charged.clone(), cold.window, now_ms, &cold.calendar)?;
        Ok(meter == cold.meter && meter.ends_at_ms == hot.ends_at_ms)
    }

    /// Whether everything that a refusal says is here: every window is open, every pace known, and
    /// nobody is to be told of a threshold.
    fn tells_all(&self, prepared: &Prepared, now_ms: u64) -> Result<bool, Error> {
        for place in prepared.places.iter() {
            let (hot, cold) = self.pair(*place)?;
            let is_open = now_ms < hot.ends_at_ms && cold.meter.is_charged();
            let alert = threshold::crossed(
                &cold.alert_at,
                cold.limit,
                hot.used,
                cold.meter.alerted,
            );
            if !is_open || !cold.guaranteed.is_empty() || alert.is_some() {
                return Ok(false);
            }
        }
        let paces = self.paces_of(prepared)?;
        Ok(paces.iter().all(|pace| pace.turn_us().is_some()))
    }
}

impl Engine {
    /// The refusal of a send, where memory alone can tell that it is refused, and with what.
    pub(super) fn refused_in_memory(
        &self,
        prepared: &Prepared,
        ask: Ask,
    ) -> Result<Option<Decision>, Error> {
        if !is_plain(ask) || prepared.refusal.is_some() || prepared.lacking.is_some() {
            return Ok(None);
        }
        let now_ms = self.clock.now_ms();
        let refused = match prepared.remembered(self, ask.count, now_ms) {
            Some(refused) => Some(refused),
            None => self.refuse_from_meters(prepared, ask.count, now_ms)?,
        };
        Ok(refused.map(|refused| Decision::refused(refused.refusal.clone(), refused.remaining)))
    }

    /// Finds out from the meters alone that a send is refused, and remembers it.
    #[cold]
    pub(crate) fn refuse_from_meters(
        &self,
        prepared: &Prepared,
        count: u64,
        now_ms: u64,
    ) -> Result<Option<Arc<Refused>>, Error> {
        if !prepared.is_told_by_meters()
            || now_ms >= prepared.until_ms
            || self.is_shut()
            || self.has_reserved.load(Ordering::Acquire)
        {
            return Ok(None);
        }
        let (ask, meters) = (Ask::exact(count), prepared.team.meters());
        if !meters.tells_all(prepared, now_ms)?
            || send::most(&meters.as_they_stand(prepared, ask, now_ms)?, 0) >= count
        {
            return Ok(None);
        }
        let coming = Coming::default();
        let standing = self.standing_of(meters, prepared, count, coming, None, now_ms)?;
        let Some(refusal) = standing.refusal(&prepared.account, count) else {
            return Ok(None);
        };
        let decision = Decision::refused(Arc::new(refusal), standing.remaining());
        prepared.remember(&standing, ask, &decision, None);
        Ok(prepared.remembered.last.load_full())
    }
}

/// As the refusal itself: whoever shares it is nobody's business.
pub(crate) fn write_refusal<S: Serializer>(
    refusal: &Option<Arc<Refusal>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    refusal.as_deref().serialize(serializer)
}

/// As the refusal itself.
pub(crate) fn read_refusal<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Arc<Refusal>>, D::Error> {
    Ok(Option::<Refusal>::deserialize(deserializer)?.map(Arc::new))
}
