//! The length of a message, and of what it repeats of what was given.

/// The most characters of a message.
const LONGEST: usize = 160;
/// The most characters of a text that was given and may be anything.
const LONGEST_EXCERPT: usize = 64;
/// How much is repeated of a text that is longer: it may be a secret in the wrong place.
const START_OF_LONGER: usize = 8;
/// What is left of a value at least, in characters, where a message is too long.
const LEAST_KEPT: usize = 12;

/// The message, its longest values cut until it is short enough. Values stand in back-ticks.
pub(super) fn fitted(message: String) -> String {
    if message.len() <= LONGEST {
        return message;
    }
    let mut parts: Vec<String> = message.split('`').map(str::to_owned).collect();
    loop {
        let ticks = parts.len() - 1;
        let length = ticks + parts.iter().map(|part| length_of(part)).sum::<usize>();
        let over = length.saturating_sub(LONGEST);
        if over == 0 {
            return parts.join("`");
        }
        let values = parts.iter_mut().skip(1).step_by(2);
        match values.max_by_key(|value| length_of(value)) {
            Some(value) if length_of(value) > LEAST_KEPT => {
                *value = cut(value, LEAST_KEPT.max(length_of(value).saturating_sub(over)));
            }
            _ => return cut(&parts.join("`"), LONGEST),
        }
    }
}

/// A text that was given, short and without control characters, for a message.
pub(crate) fn excerpt(text: &str) -> String {
    let is_longer = text.chars().nth(LONGEST_EXCERPT).is_some();
    let kept = if is_longer {
        START_OF_LONGER
    } else {
        LONGEST_EXCERPT
    };
    let mut escaped: String = text
        .chars()
        .take(kept)
        .flat_map(char::escape_debug)
        .collect();
    if is_longer {
        escaped.push('\u{2026}');
    }
    cut(&escaped, LONGEST_EXCERPT)
}

fn length_of(text: &str) -> usize {
    text.chars().count()
}

/// The text, or its first characters and an ellipsis.
fn cut(text: &str, most: usize) -> String {
    if length_of(text) <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most - 1);
    kept.chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_short_however_long_its_values_are() {
        let (long, longer) = ("a".repeat(100), "\u{e9}".repeat(5000));
        let message = fitted(format!(
            "The user `{long}` is not in the group `{longer}`; name one."
        ));
        assert_eq!(length_of(&message), LONGEST, "{message}");
        assert!(message.starts_with("The user `aaaaaaaaaa"), "{message}");
        assert!(message.ends_with("\u{2026}`; name one."), "{message}");
        assert_eq!(message.matches('`').count(), 4);
    }

    #[test]
    fn a_message_that_fits_stays_and_one_without_values_ends_early() {
        let fits = format!("`{}`.", "\u{e9}".repeat(LONGEST - 3));
        assert_eq!(fitted(fits.clone()), fits);
        let message = fitted("word ".repeat(60));
        assert_eq!(length_of(&message), LONGEST);
        assert!(message.ends_with('\u{2026}'));
    }

    #[test]
    fn an_excerpt_has_no_control_characters() {
        assert_eq!(excerpt("a\nb"), "a\\nb");
        assert_eq!(length_of(&excerpt(&"\n".repeat(64))), LONGEST_EXCERPT);
    }
    #[test]
    fn of_a_text_that_is_too_long_a_message_repeats_the_start_alone() {
        let whole = "a".repeat(64);
        assert_eq!(excerpt(&whole), whole);
        assert_eq!(excerpt(&(whole + "b")), "aaaaaaaa\u{2026}");
    }
}
