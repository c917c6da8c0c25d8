//! Hashes in the PHC format, and in the forms of Dovecot, Django, Werkzeug and passlib.

use crate::auth::forms::algorithm::{Digest, Hashed};
use crate::auth::forms::crypt::scrypt_params;
use crate::auth::forms::text::{base64, decimal, hexadecimal, passlib_base64, phc_base64};
use argon2::Params;
use argon2::password_hash::phc::PasswordHash;

/// `$argon2id$v=19$m=…,t=…,p=…$salt$output`. Without a version it would be the first one, which the
/// crate takes for the last.
pub(super) fn argon2(text: &str) -> Option<Hashed> {
    let hash = PasswordHash::new(text).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let is_known = matches!(hash.version, Some(16 | 19));
    // What is not there would have the value that the crate begins with.
    let names = hash.params.iter().map(|(name, _)| name);
    let has_all = names.map(|name| name.to_string()).eq(["m", "t", "p"]);
    let is_whole = is_known && has_all && hash.salt.is_some() && hash.hash.is_some();
    // Written again it is the same: no number has zeros before it.
    (is_whole && hash.to_string() == text).then(|| Hashed::Argon2 {
        text: text.to_owned(),
        memory_kib: params.m_cost(),
        passes: params.t_cost(),
    })
}

/// `argon2$argon2id$…` of Django.
pub(super) fn django_argon2(text: &str) -> Option<Hashed> {
    argon2(text.strip_prefix("argon2")?)
}

/// An output of as many bytes as the function gives. PBKDF2 and scrypt give the same first bytes
/// however many they are asked for: a hash that lost its end would still fit.
fn pbkdf2_of(digest: Digest, rounds: u32, salt: Vec<u8>, output: Vec<u8>) -> Option<Hashed> {
    let is_whole = rounds > 0 && !salt.is_empty() && output.len() == digest.bytes();
    is_whole.then_some(Hashed::Pbkdf2 {
        digest,
        rounds,
        salt,
        output,
    })
}

/// `$pbkdf2-sha256$29000$salt$output` of passlib, and `$pbkdf2-sha256$i=…,l=…$salt$output` of PHC.
pub(super) fn pbkdf2(text: &str) -> Option<Hashed> {
    let fields: Vec<&str> = text.split('$').collect();
    let ["", name, parameters, salt, output] = fields.as_slice() else {
        return None;
    };
    let digest = match *name {
        "pbkdf2" => Digest::Sha1,
        "pbkdf2-sha256" => Digest::Sha256,
        "pbkdf2-sha512" => Digest::Sha512,
        _ => return None,
    };
    let Some(parameters) = parameters.strip_prefix("i=") else {
        let (salt, output) = (passlib_base64(salt)?, passlib_base64(output)?);
        return pbkdf2_of(digest, decimal(parameters)?, salt, output);
    };
    let (salt, output) = (phc_base64(salt)?, phc_base64(output)?);
    let Some((rounds, bytes)) = parameters.split_once(",l=") else {
        return pbkdf2_of(digest, decimal(parameters)?, salt, output);
    };
    let (rounds, bytes) = (decimal(rounds)?, decimal(bytes)? as usize);
    let is_whole = rounds > 0 && !salt.is_empty() && output.len() == bytes;
    (is_whole && bytes >= Digest::Sha1.bytes()).then_some(Hashed::Pbkdf2 {
        digest,
        rounds,
        salt,
        output,
    })
}

/// `pbkdf2_sha256$rounds$salt$output` of Django.
pub(super) fn django_pbkdf2(text: &str) -> Option<Hashed> {
    let fields: Vec<&str> = text.split('$').collect();
    let [name, rounds, salt, output] = fields.as_slice() else {
        return None;
    };
    let digest = match *name {
        "pbkdf2_sha1" => Digest::Sha1,
        "pbkdf2_sha256" => Digest::Sha256,
        _ => return None,
    };
    let salt = salt.as_bytes().to_vec();
    pbkdf2_of(digest, decimal(rounds)?, salt, base64(output)?)
}

/// The words, the salt and the output of a hash of Werkzeug: `scrypt:32768:8:1$salt$output`.
fn werkzeug(text: &str) -> Option<(Vec<&str>, Vec<u8>, Vec<u8>)> {
    let (words, rest) = text.split_once('$')?;
    let (salt, output) = rest.split_once('$')?;
    let (salt, output) = (salt.as_bytes().to_vec(), hexadecimal(output)?);
    Some((words.split(':').collect(), salt, output))
}

/// `pbkdf2:sha256:rounds$salt$output` of Werkzeug.
pub(super) fn werkzeug_pbkdf2(text: &str) -> Option<Hashed> {
    let (words, salt, output) = werkzeug(text)?;
    let ["pbkdf2", name, rounds] = words.as_slice() else {
        return None;
    };
    let digest = match *name {
        "sha1" => Digest::Sha1,
        "sha256" => Digest::Sha256,
        "sha512" => Digest::Sha512,
        _ => return None,
    };
    pbkdf2_of(digest, decimal(rounds)?, salt, output)
}

/// `$1$salt$rounds$output` of Dovecot's scheme `PBKDF2`.
pub(super) fn dovecot_pbkdf2(text: &str) -> Option<Hashed> {
    let fields: Vec<&str> = text.split('$').collect();
    let ["", "1", salt, rounds, output] = fields.as_slice() else {
        return None;
    };
    let salt = salt.as_bytes().to_vec();
    pbkdf2_of(Digest::Sha1, decimal(rounds)?, salt, hexadecimal(output)?)
}

fn scrypt_of(
    [log_n, r, p]: [u32; 3],
    salt: Vec<u8>,
    output: Vec<u8>,
    bytes: usize,
) -> Option<Hashed> {
    let params = scrypt_params(log_n, r, p)?;
    (!salt.is_empty() && output.len() == bytes).then_some(Hashed::Scrypt {
        params,
        salt,
        output,
    })
}

/// The logarithm of a power of two.
fn logarithm(number: u32) -> Option<u32> {
    number.is_power_of_two().then(|| number.trailing_zeros())
}

/// `$scrypt$ln=16,r=8,p=1$salt$output` of PHC and of passlib.
pub(super) fn scrypt(text: &str) -> Option<Hashed> {
    let fields: Vec<&str> = text.split('$').collect();
    let ["", "scrypt", parameters, salt, output] = fields.as_slice() else {
        return None;
    };
    let parameters: Vec<&str> = parameters.split(',').collect();
    let [log_n, r, p] = parameters.as_slice() else {
        return None;
    };
    let parameters = [
        decimal(log_n.strip_prefix("ln=")?)?,
        decimal(r.strip_prefix("r=")?)?,
        decimal(p.strip_prefix("p=")?)?,
    ];
    scrypt_of(parameters, phc_base64(salt)?, phc_base64(output)?, 32)
}

/// `scrypt$N$salt$r$p$output` of Django.
pub(super) fn django_scrypt(text: &str) -> Option<Hashed> {
    let fields: Vec<&str> = text.split('$').collect();
    let ["scrypt", n, salt, r, p, output] = fields.as_slice() else {
        return None;
    };
    let parameters = [logarithm(decimal(n)?)?, decimal(r)?, decimal(p)?];
    scrypt_of(parameters, salt.as_bytes().to_vec(), base64(output)?, 64)
}

/// `scrypt:N:r:p$salt$output` of Werkzeug.
pub(super) fn werkzeug_scrypt(text: &str) -> Option<Hashed> {
    let (words, salt, output) = werkzeug(text)?;
    let ["scrypt", n, r, p] = words.as_slice() else {
        return None;
    };
    let parameters = [logarithm(decimal(n)?)?, decimal(r)?, decimal(p)?];
    scrypt_of(parameters, salt, output, 64)
}

/// The bytes of Dovecot's `SSHA`: what came out, and behind it the salt.
fn salted(digest: Digest, bytes: &[u8]) -> Option<Hashed> {
    let (output, salt) = bytes.split_at_checked(digest.bytes())?;
    (!salt.is_empty()).then(|| Hashed::Salted {
        digest,
        salt: salt.to_vec(),
        output: output.to_vec(),
    })
}

pub(super) fn ssha(bytes: &[u8]) -> Option<Hashed> {
    salted(Digest::Sha1, bytes)
}

pub(super) fn ssha256(bytes: &[u8]) -> Option<Hashed> {
    salted(Digest::Sha256, bytes)
}

pub(super) fn ssha512(bytes: &[u8]) -> Option<Hashed> {
    salted(Digest::Sha512, bytes)
}
