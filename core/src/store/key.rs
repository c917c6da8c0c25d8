//! The key that tokens are derived with: in a file of its own beside the data, so that neither alone makes a token.

use super::StoreError;
use super::folder::{private_file, sync_folder};
use std::io::{Read, Write};
use std::path::Path;

/// The name of the file in the folder of the store.
pub(super) const FILE: &str = "token.key";

/// Reads the key; makes it where there is none.
pub(super) fn read_or_make(folder: &Path) -> Result<[u8; 32], StoreError> {
    let path = folder.join(FILE);
    let mut file = private_file(&path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| StoreError::io("cannot read the token key", &error))?;
    if let Ok(key) = <[u8; 32]>::try_from(bytes.as_slice()) {
        return Ok(key);
    }
    if !bytes.is_empty() {
        return Err(StoreError::corrupt(format!("`{FILE}` has {} bytes, not 32", bytes.len())));
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| StoreError::failed(format!("no randomness for the token key: {error}")))?;
    file.write_all(&key).and_then(|()| file.sync_all()).map_err(|error| StoreError::io("cannot write the token key", &error))?;
    sync_folder(folder)?;
    Ok(key)
}
