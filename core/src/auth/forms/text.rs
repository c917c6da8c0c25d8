//! How numbers and bytes are written in hashes. Each value has one spelling: a hash in which a sign
//! was added, or a bit that nobody looks at was changed, is not the hash that was stored.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use base64ct::{Base64Pbkdf2, Base64ShaCrypt, Encoding};

/// The digits of the Base64 of `crypt(3)`, by their values.
const CRYPT_DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A number in decimal digits, without a sign and without zeros before it.
pub(super) fn decimal(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Bytes in lower-case hexadecimal digits, as all these programs write them.
pub(super) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// Bytes in the Base64 of RFC 4648, with padding.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Bytes in the Base64 of the PHC format: that of RFC 4648 without padding.
pub(super) fn phc_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok()
}

/// Bytes in the Base64 of passlib: with `.` in the place of `+`, without padding.
pub(super) fn passlib_base64(text: &str) -> Option<Vec<u8>> {
    Base64Pbkdf2::decode_vec(text).ok()
}

/// Bytes in the Base64 of `crypt(3)`: the first of three bytes in the lowest bits.
pub(super) fn crypt_base64(text: &str) -> Option<Vec<u8>> {
    Base64ShaCrypt::decode_vec(text).ok()
}

/// A number whose first digit in the Base64 of `crypt(3)` is the lowest.
pub(super) fn crypt_number(digits: &str) -> Option<u32> {
    digits.bytes().rev().try_fold(0_u32, |number, byte| {
        let value = CRYPT_DIGITS.iter().position(|digit| *digit == byte)?;
        number
            .checked_mul(64)?
            .checked_add(u32::try_from(value).ok()?)
    })
}

/// Whether a text is a salt of `crypt(3)`, of at most so many characters.
pub(super) fn is_crypt_salt(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| CRYPT_DIGITS.contains(&byte))
}
