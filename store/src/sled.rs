//! All use of sled 0.34.7, and what its measured faults ask for. See the crate's documentation for
//! the whole.

mod engine;
mod kept;
mod log;
mod room;
#[cfg(test)]
mod tests;
mod watcher;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tenantry_fork::Withheld;
use tracing::{error, info};

use crate::backend::{
    Backend, Batch, CommitError, Kind, Options, Order, Record, Space, StoreError, Verification,
    hex, random_id,
};
use crate::event::in_ms;
use crate::files;
use crate::folder::{Folder, Found, OpenFiles};
use crate::group::Group;
use crate::manifest::{Manifest, Mark};
use crate::process::OpenIn;
use crate::raw::Failure;
use crate::record::Head;
use crate::space;
use crate::table::Table;
use engine::{Engine, Tree, drop_sled, message};
use kept::Kept;
use log::{examine, make_durable, open_log, replayed, unused};
use room::Room;
use watcher::{Watch, Watched};

/// More than this does not wait in memory for somebody to ask for a sync.
const ENOUGH: usize = 4 << 20;

/// sled's threads belong to the process that first opened any store. In a child of it opening
/// another would wait for them for ever.
static OPEN_IN: OpenIn = OpenIn::nobody();

pub(crate) struct SledStore {
    // In an Arc so that it can be leaked: dropping sled in a forked child hangs.
    shared: Arc<Shared>,
}

struct Shared {
    table: Table<Tree>,
    group: Group<Disk>,
    failure: Failure,
    watch: Arc<Watch>,
    folder: PathBuf,
    id: String,
    closed: Mutex<Option<Result<(), StoreError>>>,
}

/// What the thread that syncs needs.
struct Disk {
    engine: Arc<Engine>,
    /// Our own handle on sled's log, because sled has no call that syncs it.
    log: File,
    room: Room,
    manifest: Manifest,
    folder: Folder,
    open: OpenFiles,
    /// Files that forked children give up, sled's own among them.
    withheld: Vec<Withheld>,
    syncs: u64,
}

impl Disk {
    fn new(
        engine: Arc<Engine>,
        log: File,
        manifest: Manifest,
        folder: Folder,
        withheld: Vec<Withheld>,
    ) -> Result<Disk, StoreError> {
        Ok(Disk {
            open: folder.open_files(&log, manifest.file())?,
            engine,
            log,
            room: Room::default(),
            manifest,
            folder,
            withheld,
            syncs: 0,
        })
    }
}

impl SledStore {
    pub(crate) fn open(path: &Path, options: &Options) -> Result<SledStore, StoreError> {
        // Closing it does not end sled's threads.
        std::mem::forget(OPEN_IN.enter()?);
        let (folder, found) = Folder::open(path, options.create)?;
        let failure = Failure::default();
        // Also around the dropping of sled when a check refuses.
        let opened = catch_unwind(AssertUnwindSafe(|| match found {
            Found::Fresh => create(folder, options, &failure),
            Found::Known(manifest) => reopen(folder, manifest, options, &failure),
        }));
        let (table, disk, id) = opened.unwrap_or_else(panicked)?;
        let watch = disk.engine.watch();
        let folder = disk.folder.path().to_owned();
        let group = Group::new(table.last_commit(), disk, failure.clone());
        let shared = Arc::new(Shared {
            table,
            group,
            failure,
            watch,
            folder,
            id,
            closed: Mutex::new(None),
        });
        let watched: Arc<dyn Watched> = shared.clone();
        shared.watch.over(&watched);
        Ok(SledStore { shared })
    }
}

/// Starts sled, with the files that forked children give up from here on. sled locks its log long
/// before it has started, at a number that it does not tell: a child that is forked meanwhile gives
/// the log up wherever it finds it.
fn start(
    folder: &Folder,
    log: &File,
    options: &Options,
) -> Result<(Vec<Withheld>, Arc<Engine>), StoreError> {
    let _everywhere = tenantry_fork::withhold_everywhere(log.as_raw_fd());
    let engine = Engine::start(folder, options)?;
    // In this order, so that sled goes first where a check of the store fails.
    Ok((files::withhold(log), Arc::new(engine)))
}

fn create(
    folder: Folder,
    options: &Options,
    failure: &Failure,
) -> Result<(Table<Tree>, Disk, String), StoreError> {
    let log = open_log(&folder)?;
    let (withheld, engine) = start(&folder, &log, options)?;
    let id = random_id()?;
    let table = Table::create(Tree(engine.clone()), id, failure.clone())?;
    engine.flush()?;
    make_durable(&folder, &log)?;
    let manifest = folder.created(
        &id,
        Mark {
            commit: 0,
            opened: 0,
            snapshot: folder.snapshot()?,
            files: None,
        },
    )?;
    Ok((
        table,
        Disk::new(engine, log, manifest, folder, withheld)?,
        hex(&id),
    ))
}

fn reopen(
    folder: Folder,
    mut manifest: Manifest,
    options: &Options,
    failure: &Failure,
) -> Result<(Table<Tree>, Disk, String), StoreError> {
    Kept::recover(&folder)?;
    let mark = manifest.mark();
    folder.check(&mark)?;
    let log = open_log(&folder)?;
    let replayed = examine(&folder, &log, &mark, manifest.id())?;
    folder.remove_half_written_snapshots()?;
    let kept = Kept::keep(&folder, &log, &replayed)?;
    // From here on the files may change, so the lengths of the last close mean nothing any more.
    manifest.write_and_sync(Mark {
        files: None,
        ..mark
    })?;

    let read = catch_unwind(AssertUnwindSafe(|| {
        read_back(&folder, &log, &manifest, mark, options, failure)
    }));
    let (table, engine, withheld, head) = match read.unwrap_or_else(panicked) {
        Ok(read) => read,
        Err(error) => {
            // While threads of sled may still write, it is left to the next opening.
            if unused(&log)? {
                kept.put_back(&folder, &log)?;
            }
            error!(
                target: "tenantry::store",
                path = %folder.path().display(),
                last_commit = mark.commit,
                "What sled has read was refused; its files are as they were before."
            );
            return Err(error);
        }
    };
    make_durable(&folder, &log)?;
    kept.discard()?;
    manifest.write_and_sync(Mark {
        commit: head.commit,
        opened: head.commit,
        snapshot: folder.snapshot()?,
        files: None,
    })?;
    let id = hex(&head.id);
    Ok((
        table,
        Disk::new(engine, log, manifest, folder, withheld)?,
        id,
    ))
}

/// What sled has read: refused where it is not all that was there.
type ReadBack = (Table<Tree>, Arc<Engine>, Vec<Withheld>, Head);

/// Starts sled and checks what it has read. All of it is let go where that is refused.
fn read_back(
    folder: &Folder,
    log: &File,
    manifest: &Manifest,
    mark: Mark,
    options: &Options,
    failure: &Failure,
) -> Result<ReadBack, StoreError> {
    let (withheld, engine) = start(folder, log, options)?;
    if !engine.db.was_recovered() {
        return Err(StoreError::corrupt(format!(
            "the log is empty, but commit {} was durable",
            mark.commit
        )));
    }
    let (table, head) = Table::open(Tree(engine.clone()), failure.clone())?;
    if hex(&head.id) != manifest.id() {
        return Err(StoreError::corrupt(format!(
            "`sled` is of store {}, the manifest of {}",
            hex(&head.id),
            manifest.id()
        )));
    }
    if head.commit < mark.commit {
        return Err(StoreError::corrupt(format!(
            "sled recovered commit {}, but commit {} was durable",
            head.commit, mark.commit
        )));
    }
    // It writes a snapshot when it has replayed something.
    if mark.files.is_none() || folder.snapshot()? != mark.snapshot {
        let began = Instant::now();
        check_all(&table)?;
        info!(
            target: "tenantry::store",
            path = %folder.path().display(),
            was_closed = mark.files.is_some(),
            durable_commit = mark.commit,
            found_commit = head.commit,
            check_ms = in_ms(began.elapsed()),
            "sled replayed its log; every record was checked and found whole."
        );
    }
    Ok((table, engine, withheld, head))
}

fn panicked<T>(panic: Box<dyn std::any::Any + Send>) -> Result<T, StoreError> {
    Err(StoreError::corrupt(format!(
        "sled panicked with `{}`",
        message(panic.as_ref())
    )))
}

/// sled skips what it cannot read in the middle of the part that it replays, and goes on behind it:
/// then the head is there, and records are missing, or older than they should be.
fn check_all(table: &Table<Tree>) -> Result<(), StoreError> {
    if table.is_whole()? {
        return Ok(());
    }
    match table.verify()?.damaged.first() {
        Some(damaged) => Err(StoreError::corrupt(format!(
            "the check of what sled has read found `{damaged}`"
        ))),
        None => Ok(()),
    }
}

impl Shared {
    /// Makes durable what was committed before, and returns the number of the last of that.
    fn sync(&self, disk: &mut Disk) -> Result<u64, StoreError> {
        let (records, bytes) = self.table.waiting();
        disk.room.take(&disk.log, records, bytes)?;
        let commit = self.table.hand_over()?;
        disk.engine.flush()?;
        disk.log
            .sync_data()
            .map_err(|error| StoreError::io("cannot sync sled's log", &error))?;
        disk.open.are_there()?;
        disk.syncs += 1;
        disk.manifest.advance(commit)?;
        Ok(commit)
    }

    fn close(&self) -> Result<(), StoreError> {
        let Some(mut disk) = self.group.take() else {
            return Ok(());
        };
        self.table.stop();
        let synced = self.sync(&mut disk);
        if let Err(error) = &synced {
            self.failure.get_or_init(|| error.clone());
        }
        let tree = self.table.close();
        self.group.close(synced.as_ref().ok().copied());
        let Disk {
            engine,
            log,
            manifest,
            folder,
            withheld,
            ..
        } = disk;
        let dropped = drop_sled(tree, engine);
        let outcome = synced
            .and(dropped)
            .and_then(|()| mark_closed(&folder, &log, manifest));
        // Only now: sled's threads have its log open and locked a little longer.
        drop(withheld);
        outcome.and(folder.release())
    }
}

impl Watched for Shared {
    fn last_commit(&self) -> u64 {
        self.table.last_commit()
    }

    fn durable(&self) -> u64 {
        self.group.durable()
    }

    fn has_failed(&self) -> bool {
        self.failure.get().is_some()
    }

    fn sync_until(&self, commit: u64) {
        // An error is kept, and meets the next commit or sync.
        let _ = self.group.wait_for(commit, |disk| self.sync(disk));
    }
}

fn mark_closed(folder: &Folder, log: &File, mut manifest: Manifest) -> Result<(), StoreError> {
    // Read twice: what a disk that fails once has told would refuse the store from then on.
    let read = || Ok::<_, StoreError>(replayed(log, manifest.mark().snapshot)?.checksum);
    // When sled's lock stays taken (by a forked child) its files are not known to be at rest: then
    // without that.
    let files = if unused(log)? {
        let checksum = read()?;
        let is_sure = read()? == checksum;
        is_sure.then(|| folder.fingerprint(checksum)).transpose()?
    } else {
        None
    };
    log.sync_all()
        .map_err(|error| StoreError::io("cannot sync sled's log", &error))?;
    manifest.write_and_sync(Mark {
        files,
        ..manifest.mark()
    })
}

impl Backend for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.shared.table.get(key)
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, StoreError> {
        self.shared.table.get_many(keys)
    }

    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.shared.table.range(from, until, order, limit)
    }

    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        let number = self.shared.table.commit(batch)?;
        self.shared.watch.look();
        Ok(number)
    }

    fn relieve(&self) {
        let (_, bytes) = self.shared.table.waiting();
        if bytes > ENOUGH {
            // The commits are made whether or not this works.
            let _ = self.sync(self.last_commit());
        }
    }

    fn sync(&self, commit: u64) -> Result<(), StoreError> {
        self.shared.table.known(commit)?;
        self.shared
            .group
            .wait_for(commit, |disk| self.shared.sync(disk))
    }

    fn last_commit(&self) -> u64 {
        self.shared.table.last_commit()
    }

    fn kind(&self) -> Kind {
        Kind::Folder
    }

    fn store_id(&self) -> String {
        self.shared.id.clone()
    }

    fn verify(&self) -> Result<Verification, StoreError> {
        self.shared.table.verify()
    }

    fn space(&self) -> Result<Space, StoreError> {
        self.shared.table.in_its_process()?;
        let folder = &self.shared.folder;
        Space::of(space::files_below(folder)?, folder)
    }

    fn compact(&self) -> Result<(), StoreError> {
        Err(StoreError::invalid(
            "A store in a folder cannot be compacted; copy it (`store.copy`), and put the copy in \
             its place.",
        ))
    }

    fn close(&self) -> Result<(), StoreError> {
        self.shared.table.in_its_process()?;
        self.shared
            .closed
            .lock()
            .get_or_insert_with(|| self.shared.close())
            .clone()
    }

    fn abandon(&self) {
        self.shared.table.abandon();
        std::mem::forget(Arc::clone(&self.shared));
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        // Who wants to know whether it worked calls `close`. An abandoned store refuses.
        let _ = Backend::close(self);
    }
}
