//! The lock file: one process, and one open in it, at a time.

use std::fs::{File, TryLockError};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::backend::StoreError;
use crate::files::private_file;

pub(crate) struct Lock {
    file: File,
}

impl Lock {
    pub(crate) fn take(path: &Path) -> Result<Lock, StoreError> {
        let file = private_file(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { pid: holder(path) }),
            Err(TryLockError::Error(error)) => {
                return Err(StoreError::io("cannot lock the store", &error));
            }
        }
        let lock = Lock { file };
        lock.write(&std::process::id().to_string())?;
        Ok(lock)
    }

    /// Unlocks for every process that has inherited the file: closing it would not while a forked
    /// child lives.
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

/// The pid in a lock file; none while its holder is only just taking or leaving it.
pub(crate) fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(16)
        .read_to_string(&mut text)
        .ok()?;
    text.trim().parse().ok()
}
