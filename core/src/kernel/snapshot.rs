//! Snapshots: whoever reads sees the store as it was after one commit, and nobody waits for them.
//!
//! The store keeps the newest value of a key alone. So while a snapshot is open, each commit first
//! keeps what stood at the keys that it writes; a reader looks at the store, and then at what was
//! kept since its snapshot. What no open snapshot can ask for is dropped. There is a bound: where
//! more is to be kept, the oldest snapshot is given up, and its reader is told to ask again.
//!
//! Where the store keeps states by itself, a snapshot is one of them, and nothing is kept here.

use crate::error::Error;
use crate::locks::Mutex;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tenantry_store::{Backend, Batch, CommitError, Order, Record, StoreError};

/// The most that is kept for all open snapshots.
const MOST_BYTES: usize = 64 << 20;
/// What an entry takes besides its key and value.
const ENTRY_BYTES: usize = 128;

thread_local! {
    /// The snapshots that operations of this thread read in.
    static READING: RefCell<Vec<Arc<Snapshot>>> = const { RefCell::new(Vec::new()) };
}

/// The snapshots of one store, and the only way to commit to it.
pub(crate) struct Snapshots {
    shared: Arc<Shared>,
}

struct Shared {
    /// How many commits were begun: each has the number that it makes of it.
    commits: AtomicU64,
    /// The last note that was applied, or is being applied: raised before anything is out of date.
    applied: AtomicU64,
    state: Mutex<State>,
    most_bytes: usize,
    /// Whether the store keeps states by itself.
    is_kept_by_store: bool,
}

#[derive(Default)]
struct State {
    /// How many snapshots are open after a commit.
    open: BTreeMap<u64, usize>,
    /// What stood at a key before a commit, the earliest first.
    before: BTreeMap<Vec<u8>, VecDeque<(u64, Option<Record>)>>,
    /// The same in the order in which it was kept.
    order: BTreeSet<(u64, Vec<u8>)>,
    bytes: usize,
    /// Snapshots that were taken after this commit or before it were given up.
    lost: Option<u64>,
}

/// The store after one commit, while it is held.
pub(crate) struct Snapshot {
    shared: Arc<Shared>,
    after: u64,
    /// The store's own number of that commit.
    version: u64,
    /// The last commit with a note that it holds.
    noted: u64,
    /// What the store keeps, where it does; why it does not, where it should.
    kept: Option<Result<Box<dyn tenantry_store::Snapshot>, StoreError>>,
}

impl Default for Snapshots {
    fn default() -> Snapshots {
        Snapshots::with_room(MOST_BYTES, false)
    }
}

impl Snapshots {
    /// Those of a store, which has applied its notes up to this one.
    pub(crate) fn of(backend: &dyn Backend, applied: u64) -> Result<Snapshots, StoreError> {
        let snapshots = Snapshots::with_room(MOST_BYTES, backend.snapshot()?.is_some());
        snapshots.begin_applying(applied);
        Ok(snapshots)
    }

    fn with_room(most_bytes: usize, is_kept_by_store: bool) -> Snapshots {
        Snapshots {
            shared: Arc::new(Shared {
                commits: AtomicU64::new(0),
                applied: AtomicU64::new(0),
                state: Mutex::default(),
                most_bytes,
                is_kept_by_store,
            }),
        }
    }

    /// From here on no snapshot is the newest that does not hold this note.
    pub(crate) fn begin_applying(&self, noted: u64) {
        self.shared.applied.fetch_max(noted, Ordering::AcqRel);
    }

    /// Takes a snapshot that the store keeps.
    fn open_in_store(&self, backend: &dyn Backend) -> Snapshot {
        let after = self.shared.commits.load(Ordering::Acquire);
        let kept = backend.snapshot().and_then(|kept| {
            kept.ok_or_else(|| StoreError::Failed {
                what: "the store keeps no states any more".to_owned(),
            })
        });
        let (version, noted) = match &kept {
            Ok(kept) => (kept.last_commit(), kept.noted()),
            Err(_) => (backend.last_commit(), 0),
        };
        Snapshot {
            shared: self.shared.clone(),
            after,
            version,
            noted,
            kept: Some(kept),
        }
    }

    /// Takes a snapshot. That waits for a commit that is under way, and for nothing else.
    pub(crate) fn open(&self, backend: &dyn Backend) -> Arc<Snapshot> {
        if self.shared.is_kept_by_store {
            return Arc::new(self.open_in_store(backend));
        }
        let mut state = self.shared.state.lock();
        let after = self.shared.commits.load(Ordering::Acquire);
        *state.open.entry(after).or_default() += 1;
        Arc::new(Snapshot {
            shared: self.shared.clone(),
            after,
            version: backend.last_commit(),
            noted: u64::MAX,
            kept: None,
        })
    }

    /// The snapshot that an operation of this thread reads in.
    pub(crate) fn of_this_thread(&self) -> Option<Arc<Snapshot>> {
        self.with_own(|own| own.cloned())
    }

    /// Whether the snapshot that an operation of this thread reads in holds all that was applied,
    /// and no commit was begun here since.
    pub(crate) fn reads_newest(&self) -> bool {
        self.with_own(|own| own.is_none_or(|snapshot| snapshot.is_newest()))
    }

    fn with_own<T>(&self, look: impl FnOnce(Option<&Arc<Snapshot>>) -> T) -> T {
        READING.with_borrow(|reading| {
            let own = |snapshot: &&Arc<Snapshot>| Arc::ptr_eq(&snapshot.shared, &self.shared);
            look(reading.iter().rev().find(own))
        })
    }

    /// Commits, and keeps before what open snapshots may ask for.
    pub(crate) fn commit(&self, backend: &dyn Backend, batch: &Batch) -> Result<u64, CommitError> {
        let version = if self.shared.is_kept_by_store {
            self.shared.commits.fetch_add(1, Ordering::AcqRel);
            backend.commit(batch)?
        } else {
            let mut state = self.shared.state.lock();
            let number = self.shared.commits.load(Ordering::Acquire) + 1;
            for (key, _) in &batch.writes {
                state.keep(backend, key, number)?;
            }
            state.make_room(self.shared.most_bytes);
            // A reader that saw the store before sees this after, and then looks at what was kept.
            self.shared.commits.store(number, Ordering::Release);
            backend.commit(batch)?
        };
        // This may wait for the disk, and no reader waits with it.
        backend.relieve();
        Ok(version)
    }
}

impl State {
    fn keep(&mut self, backend: &dyn Backend, key: &[u8], number: u64) -> Result<(), CommitError> {
        let Some((newest, _)) = self.open.last_key_value() else {
            return Ok(());
        };
        let kept = self.before.get(key).and_then(VecDeque::back);
        // Nobody was given a snapshot since something was kept for all of them.
        if kept.is_some_and(|(before, _)| before > newest) {
            return Ok(());
        }
        let record = backend.get(key)?;
        self.bytes += size(key, record.as_ref());
        self.order.insert((number, key.to_vec()));
        self.before
            .entry(key.to_vec())
            .or_default()
            .push_back((number, record));
        Ok(())
    }

    /// Gives up the oldest snapshots until what is kept for the others fits.
    fn make_room(&mut self, most_bytes: usize) {
        while self.bytes > most_bytes {
            let Some((oldest, _)) = self.open.pop_first() else {
                return;
            };
            self.lost = Some(oldest);
            self.drop_unused(oldest);
        }
    }

    fn close(&mut self, after: u64) {
        if let Some(open) = self.open.get_mut(&after) {
            *open -= 1;
            if *open == 0 {
                self.open.remove(&after);
                self.drop_unused(after);
            }
        }
    }

    /// Drops what no open snapshot can ask for since this one was closed: of what was kept until
    /// the next one was taken, all that those before it find at an earlier commit. So a reader that
    /// takes long does not make what is kept for the short ones beside it pile up.
    fn drop_unused(&mut self, closed: u64) {
        let earlier = self.open.range(..closed).next_back().map(|(open, _)| *open);
        let later = self.open.range(closed..).next().map(|(open, _)| *open);
        if earlier.is_none() && later.is_none() {
            self.before.clear();
            self.order.clear();
            self.bytes = 0;
            return;
        }
        let begin_after = |open: u64| (open.saturating_add(1), Vec::new());
        let until = later.map_or(Bound::Unbounded, |later| {
            Bound::Excluded(begin_after(later))
        });
        // What was kept before this one was taken is not its own.
        let own = (Bound::Included(begin_after(closed)), until);
        let unused: Vec<_> = self
            .order
            .range(own)
            .filter(|(number, key)| {
                earlier.is_none_or(|earlier| self.version_after(key, earlier) != Some(*number))
            })
            .cloned()
            .collect();
        unused
            .iter()
            .for_each(|(number, key)| self.forget(*number, key));
    }

    /// Where a snapshot finds what stood at a key, if that was changed since.
    fn version_after(&self, key: &[u8], after: u64) -> Option<u64> {
        let versions = self.before.get(key)?;
        first_after(versions, after).map(|(number, _)| *number)
    }

    fn forget(&mut self, number: u64, key: &[u8]) {
        if let Some(versions) = self.before.get_mut(key) {
            let at = versions.partition_point(|(before, _)| *before < number);
            if let Some((_, record)) = versions.remove(at) {
                self.bytes = self.bytes.saturating_sub(size(key, record.as_ref()));
            }
            if versions.is_empty() {
                self.before.remove(key);
            }
        }
        self.order.remove(&(number, key.to_vec()));
    }

    fn check(&self, after: u64) -> Result<(), Error> {
        if self.lost.is_some_and(|lost| after <= lost) {
            return Err(Error::busy(
                "Too much was changed while this was read; ask again.",
            ));
        }
        Ok(())
    }
}

fn size(key: &[u8], record: Option<&Record>) -> usize {
    ENTRY_BYTES + 2 * key.len() + record.map_or(0, |record| record.value.len())
}

/// What stood at a key after a commit, among what was kept of it.
fn first_after(
    versions: &VecDeque<(u64, Option<Record>)>,
    after: u64,
) -> Option<&(u64, Option<Record>)> {
    versions.get(versions.partition_point(|(number, _)| *number <= after))
}

impl Snapshot {
    fn is_newest(&self) -> bool {
        self.shared.commits.load(Ordering::Acquire) == self.after
            && self.shared.applied.load(Ordering::Acquire) <= self.noted
    }

    /// The state that the store keeps for it; none where what was changed since is kept here.
    fn in_store(&self) -> Result<Option<&dyn tenantry_store::Snapshot>, Error> {
        match &self.kept {
            None => Ok(None),
            Some(Ok(kept)) => Ok(Some(&**kept)),
            Some(Err(error)) => Err(error.clone().into()),
        }
    }

    /// What stood at a key, where that was changed since. It is asked after the store was.
    fn changed(&self, key: &[u8]) -> Result<Option<Option<Record>>, Error> {
        if self.is_newest() {
            return Ok(None);
        }
        let state = self.shared.state.lock();
        state.check(self.after)?;
        let versions = state.before.get(key);
        Ok(versions
            .and_then(|versions| first_after(versions, self.after))
            .map(|(_, record)| record.clone()))
    }

    /// The same for the keys of a range.
    fn changed_between(&self, from: &[u8], until: &[u8]) -> Result<Vec<Before>, Error> {
        if self.is_newest() || from >= until {
            return Ok(Vec::new());
        }
        let state = self.shared.state.lock();
        state.check(self.after)?;
        let range = (Bound::Included(from), Bound::Excluded(until));
        Ok(state
            .before
            .range::<[u8], _>(range)
            .filter_map(|(key, versions)| {
                first_after(versions, self.after).map(|(_, record)| (key.clone(), record.clone()))
            })
            .collect())
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if self.kept.is_none() {
            self.shared.state.lock().close(self.after);
        }
    }
}

/// A key, and the record that stood there before it was changed; none where there was none.
type Before = (Vec<u8>, Option<Record>);

/// While it lives, what this thread reads of the store is of one snapshot.
pub(crate) struct Reading(Arc<Snapshot>);

impl Reading {
    pub(crate) fn begin(snapshot: Arc<Snapshot>) -> Reading {
        READING.with_borrow_mut(|reading| reading.push(snapshot.clone()));
        Reading(snapshot)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        READING.with_borrow_mut(|reading| {
            if let Some(at) = reading
                .iter()
                .rposition(|snapshot| Arc::ptr_eq(snapshot, &self.0))
            {
                reading.remove(at);
            }
        });
    }
}

/// Where a transaction reads: the store as it is, or a snapshot of it.
#[derive(Clone)]
pub(crate) struct Reads<'a> {
    backend: &'a dyn Backend,
    snapshot: Option<Arc<Snapshot>>,
}

impl<'a> From<&'a (dyn Backend + 'static)> for Reads<'a> {
    fn from(backend: &'a (dyn Backend + 'static)) -> Reads<'a> {
        Reads::newest(backend)
    }
}

impl<'a> Reads<'a> {
    /// The store as it is.
    pub(crate) fn newest(backend: &'a dyn Backend) -> Reads<'a> {
        Reads {
            backend,
            snapshot: None,
        }
    }

    /// The store as it was.
    pub(crate) fn at(backend: &'a dyn Backend, snapshot: Arc<Snapshot>) -> Reads<'a> {
        Reads {
            backend,
            snapshot: Some(snapshot),
        }
    }

    /// The last commit that can be seen.
    pub(crate) fn last_commit(&self) -> u64 {
        match &self.snapshot {
            Some(snapshot) => snapshot.version,
            None => self.backend.last_commit(),
        }
    }

    /// The state that the store keeps, where it is read in one.
    fn in_store(&self) -> Result<Option<&dyn tenantry_store::Snapshot>, Error> {
        match &self.snapshot {
            Some(snapshot) => snapshot.in_store(),
            None => Ok(None),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Record>, Error> {
        if let Some(kept) = self.in_store()? {
            return Ok(kept.get(key)?);
        }
        let record = self.backend.get(key)?;
        match &self.snapshot {
            Some(snapshot) => Ok(snapshot.changed(key)?.unwrap_or(record)),
            None => Ok(record),
        }
    }

    /// The records of several keys, in the order of the keys.
    pub(crate) fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, Error> {
        if let Some(kept) = self.in_store()? {
            return Ok(kept.get_many(keys)?);
        }
        let mut records = self.backend.get_many(keys)?;
        if let Some(snapshot) = &self.snapshot {
            for (key, record) in keys.iter().zip(&mut records) {
                if let Some(before) = snapshot.changed(key)? {
                    *record = before;
                }
            }
        }
        Ok(records)
    }

    /// At most `limit` records with `from <= key < until`.
    pub(crate) fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, Error> {
        if let Some(kept) = self.in_store()? {
            return Ok(kept.range(from, until, order, limit)?);
        }
        let (mut from, mut until) = (from.to_vec(), until.to_vec());
        let mut found: Vec<(Vec<u8>, Record)> = Vec::new();
        loop {
            let rows = self.backend.range(&from, &until, order, limit)?;
            let Some(snapshot) = &self.snapshot else {
                return Ok(rows);
            };
            let is_all = rows.len() < limit;
            // As far as this the store was looked at.
            let next = match rows.last() {
                Some((last, _)) if !is_all && order == Order::Ascending => {
                    [last.as_slice(), &[0]].concat()
                }
                Some((last, _)) if !is_all => last.clone(),
                _ if order == Order::Ascending => until.clone(),
                _ => from.clone(),
            };
            let changed = match order {
                Order::Ascending => snapshot.changed_between(&from, &next)?,
                Order::Descending => snapshot.changed_between(&next, &until)?,
            };
            found.extend(merged(rows, changed, order));
            if is_all || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
            match order {
                Order::Ascending => from = next,
                Order::Descending => until = next,
            }
        }
    }
}

/// Rows of the store, with what stood there before where that was changed since.
fn merged(
    rows: Vec<(Vec<u8>, Record)>,
    changed: Vec<Before>,
    order: Order,
) -> Vec<(Vec<u8>, Record)> {
    if changed.is_empty() {
        return rows;
    }
    let mut merged: BTreeMap<_, _> = rows.into_iter().collect();
    for (key, before) in changed {
        match before {
            Some(record) => merged.insert(key, record),
            None => merged.remove(&key),
        };
    }
    match order {
        Order::Ascending => merged.into_iter().collect(),
        Order::Descending => merged.into_iter().rev().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn batch(writes: &[(&str, Option<&str>)]) -> Batch {
        Batch {
            writes: writes
                .iter()
                .map(|(key, value)| {
                    let value = value.map(|value| value.as_bytes().to_vec());
                    (key.as_bytes().to_vec(), value)
                })
                .collect(),
            ..Batch::default()
        }
    }

    fn text(rows: Vec<(Vec<u8>, Record)>) -> String {
        rows.iter()
            .map(|(key, record)| {
                let [key, value] =
                    [key, &record.value].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                format!("{key}{value} ")
            })
            .collect()
    }

    #[test]
    fn a_snapshot_sees_nothing_of_later_commits() {
        let (backend, snapshots) = (tenantry_store::memory().unwrap(), Snapshots::default());
        let commit = |writes: &[(&str, Option<&str>)]| {
            snapshots.commit(&*backend, &batch(writes)).unwrap();
        };
        commit(&[("a", Some("1")), ("b", Some("1")), ("d", Some("1"))]);
        let old = Reads::at(&*backend, snapshots.open(&*backend));
        commit(&[("a", Some("2")), ("b", None), ("c", Some("2"))]);
        let middle = Reads::at(&*backend, snapshots.open(&*backend));
        commit(&[("a", Some("3")), ("c", None), ("d", None), ("e", Some("3"))]);
        let new = Reads::from(&*backend);
        for (reads, expected) in [
            (&old, "a1 b1 d1 "),
            (&middle, "a2 c2 d1 "),
            (&new, "a3 e3 "),
        ] {
            for limit in 1..5 {
                let (mut from, mut found) = (b"a".to_vec(), String::new());
                loop {
                    let rows = reads.range(&from, b"z", Order::Ascending, limit).unwrap();
                    let last = rows.last().map(|(key, _)| [key.as_slice(), &[0]].concat());
                    found += &text(rows);
                    match last {
                        Some(last) => from = last,
                        None => break,
                    }
                }
                assert_eq!(found, expected, "pages of {limit}");
            }
            let last = text(reads.range(b"a", b"z", Order::Descending, 1).unwrap());
            assert!(expected.ends_with(&last), "{last}");
            let value = reads.get(b"a").unwrap().unwrap().value;
            assert_eq!(value, &expected.as_bytes()[1..2]);
            let keys = [b"e", b"c", b"a"].map(|key| key.to_vec());
            let one_by_one: Vec<_> = keys.iter().map(|key| reads.get(key).unwrap()).collect();
            assert_eq!(reads.get_many(&keys).unwrap(), one_by_one);
        }
        drop(old);
        let state = |look: fn(&State) -> usize| look(&snapshots.shared.state.lock());
        assert_eq!(state(|state| state.order.len()), 4, "for the other alone");
        drop(middle);
        assert_eq!(state(|state| state.order.len() + state.before.len()), 0);
        assert_eq!(state(|state| state.bytes), 0);
    }

    #[test]
    fn a_key_that_is_written_again_and_again_is_kept_once() {
        let (backend, snapshots) = (tenantry_store::memory().unwrap(), Snapshots::default());
        let reads = Reads::at(&*backend, snapshots.open(&*backend));
        for value in ["1", "2", "3"] {
            snapshots
                .commit(&*backend, &batch(&[("a", Some(value))]))
                .unwrap();
        }
        assert_eq!(snapshots.shared.state.lock().order.len(), 1);
        assert_eq!(reads.get(b"a").unwrap(), None);
    }

    #[test]
    fn short_readers_leave_nothing_behind_beside_a_long_one() {
        let (backend, snapshots) = (tenantry_store::memory().unwrap(), Snapshots::default());
        let commit = |key: &str, value: &str| {
            snapshots
                .commit(&*backend, &batch(&[(key, Some(value))]))
                .unwrap();
        };
        let kept = || snapshots.shared.state.lock().order.len();
        commit("a", "1");
        let long = Reads::at(&*backend, snapshots.open(&*backend));
        for round in 0..9 {
            let short = Reads::at(&*backend, snapshots.open(&*backend));
            commit("a", "2");
            let other = Reads::at(&*backend, snapshots.open(&*backend));
            commit("a", "3");
            assert_eq!(other.get(b"a").unwrap().unwrap().value, b"2");
            // Whichever closes first, the other and the long one still see theirs.
            drop(if round % 2 == 0 { short } else { other });
            assert_eq!(long.get(b"a").unwrap().unwrap().value, b"1");
        }
        assert_eq!(kept(), 1, "for the long one alone");
        commit("b", "1");
        assert!(long.get(b"b").unwrap().is_none());
        drop(long);
        assert_eq!(kept(), 0);
        assert_eq!(snapshots.shared.state.lock().bytes, 0);
    }

    #[test]
    fn where_too_much_is_kept_the_oldest_is_given_up() {
        let backend = tenantry_store::memory().unwrap();
        let snapshots = Snapshots::with_room(4 * (ENTRY_BYTES + 10), false);
        let old = Reads::at(&*backend, snapshots.open(&*backend));
        for key in ["a", "b", "c"] {
            snapshots
                .commit(&*backend, &batch(&[(key, Some("1"))]))
                .unwrap();
        }
        let new = Reads::at(&*backend, snapshots.open(&*backend));
        assert!(old.get(b"a").unwrap().is_none());
        for key in ["d", "e", "f"] {
            snapshots
                .commit(&*backend, &batch(&[(key, Some("1"))]))
                .unwrap();
        }
        assert_eq!(old.get(b"a").unwrap_err().code(), Code::Busy);
        assert_eq!(
            text(new.range(b"a", b"z", Order::Ascending, 9).unwrap()),
            "a1 b1 c1 "
        );
        drop(old);
        drop(new);
        assert_eq!(snapshots.shared.state.lock().bytes, 0);
    }
}
