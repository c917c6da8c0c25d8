//! Bounded texts and numbers: ids, names, notes, counts.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $min:literal ..= $max:literal bytes, $newlines:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text; the error says what is wrong with it.
            pub fn new(text: impl Into<String>) -> Result<$name, String> {
                let text = text.into();
                if !($min..=$max).contains(&text.len()) {
                    return Err(format!("must have {} to {} bytes, has {}", $min, $max, text.len()));
                }
                if text.chars().any(|c| c.is_control() && !($newlines && c == '\n')) {
                    return Err("must not hold control characters".to_owned());
                }
                Ok($name(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<$name, String> {
                $name::new(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "minLength": $min, "maxLength": $max})
            }
        }
    };
}

bounded_text! {
    /// The id of an account, user, role or package: the host's own or a UUIDv7, 1 to 64 bytes of UTF-8 without
    /// control characters.
    Id, 1 ..= 64 bytes, false
}
bounded_text! {
    /// A name that people see: 1 to 200 bytes without control characters.
    Name, 1 ..= 200 bytes, false
}
bounded_text! {
    /// A remark: up to 2,000 bytes, line breaks allowed.
    Note, 0 ..= 2000 bytes, true
}

bounded_text! {
    /// Where a list goes on: what the page before answered as `next`, unchanged.
    Cursor, 1 ..= 1024 bytes, false
}

impl Name {
    /// The time zone that counts where none is named.
    pub fn utc() -> Name {
        Name("UTC".to_owned())
    }
}

/// A whole number from 0 to 2^53 - 1: exact in every language, JavaScript included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Count(u64);

impl Count {
    /// The largest count, 2^53 - 1.
    pub const MAX: u64 = (1 << 53) - 1;

    /// Checks the bound.
    pub fn new(value: u64) -> Result<Count, String> {
        if value <= Count::MAX { Ok(Count(value)) } else { Err(format!("must be at most {}, is {value}", Count::MAX)) }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Count {
    type Error = String;
    fn try_from(value: u64) -> Result<Count, String> {
        Count::new(value)
    }
}

impl From<Count> for u64 {
    fn from(count: Count) -> u64 {
        count.0
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 0, "maximum": Count::MAX})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_on_both_sides() {
        assert!(Id::new("").is_err());
        assert!(Id::new("a".repeat(64)).is_ok());
        assert!(Id::new("a".repeat(65)).is_err());
        assert!(Id::new("a\u{0}b").is_err());
        assert!(Name::new("two\nlines").is_err());
        assert!(Note::new("two\nlines").is_ok());
        assert!(Count::new(Count::MAX).is_ok());
        assert!(Count::new(Count::MAX + 1).is_err());
    }
}
