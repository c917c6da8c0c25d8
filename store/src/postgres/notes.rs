//! The notes of the commits: what each has other processes forget.
//!
//! Every row names the one before it, so that a row which is not kept any more is missed.

use super::rows::State;
use super::trouble::Trouble;
use super::wire::{Ask, Row, Rows, Value};
use crate::backend::Notes;

/// So many of the newest are kept.
pub(super) const KEPT: u64 = 100_000;

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
    let lost = Notes::Lost { noted: state.noted };
    let mut found: Vec<(u64, Vec<u8>)> = Vec::new();
    for row in rows {
        let number = |column| Row::number(row, column).map(i64::cast_unsigned);
        let (number, before) = (number(0)?, number(1)?);
        let follows = match found.last() {
            Some((last, _)) => before == *last,
            None => before <= commit,
        };
        if !follows {
            return Ok(lost);
        }
        found.push((number, row.bytes(2)?.to_vec()));
    }
    // The newest is always kept.
    if found.is_empty() && state.noted > commit && most > 0 {
        return Ok(lost);
    }
    Ok(Notes::Next(found))
}
