//! Reading everything, at one state of the store, in steps that a closing store ends.

use rusqlite::Connection;

use super::rows;
use crate::backend::{Order, StoreError, Verification};
use crate::layers::{PAGE, next_key};
use crate::record::{self, Head, count};
use crate::verify::{MOST_DAMAGED, report, report_whole};

/// Reads all records and the structure of the file; `connection` is in a transaction, and `head`
/// was read in it.
pub(super) fn verify(
    connection: &Connection,
    head: &Head,
    go_on: impl Fn() -> Result<(), StoreError>,
) -> Result<Verification, StoreError> {
    let mut found = Verification {
        records: 0,
        bytes: 0,
        last_commit: head.commit,
        damaged: Vec::new(),
    };
    match read_all(connection, &mut found, &go_on) {
        // The sum is not that of the records either where one is damaged, which was told.
        Ok((records, sum)) => {
            if found.damaged.is_empty() || records != head.records {
                report_whole(&mut found, (records, sum), head);
            }
        }
        // Then the structure of the file says more.
        Err(StoreError::Corrupt { .. }) => {}
        Err(error) => return Err(error),
    }
    go_on()?;
    for what in rows::integrity(connection, MOST_DAMAGED)? {
        report(&mut found, format!("the file: {what}"));
    }
    go_on()?;
    Ok(found)
}

/// The number of the records, and the sum of their checksums.
fn read_all(
    connection: &Connection,
    found: &mut Verification,
    go_on: &impl Fn() -> Result<(), StoreError>,
) -> Result<(u64, u64), StoreError> {
    let (mut from, mut records, mut sum) = (Vec::new(), 0, 0);
    loop {
        go_on()?;
        let (mut last, mut seen) = (None, 0);
        let all = (from.as_slice(), &[record::OWN][..]);
        rows::each(connection, all, Order::Ascending, PAGE, |key, stored| {
            match stored {
                Ok(stored) => {
                    found.bytes += (key.len() + stored.record.value.len()) as u64;
                    count(&mut records, &mut sum, None, Some(stored.checksum));
                }
                Err(StoreError::Corrupt { .. }) => {
                    report(found, record::printable(&key));
                    count(&mut records, &mut sum, None, Some(0));
                }
                Err(error) => return Err(error),
            }
            found.records += 1;
            seen += 1;
            last = Some(key);
            Ok(())
        })?;
        match last {
            Some(last) if seen == PAGE => from = next_key(&last),
            _ => return Ok((records, sum)),
        }
    }
}
