//! A store that several processes have open at once: who writes, and how each applies what the
//! others have committed.

use super::Kernel;
use super::note::Note;
use super::state::Writing;
use crate::error::{Code, Error};
use std::borrow::Cow;
use std::sync::atomic::Ordering;
use tenantry_store::{Batch, Notes, Standing};
use tracing::error;

/// How many notes are read at once.
const NOTES_AT_ONCE: usize = 256;

impl Kernel {
    /// Whether a call has more to look at than whether it is closed: the store has failed, or is
    /// shared.
    #[inline]
    pub(crate) fn needs_check(&self) -> bool {
        !self.state.is_plain()
    }

    #[inline]
    pub(crate) fn is_poisoned(&self) -> bool {
        self.state.is_poisoned()
    }

    pub(crate) fn poison(&self) {
        if !self.is_poisoned() {
            error!(target: "tenantry::store", "The store refuses writes until it is opened anew.");
        }
        self.state.poison();
    }

    #[cfg(test)]
    pub(crate) fn unpoison(&self) {
        self.state.unpoison();
    }

    /// Whether other processes may have the store open.
    #[inline]
    pub(crate) fn is_shared(&self) -> bool {
        self.state.is_shared()
    }

    /// How many processes have the store open.
    pub(crate) fn processes(&self) -> u64 {
        let shared = self.backend.shared();
        shared.map_or(1, |shared| shared.processes().max(1))
    }

    /// How many processes have the store open now.
    pub(crate) fn count_processes(&self) -> Result<u64, Error> {
        let shared = self.backend.shared();
        Ok(shared.map_or(Ok(1), |shared| shared.count_processes())?)
    }

    /// Whether another has committed something that is not applied here yet, or may have.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_shared()
            && self.backend.shared().is_some_and(|shared| {
                shared.noted().load(Ordering::Acquire) > self.applied.load(Ordering::Acquire)
                    || (self.state.is_bounded() && shared.is_stale())
            })
    }

    /// Whether nothing was heard of the others for longer than anything may be answered from
    /// memory.
    pub(crate) fn is_stale(&self) -> bool {
        self.state.is_bounded()
            && self
                .backend
                .shared()
                .is_some_and(|shared| shared.is_stale())
    }

    /// Whoever was answered from memory is told so only in time.
    pub(crate) fn refuse_stale(&self) -> Result<(), Error> {
        match self.is_stale() {
            true => Err(Error::new(
                Code::StoreUnreachable,
                "The database was not heard from in time, so the answer may be out of date; ask \
                 again.",
            )),
            false => Ok(()),
        }
    }

    /// Where nothing was heard of the others for too long, asks. Where they count this process as
    /// gone, all that it holds is forgotten before it counts again.
    pub(crate) fn get_in_touch(
        &self,
        forget: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(shared) = self.backend.shared().filter(|_| self.is_stale()) else {
            return Ok(());
        };
        let _applying = self.applying.lock();
        if shared.is_stale() && shared.ask()? == Standing::Expelled {
            forget()?;
            shared.rejoin()?;
        }
        Ok(())
    }

    /// The lock of the writer. Whoever has it applies first what others have committed meanwhile.
    pub(crate) fn write(&self) -> Result<Writing<'_>, Error> {
        let (writer, guard) = self.slow.watch("lock", || {
            let writer = self.writer.lock();
            let shared = self.backend.shared();
            let guard = shared.map(|shared| shared.lock_writer()).transpose();
            (writer, guard)
        });
        let guard = guard.map_err(|error| self.store_failure(error))?;
        Ok(Writing::new(writer, guard))
    }

    /// The same commit, with a note for other processes where there are any and they need one.
    pub(crate) fn with_note<'b>(
        &self,
        batch: Cow<'b, Batch>,
        note: &Note,
    ) -> Result<Cow<'b, Batch>, Error> {
        if !self.is_shared() {
            return Ok(batch);
        }
        let note = note.clone().with_written(&batch.writes).bytes();
        let note = note.map_err(|error| Error::internal(error.to_string()))?;
        if note.is_empty() {
            return Ok(batch);
        }
        Ok(Cow::Owned(Batch {
            note,
            ..batch.into_owned()
        }))
    }

    /// Applies the notes since the last call, oldest first. `None` means that a note was lost, and
    /// all caches must be dropped.
    ///
    /// What is built meanwhile of what was read before is out of date at once: stamps are read
    /// before what they are of, and are raised here once the store has what is to be read then.
    pub(crate) fn apply_notes(
        &self,
        apply: impl Fn(Option<&Note>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(shared) = self.backend.shared() else {
            return Ok(());
        };
        let _applying = self.applying.lock();
        loop {
            let applied = self.applied.load(Ordering::Acquire);
            if shared.noted().load(Ordering::Acquire) <= applied {
                break;
            }
            let notes = match shared.notes_after(applied, NOTES_AT_ONCE)? {
                Notes::Next(notes) if notes.is_empty() => break,
                Notes::Next(notes) => notes,
                Notes::Lost { noted } => vec![(noted, Vec::new())],
            };
            for (number, bytes) in notes {
                self.snapshots.begin_applying(number);
                apply(Note::of(&bytes).as_ref())?;
                self.applied.fetch_max(number, Ordering::AcqRel);
            }
        }
        Ok(())
    }

    /// Something becomes due at an instant.
    pub(crate) fn due_at(&self, at_ms: u64) {
        let next_ms = &self.clock.next_due_ms;
        next_ms.fetch_min(at_ms, Ordering::AcqRel);
        self.notifier.notify();
    }
}
