//! Finds an operation by its name, and computes the hash that bindings compare.

use super::entry::Entry;
use crate::error::{Code, Error, excerpt, hint};
use sha2::{Digest, Sha256};

/// The operation of this name, in a list that is sorted by name.
pub(super) fn find(sorted: &'static [Entry], name: &str) -> Option<&'static Entry> {
    let at = sorted.binary_search_by(|entry| entry.name.cmp(name)).ok()?;
    sorted.get(at)
}

/// That a list has no operation of this name.
pub(super) fn unknown(sorted: &'static [Entry], name: &str) -> Error {
    let known = sorted.iter().map(|entry| entry.name);
    let hint = hint(name, known, "the catalogue lists those that there are");
    let name = excerpt(name);
    let message = format!("There is no operation `{name}`; {hint}.");
    Error::new(Code::UnknownOperation, message)
}

/// The hash of every name and type of a list, and of every error code.
pub(super) fn hash(entries: &[Entry]) -> String {
    let mut hash = Sha256::new();
    for entry in entries {
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

#[cfg(test)]
mod tests {
    use crate::catalogue;
    use crate::error::Code;

    #[test]
    fn an_unknown_operation_is_answered_with_the_one_that_is_meant() {
        for (name, hint) in [
            ("account.create", "perhaps `accounts.create` is meant"),
            ("fly", "the catalogue lists those that there are"),
        ] {
            let error = catalogue::unknown(name);
            assert_eq!(error.code(), Code::UnknownOperation);
            let said = format!("There is no operation `{name}`; {hint}.");
            assert_eq!(error.message(), said);
        }
    }
}
