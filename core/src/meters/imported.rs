//! How much was used at another platform is counted as if it had been sent (R-QTA-19).
//!
//! An import writes the records of counters like another process that draws from them and uses what
//! it has drawn at once. Whoever draws meanwhile is told by the versions of the records, and all
//! who have a counter in memory read it anew once the import is committed.

use crate::error::Error;
use crate::kernel::Tx;
use crate::locks::MutexGuard;
use crate::meters::prepared::Prepared;
use crate::meters::store::MeterStore;
use crate::meters::team::Team;
use crate::meters::wanted::Wanted;
use crate::meters::windows::next_window;
use crate::model::{Id, Imported, ImportedUse, Meter, Window};
use crate::rules::window;

/// The counter of the window of now, as the store has it.
pub(crate) struct ImportInto<'w> {
    wanted: &'w Wanted,
    meter: Meter,
    /// The window before, where it is to be kept and is not yet.
    ended: Option<Meter>,
}

impl Prepared {
    /// Writes down what is drawn here and not used, so that the store counts no more of it. As long
    /// as what is answered is there, nothing is drawn; none where somebody draws just now. Whoever
    /// holds the lock of the writer does not wait for them: they may wait for that lock.
    pub(crate) fn put_down(
        &self,
        store: &impl MeterStore,
    ) -> Result<Option<MutexGuard<'_, ()>>, Error> {
        let Some(drawing) = self.team.drawing.try_lock() else {
            return Ok(None);
        };
        self.team.give_back_from(store.kernel(), &self.places)?;
        Ok(Some(drawing))
    }

    /// Waits for whoever draws from these counters just now.
    pub(crate) fn wait_for_draw(&self) {
        drop(self.team.drawing.lock());
    }
}

impl Team {
    /// Grants nothing more from the counters of an account before they are read anew.
    pub(crate) fn read_anew(&self, account: &Id) {
        let mut meters = self.meters();
        let meters = &mut *meters;
        let pairs = meters.hot.iter_mut().zip(&meters.cold);
        for (hot, _) in pairs.filter(|(_, cold)| cold.id.account.as_ref() == Some(account)) {
            hot.ends_at_ms = 0;
        }
    }
}

impl<'w> ImportInto<'w> {
    pub(crate) fn new(tx: &mut Tx<'_>, wanted: &'w Wanted) -> Result<ImportInto<'w>, Error> {
        let last: Meter = tx.get(&wanted.id.key())?.unwrap_or_default();
        let meter = next_window(last.clone(), wanted.window, tx.now_ms, &wanted.calendar)?;
        let is_over = wanted.window != Window::RollingHour
            && last.is_charged()
            && last.ends_at_ms <= meter.starts_at_ms;
        Ok(ImportInto {
            wanted,
            meter,
            ended: is_over.then_some(last),
        })
    }

    /// What was imported for it before.
    pub(crate) fn own(&self) -> Option<ImportedUse> {
        self.meter.imported.as_ref()?.own
    }

    pub(crate) fn counted(&self) -> u64 {
        self.meter.counted()
    }

    /// Imports how much of it was used. Answers by how much that raises it.
    pub(crate) fn import(&mut self, used: u64) -> u64 {
        let counted = self.counted();
        let raised_by = used.saturating_sub(counted);
        let imported = self.imported();
        imported.own = Some(ImportedUse {
            used,
            counted,
            covers: imported.below.saturating_add(raised_by),
        });
        self.raise(raised_by)
    }

    /// An import has raised the counter of the account directly below by so much. Answers by how
    /// much that raises this one.
    pub(crate) fn import_below(&mut self, raised_by: u64) -> u64 {
        let raised_by = self.imported().add_below(raised_by);
        self.raise(raised_by)
    }

    fn imported(&mut self) -> &mut Imported {
        let kind = self.wanted.window;
        let counts_until_ms = window::resets_at_ms(kind, self.meter.ends_at_ms, None);
        let imported = self.meter.imported.get_or_insert_default();
        imported.counts_until_ms = counts_until_ms;
        imported
    }

    fn raise(&mut self, by: u64) -> u64 {
        self.meter.drawn = self.meter.drawn.saturating_add(by);
        by
    }

    /// Writes it. Answers whether a window is kept with it that is to be cleared away some day.
    pub(crate) fn write(&self, tx: &mut Tx<'_>) -> Result<bool, Error> {
        tx.put(self.wanted.id.key(), &self.meter)?;
        if let Some(ended) = &self.ended {
            tx.put(self.wanted.id.history_key(ended.starts_at_ms), ended)?;
        }
        Ok(self.ended.is_some())
    }
}
