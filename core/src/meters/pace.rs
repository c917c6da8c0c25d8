//! Paces: how far each is, and what it says of sends.

use crate::error::Error;
use crate::kernel::Kernel;
use crate::meters::ask::Ask;
use crate::meters::frame::TRIED;
use crate::meters::given_back::is_given_back;
use crate::meters::prepared::Prepared;
use crate::meters::record::pace_batch;
use crate::meters::store::MeterStore;
use crate::meters::team::{Meters, Team, lost_place};
use crate::meters::wanted::Wanted;
use crate::model::{PaceRecord, Reservation};
use crate::rules::pace::{Course, Pace, Return};
use tenantry_store::Batch;

/// How often a pace is written against others that write it.
const ROUNDS: usize = 16;

/// How far paces are, as the store has them: the place of each, the key and version of its record,
/// and the pace. Where other processes may have the store open, nobody has a pace in memory: each
/// send takes its slots in the store, so that all processes together go no faster.
#[derive(Default)]
pub(super) struct PaceSlots(Vec<(usize, Vec<u8>, u64, Pace)>);

impl PaceSlots {
    /// Takes the slots of so many that go out now.
    pub(super) fn push_taken(
        &self,
        batch: &mut Batch,
        count: u64,
        now_ms: u64,
    ) -> Result<(), Error> {
        let taken = self.0.iter().filter(|_| count > 0);
        let taken = taken.map(|(_, key, version, pace)| {
            let mut pace = *pace;
            pace.take(count, now_ms);
            (key.clone(), *version, pace.next_slot_us())
        });
        let slots = pace_batch(taken)?;
        batch.writes.extend(slots.writes);
        batch.expected.extend(slots.expected);
        Ok(())
    }
}

impl PaceSlots {
    /// Gives back what was taken of them for a send that was not charged.
    pub(super) fn refund_slots(
        &self,
        prepared: &Prepared,
        store: &impl MeterStore,
        ask: Ask,
        count: u64,
        now_ms: u64,
    ) -> Result<(), Error> {
        match self.0.is_empty() {
            true => Ok(()),
            false => {
                let from_ms = ask.later.map_or(now_ms, |_| u64::MAX);
                prepared.return_slots_at(store, count, from_ms, now_ms)
            }
        }
    }
}

/// Changes a pace in the store; not one that has no record there.
fn write_pace(
    kernel: &Kernel,
    pace: Pace,
    key: &[u8],
    now_ms: u64,
    change: impl Fn(Pace) -> Pace,
) -> Result<(), Error> {
    for _ in 0..ROUNDS {
        let (version, before) = Prepared::stored_pace(kernel, pace, key, now_ms)?;
        let after = change(before);
        if version == 0 || after == before {
            break;
        }
        let batch = pace_batch([(key.to_vec(), version, after.next_slot_us())])?;
        if is_given_back(kernel, &batch)? {
            break;
        }
    }
    Ok(())
}

impl Meters {
    /// Runs something with paces that are not in memory, as the store has them.
    pub(super) fn with_slots<T>(
        &mut self,
        slots: &PaceSlots,
        run: impl FnOnce(&mut Meters) -> T,
    ) -> T {
        self.set_slots(slots, |pace, known| {
            pace.at(known.next_slot_us().unwrap_or_default())
        });
        let done = run(self);
        self.set_slots(slots, |pace, _| pace.unknown());
        done
    }

    fn set_slots(&mut self, slots: &PaceSlots, change: impl Fn(Pace, Pace) -> Pace) {
        for (place, _, _, known) in &slots.0 {
            if let Some(pace) = self.paces.get_mut(*place) {
                *pace = change(*pace, *known);
            }
        }
    }

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
                next_slot_us: Some(next_slot_us),
            }) => pace.at(next_slot_us),
            Some(PaceRecord { next_slot_us: None }) => pace.without_burst(now_ms),
        };
        Ok((version, pace))
    }

    /// How far the paces are.
    fn paces(&self, store: &impl MeterStore, now_ms: u64) -> Result<Vec<Pace>, Error> {
        let paces = self.team.meters().paces_of(self)?;
        let known =
            paces
                .into_iter()
                .zip(&self.paced)
                .map(|(pace, wanted)| match pace.next_slot_us() {
                    Some(_) => Ok(pace),
                    None => Self::stored_pace(store.kernel(), pace, &wanted.id.pace_key(), now_ms)
                        .map(|(_, pace)| pace),
                });
        known.collect()
    }

    /// Takes the paces into memory that are not there, for whoever draws for the team; none where
    /// another has written one since. Where other processes may have the store open, they are not
    /// taken into memory, and the answer says how far they are.
    pub(super) fn take_paces(
        &self,
        store: &impl MeterStore,
        now_ms: u64,
    ) -> Result<Option<PaceSlots>, Error> {
        let paces = self.team.meters().paces_of(self)?;
        let mut slots = PaceSlots::default();
        for (pace, place) in paces
            .into_iter()
            .zip(&self.pace_places)
            .filter(|(pace, _)| pace.next_slot_us().is_none())
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
            if store.kernel().is_shared() {
                let (_, stored) = Team::stored::<PaceRecord>(store.kernel(), &key)?;
                if stored.is_some_and(|stored| stored.next_slot_us.is_none()) {
                    // Who had it in memory is no more: from here on the store says how far it is.
                    let batch = pace_batch([(key, version, pace.next_slot_us())])?;
                    store.commit_draws_of(&self.account, &batch)?;
                    return Ok(None);
                }
                slots.0.push((*place, key, version, pace));
                continue;
            }
            let batch = pace_batch([(key, version, None)])?;
            let Some(version) = store.commit_draws_of(&self.account, &batch)? else {
                return Ok(None);
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
            *slot = slot.at(pace.next_slot_us().unwrap_or_default());
            record.1 = version;
        }
        Ok(Some(slots))
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

    /// Gives the slots back of what could go out from an instant on and did not.
    pub(crate) fn return_slots(
        &self,
        store: &impl MeterStore,
        count: u64,
        from_ms: u64,
    ) -> Result<(), Error> {
        self.return_slots_at(store, count, from_ms, store.kernel().clock.now_ms())
    }

    pub(crate) fn return_slots_at(
        &self,
        store: &impl MeterStore,
        count: u64,
        from_ms: u64,
        now_ms: u64,
    ) -> Result<(), Error> {
        if store.kernel().is_shared() {
            let give_back = |mut pace: Pace| {
                pace.give_back(count, from_ms, now_ms);
                pace
            };
            return self.paced.iter().try_for_each(|wanted| {
                let pace = wanted.pace(now_ms);
                write_pace(
                    store.kernel(),
                    pace,
                    &wanted.id.pace_key(),
                    now_ms,
                    give_back,
                )
            });
        }
        let mut meters = self.team.meters();
        for place in &self.pace_places {
            if let Some(pace) = meters.paces.get_mut(*place) {
                pace.give_back(count, from_ms, now_ms);
            }
        }
        Ok(())
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
            let pace = match in_memory.filter(|pace| pace.next_slot_us().is_some()) {
                Some(pace) => pace,
                None => Self::stored_pace(kernel, now, &wanted.id.pace_key(), now_ms)?.1,
            };
            let terms = wanted.paces(now);
            let text = wanted.id.text();
            let returns = open.iter().filter(|open| open.counters.contains(&text));
            let returns = returns.map(|open| Return {
                at_ms: open.expires_at_ms,
                count: open.count,
                from_ms: open.slots_from_ms(),
            });
            Ok((wanted, Course::new(pace, terms, returns.collect())))
        });
        of_each.collect()
    }
}
