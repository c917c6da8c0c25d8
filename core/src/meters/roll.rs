//! Windows that have ended: the next ones begin, as the store has them.

use crate::error::Error;
use crate::kernel::Kernel;
use crate::meters::guaranteed::Kept;
use crate::meters::prepared::Prepared;
use crate::meters::store::MeterStore;
use crate::meters::team::{Meters, Team};
use crate::meters::wanted::Wanted;
use crate::meters::windows::next_window;
use crate::model::Meter;

impl Prepared {
    /// Begins the next window of the counters whose window has ended. The store's window counts
    /// where it is still open. Where other processes may draw from the same counters, all are as
    /// the store has them then.
    pub(super) fn roll(&self, store: &impl MeterStore, now_ms: u64) -> Result<(), Error> {
        self.make_room_for(store)?;
        self.roll_these(store, self.places.iter().copied().zip(&self.wanted), now_ms)?;
        let mut meters = self.team.meters();
        if meters.keeps_apart_of(self)? {
            meters.keep_apart_of(self)?;
        }
        Ok(())
    }

    /// Opens the windows of now, also of what is licensed later only.
    pub(super) fn roll_all(&self, store: &impl MeterStore, now_ms: u64) -> Result<(), Error> {
        self.roll(store, now_ms)?;
        let planned = self.planned.iter();
        let planned = planned.map(|(wanted, place)| (*place, wanted));
        self.roll_these(store, planned, now_ms)
    }

    /// Takes counters out of memory where there are too many; none that this send is charged to.
    fn make_room_for(&self, store: &impl MeterStore) -> Result<(), Error> {
        let room = &store.room();
        if room.excess().is_none() {
            return Ok(());
        }
        let teams = store.teams();
        self.team.make_room(store.kernel(), room, &teams)
    }

    fn roll_these<'p>(
        &self,
        store: &impl MeterStore,
        counters: impl Iterator<Item = (usize, &'p Wanted)>,
        now_ms: u64,
    ) -> Result<(), Error> {
        let is_shared = store.kernel().is_shared();
        for (place, wanted) in counters {
            let (is_open, guaranteed) = {
                let meters = self.team.meters();
                let (hot, cold) = meters.pair(place)?;
                (
                    !is_shared && now_ms < hot.ends_at_ms && cold.meter.is_charged(),
                    cold.guaranteed.clone(),
                )
            };
            if !is_open {
                self.team
                    .roll_one(store.kernel(), place, Some(wanted), now_ms)?;
            }
            for Kept { child, .. } in guaranteed.iter() {
                let ends_at_ms = self.team.meters().pair(*child)?.1.meter.ends_at_ms;
                let is_open = !is_shared && now_ms < ends_at_ms;
                if !is_open {
                    self.team.roll_one(store.kernel(), *child, None, now_ms)?;
                }
            }
        }
        Ok(())
    }
}

impl Meters {
    /// Whether the window of a counter is open, and the store has it as memory has.
    fn is_still_open(&mut self, place: usize, version: u64, now_ms: u64) -> Result<bool, Error> {
        let (hot, cold) = self.pair_mut(place)?;
        let is_open = version == cold.version && cold.meter.is_charged() && now_ms < hot.ends_at_ms;
        if is_open {
            cold.read_at_ms = now_ms;
        }
        Ok(is_open)
    }
}

impl Team {
    /// Begins the next window of one counter, as the store has it.
    fn roll_one(
        &self,
        kernel: &Kernel,
        place: usize,
        wanted: Option<&Wanted>,
        now_ms: u64,
    ) -> Result<(), Error> {
        let key = self.meters().pair(place)?.1.id.key();
        let (version, stored) = Team::stored::<Meter>(kernel, &key)?;
        let mut meters = self.meters();
        if meters.is_still_uncharged(place, wanted, version, now_ms)?
            || meters.is_still_open(place, version, now_ms)?
        {
            return Ok(());
        }
        let (hot, cold) = meters.pair_mut(place)?;
        let last = if cold.meter.is_charged() {
            &cold.meter
        } else {
            &cold.charged
        };
        let drawn_at_ms = last.starts_at_ms;
        let mut charged = match stored {
            _ if version == cold.version => last.clone(),
            // Somebody else has written it, and did not know what came back here.
            Some(mut stored) => {
                stored.take_out_all(&cold.unwritten);
                stored
            }
            None => {
                cold.unwritten.clear();
                Meter::default()
            }
        };
        // What was drawn for a window is good as long as it is open, whoever else has drawn since.
        let is_open = charged.starts_at_ms == drawn_at_ms
            && now_ms < charged.ends_at_ms
            && hot.unspent <= charged.drawn;
        if !is_open {
            let part = charged.part_at(drawn_at_ms);
            let back = charged.take_out(std::mem::take(&mut hot.unspent), drawn_at_ms, 0);
            cold.note_unwritten(part, back);
        }
        cold.charged = charged;
        let meter = next_window(cold.charged.clone(), cold.window, now_ms, &cold.calendar)?;
        hot.ends_at_ms = meter.ends_at_ms;
        hot.used =
            (meter.drawn - hot.unspent) + meter.past.iter().map(|(_, used)| used).sum::<u64>();
        cold.meter = meter;
        cold.version = version;
        cold.read_at_ms = now_ms;
        if let Some(wanted) =
            wanted.filter(|wanted| wanted.growth.is_some() && wanted.stamp >= cold.stamp)
        {
            cold.limit = wanted.limit_at(cold.meter.starts_at_ms);
        }
        // Where a note came between a draw and its use, that it was told of is not forgotten.
        let drawn = if kernel.is_shared() { hot.unspent } else { 0 };
        cold.forget_alerts(hot.used + drawn);
        meters.keep_apart(place)
    }
}
