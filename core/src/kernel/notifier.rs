//! What wakes those who wait for messages of the outbox.

use parking_lot::{Condvar, Mutex};
use std::sync::atomic::AtomicBool;

/// Notifies when messages were committed, and when a handle is closed.
#[derive(Default)]
pub(crate) struct Notifier {
    pub(super) lock: Mutex<()>,
    pub(super) changed: Condvar,
    /// Whether somebody listens for what other processes commit.
    pub(crate) is_listening: AtomicBool,
}

impl Notifier {
    pub(crate) fn notify(&self) {
        // Whoever looked before sleeps by now: they look under the same lock.
        drop(self.lock.lock());
        self.changed.notify_all();
    }
}
