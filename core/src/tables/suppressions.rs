//! Addresses and domains that are not written to: each account's own, and where the whole
//! team finds them.

use super::accounts::account_line;
use super::id;
use crate::error::Error;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, LimitName, Suppression};

pub(super) const TABLES: &[Declared] = &[Declared::of::<Suppressions>()];

pub(crate) struct Suppressions;

impl Table for Suppressions {
    type Record = Suppression;
    const PREFIX: u8 = keys::SUPPRESSION;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Suppression);
    const OWNER: Owner = Owner::Account;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::TEAM_SUPPRESSION,
        source: |parts, _| match parts {
            [_, value, class, account] => Some(keys::suppression(&id(account)?, value, class)),
            _ => None,
        },
    }];

    fn key(entry: &Suppression) -> Vec<u8> {
        keys::suppression(&entry.account, &entry.value, entry.message_class.name())
    }

    fn lines(tx: &mut Tx<'_>, entry: &Suppression, lines: &mut Lines) -> Result<(), Error> {
        let Suppression { account, value, .. } = entry;
        if !value.contains('@') {
            lines.needs(
                keys::gauge(account, LimitName::SuppressedDomains.name()),
                "it is not counted",
            );
        }
        // The team is named by its top account.
        let team = account_line(tx, account)?
            .pop()
            .map_or_else(|| account.clone(), |top| top.id);
        let class = entry.message_class.name();
        lines.index(keys::team_suppression(&team, value, class, account));
        Ok(())
    }
}
