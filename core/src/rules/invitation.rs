//! Invitations: their status at an instant, and the text into which many addresses are typed
//! (R-INV-1, R-INV-3).

use crate::error::Code;
use crate::model::{Email, Invitation, InvitationState, Mailbox, Name};
use std::collections::HashSet;
use tenantry_macros::answer;

/// The most addresses in one text.
pub const MOST_ADDRESSES: usize = 500;
/// The longest text of addresses, in bytes.
pub const LONGEST_TEXT: usize = 64 << 10;

/// The status of an invitation now. Whether it has expired is computed, and never stored (R-INV-3).
#[answer]
pub enum InvitationStatus {
    /// It can be accepted.
    Pending,
    /// It has expired.
    Expired,
    /// Somebody accepted it.
    Accepted,
    /// The person who was invited declined it.
    Declined,
    /// It was deleted.
    Deleted,
    /// A newer invitation, or a membership, has replaced it.
    Superseded,
}

impl InvitationStatus {
    /// The code with which its link is refused (R-INV-6).
    pub fn refusal(self) -> Option<Code> {
        match self {
            InvitationStatus::Pending => None,
            InvitationStatus::Expired => Some(Code::InvitationExpired),
            InvitationStatus::Accepted => Some(Code::InvitationAlreadyAccepted),
            InvitationStatus::Declined => Some(Code::InvitationDeclined),
            InvitationStatus::Deleted => Some(Code::InvitationDeleted),
            InvitationStatus::Superseded => Some(Code::InvitationSuperseded),
        }
    }
}

/// When an invitation expires; its life time begins with its last sending.
pub fn expires_at_ms(invitation: &Invitation) -> u64 {
    invitation.sent_at_ms.saturating_add(invitation.life_ms)
}

/// The status of an invitation at an instant.
pub fn status(invitation: &Invitation, now_ms: u64) -> InvitationStatus {
    match invitation.state {
        InvitationState::Open if now_ms >= expires_at_ms(invitation) => InvitationStatus::Expired,
        InvitationState::Open => InvitationStatus::Pending,
        InvitationState::Accepted => InvitationStatus::Accepted,
        InvitationState::Declined => InvitationStatus::Declined,
        InvitationState::Deleted => InvitationStatus::Deleted,
        InvitationState::Superseded => InvitationStatus::Superseded,
    }
}

/// One of the addresses of a text.
#[derive(Debug, PartialEq)]
pub struct Entry<'a> {
    /// The number of the address in the text, counted from 1; addresses that are named twice count
    /// too.
    pub number: usize,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// The address as it was typed.
    pub text: &'a str,
    /// The address, or what is wrong with it.
    pub email: Result<Email, String>,
    /// The first and the last name, if they stand before the address.
    pub names: [Option<Name>; 2],
}

/// The addresses of a text, separated by commas, semicolons or white space; each appears once, by
/// its normal form (R-INV-1). A name before an address in angle brackets belongs to it.
///
/// The error says why the text as a whole is refused.
pub fn addresses(text: &str) -> Result<Vec<Entry<'_>>, String> {
    if text.len() > LONGEST_TEXT {
        return Err(format!(
            "The text of `addresses` has {} bytes, and at most {LONGEST_TEXT} are allowed; split \
             it.",
            text.len()
        ));
    }
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    for (at, piece) in pieces(text).into_iter().enumerate() {
        let mailbox = Mailbox::read(piece.text);
        let email = Email::new(mailbox.address);
        if let Ok(email) = &email
            && !seen.insert(email.key().to_owned())
        {
            continue;
        }
        if entries.len() == MOST_ADDRESSES {
            return Err(format!(
                "One call invites at most {MOST_ADDRESSES} `addresses`; invite the rest with \
                 another call."
            ));
        }
        entries.push(Entry {
            number: at + 1,
            offset: piece.offset,
            text: piece.text,
            email,
            names: mailbox.names(),
        });
    }
    if entries.is_empty() {
        Err("The text of `addresses` has no address; write at least one.".to_owned())
    } else {
        Ok(entries)
    }
}

/// What separates a word from the word before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    Space,
    Comma,
    /// A semicolon, a line break, or the beginning.
    End,
}

/// The gap that a character makes; none for a character of a word.
fn gap(c: char) -> Option<Gap> {
    match c {
        ';' | '\u{ff1b}' | '\n' | '\r' => Some(Gap::End),
        ',' => Some(Gap::Comma),
        '\u{feff}' | '\u{200b}' => Some(Gap::Space),
        c => c.is_whitespace().then_some(Gap::Space),
    }
}

/// A part of a text, and where it begins.
#[derive(Clone, Copy)]
struct Piece<'a> {
    offset: usize,
    text: &'a str,
}

/// The parts of a text that should be addresses, in order.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found: Vec<Piece<'_>> = Vec::new();
    // Words without an `@` that may be the name of an address in brackets.
    let mut open: Vec<(Gap, Piece<'_>)> = Vec::new();
    let words = words(text);
    for (at, (gap, word)) in words.iter().copied().enumerate() {
        if gap == Gap::End {
            found.extend(open.drain(..).map(|(_, word)| word));
        }
        let named = words
            .get(at + 1)
            .is_some_and(|(gap, next)| *gap == Gap::Space && is_bracketed(next.text));
        if is_bracketed(word.text) {
            let name = open.split_off(name_begins(&open, gap));
            found.extend(open.drain(..).map(|(_, word)| word));
            let offset = name.first().map_or(word.offset, |(_, first)| first.offset);
            found.push(Piece {
                offset,
                text: text
                    .get(offset..word.offset + word.text.len())
                    .unwrap_or_default(),
            });
        } else if word.text.contains('@') && !(named && is_quoted(word.text)) {
            found.extend(open.drain(..).map(|(_, word)| word));
            found.push(word);
        } else {
            open.push((gap, word));
        }
    }
    found.extend(open.into_iter().map(|(_, word)| word));
    found
}

/// Whether a word ends with an address in angle brackets.
fn is_bracketed(word: &str) -> bool {
    word.ends_with('>') && word.contains('<')
}

/// Whether a word is in quotes. Before an address in brackets it is the name, whatever it contains;
/// often it is the address again.
fn is_quoted(word: &str) -> bool {
    ['"', '\'']
        .iter()
        .any(|quote| word.len() > 1 && word.starts_with(*quote) && word.ends_with(*quote))
}

/// The word with which the name begins that belongs to an address in brackets behind the words: the
/// word after the last comma or, if the name is written as `Lee, Ann`, after the comma before that.
fn name_begins(words: &[(Gap, Piece<'_>)], gap_behind: Gap) -> usize {
    let begins = |end: usize| {
        words
            .iter()
            .take(end)
            .rposition(|(gap, _)| *gap != Gap::Space)
            .unwrap_or(0)
    };
    let given = if gap_behind == Gap::Comma {
        words.len()
    } else {
        begins(words.len())
    };
    if words.get(given).is_none_or(|(gap, _)| *gap != Gap::Comma) {
        return given;
    }
    let family = begins(given);
    // What has a dot within is rather an address with a slip.
    let is_name = |(_, word): &(Gap, Piece<'_>)| !word.text.trim_end_matches('.').contains('.');
    if words.iter().take(given).skip(family).all(is_name) {
        family
    } else {
        given
    }
}

/// The words of a text. A text in double quotes at the beginning of a word, or in angle brackets,
/// is not cut; a text in single quotes, which are apostrophes too, is not cut if an address in
/// brackets follows.
fn words(text: &str) -> Vec<(Gap, Piece<'_>)> {
    let mut words = Vec::new();
    let (mut before, mut offset) = (Gap::End, 0);
    while let Some(c) = text.get(offset..).and_then(|rest| rest.chars().next()) {
        if let Some(gap) = gap(c) {
            before = before.max(gap);
            offset += c.len_utf8();
            continue;
        }
        let rest = text.get(offset..).unwrap_or_default();
        let word = rest.get(..word_length(rest)).unwrap_or(rest);
        words.push((before, Piece { offset, text: word }));
        before = Gap::Space;
        offset += word.len();
    }
    words
}

/// How many bytes the first word of a text has.
fn word_length(text: &str) -> usize {
    let mut end = 0;
    while let Some(c) = text
        .get(end..)
        .and_then(|rest| rest.chars().next())
        .filter(|c| gap(*c).is_none())
    {
        let rest = text.get(end..).unwrap_or_default();
        let enclosed = match c {
            '"' if end == 0 => enclosed(rest, '"'),
            '\'' if end == 0 => {
                enclosed(rest, '\'').filter(|length| is_name_before_brackets(rest, *length))
            }
            '<' => enclosed(rest, '>'),
            _ => None,
        };
        end += enclosed.unwrap_or(c.len_utf8());
        if c == '<' && enclosed.is_some() {
            break;
        }
    }
    end
}

/// Whether a text begins with so many bytes of a name, and continues with an address in angle
/// brackets.
fn is_name_before_brackets(text: &str, length: usize) -> bool {
    let (Some(name), Some(behind)) = (text.get(..length), text.get(length..)) else {
        return false;
    };
    !name.contains('<')
        && behind
            .trim_start_matches(|c: char| gap(c) == Some(Gap::Space))
            .starts_with('<')
}

/// How many bytes there are up to the character that closes what the text begins with, if it is on
/// the same line and not far away.
fn enclosed(text: &str, close: char) -> Option<usize> {
    const FARTHEST: usize = 400;
    let (at, found) = text
        .char_indices()
        .skip(1)
        .take(FARTHEST)
        .find(|(_, c)| *c == close || matches!(c, '\n' | '\r'))?;
    (found == close).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Id, InvitationKind};

    #[test]
    fn a_text_is_cut_at_commas_semicolons_and_white_space() {
        let text = "ann@a.example, bob@a.example;;\r\n \
            cid@a.example\u{a0}Ann@A.example,x,\u{3000}dan@a.example";
        let found = addresses(text).unwrap();
        let good: Vec<&str> = found
            .iter()
            .filter_map(|entry| entry.email.as_ref().ok())
            .map(Email::as_typed)
            .collect();
        assert_eq!(
            good,
            [
                "ann@a.example",
                "bob@a.example",
                "cid@a.example",
                "dan@a.example"
            ]
        );
        let bad: Vec<_> = found
            .iter()
            .filter(|entry| entry.email.is_err())
            .map(|entry| (entry.number, entry.text))
            .collect();
        assert_eq!(bad, [(5, "x")]);
        for entry in &found {
            assert!(text[entry.offset..].starts_with(entry.text), "{entry:?}");
        }
    }

    /// 17.18, R-INV-1
    #[test]
    fn a_name_before_an_address_in_brackets_belongs_to_it() {
        let read = |text: &str| -> Vec<String> {
            let found = addresses(text).unwrap();
            let shown = |entry: &Entry<'_>| {
                assert!(text[entry.offset..].starts_with(entry.text), "{entry:?}");
                let [first, last] = entry
                    .names
                    .clone()
                    .map(|name| name.map_or_else(String::new, String::from));
                match &entry.email {
                    Ok(email) => format!("{first}|{last}|{}", email.as_typed()),
                    Err(_) => format!("! {}", entry.text),
                }
            };
            found.iter().map(shown).collect()
        };
        for (text, found) in [
            ("Ann Lee <ann@x.example>", vec!["Ann|Lee|ann@x.example"]),
            (
                "\u{feff}Ann Lee <ann@x.example>, Bob <bob@x.example>;<cid@x.example>",
                vec![
                    "Ann|Lee|ann@x.example",
                    "Bob||bob@x.example",
                    "||cid@x.example",
                ],
            ),
            (
                "Ann Lee <ann@x.example> Bob Ray <bob@x.example>",
                vec!["Ann|Lee|ann@x.example", "Bob|Ray|bob@x.example"],
            ),
            (
                "\"Lee, Ann\" <ann@x.example>",
                vec!["Ann|Lee|ann@x.example"],
            ),
            (
                "Lee, Ann <ann@x.example>; Ray, Bob M. <bob@x.example>",
                vec!["Ann|Lee|ann@x.example", "Bob M.|Ray|bob@x.example"],
            ),
            (
                "bob@x.example Ann Lee <ann@x.example>",
                vec!["||bob@x.example", "Ann|Lee|ann@x.example"],
            ),
            (
                "Ann Lee\nann@x.example",
                vec!["! Ann", "! Lee", "||ann@x.example"],
            ),
            (
                "bobx.example, Ann <ann@x.example>",
                vec!["! bobx.example", "Ann||ann@x.example"],
            ),
            ("Ann Lee <ann@>", vec!["! Ann Lee <ann@>"]),
            ("Ann <ann@x.example", vec!["! Ann", "! <ann@x.example"]),
            ("\"Ann bob@x.example", vec!["! \"Ann", "||bob@x.example"]),
            ("'q@x.example' <q@x.example>", vec!["||q@x.example"]),
            (
                "\"Ann@x.example\" <ann@x.example>, 'bob@x.example'<bob@x.example>",
                vec!["||ann@x.example", "||bob@x.example"],
            ),
            (
                "'Ann @ Sales' <ann@x.example>",
                vec!["Ann|@ Sales|ann@x.example"],
            ),
            (
                "cid@x.example 'Ann, Lee @' <ann@x.example>",
                vec!["||cid@x.example", "Lee @|Ann|ann@x.example"],
            ),
            (
                "'t Hooft <h@x.example>, 'Ann' <ann@x.example>",
                vec!["'t|Hooft|h@x.example", "Ann||ann@x.example"],
            ),
            (
                "'Conan O'Brien' <c@x.example> 'd@x.example'\n<e@x.example>",
                vec![
                    "Conan|O'Brien|c@x.example",
                    "! 'd@x.example'",
                    "||e@x.example",
                ],
            ),
            (
                "\u{5f20}\u{4f1f} <zhang@x.example>\u{ff1b}bob@x.example",
                vec!["\u{5f20}\u{4f1f}||zhang@x.example", "||bob@x.example"],
            ),
        ] {
            assert_eq!(read(text), found, "{text}");
        }
        assert!(addresses(&"<".repeat(LONGEST_TEXT)).is_ok(), "in no time");
    }

    #[test]
    fn a_text_is_bounded() {
        let many = |count: usize| {
            (0..count)
                .map(|n| format!("u{n}@a.example "))
                .collect::<String>()
        };
        assert_eq!(addresses(&many(500)).unwrap().len(), 500);
        assert!(addresses(&many(501)).is_err());
        assert_eq!(addresses(&"ann@a.example ".repeat(4000)).unwrap().len(), 1);
        assert!(addresses(&" ".repeat(LONGEST_TEXT + 1)).is_err());
        for empty in ["", " ", ",;\n"] {
            assert!(addresses(empty).is_err());
        }
        assert!(addresses(&"x ".repeat(501)).is_err());
    }

    #[test]
    fn the_life_counts_from_the_last_sending_and_ends_at_its_instant() {
        let id = |text: &str| Id::new(text).unwrap();
        let mut invitation = Invitation {
            id: id("i"),
            kind: InvitationKind::Member,
            team: id("acme"),
            email: Email::new("ann@a.example").ok(),
            user: None,
            first_name: None,
            last_name: None,
            grants: Vec::new(),
            counted_in: Vec::new(),
            invited_by: "system".to_owned(),
            generation: 1,
            sent_at_ms: 100,
            life_ms: 50,
            state: InvitationState::Open,
            delivery: None,
            rev: 1,
            created_at_ms: 0,
            updated_at_ms: 0,
        };
        assert_eq!(status(&invitation, 149), InvitationStatus::Pending);
        assert_eq!(status(&invitation, 150), InvitationStatus::Expired);
        invitation.life_ms = u64::MAX;
        assert_eq!(status(&invitation, u64::MAX - 1), InvitationStatus::Pending);
        for (state, code) in [
            (InvitationState::Accepted, Code::InvitationAlreadyAccepted),
            (InvitationState::Declined, Code::InvitationDeclined),
            (InvitationState::Deleted, Code::InvitationDeleted),
            (InvitationState::Superseded, Code::InvitationSuperseded),
        ] {
            invitation.state = state;
            assert_eq!(status(&invitation, u64::MAX).refusal(), Some(code));
        }
    }
}
