//! The records of invitations: how they are kept, listed and ended, whoever asks for it.

use crate::domain::invitations::offer::offer;
use crate::domain::{groups, outbox};
use crate::engine::Ctx;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{
    AccountGrant, AuditKind, Email, Id, Invitation, InvitationKind, InvitationState, Resend, User,
};
use crate::tables::accounts::account_line;
use crate::tables::invitations::Invitations;
use std::collections::BTreeSet;

/// Reads an invitation inside an operation.
pub(crate) fn load(ctx: &mut Ctx<'_>, id: &Id) -> Result<Invitation, Error> {
    find(ctx, id)?.ok_or_else(|| Error::not_found("invitation", id.as_str()).at("/invitation"))
}

/// An invitation, where there is one. In the place of a group that was deleted since it offers the
/// one that took in its members.
pub(crate) fn find(ctx: &mut Ctx<'_>, id: &Id) -> Result<Option<Invitation>, Error> {
    let Some(mut invitation) = ctx.tx.get::<Invitation>(&keys::invitation(id))? else {
        return Ok(None);
    };
    for grant in &mut invitation.grants {
        if let Some(group) = grant.group.take() {
            grant.group = groups::now(ctx, &grant.account, &group)?;
        }
    }
    Ok(Some(invitation))
}

/// Writes an invitation that was changed.
pub(crate) fn save(ctx: &mut Ctx<'_>, invitation: &mut Invitation) -> Result<(), Error> {
    invitation.rev += 1;
    invitation.updated_at_ms = ctx.now_ms;
    ctx.tx.save::<Invitations>(invitation)
}

/// The accounts that are offered and all above them, each once.
pub(crate) fn lines_of(ctx: &mut Ctx<'_>, grants: &[AccountGrant]) -> Result<Vec<Id>, Error> {
    let mut all = BTreeSet::new();
    for grant in grants {
        all.extend(
            account_line(&mut ctx.tx, &grant.account)?
                .into_iter()
                .map(|account| account.id),
        );
    }
    Ok(all.into_iter().collect())
}

/// The top of the tree that an account is in.
pub(crate) fn team_of(ctx: &mut Ctx<'_>, account: &Id) -> Result<Id, Error> {
    Ok(account_line(&mut ctx.tx, account)?
        .pop()
        .map_or_else(|| account.clone(), |top| top.id))
}

/// Whether an invitation was sent after now.
pub(crate) fn is_ahead(invitation: &Invitation, now_ms: u64) -> bool {
    invitation.sent_at_ms > now_ms
}

/// The life of an invitation that was sent in a future that was none begins now (R-QTA-13).
pub(crate) fn leave_future(ctx: &mut Ctx<'_>, mut invitation: Invitation) -> Result<(), Error> {
    invitation.sent_at_ms = ctx.now_ms;
    save(ctx, &mut invitation)
}

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

/// Ends an open invitation.
pub(crate) fn end(
    ctx: &mut Ctx<'_>,
    invitation: &mut Invitation,
    state: InvitationState,
) -> Result<(), Error> {
    invitation.state = state;
    save(ctx, invitation)
}

/// The open invitation of an address to a team, expired or not.
pub(crate) fn of_address(
    ctx: &mut Ctx<'_>,
    team: &Id,
    email: &Email,
) -> Result<Option<Invitation>, Error> {
    let Some(id) = ctx.tx.get::<Id>(&keys::invited(team, email.key()))? else {
        return Ok(None);
    };
    ctx.tx.get(&keys::invitation(&id))
}

/// A user has become a member of an account: what their address was offered in that team is
/// settled. Who is in the team is given access to further accounts, not invited (R-INV-7).
pub(crate) fn settle(ctx: &mut Ctx<'_>, account: &Id, user: &User) -> Result<(), Error> {
    let team = team_of(ctx, account)?;
    match of_address(ctx, &team, &user.email)? {
        Some(mut invitation) => end(ctx, &mut invitation, InvitationState::Superseded),
        None => Ok(()),
    }
}

/// The invitations of an address, to whatever team.
pub(crate) fn all_of_address(ctx: &mut Ctx<'_>, email: &Email) -> Result<Vec<Invitation>, Error> {
    all_within(ctx, keys::below(keys::ADDRESS_INVITATION, &[email.key()]))
}

fn all_within(
    ctx: &mut Ctx<'_>,
    (from, until): (Vec<u8>, Vec<u8>),
) -> Result<Vec<Invitation>, Error> {
    let mut found = Vec::new();
    for (key, ()) in ctx.tx.range::<()>(&from, &until, usize::MAX)? {
        if let Some(id) = keys::last_id(&key) {
            found.extend(ctx.tx.get::<Invitation>(&keys::invitation(&id))?);
        }
    }
    Ok(found)
}

/// A user has another address from now on: the invitations of the one until now stay theirs.
pub(crate) fn keep(ctx: &mut Ctx<'_>, user: &Id, email: &Email) -> Result<(), Error> {
    for mut invitation in all_of_address(ctx, email)? {
        invitation.user = Some(user.clone());
        save(ctx, &mut invitation)?;
    }
    Ok(())
}

/// A person is erased: with them go the invitations of the addresses that they have and had, to one
/// team or to all (R-USR-4). An account of the team that waits for them as its owner goes on
/// waiting.
pub(crate) fn forget(ctx: &mut Ctx<'_>, user: &User, team: Option<&Id>) -> Result<(), Error> {
    let mut theirs = all_of_address(ctx, &user.email)?;
    theirs.extend(all_within(ctx, keys::user_invitations(&user.id))?);
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
    end(ctx, &mut invitation, InvitationState::Deleted)?;
    let Some(email) = invitation.email.clone() else {
        return Ok(());
    };
    for earlier in all_of_address(ctx, &email)? {
        let ended = matches!(
            earlier.state,
            InvitationState::Deleted | InvitationState::Superseded
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
    save(ctx, &mut invitation)
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

/// All invitations to an account.
pub(crate) fn of_account(ctx: &mut Ctx<'_>, account: &Id) -> Result<Vec<Invitation>, Error> {
    let (from, until) = keys::below(keys::ACCOUNT_INVITATION, &[account.as_str(), "newest"]);
    let mut found = Vec::new();
    for (key, ()) in ctx.tx.range::<()>(&from, &until, usize::MAX)? {
        if let Some(id) = keys::last_id(&key) {
            found.extend(ctx.tx.get::<Invitation>(&keys::invitation(&id))?);
        }
    }
    Ok(found)
}

/// An account is deleted: it is offered no longer, and an invitation to nothing else goes with it
/// (R-ACC-3).
pub(crate) fn erase_all_of(ctx: &mut Ctx<'_>, account: &Id) -> Result<(), Error> {
    for mut invitation in of_account(ctx, account)? {
        let left: Vec<AccountGrant> = invitation
            .grants
            .iter()
            .filter(|grant| grant.account != *account)
            .cloned()
            .collect();
        if !left.is_empty() {
            offer(ctx, &mut invitation, left, u64::MAX)?;
            save(ctx, &mut invitation)?;
            continue;
        }
        erase(ctx, &invitation)?;
    }
    Ok(())
}
