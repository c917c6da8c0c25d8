//! What a commit changes of what is kept in memory. Every process that has the store open applies
//! it: the one that commits, and the others, which find it with the commit.

use super::keys::{self, Prefix};
use crate::model::{Id, Replaceable};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Work that takes more than one commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Job {
    /// An account was deleted, and is erased.
    Erase(Id),
    /// Something else took the place of this, and the records that name it are written anew.
    Replace(Replaceable, Id),
}

/// What went with an account that was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
// It stands in a function of `Operation` that only the library calls.
#[allow(unnameable_types)]
pub struct Erased {
    pub(crate) accounts: u64,
    pub(crate) users: u64,
}

impl Erased {
    pub(crate) fn and(self, other: Erased) -> Erased {
        Erased {
            accounts: self.accounts + other.accounts,
            users: self.users + other.users,
        }
    }
}

/// What a commit makes out of date, and what it brings about. Fields of later versions are ignored
/// here; a later version must also set a field that this one knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Note {
    /// Accounts whose read model is out of date.
    pub(crate) accounts: BTreeSet<Id>,
    /// Accounts that are no more.
    pub(crate) gone: BTreeSet<Id>,
    /// The read model of every account is out of date.
    pub(crate) everything: bool,
    pub(crate) permission_tree: bool,
    /// Other locks guard the meters from here on.
    pub(crate) meters: bool,
    /// The first instant at which something becomes due.
    pub(crate) due_ms: Option<u64>,
    /// The first instant at which something is to be forgotten.
    pub(crate) forget_ms: Option<u64>,
    /// Sessions that have changed or ended.
    pub(crate) sessions: BTreeSet<Id>,
    /// API keys that have changed or ended.
    pub(crate) api_keys: BTreeSet<Id>,
    /// Roles of which a trial begins, or is over where there is no candidate (R-QTA-15).
    pub(crate) trials: BTreeMap<Id, Option<Id>>,
    /// Something goes on in further commits.
    pub(crate) jobs: bool,
    /// What has gone on and is done now.
    pub(crate) ended: Vec<(Job, Erased)>,
    /// The outbox has a new message.
    pub(crate) messages: bool,
    /// Messages are reserved: what comes back is in the store alone.
    pub(crate) reserves: bool,
    /// Something is [replaced](super::replaced) from here on.
    pub(crate) replaces: bool,
    /// It is planned that what is over is cleared away.
    pub(crate) prunes: bool,
}

impl Note {
    /// Adds what follows from the keys that are written.
    #[must_use]
    pub(crate) fn with_written(mut self, writes: &[(Vec<u8>, Option<Vec<u8>>)]) -> Note {
        for (key, _) in writes.iter().filter(|(_, value)| value.is_some()) {
            match Prefix::of(key) {
                Some(keys::OUTBOX_NEXT) => self.messages = true,
                Some(keys::RESERVATION | keys::OPEN_RESERVATION) => self.reserves = true,
                Some(keys::REPLACEMENT) => self.replaces = true,
                Some(keys::PRUNING) => self.prunes = true,
                Some(keys::FORGET) => {
                    self.forget_ms = first(self.forget_ms, keys::due::at(key));
                }
                _ => {}
            }
        }
        self
    }

    /// What is committed with what it is of; nothing where others have nothing to apply. Whoever
    /// has committed forgets what is to be forgotten: that alone is no reason for a note.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let only_forgets = Note {
            forget_ms: self.forget_ms,
            ..Note::default()
        };
        match *self == only_forgets {
            true => Ok(Vec::new()),
            false => serde_json::to_vec(self),
        }
    }

    /// None where nobody here can tell what it says.
    pub(crate) fn of(bytes: &[u8]) -> Option<Note> {
        serde_json::from_slice(bytes).ok()
    }
}

/// The first of two instants.
pub(super) fn first(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    /// Each field is read as it was written, and fields of later versions are left out.
    #[test]
    fn a_note_is_read_as_it_was_written() {
        let note = Note {
            accounts: [id("a")].into(),
            gone: [id("b")].into(),
            everything: true,
            permission_tree: true,
            meters: true,
            due_ms: Some(1),
            forget_ms: Some(2),
            sessions: [id("c")].into(),
            api_keys: [id("d")].into(),
            trials: [(id("e"), Some(id("f"))), (id("g"), None)].into(),
            jobs: true,
            ended: vec![
                (Job::Erase(id("h")), Erased::default()),
                (Job::Replace(Replaceable::Role, id("i")), Erased::default()),
            ],
            messages: true,
            reserves: true,
            replaces: true,
            prunes: true,
        };
        assert_eq!(Note::of(&note.bytes().unwrap()), Some(note));
        let later = br#"{"everything": true, "new": {"a": 1}}"#;
        assert!(Note::of(later).unwrap().everything);
        assert_eq!(Note::of(b"{"), None);
        let forgets = Note {
            forget_ms: Some(2),
            ..Note::default()
        };
        assert_eq!(forgets.bytes().unwrap(), b"");
    }

    #[test]
    fn what_is_written_tells() {
        let written = |key: Vec<u8>| Note::default().with_written(&[(key, Some(Vec::new()))]);
        assert!(written(keys::outbox_next()).messages);
        assert!(written(keys::meters::pruning()).prunes);
        let forget = keys::due::METERS.key(7, &[]);
        assert_eq!(written(forget.clone()).forget_ms, Some(7));
        let gone = Note::default().with_written(&[(forget, None)]);
        assert_eq!(gone, Note::default());
    }
}
