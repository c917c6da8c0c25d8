//! Suppressions: the recipients to whom nothing is sent (R-TEA-8).

use super::{Id, Note};
use tenantry_macros::answer;

/// An address or a domain to which nothing is sent, as it is stored and shown.
#[answer]
#[derive(Eq)]
pub struct Suppression {
    /// The e-mail address in normal form, or the domain.
    pub value: String,
    /// Which messages the entry suppresses: `marketing` suppresses only marketing messages,
    /// `transactional` suppresses both classes.
    pub message_class: MessageClass,
    /// The account to which the entry belongs.
    pub account: Id,
    /// The reason.
    pub reason: Option<Note>,
    /// When the entry expires, in unix milliseconds; never when absent.
    pub expires_at_ms: Option<u64>,
    /// When the entry was created, in unix milliseconds.
    pub created_at_ms: u64,
}

/// The class of a message (R-QTA-14).
#[answer]
pub enum MessageClass {
    /// A message such as a newsletter or an offer.
    Marketing,
    /// A message for which the recipient waits, such as a receipt or a password reset.
    Transactional,
}

impl MessageClass {
    /// All classes.
    pub const ALL: [MessageClass; 2] = [MessageClass::Marketing, MessageClass::Transactional];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            MessageClass::Marketing => "marketing",
            MessageClass::Transactional => "transactional",
        }
    }
}
