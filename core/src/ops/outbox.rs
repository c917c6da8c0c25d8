//! The outbox: what the host has to carry out, in order (R-OUT-1).

use super::{Access, Effect, Operation, page_size};
use crate::engine::{Ctx, keys};
use crate::error::{Code, Error};
use crate::model::{self, Count, Id, LimitAlert, Link, Name, OutboxKind};
use crate::rules::invitation::{InvitationStatus, expires_at_ms, status};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads messages of the outbox in their order, a page at a time.
///
/// Tokens are made as they are read, never kept. A message whose link is dead by now, because it expired, was used, or was
/// replaced, comes without one: nothing is to be sent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// Go on after the message of this number: `next` of the page before, or the last one that was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Count>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// A page of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxPage {
    /// The messages.
    pub messages: Vec<OutboxItem>,
    /// The number to go on after; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A message of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxItem {
    /// Its number: from 1 on, in the order in which their causes were committed.
    pub number: u64,
    /// What is to be done.
    pub kind: OutboxKind,
    /// The account that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The user that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// Where the mail goes, which is also the address to log in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The accounts that are offered, those that were deleted since left out.
    pub accounts: Vec<OutboxAccount>,
    /// The invitation that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Id>,
    /// The campaign that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Id>,
    /// The token for the link; absent where there is none, or where it is dead by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// From when on the token is dead, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_expires_at_ms: Option<u64>,
    /// The limit that it is about (R-QTA-8).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<LimitAlert>,
    /// When its cause happened, in unix milliseconds.
    pub at_ms: u64,
}

/// An account that a message names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxAccount {
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Name,
}

/// When the token of an invitation or link dies, if it is not dead by now.
fn lives_until(ctx: &mut Ctx<'_>, id: &Id, generation: u64) -> Result<Option<u64>, Error> {
    if let Some(invitation) = ctx.tx.get::<model::Invitation>(&keys::invitation(id))? {
        let alive = status(&invitation, ctx.now_ms) == InvitationStatus::Pending && invitation.generation == generation;
        return Ok(alive.then(|| expires_at_ms(&invitation)));
    }
    let link = ctx.tx.get::<Link>(&keys::link(id))?;
    let alive = link.filter(|link| link.generation == generation && ctx.now_ms < link.expires_at_ms.get());
    Ok(alive.map(|link| link.expires_at_ms.get()))
}

fn shown(ctx: &mut Ctx<'_>, number: u64, message: model::OutboxMessage) -> Result<OutboxItem, Error> {
    let mut accounts = Vec::with_capacity(message.accounts.len());
    for id in message.accounts {
        if let Some(account) = ctx.tx.get::<model::Account>(&keys::account(&id))? {
            accounts.push(OutboxAccount { account: account.id, name: account.name });
        }
    }
    let (mut token, mut token_expires_at_ms, mut invitation) = (None, None, None);
    if let Some((id, generation)) = message.token_of {
        token_expires_at_ms = lives_until(ctx, &id, generation)?;
        if token_expires_at_ms.is_some() {
            token = Some(ctx.engine.tokens.token(&id, generation)?);
        }
        if matches!(message.kind, OutboxKind::Invitation | OutboxKind::OwnerVerification) {
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
        at_ms: message.at_ms,
    })
}

impl Operation for Read {
    const NAME: &'static str = "outbox.read";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::System;
    type Answer = OutboxPage;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OutboxPage, Error> {
        let size = page_size(self.limit)?;
        let from = keys::outbox(self.after.map_or(0, Count::get).saturating_add(1));
        let (_, until) = keys::below(keys::OUTBOX, &[]);
        let mut rows = ctx.tx.range::<model::OutboxMessage>(&from, &until, size + 1)?;
        let more = rows.len() > size;
        rows.truncate(size);
        let mut messages = Vec::with_capacity(rows.len());
        for (key, message) in rows {
            let number = keys::outbox_number(&key)
                .ok_or_else(|| Error::new(Code::StoreCorrupt, format!("the key {} is none of the outbox", key.escape_ascii())))?;
            messages.push(shown(ctx, number, message)?);
        }
        let next = if more { messages.last().map(|message| message.number) } else { None };
        Ok(OutboxPage { messages, next })
    }
}
