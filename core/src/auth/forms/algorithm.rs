//! What a hash of a password was computed by, how a password is compared with it, and how much work
//! that may be.

use crate::auth::forms::md5;
use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac;
use sha_crypt::ShaCrypt;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Of 72 bytes bcrypt cannot tell whether more followed.
const LOOKED_AT_BY_BCRYPT: usize = 72;
/// What PHP trims, and WordPress with it.
const TRIMMED_BY_PHP: [char; 6] = [' ', '\t', '\n', '\r', '\0', '\x0b'];

/// The most work that a hash may ask for. Each is about a second of one core, and at most 256 MiB
/// of memory, so that nobody imports a hash to make log-ins slow (R-SES-1).
pub(super) struct Limit {
    most: u64,
    unit: &'static str,
}

const fn at_most(most: u64, unit: &'static str) -> Limit {
    Limit { most, unit }
}

/// Of 4 passes at least: so 256 MiB are the most memory.
pub(super) const ARGON2: Limit = at_most(
    LEAST_PASSES * (256 << 10),
    "KiB times passes, counted as 4 or more",
);
const LEAST_PASSES: u64 = 4;
pub(super) const BCRYPT: Limit = at_most(14, "as the cost");
pub(super) const SHA_CRYPT: Limit = at_most(1_000_000, "rounds");
/// Each unit takes 128 bytes of memory.
pub(super) const SCRYPT: Limit = at_most(1 << 21, "as N times r times p");
pub(super) const PBKDF2: Limit = at_most(2_000_000, "rounds times blocks");
pub(super) const PHPASS: Limit = at_most(20, "as the logarithm of the rounds");
pub(super) const FIXED: Limit = at_most(1, "");

impl Limit {
    pub(super) fn allows(&self, work: u64) -> bool {
        work <= self.most
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            "" => f.write_str("always the same"),
            unit => write!(f, "at most {} {unit}", grouped(self.most)),
        }
    }
}

/// A number with a comma after each thousand.
fn grouped(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1000), number % 1000),
    }
}

/// What a password is turned into before bcrypt, which looks at 72 bytes only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// It stays as it is.
    Nothing,
    /// Django: SHA-256 in hexadecimal digits.
    Sha256,
    /// WordPress: HMAC-SHA-384 in Base64, of the password without the spaces around it.
    WordPress,
}

impl Before {
    fn prepared(self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Before::Nothing => password.to_vec(),
            Before::Sha256 => {
                let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(password)));
                crate::kernel::keys::hex(&digest[..]).into_bytes()
            }
            Before::WordPress => {
                // A key of any length is taken.
                let Ok(mut mac) = Hmac::<Sha384>::new_from_slice(b"wp-sha384") else {
                    return Zeroizing::default();
                };
                mac.update(trimmed(password));
                let mac = Zeroizing::new(<[u8; 48]>::from(mac.finalize().into_bytes()));
                STANDARD.encode(&mac[..]).into_bytes()
            }
        })
    }
}

/// A password without what PHP trims.
fn trimmed(password: &[u8]) -> &[u8] {
    match std::str::from_utf8(password) {
        Ok(text) => text.trim_matches(TRIMMED_BY_PHP).as_bytes(),
        Err(_) => password,
    }
}

/// A function that digests what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    /// How many bytes come out.
    pub(super) fn bytes(self) -> usize {
        match self {
            Digest::Sha1 => 20,
            Digest::Sha256 => 32,
            Digest::Sha512 => 64,
        }
    }

    fn of(self, password: &[u8], salt: &[u8]) -> Zeroizing<Vec<u8>> {
        fn of<D: sha2::Digest>(password: &[u8], salt: &[u8]) -> Vec<u8> {
            D::new_with_prefix(password)
                .chain_update(salt)
                .finalize()
                .to_vec()
        }
        Zeroizing::new(match self {
            Digest::Sha1 => of::<Sha1>(password, salt),
            Digest::Sha256 => of::<Sha256>(password, salt),
            Digest::Sha512 => of::<Sha512>(password, salt),
        })
    }

    fn pbkdf2(self, password: &[u8], salt: &[u8], rounds: u32, output: &mut [u8]) {
        match self {
            Digest::Sha1 => pbkdf2_hmac::<Sha1>(password, salt, rounds, output),
            Digest::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, rounds, output),
            Digest::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, rounds, output),
        }
    }
}

/// A hash taken apart: what it was computed by, with what, and what came out. Where the crate of an
/// algorithm compares with the text of a hash, it is kept as that.
pub(super) enum Hashed {
    Argon2 {
        text: String,
        memory_kib: u32,
        passes: u32,
    },
    Bcrypt {
        before: Before,
        text: String,
        cost: u32,
    },
    ShaCrypt {
        text: String,
        rounds: u32,
    },
    Scrypt {
        params: scrypt::Params,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    Yescrypt {
        params: yescrypt::Params,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    Pbkdf2 {
        digest: Digest,
        rounds: u32,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    Salted {
        digest: Digest,
        salt: Vec<u8>,
        output: Vec<u8>,
    },
    Md5Crypt {
        salt: String,
        output: Vec<u8>,
    },
    Phpass {
        log_rounds: u32,
        salt: String,
        output: Vec<u8>,
    },
}

impl Hashed {
    /// The work of one comparison, in the unit of the limit.
    pub(super) fn work(&self) -> u64 {
        match self {
            Hashed::Argon2 {
                memory_kib, passes, ..
            } => u64::from(*memory_kib) * u64::from(*passes).max(LEAST_PASSES),
            Hashed::Bcrypt { cost, .. } => u64::from(*cost),
            Hashed::ShaCrypt { rounds, .. } => u64::from(*rounds),
            Hashed::Scrypt { params, .. } => params
                .n()
                .saturating_mul(u64::from(params.r()))
                .saturating_mul(u64::from(params.p())),
            Hashed::Yescrypt { params, .. } => params.n().saturating_mul(u64::from(params.r())),
            Hashed::Pbkdf2 {
                digest,
                rounds,
                output,
                ..
            } => u64::from(*rounds).saturating_mul(output.len().div_ceil(digest.bytes()) as u64),
            Hashed::Phpass { log_rounds, .. } => u64::from(*log_rounds),
            Hashed::Salted { .. } | Hashed::Md5Crypt { .. } => 1,
        }
    }

    /// Whether a password has this hash. What was computed is compared in constant time: here, or
    /// by the crate of the algorithm.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        match self {
            Hashed::Argon2 { text, .. } => Argon2::default()
                .verify_password(password, text.as_str())
                .is_ok(),
            Hashed::Bcrypt { before, text, .. } => {
                bcrypt::verify(&before.prepared(password)[..], text).unwrap_or(false)
            }
            Hashed::ShaCrypt { text, .. } => ShaCrypt::default()
                .verify_password(password, text.as_str())
                .is_ok(),
            Hashed::Scrypt {
                params,
                salt,
                output,
            } => is_computed(output, |computed| {
                scrypt::scrypt(password, salt, params, computed).is_ok()
            }),
            Hashed::Yescrypt {
                params,
                salt,
                output,
            } => is_computed(output, |computed| {
                yescrypt::yescrypt(password, salt, params, computed).is_ok()
            }),
            Hashed::Pbkdf2 {
                digest,
                rounds,
                salt,
                output,
            } => is_computed(output, |computed| {
                digest.pbkdf2(password, salt, *rounds, computed);
                true
            }),
            Hashed::Salted {
                digest,
                salt,
                output,
            } => digest.of(password, salt)[..].ct_eq(output).into(),
            Hashed::Md5Crypt { salt, output } => md5::crypt(password, salt.as_bytes())[..]
                .ct_eq(output)
                .into(),
            Hashed::Phpass {
                log_rounds,
                salt,
                output,
            } => md5::phpass(password, salt.as_bytes(), *log_rounds)[..]
                .ct_eq(output)
                .into(),
        }
    }

    /// Whether the algorithm looked at all of a password that fits. Where it did not, what was
    /// typed now may be another password than the one that was hashed.
    pub(super) fn is_of_all(&self, password: &str) -> bool {
        match self {
            Hashed::Bcrypt { before, .. } => match before {
                Before::Nothing => password.len() < LOOKED_AT_BY_BCRYPT,
                Before::Sha256 => true,
                Before::WordPress => trimmed(password.as_bytes()).len() == password.len(),
            },
            _ => true,
        }
    }
}

/// Whether an output is what a function computes that fills as many bytes.
fn is_computed(output: &[u8], compute: impl FnOnce(&mut [u8]) -> bool) -> bool {
    let mut computed = Zeroizing::new(vec![0; output.len()]);
    compute(&mut computed) && bool::from(computed.ct_eq(output))
}
