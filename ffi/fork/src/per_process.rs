//! A value that each process has its own of.

use crate::forks::generation;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// One value for each process: a forked child begins with a new one, because whoever had locked
/// the parent's may not exist there. The parent's is left as it is.
pub struct PerProcess<T: 'static> {
    made: AtomicPtr<Made<T>>,
}

struct Made<T> {
    generation: u64,
    value: T,
}

impl<T: Default + Sync> PerProcess<T> {
    /// The value is made when it is first asked for.
    #[must_use]
    pub const fn new() -> PerProcess<T> {
        PerProcess {
            made: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The value of this process.
    pub fn get(&self) -> &'static T {
        let generation = generation();
        let mut found = self.made.load(Ordering::Acquire);
        loop {
            // SAFETY: null, or a value that was leaked.
            if let Some(made) = unsafe { found.as_ref() }
                && made.generation == generation
            {
                return &made.value;
            }
            let value = T::default();
            let fresh = Box::into_raw(Box::new(Made { generation, value }));
            match self
                .made
                .compare_exchange(found, fresh, Ordering::AcqRel, Ordering::Acquire)
            {
                // SAFETY: it is leaked from now on.
                Ok(_) => return unsafe { &(*fresh).value },
                Err(theirs) => {
                    // SAFETY: nobody else has seen it.
                    drop(unsafe { Box::from_raw(fresh) });
                    found = theirs;
                }
            }
        }
    }
}

impl<T: Default + Sync> Default for PerProcess<T> {
    fn default() -> PerProcess<T> {
        PerProcess::new()
    }
}
