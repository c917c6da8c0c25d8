//! Sessions: logging in, what a token proves, and the devices that somebody is logged in with
//! (R-SES-1, R-SES-2).

#[cfg(test)]
mod tests;

use super::{Operation, members, passwords, reach, users};
use crate::api::operation::Request;
use crate::auth::token::{SecretToken, ShownToken, hash_bytes};
use crate::auth::token_cache::Live;
use crate::engine::view::MemberView;
use crate::engine::{Ctx, sessions};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{
    self, Actor, Address, AddressRange, Count, EffectivePolicies, Email, Id, LogInNotice, Name,
    Note, OutboxKind, OutboxMessage, Secret, Session, SessionBehind,
};
use crate::rules::session::{is_over, may_come_from};
use crate::tables::sessions::Sessions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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

/// The most sessions of a user; with one more the one that was not used for longest ends.
const MOST_SESSIONS: usize = 100;

/// The longest reason, in bytes.
const LONGEST_REASON: usize = 500;

/// The sessions of a user and those in which they act as others, those included that are over.
fn all_of(ctx: &mut Ctx<'_>, user: &Id) -> Result<Vec<Session>, Error> {
    let (from, until) = keys::below(keys::USER_SESSION, &[user.as_str()]);
    let rows = ctx
        .tx
        .range::<serde::de::IgnoredAny>(&from, &until, usize::MAX)?;
    let mut sessions = Vec::with_capacity(rows.len());
    for id in rows.iter().filter_map(|(key, _)| keys::last_id(key)) {
        sessions.extend(ctx.tx.get::<Session>(&keys::session(&id))?);
    }
    Ok(sessions)
}

fn end(ctx: &mut Ctx<'_>, session: &Session) -> Result<(), Error> {
    ctx.tx.erase::<Sessions>(session)?;
    ctx.tx.touch_session(&session.id);
    Ok(())
}

/// Ends the sessions in which somebody acts as another: of an operator, or of who is no longer in
/// an account, as whom or from which they were begun.
pub(crate) fn end_log_ins_as(
    ctx: &mut Ctx<'_>,
    user: &Id,
    account: Option<&Id>,
) -> Result<(), Error> {
    for session in all_of(ctx, user)? {
        let Some(behind) = &session.behind else {
            continue;
        };
        let begun = behind.user == *user && behind.from_account.as_ref() == account;
        if begun || (session.user == *user && Some(&behind.account) == account) {
            end(ctx, &session)?;
        }
    }
    Ok(())
}

/// Ends the sessions of a user and those in which they act as others, all but one; answers how many
/// ended.
pub(crate) fn end_all_of(ctx: &mut Ctx<'_>, user: &Id, keep: Option<&Id>) -> Result<u64, Error> {
    let mut ended = 0;
    for session in all_of(ctx, user)?
        .iter()
        .filter(|session| Some(&session.id) != keep)
    {
        end(ctx, session)?;
        ended += 1;
    }
    Ok(ended)
}

/// As [`end_all_of`], where the second factor of the user has changed: the session that is kept has
/// one now, or none.
pub(crate) fn end_all_but(
    ctx: &mut Ctx<'_>,
    user: &Id,
    keep: Option<&Id>,
    with_second_factor: bool,
) -> Result<u64, Error> {
    if let Some(keep) = keep
        && let Some(mut session) = ctx.tx.get::<Session>(&keys::session(keep))?
        && session.user == *user
        && session.behind.is_none()
    {
        session.with_second_factor = with_second_factor;
        ctx.tx.save::<Sessions>(&session)?;
        ctx.tx.touch_session(keep);
    }
    end_all_of(ctx, user, keep)
}

/// Those sessions in which somebody acts as another in an account where the actor holds a
/// permission.
fn in_charge_of(
    ctx: &mut Ctx<'_>,
    sessions: Vec<Session>,
    permission: &str,
) -> Result<Vec<Session>, Error> {
    let mut theirs = Vec::new();
    for session in sessions {
        if let Some(behind) = &session.behind
            && reach::holds_in(ctx, &behind.account, permission)?
        {
            theirs.push(session);
        }
    }
    Ok(theirs)
}

/// Only the person themself, who needs a permission where they act; the host is anybody.
pub(crate) fn require_self(ctx: &mut Ctx<'_>, user: &Id, permission: &str) -> Result<(), Error> {
    if *ctx.actor == Actor::System {
        return Ok(());
    }
    if !reach::is_in_person(ctx, user) {
        return Err(Error::not_found("user", user.as_str()).at("/user"));
    }
    match reach::home(ctx) {
        Some(home) => ctx.require_in(&home, permission),
        None => Ok(()),
    }
}

/// Refuses a user who cannot enter any of their accounts, or comes from where none of them lets
/// them come from (R-ACC-3); answers the first that they can enter, where they have one.
fn require_entry(ctx: &mut Ctx<'_>, user: &Id, ip: Option<Address>) -> Result<Option<Id>, Error> {
    let own: Option<Vec<AddressRange>> = ctx.tx.get(&keys::user_allow_list(user))?;
    if !may_come_from(own.as_deref(), ip) {
        return Err(not_from_here(user));
    }
    let mut refusal = None;
    for account in users::accounts_of(ctx, user, usize::MAX)? {
        let member = ctx
            .engine
            .cell(&account)?
            .member(ctx.engine, user.as_str())?;
        match entry_refusal(&member, user, &account, ip) {
            Some(refused) => refusal.get_or_insert(refused),
            None => return Ok(Some(account)),
        };
    }
    refusal.map_or(Ok(None), Err)
}

fn entry_refusal(
    member: &MemberView,
    user: &Id,
    account: &Id,
    ip: Option<Address>,
) -> Option<Error> {
    match member.entry {
        Some(code) => Some(
            Error::new(
                code,
                format!("`{user}` cannot enter `{account}`: {}", code.sentence()),
            )
            .with("account", account.as_str()),
        ),
        None => (!may_come_from(member.addresses.iter().map(Vec::as_slice), ip))
            .then(|| not_from_here(user)),
    }
}

fn not_from_here(user: &Id) -> Error {
    Error::new(
        Code::IpNotAllowed,
        format!("`{user}` may not come from this address"),
    )
    .at("/ip")
}

/// The same for a session in use: where its user could go in last is most likely where they can go
/// in now.
fn require_entry_again(
    ctx: &mut Ctx<'_>,
    live: &Live<Session>,
    ip: Option<Address>,
) -> Result<(), Error> {
    let user = &live.record.user;
    if let Some(account) = live.entered.load().as_deref()
        && let Ok(cell) = ctx.engine.cell(account)
        && let Ok(member) = cell.member(ctx.engine, user.as_str())
        && entry_refusal(&member, user, account, ip).is_none()
    {
        return Ok(());
    }
    let entered = require_entry(ctx, user, ip)?;
    live.entered.store(entered.map(Arc::new));
    Ok(())
}

/// Ends those that are over, and of the others those that were not used for longest, until there is
/// room for one more.
fn make_room(ctx: &mut Ctx<'_>, sessions: Vec<Session>, idle_ms: u64) -> Result<(), Error> {
    let (over, mut live): (Vec<_>, Vec<_>) = sessions
        .into_iter()
        .partition(|session| is_over(session, session.last_seen_at_ms, idle_ms, ctx.now_ms));
    live.sort_by_key(|session| std::cmp::Reverse(session.last_seen_at_ms));
    for session in over.iter().chain(live.iter().skip(MOST_SESSIONS - 1)) {
        end(ctx, session)?;
    }
    Ok(())
}

/// Begins a session.
fn begin(
    ctx: &mut Ctx<'_>,
    user: model::User,
    device: Option<Name>,
    ip: Option<Address>,
    policies: &EffectivePolicies,
    with_second_factor: bool,
) -> Result<SessionToken, Error> {
    require_entry(ctx, &user.id, ip)?;
    let mut own = all_of(ctx, &user.id)?;
    own.retain(|session| session.behind.is_none());
    make_room(ctx, own, policies.session_idle_ms.get())?;
    let id = ctx.new_id(None, keys::SESSION, keys::session, "session")?;
    let token = ctx.session_token(&id)?;
    let expires_at_ms = ctx
        .now_ms
        .saturating_add(policies.session_life_ms.get())
        .min(Count::MAX);
    let session = Session {
        id,
        user: user.id.clone(),
        token_hash: token.hash(),
        device,
        ip,
        created_at_ms: ctx.now_ms,
        authenticated_at_ms: ctx.now_ms,
        with_second_factor,
        last_seen_at_ms: ctx.now_ms,
        last_ip: ip,
        expires_at_ms,
        behind: None,
    };
    ctx.tx.save::<Sessions>(&session)?;
    let user = users::logged_in(ctx, user)?;
    answer(session, user.id, &token)
}

fn answer(session: Session, user: Id, token: &SecretToken) -> Result<SessionToken, Error> {
    Ok(SessionToken {
        session: session.id,
        user,
        token: token.reveal()?,
        expires_at_ms: session.expires_at_ms,
    })
}

impl Operation for Create {
    type Answer = SessionToken;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SessionToken, Error> {
        let policies = ctx.policies(None)?;
        let Create {
            email,
            password,
            code,
            user,
            device,
            ip,
        } = self;
        match (email, password, user) {
            (Some(email), Some(password), None) => {
                let proven =
                    passwords::prove(ctx, &email, &password, code.as_ref(), ip, "/password")?;
                ctx.engine
                    .commit_beside(ctx.actor, Some(Self::NAME), |ctx| {
                        let user = passwords::confirm(ctx, &proven, "/password")?;
                        begin(
                            ctx,
                            user,
                            device.clone(),
                            ip,
                            &policies,
                            proven.with_second_factor(),
                        )
                    })
            }
            (None, None, Some(id)) if code.is_none() => {
                ctx.engine
                    .commit_beside(ctx.actor, Some(Self::NAME), |ctx| {
                        let user = users::load(ctx, &id, "/user")?;
                        if user.disabled {
                            return Err(Error::new(
                                Code::LoginRefused,
                                format!("`{id}` is disabled"),
                            )
                            .at("/user"));
                        }
                        begin(ctx, user, device.clone(), ip, &policies, true)
                    })
            }
            _ => Err(Error::invalid(
                "/user",
                "name `email` and `password`, or the `user` whom you vouch for",
            )),
        }
    }
}

/// Nobody acts as one who can do more there (R-ROL-7), and as nobody but a member. Operators answer
/// for accounts without having permissions in them.
fn refuse_acting_up(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<(), Error> {
    if reach::home(ctx).is_none() {
        return Ok(());
    }
    if !ctx.tx.has(&keys::member(account, user))? {
        return Err(Error::not_found("user", user.as_str()).at("/user"));
    }
    members::refuse_stronger_in(ctx, account, user)
}

impl CreateAs {
    fn life_ms(&self, ctx: &mut Ctx<'_>) -> Result<u64, Error> {
        let most = ctx.policies(Some(&self.account))?.log_in_as_ms;
        let life_ms = self.life_ms.unwrap_or(most);
        if life_ms.get() == 0 || life_ms > most {
            return Err(Error::invalid(
                "/life_ms",
                format!("1 to {} milliseconds, not {}", most.get(), life_ms.get()),
            ));
        }
        Ok(life_ms.get())
    }
}

impl Operation for CreateAs {
    type Answer = SessionToken;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SessionToken, Error> {
        ctx.require_log_in_as(&self.account, &self.user)?;
        reach::refuse_self(ctx, &self.user, "acts as")?;
        let is_operator = reach::home(ctx).is_none() && ctx.tx.has(&keys::operator(&self.user))?;
        if is_operator {
            return Err(Error::new(
                Code::IsOperator,
                format!("`{}` is an operator: nobody acts as one", self.user),
            )
            .at("/user"));
        }
        refuse_acting_up(ctx, &self.account, &self.user)?;
        match ctx
            .engine
            .cell(&self.account)?
            .member(ctx.engine, self.user.as_str())?
            .entry
        {
            None => {}
            Some(Code::NotMember) => {
                return Err(Error::not_found("user", self.user.as_str()).at("/user"));
            }
            Some(code) => {
                return Err(Error::new(
                    code,
                    format!(
                        "`{}` cannot enter `{}`: {}",
                        self.user,
                        self.account,
                        code.sentence()
                    ),
                )
                .at("/user"));
            }
        }
        if self.reason.as_str().trim().is_empty() || self.reason.as_str().len() > LONGEST_REASON {
            return Err(Error::invalid(
                "/reason",
                format!("say why, in 1 to {LONGEST_REASON} bytes"),
            ));
        }
        let expires_at_ms = ctx
            .now_ms
            .saturating_add(self.life_ms(ctx)?)
            .min(Count::MAX);
        let subject = users::load(ctx, &self.user, "/user")?;
        let by = ctx
            .actor
            .user()
            .cloned()
            .ok_or_else(|| Error::new(Code::Internal, "the host acts as nobody"))?;
        let mut begun = all_of(ctx, &by)?;
        begun.retain(|session| session.behind.is_some() && *session.person() == by);
        let idle_ms = ctx.policies(None)?.session_idle_ms.get();
        make_room(ctx, begun, idle_ms)?;
        let id = ctx.new_id(None, keys::SESSION, keys::session, "session")?;
        let token = ctx.session_token(&id)?;
        let behind = SessionBehind {
            user: by.clone(),
            from_account: reach::home(ctx),
            account: self.account.clone(),
            reason: self.reason,
        };
        let session = Session {
            id: id.clone(),
            user: self.user,
            token_hash: token.hash(),
            device: self.device,
            ip: ctx.actor.ip(),
            created_at_ms: ctx.now_ms,
            authenticated_at_ms: ctx.now_ms,
            with_second_factor: ctx
                .actor
                .log_in()
                .is_none_or(|log_in| log_in.with_second_factor),
            last_seen_at_ms: ctx.now_ms,
            last_ip: ctx.actor.ip(),
            expires_at_ms,
            behind: Some(Box::new(behind.clone())),
        };
        ctx.tx.save::<Sessions>(&session)?;
        let SessionBehind {
            from_account,
            account,
            reason,
            ..
        } = behind;
        ctx.tell_host(&OutboxMessage {
            user: Some(subject.id.clone()),
            to: Some(subject.email),
            log_in: Some(Box::new(LogInNotice {
                session: id,
                by,
                from_account,
                reason,
                expires_at_ms,
            })),
            ..OutboxMessage::about(OutboxKind::LoggedInAs, Some(account), ctx.now_ms)
        })?;
        answer(session, subject.id, &token)
    }
}

impl Operation for Check {
    type Answer = SessionProof;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SessionProof, Error> {
        let live = ctx
            .engine
            .session(self.token.reveal(), self.ip)
            .map_err(|error| error.at("/token"))?;
        let session = &live.record;
        let ip = self.ip.map(Address::ip);
        let actor = match (sessions::acting_in(session, ip), &self.account) {
            (Some(actor), named) => Some(
                sessions::one_account(actor, named.as_ref())
                    .map_err(|error| error.at("/account"))?,
            ),
            (None, Some(account)) => Some(
                Actor::in_account(session.user.clone(), account.clone(), ip)
                    .logged_in(session.log_in()),
            ),
            (None, None) => None,
        };
        match &actor {
            Some(actor @ Actor::User { account, .. }) => {
                let mut theirs = ctx.engine.ctx(actor);
                theirs
                    .standing(account)
                    .map_err(|error| error.at("/account"))?;
                theirs
                    .require_second_factor(session.log_in(), Some(account))
                    .map_err(|error| error.at("/account"))?;
            }
            _ => require_entry_again(ctx, &live, self.ip)?,
        }
        Ok(SessionProof {
            session: session.id.clone(),
            user: session.user.clone(),
            authenticated_at_ms: session.authenticated_at_ms,
            with_second_factor: session.with_second_factor,
            expires_at_ms: session.expires_at_ms,
            behind: session.behind.as_deref().cloned(),
        })
    }
}

impl Operation for Renew {
    type Answer = SessionToken;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SessionToken, Error> {
        let gone = || sessions::invalid().at("/token");
        let live = ctx
            .engine
            .session(self.token.reveal(), self.ip)
            .map_err(|error| error.at("/token"))?;
        if live.record.behind.is_some() {
            return Err(Error::new(
                Code::NotAsAnother,
                "a session in which somebody acts as another is not renewed",
            )
            .at("/token"));
        }
        let user = users::load(ctx, &live.record.user, "/token")?;
        let proven = match &self.password {
            Some(password) => Some(passwords::prove(
                ctx,
                &user.email,
                password,
                self.code.as_ref(),
                self.ip,
                "/password",
            )?),
            None if self.code.is_some() => {
                return Err(Error::invalid(
                    "/password",
                    "a `code` goes with the `password`",
                ));
            }
            None => None,
        };
        ctx.engine
            .commit_beside(ctx.actor, Some(Self::NAME), |ctx| {
                if let Some(proven) = &proven {
                    passwords::confirm(ctx, proven, "/password")?;
                }
                let mut session: Session = ctx
                    .tx
                    .get(&keys::session(&live.record.id))?
                    .ok_or_else(gone)?;
                // Of two that renew at once one has the token that lives on.
                if session.token_hash != live.record.token_hash {
                    return Err(gone());
                }
                let token = ctx.session_token(&session.id)?;
                session.token_hash = token.hash();
                session.last_seen_at_ms = ctx.now_ms;
                if let Some(proven) = &proven {
                    session.authenticated_at_ms = ctx.now_ms;
                    session.with_second_factor |= proven.with_second_factor();
                }
                ctx.tx.save::<Sessions>(&session)?;
                ctx.tx.touch_session(&session.id);
                let user = session.user.clone();
                answer(session, user, &token)
            })
    }
}

impl Operation for List {
    type Answer = SessionList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SessionList, Error> {
        let idle_ms = ctx.policies(None)?.session_idle_ms.get();
        let mut sessions = all_of(ctx, &self.user)?;
        sessions.retain(|session| {
            session.user == self.user
                && !is_over(session, session.last_seen_at_ms, idle_ms, ctx.now_ms)
        });
        match ctx.actor {
            Actor::Operator { .. } if !reach::is_self(ctx, &self.user) => {
                ctx.require_as_operator("clients.view_all")?
            }
            Actor::User { .. } if !reach::is_self(ctx, &self.user) => {
                sessions = in_charge_of(ctx, sessions, "impersonation.list")?;
                if sessions.is_empty() {
                    return Err(Error::not_found("user", self.user.as_str()).at("/user"));
                }
            }
            _ => require_self(ctx, &self.user, "self.devices.view")?,
        }
        users::load(ctx, &self.user, "/user")?;
        sessions.sort_by(|one, other| {
            (one.created_at_ms, &one.id).cmp(&(other.created_at_ms, &other.id))
        });
        Ok(SessionList {
            sessions: sessions.into_iter().map(device).collect(),
        })
    }
}

/// A session as it is shown.
pub(crate) fn device(session: Session) -> SessionDevice {
    SessionDevice {
        session: session.id,
        device: session.device,
        ip: session.ip,
        created_at_ms: session.created_at_ms,
        last_seen_at_ms: session.last_seen_at_ms,
        last_ip: session.last_ip,
        expires_at_ms: session.expires_at_ms,
        behind: session.behind.map(|behind| *behind),
    }
}

impl Operation for End {
    type Answer = SessionsEnded;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SessionsEnded, Error> {
        let session = match (&self.session, &self.token) {
            (Some(id), None) => {
                let not_there = || Error::not_found("session", id.as_str()).at("/session");
                let session: Session = ctx.tx.get(&keys::session(id))?.ok_or_else(not_there)?;
                match ctx.actor {
                    Actor::Operator { .. }
                        if session.behind.is_some() && reach::is_self(ctx, session.person()) => {}
                    Actor::Operator { .. } if !reach::is_self(ctx, &session.user) => {
                        ctx.require_as_operator("clients.status")?;
                        reach::refuse_stronger(ctx, &session.user)?;
                    }
                    Actor::User { .. } if !reach::is_self(ctx, &session.user) => {
                        let begun =
                            session.behind.is_some() && reach::is_self(ctx, session.person());
                        if !begun {
                            let theirs =
                                in_charge_of(ctx, vec![session.clone()], "impersonation.end")?;
                            let behind = theirs
                                .first()
                                .and_then(|session| session.behind.as_deref())
                                .ok_or_else(not_there)?;
                            for user in [&behind.user, &session.user] {
                                members::refuse_stronger_in(ctx, &behind.account, user)
                                    .map_err(|error| error.at("/session"))?;
                            }
                        }
                    }
                    _ => require_self(ctx, &session.user, "self.devices.sign_out")?,
                }
                session
            }
            (None, Some(token)) if *ctx.actor == Actor::System => {
                let gone = || sessions::invalid().at("/token");
                let token =
                    ShownToken::parse(SecretToken::SESSION, token.reveal()).ok_or_else(gone)?;
                let session: Option<Session> = ctx
                    .tx
                    .get(&keys::session(&Id::new(token.id()).map_err(|_| gone())?))?;
                session
                    .filter(|session| {
                        hash_bytes(&session.token_hash).is_some_and(|hash| token.has_hash(&hash))
                    })
                    .ok_or_else(gone)?
            }
            (None, Some(_)) => {
                return Err(Error::new(
                    Code::ActorNotAllowed,
                    "only the host ends a session by its token",
                )
                .at("/token"));
            }
            _ => {
                return Err(Error::invalid(
                    "/session",
                    "name either a `session` or its `token`",
                ));
            }
        };
        end(ctx, &session)?;
        Ok(SessionsEnded {
            user: session.user,
            ended: 1,
        })
    }
}

impl Operation for EndAll {
    type Answer = SessionsEnded;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SessionsEnded, Error> {
        match (ctx.actor, reach::is_self(ctx, &self.user)) {
            (Actor::System, _) => {}
            (_, true) => require_self(ctx, &self.user, "self.devices.sign_out")?,
            (Actor::Operator { .. }, false) => {
                ctx.require_as_operator("clients.status")?;
                reach::refuse_stronger(ctx, &self.user)?;
            }
            (Actor::User { account: home, .. }, false) => {
                ctx.require_in(home, "users.disable")?;
                reach::load_seen(ctx, &self.user, "/user")?;
                if !reach::in_this_team_alone(ctx, &self.user, home)? {
                    let message = format!("`{}` is in another team too", self.user);
                    return Err(Error::new(Code::PermissionDenied, message)
                        .at("/user")
                        .with("missing", "users.disable"));
                }
                reach::refuse_stronger(ctx, &self.user)?;
            }
        }
        let user = users::load(ctx, &self.user, "/user")?;
        let ended = end_all_of(ctx, &user.id, self.keep_session.as_ref())?;
        Ok(SessionsEnded {
            user: user.id,
            ended,
        })
    }
}
