//! The processes that have a store open at once: how they come and go, and what they share.
//!
//! Each holds a byte of its own in `-locks` for as long as it lives, so who is there is known to
//! the system alone, and a process that dies needs nobody to clean up after it. What they tell each
//! other is in the page `-pulse`, which the first of them makes anew.

use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tenantry_fork::Withheld;
use tenantry_pulse::{Bytes, Pulse, Word};

use super::forking::{Here, here};
use super::place::Place;
use super::rows::State;
use crate::backend::StoreError;
use crate::files::{self, Identity, failed, name};
use crate::lock::held;
use crate::process::{Entered, Process};

/// Which byte is locked for what.
pub(super) const WRITER: u64 = 0;
pub(super) const MANIFEST: u64 = 1;
pub(super) const EMPTYING: u64 = 2;
const OPENING: u64 = 3;
/// One for each process that has the store open.
const OWNERS: Range<u64> = 64..64 + 1024;

/// How often it is looked at most whether all of the processes still live.
const RECOUNT: Duration = Duration::from_millis(100);
/// How long a byte is waited for before it is tried again, where it is held for moments.
const RETRY_INTERVAL: Duration = Duration::from_micros(500);

/// The one open of a store in this process, which opens nothing twice: SQLite's locks and ours
/// belong to the process, and closing one of two would take them from both.
pub(super) struct OpenRegistration {
    db: PathBuf,
    here: &'static Here,
    process: Process,
    /// Goes after the path.
    _entered: Entered,
}

impl OpenRegistration {
    pub(super) fn take(place: &Place, entered: Entered) -> Result<OpenRegistration, StoreError> {
        let ours = || held(place.db(), Some(std::process::id()));
        let here = here();
        if !here.paths().insert(place.db().to_owned()) {
            return Err(ours());
        }
        let registration = OpenRegistration {
            db: place.db().to_owned(),
            here,
            process: Process::default(),
            _entered: entered,
        };
        // By another copy of this library: nobody but an SQLite opens this file.
        let found = fs::symlink_metadata(place.shm()).ok();
        match found.as_ref().map(Identity::from) {
            Some(shm) if files::open_numbers(&[shm]).into_iter().any(is_for_writing) => Err(ours()),
            _ => Ok(registration),
        }
    }
}

/// Whether a descriptor of this process is one that SQLite would have: others only look. What
/// cannot be told is taken for one.
fn is_for_writing(number: RawFd) -> bool {
    let told = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = told.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_none_or(|flags| flags & 0o3 != 0)
}

impl Drop for OpenRegistration {
    fn drop(&mut self) {
        // A child has its own, and whoever has locked this one may not exist there.
        if self.process.check().is_ok() {
            self.here.paths().remove(&self.db);
        }
    }
}

/// As long as it lives, no other process opens or closes the store.
pub(super) struct MembershipLock {
    bytes: Arc<Bytes>,
}

impl MembershipLock {
    /// Makes the file of the locks where there is none.
    pub(super) fn acquire(place: &Place, timeout: Duration) -> Result<MembershipLock, StoreError> {
        let path = place.locks();
        // This process has nothing locked in it, which closing it would give back.
        drop(files::private_file(&path)?);
        place.give(&path)?;
        let bytes = Bytes::open(&path).map_err(|error| failed("open", &path, &error))?;
        MembershipLock::wait(Arc::new(bytes), place, timeout)
    }

    fn wait(
        bytes: Arc<Bytes>,
        place: &Place,
        timeout: Duration,
    ) -> Result<MembershipLock, StoreError> {
        if !wait_for(&bytes, OPENING, timeout)? {
            return Err(held(place.db(), holder(&bytes, OPENING)));
        }
        Ok(MembershipLock { bytes })
    }

    /// How many other processes have the store open.
    pub(super) fn others(&self) -> Result<u64, StoreError> {
        let count = self.bytes.count_of_others(OWNERS);
        count.map_err(|error| no_lock(&error))
    }

    /// Makes the page: nobody has the store open. It begins with what the database tells.
    pub(super) fn begin(&self, place: &Place, state: &State) -> Result<Peers, StoreError> {
        let path = place.pulse();
        files::remove(&path)?;
        let pulse = Pulse::create(&path).map_err(|error| failed("create", &path, &error))?;
        place.give(&path)?;
        self.register(place, pulse, state)
    }

    /// Maps the page of those who have the store open.
    pub(super) fn join(&self, place: &Place, state: &State) -> Result<Peers, StoreError> {
        let path = place.pulse();
        files::must_be_file(&path)?;
        let pulse = Pulse::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::InvalidData => StoreError::failed(format!(
                "`{}` was removed or replaced while in use, and all processes must close the store",
                name(&path)
            )),
            _ => failed("open", &path, &error),
        })?;
        self.register(place, pulse, state)
    }

    fn register(&self, place: &Place, pulse: Pulse, state: &State) -> Result<Peers, StoreError> {
        for owner in OWNERS {
            if !self
                .bytes
                .try_lock(owner)
                .map_err(|error| no_lock(&error))?
            {
                continue;
            }
            let peers = Peers {
                _withheld: tenantry_fork::withhold(self.bytes.as_raw_fd()),
                bytes: self.bytes.clone(),
                pulse,
                owner,
                unregistered: AtomicBool::new(false),
                db: place.db().to_owned(),
                counted: Mutex::default(),
            };
            peers.publish_state(state);
            peers.count_anew();
            return Ok(peers);
        }
        Err(StoreError::invalid(format!(
            "The store in `{}` is open in {} processes, and more are not allowed; close it in one \
             of them.",
            place.db().display(),
            OWNERS.end - OWNERS.start
        )))
    }
}

impl Drop for MembershipLock {
    fn drop(&mut self) {
        // A byte that cannot be given back ends with the process.
        let _ = self.bytes.unlock(OPENING);
    }
}

/// What this process shares with the others that have the store open.
pub(super) struct Peers {
    bytes: Arc<Bytes>,
    _withheld: Option<Withheld>,
    pulse: Pulse,
    /// The byte of this process, and whether it was given back.
    owner: u64,
    unregistered: AtomicBool,
    db: PathBuf,
    counted: Mutex<Option<Counted>>,
}

struct Counted {
    opened: u64,
    at: Instant,
    processes: u64,
}

impl Peers {
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(super) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    pub(super) fn commit(&self) -> u64 {
        self.pulse.word(Word::Commit).load(Ordering::SeqCst)
    }

    pub(super) fn noted(&self) -> &AtomicU64 {
        self.pulse.word(Word::Noted)
    }

    /// What the database says is told to all before anything is answered from it: who has written
    /// it may have been killed before it could. Whoever finds a commit in the page finds its note.
    pub(super) fn publish_state(&self, state: &State) {
        let is_news = self.noted().load(Ordering::SeqCst) < state.noted
            && self.noted().fetch_max(state.noted, Ordering::SeqCst) < state.noted;
        if self.commit() < state.head.commit {
            self.pulse.raise(Word::Commit, state.head.commit);
        }
        if is_news {
            self.wake_listeners();
        }
    }

    /// Wakes all who sleep until there is a note.
    pub(super) fn wake_listeners(&self) {
        self.pulse
            .word(Word::NoteWakeups)
            .fetch_add(1, Ordering::SeqCst);
        self.pulse.wake(Word::NoteWakeups);
    }

    /// Which process has failed to bring to the disk what was written.
    pub(super) fn broken(&self) -> Option<u64> {
        let pid = self.pulse.word(Word::Broken).load(Ordering::SeqCst);
        (pid != 0).then_some(pid)
    }

    /// This process has: from now on nothing is acknowledged by any.
    pub(super) fn break_all(&self) {
        let pid = u64::from(std::process::id());
        let _ = self.pulse.word(Word::Broken).compare_exchange(
            0,
            pid,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
    }

    pub(super) fn locked(&self, byte: u64) -> StoreError {
        // Nobody else has it: one of our own threads does.
        let pid = holder(&self.bytes, byte).unwrap_or_else(std::process::id);
        held(&self.db, Some(pid).filter(|pid| *pid != 0))
    }

    /// How many processes have the store open, this one included.
    pub(super) fn processes(&self) -> u64 {
        let opened = self.pulse.word(Word::Opened).load(Ordering::SeqCst);
        let mut counted = self.counted.lock();
        if let Some(counted) = &*counted
            && counted.opened == opened
            && counted.at.elapsed() < RECOUNT
        {
            return counted.processes;
        }
        let processes = match (self.bytes.count_of_others(OWNERS), &*counted) {
            (Ok(others), _) => others + 1,
            (Err(_), before) => before.as_ref().map_or(1, |before| before.processes),
        };
        *counted = Some(Counted {
            opened,
            at: Instant::now(),
            processes,
        });
        processes
    }

    /// Somebody has come or gone.
    fn count_anew(&self) {
        self.pulse.word(Word::Opened).fetch_add(1, Ordering::SeqCst);
    }

    /// Runs `work` with a byte locked that is held for moments; none where it is not to be had.
    /// The threads of this process see to it that one of them does.
    pub(super) fn with_byte<T>(
        &self,
        byte: u64,
        timeout: Duration,
        work: impl FnOnce() -> T,
    ) -> Result<Option<T>, StoreError> {
        if !wait_for(&self.bytes, byte, timeout)? {
            return Ok(None);
        }
        let outcome = work();
        let _ = self.bytes.unlock(byte);
        Ok(Some(outcome))
    }

    /// Keeps others from opening and closing.
    pub(super) fn lock_membership(
        &self,
        place: &Place,
        timeout: Duration,
    ) -> Result<MembershipLock, StoreError> {
        MembershipLock::wait(self.bytes.clone(), place, timeout)
    }

    /// This process has the store open no more.
    pub(super) fn leave(&self) -> Result<(), StoreError> {
        // Once: the next open in this process may have the same byte.
        if self.unregistered.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let left = self.bytes.unlock(self.owner);
        self.count_anew();
        left.map_err(|error| no_lock(&error))
    }

    /// The files that must stay where they are.
    pub(super) fn files(&self, place: &Place) -> [(PathBuf, Option<Identity>); 2] {
        let of = |(device, inode)| Some(Identity { device, inode });
        [
            (place.locks(), of(self.bytes.file())),
            (place.pulse(), of(self.pulse.file())),
        ]
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        let _ = self.leave();
    }
}

pub(super) fn no_lock(error: &std::io::Error) -> StoreError {
    StoreError::io("cannot lock a byte of the store's locks", error)
}

fn holder(bytes: &Bytes, byte: u64) -> Option<u32> {
    bytes.holder(byte).ok().flatten()
}

/// Tries until it has the byte, or no longer wants to wait.
fn wait_for(bytes: &Bytes, byte: u64, timeout: Duration) -> Result<bool, StoreError> {
    let until = Instant::now() + timeout;
    while !bytes.try_lock(byte).map_err(|error| no_lock(&error))? {
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::sleep(RETRY_INTERVAL);
    }
    Ok(true)
}
