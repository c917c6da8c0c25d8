//! Texts and numbers with bounds: ids, names, notes and counts.

use crate::error::excerpt;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{UnicodeNormalization, is_nfc};

macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $min:literal ..= $max:literal bytes, $newlines:literal,
        $form:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text; the error says what is wrong with it.
            pub fn new(text: impl Into<String>) -> Result<$name, String> {
                let text = $form(text.into(), $max);
                if !($min..=$max).contains(&text.len()) {
                    return Err(format!(
                        "The text `{}` has {} bytes, and must have {} to {}.",
                        excerpt(&text), text.len(), $min, $max
                    ));
                }
                if text.chars().any(|c| c.is_control() && !($newlines && c == '\n')) {
                    return Err(format!(
                        "The text `{}` holds control characters; leave them out.",
                        excerpt(&text)
                    ));
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
    /// The id of an account, a user, a role or another thing: the host's own or a UUIDv7, 1 to 64
    /// bytes of UTF-8 without control characters.
    Id, 1 ..= 64 bytes, false, as_given
}
bounded_text! {
    /// A name that people see: 1 to 200 bytes without control characters, in NFC.
    Name, 1 ..= 200 bytes, false, in_nfc
}
bounded_text! {
    /// A remark: up to 2,000 bytes, line breaks allowed.
    Note, 0 ..= 2000 bytes, true, as_given
}

bounded_text! {
    /// Where a store is, as `open` names it: a folder, `sqlite:` and a file, or `postgresql://` and
    /// a database; 1 to 4,096 bytes.
    StorePath, 1 ..= 4096 bytes, false, as_given
}

bounded_text! {
    /// Where a file is: 1 to 4,096 bytes.
    FilePath, 1 ..= 4096 bytes, false, as_given
}

bounded_text! {
    /// Where a page of a list begins: the `next` of the previous page, unchanged.
    Cursor, 1 ..= 1024 bytes, false, as_given
}

fn as_given(text: String, _: usize) -> String {
    text
}

/// The text in NFC (R-USR-6). A text that fits as it was given, but would be too long in NFC, stays
/// as it is, so that what was stored before can be read.
fn in_nfc(text: String, most: usize) -> String {
    if is_nfc(&text) {
        return text;
    }
    let normal: String = text.nfc().collect();
    if normal.len() > most && text.len() <= most {
        text
    } else {
        normal
    }
}

/// A text as it is searched and ordered: without regard to case, width and accents (R-USR-6).
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let letters = text
        .nfkd()
        .flat_map(char::to_lowercase)
        .nfd()
        .filter(|c| !is_accent(*c));
    letters
        .flat_map(|c| plain(c).into_iter().flatten())
        .nfc()
        .collect()
}

/// Whether a mark is an accent, a stroke, or a point that shows how a word is read. A mark that
/// makes another letter of its base is not an accent: a nukta, the voicing of kana, a virama, a
/// vowel.
fn is_accent(c: char) -> bool {
    matches!(canonical_combining_class(c), 1 | 10..=36 | 200..)
}

/// The letters that people type for a letter with a built-in accent.
fn plain(c: char) -> [Option<char>; 2] {
    let (first, second) = match c {
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'þ' => ('t', Some('h')),
        'đ' | 'ð' => ('d', None),
        'ħ' => ('h', None),
        'ı' => ('i', None),
        'ł' => ('l', None),
        'ø' => ('o', None),
        'ŧ' => ('t', None),
        'ς' => ('σ', None),
        other => (other, None),
    };
    [Some(first), second]
}

impl Name {
    /// The time zone that applies when no time zone is named: UTC.
    pub fn utc() -> Name {
        Name("UTC".to_owned())
    }
}

/// A whole number from 0 to 2^53 - 1: exact in every language, JavaScript included.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u64", into = "u64")]
pub struct Count(u64);

impl Count {
    /// The largest count, 2^53 - 1.
    pub const MAX: u64 = (1 << 53) - 1;

    /// Checks the bound.
    pub fn new(value: u64) -> Result<Count, String> {
        if value <= Count::MAX {
            Ok(Count(value))
        } else {
            Err(format!(
                "The number {value} is too large; the largest is {}.",
                Count::MAX
            ))
        }
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

    /// 17.17, R-USR-6: a name is kept in NFC, and found without regard to case and accents.
    #[test]
    fn a_name_is_kept_in_nfc_and_folded_to_be_found() {
        assert_eq!(Name::new("Luci\u{301}a").unwrap().as_str(), "Luc\u{ed}a");
        let long = "\u{958}".repeat(66);
        assert_eq!(
            Name::new(long.as_str()).unwrap().as_str(),
            long,
            "longer in NFC than a name can be"
        );
        assert!(
            Name::new("e\u{301}".repeat(100)).is_ok(),
            "of 300 bytes 200 in NFC"
        );
        for (name, typed) in [
            ("Luc\u{ed}a", "lucia"),
            ("LUCI\u{301}A", "luc\u{ed}a"),
            ("\u{141}\u{f3}d\u{17a}", "lodz"),
            ("Stra\u{df}e", "STRASSE"),
            ("\u{130}pek", "ipek"),
            ("D\u{131}lek", "dilek"),
            ("Nguy\u{1ec5}n", "nguyen"),
            (
                "\u{39f}\u{394}\u{39f}\u{3a3}",
                "\u{3bf}\u{3b4}\u{3bf}\u{3c2}",
            ),
            (
                "\u{395}\u{3bb}\u{3ad}\u{3bd}\u{3b7}",
                "\u{3b5}\u{3bb}\u{3b5}\u{3bd}\u{3b7}",
            ),
            ("\u{ff21}nn", "ann"),
            ("\u{5d0}\u{5b8}", "\u{5d0}"),
            ("A\u{a0}B", "a b"),
        ] {
            assert_eq!(folded(name), folded(typed), "{name} {typed}");
        }
        assert_ne!(
            folded("\u{304c}"),
            folded("\u{304b}"),
            "another syllable, not another accent"
        );
        assert_ne!(folded("\u{915}\u{94d}"), folded("\u{915}"));
        assert_eq!(folded("\u{d55c}"), "\u{d55c}");
    }

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
