//! Sessions: logging in, what a token proves, and the devices on which somebody is logged in
//! (R-SES-1, R-SES-2): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/sessions.md"))]

use crate::model::{Address, Count, Email, Id, Name, Note, Secret, SessionBehind};
use tenantry_macros::{answer, request};

/// Logs a user in: with their e-mail address and password, or because the host vouches for them
/// after a sign-on of its own.
///
/// An unknown address, a wrong password and a disabled user are all refused with `login_refused`,
/// and take the same work. Failures delay further attempts for a growing time (`login_delayed`), at
/// most for a quarter of an hour. After the right password, the call can still be refused: because
/// a code is needed, or is wrong (after 30 wrong codes in a day, further codes are delayed until a
/// day after the first); because of the status of the user's accounts, if none of them can be
/// entered (R-ACC-3); or with `ip_not_allowed`.
#[request]
pub struct Create {
    /// The e-mail address; it needs `password`.
    pub email: Option<Email>,
    /// The password.
    pub password: Option<Secret>,
    /// A code of their second factor, a time-based code or a recovery code, for a user who has one
    /// (`second_factor_required`).
    pub code: Option<Secret>,
    /// The user for whom the host vouches, however it identified them; instead of address and
    /// password.
    pub user: Option<Id>,
    /// What is shown to the user as their device, such as `Firefox on Linux`.
    pub device: Option<Name>,
    /// The address from which they come, as the host saw it.
    pub ip: Option<Address>,
}

/// Lets an operator, or somebody who manages the team of the account from above it, act as one of
/// its users (R-SES-6).
///
/// Operators need `clients.login_as` and the policy `operators_log_in_as`. Users need
/// `impersonation.start` and `accounts.team` in an account above, and everything that the user may
/// do. The session is for this one account. In it nobody can do more than the user may, and a user
/// who acts as another cannot do more than they may themself. What only the user in person may do
/// is refused with `not_as_another`. The address and the allow-lists of the person who acts count,
/// not those of the user. The session ends after `life_ms` and cannot be renewed. It also ends when
/// the person who acts may no longer begin it, is disabled, or has all their sessions ended, and
/// when the user leaves or ends it. The user is told through the outbox.
#[request]
pub struct CreateAs {
    /// The user as whom the actor acts: somebody who can enter the account and is not an operator.
    pub user: Id,
    /// The account in which they act; if the actor is a user, an account below their own.
    pub account: Id,
    /// The reason, in 1 to 500 bytes; the user is told the reason, and it is recorded.
    pub reason: Note,
    /// How long the session lasts, in milliseconds; the policy `log_in_as_ms` says the most, and
    /// how long when absent.
    pub life_ms: Option<Count>,
    /// What is shown as the device, such as `Firefox on Linux`.
    pub device: Option<Name>,
}

/// Says whose session a token is. The answer comes from memory while nothing changes; the call
/// counts as a use of the session.
///
/// With `account`, it also checks that the user can act in that account now.
#[request]
pub struct Check {
    /// The token.
    pub token: Secret,
    /// The account in which the user wants to act.
    pub account: Option<Id>,
    /// The address from which they come, as the host saw it.
    pub ip: Option<Address>,
}

/// Gives a session a new token; the old one is no longer valid. A session in which somebody acts as
/// another user cannot be renewed. With the password, the user proves anew who they are.
#[request]
pub struct Renew {
    /// The token.
    pub token: Secret,
    /// The password of the user.
    pub password: Option<Secret>,
    /// A code of their second factor, if they have one; it needs `password`.
    pub code: Option<Secret>,
    /// The address from which they come, as the host saw it.
    pub ip: Option<Address>,
}

/// Lists the devices on which somebody is logged in (R-SES-2). Users see their own sessions,
/// including those in which others act as them. With `impersonation.list` in an account, they also
/// see the sessions in which others act as its users there.
#[request]
pub struct List {
    /// The user.
    pub user: Id,
}

/// Ends a session. The host ends it by its token or its id; the user themself, and operators with
/// `clients.status`, by its id. A session in which somebody acts as the user can also be ended by
/// that person, and by those who hold `impersonation.end` in its account and can do there as much
/// as the person and the user.
#[request]
pub struct End {
    /// The session; give either this or `token`.
    pub session: Option<Id>,
    /// Its token; give either this or `session`.
    pub token: Option<Secret>,
}

/// Ends all sessions of a user, or all but one, including those in which they act as others
/// (R-SES-2). The user themself may do so; somebody who holds `users.disable` in the only team of
/// the user and can do as much as they can; and operators with `clients.status`.
#[request]
pub struct EndAll {
    /// The user.
    pub user: Id,
    /// The session that does not end.
    pub keep_session: Option<Id>,
}

/// The token of a session that was begun or renewed.
#[answer]
pub struct SessionToken {
    /// The session.
    pub session: Id,
    /// The user.
    pub user: Id,
    /// The token that proves the user from now on. It is shown only here, and is not stored
    /// anywhere.
    pub token: Secret,
    /// When it expires, in unix milliseconds; it expires earlier when it is not used for a while.
    pub expires_at_ms: u64,
}

/// What a token proves.
#[answer]
pub struct SessionProof {
    /// The session.
    pub session: Id,
    /// The user.
    pub user: Id,
    /// When they last proved who they are, in unix milliseconds. The host should ask for the proof
    /// again before important actions.
    pub authenticated_at_ms: u64,
    /// Whether they did so with a second factor, or the host vouched for them.
    pub with_second_factor: bool,
    /// When it expires, in unix milliseconds; it expires earlier when it is not used for a while.
    pub expires_at_ms: u64,
    /// Who acts as the user in it; absent when the user themself does.
    pub behind: Option<SessionBehind>,
}

/// The sessions of a user.
#[answer]
pub struct SessionList {
    /// The sessions that can be used, at most 100, the oldest first.
    pub sessions: Vec<SessionDevice>,
}

/// A device on which somebody is logged in.
#[answer]
pub struct SessionDevice {
    /// The session.
    pub session: Id,
    /// What is known of the device.
    pub device: Option<Name>,
    /// The address from which they logged in.
    pub ip: Option<Address>,
    /// When they logged in, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last used, in unix milliseconds, to within five minutes.
    pub last_seen_at_ms: u64,
    /// The address from which it was last used.
    pub last_ip: Option<Address>,
    /// When it expires, in unix milliseconds.
    pub expires_at_ms: u64,
    /// Who acts as the user in it; absent when the user themself does.
    pub behind: Option<SessionBehind>,
}

/// Sessions that ended.
#[answer]
pub struct SessionsEnded {
    /// The user.
    pub user: Id,
    /// How many sessions ended.
    pub ended: u64,
}
