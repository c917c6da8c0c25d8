//! The records of invitations: how they are kept, listed and ended, whoever asks for it.

use crate::engine::Ctx;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{
    AccountGrant, AuditKind, Email, Id, Invitation, InvitationKind, InvitationState, Name,
    OutboxKind, OutboxMessage, Resend, User,
};
use crate::ops::{accounts, groups, members, outbox, roles};
use crate::rules::invitation::{InvitationStatus, status};
use crate::tables::accounts::account_line;
use crate::tables::invitations::Invitations;
use std::collections::{BTreeMap, BTreeSet};

/// Reads an invitation inside an operation.
pub(super) fn load(ctx: &mut Ctx<'_>, id: &Id) -> Result<Invitation, Error> {
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
pub(super) fn save(ctx: &mut Ctx<'_>, invitation: &mut Invitation) -> Result<(), Error> {
    invitation.rev += 1;
    invitation.updated_at_ms = ctx.now_ms;
    ctx.tx.save::<Invitations>(invitation)
}

/// The accounts that are offered and all above them, each once.
pub(super) fn lines_of(ctx: &mut Ctx<'_>, grants: &[AccountGrant]) -> Result<Vec<Id>, Error> {
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
pub(super) fn team_of(ctx: &mut Ctx<'_>, account: &Id) -> Result<Id, Error> {
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
pub(super) fn terms(ctx: &mut Ctx<'_>, grants: &[AccountGrant]) -> Result<(u64, Resend), Error> {
    let (mut life_ms, mut resend) = (u64::MAX, Resend::Reuse);
    for grant in grants {
        let policies = ctx.policies(Some(&grant.account))?;
        life_ms = life_ms.min(policies.invitation_life_ms.get());
        resend = resend.max(policies.resend);
    }
    Ok((life_ms, resend))
}

/// What a new invitation says.
pub(super) struct Offer {
    pub(super) kind: InvitationKind,
    pub(super) team: Id,
    pub(super) email: Email,
    pub(super) first_name: Option<Name>,
    pub(super) last_name: Option<Name>,
    pub(super) grants: Vec<AccountGrant>,
    pub(super) counted_in: Vec<Id>,
    pub(super) life_ms: u64,
}

/// Makes an invitation and tells the host to send it. That there is a seat for it was seen before.
pub(super) fn open(ctx: &mut Ctx<'_>, offer: Offer) -> Result<Invitation, Error> {
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
pub(super) fn send(ctx: &mut Ctx<'_>, invitation: &Invitation) -> Result<(), Error> {
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
    ctx.tell_host(&message)
}

/// Ends an open invitation.
pub(super) fn end(
    ctx: &mut Ctx<'_>,
    invitation: &mut Invitation,
    state: InvitationState,
) -> Result<(), Error> {
    invitation.state = state;
    save(ctx, invitation)
}

/// The open invitation of an address to a team, expired or not.
pub(super) fn of_address(
    ctx: &mut Ctx<'_>,
    team: &Id,
    email: &Email,
) -> Result<Option<Invitation>, Error> {
    let Some(id) = ctx.tx.get::<Id>(&keys::invited(team, email.key()))? else {
        return Ok(None);
    };
    ctx.tx.get(&keys::invitation(&id))
}

/// The seats that are left in some accounts, counted once for many invitations (R-INV-9).
pub(super) struct Seats(BTreeMap<Id, u64>);

impl Seats {
    pub(super) fn left_in(ctx: &mut Ctx<'_>, accounts: &[Id]) -> Result<Seats, Error> {
        let mut left = BTreeMap::new();
        for account in accounts {
            let seats = members::seats(ctx, account)?.ceiling();
            if seats < u64::MAX {
                let taken = members::seats_taken(ctx, account, seats)?;
                left.insert(account.clone(), seats.saturating_sub(taken));
            }
        }
        Ok(Seats(left))
    }

    /// Takes one in each account, or none where there is an account without.
    pub(super) fn take(&mut self) -> Result<(), Error> {
        if let Some((account, _)) = self.0.iter().find(|(_, left)| **left == 0) {
            return Err(Error::new(
                Code::SeatsExhausted,
                format!("all seats of `{account}` are taken"),
            )
            .with("account", account.as_str()));
        }
        self.0.values_mut().for_each(|left| *left -= 1);
        Ok(())
    }
}

/// Invites the owner of an account that waits for one; an earlier verification of the account is
/// superseded (R-TEA-4).
///
/// The caller makes the account: pending, without an owner. Answers the invitation.
pub(crate) fn invite_owner(ctx: &mut Ctx<'_>, account: &Id, email: Email) -> Result<Id, Error> {
    for mut earlier in of_account(ctx, account)? {
        if earlier.kind == InvitationKind::Owner && earlier.state == InvitationState::Open {
            end(ctx, &mut earlier, InvitationState::Superseded)?;
        }
    }
    let user = ctx.tx.get::<Id>(&keys::email(email.key()))?;
    members::check_seats(ctx, account, user.as_ref())?;
    let grants = vec![AccountGrant {
        account: account.clone(),
        role: None,
        group: None,
    }];
    let offer = Offer {
        kind: InvitationKind::Owner,
        team: team_of(ctx, account)?,
        email,
        first_name: None,
        last_name: None,
        counted_in: lines_of(ctx, &grants)?,
        grants,
        life_ms: ctx.policies(Some(account))?.verification_life_ms.get(),
    };
    Ok(open(ctx, offer)?.id)
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
pub(super) fn all_of_address(ctx: &mut Ctx<'_>, email: &Email) -> Result<Vec<Invitation>, Error> {
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
pub(super) fn delete(ctx: &mut Ctx<'_>, mut invitation: Invitation) -> Result<(), Error> {
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
pub(super) fn erase(ctx: &mut Ctx<'_>, invitation: &Invitation) -> Result<(), Error> {
    outbox::forget(ctx, AuditKind::Invitation, &invitation.id)?;
    ctx.tx.erase::<Invitations>(invitation)?;
    ctx.tx.put(
        keys::tombstone(keys::INVITATION, &invitation.id),
        &invitation.generation,
    )
}

/// All invitations to an account.
fn of_account(ctx: &mut Ctx<'_>, account: &Id) -> Result<Vec<Invitation>, Error> {
    let (from, until) = keys::below(keys::ACCOUNT_INVITATION, &[account.as_str(), "newest"]);
    let mut found = Vec::new();
    for (key, ()) in ctx.tx.range::<()>(&from, &until, usize::MAX)? {
        if let Some(id) = keys::last_id(&key) {
            found.extend(ctx.tx.get::<Invitation>(&keys::invitation(&id))?);
        }
    }
    Ok(found)
}

/// Offers other accounts, or the same ones otherwise, for as long as before but no longer than
/// `most_ms`; nothing else of the invitation changes. Not saved here.
pub(super) fn offer(
    ctx: &mut Ctx<'_>,
    invitation: &mut Invitation,
    grants: Vec<AccountGrant>,
    most_ms: u64,
) -> Result<(), Error> {
    invitation.grants = grants;
    invitation.life_ms = invitation.life_ms.min(most_ms);
    if let Some(first) = invitation.grants.first() {
        invitation.team = team_of(ctx, &first.account.clone())?;
    }
    invitation.counted_in = lines_of(ctx, &invitation.grants)?;
    Ok(())
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

/// Accounts have left their team, since the account `above` them goes: the invitations to them go
/// along.
///
/// One that also offers accounts outside of `above` offers those alone from now on; otherwise, the
/// accounts that leave together. A role of an account that is no longer above gives way to the
/// default role.
pub(crate) fn follow(ctx: &mut Ctx<'_>, leaving: &[Id], above: &Id) -> Result<(), Error> {
    for account in leaving {
        for mut invitation in of_account(ctx, account)? {
            let mut along = Vec::new();
            let mut outside = Vec::new();
            for mut grant in invitation.grants.clone() {
                if !leaving.contains(&grant.account) {
                    if account_line(&mut ctx.tx, &grant.account)?
                        .iter()
                        .all(|other| other.id != *above)
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
            save(ctx, &mut invitation)?;
        }
    }
    Ok(())
}

/// Makes whoever has the address the owner of an account that waits for one (R-TEA-4).
pub(super) fn make_owner(ctx: &mut Ctx<'_>, account: &Id, user: &User) -> Result<(), Error> {
    match ctx
        .tx
        .get::<crate::model::Member>(&keys::member(account, &user.id))?
    {
        None => members::create(ctx, account, user, members::Place::OWNER).map(drop),
        Some(member) => members::own(ctx, member),
    }
    .map_err(|error| error.at("/token"))?;
    let mut record = accounts::load(ctx, account, "/token")?;
    record.owner = Some(user.id.clone());
    record.lifecycle = match record.lifecycle {
        crate::model::Lifecycle::Closed { at_ms, .. } => crate::model::Lifecycle::Closed {
            at_ms,
            was_pending: false,
        },
        _ => crate::model::Lifecycle::Active,
    };
    accounts::save(ctx, record)
}

/// The refusal of a link whose invitation is worth nothing any more (R-INV-6).
pub(super) fn refuse_dead(
    ctx: &Ctx<'_>,
    invitation: &Invitation,
    field: &str,
) -> Result<(), Error> {
    match status(invitation, ctx.now_ms).refusal() {
        None => Ok(()),
        Some(code) => Err(Error::new(code, sentence(status(invitation, ctx.now_ms))).at(field)),
    }
}

pub(super) fn sentence(status: InvitationStatus) -> &'static str {
    match status {
        InvitationStatus::Pending => "the invitation can be accepted",
        InvitationStatus::Expired => "the invitation has expired; ask for a new one",
        InvitationStatus::Accepted => "the invitation was accepted already",
        InvitationStatus::Deleted => "the invitation was deleted; ask for a new one",
        InvitationStatus::Superseded => "a newer invitation took the place of this one",
    }
}
