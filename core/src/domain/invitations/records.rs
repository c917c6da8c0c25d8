//! The records of invitations: how they are kept, listed and ended, whoever asks for it.

use crate::access::request::Ctx;
use crate::domain::outbox;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{
    AccountGrant, AuditKind, Id, Invitation, InvitationKind, InvitationState, Resend, User,
};
use crate::tables::invitations::{
    Invitations, all_of_address, all_within, end, lines_of, of_account, save, team_of,
};

/// How long an invitation to these accounts can be accepted, and what sending it again does: by the
/// strictest of them (R-INV-3).
pub(crate) fn terms(ctx: &mut Ctx<'_>, grants: &[AccountGrant]) -> Result<(u64, Resend), Error> {
    let (mut life_ms, mut resend) = (u64::MAX, Resend::Reuse);
    for grant in grants {
        let policies = ctx.policies(Some(&grant.account))?;
        life_ms = life_ms.min(policies.invitation_life_ms.get());
        resend = resend.max(policies.resend);
    }
    Ok((life_ms, resend))
}

/// Offers other accounts, or the same ones otherwise, for as long as before but no longer than
/// `most_ms`; nothing else of the invitation changes. Not saved here.
pub(crate) fn offer(
    ctx: &mut Ctx<'_>,
    invitation: &mut Invitation,
    grants: Vec<AccountGrant>,
    most_ms: u64,
) -> Result<(), Error> {
    invitation.grants = grants;
    invitation.life_ms = invitation.life_ms.min(most_ms);
    if let Some(first) = invitation.grants.first() {
        invitation.team = team_of(&mut ctx.tx, &first.account.clone())?;
    }
    invitation.counted_in = lines_of(&mut ctx.tx, &invitation.grants)?;
    Ok(())
}

/// A person is erased: with them go the invitations of the addresses that they have and had, to one
/// team or to all (R-USR-4). An account of the team that waits for them as its owner goes on
/// waiting.
pub(crate) fn forget(ctx: &mut Ctx<'_>, user: &User, team: Option<&Id>) -> Result<(), Error> {
    let mut theirs = all_of_address(&mut ctx.tx, &user.email)?;
    theirs.extend(all_within(&mut ctx.tx, keys::user_invitations(&user.id))?);
    for invitation in theirs {
        let awaited =
            invitation.kind == InvitationKind::Owner && invitation.state == InvitationState::Open;
        if team.is_none_or(|team| invitation.team == *team && !awaited) {
            erase(ctx, &invitation)?;
        }
    }
    Ok(())
}

/// Deletes an open invitation: that there was one is all that is left, and of those before it to
/// the same address as well (R-USR-4).
pub(crate) fn delete(ctx: &mut Ctx<'_>, mut invitation: Invitation) -> Result<(), Error> {
    end(&mut ctx.tx, &mut invitation, InvitationState::Deleted)?;
    let Some(email) = invitation.email.clone() else {
        return Ok(());
    };
    for earlier in all_of_address(&mut ctx.tx, &email)? {
        let ended = matches!(
            earlier.state,
            InvitationState::Declined | InvitationState::Deleted | InvitationState::Superseded
        );
        if ended && earlier.team == invitation.team {
            forget_whom(ctx, earlier)?;
        }
    }
    Ok(())
}

/// Forgets whom an invitation was for; of what became of it nothing changes.
pub(crate) fn forget_whom(ctx: &mut Ctx<'_>, mut invitation: Invitation) -> Result<(), Error> {
    (invitation.email, invitation.user) = (None, None);
    (invitation.first_name, invitation.last_name) = (None, None);
    if let Some(delivery) = &mut invitation.delivery {
        delivery.note = None;
    }
    outbox::forget(ctx, AuditKind::Invitation, &invitation.id)?;
    save(&mut ctx.tx, &mut invitation)
}

/// What remains of an erased invitation is that its link says `invitation_deleted`.
pub(crate) fn erase(ctx: &mut Ctx<'_>, invitation: &Invitation) -> Result<(), Error> {
    outbox::forget(ctx, AuditKind::Invitation, &invitation.id)?;
    ctx.tx.erase::<Invitations>(invitation)?;
    ctx.tx.put(
        keys::tombstone(keys::INVITATION, &invitation.id),
        &invitation.generation,
    )
}

/// An account is deleted: it is offered no longer, and an invitation to nothing else goes with it
/// (R-ACC-3).
pub(crate) fn erase_all_of(ctx: &mut Ctx<'_>, account: &Id) -> Result<(), Error> {
    of_account(&mut ctx.tx, account)?
        .into_iter()
        .try_for_each(|invitation| withdraw(ctx, invitation, account))
}

/// An invitation offers an account no longer, and is erased where it offers nothing else.
pub(crate) fn withdraw(
    ctx: &mut Ctx<'_>,
    mut invitation: Invitation,
    account: &Id,
) -> Result<(), Error> {
    let left: Vec<AccountGrant> = invitation
        .grants
        .iter()
        .filter(|grant| grant.account != *account)
        .cloned()
        .collect();
    if left.is_empty() {
        return erase(ctx, &invitation);
    }
    offer(ctx, &mut invitation, left, u64::MAX)?;
    save(&mut ctx.tx, &mut invitation)
}
