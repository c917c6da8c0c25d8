//! The process that a store belongs to: the one that opened it, and none that is forked from it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

/// In which process stores of a kind are open: the threads and locks that they share there are not
/// those of a child that is forked meanwhile. Without a lock: who held it may not exist in a child.
pub(crate) struct OpenIn {
    /// The process, and how many are open; 0 where none is.
    state: AtomicU64,
}

impl OpenIn {
    pub(crate) const fn nobody() -> OpenIn {
        OpenIn {
            state: AtomicU64::new(0),
        }
    }

    /// One more is open in this process, as long as the answer lives; refused in a child of the one
    /// that has some open.
    pub(crate) fn enter(&'static self) -> Result<Entered, StoreError> {
        let own = u64::from(std::process::id());
        let entered = |state: u64| match state >> 32 {
            0 => Some(own << 32 | 1),
            process if process == own => Some(state + 1),
            _ => None,
        };
        let before = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, entered);
        let entered = |_| Entered {
            open_in: self,
            process: Process::default(),
        };
        before.map(entered).map_err(|other| StoreError::Forked {
            what: format!(
                "Process {own} was forked from process {}, which had opened a store; open stores \
                 only after forking.",
                other >> 32
            ),
        })
    }

    /// In a child: the parent had closed all that it shares with others, before it forked.
    #[cfg(feature = "sqlite")]
    pub(crate) fn forget_parent(&self) {
        self.state.store(0, Ordering::Release);
    }

    fn leave(&self) {
        let own = u64::from(std::process::id());
        let left = |state: u64| match (state >> 32 == own, state & u64::from(u32::MAX)) {
            (true, 1) => Some(0),
            (true, open) if open > 1 => Some(state - 1),
            _ => None,
        };
        let _ = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, left);
    }
}

/// A store that is open in this process. It is dropped once that is closed, and left nothing
/// behind.
#[must_use]
pub(crate) struct Entered {
    open_in: &'static OpenIn,
    process: Process,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // What a parent has open is not this process's to close.
        if self.process.check().is_ok() {
            self.open_in.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_closed_all_leaves_nothing_to_a_child() {
        static OPEN_IN: OpenIn = OpenIn::nobody();
        let state = || OPEN_IN.state.load(Ordering::Acquire);
        let both = [OPEN_IN.enter().unwrap(), OPEN_IN.enter().unwrap()];
        let [one, other] = both;
        drop(one);
        assert_ne!(state(), 0);
        drop(other);
        assert_eq!(state(), 0);
        let own = OPEN_IN.enter().unwrap();
        // As a child finds it.
        let parents = 7 << 32 | 2;
        OPEN_IN.state.store(parents, Ordering::Release);
        let refused = OPEN_IN.enter().map(drop).unwrap_err();
        assert!(refused.to_string().contains("from process 7,"), "{refused}");
        drop(own);
        assert_eq!(state(), parents);
    }
}
