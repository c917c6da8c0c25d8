//! Groups of members (R-GRP-1), their pictures, and the ids of groups that were deleted.

use crate::error::Error;
use crate::kernel::table::{Count, Declared, Lines, Owner, Table};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Group};

pub(super) const TABLES: &[Declared] = &[
    Declared::of::<Groups>(),
    Declared::plain(
        keys::AVATAR,
        Some(AuditKind::Avatar),
        Owner::Account,
        |look, _, parts| match parts {
            [account, group] => {
                let group = keys::group(&look.id(account)?, &look.id(group)?);
                look.must_have(group, "its group is gone")
            }
            _ => look.no_such_key(),
        },
    ),
];

pub(crate) struct Groups;

impl Table for Groups {
    type Record = Group;
    const PREFIX: u8 = keys::GROUP;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Group);
    const OWNER: Owner = Owner::Account;
    const COUNTS: &'static [Count] = &[Count {
        counted: |parts| match parts {
            [account, "groups"] => Some(keys::below(keys::GROUP, &[account])),
            _ => None,
        },
    }];

    fn key(group: &Group) -> Vec<u8> {
        keys::group(&group.account, &group.id)
    }

    fn lines(_: &mut Tx<'_>, group: &Group, lines: &mut Lines) -> Result<(), Error> {
        lines.count(keys::tally(&group.account, "groups"));
        Ok(())
    }
}
