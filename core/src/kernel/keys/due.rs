//! Keys of what becomes due, expires, or is only forgotten: the instant, the kind, and which one of
//! that kind. What is done at that instant is a list by kind, in `domain/due.rs`.

use crate::kernel::keys::codec::{key, part, sortable};
use crate::kernel::keys::prefixes::{DUE, EXPIRE, FORGET, Prefix};

/// A kind of what becomes due, expires, or is only forgotten.
pub(crate) struct Kind {
    prefix: Prefix,
    name: &'static str,
}

/// An account gets another package.
pub(crate) const PACKAGE: Kind = Kind::new(DUE, "package");
/// A membership is disabled.
pub(crate) const MEMBERSHIP: Kind = Kind::new(DUE, "membership");
/// A member has an earlier role again.
pub(crate) const ROLE: Kind = Kind::new(DUE, "role");
/// An open reservation expires.
pub(crate) const RESERVATION: Kind = Kind::new(EXPIRE, "reservation");
/// A reservation that has ended is forgotten.
pub(crate) const ENDED_RESERVATION: Kind = Kind::new(FORGET, "reservation");
/// The answer to a request with a key is forgotten.
pub(crate) const ANSWER: Kind = Kind::new(FORGET, "answer");
/// Meters that are over are cleared away.
pub(crate) const METERS: Kind = Kind::new(FORGET, "meters");

impl Kind {
    const fn new(prefix: Prefix, name: &'static str) -> Kind {
        Kind { prefix, name }
    }

    /// Where it is kept that one of this kind becomes due.
    pub(crate) fn key(&self, at_ms: u64, parts: &[&str]) -> Vec<u8> {
        let at = sortable(at_ms);
        key(self.prefix, &[&[&at, self.name], parts].concat())
    }

    /// Which one of this kind it is, from the parts of a key; none where it is of another kind.
    pub(crate) fn of<'p, 'k>(&self, parts: &'p [&'k str]) -> Option<&'p [&'k str]> {
        match parts {
            [_, name, rest @ ..] if *name == self.name => Some(rest),
            _ => None,
        }
    }

    /// Whether a key is one of this kind.
    pub(crate) fn has(&self, key: &[u8]) -> bool {
        Prefix::of(key) == Some(self.prefix) && part(key, 2) == Some(self.name)
    }
}

/// The first key of what becomes due, expires, or is forgotten, after an instant.
pub(crate) fn after(prefix: Prefix, now_ms: u64) -> Vec<u8> {
    key(prefix, &[&sortable(now_ms.saturating_add(1))])
}

/// When what lies at a key becomes due.
pub(crate) fn at(key: &[u8]) -> Option<u64> {
    let at = key.split(|byte| *byte == 0).nth(1)?;
    u64::from_str_radix(std::str::from_utf8(at).ok()?, 16).ok()
}
