//! What of a limit is guaranteed to the accounts below (R-TEA-9).

use crate::error::Error;
use crate::kernel::{Tx, keys};
use crate::model::{Id, LimitName};
use std::collections::BTreeMap;

/// How the counts of what is guaranteed begin.
const PROMISED: &str = "guaranteed ";

/// How much of a limit is guaranteed to the accounts directly below (R-TEA-9).
pub(crate) fn promised(tx: &mut Tx<'_>, account: &Id, name: LimitName) -> Result<u64, Error> {
    tx.count(&promised_key(account, name))
}

/// The same of all limits of which something is guaranteed.
pub(crate) fn all_promised(
    tx: &mut Tx<'_>,
    account: &Id,
) -> Result<BTreeMap<LimitName, u64>, Error> {
    let from = keys::tally(account, PROMISED);
    // No name holds this byte.
    let until = [from.as_slice(), &[0xff]].concat();
    let named = |(key, sum): (Vec<u8>, u64)| {
        let name = std::str::from_utf8(key.get(from.len()..)?).ok()?;
        Some((LimitName::find(name)?, sum))
    };
    let sums = tx.range::<u64>(&from, &until, usize::MAX)?;
    Ok(sums.into_iter().filter_map(named).collect())
}

/// Where it is kept how much that is.
pub(crate) fn promised_key(account: &Id, name: LimitName) -> Vec<u8> {
    keys::tally(account, &format!("{PROMISED}{}", name.name()))
}
