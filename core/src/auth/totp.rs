//! What a second factor is made of: codes by time (RFC 6238), recovery codes, and how the store
//! keeps them (R-SES-1).
//!
//! Codes are made of their secret, so that cannot be hashed: it is sealed, with a key that is
//! derived from the token key. That one is not in the store.

use super::token::TokenKey;
use crate::error::Error;
use crate::kernel::clock::IdSource;
use crate::kernel::keys::hex;
use crate::model::Id;
use crate::rules::second_factor::RECOVERY_LENGTH;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

/// Bytes of a new secret.
const SECRET_BYTES: usize = 20;
/// Bytes of the longest secret that is brought along.
const LONGEST_SECRET: usize = 64;
/// What is sealed has random numbers of this many bytes before it.
const NONCE_BYTES: usize = 24;
/// Random bytes of a recovery code.
const RECOVERY_BYTES: usize = RECOVERY_LENGTH * 5 / 8;

/// The secret that codes by time are made of: HMAC-SHA1, six digits, 30 seconds, one step early or
/// late.
pub(crate) struct FactorSecret(totp_rs::Secret);

impl FactorSecret {
    pub(crate) fn new(ids: &IdSource) -> Result<FactorSecret, Error> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        ids.fill(&mut *bytes)?;
        Ok(FactorSecret(totp_rs::Secret::from(bytes.as_slice())))
    }

    /// Reads one that another platform shows in base32; none where it is not of 16 to 64 bytes.
    pub(crate) fn read(text: &str) -> Option<FactorSecret> {
        let mut plain = Zeroizing::new(String::with_capacity(text.len()));
        text.chars()
            .filter(|c| !matches!(c, ' ' | '-' | '='))
            .for_each(|c| plain.push(c.to_ascii_uppercase()));
        let secret = totp_rs::Secret::try_from_base32(plain.as_str()).ok()?;
        (16..=LONGEST_SECRET)
            .contains(&secret.as_bytes().len())
            .then_some(FactorSecret(secret))
    }

    pub(crate) fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_base32())
    }

    fn codes(&self) -> Builder {
        Builder::new().with_secret(self.0.clone())
    }

    /// What authenticators read from a QR code; none where a name cannot stand in it.
    pub(crate) fn uri(&self, issuer: &str, name: &str) -> Option<Zeroizing<String>> {
        let codes: Totp = self
            .codes()
            .with_issuer(Some(issuer))
            .with_account_name(name)
            .build()
            .ok()?;
        codes.to_url().ok().map(Zeroizing::new)
    }

    /// The time step of a code, where it is one of now that is later than the last that was taken.
    pub(crate) fn step_of(&self, code: &str, now_ms: u64, last_step: u64) -> Option<u64> {
        self.codes()
            .build()
            .ok()?
            .check(code, now_ms / 1000)
            .filter(|step| *step > last_step)
    }
}

/// The time step of the last code that can have been taken by an instant.
pub(crate) fn last_step_by(now_ms: u64) -> u64 {
    now_ms / 30_000 + 1
}

#[cfg(test)]
impl FactorSecret {
    pub(crate) fn code_at(&self, now_ms: u64) -> String {
        self.codes()
            .build()
            .unwrap()
            .generate(now_ms / 1000)
            .to_string()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A new recovery code: 80 random bits in base32.
pub(crate) fn recovery_code(ids: &IdSource) -> Result<Zeroizing<String>, Error> {
    let mut bytes = Zeroizing::new([0; RECOVERY_BYTES]);
    ids.fill(&mut *bytes)?;
    Ok(Zeroizing::new(
        totp_rs::Secret::from(bytes.as_slice()).to_base32(),
    ))
}

fn broken() -> Error {
    Error::corrupt(
        "The second factor of a user cannot be opened with the store's token key; restore the key.",
    )
}

impl TokenKey {
    /// A secret as the store keeps it: for this user alone.
    pub(crate) fn seal(
        &self,
        user: &Id,
        secret: &FactorSecret,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<String, Error> {
        let payload = Payload {
            msg: secret.0.as_bytes(),
            aad: user.as_str().as_bytes(),
        };
        let sealed = self.cipher()?.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| {
            Error::internal("This is a defect to report: a secret cannot be sealed.")
        })?;
        Ok(STANDARD_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// The secret of a user that was sealed.
    pub(crate) fn unseal(&self, user: &Id, sealed: &str) -> Result<FactorSecret, Error> {
        let bytes = STANDARD_NO_PAD.decode(sealed).map_err(|_| broken())?;
        let (nonce, sealed) = bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(broken)?;
        let payload = Payload {
            msg: sealed,
            aad: user.as_str().as_bytes(),
        };
        let secret = Zeroizing::new(
            self.cipher()?
                .decrypt(&XNonce::from(*nonce), payload)
                .map_err(|_| broken())?,
        );
        Ok(FactorSecret(totp_rs::Secret::from(secret.as_slice())))
    }

    fn cipher(&self) -> Result<XChaCha20Poly1305, Error> {
        let key = self.derived("secrets of second factors")?;
        XChaCha20Poly1305::new_from_slice(key.as_slice())
            .map_err(|_| Error::internal("This is a defect to report: a key has the wrong length."))
    }

    /// What the store keeps of a recovery code: whoever has the store alone cannot try codes.
    pub(crate) fn recovery_hash(&self, user: &Id, code: &str) -> Result<String, Error> {
        let key = self.derived("recovery codes")?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice())
            .map_err(|error| Error::internal(error.to_string()))?;
        mac.update(user.as_str().as_bytes());
        mac.update(&[0]);
        mac.update(code.as_bytes());
        Ok(hex(&mac.finalize().into_bytes()))
    }
}

/// Where among hashes one is; takes the same time wherever it differs.
pub(crate) fn position(hashes: &[String], hash: &str) -> Option<usize> {
    hashes.iter().enumerate().fold(None, |found, (at, one)| {
        if one.as_bytes().ct_eq(hash.as_bytes()).into() {
            Some(at)
        } else {
            found
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn rfc() -> FactorSecret {
        FactorSecret::read("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap()
    }

    /// RFC 6238, appendix B, SHA-1: the last six of eight digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let vectors: [(u64, &str); 6] = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (seconds, code) in vectors {
            assert_eq!(
                rfc().step_of(code, seconds * 1000, 0),
                Some(seconds / 30),
                "{code}"
            );
        }
    }

    /// R-SES-1: one step early or late; a code that was taken, and those before it, are used up.
    #[test]
    fn a_code_counts_for_a_minute_and_a_half_and_once() {
        let step = 1_111_111_109 / 30;
        let at = |steps: u64| (step + steps - 2) * 30_000;
        assert_eq!(
            [0, 1, 2, 3, 4].map(|steps| rfc().step_of("081804", at(steps), 0)),
            [None, Some(step), Some(step), Some(step), None]
        );
        assert_eq!(rfc().step_of("081804", at(2), step - 1), Some(step));
        assert_eq!(rfc().step_of("081804", at(2), step), None);
        assert_eq!(rfc().step_of("081805", at(2), 0), None);
    }

    #[test]
    fn secrets_are_read_as_others_show_them() {
        assert_eq!(rfc().base32().as_str(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        for text in [
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ====",
        ] {
            assert_eq!(FactorSecret::read(text).unwrap().base32(), rfc().base32());
        }
        for bad in [
            "",
            "GEZDGNBVGY3TQOJQ",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1",
            &"A".repeat(120),
        ] {
            assert!(FactorSecret::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_uri_names_issuer_and_user() {
        let uri = rfc().uri("Big Mail", "ann@acme.example").unwrap();
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(
            uri.as_str(),
            format!(
                "otpauth://totp/Big%20Mail:ann%40acme.example?secret={secret}&issuer=Big%20Mail"
            )
        );
        assert!(rfc().uri("a:b", "ann").is_none());
    }

    /// S7: what is sealed opens for its user and key alone, and shows nothing.
    #[test]
    fn a_sealed_secret_is_for_one_user() {
        let (key, ann) = (TokenKey::of_tests(), Id::new("ann").unwrap());
        let sealed = key.seal(&ann, &rfc(), [7; NONCE_BYTES]).unwrap();
        assert!(
            !STANDARD_NO_PAD
                .decode(&sealed)
                .unwrap()
                .windows(8)
                .any(|window| window == b"12345678")
        );
        assert_eq!(key.unseal(&ann, &sealed).unwrap().base32(), rfc().base32());
        let changed = format!("{}A{}", &sealed[..40], &sealed[41..]);
        let code = |opened: Result<FactorSecret, Error>| opened.err().map(|error| error.code());
        for opened in [
            key.unseal(&Id::new("bob").unwrap(), &sealed),
            TokenKey::new([2; 32]).unseal(&ann, &sealed),
            key.unseal(&ann, &changed),
            key.unseal(&ann, "AAAA"),
            key.unseal(&ann, "!"),
        ] {
            assert_eq!(code(opened), Some(Code::StoreCorrupt));
        }
    }

    #[test]
    fn a_recovery_code_is_known_by_a_keyed_hash() {
        let (key, ann) = (TokenKey::of_tests(), Id::new("ann").unwrap());
        let hash = |key: &TokenKey, user: &str, code: &str| {
            key.recovery_hash(&Id::new(user).unwrap(), code).unwrap()
        };
        let hashes = ["AAAA", "BBBB"].map(|code| key.recovery_hash(&ann, code).unwrap());
        assert_eq!(position(&hashes, &hash(&key, "ann", "BBBB")), Some(1));
        for other in [
            hash(&key, "bob", "BBBB"),
            hash(&TokenKey::new([2; 32]), "ann", "BBBB"),
            hash(&key, "ann", "CCCC"),
        ] {
            assert_eq!(position(&hashes, &other), None);
        }
    }
}
