//! Sessions are checked, renewed, listed and ended.

use crate::access::authenticate;
use crate::access::escalation;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::operation::Request;
use crate::api::sessions::{
    Check, End, EndAll, List, Renew, SessionList, SessionProof, SessionToken, SessionsEnded,
};
use crate::auth::token::{SecretToken, ShownToken, hash_bytes};
use crate::domain::passwords;
use crate::domain::sessions::log_in::{answer, device, require_entry_again};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{Actor, Address, Id, Session};
use crate::rules::session::is_over;
use crate::tables::sessions::{Sessions, all_of, end, end_all_of};
use crate::tables::users;

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
            && visibility::holds_in(ctx, &behind.account, permission)?
        {
            theirs.push(session);
        }
    }
    Ok(theirs)
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
        let actor = match (authenticate::acting_in(session, ip), &self.account) {
            (Some(actor), named) => Some(
                authenticate::one_account(actor, named.as_ref())
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
                    .member_in(account)
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
        let gone = || authenticate::invalid().at("/token");
        let live = ctx
            .engine
            .session(self.token.reveal(), self.ip)
            .map_err(|error| error.at("/token"))?;
        if live.record.behind.is_some() {
            return Err(Error::new(
                Code::NotAsAnother,
                "A session in which somebody acts as another user cannot be renewed; begin a new \
                 one.",
            )
            .at("/token"));
        }
        let user = users::load(&mut ctx.tx, &live.record.user, "/token")?;
        let verified = match &self.password {
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
                    "A `code` goes with the `password`; send both.",
                ));
            }
            None => None,
        };
        ctx.engine
            .commit_durably(ctx.actor, Some(Self::NAME), |ctx| {
                if let Some(verified) = &verified {
                    passwords::confirm(ctx, verified, "/password")?;
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
                if let Some(verified) = &verified {
                    session.authenticated_at_ms = ctx.now_ms;
                    session.with_second_factor |= verified.with_second_factor();
                }
                ctx.tx.save::<Sessions>(&session)?;
                ctx.tx.invalidate_session(&session.id);
                let user = session.user.clone();
                answer(session, user, &token)
            })
    }
}

impl Operation for List {
    type Answer = SessionList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SessionList, Error> {
        let idle_ms = ctx.policies(None)?.session_idle_ms.get();
        let mut sessions = all_of(&mut ctx.tx, &self.user)?;
        sessions.retain(|session| {
            session.user == self.user
                && !is_over(session, session.last_seen_at_ms, idle_ms, ctx.now_ms)
        });
        match ctx.actor {
            Actor::Operator { .. } if !visibility::is_self(ctx, &self.user) => {
                ctx.require_as_operator("clients.view_all")?
            }
            Actor::User { .. } if !visibility::is_self(ctx, &self.user) => {
                sessions = in_charge_of(ctx, sessions, "impersonation.list")?;
                if sessions.is_empty() {
                    return Err(Error::not_found("user", self.user.as_str()).at("/user"));
                }
            }
            _ => visibility::require_self(ctx, &self.user, "self.devices.view")?,
        }
        users::load(&mut ctx.tx, &self.user, "/user")?;
        sessions.sort_by(|one, other| {
            (one.created_at_ms, &one.id).cmp(&(other.created_at_ms, &other.id))
        });
        Ok(SessionList {
            sessions: sessions.into_iter().map(device).collect(),
        })
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
                        if session.behind.is_some()
                            && visibility::is_self(ctx, session.person()) => {}
                    Actor::Operator { .. } if !visibility::is_self(ctx, &session.user) => {
                        ctx.require_as_operator("clients.status")?;
                        escalation::members::refuse_stronger(ctx, &session.user)?;
                    }
                    Actor::User { .. } if !visibility::is_self(ctx, &session.user) => {
                        let begun =
                            session.behind.is_some() && visibility::is_self(ctx, session.person());
                        if !begun {
                            let theirs =
                                in_charge_of(ctx, vec![session.clone()], "impersonation.end")?;
                            let behind = theirs
                                .first()
                                .and_then(|session| session.behind.as_deref())
                                .ok_or_else(not_there)?;
                            for user in [&behind.user, &session.user] {
                                escalation::members::refuse_stronger_in(ctx, &behind.account, user)
                                    .map_err(|error| error.at("/session"))?;
                            }
                        }
                    }
                    _ => visibility::require_self(ctx, &session.user, "self.devices.sign_out")?,
                }
                session
            }
            (None, Some(token)) if *ctx.actor == Actor::System => {
                let gone = || authenticate::invalid().at("/token");
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
                    "Only the host ends a session by its `token`; name the `session`.",
                )
                .at("/token"));
            }
            _ => {
                return Err(Error::invalid(
                    "/session",
                    "Name either a `session` or its `token`.",
                ));
            }
        };
        end(&mut ctx.tx, &session)?;
        Ok(SessionsEnded {
            user: session.user,
            ended: 1,
        })
    }
}

impl Operation for EndAll {
    type Answer = SessionsEnded;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SessionsEnded, Error> {
        match (ctx.actor, visibility::is_self(ctx, &self.user)) {
            (Actor::System, _) => {}
            (_, true) => visibility::require_self(ctx, &self.user, "self.devices.sign_out")?,
            (Actor::Operator { .. }, false) => {
                ctx.require_as_operator("clients.status")?;
                escalation::members::refuse_stronger(ctx, &self.user)?;
            }
            (Actor::User { account: home, .. }, false) => {
                ctx.require_in(home, "users.disable")?;
                visibility::load_visible(ctx, &self.user, "/user")?;
                if !visibility::in_this_team_alone(ctx, &self.user, home)? {
                    let message = format!(
                        "`{}` is in another team too; ask the platform to end all their sessions.",
                        self.user
                    );
                    return Err(Error::new(Code::PermissionDenied, message)
                        .at("/user")
                        .with("missing", "users.disable"));
                }
                escalation::members::refuse_stronger(ctx, &self.user)?;
            }
        }
        let user = users::load(&mut ctx.tx, &self.user, "/user")?;
        let ended = end_all_of(&mut ctx.tx, &user.id, self.keep_session.as_ref())?;
        Ok(SessionsEnded {
            user: user.id,
            ended,
        })
    }
}
