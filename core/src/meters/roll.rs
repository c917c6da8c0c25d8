//! Windows that have ended: the next ones begin, as the store has them.

use crate::access::state::Engine;
use crate::error::Error;
use crate::meters::guaranteed::Kept;
use crate::meters::prepared::Prepared;
use crate::meters::team::Team;
use crate::meters::wanted::Wanted;
use crate::meters::windows::next_window;
use crate::model::Meter;
use serde::de::DeserializeOwned;

impl Engine {
    /// Begins the next window of the counters whose window has ended. The store's window counts
    /// where it is still open.
    pub(super) fn roll(&self, prepared: &Prepared, now_ms: u64) -> Result<(), Error> {
        self.make_room_for(prepared)?;
        self.roll_these(
            prepared,
            prepared.places.iter().copied().zip(&prepared.wanted),
            now_ms,
        )?;
        let mut meters = prepared.team.meters();
        if meters.keeps_apart_of(prepared)? {
            meters.keep_apart_of(prepared)?;
        }
        Ok(())
    }

    /// Opens the windows of now, also of what is licensed later only.
    pub(super) fn roll_all(&self, prepared: &Prepared, now_ms: u64) -> Result<(), Error> {
        self.roll(prepared, now_ms)?;
        let planned = prepared.planned.iter();
        let planned = planned.map(|(wanted, place)| (*place, wanted));
        self.roll_these(prepared, planned, now_ms)
    }

    /// Takes counters out of memory where there are too many; none that this send is charged to.
    fn make_room_for(&self, prepared: &Prepared) -> Result<(), Error> {
        let room = &self.views.room;
        if room.excess().is_none() {
            return Ok(());
        }
        let teams = self.views.cells.teams();
        prepared.team.make_room(&self.kernel, room, &teams)
    }

    fn roll_these<'p>(
        &self,
        prepared: &Prepared,
        counters: impl Iterator<Item = (usize, &'p Wanted)>,
        now_ms: u64,
    ) -> Result<(), Error> {
        for (place, wanted) in counters {
            let (is_open, guaranteed) = {
                let meters = prepared.team.meters();
                let (hot, cold) = meters.pair(place)?;
                (
                    now_ms < hot.ends_at_ms && cold.meter.is_charged(),
                    cold.guaranteed.clone(),
                )
            };
            if !is_open {
                self.roll_one(&prepared.team, place, Some(wanted), now_ms)?;
            }
            for Kept { child, .. } in guaranteed.iter() {
                let is_open = now_ms < prepared.team.meters().pair(*child)?.1.meter.ends_at_ms;
                if !is_open {
                    self.roll_one(&prepared.team, *child, None, now_ms)?;
                }
            }
        }
        Ok(())
    }

    fn roll_one(
        &self,
        team: &Team,
        place: usize,
        wanted: Option<&Wanted>,
        now_ms: u64,
    ) -> Result<(), Error> {
        let key = team.meters().pair(place)?.1.id.key();
        let (version, stored) = self.stored::<Meter>(&key)?;
        let mut meters = team.meters();
        if meters.is_still_uncharged(place, wanted, version, now_ms)? {
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
        if let Some(wanted) =
            wanted.filter(|wanted| wanted.growth.is_some() && wanted.stamp >= cold.stamp)
        {
            cold.limit = wanted.limit_at(cold.meter.starts_at_ms);
        }
        cold.forget_alerts(hot);
        meters.keep_apart(place)
    }

    /// A counter or a pace as the store has it, and the version of its record.
    pub(super) fn stored<T: DeserializeOwned>(
        &self,
        key: &[u8],
    ) -> Result<(u64, Option<T>), Error> {
        Team::stored(&self.kernel, key)
    }
}
