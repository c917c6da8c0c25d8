//! Resources that an account shares with those below it.

use super::accounts::account_line;
use super::id;
use crate::error::Error;
use crate::kernel::check::Look;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Share};

pub(super) const TABLES: &[Declared] = &[Declared::of::<Shares>()];

pub(crate) struct Shares;

impl Table for Shares {
    type Record = Share;
    const PREFIX: u8 = keys::SHARE;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Share);
    const OWNER: Owner = Owner::Account;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::SHARED_WITH,
        source: |parts, _| match parts {
            [_, above, kind, resource] => {
                Some(keys::share(&id(above)?, &id(kind)?, &id(resource)?))
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
        lines.needs(keys::resource(account, kind, id), "the resource is gone");
        for below in &share.accounts {
            lines.needs(keys::account(below), "an account is gone");
            lines.index(keys::shared_with(below, account, kind, id));
        }
        Ok(())
    }

    fn check(share: &Share, look: &mut Look<'_>) -> Result<(), Error> {
        look.must(
            share.all == share.accounts.is_empty(),
            "it is shared with all, or with some by name",
        );
        for below in &share.accounts {
            let line = account_line(&mut look.tx, below)?;
            let is_below = line.iter().skip(1).any(|above| above.id == share.account);
            look.must(is_below, "an account is not below");
        }
        Ok(())
    }
}
