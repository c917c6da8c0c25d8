//! What is counted of the calls of this process. Prepared calls and decisions from memory are no
//! part of it: counting them would cost as much as they do.

use crate::error::Code;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Since the store was opened.
#[derive(Default)]
pub(crate) struct Metrics {
    done: AtomicU64,
    refused: Mutex<BTreeMap<Code, u64>>,
    draws: AtomicU64,
}

impl Metrics {
    /// An operation has answered.
    pub(crate) fn count_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// An operation was refused.
    pub(crate) fn count_refused(&self, code: Code) {
        *self.refused.lock().entry(code).or_default() += 1;
    }

    /// Meters have drawn from the store.
    pub(crate) fn count_draw(&self) {
        self.draws.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How often operations were refused, by the code.
    pub(crate) fn refused(&self) -> BTreeMap<Code, u64> {
        self.refused.lock().clone()
    }

    pub(crate) fn draws(&self) -> u64 {
        self.draws.load(Ordering::Relaxed)
    }
}
