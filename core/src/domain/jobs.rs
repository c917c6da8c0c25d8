//! Work that takes more than one commit: each step is one, whole by itself, and a step says what
//! comes after it. What was cut off goes on once the store is opened again.

use crate::access::state::Engine;
use crate::domain::accounts::erase;
use crate::domain::replacing;
use crate::error::Error;
use crate::kernel::{Erased, Job};
use crate::model::Actor;
use std::collections::BTreeSet;

impl Engine {
    /// Makes the next step of the work that is under way; whether there is more of it. What is
    /// replaced comes first: accounts that are erased are erased as they are then.
    pub(crate) fn run_job_step(&self) -> Result<bool, Error> {
        let _stepping = self.background.stepping.lock();
        let replaces = replacing::next_operation(&mut self.ctx(&Actor::System))?;
        let goes_on = match replaces {
            Some(operation) => {
                self.commit_durably(&Actor::System, Some(operation), replacing::step)?
            }
            None => self.commit_durably(&Actor::System, Some("accounts.delete"), erase::step)?,
        };
        if !goes_on {
            self.refresh_jobs()?;
        }
        Ok(goes_on)
    }

    /// Makes step after step until this work is done, and answers what went with accounts that were
    /// erased. Others write in between.
    pub(crate) fn finish_jobs(&self, jobs: &BTreeSet<Job>) -> Result<Erased, Error> {
        let mut waiting = self.background.waiting.lock();
        waiting.extend(jobs.iter().map(|job| (job.clone(), None)));
        drop(waiting);
        let mut outcome = Ok(true);
        while matches!(outcome, Ok(true)) && !self.background.all_done(jobs) {
            outcome = self.run_job_step();
        }
        // The last step may be that of somebody else.
        let last_commit = self.kernel.backend.last_commit();
        let is_durable = self.kernel.wait_until_read_is_durable(last_commit);
        let mut waiting = self.background.waiting.lock();
        let erased = jobs.iter().filter_map(|job| waiting.remove(job).flatten());
        let erased = erased.fold(Erased::default(), Erased::and);
        drop(waiting);
        if outcome.is_err() {
            self.cut_off();
        }
        outcome.and(is_durable).map(|()| erased)
    }
}
