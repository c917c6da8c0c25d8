//! The lock file: one process, and one open in it, at a time; or several that share the store.

use std::fs::{File, TryLockError};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
#[cfg(feature = "sqlite")]
use std::time::{Duration, Instant};

use tenantry_fork::Withheld;

use crate::backend::StoreError;
use crate::files::{existing_file, private_file};

/// How long the lock of a process that was just killed is waited for.
#[cfg(feature = "sqlite")]
const DYING: Duration = Duration::from_millis(200);

pub(crate) struct Lock {
    file: File,
    withheld: Option<Withheld>,
}

impl Lock {
    /// Locks the file `path` of the store that is called `store`.
    pub(crate) fn take(path: &Path, store: &Path) -> Result<Lock, StoreError> {
        let file = private_file(path)?;
        // Before it is locked: a child that is forked now must not keep the lock.
        let withheld = tenantry_fork::withhold(file.as_raw_fd());
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(store, holder(path))),
            Err(TryLockError::Error(error)) => {
                return Err(StoreError::io("cannot lock the store", &error));
            }
        }
        let lock = Lock { file, withheld };
        lock.write(&std::process::id().to_string())?;
        Ok(lock)
    }

    /// Locks the file `path` together with other processes that share the store, and against those
    /// that want it alone. The first of them must find it free.
    #[cfg(feature = "sqlite")]
    pub(crate) fn share(path: &Path, store: &Path, is_first: bool) -> Result<Lock, StoreError> {
        let file = private_file(path)?;
        let withheld = tenantry_fork::withhold(file.as_raw_fd());
        let until = Instant::now() + DYING;
        let mut locked = match is_first {
            true => file.try_lock(),
            false => Ok(()),
        };
        while matches!(locked, Err(TryLockError::WouldBlock)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
            locked = file.try_lock();
        }
        match locked.and_then(|()| file.try_lock_shared()) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(store, holder(path))),
            Err(TryLockError::Error(error)) => {
                return Err(StoreError::io("cannot lock the store", &error));
            }
        }
        let lock = Lock { file, withheld };
        // No pid stands for all of them.
        lock.write("")?;
        Ok(lock)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Unlocks for every process that has inherited the file: closing it would not while a forked
    /// child has it.
    pub(crate) fn release(self) -> Result<(), StoreError> {
        self.write("")?;
        self.file
            .unlock()
            .map_err(|error| StoreError::io("cannot unlock the store", &error))
    }

    /// Always of one length, so that a reader never sees a mixture.
    fn write(&self, pid: &str) -> Result<(), StoreError> {
        let written = self.file.write_all_at(format!("{pid:<10}\n").as_bytes(), 0);
        written.map_err(|error| StoreError::io("cannot write the lock file", &error))
    }
}

impl Drop for Lock {
    /// Closing the file would not unlock it while a process that is just being started has it too.
    fn drop(&mut self) {
        // In a forked child the number leads elsewhere by then; where it may not, the lock is left
        // to the parent.
        if self.withheld.is_some() {
            let _ = self.file.unlock();
        }
    }
}

/// Somebody else has this store.
pub(crate) fn held(store: &Path, pid: Option<u32>) -> StoreError {
    StoreError::Locked {
        folder: store.display().to_string(),
        pid,
    }
}

/// The pid in a lock file; none while its holder is only just taking or leaving it.
pub(crate) fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    existing_file(path)
        .ok()?
        .take(16)
        .read_to_string(&mut text)
        .ok()?;
    text.trim().parse().ok()
}
