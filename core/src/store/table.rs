//! Versions, checksums, split values and atomic commits over plain ordered bytes: the part that all
//! backends share.
//!
//! A commit only goes into memory, as a layer over the backend that all reads see. Whoever syncs
//! hands the whole layer to the backend as one batch, while new commits go into the next layer. So
//! however many commits wait, the backend writes once; and when it fails half-way, the layer still
//! covers what it may have spoilt.

use std::cmp::Ordering as Comparison;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use super::record::{self, Head, Kind};
use super::{Batch, CommitError, Order, Record, StoreError, Verification};

const PAGE: usize = 256;
const MOST_DAMAGED: usize = 100;

/// New bytes for a raw key; `None` deletes.
pub(super) type Written = Option<Arc<[u8]>>;
pub(super) type Writes = BTreeMap<Vec<u8>, Written>;
pub(super) type Entries<B> = Vec<(Vec<u8>, B)>;

/// What a backend has to bring.
pub(super) trait Raw: Send + Sync {
    type Bytes: AsRef<[u8]> + Send + Sync;

    fn get(&self, key: &[u8]) -> Result<Option<Self::Bytes>, StoreError>;

    fn scan(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Entries<Self::Bytes>, StoreError>;

    /// All writes or, after a crash, none. One call at a time.
    fn apply(&self, writes: &Writes) -> Result<(), StoreError>;
}

/// The first error that ended writing, shared by all who write.
pub(super) type Failure = Arc<OnceLock<StoreError>>;

pub(super) struct Table<R: Raw> {
    state: RwLock<State<R>>,
    last_commit: AtomicU64,
    failure: Failure,
    abandoned: AtomicBool,
    verifying: Mutex<()>,
}

struct State<R: Raw> {
    /// `None` once closed.
    raw: Option<Arc<R>>,
    closing: bool,
    head: Head,
    /// The newest layer, and how large it is.
    waiting: Writes,
    waiting_bytes: usize,
    /// The layer that the backend is being given. It stays when that fails.
    applying: Arc<Writes>,
    progress: Mutex<Option<Progress>>,
}

/// How far a verification has come. Commits behind its back are added and taken off here.
struct Progress {
    through: Vec<u8>,
    records: u64,
    sum: u64,
}

/// A commit that is ready to be made.
#[derive(Default)]
struct Plan<'a> {
    writes: Vec<(Vec<u8>, Written)>,
    /// Key, checksum before, checksum after.
    changes: Vec<(&'a [u8], Option<u32>, Option<u32>)>,
}

/// Bytes from the backend or from a layer.
enum Bytes<B> {
    Kept(B),
    New(Arc<[u8]>),
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Bytes<B> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Bytes::Kept(bytes) => bytes.as_ref(),
            Bytes::New(bytes) => bytes,
        }
    }
}

impl<R: Raw> Table<R> {
    pub(super) fn create(raw: R, id: [u8; 16], failure: Failure) -> Result<Self, StoreError> {
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
    pub(super) fn open(raw: R, failure: Failure) -> Result<(Self, Head), StoreError> {
        let Some(head) = raw.get(record::HEAD_KEY)? else {
            return Err(StoreError::corrupt("the head of the store is missing"));
        };
        let head = Head::decode(head.as_ref())?;
        Ok((Table::new(raw, head, failure), head))
    }

    fn new(raw: R, head: Head, failure: Failure) -> Self {
        let state = State {
            raw: Some(Arc::new(raw)),
            closing: false,
            head,
            waiting: Writes::new(),
            waiting_bytes: 0,
            applying: Arc::default(),
            progress: Mutex::new(None),
        };
        Table {
            state: RwLock::new(state),
            last_commit: AtomicU64::new(head.commit),
            failure,
            abandoned: AtomicBool::new(false),
            verifying: Mutex::new(()),
        }
    }

    pub(super) fn last_commit(&self) -> u64 {
        self.last_commit.load(Ordering::Acquire)
    }

    /// Whether syncing up to `commit` can be asked for.
    pub(super) fn known(&self, commit: u64) -> Result<(), StoreError> {
        self.in_its_process()?;
        if commit > self.last_commit() {
            return Err(StoreError::invalid(format!(
                "there is no commit {commit} yet"
            )));
        }
        Ok(())
    }

    /// Takes no lock: in a forked child its holder may be gone.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub(super) fn in_its_process(&self) -> Result<(), StoreError> {
        if self.abandoned.load(Ordering::Acquire) {
            return Err(StoreError::failed(
                "the store was opened in the process that this one was forked from",
            ));
        }
        Ok(())
    }

    /// Refuses commits and reads from now on; [`Table::hand_over`] still works.
    pub(super) fn stop(&self) {
        self.state.write().closing = true;
    }

    /// The backend, for closing it; `None` when it was already taken.
    pub(super) fn close(&self) -> Option<Arc<R>> {
        let mut state = self.state.write();
        state.closing = true;
        state.raw.take()
    }

    #[cfg(test)]
    pub(super) fn look<T>(&self, at: impl FnOnce(&R) -> T) -> T {
        at(self.state.read().raw.as_ref().unwrap())
    }

    fn usable(&self) -> Result<(), StoreError> {
        match self.failure.get() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Gives the backend all commits that it has not got, and returns the number of the last. One
    /// call at a time.
    pub(super) fn hand_over(&self) -> Result<u64, StoreError> {
        let (raw, layer, commit) = {
            let mut state = self.state.write();
            self.usable()?;
            let raw = state.raw.clone().ok_or_else(StoreError::closed)?;
            state.applying = Arc::new(std::mem::take(&mut state.waiting));
            state.waiting_bytes = 0;
            (raw, state.applying.clone(), state.head.commit)
        };
        if !layer.is_empty() {
            raw.apply(&layer)
                .map_err(|error| self.failure.get_or_init(|| error).clone())?;
            self.state.write().applying = Arc::default();
        }
        Ok(commit)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.in_its_process()?;
        record::check_key(key)?;
        let state = self.state.read();
        match state.bytes(key)? {
            Some(bytes) => Ok(Some(state.load(key, bytes.as_ref())?)),
            None => Ok(None),
        }
    }

    pub(super) fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.in_its_process()?;
        let until = until.min(&[record::OWN]);
        let state = self.state.read();
        let load = |(key, bytes): (Vec<u8>, Bytes<R::Bytes>)| {
            let record = state.load(&key, bytes.as_ref())?;
            Ok((key, record))
        };
        state
            .entries(from, until, order, limit)?
            .into_iter()
            .map(load)
            .collect()
    }

    /// The number of the commit, and how many bytes now wait for [`Table::hand_over`].
    pub(super) fn commit(&self, batch: &Batch) -> Result<(u64, usize), CommitError> {
        self.in_its_process()?;
        let mut writes: Vec<_> = batch.writes.iter().collect();
        writes.sort_by(|a, b| a.0.cmp(&b.0));
        if writes
            .iter()
            .zip(writes.iter().skip(1))
            .any(|(a, b)| a.0 == b.0)
        {
            return Err(StoreError::invalid("a batch writes the same key twice").into());
        }
        for (key, _) in &batch.writes {
            record::check_key(key)?;
        }

        let mut state = self.state.write();
        state.open()?;
        self.usable()?;
        if batch.read_since != Some(state.head.commit) {
            let count = |from: &[u8], until: &[u8], most| {
                Ok(state.entries(from, until, Order::Ascending, most)?.len())
            };
            if !batch.holds(|key| state.version(key), count)? {
                return Err(CommitError::Conflict);
            }
        }
        if writes.is_empty() {
            return Ok((state.head.commit, state.waiting_bytes));
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
            if let Some(progress) = state.progress.get_mut()
                && *key <= progress.through.as_slice()
            {
                count(&mut progress.records, &mut progress.sum, *old, *new);
            }
        }
        plan.writes
            .push((record::HEAD_KEY.to_vec(), Some(head.encode().into())));
        for (key, written) in plan.writes {
            state.waiting_bytes += key.len() + written.as_ref().map_or(0, |bytes| bytes.len());
            state.waiting.insert(key, written);
        }
        state.head = head;
        self.last_commit.store(head.commit, Ordering::Release);
        Ok((head.commit, state.waiting_bytes))
    }

    pub(super) fn verify(&self) -> Result<Verification, StoreError> {
        self.in_its_process()?;
        let _one_at_a_time = self.verifying.lock();
        *self.state.read().progress.lock() = Some(Progress {
            through: Vec::new(),
            records: 0,
            sum: 0,
        });
        let outcome = self.verify_all();
        *self.state.read().progress.lock() = None;
        outcome
    }

    fn verify_all(&self) -> Result<Verification, StoreError> {
        let mut found = Verification {
            records: 0,
            bytes: 0,
            last_commit: 0,
            damaged: Vec::new(),
        };
        while self.state.read().verify_records(&mut found)? {}
        let mut from = record::CHUNKS_FROM.to_vec();
        while self.state.read().verify_chunks(&mut from, &mut found)? {}
        found.last_commit = self.last_commit();
        Ok(found)
    }
}

impl<R: Raw> State<R> {
    fn open(&self) -> Result<&R, StoreError> {
        match &self.raw {
            Some(raw) if !self.closing => Ok(raw),
            _ => Err(StoreError::closed()),
        }
    }

    fn bytes(&self, key: &[u8]) -> Result<Option<Bytes<R::Bytes>>, StoreError> {
        let raw = self.open()?;
        match self.waiting.get(key).or_else(|| self.applying.get(key)) {
            Some(written) => Ok(written.clone().map(Bytes::New)),
            None => Ok(raw.get(key)?.map(Bytes::Kept)),
        }
    }

    fn entries(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Entries<Bytes<R::Bytes>>, StoreError> {
        let raw = self.open()?;
        if from >= until || limit == 0 {
            return Ok(Vec::new());
        }
        let mut waiting = between(&self.waiting, from, until, order).peekable();
        let mut applying = between(&self.applying, from, until, order).peekable();
        if waiting.peek().is_none() && applying.peek().is_none() {
            let entries = raw.scan(from, until, order, limit)?;
            return Ok(entries
                .into_iter()
                .map(|(key, bytes)| (key, Bytes::Kept(bytes)))
                .collect());
        }
        let mut kept = Pages {
            raw,
            from: from.to_vec(),
            until: until.to_vec(),
            order,
            page: VecDeque::new(),
            last: false,
        };
        let mut entries = Vec::new();
        while entries.len() < limit {
            let keys = [
                waiting.peek().map(|(key, _)| *key),
                applying.peek().map(|(key, _)| *key),
                kept.peek()?,
            ];
            let Some(next) = keys
                .into_iter()
                .flatten()
                .min_by(|a, b| order.compare(a, b))
                .cloned()
            else {
                break;
            };
            // The newest layer that has the key decides; the others pass it over.
            let newest = waiting
                .next_if(|(key, _)| **key == next)
                .map(|(_, written)| written);
            let older = applying
                .next_if(|(key, _)| **key == next)
                .map(|(_, written)| written);
            let oldest = kept.next_if(&next);
            let bytes = match newest.or(older) {
                Some(written) => written.clone().map(Bytes::New),
                None => oldest.map(Bytes::Kept),
            };
            if let Some(bytes) = bytes {
                entries.push((next, bytes));
            }
        }
        Ok(entries)
    }

    fn version(&self, key: &[u8]) -> Result<u64, StoreError> {
        record::check_key(key)?;
        match self.bytes(key)? {
            Some(bytes) => Ok(record::unseal(key, bytes.as_ref())?.version),
            None => Ok(0),
        }
    }

    /// Checks a record and puts its chunks together.
    fn load(&self, key: &[u8], bytes: &[u8]) -> Result<Record, StoreError> {
        let stored = record::unseal(key, bytes)?;
        if stored.kind == Kind::Whole {
            return Ok(Record {
                version: stored.version,
                value: stored.payload.to_vec(),
            });
        }
        let (chunks, length) = record::sizes(key, &stored)?;
        let mut value = Vec::new();
        for number in 0..chunks {
            let chunk_key = record::chunk_key(key, number);
            let Some(bytes) = self.bytes(&chunk_key)? else {
                return Err(record::damaged(
                    key,
                    &format!("chunk {number} of {chunks} is missing"),
                ));
            };
            let chunk = record::unseal(&chunk_key, bytes.as_ref())?;
            if chunk.version != stored.version {
                return Err(record::damaged(
                    key,
                    &format!("chunk {number} of {chunks} is of another commit"),
                ));
            }
            value.extend_from_slice(chunk.payload);
        }
        if value.len() as u64 != length {
            return Err(record::damaged(key, "the value has the wrong length"));
        }
        Ok(Record {
            version: stored.version,
            value,
        })
    }

    fn plan<'a>(
        &self,
        plan: &mut Plan<'a>,
        commit: u64,
        key: &'a [u8],
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let (old_checksum, old_chunks) = match self.bytes(key)? {
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

    /// One step over the records; false when there are no more.
    fn verify_records(&self, found: &mut Verification) -> Result<bool, StoreError> {
        let mut progress = self.progress.lock();
        let Some(progress) = progress.as_mut() else {
            return Err(StoreError::failed("a verification lost its place"));
        };
        let from = next_key(&progress.through);
        let entries = self.entries(&from, &[record::OWN], Order::Ascending, PAGE)?;
        if entries.is_empty() {
            if (progress.records, progress.sum) != (self.head.records, self.head.sum) {
                let what = if progress.records == self.head.records {
                    "older than they should be"
                } else {
                    "missing"
                };
                let numbers = format!(
                    "{} found, {} were written",
                    progress.records, self.head.records
                );
                report(found, format!("the whole: records are {what} ({numbers})"));
            }
            return Ok(false);
        }
        for (key, bytes) in entries {
            let bytes = bytes.as_ref();
            match self.load(&key, bytes) {
                Ok(loaded) => found.bytes += (key.len() + loaded.value.len()) as u64,
                Err(StoreError::Corrupt { .. }) => report(found, record::printable(&key)),
                Err(error) => return Err(error),
            }
            found.records += 1;
            count(
                &mut progress.records,
                &mut progress.sum,
                None,
                Some(record::checksum_of(bytes)),
            );
            progress.through = key;
        }
        Ok(true)
    }

    /// One step over the chunks, for those that belong to no record; false when there are no more.
    fn verify_chunks(
        &self,
        from: &mut Vec<u8>,
        found: &mut Verification,
    ) -> Result<bool, StoreError> {
        let entries = self.entries(from, record::CHUNKS_UNTIL, Order::Ascending, PAGE)?;
        let Some((last, _)) = entries.last() else {
            return Ok(false);
        };
        *from = next_key(last);
        for (key, _) in &entries {
            let owned = match record::chunk_owner(key) {
                Some((owner, number)) => match self.bytes(owner)? {
                    // A damaged owner has been reported already.
                    Some(bytes) => record::unseal(owner, bytes.as_ref())
                        .and_then(|stored| record::sizes(owner, &stored))
                        .map_or(true, |(chunks, _)| number < chunks),
                    None => false,
                },
                None => false,
            };
            if !owned {
                report(found, record::printable(key));
            }
        }
        Ok(true)
    }
}

/// The entries of the backend, read page by page.
struct Pages<'a, R: Raw> {
    raw: &'a R,
    from: Vec<u8>,
    until: Vec<u8>,
    order: Order,
    page: VecDeque<(Vec<u8>, R::Bytes)>,
    last: bool,
}

impl<R: Raw> Pages<'_, R> {
    fn peek(&mut self) -> Result<Option<&Vec<u8>>, StoreError> {
        if self.page.is_empty() && !self.last {
            self.page = self
                .raw
                .scan(&self.from, &self.until, self.order, PAGE)?
                .into();
            match (self.page.back(), self.order) {
                (Some((key, _)), Order::Ascending) => self.from = next_key(key),
                (Some((key, _)), Order::Descending) => self.until.clone_from(key),
                (None, _) => {}
            }
            self.last = self.page.len() < PAGE;
        }
        Ok(self.page.front().map(|(key, _)| key))
    }

    fn next_if(&mut self, key: &[u8]) -> Option<R::Bytes> {
        self.page
            .pop_front_if(|(first, _)| first == key)
            .map(|(_, bytes)| bytes)
    }
}

impl Order {
    fn compare(self, a: &[u8], b: &[u8]) -> Comparison {
        match self {
            Order::Ascending => a.cmp(b),
            Order::Descending => b.cmp(a),
        }
    }
}

fn between<'a>(
    layer: &'a Writes,
    from: &[u8],
    until: &[u8],
    order: Order,
) -> Box<dyn Iterator<Item = (&'a Vec<u8>, &'a Written)> + 'a> {
    let range = layer.range::<[u8], _>((Bound::Included(from), Bound::Excluded(until)));
    match order {
        Order::Ascending => Box::new(range),
        Order::Descending => Box::new(range.rev()),
    }
}

fn count(records: &mut u64, sum: &mut u64, old: Option<u32>, new: Option<u32>) {
    if let Some(checksum) = old {
        *records = records.wrapping_sub(1);
        *sum = sum.wrapping_sub(u64::from(checksum));
    }
    if let Some(checksum) = new {
        *records = records.wrapping_add(1);
        *sum = sum.wrapping_add(u64::from(checksum));
    }
}

fn next_key(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

fn report(found: &mut Verification, what: String) {
    if found.damaged.len() < MOST_DAMAGED {
        found.damaged.push(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::folder::tests::Scratch;
    use crate::store::{Backend, SledOptions, memory, sled};

    /// Runs a test against every backend.
    fn each(test: impl Fn(&dyn Backend)) {
        test(&*memory().unwrap());
        let scratch = Scratch::new();
        let store = sled(
            &scratch.store(),
            &SledOptions {
                cache_bytes: 16 << 20,
                create: true,
            },
        )
        .unwrap();
        test(&*store);
        store.close().unwrap();
    }

    fn write(key: &[u8], value: Option<Vec<u8>>) -> Batch {
        Batch {
            writes: vec![(key.to_vec(), value)],
            expected: Vec::new(),
            ..Batch::default()
        }
    }

    fn text(length: usize, seed: usize) -> Vec<u8> {
        (0..length).map(|i| ((i * 31 + seed) % 251) as u8).collect()
    }

    const SIZES: [usize; 9] = [100 * 1024, 0, 4095, 4082, 4083, 4096, 1, 20_000, 0];

    #[test]
    fn values_of_every_size_replace_each_other() {
        each(|store| {
            for first in SIZES {
                for second in SIZES {
                    store.commit(&write(b"k", Some(text(first, 1)))).unwrap();
                    if (first + second) % 3 == 0 {
                        store.sync(store.last_commit()).unwrap();
                    }
                    let version = store.commit(&write(b"k", Some(text(second, 2)))).unwrap();
                    if first % 2 == 0 {
                        store.sync(version).unwrap();
                    }
                    assert_eq!(
                        store.get(b"k").unwrap(),
                        Some(Record {
                            version,
                            value: text(second, 2)
                        })
                    );
                    let verified = store.verify().unwrap();
                    assert_eq!(
                        (verified.records, verified.bytes, verified.damaged),
                        (1, 1 + second as u64, Vec::new())
                    );
                    store.commit(&write(b"k", None)).unwrap();
                    assert_eq!(store.get(b"k").unwrap(), None);
                    let verified = store.verify().unwrap();
                    assert_eq!(
                        (verified.records, verified.damaged),
                        (0, Vec::new()),
                        "{first} then {second} then deleted"
                    );
                }
            }
        });
    }

    #[test]
    fn a_conflict_changes_nothing() {
        each(|store| {
            assert_eq!(store.commit(&write(b"a", Some(b"1".to_vec()))), Ok(1));
            assert_eq!(store.commit(&write(b"b", Some(b"1".to_vec()))), Ok(2));
            for expected in [
                vec![(b"a".to_vec(), 2)],
                vec![(b"a".to_vec(), 0)],
                vec![(b"a".to_vec(), 1), (b"c".to_vec(), 1)],
                vec![(b"a".to_vec(), 1), (b"b".to_vec(), 1)],
            ] {
                let writes = vec![(b"a".to_vec(), None), (b"c".to_vec(), Some(text(9000, 3)))];
                assert_eq!(
                    store.commit(&Batch {
                        writes,
                        expected: expected.clone(),
                        ..Batch::default()
                    }),
                    Err(CommitError::Conflict)
                );
                assert_eq!(
                    store.commit(&Batch {
                        writes: Vec::new(),
                        expected,
                        ..Batch::default()
                    }),
                    Err(CommitError::Conflict)
                );
            }
            assert_eq!(store.last_commit(), 2);
            assert_eq!(
                store.range(b"", b"z", Order::Ascending, 10).unwrap().len(),
                2
            );
            let expected = vec![(b"a".to_vec(), 1), (b"b".to_vec(), 2), (b"c".to_vec(), 0)];
            assert_eq!(
                store.commit(&Batch {
                    writes: vec![(b"a".to_vec(), None)],
                    expected,
                    ..Batch::default()
                }),
                Ok(3)
            );
            assert_eq!(store.get(b"a").unwrap(), None);
            assert_eq!(
                store.commit(&Batch {
                    writes: Vec::new(),
                    expected: vec![(b"a".to_vec(), 0)],
                    ..Batch::default()
                }),
                Ok(3)
            );
        });
    }

    #[test]
    fn ranges_are_ordered_bounded_and_never_show_chunks() {
        each(|store| {
            let writes = (0..40_u8)
                .rev()
                .map(|i| (vec![b'k', i], Some(text(usize::from(i) * 500, 1))))
                .collect();
            store
                .commit(&Batch {
                    writes,
                    expected: Vec::new(),
                    ..Batch::default()
                })
                .unwrap();
            let keys = |from: &[u8], until: &[u8], order, limit| -> Vec<u8> {
                let found = store.range(from, until, order, limit).unwrap();
                found.iter().for_each(|(key, record)| {
                    assert_eq!(record.value, text(usize::from(key[1]) * 500, 1))
                });
                found.iter().map(|(key, _)| key[1]).collect()
            };
            assert_eq!(
                keys(b"", &[0xFF, 0xFF], Order::Ascending, 1000),
                (0..40).collect::<Vec<_>>()
            );
            assert_eq!(
                keys(&[b'k', 10], &[b'k', 13], Order::Ascending, 9),
                [10, 11, 12]
            );
            assert_eq!(
                keys(&[b'k', 10], &[b'k', 13], Order::Descending, 2),
                [12, 11]
            );
            assert!(keys(&[b'k', 13], &[b'k', 10], Order::Ascending, 9).is_empty());
            assert!(keys(b"k", b"l", Order::Ascending, 0).is_empty());
        });
    }

    #[test]
    fn batches_that_cannot_be_are_refused_and_harmless() {
        each(|store| {
            let twice = vec![
                (b"b".to_vec(), None),
                (b"a".to_vec(), None),
                (b"b".to_vec(), Some(Vec::new())),
            ];
            for writes in [
                twice,
                vec![(vec![0xFF, 1], Some(Vec::new()))],
                vec![(Vec::new(), None)],
            ] {
                let refused = store.commit(&Batch {
                    writes,
                    expected: Vec::new(),
                    ..Batch::default()
                });
                assert!(
                    matches!(refused, Err(CommitError::Store(StoreError::Invalid { .. }))),
                    "{refused:?}"
                );
            }
            assert!(matches!(store.sync(1), Err(StoreError::Invalid { .. })));
            assert_eq!(store.commit(&write(b"a", None)), Ok(1));
        });
    }

    #[test]
    fn versions_are_checked_by_one_writer_at_a_time() {
        each(|store| {
            store
                .commit(&write(b"n", Some(0_u64.to_le_bytes().to_vec())))
                .unwrap();
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        for _ in 0..50 {
                            loop {
                                let seen = store.get(b"n").unwrap().unwrap();
                                let value = u64::from_le_bytes(seen.value.try_into().unwrap()) + 1;
                                let writes =
                                    vec![(b"n".to_vec(), Some(value.to_le_bytes().to_vec()))];
                                match store.commit(&Batch {
                                    writes,
                                    expected: vec![(b"n".to_vec(), seen.version)],
                                    ..Batch::default()
                                }) {
                                    Ok(_) => break,
                                    Err(error) => assert_eq!(error, CommitError::Conflict),
                                }
                            }
                        }
                    });
                }
            });
            assert_eq!(
                store.get(b"n").unwrap().unwrap().value,
                400_u64.to_le_bytes()
            );
        });
    }

    #[test]
    fn readers_and_verifiers_see_whole_commits_only() {
        each(|store| {
            // Two records and a split one always carry the same number.
            let set = |number: usize| Batch {
                writes: [b"a".to_vec(), b"m".to_vec(), b"z".to_vec()]
                    .into_iter()
                    .zip([10, 9000 + number % 3 * 5000, 10])
                    .map(|(key, length)| (key, Some(text(length, number))))
                    .chain((0..300).map(|i| {
                        (
                            format!("p{i:03}").into_bytes(),
                            (i + number).is_multiple_of(2).then(|| text(20, i)),
                        )
                    }))
                    .collect(),
                expected: Vec::new(),
                ..Batch::default()
            };
            store.commit(&set(0)).unwrap();
            let done = std::sync::atomic::AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    (1..150).for_each(|number| assert!(store.commit(&set(number)).is_ok()));
                    done.store(true, Ordering::Release);
                });
                scope.spawn(|| {
                    while !done.load(Ordering::Acquire) {
                        store.sync(store.last_commit()).unwrap();
                    }
                });
                scope.spawn(|| {
                    while !done.load(Ordering::Acquire) {
                        let found = store.range(b"a", b"zz", Order::Ascending, 1000).unwrap();
                        assert_eq!(found.len(), 153);
                        assert!(
                            found
                                .iter()
                                .filter(|(key, _)| key[0] != b'p')
                                .all(|(_, r)| r.version == found[0].1.version)
                        );
                    }
                });
                while !done.load(Ordering::Acquire) {
                    assert_eq!(store.verify().unwrap().damaged, Vec::<String>::new());
                }
            });
        });
    }

    /// A backend that can fail in the middle of a batch, like sled when a page cannot be read.
    #[derive(Default)]
    struct Breaking {
        map: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
        break_after: Mutex<Option<usize>>,
    }

    impl Raw for Breaking {
        type Bytes = Vec<u8>;

        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            Ok(self.map.lock().get(key).cloned())
        }

        fn scan(
            &self,
            from: &[u8],
            until: &[u8],
            order: Order,
            limit: usize,
        ) -> Result<Entries<Vec<u8>>, StoreError> {
            let map = self.map.lock();
            let mut all: Vec<_> = map
                .range(from.to_vec()..until.to_vec())
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            if order == Order::Descending {
                all.reverse();
            }
            all.truncate(limit);
            Ok(all)
        }

        fn apply(&self, writes: &Writes) -> Result<(), StoreError> {
            for (number, (key, bytes)) in writes.iter().enumerate() {
                if *self.break_after.lock() == Some(number) {
                    return Err(StoreError::Full {
                        what: "test".into(),
                    });
                }
                match bytes {
                    Some(bytes) => self.map.lock().insert(key.clone(), bytes.to_vec()),
                    None => self.map.lock().remove(key),
                };
            }
            Ok(())
        }
    }

    fn breaking() -> Table<Breaking> {
        Table::create(Breaking::default(), [0; 16], Failure::default()).unwrap()
    }

    #[test]
    fn layers_and_backend_together_look_like_one_map() {
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let table = breaking();
        let mut model = BTreeMap::new();
        for step in 0..3000 {
            let mut batch = Batch::default();
            let mut wanted = BTreeMap::new();
            for _ in 0..next(40) {
                let key = format!("k{:03}", next(700)).into_bytes();
                let length = if next(8) == 0 {
                    9000
                } else {
                    next(60) as usize
                };
                wanted.insert(key, (next(3) > 0).then(|| text(length, step)));
            }
            batch.writes.extend(wanted.clone());
            let (number, _) = table.commit(&batch).unwrap();
            for (key, value) in wanted {
                match value {
                    Some(value) => model.insert(
                        key,
                        Record {
                            version: number,
                            value,
                        },
                    ),
                    None => model.remove(&key),
                };
            }
            match next(6) {
                0 if table.state.read().applying.is_empty() => {
                    assert_eq!(table.hand_over(), Ok(number))
                }
                // As another thread sees it while a layer is being handed over.
                1 if table.state.read().applying.is_empty() => {
                    let mut state = table.state.write();
                    state.applying = Arc::new(std::mem::take(&mut state.waiting));
                }
                _ if next(3) == 0 => {
                    let layer = table.state.read().applying.clone();
                    table.look(|raw| raw.apply(&layer)).unwrap();
                    table.state.write().applying = Arc::default();
                }
                _ => {}
            }
            let (a, b, limit) = (next(700), next(700), next(900) as usize + 1);
            let (from, until) = (
                format!("k{:03}", a.min(b)).into_bytes(),
                format!("k{:03}", a.max(b)).into_bytes(),
            );
            let expected = || {
                model
                    .range(from.clone()..until.clone())
                    .map(|(k, v)| (k.clone(), v.clone()))
            };
            let ascending = table.range(&from, &until, Order::Ascending, limit).unwrap();
            assert!(
                ascending == expected().take(limit).collect::<Vec<_>>(),
                "step {step}"
            );
            let descending = table
                .range(&from, &until, Order::Descending, limit)
                .unwrap();
            assert!(
                descending == expected().rev().take(limit).collect::<Vec<_>>(),
                "step {step}"
            );
            assert_eq!(
                table.get(&from).unwrap().as_ref(),
                model.get(&from),
                "step {step}"
            );
            if step % 100 == 0 {
                let verified = table.verify().unwrap();
                assert_eq!(
                    (verified.records, verified.damaged),
                    (model.len() as u64, Vec::new()),
                    "step {step}"
                );
            }
        }
    }

    #[test]
    fn a_batch_that_fails_half_way_is_never_seen_in_part() {
        for break_after in 0..=14 {
            let table = breaking();
            let sizes = [("a", 10_000), ("b", 5), ("c", 9_000), ("e", 7)];
            let writes = sizes
                .iter()
                .map(|(key, size)| (key.as_bytes().to_vec(), Some(text(*size, 1))))
                .collect();
            table
                .commit(&Batch {
                    writes,
                    expected: Vec::new(),
                    ..Batch::default()
                })
                .unwrap();
            assert_eq!(table.hand_over(), Ok(1));
            let writes = vec![
                (b"a".to_vec(), Some(text(5_000, 2))),
                (b"b".to_vec(), Some(text(9_000, 2))),
                (b"c".to_vec(), None),
                (b"d".to_vec(), Some(text(3, 2))),
            ];
            table
                .commit(&Batch {
                    writes,
                    expected: Vec::new(),
                    ..Batch::default()
                })
                .unwrap();
            let all = |order, limit| table.range(b"a", b"z", order, limit).unwrap();
            let (before, last_two) = (all(Order::Ascending, 9), all(Order::Descending, 2));
            assert_eq!(before.len(), 4);

            let full = StoreError::Full {
                what: "test".into(),
            };
            table.look(|raw| *raw.break_after.lock() = Some(break_after));
            // Five keys, two chunks that are new for `a` and one less, three for `b`, three less
            // for `c`.
            let fails = break_after < 14;
            assert_eq!(
                table.hand_over(),
                if fails { Err(full.clone()) } else { Ok(2) },
                "{break_after}"
            );
            assert_eq!(
                (all(Order::Ascending, 9), all(Order::Descending, 2)),
                (before, last_two),
                "{break_after}"
            );
            assert_eq!(table.get(b"b").unwrap().unwrap().value, text(9_000, 2));
            assert_eq!((table.get(b"c").unwrap(), table.last_commit()), (None, 2));
            assert_eq!(table.verify().unwrap().damaged, Vec::<String>::new());

            table.look(|raw| *raw.break_after.lock() = None);
            if fails {
                assert_eq!(table.hand_over(), Err(full.clone()), "never tried again");
                assert_eq!(
                    table.commit(&write(b"x", Some(Vec::new()))),
                    Err(CommitError::Store(full))
                );
            }
        }
    }

    #[test]
    fn verify_finds_what_is_damaged_missing_outdated_or_left_over() {
        type Map = BTreeMap<Vec<u8>, Vec<u8>>;
        let damaged = |change: &dyn Fn(&mut Map, &Map)| {
            let table = breaking();
            table.commit(&write(b"big", Some(text(10_000, 1)))).unwrap();
            table.hand_over().unwrap();
            let old = table.look(|raw| raw.map.lock().clone());
            (1..600).for_each(|i| {
                assert!(
                    table
                        .commit(&write(format!("k{i}").as_bytes(), Some(text(i, i))))
                        .is_ok()
                )
            });
            table.commit(&write(b"big", Some(text(12_000, 2)))).unwrap();
            table.hand_over().unwrap();
            assert_eq!(table.verify().unwrap().damaged, Vec::<String>::new());
            table.look(|raw| change(&mut raw.map.lock(), &old));
            table.verify().unwrap().damaged
        };
        assert_eq!(
            damaged(&|map, _| map.get_mut(&b"k17"[..]).unwrap()[15] ^= 1),
            ["k17"]
        );
        let missing = damaged(&|map, _| drop(map.remove(&b"k17"[..])));
        assert!(
            missing.len() == 1 && missing[0].contains("missing (599 found, 600 were written)"),
            "{missing:?}"
        );
        assert_eq!(
            damaged(&|map, _| drop(map.remove(&record::chunk_key(b"big", 1)))),
            ["big"]
        );
        let old_chunk = record::chunk_key(b"big", 1);
        assert_eq!(
            damaged(&|map, old| drop(map.insert(old_chunk.clone(), old[&old_chunk].clone()))),
            ["big"]
        );
        // A page that went back whole: all checksums are right.
        let outdated = damaged(&|map, old| {
            old.iter()
                .filter(|(key, _)| **key != record::HEAD_KEY)
                .for_each(|(k, v)| drop(map.insert(k.clone(), v.clone())));
        });
        assert!(
            outdated.len() == 1 && outdated[0].contains("older"),
            "{outdated:?}"
        );
        let left_over = record::chunk_key(b"gone", 0);
        assert_eq!(
            damaged(&|map, _| drop(map.insert(left_over.clone(), vec![1]))),
            [record::printable(&left_over)]
        );
    }
}
