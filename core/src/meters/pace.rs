//! Paces: how far each is, and what it says of sends.

use crate::error::Error;
use crate::kernel::Kernel;
use crate::meters::frame::TRIED;
use crate::meters::prepared::Prepared;
use crate::meters::record::pace_batch;
use crate::meters::store::MeterStore;
use crate::meters::team::{Meters, Team, lost_place};
use crate::meters::wanted::Wanted;
use crate::model::{PaceRecord, Reservation};
use crate::rules::pace::{Course, Pace, Return};

impl Meters {
    pub(super) fn paces_of(&self, prepared: &Prepared) -> Result<Vec<Pace>, Error> {
        prepared
            .pace_places
            .iter()
            .map(|place| self.paces.get(*place).copied().ok_or_else(lost_place))
            .collect()
    }
}

impl Prepared {
    /// How far a pace is that is not in memory here, and the version of its record. Where that says
    /// that a process has it, it has crashed.
    fn stored_pace(
        kernel: &Kernel,
        pace: Pace,
        key: &[u8],
        now_ms: u64,
    ) -> Result<(u64, Pace), Error> {
        let (version, stored) = Team::stored::<PaceRecord>(kernel, key)?;
        let pace = match stored {
            None => pace.at(0),
            Some(PaceRecord {
                turn_us: Some(turn_us),
            }) => pace.at(turn_us),
            Some(PaceRecord { turn_us: None }) => pace.without_burst(now_ms),
        };
        Ok((version, pace))
    }

    /// How far the paces are.
    fn paces(&self, store: &impl MeterStore, now_ms: u64) -> Result<Vec<Pace>, Error> {
        let paces = self.team.meters().paces_of(self)?;
        let known = paces
            .into_iter()
            .zip(&self.paced)
            .map(|(pace, wanted)| match pace.turn_us() {
                Some(_) => Ok(pace),
                None => Self::stored_pace(store.kernel(), pace, &wanted.id.pace_key(), now_ms)
                    .map(|(_, pace)| pace),
            });
        known.collect()
    }

    /// Takes the paces into memory that are not there, for whoever draws for the team; not where
    /// another has written one since.
    pub(super) fn take_paces(&self, store: &impl MeterStore, now_ms: u64) -> Result<bool, Error> {
        let paces = self.team.meters().paces_of(self)?;
        for (pace, place) in paces
            .into_iter()
            .zip(&self.pace_places)
            .filter(|(pace, _)| pace.turn_us().is_none())
        {
            let key = self
                .team
                .meters()
                .pace_records
                .get(*place)
                .ok_or_else(lost_place)?
                .0
                .clone();
            let (version, pace) = Self::stored_pace(store.kernel(), pace, &key, now_ms)?;
            let batch = pace_batch([(key, version, None)])?;
            let Some(version) = store.commit_draws_of(&self.account, &batch)? else {
                return Ok(false);
            };
            let mut meters = self.team.meters();
            let Meters {
                paces,
                pace_records,
                ..
            } = &mut *meters;
            let (slot, record) = paces
                .get_mut(*place)
                .zip(pace_records.get_mut(*place))
                .ok_or_else(lost_place)?;
            *slot = slot.at(pace.turn_us().unwrap_or_default());
            record.1 = version;
        }
        Ok(true)
    }

    /// From when on all that was charged may go out, where a pace spreads it and that is later than
    /// now.
    pub(crate) fn not_before_ms(&self, store: &impl MeterStore) -> Result<Option<u64>, Error> {
        let now_ms = store.kernel().clock.now_ms();
        let paces = self.paces(store, now_ms)?;
        Ok(paces
            .iter()
            .map(Pace::opens_for_all_ms)
            .max()
            .filter(|at_ms| *at_ms > now_ms))
    }

    /// Gives turns back of what could go out from an instant on and did not.
    pub(crate) fn return_turns(&self, store: &impl MeterStore, count: u64, from_ms: u64) {
        self.return_turns_at(count, from_ms, store.kernel().clock.now_ms());
    }

    pub(crate) fn return_turns_at(&self, count: u64, from_ms: u64, now_ms: u64) {
        let mut meters = self.team.meters();
        for place in &self.pace_places {
            if let Some(pace) = meters.paces.get_mut(*place) {
                pace.give_back(count, from_ms, now_ms);
            }
        }
    }

    /// What becomes of everything that spreads the sends, now or once a planned package comes into
    /// force.
    pub(super) fn courses<'p>(
        &'p self,
        kernel: &Kernel,
        open: &[Reservation],
        now_ms: u64,
    ) -> Result<Vec<(&'p Wanted, Course)>, Error> {
        let of_each = self.paced.iter().chain(&self.planned_paces).map(|wanted| {
            let in_memory = {
                let meters = self.team.meters();
                let key = (wanted.id.clone(), wanted.made_at_ms);
                let place = meters.pace_places.at(&key);
                place.and_then(|place| meters.paces.get(place)).copied()
            };
            let now = in_memory
                .filter(|_| wanted.stamp > TRIED)
                .unwrap_or_else(|| wanted.pace(now_ms));
            let pace = match in_memory.filter(|pace| pace.turn_us().is_some()) {
                Some(pace) => pace,
                None => Self::stored_pace(kernel, now, &wanted.id.pace_key(), now_ms)?.1,
            };
            let terms = wanted.paces(now);
            let text = wanted.id.text();
            let returns = open.iter().filter(|open| open.counters.contains(&text));
            let returns = returns.map(|open| Return {
                at_ms: open.expires_at_ms,
                count: open.count,
                from_ms: open.turns_from_ms(),
            });
            Ok((wanted, Course::new(pace, terms, returns.collect())))
        });
        of_each.collect()
    }
}
