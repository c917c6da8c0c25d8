//! Caps and policies, which accounts have and the platform too (R-PLT-3).

use crate::error::Error;
use crate::kernel::table::{Declared, Lines, Owner, Table};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Cap, Id};

pub(super) const TABLES: &[Declared] = &[
    Declared::of::<Caps>(),
    Declared::plain(
        keys::POLICY,
        Some(AuditKind::Policies),
        Owner::AccountOrPlatform,
        |_, _, _| Ok(()),
    ),
];

pub(crate) struct Caps;

impl Table for Caps {
    type Record = Cap;
    const PREFIX: u8 = keys::CAP;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Cap);
    const OWNER: Owner = Owner::AccountOrPlatform;

    fn key(cap: &Cap) -> Vec<u8> {
        keys::cap(cap.account.as_ref(), &cap.id)
    }

    fn lines(_: &mut Tx<'_>, _: &Cap, _: &mut Lines) -> Result<(), Error> {
        Ok(())
    }
}

/// The caps that an account carries, or the platform.
pub(crate) fn caps_of(tx: &mut Tx<'_>, account: Option<&Id>) -> Result<Vec<Cap>, Error> {
    let (from, until) = keys::below(keys::CAP, &[keys::carrier(account)]);
    Ok(tx
        .range::<Cap>(&from, &until, usize::MAX)?
        .into_iter()
        .map(|(_, cap)| cap)
        .collect())
}
