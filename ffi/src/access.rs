//! Permission checks: may this user do this here?

use crate::guard::{OK, guarded, no_handle, no_room, status};
use crate::handles::Table;
use crate::memory::{is_place, no_place, text};
use crate::store::{tenantry_store, with_store};
use std::ffi::c_char;
use tenantry_core::{Access, Error};

static ACCESSES: Table<Access> = Table::new(2);

/// A prepared permission check. A number, not an address: a copy is the same handle, and zero is no
/// handle.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tenantry_access {
    /// The library's own number; zero is no handle.
    pub id: u64,
}

/// Prepares the check whether a user holds a permission in an account. Like a prepared statement,
/// it can be asked any number of times, from any thread, and sees every later change.
///
/// `account`, `user`, `permission`: their ids.
///
/// `access`: receives the handle, or zero. It is yours: free it with `tenantry_access_free`.
///
/// Returns 0, or the number of the error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_access_prepare(
    store: tenantry_store,
    account: *const c_char,
    account_len: usize,
    user: *const c_char,
    user_len: usize,
    permission: *const c_char,
    permission_len: usize,
    access: *mut tenantry_access,
) -> i32 {
    status(guarded(|| {
        if !is_place(access) {
            return Err(no_place("access"));
        }
        // SAFETY: a place by the test above; the caller's promise on the texts.
        unsafe {
            access.write(tenantry_access { id: 0 });
            let account = text("account", account, account_len)?;
            let user = text("user", user, user_len)?;
            let permission = text("permission", permission, permission_len)?;
            let prepared =
                with_store(store, |tenantry| tenantry.access(account, user, permission))?;
            access.write(tenantry_access {
                id: ACCESSES.insert(prepared).ok_or_else(no_room)?,
            });
        }
        Ok(())
    }))
}

/// Asks a prepared permission check. It reads memory; it reads the store only when the check is
/// asked for the first time, or when something has changed since.
///
/// `allowed`: receives the answer; `false` on every error.
///
/// Returns 0 when there is an answer, or else the number of the error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_access_allowed(
    access: tenantry_access,
    allowed: *mut bool,
) -> i32 {
    // SAFETY: the caller's promise on `allowed`.
    unsafe {
        check(allowed, || {
            ACCESSES
                .with(access.id, Access::allowed)
                .unwrap_or_else(no_handle)
        })
    }
}

/// Like `tenantry_access_allowed`, for callers that must not wait, such as an event loop: it
/// answers from memory or not at all.
///
/// `allowed`: receives the answer; `false` on every error, and when the answer is not in memory.
///
/// `known`: receives whether the answer was in memory. If it was not, call
/// `tenantry_access_allowed` from a thread that may wait for the disk.
///
/// Returns 0, or the number of the error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_access_try_allowed(
    access: tenantry_access,
    allowed: *mut bool,
    known: *mut bool,
) -> i32 {
    // SAFETY: the caller's promise on `allowed` and `known`.
    unsafe {
        check_at_once(allowed, known, || {
            ACCESSES
                .with(access.id, Access::try_allowed)
                .unwrap_or_else(no_handle)
        })
    }
}

/// Frees a prepared permission check. Zero and a handle that was freed already are allowed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_access_free(access: tenantry_access) {
    let _ = guarded(|| Ok(ACCESSES.remove(access.id)));
}

/// Asks whether a user holds a permission in an account, by their ids. It gives the same answer as
/// `tenantry_access_allowed`, for callers that ask only once. The answer is no for a user who is no
/// member; an account or a permission that does not exist is an error (`TENANTRY_NOT_FOUND`,
/// `TENANTRY_PERMISSION_UNKNOWN`).
///
/// `allowed`: receives the answer; `false` on every error.
///
/// Returns 0 when there is an answer, or else the number of the error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_allowed(
    store: tenantry_store,
    account: *const c_char,
    account_len: usize,
    user: *const c_char,
    user_len: usize,
    permission: *const c_char,
    permission_len: usize,
    allowed: *mut bool,
) -> i32 {
    // SAFETY: the caller's promise on the texts and on `allowed`.
    unsafe {
        check(allowed, || {
            let account = text("account", account, account_len)?;
            let user = text("user", user, user_len)?;
            let permission = text("permission", permission, permission_len)?;
            with_store(store, |tenantry| {
                tenantry.allowed(account, user, permission)
            })
        })
    }
}

/// Like `tenantry_allowed`, for callers that must not wait: it answers from memory or not at all.
/// It cannot answer about an account or a user that is not in memory, and does not say whether it
/// exists.
///
/// `allowed`, `known`: as for `tenantry_access_try_allowed`.
///
/// Returns 0, or the number of the error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_try_allowed(
    store: tenantry_store,
    account: *const c_char,
    account_len: usize,
    user: *const c_char,
    user_len: usize,
    permission: *const c_char,
    permission_len: usize,
    allowed: *mut bool,
    known: *mut bool,
) -> i32 {
    // SAFETY: the caller's promise on the texts, on `allowed` and on `known`.
    unsafe {
        check_at_once(allowed, known, || {
            let account = text("account", account, account_len)?;
            let user = text("user", user, user_len)?;
            let permission = text("permission", permission, permission_len)?;
            with_store(store, |tenantry| {
                tenantry.try_allowed(account, user, permission)
            })
        })
    }
}

/// Like [`check`], and says whether there is an answer.
///
/// # Safety
/// `allowed` and `known` are `NULL` or valid for writing.
#[inline]
unsafe fn check_at_once(
    allowed: *mut bool,
    known: *mut bool,
    ask: impl FnOnce() -> Result<Option<bool>, Error>,
) -> i32 {
    if !is_place(known) {
        // Whoever looks at nothing but the answer is allowed nothing.
        if is_place(allowed) {
            // SAFETY: a place by the test above.
            unsafe { allowed.write(false) };
        }
        return no_place("known").code().number();
    }
    let mut answer = None;
    // SAFETY: the caller's promise; a place by the test above.
    unsafe {
        let status = check(allowed, || {
            answer = ask()?;
            Ok(answer.unwrap_or(false))
        });
        known.write(status == OK && answer.is_some());
        status
    }
}

/// Writes the answer to a question to the caller's place.
///
/// # Safety
/// `allowed` is `NULL` or valid for writing.
#[inline]
unsafe fn check(allowed: *mut bool, ask: impl FnOnce() -> Result<bool, Error>) -> i32 {
    if !is_place(allowed) {
        return no_place("allowed").code().number();
    }
    let answer = guarded(ask);
    // SAFETY: a place by the test above.
    unsafe { allowed.write(*answer.as_ref().unwrap_or(&false)) };
    status(answer.map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::null_mut;

    #[test]
    fn without_one_place_the_other_says_no() {
        let (mut allowed, mut known) = (true, true);
        let yes = || Ok(Some(true));
        // SAFETY: places of this function, and none.
        let statuses = unsafe {
            [
                check_at_once(&raw mut allowed, null_mut(), yes),
                check_at_once(null_mut(), &raw mut known, yes),
                check_at_once(null_mut(), null_mut(), yes),
            ]
        };
        let refused = tenantry_core::Code::InvalidArgument.number();
        assert_eq!((statuses, allowed, known), ([refused; 3], false, false));
    }
}
