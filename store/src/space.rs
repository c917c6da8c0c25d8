//! What a store takes on its disk, and what is left there.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::backend::{Space, StoreError};
use crate::files::{failed, metadata, names};

impl Space {
    /// Of these files, as far as they are there, on the disk of one of them or of a folder.
    pub(crate) fn of(
        files: impl IntoIterator<Item = PathBuf>,
        on: &Path,
    ) -> Result<Space, StoreError> {
        let mut bytes = 0;
        for file in files {
            // What was taken ahead is taken, though the length does not tell of it.
            bytes += metadata(&file)?.map_or(0, |found| found.blocks() * 512);
        }
        let disk = rustix::fs::statvfs(on)
            .map_err(|error| failed("look at the disk of", on, &error.into()))?;
        Ok(Space {
            bytes,
            free: Some(disk.f_bavail.saturating_mul(disk.f_frsize)),
        })
    }
}

/// All files in a folder and below it.
pub(crate) fn files_below(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut files = Vec::new();
    for path in names(folder)?.iter().map(|name| folder.join(name)) {
        match metadata(&path)? {
            Some(found) if found.is_dir() => files.append(&mut files_below(&path)?),
            Some(_) => files.push(path),
            // Gone since.
            None => {}
        }
    }
    Ok(files)
}
