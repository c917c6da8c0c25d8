//! Waiting for messages of the outbox.

use crate::guard::{guarded, status};
use crate::memory::{is_place, no_place};
use crate::store::{tenantry_store, with_store};
use std::time::Duration;

/// Waits until the outbox has a message after the one of this number. It does not poll: the commit
/// that writes a message wakes it. Then take the messages with the operation `outbox.take`.
///
/// `store`: an open store. Closing the store (`tenantry_close`) in another thread ends the wait
/// with `TENANTRY_CLOSED`; freeing the handle does not.
///
/// `after`: the number of the last message that you know, such as `taken_to` of `outbox.take`; 0
/// for none.
///
/// `timeout_ms`: how long to wait at most, in milliseconds.
///
/// `last`: receives the number of the last message, or 0 when the time passed without a message.
///
/// Returns 0, or the number of the error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_outbox_wait(
    store: tenantry_store,
    after: u64,
    timeout_ms: u64,
    last: *mut u64,
) -> i32 {
    status(guarded(|| {
        if !is_place(last) {
            return Err(no_place("last"));
        }
        // SAFETY: a place by the test above.
        unsafe { last.write(0) };
        let found = with_store(store, |tenantry| {
            tenantry.wait_outbox(after, Duration::from_millis(timeout_ms))
        })?;
        // SAFETY: as above.
        unsafe { last.write(found.unwrap_or(0)) };
        Ok(())
    }))
}
