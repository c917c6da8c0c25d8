//! Catches panics. The core has a guard of its own; this one is for the code outside of the core.

use std::panic::{AssertUnwindSafe, catch_unwind};
use tenantry_core::{Code, Error};

/// The status of success.
pub(crate) const OK: i32 = 0;

/// Runs the body of a function; a panic becomes `internal`.
#[inline]
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        std::mem::forget(payload); // its drop could panic again
        Err(Error::new(
            Code::Internal,
            "A defect in tenantry stopped the call; open the store again, and report the defect.",
        ))
    })
}

/// The number for a result.
#[inline]
pub(crate) fn status(result: Result<(), Error>) -> i32 {
    match result {
        Ok(()) => OK,
        Err(error) => error.code().number(),
    }
}

/// The error for a handle that is in no table.
#[cold]
pub(crate) fn no_handle<T>() -> Result<T, Error> {
    Err(Error::new(
        Code::Closed,
        "The handle was freed, or never given out; make a new one.",
    ))
}

/// The error of a prepare function when the table of handles is full.
#[cold]
pub(crate) fn no_room() -> Error {
    Error::new(
        Code::Internal,
        "There are too many handles; free those that are not needed.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct PanicsAgain;

    impl Drop for PanicsAgain {
        fn drop(&mut self) {
            panic!("from the payload's drop");
        }
    }

    /// S17
    #[test]
    fn a_panic_becomes_internal_whatever_it_carries() {
        for payload in [
            Box::new("text") as Box<dyn std::any::Any + Send>,
            Box::new(PanicsAgain),
        ] {
            let result: Result<(), Error> = guarded(|| std::panic::resume_unwind(payload));
            assert_eq!(status(result), Code::Internal.number());
        }
        assert_eq!(status(guarded(|| Ok(()))), OK);
    }
}
