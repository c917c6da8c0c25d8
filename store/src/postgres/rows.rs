//! The tables, what is read from them and written to them, and what the server's refusals mean.
//!
//! The statements are of the part of SQL that PostgreSQL shares with those that speak its protocol:
//! no sequence, trigger, function of one's own, advisory lock or notification.

use crate::backend::{Batch, Order, Record, StoreError, hex};
use crate::manifest::FORMAT;
use crate::record::{self, Head, Write};

use super::trouble::Trouble;
use super::wire::{Ask, Connection, Row, Rows, Value};

/// The tables, and an empty store in them, where they are not there yet.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS kv (k bytea PRIMARY KEY, ver bigint NOT NULL,
        crc bigint NOT NULL, v bytea NOT NULL);
    CREATE TABLE IF NOT EXISTS head (id bigint PRIMARY KEY CHECK (id = 1),
        format bigint NOT NULL, store bytea NOT NULL, n bigint NOT NULL, records bigint NOT NULL,
        sum bigint NOT NULL, noted bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS log (n bigint PRIMARY KEY, before bigint NOT NULL,
        note bytea NOT NULL);
    -- Whoever writes locks its row.
    CREATE TABLE IF NOT EXISTS writer (id bigint PRIMARY KEY CHECK (id = 1));
    -- The note up to which somebody waits until all processes know of it.
    CREATE TABLE IF NOT EXISTS barrier (id bigint PRIMARY KEY CHECK (id = 1),
        wanted bigint NOT NULL);
    -- The processes: until when each counts as living, the number of its last write, the commit
    -- that it made, and the last note that the process knows of.
    CREATE TABLE IF NOT EXISTS owner (id text PRIMARY KEY, name text NOT NULL,
        expires timestamptz NOT NULL, gone boolean NOT NULL, seq bigint NOT NULL,
        n bigint NOT NULL, applied bigint NOT NULL);
    INSERT INTO writer VALUES (1) ON CONFLICT DO NOTHING;
    INSERT INTO barrier VALUES (1, 0) ON CONFLICT DO NOTHING;";

/// What the one row of the table `head` says: what every commit writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) head: Head,
    /// The last commit with a note.
    pub(super) noted: u64,
}

pub(super) const STATE: Ask<'_> = (
    "SELECT store, n, records, sum, noted, format FROM head WHERE id = 1",
    Vec::new(),
);
/// The same, and nobody else changes it until the transaction ends.
pub(super) const STATE_TO_CHANGE: Ask<'_> = (
    "SELECT store, n, records, sum, noted, format FROM head WHERE id = 1 FOR UPDATE",
    Vec::new(),
);
pub(super) const WRITER: Ask<'_> = ("SELECT id FROM writer WHERE id = 1 FOR UPDATE", Vec::new());
pub(super) const BEGIN: Ask<'_> = ("BEGIN ISOLATION LEVEL READ COMMITTED", Vec::new());
pub(super) const BEGIN_READING: Ask<'_> = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    Vec::new(),
);
pub(super) const COMMIT: Ask<'_> = ("COMMIT", Vec::new());
pub(super) const ROLLBACK: Ask<'_> = ("ROLLBACK", Vec::new());

/// A record whose checksum was right.
pub(super) struct Stored {
    pub(super) checksum: u32,
    pub(super) record: Record,
}

/// Makes an empty store, where there is none yet. Whoever may not make a schema may have been given
/// one.
pub(super) fn create(
    connection: &mut Connection,
    schema: &str,
    id: &[u8; 16],
) -> Result<(), Trouble> {
    match connection.run(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")) {
        Err(Trouble::Refused { state, .. }) if state == "42501" => {}
        made => made?,
    }
    let id = hex(id);
    connection.run(&format!(
        "{TABLES}
        INSERT INTO head VALUES (1, {FORMAT}, '\\x{id}', 0, 0, 0, 0) ON CONFLICT DO NOTHING;"
    ))
}

/// The only row that there is.
pub(super) fn only(rows: &Rows) -> Result<&Row, Trouble> {
    let missing = || Trouble::Lost("the server answered no row".to_owned());
    rows.first().ok_or_else(missing)
}

/// The state of the store in an answer.
pub(super) fn state(rows: &Rows) -> Result<State, StoreError> {
    let missing = || StoreError::corrupt("the head of the store is missing");
    let row = rows.first().ok_or_else(missing)?;
    let wrong = |_| StoreError::corrupt("the head of the store has another form");
    let number = |column| row.number(column).map(i64::cast_unsigned).map_err(wrong);
    let id = row.bytes(0).map_err(wrong)?;
    let found = u32::try_from(number(5)?).unwrap_or(u32::MAX);
    if found != FORMAT {
        return Err(StoreError::Format {
            found,
            known: FORMAT,
        });
    }
    Ok(State {
        head: Head {
            id: <[u8; 16]>::try_from(&*id)
                .map_err(|_| StoreError::corrupt("the id of the store has another length"))?,
            commit: number(1)?,
            records: number(2)?,
            sum: number(3)?,
        },
        noted: number(4)?,
    })
}

/// The columns `k`, `ver`, `crc` and `v`. A damaged record is an error in its place.
pub(super) fn stored(row: &Row) -> Result<(Vec<u8>, Result<Stored, StoreError>), Trouble> {
    let (key, value) = (row.bytes(0)?.to_vec(), row.bytes(3)?);
    let version = row.number(1)?.cast_unsigned();
    let checksum = row.number(2)?;
    let right = record::checksum_whole(&key, version, &value);
    let stored = match i64::from(right) == checksum {
        true => Ok(Stored {
            checksum: right,
            record: Record {
                version,
                value: value.to_vec(),
            },
        }),
        false => Err(record::damaged(&key, "the checksum is wrong")),
    };
    Ok((key, stored))
}

pub(super) fn get_many<'a>(keys: &[&'a [u8]]) -> Ask<'a> {
    (
        "SELECT k, ver, crc, v FROM kv WHERE k = ANY($1)",
        vec![Value::ManyBytes(keys.to_vec())],
    )
}

/// Of some keys, those that are there: key, version and checksum.
pub(super) fn versions<'a>(keys: &[&'a [u8]]) -> Ask<'a> {
    (
        "SELECT k, ver, crc FROM kv WHERE k = ANY($1)",
        vec![Value::ManyBytes(keys.to_vec())],
    )
}

/// The records of a range, and whether there can be any.
pub(super) fn range<'a>(
    from: &'a [u8],
    until: &'a [u8],
    order: Order,
    limit: usize,
) -> Option<Ask<'a>> {
    let until = until.min(&[record::OWN]);
    if from >= until || limit == 0 {
        return None;
    }
    let text = match order {
        Order::Ascending => {
            "SELECT k, ver, crc, v FROM kv WHERE k >= $1 AND k < $2 ORDER BY k LIMIT $3"
        }
        Order::Descending => {
            "SELECT k, ver, crc, v FROM kv WHERE k >= $1 AND k < $2 ORDER BY k DESC LIMIT $3"
        }
    };
    Some((text, between(from, until, limit)))
}

/// How many records are in a range, as far as `limit`.
pub(super) fn count<'a>(from: &'a [u8], until: &'a [u8], limit: usize) -> Ask<'a> {
    let until = until.min(&[record::OWN]);
    (
        "SELECT count(*) FROM (SELECT 1 FROM kv WHERE k >= $1 AND k < $2 LIMIT $3) AS found",
        between(from, until, limit),
    )
}

fn between<'a>(from: &'a [u8], until: &'a [u8], limit: usize) -> Vec<Value<'a>> {
    let limit = Value::Number(i64::try_from(limit).unwrap_or(i64::MAX));
    vec![Value::Bytes(from), Value::Bytes(until), limit]
}

/// What a commit writes, and how it ends. It is carried out whole by the process that it is of, as
/// its write of that number, unless that process counts as gone or has begun a later one.
pub(super) fn writes<'a>(
    owner: &'a str,
    seq: u64,
    batch: &'a Batch,
    writes: &[&'a Write],
    (before, state): (u64, &State),
) -> Vec<Ask<'a>> {
    let commit = state.head.commit.cast_signed();
    let mut asks = vec![(
        "WITH mine AS (UPDATE owner SET seq = $2, n = $3
            WHERE id = $1 AND NOT gone AND seq < $2 RETURNING 1)
         SELECT 1 / count(*) FROM mine",
        vec![
            Value::Text(owner),
            Value::Number(seq.cast_signed()),
            Value::Number(commit),
        ],
    )];
    asks.extend(put(writes, state.head.commit));
    let deleted = writes.iter().filter(|(_, value)| value.is_none());
    let deleted: Vec<&[u8]> = deleted.map(|(key, _)| &**key).collect();
    if !deleted.is_empty() {
        let keys = vec![Value::ManyBytes(deleted)];
        asks.push(("DELETE FROM kv WHERE k = ANY($1)", keys));
    }
    if !batch.note.is_empty() {
        asks.push((
            "INSERT INTO log (n, before, note) VALUES ($1, $2, $3)",
            vec![
                Value::Number(commit),
                Value::Number(before.cast_signed()),
                Value::Bytes(&batch.note),
            ],
        ));
    }
    asks.push((
        "UPDATE head SET n = $1, records = $2, sum = $3, noted = $4 WHERE id = 1",
        [
            commit,
            state.head.records.cast_signed(),
            state.head.sum.cast_signed(),
        ]
        .into_iter()
        .chain([state.noted.cast_signed()])
        .map(Value::Number)
        .collect(),
    ));
    asks.push(COMMIT);
    asks
}

/// What writes the records of a commit that are not deleted, where there are any.
fn put<'a>(writes: &[&'a Write], commit: u64) -> Option<Ask<'a>> {
    let put = writes
        .iter()
        .filter_map(|(key, value)| Some((&**key, value.as_deref()?)));
    let (keys, values): (Vec<&[u8]>, Vec<&[u8]>) = put.unzip();
    if keys.is_empty() {
        return None;
    }
    let checksum =
        |(key, value): (&&[u8], &&[u8])| i64::from(record::checksum_whole(key, commit, value));
    let checksums = keys.iter().zip(&values).map(checksum).collect();
    Some((
        "INSERT INTO kv (k, ver, crc, v)
         SELECT u.k, $4, u.crc, u.v FROM unnest($1, $2, $3) AS u (k, crc, v)
         ON CONFLICT (k) DO UPDATE
             SET ver = excluded.ver, crc = excluded.crc, v = excluded.v",
        vec![
            Value::ManyBytes(keys),
            Value::Numbers(checksums),
            Value::ManyBytes(values),
            Value::Number(commit.cast_signed()),
        ],
    ))
}

/// Nothing was changed, and the same may succeed at once: others were in the way.
pub(super) fn is_to_be_tried_again(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Refused { state, .. } if matches!(&**state, "40001" | "40P01"))
}

/// The statement that looks whether the process counts as living has found that it does not.
pub(super) fn is_expelled(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Refused { state, .. } if state == "22012")
}

/// There are no tables, or no schema.
pub(super) fn is_missing(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Refused { state, .. } if matches!(&**state, "42P01" | "3F000"))
}

/// Another makes the same tables at the same time.
pub(super) fn is_made_by_another(trouble: &Trouble) -> bool {
    let states = ["23505", "42P07", "42P06", "XX000"];
    matches!(trouble, Trouble::Refused { state, .. } if states.contains(&&**state))
}

/// What went wrong at a place, as an error of the store.
pub(super) fn store_error(place: &str, trouble: Trouble) -> StoreError {
    let what = trouble.to_string();
    let Trouble::Refused { state, .. } = trouble else {
        return StoreError::Unreachable { what };
    };
    match (&*state, state.get(..2)) {
        // Somebody else had the lock for too long.
        ("55P03" | "57014", _) => StoreError::Locked {
            folder: place.to_owned(),
            pid: None,
        },
        ("53100", _) => StoreError::Full { what },
        (_, Some("28" | "3D")) | ("42501", _) => StoreError::invalid(format!(
            "The database does not let the user in: {what}; correct the address, or the rights."
        )),
        (_, Some("53" | "57" | "08" | "25")) => StoreError::Unreachable { what },
        _ => StoreError::failed(what),
    }
}
