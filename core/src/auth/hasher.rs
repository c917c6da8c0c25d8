//! Makes hashes of passwords by Argon2id, and compares passwords with these and with the hashes of
//! other platforms (R-SES-1).
//!
//! Every run takes memory and a core for some milliseconds. So only a few run at once, and none
//! under the writer's lock.

use crate::auth::forms::Hash;
use crate::error::Error;
use crate::kernel::keys::hex;
use crate::model::{EffectivePolicies, Id};
use crate::options::Pepper;
use argon2::password_hash::PasswordHasher;
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

    /// What a hash did cost; none where it is not by Argon2.
    fn of_hash(hash: &Hash) -> Option<Cost> {
        let (memory_kib, passes) = hash.argon2()?;
        Some(Cost { memory_kib, passes })
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
        let hash = Hash::of(hash).ok_or_else(|| {
            Error::corrupt("The hash of a password has an unknown form; restore a backup.")
        })?;
        let mut cost_argon2 = false;
        for &spelling in spellings {
            let Some(peppered) = self.peppered(spelling, pepper) else {
                break;
            };
            if self.fits(&peppered, &hash) {
                return Ok(Some(spelling));
            }
            cost_argon2 = Cost::of_hash(&hash).is_some();
        }
        if !cost_argon2 {
            self.pretend("", cost)?;
        }
        Ok(None)
    }

    fn fits(&self, password: &str, hash: &Hash) -> bool {
        let _permit = self.permit();
        #[cfg(test)]
        self.argon2.lock().extend(Cost::of_hash(hash));
        hash.is_of(password.as_bytes())
    }
}

/// Whether a hash is to be made anew at the next log-in: of another kind, or with less work than
/// what is asked for now.
pub(crate) fn is_outdated(hash: &str, cost: Cost) -> bool {
    let made_at = Hash::of(hash)
        .filter(|_| hash.starts_with("$argon2id$v=19$"))
        .and_then(|hash| Cost::of_hash(&hash));
    made_at
        .is_none_or(|made_at| made_at.memory_kib < cost.memory_kib || made_at.passes < cost.passes)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::forms::check_imported;

    const CHEAP: Cost = Cost {
        memory_kib: 64,
        passes: 2,
    };

    /// R-SES-1: whoever fails with the hash of another platform costs one Argon2 as well.
    #[test]
    fn hashes_of_other_platforms() {
        let hasher = Hasher::new(Vec::new());
        let bcrypt = bcrypt::hash_with_salt("password", 4, *b"saltsaltsaltsalt")
            .unwrap()
            .to_string();
        let scrypt = "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA\
                      $5f/Vi+XRWGUNGScbsma6KJ4zLFIke/NJsrvr7lQLAyA";
        let ssha = "{SSHA}H/zrDv8FXUu1JmwvVYijfrYEF34jVZcO";
        for (password, hash) in [
            ("password", bcrypt.as_str()),
            ("password", scrypt),
            ("test", ssha),
        ] {
            assert!(check_imported(hash).is_ok(), "{hash}");
            assert!(fits(&hasher, password, hash), "{hash}");
            assert!(!fits(&hasher, "another", hash), "{hash}");
            assert!(is_outdated(hash, CHEAP), "{hash}");
        }
        assert_eq!(hasher.argon2_costs(), [CHEAP; 3]);
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
        let scrypt = "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA\
                      $wYOOMwAiWbJtJSZwEoaHwXf+n3MQJ9/nr7fzolg6q6o";
        let bcrypt = |password: &str| {
            bcrypt::hash_with_salt(password, 4, *b"saltsaltsaltsalt")
                .unwrap()
                .to_string()
        };
        // The schemes themselves take these for `pw`.
        assert!(fits(&hasher, "pw\0", scrypt) && fits(&hasher, "pw\0pw", &bcrypt("pw")));
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
                Hash::of(&bcrypt(&long)).unwrap().is_of_all(typed),
                all,
                "{} bytes",
                typed.len()
            );
            assert!(Hash::of(scrypt).unwrap().is_of_all(typed));
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
