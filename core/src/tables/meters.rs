//! What sends are counted by: meters with their history, and paces.

use crate::error::Error;
use crate::kernel::Tx;
use crate::kernel::keys::{self, due};
use crate::kernel::table::{Declared, Index, Lines, Owner, Table};
use crate::model::{AuditKind, Pruning};

pub(super) const TABLES: &[Declared] = &[
    Declared::plain(
        keys::METER,
        None,
        Owner::AccountOrPlatform,
        |_, _, _| Ok(()),
    ),
    Declared::plain(
        keys::METER_HISTORY,
        None,
        Owner::AccountOrPlatform,
        |_, _, _| Ok(()),
    ),
    Declared::plain(keys::PACE, None, Owner::AccountOrPlatform, |_, _, _| Ok(())),
    Declared::of::<Prunings>(),
];

/// How far the clearing of what is over has come: one record, once there is something to clear.
pub(crate) struct Prunings;

impl Table for Prunings {
    type Record = Pruning;
    const PREFIX: keys::Prefix = keys::PRUNING;
    const AUDIT: Option<AuditKind> = None;
    const OWNER: Owner = Owner::Nobody;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::FORGET,
        source: |parts, _| due::METERS.of(parts).map(|_| keys::meters::pruning()),
    }];

    fn key(_: &Pruning) -> Vec<u8> {
        keys::meters::pruning()
    }

    fn lines(_: &mut Tx<'_>, pruning: &Pruning, lines: &mut Lines) -> Result<(), Error> {
        lines.index(due::METERS.key(pruning.due_at_ms, &[]));
        Ok(())
    }
}
