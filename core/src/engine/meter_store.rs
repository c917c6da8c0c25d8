//! What the meters ask of the engine.

use crate::access::state::Engine;
use crate::error::Error;
use crate::kernel::{Kernel, Note};
use crate::meters::{Coming, MeterStore, Prepared, Room, Team, commit_draws, overtaken};
use crate::model::Id;
use crate::sending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tenantry_store::Batch;

impl MeterStore for Engine {
    #[inline]
    fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    fn commit_draws_of(&self, sender: &Id, draws: &Batch) -> Result<Option<u64>, Error> {
        let draws = self.with_pruning(self.with_owners(draws, sender)?)?;
        let draws = self.kernel.with_note(draws, &Note::default())?;
        let version = commit_draws(&self.kernel, &draws)?;
        if version.is_some() {
            self.has_committed(&draws);
            self.kernel.metrics.count_draw();
        }
        Ok(version)
    }

    fn catch_up(&self, prepared: &Prepared) -> Result<(), Error> {
        Engine::catch_up(self)?;
        let cell = self.views.cells.get(prepared.account.as_str());
        match cell.is_none_or(|cell| cell.stamp(self) == prepared.stamp) {
            true => Ok(()),
            false => Err(overtaken()),
        }
    }

    fn coming(&self, prepared: &Prepared) -> Result<Coming, Error> {
        sending::coming(self, prepared)
    }

    fn has_reserved(&self) -> bool {
        self.has_reserved.load(Ordering::Acquire)
    }

    fn room(&self) -> &Room {
        &self.views.room
    }

    fn teams(&self) -> Vec<Arc<Team>> {
        self.views.cells.teams()
    }

    fn ask_to_draw(&self, prepared: &Arc<Prepared>) {
        self.drawer.ask(&self.this, prepared);
    }

    fn asked(&self) -> Vec<Arc<Prepared>> {
        self.drawer.asked()
    }
}
