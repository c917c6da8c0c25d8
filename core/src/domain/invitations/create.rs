//! People are invited.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::bulk::BulkResults;
use crate::api::invitations::{Create, InvitedAddress};
use crate::domain;
use crate::domain::bulk;
use crate::domain::invitations::VIEW;
use crate::domain::invitations::grants::{check_grants, refuse_several_roles};
use crate::domain::invitations::offer::Offer;
use crate::domain::invitations::seats::Seats;
use crate::domain::invitations::show::visible_accounts;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{AccountGrant, Actor, Email, Id, InvitationKind, InvitationState};
use crate::rules::invitation::{Entry, InvitationStatus, addresses, expires_at_ms, status};
use crate::tables::{accounts, invitations, people};

/// Most offers that one call makes: addresses times accounts.
const MOST_OFFERS: usize = 10_000;

/// Everything of a batch that is the same for each of its addresses.
struct Batch {
    team: Id,
    grants: Vec<AccountGrant>,
    seats: Seats,
}

/// Refuses an address that cannot be invited, and takes its seats where it can.
///
/// That an address belongs to another team, or to an operator, makes no difference here: nothing is
/// revealed (R-INV-6).
fn judge(
    ctx: &mut Ctx<'_>,
    batch: &mut Batch,
    email: &Email,
    one: &mut InvitedAddress,
) -> Result<(), Error> {
    let elsewhere = || {
        let message = format!(
            "`{}` is in use in another account of the team; ask the parent to give access.",
            email.as_typed()
        );
        Error::new(Code::UserInOtherAccount, message)
    };
    if let Some(user) = ctx.tx.get::<Id>(&keys::email(email.key()))?
        && people::seats_of(&mut ctx.tx, &batch.team, &user)? > 0
    {
        if !sees_user(ctx, &batch.grants, &user)? {
            return Err(elsewhere());
        }
        one.user = Some(user);
        let message = format!(
            "`{}` is a user already; edit the user instead.",
            email.as_typed()
        );
        return Err(Error::new(Code::UserExists, message));
    }
    if let Some(earlier) = invitations::of_address(&mut ctx.tx, &batch.team, email)?
        && status(&earlier, ctx.now_ms) == InvitationStatus::Pending
    {
        if visible_accounts(ctx, &earlier, VIEW)?.is_empty() {
            return Err(elsewhere());
        }
        one.open_invitation = Some(earlier.id);
        let message = format!(
            "`{}` has an open invitation; edit it, resend it, or delete it first.",
            email.as_typed()
        );
        return Err(Error::new(Code::AlreadyInvited, message));
    }
    batch.seats.take()
}

/// Whether the actor sees a user of the team: as a member of an account that is offered, or of any
/// that they manage.
fn sees_user(ctx: &mut Ctx<'_>, grants: &[AccountGrant], user: &Id) -> Result<bool, Error> {
    for grant in grants {
        if ctx.tx.has(&keys::member(&grant.account, user))?
            && !visibility::hidden_in(ctx, &grant.account)?.contains(user)
        {
            return Ok(true);
        }
    }
    let Actor::User { account: home, .. } = ctx.actor else {
        return Ok(true);
    };
    Ok(ctx.manages_team_of(home)? && people::seats_of(&mut ctx.tx, home, user)? > 0)
}

/// An address of the text that is not invited yet.
fn uninvited(entry: &Entry<'_>) -> InvitedAddress {
    let mut address = match &entry.email {
        Ok(email) => email.as_typed().to_owned(),
        Err(_) => entry.text.to_owned(),
    };
    while address.len() > 254 {
        address.pop();
    }
    InvitedAddress {
        invitation: None,
        position: entry.number as u64,
        offset: entry.offset as u64,
        address,
        expires_at_ms: None,
        user: None,
        open_invitation: None,
    }
}

/// Invites one address. An invitation of it that has expired is superseded.
fn invite(ctx: &mut Ctx<'_>, offer: Offer, one: &mut InvitedAddress) -> Result<(), Error> {
    if let Some(mut expired) = invitations::of_address(&mut ctx.tx, &offer.team, &offer.email)? {
        invitations::end(&mut ctx.tx, &mut expired, InvitationState::Superseded)?;
    }
    let made = domain::invitations::offer::open(ctx, offer)?;
    one.expires_at_ms = Some(expires_at_ms(&made));
    one.invitation = Some(made.id);
    Ok(())
}

impl Create {
    /// The account for which the invitation is made: the one that is named, or else the one in
    /// which the user acts. For the host and operators, it is the first one that is offered.
    fn acted_for(&self, ctx: &Ctx<'_>) -> Result<Id, Error> {
        match (&self.account, ctx.actor) {
            (Some(account), _) => Ok(account.clone()),
            (None, Actor::User { account, .. }) => Ok(account.clone()),
            (None, _) => self
                .accounts
                .iter()
                .flatten()
                .next()
                .map(|grant| grant.account.clone())
                .ok_or_else(|| Error::invalid("/account", "Name the `account` that invites.")),
        }
    }

    /// What the request offers in each account, and where it names it.
    fn wanted(&self, acted_for: &Id) -> Vec<(AccountGrant, String)> {
        let Some(named) = &self.accounts else {
            let grant = AccountGrant {
                account: acted_for.clone(),
                role: self.role.clone(),
                group: self.group.clone(),
            };
            return vec![(grant, String::new())];
        };
        let filled = |(at, grant): (usize, &AccountGrant)| {
            let grant = AccountGrant {
                account: grant.account.clone(),
                role: grant.role.clone().or_else(|| self.role.clone()),
                group: grant.group.clone().or_else(|| self.group.clone()),
            };
            (grant, format!("/accounts/{at}"))
        };
        named.iter().enumerate().map(filled).collect()
    }

    /// Refuses names for more than one address, and too many offers.
    fn check_size(&self, addresses: usize, accounts: usize) -> Result<(), Error> {
        if addresses > 1 && (self.first_name.is_some() || self.last_name.is_some()) {
            return Err(Error::invalid(
                "/first_name",
                "Names go only with a single address; leave out `first_name` and `last_name`.",
            ));
        }
        if addresses * accounts > MOST_OFFERS {
            return Err(Error::invalid(
                "/addresses",
                format!(
                    "One call makes at most {MOST_OFFERS} offers (`addresses` times accounts); \
                     send fewer."
                ),
            ));
        }
        Ok(())
    }
}

impl Operation for Create {
    type Answer = BulkResults<InvitedAddress>;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<BulkResults<InvitedAddress>, Error> {
        let acted_for = self.acted_for(ctx)?;
        let wanted = self.wanted(&acted_for);
        accounts::load(&mut ctx.tx, &acted_for, "/account")?;
        let team = invitations::team_of(&mut ctx.tx, &acted_for)?;
        let grants = check_grants(ctx, &team, wanted, &[])?;
        refuse_several_roles(ctx, &grants)?;
        let entries =
            addresses(&self.addresses).map_err(|error| Error::invalid("/addresses", error))?;
        self.check_size(entries.len(), grants.len())?;
        let counted_in = invitations::lines_of(&mut ctx.tx, &grants)?;
        let (life_ms, _) = domain::invitations::records::terms(ctx, &grants)?;
        let mut batch = Batch {
            team,
            grants,
            seats: Seats::left_in(ctx, &counted_in)?,
        };
        let many = entries.into_iter().map(|entry| (uninvited(&entry), entry));
        let mut to_invite = Vec::new();
        let mut answer = bulk::each(ctx, self.atomic, many, |ctx, one, entry| {
            let email = entry
                .email
                .map_err(|wrong| Error::invalid("/addresses", wrong))?;
            judge(ctx, &mut batch, &email, one)?;
            to_invite.push((email, entry.names));
            Ok(())
        })?;
        // Where one keeps all others out, none is left to be invited.
        let left = answer.results.iter_mut().filter(|one| one.done);
        for (one, (email, [first_name, last_name])) in left.zip(to_invite) {
            let offer = Offer {
                kind: InvitationKind::Member,
                team: batch.team.clone(),
                email,
                first_name: self.first_name.clone().or(first_name),
                last_name: self.last_name.clone().or(last_name),
                grants: batch.grants.clone(),
                counted_in: counted_in.clone(),
                life_ms,
            };
            invite(ctx, offer, &mut one.subject)?;
        }
        Ok(answer)
    }
}
