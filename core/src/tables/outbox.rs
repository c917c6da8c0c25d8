//! Messages to the host (R-OUT-1), and what its consumers have taken.

use crate::error::Error;
use crate::kernel::check::{Look, broken};
use crate::kernel::table::{Declared, Index, MARK, Owner, delete_range};
use crate::kernel::{Tx, decode, keys};
use crate::model::{DeadMessage, Id, OpenMessage, OutboxConsumer, OutboxMessage};

pub(super) const TABLES: &[Declared] = &[
    Declared {
        prefix: keys::OUTBOX,
        audit: None,
        owner: Owner::Nobody,
        is_derived: false,
        lines: &[Index {
            prefix: keys::OUTBOX_PERSON,
            source: |parts, _| {
                let number = u64::from_str_radix(parts.last()?, 16).ok()?;
                Some(keys::outbox(number))
            },
        }],
        counts: &[],
        check: message,
        line: tells_of,
        erase_range: delete_range,
    },
    Declared::plain(keys::OUTBOX_NEXT, None, Owner::Nobody, |_, _, _| Ok(())),
    Declared::plain(
        keys::OUTBOX_CONSUMER,
        None,
        Owner::Nobody,
        |look, _, parts| match parts {
            [name] => consumer(look, name),
            [name, "open", number] => {
                look.record::<OpenMessage>()?;
                taken(look, name, number)
            }
            [name, "dead", number] => {
                look.record::<DeadMessage>()?;
                taken(look, name, number)
            }
            _ => look.no_such_key(),
        },
    ),
];

fn message(look: &mut Look<'_>, key: &[u8], _: &[&str]) -> Result<(), Error> {
    let message: OutboxMessage = look.record()?;
    let next = look.tx.get::<u64>(&keys::outbox_next())?;
    let number = keys::last_number(key);
    look.must(
        number.is_some() && next > number,
        "The next message would get the number of this one.",
    );
    match message.person().zip(number) {
        Some(((kind, person), number)) => {
            let line = keys::outbox_person(kind, person, number);
            look.must_be_line(line, Some(MARK.to_vec()))
        }
        None => Ok(()),
    }
}

/// The line of the person of whom a message tells.
fn tells_of(
    _: &mut Tx<'_>,
    (key, bytes): (&[u8], &[u8]),
    line: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    let message: OutboxMessage = decode(key, bytes)?;
    let about = message.person().zip(keys::last_number(line));
    let is_theirs = about
        .is_some_and(|((kind, person), number)| keys::outbox_person(kind, person, number) == line);
    Ok(is_theirs.then(|| MARK.to_vec()))
}

fn consumer(look: &mut Look<'_>, name: &str) -> Result<(), Error> {
    let consumer: OutboxConsumer = look.record()?;
    look.must_lie_at(&keys::consumer(&consumer.name));
    for (what, counted) in [("open", consumer.open), ("dead", consumer.dead)] {
        let there = look.count(keys::OUTBOX_CONSUMER, &[name, what])?;
        look.must_count(counted, there, &format!("{what} messages"));
    }
    let next = look.tx.get::<u64>(&keys::outbox_next())?.unwrap_or(1);
    look.must(
        consumer.taken_to < next,
        "The consumer was given messages that were never in the outbox.",
    );
    Ok(())
}

/// A message that a consumer still has to do with.
fn taken(look: &mut Look<'_>, name: &str, number: &str) -> Result<(), Error> {
    let number =
        u64::from_str_radix(number, 16).map_err(|_| broken("The key does not end in a number."))?;
    let name = look.id(name)?;
    let consumer: Option<OutboxConsumer> = look.tx.get(&keys::consumer(&name))?;
    look.must(
        consumer.is_some_and(|consumer| number <= consumer.taken_to),
        "The consumer was never given this message.",
    );
    look.must_have(keys::outbox(number))
}

/// The number of what lies at a key of the outbox or of a consumer.
pub(crate) fn number_at(key: &[u8]) -> Result<u64, Error> {
    keys::last_number(key).ok_or_else(|| {
        Error::corrupt(format!(
            "The key `{}` ends in no number; restore a backup.",
            key.escape_ascii()
        ))
    })
}

/// The messages that a consumer was given and has not acknowledged.
pub(crate) fn open_messages(tx: &mut Tx<'_>, name: &Id) -> Result<Vec<(u64, OpenMessage)>, Error> {
    let (from, until) = keys::open_messages(name);
    let rows = tx.range::<OpenMessage>(&from, &until, usize::MAX)?;
    rows.into_iter()
        .map(|(key, open)| Ok((number_at(&key)?, open)))
        .collect()
}

pub(crate) fn first_number(
    tx: &mut Tx<'_>,
    (from, until): (Vec<u8>, Vec<u8>),
) -> Result<Option<u64>, Error> {
    let rows = tx.range::<serde::de::IgnoredAny>(&from, &until, 1)?;
    rows.first().map(|(key, _)| number_at(key)).transpose()
}
