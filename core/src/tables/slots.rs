//! Slots of workers: each is known to its account and those above until it ends.

use super::accounts::account_line;
use super::id;
use crate::error::Error;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, LimitName, Slot};

pub(super) const TABLES: &[Declared] = &[Declared::of::<Slots>()];

pub(crate) struct Slots;

impl Table for Slots {
    type Record = Slot;
    const PREFIX: u8 = keys::SLOT;
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
        lines.needs(
            keys::gauge(&slot.account, LimitName::Threads.name()),
            "it is not counted",
        );
        for above in &line {
            lines.index(keys::slot_end(
                &above.id,
                slot.expires_at_ms,
                &slot.account,
                &slot.id,
            ));
        }
        Ok(())
    }
}
