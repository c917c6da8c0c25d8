//! The import of a whole file of users.

use crate::guard::guarded;
use crate::memory::{bytes, is_place, tenantry_text};
use crate::store::{answer, tenantry_store, with_store};
use std::ffi::{c_char, c_void};
use tenantry_core::{Code, ImportProgress};

/// A function of the caller that is told how far an import has come. It may call the library, and
/// may even close the store, but it must return: a C++ exception or a `longjmp` must not leave it.
///
/// `context`: what the caller passed to `tenantry_import_users`; the library does not look at it.
///
/// `rows`: how many rows were read. `bytes` and `bytes_total`: how many bytes of the file were
/// read, and how many it has.
///
/// Returns whether to continue; `false` stops the import.
pub type tenantry_import_progress = Option<
    unsafe extern "C" fn(context: *mut c_void, rows: u64, bytes: u64, bytes_total: u64) -> bool,
>;

/// Imports a file of users of any size, by running the operation `users.import_csv` for one part of
/// it after the other. Each part of at most 500 rows is a commit of its own.
///
/// `store`: an open store.
///
/// `actor`: who acts, as for `tenantry_call`; empty for the host itself.
///
/// `options`: a JSON object: `{"account": "acme", "role": "editor", "atomic": false}`. `account` is
/// the account of the rows that name none. `role`, which is optional, is the role for rows that
/// name none. With `atomic`, one bad row keeps all rows out; this is possible only for a file of at
/// most 1,000 rows and 900 KiB.
///
/// `csv`: the content of the file. The first line names the columns: `email`, and any of
/// `first_name`, `last_name`, `account`, `role`, `group`, `owner`, `disabled`. The text stays
/// yours, and is read until the call returns.
///
/// `progress`: called after each part, in the thread of the call, before the call returns; `NULL`
/// for none.
///
/// `context`: passed to `progress` unchanged.
///
/// `answer`: always receives a JSON object, which is yours to free: the result of the import
/// (`UserImport` in tenantry.json), or the error as for `tenantry_call`, in which
/// `details.rows_done` says how many rows were read before it.
///
/// Returns 0, or the number of the error; the parts that were imported before it stay. Bad rows are
/// not an error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_import_users(
    store: tenantry_store,
    actor: *const c_char,
    actor_len: usize,
    options: *const c_char,
    options_len: usize,
    csv: *const c_char,
    csv_len: usize,
    progress: tenantry_import_progress,
    context: *mut c_void,
    answer: *mut tenantry_text,
) -> i32 {
    if !is_place(answer) {
        return Code::InvalidArgument.number();
    }
    let answered = guarded(|| {
        // SAFETY: the caller's promise on the three texts.
        let (actor, options, csv) = unsafe {
            (
                bytes("actor", actor, actor_len)?,
                bytes("options", options, options_len)?,
                bytes("csv", csv, csv_len)?,
            )
        };
        let mut tell = |at: ImportProgress| match progress {
            // SAFETY: the caller's promise on the function.
            Some(progress) => unsafe { progress(context, at.rows, at.bytes, at.bytes_total) },
            None => true,
        };
        with_store(store, |tenantry| {
            tenantry.import_users_json(actor, options, csv, &mut tell)
        })
    });
    // SAFETY: a place by the test above.
    unsafe { self::answer(answer, answered.map(Some)) }
}
