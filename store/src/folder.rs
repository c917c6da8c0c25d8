//! The folder of a store: who may use it, what lies in it, how it comes into being.
//!
//! Creation, each step durable before the next: the folder; `creating`; the lock; `sled/` and the
//! first record in it; `manifest` (written under another name and renamed); `creating` removed. So
//! a folder with `creating` and without a manifest was never in use and is started anew, unless its
//! log holds a commit; one with a manifest is a store, whether or not `creating` is still
//! there; and anything else is refused. `creating` is only ever written into an empty folder, under
//! a lock on the folder itself, so it cannot come into a store that somebody else has just
//! finished.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::backend::StoreError;
use crate::files::{
    self, Identity, exists, failed, make_folder, metadata, must_be_file, names, parent,
    private_file, remove, set_mode, sync_folder,
};
use crate::key;
use crate::lock::{self, Lock};
use crate::manifest::{Manifest, Mark};
use crate::record::Head;

const LOCK: &str = "lock";
const MANIFEST: &str = "manifest";
const NEW_MANIFEST: &str = "manifest.new";
const CREATING: &str = "creating";
const SLED: &str = "sled";
const DB: &str = "sled/db";
/// What sled may write over when it opens (`sled/kept.rs`).
const KEPT: &str = "kept";
/// How much of the log is read at once, and how much of that once more with the next part.
const PART: u64 = 1 << 20;
const OVERLAP: usize = 256;
const FILES: [&str; 5] = [LOCK, MANIFEST, NEW_MANIFEST, CREATING, key::FILE];
const FOLDERS: [&str; 2] = [SLED, KEPT];

pub(crate) struct Folder {
    path: PathBuf,
    lock: Lock,
}

/// The files of a store that is open, by the names that lead to them.
pub(crate) struct OpenFiles([(PathBuf, Identity); 3]);

impl OpenFiles {
    /// Refuses when the names of the folder lead to other files than those that are open, or to
    /// none: what is written to these is lost.
    pub(crate) fn are_there(&self) -> Result<(), StoreError> {
        self.0
            .iter()
            .try_for_each(|(path, open)| files::still_leads_to(path, Some(*open)))
    }
}

/// What is in a folder that we have locked.
pub(crate) enum Found {
    /// Nothing that was ever in use; `sled/` is there and empty.
    Fresh,
    Known(Manifest),
}

impl Folder {
    pub(crate) fn open(path: &Path, create: bool) -> Result<(Folder, Found), StoreError> {
        let path = tidy(path)?;
        let mut is_new = false;
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) => return Err(no_folder(&path, metadata.is_symlink())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if !create {
                    return Err(StoreError::Missing);
                }
                // Who removed the folder as a whole is taken at their word, also where making it
                // anew is cut off, which leaves it empty.
                remove(&mark_of(&path))?;
                make_folder(&path)?;
                sync_folder(parent(&path))?;
                is_new = true;
            }
            Err(error) => return Err(failed("read", &path, &error)),
        }
        let lock = if exists(&path.join(MANIFEST))? {
            None
        } else {
            Some(begin(&path, create, is_new)?)
        };
        let lock = match lock {
            Some(lock) => lock,
            None if Manifest::recognises(&path.join(MANIFEST)) || exists(&path.join(SLED))? => {
                Lock::take(&path.join(LOCK), &path)?
            }
            None => return Err(foreign(&path)),
        };
        let folder = Folder { path, lock };
        folder.only_files()?;
        let found = folder.look()?;
        Ok((folder, found))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn sled(&self) -> PathBuf {
        self.path.join(SLED)
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.path.join(DB)
    }

    pub(crate) fn kept(&self) -> PathBuf {
        self.path.join(KEPT)
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.sled().join("blobs")
    }

    /// With the lock in hand nobody else changes the folder.
    fn look(&self) -> Result<Found, StoreError> {
        let at = |name: &str| self.path.join(name);
        if exists(&at(MANIFEST))? {
            let manifest = Manifest::open(&at(MANIFEST))?;
            if !exists(&self.sled())? {
                return Err(StoreError::corrupt("the folder `sled` is missing"));
            }
            self.restrict()?;
            self.finish()?;
            return Ok(Found::Known(manifest));
        }
        if !exists(&at(CREATING))? || self.was_in_use()? {
            return Err(manifest_missing());
        }
        remove(&at(NEW_MANIFEST))?;
        match fs::remove_dir_all(self.sled()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed("remove", &self.sled(), &error));
            }
            _ => {}
        }
        // sled would create these with whatever the umask leaves; an empty `conf` or `db` is to it
        // as good as none.
        make_folder(&self.sled())?;
        make_folder(&self.blobs())?;
        for name in ["conf", "db"] {
            private_file(&self.sled().join(name))?;
        }
        Ok(Found::Fresh)
    }

    /// Whether the log holds a commit: creating a store makes none. Then `creating` does not belong
    /// there.
    fn was_in_use(&self) -> Result<bool, StoreError> {
        if metadata(&self.db())?.is_none() {
            return Ok(false);
        }
        let mut log = files::existing_file(&self.db())?;
        let mut part = Vec::new();
        loop {
            // What lies across two parts is in the second one whole.
            let kept = part.len().saturating_sub(OVERLAP);
            part.drain(..kept);
            let before = part.len();
            (&mut log)
                .take(PART)
                .read_to_end(&mut part)
                .map_err(|error| failed("read", &self.db(), &error))?;
            if part.len() == before {
                return Ok(false);
            }
            if Head::find_all(&part).any(|head| head.commit > 0) {
                return Ok(true);
            }
        }
    }

    /// Tells beside the folder that there is a store in it: one that is found empty later was
    /// emptied, or its disk is not mounted. Where nothing may be written there, nothing tells it.
    fn leave_mark(&self) -> Result<(), StoreError> {
        let path = mark_of(&self.path);
        let text = format!(
            "A store of tenantry is in the folder `{}` beside this file. Should that be empty, its \
             disk is not mounted, or somebody has emptied it. Remove this file to have a new store \
             made there.\n",
            files::name(&self.path)
        );
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            });
        match made.map_err(|error| (error.kind(), error)) {
            Ok(()) => {}
            Err((
                ErrorKind::AlreadyExists
                | ErrorKind::PermissionDenied
                | ErrorKind::ReadOnlyFilesystem,
                _,
            )) => return Ok(()),
            Err((_, error)) => return Err(failed("write", &path, &error)),
        }
        if let Some(owner) = files::heir(&self.path)? {
            files::give(&path, owner)?;
        }
        sync_folder(parent(&path))
    }

    /// The step that makes it a store. sled's files must be durable.
    pub(crate) fn created(&self, id: &[u8; 16], mark: Mark) -> Result<Manifest, StoreError> {
        self.leave_mark()?;
        let manifest = Manifest::create(&self.path.join(NEW_MANIFEST), id, mark)?;
        fs::rename(self.path.join(NEW_MANIFEST), self.path.join(MANIFEST))
            .map_err(|error| failed("rename", &self.path.join(NEW_MANIFEST), &error))?;
        if let Some(owner) = files::heir(&self.path)? {
            files::give(&self.path.join(MANIFEST), owner)?;
        }
        sync_folder(&self.path)?;
        self.finish()?;
        Ok(manifest)
    }

    fn finish(&self) -> Result<(), StoreError> {
        if remove(&self.path.join(CREATING))? {
            sync_folder(&self.path)
        } else {
            Ok(())
        }
    }

    /// Everything that can be known about sled's files before sled changes them.
    pub(crate) fn check(&self, mark: &Mark) -> Result<(), StoreError> {
        if metadata(&self.db())?.is_none_or(|db| db.len() == 0) {
            return Err(StoreError::corrupt(
                "the file `sled/db` is missing or empty",
            ));
        }
        let conf = self.sled().join("conf");
        let conf = if exists(&conf)? {
            files::read(&conf)?
        } else {
            Vec::new()
        };
        if conf
            .split_last_chunk::<4>()
            .is_none_or(|(text, check)| crc32fast::hash(text).to_le_bytes() != *check)
        {
            return Err(StoreError::corrupt(
                "the file `sled/conf` is missing or damaged",
            ));
        }
        if let Some(seen) = mark.snapshot
            && self.snapshot()?.is_none_or(|newest| newest < seen)
        {
            return Err(StoreError::corrupt(format!(
                "the file `sled/snap.{seen:016X}` is missing"
            )));
        }
        Ok(())
    }

    /// sled takes a half-written snapshot for a snapshot and refuses to open. A finished one must
    /// never be removed.
    pub(crate) fn remove_half_written_snapshots(&self) -> Result<(), StoreError> {
        for name in names(&self.sled())? {
            if name.starts_with("snap.") && name.ends_with(".generating") {
                remove(&self.sled().join(name))?;
            }
        }
        Ok(())
    }

    /// The log position of the newest finished snapshot.
    pub(crate) fn snapshot(&self) -> Result<Option<u64>, StoreError> {
        let names = names(&self.sled())?;
        Ok(names
            .iter()
            .filter_map(|name| u64::from_str_radix(name.strip_prefix("snap.")?, 16).ok())
            .max())
    }

    /// Names and lengths of sled's files, and the checksum of a part of its log, as one number.
    pub(crate) fn fingerprint(&self, replayed: u32) -> Result<u32, StoreError> {
        let mut list = format!("replayed {replayed:08x}\n");
        for folder in [self.sled(), self.blobs()] {
            if !exists(&folder)? {
                continue;
            }
            for name in names(&folder)? {
                let metadata = metadata(&folder.join(&name))?;
                if let Some(file) =
                    metadata.filter(|metadata| metadata.is_file() && !name.ends_with(".generating"))
                {
                    list.push_str(&format!("{name} {}\n", file.len()));
                }
            }
        }
        Ok(crc32fast::hash(list.as_bytes()))
    }

    /// sled opens what has the name of one of its files, and would wait for the other end of a
    /// pipe.
    fn only_files(&self) -> Result<(), StoreError> {
        for name in FILES {
            must_be_file(&self.path.join(name))?;
        }
        for folder in [self.sled(), self.blobs(), self.kept()] {
            match metadata(&folder)? {
                None => continue,
                Some(found) if !found.is_dir() => return Err(no_folder(&folder, false)),
                Some(_) => {}
            }
            for path in names(&folder)?.iter().map(|name| folder.join(name)) {
                if path != self.blobs() {
                    must_be_file(&path)?;
                }
            }
        }
        Ok(())
    }

    /// Only the owner may read, whatever the umask was when sled wrote. What root made in the
    /// folder of somebody else is theirs: otherwise they could not open the store any more.
    pub(crate) fn restrict(&self) -> Result<(), StoreError> {
        protect(&self.path)?;
        let heir = files::heir(&self.path)?;
        for folder in [self.sled(), self.blobs()] {
            if metadata(&folder)?.is_none() {
                continue;
            }
            set_mode(&folder, 0o700)?;
            if let Some(owner) = heir {
                files::give(&folder, owner)?;
            }
            for path in names(&folder)?.iter().map(|name| folder.join(name)) {
                if metadata(&path)?.is_some_and(|metadata| metadata.is_file()) {
                    set_mode(&path, 0o600)?;
                    if let Some(owner) = heir {
                        files::give(&path, owner)?;
                    }
                }
            }
        }
        if let Some(owner) = heir {
            for name in [LOCK, MANIFEST] {
                files::give(&self.path.join(name), owner)?;
            }
        }
        Ok(())
    }

    /// Another process has files of the store open, though not its lock.
    pub(crate) fn held(&self) -> StoreError {
        lock::held(&self.path, None)
    }

    /// What is open, to be looked for at its place after each sync.
    pub(crate) fn open_files(&self, log: &File, manifest: &File) -> Result<OpenFiles, StoreError> {
        let known = |name: &str, file: &File| {
            let path = self.path.join(name);
            match file.metadata() {
                Ok(open) => Ok((path, Identity::from(&open))),
                Err(error) => Err(failed("read", &path, &error)),
            }
        };
        Ok(OpenFiles([
            known(LOCK, self.lock.file())?,
            known(MANIFEST, manifest)?,
            known(DB, log)?,
        ]))
    }

    /// What sled leaves unsynced when it opens: its configuration and every name.
    pub(crate) fn sync_names(&self) -> Result<(), StoreError> {
        let conf = self.sled().join("conf");
        File::open(&conf)
            .and_then(|file| file.sync_all())
            .map_err(|error| failed("sync", &conf, &error))?;
        if exists(&self.blobs())? {
            sync_folder(&self.blobs())?;
        }
        sync_folder(&self.sled())?;
        sync_folder(&self.path)?;
        sync_folder(parent(&self.path))
    }

    pub(crate) fn release(self) -> Result<(), StoreError> {
        self.lock.release()
    }
}

/// Takes the lock of a folder without a manifest, and marks an empty one as being created.
fn begin(path: &Path, create: bool, is_new: bool) -> Result<Lock, StoreError> {
    let folder = File::open(path).map_err(|error| failed("open", path, &error))?;
    // A child that is forked meanwhile must not keep the lock.
    let _withheld = tenantry_fork::withhold(folder.as_raw_fd());
    match folder.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(lock::held(path, lock::holder(&path.join(LOCK))));
        }
        Err(TryLockError::Error(error)) => return Err(failed("lock", path, &error)),
    }
    let names = names(path)?;
    let has = |name: &str| names.iter().any(|found| found == name);
    if !has(MANIFEST) {
        let is_ours = |name: &str| FILES.contains(&name) || FOLDERS.contains(&name);
        if names.iter().any(|name| !is_ours(name)) {
            return Err(foreign(path));
        }
        if !names.is_empty() && !has(CREATING) {
            return Err(manifest_missing());
        }
        if !create {
            return Err(StoreError::Missing);
        }
        if names.is_empty() && !is_new && exists(&mark_of(path))? {
            return Err(emptied(path));
        }
        protect(path)?;
        let marker = private_file(&path.join(CREATING))?;
        marker
            .sync_all()
            .map_err(|error| failed("sync", &path.join(CREATING), &error))?;
        sync_folder(path)?;
    }
    let lock = Lock::take(&path.join(LOCK), path)?;
    folder
        .unlock()
        .map_err(|error| failed("unlock", path, &error))?;
    Ok(lock)
}

/// The file beside a folder that tells that a store was made in it.
fn mark_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tenantry");
    parent(path).join(name)
}

fn emptied(path: &Path) -> StoreError {
    StoreError::invalid(format!(
        "`{}` had a store and is empty: mount its disk or restore a backup; for a new store remove \
         `{}`.",
        path.display(),
        mark_of(path).display()
    ))
}

fn foreign(path: &Path) -> StoreError {
    StoreError::invalid(format!(
        "`{}` holds other files and no store; name a folder that is empty or not there yet.",
        path.display()
    ))
}

fn no_folder(path: &Path, link: bool) -> StoreError {
    let display = path.display();
    StoreError::invalid(match fs::canonicalize(path) {
        Ok(real) if link => format!(
            "`{display}` is a link, and links are not followed; name the folder itself, `{}`.",
            real.display()
        ),
        _ if link => format!("`{display}` is a link that leads nowhere; name a folder."),
        _ => {
            format!("`{display}` is not a folder; name one, or a path where there is nothing yet.")
        }
    })
}

/// Nobody else may enter the folder. One that belongs to somebody else, as a volume that is shared
/// by its group, stays as it is: its files are their owner's alone anyway, so it only must not be
/// open to everybody for writing, who could put others in their place.
fn protect(path: &Path) -> Result<(), StoreError> {
    let Some(found) = metadata(path)? else {
        return Ok(());
    };
    if found.uid() == files::user() {
        return set_mode(path, 0o700);
    }
    if found.mode() & 0o002 != 0 {
        return Err(StoreError::invalid(format!(
            "`{}` belongs to user {}, and everybody may write to it; take that away (`chmod o-w`), \
             or name a folder of user {}.",
            path.display(),
            found.uid(),
            files::user()
        )));
    }
    Ok(())
}

fn manifest_missing() -> StoreError {
    StoreError::corrupt("the file `manifest` is missing")
}

/// Absolute, so that a later change of the working directory does no harm, and without a slash at
/// the end, which would make the system follow a link.
fn tidy(path: &Path) -> Result<PathBuf, StoreError> {
    let path: PathBuf = std::path::absolute(path)
        .map_err(|error| {
            StoreError::invalid(format!(
                "The path `{}` cannot be used ({error}); name another.",
                path.display()
            ))
        })?
        .components()
        .collect();
    if path.file_name().is_none() {
        return Err(StoreError::invalid(format!(
            "The path `{}` does not end in a name; name a folder.",
            path.display()
        )));
    }
    Ok(path)
}
