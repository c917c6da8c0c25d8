//! The second factor of a user: codes by time of an authenticator, and recovery codes for who lost
//! it (R-SES-1): requests and answers.

use crate::model::{Id, Name, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes the secret that an authenticator makes codes of. It counts from `second_factors.confirm`
/// on; until then a factor that the user has stays as it is. Another call makes another secret.
///
/// Codes are those that every authenticator knows: SHA-1, six digits, a new one each 30 seconds.
/// Users do this for themselves, with `self.password` where they act, shortly after a log-in
/// (`log_in_again`).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// The user.
    pub user: Id,
    /// What the authenticator shows as the name of the platform: 1 to 30 bytes, without `:`.
    pub issuer: Name,
}

/// Shows that the authenticator makes the right codes. From now on the user logs in with password
/// and code.
///
/// All their sessions end but the one that is kept, which has the second factor then. The answer
/// has new recovery codes, once. The user is told (outbox) of this, and of every other change of
/// their second factor.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// The user.
    pub user: Id,
    /// What the authenticator shows now.
    pub code: Secret,
    /// The session that goes on: the one that they use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_session: Option<Id>,
}

/// Brings the second factor of a user along from another platform: from now on they log in with
/// password and code. They have no recovery codes until they ask for some. All their sessions end.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportSecret {
    /// The user; a factor that they have is replaced.
    pub user: Id,
    /// The secret in base32, of 16 to 64 bytes, for codes of six digits by SHA-1 each 30 seconds.
    pub secret: Secret,
}

/// Whether a user has a second factor, and how many recovery codes are left.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The user.
    pub user: Id,
}

/// Takes the second factor of a user away, with its recovery codes: by themself, or for who lost
/// everything, by the host or an operator with `clients.edit`. All sessions of the user end but the
/// one that is kept, which has no second factor then.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The user.
    pub user: Id,
    /// The session that goes on: the one that they use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_session: Option<Id>,
}

/// Makes new recovery codes; those that the user had are dead.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewRecoveryCodes {
    /// The user.
    pub user: Id,
}

/// A secret that an authenticator is to learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecondFactorSecret {
    /// The user.
    pub user: Id,
    /// The secret in base32, for who types it. It is shown here once.
    pub secret: Secret,
    /// The same as `otpauth://` URI, for a QR code; with the user's id where their address is too
    /// long for it.
    pub uri: Secret,
}

/// Recovery codes, each good for one log-in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecoveryCodes {
    /// The user.
    pub user: Id,
    /// Ten codes. They are shown here once.
    pub recovery_codes: Vec<Secret>,
    /// How many sessions ended.
    pub sessions_ended: u64,
}

/// What is known of the second factor of a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "enabled"))]
pub struct SecondFactorStatus {
    /// The user.
    pub user: Id,
    /// Whether they log in with a code besides the password.
    pub enabled: bool,
    /// Since when, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed_at_ms: Option<u64>,
    /// How many recovery codes are left.
    pub recovery_codes_left: u64,
    /// Whether an authenticator was begun with and not confirmed.
    pub pending: bool,
}

/// A user has no second factor any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecondFactorRemoved {
    /// The user.
    pub user: Id,
    /// How many sessions ended.
    pub sessions_ended: u64,
}
