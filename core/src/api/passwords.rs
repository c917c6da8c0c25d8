//! Passwords: set, changed, brought along from another platform, and proven (R-SES-1, R-SES-4):
//! requests and answers.

use crate::model::{Email, Id, Name, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gives a user a password: with the token of a reset link, or because the host says so. All
/// sessions of the user end, a waiting change of their address too, and they are told (outbox), as
/// by everything that gives somebody another password.
///
/// The token is used up by the first that comes (R-SES-4). Nobody but the host chooses the password
/// of another.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The token of a reset link; this or `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// The user; this or `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The new password: at least as many characters as policy `password_min` says, or where they
    /// need a second factor wherever they act, `password_min_with_second_factor`; at most 256
    /// bytes. One that is guessed too easily is `password_banned`, with what is weak in
    /// `details.weak`: `own_word`, `common`, `keyboard`, `repeat`, `sequence`, `date`, `short` or
    /// `banned`.
    pub password: Secret,
}

/// Users change their own password; all their other sessions end (R-SES-1).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The user.
    pub user: Id,
    /// The password that they have. A wrong one is `login_refused`, and counts as a failed log-in.
    pub old_password: Secret,
    /// The new one.
    pub new_password: Secret,
    /// A code of their second factor, where they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Secret>,
    /// The session that goes on: the one that they use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_session: Option<Id>,
}

/// Sends the link that sets a new password to whoever has this address (R-SES-4). Nobody learns
/// from the answer whether there is one; from the time that it takes they could, so answer first
/// and call then. One link a minute at most.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forgot {
    /// The e-mail address as it was typed; the mail goes to the one that is stored.
    pub email: Email,
}

/// Brings hashes along from another platform: bcrypt (`$2b$...`), or Argon2, scrypt and PBKDF2 in
/// the form of PHC, at most 500 at once, all or none. Each is renewed when its user logs in
/// (R-SES-1), but for bcrypt of a password of more than 72 bytes, of which bcrypt looks at 72. To
/// its user it is a new password, as by `passwords.set`: sessions end, and they are told. `$2x$...`
/// is not taken: whoever made it spoiled every letter beyond ASCII.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportHashes {
    /// Users and their hashes.
    pub passwords: Vec<ImportedPassword>,
}

/// A hash that is brought along.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportedPassword {
    /// The user; a password that they have is replaced.
    pub user: Id,
    /// The hash.
    pub hash: Secret,
}

/// Takes a user's password away: from now on the host vouches for them. All their sessions end.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The user.
    pub user: Id,
}

/// Bans passwords that everybody tries (R-SES-1). Passwords that people have stay as they are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ban {
    /// The passwords, in capital or small letters; at most 1,000 at once.
    pub words: Vec<Name>,
}

/// Takes passwords off the list of those that are banned.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unban {
    /// The passwords, in capital or small letters; at most 1,000 at once.
    pub words: Vec<Name>,
}

/// A user has another password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PasswordChanged {
    /// The user.
    pub user: Id,
    /// How many sessions ended.
    pub sessions_ended: u64,
}

/// Whoever has the address gets a mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PasswordForgotten {
    /// How long a link that was sent now can be used, in unix milliseconds.
    pub expires_at_ms: u64,
}

/// Hashes were brought along.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PasswordsImported {
    /// How many.
    pub imported: u64,
}

/// The list of banned passwords has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BannedPasswords {
    /// How many came onto it, or off it.
    pub changed: u64,
}
