//! Sessions, and the password that proves a user (R-SES-1, R-SES-2).

use super::{Address, Id, LogIn, Name, Note};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A session as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The id; the token carries it.
    pub id: Id,
    /// Whose it is.
    pub user: Id,
    /// The SHA-256 of the token, in hexadecimal digits. The token itself is stored nowhere.
    pub token_hash: String,
    /// What the user is shown of the device.
    pub device: Option<Name>,
    /// Where they logged in from.
    pub ip: Option<Address>,
    /// When they logged in.
    pub created_at_ms: u64,
    /// When the user proved last who they are.
    pub authenticated_at_ms: u64,
    /// Whether with a second factor, or because the host vouched for them.
    pub with_second_factor: bool,
    /// When it was used last, to a few minutes.
    pub last_seen_at_ms: u64,
    /// Where it was used from last, as exact as the time.
    pub last_ip: Option<Address>,
    /// From when on it cannot be used, however much it is.
    pub expires_at_ms: u64,
    /// Who acts as the user in it; absent in a session of their own (R-SES-6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Box<SessionBehind>>,
}

impl Session {
    /// How its user logged in.
    pub fn log_in(&self) -> LogIn {
        LogIn {
            authenticated_at_ms: self.authenticated_at_ms,
            with_second_factor: self.with_second_factor,
        }
    }

    /// The person who uses it.
    pub fn person(&self) -> &Id {
        self.behind
            .as_ref()
            .map_or(&self.user, |behind| &behind.user)
    }
}

/// Somebody who acts as another in a session (R-SES-6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionBehind {
    /// The person who acts.
    pub user: Id,
    /// The account that they act from; absent for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_account: Option<Id>,
    /// The one account that they can act in.
    pub account: Id,
    /// Why.
    pub reason: Note,
}

/// The password of a user as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub struct PasswordRecord {
    /// Its hash, with the parameters that it was made with.
    pub hash: String,
    /// The pepper that it was mixed with before; the key itself is the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pepper: Option<Id>,
    /// When the user chose it; absent where it was imported.
    pub set_at_ms: Option<u64>,
}
