//! A store that is being made at a place where there is none, and cannot be opened before it is
//! whole.

use super::{StateHasher, state_hash};
use crate::api::store::{StoreCopy, StoreStateHash};
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::snapshot::Reads;
use crate::model::StorePath;
use std::path::Path;
use tenantry_store::{At, Backend, Batch, CommitError, Options, Order};

/// How much of it is kept in memory while it is made.
const CACHE_BYTES: u64 = 16 << 20;
/// So many records of an attempt that was cut off are deleted at once.
const STEP: usize = 1000;

pub(super) struct NewStore {
    store: Box<dyn Backend>,
    hash: StateHasher,
}

impl NewStore {
    /// Begins it, with the key of the tokens beside it where that is to lie there. What an attempt
    /// that was cut off has left is begun anew: nobody could open it.
    pub(super) fn begin(to: &StorePath, token_key: Option<&[u8; 32]>) -> Result<NewStore, Error> {
        let at = At::new(Path::new(to.as_str()));
        if at == At::Memory {
            return Err(Error::invalid(
                "/to",
                "A store in `:memory:` is lost when it is closed; name a folder, a file, or a \
                 database.",
            ));
        }
        let how = Options {
            cache_bytes: CACHE_BYTES,
            ..Options::default()
        };
        let store = tenantry_store::open(&at, &how).map_err(of_place)?;
        if store.last_commit() > 0 {
            if store.get(&keys::copying()).map_err(of_place)?.is_none() {
                return Err(Error::invalid(
                    "/to",
                    format!("There is a store at `{}`; name another place.", at.shown()),
                ));
            }
            clear(&*store)?;
        }
        // As long as this is there, it cannot be opened.
        commit(&*store, vec![(keys::copying(), Some(b"null".to_vec()))])?;
        if let Some(key) = token_key {
            tenantry_store::keep_token_key(&at, key).map_err(of_place)?;
        }
        Ok(NewStore {
            store,
            hash: StateHasher::default(),
        })
    }

    /// Writes records, which come in the order of their keys.
    pub(super) fn write(&mut self, rows: Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), Error> {
        for (key, value) in &rows {
            self.hash.add(key, value);
        }
        let writes = rows.into_iter().map(|(key, value)| (key, Some(value)));
        commit(&*self.store, writes.collect())?;
        self.store.relieve();
        Ok(())
    }

    /// Reads all of it again, and makes it one that can be opened where that is what was written
    /// and `accepts` it.
    pub(super) fn finish(
        self,
        accepts: impl FnOnce(&StoreStateHash, &dyn Backend) -> Result<(), Error>,
    ) -> Result<StoreCopy, Error> {
        let NewStore { store, hash } = self;
        let (written, found) = (hash.finish(), state_hash(&Reads::newest(&*store))?);
        if written.state_hash != found.state_hash {
            return Err(Error::internal(
                "The copy differs from what was written to it; remove it, and check its disk.",
            ));
        }
        accepts(&written, &*store)?;
        let whole = commit(&*store, vec![(keys::copying(), None)])?;
        store.sync(whole).map_err(of_place)?;
        let store_id = store.store_id();
        store.close().map_err(of_place)?;
        Ok(StoreCopy {
            store_id,
            records: written.records,
            state_hash: written.state_hash,
        })
    }
}

/// Deletes all but the mark that says that it is not whole.
fn clear(store: &dyn Backend) -> Result<(), Error> {
    let mark = keys::copying();
    loop {
        let rows = store
            .range(&[0], &[0x7f], Order::Ascending, STEP)
            .map_err(of_place)?;
        let keys = rows.into_iter().map(|(key, _)| key);
        let writes: Vec<_> = keys
            .filter(|key| *key != mark)
            .map(|key| (key, None))
            .collect();
        if writes.is_empty() {
            return Ok(());
        }
        commit(store, writes)?;
        store.relieve();
    }
}

fn of_place(error: tenantry_store::StoreError) -> Error {
    Error::from(error).at("/to")
}

fn commit(store: &dyn Backend, writes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<u64, Error> {
    let batch = Batch {
        writes,
        ..Batch::default()
    };
    store.commit(&batch).map_err(|error| match error {
        CommitError::Store(error) => of_place(error),
        CommitError::Conflict => Error::internal(
            "This is a defect to report: a write that expects nothing met a conflict.",
        ),
    })
}
