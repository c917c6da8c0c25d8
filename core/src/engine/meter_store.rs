//! What the meters ask of the engine.

use crate::access::state::Engine;
use crate::error::Error;
use crate::kernel::{Kernel, Note};
use crate::meters::{Coming, MeterStore, Prepared, Room, Team, commit_draws, overtaken};
use crate::model::Id;
use crate::sending;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tenantry_store::{Batch, CommitError};

impl MeterStore for Engine {
    #[inline]
    fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    fn commit_draws_of(&self, sender: &Id, draws: &Batch) -> Result<Option<u64>, Error> {
        // Who has drawn something may be asked to give it back. With a clock that stands still
        // nothing is done beside the calls.
        if !self.kernel.has_manual_clock() {
            self.listen();
        }
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

    fn recall(&self, prepared: &Prepared) -> Result<(), Error> {
        let account = &prepared.account;
        let view = self
            .views
            .cells
            .get(account.as_str())
            .and_then(|cell| cell.last_view());
        let top = view.and_then(|view| view.ancestors.last().map(|top| top.id.clone()));
        let note = Note {
            recalls: [top.unwrap_or_else(|| account.clone())].into(),
            ..Note::default()
        };
        let batch = self.kernel.with_note(Cow::default(), &note)?;
        match self.kernel.commit_batch(&batch) {
            Ok(_) | Err(CommitError::Conflict) => Ok(()),
            Err(CommitError::Store(error)) => Err(self.kernel.store_failure(error)),
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
}
