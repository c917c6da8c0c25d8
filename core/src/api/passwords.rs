//! Passwords: setting, changing, importing from another platform, and banning them (R-SES-1,
//! R-SES-4): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/passwords.md"))]

use crate::model::{Email, Id, Name, Secret};
use tenantry_macros::{answer, request};

/// Sets the password of a user: with the token of a reset link, or for a user whom the host names.
/// All sessions of the user end, and a change of their e-mail address that waits for confirmation
/// is cancelled. The user is notified through the outbox, as by every operation that sets a
/// password, except of the first password that they were asked to set.
///
/// The first call with a token uses it up (R-SES-4). Only the host can choose the password of
/// somebody else.
#[request]
pub struct Set {
    /// The token of a reset link; give either this or `user`.
    pub token: Option<Secret>,
    /// The user; give either this or `token`.
    pub user: Option<Id>,
    /// The new password: at least as many characters as the policy `password_min` says, or the
    /// policy `password_min_with_second_factor` if the user needs a second factor wherever they
    /// act; at most 256 bytes. A password that is too easy to guess is refused with
    /// `password_banned`, and `details.weak` says what is weak in it: `own_word`, `common`,
    /// `keyboard`, `repeat`, `sequence`, `date`, `short` or `banned`.
    pub password: Secret,
}

/// Changes the user's own password. All sessions of the user end, except `keep_session` (R-SES-1).
#[request]
pub struct Change {
    /// The user.
    pub user: Id,
    /// The user's current password. A wrong password is refused with `login_refused`, and counts as
    /// a failed log-in.
    pub old_password: Secret,
    /// The new password.
    pub new_password: Secret,
    /// A code of the user's second factor, if the user has one.
    pub code: Option<Secret>,
    /// The session that does not end: the session that the user is using.
    pub keep_session: Option<Id>,
}

/// Sends the user who has this address a link for setting a new password (R-SES-4). The answer does
/// not reveal whether there is such a user, but the time that the call takes could reveal it. So
/// answer the person first, and make the call afterwards. At most one link is sent in a minute.
#[request]
pub struct Forgot {
    /// The e-mail address as the person typed it; the mail goes to the address that is stored.
    pub email: Email,
}

/// Imports password hashes from another platform, in the forms that R-SES-1 lists: those of Linux
/// (`$6$...`, `$2b$...`, `$y$...`), Dovecot (`{SSHA}...`), Django, Werkzeug, passlib, phpass and
/// WordPress, and Argon2, scrypt and PBKDF2 in the PHC format; at most 500 at once, all of them or
/// none. A hash that is not whole, or that would make log-ins slow, is refused.
///
/// Each hash is replaced by a new one when its user logs in (R-SES-1). The exception is a hash
/// whose scheme did not look at all of the password that was typed: bcrypt looks at the first 72
/// bytes only, and WordPress at no spaces around it. For the user, the imported password is a new
/// password, as with `passwords.set`: the user's sessions end, and the user is notified. `$2x$...`
/// is refused: the program that made such a hash got every non-ASCII character wrong.
#[request]
pub struct ImportHashes {
    /// The users and their hashes.
    pub passwords: Vec<ImportedPassword>,
}

/// A password hash to import.
#[request]
pub struct ImportedPassword {
    /// The user; a password that the user already has is replaced.
    pub user: Id,
    /// The hash, as the other platform stored it.
    pub hash: Secret,
}

/// Removes a user's password: from now on the user can log in only if the host vouches for them.
/// All sessions of the user end.
#[request]
pub struct Remove {
    /// The user.
    pub user: Id,
}

/// Bans passwords that are too well known (R-SES-1). Passwords that users already have stay valid.
#[request]
pub struct Ban {
    /// The passwords, at most 1,000 at once; case does not matter.
    pub words: Vec<Name>,
}

/// Removes passwords from the list of banned passwords.
#[request]
pub struct Unban {
    /// The passwords, at most 1,000 at once; case does not matter.
    pub words: Vec<Name>,
}

/// The result of setting, changing or removing a password.
#[answer]
pub struct PasswordChanged {
    /// The user.
    pub user: Id,
    /// How many sessions ended.
    pub sessions_ended: u64,
}

/// The result of asking for a reset link; it is the same whether or not somebody has the address.
#[answer]
pub struct PasswordForgotten {
    /// Until when a link that was sent now can be used, in unix milliseconds.
    pub expires_at_ms: u64,
}

/// The result of importing hashes.
#[answer]
pub struct PasswordsImported {
    /// How many hashes were imported.
    pub imported: u64,
    /// How many of them are weak, by form; absent if none is. A weak hash is found soon by whoever
    /// steals it, until its user logs in: ask users who do not come to set a new password.
    pub weak: Option<Vec<WeakHashes>>,
}

/// Imported hashes in a weak form.
#[answer]
pub struct WeakHashes {
    /// The form, by its name in R-SES-1: `md5-crypt`, `phpass`, `ssha`, `ssha256` or `ssha512`.
    pub form: String,
    /// How many hashes have it.
    pub count: u64,
}

/// The result of changing the list of banned passwords.
#[answer]
pub struct BannedPasswords {
    /// How many passwords were added to the list, or removed from it.
    pub changed: u64,
}
