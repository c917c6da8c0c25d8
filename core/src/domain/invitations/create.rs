//! People are invited.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::invitations::{Create, InvitationBatch, InvitationProblem, InvitedAddress};
use crate::domain;
use crate::domain::invitations::VIEW;
use crate::domain::invitations::grants::{check_grants, refuse_several_roles};
use crate::domain::invitations::offer::Offer;
use crate::domain::invitations::seats::Seats;
use crate::domain::invitations::show::visible_accounts;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{AccountGrant, Actor, Email, Id, InvitationKind, InvitationState, Name};
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

/// Why an address is not invited.
struct Objection {
    error: Error,
    user: Option<Id>,
    invitation: Option<Id>,
}

impl From<Error> for Objection {
    fn from(error: Error) -> Objection {
        Objection {
            error,
            user: None,
            invitation: None,
        }
    }
}

/// Whether an address can be invited; takes its seats where it can. The outer error ends the batch.
///
/// That an address belongs to another team, or to an operator, makes no difference here: nothing is
/// revealed (R-INV-6).
fn judge(
    ctx: &mut Ctx<'_>,
    batch: &mut Batch,
    email: &Email,
) -> Result<Result<(), Objection>, Error> {
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
        let seen = sees_user(ctx, &batch.grants, &user)?;
        return Ok(Err(if seen {
            let message = format!(
                "`{}` is a user already; edit the user instead.",
                email.as_typed()
            );
            Objection {
                error: Error::new(Code::UserExists, message),
                user: Some(user),
                invitation: None,
            }
        } else {
            elsewhere().into()
        }));
    }
    if let Some(earlier) = invitations::of_address(&mut ctx.tx, &batch.team, email)?
        && status(&earlier, ctx.now_ms) == InvitationStatus::Pending
    {
        let seen = !visible_accounts(ctx, &earlier, VIEW)?.is_empty();
        return Ok(Err(if seen {
            let message = format!(
                "`{}` has an open invitation; edit it, resend it, or delete it first.",
                email.as_typed()
            );
            Objection {
                error: Error::new(Code::AlreadyInvited, message),
                user: None,
                invitation: Some(earlier.id),
            }
        } else {
            elsewhere().into()
        }));
    }
    Ok(batch.seats.take().map_err(Objection::from))
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

fn problem(entry: &Entry<'_>, objection: Objection) -> InvitationProblem {
    let mut address = entry.text.to_owned();
    while address.len() > 254 {
        address.pop();
    }
    InvitationProblem {
        position: entry.number as u64,
        offset: entry.offset as u64,
        address,
        code: objection.error.code(),
        message: objection.error.message().to_owned(),
        user: objection.user,
        invitation: objection.invitation,
    }
}

/// An address that can be invited, and the names that stand before it.
type Invitee = (Email, [Option<Name>; 2]);

/// The addresses that can be invited, and why the others cannot.
fn judge_all(
    ctx: &mut Ctx<'_>,
    batch: &mut Batch,
    entries: &[Entry<'_>],
) -> Result<(Vec<Invitee>, Vec<InvitationProblem>), Error> {
    let mut to_invite = Vec::new();
    let mut problems = Vec::new();
    for entry in entries {
        let judged = match &entry.email {
            Ok(email) => judge(ctx, batch, email)?.map(|()| (email, entry.names.clone())),
            Err(wrong) => Err(Error::invalid("/addresses", wrong.as_str()).into()),
        };
        match judged {
            Ok((email, names)) => to_invite.push((email.clone(), names)),
            Err(objection) => problems.push(problem(entry, objection)),
        }
    }
    Ok((to_invite, problems))
}

/// Invites one address. An invitation of it that has expired is superseded.
fn invite(ctx: &mut Ctx<'_>, offer: Offer) -> Result<InvitedAddress, Error> {
    if let Some(mut expired) = invitations::of_address(&mut ctx.tx, &offer.team, &offer.email)? {
        invitations::end(&mut ctx.tx, &mut expired, InvitationState::Superseded)?;
    }
    let email = offer.email.as_typed().to_owned();
    let made = domain::invitations::offer::open(ctx, offer)?;
    Ok(InvitedAddress {
        expires_at_ms: expires_at_ms(&made),
        invitation: made.id,
        email,
    })
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
                format!("`addresses` times accounts are at most {MOST_OFFERS}; send fewer."),
            ));
        }
        Ok(())
    }
}

impl Operation for Create {
    type Answer = InvitationBatch;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationBatch, Error> {
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
        let (to_invite, problems) = judge_all(ctx, &mut batch, &entries)?;
        if self.atomic && !problems.is_empty() {
            return Ok(InvitationBatch {
                invited: Vec::new(),
                problems,
            });
        }
        let mut invited = Vec::with_capacity(to_invite.len());
        for (email, [first_name, last_name]) in to_invite {
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
            invited.push(invite(ctx, offer)?);
        }
        Ok(InvitationBatch { invited, problems })
    }
}
