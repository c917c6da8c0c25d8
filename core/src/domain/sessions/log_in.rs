//! Somebody logs in, as themself or as another.

use crate::access::escalation;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::view::MemberView;
use crate::access::visibility;
use crate::api::operation::Request;
use crate::api::sessions::{Create, CreateAs, SessionDevice, SessionToken};
use crate::auth::token::SecretToken;
use crate::auth::token_cache::Live;
use crate::domain;
use crate::domain::passwords;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{
    self, Address, AddressRange, Count, EffectivePolicies, Id, LogInNotice, Name, OutboxKind,
    OutboxMessage, Session, SessionBehind,
};
use crate::rules::session::{is_over, may_come_from};
use crate::tables::sessions::{Sessions, all_of, end};
use crate::tables::users;
use std::sync::Arc;

/// The most sessions of a user; with one more the one that was not used for longest ends.
pub(crate) const MOST_SESSIONS: usize = 100;
/// The longest reason, in bytes.
const LONGEST_REASON: usize = 500;

/// Refuses a user who cannot enter any of their accounts, or comes from where none of them lets
/// them come from (R-ACC-3); answers the first that they can enter, where they have one.
fn require_entry(ctx: &mut Ctx<'_>, user: &Id, ip: Option<Address>) -> Result<Option<Id>, Error> {
    let own: Option<Vec<AddressRange>> = ctx.tx.get(&keys::user_allow_list(user))?;
    if !may_come_from(own.as_deref(), ip) {
        return Err(not_from_here(user));
    }
    let mut refusal = None;
    for account in users::accounts_of(&mut ctx.tx, user, usize::MAX)? {
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
                format!("`{user}` cannot enter `{account}`. {}", code.sentence()),
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
        format!("The allow-lists do not let `{user}` come from this `ip`; add it to them."),
    )
    .at("/ip")
}

/// The same for a session in use: where its user could go in last is most likely where they can go
/// in now.
pub(crate) fn require_entry_again(
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
        end(&mut ctx.tx, session)?;
    }
    Ok(())
}

/// Begins a session.
pub(crate) fn begin(
    ctx: &mut Ctx<'_>,
    user: model::User,
    device: Option<Name>,
    ip: Option<Address>,
    policies: &EffectivePolicies,
    with_second_factor: bool,
) -> Result<SessionToken, Error> {
    require_entry(ctx, &user.id, ip)?;
    let mut own = all_of(&mut ctx.tx, &user.id)?;
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
    let user = domain::users::edit::logged_in(ctx, user)?;
    answer(session, user.id, &token)
}

pub(crate) fn answer(
    session: Session,
    user: Id,
    token: &SecretToken,
) -> Result<SessionToken, Error> {
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
                let verified =
                    passwords::prove(ctx, &email, &password, code.as_ref(), ip, "/password")?;
                ctx.engine
                    .commit_durably(ctx.actor, Some(Self::NAME), |ctx| {
                        let user = passwords::confirm(ctx, &verified, "/password")?;
                        begin(
                            ctx,
                            user,
                            device.clone(),
                            ip,
                            &policies,
                            verified.with_second_factor(),
                        )
                    })
            }
            (None, None, Some(id)) if code.is_none() => {
                ctx.engine
                    .commit_durably(ctx.actor, Some(Self::NAME), |ctx| {
                        let user = users::load(&mut ctx.tx, &id, "/user")?;
                        if user.disabled {
                            return Err(Error::new(
                                Code::LoginRefused,
                                format!("`{id}` is disabled; enable the user first."),
                            )
                            .at("/user"));
                        }
                        begin(ctx, user, device.clone(), ip, &policies, true)
                    })
            }
            _ => Err(Error::invalid(
                "/user",
                "Name `email` and `password`, or the `user` whom you vouch for.",
            )),
        }
    }
}

/// Nobody acts as one who can do more there (R-ROL-7), and as nobody but a member. Operators answer
/// for accounts without having permissions in them.
fn refuse_acting_up(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<(), Error> {
    if visibility::home(ctx).is_none() {
        return Ok(());
    }
    if !ctx.tx.has(&keys::member(account, user))? {
        return Err(Error::not_found("user", user.as_str()).at("/user"));
    }
    escalation::members::refuse_stronger_in(ctx, account, user)
}

impl CreateAs {
    /// Refuses to act as an operator, as one who can do more, and as one who cannot enter the
    /// account.
    fn check_user(&self, ctx: &mut Ctx<'_>) -> Result<(), Error> {
        let staff = visibility::home(ctx).is_none() && ctx.tx.has(&keys::operator(&self.user))?;
        if staff {
            return Err(Error::new(
                Code::IsOperator,
                format!(
                    "`{}` is an operator, and nobody can act as an operator; name a user of an \
                     account.",
                    self.user
                ),
            )
            .at("/user"));
        }
        refuse_acting_up(ctx, &self.account, &self.user)?;
        let entry = ctx
            .engine
            .cell(&self.account)?
            .member(ctx.engine, self.user.as_str())?
            .entry;
        match entry {
            None => Ok(()),
            Some(Code::NotMember) => Err(Error::not_found("user", self.user.as_str()).at("/user")),
            Some(code) => Err(Error::new(
                code,
                format!(
                    "`{}` cannot enter `{}`. {}",
                    self.user,
                    self.account,
                    code.sentence()
                ),
            )
            .at("/user")),
        }
    }

    fn check_reason(&self) -> Result<(), Error> {
        if self.reason.as_str().trim().is_empty() || self.reason.as_str().len() > LONGEST_REASON {
            return Err(Error::invalid(
                "/reason",
                format!("Say in `reason` why you act as another, in 1 to {LONGEST_REASON} bytes."),
            ));
        }
        Ok(())
    }

    fn allowed_life_ms(&self, ctx: &mut Ctx<'_>) -> Result<u64, Error> {
        let most = ctx.policies(Some(&self.account))?.log_in_as_ms;
        let life_ms = self.life_ms.unwrap_or(most);
        if life_ms.get() == 0 || life_ms > most {
            return Err(Error::invalid(
                "/life_ms",
                format!(
                    "`life_ms` must be from 1 to {}, and is {}.",
                    most.get(),
                    life_ms.get()
                ),
            ));
        }
        Ok(life_ms.get())
    }
}

/// Tells a user that somebody has logged in as them, and why.
fn tell_subject(
    ctx: &mut Ctx<'_>,
    subject: &model::User,
    session: &Session,
    behind: SessionBehind,
) -> Result<(), Error> {
    let SessionBehind {
        user: by,
        from_account,
        account,
        reason,
    } = behind;
    ctx.enqueue_message(&OutboxMessage {
        user: Some(subject.id.clone()),
        to: Some(subject.email.clone()),
        log_in: Some(Box::new(LogInNotice {
            session: session.id.clone(),
            by,
            from_account,
            reason,
            expires_at_ms: session.expires_at_ms,
        })),
        ..OutboxMessage::about(OutboxKind::LoggedInAs, Some(account), ctx.now_ms)
    })
}

impl Operation for CreateAs {
    type Answer = SessionToken;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SessionToken, Error> {
        ctx.require_log_in_as(&self.account, &self.user)?;
        visibility::refuse_self(ctx, &self.user, "act as")?;
        self.check_user(ctx)?;
        self.check_reason()?;
        let expires_at_ms = ctx
            .now_ms
            .saturating_add(self.allowed_life_ms(ctx)?)
            .min(Count::MAX);
        let subject = users::load(&mut ctx.tx, &self.user, "/user")?;
        let by = ctx.actor.user().cloned().ok_or_else(|| {
            Error::internal("This is a defect to report: the host acts as nobody.")
        })?;
        let mut begun = all_of(&mut ctx.tx, &by)?;
        begun.retain(|session| session.behind.is_some() && *session.person() == by);
        let idle_ms = ctx.policies(None)?.session_idle_ms.get();
        make_room(ctx, begun, idle_ms)?;
        let id = ctx.new_id(None, keys::SESSION, keys::session, "session")?;
        let token = ctx.session_token(&id)?;
        let behind = SessionBehind {
            user: by,
            from_account: visibility::home(ctx),
            account: self.account.clone(),
            reason: self.reason,
        };
        let session = Session {
            id,
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
        tell_subject(ctx, &subject, &session, behind)?;
        answer(session, subject.id, &token)
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
