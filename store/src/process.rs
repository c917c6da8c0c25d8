//! The process that a store belongs to: the one that opened it, and none that is forked from it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::backend::StoreError;

/// Whether this is a child of the process that opened a store, or the store was left alone since.
pub(crate) struct Process {
    generation: u64,
    abandoned: AtomicBool,
}

impl Default for Process {
    fn default() -> Process {
        Process {
            generation: tenantry_fork::generation(),
            abandoned: AtomicBool::new(false),
        }
    }
}

impl Process {
    /// Takes no lock: in a forked child its holder may be gone.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.abandoned.load(Ordering::Acquire) || self.generation != tenantry_fork::generation()
        {
            return Err(StoreError::Forked {
                what: "The store was opened in the process that this one was forked from; open it \
                       after the fork."
                    .into(),
            });
        }
        Ok(())
    }
}

/// Remembers in `first` which process opened a store of a kind first, and refuses a child of it:
/// the threads and locks that such stores share in one process are not the child's.
pub(crate) fn refuse_after_fork(first: &AtomicU32) -> Result<(), StoreError> {
    let own = std::process::id();
    match first.compare_exchange(0, own, Ordering::AcqRel, Ordering::Acquire) {
        Err(first) if first != own => Err(StoreError::Forked {
            what: format!(
                "Process {own} was forked from process {first} after that had opened a store; open \
                 stores only after forking."
            ),
        }),
        _ => Ok(()),
    }
}
