//! What the text names that a store is opened with.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::backend::StoreError;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// In memory, as long as somebody has it open: `:memory:`.
    Memory,
    /// In an SQLite database: `sqlite:PATH`, with the path of the file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database: `postgresql://…`.
    Postgres(ServerText),
    /// In a folder, kept by sled: every other text. A folder whose name begins as one of the
    /// others does is named `./sqlite:…`.
    Folder(PathBuf),
}

/// The address of a database on a server, as it was given. It may hold a password, so it is never
/// shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerText(pub(crate) String);

impl fmt::Debug for ServerText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an address of a database")
    }
}

/// How the text begins that names a database on a server.
const SERVERS: [&str; 2] = ["postgresql:", "postgres:"];

impl At {
    /// What `named` means.
    pub fn new(named: &Path) -> At {
        let text = named.to_string_lossy();
        if SERVERS.iter().any(|scheme| text.starts_with(scheme)) {
            return At::Postgres(ServerText(text.into_owned()));
        }
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
            At::Postgres(text) => Ok(text.0.clone().into()),
            At::Sqlite(path) => {
                let mut named = OsString::from("sqlite:");
                named.push(std::path::absolute(path)?);
                Ok(named.into())
            }
        }
    }

    /// The file or folder on the disk; none where nothing is kept there.
    pub fn path(&self) -> Option<&Path> {
        match self {
            At::Memory | At::Postgres(_) => None,
            At::Sqlite(path) | At::Folder(path) => Some(path),
        }
    }

    /// Which database on which server it is, without user and password; none where it is elsewhere.
    pub fn server(&self) -> Result<Option<String>, StoreError> {
        match self {
            #[cfg(feature = "postgres")]
            At::Postgres(text) => Ok(Some(crate::postgres::Address::parse(&text.0)?.place())),
            #[cfg(not(feature = "postgres"))]
            At::Postgres(_) => Err(without_postgres()),
            _ => Ok(None),
        }
    }

    /// What can be shown of it.
    pub fn shown(&self) -> String {
        match self {
            At::Memory => ":memory:".to_owned(),
            At::Sqlite(path) => format!("sqlite:{}", path.display()),
            At::Folder(path) => path.display().to_string(),
            At::Postgres(_) => match self.server() {
                Ok(Some(place)) => place,
                _ => "the address".to_owned(),
            },
        }
    }
}

#[cfg(not(feature = "postgres"))]
pub(crate) fn without_postgres() -> StoreError {
    StoreError::invalid(
        "A path that begins with `postgresql:` needs PostgreSQL, and this library was built \
         without it; name a folder.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_text_names_the_kind_of_store() {
        let address = |text: &str| At::Postgres(ServerText(text.to_owned()));
        for (named, at) in [
            (":memory:", At::Memory),
            ("sqlite:a.db", At::Sqlite("a.db".into())),
            ("sqlite:/srv/a.db", At::Sqlite("/srv/a.db".into())),
            ("sqlite:", At::Sqlite("".into())),
            ("sqlite", At::Folder("sqlite".into())),
            ("./sqlite:a", At::Folder("./sqlite:a".into())),
            ("postgresql://a@h/d", address("postgresql://a@h/d")),
            ("postgres://a@h/d", address("postgres://a@h/d")),
            ("postgresql", At::Folder("postgresql".into())),
            ("SQLITE:a", At::Folder("SQLITE:a".into())),
            ("./:memory:", At::Folder("./:memory:".into())),
        ] {
            assert_eq!(At::new(Path::new(named)), at, "{named}");
            let is_on_disk = matches!(at, At::Sqlite(_) | At::Folder(_));
            assert_eq!(at.path().is_some(), is_on_disk);
            if named != "sqlite:" {
                let absolute = at.absolute().unwrap();
                let path = At::new(&absolute).path().map(std::path::absolute);
                let expected = at.path().map(std::path::absolute);
                assert_eq!(path.map(Result::unwrap), expected.map(Result::unwrap));
                assert_eq!(At::new(&absolute).absolute().unwrap(), absolute);
            }
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let at = At::new(Path::new("postgresql://app:secret@db/mail"));
        for shown in [format!("{at:?}"), at.shown()] {
            assert!(!shown.contains("secret"), "{shown}");
        }
        let wrong = At::new(Path::new("postgresql://app:secret@db"));
        assert!(!wrong.shown().contains("secret"));
    }
}
