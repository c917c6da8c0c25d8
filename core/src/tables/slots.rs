//! Slots of workers: each is known to its account and those above until it ends.

use crate::error::{Code, Error};
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, id};
use crate::kernel::{Tx, keys};
use crate::model::{Account, AuditKind, Id, LimitName, Slot};
use crate::tables::accounts::account_line;
use crate::tables::gauges;

pub(super) const TABLES: &[Declared] = &[Declared::of::<Slots>()];

pub(crate) struct Slots;

impl Table for Slots {
    type Record = Slot;
    const PREFIX: keys::Prefix = keys::SLOT;
    const AUDIT: Option<AuditKind> = None;
    const OWNER: Owner = Owner::Account;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::SLOT_END,
        source: |parts, _| match parts {
            [_, _, account, slot] => Some(keys::slot(&id(account)?, &id(slot)?)),
            _ => None,
        },
    }];

    fn key(slot: &Slot) -> Vec<u8> {
        keys::slot(&slot.account, &slot.id)
    }

    fn lines(tx: &mut Tx<'_>, slot: &Slot, lines: &mut Lines) -> Result<(), Error> {
        let line = account_line(tx, &slot.account)?;
        lines.needs(keys::gauge(&slot.account, LimitName::Threads.name()));
        for ancestor in &line {
            lines.index(keys::slot_end(
                &ancestor.id,
                slot.expires_at_ms,
                &slot.account,
                &slot.id,
            ));
        }
        Ok(())
    }
}

/// How many slots of an account and of all below it are still counted though their lease has run
/// out.
pub(crate) fn expired(tx: &mut Tx<'_>, account: &Id) -> Result<u64, Error> {
    let (from, _) = keys::range(keys::SLOT_END, &[account.as_str()]);
    let until = keys::slot_ends_after(account, tx.now_ms);
    Ok(tx.range::<()>(&from, &until, usize::MAX)?.len() as u64)
}

/// The slot at a key of the index.
pub(crate) fn at_end(tx: &mut Tx<'_>, key: &[u8]) -> Result<Option<Slot>, Error> {
    match keys::last_pair(key) {
        Some((account, slot)) => tx.get(&keys::slot(&account, &slot)),
        None => Ok(None),
    }
}

/// When so many slots of an account have ended, if none is renewed.
pub(crate) fn ended_at_ms(
    tx: &mut Tx<'_>,
    ancestor: &Id,
    count: u64,
) -> Result<Option<u64>, Error> {
    let from = keys::slot_ends_after(ancestor, tx.now_ms);
    let (_, until) = keys::range(keys::SLOT_END, &[ancestor.as_str()]);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let rows = tx.range::<()>(&from, &until, count)?;
    Ok(rows
        .get(count.saturating_sub(1))
        .and_then(|(key, ())| keys::slot_end_at(key)))
}

pub(crate) fn end(tx: &mut Tx<'_>, slot: &Slot, line: &[Account]) -> Result<(), Error> {
    tx.erase::<Slots>(slot)?;
    gauges::change(tx, line, LimitName::Threads, -1)
}

/// A slot that is taken, and the accounts that it counts for.
pub(crate) fn load(
    tx: &mut Tx<'_>,
    account: &Id,
    slot: &Id,
) -> Result<(Slot, Vec<Account>), Error> {
    let line = account_line(tx, account).map_err(|error| error.at("/account"))?;
    let held = tx
        .get::<Slot>(&keys::slot(account, slot))?
        .filter(|slot| tx.now_ms < slot.expires_at_ms);
    // A slot that was cleared away is like one that never was.
    let held = held.ok_or_else(|| {
        Error::new(
            Code::LeaseLost,
            format!("The lease of the slot `{slot}` has ended; ask for a new slot."),
        )
        .at("/slot")
    })?;
    Ok((held, line))
}
