//! Opens, calls and closes stores.

use crate::guard::{OK, guarded, no_handle, no_room, status};
use crate::handles::Table;
use crate::memory::{bytes, is_place, no_place, tenantry_text, text};
use once_cell::race::OnceBox;
use std::ffi::{CString, c_char};
use tenantry_core::{Code, Error, Tenantry};

static STORES: Table<Tenantry> = Table::new(1);

/// An open store. A number, not an address: a copy is the same handle, and zero is no handle.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tenantry_store {
    /// The library's own number; zero is no handle.
    pub id: u64,
}

/// Runs work on an open store.
pub(crate) fn with_store<R>(
    store: tenantry_store,
    work: impl FnOnce(&Tenantry) -> Result<R, Error>,
) -> Result<R, Error> {
    STORES.with(store.id, work).unwrap_or_else(no_handle)
}

/// The version of the loaded library, such as "0.1.0". Compare it with `TENANTRY_VERSION`.
///
/// Returns a static text, which is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The hash of the catalogue of operations in the loaded library, in hexadecimal. It equals
/// `TENANTRY_CATALOGUE_HASH` when the header and the library belong together.
///
/// Returns a static text, which is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_catalogue_hash() -> *const c_char {
    static HASH: OnceBox<CString> = OnceBox::new();
    let hash = guarded(|| {
        Ok(HASH.get_or_init(|| {
            Box::new(CString::new(tenantry_core::catalogue::hash()).unwrap_or_default())
        }))
    });
    hash.map_or(c"".as_ptr(), |hash| hash.as_ptr())
}

/// Opens a store, and creates it if there is none.
///
/// `path`: the folder of the store, or "sqlite:" and the path of a file in which SQLite keeps it,
/// or "postgresql://USER@HOST/DATABASE" for one in a database on a server, or ":memory:" for a
/// store in memory that ends when it is closed. Opening it again in the same process returns a
/// second handle on the same store. Other processes can open it too where SQLite or a server keeps
/// it; a folder is open in one process, and others are refused with `TENANTRY_STORE_LOCKED`.
///
/// `options`: a JSON object, or empty for the defaults: `{"durability": "full" | "relaxed",
/// "cache_mib": 64, "create": true, "lock_wait_ms": 0, "slow_ms": 1000, "edition": "standard" |
/// "commercial", "token_key": "64 hexadecimal digits", "peppers": [{"id": "2026", "key": "64
/// hexadecimal digits"}], "clock": {"manual_ms": 0}, "seed": 7}`. With `lock_wait_ms`, it waits so
/// many milliseconds, at most ten minutes, while another process has the store open. What takes
/// `slow_ms` milliseconds or longer is logged as slow (`tenantry_set_log`); with 0, nothing is.
/// Passwords are mixed with the first of the peppers before they are hashed. A hash that was made
/// with another pepper needs that pepper until its user logs in. Without a `token_key`, the store
/// keeps a key in a file beside its data; in PostgreSQL it is required. A store must always be
/// opened with the key with which it was created. `store_timeout_ms`, `poll_ms` and `stale_ms` are
/// for a store in PostgreSQL.
///
/// `store`: receives the handle, or zero. It is yours: free it with `tenantry_free`.
///
/// `error`: receives the error as JSON, which is yours to free; zeros on success.
///
/// Returns 0, or the number of the error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_open(
    path: *const c_char,
    path_len: usize,
    options: *const c_char,
    options_len: usize,
    store: *mut tenantry_store,
    error: *mut tenantry_text,
) -> i32 {
    if !is_place(error) {
        return Code::InvalidArgument.number();
    }
    let opened = guarded(|| {
        if !is_place(store) {
            return Err(no_place("store"));
        }
        // SAFETY: the caller's promise on `path` and `options`.
        let (path, options) = unsafe {
            (
                text("path", path, path_len)?,
                bytes("options", options, options_len)?,
            )
        };
        let tenantry = Tenantry::open_json(path, options)?;
        STORES.insert(tenantry).ok_or_else(no_room)
    });
    // SAFETY: both are places; `store` is tested again since its absence is one of the errors.
    unsafe {
        if is_place(store) {
            store.write(tenantry_store {
                id: *opened.as_ref().unwrap_or(&0),
            });
        }
        answer(error, opened.map(|_| None))
    }
}

/// Runs one operation of the catalogue (`tenantry.json` lists them all).
///
/// `store`: an open store.
///
/// `actor`: who acts, as a JSON object: `{"kind": "system"}`, or empty, for the host itself;
/// `{"kind": "user", "user": "ann", "account": "acme", "ip": "203.0.113.7"}` for a user in an
/// account; `{"kind": "operator", "user": "olga", "ip": "203.0.113.7"}` for an operator of the
/// platform; `{"kind": "session", "token": "...", "account": "acme", "ip": "203.0.113.7"}` for
/// whoever a session belongs to, where `account` may be left out for the only account that they
/// have; `{"kind": "api_key", "token": "...", "ip": "203.0.113.7"}` for a program with an API key.
/// `ip` is optional.
///
/// `operation`: its name, such as "members.add".
///
/// `request`: its request as a JSON object; an empty text stands for `{}`.
///
/// `answer`: always receives a JSON object, which is yours to free: the operation's answer, or the
/// error `{"code", "number", "class", "retry", "http_status", "smtp_reply", "message", "field",
/// "details"}`.
///
/// Returns 0 when the operation was carried out, or else the number of the error; nothing was
/// changed then.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_call(
    store: tenantry_store,
    actor: *const c_char,
    actor_len: usize,
    operation: *const c_char,
    operation_len: usize,
    request: *const c_char,
    request_len: usize,
    answer: *mut tenantry_text,
) -> i32 {
    if !is_place(answer) {
        return Code::InvalidArgument.number();
    }
    let answered = guarded(|| {
        // SAFETY: the caller's promise on the three texts.
        let (actor, operation, request) = unsafe {
            (
                bytes("actor", actor, actor_len)?,
                bytes("operation", operation, operation_len)?,
                bytes("request", request, request_len)?,
            )
        };
        with_store(store, |tenantry| {
            tenantry.call_json(actor, operation, request)
        })
    });
    // SAFETY: a place by the test above.
    unsafe { self::answer(answer, answered.map(Some)) }
}

/// Writes a text, or the JSON of an error, to the caller's place, and answers the status.
///
/// # Safety
/// `out` is a place to write.
pub(crate) unsafe fn answer(
    out: *mut tenantry_text,
    answered: Result<Option<String>, Error>,
) -> i32 {
    let (status, text) = match answered {
        Ok(text) => (OK, text),
        Err(error) => (error.code().number(), Some(error.to_json())),
    };
    // SAFETY: the caller's promise.
    unsafe { out.write(text.map_or(tenantry_text::NONE, tenantry_text::new)) };
    status
}

/// Closes a store: what was drawn ahead is given back, and everything is on the disk when the
/// function returns. This handle, and every handle that was prepared from it, answers
/// `TENANTRY_CLOSED` from now on. The handle still has to be freed.
///
/// Returns 0, or the number of the error: after an error, what was acknowledged is safe, but what
/// was drawn ahead may count as used.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_close(store: tenantry_store) -> i32 {
    status(guarded(|| with_store(store, Tenantry::close)))
}

/// Frees a handle, and closes the store if that has not been done. Zero and a handle that was freed
/// already are allowed. In a forked child, it frees the child's copy and does not touch the
/// parent's store.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_free(store: tenantry_store) {
    let _ = guarded(|| Ok(STORES.remove(store.id)));
}
