//! Work that takes more than one commit: each step is one, whole by itself, and a step says what
//! comes after it. What was cut off goes on once the store is opened again.

use crate::access::state::Engine;
use crate::domain::accounts::erase;
use crate::error::Error;
use crate::kernel::background::{Erased, JobStep};
use crate::model::{Actor, Id};
use std::collections::BTreeSet;

/// What the audit calls it.
const OPERATION: &str = "accounts.delete";

impl Engine {
    /// Makes the next step of the work that is under way; whether there is more of it.
    pub(crate) fn run_job_step(&self) -> Result<bool, Error> {
        let mut waiting = self.background.waiting.lock();
        let JobStep { goes_on, ended } =
            self.commit_durably(&Actor::System, Some(OPERATION), erase::step)?;
        if let Some((root, erased)) = ended
            && let Some(waits) = waiting.get_mut(&root)
        {
            *waits = Some(erased);
        }
        if !goes_on {
            self.refresh_jobs()?;
        }
        Ok(goes_on)
    }

    /// Makes step after step until these accounts are erased, and answers what went with them.
    /// Others write in between.
    pub(crate) fn finish_jobs(&self, roots: &BTreeSet<Id>) -> Result<Erased, Error> {
        let mut waiting = self.background.waiting.lock();
        waiting.extend(roots.iter().map(|root| (root.clone(), None)));
        drop(waiting);
        let mut outcome = Ok(true);
        while matches!(outcome, Ok(true)) && !self.background.all_done(roots) {
            outcome = self.run_job_step();
        }
        let mut waiting = self.background.waiting.lock();
        let erased = roots
            .iter()
            .filter_map(|root| waiting.remove(root).flatten());
        let erased = erased.fold(Erased::default(), Erased::and);
        drop(waiting);
        if outcome.is_err() {
            self.cut_off();
        }
        outcome.map(|_| erased)
    }
}
