//! Hashes of passwords: Argon2id, and the forms that other platforms bring with them (R-SES-1).
//!
//! Every run takes memory and a core for some milliseconds. So only a few run at once, and none
//! under the writer's lock.

use crate::error::Error;
use crate::kernel::keys::hex;
use crate::model::{EffectivePolicies, Id};
use crate::options::Pepper;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::{Condvar, Mutex};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The most hashes that are made at once, on however many cores.
const MOST_AT_ONCE: usize = 4;
/// Bytes of salt.
pub(crate) const SALT_BYTES: usize = 16;

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    memory_kib: u32,
    passes: u32,
}

impl Cost {
    pub(crate) fn of(policies: &EffectivePolicies) -> Cost {
        let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        Cost {
            memory_kib: number(policies.password_memory_kib.get()),
            passes: number(policies.password_passes.get()),
        }
    }

    #[cfg(test)]
    fn of_hash(hash: &str) -> Option<Cost> {
        let params = Params::try_from(&PasswordHash::new(hash).ok()?).ok()?;
        Some(Cost {
            memory_kib: params.m_cost(),
            passes: params.t_cost(),
        })
    }

    fn argon2(self) -> Result<Argon2<'static>, Error> {
        let params = Params::new(self.memory_kib, self.passes, 1, Some(32))
            .map_err(|error| failed(&error))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::internal(format!(
        "This is a defect to report: a password cannot be hashed ({error})."
    ))
}

/// Makes hashes and compares passwords with them.
pub(crate) struct Hasher {
    peppers: Vec<Pepper>,
    free: Mutex<usize>,
    freed: Condvar,
    /// What each run of Argon2 cost.
    #[cfg(test)]
    argon2: Mutex<Vec<Cost>>,
}

/// The right to make one hash.
struct Permit<'a>(&'a Hasher);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.freed.notify_one();
    }
}

impl Hasher {
    pub(crate) fn new(peppers: Vec<Pepper>) -> Hasher {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Hasher {
            peppers,
            free: Mutex::new(cores.min(MOST_AT_ONCE)),
            freed: Condvar::new(),
            #[cfg(test)]
            argon2: Mutex::default(),
        }
    }

    pub(crate) fn has_peppers(&self, peppers: &[Pepper]) -> bool {
        self.peppers == peppers
    }

    /// The pepper of new hashes.
    pub(crate) fn pepper(&self) -> Option<&Id> {
        self.peppers.first().map(|pepper| &pepper.id)
    }

    /// A password mixed with the pepper of a hash; none where the host did not give that one.
    pub(crate) fn peppered(
        &self,
        password: &str,
        pepper: Option<&Id>,
    ) -> Option<Zeroizing<String>> {
        let Some(id) = pepper else {
            return Some(Zeroizing::new(password.to_owned()));
        };
        let pepper = self.peppers.iter().find(|pepper| pepper.id == *id)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&pepper.key.bytes()).ok()?;
        mac.update(password.as_bytes());
        Some(Zeroizing::new(hex(&Zeroizing::new(<[u8; 32]>::from(
            mac.finalize().into_bytes(),
        ))[..])))
    }

    fn permit(&self) -> Permit<'_> {
        let mut free = self.free.lock();
        while *free == 0 {
            self.freed.wait(&mut free);
        }
        *free -= 1;
        Permit(self)
    }

    /// What Argon2 has cost so far, run by run: whoever fails costs the same, whatever they fail
    /// for (S5).
    #[cfg(test)]
    pub(crate) fn argon2_costs(&self) -> Vec<Cost> {
        self.argon2.lock().clone()
    }

    /// The hash of a password, in the form of PHC.
    pub(crate) fn hash(
        &self,
        password: &str,
        salt: [u8; SALT_BYTES],
        cost: Cost,
    ) -> Result<String, Error> {
        let argon2 = cost.argon2()?;
        let _permit = self.permit();
        #[cfg(test)]
        self.argon2.lock().push(cost);
        Ok(argon2
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map_err(|error| failed(&error))?
            .to_string())
    }

    /// The work of comparing a password with a hash, for who has none.
    pub(crate) fn pretend(&self, password: &str, cost: Cost) -> Result<(), Error> {
        self.hash(password, *b"nobody has this.", cost).map(drop)
    }

    /// The spelling of a password that was hashed, of those that count. Where none is, or the
    /// pepper is not there, the answer has cost an Argon2 as well.
    pub(crate) fn find<'a>(
        &self,
        spellings: &[&'a str],
        hash: &str,
        pepper: Option<&Id>,
        cost: Cost,
    ) -> Result<Option<&'a str>, Error> {
        let form = Form::of(hash).ok_or_else(|| {
            Error::corrupt("The hash of a password has an unknown form; restore a backup.")
        })?;
        let mut cost_argon2 = false;
        for &spelling in spellings {
            let Some(peppered) = self.peppered(spelling, pepper) else {
                break;
            };
            if self.fits(&peppered, hash, form) {
                return Ok(Some(spelling));
            }
            cost_argon2 = form == Form::Argon2;
        }
        if !cost_argon2 {
            self.pretend("", cost)?;
        }
        Ok(None)
    }

    fn fits(&self, password: &str, hash: &str, form: Form) -> bool {
        let bytes = password.as_bytes();
        let _permit = self.permit();
        match form {
            Form::Argon2 => {
                #[cfg(test)]
                self.argon2.lock().extend(Cost::of_hash(hash));
                Argon2::default().verify_password(bytes, hash).is_ok()
            }
            Form::Bcrypt => bcrypt::verify(bytes, hash).unwrap_or(false),
            Form::Scrypt => PasswordHash::new(hash)
                .is_ok_and(|hash| scrypt::Scrypt::new().verify_password(bytes, &hash).is_ok()),
            Form::Pbkdf2 => phc_of_pbkdf2(hash).is_some_and(|hash| {
                pbkdf2::Pbkdf2::default()
                    .verify_password(bytes, &hash)
                    .is_ok()
            }),
        }
    }
}

/// What made a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Argon2,
    Bcrypt,
    Scrypt,
    Pbkdf2,
}

impl Form {
    fn of(hash: &str) -> Option<Form> {
        Some(match hash.split('$').nth(1)? {
            "argon2id" | "argon2i" | "argon2d" => Form::Argon2,
            "2a" | "2b" | "2x" | "2y" => Form::Bcrypt,
            "scrypt" => Form::Scrypt,
            "pbkdf2-sha256" | "pbkdf2-sha512" => Form::Pbkdf2,
            _ => return None,
        })
    }
}

/// PBKDF2 in the form of PHC; the older `$pbkdf2-sha256$rounds$salt$hash`, with `.` for `+`, is
/// turned into it.
fn phc_of_pbkdf2(hash: &str) -> Option<PasswordHash> {
    let parts: Vec<&str> = hash.split('$').collect();
    match parts.as_slice() {
        ["", name, rounds, salt, output] if rounds.bytes().all(|byte| byte.is_ascii_digit()) => {
            let bytes = output.len() * 3 / 4;
            PasswordHash::new(&format!(
                "${name}$i={rounds},l={bytes}${}${}",
                salt.replace('.', "+"),
                output.replace('.', "+")
            ))
            .ok()
        }
        _ => PasswordHash::new(hash).ok(),
    }
}

/// Whether a hash is to be made anew at the next log-in: of another kind, or with less work than
/// what is asked for now.
pub(crate) fn is_outdated(hash: &str, cost: Cost) -> bool {
    let Some(Ok(params)) = PasswordHash::new(hash)
        .ok()
        .filter(|_| hash.starts_with("$argon2id$v=19$"))
        .map(|hash| Params::try_from(&hash))
    else {
        return true;
    };
    params.m_cost() < cost.memory_kib || params.t_cost() < cost.passes
}

/// How a typed password may be spelled in a hash that another platform made: in normal form, or as
/// it was typed. With a zero it is none that they hashed: bcrypt repeats what stands before it, and
/// HMAC, in PBKDF2 and scrypt, ends every password with zeros.
pub(crate) fn foreign_spellings<'a>(typed: &'a str, normal: &'a str) -> Vec<&'a str> {
    match typed {
        _ if typed.contains('\0') => Vec::new(),
        _ if typed == normal => vec![normal],
        _ => vec![normal, typed],
    }
}

/// Whether the scheme of a hash looked at all of a password that fits: of 72 bytes bcrypt cannot
/// tell whether more followed. The hash of a longer password stays as it is: one that is made anew
/// of what was typed now may be of another password.
pub(crate) fn is_of_all(hash: &str, password: &str) -> bool {
    const LOOKED_AT: usize = 72;
    Form::of(hash) != Some(Form::Bcrypt) || password.len() < LOOKED_AT
}

/// Refuses a hash that could never be compared with, or only at a cost that others would wait for.
pub(crate) fn check_imported(hash: &str) -> Result<(), &'static str> {
    const UNKNOWN: &str = "This is not a bcrypt hash, nor an Argon2, scrypt or PBKDF2 hash \
                           in the PHC format; let its user set a new password.";
    const TOO_DEAR: &str = "Comparing a password with this hash would take too long; let its user \
                            set a new password.";
    // Its algorithm took bytes beyond ASCII for negative numbers. No password with one would fit,
    // and nobody sees from the hash whether there is one.
    if hash.starts_with("$2x$") {
        return Err(
            "A bcrypt hash that begins with `$2x$` was made by a faulty version and is not used; \
             let its user set a new password.",
        );
    }
    let numbers = || PasswordHash::new(hash).map_err(|_| UNKNOWN);
    let dear = match Form::of(hash).ok_or(UNKNOWN)? {
        Form::Argon2 => {
            let params = Params::try_from(&numbers()?).map_err(|_| UNKNOWN)?;
            numbers()?.hash.ok_or(UNKNOWN)?;
            u64::from(params.m_cost()) * u64::from(params.t_cost()) > 4 << 20
                || params.m_cost() > 1 << 20
        }
        Form::Bcrypt => {
            let parts: bcrypt::HashParts = hash.parse().map_err(|_| UNKNOWN)?;
            parts.get_cost() > 16
        }
        Form::Scrypt => {
            let hash = numbers()?;
            hash.hash.ok_or(UNKNOWN)?;
            let number = |name| hash.params.get_decimal(name).ok_or(UNKNOWN);
            scrypt::Params::try_from(&hash).map_err(|_| UNKNOWN)?;
            let work = 1_u64
                .checked_shl(number("ln")?)
                .unwrap_or(u64::MAX)
                .saturating_mul(u64::from(number("r")?));
            work.saturating_mul(u64::from(number("p")?)) > 1 << 22
        }
        Form::Pbkdf2 => {
            let hash = phc_of_pbkdf2(hash).ok_or(UNKNOWN)?;
            hash.hash.ok_or(UNKNOWN)?;
            pbkdf2::Params::try_from(&hash)
                .map_err(|_| UNKNOWN)?
                .rounds()
                > 10_000_000
        }
    };
    if dear { Err(TOO_DEAR) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost {
        memory_kib: 64,
        passes: 2,
    };

    /// R-SES-1: hashes that other programs made; the password is `password`, of the last
    /// `passwordPASSWORDpassword`.
    const FOREIGN: [(&str, &str); 4] = [
        ("password", "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$"),
        ("password", "$2b$04$"),
        (
            "passwordPASSWORDpassword",
            "$pbkdf2-sha256$i=4096,l=40$c2FsdFNBTFRzYWx0U0FMVHNhbHRTQUxUc2FsdFNBTFRzYWx0\
             $NIyJ28vTKy8y2BS4EW6EzysXNH68GAAYHE4qH7jdU+HGNVGMfaxH6Q",
        ),
        (
            "passwordPASSWORDpassword",
            "$pbkdf2-sha256$4096$c2FsdFNBTFRzYWx0U0FMVHNhbHRTQUxUc2FsdFNBTFRzYWx0\
             $NIyJ28vTKy8y2BS4EW6EzysXNH68GAAYHE4qH7jdU.HGNVGMfaxH6Q",
        ),
    ];

    #[test]
    fn hashes_of_other_platforms() {
        let hasher = Hasher::new(Vec::new());
        let bcrypt = bcrypt::hash_with_salt("password", 4, *b"saltsaltsaltsalt")
            .unwrap()
            .to_string();
        let scrypt_params = scrypt::Params::new(4, 8, 1).unwrap();
        let scrypt = scrypt::Scrypt::new_with_params(scrypt_params)
            .hash_password_with_salt(b"password", b"saltsaltsaltsalt")
            .unwrap()
            .to_string();
        assert!(
            scrypt.starts_with(FOREIGN[0].1) && bcrypt.starts_with(FOREIGN[1].1),
            "{scrypt} {bcrypt}"
        );
        for (password, hash) in [
            ("password", scrypt.as_str()),
            ("password", bcrypt.as_str()),
            FOREIGN[2],
            FOREIGN[3],
        ] {
            assert_eq!(check_imported(hash), Ok(()), "{hash}");
            assert!(fits(&hasher, password, hash), "{hash}");
            assert!(!fits(&hasher, "another", hash), "{hash}");
            assert!(is_outdated(hash, CHEAP), "{hash}");
        }
        assert_eq!(hasher.argon2_costs(), [CHEAP; 4]);
    }

    fn fits(hasher: &Hasher, password: &str, hash: &str) -> bool {
        hasher
            .find(&[password], hash, None, CHEAP)
            .unwrap()
            .is_some()
    }

    /// 17.3, R-SES-1: what the old schemes do not look at. Two passwords that they take for one are
    /// told apart, or the hash of what was typed does not take the place of the old one.
    #[test]
    fn what_old_schemes_do_not_look_at() {
        let hasher = Hasher::new(Vec::new());
        let scrypt = scrypt::Scrypt::new_with_params(scrypt::Params::new(4, 8, 1).unwrap());
        let scrypt = scrypt
            .hash_password_with_salt(b"pw", b"saltsaltsaltsalt")
            .unwrap()
            .to_string();
        let bcrypt = |password: &str| {
            bcrypt::hash_with_salt(password, 4, *b"saltsaltsaltsalt")
                .unwrap()
                .to_string()
        };
        // The schemes themselves take these for `pw`.
        assert!(fits(&hasher, "pw\0", &scrypt) && fits(&hasher, "pw\0pw", &bcrypt("pw")));
        for typed in ["pw\0", "pw\0pw", "\0pw"] {
            assert!(foreign_spellings(typed, typed).is_empty());
        }
        let long = "x".repeat(80);
        for (typed, all) in [
            ("pw", true),
            (&long[..71], true),
            (&long[..72], false),
            (&long[..73], false),
            (&long, false),
        ] {
            assert_eq!(
                is_of_all(&bcrypt(&long), typed),
                all,
                "{} bytes",
                typed.len()
            );
            assert!(is_of_all(&scrypt, typed));
        }
        assert!(fits(&hasher, &long[..72], &bcrypt(&long)));
    }

    /// 17.17, R-SES-1: what is spelled in two ways is compared in both, and costs one Argon2 more
    /// where it fails at both.
    #[test]
    fn foreign_hashes_are_compared_as_typed_too() {
        let (typed, normal) = ("u\u{308}ber", "\u{fc}ber");
        let hasher = Hasher::new(Vec::new());
        for hashed in [typed, normal] {
            let hash = bcrypt::hash_with_salt(hashed, 4, *b"saltsaltsaltsalt")
                .unwrap()
                .to_string();
            assert_eq!(
                hasher
                    .find(&foreign_spellings(typed, normal), &hash, None, CHEAP)
                    .unwrap(),
                Some(hashed)
            );
            assert_eq!(
                hasher
                    .find(&foreign_spellings(normal, normal), &hash, None, CHEAP)
                    .unwrap()
                    .is_some(),
                hashed == normal
            );
        }
        assert_eq!(hasher.argon2_costs(), [CHEAP]);
    }

    #[test]
    fn hashes_that_are_not_taken() {
        let dear = [
            "$2b$17$",
            "$argon2id$v=19$m=2097152,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$",
            "$scrypt$ln=24,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$",
        ];
        let spoiled = bcrypt::hash_with_salt("password", 4, *b"saltsaltsaltsalt")
            .unwrap()
            .to_string()
            .replacen("$2b$", "$2x$", 1);
        for bad in [
            &spoiled,
            "",
            "password",
            "$1$abc$def",
            "$2b$99$short",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ",
            "$pbkdf2-sha256$99999999$c2FsdA$AAAA",
        ] {
            assert!(check_imported(bad).is_err(), "{bad}");
        }
        let output = "A".repeat(43);
        for head in dear {
            let hash = if head.starts_with("$2b") {
                format!("{head}{}", "a".repeat(53))
            } else {
                format!("{head}{output}")
            };
            assert!(check_imported(&hash).is_err(), "{hash}");
        }
    }

    /// S3
    #[test]
    fn a_hash_is_renewed_when_the_work_rises() {
        let hasher = Hasher::new(Vec::new());
        let hash = hasher.hash("password", [7; 16], CHEAP).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{hash}");
        assert!(fits(&hasher, "password", &hash) && !fits(&hasher, "Password", &hash));
        assert!(!is_outdated(&hash, CHEAP));
        assert!(
            is_outdated(
                &hash,
                Cost {
                    memory_kib: 65,
                    ..CHEAP
                }
            ) && is_outdated(&hash, Cost { passes: 3, ..CHEAP })
        );
        assert!(!is_outdated(
            &hash,
            Cost {
                memory_kib: 63,
                ..CHEAP
            }
        ));
        assert_eq!(hasher.argon2_costs(), [CHEAP; 3]);
    }

    /// S3: however many ask, few run at once.
    #[test]
    fn hashes_are_bounded() {
        let hasher = Hasher::new(Vec::new());
        let free = *hasher.free.lock();
        let all: Vec<_> = (0..free).map(|_| hasher.permit()).collect();
        assert!((1..=MOST_AT_ONCE).contains(&all.len()));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| hasher.hash("password", [7; 16], CHEAP));
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert_eq!(hasher.argon2_costs(), []);
            drop(all);
            waiting.join().unwrap().unwrap();
        });
        assert_eq!(hasher.argon2_costs(), [CHEAP]);
    }
}
