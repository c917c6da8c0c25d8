//! Tokens. Those of links are derived when they are needed, never stored (R-INV-2); of those of
//! sessions a hash is stored.
//!
//! The token of a link is the id of what it is for and a keyed hash of that id and its generation,
//! so that a new generation ends the old token and the store alone makes none. The token of a
//! session is its id and a random number; it is shown once.

use crate::error::Error;
use crate::kernel::keys::hex;
use crate::model::{Id, Secret};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Every token begins with this, so that people and scanners know it when they see it.
const PREFIX: &str = "tny_link_";

/// The key of all tokens of a store.
pub(crate) struct TokenKey {
    bytes: [u8; 32],
    is_kept_beside: bool,
}

impl TokenKey {
    /// One that whoever opens the store has.
    pub(crate) fn new(bytes: [u8; 32]) -> TokenKey {
        TokenKey {
            bytes,
            is_kept_beside: false,
        }
    }

    /// One that lies beside the store.
    pub(crate) fn beside(bytes: [u8; 32]) -> TokenKey {
        TokenKey {
            bytes,
            is_kept_beside: true,
        }
    }

    /// The key, where it lies beside the store: a copy of that needs it too.
    pub(crate) fn kept_beside(&self) -> Option<&[u8; 32]> {
        self.is_kept_beside.then_some(&self.bytes)
    }

    /// The key of stores that are opened with a seed: everybody knows it.
    pub(crate) fn of_tests() -> TokenKey {
        TokenKey::new(*b"the token key of tests, not safe")
    }

    pub(crate) fn is(&self, bytes: &[u8; 32]) -> bool {
        self.bytes == *bytes
    }

    /// What the store remembers of its key.
    pub(crate) fn fingerprint(&self) -> String {
        hex(&Sha256::digest(self.bytes))
    }

    /// A key for something else than tokens.
    pub(crate) fn derived(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.bytes)
            .map_err(|error| Error::internal(error.to_string()))?;
        mac.update(purpose.as_bytes());
        Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
    }

    fn mac(&self, id: &str, generation: u64) -> Result<Hmac<Sha256>, Error> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.bytes)
            .map_err(|error| Error::internal(error.to_string()))?;
        mac.update(id.as_bytes());
        mac.update(&generation.to_le_bytes());
        Ok(mac)
    }

    /// The token for this generation of an invitation or link, whose id is a UUID.
    pub(crate) fn token(&self, id: &Id, generation: u64) -> Result<String, Error> {
        Ok(format!(
            "{PREFIX}{}{}",
            compact(id),
            hex(&self.mac(id.as_str(), generation)?.finalize().into_bytes())
        ))
    }

    /// Whether the token is that of this generation; takes the same time wherever it differs.
    pub(crate) fn fits(&self, token: &Token, generation: u64) -> Result<bool, Error> {
        Ok(self
            .mac(token.id.as_str(), generation)?
            .verify_slice(&token.hash)
            .is_ok())
    }
}

/// A token taken apart; that it is one of ours is still to be seen.
pub(crate) struct Token {
    /// What it would be for.
    pub(crate) id: Id,
    hash: [u8; 32],
}

impl Token {
    /// Takes a token apart; none where it has not the form of one.
    pub(crate) fn parse(text: &str) -> Option<Token> {
        let rest = text
            .strip_prefix(PREFIX)
            .filter(|rest| rest.len() == 96 && is_hex(rest))?;
        let (id, hash) = rest.split_at_checked(32)?;
        let id = from_compact(id)?;
        Some(Token {
            id,
            hash: hash_bytes(hash)?,
        })
    }
}

/// A token that is an id and a random number of 256 bits. Of it the store knows the SHA-256 alone:
/// it has nothing to guess.
pub(crate) struct SecretToken {
    text: Zeroizing<String>,
}

/// A token of that kind that somebody shows, taken apart where it lies: it is looked at with every
/// request.
pub(crate) struct ShownToken<'a> {
    /// The id that it carries.
    id: [u8; 36],
    text: &'a str,
}

impl SecretToken {
    /// What tokens of sessions begin with.
    pub(crate) const SESSION: &str = "tny_session_";
    /// What tokens of API keys begin with.
    pub(crate) const API_KEY: &str = "tny_key_";

    pub(crate) fn new(prefix: &str, id: &Id, secret: &[u8; 32]) -> Result<SecretToken, Error> {
        let text = format!("{prefix}{}{}", compact(id), hex(secret));
        let checksum = crc32fast::hash(text.as_bytes());
        Ok(SecretToken {
            text: Zeroizing::new(format!("{text}{checksum:08x}")),
        })
    }

    /// What the store keeps.
    pub(crate) fn hash(&self) -> String {
        hex(&Sha256::digest(self.text.as_bytes()))
    }

    /// What is shown once.
    pub(crate) fn reveal(&self) -> Result<Secret, Error> {
        Secret::new(self.text.as_str()).map_err(Error::internal)
    }
}

impl<'a> ShownToken<'a> {
    /// Takes a token apart; none where it cannot be one.
    pub(crate) fn parse(prefix: &str, text: &'a str) -> Option<ShownToken<'a>> {
        let rest = text.strip_prefix(prefix).filter(|rest| rest.len() == 104)?;
        let mut id = [0; 36];
        uuid::Uuid::try_parse(rest.get(..32)?)
            .ok()?
            .hyphenated()
            .encode_lower(&mut id);
        Some(ShownToken { id, text })
    }

    pub(crate) fn id(&self) -> &str {
        std::str::from_utf8(&self.id).unwrap_or_default()
    }

    /// Whether it has the form of one to the end, where a checksum tells scanners that it is a
    /// token. What has the right hash has.
    pub(crate) fn is_whole(&self) -> bool {
        let digits = self.text.len() - 104;
        let (known, checksum) = match self.text.split_at_checked(self.text.len() - 8) {
            Some(parts) if self.text.get(digits..).is_some_and(is_hex) => parts,
            _ => return false,
        };
        u32::from_str_radix(checksum, 16) == Ok(crc32fast::hash(known.as_bytes()))
    }

    /// Whether it is the token of this hash; takes the same time wherever it differs.
    pub(crate) fn has_hash(&self, hash: &[u8; 32]) -> bool {
        words(&Sha256::digest(self.text.as_bytes()).into())
            .as_slice()
            .ct_eq(&words(hash))
            .into()
    }
}

/// Compared in constant time these take a quarter of what bytes take.
fn words(hash: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(hash.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

/// The bytes of a hash as the store keeps it.
pub(crate) fn hash_bytes(hash: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let digits = hash.as_bytes().chunks_exact(2);
    if hash.len() != 64 || !is_hex(hash) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// An id without its hyphens; the ids of what has a token are UUIDs.
fn compact(id: &Id) -> String {
    id.as_str().chars().filter(|c| *c != '-').collect()
}

fn from_compact(text: &str) -> Option<Id> {
    Id::new(uuid::Uuid::try_parse(text).ok()?.to_string()).ok()
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_its_id_and_generation_and_key_alone() {
        let key = TokenKey::of_tests();
        let id = Id::new("019a0000-0000-7000-8000-000000000001").unwrap();
        let text = key.token(&id, 3).unwrap();
        let token = Token::parse(&text).unwrap();
        assert_eq!(token.id, id);
        assert!(key.fits(&token, 3).unwrap());
        assert!(!key.fits(&token, 2).unwrap() && !key.fits(&token, 4).unwrap());
        assert!(!TokenKey::new([2; 32]).fits(&token, 3).unwrap());
        let other = Token {
            id: Id::new("019a0000-0000-7000-8000-000000000002").unwrap(),
            hash: token.hash,
        };
        assert!(!key.fits(&other, 3).unwrap());
        for bad in [
            "",
            "tny_link_",
            &text[..text.len() - 1],
            &text.to_uppercase(),
            &format!("{text}0"),
        ] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }

    /// S7: a prefix and a checksum for scanners; what is stored is a hash.
    #[test]
    fn the_token_of_a_session() {
        let id = Id::new("019a0000-0000-7000-8000-000000000001").unwrap();
        let token = SecretToken::new(SecretToken::SESSION, &id, &[0xab; 32]).unwrap();
        let text = token.reveal().unwrap().reveal().to_owned();
        assert_eq!(text.len(), "tny_session_".len() + 32 + 64 + 8);
        let shown = ShownToken::parse(SecretToken::SESSION, &text).unwrap();
        assert_eq!(shown.id(), id.as_str());
        assert!(
            shown.has_hash(&hash_bytes(&token.hash()).unwrap()) && !text.contains(&token.hash())
        );
        let other = SecretToken::new(SecretToken::SESSION, &id, &[0xac; 32]).unwrap();
        assert!(!shown.has_hash(&hash_bytes(&other.hash()).unwrap()));
        for bad in [
            "",
            &token.hash()[1..],
            &token.hash().to_uppercase(),
            &"é".repeat(32),
        ] {
            assert!(hash_bytes(bad).is_none(), "{bad}");
        }
        assert!(shown.is_whole());
        for bad in [
            "",
            "tny_session_",
            &text[1..],
            &text[..text.len() - 1],
            &text.to_uppercase(),
            &text.replace("session", "link"),
            &text.replace("019a", "019é"),
        ] {
            assert!(
                ShownToken::parse(SecretToken::SESSION, bad).is_none(),
                "{bad}"
            );
        }
        let ends_with = |end: &str| format!("{}{end}", &text[..text.len() - end.len()]);
        for bad in [
            text.replacen("abab", "abac", 1),
            text.replacen("abab", "ABAB", 1),
            ends_with("0"),
            ends_with("é"),
            ends_with("é0000000"),
            ends_with("éééé"),
        ] {
            assert!(
                !ShownToken::parse(SecretToken::SESSION, &bad)
                    .unwrap()
                    .is_whole(),
                "{bad}"
            );
        }
    }
}
