//! Invitations as callers see them.

use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::invitations::Invitation;
use crate::domain::invitations::VIEW;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{self, AccountGrant, Actor, Email, Id, Name, folded};
use crate::rules::invitation::{expires_at_ms, status};
use crate::tables::invitations;

pub(crate) fn is_user(ctx: &Ctx<'_>) -> bool {
    matches!(ctx.actor, Actor::User { .. })
}

/// The accounts of an invitation in which the actor holds a permission: all of them for host and
/// operators.
pub(crate) fn visible_accounts(
    ctx: &mut Ctx<'_>,
    invitation: &model::Invitation,
    permission: &str,
) -> Result<Vec<Id>, Error> {
    let mut found = Vec::new();
    for grant in &invitation.grants {
        if !is_user(ctx) {
            found.push(grant.account.clone());
            continue;
        }
        match ctx.require_in(&grant.account, permission) {
            Ok(()) => found.push(grant.account.clone()),
            Err(error) if matches!(error.code(), Code::NotFound | Code::PermissionDenied) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// What is offered in the accounts in which the actor sees it.
pub(crate) fn seen_offers(
    ctx: &mut Ctx<'_>,
    invitation: &model::Invitation,
) -> Result<Vec<AccountGrant>, Error> {
    let seen = visible_accounts(ctx, invitation, VIEW)?;
    Ok(invitation
        .grants
        .iter()
        .filter(|grant| seen.contains(&grant.account))
        .cloned()
        .collect())
}

/// An invitation and the accounts of it in which the actor holds a permission; `not_found` where
/// there is none.
pub(crate) fn load_visible(
    ctx: &mut Ctx<'_>,
    id: &Id,
    permission: &str,
) -> Result<(model::Invitation, Vec<Id>), Error> {
    let invitation = invitations::load(&mut ctx.tx, id)?;
    let accounts = visible_accounts(ctx, &invitation, permission)?;
    if accounts.is_empty() {
        return Err(Error::not_found("invitation", id.as_str()).at("/invitation"));
    }
    Ok((invitation, accounts))
}

/// Whether the actor sees who invited: themself, whoever is a member of an account that they see,
/// all of a team that they manage.
fn sees_inviter(
    ctx: &mut Ctx<'_>,
    invitation: &model::Invitation,
    seen: &[Id],
) -> Result<bool, Error> {
    if !is_user(ctx)
        || ctx.actor.label() == invitation.invited_by
        || ctx.manages_team_of(&invitation.team)?
    {
        return Ok(true);
    }
    let Ok(inviter) = Id::new(invitation.invited_by.as_str()) else {
        return Ok(false);
    };
    for account in seen {
        if ctx.tx.has(&keys::member(account, &inviter))?
            && !visibility::hidden_in(ctx, account)?.contains(&inviter)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) fn answer_of(
    ctx: &mut Ctx<'_>,
    invitation: model::Invitation,
) -> Result<Invitation, Error> {
    let seen = visible_accounts(ctx, &invitation, VIEW)?;
    let invited_by = sees_inviter(ctx, &invitation, &seen)?.then(|| invitation.invited_by.clone());
    Ok(Invitation {
        status: status(&invitation, ctx.now_ms),
        expires_at_ms: expires_at_ms(&invitation),
        id: invitation.id,
        kind: invitation.kind,
        email: invitation.email.map(String::from),
        first_name: invitation.first_name,
        last_name: invitation.last_name,
        accounts: invitation
            .grants
            .into_iter()
            .filter(|grant| seen.contains(&grant.account))
            .collect(),
        invited_by,
        delivery: invitation.delivery,
        sent_at_ms: invitation.sent_at_ms,
        rev: invitation.rev,
        created_at_ms: invitation.created_at_ms,
        updated_at_ms: invitation.updated_at_ms,
    })
}

/// Whether the address or the name of who was invited holds a text, which is folded.
pub(crate) fn is_named(invitation: &model::Invitation, words: &str) -> bool {
    let (first, last) = (
        invitation.first_name.as_ref().map_or("", Name::as_str),
        invitation.last_name.as_ref().map_or("", Name::as_str),
    );
    let name = format!("{first} {last}");
    let typed = invitation.email.as_ref().map_or("", Email::as_typed);
    [typed, invitation.address(), &name]
        .iter()
        .any(|text| folded(text).contains(words))
}
