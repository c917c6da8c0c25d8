//! What was charged comes back, and what the host has counted takes its place (R-QTA-6).

use crate::access::state::Engine;
use crate::error::Error;
use crate::meters::draw::ROUNDS;
use crate::meters::id::MeterId;
use crate::meters::paid::Paid;
use crate::meters::prepared::Prepared;
use crate::meters::record::{bytes_of, meter_of, push_meter};
use crate::meters::team::lost_place;
use crate::model::{Channel, Id, MessageInput, Meter};
use tenantry_store::{Batch, CommitError, Order};

/// Messages that were charged once, and come back.
pub(crate) struct Sent<'a> {
    pub(crate) user: Option<&'a Id>,
    /// The group of the user then; several where they changed it at that instant.
    pub(crate) groups: &'a [Id],
    pub(crate) channel: Channel,
    pub(crate) message: &'a MessageInput,
}

/// What came back to a counter.
struct Back {
    /// What can be used again.
    usable: u64,
    /// With what was taken out of a window that is over.
    in_all: u64,
}

impl Engine {
    /// Gives back what was granted at an instant and did not go out, into the windows of that
    /// instant (R-QTA-6).
    ///
    /// What came back into the last window of a counter is in memory only: after a crash it counts
    /// as used.
    pub(crate) fn refund(
        &self,
        prepared: &Prepared,
        count: u64,
        paid: &Paid,
        granted_at_ms: u64,
    ) -> Result<(), Error> {
        self.put_back(
            prepared,
            &paid.charged(prepared, count),
            granted_at_ms,
            false,
        )
        .map(drop)
    }

    /// As [`refund`](Engine::refund), where it is not known what was charged. What a counter has
    /// not, comes back to another that the messages may have been charged to in its place: a limit
    /// counted another class then, a group in another period, a user was in another group. Answers
    /// to how many of the counters something came back that can be used again; where this is asked
    /// for alone, nothing comes back.
    pub(crate) fn refund_sent(
        &self,
        prepared: &Prepared,
        sent: &Sent<'_>,
        count: u64,
        paid: &Paid,
        granted_at_ms: u64,
        asked_alone: bool,
    ) -> Result<usize, Error> {
        let charged = paid.charged(prepared, count);
        let back = self.put_back(prepared, &charged, granted_at_ms, asked_alone)?;
        let mut refunded = back.iter().filter(|back| back.usable > 0).count();
        let missing = prepared
            .wanted
            .iter()
            .zip(charged.iter().zip(&back))
            .map(|(wanted, (charged, back))| (&wanted.id, charged.saturating_sub(back.in_all)));
        let mut missing: Vec<_> = missing.filter(|(_, missing)| *missing > 0).collect();
        if missing.is_empty() {
            return Ok(refunded);
        }
        let cell = self.cell(&prepared.account)?;
        let view = cell.view(self)?;
        for wanted in self.may_be_charged(&cell, &view, sent)? {
            let is_other =
                !wanted.is_pace && prepared.wanted.iter().all(|known| known.id != wanted.id);
            let place = missing
                .iter_mut()
                .find(|(id, missing)| is_other && *missing > 0 && wanted.id.takes_place_of(id));
            let Some((_, missing)) = place else { continue };
            if self.kernel.backend.get(&wanted.id.key())?.is_some() {
                let other = self.hold_places(Prepared::new(&cell, &view, vec![wanted]))?;
                for back in self.put_back(&other, &[*missing], granted_at_ms, asked_alone)? {
                    *missing = missing.saturating_sub(back.in_all);
                    refunded += usize::from(back.usable > 0);
                }
            }
        }
        Ok(refunded)
    }

    /// Takes so much out of each counter, in the window of an instant; where it is asked alone how
    /// much that would be, nothing.
    fn put_back(
        &self,
        prepared: &Prepared,
        charged: &[u64],
        granted_at_ms: u64,
        asked_alone: bool,
    ) -> Result<Vec<Back>, Error> {
        let _drawing = prepared.team.drawing.lock();
        self.kernel.refuse_when_shut()?;
        self.roll(prepared, self.kernel.clock.now_ms())?;
        let (mut given_back, mut kept) = (Vec::new(), Vec::new());
        {
            let mut meters = prepared.team.meters();
            for (place, charged) in prepared.places.iter().zip(charged) {
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
            let (version, back) = self.give_back_to_kept(&id, count, granted_at_ms, asked_alone)?;
            written = written.max(version);
            if let Some(given_back) = given_back.get_mut(at) {
                given_back.in_all += back;
            }
        }
        self.kernel.wait_until_durable(written)?;
        prepared.team.meters().keep_apart_of(prepared)?;
        Ok(given_back)
    }

    /// Takes what was used at an instant out of a window that is over and kept; answers the number
    /// of the commit, or 0 where nothing is written, and how much of it was there.
    fn give_back_to_kept(
        &self,
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
            let Some((key, record)) = self
                .kernel
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
            match self.kernel.commit_batch(&batch) {
                Ok(version) => return Ok((version, back)),
                Err(CommitError::Conflict) => {}
                Err(CommitError::Store(error)) => {
                    return Err(self.kernel.store_failure(error.into()));
                }
            }
        }
        Err(Error::busy(
            "Others keep giving back to the same window; try again.",
        ))
    }

    /// The last window in which an account's own limit was charged, as it is used: what was drawn
    /// ahead is not (R-QTA-6).
    pub(crate) fn last_window(&self, prepared: &Prepared) -> Result<Meter, Error> {
        let _drawing = prepared.team.drawing.lock();
        self.roll(prepared, self.kernel.clock.now_ms())?;
        let meters = prepared.team.meters();
        let (hot, cold) = meters.pair(*prepared.places.first().ok_or_else(lost_place)?)?;
        Ok(cold.without_unspent(hot))
    }

    /// Sets what is used of an account's own limit in its window to what the host has counted,
    /// which is never more.
    pub(crate) fn reconcile(&self, prepared: &Prepared, used: u64) -> Result<u64, Error> {
        let _drawing = prepared.team.drawing.lock();
        self.kernel.refuse_when_shut()?;
        self.roll(prepared, self.kernel.clock.now_ms())?;
        let place = *prepared.places.first().ok_or_else(lost_place)?;
        let mut batch = Batch::default();
        let back = {
            let mut meters = prepared.team.meters();
            let (hot, cold) = meters.pair_mut(place)?;
            let back = hot.used.checked_sub(used).ok_or_else(|| {
                Error::invalid(
                    "/used",
                    format!(
                        "Only {} are counted, and not {used}; charge what went out with \
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
        let committed = self.kernel.commit_batch(&batch);
        let mut meters = prepared.team.meters();
        let (hot, cold) = meters.pair_mut(place)?;
        match committed {
            Ok(version) => {
                cold.version = version;
                cold.unwritten.clear();
                cold.set_stop(hot);
                meters.keep_apart_of(prepared)?;
                drop(meters);
                self.kernel.wait_until_durable(version)?;
                Ok(back)
            }
            Err(CommitError::Conflict) => {
                // Somebody else has written it: it is read anew.
                (hot.ends_at_ms, cold.version) = (0, u64::MAX);
                Err(Error::busy(
                    "Others keep drawing from the same limits; try again.",
                ))
            }
            Err(CommitError::Store(error)) => Err(self.kernel.store_failure(error.into())),
        }
    }
}
