//! For whom and for what sending is prepared.

use crate::access::state::Engine;
use crate::access::view::{AccountCell, MemberView, PerChannel};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::meters::Prepared;
use crate::model::{ApiKey, Channel, Id, MessageInput};
use crate::options::ActingSender;
use crate::rules::api_key::{is_expired, key_permissions};
use crate::rules::session::may_come_from;
use std::sync::Arc;

/// For whom and for what sending is prepared.
pub(crate) struct Sending<'a> {
    pub(crate) member: Option<&'a MemberView>,
    pub(crate) channel: Channel,
    pub(crate) message: &'a MessageInput,
}

impl AccountCell {
    /// Sending by the account, on behalf of a member where one is named; prepared once for all that
    /// ask by ids, where nothing is said of the message.
    pub(crate) fn sending(
        self: &Arc<AccountCell>,
        engine: &Engine,
        user: Option<&str>,
        channel: Channel,
        message: &MessageInput,
    ) -> Result<Arc<Prepared>, Error> {
        // What changes while this is found out makes it out of date at once.
        let stamp = self.stamp(engine);
        let member = user.map(|user| self.member(engine, user)).transpose()?;
        let prepare = || {
            let mut prepared = engine.prepare(
                self,
                &Sending {
                    member: member.as_deref(),
                    channel,
                    message,
                },
            )?;
            prepared.stamp = stamp;
            Ok(Arc::new(prepared))
        };
        if *message != MessageInput::default() {
            return prepare();
        }
        let kept = member
            .as_ref()
            .map_or(&self.prepared, |member| &member.prepared)
            .of(channel);
        let is_good = |prepared: &Arc<Prepared>| {
            prepared.stamp == stamp
                && engine.kernel.clock.now_ms() < prepared.until_ms
                && engine.kernel.reads_newest()
        };
        if let Some(prepared) = kept.load_full().filter(is_good) {
            return Ok(prepared);
        }
        let prepared: Arc<Prepared> = prepare()?;
        if engine.kernel.reads_newest() {
            kept.store(Some(prepared.clone()));
        }
        Ok(prepared)
    }

    /// Looks at what [`sending`](AccountCell::sending) answers for messages of which nothing more
    /// is said, where that is cached.
    #[inline]
    pub(crate) fn look_at_sending<T>(
        &self,
        engine: &Engine,
        user: Option<&str>,
        channel: Channel,
        at: impl FnOnce(&Arc<Prepared>) -> T,
    ) -> Option<T> {
        let stamp = self.stamp(engine);
        let look = |kept: &PerChannel| {
            kept.of(channel)
                .load()
                .as_ref()
                .filter(|prepared| prepared.stamp == stamp)
                .map(at)
        };
        match user {
            None => look(&self.prepared),
            Some(user) => self
                .members
                .read()
                .get(user)
                .filter(|member| member.stamp == stamp)
                .and_then(|member| look(&member.prepared)),
        }
    }

    /// Sending by a member themself, or by a program with an API key of theirs. Whoever may not
    /// come from where they come from is refused before all else (R-SES-3).
    pub(crate) fn sending_themself(
        self: &Arc<AccountCell>,
        engine: &Engine,
        user: &Id,
        channel: Channel,
        message: &MessageInput,
        acting: &ActingSender,
    ) -> Result<Prepared, Error> {
        // What changes while this is found out makes it out of date at once.
        let stamp = self.stamp(engine);
        let member = self.member(engine, user.as_str())?;
        let mut refusal = (!may_come_from(member.addresses.iter().map(Vec::as_slice), acting.ip))
            .then_some(Code::IpNotAllowed);
        let mut until_ms = u64::MAX;
        let mut narrowed = None;
        if let Some(id) = &acting.api_key {
            let key: Option<ApiKey> = engine.kernel.tx().get(&keys::api_key(id))?;
            let theirs = |key: &ApiKey| {
                key.account == self.id
                    && key.user == *user
                    && !is_expired(key, engine.kernel.clock.now_ms())
            };
            match key.filter(theirs) {
                Some(key) => {
                    if !may_come_from([key.allow_list.as_slice()], acting.ip) {
                        refusal = refusal.or(Some(Code::IpNotAllowed));
                    }
                    until_ms = key.expires_at_ms.unwrap_or(until_ms);
                    narrowed = Some(member.under(
                        &key_permissions(&engine.views.tree.load(), &key.permissions),
                        self.view(engine)?.status,
                    ));
                }
                None => refusal = Some(Code::ApiKeyInvalid),
            }
        }
        let member = narrowed.as_ref().unwrap_or(&member);
        let mut prepared = engine.prepare(
            self,
            &Sending {
                member: Some(member),
                channel,
                message,
            },
        )?;
        prepared.stamp = stamp;
        prepared.until_ms = until_ms;
        prepared.refusal = refusal.or(prepared.refusal);
        Ok(prepared)
    }
}
