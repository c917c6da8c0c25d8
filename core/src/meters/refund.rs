//! What was charged comes back, and what the host has counted takes its place (R-QTA-6).

use crate::error::Error;
use crate::kernel::Kernel;
use crate::meters::draw::ROUNDS;
use crate::meters::id::MeterId;
use crate::meters::paid::Paid;
use crate::meters::prepared::Prepared;
use crate::meters::record::{bytes_of, meter_of, push_meter};
use crate::meters::store::MeterStore;
use crate::meters::team::lost_place;
use crate::model::Meter;
use tenantry_store::{Batch, CommitError, Order};

/// What came back to a counter.
pub(crate) struct Back {
    /// What can be used again.
    pub(crate) usable: u64,
    /// With what was taken out of a window that is over.
    pub(crate) in_all: u64,
}

impl Prepared {
    /// Gives back what was granted at an instant and did not go out, into the windows of that
    /// instant (R-QTA-6).
    ///
    /// What came back into the last window of a counter is in memory only: after a crash it counts
    /// as used. Where other processes may have the store open, it is written for them to find.
    pub(crate) fn refund(
        &self,
        store: &impl MeterStore,
        count: u64,
        paid: &Paid,
        granted_at_ms: u64,
    ) -> Result<(), Error> {
        self.put_back(store, &paid.charged(self, count), granted_at_ms, false)
            .map(drop)
    }

    /// Takes so much out of each counter, in the window of an instant; where it is asked alone how
    /// much that would be, nothing.
    pub(crate) fn put_back(
        &self,
        store: &impl MeterStore,
        charged: &[u64],
        granted_at_ms: u64,
        asked_alone: bool,
    ) -> Result<Vec<Back>, Error> {
        let _drawing = self.team.drawing.lock();
        store.kernel().refuse_when_shut()?;
        self.roll(store, store.kernel().clock.now_ms())?;
        let (mut given_back, mut kept) = (Vec::new(), Vec::new());
        {
            let mut meters = self.team.meters();
            for (place, charged) in self.places.iter().zip(charged) {
                let (hot, cold) = meters.pair_mut(*place)?;
                let usable = match asked_alone {
                    true => cold
                        .clone()
                        .give_back(&mut hot.clone(), *charged, granted_at_ms),
                    false => cold.give_back(hot, *charged, granted_at_ms),
                };
                if *charged > 0 && cold.is_kept(granted_at_ms) {
                    kept.push((given_back.len(), cold.id.clone(), *charged));
                }
                given_back.push(Back {
                    usable,
                    in_all: usable,
                });
            }
        }
        let mut written = 0;
        for (at, id, count) in kept {
            let (version, back) =
                give_back_to_kept(store.kernel(), &id, count, granted_at_ms, asked_alone)?;
            written = written.max(version);
            if let Some(given_back) = given_back.get_mut(at) {
                given_back.in_all += back;
            }
        }
        store.kernel().wait_until_durable(written)?;
        if store.kernel().is_shared() && !asked_alone {
            self.team.give_back_from(store.kernel(), &self.places)?;
        }
        self.team.meters().keep_apart_of(self)?;
        Ok(given_back)
    }

    /// The last window in which an account's own limit was charged, as it is used: what was drawn
    /// ahead is not (R-QTA-6).
    pub(crate) fn last_window(&self, store: &impl MeterStore) -> Result<Meter, Error> {
        let _drawing = self.team.drawing.lock();
        self.roll(store, store.kernel().clock.now_ms())?;
        let meters = self.team.meters();
        let (hot, cold) = meters.pair(*self.places.first().ok_or_else(lost_place)?)?;
        Ok(cold.without_unspent(hot))
    }

    /// Sets what is used of an account's own limit in its window to what the host has counted,
    /// which is never more. What other processes have drawn and not used yet cannot be told from
    /// what was used: while there are some, it is refused.
    pub(crate) fn reconcile(&self, store: &impl MeterStore, used: u64) -> Result<u64, Error> {
        let _drawing = self.team.drawing.lock();
        store.kernel().refuse_when_shut()?;
        self.roll(store, store.kernel().clock.now_ms())?;
        // After the record was read: who begins later draws from it, and then it is another.
        if store.kernel().count_processes()? > 1 {
            return Err(Error::busy(
                "Other processes have the store open, and may have drawn from this limit; close it \
                 there, and try again.",
            ));
        }
        let place = *self.places.first().ok_or_else(lost_place)?;
        let mut batch = Batch::default();
        let back = {
            let mut meters = self.team.meters();
            let (hot, cold) = meters.pair_mut(place)?;
            let back = hot.used.checked_sub(used).ok_or_else(|| {
                Error::invalid(
                    "/used",
                    format!(
                        "Only {} are counted, and {used} are more; charge the rest with \
                         `sending.admit`.",
                        hot.used
                    ),
                )
            })?;
            if back == 0 {
                return Ok(0);
            }
            // From here on nothing is granted from memory until the store says the same.
            cold.note_unwritten(Some(cold.meter.starts_at_ms), hot.unspent);
            cold.meter.drawn -= std::mem::take(&mut hot.unspent);
            cold.meter.take_out_oldest(back);
            hot.used = used;
            cold.charged = cold.meter.clone();
            push_meter(&mut batch, cold, &cold.meter)?;
            back
        };
        let committed = store.kernel().commit_batch(&batch);
        let mut meters = self.team.meters();
        let (hot, cold) = meters.pair_mut(place)?;
        match committed {
            Ok(version) => {
                cold.version = version;
                cold.unwritten.clear();
                cold.set_stop(hot);
                meters.keep_apart_of(self)?;
                drop(meters);
                store.kernel().wait_until_durable(version)?;
                Ok(back)
            }
            Err(error) => {
                // The store does not have what memory says: it is read anew.
                (hot.ends_at_ms, cold.version) = (0, u64::MAX);
                Err(match error {
                    CommitError::Conflict => {
                        Error::busy("Other callers keep drawing from the same limits; try again.")
                    }
                    CommitError::Store(error) => store.kernel().store_failure(error),
                })
            }
        }
    }
}

/// Takes what was used at an instant out of a window that is over and kept; answers the number
/// of the commit, or 0 where nothing is written, and how much of it was there.
fn give_back_to_kept(
    kernel: &Kernel,
    id: &MeterId,
    count: u64,
    used_at_ms: u64,
    asked_alone: bool,
) -> Result<(u64, u64), Error> {
    let (from, until) = (
        id.history_key(0),
        id.history_key(used_at_ms.saturating_add(1)),
    );
    for _ in 0..ROUNDS {
        let Some((key, record)) = kernel
            .backend
            .range(&from, &until, Order::Descending, 1)?
            .pop()
        else {
            return Ok((0, 0));
        };
        let mut kept: Meter = meter_of(&key, &record.value)?;
        let back = kept.take_out(count, used_at_ms, 0);
        if back == 0 || asked_alone {
            return Ok((0, back));
        }
        let left = if kept.is_charged() {
            Some(bytes_of(&kept)?)
        } else {
            None
        };
        let batch = Batch {
            writes: vec![(key.clone(), left)],
            expected: vec![(key, record.version)],
            ..Batch::default()
        };
        match kernel.commit_batch(&batch) {
            Ok(version) => return Ok((version, back)),
            Err(CommitError::Conflict) => {}
            Err(CommitError::Store(error)) => {
                return Err(kernel.store_failure(error));
            }
        }
    }
    Err(Error::busy(
        "Other callers keep giving back to the same window; try again.",
    ))
}
