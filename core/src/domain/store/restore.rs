//! A store that is made of a backup.

use super::MOST_DAMAGED;
use super::file::{Head, Records};
use super::new::NewStore;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::store::{Restore, StoreCopy};
use crate::error::Error;
use crate::kernel::snapshot::Reads;
use crate::tables::check::check;
use std::path::Path;

/// So many records are written at once.
const STEP: usize = 1000;

impl Operation for Restore {
    type Answer = StoreCopy;

    fn run(self, _: &mut Ctx<'_>) -> Result<StoreCopy, Error> {
        // Before anything is made.
        let (_, mut records) = self.read()?;
        while !records.next(STEP).map_err(of_file)?.is_empty() {}
        let whole = records.finish(self.edited).map_err(of_file)?;

        let (head, mut records) = self.read()?;
        let key = head.token_key.map(|key| key.bytes());
        let mut store = NewStore::begin(&self.to, key.as_ref())?;
        loop {
            let rows = records.next(STEP).map_err(of_file)?;
            if rows.is_empty() {
                break;
            }
            store.write(rows)?;
        }
        store.finish(|written, store| {
            if written.state_hash != whole.state_hash {
                return Err(of_file(Error::corrupt(
                    "The backup was changed while it was read; restore it once more.",
                )));
            }
            match check(Reads::newest(store), MOST_DAMAGED)?.first() {
                Some(what) => Err(of_file(Error::corrupt(format!(
                    "The records of the backup contradict each other ({}); use another backup.",
                    what.text()
                )))),
                None => Ok(()),
            }
        })
    }
}

impl Restore {
    fn read(&self) -> Result<(Head, Records), Error> {
        let path = Path::new(self.backup.as_str());
        let file = tenantry_store::existing_file(path).map_err(|error| of_file(error.into()))?;
        Records::begin(file).map_err(of_file)
    }
}

fn of_file(error: Error) -> Error {
    error.at("/backup")
}
