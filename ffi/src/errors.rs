//! What an error number means.

use crate::guard::guarded;
use once_cell::race::OnceBox;
use std::ffi::{CStr, CString, c_char};
use tenantry_core::Code;

const UNKNOWN: &CStr = c"unknown";
const HTTP_OK: i32 = 200;
const HTTP_FAILED: i32 = 500;
const SMTP_OK: &CStr = c"250 2.0.0";
const SMTP_FAILED: &CStr = c"451 4.3.0";

struct Row {
    number: i32,
    name: CString,
    class: CString,
    retry: CString,
    http_status: i32,
    smtp_reply: CString,
    sentence: CString,
    /// What a host answers to a send that this refuses, where waiting helps and where it does not.
    refused_send: [(i32, CString); 2],
}

/// The name of an error, such as "quota_exceeded"; "ok" for 0, and "unknown" for a number that is
/// not an error.
///
/// Returns a static text, which is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_error_name(number: i32) -> *const c_char {
    find(number, |row| &row.name, c"ok", UNKNOWN)
}

/// The class of an error: "invalid", "not_found", "conflict", "refused", "limit", "state", "store",
/// "handle" or "internal"; "ok" for 0, and "unknown" for a number that is not an error.
///
/// Returns a static text, which is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_error_class(number: i32) -> *const c_char {
    find(number, |row| &row.class, c"ok", UNKNOWN)
}

/// Whether the same request can succeed later: "never", "later" (at `retry_at_ms`), "again" (at
/// once) or "reopen" (after the store has been opened anew); "ok" for 0, and "unknown" for a number
/// that is not an error.
///
/// Returns a static text, which is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_error_retry(number: i32) -> *const c_char {
    find(number, |row| &row.retry, c"ok", UNKNOWN)
}

/// The status of HTTP with which a host answers its own client, from 400 to 599; 200 for 0, and 500
/// for a number that is not an error.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_error_http_status(number: i32) -> i32 {
    match number {
        0 => HTTP_OK,
        _ => row_of(number).map_or(HTTP_FAILED, |row| row.http_status),
    }
}

/// The reply of SMTP with which a host answers its own client, such as "450 4.7.1": the reply code
/// and the enhanced status code, to which the host adds a text. It is "250 2.0.0" for 0, and
/// "451 4.3.0" for a number that is not an error.
///
/// Returns a static text, which is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_error_smtp_reply(number: i32) -> *const c_char {
    find(number, |row| &row.smtp_reply, SMTP_OK, SMTP_FAILED)
}

/// A sentence that says what an error means; "Done." for 0, and "unknown" for a number that is not
/// an error.
///
/// Returns a static text, which is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_error_sentence(number: i32) -> *const c_char {
    find(number, |row| &row.sentence, c"Done.", UNKNOWN)
}

/// The status of HTTP for a decision with this code.
pub(crate) fn http_status_of_send(code: i32, can_wait: bool) -> i32 {
    match code {
        0 => HTTP_OK,
        _ => row_of(code).map_or(HTTP_FAILED, |row| row.refused_send(can_wait).0),
    }
}

/// The reply of SMTP for a decision with this code.
pub(crate) fn smtp_reply_of_send(code: i32, can_wait: bool) -> *const c_char {
    if can_wait {
        find(code, |row| &row.refused_send(true).1, SMTP_OK, SMTP_FAILED)
    } else {
        find(code, |row| &row.refused_send(false).1, SMTP_OK, SMTP_FAILED)
    }
}

fn find(
    number: i32,
    column: fn(&Row) -> &CString,
    success: &'static CStr,
    unknown: &'static CStr,
) -> *const c_char {
    match number {
        0 => success.as_ptr(),
        _ => row_of(number).map_or(unknown.as_ptr(), |row| column(row).as_ptr()),
    }
}

/// None for a number that is not an error.
fn row_of(number: i32) -> Option<&'static Row> {
    static ROWS: OnceBox<Vec<Row>> = OnceBox::new();
    let row = guarded(|| {
        let rows = ROWS.get_or_init(|| Box::new(Code::all().iter().map(row).collect()));
        let place = rows.binary_search_by_key(&number, |row| row.number).ok();
        Ok(place.and_then(|place| rows.get(place)))
    });
    row.ok().flatten()
}

impl Row {
    fn refused_send(&self, can_wait: bool) -> &(i32, CString) {
        let [waits, never] = &self.refused_send;
        if can_wait { waits } else { never }
    }
}

fn row(code: &Code) -> Row {
    let text = |text: &str| CString::new(text).unwrap_or_default();
    let refused = |retry_at_ms| {
        let (status, reply) = code.answers_to_send(retry_at_ms);
        (i32::from(status), text(reply))
    };
    Row {
        number: code.number(),
        name: text(code.name()),
        class: text(code.class().name()),
        retry: text(code.retry().name()),
        http_status: i32::from(code.http_status()),
        smtp_reply: text(code.smtp_reply()),
        sentence: text(code.sentence()),
        refused_send: [refused(Some(0)), refused(None)],
    }
}
