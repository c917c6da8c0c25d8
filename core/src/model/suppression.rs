//! Suppressions: who is not written to (R-TEA-8).

use super::{Id, Note};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An address or a domain that is not written to, as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suppression {
    /// The e-mail address in normal form, or the domain.
    pub value: String,
    /// The messages that it keeps from going out: `marketing`, those alone; `transactional`, these
    /// and marketing too.
    pub message_class: MessageClass,
    /// The account whose entry it is.
    pub account: Id,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
    /// When it ends by itself, in unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
}

/// What kind of message it is (R-QTA-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageClass {
    /// A newsletter, an offer.
    Marketing,
    /// A receipt, a password reset: what the recipient waits for.
    Transactional,
}

impl MessageClass {
    /// All of them.
    pub const ALL: [MessageClass; 2] = [MessageClass::Marketing, MessageClass::Transactional];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            MessageClass::Marketing => "marketing",
            MessageClass::Transactional => "transactional",
        }
    }
}
