//! Reading everything, at one state of the store, in steps that a closing store ends.

use rusqlite::Connection;

use super::rows;
use crate::backend::{Damage, Order, StoreError, Verification};
use crate::layers::PAGE;
use crate::record::{self, Head};
use crate::verify::{self, MOST_DAMAGED, Page, report};

/// Reads all records and the structure of the file; `connection` is in a transaction, and `head`
/// was read in it.
pub(super) fn verify(
    connection: &Connection,
    head: &Head,
    go_on: impl Fn() -> Result<(), StoreError>,
) -> Result<Verification, StoreError> {
    let mut found = verify::nothing(head);
    match verify::pages(&mut found, head, &go_on, |from| page(connection, from)) {
        // Then the structure of the file says more.
        Err(StoreError::Corrupt { .. }) => {}
        read => read?,
    }
    go_on()?;
    for what in rows::integrity(connection, MOST_DAMAGED)? {
        report(&mut found, Damage::Whole(format!("the file: {what}")));
    }
    go_on()?;
    Ok(found)
}

fn page(connection: &Connection, from: &[u8]) -> Result<Page, StoreError> {
    let mut page = Page::new();
    let all = (from, &[record::OWN][..]);
    rows::each(connection, all, Order::Ascending, PAGE, |key, stored| {
        let size = |stored: rows::Stored| (stored.checksum, stored.record.value.len());
        page.push((key, stored.map(size)));
        Ok(())
    })?;
    Ok(page)
}
