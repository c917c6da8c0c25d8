//! Every call into sled.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::log::SEGMENT;
use super::watcher::{Watch, Watcher};
use crate::backend::{Options, Order, StoreError};
use crate::folder::Folder;
use crate::raw::{Entries, Raw, Writes};

/// sled refuses less, and works badly with little.
const SMALLEST_CACHE: u64 = 1 << 20;

pub(crate) struct Engine {
    // Before `db`, so that it has ended when sled is dropped.
    watcher: Watcher,
    pub(crate) db: sled::Db,
    /// A call into sled has panicked. Its locks may be held for ever, so nothing may write or flush
    /// any more.
    panicked: AtomicBool,
    /// A batch has failed on the way, so that half of it may be in sled's memory.
    half_applied: AtomicBool,
}

pub(crate) struct Tree(pub(crate) Arc<Engine>);

impl Engine {
    pub(crate) fn start(folder: &Folder, options: &Options) -> Result<Engine, StoreError> {
        let config = sled::Config::new()
            .path(folder.sled())
            .cache_capacity(options.cache_bytes.max(SMALLEST_CACHE))
            .segment_size(SEGMENT)
            // Its errors are only logged, and it would sync without telling us.
            .flush_every_ms(None);
        let db = match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => db,
            Ok(Err(error)) => return Err(not_opened(folder, error)),
            Err(panic) => {
                return Err(StoreError::corrupt(format!(
                    "sled's log cannot be read: `{}`",
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
                    "{doing}: sled panicked with `{}`",
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
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
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

    pub(crate) fn watch(&self) -> Arc<Watch> {
        self.watcher.watch.clone()
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

pub(crate) fn drop_sled(tree: Option<Arc<Tree>>, engine: Arc<Engine>) -> Result<(), StoreError> {
    if engine.must_leak() {
        std::mem::forget((tree, engine));
        return Ok(());
    }
    catch_unwind(AssertUnwindSafe(|| drop((tree, engine)))).map_err(|panic| {
        StoreError::failed(format!(
            "sled panicked while closing with `{}`",
            message(panic.as_ref())
        ))
    })
}

/// Why sled has not opened. What it says of its own is about what it has read.
pub(crate) fn not_opened(folder: &Folder, error: sled::Error) -> StoreError {
    const DOING: &str = "cannot open sled's log";
    match error {
        sled::Error::Io(error) if error.raw_os_error().is_some() => StoreError::io(DOING, &error),
        sled::Error::Io(error) if let Some(code) = lock_error(&error) => {
            let cause = std::io::Error::from_raw_os_error(code);
            match cause.kind() {
                std::io::ErrorKind::WouldBlock => folder.held(),
                _ => StoreError::io("cannot lock sled's log", &cause),
            }
        }
        other => match from_sled(DOING, other) {
            StoreError::Failed { what } => StoreError::Corrupt { what },
            other => other,
        },
    }
}

/// The system's error for a lock that sled did not get, which it only tells in a text.
fn lock_error(error: &std::io::Error) -> Option<i32> {
    let text = error.to_string();
    let (_, cause) = text
        .strip_prefix("could not acquire lock on ")?
        .rsplit_once("Os { code: ")?;
    cause.split(',').next()?.parse().ok()
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

pub(crate) fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "no message",
    }
}
