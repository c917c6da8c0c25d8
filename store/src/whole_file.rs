//! A file that is there whole or not at all, and is never put in the place of another.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::backend::StoreError;
use crate::files::{self, exists, failed, metadata, parent, private_file, remove, sync_folder};

/// What the name of a file ends in while it is written.
const PART: &str = ".part";

/// A new file, for its owner alone, which has its name once it is durable. Until then what is
/// written lies beside it under the name that ends in `.part`; what a crash left there is written
/// over by the next attempt.
pub struct WholeFile {
    path: PathBuf,
    part: PathBuf,
    to: BufWriter<File>,
}

impl WholeFile {
    /// Begins a file at a path where nothing is yet.
    pub fn begin(path: &Path) -> Result<WholeFile, StoreError> {
        if path.file_name().is_none() {
            return Err(StoreError::invalid(format!(
                "The path `{}` does not end in a name; name a file.",
                path.display()
            )));
        }
        let folder = metadata_of_folder(path)?;
        if !folder.is_dir() {
            return Err(no_folder(path));
        }
        if exists(path)? {
            return Err(is_there(path));
        }
        let mut name = path.as_os_str().to_owned();
        name.push(PART);
        let part = PathBuf::from(name);
        let file = private_file(&part)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(StoreError::invalid(format!(
                    "`{}` is being written just now; wait for that, or name another file.",
                    path.display()
                )));
            }
            Err(fs::TryLockError::Error(error)) => return Err(failed("lock", &part, &error)),
        }
        file.set_len(0)
            .map_err(|error| failed("write", &part, &error))?;
        Ok(WholeFile {
            path: path.to_owned(),
            part,
            to: BufWriter::with_capacity(1 << 18, file),
        })
    }

    /// Gives the file its name once all of it is durable; answers how many bytes it has.
    pub fn finish(self) -> Result<u64, StoreError> {
        let WholeFile { path, part, to } = self;
        let error = |error: &std::io::Error| failed("write", &part, error);
        let file = to.into_inner().map_err(|failure| error(failure.error()))?;
        file.sync_all().map_err(|failure| error(&failure))?;
        let bytes = file.metadata().map_err(|failure| error(&failure))?.len();
        // A link takes nobody's place, as a renaming would.
        match fs::hard_link(&part, &path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(is_there(&path)),
            // A file system without links.
            Err(_) if !exists(&path)? => {
                fs::rename(&part, &path).map_err(|error| failed("rename", &part, &error))?;
            }
            Err(error) => return Err(failed("name", &path, &error)),
        }
        remove(&part)?;
        sync_folder(folder_of(&path))?;
        Ok(bytes)
    }
}

/// Opens a file that is there, to read it; what is a link or no file is refused, and not waited
/// for.
pub fn existing_file(path: &Path) -> Result<File, StoreError> {
    if !exists(path)? {
        let shown = path.display();
        let what = format!("There is no file at `{shown}`; name one that is there.");
        return Err(StoreError::invalid(what));
    }
    files::existing_file(path)
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// The folder that a file lies in; that of a name alone is the working directory.
fn folder_of(path: &Path) -> &Path {
    match parent(path) {
        folder if folder.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    }
}

fn metadata_of_folder(path: &Path) -> Result<fs::Metadata, StoreError> {
    metadata(folder_of(path))?.ok_or_else(|| no_folder(path))
}

fn no_folder(path: &Path) -> StoreError {
    StoreError::invalid(format!(
        "The folder of `{}` does not exist; create it first.",
        path.display()
    ))
}

fn is_there(path: &Path) -> StoreError {
    StoreError::invalid(format!(
        "There is something at `{}` already, and it is not overwritten; name another place.",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_has_its_name_once_it_is_whole() {
        let scratch = Scratch::new();
        let path = scratch.path().join("file");
        let mut file = WholeFile::begin(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        // What is being written is left to who writes it.
        let other = WholeFile::begin(&path).err().unwrap().to_string();
        assert!(other.contains("being written"), "{other}");
        drop(file);
        assert!(!path.exists());

        let mut file = WholeFile::begin(&path).unwrap();
        file.write_all(b"whole").unwrap();
        assert_eq!(file.finish().unwrap(), 5);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!scratch.path().join("file.part").exists());
    }

    #[test]
    fn nothing_is_written_over() {
        let scratch = Scratch::new();
        let path = scratch.path().join("file");
        let mut late = WholeFile::begin(&path).unwrap();
        late.write_all(b"late").unwrap();
        fs::write(&path, "there").unwrap();
        assert!(matches!(late.finish(), Err(StoreError::Invalid { .. })));
        assert!(WholeFile::begin(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"there");
        let nowhere = scratch.path().join("none/file");
        let refused = WholeFile::begin(&nowhere).err().unwrap().to_string();
        assert!(refused.contains("create it first"), "{refused}");
        std::os::unix::fs::symlink(&path, scratch.path().join("link")).unwrap();
        assert!(WholeFile::begin(&scratch.path().join("link")).is_err());
    }
}
