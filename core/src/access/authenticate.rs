//! Who calls: what sessions and API keys prove (R-SES-1, R-SES-7).

use crate::access::request::Ctx;
use crate::access::state::Engine;
use crate::auth::throttle::Attempts;
use crate::auth::token::SecretToken;
use crate::auth::token_cache::{Credential, Live};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{Actor, Address, ApiKey, Behind, Caller, Id, KeyScope, Operator, Session};
use crate::rules::api_key::is_expired;
use crate::rules::session::{is_over, is_to_be_written, may_come_from};
use crate::tables::{self, users};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Credential for Session {
    const PREFIX: &'static str = SecretToken::SESSION;

    fn key(id: &Id) -> Vec<u8> {
        keys::session(id)
    }

    fn id(&self) -> &Id {
        &self.id
    }

    fn token_hash(&self) -> &str {
        &self.token_hash
    }

    fn used_at_ms(&self) -> u64 {
        self.last_seen_at_ms
    }

    fn person(&self) -> Option<&Id> {
        self.behind.is_none().then_some(&self.user)
    }

    fn use_at(&mut self, at_ms: u64, ip: Option<Address>) {
        self.last_seen_at_ms = at_ms;
        self.last_ip = ip.or(self.last_ip);
    }
}

impl Credential for ApiKey {
    const PREFIX: &'static str = SecretToken::API_KEY;

    fn key(id: &Id) -> Vec<u8> {
        keys::api_key(id)
    }

    fn id(&self) -> &Id {
        &self.id
    }

    fn token_hash(&self) -> &str {
        &self.token_hash
    }

    fn former(&self) -> Option<(&str, u64)> {
        let former = self.former.as_ref()?;
        Some((former.token_hash.as_str(), former.until_ms))
    }

    fn used_at_ms(&self) -> u64 {
        self.last_used_at_ms.unwrap_or(0)
    }

    fn person(&self) -> Option<&Id> {
        None
    }

    fn use_at(&mut self, at_ms: u64, ip: Option<Address>) {
        self.last_used_at_ms = Some(at_ms);
        self.last_ip = ip.or(self.last_ip);
    }
}

pub(crate) fn invalid() -> Error {
    Error::new(
        Code::SessionInvalid,
        "The session has ended, or there never was one; log in again.",
    )
}

/// Names the field that is to blame, in a request that holds a token and an address.
pub(crate) fn at_field(error: Error, within: &str) -> Error {
    let field = if error.code() == Code::IpNotAllowed {
        "ip"
    } else {
        "token"
    };
    error.at(format!("{within}/{field}"))
}

/// Whoever acts with an API key.
pub(crate) fn actor_with(key: &ApiKey, ip: Option<IpAddr>) -> Actor {
    let scope = KeyScope {
        id: key.id.clone(),
        permissions: key.permissions.clone(),
    };
    Actor::User {
        user: key.user.clone(),
        account: key.account.clone(),
        ip,
        api_key: Some(Box::new(scope)),
        behind: None,
        log_in: None,
    }
}

/// Whoever acts as another in a session; none where it is the user's own.
pub(crate) fn acting_in(session: &Session, ip: Option<IpAddr>) -> Option<Actor> {
    let behind = session.behind.as_ref()?;
    let (user, account) = (session.user.clone(), behind.account.clone());
    let behind = Behind {
        user: behind.user.clone(),
        account: behind.from_account.clone(),
        session: session.id.clone(),
    };
    Some(Actor::User {
        user,
        account,
        ip,
        api_key: None,
        behind: Some(Box::new(behind)),
        log_in: Some(session.log_in()),
    })
}

/// The actor in the one account that they have; every other is not there for them.
pub(crate) fn one_account(actor: Actor, named: Option<&Id>) -> Result<Actor, Error> {
    match (&actor, named) {
        (Actor::User { account, .. }, Some(named)) if account != named => {
            Err(Error::not_found("account", named.as_str()))
        }
        _ => Ok(actor),
    }
}

impl Engine {
    /// How often somebody may try to log in.
    pub(crate) fn attempts(&self) -> Attempts<'_> {
        self.auth.attempts(&self.kernel)
    }

    /// It is used now. That is written down every few minutes; more often where it ends when it is
    /// idle for a short time.
    fn used<T: Credential>(
        &self,
        live: &Live<T>,
        idle_ms: u64,
        ip: Option<Address>,
    ) -> Result<(), Error> {
        let now_ms = self.kernel.clock.now_ms();
        live.used_ms.fetch_max(now_ms, Ordering::AcqRel);
        let written_ms = live.written_ms.load(Ordering::Acquire);
        let due = is_to_be_written(written_ms, idle_ms, now_ms) && !self.kernel.is_poisoned();
        if due
            && live
                .written_ms
                .compare_exchange(written_ms, now_ms, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
        {
            self.write_last_use::<T>(live.record.id(), ip)?;
        }
        Ok(())
    }

    /// Not synced by itself: what a power loss takes back are a few minutes.
    fn write_last_use<T: Credential>(&self, id: &Id, ip: Option<Address>) -> Result<(), Error> {
        let _guard = self.lock_writer()?;
        self.commit(&Actor::System, None, |ctx| {
            if let Some(mut record) = ctx.tx.get::<T>(&T::key(id))? {
                record.use_at(ctx.now_ms, ip);
                ctx.tx.put(T::key(id), &record)?;
                if let Some(user) = record.person() {
                    users::seen(&mut ctx.tx, user, ctx.now_ms)?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The session of a token, while it lasts; what it is used for counts as use.
    pub(crate) fn session(
        &self,
        token: &str,
        ip: Option<Address>,
    ) -> Result<Arc<Live<Session>>, Error> {
        let live = self
            .auth
            .sessions
            .verified(&self.kernel, token)?
            .ok_or_else(invalid)?;
        let idle_ms = self.session_idle_ms()?;
        let is_over = |live: &Live<Session>| {
            let now_ms = self.kernel.clock.now_ms();
            is_over(&live.record, live.used_at_ms(), idle_ms, now_ms)
        };
        if is_over(&live) {
            // Another process may have used it since this one has looked it up.
            live.look_at_use(&self.kernel)?;
            if is_over(&live) {
                return Err(invalid());
            }
        }
        self.used(&live, idle_ms, ip)?;
        Ok(live)
    }

    /// The API key of a token, while it lasts and where it may come from; what it is used for
    /// counts as use.
    pub(crate) fn api_key(
        &self,
        token: &str,
        ip: Option<Address>,
    ) -> Result<Arc<Live<ApiKey>>, Error> {
        let live = self
            .auth
            .api_keys
            .verified(&self.kernel, token)?
            .filter(|live| !is_expired(&live.record, self.kernel.clock.now_ms()));
        let live = live.ok_or_else(|| {
            Error::new(
                Code::ApiKeyInvalid,
                "The API key was deleted or has expired, or there never was one; use another.",
            )
        })?;
        if !may_come_from([live.record.allow_list.as_slice()], ip) {
            return Err(Error::new(
                Code::IpNotAllowed,
                format!(
                    "The allow-list of the API key `{}` does not hold this address; add it.",
                    live.record.id
                ),
            ));
        }
        self.used(&live, u64::MAX, ip)?;
        Ok(live)
    }

    /// Who calls: what they say of themselves, or what their token proves.
    pub(crate) fn prove(&self, caller: &Caller) -> Result<Actor, Error> {
        match caller {
            Caller::Known(actor) => Ok(actor.clone()),
            Caller::Session { token, account, ip } => {
                let live = self
                    .session(token.reveal(), ip.map(Address::from))
                    .map_err(|error| error.at("/actor/token"))?;
                match acting_in(&live.record, *ip) {
                    Some(actor) => one_account(actor, account.as_ref())
                        .map_err(|error| error.at("/actor/account")),
                    None => Ok(self
                        .actor_of(&live.record.user, account.as_ref(), *ip)?
                        .logged_in(live.record.log_in())),
                }
            }
            Caller::ApiKey { token, ip } => {
                let live = self
                    .api_key(token.reveal(), ip.map(Address::from))
                    .map_err(|error| at_field(error, "/actor"))?;
                Ok(actor_with(&live.record, *ip))
            }
        }
    }

    /// As whom a user acts: in the account that is named, as an operator, or in the one account
    /// that they have.
    fn actor_of(
        &self,
        user: &Id,
        account: Option<&Id>,
        ip: Option<IpAddr>,
    ) -> Result<Actor, Error> {
        if let Some(account) = account {
            return Ok(Actor::in_account(user.clone(), account.clone(), ip));
        }
        let mut ctx = self.reading(&Actor::System);
        if ctx.tx.get::<Operator>(&keys::operator(user))?.is_some() {
            return Ok(Actor::operator(user.clone(), ip));
        }
        match tables::users::accounts_of(&mut ctx.tx, user, 2)?.as_slice() {
            [only] => Ok(Actor::in_account(user.clone(), only.clone(), ip)),
            _ => Err(Error::invalid(
                "/actor/account",
                "Name the `account` that the user acts in.",
            )),
        }
    }

    /// How long a session lasts that is not used. Read anew after a change of the platform's
    /// policies.
    fn session_idle_ms(&self) -> Result<u64, Error> {
        let epoch = self.views.epoch.load(Ordering::Acquire);
        let (known, idle_ms) = **self.auth.session_idle.load();
        if known == Some(epoch) {
            return Ok(idle_ms);
        }
        let idle_ms = self
            .ctx(&Actor::System)
            .policies(None)?
            .session_idle_ms
            .get();
        self.auth
            .session_idle
            .store(Arc::new((Some(epoch), idle_ms)));
        Ok(idle_ms)
    }
}

impl Ctx<'_> {
    /// A new token of a session or API key, and what the store keeps of it.
    pub(crate) fn token_of<T: Credential>(&self, id: &Id) -> Result<SecretToken, Error> {
        let mut secret = [0; 32];
        self.engine.kernel.ids.fill(&mut secret)?;
        SecretToken::new(T::PREFIX, id, &secret)
    }

    /// A new token of a session, and what the store keeps of it.
    pub(crate) fn session_token(&self, id: &Id) -> Result<SecretToken, Error> {
        self.token_of::<Session>(id)
    }

    /// Random bytes that are no secret.
    pub(crate) fn salt<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut salt = [0; N];
        self.engine.kernel.ids.fill(&mut salt)?;
        Ok(salt)
    }
}
