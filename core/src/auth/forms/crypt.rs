//! Hashes in the forms of `crypt(3)`, and those that are made of them: fields after dollar signs.

use crate::auth::forms::algorithm::{Before, Hashed};
use crate::auth::forms::md5;
use crate::auth::forms::text::{crypt_base64, crypt_number, decimal, is_crypt_salt};
use scrypt::Params;
use yescrypt::Mode;

/// Bytes that come out of scrypt and yescrypt.
const OUTPUT: usize = 32;
/// Rounds of `$5$` and `$6$` where none are given.
const ROUNDS: u32 = 5000;

/// `$2b$…`, and what other programs put before it.
fn bcrypt_after(text: &str, before: Before) -> Option<Hashed> {
    let parts: bcrypt::HashParts = text.parse().ok()?;
    let cost = parts.get_cost();
    // The crate takes a sign for a digit.
    let written = text.get(4..6)?;
    (written.bytes().all(|byte| byte.is_ascii_digit()) && (4..=31).contains(&cost)).then(|| {
        Hashed::Bcrypt {
            before,
            text: text.to_owned(),
            cost,
        }
    })
}

pub(super) fn bcrypt(text: &str) -> Option<Hashed> {
    bcrypt_after(text, Before::Nothing)
}

/// `$wp$2y$…` of WordPress.
pub(super) fn wordpress(text: &str) -> Option<Hashed> {
    bcrypt_after(text.strip_prefix("$wp")?, Before::WordPress)
}

/// `bcrypt$$2b$…` of Django.
pub(super) fn django_bcrypt(text: &str) -> Option<Hashed> {
    bcrypt(text.strip_prefix("bcrypt$")?)
}

/// `bcrypt_sha256$$2b$…` of Django.
pub(super) fn django_bcrypt_sha256(text: &str) -> Option<Hashed> {
    bcrypt_after(text.strip_prefix("bcrypt_sha256$")?, Before::Sha256)
}

/// `$6$salt$…` and `$6$rounds=…$salt$…`, and the same of `$5$`.
pub(super) fn sha_crypt(text: &str) -> Option<Hashed> {
    let fields: Vec<&str> = text.split('$').collect();
    let (name, rounds, salt, output) = match fields.as_slice() {
        ["", name, salt, output] => (name, ROUNDS, salt, output),
        ["", name, rounds, salt, output] => {
            let rounds = decimal(rounds.strip_prefix("rounds=")?)?;
            (name, rounds, salt, output)
        }
        _ => return None,
    };
    let bytes = if *name == "5" { 32 } else { 64 };
    let is_whole = crypt_base64(output)?.len() == bytes && is_crypt_salt(salt, 16);
    (is_whole && rounds >= 1000).then(|| Hashed::ShaCrypt {
        text: text.to_owned(),
        rounds,
    })
}

/// `$1$salt$…`.
pub(super) fn md5_crypt(text: &str) -> Option<Hashed> {
    let (salt, output) = text.strip_prefix("$1$")?.split_once('$')?;
    let output = crypt_base64(output)?;
    (is_crypt_salt(salt, 8) && output.len() == md5::BYTES).then(|| Hashed::Md5Crypt {
        salt: salt.to_owned(),
        output,
    })
}

/// `$P$` and `$H$`: a digit for the rounds, a salt of eight characters, and the output.
pub(super) fn phpass(text: &str) -> Option<Hashed> {
    let log_rounds = crypt_number(text.get(3..4)?)?;
    let salt = text.get(4..12)?;
    let output = crypt_base64(text.get(12..)?)?;
    let is_whole = is_crypt_salt(salt, 8) && output.len() == md5::BYTES;
    (is_whole && (7..=30).contains(&log_rounds)).then(|| Hashed::Phpass {
        log_rounds,
        salt: salt.to_owned(),
        output,
    })
}

/// The parameters of scrypt, where they are some: the crate adds and multiplies them unchecked.
pub(super) fn scrypt_params(log_n: u32, r: u32, p: u32) -> Option<Params> {
    let is_sane = (1..32).contains(&log_n) && r >= 1 && p >= 1;
    (is_sane && u64::from(r) * u64::from(p) < 1 << 30)
        .then(|| Params::new(u8::try_from(log_n).ok()?, r, p).ok())
        .flatten()
}

/// `$7$`: a digit and twice five for the parameters, the salt, and the output.
pub(super) fn scrypt(text: &str) -> Option<Hashed> {
    let (head, output) = text.strip_prefix("$7$")?.split_once('$')?;
    let number = |from, to| crypt_number(head.get(from..to)?);
    let params = scrypt_params(number(0, 1)?, number(1, 6)?, number(6, 11)?)?;
    let salt = head.get(11..)?;
    let output = crypt_base64(output)?;
    (is_crypt_salt(salt, 128) && output.len() == OUTPUT).then(|| Hashed::Scrypt {
        params,
        salt: salt.as_bytes().to_vec(),
        output,
    })
}

/// `$y$…` as `crypt(3)` makes it: memory that is read and written, one thread, and no time more
/// than that takes. Other parameters are used by nobody, and could ask for any time.
pub(super) fn yescrypt(text: &str) -> Option<Hashed> {
    let fields: Vec<&str> = text.split('$').collect();
    let ["", "y", written, salt, output] = fields.as_slice() else {
        return None;
    };
    let params: yescrypt::Params = written.parse().ok()?;
    // `N` and `r` of the text are what writes it, so that it ends where they end.
    let is_sane = params.n() < 1 << 32 && params.r() < 1 << 16;
    let usual = is_sane
        .then(|| yescrypt::Params::new(Mode::Rw, params.n(), params.r(), 1).ok())
        .flatten()?;
    let (salt, output) = (crypt_base64(salt)?, crypt_base64(output)?);
    let is_whole = output.len() == OUTPUT && (1..=64).contains(&salt.len());
    (params == usual && usual.to_string() == *written && is_whole).then_some(Hashed::Yescrypt {
        params,
        salt,
        output,
    })
}
