//! Files and folders: made private, looked at without following links, made durable.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::backend::StoreError;

pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

pub(crate) fn failed(doing: &str, path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::io(&format!("cannot {doing} {}", path.display()), error)
}

/// Of the thing itself, never of what a link leads to.
pub(crate) fn metadata(path: &Path) -> Result<Option<fs::Metadata>, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {
            Err(StoreError::invalid(format!("{} is a link", path.display())))
        }
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, &error)),
    }
}

pub(crate) fn exists(path: &Path) -> Result<bool, StoreError> {
    Ok(metadata(path)?.is_some())
}

pub(crate) fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let entries = fs::read_dir(folder).map_err(|error| failed("list", folder, &error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed("list", folder, &error))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

pub(crate) fn make_folder(path: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(failed("create", path, &error))
        }
        _ => set_mode(path, 0o700),
    }
}

/// Opens a file, creating it if need be, that only its owner may read.
pub(crate) fn private_file(path: &Path) -> Result<File, StoreError> {
    metadata(path)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    let file = file.map_err(|error| failed("open", path, &error))?;
    set_mode(path, 0o600)?;
    Ok(file)
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), StoreError> {
    let Some(metadata) = metadata(path)? else {
        return Ok(());
    };
    if metadata.permissions().mode() & 0o7777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|error| failed("protect", path, &error))
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed("sync", path, &error))
}

/// True when there was something to remove.
pub(crate) fn remove(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("remove", path, &error)),
    }
}
