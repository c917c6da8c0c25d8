//! The files of a store in SQLite: which there are, what they may be, who may read them.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::backend::StoreError;
use crate::files::{self, Identity, exists, failed, metadata, must_be_file, name, parent};
use crate::manifest::FORMAT;

/// "tnny": says in the header of a database that it is a store of ours.
pub(super) const APPLICATION: u32 = 0x746e_6e79;

/// What SQLite keeps beside a database.
const SQLITES: [&str; 3] = ["-wal", "-shm", "-journal"];
const OURS: [&str; 5] = [LOCK, MANIFEST, NEW_MANIFEST, KEY, PULSE];
const LOCK: &str = "-lock";
const MANIFEST: &str = "-manifest";
const NEW_MANIFEST: &str = "-manifest-new";
const KEY: &str = "-key";
/// What the processes share that have it open.
const PULSE: &str = "-pulse";
/// Is not among `OURS`: only `peers.rs` opens it.
const LOCKS: &str = "-locks";
/// While the store is being created.
const NEW: &str = "-new";

/// Where the database is. All other files are beside it, and have its name with something behind.
pub(super) struct Place {
    db: PathBuf,
}

impl Place {
    /// The folder must be there.
    pub(super) fn new(path: &Path) -> Result<Place, StoreError> {
        let display = path.display();
        let cannot = |why: &str| StoreError::invalid(format!("The path `{display}` {why}."));
        let text = path.as_os_str().as_bytes();
        if text == b":memory:" {
            return Err(cannot(
                "names no file; `:memory:` alone is a store in memory",
            ));
        }
        if text.contains(&b'?') {
            return Err(cannot(
                "has a `?`, which the path of a store cannot have; name another file",
            ));
        }
        let path = std::path::absolute(path)
            .map_err(|error| cannot(&format!("cannot be used ({error}); name another")))?;
        let ends_in_name = !text.ends_with(b"/") && !text.ends_with(b"/.");
        let Some(file) = path.file_name().filter(|_| ends_in_name) else {
            return Err(cannot("does not end in the name of a file; name one"));
        };
        let folder = parent(&path);
        let folder = fs::canonicalize(folder).map_err(|error| {
            let folder = folder.display();
            cannot(&format!(
                "cannot be used: its folder `{folder}` cannot be read ({error})"
            ))
        })?;
        Ok(Place {
            db: folder.join(file),
        })
    }

    pub(super) fn db(&self) -> &Path {
        &self.db
    }

    pub(super) fn folder(&self) -> &Path {
        parent(&self.db)
    }

    fn beside(&self, what: &str) -> PathBuf {
        let mut path = OsString::from(&self.db);
        path.push(what);
        path.into()
    }

    pub(super) fn wal(&self) -> PathBuf {
        self.beside("-wal")
    }

    pub(super) fn shm(&self) -> PathBuf {
        self.beside("-shm")
    }

    pub(super) fn key(&self) -> PathBuf {
        self.beside(KEY)
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.beside(LOCK)
    }

    pub(super) fn locks(&self) -> PathBuf {
        self.beside(LOCKS)
    }

    pub(super) fn pulse(&self) -> PathBuf {
        self.beside(PULSE)
    }

    pub(super) fn manifest(&self) -> PathBuf {
        self.beside(MANIFEST)
    }

    pub(super) fn new_manifest(&self) -> PathBuf {
        self.beside(NEW_MANIFEST)
    }

    pub(super) fn new_db(&self) -> PathBuf {
        self.beside(NEW)
    }

    /// Which files SQLite has open.
    pub(super) fn opened_by_sqlite(&self) -> Vec<Identity> {
        let paths = SQLITES.iter().map(|what| self.beside(what));
        paths
            .chain([self.db.clone()])
            .filter_map(|path| fs::symlink_metadata(path).ok())
            .map(|found| Identity::from(&found))
            .collect()
    }

    /// Whether this is a place for a store, before anything is put there. What is no store is left
    /// as it is.
    pub(super) fn check_unlocked(&self, create: bool) -> Result<(), StoreError> {
        self.only_files()?;
        if !exists(&self.db)? && !create && self.nothing_is_left().is_ok() {
            return Err(StoreError::Missing);
        }
        refuse_network(self.folder())?;
        // This process has nothing locked in it that closing it would take away.
        if exists(&self.db)? {
            self.recognise()?;
        }
        Ok(())
    }

    /// The same while nobody else opens or closes it. Whether there is a store.
    pub(super) fn check_locked(&self, create: bool) -> Result<bool, StoreError> {
        self.only_files()?;
        let is_there = exists(&self.db)?;
        if is_there {
            self.recognise()?;
        } else {
            self.nothing_is_left()?;
            if !create {
                return Err(StoreError::Missing);
            }
        }
        Ok(is_there)
    }

    /// SQLite opens whatever has the name of one of its files, and would wait for the other end of
    /// a pipe.
    fn only_files(&self) -> Result<(), StoreError> {
        match metadata(&self.db)? {
            Some(found) if found.is_dir() => {
                return Err(StoreError::invalid(format!(
                    "`{}` is a folder; name a file in it, or leave out `sqlite:`.",
                    self.db.display()
                )));
            }
            Some(found) if found.is_file() && found.nlink() > 1 => {
                return Err(StoreError::invalid(format!(
                    "`{}` has a second name (a hard link), by which another process may open it; \
                     remove one of the two names.",
                    self.db.display()
                )));
            }
            _ => must_be_file(&self.db)?,
        }
        for what in SQLITES.iter().chain(&OURS).chain(&[LOCKS]) {
            must_be_file(&self.beside(what))?;
        }
        for what in ["", "-wal", "-shm", "-journal"] {
            must_be_file(&self.beside(&format!("{NEW}{what}")))?;
        }
        Ok(())
    }

    /// Where the database is missing, and something that only a store has had is there, nothing is
    /// created: it would be empty, or get the changes of another one.
    fn nothing_is_left(&self) -> Result<(), StoreError> {
        for what in SQLITES.iter().chain(&[MANIFEST, KEY]) {
            if exists(&self.beside(what))? {
                return Err(StoreError::corrupt(format!(
                    "the file `{}` is missing, but `{}` is there",
                    name(&self.db),
                    name(&self.beside(what))
                )));
            }
        }
        Ok(())
    }

    /// By its header, before SQLite touches it.
    fn recognise(&self) -> Result<(), StoreError> {
        let mut header = Vec::new();
        files::existing_file(&self.db)?
            .take(100)
            .read_to_end(&mut header)
            .map_err(|error| failed("read", &self.db, &error))?;
        let number = |at: usize| {
            let bytes = header.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_be_bytes(*bytes))
        };
        if !header.starts_with(b"SQLite format 3\0") || number(68) != Some(APPLICATION) {
            // What has a manifest was ours.
            return Err(if exists(&self.manifest())? {
                StoreError::corrupt(format!("the header of `{}` is damaged", name(&self.db)))
            } else {
                StoreError::invalid(format!(
                    "`{}` is not a store, but another file; name the file of a store, or a new \
                     one.",
                    self.db.display()
                ))
            });
        }
        match number(60) {
            Some(FORMAT) => Ok(()),
            found => Err(StoreError::Format {
                found: found.unwrap_or(0),
                known: FORMAT,
            }),
        }
    }

    /// Only the owner may read, and what root made in the folder of somebody else is theirs. Before
    /// SQLite opens any of them; what it makes itself is like the database.
    pub(super) fn protect(&self) -> Result<(), StoreError> {
        let paths = SQLITES.iter().chain(&OURS).map(|what| self.beside(what));
        for path in paths.chain([self.db.clone()]) {
            files::set_mode(&path, 0o600)?;
            self.give(&path)?;
        }
        Ok(())
    }

    pub(super) fn give(&self, path: &Path) -> Result<(), StoreError> {
        match files::heir(self.folder())? {
            Some(owner) => files::give(path, owner),
            None => Ok(()),
        }
    }

    /// Removes what is left of a creation that was cut short.
    pub(super) fn clear_new(&self) -> Result<(), StoreError> {
        for what in ["", "-wal", "-shm", "-journal"] {
            files::remove(&self.beside(&format!("{NEW}{what}")))?;
        }
        Ok(())
    }

    /// The step that makes it a store: the new database must be durable.
    pub(super) fn created(&self) -> Result<(), StoreError> {
        fs::rename(self.new_db(), &self.db)
            .map_err(|error| failed("rename", &self.new_db(), &error))?;
        files::sync_folder(self.folder())
    }
}

/// SQLite's write-ahead log needs memory that all share who have the database open, and locks that
/// hold: on a file system of a network there are none.
#[cfg(target_os = "linux")]
fn refuse_network(folder: &Path) -> Result<(), StoreError> {
    const NETWORKS: [(u32, &str); 7] = [
        (0x6969, "NFS"),
        (0x517B, "SMB"),
        (0xFE53_4D42, "SMB"),
        (0xFF53_4D42, "CIFS"),
        (0x6573_5546, "FUSE"),
        (0x0102_1997, "9p"),
        (0x00C3_6400, "Ceph"),
    ];
    let found = rustix::fs::statfs(folder)
        .map_err(|error| failed("look at", folder, &std::io::Error::from(error)))?;
    // The number has 32 bits, whatever the system keeps it in.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let kind = found.f_type as u32;
    match NETWORKS.iter().find(|(number, _)| *number == kind) {
        Some((_, system)) => Err(StoreError::invalid(format!(
            "`{}` is on a file system of the kind {system}, where SQLite's locks do not hold; name \
             a file on a disk of this machine.",
            folder.display()
        ))),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(_: &Path) -> Result<(), StoreError> {
    Ok(())
}
