//! What the text names that a store is opened with.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// In memory, as long as somebody has it open: `:memory:`.
    Memory,
    /// In an SQLite database: `sqlite:PATH`, with the path of the file.
    Sqlite(PathBuf),
    /// In a folder, kept by sled: every other text. A folder whose name begins with `sqlite:` is
    /// named `./sqlite:…`.
    Folder(PathBuf),
}

impl At {
    /// What `named` means.
    pub fn new(named: &Path) -> At {
        match named.as_os_str().as_bytes() {
            b":memory:" => At::Memory,
            bytes => match bytes.strip_prefix(b"sqlite:") {
                Some(path) => At::Sqlite(OsStr::from_bytes(path).into()),
                None => At::Folder(named.into()),
            },
        }
    }

    /// What names the same store whatever the current folder is.
    pub fn absolute(&self) -> std::io::Result<PathBuf> {
        match self {
            At::Memory => Ok(":memory:".into()),
            At::Folder(path) => std::path::absolute(path),
            At::Sqlite(path) => {
                let mut named = OsString::from("sqlite:");
                named.push(std::path::absolute(path)?);
                Ok(named.into())
            }
        }
    }

    /// The file or folder on the disk; none where nothing is kept.
    pub fn path(&self) -> Option<&Path> {
        match self {
            At::Memory => None,
            At::Sqlite(path) | At::Folder(path) => Some(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_texts_name_three_kinds_of_store() {
        for (named, at) in [
            (":memory:", At::Memory),
            ("sqlite:a.db", At::Sqlite("a.db".into())),
            ("sqlite:/srv/a.db", At::Sqlite("/srv/a.db".into())),
            ("sqlite:", At::Sqlite("".into())),
            ("sqlite", At::Folder("sqlite".into())),
            ("./sqlite:a", At::Folder("./sqlite:a".into())),
            ("SQLITE:a", At::Folder("SQLITE:a".into())),
            ("./:memory:", At::Folder("./:memory:".into())),
        ] {
            assert_eq!(At::new(Path::new(named)), at, "{named}");
            assert_eq!(at.path().is_none(), at == At::Memory);
            if named != "sqlite:" {
                let absolute = at.absolute().unwrap();
                let path = At::new(&absolute).path().map(std::path::absolute);
                let expected = at.path().map(std::path::absolute);
                assert_eq!(path.map(Result::unwrap), expected.map(Result::unwrap));
                assert_eq!(At::new(&absolute).absolute().unwrap(), absolute);
            }
        }
    }
}
