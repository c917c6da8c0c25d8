//! One file for each kind of record: where it lies, what follows from it, and what is checked of
//! it. A new kind of record is one file here, and one line in [`ALL`].

pub(crate) mod access;
pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod campaigns;
pub(crate) mod caps;
pub(crate) mod check;
pub(crate) mod deletions;
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
pub(crate) mod replacements;
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
use crate::kernel::page::Span;
use crate::kernel::table::{Declared, Owner};
use crate::kernel::{Tx, keys};
use crate::model::Id;
use tenantry_store::Order;

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
    deletions::TABLES,
    replacements::TABLES,
];

pub(crate) fn all() -> impl Iterator<Item = &'static Declared> {
    ALL.iter().copied().flatten()
}

/// The table of the records whose keys begin with these letters; none where they are index lines or
/// counts.
pub(crate) fn of(prefix: keys::Prefix) -> Option<&'static Declared> {
    all().find(|table| table.prefix == prefix)
}

/// What a count counts, from the parts of its key; none where it is the count of something else.
pub(crate) fn counted(parts: &[&str]) -> Option<Span> {
    all()
        .flat_map(|table| table.counts)
        .find_map(|count| (count.counted)(parts))
}

/// The kinds of records that are accounts'.
fn of_accounts() -> impl Iterator<Item = &'static Declared> {
    all().filter(|table| matches!(table.owner, Owner::Account | Owner::AccountOrPlatform))
}

/// Deletes what is an account's and goes with it, at most so many records; answers how many.
pub(crate) fn erase_of_account(tx: &mut Tx<'_>, account: &Id, most: usize) -> Result<usize, Error> {
    let mut erased = 0;
    for table in of_accounts() {
        if erased < most {
            erased += (table.erase_range)(tx, table.prefix, &[account.as_str()], most - erased)?;
        }
    }
    Ok(erased)
}

/// How many records there are that are an account's, counted up to `most`.
pub(crate) fn count_of_account(tx: &Tx<'_>, account: &Id, most: usize) -> Result<usize, Error> {
    let own = of_accounts().map(|table| keys::range(table.prefix, &[account.as_str()]));
    let others = [
        keys::range(keys::ACCOUNT_INVITATION, &[account.as_str(), "newest"]),
        keys::group_tombstones(account),
    ];
    let mut counted = 0;
    for (from, until) in own.chain(others) {
        let rows = tx
            .reads()
            .range(&from, &until, Order::Ascending, most - counted)?;
        counted += rows.len();
        if counted >= most {
            break;
        }
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_prefix_is_that_of_one_table_or_of_index_lines() {
        let tables: Vec<_> = all().map(|table| table.prefix).collect();
        let lines: BTreeSet<_> = all()
            .flat_map(|table| table.lines)
            .map(|line| line.prefix)
            .collect();
        for prefix in keys::ALL {
            let declared = tables.iter().filter(|table| *table == prefix).count();
            let is_line = usize::from(lines.contains(prefix));
            let tells_of_store = prefix.text().as_bytes() < keys::FIRST;
            let expected = usize::from(!tells_of_store);
            assert_eq!(declared + is_line, expected, "{}", prefix.text());
        }
    }
}
