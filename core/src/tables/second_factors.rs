//! Second factors (R-SES-4).

use crate::error::Error;
use crate::kernel::table::{Declared, Owner};
use crate::kernel::{Tx, keys};
use crate::model::{AuditKind, Id, SecondFactor};

pub(super) const TABLES: &[Declared] = &[Declared::plain(
    keys::SECOND_FACTOR,
    Some(AuditKind::SecondFactor),
    Owner::User,
    |look, _, _| look.record::<SecondFactor>().map(drop),
)];

/// The second factor of a user; one without a secret where they have none.
pub(crate) fn load(tx: &mut Tx<'_>, user: &Id) -> Result<SecondFactor, Error> {
    Ok(tx.get(&keys::second_factor(user))?.unwrap_or_default())
}

/// Whether a user logs in with a code besides the password.
pub(crate) fn is_enabled(tx: &mut Tx<'_>, user: &Id) -> Result<bool, Error> {
    Ok(load(tx, user)?.secret.is_some())
}
