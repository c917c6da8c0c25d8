//! Versions, checksums, split values and atomic commits over plain ordered bytes: the part that all
//! backends share.
//!
//! A commit only goes into memory, as a layer over the backend that all reads see. Whoever syncs
//! hands the whole layer to the backend as one batch, while new commits go into the next layer. So
//! however many commits wait, the backend writes once; and when it fails half-way, the layer still
//! covers what it may have spoilt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::backend::{Batch, CommitError, Order, Record, StoreError, Verification};
use crate::layers::{Bytes, Layers};
use crate::process::Process;
use crate::raw::{Failure, Raw, Writes, Written};
use crate::record::{self, Head, count};
use crate::tally;
use crate::verify::{self, Progress};

pub(crate) struct Table<R: Raw> {
    state: RwLock<State<R>>,
    last_commit: AtomicU64,
    failure: Failure,
    process: Process,
    verifying: Mutex<()>,
}

struct State<R: Raw> {
    layers: Layers<R>,
    head: Head,
    progress: Mutex<Option<Progress>>,
}

/// A commit that is ready to be made.
#[derive(Default)]
struct Plan<'a> {
    writes: Vec<(Vec<u8>, Written)>,
    /// Key, checksum before, checksum after.
    changes: Vec<(&'a [u8], Option<u32>, Option<u32>)>,
}

impl<R: Raw> Table<R> {
    pub(crate) fn create(raw: R, id: [u8; 16], failure: Failure) -> Result<Self, StoreError> {
        let head = Head {
            commit: 0,
            records: 0,
            sum: 0,
            id,
        };
        raw.apply(&Writes::from([(
            record::HEAD_KEY.to_vec(),
            Some(head.encode().into()),
        )]))?;
        Ok(Table::new(raw, head, failure))
    }

    /// The head is what the backend has kept; the caller compares it with what it should be.
    pub(crate) fn open(raw: R, failure: Failure) -> Result<(Self, Head), StoreError> {
        let Some(head) = raw.get(record::HEAD_KEY)? else {
            return Err(StoreError::corrupt("the head of the store is missing"));
        };
        let head = Head::decode(head.as_ref())?;
        Ok((Table::new(raw, head, failure), head))
    }

    fn new(raw: R, head: Head, failure: Failure) -> Self {
        let state = State {
            layers: Layers::over(raw),
            head,
            progress: Mutex::new(None),
        };
        Table {
            state: RwLock::new(state),
            last_commit: AtomicU64::new(head.commit),
            failure,
            process: Process::default(),
            verifying: Mutex::new(()),
        }
    }

    pub(crate) fn last_commit(&self) -> u64 {
        self.last_commit.load(Ordering::Acquire)
    }

    /// Whether syncing up to `commit` can be asked for.
    pub(crate) fn known(&self, commit: u64) -> Result<(), StoreError> {
        self.in_its_process()?;
        if commit > self.last_commit() {
            return Err(StoreError::invalid(format!(
                "There is no commit {commit} yet; name one that there is."
            )));
        }
        Ok(())
    }

    /// Takes no lock: in a forked child its holder may be gone.
    pub(crate) fn abandon(&self) {
        self.process.abandon();
    }

    pub(crate) fn in_its_process(&self) -> Result<(), StoreError> {
        self.process.check()
    }

    /// Refuses commits and reads from now on; [`Table::hand_over`] still works.
    pub(crate) fn stop(&self) {
        self.state.write().layers.stop();
    }

    /// The backend, for closing it; `None` when it was already taken.
    pub(crate) fn close(&self) -> Option<Arc<R>> {
        self.state.write().layers.close()
    }

    #[cfg(test)]
    pub(crate) fn look<T>(&self, at: impl FnOnce(&R) -> T) -> T {
        at(self.state.read().layers.raw())
    }

    fn usable(&self) -> Result<(), StoreError> {
        match self.failure.get() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// How many records wait for [`Table::hand_over`], and how large they are.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let layers = &self.state.read().layers;
        (layers.waiting_records(), layers.waiting_bytes())
    }

    /// Gives the backend all commits that it has not got, and returns the number of the last. One
    /// call at a time.
    pub(crate) fn hand_over(&self) -> Result<u64, StoreError> {
        let (raw, layer, commit) = {
            let mut state = self.state.write();
            self.usable()?;
            let (raw, layer) = state.layers.hand_over()?;
            (raw, layer, state.head.commit)
        };
        if !layer.is_empty() {
            raw.apply(&layer)
                .map_err(|error| self.failure.get_or_init(|| error).clone())?;
            self.state.write().layers.handed_over();
        }
        Ok(commit)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.in_its_process()?;
        record::check_key(key)?;
        self.state.read().layers.get(key)
    }

    /// The records of several keys, all of one moment.
    pub(crate) fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, StoreError> {
        self.in_its_process()?;
        keys.iter().try_for_each(|key| record::check_key(key))?;
        let layers = &self.state.read().layers;
        keys.iter().map(|key| layers.get(key)).collect()
    }

    pub(crate) fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.in_its_process()?;
        let until = until.min(&[record::OWN]);
        let layers = &self.state.read().layers;
        let load = |(key, bytes): (Vec<u8>, Bytes<R::Bytes>)| {
            let record = layers.load(&key, bytes.as_ref())?;
            Ok((key, record))
        };
        layers
            .entries(from, until, order, limit)?
            .into_iter()
            .map(load)
            .collect()
    }

    /// The number of the commit, which waits for [`Table::hand_over`].
    pub(crate) fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        self.in_its_process()?;
        let writes = record::sorted(batch)?;
        let mut state = self.state.write();
        state.layers.open()?;
        self.usable()?;
        if batch.read_since != Some(state.head.commit) {
            let count = |from: &[u8], until: &[u8], most| {
                Ok(state
                    .layers
                    .entries(from, until, Order::Ascending, most)?
                    .len())
            };
            if !batch.holds(|key| state.layers.version(key), count)? {
                return Err(CommitError::Conflict);
            }
        }
        if writes.is_empty() {
            return Ok(state.head.commit);
        }

        let mut head = state.head;
        head.commit = head
            .commit
            .checked_add(1)
            .ok_or_else(|| StoreError::failed("no commit number is left"))?;
        let mut plan = Plan::default();
        for (key, value) in writes {
            state.plan(&mut plan, head.commit, key, value.as_deref())?;
        }

        // Nothing can fail from here on.
        for (key, old, new) in &plan.changes {
            count(&mut head.records, &mut head.sum, *old, *new);
            if let Some(progress) = state.progress.get_mut() {
                progress.changed(key, *old, *new);
            }
        }
        plan.writes
            .push((record::HEAD_KEY.to_vec(), Some(head.encode().into())));
        for (key, written) in plan.writes {
            state.layers.write(key, written);
        }
        state.head = head;
        self.last_commit.store(head.commit, Ordering::Release);
        Ok(head.commit)
    }

    pub(crate) fn verify(&self) -> Result<Verification, StoreError> {
        self.in_its_process()?;
        let _one_at_a_time = self.verifying.lock();
        *self.state.read().progress.lock() = Some(Progress::default());
        let outcome = self.verify_all();
        *self.state.read().progress.lock() = None;
        outcome
    }

    /// Whether all records are there, as [`verify`](Table::verify) would find; for a store that
    /// nobody else has yet.
    pub(crate) fn is_whole(&self) -> Result<bool, StoreError> {
        let state = self.state.read();
        let (mut from, mut found) = (record::CHUNKS_FROM.to_vec(), verify::nothing(&state.head));
        while verify::chunks(&state.layers, &mut from, &mut found)? {}
        Ok(found.damaged.is_empty() && tally::is_whole(&state.layers, &state.head)?)
    }

    fn verify_all(&self) -> Result<Verification, StoreError> {
        let mut found = verify::nothing(&self.state.read().head);
        while self.state.read().verify_step(&mut found)? {}
        let mut from = record::CHUNKS_FROM.to_vec();
        while verify::chunks(&self.state.read().layers, &mut from, &mut found)? {}
        found.last_commit = self.last_commit();
        Ok(found)
    }
}

impl<R: Raw> State<R> {
    fn verify_step(&self, found: &mut Verification) -> Result<bool, StoreError> {
        match self.progress.lock().as_mut() {
            Some(progress) => progress.step(&self.layers, &self.head, found),
            None => Err(StoreError::failed("a verification lost its place")),
        }
    }

    fn plan<'a>(
        &self,
        plan: &mut Plan<'a>,
        commit: u64,
        key: &'a [u8],
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let (old_checksum, old_chunks) = match self.layers.bytes(key)? {
            Some(bytes) => {
                let stored = record::unseal(key, bytes.as_ref())?;
                (Some(stored.checksum), record::sizes(key, &stored)?.0)
            }
            None if value.is_none() => return Ok(()),
            None => (None, 0),
        };
        let (new_checksum, new_chunks) = match value.map(|value| record::encode(key, commit, value))
        {
            Some(encoded) => {
                let checksum = encoded.checksum();
                plan.writes.push((key.to_vec(), Some(encoded.main.into())));
                let chunks = encoded.chunks.len() as u64;
                for (chunk, number) in encoded.chunks.into_iter().zip(0..) {
                    plan.writes
                        .push((record::chunk_key(key, number), Some(chunk.into())));
                }
                (Some(checksum), chunks)
            }
            None => {
                plan.writes.push((key.to_vec(), None));
                (None, 0)
            }
        };
        for number in new_chunks..old_chunks {
            plan.writes.push((record::chunk_key(key, number), None));
        }
        plan.changes.push((key, old_checksum, new_checksum));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
