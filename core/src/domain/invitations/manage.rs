//! Invitations are read, listed, edited, sent again and deleted.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::invitations::{
    Delete, Edit, Erase, Get, Invitation, InvitationDeleted, InvitationList, InvitationOrder,
    InvitationsErased, List, ReportDelivery, Resend,
};
use crate::domain::invitations::grants::{
    MOST_ACCOUNTS, check_grants, refuse_offer_of_ancestors, refuse_several_roles,
};
use crate::domain::invitations::seats::Seats;
use crate::domain::invitations::show::{
    answer_of, is_named, is_user, load_visible, visible_accounts,
};
use crate::domain::invitations::{self, DELETE, EDIT, RESEND, VIEW};
use crate::domain::roles;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::kernel::revision::check_rev;
use crate::model::{
    self, AccountGrant, Delivery, Id, InvitationKind, InvitationState, Resend as ResendPolicy,
    RoleScope, TEAM_PERMISSION, folded,
};
use crate::rules::invitation::{InvitationStatus, status};
use crate::tables::{self, accounts};

/// How many older links of an invitation are still told from what was never a link.
pub(crate) const OLDER_LINKS: u64 = 100;

/// What was accepted, deleted or superseded is not changed any more; what expired is, where
/// `also_expired`.
fn refuse_ended(
    ctx: &Ctx<'_>,
    invitation: &model::Invitation,
    also_expired: bool,
) -> Result<(), Error> {
    if also_expired && invitation.state == InvitationState::Open {
        return Ok(());
    }
    invitations::offer::refuse_dead(ctx, invitation, "/invitation")
}

impl Operation for Get {
    type Answer = Invitation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Invitation, Error> {
        let (invitation, _) = load_visible(ctx, &self.invitation, VIEW)?;
        answer_of(ctx, invitation)
    }
}

impl Operation for List {
    type Answer = InvitationList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationList, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        if self.include_descendants && is_user(ctx) {
            ctx.require_in(&self.account, TEAM_PERMISSION)
                .map_err(|error| error.at("/include_descendants"))?;
        }
        let order = match (
            self.order.unwrap_or(InvitationOrder::Newest),
            self.include_descendants,
        ) {
            (InvitationOrder::Newest, false) => "newest",
            (InvitationOrder::Newest, true) => "below_newest",
            (InvitationOrder::Email, false) => "email",
            (InvitationOrder::Email, true) => "below_email",
        };
        let span = keys::range(keys::ACCOUNT_INVITATION, &[self.account.as_str(), order]);
        let (asked, words) = (
            self.status,
            self.search.map(|search| folded(search.as_str())),
        );
        let (invitations, next) =
            walk(ctx, &[span], self.after.as_ref(), self.limit, |ctx, key| {
                let Some(id) = keys::last_id(key) else {
                    return Ok(None);
                };
                let invitation = tables::invitations::load(&mut ctx.tx, &id)?;
                let fits = asked.is_none_or(|asked| asked == status(&invitation, ctx.now_ms))
                    && words
                        .as_ref()
                        .is_none_or(|words| is_named(&invitation, words));
                if fits {
                    answer_of(ctx, invitation).map(Some)
                } else {
                    Ok(None)
                }
            })?;
        Ok(InvitationList { invitations, next })
    }
}

impl Operation for Edit {
    type Answer = Invitation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Invitation, Error> {
        let (mut invitation, mine) = load_visible(ctx, &self.invitation, EDIT)?;
        check_rev(self.expected_rev, invitation.rev)?;
        refuse_ended(ctx, &invitation, false)?;
        // The names are those of the whole invitation.
        refuse_offer_of_ancestors(
            ctx,
            &invitation,
            &mine,
            self.first_name.is_some() || self.last_name.is_some(),
        )?;
        if self.role.is_some() || self.group.is_some() || self.accounts.is_some() {
            if invitation.kind == InvitationKind::Owner {
                return Err(Error::invalid(
                    "/invitation",
                    format!(
                        "The invitation `{}` is for an owner, who has no role and no group; leave \
                         these out.",
                        invitation.id
                    ),
                ));
            }
            let (old, others): (Vec<_>, Vec<_>) = invitation
                .grants
                .clone()
                .into_iter()
                .partition(|grant| mine.contains(&grant.account));
            let wanted = wanted(ctx, old.clone(), self.accounts, self.role, self.group)?;
            let mut grants = check_grants(ctx, &invitation.team, wanted, &old)?;
            refuse_elsewhere(ctx, &grants, &others)?;
            refuse_several_roles(ctx, &grants)?;
            grants.extend(others);
            if grants.len() > MOST_ACCOUNTS {
                return Err(Error::invalid(
                    "/accounts",
                    format!(
                        "An invitation offers at most {MOST_ACCOUNTS} accounts; leave some out."
                    ),
                ));
            }
            let counted_in = tables::invitations::lines_of(&mut ctx.tx, &grants)?;
            let new: Vec<Id> = counted_in
                .into_iter()
                .filter(|account| !invitation.counted_in.contains(account))
                .collect();
            Seats::left_in(ctx, &new)?.take()?;
            let (life_ms, _) = invitations::records::terms(ctx, &grants)?;
            invitations::records::offer(ctx, &mut invitation, grants, life_ms)?;
        }
        invitation.first_name = self.first_name.or(invitation.first_name);
        invitation.last_name = self.last_name.or(invitation.last_name);
        tables::invitations::save(&mut ctx.tx, &mut invitation)?;
        answer_of(ctx, invitation)
    }
}

/// What an edited invitation is to offer, and where the request says so.
pub(crate) fn wanted(
    ctx: &mut Ctx<'_>,
    old: Vec<AccountGrant>,
    accounts: Option<Vec<AccountGrant>>,
    role: Option<Id>,
    group: Option<Id>,
) -> Result<Vec<(AccountGrant, String)>, Error> {
    let Some(named) = accounts else {
        let mut wanted = Vec::with_capacity(old.len());
        for mut grant in old {
            if let Some(role) = &role {
                // Promotion clears the group, as it does for a member (R-GRP-2).
                if roles::load_for(ctx, role, &grant.account, "/role")?.administrator {
                    grant.group = None;
                }
                grant.role = Some(role.clone());
            }
            grant.group = group.clone().or(grant.group);
            wanted.push((grant, String::new()));
        }
        return Ok(wanted);
    };
    let mut wanted = Vec::with_capacity(named.len());
    for (at, grant) in named.into_iter().enumerate() {
        let field = format!("/accounts/{at}");
        let before = old.iter().find(|before| before.account == grant.account);
        let role = grant
            .role
            .or_else(|| role.clone())
            .or_else(|| before.and_then(|before| before.role.clone()));
        let mut group = grant.group.or_else(|| group.clone());
        if group.is_none()
            && let Some(kept) = before.and_then(|before| before.group.clone())
        {
            // Promotion clears the group here too.
            let promoted = match &role {
                Some(role) => {
                    roles::is_administrator(ctx, role, &grant.account, &format!("{field}/role"))?
                }
                None => false,
            };
            group = (!promoted).then_some(kept);
        }
        wanted.push((
            AccountGrant {
                account: grant.account,
                role,
                group,
            },
            field,
        ));
    }
    Ok(wanted)
}

/// Where the invitation also offers accounts that the actor does not reach, and a user has one role
/// in the team, that role stays (R-INV-8).
fn refuse_elsewhere(
    ctx: &mut Ctx<'_>,
    grants: &[AccountGrant],
    others: &[AccountGrant],
) -> Result<(), Error> {
    let Some(other) = others.first() else {
        return Ok(());
    };
    for grant in grants.iter().filter(|grant| grant.role != other.role) {
        if ctx.policies(Some(&grant.account))?.role_scope == RoleScope::User {
            let message = "The invited user has one role in all accounts of the team; ask somebody \
                           who administers all to change it.";
            return Err(Error::new(Code::RoleSpansAccounts, message).at("/role"));
        }
    }
    Ok(())
}

impl Operation for Resend {
    type Answer = Invitation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Invitation, Error> {
        let (mut invitation, mine) = load_visible(ctx, &self.invitation, RESEND)?;
        refuse_ended(ctx, &invitation, true)?;
        refuse_offer_of_ancestors(ctx, &invitation, &mine, true)?;
        let (life_ms, resend) = match (invitation.kind, invitation.grants.first()) {
            (InvitationKind::Owner, Some(grant)) => (
                ctx.policies(Some(&grant.account.clone()))?
                    .verification_life_ms
                    .get(),
                ResendPolicy::Rotate,
            ),
            _ => invitations::records::terms(ctx, &invitation.grants)?,
        };
        if resend == ResendPolicy::Forbid {
            let message = "By policy an `invitation` is not sent again; delete it, and invite \
                           again.";
            return Err(Error::new(Code::PolicyForbids, message)
                .at("/invitation")
                .with("policy", "resend"));
        }
        if status(&invitation, ctx.now_ms) == InvitationStatus::Expired {
            Seats::left_in(ctx, &invitation.counted_in)?.take()?;
        }
        if resend == ResendPolicy::Rotate {
            invitation.generation += 1;
        }
        invitation.sent_at_ms = ctx.now_ms;
        invitation.life_ms = life_ms;
        invitation.delivery = None;
        tables::invitations::save(&mut ctx.tx, &mut invitation)?;
        invitations::offer::send(ctx, &invitation)?;
        answer_of(ctx, invitation)
    }
}

impl Operation for Delete {
    type Answer = InvitationDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationDeleted, Error> {
        let (mut invitation, mine) = load_visible(ctx, &self.invitation, DELETE)?;
        refuse_ended(ctx, &invitation, true)?;
        refuse_offer_of_ancestors(ctx, &invitation, &mine, false)?;
        refuse_awaited(&invitation, "/invitation")?;
        let left: Vec<AccountGrant> = invitation
            .grants
            .iter()
            .filter(|grant| !mine.contains(&grant.account))
            .cloned()
            .collect();
        let deleted = left.is_empty();
        if deleted {
            invitations::records::delete(ctx, invitation)?;
        } else {
            invitations::records::offer(ctx, &mut invitation, left, u64::MAX)?;
            tables::invitations::save(&mut ctx.tx, &mut invitation)?;
        }
        Ok(InvitationDeleted {
            invitation: self.invitation,
            deleted,
        })
    }
}

impl Operation for Erase {
    type Answer = InvitationsErased;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationsErased, Error> {
        let is_user = is_user(ctx);
        if !is_user && let Some(user) = ctx.tx.get::<Id>(&keys::email(self.email.key()))? {
            let message = format!(
                "`{}` is the address of a user; delete the user instead.",
                self.email.as_typed()
            );
            return Err(Error::new(Code::UserExists, message)
                .at("/email")
                .with("user", user.as_str()));
        }
        let mut erased = 0;
        for invitation in tables::invitations::all_of_address(&mut ctx.tx, &self.email)? {
            if is_user {
                let mine = visible_accounts(ctx, &invitation, DELETE)?;
                if mine.len() < invitation.grants.len()
                    || invitation.state == InvitationState::Accepted
                {
                    continue;
                }
                refuse_offer_of_ancestors(ctx, &invitation, &mine, false)
                    .map_err(|error| error.at("/email"))?;
            }
            refuse_awaited(&invitation, "/email")?;
            invitations::records::erase(ctx, &invitation)?;
            erased += 1;
        }
        Ok(InvitationsErased { erased })
    }
}

/// The link of an owner goes with the account that waits for them.
pub(super) fn refuse_awaited(invitation: &model::Invitation, field: &str) -> Result<(), Error> {
    if invitation.kind == InvitationKind::Owner && invitation.state == InvitationState::Open {
        let message = format!(
            "An account still waits for the owner whom `{}` invites; delete the account, or name \
             another owner.",
            field.trim_start_matches('/')
        );
        return Err(Error::new(Code::OwnerTransferRequired, message).at(field));
    }
    Ok(())
}

impl Operation for ReportDelivery {
    type Answer = Invitation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Invitation, Error> {
        let mut invitation = tables::invitations::load(&mut ctx.tx, &self.invitation)?;
        // A note may name the address, which of a deleted invitation nobody is to know.
        let note = self.note.filter(|_| invitation.email.is_some());
        invitation.delivery = Some(Delivery {
            outcome: self.outcome,
            note,
        });
        tables::invitations::save(&mut ctx.tx, &mut invitation)?;
        answer_of(ctx, invitation)
    }
}
