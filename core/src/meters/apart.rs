//! What a counter keeps apart for accounts below, and what is open to who sends (R-TEA-9).

use crate::error::Error;
use crate::meters::counter::{Cold, Hot};
use crate::meters::guaranteed::{Guarantee, Kept, Promise};
use crate::meters::prepared::Prepared;
use crate::meters::resolved::Resolved;
use crate::meters::team::Meters;
use crate::meters::wanted::Wanted;
use crate::model::Limit;
use crate::rules::limit::Source;
use std::sync::Arc;

/// What is left of a part that has been used so far.
fn unused(part: u64, hot: &Hot, cold: &Cold, parent: &Cold) -> u64 {
    part.saturating_sub(if cold.counts_in(parent) { hot.used } else { 0 })
}

impl Meters {
    /// The counters of the accounts below that are guaranteed a part of a limit, also where the
    /// parts fit with a planned package alone. Those that are not known yet get their limits when
    /// something is prepared for them.
    pub(super) fn child_places(&mut self, wanted: &Wanted) -> Arc<[Kept]> {
        let Some(kept) = &wanted.kept else {
            return Arc::default();
        };
        let place = |of: &Guarantee| {
            let (id, calendar) = (Arc::new(wanted.counter_of(of)), of.calendar.clone());
            let unlimited = Resolved::plain(Limit::Unlimited, Source::PlatformDefault);
            let child = Wanted {
                id,
                calendar,
                resolved: unlimited,
                later: Vec::new(),
                kept: None,
                child: None,
                stamp: 0,
                ..wanted.clone()
            };
            let (child, hold) = self.place(&child);
            Kept {
                child,
                _hold: hold,
                part: of.part,
                takes_credits: of.takes_credits,
            }
        };
        kept.parts.iter().map(place).collect()
    }

    /// Keeps apart what is guaranteed to accounts below and not used by them yet (R-TEA-9).
    pub(super) fn keep_apart(&mut self, place: usize) -> Result<(), Error> {
        let (hot, cold) = self.pair(place)?;
        let (most, guaranteed) = (cold.most(), cold.guaranteed.clone());
        let (mut limit, mut ends_at_ms) = (most, hot.ends_at_ms);
        let keeps_apart = cold.keeps_apart;
        for kept in guaranteed.iter().filter(|_| keeps_apart) {
            let (child_hot, child_cold) = self.pair(kept.child)?;
            let kept = if most == u64::MAX {
                0
            } else {
                unused(kept.part, child_hot, child_cold, self.pair(place)?.1)
            };
            limit = limit.saturating_sub(kept);
            // From then on more is kept apart.
            ends_at_ms = ends_at_ms.min(child_cold.meter.ends_at_ms);
        }
        let (hot, cold) = self.pair_mut(place)?;
        (hot.limit, hot.ends_at_ms) = (limit, ends_at_ms);
        cold.set_stop(hot);
        Ok(())
    }

    pub(super) fn keep_apart_of(&mut self, prepared: &Prepared) -> Result<(), Error> {
        prepared.places.iter().try_for_each(|place| {
            if self.pair(*place)?.1.guaranteed.is_empty() {
                Ok(())
            } else {
                self.keep_apart(*place)
            }
        })
    }

    /// How much of what is kept apart of a counter is kept for who sends.
    pub(super) fn kept_for(&self, promised: &[Promise], place: usize) -> u64 {
        let Some(Promise {
            parent,
            child,
            part,
        }) = promised.iter().find(|promise| promise.parent == place)
        else {
            return 0;
        };
        let Ok((parent, child)) = self
            .pair(*parent)
            .and_then(|parent| Ok((parent, self.pair(*child)?)))
        else {
            return 0;
        };
        if parent.1.most() == u64::MAX || !parent.1.keeps_apart {
            0
        } else {
            unused(*part, child.0, child.1, parent.1)
        }
    }

    /// Opens what is kept apart for who sends to what is done meanwhile, and keeps apart what is
    /// left of it then.
    pub(super) fn for_promised<T>(
        &mut self,
        promised: &[Promise],
        run: impl FnOnce(&mut Meters) -> T,
    ) -> T {
        self.open_or_close(promised, |limit, kept| limit.saturating_add(kept));
        let done = run(self);
        self.open_or_close(promised, u64::saturating_sub);
        done
    }

    fn open_or_close(&mut self, promised: &[Promise], limit: impl Fn(u64, u64) -> u64) {
        for promise in promised {
            let kept = self.kept_for(promised, promise.parent);
            if let Ok((hot, cold)) = self.pair_mut(promise.parent) {
                hot.limit = limit(hot.limit, kept);
                cold.set_stop(hot);
            }
        }
    }
}
