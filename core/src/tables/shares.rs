//! Resources that an account shares with those below it.

use crate::error::Error;
use crate::kernel::check::Look;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, id};
use crate::kernel::{Tx, keys};
use crate::model::{Account, AuditKind, Id, Share, Share as ShareRecord};
use crate::tables::accounts::account_line;

pub(super) const TABLES: &[Declared] = &[Declared::of::<Shares>()];

pub(crate) struct Shares;

impl Table for Shares {
    type Record = Share;
    const PREFIX: keys::Prefix = keys::SHARE;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Share);
    const OWNER: Owner = Owner::Account;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::SHARED_WITH,
        source: |parts, _| match parts {
            [_, ancestor, kind, resource] => {
                Some(keys::share(&id(ancestor)?, &id(kind)?, &id(resource)?))
            }
            _ => None,
        },
    }];

    fn key(share: &Share) -> Vec<u8> {
        keys::share(&share.account, &share.kind, &share.id)
    }

    fn lines(_: &mut Tx<'_>, share: &Share, lines: &mut Lines) -> Result<(), Error> {
        let Share {
            account, kind, id, ..
        } = share;
        lines.needs(keys::resource(account, kind, id));
        for descendant in &share.accounts {
            lines.needs(keys::account(descendant));
            lines.index(keys::shared_with(descendant, account, kind, id));
        }
        Ok(())
    }

    fn check(share: &Share, look: &mut Look<'_>) -> Result<(), Error> {
        look.must(
            share.all == share.accounts.is_empty(),
            "The share names accounts though it is with all below, or is with none.",
        );
        for descendant in &share.accounts {
            let line = account_line(&mut look.tx, descendant)?;
            let is_descendant = line
                .iter()
                .skip(1)
                .any(|ancestor| ancestor.id == share.account);
            look.must(
                is_descendant,
                "The resource is shared with an account that is not below its own.",
            );
        }
        Ok(())
    }
}

pub(crate) fn ids(line: &[Account]) -> Vec<Id> {
    line.iter().map(|account| account.id.clone()).collect()
}

/// Writes a share, or takes it away, and keeps the index of those that it names.
pub(crate) fn replace(
    tx: &mut Tx<'_>,
    old: Option<&ShareRecord>,
    new: Option<&ShareRecord>,
) -> Result<(), Error> {
    match (old, new) {
        (_, Some(new)) => tx.save::<Shares>(new)?,
        (Some(old), None) => tx.erase::<Shares>(old)?,
        (None, None) => {}
    }
    Ok(())
}

/// The resource is deleted: nobody below sees it any longer.
pub(crate) fn end(tx: &mut Tx<'_>, account: &Id, kind: &Id, id: &Id) -> Result<(), Error> {
    let share: Option<ShareRecord> = tx.get(&keys::share(account, kind, id))?;
    replace(tx, share.as_ref(), None)
}
