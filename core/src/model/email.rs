//! E-mail addresses as identities (R-USR-1).

use crate::error::excerpt;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::mixed_script::AugmentedScriptSet;

/// An e-mail address, which is stored as it was typed and compared in its normal form.
///
/// The normal form is NFC, with the domain as a lower-case A-label (UTS-46) and the ASCII letters
/// of the local part in lower case; nothing else is folded: `mıke@` and `mike@` are two people. A
/// domain with a label that mixes scripts, such as one Cyrillic letter among Latin ones, is
/// refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email {
    typed: String,
    key: String,
}

impl Email {
    /// Checks the address; the error says what is wrong with it.
    pub fn new(typed: impl Into<String>) -> Result<Email, String> {
        let typed = typed.into();
        match normal(&typed) {
            Ok(key) => Ok(Email { typed, key }),
            Err(why) => Err(no_address(&typed, &why)),
        }
    }

    /// The address as it was typed; mail goes to this address.
    pub fn as_typed(&self) -> &str {
        &self.typed
    }

    /// The normal form, by which addresses are compared.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The domain in normal form.
    pub fn domain(&self) -> &str {
        self.key.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// The normal form of an address, or what is wrong with it.
fn normal(typed: &str) -> Result<String, String> {
    let (local, domain) = typed.rsplit_once('@').ok_or("it has no `@`")?;
    let local: String = local.nfc().collect::<String>().to_ascii_lowercase();
    check_local(&local)?;
    let domain = normal_domain(domain).map_err(|_| "its domain is not a valid host name")?;
    if domain.split('.').any(mixes_scripts) {
        return Err("its domain mixes scripts within a label".to_owned());
    }
    let key = format!("{local}@{domain}");
    if key.len() > 254 {
        return Err(format!("it has {} bytes, more than 254", key.len()));
    }
    Ok(key)
}

/// What is said of a text that is not the address that it should be.
pub(super) fn no_address(typed: &str, why: &str) -> String {
    format!("`{}` is not an e-mail address: {why}.", excerpt(typed))
}

/// The normal form of a domain: a lower-case A-label.
pub fn normal_domain(typed: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "`{}` is not a domain; write a host name such as `mail.example`.",
            excerpt(typed)
        )
    };
    let domain = idna::domain_to_ascii_cow(typed.as_bytes(), idna::AsciiDenyList::STD3)
        .map_err(|_| wrong())?;
    if is_domain(&domain) {
        Ok(domain.into_owned())
    } else {
        Err(wrong())
    }
}

/// Whether a label, also one that is an A-label, mixes more than one script. Latin letters may
/// stand with Chinese, Japanese and Korean ones.
fn mixes_scripts(label: &str) -> bool {
    if !label.starts_with("xn--") {
        return false;
    }
    let (label, _) = idna::domain_to_unicode(label);
    let foreign: String = label.chars().filter(|c| !c.is_ascii()).collect();
    let scripts = AugmentedScriptSet::for_str(&foreign);
    let allows_latin = scripts.hanb || scripts.jpan || scripts.kore;
    scripts.is_empty() || (!allows_latin && AugmentedScriptSet::for_str(&label).is_empty())
}

fn check_local(local: &str) -> Result<(), String> {
    if local.is_empty() || local.len() > 64 {
        return Err(format!(
            "the part before its `@` has {} bytes, not 1 to 64",
            local.len()
        ));
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err("a dot before its `@` does not stand between two other characters".to_owned());
    }
    let mut after_letter = false;
    for c in local.chars() {
        after_letter = c.is_alphanumeric() || (after_letter && is_visible_mark(c));
        if !after_letter && !SYMBOLS.contains(c) {
            return Err(format!(
                "the part before its `@` must not hold {}",
                c.escape_unicode()
            ));
        }
    }
    Ok(())
}

/// The characters that may stand before the `@`, beside letters, their marks and digits.
pub(super) const SYMBOLS: &str = "!#$%&'*+/=?^_`{|}~.-";

/// Whether this is a visible mark with which many scripts write their letters (R-USR-6): not a
/// variation selector, a joiner or an enclosing mark.
fn is_visible_mark(c: char) -> bool {
    let hidden = matches!(
        c,
        '\u{34f}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{20dd}'..='\u{20e4}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{e0100}'..='\u{e01ef}'
    );
    is_combining_mark(c) && !hidden
}

fn is_domain(domain: &str) -> bool {
    let labels_fit = domain.split('.').all(|label| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    });
    let dotted = domain.contains('.') && !domain.ends_with('.');
    let address = domain
        .rsplit('.')
        .next()
        .is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()));
    labels_fit && dotted && !address && domain.len() <= 253
}

impl TryFrom<String> for Email {
    type Error = String;
    fn try_from(typed: String) -> Result<Email, String> {
        Email::new(typed)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> String {
        email.typed
    }
}

impl JsonSchema for Email {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Email".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "email", "maxLength": 254})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(typed: &str) -> Result<String, String> {
        Email::new(typed).map(|email| email.key().to_owned())
    }

    #[test]
    fn the_normal_form_folds_ascii_and_the_domain_only() {
        assert_eq!(key("Ann@Example.COM").unwrap(), "ann@example.com");
        assert_eq!(key("ann@Straße.de").unwrap(), "ann@xn--strae-oqa.de");
        assert_eq!(
            key("ann@bücher.example").unwrap(),
            key("ann@xn--bcher-kva.example").unwrap()
        );
        assert_ne!(
            key("m\u{131}ke@example.com").unwrap(),
            key("mike@example.com").unwrap()
        );
        assert_eq!(
            key("e\u{301}va@example.com").unwrap(),
            key("\u{e9}va@example.com").unwrap()
        );
        assert_eq!(key("a+tag.b@example.com").unwrap(), "a+tag.b@example.com");
    }

    /// S14: what looks alike is two people, unless Unicode itself says that it is the same letter.
    #[test]
    fn look_alikes_are_two_people() {
        let pairs = [
            ("m\u{131}ke@example.com", "mike@example.com"),
            ("M\u{130}KE@example.com", "mike@example.com"),
            ("stra\u{df}e@example.com", "strasse@example.com"),
            ("o\u{fb00}ice@example.com", "office@example.com"),
            ("\u{fb01}n@example.com", "fin@example.com"),
            ("\u{ff4d}ike@example.com", "mike@example.com"),
            ("\u{430}nn@example.com", "ann@example.com"),
            ("\u{c9}va@example.com", "\u{e9}va@example.com"),
            ("ann@stra\u{df}e.de", "ann@strasse.de"),
            ("ann@m\u{131}ke.example", "ann@mike.example"),
            ("a.nn@example.com", "ann@example.com"),
            ("ann+news@example.com", "ann@example.com"),
        ];
        for (one, other) in pairs {
            assert_ne!(key(one).unwrap(), key(other).unwrap(), "{one} {other}");
        }
        // The Kelvin sign is the letter K (NFC), and UTS-46 spells ligatures and the domain of mike
        // out.
        assert_eq!(
            key("\u{212a}im@example.com").unwrap(),
            key("kim@example.com").unwrap()
        );
        assert_eq!(
            key("ann@\u{212a}im.example").unwrap(),
            key("ann@kim.example").unwrap()
        );
        assert_eq!(
            key("ann@o\u{fb00}ice.example").unwrap(),
            key("ann@office.example").unwrap()
        );
        assert_eq!(
            key("ann@Stra\u{df}e.de").unwrap(),
            key("ann@xn--strae-oqa.de").unwrap()
        );
        assert_eq!(
            Email::new("\u{212a}im@Example.com").unwrap().as_typed(),
            "\u{212a}im@Example.com"
        );
    }

    /// 17.17, R-USR-6
    #[test]
    fn letters_have_their_combining_marks() {
        for good in [
            "संपर्क@डाटामेल.भारत",
            "ಬೆಂಬಲ@ಡೇಟಾಮೇಲ್.ಭಾರತ",
            "தமிழ்@example.com",
            "ผู้ใช้@ตัวอย่าง.ไทย",
            "សូម@example.com",
            "မြန်မာ@example.com",
            "שָׁלוֹם@example.com",
            "مُحَمَّد@example.com",
            "x\u{302}\u{323}@example.com",
            "पता.संपर्क@example.com",
        ] {
            assert!(key(good).is_ok(), "{good:?}: {:?}", key(good));
        }
        assert_eq!(
            key("e\u{323}\u{302}@example.com").unwrap(),
            key("\u{1ec7}@example.com").unwrap()
        );
        for bad in [
            "\u{301}a@example.com",
            "a.\u{301}b@example.com",
            "ann\u{fe0f}@example.com",
            "ann\u{34f}@example.com",
            "1\u{20e3}@example.com",
        ] {
            assert!(key(bad).is_err(), "{bad:?} was accepted as {:?}", key(bad));
        }
    }

    /// S14
    #[test]
    fn a_label_of_mixed_scripts_is_refused() {
        for bad in [
            "ann@p\u{430}ypal.example",
            "ann@xn--pypal-4ve.example",
            "ann@\u{3b1}pple.example",
            "ann@a.goog\u{43b}e.example",
            "ann@\u{43f}\u{3b1}.example",
        ] {
            assert!(key(bad).is_err(), "{bad:?} was accepted as {:?}", key(bad));
        }
        for good in [
            "ann@b\u{fc}cher.example",
            "ann@\u{43f}\u{43e}\u{447}\u{442}\u{430}.example",
            "ann@sony\u{30bd}\u{30cb}\u{30fc}.example",
            "ann@\u{65e5}\u{672c}\u{3054}.example",
            "ann@abc.\u{43f}\u{440}\u{438}-1.example",
            "ann@xn--bcher-kva.example",
        ] {
            assert!(key(good).is_ok(), "{good:?}: {:?}", key(good));
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        for bad in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@localhost",
            "a b@example.com",
            ".ann@example.com",
            "a..n@example.com",
            "ann@-a.com",
            "ann@a_b.com",
            "ann@127.0.0.1",
            "ann@[127.0.0.1]",
            "u@example.com\u{202e}",
            "u\u{202e}@example.com",
            "u\u{200b}@example.com",
            "ann\r\n@example.com",
            "a\u{0}@example.com",
            "Ann <ann@example.com>",
            "ann@１２７.0.0.1",
            "\"a b\"@example.com",
            "ann@example.com.",
            &long,
        ] {
            assert!(key(bad).is_err(), "{bad:?} was accepted as {:?}", key(bad));
        }
    }
}
