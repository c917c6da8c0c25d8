//! Which passwords are taken (R-SES-1): long enough, not one that everybody tries. Nothing is said of what kind of characters.

use super::guessed_first::unguessed;
use crate::error::{Code, Error};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The fewest characters that a policy can ask for.
pub const SHORTEST: u64 = 8;
/// A word shorter than this is in too many good passwords.
const SHORTEST_WORD: usize = 4;
/// One character becomes at most 18 in NFKC, of at most four bytes each, and each of these at most three in lower case.
const MOST_GROWTH: usize = 18 * 4 * 3;

/// The password that is hashed: NFC, so that it is the same however it was typed.
pub fn normal(password: &str) -> Zeroizing<String> {
    wiped(password, password.nfc())
}

/// How a word is compared: case does not count.
pub fn folded(word: &str) -> Zeroizing<String> {
    wiped(word, word.nfkc().flat_map(char::to_lowercase))
}

/// A text that is made in one place and wiped there: one that grows leaves copies of itself behind.
fn wiped(from: &str, characters: impl Iterator<Item = char>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(from.len() * MOST_GROWTH));
    characters.for_each(|character| text.push(character));
    text
}

/// Refuses a password, in normal form, that is too short, or that has too little besides what is tried first: the user's address,
/// their name, the name of their account, and what everybody's password is made of.
pub fn check(password: &str, least: u64, words: &[String], field: &str) -> Result<(), Error> {
    let characters = password.chars().count() as u64;
    if characters < least {
        let message = format!("a password has at least {least} characters, this one has {characters}");
        return Err(Error::new(Code::PasswordTooShort, message).at(field).with("min", least));
    }
    let mut rest = folded(password);
    for word in words.iter().map(|word| folded(word)).filter(|word| word.chars().count() >= SHORTEST_WORD) {
        if rest.contains(word.as_str()) {
            rest = wiped(&rest, rest.split(word.as_str()).flat_map(str::chars));
        }
    }
    if unguessed(&rest) < SHORTEST {
        return Err(banned(field));
    }
    Ok(())
}

/// The refusal of a password that is guessed too easily.
pub fn banned(field: &str) -> Error {
    Error::new(Code::PasswordBanned, "the password is one that is tried first, or is made of your own name or address; choose another").at(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(password: &str, least: u64, words: &[&str]) -> Option<Code> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        check(&normal(password), least, &words, "/password").err().map(|error| error.code())
    }

    /// S1: characters are counted, not bytes; no composition rules; spaces and every script are fine.
    #[test]
    fn length_alone_counts() {
        assert_eq!(code("abcdefghijklmn", 15, &[]), Some(Code::PasswordTooShort));
        assert_eq!(code("stitched lemons", 15, &[]), None);
        assert_eq!(code("correct horse battery", 15, &[]), None);
        assert_eq!(code("\u{e4}\u{f6}\u{fc}\u{e4}\u{f6}\u{fc}\u{e4}", 8, &[]), Some(Code::PasswordTooShort));
        assert_eq!(code("\u{e4}\u{f6}\u{fc}\u{df}\u{e5}\u{e6}\u{f8}\u{e9}", 8, &[]), None);
        assert_eq!(code(&"q7-kw_zp".repeat(32), 15, &[]), None);
    }

    /// S1: a decomposed letter is the same as a composed one, also when it is counted.
    #[test]
    fn the_normal_form_is_nfc() {
        assert_eq!(normal("u\u{308}").as_str(), "\u{fc}");
        assert_eq!(code("u\u{308}u\u{308}u\u{308}u\u{308}u\u{308}u\u{308}u\u{308}", 8, &[]), Some(Code::PasswordTooShort));
    }

    /// S2
    #[test]
    fn what_is_tried_first_is_refused() {
        for password in ["aaaaaaaaaaaaaaa", "abcdefghijklmno", "Password1234567", "P@ssw0rd P@ssw0rd", "QWERTYuiopASDF1"] {
            assert_eq!(code(password, 15, &[]), Some(Code::PasswordBanned), "{password}");
        }
        assert_eq!(code("AcmeAcme password", 15, &["Acme"]), Some(Code::PasswordBanned));
    }

    /// S2
    #[test]
    fn words_of_the_context_do_not_make_a_password() {
        assert_eq!(code("olga.petrova2026", 15, &["Olga.Petrova"]), Some(Code::PasswordBanned));
        assert_eq!(code("ACMEacmeACMEacme", 15, &["Acme"]), Some(Code::PasswordBanned));
        assert_eq!(code("acme has 12 blue doors", 15, &["Acme"]), None);
        // A word of three letters is in everything.
        assert_eq!(code("annual planning in annapolis", 15, &["ann"]), None);
    }
}
