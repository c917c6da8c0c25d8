//! What became of the messages of accounts, and who is stopped for it (R-QTA-18). That an account
//! is stopped stands in the record of the account itself.

use crate::error::{Code, Error};
use crate::kernel::table::{Declared, Lines, Owner, Table};
use crate::kernel::{Tx, keys};
use crate::model::{AccountOutcomes, AuditKind, Channel, Id};

pub(super) const TABLES: &[Declared] = &[Declared::of::<Outcomes>()];

pub(crate) struct Outcomes;

impl Table for Outcomes {
    type Record = AccountOutcomes;
    const PREFIX: keys::Prefix = keys::OUTCOMES;
    // Only counts: the audit remembers that the account is stopped.
    const AUDIT: Option<AuditKind> = None;
    const OWNER: Owner = Owner::Account;

    fn key(outcomes: &AccountOutcomes) -> Vec<u8> {
        keys::outcomes(&outcomes.account, outcomes.channel)
    }

    fn lines(_: &mut Tx<'_>, _: &AccountOutcomes, _: &mut Lines) -> Result<(), Error> {
        Ok(())
    }
}

pub(crate) fn find(
    tx: &mut Tx<'_>,
    account: &Id,
    channel: Channel,
) -> Result<Option<AccountOutcomes>, Error> {
    tx.get(&keys::outcomes(account, channel))
}

/// What whoever wants to send for an account that is stopped is told.
pub(crate) fn sending_stopped(account: &Id, channel: Channel) -> Error {
    Error::new(
        Code::SendingStopped,
        format!(
            "The account `{account}` is stopped on the channel `{}`; have the platform resume it \
             first.",
            channel.name()
        ),
    )
    .with("channel", channel.name())
}
