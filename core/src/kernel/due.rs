//! When something becomes due by itself.

use super::keys::{self, Prefix};
use super::tx::Tx;
use crate::error::Error;

/// Nothing is scheduled.
pub(crate) const NEVER: u64 = u64::MAX;

/// The instant at which the first of what is scheduled becomes due: what acts ([`keys::DUE`]), what
/// expires ([`keys::EXPIRE`]), or what is only forgotten ([`keys::FORGET`]).
pub(crate) fn first(tx: &mut Tx<'_>, prefix: Prefix) -> Result<u64, Error> {
    let (from, until) = keys::range(prefix, &[]);
    let rows = tx.range::<serde::de::IgnoredAny>(&from, &until, 1)?;
    Ok(rows
        .first()
        .and_then(|(key, _)| keys::due::at(key))
        .unwrap_or(NEVER))
}

/// The instant at which the first of what a call has to look at becomes due: what acts, or expires.
pub(crate) fn next(tx: &mut Tx<'_>) -> Result<u64, Error> {
    Ok(first(tx, keys::DUE)?.min(first(tx, keys::EXPIRE)?))
}
