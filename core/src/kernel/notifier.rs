//! What wakes those who wait for messages of the outbox.

use parking_lot::{Condvar, Mutex};

/// Notifies when messages were committed, and when a handle is closed.
#[derive(Default)]
pub(crate) struct Notifier {
    pub(super) lock: Mutex<()>,
    pub(super) changed: Condvar,
}

impl Notifier {
    pub(crate) fn notify(&self) {
        // Whoever looked before sleeps by now: they look under the same lock.
        drop(self.lock.lock());
        self.changed.notify_all();
    }
}
