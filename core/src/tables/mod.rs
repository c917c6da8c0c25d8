//! One file for each kind of record: where it lies, what follows from it, and what is checked of
//! it. A new kind of record is one file here, and one line in [`ALL`].

pub(crate) mod access;
pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod campaigns;
pub(crate) mod caps;
pub(crate) mod check;
pub(crate) mod gauges;
pub(crate) mod groups;
pub(crate) mod idempotency;
pub(crate) mod invitations;
pub(crate) mod ledger;
pub(crate) mod limits;
pub(crate) mod members;
pub(crate) mod meters;
pub(crate) mod operators;
pub(crate) mod outbox;
pub(crate) mod packages;
pub(crate) mod people;
pub(crate) mod reservations;
pub(crate) mod resources;
pub(crate) mod roles;
pub(crate) mod second_factors;
pub(crate) mod sessions;
pub(crate) mod shares;
pub(crate) mod slots;
pub(crate) mod suppressions;
pub(crate) mod tombstones;
pub(crate) mod users;

use crate::error::Error;
use crate::kernel::Tx;
use crate::kernel::table::{Declared, Owner};
use crate::model::Id;

/// Every kind of record.
pub(crate) static ALL: &[&[Declared]] = &[
    access::TABLES,
    accounts::TABLES,
    api_keys::TABLES,
    audit::TABLES,
    campaigns::TABLES,
    caps::TABLES,
    gauges::TABLES,
    groups::TABLES,
    idempotency::TABLES,
    invitations::TABLES,
    ledger::TABLES,
    members::TABLES,
    meters::TABLES,
    operators::TABLES,
    outbox::TABLES,
    packages::TABLES,
    people::TABLES,
    reservations::TABLES,
    resources::TABLES,
    roles::TABLES,
    second_factors::TABLES,
    sessions::TABLES,
    shares::TABLES,
    slots::TABLES,
    suppressions::TABLES,
    tombstones::TABLES,
    users::TABLES,
];

pub(crate) fn all() -> impl Iterator<Item = &'static Declared> {
    ALL.iter().copied().flatten()
}

/// The table of the records whose keys begin with this letter; none where they are index lines or
/// counts.
pub(crate) fn of(prefix: u8) -> Option<&'static Declared> {
    all().find(|table| table.prefix == prefix)
}

/// Deletes all that is an account's and goes with it.
pub(crate) fn erase_of_account(tx: &mut Tx<'_>, account: &Id) -> Result<(), Error> {
    let of_accounts =
        all().filter(|table| matches!(table.owner, Owner::Account | Owner::AccountOrPlatform));
    for table in of_accounts {
        (table.erase_below)(tx, table.prefix, &[account.as_str()])?;
    }
    Ok(())
}
