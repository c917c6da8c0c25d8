//! Invitations are looked up, accepted and declined.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::invitations::{
    Accept, AcceptReceived, Decline, InvitationAccepted, InvitationDeclined, InvitationOffer,
    InvitationOfferList, LookUp, OfferedAccount, Received,
};
use crate::auth::token::Token;
use crate::domain::invitations::manage::{OLDER_LINKS, refuse_awaited};
use crate::domain::{self, membership};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::model::{self, AccountGrant, Id, InvitationKind, InvitationState, Name, RoleScope};
use crate::rules::invitation::{InvitationStatus, expires_at_ms, status};
use crate::tables::{accounts, invitations, people, users};

/// The invitation behind a link that still works. That the token is ours is seen before anything is
/// said of the invitation.
fn by_token(ctx: &mut Ctx<'_>, text: &str) -> Result<model::Invitation, Error> {
    let invalid = || {
        Error::new(
            Code::LinkInvalid,
            "This is not the link of an invitation; ask for a new one.",
        )
        .at("/token")
    };
    let token = Token::parse(text).ok_or_else(invalid)?;
    let engine = ctx.engine;
    let Some(invitation) = invitations::find(&mut ctx.tx, &token.id)? else {
        // Its accounts were deleted, or the person, and it with them.
        return match ctx
            .tx
            .get::<u64>(&keys::tombstone(keys::INVITATION, &token.id))?
        {
            Some(generation) if engine.auth.tokens.fits(&token, generation)? => Err(Error::new(
                Code::InvitationDeleted,
                domain::invitations::offer::sentence(InvitationStatus::Deleted),
            )
            .at("/token")),
            _ => Err(invalid()),
        };
    };
    if !engine.auth.tokens.fits(&token, invitation.generation)? {
        for older in (1..invitation.generation)
            .rev()
            .take(usize::try_from(OLDER_LINKS).unwrap_or(usize::MAX))
        {
            if engine.auth.tokens.fits(&token, older)? {
                return Err(Error::new(
                    Code::InvitationSuperseded,
                    "A newer link has replaced this one; use the newer one.",
                )
                .at("/token"));
            }
        }
        return Err(invalid());
    }
    domain::invitations::offer::refuse_dead(ctx, &invitation, "/token")?;
    Ok(invitation)
}

/// The user who has the address of an invitation.
fn holder(ctx: &mut Ctx<'_>, invitation: &model::Invitation) -> Result<Option<model::User>, Error> {
    match ctx.tx.get::<Id>(&keys::email(invitation.address()))? {
        Some(id) => users::load(&mut ctx.tx, &id, "/token").map(Some),
        None => Ok(None),
    }
}

/// What an invitation offers, as the person who was invited sees it.
fn offer_of(ctx: &mut Ctx<'_>, invitation: model::Invitation) -> Result<InvitationOffer, Error> {
    let mut offered = Vec::with_capacity(invitation.grants.len());
    for grant in &invitation.grants {
        let account = accounts::load(&mut ctx.tx, &grant.account, "/token")?;
        offered.push(OfferedAccount {
            account: account.id,
            name: account.name,
            role: grant.role.clone(),
        });
    }
    let inviter = match Id::new(invitation.invited_by.as_str()) {
        Ok(id) => ctx
            .tx
            .get::<model::User>(&keys::user(&id))?
            .map(|user| user.profile)
            .unwrap_or_default(),
        Err(_) => model::Profile::default(),
    };
    Ok(InvitationOffer {
        user: holder(ctx, &invitation)?.map(|user| user.id),
        expires_at_ms: expires_at_ms(&invitation),
        invitation: invitation.id,
        kind: invitation.kind,
        email: invitation.email.map(String::from).unwrap_or_default(),
        first_name: invitation.first_name,
        last_name: invitation.last_name,
        accounts: offered,
        invited_by: invitation.invited_by,
        inviter_first_name: inviter.first_name,
        inviter_last_name: inviter.last_name,
    })
}

/// As [`offer_of`]; none where an account that is offered is being deleted.
fn offer_if_there(
    ctx: &mut Ctx<'_>,
    invitation: model::Invitation,
) -> Result<Option<InvitationOffer>, Error> {
    match offer_of(ctx, invitation) {
        Err(error) if error.code() == Code::NotFound => Ok(None),
        offer => offer.map(Some),
    }
}

impl Operation for LookUp {
    type Answer = InvitationOffer;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationOffer, Error> {
        let invitation = by_token(ctx, self.token.reveal())?;
        offer_of(ctx, invitation)
    }
}

impl Operation for Received {
    type Answer = InvitationOfferList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationOfferList, Error> {
        let span = keys::range(keys::ADDRESS_INVITATION, &[self.email.key()]);
        let (invitations, next) =
            walk(ctx, &[span], self.after.as_ref(), self.limit, |ctx, key| {
                let Some(id) = keys::last_id(key) else {
                    return Ok(None);
                };
                match invitations::find(&mut ctx.tx, &id)? {
                    Some(found) if status(&found, ctx.now_ms) == InvitationStatus::Pending => {
                        offer_if_there(ctx, found)
                    }
                    _ => Ok(None),
                }
            })?;
        Ok(InvitationOfferList { invitations, next })
    }
}

/// The user whom accepting an invitation creates.
struct NewUser {
    id: Option<Id>,
    first_name: Option<Name>,
    last_name: Option<Name>,
}

/// Accepts an invitation of which it was seen that it can be, and that the person may.
fn accept(
    ctx: &mut Ctx<'_>,
    mut invitation: model::Invitation,
    new: NewUser,
) -> Result<InvitationAccepted, Error> {
    let existing = holder(ctx, &invitation)?;
    let created = existing.is_none();
    let user = match existing {
        Some(user) if user.disabled => {
            return Err(Error::new(
                Code::UserDisabled,
                format!("`{}` is disabled; enable the user first.", user.id),
            )
            .at("/token"));
        }
        Some(user)
            if invitation.kind == InvitationKind::Member
                && people::seats_of(&mut ctx.tx, &invitation.team, &user.id)? > 0 =>
        {
            // They changed their address to this one meanwhile.
            let message = format!(
                "`{}` is a user of the team already; edit the user instead.",
                user.id
            );
            return Err(Error::new(Code::UserExists, message).at("/token"));
        }
        Some(user) => user,
        None => create_user(ctx, &invitation, new)?,
    };
    // First, so that it takes no seat beside the member it becomes.
    invitations::end(&mut ctx.tx, &mut invitation, InvitationState::Accepted)?;
    let mut joined = Vec::with_capacity(invitation.grants.len());
    for grant in invitation.grants {
        match invitation.kind {
            InvitationKind::Owner => {
                domain::invitations::offer::make_owner(ctx, &grant.account, &user)?
            }
            InvitationKind::Member => join(ctx, &grant, &user)?,
        }
        joined.push(grant.account);
    }
    Ok(InvitationAccepted {
        invitation: invitation.id,
        user: user.id,
        created,
        accounts: joined,
    })
}

fn create_user(
    ctx: &mut Ctx<'_>,
    invitation: &model::Invitation,
    new: NewUser,
) -> Result<model::User, Error> {
    let email = invitation.email.clone().ok_or_else(|| {
        Error::internal("This is a defect to report: an open invitation is for nobody.")
    })?;
    domain::users::create::create(
        ctx,
        new.id,
        email,
        new.first_name.or_else(|| invitation.first_name.clone()),
        new.last_name.or_else(|| invitation.last_name.clone()),
        &domain::users::NamedAt {
            id: "/user",
            email: "/token",
        },
    )
}

impl Operation for Accept {
    type Answer = InvitationAccepted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationAccepted, Error> {
        let invitation = by_token(ctx, self.token.reveal())?;
        let new = NewUser {
            id: self.user,
            first_name: self.first_name,
            last_name: self.last_name,
        };
        accept(ctx, invitation, new)
    }
}

impl Operation for AcceptReceived {
    type Answer = InvitationAccepted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationAccepted, Error> {
        let invitation = invitations::load(&mut ctx.tx, &self.invitation)?;
        if invitation.address() != self.email.key() {
            return Err(Error::not_found("invitation", self.invitation.as_str()).at("/invitation"));
        }
        domain::invitations::offer::refuse_dead(ctx, &invitation, "/invitation")?;
        let new = NewUser {
            id: self.user,
            first_name: self.first_name,
            last_name: self.last_name,
        };
        // The token of the link stands for the invitation elsewhere.
        accept(ctx, invitation, new).map_err(|error| match error.field() {
            Some("/token") => error.at("/invitation"),
            _ => error,
        })
    }
}

impl Operation for Decline {
    type Answer = InvitationDeclined;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationDeclined, Error> {
        let mut invitation = by_token(ctx, self.token.reveal())?;
        refuse_awaited(&invitation, "/token")?;
        invitations::end(&mut ctx.tx, &mut invitation, InvitationState::Declined)?;
        Ok(InvitationDeclined {
            invitation: invitation.id,
        })
    }
}

/// Makes the member that was invited. What the offer leaves open, or names in vain by now, is as
/// for any new member.
fn join(ctx: &mut Ctx<'_>, grant: &AccountGrant, user: &model::User) -> Result<(), Error> {
    let role = match ctx.policies(Some(&grant.account))?.role_scope {
        RoleScope::Package => None,
        RoleScope::Membership | RoleScope::User => match &grant.role {
            Some(role) => Some(role.clone()),
            None => accounts::load(&mut ctx.tx, &grant.account, "/token")?.default_role,
        },
    };
    membership::create(
        ctx,
        &grant.account,
        user,
        membership::Place {
            role,
            owner: false,
            group: grant.group.clone(),
            disabled: false,
            until_ms: None,
        },
    )
    .map_err(|error| error.at("/token"))?;
    Ok(())
}
