//! A store of the tests that several engines have open at once, as processes have one on the disk.

use crate::access::state::Engine;
use crate::error::Error;
use crate::kernel::clock::IdSource;
use crate::{Code, Tenantry};
use parking_lot::{Condvar, Mutex, RwLock};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tenantry_store::{
    Backend, Batch, CommitError, Notes, Order, Record, SharedStore, Snapshot, StoreError,
    UnlockWriter, Verification, WriterGuard,
};

/// 2026-06-15T12:00:00Z
pub(super) const NOON_MS: u64 = 1_781_524_800_000;

type Records = BTreeMap<Vec<u8>, Record>;

/// One state of the store.
#[derive(Clone, Default)]
struct State {
    records: Arc<Records>,
    last_commit: u64,
    noted: u64,
}

/// What all engines have in common.
#[derive(Default)]
pub(super) struct Common {
    state: RwLock<State>,
    notes: Mutex<BTreeMap<u64, Vec<u8>>>,
    noted: AtomicU64,
    is_taken: Mutex<bool>,
    let_go: Condvar,
    noted_changed: (Mutex<()>, Condvar),
    processes: AtomicU64,
    /// Whether no note is kept.
    pub(super) loses_notes: AtomicBool,
}

type Hook = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// What happens once, the next time that an engine does this.
#[derive(Default)]
pub(super) struct Hooks {
    /// Before it takes the lock of all engines.
    pub(super) lock_writer: Hook,
    /// Before it commits.
    pub(super) commit: Hook,
    /// Before it takes a snapshot.
    pub(super) reading: Hook,
    /// After it took a snapshot.
    pub(super) snapshot: Hook,
}

fn run(hook: &Hook) {
    let happens = hook.lock().take();
    if let Some(happens) = happens {
        happens();
    }
}

pub(super) fn set(hook: &Hook, happens: impl FnOnce() + Send + 'static) {
    *hook.lock() = Some(Box::new(happens));
}

/// The store as one engine has it open.
struct Opened {
    common: Arc<Common>,
    hooks: Arc<Hooks>,
    is_closed: AtomicBool,
}

impl State {
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Vec<(Vec<u8>, Record)> {
        if from >= until {
            return Vec::new();
        }
        let range = (Bound::Included(from), Bound::Excluded(until));
        let rows = self.records.range::<[u8], _>(range);
        let copy = |(key, record): (&Vec<u8>, &Record)| (key.clone(), record.clone());
        match order {
            Order::Ascending => rows.take(limit).map(copy).collect(),
            Order::Descending => rows.rev().take(limit).map(copy).collect(),
        }
    }
}

impl Snapshot for State {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        Ok(self.records.get(key).cloned())
    }
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        Ok(State::range(self, from, until, order, limit))
    }
    fn last_commit(&self) -> u64 {
        self.last_commit
    }
    fn noted(&self) -> u64 {
        self.noted
    }
}

impl UnlockWriter for Common {
    fn unlock(&self) {
        *self.is_taken.lock() = false;
        self.let_go.notify_one();
    }
}

impl Opened {
    fn usable(&self) -> Result<(), StoreError> {
        match self.is_closed.load(Ordering::Acquire) {
            true => Err(StoreError::Closed),
            false => Ok(()),
        }
    }
}

impl Backend for Opened {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.usable()?;
        self.common.state.read().get(key)
    }
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.usable()?;
        Ok(self.common.state.read().range(from, until, order, limit))
    }
    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        self.usable()?;
        run(&self.hooks.commit);
        let common = &*self.common;
        let mut state = common.state.write();
        let version = |key: &[u8]| {
            let record = state.records.get(key);
            Ok::<_, StoreError>(record.map_or(0, |record| record.version))
        };
        let count = |from: &[u8], until: &[u8], most| {
            Ok(state.range(from, until, Order::Ascending, most).len())
        };
        if !batch.holds(version, count)? {
            return Err(CommitError::Conflict);
        }
        if batch.writes.is_empty() {
            return Ok(state.last_commit);
        }
        state.last_commit += 1;
        let version = state.last_commit;
        let records = Arc::make_mut(&mut state.records);
        for (key, value) in batch.writes.iter().cloned() {
            match value {
                Some(value) => records.insert(key, Record { version, value }),
                None => records.remove(&key),
            };
        }
        if !batch.note.is_empty() {
            state.noted = version;
            common.notes.lock().insert(version, batch.note.clone());
            // Before anybody can read what was written.
            common.noted.store(version, Ordering::Release);
            drop(common.noted_changed.0.lock());
            common.noted_changed.1.notify_all();
        }
        Ok(version)
    }
    fn sync(&self, _: u64) -> Result<(), StoreError> {
        self.usable()
    }
    fn last_commit(&self) -> u64 {
        self.common.state.read().last_commit
    }
    fn shared(&self) -> Option<&dyn SharedStore> {
        Some(self)
    }
    fn snapshot(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        self.usable()?;
        run(&self.hooks.reading);
        let state = self.common.state.read().clone();
        run(&self.hooks.snapshot);
        Ok(Some(Box::new(state)))
    }
    fn store_id(&self) -> String {
        "0".repeat(32)
    }
    fn verify(&self) -> Result<Verification, StoreError> {
        let state = self.common.state.read();
        Ok(Verification {
            records: state.records.len() as u64,
            bytes: 0,
            last_commit: state.last_commit,
            damaged: Vec::new(),
        })
    }
    fn close(&self) -> Result<(), StoreError> {
        if !self.is_closed.swap(true, Ordering::AcqRel) {
            self.common.processes.fetch_sub(1, Ordering::AcqRel);
        }
        Ok(())
    }
    fn abandon(&self) {}
}

impl SharedStore for Opened {
    fn noted(&self) -> &AtomicU64 {
        &self.common.noted
    }
    fn notes_after(&self, commit: u64, most: usize) -> Result<Notes, StoreError> {
        self.usable()?;
        Ok(if self.common.loses_notes.load(Ordering::Acquire) {
            let noted = self.common.noted.load(Ordering::Acquire);
            Notes::Lost { noted }
        } else {
            let notes = self.common.notes.lock();
            let next = notes.range(commit + 1..).take(most);
            Notes::Next(next.map(|(number, note)| (*number, note.clone())).collect())
        })
    }
    fn lock_writer(&self) -> Result<WriterGuard<'_>, StoreError> {
        self.usable()?;
        run(&self.hooks.lock_writer);
        let until = Instant::now() + Duration::from_secs(20);
        let mut is_taken = self.common.is_taken.lock();
        while *is_taken {
            if self
                .common
                .let_go
                .wait_until(&mut is_taken, until)
                .timed_out()
            {
                return Err(StoreError::Locked {
                    folder: String::new(),
                    pid: None,
                });
            }
        }
        *is_taken = true;
        Ok(WriterGuard::locked(&*self.common))
    }
    fn processes(&self) -> u64 {
        self.common.processes.load(Ordering::Acquire)
    }
    fn wait_for_note(&self, after: u64, most: Duration) {
        let mut noted_changed = self.common.noted_changed.0.lock();
        if self.common.noted.load(Ordering::Acquire) <= after {
            self.common
                .noted_changed
                .1
                .wait_for(&mut noted_changed, most);
        }
    }
    fn wake_waiting(&self) {
        drop(self.common.noted_changed.0.lock());
        self.common.noted_changed.1.notify_all();
    }
}

/// Numbers that look random.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn throw(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % most
    }
}

/// One engine on a store that others have open, too.
pub(super) struct Process {
    pub(super) store: Tenantry,
    pub(super) hooks: Arc<Hooks>,
}

impl Common {
    pub(super) fn open_with(self: &Arc<Common>, options: Value) -> Process {
        let hooks = Arc::new(Hooks::default());
        self.processes.fetch_add(1, Ordering::AcqRel);
        let opened = Opened {
            common: self.clone(),
            hooks: hooks.clone(),
            is_closed: AtomicBool::new(false),
        };
        let options = serde_json::from_value(options).unwrap();
        let engine = Engine::on(Box::new(opened), Path::new(":memory:"), &options).unwrap();
        Process {
            store: Tenantry::of_engine_for_tests(engine),
            hooks,
        }
    }

    /// With a clock that stands still.
    pub(super) fn open(self: &Arc<Common>, number: u64) -> Process {
        let clock = json!({"manual_ms": NOON_MS});
        self.open_with(json!({"clock": clock, "seed": number << 32, "edition": "commercial"}))
    }

    /// So many.
    pub(super) fn processes(number: u64) -> (Arc<Common>, Vec<Process>) {
        let common = Arc::new(Common::default());
        let all = (1..=number).map(|number| common.open(number)).collect();
        (common, all)
    }

    /// The value of a record.
    pub(super) fn value(&self, key: &[u8]) -> Option<Vec<u8>> {
        let state = self.state.read();
        state.records.get(key).map(|record| record.value.clone())
    }
}

impl Process {
    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.store.guard_for_tests().engine
    }

    pub(super) fn try_as(
        &self,
        actor: &Value,
        operation: &str,
        request: &Value,
    ) -> Result<Value, Error> {
        let answer = self.store.call_json(
            actor.to_string().as_bytes(),
            operation.as_bytes(),
            request.to_string().as_bytes(),
        )?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    pub(super) fn try_call(&self, operation: &str, request: &Value) -> Result<Value, Error> {
        self.try_as(&json!({"kind": "system"}), operation, request)
    }

    pub(super) fn call(&self, operation: &str, request: Value) -> Value {
        self.try_call(operation, &request)
            .unwrap_or_else(|error| panic!("{operation} {request}: {error:?}"))
    }

    pub(super) fn code(&self, operation: &str, request: Value) -> Option<Code> {
        self.try_call(operation, &request)
            .err()
            .map(|error| error.code())
    }

    /// The next ids are as those of another engine that is told the same.
    pub(super) fn set_ids(&self, to: u64) {
        if let IdSource::Seeded(state) = &self.engine().kernel.ids {
            state.store(to, Ordering::Relaxed);
        }
    }

    pub(super) fn set_clock(&self, to_ms: u64) {
        self.engine().kernel.clock.set(to_ms).unwrap();
    }
}
