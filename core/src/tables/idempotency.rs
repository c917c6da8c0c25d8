//! What was answered to requests with an idempotency key (R-QTA-5), until it is forgotten; what
//! entered credits is remembered for ever.

use crate::error::Error;
use crate::kernel::check::{Look, broken};
use crate::kernel::keys::{self, Prefix, due};
use crate::kernel::table::{Declared, Index, MARK, Owner, id};
use crate::kernel::{Tx, decode};
use crate::model::{Channel, CreditEntry, Id};
use serde::{Deserialize, Serialize};

pub(super) const TABLES: &[Declared] = &[Declared {
    prefix: keys::ANSWERED,
    audit: None,
    owner: Owner::Account,
    is_derived: false,
    lines: &[Index {
        prefix: keys::FORGET,
        source: |parts, _| match due::ANSWER.of(parts)? {
            [account, actor, name] => Some(keys::answered(&id(account)?, actor, &id(name)?)),
            _ => None,
        },
    }],
    counts: &[],
    check,
    line,
    erase_range,
}];

/// What was asked with a key, and what was answered.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// The digest of the request.
    pub(crate) fingerprint: String,
    /// What was answered. Where it is remembered for ever: the [`CreditPlace`] of the entry that
    /// was the answer.
    pub(crate) answer: serde_json::Value,
    /// None where it is remembered for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until_ms: Option<u64>,
}

/// Where the entry lies that a request for credits made: in the ledger of a channel, under a
/// number.
pub(crate) type CreditPlace = (Channel, u64);

/// The parts of an answer's key: the account, the actor, and the key of the request.
type AnswerKey<'a> = (&'a Id, &'a str, &'a Id);

fn check(look: &mut Look<'_>, _: &[u8], parts: &[&str]) -> Result<(), Error> {
    let [account, actor, name] = parts else {
        return look.no_such_key();
    };
    let asked = (&look.id(account)?, *actor, &look.id(name)?);
    let answered: Answered = look.record()?;
    match answered.until_ms {
        Some(until_ms) => look.must_be_line(forget_line(until_ms, asked), Some(MARK.to_vec())),
        None => check_entry(look, asked, answered),
    }
}

/// What is remembered for ever leads to the entry that the request made.
fn check_entry(
    look: &mut Look<'_>,
    (account, actor, name): AnswerKey<'_>,
    answered: Answered,
) -> Result<(), Error> {
    let (channel, number): CreditPlace = serde_json::from_value(answered.answer)
        .map_err(|_| broken("An answer that is kept for ever leads to no entry of a ledger."))?;
    let entry: Option<CreditEntry> = look.tx.get(&keys::credit_entry(account, channel, number))?;
    let fits = entry.is_some_and(|entry| entry.by == actor && entry.key.as_ref() == Some(name));
    look.must(
        fits,
        "The entry of the ledger that was answered was made with another idempotency key.",
    );
    Ok(())
}

/// The line tells the instant; the rest of its key is that of the answer.
fn line(
    _: &mut Tx<'_>,
    (key, bytes): (&[u8], &[u8]),
    line: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    let answered: Answered = decode(key, bytes)?;
    let is_forgotten_then = answered.until_ms.is_some() && due::at(line) == answered.until_ms;
    Ok(is_forgotten_then.then(|| MARK.to_vec()))
}

/// A line is counted as a record: both are keys that a commit writes.
fn erase_range(
    tx: &mut Tx<'_>,
    prefix: Prefix,
    parts: &[&str],
    most: usize,
) -> Result<usize, Error> {
    let (from, until) = keys::range(prefix, parts);
    let mut erased = 0;
    for (key, answered) in tx.range::<Answered>(&from, &until, most)? {
        if erased >= most {
            break;
        }
        if let Some((_, parts)) = keys::split(&key)
            && let [account, actor, name] = parts.as_slice()
            && let (Some(account), Some(name)) = (id(account), id(name))
            && let Some(until_ms) = answered.until_ms
        {
            tx.delete(forget_line(until_ms, (&account, actor, &name)));
            erased += 1;
        }
        tx.delete(key);
        erased += 1;
    }
    Ok(erased.min(most))
}

/// Writes an answer in the place of one that is over, whose line would take it along.
pub(crate) fn save(
    tx: &mut Tx<'_>,
    asked: AnswerKey<'_>,
    answered: &Answered,
) -> Result<(), Error> {
    let (account, actor, name) = asked;
    let at = keys::answered(account, actor, name);
    let over: Option<Answered> = tx.get(&at)?;
    if let Some(until_ms) = over.and_then(|over| over.until_ms) {
        tx.delete(forget_line(until_ms, asked));
    }
    if let Some(until_ms) = answered.until_ms {
        tx.mark(forget_line(until_ms, asked));
        tx.schedule_forget(until_ms);
    }
    tx.put(at, answered)
}

/// Index: when an answer is forgotten.
fn forget_line(at_ms: u64, (account, actor, name): AnswerKey<'_>) -> Vec<u8> {
    due::ANSWER.key(at_ms, &[account.as_str(), actor, name.as_str()])
}

/// An answer is forgotten.
pub(crate) fn forget(tx: &mut Tx<'_>, account: &Id, actor: &str, key: &Id) {
    tx.delete(keys::answered(account, actor, key));
}
