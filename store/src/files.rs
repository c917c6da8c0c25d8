//! Files and folders: made private, looked at without following links, made durable.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{
    DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown,
};
use std::path::Path;

use rustix::fs::OFlags;
use tenantry_fork::Withheld;

use crate::backend::StoreError;

pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// The last part of a path, to be shown.
pub(crate) fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

pub(crate) fn failed(doing: &str, path: &Path, error: &std::io::Error) -> StoreError {
    let doing = format!("cannot {doing} `{}`", path.display());
    let owner = fs::symlink_metadata(path).map(|found| found.uid());
    match owner {
        Ok(owner) if error.kind() == ErrorKind::PermissionDenied => StoreError::io(
            &format!("{doing}, which belongs to user {owner}, as user {}", user()),
            error,
        ),
        _ => StoreError::io(&doing, error),
    }
}

/// Whose rights this process has.
pub(crate) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Which file something is, however it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl From<&fs::Metadata> for Identity {
    fn from(metadata: &fs::Metadata) -> Identity {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Of the thing itself, never of what a link leads to.
pub(crate) fn metadata(path: &Path) -> Result<Option<fs::Metadata>, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(is_link(path)),
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, &error)),
    }
}

fn is_link(path: &Path) -> StoreError {
    StoreError::invalid(format!(
        "`{}` is a link, and links are not followed; replace the link with the file itself.",
        path.display()
    ))
}

/// Refuses when a path leads to another file than the one that is open, or to none.
pub(crate) fn still_leads_to(path: &Path, open: Option<Identity>) -> Result<(), StoreError> {
    let there = match fs::symlink_metadata(path) {
        Ok(found) => Some(Identity::from(&found)),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) if error.kind() == ErrorKind::NotADirectory => None,
        Err(error) => return Err(failed("read", path, &error)),
    };
    if there.is_some() && there == open {
        return Ok(());
    }
    Err(StoreError::failed(format!(
        "`{}` was {} while the store was open",
        path.display(),
        if there.is_none() {
            "removed"
        } else {
            "replaced"
        }
    )))
}

pub(crate) fn exists(path: &Path) -> Result<bool, StoreError> {
    Ok(metadata(path)?.is_some())
}

/// Refuses what is there and no file: a pipe would be waited for, a device has no end.
pub(crate) fn must_be_file(path: &Path) -> Result<(), StoreError> {
    match metadata(path)? {
        Some(found) if !found.is_file() => Err(no_file(path)),
        _ => Ok(()),
    }
}

pub(crate) fn no_file(path: &Path) -> StoreError {
    StoreError::invalid(format!(
        "`{}` is not a file; move it away, and put back the file of the store from a backup.",
        path.display()
    ))
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

/// Opens a file that only its owner may read, creating it if need be.
pub(crate) fn private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    let file = open(path, &mut options)?;
    set_mode(path, 0o600)?;
    Ok(file)
}

/// Opens a file that is there, to read it.
pub(crate) fn existing_file(path: &Path) -> Result<File, StoreError> {
    open(path, OpenOptions::new().read(true))
}

/// Never waits, as for the other end of a pipe, and follows no link.
fn open(path: &Path, options: &mut OpenOptions) -> Result<File, StoreError> {
    must_be_file(path)?;
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let file = options
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| failed("open", path, &error))?;
    let opened = file
        .metadata()
        .map_err(|error| failed("read", path, &error))?;
    if opened.is_file() {
        Ok(file)
    } else {
        Err(no_file(path))
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    existing_file(path)?
        .read_to_end(&mut bytes)
        .map_err(|error| failed("read", path, &error))?;
    Ok(bytes)
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

/// The user and the group that own a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// Whom the files belong to that root makes in the folder of somebody else; none where who makes
/// them is to keep them.
pub(crate) fn heir(folder: &Path) -> Result<Option<Owner>, StoreError> {
    let Some(found) = metadata(folder)? else {
        return Ok(None);
    };
    let owner = Owner {
        user: found.uid(),
        group: found.gid(),
    };
    Ok((user() == 0 && owner.user != 0).then_some(owner))
}

/// Gives a file or folder of root's to `owner`. What has another name elsewhere, or is not root's,
/// is left alone: it may have been put there so that it be given away.
pub(crate) fn give(path: &Path, owner: Owner) -> Result<(), StoreError> {
    let Some(found) = metadata(path)?.filter(|found| found.uid() == 0) else {
        return Ok(());
    };
    let given = if found.is_dir() {
        lchown(path, Some(owner.user), Some(owner.group))
    } else {
        let file = existing_file(path)?;
        match file.metadata() {
            Ok(found) if found.uid() == 0 && found.nlink() == 1 => {
                fchown(&file, Some(owner.user), Some(owner.group))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    };
    given.map_err(|error| failed("give to its owner", path, &error))
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

/// Has forked children give up a file of this process, however often it is open here: sled opens
/// and locks its log by itself.
pub(crate) fn withhold(file: &File) -> Vec<Withheld> {
    let Ok(identity) = file.metadata().map(|found| Identity::from(&found)) else {
        return Vec::new();
    };
    let mut numbers = open_numbers(&[identity]);
    numbers.push(file.as_raw_fd());
    numbers.sort_unstable();
    numbers.dedup();
    numbers
        .into_iter()
        .filter_map(tenantry_fork::withhold)
        .collect()
}

/// The numbers under which this process has one of these files open.
pub(crate) fn open_numbers(files: &[Identity]) -> Vec<RawFd> {
    let listed = fs::read_dir("/dev/fd").into_iter().flatten();
    listed
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd: &RawFd| {
            fs::metadata(format!("/dev/fd/{fd}"))
                .is_ok_and(|found| files.contains(&Identity::from(&found)))
        })
        .collect()
}
