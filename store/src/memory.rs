//! A store in memory, for tests and for callers that keep nothing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::backend::{
    Backend, Batch, CommitError, Order, Record, StoreError, Verification, hex, random_id,
};
use crate::raw::{Entries, Failure, Raw, Writes};
use crate::table::Table;

/// From here on the newest commits join the others.
const ENOUGH: usize = 1 << 20;

pub(crate) struct MemoryStore {
    table: Table<Map>,
    id: [u8; 16],
    handing_over: Mutex<()>,
}

#[derive(Default)]
struct Map(RwLock<BTreeMap<Vec<u8>, Arc<[u8]>>>);

impl MemoryStore {
    pub(crate) fn new() -> Result<Self, StoreError> {
        let id = random_id()?;
        let table = Table::create(Map::default(), id, Failure::default())?;
        Ok(MemoryStore {
            table,
            id,
            handing_over: Mutex::new(()),
        })
    }

    fn hand_over(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.handing_over.lock();
        self.table.hand_over().map(drop)
    }
}

impl Raw for Map {
    type Bytes = Arc<[u8]>;

    fn get(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.0.read().get(key).cloned())
    }

    fn scan(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Entries<Arc<[u8]>>, StoreError> {
        let map = self.0.read();
        let range = map.range::<[u8], _>((Bound::Included(from), Bound::Excluded(until)));
        let copy = |(key, bytes): (&Vec<u8>, &Arc<[u8]>)| (key.clone(), bytes.clone());
        Ok(match order {
            Order::Ascending => range.take(limit).map(copy).collect(),
            Order::Descending => range.rev().take(limit).map(copy).collect(),
        })
    }

    fn apply(&self, writes: &Writes) -> Result<(), StoreError> {
        let mut map = self.0.write();
        for (key, bytes) in writes {
            match bytes {
                Some(bytes) => map.insert(key.clone(), bytes.clone()),
                None => map.remove(key),
            };
        }
        Ok(())
    }
}

impl Backend for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.table.get(key)
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, StoreError> {
        self.table.get_many(keys)
    }

    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.table.range(from, until, order, limit)
    }

    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        self.table.commit(batch)
    }

    fn relieve(&self) {
        let (_, bytes) = self.table.waiting();
        if bytes > ENOUGH {
            // The commits are made whether or not this works.
            let _ = self.hand_over();
        }
    }

    fn sync(&self, commit: u64) -> Result<(), StoreError> {
        self.table.known(commit)?;
        self.hand_over()
    }

    fn last_commit(&self) -> u64 {
        self.table.last_commit()
    }

    fn store_id(&self) -> String {
        hex(&self.id)
    }

    fn verify(&self) -> Result<Verification, StoreError> {
        self.table.verify()
    }

    fn close(&self) -> Result<(), StoreError> {
        drop(self.table.close());
        Ok(())
    }

    fn abandon(&self) {
        self.table.abandon();
    }
}
