//! Counters are drawn from the store: the draws of a send, and the next blocks ahead of it.

use crate::error::Error;
use crate::kernel::Kernel;
use crate::locks::MutexGuard;
use crate::meters::counter::Cold;
use crate::meters::prepared::Prepared;
use crate::meters::record::{bytes_of, push_meter};
use crate::meters::store::MeterStore;
use crate::meters::team::{Locked, Meters};
use crate::model::{Meter, Window};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tenantry_store::{Batch, CommitError};

/// How often a draw is tried against others that draw from the same records.
pub(crate) const ROUNDS: usize = 16;

/// A part of a limit that is taken from the store.
pub(super) struct Draw {
    pub(super) place: usize,
    pub(super) size: u64,
    /// The highest threshold that the host is told of with it.
    pub(super) alerted: u64,
    /// Whether credits pay for something in the window.
    pub(super) paid: bool,
}

/// Writes the last of the draws; with the first one in a window, what was used in the window before
/// is kept (R-QTA-2).
pub(super) fn push_draw(batch: &mut Batch, cold: &Cold, draws: &[Draw]) -> Result<(), Error> {
    let Some(draw) = draws.last() else {
        return Ok(());
    };
    push_meter(
        batch,
        cold,
        &Meter {
            drawn: cold.meter.drawn + draw.size,
            alerted: draw.alerted,
            paid: draw.paid,
            ..cold.meter.clone()
        },
    )?;
    let is_over = !cold.meter.is_charged()
        && cold.charged.is_charged()
        && cold.charged.ends_at_ms <= cold.meter.starts_at_ms;
    if is_over && cold.window != Window::RollingHour {
        batch.writes.push((
            cold.id.history_key(cold.charged.starts_at_ms),
            Some(bytes_of(&cold.charged)?),
        ));
    }
    Ok(())
}

impl Meters {
    /// What was drawn can be used. Where somebody else has written one of the records, and the
    /// draws have no version, all are read anew; so they are where others have committed something
    /// that is not applied here yet, such as a lower limit: it was drawn under the old one.
    fn hand_out(
        &mut self,
        prepared: &Prepared,
        draws: &[Draw],
        version: Option<u64>,
        is_behind: bool,
    ) -> Result<(), Error> {
        if version.is_none() || is_behind {
            for place in prepared.places.iter() {
                self.pair_mut(*place)?.0.ends_at_ms = 0;
            }
        }
        let Some(version) = version else {
            return Ok(());
        };
        for draw in draws {
            let (hot, cold) = self.pair_mut(draw.place)?;
            cold.meter.drawn += draw.size;
            cold.meter.alerted = draw.alerted;
            cold.meter.paid = draw.paid;
            if !cold.meter.is_charged() {
                // Told of what earlier parts of a rolling window hold.
                cold.charged.alerted = draw.alerted;
            }
            cold.unwritten.clear();
            cold.version = version;
            cold.set_stop(hot);
            hot.unspent += draw.size;
            cold.set_low(hot);
        }
        Ok(())
    }
}

impl Prepared {
    /// Has the next blocks drawn ahead, where that is not asked for yet.
    #[cold]
    pub(super) fn ask_for_blocks(self: &Arc<Self>, store: &impl MeterStore) {
        if self.asked.swap(true, Ordering::AcqRel) {
            return;
        }
        // With a clock that stands still everything is to be the same in every run.
        if !store.kernel().has_manual_clock() {
            store.ask_to_draw(self);
        }
    }

    /// Commits draws and hands them out once they are durable, to whoever holds the lock that is
    /// answered; none where somebody else has written one of the records. Whoever waits for the
    /// disk draws in the same commit for all who have asked.
    pub(super) fn draw<'p>(
        &'p self,
        store: &impl MeterStore,
        mut batch: Batch,
        draws: &[Draw],
    ) -> Result<Option<Locked<'p>>, Error> {
        let kernel = store.kernel();
        let asked = store.asked();
        let others = draws_ahead(store, &asked, &mut batch)?;
        let version = store.commit_draws_of(&self.account, &batch)?;
        let is_behind = kernel.is_behind();
        hand_out_ahead(&others, version, is_behind)?;
        let mut meters = self.team.meters();
        meters.hand_out(self, draws, version, is_behind)?;
        Ok(version.map(|_| meters))
    }
}

/// The next blocks of one sender's counters, held by whoever draws for its team.
struct Ahead<'p> {
    prepared: &'p Prepared,
    draws: Vec<Draw>,
    _drawing: MutexGuard<'p, ()>,
}

/// Draws the next blocks of senders, in one commit.
pub(crate) fn draw_ahead(store: &impl MeterStore, asked: &[Arc<Prepared>]) -> Result<(), Error> {
    store.kernel().refuse_when_shut()?;
    let mut batch = Batch::default();
    let ahead = draws_ahead(store, asked, &mut batch)?;
    let Some(first) = ahead.first() else {
        return Ok(());
    };
    let version = store.commit_draws_of(&first.prepared.account, &batch)?;
    hand_out_ahead(&ahead, version, store.kernel().is_behind())
}

/// Adds the next blocks of senders to a batch. Whoever draws for a team already is not waited for:
/// its senders ask again.
fn draws_ahead<'p>(
    store: &impl MeterStore,
    asked: &'p [Arc<Prepared>],
    batch: &mut Batch,
) -> Result<Vec<Ahead<'p>>, Error> {
    let mut ahead = Vec::new();
    for prepared in asked {
        let drawing = prepared.team.drawing.try_lock();
        prepared.asked.store(false, Ordering::Release);
        let Some(_drawing) = drawing else { continue };
        let draws = prepared.draws_ahead(store, batch)?;
        if !draws.is_empty() {
            ahead.push(Ahead {
                prepared,
                draws,
                _drawing,
            });
        }
    }
    Ok(ahead)
}

fn hand_out_ahead(ahead: &[Ahead<'_>], version: Option<u64>, is_behind: bool) -> Result<(), Error> {
    ahead.iter().try_for_each(|one| {
        let mut meters = one.prepared.team.meters();
        meters.hand_out(one.prepared, &one.draws, version, is_behind)
    })
}

impl Prepared {
    /// The next blocks of the counters that run low.
    fn draws_ahead(&self, store: &impl MeterStore, batch: &mut Batch) -> Result<Vec<Draw>, Error> {
        let kernel = store.kernel();
        let (now_ms, processes) = (kernel.clock.now_ms(), kernel.processes());
        let mut draws = Vec::new();
        let mut meters = self.team.meters();
        let least = meters.least_ahead(self, processes)?;
        for place in self.places.iter() {
            let (hot, cold) = meters.pair_mut(*place)?;
            // What has no record was not drawn from: its account is gone.
            let is_there = cold.version != 0;
            if is_there && hot.unspent < hot.low && now_ms < hot.ends_at_ms {
                let size = cold.ahead_size(hot, least, processes, now_ms);
                if size > 0 {
                    draws.push(Draw {
                        place: *place,
                        size,
                        alerted: cold.meter.alerted,
                        paid: cold.meter.paid,
                    });
                    push_draw(batch, cold, &draws)?;
                }
            }
        }
        Ok(draws)
    }
}

/// Commits draws. The version of the records once they are durable; none where somebody else has
/// written one of them.
pub(crate) fn commit_draws(kernel: &Kernel, batch: &Batch) -> Result<Option<u64>, Error> {
    match kernel.commit_batch(batch) {
        Ok(version) => kernel.wait_until_durable(version).map(|()| Some(version)),
        Err(CommitError::Conflict) => Ok(None),
        Err(CommitError::Store(error)) => Err(kernel.store_failure(error)),
    }
}
