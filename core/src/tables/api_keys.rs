//! Api keys as they are stored.

use crate::error::Error;
use crate::kernel::{Tx, keys};
use crate::model::{self, Id};
use crate::tables::caps;
use crate::tables::sessions::ApiKeys;

/// The keys of an account, or of one of its members.
pub(crate) fn all_of(
    tx: &mut Tx<'_>,
    account: &Id,
    user: Option<&Id>,
) -> Result<Vec<model::ApiKey>, Error> {
    let parts: Vec<&str> = std::iter::once(account)
        .chain(user)
        .map(Id::as_str)
        .collect();
    let (from, until) = keys::below(keys::ACCOUNT_API_KEY, &parts);
    let rows = tx.range::<serde::de::IgnoredAny>(&from, &until, usize::MAX)?;
    let mut found = Vec::with_capacity(rows.len());
    for id in rows.iter().filter_map(|(key, _)| keys::last_id(key)) {
        found.extend(tx.get::<model::ApiKey>(&keys::api_key(&id))?);
    }
    Ok(found)
}

/// Ends the keys of a member who leaves.
pub(crate) fn end_all_of(tx: &mut Tx<'_>, account: &Id, user: &Id) -> Result<(), Error> {
    all_of(tx, account, Some(user))?
        .iter()
        .try_for_each(|key| end(tx, key))
}

pub(crate) fn end(tx: &mut Tx<'_>, key: &model::ApiKey) -> Result<(), Error> {
    tx.erase::<ApiKeys>(key)?;
    caps::end_all_of_key(tx, &key.account, &key.id)?;
    touch(tx, key);
    Ok(())
}

/// What was prepared for the key, and what is known of it, is out of date.
pub(crate) fn touch(tx: &mut Tx<'_>, key: &model::ApiKey) {
    tx.touch_api_key(&key.id);
    tx.touch(&key.account);
}
