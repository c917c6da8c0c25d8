//! Sessions, and the password that proves a user (R-SES-1, R-SES-2).

use super::{Address, Id, LogIn, Name, Note};
use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// A session as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The id; the token carries it.
    pub id: Id,
    /// The user to whom the session belongs.
    pub user: Id,
    /// The SHA-256 of the token, in hexadecimal digits. The token itself is not stored anywhere.
    pub token_hash: String,
    /// The name of the device, as the user sees it.
    pub device: Option<Name>,
    /// The address from which the user logged in.
    pub ip: Option<Address>,
    /// When the user logged in.
    pub created_at_ms: u64,
    /// When the user last proved their identity.
    pub authenticated_at_ms: u64,
    /// Whether the user proved it with a second factor; also true if the host vouched for the user.
    pub with_second_factor: bool,
    /// When the session was last used, to within a few minutes.
    pub last_seen_at_ms: u64,
    /// The address from which the session was last used; it is as exact as the time.
    pub last_ip: Option<Address>,
    /// When the session expires, however much it is used.
    pub expires_at_ms: u64,
    /// Who acts as the user in this session; absent when the user acts in person (R-SES-6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Box<SessionBehind>>,
}

impl Session {
    /// How the user logged in.
    pub fn log_in(&self) -> LogIn {
        LogIn {
            authenticated_at_ms: self.authenticated_at_ms,
            with_second_factor: self.with_second_factor,
        }
    }

    /// The person who uses the session.
    pub fn person(&self) -> &Id {
        self.behind
            .as_ref()
            .map_or(&self.user, |behind| &behind.user)
    }
}

/// A person who acts as another user in a session (R-SES-6).
#[answer]
pub struct SessionBehind {
    /// The person who acts.
    pub user: Id,
    /// The account from which the person acts; absent for an operator.
    pub from_account: Option<Id>,
    /// The one account in which the person can act as the user.
    pub account: Id,
    /// The reason.
    pub reason: Note,
}

/// The password of a user as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub struct PasswordRecord {
    /// Its hash, with the parameters with which it was made.
    pub hash: String,
    /// The pepper with which the password was mixed before the hashing; the host has the key
    /// itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pepper: Option<Id>,
    /// When the user chose it; absent when it was imported.
    pub set_at_ms: Option<u64>,
}
