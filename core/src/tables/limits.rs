//! What of a limit is guaranteed to the accounts below (R-TEA-9).

use crate::error::Error;
use crate::kernel::{Tx, keys};
use crate::model::{Id, LimitName};

/// How much of a limit is guaranteed to the accounts directly below (R-TEA-9).
pub(crate) fn promised(tx: &mut Tx<'_>, account: &Id, name: LimitName) -> Result<u64, Error> {
    tx.count(&promised_key(account, name))
}

/// Where it is kept how much that is.
pub(crate) fn promised_key(account: &Id, name: LimitName) -> Vec<u8> {
    keys::tally(account, &format!("guaranteed {}", name.name()))
}
