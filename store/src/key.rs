//! The key that tokens are derived with: in a file of its own beside the data, so that neither
//! alone makes a token.

use crate::backend::StoreError;
use crate::files::{self, name, parent, private_file, sync_folder};
use std::io::Write;
use std::path::Path;

/// The name of the file, where the store is a folder.
pub(crate) const FILE: &str = "token.key";

/// Reads the key of a store that has one. Where it is gone, none is made: the links that were sent
/// would be dead.
pub(crate) fn read(path: &Path) -> Result<[u8; 32], StoreError> {
    find(path)?.ok_or_else(|| {
        StoreError::corrupt(format!("the file `{}` is missing or empty", name(path)))
    })
}

/// Reads the key; makes it where there is none yet.
pub(crate) fn read_or_make(path: &Path) -> Result<[u8; 32], StoreError> {
    if let Some(key) = find(path)? {
        return Ok(key);
    }
    let key = random()?;
    write(path, &key)?;
    Ok(key)
}

/// Keeps a key that another store has, too.
pub(crate) fn keep(path: &Path, key: &[u8; 32]) -> Result<(), StoreError> {
    match find(path)? {
        None => write(path, key),
        Some(found) if found == *key => Ok(()),
        Some(_) => Err(StoreError::invalid(format!(
            "The file `{}` holds the key of another store; name another place.",
            path.display()
        ))),
    }
}

fn write(path: &Path, key: &[u8; 32]) -> Result<(), StoreError> {
    let mut file = private_file(path)?;
    file.write_all(key)
        .and_then(|()| file.sync_all())
        .map_err(|error| StoreError::io("cannot write the token key", &error))?;
    let folder = parent(path);
    if let Some(owner) = files::heir(folder)? {
        files::give(path, owner)?;
    }
    sync_folder(folder)
}

/// A key that nobody has.
pub(crate) fn random() -> Result<[u8; 32], StoreError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| {
        StoreError::failed(format!(
            "the system gives no random bytes for the token key: {error}"
        ))
    })?;
    Ok(key)
}

/// The key in the file; none where there is no file, or an empty one that a crash left.
fn find(path: &Path) -> Result<Option<[u8; 32]>, StoreError> {
    if !files::exists(path)? {
        return Ok(None);
    }
    let bytes = files::read(path)?;
    match <[u8; 32]>::try_from(bytes.as_slice()) {
        Ok(key) => Ok(Some(key)),
        Err(_) if bytes.is_empty() => Ok(None),
        Err(_) => Err(StoreError::corrupt(format!(
            "the file `{}` has {} bytes, not 32",
            name(path),
            bytes.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_never_in_place_of_one_that_is_gone() {
        let scratch = Scratch::new();
        let file = scratch.path().join(FILE);
        assert!(matches!(read(&file), Err(StoreError::Corrupt { .. })));
        assert!(!file.exists());
        let key = read_or_make(&file).unwrap();
        assert_eq!(
            (read(&file).unwrap(), read_or_make(&file).unwrap()),
            (key, key)
        );
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        for damaged in [&key[..31], &[key.as_slice(), &[0]].concat()] {
            fs::write(&file, damaged).unwrap();
            assert!(matches!(read(&file), Err(StoreError::Corrupt { .. })));
            assert!(matches!(
                read_or_make(&file),
                Err(StoreError::Corrupt { .. })
            ));
            assert_eq!(fs::read(&file).unwrap(), damaged);
        }
        fs::write(&file, []).unwrap();
        assert!(matches!(read(&file), Err(StoreError::Corrupt { .. })));
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/dev/null", &file).unwrap();
        assert!(matches!(
            read_or_make(&file),
            Err(StoreError::Invalid { .. })
        ));
    }
}
