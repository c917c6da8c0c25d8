//! Counters are drawn from the store: the draws of a send, and the next blocks ahead of it.

use crate::error::Error;
use crate::kernel::Kernel;
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
    /// answered; none where somebody else has written one of the records.
    pub(super) fn draw<'p>(
        &'p self,
        store: &impl MeterStore,
        batch: &Batch,
        draws: &[Draw],
    ) -> Result<Option<Locked<'p>>, Error> {
        let version = store.commit_draws_of(&self.account, batch)?;
        let is_behind = store.kernel().is_behind();
        let mut meters = self.team.meters();
        meters.hand_out(self, draws, version, is_behind)?;
        Ok(version.map(|_| meters))
    }
}

/// Draws the next blocks of the counters that run low, in one commit. No two are to be of one
/// team.
pub(crate) fn draw_ahead(kernel: &Kernel, asked: &[Arc<Prepared>]) -> Result<(), Error> {
    let _drawing: Vec<_> = asked
        .iter()
        .map(|prepared| prepared.team.drawing.lock())
        .collect();
    asked
        .iter()
        .for_each(|prepared| prepared.asked.store(false, Ordering::Release));
    kernel.refuse_when_shut()?;
    let (now_ms, processes) = (kernel.clock.now_ms(), kernel.processes());
    let mut batch = Batch::default();
    let mut of_each = Vec::with_capacity(asked.len());
    for prepared in asked {
        let mut draws = Vec::new();
        let mut meters = prepared.team.meters();
        let least = meters.least_ahead(prepared, processes)?;
        for place in prepared.places.iter() {
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
                    push_draw(&mut batch, cold, &draws)?;
                }
            }
        }
        of_each.push(draws);
    }
    if batch.writes.is_empty() {
        return Ok(());
    }
    let version = commit_draws(kernel, &batch)?;
    let is_behind = kernel.is_behind();
    for (prepared, draws) in asked
        .iter()
        .zip(&of_each)
        .filter(|(_, draws)| !draws.is_empty())
    {
        let mut meters = prepared.team.meters();
        meters.hand_out(prepared, draws, version, is_behind)?;
    }
    Ok(())
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
