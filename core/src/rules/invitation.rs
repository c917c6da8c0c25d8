//! Invitations: what one is worth at an instant, and the text that many addresses are typed into (R-INV-1, R-INV-3).

use crate::error::Code;
use crate::model::{Email, Invitation, InvitationState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Most addresses in one text.
pub const MOST_ADDRESSES: usize = 500;
/// Longest text of addresses, in bytes.
pub const LONGEST_TEXT: usize = 64 << 10;

/// What an invitation is worth now. That it expired is computed, never stored (R-INV-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvitationStatus {
    /// It can be accepted.
    Pending,
    /// Its time is over.
    Expired,
    /// Somebody accepted it.
    Accepted,
    /// It was deleted.
    Deleted,
    /// A newer invitation, or a membership, took its place.
    Superseded,
}

impl InvitationStatus {
    /// The code that its link is refused with (R-INV-6).
    pub fn refusal(self) -> Option<Code> {
        match self {
            InvitationStatus::Pending => None,
            InvitationStatus::Expired => Some(Code::InvitationExpired),
            InvitationStatus::Accepted => Some(Code::InvitationAlreadyAccepted),
            InvitationStatus::Deleted => Some(Code::InvitationDeleted),
            InvitationStatus::Superseded => Some(Code::InvitationSuperseded),
        }
    }
}

/// From when on an invitation cannot be accepted: its life counts from its last sending.
pub fn expires_at_ms(invitation: &Invitation) -> u64 {
    invitation.sent_at_ms.saturating_add(invitation.life_ms)
}

/// What an invitation is worth at an instant.
pub fn status(invitation: &Invitation, now_ms: u64) -> InvitationStatus {
    match invitation.state {
        InvitationState::Open if now_ms >= expires_at_ms(invitation) => InvitationStatus::Expired,
        InvitationState::Open => InvitationStatus::Pending,
        InvitationState::Accepted => InvitationStatus::Accepted,
        InvitationState::Deleted => InvitationStatus::Deleted,
        InvitationState::Superseded => InvitationStatus::Superseded,
    }
}

/// One of the addresses of a text.
#[derive(Debug, PartialEq)]
pub struct Entry<'a> {
    /// Its place among those of the text, from 1 on, those that are named twice included.
    pub number: usize,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// As it was typed.
    pub text: &'a str,
    /// The address, or what is wrong with it.
    pub email: Result<Email, String>,
}

/// The addresses of a text, separated by comma, semicolon or white space, each once by its normal form (R-INV-1).
///
/// The error says why the text as a whole is refused.
pub fn addresses(text: &str) -> Result<Vec<Entry<'_>>, String> {
    if text.len() > LONGEST_TEXT {
        return Err(format!("the text has at most {LONGEST_TEXT} bytes, this one has {}", text.len()));
    }
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    let mut number = 0;
    let mut offset = 0;
    for piece in text.split(|c: char| matches!(c, ',' | ';') || c.is_whitespace()) {
        let at = offset;
        // Every separator but white space is one byte long.
        offset += piece.len() + text.get(at + piece.len()..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        if piece.is_empty() {
            continue;
        }
        number += 1;
        let email = Email::new(piece);
        if let Ok(email) = &email
            && !seen.insert(email.key().to_owned())
        {
            continue;
        }
        if entries.len() == MOST_ADDRESSES {
            return Err(format!("at most {MOST_ADDRESSES} addresses are invited at once"));
        }
        entries.push(Entry { number, offset: at, text: piece, email });
    }
    if entries.is_empty() { Err("the text names no address".to_owned()) } else { Ok(entries) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Id, InvitationKind};

    #[test]
    fn a_text_is_cut_at_commas_semicolons_and_white_space() {
        let text = "ann@a.example, bob@a.example;;\r\n cid@a.example\u{a0}Ann@A.example,x,\u{3000}dan@a.example";
        let found = addresses(text).unwrap();
        let good: Vec<&str> = found.iter().filter_map(|entry| entry.email.as_ref().ok()).map(Email::as_typed).collect();
        assert_eq!(good, ["ann@a.example", "bob@a.example", "cid@a.example", "dan@a.example"]);
        let bad: Vec<_> = found.iter().filter(|entry| entry.email.is_err()).map(|entry| (entry.number, entry.text)).collect();
        assert_eq!(bad, [(5, "x")]);
        for entry in &found {
            assert!(text[entry.offset..].starts_with(entry.text), "{entry:?}");
        }
    }

    #[test]
    fn a_text_is_bounded() {
        let many = |count: usize| (0..count).map(|n| format!("u{n}@a.example ")).collect::<String>();
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
            email: Email::new("ann@a.example").unwrap(),
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
            (InvitationState::Deleted, Code::InvitationDeleted),
            (InvitationState::Superseded, Code::InvitationSuperseded),
        ] {
            invitation.state = state;
            assert_eq!(status(&invitation, u64::MAX).refusal(), Some(code));
        }
    }
}
