//! Sessions: logging in, what a token proves, and the devices on which somebody is logged in
//! (R-SES-1, R-SES-2): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/sessions.md"))]

use crate::model::{Address, Count, Email, Id, Name, Note, Secret, SessionBehind};
use tenantry_macros::{answer, request};

/// Logs a user in, either with e-mail address and password, or because the host vouches for the
/// user, for example after a single sign-on.
///
/// An unknown address, a wrong password and a disabled user are all refused with `login_refused`,
/// and take the same work. Failures delay further attempts for a growing time (`login_delayed`), at
/// most for a quarter of an hour. Even with the right password, the call can be refused: because a
/// code is needed or is wrong; because the user cannot enter any of their accounts, with the code
/// of an account's status (R-ACC-3); or with `ip_not_allowed`. After 30 wrong codes in a day,
/// further codes are delayed until a day after the first wrong code.
#[request]
pub struct Create {
    /// The e-mail address; give it together with `password`.
    pub email: Option<Email>,
    /// The password.
    pub password: Option<Secret>,
    /// A time-based code or a recovery code, to be given together with `password` if the user has a
    /// second factor. Without it, the call is refused with `second_factor_required`.
    pub code: Option<Secret>,
    /// The user for whom the host vouches because it has identified the user by its own means. Give
    /// either this, or `email` and `password`.
    pub user: Option<Id>,
    /// The name of the device, as the user sees it in the list of sessions, such as `Firefox on
    /// Linux`.
    pub device: Option<Name>,
    /// The address from which the user comes, as the host saw it.
    pub ip: Option<Address>,
}

/// Begins an impersonation: an operator, or a user who manages the account's team from an account
/// above, acts as one of the account's users (R-SES-6).
///
/// Operators need `clients.login_as` and the policy `operators_log_in_as`. Users need
/// `impersonation.start` and `accounts.team` in an account above, and every permission that the
/// user holds. The session is for this one account. It allows no more than the user may do, and a
/// user who acts as another user cannot do more than they may do themself. Operations that only the
/// user in person may call are refused with `not_as_another`. The address and the allow-lists of
/// the person who acts count, not those of the user. The session ends after `life_ms` and cannot be
/// renewed. It ends earlier if the person who acts is no longer allowed to begin it, is disabled,
/// or has all their sessions ended, and if the user leaves the account or ends the session. The
/// user is notified through the outbox.
#[request]
pub struct CreateAs {
    /// The user as whom the actor acts: a user who can enter the account and is not an operator.
    pub user: Id,
    /// The account in which the actor acts as the user. If the actor is a user, an account below
    /// the actor's own.
    pub account: Id,
    /// The reason, in 1 to 500 bytes. The user sees the reason, and the audit records it.
    pub reason: Note,
    /// How long the session lasts, in milliseconds: at most as long as the policy `log_in_as_ms`
    /// says, which is also the value when absent.
    pub life_ms: Option<Count>,
    /// The name of the device in the list of sessions, such as `Firefox on Linux`.
    pub device: Option<Name>,
}

/// Checks the token of a session: the answer says to which user the session belongs. While nothing
/// changes, the answer comes from memory; the call counts as a use of the session.
///
/// With `account`, the call also checks that the user can act in that account now.
#[request]
pub struct Check {
    /// The token.
    pub token: Secret,
    /// The account in which the user wants to act.
    pub account: Option<Id>,
    /// The address from which the user comes, as the host saw it.
    pub ip: Option<Address>,
}

/// Gives a session a new token; the old token is no longer valid. A session in which somebody acts
/// as another user cannot be renewed. If the call has the password, the user proves their identity
/// again.
#[request]
pub struct Renew {
    /// The token.
    pub token: Secret,
    /// The password of the user.
    pub password: Option<Secret>,
    /// A code of the user's second factor, if the user has one; give it together with `password`.
    pub code: Option<Secret>,
    /// The address from which the user comes, as the host saw it.
    pub ip: Option<Address>,
}

/// Lists the devices on which a user is logged in (R-SES-2). Users see their own sessions,
/// including those in which others act as them. With `impersonation.list` in an account, users also
/// see the sessions in which others act as the users of that account.
#[request]
pub struct List {
    /// The user.
    pub user: Id,
}

/// Ends a session. The host names the session by its token or its id. The user themself, and
/// operators with `clients.status`, name it by its id. A session in which somebody acts as the user
/// can also be ended by that person, and by users who hold `impersonation.end` in the session's
/// account and can do at least as much there as the person and the user.
#[request]
pub struct End {
    /// The session; give either this or `token`.
    pub session: Option<Id>,
    /// The token of the session; give either this or `session`.
    pub token: Option<Secret>,
}

/// Ends all sessions of a user, or all but one, including the sessions in which the user acts as
/// others (R-SES-2). The user themself may do so, and operators with `clients.status`, and anybody
/// who holds `users.disable` in the user's only team and can do at least as much as the user.
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
    /// When the session expires, in unix milliseconds; a session that is not used for a while
    /// expires earlier.
    pub expires_at_ms: u64,
}

/// What a token proves.
#[answer]
pub struct SessionProof {
    /// The session.
    pub session: Id,
    /// The user.
    pub user: Id,
    /// When the user last proved their identity, in unix milliseconds. Before important actions,
    /// the host should ask for a new proof.
    pub authenticated_at_ms: u64,
    /// Whether the user proved it with a second factor; also true if the host vouched for the user.
    pub with_second_factor: bool,
    /// When the session expires, in unix milliseconds; a session that is not used for a while
    /// expires earlier.
    pub expires_at_ms: u64,
    /// Who acts as the user in this session; absent when the user acts in person.
    pub behind: Option<SessionBehind>,
}

/// The sessions of a user.
#[answer]
pub struct SessionList {
    /// The sessions that can be used, at most 100, the oldest first.
    pub sessions: Vec<SessionDevice>,
}

/// A device on which a user is logged in.
#[answer]
pub struct SessionDevice {
    /// The session.
    pub session: Id,
    /// The name of the device, as the host gave it.
    pub device: Option<Name>,
    /// The address from which the user logged in.
    pub ip: Option<Address>,
    /// When the user logged in, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the session was last used, in unix milliseconds, to within five minutes.
    pub last_seen_at_ms: u64,
    /// The address from which the session was last used.
    pub last_ip: Option<Address>,
    /// When the session expires, in unix milliseconds.
    pub expires_at_ms: u64,
    /// Who acts as the user in this session; absent when the user acts in person.
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
