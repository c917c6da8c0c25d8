//! The folders of a test, and how they are copied.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder for one test; it stays when the test fails.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(test: &str) -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("tenantry-{test}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path.canonicalize().unwrap())
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("left for inspection: {}", self.0.display());
        } else {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

/// What keeps the store of a test. Either lies in a folder of its own, which can be copied whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Sled,
    Sqlite,
}

impl Kept {
    /// As `open` names the store in this folder, which is made where `open` would not.
    pub fn named(self, folder: &Path) -> PathBuf {
        match self {
            Kept::Sled => folder.to_owned(),
            Kept::Sqlite => {
                fs::create_dir_all(folder).unwrap();
                format!("sqlite:{}/accounts.db", folder.display()).into()
            }
        }
    }
}

/// Replaces `to` by a copy of `from`.
pub fn copy(from: &Path, to: &Path) {
    remove(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Removes a folder, and the mark beside it that says that it has a store: an empty one may take
/// its place.
pub fn remove(folder: &Path) {
    let mut mark = folder.as_os_str().to_owned();
    mark.push(".tenantry");
    for outcome in [fs::remove_dir_all(folder), fs::remove_file(mark)] {
        match outcome {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                panic!("{}: {error}", folder.display())
            }
            _ => {}
        }
    }
}

/// Makes a folder of an image that `powerloss/shim.c` has kept.
pub fn assemble(image: &Path, to: &Path) {
    let root = fs::read_to_string(image.join("root")).expect("the shim was loaded");
    remove(to);
    assemble_folder(image, root.trim(), to);
}

fn assemble_folder(image: &Path, inode: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    // A folder whose own names were never synced is empty.
    let names = fs::read_to_string(image.join(format!("{inode}.dir"))).unwrap_or_default();
    for line in names.lines() {
        let (inode, name) = line.split_once(' ').unwrap();
        let contents = image.join(inode);
        if contents.exists() {
            fs::copy(contents, to.join(name)).unwrap();
        } else {
            assemble_folder(image, inode, &to.join(name));
        }
    }
}
