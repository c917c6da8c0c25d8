//! How much of a password whoever guesses does not try first (S2): what is left when words from lists of leaked passwords, walks
//! over the keyboard, sequences, repetitions and years count little.
//!
//! A recogniser instead of a list: the leaks' most frequent passwords are these few parts, put together and spelled with digits.

use zeroize::Zeroizing;

/// What a part counts that is tried first, however long it is.
const GUESSED: u64 = 2;
/// The shortest sequence or walk; shorter ones are in ordinary words.
const SHORTEST_WALK: usize = 4;

/// Neighbours on keyboards, along rows and down the columns, and sequences.
const WALKS: &[&str] = &[
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
    "qawsedrftgyhujikolp",
    "!@#$%^&*()",
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
];

/// Words that lists of leaked passwords begin with, in the languages that most of them are in.
const WORDS: &[&str] = &[
    "abcd",
    "access",
    "account",
    "admin",
    "alex",
    "alexander",
    "alice",
    "amanda",
    "amor",
    "andrea",
    "andrew",
    "angel",
    "angela",
    "anna",
    "anthony",
    "apple",
    "ashley",
    "asshole",
    "august",
    "austin",
    "autumn",
    "azerty",
    "baby",
    "bailey",
    "banana",
    "barbara",
    "baseball",
    "basketball",
    "batman",
    "beautiful",
    "benjamin",
    "bigdaddy",
    "bitch",
    "blink182",
    "boomer",
    "brandon",
    "buster",
    "butterfly",
    "carlos",
    "change",
    "changeme",
    "charlie",
    "cheese",
    "chelsea",
    "chester",
    "chicken",
    "chocolate",
    "christian",
    "company",
    "computer",
    "contrasena",
    "cookie",
    "corvette",
    "cowboy",
    "dallas",
    "daniel",
    "daniela",
    "david",
    "december",
    "default",
    "demo",
    "denise",
    "diamond",
    "dolphin",
    "dragon",
    "eagle",
    "elizabeth",
    "email",
    "eminem",
    "england",
    "everton",
    "fabian",
    "falcon",
    "family",
    "february",
    "ferrari",
    "fishing",
    "florida",
    "flower",
    "football",
    "forever",
    "frank",
    "freedom",
    "friday",
    "friend",
    "friends",
    "fuckyou",
    "gabriel",
    "games",
    "george",
    "ginger",
    "golden",
    "golfer",
    "google",
    "guest",
    "guitar",
    "hallo",
    "hammer",
    "hannah",
    "happy",
    "harley",
    "harry",
    "heather",
    "hello",
    "hockey",
    "hottie",
    "hunter",
    "iceman",
    "iloveyou",
    "internet",
    "jackson",
    "jaguar",
    "james",
    "january",
    "jasmine",
    "jennifer",
    "jeremy",
    "jessica",
    "jesus",
    "jordan",
    "joseph",
    "joshua",
    "july",
    "june",
    "junior",
    "justin",
    "killer",
    "kitty",
    "klaster",
    "lakers",
    "lauren",
    "letmein",
    "linda",
    "liverpool",
    "login",
    "london",
    "love",
    "lovely",
    "loveme",
    "maggie",
    "mail",
    "manager",
    "marina",
    "marlboro",
    "martin",
    "master",
    "matthew",
    "maverick",
    "mercedes",
    "merlin",
    "michael",
    "michelle",
    "mickey",
    "midnight",
    "monday",
    "money",
    "monica",
    "monkey",
    "monster",
    "morgan",
    "motdepasse",
    "mother",
    "mustang",
    "mynoob",
    "natasha",
    "newpass",
    "nicholas",
    "nicole",
    "nirvana",
    "november",
    "october",
    "oliver",
    "orange",
    "pakistan",
    "parola",
    "pass",
    "passport",
    "passw0rd",
    "passwd",
    "password",
    "passwort",
    "patrick",
    "pepper",
    "peter",
    "phoenix",
    "please",
    "pokemon",
    "porsche",
    "power",
    "princess",
    "private",
    "purple",
    "qazwsx",
    "qwerty",
    "qwertz",
    "rachel",
    "rainbow",
    "ranger",
    "rebecca",
    "richard",
    "robert",
    "root",
    "samantha",
    "samsung",
    "samuel",
    "scooter",
    "secret",
    "security",
    "senha",
    "september",
    "server",
    "shadow",
    "silver",
    "simple",
    "slipknot",
    "snoopy",
    "soccer",
    "sophie",
    "spider",
    "spring",
    "star",
    "starwars",
    "steelers",
    "stephanie",
    "steven",
    "summer",
    "sunday",
    "sunshine",
    "super",
    "superman",
    "support",
    "sweet",
    "system",
    "taylor",
    "temp",
    "tennis",
    "test",
    "thomas",
    "thunder",
    "tiger",
    "tigger",
    "trustno1",
    "turtle",
    "user",
    "vanessa",
    "victoria",
    "wachtwoord",
    "welcome",
    "whatever",
    "william",
    "winner",
    "winter",
    "wizard",
    "yankees",
    "yellow",
];

/// How many characters of a text, in lower case, somebody has to guess who knows what is tried first.
pub fn unguessed(text: &str) -> u64 {
    let characters: Zeroizing<Vec<char>> = Zeroizing::new(text.chars().collect());
    let mut rest = characters.as_slice();
    let mut unguessed = 0;
    while let Some((_, after)) = rest.split_first() {
        let part = [walked(rest), worded(rest), year(rest)].into_iter().max().unwrap_or(0);
        let (length, counts) = match (repeated(rest), part) {
            // What repeats is seen before what it is made of.
            (Some((block, length)), part) if length >= part => (length, unguessed_once(rest, block)),
            (_, 0) => (1, 1),
            (_, part) => (part, GUESSED),
        };
        unguessed += counts;
        rest = rest.get(length..).unwrap_or(after);
    }
    unguessed
}

/// What the block counts that is repeated: it is no repetition itself.
fn unguessed_once(text: &[char], block: usize) -> u64 {
    let mut rest = text.get(..block).unwrap_or_default();
    let mut counts = 0;
    while !rest.is_empty() {
        let part = [walked(rest), worded(rest), year(rest)].into_iter().max().unwrap_or(0);
        counts += if part == 0 { 1 } else { GUESSED };
        rest = rest.get(part.max(1)..).unwrap_or_default();
    }
    counts
}

/// The shortest block that the text begins with at least twice, of three characters in all or more, and how far that goes.
fn repeated(text: &[char]) -> Option<(usize, usize)> {
    (1..=text.len() / 2).find_map(|block| {
        let same = text.iter().zip(text.iter().skip(block)).take_while(|(one, other)| one == other).count();
        let whole = if same >= block { block + same } else { 0 };
        (whole >= 3).then_some((block, whole))
    })
}

/// How many characters the text begins with that are neighbours on a keyboard or in a sequence, in one direction.
fn walked(text: &[char]) -> usize {
    let along = |walk: &str, backwards: bool| {
        let walk: &mut dyn Iterator<Item = char> = if backwards { &mut walk.chars().rev() } else { &mut walk.chars() };
        let mut rest = text.iter();
        let Some(first) = rest.next() else { return 0 };
        let mut walk = walk.skip_while(|one| one != first);
        if walk.next().is_none() { 0 } else { 1 + walk.zip(rest).take_while(|(one, other)| one == *other).count() }
    };
    let longest = WALKS.iter().flat_map(|walk| [along(walk, false), along(walk, true)]).max().unwrap_or(0);
    if longest >= SHORTEST_WALK { longest } else { 0 }
}

/// How many characters the text begins with that are a word of the list, however it is spelled.
fn worded(text: &[char]) -> usize {
    let begins_with = |word: &&&str| word.len() <= text.len() && word.chars().zip(text).all(|(letter, typed)| reads_as(*typed, letter));
    WORDS.iter().filter(begins_with).map(|word| word.len()).max().unwrap_or(0)
}

/// Whether a character stands for a letter.
fn reads_as(typed: char, letter: char) -> bool {
    let letters = match typed {
        '0' => "o",
        '1' | '!' => "il",
        '3' => "e",
        '4' | '@' => "a",
        '5' | '$' => "s",
        '7' => "t",
        _ => "",
    };
    typed == letter || letters.contains(letter)
}

/// Four digits that are a year of a life.
fn year(text: &[char]) -> usize {
    let is_year = matches!(text, ['1', '9', one, other, ..] | ['2', '0', one, other, ..] if one.is_ascii_digit() && other.is_ascii_digit());
    if is_year { 4 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S2: what lists of leaked passwords begin with, and what people make of it when it has to be long.
    #[test]
    fn what_is_tried_first_counts_little() {
        for text in [
            "123456789012345",
            "aaaaaaaaaaaaaaa",
            "abcabcabcabcabcabc",
            "password1234567",
            "passwordpassword",
            "p@ssw0rdp@ssw0rd",
            "qwertyuiopasdfgh",
            "1q2w3e4r5t6y7u8i9o0p",
            "1qaz2wsx3edc4rfv",
            "zaq12wsxzaq12wsx",
            "987654321987654321",
            "letmeinletmeinletmein",
            "iloveyou1234567890",
            "password2024!!!!",
            "admin1234admin1234",
            "welcomewelcome1",
            "abcdefghijklmno",
            "qwertyqwertyqwerty",
            "asdfghjklasdfghjkl",
            "111111222222333333",
            "summer2025summer2025",
            "changemechangeme",
            "trustno1trustno1",
            "superman123superman123",
            "princessprincess2001",
            "",
            "       ",
        ] {
            assert!(unguessed(text) < 8, "{text}: {}", unguessed(text));
        }
    }

    #[test]
    fn what_nobody_tries_counts_all() {
        for text in [
            "correct horse battery staple",
            "seven green lamps on a shelf",
            "q7-kw_zp",
            "eight red lamps on a shelf",
            "tr0ub4dor&3x",
            "\u{e4}\u{f6}\u{fc}\u{df}\u{e5}\u{e6}\u{f8}\u{e9}",
            "\u{6211}\u{559c}\u{6b22}\u{5403}\u{9999}\u{8549}\u{548c}\u{68a8}",
            "the password is on the table",
            "mondays are for swimming",
        ] {
            assert!(unguessed(text) >= 8, "{text}: {}", unguessed(text));
        }
        assert_eq!(unguessed("q7-kw_zp"), 8);
    }

    #[test]
    fn the_longest_text_is_looked_at_quickly_and_whole() {
        assert_eq!(unguessed(&"z".repeat(256)), 1);
        assert_eq!(unguessed(&"q7-kw_zp".repeat(32)), 8);
    }

    #[test]
    fn words_are_sorted_and_short_enough_to_be_looked_for_all() {
        assert!(WORDS.is_sorted() && WORDS.len() < 400);
        assert!(WORDS.iter().all(|word| word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())));
    }
}
