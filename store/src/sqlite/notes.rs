//! The table of the notes.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{State, sqlite_error};
use crate::backend::{Notes, StoreError};
use crate::notes;

/// So many are removed in one transaction, so that nobody waits long for it.
pub(super) const STEP: usize = 500;

/// Adds the note of a commit; `before` is the last commit with one.
pub(super) fn add(
    connection: &Connection,
    commit: u64,
    before: u64,
    note: &[u8],
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO log (n, before, note) VALUES (?1, ?2, ?3)")
        .and_then(|mut statement| {
            statement.execute(params![commit.cast_signed(), before.cast_signed(), note])
        })
        .map(drop)
        .map_err(|error| sqlite_error("cannot write a note", &error))
}

/// At most so many of the notes after a commit; `state` is of the same transaction.
pub(super) fn after(
    connection: &Connection,
    state: &State,
    commit: u64,
    most: usize,
) -> Result<Notes, StoreError> {
    let cannot = |error| sqlite_error("cannot read the notes", &error);
    let mut statement = connection
        .prepare_cached("SELECT n, before, note FROM log WHERE n > ?1 ORDER BY n LIMIT ?2")
        .map_err(cannot)?;
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![commit.cast_signed(), limit], |row| {
            let number = |at| row.get(at).map(i64::cast_unsigned);
            Ok((number(0)?, number(1)?, row.get(2)?))
        })
        .map_err(cannot)?;
    notes::following(rows, state.noted, commit, most).map_err(cannot)
}

/// Removes at most `most` of the earliest, where more than `kept` are there. How many it were.
pub(super) fn prune(connection: &Connection, kept: u64, most: usize) -> Result<usize, StoreError> {
    let prune = || {
        let oldest: Option<i64> = connection
            .prepare_cached("SELECT n FROM log ORDER BY n DESC LIMIT 1 OFFSET ?1")?
            .query_row([kept.max(1).cast_signed()], |row| row.get(0))
            .optional()?;
        let Some(oldest) = oldest else {
            return Ok(0);
        };
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        connection
            .prepare_cached(
                "DELETE FROM log WHERE n IN (SELECT n FROM log WHERE n <= ?1 ORDER BY n LIMIT ?2)",
            )?
            .execute([oldest, limit])
    };
    prune().map_err(|error| sqlite_error("cannot remove old notes", &error))
}
