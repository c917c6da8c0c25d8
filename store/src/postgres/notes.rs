//! The table of the notes.

use super::rows::State;
use super::trouble::Trouble;
use super::wire::{Ask, Row, Rows, Value};
use crate::backend::Notes;
use crate::notes;

/// At most so many after a commit.
pub(super) fn after(commit: u64, most: usize) -> Ask<'static> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    (
        "SELECT n, before, note FROM log WHERE n > $1 ORDER BY n LIMIT $2",
        vec![Value::Number(commit.cast_signed()), Value::Number(most)],
    )
}

/// Removes the earliest, where more than so many are there.
pub(super) fn prune(kept: u64) -> Ask<'static> {
    (
        "DELETE FROM log WHERE n <= (SELECT n FROM log ORDER BY n DESC LIMIT 1 OFFSET $1)",
        vec![Value::Number(kept.max(1).cast_signed())],
    )
}

/// What [`after`] was answered; `state` is of the same moment or a later one.
pub(super) fn of(rows: &Rows, state: &State, commit: u64, most: usize) -> Result<Notes, Trouble> {
    let rows = rows.iter().map(|row: &Row| {
        let number = |column| row.number(column).map(i64::cast_unsigned);
        Ok((number(0)?, number(1)?, row.bytes(2)?.to_vec()))
    });
    notes::following(rows, state.noted, commit, most)
}
