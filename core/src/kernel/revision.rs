//! The revision of a record, which whoever changes it may have to name.

use crate::error::{Code, Error};
use crate::model::Count;

/// A stale `expected_rev` is `rev_conflict`.
pub(crate) fn check_rev(expected: Option<Count>, rev: u64) -> Result<(), Error> {
    match expected {
        Some(expected) if expected.get() != rev => Err(Error::new(
            Code::RevConflict,
            format!(
                "The record has the revision {rev}, not {}; read it again, and repeat.",
                expected.get()
            ),
        )
        .at("/expected_rev")
        .with("rev", rev)),
        _ => Ok(()),
    }
}
