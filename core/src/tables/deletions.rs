//! What is still to be erased of accounts that were deleted.

use crate::error::Error;
use crate::kernel::check::Look;
use crate::kernel::table::{Declared, Owner};
use crate::kernel::{Tx, keys};
use crate::model::{Account, AuditActor, Id};
use serde::{Deserialize, Serialize};

pub(super) const TABLES: &[Declared] =
    &[Declared::plain(keys::DELETION, None, Owner::Nobody, check)];

/// An account of which something is still to be erased.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Deletion {
    pub(crate) account: Id,
    /// The account that was named when this one was deleted: it, or one above.
    pub(crate) root: Id,
    /// How many accounts it lay below: the lowest go first.
    pub(crate) depth: usize,
    /// Who deleted it.
    pub(crate) actor: AuditActor,
    pub(crate) began_at_ms: u64,
    /// How many accounts are gone, of it and those below.
    pub(crate) accounts: u64,
    /// How many users went with them.
    pub(crate) users: u64,
}

fn check(look: &mut Look<'_>, _: &[u8], parts: &[&str]) -> Result<(), Error> {
    if parts.is_empty() {
        let there = count(look)?;
        look.must_be_count(there);
        return Ok(());
    }
    let deletion: Deletion = look.record()?;
    look.must_lie_at(&key(&deletion.account));
    look.must_have(count_key())?;
    let is_gone = look
        .tx
        .has(&keys::tombstone(keys::ACCOUNT, &deletion.account))?;
    let left: Option<Account> = look.tx.get(&keys::account(&deletion.account))?;
    look.must(
        left.map_or(is_gone, |account| account.leaving),
        "The account that is to be erased was not deleted.",
    );
    look.must_have(key(&deletion.root))
}

/// How many accounts there are of which something is still to be erased.
pub(crate) fn count(look: &mut Look<'_>) -> Result<u64, Error> {
    look.count(keys::DELETION, &[])
}

/// Where it is kept what is still to be erased of an account.
pub(crate) fn key(account: &Id) -> Vec<u8> {
    keys::key(keys::DELETION, &[account.as_str()])
}

/// Where it is kept how many such accounts there are.
fn count_key() -> Vec<u8> {
    keys::key(keys::DELETION, &[])
}

/// Whether anything is still to be erased. One key, which a transaction reads once.
pub(crate) fn are_under_way(tx: &mut Tx<'_>) -> Result<bool, Error> {
    Ok(tx.count(&count_key())? > 0)
}

/// Up to so many accounts of which something is still to be erased.
pub(crate) fn some(tx: &mut Tx<'_>, most: usize) -> Result<Vec<Deletion>, Error> {
    let (from, until) = keys::range(keys::DELETION, &[]);
    let rows = tx.range::<Deletion>(&from, &until, most)?;
    Ok(rows.into_iter().map(|(_, deletion)| deletion).collect())
}

/// The account whose turn it is: no other of them lies below it.
pub(crate) fn next(tx: &mut Tx<'_>) -> Result<Option<Deletion>, Error> {
    if !are_under_way(tx)? {
        return Ok(None);
    }
    let all = some(tx, usize::MAX)?;
    Ok(all.into_iter().max_by_key(|deletion| deletion.depth))
}

/// The accounts directly below one that were deleted and are not gone yet.
pub(crate) fn leaving_descendants(tx: &mut Tx<'_>, parent: &Id) -> Result<Vec<Id>, Error> {
    let mut descendants = Vec::new();
    if are_under_way(tx)? {
        for deletion in some(tx, usize::MAX)? {
            let account: Option<Account> = tx.get(&keys::account(&deletion.account))?;
            if account.is_some_and(|account| account.parent.as_ref() == Some(parent)) {
                descendants.push(deletion.account);
            }
        }
    }
    Ok(descendants)
}

/// Of some accounts those that were not deleted.
pub(crate) fn without_leaving(tx: &mut Tx<'_>, accounts: Vec<Id>) -> Result<Vec<Id>, Error> {
    if accounts.is_empty() || !are_under_way(tx)? {
        return Ok(accounts);
    }
    let mut left = Vec::with_capacity(accounts.len());
    for id in accounts {
        let account: Option<Account> = tx.get(&keys::account(&id))?;
        if account.is_none_or(|account| !account.leaving) {
            left.push(id);
        }
    }
    Ok(left)
}

pub(crate) fn save(tx: &mut Tx<'_>, deletion: &Deletion) -> Result<(), Error> {
    if !tx.has(&key(&deletion.account))? {
        tx.add(count_key(), 1)?;
    }
    tx.put(key(&deletion.account), deletion)
}

/// Nothing is left to be erased of an account.
pub(crate) fn end(tx: &mut Tx<'_>, deletion: &Deletion) -> Result<(), Error> {
    tx.delete(key(&deletion.account));
    tx.add(count_key(), -1).map(drop)
}
