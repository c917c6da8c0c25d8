//! All use of sled 0.34.7, and what its measured faults ask for. See the module's documentation for
//! the whole.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::folder::{Folder, Found};
use super::group::Group;
use super::manifest::{Manifest, Mark};
use super::record::Head;
use super::table::{Entries, Failure, Raw, Table, Writes};
use super::{
    Backend, Batch, CommitError, Order, Record, SledOptions, StoreError, Verification, hex,
    random_id,
};

/// sled refuses less, and works badly with little.
const SMALLEST_CACHE: u64 = 1 << 20;
/// How long threads of a store that was just closed may take to let go of its files.
const LET_GO: Duration = Duration::from_secs(2);
/// More than this does not wait in memory for somebody to ask for a sync.
const ENOUGH: usize = 4 << 20;

pub(super) struct SledStore {
    // In an Arc so that it can be leaked: dropping sled in a forked child hangs.
    shared: Arc<Shared>,
}

struct Shared {
    table: Table<Tree>,
    group: Group<Disk>,
    failure: Failure,
    watch: Arc<Watch>,
    id: String,
    closed: Mutex<Option<Result<(), StoreError>>>,
}

/// What the thread that syncs needs.
struct Disk {
    engine: Arc<Engine>,
    /// Our own handle on sled's log, because sled has no call that syncs it.
    log: File,
    manifest: Manifest,
    folder: Folder,
    syncs: u64,
}

struct Engine {
    // Before `db`, so that it has ended when sled is dropped.
    watcher: Watcher,
    db: sled::Db,
    /// A call into sled has panicked. Its locks may be held for ever, so nothing may write or flush
    /// any more.
    panicked: AtomicBool,
    /// A batch has failed on the way, so that half of it may be in sled's memory.
    half_applied: AtomicBool,
}

struct Tree(Arc<Engine>);

/// A thread that never waits for the disk, for two things that nobody else can do. It wakes a flush
/// that sled has forgotten: when a write of its log fails, one of the two places that note the
/// error does not wake those who wait for that write, so they would wait for ever; another flush
/// does wake them. And it sees to commits that nobody syncs.
struct Watcher {
    watch: Arc<Watch>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Watch {
    /// Odd while a flush is under way.
    flushes: AtomicU64,
    asleep: AtomicBool,
    ended: AtomicBool,
    thread: OnceLock<Thread>,
    store: OnceLock<Weak<Shared>>,
}

/// A flush that takes longer is looked at; a commit that was not synced for as long, or twice that,
/// will be.
const TICK: Duration = Duration::from_millis(250);
/// sled's unit of its log.
const SEGMENT: usize = 512 * 1024;

impl SledStore {
    pub(super) fn open(path: &Path, options: &SledOptions) -> Result<SledStore, StoreError> {
        refuse_after_fork()?;
        let (folder, found) = Folder::open(path, options.create)?;
        let failure = Failure::default();
        // Also around the dropping of sled when a check refuses.
        let opened = catch_unwind(AssertUnwindSafe(|| match found {
            Found::Fresh => create(folder, options, &failure),
            Found::Known(manifest) => reopen(folder, manifest, options, &failure),
        }));
        let (table, disk, id) = opened.unwrap_or_else(|panic| {
            Err(StoreError::corrupt(format!(
                "sled panicked: {}",
                message(panic.as_ref())
            )))
        })?;
        let watch = disk.engine.watcher.watch.clone();
        let group = Group::new(table.last_commit(), disk, failure.clone());
        let shared = Arc::new(Shared {
            table,
            group,
            failure,
            watch,
            id,
            closed: Mutex::new(None),
        });
        shared.watch.store.get_or_init(|| Arc::downgrade(&shared));
        Ok(SledStore { shared })
    }
}

/// sled's threads belong to the process that first opened any store. In a child of it opening
/// another would wait for them for ever.
fn refuse_after_fork() -> Result<(), StoreError> {
    static FIRST: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id();
    match FIRST.compare_exchange(0, own, Ordering::AcqRel, Ordering::Acquire) {
        Err(first) if first != own => Err(StoreError::Forked {
            what: format!(
                "process {own} was forked from process {first} after that had opened a store; open \
                 stores after forking only"
            ),
        }),
        _ => Ok(()),
    }
}

fn create(
    folder: Folder,
    options: &SledOptions,
    failure: &Failure,
) -> Result<(Table<Tree>, Disk, String), StoreError> {
    let log = open_log(&folder)?;
    let engine = Arc::new(Engine::start(&folder, options)?);
    let id = random_id()?;
    let table = Table::create(Tree(engine.clone()), id, failure.clone())?;
    engine.flush()?;
    settle(&folder, &log)?;
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
        Disk {
            engine,
            log,
            manifest,
            folder,
            syncs: 0,
        },
        hex(&id),
    ))
}

fn reopen(
    folder: Folder,
    mut manifest: Manifest,
    options: &SledOptions,
    failure: &Failure,
) -> Result<(Table<Tree>, Disk, String), StoreError> {
    let mark = manifest.mark();
    folder.check(&mark)?;
    let log = open_log(&folder)?;
    examine(&folder, &log, &mark, manifest.id())?;
    folder.remove_half_written_snapshots()?;
    // From here on the files may change, so the lengths of the last close mean nothing any more.
    manifest.write_and_sync(Mark {
        files: None,
        ..mark
    })?;

    let engine = Arc::new(Engine::start(&folder, options)?);
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
    if mark.files.is_none() {
        check_all(&table)?;
    }
    settle(&folder, &log)?;
    manifest.write_and_sync(Mark {
        commit: head.commit,
        opened: head.commit,
        snapshot: folder.snapshot()?,
        files: None,
    })?;
    let id = hex(&head.id);
    Ok((
        table,
        Disk {
            engine,
            log,
            manifest,
            folder,
            syncs: 0,
        },
        id,
    ))
}

/// Opens the log and waits for a store that this process has just closed: sled's threads keep its
/// own lock a little longer. While a forked child of the last holder lives, sled's lock never comes
/// free.
fn open_log(folder: &Folder) -> Result<File, StoreError> {
    let log = File::open(folder.db())
        .map_err(|error| StoreError::io("cannot open sled's log", &error))?;
    if unused(&log)? {
        Ok(log)
    } else {
        Err(StoreError::Locked { pid: None })
    }
}

/// Reads what sled will read, because sled takes what it cannot read for absent and writes over it.
/// After a clean close that must be what it was then. After a crash the head of the last durable
/// commit must be in it: otherwise the log was cut. (A head is rewritten by every commit, and by
/// sled only to a later place, so the newest is always in that part.)
fn examine(folder: &Folder, log: &File, mark: &Mark, id: &str) -> Result<(), StoreError> {
    let mut replayed = replayed(log, mark.snapshot)?;
    if let Some(files) = mark.files {
        if files != folder.fingerprint(replayed.checksum)? {
            return Err(StoreError::corrupt(
                "the files in `sled` are not as they were when the store was closed",
            ));
        }
        return Ok(());
    }
    if mark.commit == mark.opened {
        return Ok(());
    }
    replayed.segments.sort_unstable();
    let mut newest = mark.opened;
    let mut segment = vec![0; SEGMENT];
    for (_, at) in replayed.segments.into_iter().rev() {
        let bytes = read_segment(log, at, &mut segment)?;
        newest = Head::find_all(bytes)
            .filter(|head| hex(&head.id) == id)
            .map(|head| head.commit)
            .fold(newest, u64::max);
        if newest >= mark.commit {
            return Ok(());
        }
    }
    Err(StoreError::corrupt(format!(
        "the log was cut: it ends with commit {newest}, but commit {} was durable",
        mark.commit
    )))
}

/// The part of the log that sled replays when it opens.
struct Replayed {
    /// Position in the log and place in the file.
    segments: Vec<(u64, u64)>,
    checksum: u32,
}

fn replayed(log: &File, snapshot: Option<u64>) -> Result<Replayed, StoreError> {
    let length = log.metadata().map_err(|error| log_unread(&error))?.len();
    let mut segments = Vec::new();
    let mut checksum = crc32fast::Hasher::new();
    let mut segment = vec![0; SEGMENT];
    for at in (0..length).step_by(SEGMENT) {
        let mut header = [0; 12];
        match log.read_exact_at(&mut header, at) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => continue,
            other => other.map_err(|error| log_unread(&error))?,
        }
        let position = header
            .last_chunk::<8>()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
            ^ i64::MAX as u64;
        if position.saturating_add(SEGMENT as u64) > snapshot.unwrap_or(0) {
            checksum.update(read_segment(log, at, &mut segment)?);
            segments.push((position, at));
        }
    }
    Ok(Replayed {
        segments,
        checksum: checksum.finalize(),
    })
}

/// sled skips what is damaged in the middle of the part that it replays, and goes on behind it:
/// then the head is there, and records are missing, or older than they should be.
fn check_all(table: &Table<Tree>) -> Result<(), StoreError> {
    match table.verify()?.damaged.first() {
        Some(damaged) => Err(StoreError::corrupt(format!("after a crash, {damaged}"))),
        None => Ok(()),
    }
}

fn log_unread(error: &std::io::Error) -> StoreError {
    StoreError::io("cannot read sled's log", error)
}

fn read_segment<'a>(log: &File, at: u64, segment: &'a mut [u8]) -> Result<&'a [u8], StoreError> {
    let mut filled = 0;
    while let Some(rest) = segment.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match log.read_at(rest, at.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(log_unread(&error)),
        }
    }
    Ok(segment.get(..filled).unwrap_or_default())
}

/// Whether sled holds no lock on its log any more, so that none of its threads can change it.
fn unused(log: &File) -> Result<bool, StoreError> {
    let until = Instant::now() + LET_GO;
    loop {
        match log.try_lock() {
            Ok(()) => break,
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(1))
            }
            Err(std::fs::TryLockError::WouldBlock) => return Ok(false),
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(StoreError::io("cannot lock sled's log", &error));
            }
        }
    }
    log.unlock()
        .map_err(|error| StoreError::io("cannot unlock sled's log", &error))?;
    Ok(true)
}

/// Makes what sled did while opening private and durable.
fn settle(folder: &Folder, log: &File) -> Result<(), StoreError> {
    folder.restrict()?;
    log.sync_all()
        .map_err(|error| StoreError::io("cannot sync sled's log", &error))?;
    folder.sync_names()
}

impl Watcher {
    fn start(db: sled::Db) -> Result<Watcher, StoreError> {
        let watch = Arc::<Watch>::default();
        let own = watch.clone();
        let thread = std::thread::Builder::new()
            .name("tenantry-watch".into())
            .spawn(move || own.run(&db));
        let thread = thread.map_err(|error| StoreError::io("cannot start a thread", &error))?;
        watch.thread.get_or_init(|| thread.thread().clone());
        Ok(Watcher {
            watch,
            thread: Some(thread),
        })
    }
}

impl Watch {
    fn run(&self, db: &sled::Db) {
        let (mut flushes_before, mut commit_before) = (0, 0);
        while !self.ended.load(Ordering::SeqCst) {
            let flushes = self.flushes.load(Ordering::SeqCst);
            if flushes == flushes_before
                && !flushes.is_multiple_of(2)
                && db.context.global_error().is_err()
            {
                // Only for the waking: whoever was woken gets the error.
                let _ = catch_unwind(AssertUnwindSafe(|| db.flush()));
            }
            let (commit, durable) = self.sync_what_was_there(commit_before);
            let idle = flushes == flushes_before && flushes.is_multiple_of(2) && commit == durable;
            (flushes_before, commit_before) = (flushes, commit);
            if !idle {
                std::thread::park_timeout(TICK);
                continue;
            }
            self.asleep.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            let store = self.store.get().and_then(Weak::upgrade);
            let nothing_new = store.is_none_or(|store| store.table.last_commit() == commit);
            if nothing_new
                && self.flushes.load(Ordering::SeqCst) == flushes
                && !self.ended.load(Ordering::SeqCst)
            {
                std::thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
        }
    }

    /// The last commit and the last durable one. A commit up to `waited` that is not durable yet
    /// gets a thread of its own, because syncing can take long.
    fn sync_what_was_there(&self, waited: u64) -> (u64, u64) {
        let Some(store) = self.store.get().and_then(Weak::upgrade) else {
            return (0, 0);
        };
        let (commit, durable) = (store.table.last_commit(), store.group.durable());
        if store.failure.get().is_some() {
            return (commit, commit);
        }
        if durable >= waited {
            return (commit, durable);
        }
        let sync = std::thread::Builder::new()
            .name("tenantry-sync".into())
            .spawn(move || {
                // An error is kept, and meets the next commit or sync.
                let _ = store.group.wait_for(waited, |disk| store.sync(disk));
            });
        // Without a thread this is tried again after the next tick.
        drop(sync);
        (commit, durable)
    }

    /// After something was begun that may need watching.
    fn look(&self) {
        // Either this sees that the watcher sleeps, or the watcher sees what was begun.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn during<T>(&self, flush: impl FnOnce() -> T) -> T {
        self.flushes.fetch_add(1, Ordering::SeqCst);
        self.look();
        let outcome = flush();
        self.flushes.fetch_add(1, Ordering::SeqCst);
        outcome
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watch.ended.store(true, Ordering::SeqCst);
        self.watch.wake();
        if let Some(thread) = self.thread.take() {
            // It catches panics, so there is no error to learn of.
            let _ = thread.join();
        }
    }
}

impl Engine {
    fn start(folder: &Folder, options: &SledOptions) -> Result<Engine, StoreError> {
        let config = sled::Config::new()
            .path(folder.sled())
            .cache_capacity(options.cache_bytes.max(SMALLEST_CACHE))
            .segment_size(SEGMENT)
            // Its errors are only logged, and it would sync without telling us.
            .flush_every_ms(None);
        let db = match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => db,
            Ok(Err(sled::Error::Io(error))) if error.raw_os_error().is_some() => {
                return Err(StoreError::io("cannot open sled's log", &error));
            }
            Ok(Err(error)) => {
                return Err(match from_sled("cannot open sled's log", error) {
                    StoreError::Failed { what } => StoreError::Corrupt { what },
                    other => other,
                });
            }
            Err(panic) => {
                return Err(StoreError::corrupt(format!(
                    "sled's log cannot be read: {}",
                    message(panic.as_ref())
                )));
            }
        };
        let watcher = Watcher::start(db.clone())?;
        Ok(Engine {
            watcher,
            db,
            panicked: AtomicBool::new(false),
            half_applied: AtomicBool::new(false),
        })
    }

    /// Runs one call into sled. A panic there almost always means a damaged page.
    fn run<T>(
        &self,
        doing: &str,
        call: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T, StoreError> {
        match catch_unwind(AssertUnwindSafe(|| call(&self.db))) {
            Ok(outcome) => outcome.map_err(|error| from_sled(doing, error)),
            Err(panic) => {
                self.panicked.store(true, Ordering::Release);
                Err(StoreError::corrupt(format!(
                    "{doing}: sled panicked: {}",
                    message(panic.as_ref())
                )))
            }
        }
    }

    fn no_panic_yet(&self) -> Result<(), StoreError> {
        if self.panicked.load(Ordering::Acquire) {
            return Err(StoreError::corrupt(
                "a page could not be read, so nothing is written any more",
            ));
        }
        Ok(())
    }

    /// Hands everything to the system; not yet durable.
    fn flush(&self) -> Result<(), StoreError> {
        self.no_panic_yet()?;
        self.watcher
            .watch
            .during(|| self.run("cannot write sled's log", |db| db.flush().map(drop)))
    }

    /// Whether dropping sled, which flushes, could wait for ever or write half a batch.
    fn must_leak(&self) -> bool {
        // After an error of its own sled writes nothing any more, not even when it is dropped.
        let silent = self.db.context.global_error().is_err();
        self.panicked.load(Ordering::Acquire)
            || (self.half_applied.load(Ordering::Acquire) && !silent)
    }
}

impl Raw for Tree {
    type Bytes = sled::IVec;

    fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        self.0.run("cannot read", |db| db.get(key))
    }

    fn scan(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Entries<sled::IVec>, StoreError> {
        let copy = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
            entry.map(|(key, bytes)| (key.to_vec(), bytes))
        };
        self.0.run("cannot read", |db| {
            let range = db.range(from..until);
            match order {
                Order::Ascending => range.take(limit).map(copy).collect(),
                Order::Descending => range.rev().take(limit).map(copy).collect(),
            }
        })
    }

    fn apply(&self, writes: &Writes) -> Result<(), StoreError> {
        self.0.no_panic_yet()?;
        let mut batch = sled::Batch::default();
        for (key, bytes) in writes {
            match bytes {
                Some(bytes) => batch.insert(key.as_slice(), &**bytes),
                None => batch.remove(key.as_slice()),
            }
        }
        let outcome = self
            .0
            .run("cannot write sled's log", |db| db.apply_batch(batch));
        if outcome.is_err() {
            self.0.half_applied.store(true, Ordering::Release);
        }
        outcome
    }
}

impl Shared {
    /// Makes durable what was committed before, and returns the number of the last of that.
    fn sync(&self, disk: &mut Disk) -> Result<u64, StoreError> {
        let commit = self.table.hand_over()?;
        disk.engine.flush()?;
        disk.log
            .sync_data()
            .map_err(|error| StoreError::io("cannot sync sled's log", &error))?;
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
            ..
        } = disk;
        let dropped = drop_sled(tree, engine);
        let outcome = synced
            .and(dropped)
            .and_then(|()| mark_closed(&folder, &log, manifest));
        outcome.and(folder.release())
    }
}

fn drop_sled(tree: Option<Arc<Tree>>, engine: Arc<Engine>) -> Result<(), StoreError> {
    if engine.must_leak() {
        std::mem::forget((tree, engine));
        return Ok(());
    }
    catch_unwind(AssertUnwindSafe(|| drop((tree, engine)))).map_err(|panic| {
        StoreError::failed(format!(
            "sled panicked while closing: {}",
            message(panic.as_ref())
        ))
    })
}

fn mark_closed(folder: &Folder, log: &File, mut manifest: Manifest) -> Result<(), StoreError> {
    // When sled's lock stays taken (by a forked child) its files are not known to be at rest: then
    // without that.
    let files = if unused(log)? {
        Some(folder.fingerprint(replayed(log, manifest.mark().snapshot)?.checksum)?)
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
        let (number, waiting) = self.shared.table.commit(batch)?;
        if waiting > ENOUGH {
            // The commit is made whether or not this works; an error is kept and meets the next
            // commit or sync.
            let _ = self.sync(number);
        }
        self.shared.watch.look();
        Ok(number)
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

    fn store_id(&self) -> String {
        self.shared.id.clone()
    }

    fn verify(&self) -> Result<Verification, StoreError> {
        self.shared.table.verify()
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

fn from_sled(doing: &str, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            StoreError::corrupt(format!("{doing}: the file is shorter than it should be"))
        }
        sled::Error::Io(error) => StoreError::io(doing, &error),
        sled::Error::Corruption { at, .. } => {
            StoreError::corrupt(format!("{doing}: damaged data at {at:?}"))
        }
        other => StoreError::failed(format!("{doing}: {other}")),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "no message",
    }
}

#[cfg(test)]
mod tests;
