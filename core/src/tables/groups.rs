//! Groups of members (R-GRP-1), their pictures, and the ids of groups that were deleted.

use crate::error::Error;
use crate::kernel::table::{Count, Declared, Lines, Owner, Table};
use crate::kernel::{Tx, keys};
use crate::model::{self, AuditKind, Group, Id};

pub(super) const TABLES: &[Declared] = &[
    Declared::of::<Groups>(),
    Declared::plain(
        keys::AVATAR,
        Some(AuditKind::Avatar),
        Owner::Account,
        |look, _, parts| match parts {
            [account, group] => {
                let group = keys::group(&look.id(account)?, &look.id(group)?);
                look.must_have(group)
            }
            _ => look.no_such_key(),
        },
    ),
];

pub(crate) struct Groups;

impl Table for Groups {
    type Record = Group;
    const PREFIX: keys::Prefix = keys::GROUP;
    const AUDIT: Option<AuditKind> = Some(AuditKind::Group);
    const OWNER: Owner = Owner::Account;
    const COUNTS: &'static [Count] = &[Count {
        counted: |parts| match parts {
            [account, "groups"] => Some(keys::range(keys::GROUP, &[account])),
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

/// Reads a group inside an operation.
pub(crate) fn load(
    tx: &mut Tx<'_>,
    account: &Id,
    id: &Id,
    field: &str,
) -> Result<model::Group, Error> {
    tx.get(&keys::group(account, id))?
        .ok_or_else(|| Error::not_found("group", id.as_str()).at(field))
}

/// A group that was named before: itself, or where it was deleted since the one that its members
/// went to; none where nobody was left in it (R-GRP-7).
pub(crate) fn now(tx: &mut Tx<'_>, account: &Id, group: &Id) -> Result<Option<Id>, Error> {
    let mut next = Some(group.clone());
    while let Some(group) = next {
        if tx.has(&keys::group(account, &group))? {
            return Ok(Some(group));
        }
        // An id is never used again, so this comes to an end.
        next = tx
            .get::<Option<Id>>(&keys::group_tombstone(account, &group))?
            .flatten();
    }
    Ok(None)
}

/// The groups of an account.
pub(crate) fn all_of(tx: &mut Tx<'_>, account: &Id) -> Result<Vec<Id>, Error> {
    let (from, until) = keys::range(keys::GROUP, &[account.as_str()]);
    let rows = tx.range::<serde::de::IgnoredAny>(&from, &until, usize::MAX)?;
    Ok(rows
        .iter()
        .filter_map(|(key, _)| keys::last_id(key))
        .collect())
}

/// Removes the groups of an account that is deleted.
pub(crate) fn erase_all(tx: &mut Tx<'_>, account: &Id) -> Result<(), Error> {
    let (from, until) = keys::range(keys::GROUP, &[account.as_str()]);
    for (_, group) in tx.range::<model::Group>(&from, &until, usize::MAX)? {
        tx.delete(keys::avatar(account, &group.id));
        tx.erase::<Groups>(&group)?;
    }
    // The id of the account is never used again, and so neither are those of its groups.
    let (from, until) = keys::group_tombstones(account);
    for (key, _) in tx.range::<serde::de::IgnoredAny>(&from, &until, usize::MAX)? {
        tx.delete(key);
    }
    Ok(())
}

pub(crate) fn dangling(key: &[u8]) -> Error {
    Error::corrupt(format!(
        "The index entry `{}` names no member; restore a backup.",
        key.escape_ascii()
    ))
}
