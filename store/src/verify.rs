//! Reading everything, in steps that let commits go on between them.

use crate::backend::{Damage, Order, StoreError, Verification};
use crate::layers::{Layers, PAGE, next_key};
use crate::raw::Raw;
use crate::record::{self, Head, count};

pub(crate) const MOST_DAMAGED: usize = 100;

/// Keys, with the checksum of the record and how long its value is, or why it cannot be read.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) type Page = Vec<(Vec<u8>, Result<(u32, usize), StoreError>)>;

/// Reads all records of one state of a store that keeps values whole, a page from a key on after
/// the other.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn pages(
    found: &mut Verification,
    head: &Head,
    go_on: impl Fn() -> Result<(), StoreError>,
    page: impl Fn(&[u8]) -> Result<Page, StoreError>,
) -> Result<(), StoreError> {
    let (mut from, mut records, mut sum) = (Vec::new(), 0, 0);
    loop {
        go_on()?;
        let rows = page(&from)?;
        let last = rows.last().map(|(key, _)| next_key(key));
        let is_full = rows.len() == PAGE;
        for (key, stored) in rows {
            let checksum = match stored {
                Ok((checksum, length)) => {
                    found.bytes += (key.len() + length) as u64;
                    checksum
                }
                Err(StoreError::Corrupt { .. }) => {
                    report(found, Damage::Record(key.clone()));
                    0
                }
                Err(error) => return Err(error),
            };
            count(&mut records, &mut sum, None, Some(checksum));
            found.records += 1;
        }
        match last.filter(|_| is_full) {
            Some(next) => from = next,
            None => break,
        }
    }
    // The sum is not that of the records either where one is damaged, which was told.
    if found.damaged.is_empty() || records != head.records {
        report_whole(found, (records, sum), head);
    }
    Ok(())
}

/// Before anything was read.
pub(crate) fn nothing(head: &Head) -> Verification {
    Verification {
        records: 0,
        bytes: 0,
        last_commit: head.commit,
        damaged: Vec::new(),
    }
}

/// How far a verification has come. Commits behind its back are added and taken off here.
#[derive(Default)]
pub(crate) struct Progress {
    through: Vec<u8>,
    records: u64,
    sum: u64,
}

impl Progress {
    /// A commit changes the checksum of a record.
    pub(crate) fn changed(&mut self, key: &[u8], old: Option<u32>, new: Option<u32>) {
        if key <= self.through.as_slice() {
            count(&mut self.records, &mut self.sum, old, new);
        }
    }

    /// One step over the records; false when there are no more.
    pub(crate) fn step<R: Raw>(
        &mut self,
        layers: &Layers<R>,
        head: &Head,
        found: &mut Verification,
    ) -> Result<bool, StoreError> {
        let from = next_key(&self.through);
        let entries = layers.entries(&from, &[record::OWN], Order::Ascending, PAGE)?;
        if entries.is_empty() {
            report_whole(found, (self.records, self.sum), head);
            return Ok(false);
        }
        for (key, bytes) in entries {
            let bytes = bytes.as_ref();
            match layers.load(&key, bytes) {
                Ok(loaded) => found.bytes += (key.len() + loaded.value.len()) as u64,
                Err(StoreError::Corrupt { .. }) => report(found, Damage::Record(key.clone())),
                Err(error) => return Err(error),
            }
            found.records += 1;
            let checksum = record::checksum_of(bytes);
            count(&mut self.records, &mut self.sum, None, Some(checksum));
            self.through = key;
        }
        Ok(true)
    }
}

/// One step over the chunks, for those that belong to no record; false when there are no more.
pub(crate) fn chunks<R: Raw>(
    layers: &Layers<R>,
    from: &mut Vec<u8>,
    found: &mut Verification,
) -> Result<bool, StoreError> {
    let entries = layers.entries(from, record::CHUNKS_UNTIL, Order::Ascending, PAGE)?;
    let Some((last, _)) = entries.last() else {
        return Ok(false);
    };
    *from = next_key(last);
    for (key, _) in &entries {
        let owned = match record::chunk_owner(key) {
            Some((owner, number)) => match layers.bytes(owner)? {
                // A damaged owner has been reported already.
                Some(bytes) => record::unseal(owner, bytes.as_ref())
                    .and_then(|stored| record::sizes(owner, &stored))
                    .map_or(true, |(chunks, _)| number < chunks),
                None => false,
            },
            None => false,
        };
        if !owned {
            report(found, Damage::Record(key.clone()));
        }
    }
    Ok(true)
}

pub(crate) fn report(found: &mut Verification, what: Damage) {
    if found.damaged.len() < MOST_DAMAGED {
        found.damaged.push(what);
    }
}

/// Whether the records that were found are those that the head counts.
pub(crate) fn report_whole(found: &mut Verification, (records, sum): (u64, u64), head: &Head) {
    if (records, sum) == (head.records, head.sum) {
        return;
    }
    let what = if records == head.records {
        "older than they should be"
    } else {
        "missing"
    };
    let numbers = format!("{records} found, {} were written", head.records);
    let what = format!("records are {what} ({numbers})");
    report(found, Damage::Whole(what));
}
