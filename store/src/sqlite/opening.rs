//! How a store in SQLite is opened, and created: what is looked at before anything is read, and
//! what is made durable before anything is acknowledged.

use std::fs::{self, File};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::Connection;

use super::place::Place;
use super::rows::{self, sqlite_error};
use crate::backend::{StoreError, hex, random_id};
use crate::files::{self, exists};
use crate::lock::Lock;
use crate::manifest::{Manifest, Mark};
use crate::record::Head;

/// What an open store begins with.
pub(super) struct Opened {
    /// For writing.
    pub(super) connection: Connection,
    pub(super) head: Head,
    /// How many pages the log has since the last commit.
    pub(super) pages: Arc<AtomicI32>,
    pub(super) disk: Disk,
}

/// What whoever syncs needs.
pub(super) struct Disk {
    /// Our own handle on SQLite's log.
    pub(super) wal: File,
    pub(super) manifest: Manifest,
    pub(super) lock: Lock,
}

pub(super) fn open(
    place: &Place,
    lock: Lock,
    is_there: bool,
    cache_kib: u64,
) -> Result<Opened, StoreError> {
    if !is_there {
        create(place)?;
    }
    place.protect()?;
    let known = match exists(&place.manifest())? {
        true => Some(Manifest::open(&place.manifest())?),
        false => None,
    };
    let mut connection = rows::connect(place.db(), cache_kib)?;
    rows::use_log(&connection)?;
    let head = rows::head(&connection)?;
    check(&head, known.as_ref())?;
    let pages = Arc::new(AtomicI32::new(0));
    let counted = pages.clone();
    let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
        counted.store(pages, Ordering::Release);
        Ok(())
    };
    connection
        .wal_hook(Some(hook))
        .map_err(|error| sqlite_error("cannot watch the log", &error))?;
    Ok(Opened {
        connection,
        head,
        pages,
        disk: make_durable(place, lock, known, &head)?,
    })
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
fn check(head: &Head, known: Option<&Manifest>) -> Result<(), StoreError> {
    let Some(manifest) = known else {
        return Ok(());
    };
    let id = hex(&head.id);
    if id != manifest.id() {
        return Err(StoreError::corrupt(format!(
            "the database is of store {id}, the manifest of {}",
            manifest.id()
        )));
    }
    let durable = manifest.mark().commit;
    if head.commit < durable {
        return Err(StoreError::corrupt(format!(
            "the database has commit {}, but commit {durable} was durable",
            head.commit
        )));
    }
    Ok(())
}

/// What a process before may have left unsynced, and the names of the files.
fn make_durable(
    place: &Place,
    lock: Lock,
    known: Option<Manifest>,
    head: &Head,
) -> Result<Disk, StoreError> {
    let path = place.wal();
    // SQLite has made it as it read the head.
    let wal = files::private_file(&path)?;
    wal.sync_all()
        .map_err(|error| files::failed("sync", &path, &error))?;
    let mark = Mark {
        commit: head.commit,
        opened: head.commit,
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
            let manifest = Manifest::create(&place.new_manifest(), &head.id, mark)?;
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
