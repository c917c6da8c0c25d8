//! Work that takes more than one commit: each step is one, whole by itself, and a step says what
//! comes after it. What was cut off goes on once the store is opened again.

use crate::access::state::Engine;
use crate::domain::accounts::erase;
use crate::error::Error;
use crate::kernel::background::{Erased, Step};
use crate::model::{Actor, Id};
use std::collections::BTreeSet;

/// What the audit calls it.
const OPERATION: &str = "accounts.delete";

impl Engine {
    /// Makes the next step of the work that is under way; whether there is more of it.
    pub(crate) fn step_of_job(&self) -> Result<bool, Error> {
        let mut told = self.background.told.lock();
        let Step { goes_on, ended } =
            self.commit_beside(&Actor::System, Some(OPERATION), erase::step)?;
        if let Some((root, erased)) = ended
            && let Some(waits) = told.get_mut(&root)
        {
            *waits = Some(erased);
        }
        if !goes_on {
            self.look_for_work()?;
        }
        Ok(goes_on)
    }

    /// Makes step after step until these accounts are erased, and answers what went with them.
    /// Others write in between.
    pub(crate) fn finish_jobs(&self, roots: &BTreeSet<Id>) -> Result<Erased, Error> {
        let mut told = self.background.told.lock();
        told.extend(roots.iter().map(|root| (root.clone(), None)));
        drop(told);
        let mut outcome = Ok(true);
        while matches!(outcome, Ok(true)) && !self.background.all_told(roots) {
            outcome = self.step_of_job();
        }
        let mut told = self.background.told.lock();
        let erased = roots.iter().filter_map(|root| told.remove(root).flatten());
        let erased = erased.fold(Erased::default(), Erased::and);
        drop(told);
        if outcome.is_err() {
            self.cut_off();
        }
        outcome.map(|_| erased)
    }
}
