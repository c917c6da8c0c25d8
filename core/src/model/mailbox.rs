//! An e-mail address as people paste it: with spaces around it, in angle brackets, or with a name
//! before it (R-INV-1, R-USR-5).

use super::Name;

/// An address and the name that was pasted with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox<'a> {
    /// The text before the brackets, without the quotes around it; empty when there is none.
    name: &'a str,
    /// The address; it is not checked yet.
    pub address: &'a str,
}

impl<'a> Mailbox<'a> {
    /// Reads `ann@x.example`, `<ann@x.example>` or `Ann Lee <ann@x.example>`.
    pub fn read(text: &'a str) -> Mailbox<'a> {
        let text = trimmed(text);
        let bracketed = text
            .strip_suffix('>')
            .and_then(|rest| rest.rsplit_once('<'));
        match bracketed {
            Some((name, address)) => Mailbox {
                name: trimmed(name),
                address: trimmed(address),
            },
            None => Mailbox {
                name: "",
                address: text,
            },
        }
    }

    /// The first and the last name, from `Ann Lee` or `Lee, Ann`. A part that cannot be a name is
    /// left out, and so is a repetition of the address.
    pub fn names(&self) -> [Option<Name>; 2] {
        let name = trimmed(self.name);
        let inner = name
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let name = trimmed(
            inner
                .or_else(|| name.strip_prefix('\'')?.strip_suffix('\''))
                .unwrap_or(name),
        );
        if name.eq_ignore_ascii_case(self.address) {
            return [None, None];
        }
        let (first, last) = match name.split_once(',') {
            Some((last, first)) => (first, last),
            None => name.split_once(char::is_whitespace).unwrap_or((name, "")),
        };
        [first, last].map(|part| Name::new(trimmed(part)).ok())
    }
}

/// Whether a character around an address does not belong to it: white space, and invisible
/// characters such as a byte order mark.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{feff}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202c}'
                | '\u{2060}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// The text without blank characters around it.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(is_blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 17.18, R-INV-1
    #[test]
    fn a_pasted_address_may_have_a_name_and_brackets() {
        for (pasted, address, first, last) in [
            ("ann@x.example", "ann@x.example", "", ""),
            (" \u{feff}ann@x.example\u{a0}\t", "ann@x.example", "", ""),
            ("<ann@x.example>", "ann@x.example", "", ""),
            ("Ann Lee <ann@x.example>", "ann@x.example", "Ann", "Lee"),
            (
                " Ann  van der Lee<ann@x.example> ",
                "ann@x.example",
                "Ann",
                "van der Lee",
            ),
            (
                "\"Lee, Ann\" < ann@x.example >",
                "ann@x.example",
                "Ann",
                "Lee",
            ),
            ("'Ann Lee' <ann@x.example>", "ann@x.example", "Ann", "Lee"),
            ("'Ann@x.example' <ann@x.example>", "ann@x.example", "", ""),
            ("Lee, Ann <ann@x.example>", "ann@x.example", "Ann", "Lee"),
            ("Ann <ann@x.example>", "ann@x.example", "Ann", ""),
            ("Ann <ann@x.example", "Ann <ann@x.example", "", ""),
            ("\u{2068}ann@x.example\u{2069}", "ann@x.example", "", ""),
        ] {
            let mailbox = Mailbox::read(pasted);
            let names = mailbox
                .names()
                .map(|name| name.map_or_else(String::new, String::from));
            assert_eq!(
                (mailbox.address, names),
                (address, [first, last].map(str::to_owned)),
                "{pasted}"
            );
        }
    }
}
