//! What an open store is to all who call, and what whoever writes holds.

use parking_lot::MutexGuard;
use std::sync::atomic::{AtomicU8, Ordering};
use tenantry_store::{SharedStore, WriterGuard};

/// What every call looks at first, in one word: nothing of it holds where a store is open that
/// works and that nobody else has.
pub(super) struct State(AtomicU8);

/// Nothing more is written.
const POISONED: u8 = 1;
/// Other processes may have the store open.
const SHARED: u8 = 2;
/// What they commit is known here only a little later.
const BOUNDED: u8 = 4;

impl State {
    pub(super) fn new(shared: Option<&dyn SharedStore>) -> State {
        State(AtomicU8::new(match shared {
            Some(shared) if shared.is_bounded() => SHARED | BOUNDED,
            Some(_) => SHARED,
            None => 0,
        }))
    }

    #[inline]
    fn has(&self, bit: u8) -> bool {
        self.0.load(Ordering::Acquire) & bit != 0
    }

    /// Whether nothing of it holds.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    #[inline]
    pub(super) fn is_poisoned(&self) -> bool {
        self.has(POISONED)
    }

    #[inline]
    pub(super) fn is_shared(&self) -> bool {
        self.has(SHARED)
    }

    #[inline]
    pub(super) fn is_bounded(&self) -> bool {
        self.has(BOUNDED)
    }

    pub(super) fn poison(&self) {
        self.0.fetch_or(POISONED, Ordering::AcqRel);
    }

    #[cfg(test)]
    pub(super) fn unpoison(&self) {
        self.0.fetch_and(!POISONED, Ordering::AcqRel);
    }
}

/// As long as it lives, nobody else writes: no other thread, and no other process.
#[must_use]
pub(crate) struct Writing<'a> {
    // In this order they are let go.
    _guard: Option<WriterGuard<'a>>,
    _writer: MutexGuard<'a, ()>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(writer: MutexGuard<'a, ()>, guard: Option<WriterGuard<'a>>) -> Writing<'a> {
        Writing {
            _guard: guard,
            _writer: writer,
        }
    }
}
