//! Tokens of links: derived when they are needed, never stored (R-INV-2).
//!
//! A token is the id of what it is for and a keyed hash of that id and its generation, so that a new generation ends
//! the old token and the store alone makes none.

use crate::error::{Code, Error};
use crate::model::Id;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Every token begins with this, so that people and scanners know it when they see it.
const PREFIX: &str = "tny_link_";

/// The key of all tokens of a store.
pub(crate) struct TokenKey([u8; 32]);

impl TokenKey {
    pub(crate) fn new(bytes: [u8; 32]) -> TokenKey {
        TokenKey(bytes)
    }

    /// A key for a store that ends with the process.
    pub(crate) fn random() -> Result<TokenKey, Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| Error::new(Code::Internal, format!("the system gives no random bytes: {error}")))?;
        Ok(TokenKey(bytes))
    }

    /// The key of stores that are opened with a seed: everybody knows it.
    pub(crate) fn of_tests() -> TokenKey {
        TokenKey(*b"the token key of tests, not safe")
    }

    pub(crate) fn is(&self, bytes: &[u8; 32]) -> bool {
        self.0 == *bytes
    }

    /// What the store remembers of its key.
    pub(crate) fn fingerprint(&self) -> String {
        hex(&Sha256::digest(self.0))
    }

    fn mac(&self, id: &str, generation: u64) -> Result<Hmac<Sha256>, Error> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
        mac.update(id.as_bytes());
        mac.update(&generation.to_le_bytes());
        Ok(mac)
    }

    /// The token for this generation of an invitation or link, whose id is a UUID.
    pub(crate) fn token(&self, id: &Id, generation: u64) -> Result<String, Error> {
        let compact: String = id.as_str().chars().filter(|c| *c != '-').collect();
        Ok(format!("{PREFIX}{compact}{}", hex(&self.mac(id.as_str(), generation)?.finalize().into_bytes())))
    }

    /// Whether the token is that of this generation; takes the same time wherever it differs.
    pub(crate) fn fits(&self, token: &Token, generation: u64) -> Result<bool, Error> {
        Ok(self.mac(token.id.as_str(), generation)?.verify_slice(&token.hash).is_ok())
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
        let rest = text.strip_prefix(PREFIX).filter(|rest| rest.len() == 96 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))?;
        let (id, hash) = rest.split_at_checked(32)?;
        let id = Id::new(uuid::Uuid::try_parse(id).ok()?.to_string()).ok()?;
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hash.get(place * 2..place * 2 + 2)?, 16).ok()?;
        }
        Some(Token { id, hash: bytes })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
        let other = Token { id: Id::new("019a0000-0000-7000-8000-000000000002").unwrap(), hash: token.hash };
        assert!(!key.fits(&other, 3).unwrap());
        for bad in ["", "tny_link_", &text[..text.len() - 1], &text.to_uppercase(), &format!("{text}0")] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }
}
