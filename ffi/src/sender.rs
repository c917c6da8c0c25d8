//! Sending: may n messages go out now?

use crate::errors::{http_status_of_send, smtp_reply_of_send};
use crate::guard::{OK, guarded, no_handle, no_room, status};
use crate::handles::Table;
use crate::memory::{bytes, is_place, no_place, optional_text, text};
use crate::store::{tenantry_store, with_store};
use std::ffi::c_char;
use tenantry_core::{Code, Decision, Error, Sender};

static SENDERS: Table<Sender> = Table::new(3);

/// A prepared sender. A number, not an address: a copy is the same handle, and zero is no handle.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tenantry_sender {
    /// The library's own number; zero is no handle.
    pub id: u64,
}

/// A decision about sending. Initialise it with `TENANTRY_DECISION_INIT`: `struct_size` tells the
/// library which fields the program knows, so that later versions can add fields.
#[repr(C)]
pub struct tenantry_decision {
    /// `sizeof(tenantry_decision)`; the program sets it before each call, and the library never
    /// changes it.
    pub struct_size: usize,
    /// How many messages may go out now: all that were asked for, or 0.
    pub granted: u64,
    /// 0 when they were granted, or else the reason: an error number such as
    /// `TENANTRY_QUOTA_EXCEEDED`.
    pub code: i32,
    /// What the host should do with messages that are refused: 0 nothing; 1 keep them until
    /// `retry_at_ms` (hold); 2 send them at `retry_at_ms`, because the limit spreads them over its
    /// window.
    pub over: u32,
    /// When it can help to ask again, in milliseconds since 1970; 0 when waiting alone never helps.
    pub retry_at_ms: u64,
    /// How many more messages could be granted now; `TENANTRY_UNLIMITED` when no limit applies, or
    /// when no limit was considered.
    pub remaining: u64,
    /// The value of the limit that refused.
    pub limit_value: u64,
    /// How much of that limit is used.
    pub limit_used: u64,
    /// How many of the granted messages credits paid for.
    pub credits: u64,
    /// The number of the ledger entry of these credits; pass it as `spend` to `sending.refund` to
    /// give back messages that failed.
    pub credits_entry: u64,
    /// How many credits are left when `code` is `TENANTRY_CREDITS_EXHAUSTED`; 0 otherwise.
    pub credits_left: u64,
    /// How much of the limit that refused is kept for accounts below to which a part of it is
    /// guaranteed.
    pub limit_kept_apart: u64,
    /// The name of the limit that refused, such as "email_per_day", or the id of the cap; empty
    /// when no limit refused.
    pub limit: [c_char; 72],
    /// Whose limit it is: "account", "ancestor" for an account above, or "group"; for a cap also
    /// "platform", "member", "campaign", "api_key", "sending_domain" or "recipient_domain".
    pub scope: [c_char; 24],
    /// Where its value comes from: "override", "package", "inherited", "platform_default", "group"
    /// or "cap".
    pub source: [c_char; 24],
    /// The id of the account, group, member, campaign or API key whose limit it is, or the name of
    /// the domain.
    pub subject: [c_char; 256],
}

// Growing the struct must not move what is there, nor hide new fields in padding.
const _: () = assert!(
    size_of::<tenantry_decision>() == std::mem::offset_of!(tenantry_decision, subject) + 256
);

/// Prepares the question whether messages may go out. Like a prepared statement, it can be asked
/// any number of times, from any thread, and sees every later change.
///
/// `account`: its id.
///
/// `user`: the id of the member who sends, and who needs the permission to send; `NULL` with length
/// 0 when the host itself sends for the account. An empty text that is not `NULL` is an error.
///
/// `options`: what kind of messages they are, as JSON; `NULL` with length 0 for e-mail without
/// anything further. The fields are `channel` (`"email"`, `"sms"`) and `message` with `campaign`,
/// `sending_domain`, `node`, `bounce_address`, `recipient_domain`, `api_key` and `message_class`
/// (`"marketing"`, `"transactional"`). Prepare a sender of its own for each kind. With `acting`,
/// the user sends themself: `ip` is the address from which they come, and allow-lists apply to it;
/// `api_key` is the id of the key with which a program acts for them. Without `acting`, the host
/// sends, and no address is checked.
///
/// `sender`: receives the handle, or zero. It is yours: free it with `tenantry_sender_free`.
///
/// Returns 0, or the number of the error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_sender_prepare(
    store: tenantry_store,
    account: *const c_char,
    account_len: usize,
    user: *const c_char,
    user_len: usize,
    options: *const c_char,
    options_len: usize,
    sender: *mut tenantry_sender,
) -> i32 {
    status(guarded(|| {
        if !is_place(sender) {
            return Err(no_place("sender"));
        }
        // SAFETY: a place by the test above; the caller's promise on the texts.
        unsafe {
            sender.write(tenantry_sender { id: 0 });
            let account = text("account", account, account_len)?;
            let user = optional_text("user", user, user_len)?;
            let options = bytes("options", options, options_len)?;
            let prepared = with_store(store, |tenantry| {
                tenantry.sender_json(account, user, options)
            })?;
            sender.write(tenantry_sender {
                id: SENDERS.insert(prepared).ok_or_else(no_room)?,
            });
        }
        Ok(())
    }))
}

/// Asks whether `count` messages may go out now, and charges them to every limit that applies, all
/// or nothing.
///
/// `decision`: receives the decision. A refusal is a decision, not an error; on an error, nothing
/// is granted and `code` is the error.
///
/// Returns 0 when there is a decision, granted or refused, or else the number of the error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_sender_admit(
    sender: tenantry_sender,
    count: u64,
    decision: *mut tenantry_decision,
) -> i32 {
    // SAFETY: the caller's promise on `decision`.
    unsafe {
        decide(decision, || {
            SENDERS
                .with(sender.id, |sender| sender.admit(count))
                .unwrap_or_else(no_handle)
        })
    }
}

/// Like `tenantry_sender_admit`, for callers that must not wait, such as an event loop: it decides
/// from memory, or does not decide and charges nothing.
///
/// `decision`: receives the decision. When memory alone cannot decide, nothing is granted and
/// `code` is `TENANTRY_BUSY`.
///
/// `decided`: receives whether memory could decide. If it could not, call `tenantry_sender_admit`
/// from a thread that may wait for the disk.
///
/// Returns 0, or the number of the error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_sender_try_admit(
    sender: tenantry_sender,
    count: u64,
    decision: *mut tenantry_decision,
    decided: *mut bool,
) -> i32 {
    // SAFETY: the caller's promise on `decision` and `decided`.
    unsafe {
        decide_at_once(decision, decided, || {
            SENDERS
                .with(sender.id, |sender| sender.try_admit(count))
                .unwrap_or_else(no_handle)
        })
    }
}

/// Frees a prepared sender. Zero and a handle that was freed already are allowed.
#[unsafe(no_mangle)]
pub extern "C" fn tenantry_sender_free(sender: tenantry_sender) {
    let _ = guarded(|| Ok(SENDERS.remove(sender.id)));
}

/// Asks whether `count` messages may go out now, by the ids of the account and the user. It does
/// the same as `tenantry_sender_prepare` and `tenantry_sender_admit`, for callers that ask only
/// once.
///
/// Returns 0 when there is a decision, granted or refused, or else the number of the error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_admit(
    store: tenantry_store,
    account: *const c_char,
    account_len: usize,
    user: *const c_char,
    user_len: usize,
    count: u64,
    decision: *mut tenantry_decision,
) -> i32 {
    // SAFETY: the caller's promise on the texts and on `decision`.
    unsafe {
        decide(decision, || {
            let account = text("account", account, account_len)?;
            let user = optional_text("user", user, user_len)?;
            with_store(store, |tenantry| tenantry.admit(account, user, count))
        })
    }
}

/// Like `tenantry_admit`, for callers that must not wait: it decides from memory, or does not
/// decide and charges nothing. It cannot decide about an account that is not in memory, and does
/// not say whether it exists.
///
/// `decision`, `decided`: as for `tenantry_sender_try_admit`.
///
/// Returns 0, or the number of the error.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_try_admit(
    store: tenantry_store,
    account: *const c_char,
    account_len: usize,
    user: *const c_char,
    user_len: usize,
    count: u64,
    decision: *mut tenantry_decision,
    decided: *mut bool,
) -> i32 {
    // SAFETY: the caller's promise on the texts, on `decision` and on `decided`.
    unsafe {
        decide_at_once(decision, decided, || {
            let account = text("account", account, account_len)?;
            let user = optional_text("user", user, user_len)?;
            with_store(store, |tenantry| tenantry.try_admit(account, user, count))
        })
    }
}

/// The status of HTTP with which the host answers its own client to this decision: 200 for a grant,
/// 429 for a refusal with `retry_at_ms` (send `Retry-After` with it), and else that of the code,
/// such as 403. It is 500 for `NULL` and for a decision without its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_decision_http_status(decision: *const tenantry_decision) -> i32 {
    // SAFETY: the caller's promise on `decision`.
    let (code, can_wait) = unsafe { outcome(decision) };
    http_status_of_send(code, can_wait)
}

/// The reply of SMTP with which the host answers `MAIL`, `RCPT` or the end of `DATA` to this
/// decision: "250 2.0.0" for a grant, "450 4.7.1" for a refusal with `retry_at_ms`, and else that
/// of the code, such as "550 5.7.1". The host adds a text to it. It is "451 4.3.0" for `NULL` and
/// for a decision without its `struct_size`.
///
/// Returns a static text, which is never freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tenantry_decision_smtp_reply(
    decision: *const tenantry_decision,
) -> *const c_char {
    // SAFETY: the caller's promise on `decision`.
    let (code, can_wait) = unsafe { outcome(decision) };
    smtp_reply_of_send(code, can_wait)
}

/// The code of a decision, and whether waiting helps.
///
/// # Safety
/// `decision` is `NULL`, or points to a struct whose `struct_size` is set correctly.
unsafe fn outcome(decision: *const tenantry_decision) -> (i32, bool) {
    // SAFETY: the rest is read only when it is there.
    unsafe {
        if !takes_decision(decision.cast_mut()) {
            return (Code::Internal.number(), false);
        }
        let code = (&raw const (*decision).code).read();
        (code, (&raw const (*decision).retry_at_ms).read() != 0)
    }
}

/// Whether a whole decision can be written to the caller's place.
///
/// # Safety
/// `out` is `NULL`, or points to a struct whose `struct_size` is set correctly.
#[inline]
unsafe fn takes_decision(out: *mut tenantry_decision) -> bool {
    // SAFETY: `struct_size` is read only through a place.
    is_place(out)
        && unsafe { (&raw const (*out).struct_size).read() } >= size_of::<tenantry_decision>()
}

/// Writes a decision to the caller's place.
///
/// # Safety
/// `out` is `NULL`, or points to a struct whose `struct_size` is set correctly.
#[inline]
unsafe fn decide(
    out: *mut tenantry_decision,
    ask: impl FnOnce() -> Result<Decision, Error>,
) -> i32 {
    // SAFETY: the rest is written only when it is there.
    unsafe {
        if !takes_decision(out) {
            return Code::InvalidArgument.number();
        }
        match guarded(ask) {
            Ok(decision) => {
                write(out, &decision);
                OK
            }
            Err(error) => {
                let code = error.code().number();
                clear(out, 0, code, 0, 0);
                code
            }
        }
    }
}

/// Like [`decide`], and says whether there is a decision.
///
/// # Safety
/// The same as for [`decide`]; `decided` is `NULL`, or a place for a `bool`.
#[inline]
unsafe fn decide_at_once(
    out: *mut tenantry_decision,
    decided: *mut bool,
    ask: impl FnOnce() -> Result<Option<Decision>, Error>,
) -> i32 {
    // SAFETY: everything is written only when it is there.
    unsafe {
        if !is_place(decided) {
            let code = Code::InvalidArgument.number();
            if takes_decision(out) {
                clear(out, 0, code, 0, 0);
            }
            return code;
        }
        decided.write(false);
        if !takes_decision(out) {
            return Code::InvalidArgument.number();
        }
        match guarded(ask) {
            Ok(Some(decision)) => {
                write(out, &decision);
                decided.write(true);
                OK
            }
            // Whoever looks at nothing but the code sends nothing.
            Ok(None) => {
                clear(out, 0, Code::Busy.number(), 0, 0);
                OK
            }
            Err(error) => {
                let code = error.code().number();
                clear(out, 0, code, 0, 0);
                code
            }
        }
    }
}

/// # Safety
/// `out` is a place for the whole struct.
#[inline]
unsafe fn write(out: *mut tenantry_decision, decision: &Decision) {
    let remaining = decision.remaining.unwrap_or(u64::MAX);
    // SAFETY: the caller's promise.
    unsafe {
        let Some(refusal) = &decision.refusal else {
            clear(out, decision.granted, OK, 0, remaining);
            if let Some(paid) = &decision.credits {
                (&raw mut (*out).credits).write(paid.amount);
                (&raw mut (*out).credits_entry).write(paid.entry);
            }
            return;
        };
        clear(
            out,
            decision.granted,
            refusal.code.number(),
            refusal.retry_at_ms.unwrap_or(0),
            remaining,
        );
        (&raw mut (*out).over).write(match refusal.over.map(|over| over.name()) {
            Some("hold") => 1,
            Some("spread") => 2,
            _ => 0,
        });
        (&raw mut (*out).credits_left).write(refusal.credits_left.unwrap_or(0));
        if let Some(limit) = &refusal.limit {
            (&raw mut (*out).limit_value).write(limit.value);
            (&raw mut (*out).limit_used).write(limit.used);
            (&raw mut (*out).limit_kept_apart).write(limit.kept_apart.unwrap_or(0));
            copy(&raw mut (*out).limit, &limit.name);
            copy(&raw mut (*out).scope, &limit.scope);
            copy(&raw mut (*out).source, &limit.source);
            copy(&raw mut (*out).subject, &limit.subject);
        }
    }
}

/// Writes the struct without a limit. The texts are ended at their first byte and not cleared,
/// because this runs for each message.
///
/// # Safety
/// `out` is a place for the whole struct.
#[inline]
unsafe fn clear(
    out: *mut tenantry_decision,
    granted: u64,
    code: i32,
    retry_at_ms: u64,
    remaining: u64,
) {
    // SAFETY: the caller's promise.
    unsafe {
        (&raw mut (*out).granted).write(granted);
        (&raw mut (*out).code).write(code);
        (&raw mut (*out).over).write(0);
        (&raw mut (*out).retry_at_ms).write(retry_at_ms);
        (&raw mut (*out).remaining).write(remaining);
        (&raw mut (*out).limit_value).write(0);
        (&raw mut (*out).limit_used).write(0);
        (&raw mut (*out).credits).write(0);
        (&raw mut (*out).credits_entry).write(0);
        (&raw mut (*out).credits_left).write(0);
        (&raw mut (*out).limit_kept_apart).write(0);
        (&raw mut (*out).limit).cast::<c_char>().write(0);
        (&raw mut (*out).scope).cast::<c_char>().write(0);
        (&raw mut (*out).source).cast::<c_char>().write(0);
        (&raw mut (*out).subject).cast::<c_char>().write(0);
    }
}

/// Copies as much of a text as fits, in whole characters, and ends it with a NUL.
///
/// # Safety
/// `out` is a place for the whole array.
#[inline]
unsafe fn copy<const SIZE: usize>(out: *mut [c_char; SIZE], text: &str) {
    let end = text.floor_char_boundary(SIZE - 1);
    let out = out.cast::<c_char>();
    // SAFETY: the caller's promise; less than the size of the array, and one more for its end.
    unsafe {
        out.copy_from_nonoverlapping(text.as_ptr().cast(), end);
        out.add(end).write(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in an array of 16 characters, and what lies behind it.
    fn copied(text: &str) -> Vec<u8> {
        let mut places: [[c_char; 16]; 2] = [[7; 16]; 2];
        // SAFETY: an array of this function.
        unsafe { copy(&raw mut places[0], text) };
        assert_eq!(places[1], [7; 16]);
        let end = places[0].iter().position(|char| *char == 0).unwrap();
        places[0][..=end].iter().map(|char| *char as u8).collect()
    }

    #[test]
    fn without_a_place_for_whether_it_was_decided_nothing_is_granted() {
        // SAFETY: numbers and arrays of them, of which all may be zero.
        let mut decision: tenantry_decision = unsafe { std::mem::zeroed() };
        decision.struct_size = size_of::<tenantry_decision>();
        decision.granted = 7;
        let ask = || unreachable!("there is nowhere to say whether it was decided");
        // SAFETY: a place of this function, and none.
        let code = unsafe { decide_at_once(&raw mut decision, std::ptr::null_mut(), ask) };
        let refused = Code::InvalidArgument.number();
        assert_eq!(
            (code, decision.granted, decision.code),
            (refused, 0, refused)
        );
    }

    #[test]
    fn texts_are_cut_between_characters_and_always_ended() {
        assert_eq!(copied(""), b"\0");
        assert_eq!(copied("account"), b"account\0");
        assert_eq!(copied("123456789012345"), b"123456789012345\0");
        assert_eq!(copied("1234567890123456"), b"123456789012345\0");
        assert_eq!(copied("12345678901234é"), b"12345678901234\0");
    }
}
