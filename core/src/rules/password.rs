//! Which passwords are taken (R-SES-1): long enough, and not guessed easily. Nothing is said of
//! what kind of characters.

use crate::error::{Code, Error};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The fewest characters that a policy can ask for.
pub const SHORTEST: u64 = 8;
/// The fewest guesses that a password takes: those of the shortest one in which nothing is found
/// that is tried first, at the ten for each character that zxcvbn counts.
pub const LEAST_GUESSES: u64 = 100_000_000;
/// A word shorter than this is in too many good passwords.
const SHORTEST_WORD: usize = 4;
/// One character becomes at most 18 in NFKC, of at most four bytes each, and each of these at most
/// three in lower case.
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

/// What makes a password easy to guess: `weak` in the details of `password_banned`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// The host bans it.
    Banned,
    /// Names of the user, of their accounts or of the platform, or their address.
    OwnWord,
    /// Words, names and passwords that many people use, however they are spelled.
    Common,
    /// Keys that lie beside each other.
    Keyboard,
    /// The same again and again.
    Repeat,
    /// Letters or digits in their order.
    Sequence,
    /// A date or a year.
    Date,
    /// Too little of anything.
    Short,
}

impl Weakness {
    /// The stable name, and what is wrong in words.
    const fn name_and_reason(self) -> (&'static str, &'static str) {
        match self {
            Weakness::Banned => ("banned", "it is on the list of banned passwords"),
            Weakness::OwnWord => (
                "own_word",
                "it is made of your names, your address, or the names of your account or of the \
                 platform",
            ),
            Weakness::Common => (
                "common",
                "it is made of words, names or passwords that many people use",
            ),
            Weakness::Keyboard => ("keyboard", "it is made of keys that lie beside each other"),
            Weakness::Repeat => ("repeat", "it repeats itself"),
            Weakness::Sequence => ("sequence", "it is made of letters or digits in their order"),
            Weakness::Date => ("date", "it is made of dates or years"),
            Weakness::Short => ("short", "it has too few characters that are hard to guess"),
        }
    }
}

/// How easily a text is guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// How many guesses it takes.
    pub guesses: u64,
    /// What most of it is.
    pub weakness: Weakness,
}

/// Refuses a password, in normal form, that is too short, or that is guessed easily: also because
/// there is too little in it besides what whoever guesses knows of the user, and tries first.
/// `guessed` says how easily a text is guessed by who knows these words.
pub fn check(
    password: &str,
    least: u64,
    words: &[String],
    guessed: impl Fn(&str, &[String]) -> Estimate,
    field: &str,
) -> Result<(), Error> {
    let characters = password.chars().count() as u64;
    if characters < least {
        let message = format!(
            "A password needs at least {least} characters, and this one has {characters}; choose a \
             longer one."
        );
        return Err(Error::new(Code::PasswordTooShort, message)
            .at(field)
            .with("min", least));
    }
    let words = parts(words);
    let whole = folded(password);
    let rest = without(&whole, &words);
    let estimate = guessed(&rest, &words);
    if estimate.guesses >= LEAST_GUESSES {
        return Ok(());
    }
    Err(weak(
        if rest.len() < whole.len() {
            Weakness::OwnWord
        } else {
            estimate.weakness
        },
        field,
    ))
}

/// The refusal of a password that is guessed too easily.
pub fn weak(weakness: Weakness, field: &str) -> Error {
    let (name, reason) = weakness.name_and_reason();
    Error::new(
        Code::PasswordBanned,
        format!("The password is too easy to guess: {reason}; choose another."),
    )
    .at(field)
    .with("weak", name)
}

/// Words and names whole, word by word, and written together; the longest first.
fn parts(words: &[String]) -> Vec<String> {
    let mut parts = Vec::new();
    for word in words.iter().map(|word| folded(word)) {
        let pieces: Vec<&str> = word
            .split(|c: char| !c.is_alphanumeric())
            .filter(|piece| !piece.is_empty())
            .collect();
        parts.push(pieces.concat());
        parts.extend(pieces.into_iter().map(str::to_owned));
        parts.push(word.to_string());
    }
    parts.retain(|part| part.chars().count() >= SHORTEST_WORD);
    parts.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    parts.dedup();
    parts
}

/// What is left of a text without these words.
fn without(text: &str, words: &[String]) -> Zeroizing<String> {
    let mut rest = Zeroizing::new(text.to_owned());
    for word in words {
        if rest.contains(word.as_str()) {
            rest = wiped(&rest, rest.split(word.as_str()).flat_map(str::chars));
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::guesses::estimate;

    fn refusal(password: &str, least: u64, words: &[&str]) -> Option<Error> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        check(&normal(password), least, &words, estimate, "/password").err()
    }

    fn code(password: &str, least: u64, words: &[&str]) -> Option<Code> {
        refusal(password, least, words).map(|error| error.code())
    }

    /// S1: characters are counted, not bytes; no composition rules; spaces and every script are
    /// fine.
    #[test]
    fn length_alone_counts() {
        assert_eq!(
            code("abcdefghijklmn", 15, &[]),
            Some(Code::PasswordTooShort)
        );
        assert_eq!(code("stitched lemons", 15, &[]), None);
        assert_eq!(code("correct horse battery", 15, &[]), None);
        assert_eq!(
            code("\u{e4}\u{f6}\u{fc}\u{e4}\u{f6}\u{fc}\u{e4}", 8, &[]),
            Some(Code::PasswordTooShort)
        );
        assert_eq!(
            code("\u{e4}\u{f6}\u{fc}\u{df}\u{e5}\u{e6}\u{f8}\u{e9}", 8, &[]),
            None
        );
        assert_eq!(code(&"q7-kw_zp".repeat(32), 15, &[]), None);
    }

    /// S1: a decomposed letter is the same as a composed one, also when it is counted.
    #[test]
    fn the_normal_form_is_nfc() {
        assert_eq!(normal("u\u{308}").as_str(), "\u{fc}");
        assert_eq!(
            code(
                "u\u{308}u\u{308}u\u{308}u\u{308}u\u{308}u\u{308}u\u{308}",
                8,
                &[]
            ),
            Some(Code::PasswordTooShort)
        );
    }

    /// 17.5, S2: what is weak is said, and no part of the password with it.
    #[test]
    fn what_is_tried_first_is_refused() {
        for (password, weak) in [
            ("kingston", "common"),
            ("12qwaszx", "common"),
            ("q1w2e3r4t5y6u7i8", "common"),
            ("P@ssw0rd P@ssw0rd", "common"),
            ("aaaaaaaaaaaaaaa", "repeat"),
            ("zaq12wsxzaq12wsx", "repeat"),
            ("abcdefghijklmno", "sequence"),
            ("1988-11-28", "date"),
            ("acmeAcme", "own_word"),
            ("4cme4cme", "own_word"),
        ] {
            let error = refusal(password, 8, &["Acme"]).unwrap();
            assert_eq!(
                (
                    error.code(),
                    error.details().get("weak").and_then(|weak| weak.as_str())
                ),
                (Code::PasswordBanned, Some(weak)),
                "{password}"
            );
            assert!(!error.to_json().contains(password));
        }
    }

    /// S2
    #[test]
    fn words_of_the_context_do_not_make_a_password() {
        assert_eq!(
            code("olga.petrova2026", 15, &["Olga.Petrova"]),
            Some(Code::PasswordBanned)
        );
        assert_eq!(
            code("petrova-olga-2026", 15, &["Olga.Petrova"]),
            Some(Code::PasswordBanned)
        );
        assert_eq!(
            code("ACMEacmeACMEacme", 15, &["Acme"]),
            Some(Code::PasswordBanned)
        );
        assert_eq!(
            code("acmemail acme-mail 1", 15, &["Acme Mail"]),
            Some(Code::PasswordBanned)
        );
        assert_eq!(code("acme has 12 blue doors", 15, &["Acme"]), None);
        // A word of three letters is in everything.
        assert_eq!(code("annual planning in annapolis", 15, &["ann"]), None);
    }
}
