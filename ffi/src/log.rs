//! The events of the library, for a function of the host.

use crate::guard::{guarded, status};
use std::ffi::{CString, c_char, c_void};
use tenantry_core::{Code, Error};
use tenantry_logs::{Event, Level, LevelFilter};

/// A function of the caller that is told what happens to stores: opening and closing, what was
/// recovered, what is slow, what fails. No secret, no address and no name of a person is in it.
///
/// A thread of the library calls it, for one event after the other; no call of the library waits
/// for it. It may call the library. It must return: a C++ exception or a `longjmp` must not leave
/// it. While it is slow, 1,000 events wait; after that, events are dropped, and it is told how many
/// (`target` is "tenantry.logs"). In a forked child it is called for what happens there, by a
/// thread of the child.
///
/// `context`: what the caller passed to `tenantry_set_log`; the library does not look at it.
///
/// `level`: how grave it is: 1 is an error, 2 a warning, 3 information, 4 for debugging.
///
/// `target`: which part of the library tells it, such as "tenantry.store" or
/// "tenantry.operations".
///
/// `message`: what has happened, as a sentence.
///
/// `fields`: a JSON object with what belongs to it, such as
/// `{"code": "store_full", "operation": "members.add", "took_ms": 3}`. The three texts end with a
/// NUL, and are the library's: copy what is to be kept.
pub type tenantry_log = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        level: i32,
        target: *const c_char,
        message: *const c_char,
        fields: *const c_char,
    ),
>;

/// Names the function that is told what happens to the stores of this process, in the place of the
/// one before. The one before is given what waits for it, but not longer than two seconds, and is
/// not called any more when this returns, so that its context can be freed then; only where it
/// calls this itself, it still has to return.
///
/// `log`: the function; `NULL` for none. Before the process ends, call this with `NULL`, or the
/// last events may be missing.
///
/// `context`: passed to `log` unchanged. `log` is called in another thread.
///
/// `level`: the least grave events that it is told: 1 for errors alone, 2 for warnings too, 3 for
/// information, which is usual, 4 for all.
///
/// Returns 0, or the number of the error: `TENANTRY_INVALID_ARGUMENT` where `level` is none of
/// these.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_set_log(
    log: tenantry_log,
    context: *mut c_void,
    level: i32,
) -> i32 {
    status(guarded(|| {
        let most = match level {
            1 => LevelFilter::ERROR,
            2 => LevelFilter::WARN,
            3 => LevelFilter::INFO,
            4 => LevelFilter::DEBUG,
            _ => {
                return Err(Error::new(
                    Code::InvalidArgument,
                    format!("`level` must be from 1 to 4, and is {level}."),
                ));
            }
        };
        tenantry_logs::stop();
        if let Some(log) = log {
            let context = Context(context);
            tenantry_logs::listen(most, move |event| context.give(log, event));
        }
        Ok(())
    }))
}

/// The caller's; only the caller's function looks at it.
struct Context(*mut c_void);

// SAFETY: the caller's promise on a function that another thread calls.
unsafe impl Send for Context {}
// SAFETY: as above; one event is given at a time.
unsafe impl Sync for Context {}

impl Context {
    fn give(
        &self,
        log: unsafe extern "C" fn(*mut c_void, i32, *const c_char, *const c_char, *const c_char),
        event: &Event,
    ) {
        // No text of ours has a zero byte; a path of the system has none either.
        let text = |text: &str| CString::new(text).unwrap_or_default();
        let (target, message) = (text(event.target()), text(event.message()));
        let fields = text(&event.fields_json());
        let level = match event.level() {
            Level::ERROR => 1,
            Level::WARN => 2,
            Level::INFO => 3,
            _ => 4,
        };
        // SAFETY: the caller's promise on the function; the texts live until it returns.
        unsafe {
            log(
                self.0,
                level,
                target.as_ptr(),
                message.as_ptr(),
                fields.as_ptr(),
            );
        }
    }
}
