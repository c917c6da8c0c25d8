//! Messages of the outbox as the host is shown them.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::outbox::{OutboxAccount, OutboxItem, OutboxPage, Read};
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::page::page_size;
use crate::model::{self, Count, Id, Link, OutboxKind, Secret};
use crate::rules::invitation::{InvitationStatus, expires_at_ms, status};
use crate::tables::outbox::number_at;

/// When the token of an invitation or link dies, if it is not dead by now.
fn lives_until(ctx: &mut Ctx<'_>, id: &Id, generation: u64) -> Result<Option<u64>, Error> {
    if let Some(invitation) = ctx.tx.get::<model::Invitation>(&keys::invitation(id))? {
        let alive = status(&invitation, ctx.now_ms) == InvitationStatus::Pending
            && invitation.generation == generation;
        return Ok(alive.then(|| expires_at_ms(&invitation)));
    }
    let link = ctx.tx.get::<Link>(&keys::link(id))?;
    let alive =
        link.filter(|link| link.generation == generation && ctx.now_ms < link.expires_at_ms.get());
    Ok(alive.map(|link| link.expires_at_ms.get()))
}

pub(super) fn answer_of(
    ctx: &mut Ctx<'_>,
    number: u64,
    message: model::OutboxMessage,
) -> Result<OutboxItem, Error> {
    let mut accounts = Vec::with_capacity(message.accounts.len());
    for id in message.accounts {
        if let Some(account) = ctx.tx.get::<model::Account>(&keys::account(&id))? {
            accounts.push(OutboxAccount {
                account: account.id,
                name: account.name,
            });
        }
    }
    let (mut token, mut token_expires_at_ms, mut invitation) = (None, None, None);
    if let Some((id, generation)) = message.token_of {
        token_expires_at_ms = lives_until(ctx, &id, generation)?;
        if token_expires_at_ms.is_some() {
            let text = ctx.engine.auth.tokens.token(&id, generation)?;
            token = Some(Secret::new(text).map_err(Error::internal)?);
        }
        if matches!(
            message.kind,
            OutboxKind::Invitation | OutboxKind::OwnerVerification
        ) {
            invitation = Some(id);
        }
    }
    Ok(OutboxItem {
        number,
        kind: message.kind,
        account: message.account,
        user: message.user,
        to: message.to.map(String::from),
        accounts,
        invitation,
        campaign: message.campaign,
        token,
        token_expires_at_ms,
        alert: message.alert,
        log_in: message.log_in.map(|notice| *notice),
        clock_jump: message.jump,
        at_ms: message.at_ms,
    })
}

impl Operation for Read {
    type Answer = OutboxPage;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OutboxPage, Error> {
        let size = page_size(self.limit)?;
        let from = keys::outbox(self.after.map_or(0, Count::get).saturating_add(1));
        let (_, until) = keys::range(keys::OUTBOX, &[]);
        let mut rows = ctx
            .tx
            .range::<model::OutboxMessage>(&from, &until, size + 1)?;
        let more = rows.len() > size;
        rows.truncate(size);
        let mut messages = Vec::with_capacity(rows.len());
        for (key, message) in rows {
            messages.push(answer_of(ctx, number_at(&key)?, message)?);
        }
        let next = if more {
            messages.last().map(|message| message.number)
        } else {
            None
        };
        Ok(OutboxPage { messages, next })
    }
}
