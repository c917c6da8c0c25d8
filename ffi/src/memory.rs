//! Every read and write of the caller's memory.

use std::ffi::c_char;
use tenantry_core::Error;
use zeroize::{Zeroize, Zeroizing};

/// The bytes that a caller passes as a pointer and a length. `NULL` with length 0 is an empty text.
///
/// # Safety
/// A pointer that is not `NULL` is valid for reading `len` bytes until the call returns.
#[inline]
pub(crate) unsafe fn bytes<'a>(
    name: &str,
    data: *const c_char,
    len: usize,
) -> Result<&'a [u8], Error> {
    if len == 0 {
        return Ok(&[]);
    }
    // A range that no object can have is surely a mistake, and a slice of it would be undefined.
    if data.is_null() || len > isize::MAX as usize || data.addr().checked_add(len).is_none() {
        return Err(impossible(name, len));
    }
    // SAFETY: not null, not too long, and valid by the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

#[cold]
fn impossible(name: &str, len: usize) -> Error {
    Error::invalid(
        format!("/{name}"),
        format!("`{name}` does not point at a text of {len} bytes; pass the text and its length."),
    )
}

/// The UTF-8 text that a caller passes as a pointer and a length.
///
/// # Safety
/// The same as for [`bytes`].
#[inline]
pub(crate) unsafe fn text<'a>(
    name: &str,
    data: *const c_char,
    len: usize,
) -> Result<&'a str, Error> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { bytes(name, data, len) }?;
    if bytes.is_ascii() {
        // SAFETY: ASCII is UTF-8. Most ids are, and for short texts this test costs half as much.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    std::str::from_utf8(bytes).map_err(|_| {
        Error::invalid(
            format!("/{name}"),
            format!("`{name}` is not UTF-8; pass UTF-8."),
        )
    })
}

/// Like [`text`], but `NULL` with length 0 is *none*. An empty text that is not `NULL` stays an
/// empty text, which the core refuses: a host that lost the name of a user must not be taken for a
/// host that names no user.
///
/// # Safety
/// The same as for [`bytes`].
#[inline]
pub(crate) unsafe fn optional_text<'a>(
    name: &str,
    data: *const c_char,
    len: usize,
) -> Result<Option<&'a str>, Error> {
    if data.is_null() && len == 0 {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { text(name, data, len) }.map(Some)
}

/// Whether the library can write through a pointer of the caller.
#[inline]
pub(crate) fn is_place<T>(out: *mut T) -> bool {
    !out.is_null() && out.is_aligned()
}

#[cold]
pub(crate) fn no_place(name: &str) -> Error {
    Error::invalid(
        format!("/{name}"),
        format!("`{name}` is NULL or not aligned; pass a pointer to which the call can write."),
    )
}

/// A text that the library made. It belongs to the caller, who frees it with `tenantry_text_free`.
///
/// The library always writes both fields, and never reads or frees what they held before.
#[repr(C)]
pub struct tenantry_text {
    /// The text in UTF-8, ended by a NUL that does not count in `len`; `NULL` when there is no
    /// text.
    pub data: *mut c_char,
    /// The number of bytes. Do not change it: `tenantry_text_free` needs it to free the text.
    pub len: usize,
}

impl tenantry_text {
    pub(crate) const NONE: tenantry_text = tenantry_text {
        data: std::ptr::null_mut(),
        len: 0,
    };

    pub(crate) fn new(text: String) -> tenantry_text {
        // An answer may hold a token: what it is copied from keeps none.
        let text = Zeroizing::new(text);
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        tenantry_text {
            data: Box::into_raw(bytes.into_boxed_slice()).cast(),
            len: text.len(),
        }
    }
}

/// Frees a text and sets the struct to zero, so that freeing it again does nothing.
///
/// `text`: a text that this library filled, a struct of zeros, or `NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_text_free(text: *mut tenantry_text) {
    if !is_place(text) {
        return;
    }
    // SAFETY: a place by the test above; what it holds came from `tenantry_text::new` by the
    // caller's promise.
    unsafe {
        let tenantry_text { data, len } = text.replace(tenantry_text::NONE);
        if !data.is_null() {
            Box::from_raw(std::ptr::slice_from_raw_parts_mut(
                data.cast::<u8>(),
                len + 1,
            ))
            .zeroize();
        }
    }
}
