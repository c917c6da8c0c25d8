//! How a store in SQLite is opened, and created: what is looked at before anything is read, and
//! what is made durable before anything is acknowledged.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::Connection;
use tracing::info;

use super::disk::Disk;
use super::peers::{MembershipLock, Peers};
use super::place::Place;
use super::rows::{self, State, sqlite_error};
use super::writer_lock::LOCK_TIMEOUT;
use crate::backend::{StoreError, hex, random_id};
use crate::files::{self, exists};
use crate::lock::Lock;
use crate::manifest::{Manifest, Mark};

/// What an open store begins with.
pub(super) struct Opened {
    /// For writing.
    pub(super) connection: Connection,
    pub(super) state: State,
    /// All commits up to this one are durable.
    pub(super) durable: u64,
    /// How many pages the log has since the last commit of this process.
    pub(super) pages: Arc<AtomicI32>,
    pub(super) disk: Disk,
    pub(super) peers: Peers,
}

/// One process opens at a time. Who finds nobody else there makes anew what the processes share,
/// and makes durable what those before may have left; all others join it.
pub(super) fn open(place: &Place, create: bool, cache_kib: u64) -> Result<Opened, StoreError> {
    place.check_unlocked(create)?;
    let membership = MembershipLock::acquire(place, LOCK_TIMEOUT)?;
    let is_there = place.check_locked(create)?;
    let is_first = membership.others()? == 0;
    // Whoever has the store open and another file of locks, or none, holds it.
    let lock = Lock::share(&place.lock(), place.db(), is_first)?;
    match is_first {
        true => begin(place, &membership, lock, is_there, cache_kib),
        false => join(place, &membership, lock, cache_kib),
    }
}

fn begin(
    place: &Place,
    membership: &MembershipLock,
    lock: Lock,
    is_there: bool,
    cache_kib: u64,
) -> Result<Opened, StoreError> {
    if !is_there {
        self::create(place)?;
    }
    place.protect()?;
    let known = match exists(&place.manifest())? {
        true => Some(Manifest::open(&place.manifest())?),
        false => None,
    };
    tell_what_was_left(place);
    let pages = Arc::default();
    let connection = connect(place, cache_kib, &pages)?;
    rows::make_room_for_notes(&connection)?;
    let state = rows::state(&connection)?;
    check(&state, known.as_ref())?;
    let disk = make_durable(place, lock, known, &state)?;
    Ok(Opened {
        connection,
        state,
        durable: state.head.commit,
        pages,
        disk,
        peers: membership.begin(place, &state)?,
    })
}

/// A log that somebody left who did not close the store: SQLite goes on with it.
fn tell_what_was_left(place: &Place) {
    let log_bytes = fs::metadata(place.wal()).map_or(0, |log| log.len());
    if log_bytes > 0 {
        info!(
            target: "tenantry::store",
            path = %place.db().display(),
            log_bytes,
            "The store was not closed; what is in its log is kept."
        );
    }
}

fn join(
    place: &Place,
    membership: &MembershipLock,
    lock: Lock,
    cache_kib: u64,
) -> Result<Opened, StoreError> {
    for path in [place.manifest(), place.wal()] {
        if !exists(&path)? {
            return Err(StoreError::failed(format!(
                "`{}` was removed while other processes have the store open; close it in all of \
                 them",
                path.display()
            )));
        }
    }
    let manifest = Manifest::open(&place.manifest())?;
    let pages = Arc::default();
    let connection = connect(place, cache_kib, &pages)?;
    let state = rows::state(&connection)?;
    check(&state, Some(&manifest))?;
    let durable = manifest.mark().commit;
    let disk = Disk {
        wal: files::private_file(&place.wal())?,
        manifest,
        lock,
    };
    Ok(Opened {
        connection,
        state,
        durable,
        pages,
        disk,
        peers: membership.join(place, &state)?,
    })
}

/// The connection that writes; after each commit it tells in `pages` how many the log has.
pub(super) fn connect(
    place: &Place,
    cache_kib: u64,
    pages: &Arc<AtomicI32>,
) -> Result<Connection, StoreError> {
    let mut connection = rows::connect(place.db(), cache_kib)?;
    rows::use_log(&connection)?;
    let counted = pages.clone();
    let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
        counted.store(pages, Ordering::Release);
        Ok(())
    };
    connection
        .wal_hook(Some(hook))
        .map_err(|error| sqlite_error("cannot watch the log", &error))?;
    Ok(connection)
}

/// Makes the database under another name, durable and whole before it gets its own.
fn create(place: &Place) -> Result<(), StoreError> {
    place.clear_new()?;
    let path = place.new_db();
    files::private_file(&path)?;
    rows::create(&path, random_id()?)?;
    files::existing_file(&path)?
        .sync_all()
        .map_err(|error| files::failed("sync", &path, &error))?;
    place.created()
}

/// Whether the store is the one that is known, and as far as it was.
fn check(state: &State, known: Option<&Manifest>) -> Result<(), StoreError> {
    let Some(manifest) = known else {
        return Ok(());
    };
    let id = hex(&state.head.id);
    if id != manifest.id() {
        return Err(StoreError::corrupt(format!(
            "the database is of store {id}, the manifest of {}",
            manifest.id()
        )));
    }
    let durable = manifest.mark().commit;
    if state.head.commit < durable {
        return Err(StoreError::corrupt(format!(
            "the database has commit {}, but commit {durable} was durable",
            state.head.commit
        )));
    }
    Ok(())
}

/// What a process before may have left unsynced, and the names of the files.
fn make_durable(
    place: &Place,
    lock: Lock,
    known: Option<Manifest>,
    state: &State,
) -> Result<Disk, StoreError> {
    let path = place.wal();
    // SQLite has made it as it read the head.
    let wal = files::private_file(&path)?;
    wal.sync_all()
        .map_err(|error| files::failed("sync", &path, &error))?;
    let mark = Mark {
        commit: state.head.commit,
        opened: state.head.commit,
        snapshot: None,
        files: None,
    };
    let manifest = match known {
        Some(mut manifest) => {
            manifest.write_and_sync(mark)?;
            manifest
        }
        // The first time, or somebody took it away: then nothing is known of what was durable.
        None => {
            let manifest = Manifest::create(&place.new_manifest(), &state.head.id, mark)?;
            let cannot = |error| files::failed("rename", &place.new_manifest(), &error);
            fs::rename(place.new_manifest(), place.manifest()).map_err(cannot)?;
            place.give(&place.manifest())?;
            manifest
        }
    };
    files::sync_folder(place.folder())?;
    Ok(Disk {
        wal,
        manifest,
        lock,
    })
}
