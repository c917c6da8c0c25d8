//! What was answered to requests with an idempotency key (R-QTA-5), until it is forgotten.

use crate::error::Error;
use crate::kernel::check::Look;
use crate::kernel::keys::{self, Prefix, due};
use crate::kernel::table::{Declared, Index, Owner, id};
use crate::kernel::{Tx, decode};
use crate::model::Id;
use serde::{Deserialize, Serialize};

pub(super) const TABLES: &[Declared] = &[Declared {
    prefix: keys::ANSWERED,
    audit: None,
    owner: Owner::Account,
    lines: &[Index {
        prefix: keys::FORGET,
        source: |parts, _| match due::ANSWER.of(parts)? {
            [account, actor, name] => Some(keys::answered(&id(account)?, actor, &id(name)?)),
            _ => None,
        },
    }],
    counts: &[],
    check,
    has_line,
    erase_range,
}];

/// What was asked with a key, and what was answered.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// The digest of the request.
    pub(crate) request: String,
    pub(crate) answer: serde_json::Value,
    pub(crate) until_ms: u64,
}

fn check(look: &mut Look<'_>, _: &[u8], parts: &[&str]) -> Result<(), Error> {
    let [account, actor, name] = parts else {
        return look.no_such_key();
    };
    let until_ms = look.record::<Answered>()?.until_ms;
    let due = forget_line(until_ms, &look.id(account)?, actor, &look.id(name)?);
    look.must_have(due, "it is never forgotten")
}

/// The line tells the instant; the rest of its key is that of the answer.
fn has_line(
    _: &mut Tx<'_>,
    (key, bytes): (&[u8], &[u8]),
    (line, _): (&[u8], &[u8]),
) -> Result<bool, Error> {
    let answered: Answered = decode(key, bytes)?;
    Ok(due::at(line) == Some(answered.until_ms))
}

fn erase_range(
    tx: &mut Tx<'_>,
    prefix: Prefix,
    parts: &[&str],
    most: usize,
) -> Result<usize, Error> {
    let (from, until) = keys::range(prefix, parts);
    let found = tx.range::<Answered>(&from, &until, most)?;
    let erased = found.len();
    for (key, answered) in found {
        if let Some((_, parts)) = keys::split(&key)
            && let [account, actor, name] = parts.as_slice()
            && let (Some(account), Some(name)) = (id(account), id(name))
        {
            tx.delete(forget_line(answered.until_ms, &account, actor, &name));
        }
        tx.delete(key);
    }
    Ok(erased)
}

/// Index: when an answer is forgotten.
pub(crate) fn forget_line(at_ms: u64, account: &Id, actor: &str, name: &Id) -> Vec<u8> {
    due::ANSWER.key(at_ms, &[account.as_str(), actor, name.as_str()])
}

/// An answer is forgotten.
pub(crate) fn forget(tx: &mut Tx<'_>, account: &Id, actor: &str, key: &Id) {
    tx.delete(keys::answered(account, actor, key));
}
