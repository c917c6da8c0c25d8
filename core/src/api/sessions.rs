//! Sessions: logging in, what a token proves, and the devices that somebody is logged in with
//! (R-SES-1, R-SES-2): requests and answers.

use crate::model::{Address, Count, Email, Id, Name, Note, Secret, SessionBehind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Logs a user in: with e-mail address and password, or because the host vouches for them after a
/// sign-on of its own.
///
/// An unknown address, a wrong password and a disabled user are all `login_refused`, and take the
/// same work. Failures delay for a growing time (`login_delayed`), a quarter of an hour at most.
/// After the right password the answer may be that a code is needed, or wrong (30 in a day are),
/// the status of the user's accounts, where none can be entered (R-ACC-3), or `ip_not_allowed`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The e-mail address; goes with `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// The password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A code of their second factor, by time or for recovery; for a user who has one
    /// (`second_factor_required`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Secret>,
    /// The user whom the host vouches for, with whatever it asked for; in the place of address and
    /// password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// What the user is shown of the device, such as `Firefox on Linux`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Name>,
    /// Where they come from, as the host saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Address>,
}

/// Lets an operator, or who manages the team of the account from above it, act as one of its users
/// (R-SES-6).
///
/// Operators need `clients.login_as` and the policy `operators_log_in_as`; users need
/// `impersonation.start` and `accounts.team` in an account above, and everything that the user may
/// do. The session belongs to the one account. It lets nobody do more than the user may, nor more
/// than a user behind it may themself; what is for the user in person is `not_as_another`. The
/// address and the allow-lists of the person behind it count, not those of the user. It ends after
/// `life_ms` and is not renewed; when the person behind it may no longer begin it, is disabled, or
/// has all their sessions ended; and when the user leaves or ends it. The user is told by a message
/// of the outbox.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAs {
    /// The user as whom the actor acts: somebody who can enter the account, and no operator.
    pub user: Id,
    /// The account that they act in; for a user as actor, one below their own.
    pub account: Id,
    /// Why, in 1 to 500 bytes; the user is told, and it is remembered.
    pub reason: Note,
    /// For how long, in milliseconds; at most, and when absent, what the policy `log_in_as_ms`
    /// says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life_ms: Option<Count>,
    /// What is shown of the device, such as `Firefox on Linux`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Name>,
}

/// Whose session a token is. Answered from memory while nothing changes; counts as use of the
/// session.
///
/// With `account` it is seen besides that the user can act there now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The token.
    pub token: Secret,
    /// The account that the user wants to act in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// Where they come from, as the host saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Address>,
}

/// Gives a session another token; the old one is dead. A session in which somebody acts as another
/// is not renewed. With the password the user has proven anew who they are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// The token.
    pub token: Secret,
    /// The password of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A code of their second factor, where they have one; goes with `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Secret>,
    /// Where they come from, as the host saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Address>,
}

/// The devices that somebody is logged in with (R-SES-2). Users see their own, those included in
/// which others act as them; with `impersonation.list` in an account also those in which others act
/// as its users there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The user.
    pub user: Id,
}

/// Ends a session: by its token for the host, by its id for the user themself and for operators
/// with `clients.status`. One in which somebody acts as the user is ended by that person too, and
/// by who holds `impersonation.end` in its account and can do as much there as either of them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The session; this or `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Id>,
    /// Its token; this or `session`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

/// Ends all sessions of a user, or all but one, and those in which they act as others (R-SES-2):
/// for the user themself, for whoever holds `users.disable` in the one team that they are in and
/// can do as much, for operators with `clients.status`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndAll {
    /// The user.
    pub user: Id,
    /// The session that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_session: Option<Id>,
}

/// A session that was begun, or has a new token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionToken {
    /// The session.
    pub session: Id,
    /// The user.
    pub user: Id,
    /// What proves the user from now on. It is shown here once and stored nowhere.
    pub token: Secret,
    /// From when on it cannot be used, in unix milliseconds; earlier where it is not used for a
    /// while.
    pub expires_at_ms: u64,
}

/// What a token proves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionProof {
    /// The session.
    pub session: Id,
    /// The user.
    pub user: Id,
    /// When they proved last who they are, in unix milliseconds. Hosts ask again before what
    /// matters.
    pub authenticated_at_ms: u64,
    /// Whether with a second factor, or because the host vouched for them.
    pub with_second_factor: bool,
    /// From when on it cannot be used, in unix milliseconds; earlier where it is not used for a
    /// while.
    pub expires_at_ms: u64,
    /// Who acts as the user in it; absent where it is the user's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<SessionBehind>,
}

/// The sessions of a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionList {
    /// Those that can be used, at most 100, the oldest first.
    pub sessions: Vec<SessionDevice>,
}

/// A device that somebody is logged in with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionDevice {
    /// The session.
    pub session: Id,
    /// What is known of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Name>,
    /// Where they logged in from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Address>,
    /// When they logged in, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was used last, in unix milliseconds, to five minutes.
    pub last_seen_at_ms: u64,
    /// Where it was used from then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_ip: Option<Address>,
    /// From when on it cannot be used, in unix milliseconds.
    pub expires_at_ms: u64,
    /// Who acts as the user in it; absent where it is the user's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<SessionBehind>,
}

/// Sessions that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionsEnded {
    /// The user.
    pub user: Id,
    /// How many.
    pub ended: u64,
}
