//! Passwords and tokens: texts that are never shown.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use zeroize::Zeroizing;

/// A password, a token or the hash of a password: 1 to 256 bytes of any text. It is shown only in
/// answers, never in `Debug` or in an error, and is wiped from memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The largest number of bytes.
    pub const MAX_BYTES: usize = 256;

    /// Checks the length; the error says what is wrong with it.
    pub fn new(text: impl Into<String>) -> Result<Secret, String> {
        let secret = Secret(Zeroizing::new(text.into()));
        let bytes = secret.0.len();
        if (1..=Secret::MAX_BYTES).contains(&bytes) {
            Ok(secret)
        } else {
            Err(format!(
                "A secret must have 1 to {} bytes, and this one has {bytes}.",
                Secret::MAX_BYTES
            ))
        }
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        struct Visitor;
        /// Serde's own message about a wrong type would repeat the value; this one does not.
        fn no_text<E: serde::de::Error>() -> Result<Secret, E> {
            Err(E::custom("This must be a string."))
        }
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Secret;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a string")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Secret, E> {
                Secret::new(text).map_err(E::custom)
            }
            fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Secret, E> {
                Secret::new(text).map_err(E::custom)
            }
            fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Secret, E> {
                no_text()
            }
            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Secret, E> {
                no_text()
            }
            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Secret, E> {
                no_text()
            }
            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Secret, E> {
                no_text()
            }
        }
        // Not as a string: then the parser itself would say what it found.
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "password", "minLength": 1,
            "maxLength": Secret::MAX_BYTES})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S18
    #[test]
    fn a_secret_never_shows_itself() {
        assert_eq!(format!("{:?}", Secret::new("hunter2").unwrap()), "Secret");
        for given in ["12345678", "12345678.5", "-12345678", "true"] {
            let error = serde_json::from_str::<Secret>(given)
                .unwrap_err()
                .to_string();
            assert!(!error.contains(given), "{error}");
        }
        let long = "z".repeat(257);
        assert!(!Secret::new(long.clone()).unwrap_err().contains(&long));
        assert_eq!(
            serde_json::from_str::<Secret>(&format!("\"{}\"", "z".repeat(256)))
                .unwrap()
                .reveal()
                .len(),
            256
        );
        assert!(Secret::new("").is_err());
    }
}
