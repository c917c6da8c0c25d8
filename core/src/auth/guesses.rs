//! How many guesses a password takes, as the crate zxcvbn counts them (docs/adr/0026).
//!
//! Not a rule: zxcvbn asks the system once which year it is, for the years in passwords.

use crate::rules::password::{Estimate, LEAST_GUESSES, Weakness};
use zeroize::Zeroizing;
use zxcvbn::Match;
use zxcvbn::matching::patterns::MatchPattern;

/// How many characters zxcvbn is given at a time. Its work grows with their cube, its factorials of
/// the number of parts fit in 64 bits up to 20, and the copies that it makes of them are not wiped.
const PIECE: usize = 20;

/// How easily a text is guessed by who knows these words too, in lower case all of them: as easily
/// as its hardest piece. Once that takes guesses enough, the rest is not looked at.
pub(crate) fn estimate(text: &str, words: &[String]) -> Estimate {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let text: Zeroizing<Vec<char>> = Zeroizing::new(text.chars().collect());
    let period = if text.len() > PIECE {
        block(&text)
    } else {
        text.len()
    };
    let mut guesses = 0;
    let (mut longest, mut weakness) = (0, Weakness::Short);
    for piece in text.get(..period).unwrap_or_default().chunks(PIECE) {
        let piece: Zeroizing<String> = Zeroizing::new(piece.iter().collect());
        let entropy = zxcvbn::zxcvbn(&piece, &words);
        guesses = guesses.max(of_all_parts(&entropy));
        if guesses >= LEAST_GUESSES {
            break;
        }
        for part in entropy.sequence() {
            let length = part.j - part.i + 1;
            if let Some(of_part) = weakness_of(part, &words)
                && length > longest
            {
                (longest, weakness) = (length, of_part);
            }
        }
    }
    if period < text.len() {
        weakness = Weakness::Repeat;
    }
    Estimate { guesses, weakness }
}

/// How long the shortest block is that the text repeats to its end; all of it where there is none.
fn block(text: &[char]) -> usize {
    let repeats = |length: &usize| {
        text.iter()
            .zip(text.iter().skip(*length))
            .all(|(one, other)| one == other)
    };
    (1..=text.len() / 2).find(repeats).unwrap_or(text.len())
}

/// The guesses of the parts, multiplied. zxcvbn itself adds ten thousand for each further part, so
/// that three that everybody tries would do.
fn of_all_parts(entropy: &zxcvbn::Entropy) -> u64 {
    match entropy.guesses() {
        // Of the many ways to get there it names any.
        u64::MAX => u64::MAX,
        _ => entropy
            .sequence()
            .iter()
            .filter_map(|part| part.guesses)
            .fold(1, u64::saturating_mul),
    }
}

/// What a part is that is tried first; none where nothing was found in it.
fn weakness_of(part: &Match, words: &[&str]) -> Option<Weakness> {
    Some(match &part.pattern {
        MatchPattern::Dictionary(found) if words.contains(&found.matched_word.as_str()) => {
            Weakness::OwnWord
        }
        MatchPattern::Dictionary(_) => Weakness::Common,
        MatchPattern::Spatial(_) => Weakness::Keyboard,
        MatchPattern::Repeat(found)
            if found
                .base_matches
                .iter()
                .any(|base| weakness_of(base, words) == Some(Weakness::OwnWord)) =>
        {
            Weakness::OwnWord
        }
        MatchPattern::Repeat(_) => Weakness::Repeat,
        MatchPattern::Sequence(_) => Weakness::Sequence,
        MatchPattern::Regex(_) | MatchPattern::Date(_) => Weakness::Date,
        MatchPattern::BruteForce => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guesses(text: &str) -> u64 {
        estimate(text, &[]).guesses
    }

    /// 17.5, S2: what lists of leaked passwords begin with, and what people make of it when it has
    /// to be long.
    #[test]
    fn what_is_tried_first_takes_few_guesses() {
        for text in LEAKED.split_whitespace().chain(["", "       "]) {
            assert!(guesses(text) < LEAST_GUESSES, "{text}: {}", guesses(text));
        }
    }

    const LEAKED: &str = "\
        kingston 12qwaszx q1w2e3r4t5y6u7i8 1q2w3e4r5t6y7u8i9o0p 1qaz2wsx3edc4rfv \
        zaq12wsxzaq12wsx 1qasw23ed 123456789012345 987654321987654321 1234567809 \
        111111222222333333 aaaaaaaaaaaaaaa abcabcabcabcabcabc abcdefghijklmno password1234567 \
        passwordpassword p@ssw0rdp@ssw0rd password2024!!!! qwertyuiopasdfgh qwertyqwertyqwerty \
        zaq1@wsx qwertyuiopasdfghjklzxcvbnm asdfghjklasdfghjkl letmeinletmeinletmein \
        iloveyou1234567890 admin1234admin1234 welcomewelcome1 summer2025summer2025 \
        changemechangeme trustno1trustno1 superman123superman123 princessprincess2001 nightwing \
        cigarette darkmaster longboard marvin12 carlos19 whatever123 sunflower3 1969camaro \
        blanche1 01101985 25101983 barcelona123 liberty2 pulpfiction fishstick1 nailpolish \
        superfreak bluesclues r3m3mb3r l0llip0p mushr00m 1324354657 asdasdasd123 computer9 \
        michelle1 volkswagen serendipity jamesbond007 butterfly7 chocolate! zxcvbnm123 \
        starwars1977";

    #[test]
    fn what_nobody_tries_takes_many() {
        for text in [
            "correct horse battery staple",
            "seven green lamps on a shelf",
            "eight red lamps on a shelf",
            "q7-kw_zp",
            "8 chars!",
            "tr0ub4dor&3x",
            "\u{e4}\u{f6}\u{fc}\u{df}\u{e5}\u{e6}\u{f8}\u{e9}",
            "\u{6211}\u{559c}\u{6b22}\u{5403}\u{9999}\u{8549}\u{548c}\u{68a8}",
            "the password is on the table",
            "mondays are for swimming",
            "stitched lemons",
        ] {
            assert!(guesses(text) >= LEAST_GUESSES, "{text}: {}", guesses(text));
        }
    }

    /// The longest password costs a bounded number of looks at 20 characters, whatever is in it.
    #[test]
    fn the_longest_text_is_looked_at_in_pieces() {
        assert!(guesses(&"z".repeat(256)) < 100);
        assert_eq!(guesses(&"q7-kw_zp".repeat(32)), LEAST_GUESSES);
        assert_eq!(
            estimate(&"kingston".repeat(32), &[]).weakness,
            Weakness::Repeat
        );
        for worst in [
            "4@8(<3690$5!1|7+%2".repeat(14),
            "love1you2and3the4".repeat(15),
            "a".repeat(255) + "b",
        ] {
            guesses(&worst);
        }
    }
}
