//! What all calls of one open store share: its connections, its locks, and what is known of it.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, InterruptHandle};
use tenantry_fork::Withheld;

use super::disk::Disk;
use super::forking::{Connected, Here, here};
use super::maintenance::Maintenance;
use super::opening::{self, Opened};
use super::peers::{OpenRegistration, Peers};
use super::place::Place;
use super::rows::{self, State};
use super::writer_lock::{LOCK_TIMEOUT, WriterLock};
use crate::backend::{StoreError, hex};
use crate::files::{self, Identity};
use crate::group::Group;
use crate::process::Process;
use crate::raw::Failure;

/// So many connections for reading are kept while nobody uses them.
pub(super) const IDLE: usize = 8;
/// From so many pages on the log is emptied beside the commits, and from so many on a commit waits
/// for it.
pub(super) const GROWN: i32 = 8 << 8;
pub(super) const TOO_LARGE: i32 = 64 << 8;
/// How long a commit that empties the log waits for those who read in it.
pub(super) const READERS: Duration = Duration::from_millis(100);

/// The connection that writes, and what is known of the store.
pub(super) struct Writer<'a> {
    pub(super) connection: &'a mut Connection,
    /// As this process has seen it last.
    pub(super) state: &'a mut State,
}

/// What whoever writes has locked in this process.
pub(super) struct Writing {
    /// `None` once closed, and after a fork until somebody writes.
    pub(super) connection: Option<Connection>,
    /// The store as this process has seen it last.
    state: State,
    /// How often a thread of this process has taken [`crate::SharedStore::lock_writer`]: as long as
    /// one has it, all of them write without another lock over the processes.
    pub(super) writer_locks: usize,
}

/// The connection of a snapshot; closing the store takes it away.
pub(super) type Held = Arc<Mutex<Option<Connection>>>;

/// The connections of all snapshots that live.
#[derive(Default)]
pub(super) struct Snapshots {
    pub(super) next: u64,
    pub(super) held: BTreeMap<u64, Held>,
}

impl Snapshots {
    pub(super) fn add(&mut self, connection: Connection) -> (u64, Held) {
        self.next += 1;
        let held = Arc::new(Mutex::new(Some(connection)));
        self.held.insert(self.next, held.clone());
        (self.next, held)
    }

    /// Waits for who is just reading in one.
    pub(super) fn end(&mut self) {
        for held in std::mem::take(&mut self.held).into_values() {
            drop(held.lock().take());
        }
    }
}

pub(super) struct Shared {
    pub(super) place: Place,
    /// Which file the database is.
    pub(super) db: Option<Identity>,
    pub(super) cache_kib: u64,
    pub(super) id: String,
    pub(super) peers: Peers,
    pub(super) writer_lock: WriterLock,
    pub(super) here: &'static Here,
    /// How long another process is waited for.
    pub(super) lock_timeout_ms: AtomicU64,
    pub(super) writing: Mutex<Writing>,
    /// Held by whoever reads; closing waits for all of them.
    pub(super) open: RwLock<()>,
    pub(super) idle: Mutex<Vec<Connection>>,
    pub(super) snapshots: Mutex<Snapshots>,
    /// The last commit of this process.
    pub(super) written: AtomicU64,
    /// The notes of this process since old ones were looked for.
    pub(super) notes_written: AtomicU64,
    /// How many pages the log has.
    pub(super) pages: Arc<AtomicI32>,
    /// From how many on a commit empties it.
    pub(super) too_large: AtomicI32,
    /// Held by the thread that empties the log.
    pub(super) emptying: Mutex<()>,
    pub(super) group: Group<Disk>,
    pub(super) failure: Failure,
    pub(super) process: Process,
    pub(super) maintenance: Arc<Maintenance>,
    pub(super) closing: AtomicBool,
    /// How often those of this process were woken who sleep until there is a note.
    pub(super) woken: AtomicU64,
    /// Held while everything is read; closing ends that.
    pub(super) verifying: Mutex<()>,
    pub(super) verification: Mutex<Option<InterruptHandle>>,
    /// Files that forked children give up.
    pub(super) withheld: Mutex<BTreeMap<RawFd, Withheld>>,
    pub(super) closed: Mutex<Option<Result<(), StoreError>>>,
    /// Until it is closed, no other open of it begins in this process.
    pub(super) registration: Mutex<Option<OpenRegistration>>,
}

impl Writing {
    /// Whoever calls is inside of the gate.
    pub(super) fn writer(&mut self, shared: &Shared) -> Result<Writer<'_>, StoreError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            closed => closed.insert(shared.connect_to_write()?),
        };
        Ok(Writer {
            connection,
            state: &mut self.state,
        })
    }
}

impl Connected for Shared {
    fn close_connections(&self) {
        self.writing.lock().connection = None;
        self.idle.lock().clear();
        self.withheld.lock().clear();
    }
}

impl Shared {
    pub(super) fn new(
        place: Place,
        registration: OpenRegistration,
        cache_kib: u64,
        opened: Opened,
    ) -> Result<Shared, StoreError> {
        let Opened {
            connection,
            state,
            durable,
            pages,
            disk,
            peers,
        } = opened;
        let failure = Failure::default();
        Ok(Shared {
            db: files::metadata(place.db())?.as_ref().map(Identity::from),
            cache_kib,
            id: hex(&state.head.id),
            peers,
            writer_lock: WriterLock::default(),
            lock_timeout_ms: AtomicU64::new(LOCK_TIMEOUT.as_millis() as u64),
            here: here(),
            writing: Mutex::new(Writing {
                connection: Some(connection),
                state,
                writer_locks: 0,
            }),
            open: RwLock::new(()),
            idle: Mutex::default(),
            snapshots: Mutex::default(),
            written: AtomicU64::new(0),
            notes_written: AtomicU64::new(0),
            pages,
            too_large: AtomicI32::new(TOO_LARGE),
            emptying: Mutex::new(()),
            group: Group::new(durable, disk, failure.clone()),
            failure,
            process: Process::default(),
            maintenance: Arc::default(),
            closing: AtomicBool::new(false),
            woken: AtomicU64::new(0),
            verifying: Mutex::new(()),
            verification: Mutex::default(),
            withheld: Mutex::default(),
            closed: Mutex::new(None),
            registration: Mutex::new(Some(registration)),
            place,
        })
    }

    /// Has forked children give up what SQLite has opened since.
    pub(super) fn withhold(&self) {
        let mut withheld = self.withheld.lock();
        for number in files::open_numbers(&self.place.opened_by_sqlite()) {
            if !withheld.contains_key(&number)
                && let Some(given_up) = tenantry_fork::withhold(number)
            {
                withheld.insert(number, given_up);
            }
        }
    }

    pub(super) fn go_on(&self) -> Result<(), StoreError> {
        match self.closing.load(Ordering::Acquire) {
            true => Err(StoreError::Closed),
            false => Ok(()),
        }
    }

    fn connect_to_write(&self) -> Result<Connection, StoreError> {
        self.go_on()?;
        let connection = opening::connect(&self.place, self.cache_kib, &self.pages)?;
        files::still_leads_to(self.place.db(), self.db)?;
        self.withhold();
        Ok(connection)
    }

    pub(super) fn connect(&self) -> Result<Connection, StoreError> {
        let connection = rows::connect(self.place.db(), self.cache_kib)?;
        files::still_leads_to(self.place.db(), self.db)?;
        // What is read first opens the log, too.
        rows::state(&connection)?;
        self.withhold();
        Ok(connection)
    }

    /// Reads while the store is not closed.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.process.check()?;
        let _no_fork_meanwhile = self.here.gate.enter();
        let _not_closed_meanwhile = self.open.read();
        self.go_on()?;
        self.with_connection(read)
    }

    /// Reads at one state of the store, which is told to all first.
    pub(super) fn read_at_one_state<T>(
        &self,
        read: impl FnOnce(&Connection, &State) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read(|connection| {
            let state = rows::begin_reading(connection)?;
            self.peers.publish_state(&state);
            let outcome = read(connection, &state);
            rows::end_reading(connection)?;
            outcome
        })
    }

    /// Whoever calls sees to it that the store is not closed meanwhile.
    pub(super) fn with_connection<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = self.take_connection()?;
        let outcome = work(&connection).map_err(|error| self.named(error));
        if outcome.is_ok() {
            self.keep_connection(connection);
        }
        outcome
    }

    /// An error with the name of the store, where it asks for it.
    pub(super) fn named(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Locked { pid, .. } => StoreError::Locked {
                folder: self.place.db().display().to_string(),
                pid,
            },
            other => other,
        }
    }

    /// Whoever calls sees to it that the store is not closed meanwhile.
    pub(super) fn take_connection(&self) -> Result<Connection, StoreError> {
        let kept = self.idle.lock().pop();
        match kept {
            Some(connection) => Ok(connection),
            None => self.connect().map_err(|error| self.named(error)),
        }
    }

    pub(super) fn keep_connection(&self, connection: Connection) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE {
            idle.push(connection);
        }
    }

    /// Refuses when this process cannot write any more, or no process may: what one of them could
    /// not bring to the disk may be lost, whatever another is told by the system.
    pub(super) fn must_be_whole(&self) -> Result<(), StoreError> {
        if let Some(error) = self.failure.get() {
            return Err(error.clone());
        }
        self.others_must_be_whole()
    }

    /// The second half of that.
    pub(super) fn others_must_be_whole(&self) -> Result<(), StoreError> {
        let Some(pid) = self.peers.broken() else {
            return Ok(());
        };
        let error = StoreError::failed(format!(
            "process {pid} failed to sync, and all processes must close it"
        ));
        Err(self.failure.get_or_init(|| error).clone())
    }
}
