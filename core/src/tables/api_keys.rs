//! API keys (R-SES-7).

use crate::error::Error;
use crate::kernel::table::{Declared, Index, Lines, Owner, Table, id};
use crate::kernel::{Tx, keys};
use crate::model::{ApiKey, AuditKind, Id};
use crate::tables::caps;

pub(super) const TABLES: &[Declared] = &[Declared::of::<ApiKeys>()];

pub(crate) struct ApiKeys;

impl Table for ApiKeys {
    type Record = ApiKey;
    const PREFIX: keys::Prefix = keys::API_KEY;
    const AUDIT: Option<AuditKind> = Some(AuditKind::ApiKey);
    const OWNER: Owner = Owner::Nobody;
    const LINES: &'static [Index] = &[Index {
        prefix: keys::ACCOUNT_API_KEY,
        source: |parts, _| match parts {
            [_, _, api_key] => Some(keys::api_key(&id(api_key)?)),
            _ => None,
        },
    }];

    fn key(api_key: &ApiKey) -> Vec<u8> {
        keys::api_key(&api_key.id)
    }

    fn lines(_: &mut Tx<'_>, api_key: &ApiKey, lines: &mut Lines) -> Result<(), Error> {
        let ApiKey { account, user, .. } = api_key;
        lines.needs(keys::member(account, user));
        lines.index(keys::account_api_key(account, user, &api_key.id));
        Ok(())
    }
}

/// The keys of an account, or of one of its members.
pub(crate) fn all_of(
    tx: &mut Tx<'_>,
    account: &Id,
    user: Option<&Id>,
) -> Result<Vec<ApiKey>, Error> {
    let parts: Vec<&str> = std::iter::once(account)
        .chain(user)
        .map(Id::as_str)
        .collect();
    let (from, until) = keys::range(keys::ACCOUNT_API_KEY, &parts);
    let rows = tx.range::<serde::de::IgnoredAny>(&from, &until, usize::MAX)?;
    let mut found = Vec::with_capacity(rows.len());
    for id in rows.iter().filter_map(|(key, _)| keys::last_id(key)) {
        found.extend(tx.get::<ApiKey>(&keys::api_key(&id))?);
    }
    Ok(found)
}

/// Ends the keys of a member who leaves.
pub(crate) fn end_all_of(tx: &mut Tx<'_>, account: &Id, user: &Id) -> Result<(), Error> {
    all_of(tx, account, Some(user))?
        .iter()
        .try_for_each(|key| end(tx, key))
}

pub(crate) fn end(tx: &mut Tx<'_>, key: &ApiKey) -> Result<(), Error> {
    tx.erase::<ApiKeys>(key)?;
    caps::end_all_of_key(tx, &key.account, &key.id)?;
    invalidate(tx, key);
    Ok(())
}

/// What was prepared for the key, and what is known of it, is out of date.
pub(crate) fn invalidate(tx: &mut Tx<'_>, key: &ApiKey) {
    tx.invalidate_api_key(&key.id);
    tx.invalidate_account(&key.account);
}
