//! The tables, what is read from them and written to them, and what SQLite's errors mean.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, ffi, params};

use super::place::APPLICATION;
use crate::backend::{Order, Record, StoreError};
use crate::manifest::FORMAT;
use crate::record::{self, Head};

/// How long to wait for another program that has the database locked, such as `sqlite3`.
pub(super) const OTHERS: Duration = Duration::from_secs(1);

/// What the one row of the table `head` says: what every commit writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) head: Head,
    /// The last commit with a note.
    pub(super) noted: u64,
}

/// A record whose checksum was right.
pub(super) struct Stored {
    pub(super) checksum: u32,
    pub(super) record: Record,
}

/// The file must be there.
pub(super) fn connect(path: &Path, cache_kib: u64) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connect = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(OTHERS)?;
        for (setting, on) in [
            (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        ] {
            connection.set_db_config(setting, on)?;
        }
        // With NORMAL, SQLite syncs when it empties the log, and never when it commits: that is
        // done for all who wait at once.
        connection.execute_batch(&format!(
            "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA mmap_size = 0;
             PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -{cache_kib}"
        ))?;
        Ok(connection)
    };
    connect().map_err(|error| sqlite_error("cannot open the database", &error))
}

/// The notes of the commits: `notes.rs`.
const LOG: &str = "CREATE TABLE log (n INTEGER PRIMARY KEY, before INTEGER NOT NULL,
    note BLOB NOT NULL) STRICT;";

/// The column of the head that tells the last commit with a note.
const NOTED: &str = "noted INTEGER NOT NULL DEFAULT 0";

/// Makes a database of an empty file, and an empty store in it.
pub(super) fn create(path: &Path, id: [u8; 16]) -> Result<(), StoreError> {
    let head = Head {
        commit: 0,
        records: 0,
        sum: 0,
        id,
    };
    let state = State { head, noted: 0 };
    let connection = connect(path, 1024)?;
    let make = || {
        connection.execute_batch(&format!(
            "PRAGMA page_size = 4096; PRAGMA application_id = {APPLICATION};
             PRAGMA user_version = {FORMAT};
             BEGIN;
             CREATE TABLE kv (k BLOB PRIMARY KEY, ver INTEGER NOT NULL, crc INTEGER NOT NULL,
                 v BLOB NOT NULL) STRICT, WITHOUT ROWID;
             CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), store BLOB NOT NULL,
                 n INTEGER NOT NULL, records INTEGER NOT NULL, sum INTEGER NOT NULL,
                 crc INTEGER NOT NULL, {NOTED}) STRICT;
             {}",
            LOG
        ))?;
        connection.execute(
            "INSERT INTO head VALUES (1, ?1, 0, 0, 0, ?2, 0)",
            params![&head.id[..], checksum_of(&state)],
        )?;
        connection.execute_batch("COMMIT; PRAGMA journal_mode = WAL")?;
        // What is in its log goes into the database as it is closed.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
    };
    make()
        .map(drop)
        .and_then(|()| connection.close().map_err(|(_, error)| error))
        .map_err(|error| sqlite_error("cannot create the database", &error))
}

pub(super) fn use_log(connection: &Connection) -> Result<(), StoreError> {
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|error| sqlite_error("cannot use a write-ahead log", &error))?;
    match mode.as_str() {
        "wal" => Ok(()),
        mode => Err(StoreError::failed(format!(
            "SQLite uses the journal mode `{mode}` here instead of a write-ahead log"
        ))),
    }
}

/// A store from before there were notes gets a place for them. Nobody else has it open.
pub(super) fn make_room_for_notes(connection: &Connection) -> Result<(), StoreError> {
    let make = || {
        let has_room: bool = connection.query_row(
            "SELECT count(*) FROM pragma_table_info('head') WHERE name = 'noted'",
            [],
            |row| row.get(0),
        )?;
        if has_room {
            return Ok(());
        }
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(&format!("ALTER TABLE head ADD COLUMN {NOTED}; {}", LOG))?;
        transaction.commit()
    };
    make().map_err(|error| sqlite_error("cannot make room for notes", &error))
}

/// The first that a transaction reads, so that it is at this state.
pub(super) fn state(connection: &Connection) -> Result<State, StoreError> {
    let read = |row: &Row<'_>| {
        let id: [u8; 16] = row.get(0)?;
        let head = Head {
            id,
            commit: bits(row.get(1)?),
            records: bits(row.get(2)?),
            sum: bits(row.get(3)?),
        };
        let noted = bits(row.get(4)?);
        Ok((State { head, noted }, row.get(5)?))
    };
    let found: Option<(State, u32)> = connection
        .prepare_cached("SELECT store, n, records, sum, noted, crc FROM head WHERE id = 1")
        .and_then(|mut statement| statement.query_row([], read).optional())
        .map_err(|error| sqlite_error("cannot read the head of the store", &error))?;
    match found {
        Some((state, checksum)) if checksum == checksum_of(&state) => Ok(state),
        Some(_) => Err(StoreError::corrupt("the head of the store is damaged")),
        None => Err(StoreError::corrupt("the head of the store is missing")),
    }
}

pub(super) fn write_state(connection: &Connection, state: &State) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE head SET n = ?1, records = ?2, sum = ?3, noted = ?4, crc = ?5 WHERE id = 1",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                state.head.commit.cast_signed(),
                state.head.records.cast_signed(),
                state.head.sum.cast_signed(),
                state.noted.cast_signed(),
                checksum_of(state)
            ])
        })
        .map(drop)
        .map_err(|error| sqlite_error("cannot write", &error))
}

/// The checksum of the head alone where there never was a note, as in a store from before them.
fn checksum_of(state: &State) -> u32 {
    let head = record::checksum_of(&state.head.encode());
    match state.noted {
        0 => head,
        noted => {
            let mut hasher = crc32fast::Hasher::new_with_initial(head);
            hasher.update(&noted.to_le_bytes());
            hasher.finalize()
        }
    }
}

/// Begins to read at one state of the store, which is answered. Ended by [`end_reading`], or by
/// closing the connection.
pub(super) fn begin_reading(connection: &Connection) -> Result<State, StoreError> {
    execute(connection, "BEGIN")?;
    state(connection).inspect_err(|_| drop(end_reading(connection)))
}

pub(super) fn end_reading(connection: &Connection) -> Result<(), StoreError> {
    execute(connection, "ROLLBACK")
}

fn execute(connection: &Connection, what: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(what)
        .and_then(|mut statement| statement.execute([]))
        .map(drop)
        .map_err(|error| sqlite_error("cannot read", &error))
}

/// SQLite's integers have a sign, and ours none: the bits are the same.
fn bits(number: i64) -> u64 {
    number.cast_unsigned()
}

/// What is in the columns `ver`, `crc` and `v`, which begin at `from`.
fn stored(key: &[u8], row: &Row<'_>, from: usize) -> Result<Stored, StoreError> {
    let read = || {
        let (version, checksum): (i64, u32) = (row.get(from)?, row.get(from + 1)?);
        Ok((bits(version), checksum, row.get_ref(from + 2)?.as_blob()?))
    };
    let (version, checksum, value) = read().map_err(|error| sqlite_error("cannot read", &error))?;
    if record::checksum_whole(key, version, value) != checksum {
        return Err(record::damaged(key, "the checksum is wrong"));
    }
    Ok(Stored {
        checksum,
        record: Record {
            version,
            value: value.to_vec(),
        },
    })
}

pub(super) fn get(connection: &Connection, key: &[u8]) -> Result<Option<Stored>, StoreError> {
    let cannot = |error| sqlite_error("cannot read", &error);
    let mut statement = connection
        .prepare_cached("SELECT ver, crc, v FROM kv WHERE k = ?1")
        .map_err(cannot)?;
    let mut rows = statement.query([key]).map_err(cannot)?;
    match rows.next().map_err(cannot)? {
        Some(row) => stored(key, row, 0).map(Some),
        None => Ok(None),
    }
}

/// Gives each record of a range to `take`, with its key, until there are `limit`. A damaged one is
/// an error in its place.
pub(super) fn each(
    connection: &Connection,
    (from, until): (&[u8], &[u8]),
    order: Order,
    limit: usize,
    mut take: impl FnMut(Vec<u8>, Result<Stored, StoreError>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let until = until.min(&[record::OWN]);
    if from >= until || limit == 0 {
        return Ok(());
    }
    let cannot = |error| sqlite_error("cannot read", &error);
    let select = match order {
        Order::Ascending => {
            "SELECT k, ver, crc, v FROM kv WHERE k >= ?1 AND k < ?2 ORDER BY k LIMIT ?3"
        }
        Order::Descending => {
            "SELECT k, ver, crc, v FROM kv WHERE k >= ?1 AND k < ?2 ORDER BY k DESC LIMIT ?3"
        }
    };
    let mut statement = connection.prepare_cached(select).map_err(cannot)?;
    let mut rows = statement
        .query(params![from, until, most(limit)])
        .map_err(cannot)?;
    while let Some(row) = rows.next().map_err(cannot)? {
        let key: Vec<u8> = row.get(0).map_err(cannot)?;
        let found = stored(&key, row, 1);
        take(key, found)?;
    }
    Ok(())
}

pub(super) fn range(
    connection: &Connection,
    (from, until): (&[u8], &[u8]),
    order: Order,
    limit: usize,
) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
    let mut found = Vec::new();
    each(connection, (from, until), order, limit, |key, stored| {
        found.push((key, stored?.record));
        Ok(())
    })?;
    Ok(found)
}

/// How many records are in a range, as far as `limit`.
pub(super) fn count(
    connection: &Connection,
    from: &[u8],
    until: &[u8],
    limit: usize,
) -> Result<usize, StoreError> {
    let until = until.min(&[record::OWN]);
    let counted: i64 = connection
        .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM kv WHERE k >= ?1 AND k < ?2 LIMIT ?3)")
        .and_then(|mut statement| {
            statement.query_row(params![from, until, most(limit)], |row| row.get(0))
        })
        .map_err(|error| sqlite_error("cannot read", &error))?;
    Ok(usize::try_from(counted).unwrap_or(usize::MAX))
}

fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Writes a record, and answers its checksum.
pub(super) fn put(
    connection: &Connection,
    key: &[u8],
    version: u64,
    value: &[u8],
) -> Result<u32, StoreError> {
    let checksum = record::checksum_whole(key, version, value);
    connection
        .prepare_cached(
            "INSERT INTO kv (k, ver, crc, v) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (k) DO UPDATE SET ver = ?2, crc = ?3, v = ?4",
        )
        .and_then(|mut statement| {
            statement.execute(params![key, version.cast_signed(), checksum, value])
        })
        .map_err(|error| sqlite_error("cannot write", &error))?;
    Ok(checksum)
}

pub(super) fn delete(connection: &Connection, key: &[u8]) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM kv WHERE k = ?1")
        .and_then(|mut statement| statement.execute([key]))
        .map(drop)
        .map_err(|error| sqlite_error("cannot write", &error))
}

/// How far the log has been emptied into the database.
pub(super) struct Emptied {
    /// What is left in the log will be written over by the next commit.
    pub(super) all: bool,
}

/// Empties the log into the database: `PASSIVE` waits for nobody, `RESTART` and `TRUNCATE` for who
/// reads and writes.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> Result<Emptied, StoreError> {
    connection
        .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            let (busy, pages, done): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Emptied {
                all: busy == 0 && pages == done,
            })
        })
        .map_err(|error| sqlite_error("cannot empty the write-ahead log", &error))
}

/// Writes the database anew, without what is free in it; in a transaction of its own.
pub(super) fn vacuum(connection: &Connection) -> Result<(), StoreError> {
    // What SQLite builds it in would be all of it, in memory.
    let outcome = connection.execute_batch("PRAGMA temp_store = FILE; VACUUM");
    connection
        .execute_batch("PRAGMA temp_store = MEMORY")
        .and(outcome)
        .map_err(|error| sqlite_error("cannot compact the database", &error))
}

/// What SQLite finds wrong with the structure of the file.
pub(super) fn integrity(connection: &Connection, most: usize) -> Result<Vec<String>, StoreError> {
    let check = || {
        let mut statement = connection.prepare(&format!("PRAGMA integrity_check({most})"))?;
        let found = statement.query_map([], |row| row.get::<_, String>(0))?;
        found.collect::<Result<Vec<_>, _>>()
    };
    let mut found = match check() {
        Ok(found) => found,
        Err(error) => match sqlite_error("cannot check the file", &error) {
            StoreError::Corrupt { what } => vec![what],
            other => return Err(other),
        },
    };
    found.retain(|line| line != "ok");
    Ok(found)
}

/// What SQLite itself could not sync is lost for all processes, not only for the one that is told.
pub(super) fn is_failed_sync(error: &StoreError) -> bool {
    matches!(error, StoreError::Failed { what } if what.ends_with(NOT_SYNCED))
}

const NOT_SYNCED: &str = " (a sync has failed)";

/// An error of SQLite; `doing` says what was tried.
pub(super) fn sqlite_error(doing: &str, error: &rusqlite::Error) -> StoreError {
    let what = format!("{doing}: {error}");
    match error.sqlite_error().map(|error| error.extended_code) {
        // A page that should be there and is not.
        Some(ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS) => {
            return StoreError::Corrupt { what };
        }
        Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => {
            let what = format!("{what}{NOT_SYNCED}");
            return StoreError::Failed { what };
        }
        _ => {}
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { what },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt { what },
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => StoreError::Locked {
            folder: String::new(),
            pid: None,
        },
        Some(ErrorCode::OperationInterrupted) => StoreError::Closed,
        Some(_) => StoreError::Failed { what },
        // What is there has another type, or another size, than what was written.
        None => StoreError::Corrupt { what },
    }
}
