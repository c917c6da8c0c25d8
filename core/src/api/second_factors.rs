//! The second factor of a user: time-based codes of an authenticator, and recovery codes for a user
//! who has lost it (R-SES-1): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/second_factors.md"))]

use crate::model::{Id, Name, Secret};
use tenantry_macros::{answer, request};

/// Creates the secret from which an authenticator makes its codes. The secret takes effect with
/// `second_factors.confirm`; until then, a second factor that the user already has stays as it is.
/// Each call creates a new secret.
///
/// The codes are those that every authenticator knows: SHA-1, six digits, a new code every 30
/// seconds. Users do this for themselves: they need `self.password` in the account in which they
/// act, and a recent log-in (`log_in_again`).
#[request]
pub struct Begin {
    /// The user.
    pub user: Id,
    /// The name of the platform that the authenticator shows: 1 to 30 bytes, without `:`.
    pub issuer: Name,
}

/// Confirms that the authenticator makes the right codes. From now on, the user logs in with their
/// password and a code.
///
/// All sessions of the user end except `keep_session`, which counts as a session with the second
/// factor from then on. The answer shows new recovery codes, once. The user is notified of this,
/// and of every other change of their second factor, through the outbox.
#[request]
pub struct Confirm {
    /// The user.
    pub user: Id,
    /// The code that the authenticator shows now.
    pub code: Secret,
    /// The session that does not end: the session that the user is using.
    pub keep_session: Option<Id>,
}

/// Imports the second factor of a user from another platform: from now on, the user logs in with
/// their password and a code. The user has no recovery codes until they ask for some. All sessions
/// of the user end.
#[request]
pub struct ImportSecret {
    /// The user; a second factor that the user already has is replaced.
    pub user: Id,
    /// The secret in base32, of 16 to 64 bytes, for codes of six digits made with SHA-1 every 30
    /// seconds.
    pub secret: Secret,
}

/// Shows whether a user has a second factor, and how many recovery codes are left.
#[request]
pub struct Status {
    /// The user.
    pub user: Id,
}

/// Removes the second factor of a user with its recovery codes. Users do this for themselves. For a
/// user who has lost both the authenticator and the recovery codes, the host or an operator with
/// `clients.edit` does it. All sessions of the user end except `keep_session`, which counts as a
/// session without a second factor from then on.
#[request]
pub struct Remove {
    /// The user.
    pub user: Id,
    /// The session that does not end: the session that the user is using.
    pub keep_session: Option<Id>,
}

/// Creates new recovery codes; the user's earlier recovery codes are no longer valid.
#[request]
pub struct RenewRecoveryCodes {
    /// The user.
    pub user: Id,
}

/// A secret that an authenticator is to use.
#[answer]
pub struct SecondFactorSecret {
    /// The user.
    pub user: Id,
    /// The secret in base32, for a user who types it. It is shown here once.
    pub secret: Secret,
    /// The secret as an `otpauth://` URI, for a QR code. The URI has the user's e-mail address or,
    /// if that is too long, the user's id.
    pub uri: Secret,
}

/// Recovery codes, each valid for one log-in.
#[answer]
pub struct RecoveryCodes {
    /// The user.
    pub user: Id,
    /// Ten codes. They are shown here once.
    pub recovery_codes: Vec<Secret>,
    /// How many sessions ended.
    pub sessions_ended: u64,
}

/// The state of a user's second factor.
#[answer]
#[schemars(extend("x-yes" = "enabled"))]
pub struct SecondFactorStatus {
    /// The user.
    pub user: Id,
    /// Whether the user logs in with a code in addition to the password.
    pub enabled: bool,
    /// Since when the user has the second factor, in unix milliseconds.
    pub confirmed_at_ms: Option<u64>,
    /// How many recovery codes are left.
    pub recovery_codes_left: u64,
    /// Whether a secret was created and is not confirmed yet.
    pub pending: bool,
}

/// The result of removing a second factor.
#[answer]
pub struct SecondFactorRemoved {
    /// The user.
    pub user: Id,
    /// How many sessions ended.
    pub sessions_ended: u64,
}
