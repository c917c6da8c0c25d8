//! What was drawn and is not used goes back to the store: when it is closed, when another lock
//! guards the counters from there on, and when counters make room for others.

use crate::error::Error;
use crate::kernel::Kernel;
use crate::meters::counter::{Cold, Hot};
use crate::meters::places::Room;
use crate::meters::record::{bytes_of, meter_of, pace_batch, push_meter};
use crate::meters::team::{Meters, Team};
use crate::model::Meter;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tenantry_store::{Batch, CommitError};

/// How many counters are given back in one commit.
const AT_ONCE: usize = 256;
/// How often it is tried against others that write the same records.
const ROUNDS: usize = 16;

/// What comes back of a counter: an instant of a part of its window, and how many.
type Parts = Vec<(u64, u64)>;

/// What is written of some counters, and what comes back of each.
#[derive(Default)]
struct GivenBack {
    batches: Vec<(Batch, Vec<Parts>)>,
}

impl GivenBack {
    /// Takes out of memory what a counter does not use. From here on nothing is granted from it; it
    /// is drawn anew, from the store, by whoever is still there.
    fn take(&mut self, hot: &mut Hot, cold: &mut Cold) -> Result<(), Error> {
        let without_unspent = cold.without_unspent(hot);
        cold.note_unwritten(Some(cold.meter.starts_at_ms), hot.unspent);
        if !cold.unwritten.is_empty() {
            let is_full = |(batch, _): &(Batch, _)| batch.writes.len() >= AT_ONCE;
            if self.batches.last().is_none_or(is_full) {
                self.batches.push(Default::default());
            }
            if let Some((batch, parts)) = self.batches.last_mut() {
                push_meter(batch, cold, &without_unspent)?;
                parts.push(std::mem::take(&mut cold.unwritten));
            }
        }
        forget(hot, cold);
        Ok(())
    }

    fn write(self, kernel: &Kernel) -> Result<(), Error> {
        for (batch, given_back) in self.batches {
            if !is_given_back(kernel, &batch)? {
                for ((key, _), parts) in batch.writes.iter().zip(given_back) {
                    give_back_anew(kernel, key, &parts)?;
                }
            }
        }
        Ok(())
    }
}

/// From here on nothing is granted from memory: the record is read anew.
fn forget(hot: &mut Hot, cold: &mut Cold) {
    *hot = Hot {
        ends_at_ms: 0,
        unspent: 0,
        ..*hot
    };
    cold.version = u64::MAX;
}

/// How far paces are that were in memory: the key of the record of each, its version, and its next
/// slot.
type PacePositions = Vec<(Vec<u8>, u64, Option<u64>)>;

impl Meters {
    /// Forgets how far a pace is, where that is known here.
    fn put_down(&mut self, place: usize, positions: &mut PacePositions) {
        let Some((pace, (key, version))) =
            self.paces.get_mut(place).zip(self.pace_records.get(place))
        else {
            return;
        };
        if pace.next_slot_us().is_some() {
            let next_slot_us = std::mem::replace(pace, pace.unknown()).next_slot_us();
            positions.push((key.clone(), *version, next_slot_us));
        }
    }
}

impl Team {
    /// Gives back what was drawn and not used. From here on nothing is granted from memory.
    pub(crate) fn give_blocks_back(&self, kernel: &Kernel) -> Result<(), Error> {
        let _drawing = self.drawing.lock();
        let (mut given_back, mut positions) = (GivenBack::default(), PacePositions::new());
        {
            let mut meters = self.meters();
            let Meters { hot, cold, .. } = &mut *meters;
            for (hot, cold) in hot.iter_mut().zip(cold) {
                given_back.take(hot, cold)?;
            }
            (0..meters.paces.len()).for_each(|place| meters.put_down(place, &mut positions));
        }
        put_paces_down(kernel, &positions)?;
        given_back.write(kernel)
    }

    /// Forgets what was drawn and not used: it counts as used. Others may have been told that
    /// nobody holds it, and have given it away.
    pub(crate) fn burn_blocks(&self) {
        let _drawing = self.drawing.lock();
        let mut meters = self.meters();
        let Meters { hot, cold, .. } = &mut *meters;
        for (hot, cold) in hot.iter_mut().zip(cold) {
            cold.unwritten.clear();
            forget(hot, cold);
        }
    }

    /// Gives back what was drawn from some counters and not used. Whoever calls draws for the team.
    pub(super) fn give_back_from(&self, kernel: &Kernel, places: &[usize]) -> Result<(), Error> {
        let mut given_back = GivenBack::default();
        {
            let mut meters = self.meters();
            for place in places {
                let (hot, cold) = meters.pair_mut(*place)?;
                given_back.take(hot, cold)?;
            }
        }
        given_back.write(kernel)
    }

    /// Takes up to so many counters and paces out of memory that nobody holds, and answers how
    /// many. Whoever calls draws for the team.
    pub(super) fn let_go(&self, kernel: &Kernel, most: usize) -> Result<usize, Error> {
        let (mut given_back, mut positions) = (GivenBack::default(), PacePositions::new());
        let swept = {
            let mut meters = self.meters();
            let counters = meters.places.sweep(most);
            for place in &counters {
                let (hot, cold) = meters.pair_mut(*place)?;
                given_back.take(hot, cold)?;
                // What it kept apart for others holds their places.
                (cold.guaranteed, cold.guaranteed_by) = (Arc::default(), None);
            }
            let paces = meters.pace_places.sweep(most - counters.len());
            paces
                .iter()
                .for_each(|place| meters.put_down(*place, &mut positions));
            meters.count_places();
            counters.len() + paces.len()
        };
        put_paces_down(kernel, &positions)?;
        given_back.write(kernel)?;
        Ok(swept)
    }

    /// Takes counters out of memory where there are too many, first those of this team, for which
    /// whoever calls draws.
    pub(super) fn make_room(
        &self,
        kernel: &Kernel,
        room: &Room,
        teams: &[Arc<Team>],
    ) -> Result<(), Error> {
        let Some(mut going) = room.excess().filter(|_| !kernel.is_poisoned()) else {
            return Ok(());
        };
        going -= self.let_go(kernel, going)?;
        for team in teams.iter().filter(|team| !std::ptr::eq(&***team, self)) {
            if going == 0 {
                break;
            }
            going -= team.let_go_if_idle(kernel, going)?;
        }
        room.was_looked_at();
        Ok(())
    }

    /// A counter or a pace as the store has it, and the version of its record.
    pub(super) fn stored<T: DeserializeOwned>(
        kernel: &Kernel,
        key: &[u8],
    ) -> Result<(u64, Option<T>), Error> {
        let Some(record) = kernel.backend.get(key)? else {
            return Ok((0, None));
        };
        Ok((record.version, Some(meter_of(key, &record.value)?)))
    }

    /// As [`let_go`](Team::let_go), for whoever draws for another team; nothing while somebody
    /// draws for this one.
    fn let_go_if_idle(&self, kernel: &Kernel, most: usize) -> Result<usize, Error> {
        match self.drawing.try_lock() {
            Some(_drawing) => self.let_go(kernel, most),
            None => Ok(0),
        }
    }
}

/// Writes down how far paces are, for whoever comes next (R-QTA-13). Not over what another has
/// written, nor of a cap that is gone.
fn put_paces_down(kernel: &Kernel, positions: &PacePositions) -> Result<(), Error> {
    for some in positions.chunks(AT_ONCE) {
        if !is_given_back(kernel, &pace_batch(some.iter().cloned())?)? {
            for one in some {
                is_given_back(kernel, &pace_batch([one.clone()])?)?;
            }
        }
    }
    Ok(())
}

/// Gives back to a record that another may have written since, and not to one that is gone with its
/// account or cap.
fn give_back_anew(kernel: &Kernel, key: &[u8], parts: &[(u64, u64)]) -> Result<(), Error> {
    for _ in 0..ROUNDS {
        let (version, Some(mut meter)) = Team::stored::<Meter>(kernel, key)? else {
            return Ok(());
        };
        meter.take_out_all(parts);
        let (writes, expected) = (
            vec![(key.to_vec(), Some(bytes_of(&meter)?))],
            vec![(key.to_vec(), version)],
        );
        if is_given_back(
            kernel,
            &Batch {
                writes,
                expected,
                ..Batch::default()
            },
        )? {
            break;
        }
    }
    Ok(())
}

/// Not where another has written one of the records since.
pub(super) fn is_given_back(kernel: &Kernel, batch: &Batch) -> Result<bool, Error> {
    match kernel.commit_batch(batch) {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict) => Ok(false),
        Err(CommitError::Store(error)) => Err(kernel.store_failure(error)),
    }
}
