//! Sessions in memory: a token is looked up in the store once, and again after a change (R-SES-1).

use super::token::SecretToken;
use super::{Ctx, Engine, Tx, keys};
use crate::error::{Code, Error};
use crate::model::{Actor, Address, Caller, Id, Operator, Session};
use crate::ops::users;
use crate::rules::session::{is_over, is_to_be_written};
use foldhash::fast::RandomState;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most sessions that are kept at hand.
const MOST: usize = 100_000;

/// The sessions at hand.
#[derive(Default)]
pub(crate) struct Sessions(RwLock<Known>);

#[derive(Default)]
struct Known {
    by_id: HashMap<Id, Arc<Live>, RandomState>,
    /// Raised whenever one goes: what was read before is not kept.
    generation: u64,
}

/// A session at hand.
pub(crate) struct Live {
    pub(crate) session: Session,
    /// When it was used last.
    seen_ms: AtomicU64,
    /// What the store knows of that.
    written_ms: AtomicU64,
}

impl Sessions {
    fn generation(&self) -> u64 {
        self.0.read().generation
    }

    fn get(&self, id: &Id) -> Option<Arc<Live>> {
        self.0.read().by_id.get(id).cloned()
    }

    fn keep(&self, live: &Arc<Live>, generation: u64) {
        let mut known = self.0.write();
        if known.generation == generation {
            if known.by_id.len() >= MOST {
                known.by_id.clear();
            }
            known.by_id.insert(live.session.id.clone(), live.clone());
        }
    }

    /// These have changed, or ended.
    pub(crate) fn forget<'a>(&self, ids: impl IntoIterator<Item = &'a Id>) {
        let mut ids = ids.into_iter().peekable();
        if ids.peek().is_some() {
            let mut known = self.0.write();
            known.generation += 1;
            ids.for_each(|id| drop(known.by_id.remove(id)));
        }
    }
}

pub(crate) fn invalid() -> Error {
    Error::new(Code::SessionInvalid, "the session has ended, or there never was one")
}

impl Engine {
    /// The session of a token, while it lasts; what it is used for counts as use.
    pub(crate) fn session(&self, token: &str, ip: Option<Address>) -> Result<Arc<Live>, Error> {
        let token = SecretToken::parse(SecretToken::SESSION, token).ok_or_else(invalid)?;
        let live = match self.sessions.get(token.id()) {
            Some(live) => live,
            None => {
                let generation = self.sessions.generation();
                let session: Session = Tx::new(&*self.backend).get(&keys::session(token.id()))?.ok_or_else(invalid)?;
                let (seen_ms, written_ms) = (session.last_seen_at_ms.into(), session.last_seen_at_ms.into());
                let live = Arc::new(Live { session, seen_ms, written_ms });
                if token.has_hash(&live.session.token_hash) {
                    self.sessions.keep(&live, generation);
                }
                live
            }
        };
        let idle_ms = self.session_idle_ms()?;
        let now_ms = self.clock.now_ms();
        if !token.has_hash(&live.session.token_hash) || is_over(&live.session, live.seen_ms.load(Ordering::Acquire), idle_ms, now_ms) {
            return Err(invalid());
        }
        live.seen_ms.fetch_max(now_ms, Ordering::AcqRel);
        let written_ms = live.written_ms.load(Ordering::Acquire);
        let due = is_to_be_written(written_ms, idle_ms, now_ms) && !self.is_poisoned();
        if due && live.written_ms.compare_exchange(written_ms, now_ms, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.write_last_seen(&live.session.id, ip)?;
        }
        Ok(live)
    }

    /// Not synced by itself: what a power loss takes back ends a session a few minutes early.
    fn write_last_seen(&self, id: &Id, ip: Option<Address>) -> Result<(), Error> {
        let _alone = self.writer.lock();
        self.commit(&Actor::System, None, |ctx| {
            if let Some(mut session) = ctx.tx.get::<Session>(&keys::session(id))? {
                session.last_seen_at_ms = ctx.now_ms;
                session.last_ip = ip.or(session.last_ip);
                ctx.tx.put(keys::session(id), &session)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Who calls: what they say of themselves, or what their session proves.
    pub(crate) fn prove(&self, caller: &Caller) -> Result<Actor, Error> {
        match caller {
            Caller::Known(actor) => Ok(actor.clone()),
            Caller::Session { token, account, ip } => {
                let live = self.session(token.reveal(), ip.map(Address::from)).map_err(|error| error.at("/actor/token"))?;
                self.actor_of(&live.session.user, account.as_ref(), *ip)
            }
        }
    }

    /// As whom a user acts: in the account that is named, as an operator, or in the one account that they have.
    fn actor_of(&self, user: &Id, account: Option<&Id>, ip: Option<IpAddr>) -> Result<Actor, Error> {
        if let Some(account) = account {
            return Ok(Actor::User { user: user.clone(), account: account.clone(), ip });
        }
        let _whole = self.commits.read();
        let mut ctx = self.ctx(&Actor::System);
        if ctx.tx.get::<Operator>(&keys::operator(user))?.is_some() {
            return Ok(Actor::Operator { user: user.clone(), ip });
        }
        match users::accounts_of(&mut ctx, user, 2)?.as_slice() {
            [only] => Ok(Actor::User { user: user.clone(), account: only.clone(), ip }),
            _ => Err(Error::invalid("/actor/account", "name the account that the user acts in")),
        }
    }

    /// How long a session lasts that is not used. Read anew after a change of the platform's policies.
    fn session_idle_ms(&self) -> Result<u64, Error> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let (known, idle_ms) = **self.session_idle.load();
        if known == Some(epoch) {
            return Ok(idle_ms);
        }
        let idle_ms = self.ctx(&Actor::System).policies(None)?.session_idle_ms.get();
        self.session_idle.store(Arc::new((Some(epoch), idle_ms)));
        Ok(idle_ms)
    }
}

impl Ctx<'_> {
    /// A new token of a session, and what the store keeps of it.
    pub(crate) fn session_token(&self, id: &Id) -> Result<SecretToken, Error> {
        let mut secret = [0; 32];
        self.engine.ids.fill(&mut secret)?;
        SecretToken::new(SecretToken::SESSION, id, &secret)
    }

    /// Random bytes that are no secret.
    pub(crate) fn salt<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut salt = [0; N];
        self.engine.ids.fill(&mut salt)?;
        Ok(salt)
    }
}
