//! An account is offered to an owner, who confirms it.

use crate::access::request::Ctx;
use crate::domain::invitations::records::offer;
use crate::domain::{membership, roles};
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{
    AccountGrant, Email, Id, Invitation, InvitationKind, InvitationState, Name, OutboxKind,
    OutboxMessage, User,
};
use crate::rules::invitation::{InvitationStatus, status};
use crate::tables::accounts::{self, account_line};
use crate::tables::invitations::{Invitations, end, lines_of, of_account, save, team_of};

/// What a new invitation says.
pub(crate) struct Offer {
    pub(crate) kind: InvitationKind,
    pub(crate) team: Id,
    pub(crate) email: Email,
    pub(crate) first_name: Option<Name>,
    pub(crate) last_name: Option<Name>,
    pub(crate) grants: Vec<AccountGrant>,
    pub(crate) counted_in: Vec<Id>,
    pub(crate) life_ms: u64,
}

/// Makes an invitation and tells the host to send it. That there is a seat for it was seen before.
pub(crate) fn open(ctx: &mut Ctx<'_>, offer: Offer) -> Result<Invitation, Error> {
    let invitation = Invitation {
        id: ctx.new_id(None, keys::INVITATION, keys::invitation, "invitation")?,
        kind: offer.kind,
        team: offer.team,
        email: Some(offer.email),
        user: None,
        first_name: offer.first_name,
        last_name: offer.last_name,
        grants: offer.grants,
        counted_in: offer.counted_in,
        invited_by: ctx.actor.label(),
        generation: 1,
        sent_at_ms: ctx.now_ms,
        life_ms: offer.life_ms,
        state: InvitationState::Open,
        delivery: None,
        rev: 1,
        created_at_ms: ctx.now_ms,
        updated_at_ms: ctx.now_ms,
    };
    ctx.tx.save::<Invitations>(&invitation)?;
    send(ctx, &invitation)?;
    Ok(invitation)
}

/// Asks the host to send the link of an invitation (R-INV-2).
pub(crate) fn send(ctx: &mut Ctx<'_>, invitation: &Invitation) -> Result<(), Error> {
    let (kind, account) = match invitation.kind {
        InvitationKind::Member => (OutboxKind::Invitation, None),
        InvitationKind::Owner => (
            OutboxKind::OwnerVerification,
            invitation.grants.first().map(|grant| grant.account.clone()),
        ),
    };
    let message = OutboxMessage {
        to: invitation.email.clone(),
        accounts: invitation
            .grants
            .iter()
            .map(|grant| grant.account.clone())
            .collect(),
        token_of: Some((invitation.id.clone(), invitation.generation)),
        ..OutboxMessage::about(kind, account, ctx.now_ms)
    };
    ctx.enqueue_message(&message)
}

/// Invites the owner of an account that waits for one; an earlier verification of the account is
/// superseded (R-TEA-4).
///
/// The caller makes the account: pending, without an owner. Answers the invitation.
pub(crate) fn invite_owner(ctx: &mut Ctx<'_>, account: &Id, email: Email) -> Result<Id, Error> {
    for mut earlier in of_account(&mut ctx.tx, account)? {
        if earlier.kind == InvitationKind::Owner && earlier.state == InvitationState::Open {
            end(&mut ctx.tx, &mut earlier, InvitationState::Superseded)?;
        }
    }
    let user = ctx.tx.get::<Id>(&keys::email(email.key()))?;
    membership::check_seats(ctx, account, user.as_ref())?;
    let grants = vec![AccountGrant {
        account: account.clone(),
        role: None,
        group: None,
    }];
    let offer = Offer {
        kind: InvitationKind::Owner,
        team: team_of(&mut ctx.tx, account)?,
        email,
        first_name: None,
        last_name: None,
        counted_in: lines_of(&mut ctx.tx, &grants)?,
        grants,
        life_ms: ctx.policies(Some(account))?.verification_life_ms.get(),
    };
    Ok(open(ctx, offer)?.id)
}

/// Accounts have left their team, since their `ancestor` goes: the invitations to them go along.
///
/// One that also offers accounts outside of `ancestor` offers those alone from now on; otherwise,
/// the accounts that leave together. A role of an account that is no longer above gives way to the
/// default role.
pub(crate) fn follow(ctx: &mut Ctx<'_>, leaving: &[Id], ancestor: &Id) -> Result<(), Error> {
    for account in leaving {
        for mut invitation in of_account(&mut ctx.tx, account)? {
            let mut along = Vec::new();
            let mut outside = Vec::new();
            for mut grant in invitation.grants.clone() {
                if !leaving.contains(&grant.account) {
                    if account_line(&mut ctx.tx, &grant.account)?
                        .iter()
                        .all(|other| other.id != *ancestor)
                    {
                        outside.push(grant);
                    }
                    continue;
                }
                if let Some(role) = &grant.role
                    && roles::load_for(ctx, role, &grant.account, "/account").is_err()
                {
                    grant.role = None;
                }
                along.push(grant);
            }
            offer(
                ctx,
                &mut invitation,
                if outside.is_empty() { along } else { outside },
                u64::MAX,
            )?;
            save(&mut ctx.tx, &mut invitation)?;
        }
    }
    Ok(())
}

/// Makes whoever has the address the owner of an account that waits for one (R-TEA-4).
pub(crate) fn make_owner(ctx: &mut Ctx<'_>, account: &Id, user: &User) -> Result<(), Error> {
    match ctx
        .tx
        .get::<crate::model::Member>(&keys::member(account, &user.id))?
    {
        None => membership::create(ctx, account, user, membership::Place::OWNER).map(drop),
        Some(member) => membership::own(ctx, member),
    }
    .map_err(|error| error.at("/token"))?;
    let mut record = accounts::load(&mut ctx.tx, account, "/token")?;
    record.owner = Some(user.id.clone());
    record.lifecycle = match record.lifecycle {
        crate::model::Lifecycle::Closed { at_ms, .. } => crate::model::Lifecycle::Closed {
            at_ms,
            was_pending: false,
        },
        _ => crate::model::Lifecycle::Active,
    };
    accounts::save(&mut ctx.tx, record)
}

/// The refusal of a link whose invitation is worth nothing any more (R-INV-6).
pub(crate) fn refuse_dead(
    ctx: &Ctx<'_>,
    invitation: &Invitation,
    field: &str,
) -> Result<(), Error> {
    match status(invitation, ctx.now_ms).refusal() {
        None => Ok(()),
        Some(code) => Err(Error::new(code, sentence(status(invitation, ctx.now_ms))).at(field)),
    }
}

pub(crate) fn sentence(status: InvitationStatus) -> &'static str {
    match status {
        InvitationStatus::Pending => "The invitation can be accepted.",
        InvitationStatus::Expired => "The invitation has expired; ask for a new one.",
        InvitationStatus::Accepted => "The invitation was accepted already; log in instead.",
        InvitationStatus::Declined => "The invitation was declined; ask for a new one.",
        InvitationStatus::Deleted => "The invitation was deleted; ask for a new one.",
        InvitationStatus::Superseded => {
            "A newer invitation has replaced this one; use the newer one."
        }
    }
}
