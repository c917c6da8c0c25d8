//! Users (R-USR-1): each has one address, and stands in the list of the platform.

use crate::error::Error;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, led_to};
use crate::kernel::{Tx, keys};
use crate::model::{self, AuditKind, Id, User};
use crate::tables::deletions;
use crate::tables::people::{self, PLATFORM};

pub(super) const TABLES: &[Declared] = &[Declared::of::<Users>()];

pub(crate) struct Users;

impl Table for Users {
    type Record = User;
    const PREFIX: keys::Prefix = keys::USER;
    const AUDIT: Option<AuditKind> = Some(AuditKind::User);
    const OWNER: Owner = Owner::Nobody;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::EMAIL,
        source: |_, value| Some(keys::user(&led_to(value)?)),
    }];

    fn key(user: &User) -> Vec<u8> {
        keys::user(&user.id)
    }

    fn lines(_: &mut Tx<'_>, user: &User, lines: &mut Lines) -> Result<(), Error> {
        lines.leads(keys::email(user.email.key()), &user.id);
        for entry in people::entries(PLATFORM, user) {
            lines.index(entry);
        }
        Ok(())
    }
}

/// Reads a user inside an operation.
pub(crate) fn load(tx: &mut Tx<'_>, id: &Id, field: &str) -> Result<model::User, Error> {
    tx.get(&keys::user(id))?
        .ok_or_else(|| Error::not_found("user", id.as_str()).at(field))
}

/// The accounts of a user.
pub(crate) fn accounts_of(tx: &mut Tx<'_>, user: &Id, most: usize) -> Result<Vec<Id>, Error> {
    if !deletions::are_under_way(tx)? {
        return memberships_of(tx, user, most);
    }
    let all = memberships_of(tx, user, usize::MAX)?;
    let mut living = deletions::without_leaving(tx, all)?;
    living.truncate(most);
    Ok(living)
}

/// The accounts that a user is a member of, those included that are being erased.
pub(crate) fn memberships_of(tx: &mut Tx<'_>, user: &Id, most: usize) -> Result<Vec<Id>, Error> {
    let (from, until) = keys::range(keys::MEMBERSHIP, &[user.as_str()]);
    Ok(tx
        .range::<()>(&from, &until, most)?
        .iter()
        .filter_map(|(key, ())| keys::last_id(key))
        .collect())
}

/// The user was here at an instant.
pub(crate) fn seen(tx: &mut Tx<'_>, user: &Id, at_ms: u64) -> Result<(), Error> {
    let before: Option<u64> = tx.get(&keys::last_seen(user))?;
    if before.is_none_or(|before| before < at_ms) {
        tx.put(keys::last_seen(user), &at_ms)
    } else {
        Ok(())
    }
}

/// When a user was last here; absent where they never were.
pub(crate) fn last_seen(tx: &mut Tx<'_>, user: &model::User) -> Result<Option<u64>, Error> {
    Ok(tx
        .get(&keys::last_seen(&user.id))?
        .or(user.first_login_at_ms))
}
