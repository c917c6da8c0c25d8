//! The manifest: which store this is, and the last commit that is known to be durable.
//!
//! The first line never changes and ends in a checksum. Two slots follow, each with a checksum of
//! its own and written in turn, so that one that is torn by a power loss leaves the one before it.
//! Later formats keep the first line's shape, so that an older library can say what it found.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::backend::{StoreError, hex};
use crate::files::{existing_file, private_file};

const MAGIC: &str = "tenantry store, format ";
/// How the files and the keys of the records are written: 2, keys that begin with two letters.
pub const FORMAT: u32 = 2;
const SLOT: u64 = 512;
const SYNC_AFTER_MARKS: u32 = 256;
const SYNC_AFTER: Duration = Duration::from_secs(1);

/// What is known about the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Durable up to here.
    pub commit: u64,
    /// The last commit when the store was opened.
    pub opened: u64,
    /// The snapshot that was there when sled had opened.
    pub snapshot: Option<u64>,
    /// Names and lengths of all files, when the store was closed; none while it is open.
    pub files: Option<u32>,
}

pub(crate) struct Manifest {
    file: File,
    id: String,
    mark: Mark,
    sequence: u64,
    unsynced: u32,
    synced: Instant,
}

impl Manifest {
    /// Whether a file is a manifest at all, however damaged.
    pub(crate) fn recognises(path: &Path) -> bool {
        let mut start = Vec::new();
        existing_file(path).is_ok_and(|file| {
            let read = file.take(MAGIC.len() as u64).read_to_end(&mut start);
            read.is_ok() && start == MAGIC.as_bytes()
        })
    }

    /// Writes a new manifest to `path`, durable but for its name.
    pub(crate) fn create(path: &Path, id: &[u8; 16], mark: Mark) -> Result<Manifest, StoreError> {
        let file = private_file(path)?;
        let id = hex(id);
        let first = format!("{MAGIC}{FORMAT}, id {id}");
        let first = format!("{first}, check {:08x}\n", crc32fast::hash(first.as_bytes()));
        file.set_len(3 * SLOT)
            .and_then(|()| file.write_all_at(first.as_bytes(), 0))
            .map_err(|error| write_error(&error))?;
        let mut manifest = Manifest {
            file,
            id,
            mark,
            sequence: 0,
            unsynced: 0,
            synced: Instant::now(),
        };
        manifest.write(mark)?;
        manifest
            .file
            .sync_all()
            .map_err(|error| write_error(&error))?;
        Ok(manifest)
    }

    pub(crate) fn open(path: &Path) -> Result<Manifest, StoreError> {
        let file = private_file(path)?;
        let mut text = Vec::new();
        (&file)
            .take(4 * SLOT)
            .read_to_end(&mut text)
            .map_err(|error| StoreError::io("cannot read the manifest", &error))?;
        let id = first_line(&text)?;
        let (sequence, mark) = newest(&text)?;
        Ok(Manifest {
            file,
            id,
            mark,
            sequence,
            unsynced: 0,
            synced: Instant::now(),
        })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// After a sync: everything up to `commit` is durable.
    pub(crate) fn advance(&mut self, commit: u64) -> Result<(), StoreError> {
        self.write(Mark {
            commit,
            ..self.mark
        })?;
        self.sync_from_time_to_time()
    }

    /// As [`Manifest::advance`], where other processes write to the file too, but not now, and
    /// without syncing it. What they have written is never lowered.
    #[cfg(feature = "sqlite")]
    pub(crate) fn raise(&mut self, commit: u64) -> Result<(), StoreError> {
        self.read_again()?;
        if self.mark.commit < commit {
            self.write(Mark {
                commit,
                ..self.mark
            })?;
        }
        Ok(())
    }

    #[cfg(feature = "sqlite")]
    fn read_again(&mut self) -> Result<(), StoreError> {
        let mut text = [0; 3 * SLOT as usize];
        // It may have been cut: one mark is enough, as when it was opened.
        let mut read = 0;
        while let Some(rest) = text.get_mut(read..).filter(|rest| !rest.is_empty()) {
            let offset = read as u64;
            match self.file.read_at(rest, offset) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StoreError::io("cannot read the manifest", &error)),
            }
        }
        (self.sequence, self.mark) = newest(text.get(..read).unwrap_or_default())?;
        Ok(())
    }

    /// After every so many marks, and where the last time was long ago.
    pub(crate) fn sync_from_time_to_time(&mut self) -> Result<(), StoreError> {
        if self.unsynced == 0 {
            return Ok(());
        }
        if self.unsynced >= SYNC_AFTER_MARKS || self.synced.elapsed() >= SYNC_AFTER {
            self.sync()
        } else {
            Ok(())
        }
    }

    pub(crate) fn write_and_sync(&mut self, mark: Mark) -> Result<(), StoreError> {
        self.write(mark)?;
        self.sync()
    }

    fn write(&mut self, mark: Mark) -> Result<(), StoreError> {
        self.sequence += 1;
        let snapshot = mark
            .snapshot
            .map_or_else(|| "-".repeat(16), |lsn| format!("{lsn:016x}"));
        let files = mark
            .files
            .map_or_else(|| "-".repeat(8), |files| format!("{files:08x}"));
        let line = format!(
            "mark {:020} commit {:020} opened {:020}",
            self.sequence, mark.commit, mark.opened
        );
        let line = format!("{line} snapshot {snapshot} files {files}");
        let line = format!("{line} check {:08x}\n", crc32fast::hash(line.as_bytes()));
        let at = (1 + self.sequence % 2) * SLOT;
        self.file
            .write_all_at(line.as_bytes(), at)
            .map_err(|error| write_error(&error))?;
        self.mark = mark;
        self.unsynced += 1;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|error| write_error(&error))?;
        self.unsynced = 0;
        self.synced = Instant::now();
        Ok(())
    }
}

fn write_error(error: &std::io::Error) -> StoreError {
    StoreError::io("cannot write the manifest", error)
}

fn line_at(text: &[u8], at: usize) -> Option<&str> {
    let line = text.get(at..)?.split(|byte| *byte == b'\n').next()?;
    std::str::from_utf8(line).ok()
}

/// The line without its checksum, if that is right.
fn checked<'a>(line: &'a str, before_check: &str) -> Option<&'a str> {
    let (line, check) = line.rsplit_once(before_check)?;
    (check == format!("{:08x}", crc32fast::hash(line.as_bytes()))).then_some(line)
}

fn first_line(text: &[u8]) -> Result<String, StoreError> {
    let line = line_at(text, 0).and_then(|line| checked(line, ", check "));
    let parts = line
        .and_then(|line| line.strip_prefix(MAGIC))
        .and_then(|rest| rest.split_once(", id "));
    let (format, id) = parts.ok_or_else(|| StoreError::corrupt("the manifest is damaged"))?;
    match format.parse() {
        Ok(FORMAT) => Ok(id.to_owned()),
        Ok(found) => Err(StoreError::Format {
            found,
            known: FORMAT,
        }),
        Err(_) => Err(StoreError::corrupt("the manifest names no format")),
    }
}

/// The newest mark that can be read, and its number.
fn newest(text: &[u8]) -> Result<(u64, Mark), StoreError> {
    let slots = [1, 2]
        .into_iter()
        .filter_map(|number| slot(text, number * SLOT as usize));
    slots.max_by_key(|(sequence, _)| *sequence).ok_or_else(|| {
        StoreError::corrupt("the manifest is damaged: neither of its two marks can be read")
    })
}

fn slot(text: &[u8], at: usize) -> Option<(u64, Mark)> {
    let line = checked(line_at(text, at)?, " check ")?;
    let mut words = line.split(' ');
    let mut value = |name: &str| {
        if words.next() == Some(name) {
            words.next()
        } else {
            None
        }
    };
    let sequence = value("mark")?.parse().ok()?;
    let commit = value("commit")?.parse().ok()?;
    let opened = value("opened")?.parse().ok()?;
    let snapshot = u64::from_str_radix(value("snapshot")?, 16).ok();
    let files = u32::from_str_radix(value("files")?, 16).ok();
    Some((
        sequence,
        Mark {
            commit,
            opened,
            snapshot,
            files,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const MARK: Mark = Mark {
        commit: 5,
        opened: 4,
        snapshot: Some(0x1234),
        files: None,
    };

    #[test]
    fn the_newest_mark_is_found_and_a_torn_one_leaves_the_one_before() {
        let scratch = Scratch::new();
        let path = scratch.path().join("manifest");
        let mut manifest = Manifest::create(&path, &[0xAB; 16], MARK).unwrap();
        assert_eq!(Manifest::open(&path).unwrap().mark(), MARK);
        for commit in 6..20 {
            manifest.advance(commit).unwrap();
            let read = Manifest::open(&path).unwrap();
            assert_eq!(
                (read.mark().commit, read.id()),
                (commit, "abababababababababababababababab")
            );
        }
        manifest
            .write_and_sync(Mark {
                files: Some(7),
                ..manifest.mark()
            })
            .unwrap();
        assert_eq!(
            Manifest::open(&path).unwrap().mark(),
            Mark {
                commit: 19,
                files: Some(7),
                ..MARK
            }
        );

        let newest = (1 + manifest.sequence % 2) * SLOT;
        manifest.file.write_all_at(b"x", newest + 10).unwrap();
        assert_eq!(
            Manifest::open(&path).unwrap().mark(),
            Mark { commit: 19, ..MARK }
        );
        let other = (1 + (manifest.sequence + 1) % 2) * SLOT;
        manifest.file.write_all_at(b"x", other + 10).unwrap();
        assert!(matches!(
            Manifest::open(&path),
            Err(StoreError::Corrupt { .. })
        ));
    }

    #[test]
    fn a_damaged_first_line_and_another_format_are_told_apart() {
        let scratch = Scratch::new();
        let path = scratch.path().join("manifest");
        let manifest = Manifest::create(&path, &[1; 16], MARK).unwrap();
        assert!(Manifest::recognises(&path));
        manifest
            .file
            .write_all_at(b"9", MAGIC.len() as u64)
            .unwrap();
        assert_eq!(
            Manifest::open(&path).err(),
            Some(StoreError::corrupt("the manifest is damaged"))
        );
        let first = format!("{MAGIC}9, id {}", "01".repeat(16));
        let first = format!("{first}, check {:08x}\n", crc32fast::hash(first.as_bytes()));
        manifest.file.write_all_at(first.as_bytes(), 0).unwrap();
        let error = Manifest::open(&path).err().unwrap();
        assert_eq!(error, StoreError::Format { found: 9, known: 2 });
        assert!(error.to_string().contains("format 9"), "{error}");
    }
}
