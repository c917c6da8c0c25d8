//! Second factors as they are stored.

use crate::error::Error;
use crate::kernel::{Tx, keys};
use crate::model::{self, Id};

pub(crate) fn load(tx: &mut Tx<'_>, user: &Id) -> Result<model::SecondFactor, Error> {
    Ok(tx.get(&keys::second_factor(user))?.unwrap_or_default())
}

/// Whether a user logs in with a code besides the password.
pub(crate) fn is_enabled(tx: &mut Tx<'_>, user: &Id) -> Result<bool, Error> {
    Ok(load(tx, user)?.secret.is_some())
}
