//! The two ways to hash a password with MD5 for which there is no crate that is looked after: that
//! of `crypt(3)`, and that of phpass.

use md5::{Digest, Md5};
use zeroize::Zeroizing;

/// Bytes that MD5 gives.
pub(super) const BYTES: usize = 16;

/// The order in which `crypt(3)` writes the bytes of its hash.
const WRITTEN: [usize; BYTES] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];

fn md5(parts: &[&[u8]]) -> Zeroizing<[u8; BYTES]> {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(part);
    }
    Zeroizing::new(digest.finalize().into())
}

/// `$1$` of `crypt(3)`, in the order in which it is written.
pub(super) fn crypt(password: &[u8], salt: &[u8]) -> Zeroizing<[u8; BYTES]> {
    let mixed = md5(&[password, salt, password]);
    let mut digest = Md5::new();
    digest.update(password);
    digest.update(b"$1$");
    digest.update(salt);
    for chunk in password.chunks(BYTES) {
        digest.update(mixed.get(..chunk.len()).unwrap_or_default());
    }
    // For each bit of the length a zero or the first byte of the password: the first program that
    // did this had a mistake there, and all others follow it.
    let mut bits = password.len();
    while bits > 0 {
        let first = password.get(..1).unwrap_or_default();
        digest.update(if bits & 1 == 1 {
            b"\0".as_slice()
        } else {
            first
        });
        bits >>= 1;
    }
    let mut hash: Zeroizing<[u8; BYTES]> = Zeroizing::new(digest.finalize().into());
    for round in 0..1000 {
        let (first, last): (&[u8], &[u8]) = match round % 2 {
            0 => (&hash[..], password),
            _ => (password, &hash[..]),
        };
        let salt = if round % 3 == 0 { &[][..] } else { salt };
        let again = if round % 7 == 0 { &[][..] } else { password };
        hash = md5(&[first, salt, again, last]);
    }
    let mut written = Zeroizing::new([0; BYTES]);
    for (to, from) in written.iter_mut().zip(WRITTEN) {
        *to = hash.get(from).copied().unwrap_or_default();
    }
    written
}

/// phpass: as many rounds more as two to the power of `log_rounds`.
pub(super) fn phpass(password: &[u8], salt: &[u8], log_rounds: u32) -> Zeroizing<[u8; BYTES]> {
    let mut hash = md5(&[salt, password]);
    for _ in 0..1_u64.checked_shl(log_rounds).unwrap_or(u64::MAX) {
        hash = md5(&[&hash[..], password]);
    }
    hash
}
