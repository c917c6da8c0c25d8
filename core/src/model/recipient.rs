//! The addresses to which a message can go (R-USR-6): there are more of them than addresses with
//! which an account can be created.

use super::email::{Email, SYMBOLS, no_address};
use idna::AsciiDenyList;
use std::net::{Ipv4Addr, Ipv6Addr};
use unicode_normalization::UnicodeNormalization;

/// The longest address, in bytes.
const LONGEST: usize = 254;

/// The normal form of an address to which mail goes. Some mail hosts give out addresses that no
/// standard allows, such as addresses with two dots in a row or a dot before the `@`, and some
/// addresses have quotes; quotes that are not needed are removed.
///
/// An address that an account can have has the same normal form here as there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    key: String,
    domain_at: usize,
}

impl Recipient {
    /// Checks the address; the error says what is wrong with it.
    pub fn new(typed: &str) -> Result<Recipient, String> {
        let key = match Email::new(typed) {
            Ok(email) => email.key().to_owned(),
            Err(_) => loose(typed).map_err(|why| no_address(typed, &why))?,
        };
        let domain_at = key.rfind('@').map_or(0, |at| at + 1);
        Ok(Recipient { key, domain_at })
    }

    /// The normal form, by which addresses are compared.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The domain in normal form, or the address of a host in brackets.
    pub fn domain(&self) -> &str {
        self.key.get(self.domain_at..).unwrap_or_default()
    }
}

fn loose(typed: &str) -> Result<String, String> {
    let (local, domain) = typed.rsplit_once('@').ok_or("it has no `@`")?;
    let key = format!("{}@{}", local_part(local)?, domain_part(domain)?);
    if key.len() > LONGEST {
        return Err(format!("it has {} bytes, more than {LONGEST}", key.len()));
    }
    Ok(key)
}

fn local_part(typed: &str) -> Result<String, String> {
    let quoted = typed.strip_prefix('"').map(|rest| {
        rest.strip_suffix('"')
            .ok_or("a quote is opened and never closed")
    });
    let text = match quoted.transpose()? {
        Some(inner) => unquoted(inner)?,
        None if typed.is_empty() => return Err("there is nothing before its `@`".to_owned()),
        None => typed.to_owned(),
    };
    if let Some(c) = text.chars().find(|c| c.is_control()) {
        return Err(format!(
            "the part before its `@` must not hold {}",
            c.escape_unicode()
        ));
    }
    let text = text.nfc().collect::<String>().to_ascii_lowercase();
    match text.chars().find(|c| !stands_alone(*c)) {
        None if !text.is_empty() => Ok(text),
        Some(c) if quoted.is_none() => Err(format!(
            "the part before its `@` must not hold {} without quotes",
            c.escape_unicode()
        )),
        _ => Ok(format!(
            "\"{}\"",
            text.replace('\\', "\\\\").replace('"', "\\\"")
        )),
    }
}

/// The text between quotes, without the backslashes before characters that stand for themselves.
fn unquoted(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '"' => return Err("a quote ends before its `@`".to_owned()),
            '\\' => chars.next().ok_or("a quote is opened and never closed")?,
            c => c,
        });
    }
    Ok(plain)
}

/// Whether a character needs no quotes around it.
fn stands_alone(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || SYMBOLS.contains(c)
    } else {
        !c.is_whitespace()
    }
}

fn domain_part(typed: &str) -> Result<String, String> {
    let wrong = || "its domain is not a valid host name".to_owned();
    if let Some(host) = typed
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return host_address(host)
            .map(|host| format!("[{host}]"))
            .ok_or_else(wrong);
    }
    let typed = typed.strip_suffix('.').unwrap_or(typed);
    let domain =
        idna::domain_to_ascii_cow(typed.as_bytes(), AsciiDenyList::URL).map_err(|_| wrong())?;
    let labels_fit = domain
        .split('.')
        .all(|label| (1..=63).contains(&label.len()));
    if labels_fit {
        Ok(domain.into_owned())
    } else {
        Err(wrong())
    }
}

/// The address of a host that is written in brackets.
fn host_address(text: &str) -> Option<String> {
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some(v4.to_string());
    }
    let (kind, v6) = text.split_once(':')?;
    let v6 = v6
        .parse::<Ipv6Addr>()
        .ok()
        .filter(|_| kind.eq_ignore_ascii_case("ipv6"))?;
    Some(format!("ipv6:{v6}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(typed: &str) -> Result<String, String> {
        Recipient::new(typed).map(|recipient| recipient.key().to_owned())
    }

    /// 17.17, R-USR-6
    #[test]
    fn every_address_that_a_message_can_have_has_a_normal_form() {
        for (typed, normal) in [
            ("Ann@Example.COM", "ann@example.com"),
            ("abc..Def@docomo.example", "abc..def@docomo.example"),
            ("abc.@ezweb.example", "abc.@ezweb.example"),
            (".abc@docomo.example", ".abc@docomo.example"),
            ("\"Ann\"@example.com", "ann@example.com"),
            ("\"abc..def\"@docomo.example", "abc..def@docomo.example"),
            ("\"a b\"@example.com", "\"a b\"@example.com"),
            ("\"A@b\"@example.com", "\"a@b\"@example.com"),
            ("\"a\\\"b\\\\\"@example.com", "\"a\\\"b\\\\\"@example.com"),
            ("\"\\a\"@example.com", "a@example.com"),
            ("\"\"@example.com", "\"\"@example.com"),
            ("root@localhost", "root@localhost"),
            ("ann@my_shop.example", "ann@my_shop.example"),
            ("ann@Example.com.", "ann@example.com"),
            ("ann@[127.0.0.1]", "ann@[127.0.0.1]"),
            ("ann@[IPv6:2001:DB8::1]", "ann@[ipv6:2001:db8::1]"),
            ("ann@p\u{430}ypal.example", "ann@xn--pypal-4ve.example"),
        ] {
            assert_eq!(key(typed).as_deref(), Ok(normal), "{typed}");
            assert_eq!(
                key(normal).as_deref(),
                Ok(normal),
                "the normal form of a normal form"
            );
        }
        let long = format!("{}@example.com", "a".repeat(100));
        assert_eq!(key(&long).as_deref(), Ok(long.as_str()));
        assert_eq!(
            Recipient::new("\"a@b\"@Example.com").unwrap().domain(),
            "example.com"
        );
    }

    #[test]
    fn what_no_message_can_have_is_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "a b@example.com",
            "a,b@example.com",
            "a@b@example.com",
            "<a>@example.com",
            "\"a@example.com",
            "\"a\"b\"@example.com",
            "\"a\\\"@example.com",
            "a\u{0}@example.com",
            "\"a\r\nb\"@example.com",
            "a@b..example",
            "a@[1.2.3]",
            "a@[x:1]",
            "a@b c.example",
            &long,
        ] {
            assert!(key(bad).is_err(), "{bad:?} was accepted as {:?}", key(bad));
        }
    }
}
