//! What the threads of a process share of a store that is open.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex, RwLock};

use super::address::Address;
use super::pool::Pool;
use super::rows::{self, State};
use super::touch::{self, Touch};
use super::trouble::Trouble;
use super::wire::{Ask, Rows};
use super::writer_lock::{WriterLock, Writing};
use crate::backend::{Record, Server, Standing, StoreError, hex, random_id};
use crate::process::Process;

pub(super) struct Shared {
    pub(super) address: Address,
    /// What errors call it.
    pub(super) place: String,
    pub(super) id: String,
    pub(super) process: Process,
    pub(super) server: Server,
    pub(super) pool: Pool,
    pub(super) writer_lock: WriterLock,
    pub(super) writing: Mutex<Writing>,
    /// Under which name this process counts. Whoever changes it holds `writing`.
    pub(super) owner: RwLock<String>,
    pub(super) touch: Touch,
    noted: AtomicU64,
    commit: AtomicU64,
    /// Raised whenever those who sleep are to look.
    pub(super) wakeups: Mutex<u64>,
    pub(super) woken: Condvar,
    pub(super) is_closed: AtomicBool,
    /// Why nothing more is answered.
    pub(super) failure: OnceLock<StoreError>,
}

impl Shared {
    pub(super) fn new(address: &Address, server: Server, state: &State, pool: Pool) -> Shared {
        Shared {
            address: address.clone(),
            place: address.place(),
            id: hex(&state.head.id),
            process: Process::default(),
            server,
            pool,
            writer_lock: WriterLock::default(),
            writing: Mutex::default(),
            owner: RwLock::default(),
            touch: Touch::new(server.poll, server.stale),
            noted: AtomicU64::new(state.noted),
            commit: AtomicU64::new(state.head.commit),
            wakeups: Mutex::default(),
            woken: Condvar::new(),
            is_closed: AtomicBool::new(false),
            failure: OnceLock::new(),
        }
    }

    /// Whether anything is answered at all.
    pub(super) fn go_on(&self) -> Result<(), StoreError> {
        self.process.check()?;
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        self.failure
            .get()
            .map_or(Ok(()), |error| Err(error.clone()))
    }

    pub(super) fn error(&self, trouble: Trouble) -> StoreError {
        rows::store_error(&self.place, trouble)
    }

    pub(super) fn noted(&self) -> &AtomicU64 {
        &self.noted
    }

    pub(super) fn commit_seen(&self) -> u64 {
        self.commit.load(Ordering::Acquire)
    }

    /// The database says so. Whoever finds the number of a commit finds that of its note, too.
    pub(super) fn publish_state(&self, state: &State) {
        if self.noted.fetch_max(state.noted, Ordering::AcqRel) < state.noted {
            self.wake_listeners();
        }
        self.commit.fetch_max(state.head.commit, Ordering::AcqRel);
    }

    pub(super) fn wake_listeners(&self) {
        *self.wakeups.lock() += 1;
        self.woken.notify_all();
    }

    /// What is answered is read before the state of the store: no record that is answered is of a
    /// commit whose note this process does not know of.
    pub(super) fn read(&self, asked: Ask<'_>) -> Result<Rows, StoreError> {
        self.go_on()?;
        let answers = self.pool.ask(&[asked, rows::STATE]);
        let mut answers = answers.map_err(|trouble| self.error(trouble))?;
        let state = answers.pop().unwrap_or_default();
        self.publish_state(&rows::state(&state)?);
        Ok(answers.pop().unwrap_or_default())
    }

    /// The records in an answer, by their keys.
    pub(super) fn records(&self, rows: &Rows) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        let record = |row| {
            let (key, stored) = rows::stored(row).map_err(|trouble| self.error(trouble))?;
            Ok((key, stored?.record))
        };
        rows.iter().map(record).collect()
    }

    /// The same, in the order of keys that were asked for.
    pub(super) fn in_order(
        &self,
        keys: &[Vec<u8>],
        rows: &Rows,
    ) -> Result<Vec<Option<Record>>, StoreError> {
        let found: HashMap<_, _> = self.records(rows)?.into_iter().collect();
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// From here on this process counts, under a name that nobody had.
    pub(super) fn join(&self) -> Result<(), StoreError> {
        let owner = hex(&random_id()?);
        let mut writing = self.writing.lock();
        let sent_at_ms = touch::now_ms();
        let applied = self.noted.load(Ordering::Acquire);
        let name = process_name();
        let asked = touch::register(&owner, &name, self.server.stale, applied);
        self.pool
            .ask(&asked)
            .and_then(|answers| match &answers[..] {
                [_, count] => self.touch.count(count),
                _ => Ok(0),
            })
            .map_err(|trouble| self.error(trouble))?;
        writing.begin_anew();
        *self.owner.write() = owner;
        self.touch.readmit(sent_at_ms);
        Ok(())
    }

    pub(super) fn count_processes(&self) -> Result<u64, StoreError> {
        self.go_on()?;
        let answers = self.pool.ask(&[touch::COUNT]);
        answers
            .and_then(|answers| self.touch.count(answers.first().unwrap_or(&Rows::new())))
            .map_err(|trouble| self.error(trouble))
    }

    pub(super) fn ask(&self) -> Result<Standing, StoreError> {
        self.go_on()?;
        self.touch.ask()
    }
}

/// Which machine and process it is, for people.
fn process_name() -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    let host: String = host.chars().take(64).collect();
    format!("{host}:{}", std::process::id())
}
