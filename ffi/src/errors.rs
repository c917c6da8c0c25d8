//! What an error number means.

use crate::guard::guarded;
use once_cell::race::OnceBox;
use std::ffi::{CStr, CString, c_char};
use tenantry_core::Code;

struct Row {
    number: i32,
    name: CString,
    class: CString,
    retry: CString,
    sentence: CString,
}

/// The name of an error, such as "quota_exceeded"; "ok" for 0, and "unknown" for a number that is
/// not an error.
///
/// Returns a static text, which is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_error_name(number: i32) -> *const c_char {
    find(number, |row| &row.name, c"ok")
}

/// The class of an error: "invalid", "not_found", "conflict", "refused", "limit", "state", "store",
/// "handle" or "internal"; "ok" for 0, and "unknown" for a number that is not an error.
///
/// Returns a static text, which is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_error_class(number: i32) -> *const c_char {
    find(number, |row| &row.class, c"ok")
}

/// Whether the same request can succeed later: "never", "later" (at `retry_at_ms`), "again" (at
/// once) or "reopen" (after the store has been opened anew); "ok" for 0, and "unknown" for a number
/// that is not an error.
///
/// Returns a static text, which is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_error_retry(number: i32) -> *const c_char {
    find(number, |row| &row.retry, c"ok")
}

/// A sentence that says what an error means; "Done." for 0, and "unknown" for a number that is not
/// an error.
///
/// Returns a static text, which is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_error_sentence(number: i32) -> *const c_char {
    find(number, |row| &row.sentence, c"Done.")
}

fn find(number: i32, column: fn(&Row) -> &CString, success: &'static CStr) -> *const c_char {
    static ROWS: OnceBox<Vec<Row>> = OnceBox::new();
    if number == 0 {
        return success.as_ptr();
    }
    let text = guarded(|| {
        let rows = ROWS.get_or_init(|| Box::new(Code::all().iter().map(row).collect()));
        Ok(rows
            .binary_search_by_key(&number, |row| row.number)
            .ok()
            .and_then(|place| rows.get(place))
            .map(column))
    });
    text.ok()
        .flatten()
        .map_or(c"unknown".as_ptr(), |text| text.as_ptr())
}

fn row(code: &Code) -> Row {
    let text = |text: &str| CString::new(text).unwrap_or_default();
    Row {
        number: code.number(),
        name: text(code.name()),
        class: text(code.class().name()),
        retry: text(code.retry().name()),
        sentence: text(code.sentence()),
    }
}
