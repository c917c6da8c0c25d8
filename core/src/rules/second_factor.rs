//! What a second factor is asked for, and how its codes are typed (R-SES-1).

use zeroize::Zeroizing;

/// Digits of a code by time.
const DIGITS: usize = 6;
/// Characters of a recovery code, without what stands between them: 80 bits.
pub const RECOVERY_LENGTH: usize = 16;

/// What somebody typed as the code of their second factor.
pub enum Typed {
    /// A code by time.
    ByTime(Zeroizing<String>),
    /// A recovery code.
    Recovery(Zeroizing<String>),
}

impl Typed {
    /// Reads a code, with or without spaces and hyphens; none where it has not the form of one.
    pub fn read(text: &str) -> Option<Typed> {
        let mut code = Zeroizing::new(String::with_capacity(text.len()));
        text.chars()
            .filter(|c| !matches!(c, ' ' | '-'))
            .for_each(|c| code.push(c.to_ascii_uppercase()));
        let is_base32 = |byte: u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte);
        if code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Typed::ByTime(code));
        }
        (code.len() == RECOVERY_LENGTH && code.bytes().all(is_base32))
            .then_some(Typed::Recovery(code))
    }
}

/// A recovery code as it is shown: in groups of four.
pub fn grouped(code: &str) -> Zeroizing<String> {
    let mut shown = Zeroizing::new(String::with_capacity(code.len() * 2));
    for (at, character) in code.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            shown.push('-');
        }
        shown.push(character);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        for text in ["287082", "287 082", " 287-082 "] {
            assert!(
                matches!(Typed::read(text), Some(Typed::ByTime(code)) if *code == "287082"),
                "{text}"
            );
        }
        let recovery = grouped("ABCDEFGHIJKLMN27");
        assert_eq!(recovery.as_str(), "ABCD-EFGH-IJKL-MN27");
        for text in [recovery.as_str(), "abcdefghijklmn27", "abcd efgh ijkl mn27"] {
            assert!(
                matches!(Typed::read(text),
                    Some(Typed::Recovery(code)) if *code == "ABCDEFGHIJKLMN27"),
                "{text}"
            );
        }
        for text in [
            "",
            "28708",
            "2870822",
            "+28708",
            "ABCD-EFGH-IJKL-MN28",
            "ABCD-EFGH-IJKL-MN2",
            "\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}",
        ] {
            assert!(Typed::read(text).is_none(), "{text}");
        }
    }
}
