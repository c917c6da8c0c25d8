//! Finds an operation by its name, and computes the hash that bindings compare.

use super::{CATALOGUE, Entry};
use crate::error::Code;
use once_cell::sync::Lazy;
use sha2::{Digest, Sha256};

/// The operation of this name.
///
/// ```
/// use tenantry::{Effect, catalogue};
///
/// let get = catalogue::find("accounts.get").map(|entry| entry.effect);
/// assert_eq!(get, Some(Effect::Read));
/// assert!(catalogue::find("accounts.fly").is_none());
/// ```
pub fn find(name: &str) -> Option<&'static Entry> {
    let at = CATALOGUE
        .binary_search_by(|entry| entry.name.cmp(name))
        .ok()?;
    CATALOGUE.get(at)
}

/// The hash that a binding compares when it is loaded; it changes with every name and type of the
/// catalogue, and with every error code.
pub fn hash() -> &'static str {
    static HASH: Lazy<String> = Lazy::new(|| {
        let mut hash = Sha256::new();
        for entry in CATALOGUE {
            hash.update(entry.name);
            hash.update(serde_json::to_vec(&(entry.request)()).unwrap_or_default());
            hash.update(serde_json::to_vec(&(entry.answer)()).unwrap_or_default());
        }
        for code in Code::all() {
            hash.update(code.name());
            hash.update(code.number().to_le_bytes());
        }
        hash.finalize()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    });
    &HASH
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, where a wrong index does not build"
)]
pub(super) const fn is_sorted(names: &[&str]) -> bool {
    let mut at = 1;
    while at < names.len() {
        if !is_before(names[at - 1].as_bytes(), names[at].as_bytes()) {
            return false;
        }
        at += 1;
    }
    true
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, where a wrong index does not build"
)]
const fn is_before(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() {
        if one[at] != other[at] {
            return one[at] < other[at];
        }
        at += 1;
    }
    one.len() < other.len()
}
