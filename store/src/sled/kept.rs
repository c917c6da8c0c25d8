//! What sled may write over when it opens, kept until all checks have passed.
//!
//! sled takes what it cannot read for the end of its log: it skips it, and overwrites with zeros
//! what it does not need then. So one error of a read would cost records that are whole. It only
//! overwrites segments that it replays, and those in which nothing lies that anybody needs; it puts
//! a new snapshot in the place of the old one, and removes blobs. These are kept in a folder of
//! their own before it is started:
//!
//! ```text
//! kept/db       the segments that are replayed, where they lie in the log; holes between them
//! kept/<name>   the other files of `sled/`, and `blob.<name>` those of `sled/blobs/`
//! kept/index    which these are, with a checksum: written last, so what it names is whole
//! ```
//!
//! Where a check refuses the store they are put back, so that nothing was lost by looking. Where
//! the process ended before it could do either, the next one puts them back before it looks.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::log::{Replayed, SEGMENT, open_log, read_segment};
use crate::backend::StoreError;
use crate::files::{
    self, Identity, exists, failed, make_folder, metadata, names, parent, private_file, remove,
    sync_folder,
};
use crate::folder::Folder;

const MAGIC: &str = "tenantry kept, 1";
const DB: &str = "db";
const INDEX: &str = "index";
const NEW_INDEX: &str = "index.new";
/// What the names of blobs begin with here.
const BLOB: &str = "blob.";

/// The folder with what is kept.
pub(super) struct Kept {
    path: PathBuf,
}

/// What is kept, as the index says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Index {
    /// The length of the log.
    length: u64,
    /// Where in it the kept segments lie.
    segments: Vec<u64>,
    /// Of these segments, in this order.
    checksum: u32,
    files: Vec<String>,
}

impl Kept {
    /// What an opening that did not get to its end has left is put back.
    pub(super) fn recover(folder: &Folder) -> Result<(), StoreError> {
        let kept = Kept {
            path: folder.kept(),
        };
        if !exists(&kept.path)? {
            return Ok(());
        }
        if exists(&kept.path.join(INDEX))? {
            let log = open_log(folder)?;
            warn!(
                target: "tenantry::store",
                path = %folder.path().display(),
                "An opening was cut off; sled's files are put back as they were before it."
            );
            return kept.put_back(folder, &log);
        }
        // sled was not started yet, or all was well.
        kept.remove_all()
    }

    /// Keeps what sled may write over, durable when this returns.
    pub(super) fn keep(
        folder: &Folder,
        log: &File,
        replayed: &Replayed,
    ) -> Result<Kept, StoreError> {
        let kept = Kept {
            path: folder.kept(),
        };
        make_folder(&kept.path)?;
        let mut index = Index {
            length: log.metadata().map_err(|error| kept.failed(&error))?.len(),
            segments: replayed.places().collect(),
            checksum: replayed.checksum,
            files: Vec::new(),
        };
        let copy = private_file(&kept.path.join(DB))?;
        let copied = copy_segments(log, &copy, &index)?;
        if copied != index.checksum {
            return Err(StoreError::failed(
                "sled's log does not stay the same while it is read",
            ));
        }
        copy.sync_all().map_err(|error| kept.failed(&error))?;
        for (file, name) in files_of(folder)? {
            keep_file(&file, &kept.path.join(&name), name.starts_with("snap."))?;
            index.files.push(name);
        }
        let new = kept.path.join(NEW_INDEX);
        let file = private_file(&new)?;
        let text = index.text();
        file.set_len(0)
            .and_then(|()| file.write_all_at(text.as_bytes(), 0))
            .and_then(|()| file.sync_all())
            .map_err(|error| kept.failed(&error))?;
        fs::rename(&new, kept.path.join(INDEX)).map_err(|error| kept.failed(&error))?;
        sync_folder(&kept.path)?;
        sync_folder(parent(&kept.path))?;
        Ok(kept)
    }

    /// All checks have passed: from here on the store may change.
    pub(super) fn discard(self) -> Result<(), StoreError> {
        remove(&self.path.join(INDEX))?;
        sync_folder(&self.path)?;
        self.remove_all()
    }

    /// Makes sled's files what they were, as far as anything lies in them.
    pub(super) fn put_back(self, folder: &Folder, log: &File) -> Result<(), StoreError> {
        let index = Index::read(&self.path.join(INDEX))?;
        let copy = files::existing_file(&self.path.join(DB))?;
        // First, so that nothing is written where it cannot be read.
        if checksum(&copy, &index)? != index.checksum {
            return Err(StoreError::corrupt("the file `kept/db` is damaged"));
        }
        log.set_len(index.length)
            .map_err(|error| self.failed(&error))?;
        copy_segments(&copy, log, &index)?;
        log.sync_all().map_err(|error| self.failed(&error))?;
        for (file, name) in files_of(folder)? {
            if !index.files.contains(&name) {
                remove(&file)?;
            }
        }
        for name in &index.files {
            let (from, to) = (self.path.join(name), place_of(folder, name));
            if identity(&from)? != identity(&to)? {
                remove(&to)?;
                keep_file(&from, &to, name.starts_with("snap."))?;
            }
        }
        sync_folder(&folder.blobs())?;
        sync_folder(&folder.sled())?;
        self.discard()
    }

    fn remove_all(&self) -> Result<(), StoreError> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("remove", &self.path, &error))
            }
            _ => sync_folder(parent(&self.path)),
        }
    }

    fn failed(&self, error: &std::io::Error) -> StoreError {
        failed("keep sled's files in", &self.path, error)
    }
}

impl Index {
    fn text(&self) -> String {
        let mut text = format!(
            "{MAGIC}\nlength {}\nchecksum {:08x}\n",
            self.length, self.checksum
        );
        for place in &self.segments {
            text.push_str(&format!("segment {place}\n"));
        }
        for name in &self.files {
            text.push_str(&format!("file {name}\n"));
        }
        format!("{text}check {:08x}\n", crc32fast::hash(text.as_bytes()))
    }

    fn read(path: &Path) -> Result<Index, StoreError> {
        let text = String::from_utf8(files::read(path)?).unwrap_or_default();
        Index::parse(&text).ok_or_else(|| StoreError::corrupt("the file `kept/index` is damaged"))
    }

    fn parse(text: &str) -> Option<Index> {
        let at = text.rfind("check ")?;
        let (said, check) = text.split_at_checked(at)?;
        if check != format!("check {:08x}\n", crc32fast::hash(said.as_bytes())) {
            return None;
        }
        let mut index = Index::default();
        let mut lines = said.lines();
        if lines.next() != Some(MAGIC) {
            return None;
        }
        for line in lines {
            match line.split_once(' ')? {
                ("length", length) => index.length = length.parse().ok()?,
                ("checksum", sum) => index.checksum = u32::from_str_radix(sum, 16).ok()?,
                ("segment", place) => index.segments.push(place.parse().ok()?),
                ("file", name) => index.files.push(name.to_owned()),
                _ => return None,
            }
        }
        Some(index)
    }
}

/// Copies the segments to the same places; answers the checksum of what was read.
fn copy_segments(from: &File, to: &File, index: &Index) -> Result<u32, StoreError> {
    let mut checksum = crc32fast::Hasher::new();
    let mut segment = vec![0; SEGMENT];
    for place in &index.segments {
        let bytes = read_segment(from, *place, &mut segment)?;
        checksum.update(bytes);
        to.write_all_at(bytes, *place)
            .map_err(|error| StoreError::io("cannot keep sled's log", &error))?;
    }
    Ok(checksum.finalize())
}

fn checksum(copy: &File, index: &Index) -> Result<u32, StoreError> {
    let mut checksum = crc32fast::Hasher::new();
    let mut segment = vec![0; SEGMENT];
    for place in &index.segments {
        checksum.update(read_segment(copy, *place, &mut segment)?);
    }
    Ok(checksum.finalize())
}

/// All of sled's files but its log, and what they are called here.
fn files_of(folder: &Folder) -> Result<Vec<(PathBuf, String)>, StoreError> {
    let mut files = Vec::new();
    for (place, start) in [(folder.sled(), ""), (folder.blobs(), BLOB)] {
        if !exists(&place)? {
            continue;
        }
        for name in names(&place)? {
            let path = place.join(&name);
            let is_file = metadata(&path)?.is_some_and(|found| found.is_file());
            if is_file && path != folder.db() {
                files.push((path, format!("{start}{name}")));
            }
        }
    }
    Ok(files)
}

fn place_of(folder: &Folder, name: &str) -> PathBuf {
    match name.strip_prefix(BLOB) {
        Some(blob) => folder.blobs().join(blob),
        None => folder.sled().join(name),
    }
}

fn identity(path: &Path) -> Result<Option<Identity>, StoreError> {
    Ok(metadata(path)?.as_ref().map(Identity::from))
}

/// Gives a file a second name where it is only ever replaced, never written in place; otherwise,
/// and where the file system has no second names, it is copied.
fn keep_file(from: &Path, to: &Path, is_replaced: bool) -> Result<(), StoreError> {
    remove(to)?;
    if is_replaced && fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let copy = private_file(to)?;
    let bytes = files::read(from)?;
    copy.write_all_at(&bytes, 0)
        .and_then(|()| copy.sync_all())
        .map_err(|error| failed("copy", from, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_read_as_it_was_written_or_not_at_all() {
        let index = Index {
            length: 1 << 20,
            segments: vec![0, 1 << 19],
            checksum: 7,
            files: vec!["conf".to_owned(), "snap.00".to_owned()],
        };
        let text = index.text();
        assert_eq!(Index::parse(&text).as_ref(), Some(&index));
        for at in 0..text.len() {
            assert_eq!(Index::parse(&text[..at]), None, "{at}");
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(
                Index::parse(&String::from_utf8(bytes).unwrap()),
                None,
                "{at}"
            );
        }
    }
}
