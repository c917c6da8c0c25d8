//! Invitations: access that is offered to an address, and accepted through a link (R-INV-1 to
//! R-INV-10).
//!
//! An invitation is about one address and any number of accounts of one team. Who reaches only some
//! of these accounts sees, edits and deletes what is offered there, and nothing of the rest.

mod records;
#[cfg(test)]
mod tests;

pub(crate) use records::{
    erase_all_of, find, follow, forget, forget_whom, invite_owner, is_ahead, keep, leave_future,
    settle,
};

use super::{Operation, accounts, groups, members, reach, roles, users};
use crate::auth::token::Token;
use crate::engine::Ctx;
use crate::engine::authority::TEAM_PERMISSION;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::kernel::revision::check_rev;
use crate::model::{
    self, AccountGrant, Actor, Count, Cursor, Delivery, DeliveryOutcome, Email, GrantExisting, Id,
    InvitationKind, InvitationState, Name, Note, Resend as ResendPolicy, RoleScope, Secret, folded,
};
use crate::rules::invitation::{Entry, InvitationStatus, addresses, expires_at_ms, status};
use crate::tables::people;
use records::{Offer, Seats};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most accounts of one invitation.
const MOST_ACCOUNTS: usize = 100;
/// Most offers that one call makes: addresses times accounts.
const MOST_OFFERS: usize = 10_000;
/// How many older links of an invitation are still told from what was never a link.
const OLDER_LINKS: u64 = 100;

const VIEW: &str = "users.view";
const INVITE: &str = "users.invite";
const EDIT: &str = "users.invitations.edit";
const RESEND: &str = "users.invitations.resend";
const DELETE: &str = "users.invitations.delete";

/// Invites people to accounts, many at once (R-INV-1). The messages with the links go into the
/// outbox.
///
/// Whoever invites holds `users.invite` in every account named, and all that the role allows. The
/// role is part of the offer from now on: another default role later does not change it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The account that it is done for, and that is offered where `accounts` is absent; for a user
    /// the one they act in when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The addresses, separated by comma, semicolon or white space: at most 500, in at most 64 KiB;
    /// repetitions count once. A name may stand before one: `Ann Lee <ann@x.example>`. Addresses
    /// times accounts are at most 10,000.
    pub addresses: String,
    /// The role, in every account for which none is named; the account's default role when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// The group, in every account for which none is named; the default group when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// The accounts to offer, all of one team, at most 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<AccountGrant>>,
    /// First name; with a single address only. When absent, what was pasted with the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name; with a single address only. When absent, what was pasted with the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// Invites all or none: with a single problem nobody is invited.
    #[serde(default)]
    pub atomic: bool,
}

/// Reads an invitation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The invitation.
    pub invitation: Id,
}

/// Lists the invitations to an account, a page at a time; a page can be shorter than asked for
/// while there is a `next`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: Id,
    /// Those to all accounts below it as well; for who manages the team.
    #[serde(default)]
    pub below: bool,
    /// Only those of this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<InvitationStatus>,
    /// Only those with this in the address or in the name, without regard to case and accents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Name>,
    /// The order; the newest first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<InvitationOrder>,
    /// Go on here: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// The order of a list of invitations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvitationOrder {
    /// The newest first.
    Newest,
    /// By e-mail address.
    Email,
}

/// Changes what a pending invitation offers (R-INV-5). What is absent stays. Nothing is sent: the
/// link that went out offers the new.
///
/// Nobody changes an invitation to more than they hold, into one to more than they hold, or in
/// accounts that they do not reach; nor the names in one that offers more than they hold, be it
/// elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The invitation.
    pub invitation: Id,
    /// The role, in every account for which none is named in `accounts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// The group, in every account for which none is named in `accounts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// The accounts to offer, of all that one reaches: at least one and at most 100. An account
    /// that is new needs `users.invite`; in one that was offered before, a role or group that is
    /// absent stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<AccountGrant>>,
    /// First name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Sends a pending or expired invitation again; its life begins anew (R-INV-3, R-INV-5).
///
/// By the policy `resend` the old link dies, or the same goes out again, or it is `policy_forbids`:
/// then delete the invitation and invite again. The verification of an owner is always sent again
/// with a new link. Nobody sends again what offers more than they hold, be it in accounts that they
/// do not reach (R-ROL-7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resend {
    /// The invitation.
    pub invitation: Id,
}

/// Deletes a pending or expired invitation (R-INV-5): its link says `invitation_deleted`. Name and
/// address are forgotten, in the outbox and the audit too (R-USR-4).
///
/// Who reaches only some of its accounts takes back the offer of these; the rest stands. The
/// verification of an owner goes with its account alone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The invitation.
    pub invitation: Id,
}

/// Erases somebody who was invited and never came: every invitation of the address, whatever became
/// of it, and their name and address in the outbox and the audit (R-USR-4). The links say
/// `invitation_deleted`.
///
/// By the host and operators in all teams; by users, those invitations of which they may delete all
/// that is offered. Somebody who is a user is erased with `users.delete`; an account that waits for
/// its owner is deleted, or gets another.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// The address, in any spelling of its normal form.
    pub email: Email,
}

/// What the page behind a link shows before the invitation is accepted; a dead link is refused as
/// by `invitations.accept`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookUp {
    /// The token of the link.
    pub token: Secret,
}

/// Accepts an invitation: whoever has the address becomes a member of all its accounts, in one step
/// (R-INV-2, R-INV-6).
///
/// The user is made, unless there is one with the address. Of many who use a link at once one
/// succeeds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// The token of the link.
    pub token: Secret,
    /// The id that a new user gets; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// First name of a new user; that of the invitation when absent. An existing user keeps theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name of a new user; that of the invitation when absent. An existing user keeps theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
}

/// Reports how the delivery of an invitation went; it is shown with the invitation until it is sent
/// again (R-INV-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportDelivery {
    /// The invitation.
    pub invitation: Id,
    /// How it went.
    pub outcome: DeliveryOutcome,
    /// What the mail server said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// An invitation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Invitation {
    /// The id.
    pub id: Id,
    /// Member of accounts, or owner of one.
    pub kind: InvitationKind,
    /// The address, as typed; absent, with the names, once the invitation was deleted (R-USR-4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// What is offered, in the accounts that the actor reaches.
    pub accounts: Vec<AccountGrant>,
    /// Who invited: `system` or a user; absent where the actor does not see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invited_by: Option<String>,
    /// What it is worth now.
    pub status: InvitationStatus,
    /// What the host reported of its last sending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// When it was last sent, in unix milliseconds.
    pub sent_at_ms: u64,
    /// From when on it cannot be accepted, in unix milliseconds.
    pub expires_at_ms: u64,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of invitations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationList {
    /// The invitations.
    pub invitations: Vec<Invitation>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// Who was invited, and who was not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationBatch {
    /// Who was invited, in the order of the text.
    pub invited: Vec<InvitedAddress>,
    /// Who was not, in the order of the text.
    pub problems: Vec<InvitationProblem>,
}

/// An address that was invited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitedAddress {
    /// The invitation.
    pub invitation: Id,
    /// The address, as typed.
    pub email: String,
    /// From when on it cannot be accepted, in unix milliseconds.
    pub expires_at_ms: u64,
}

/// Why an address was not invited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationProblem {
    /// Which address of the text it is, from 1 on.
    pub position: u64,
    /// Where it begins in the text, in bytes of UTF-8 from 0 on.
    pub offset: u64,
    /// The address as typed, its first 254 bytes.
    pub address: String,
    /// The code.
    pub code: Code,
    /// A sentence a person can act on.
    pub message: String,
    /// The user who has the address, where the actor sees them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The open invitation of the address, where the actor sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Id>,
}

/// An invitation of which an offer was taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationDeleted {
    /// The invitation.
    pub invitation: Id,
    /// Whether it is deleted as a whole; otherwise accounts that the actor does not reach are still
    /// offered.
    pub deleted: bool,
}

/// Somebody who was invited and is erased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationsErased {
    /// How many invitations are gone; none where the address was not invited, or not by whom the
    /// actor reaches.
    pub erased: u64,
}

/// What the page behind a link shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationOffer {
    /// The invitation.
    pub invitation: Id,
    /// Member of accounts, or owner of one.
    pub kind: InvitationKind,
    /// The address to log in with.
    pub email: String,
    /// First name, as the inviter typed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name, as the inviter typed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// The accounts.
    pub accounts: Vec<OfferedAccount>,
    /// Who invited: `system` or a user.
    pub invited_by: String,
    /// First name of that user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inviter_first_name: Option<Name>,
    /// Last name of that user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inviter_last_name: Option<Name>,
    /// The user who has the address already; absent where accepting makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// From when on it cannot be accepted, in unix milliseconds.
    pub expires_at_ms: u64,
}

/// An account that is offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OfferedAccount {
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Name,
    /// The role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
}

/// An invitation that was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationAccepted {
    /// The invitation.
    pub invitation: Id,
    /// The user.
    pub user: Id,
    /// Whether the user is new.
    pub created: bool,
    /// The accounts that they are a member of now.
    pub accounts: Vec<Id>,
}

fn is_user(ctx: &Ctx<'_>) -> bool {
    matches!(ctx.actor, Actor::User { .. })
}

/// The accounts of an invitation in which the actor holds a permission: all of them for host and
/// operators.
fn reached(
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
    let seen = reached(ctx, invitation, VIEW)?;
    Ok(invitation
        .grants
        .iter()
        .filter(|grant| seen.contains(&grant.account))
        .cloned()
        .collect())
}

/// An invitation and the accounts of it in which the actor holds a permission; `not_found` where
/// there is none.
fn load_reached(
    ctx: &mut Ctx<'_>,
    id: &Id,
    permission: &str,
) -> Result<(model::Invitation, Vec<Id>), Error> {
    let invitation = records::load(ctx, id)?;
    let accounts = reached(ctx, &invitation, permission)?;
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
            && !reach::hidden_in(ctx, account)?.contains(&inviter)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn shown(ctx: &mut Ctx<'_>, invitation: model::Invitation) -> Result<Invitation, Error> {
    let seen = reached(ctx, &invitation, VIEW)?;
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

/// Checks what is to be offered and fills in what was left open: the role that counts, in every
/// account.
///
/// `wanted` says where the request names each. What is in `kept` is offered already: there the
/// permission to edit is enough.
fn check_grants(
    ctx: &mut Ctx<'_>,
    team: &Id,
    wanted: Vec<(AccountGrant, String)>,
    kept: &[AccountGrant],
) -> Result<Vec<AccountGrant>, Error> {
    if wanted.is_empty() || wanted.len() > MOST_ACCOUNTS {
        return Err(Error::invalid(
            "/accounts",
            format!(
                "an invitation offers 1 to {MOST_ACCOUNTS} accounts, not {}",
                wanted.len()
            ),
        ));
    }
    let mut grants: Vec<AccountGrant> = Vec::with_capacity(wanted.len());
    for (grant, at) in wanted {
        let AccountGrant {
            account,
            role,
            group,
        } = grant;
        let (at_account, at_role, at_group) = (
            format!("{at}/account"),
            format!("{at}/role"),
            format!("{at}/group"),
        );
        let record = accounts::load(ctx, &account, &at_account)?;
        let before = kept.iter().find(|grant| grant.account == account);
        if is_user(ctx) {
            let permission = if before.is_some() { EDIT } else { INVITE };
            // Who may grant access by a membership of their own there may invite by it, too
            // (R-INV-1, R-INV-7).
            let by_own = ctx.policies(Some(&account))?.grant_existing == GrantExisting::Holder
                && reach::holds_in(ctx, &account, permission)?;
            if !by_own {
                ctx.require_in(&account, permission)
                    .map_err(|error| error.at(at_account.as_str()))?;
            }
        }
        if grants.iter().any(|earlier| earlier.account == account) {
            return Err(Error::invalid(
                at_account,
                format!("`{account}` is named twice"),
            ));
        }
        if records::team_of(ctx, &account)? != *team {
            return Err(Error::invalid(
                at_account,
                format!("`{account}` belongs to another team"),
            ));
        }
        let role = if ctx.policies(Some(&account))?.role_scope == RoleScope::Package {
            match role {
                Some(_) => {
                    return Err(Error::new(
                        Code::RoleByPackage,
                        format!("in `{account}` the role is that of the package"),
                    )
                    .at(at_role));
                }
                None => {
                    members::refuse_membership(ctx, &account, None)
                        .map_err(|error| error.at(at_role))?;
                    None
                }
            }
        } else {
            let role = role.or(record.default_role).ok_or_else(|| {
                Error::invalid(
                    at_role.as_str(),
                    format!("`{account}` has no default role; name one"),
                )
            })?;
            let administrator = roles::load_for(ctx, &role, &account, &at_role)?.administrator;
            members::refuse_escalation(ctx, &account, &role).map_err(|error| error.at(at_role))?;
            if administrator && group.is_some() {
                return Err(Error::new(
                    Code::AdminHasNoGroup,
                    "owner and administrators are in no group",
                )
                .at(at_group));
            }
            Some(role)
        };
        if let Some(group) = &group {
            // What was offered before the policy switched groups off stays.
            if before.is_none_or(|before| before.group.as_ref() != Some(group)) {
                groups::require_groups(ctx, &account, &at_group)?;
            }
            groups::load(ctx, &account, group, &at_group)?;
        }
        grants.push(AccountGrant {
            account,
            role,
            group,
        });
    }
    Ok(grants)
}

/// Where a user has one role in the whole team, all offers of an invitation name the same
/// (R-INV-8).
fn refuse_several_roles(ctx: &mut Ctx<'_>, grants: &[AccountGrant]) -> Result<(), Error> {
    let Some(first) = grants.first() else {
        return Ok(());
    };
    for grant in grants.iter().filter(|grant| grant.role != first.role) {
        if ctx.policies(Some(&grant.account))?.role_scope == RoleScope::User {
            return Err(Error::invalid(
                "/accounts",
                "a user has one role in all accounts of the team",
            ));
        }
    }
    Ok(())
}

/// Nobody touches an invitation to more than they hold themself: what it offers in the accounts
/// that they reach, and where all of it is touched, elsewhere too (R-ROL-7). Of what is offered
/// elsewhere they are told nothing.
fn refuse_offer_above(
    ctx: &mut Ctx<'_>,
    invitation: &model::Invitation,
    reached: &[Id],
    all: bool,
) -> Result<(), Error> {
    const FIELD: &str = "/invitation";
    for AccountGrant { account, role, .. } in &invitation.grants {
        let seen = reached.contains(account);
        if !seen && !all {
            continue;
        }
        let judged = match invitation.kind {
            InvitationKind::Owner => members::refuse_ownership(ctx, account, FIELD),
            InvitationKind::Member => members::refuse_membership(ctx, account, role.as_ref()),
        };
        judged.map_err(|error| {
            match error.code() {
                Code::EscalationRefused if !seen => Error::new(
                    Code::EscalationRefused,
                    "the invitation also offers more than you hold, in another account of the team",
                ),
                _ => error,
            }
            .at(FIELD)
        })?;
    }
    Ok(())
}

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
    records::refuse_dead(ctx, invitation, "/invitation")
}

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
            "`{}` is in use in another account of the team; only the parent can give access",
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
                "`{}` is a user already; edit the user instead",
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
    if let Some(earlier) = records::of_address(ctx, &batch.team, email)?
        && status(&earlier, ctx.now_ms) == InvitationStatus::Pending
    {
        let seen = !reached(ctx, &earlier, VIEW)?.is_empty();
        return Ok(Err(if seen {
            let message = format!(
                "`{}` has an open invitation; edit it, resend it, or delete it first",
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
            && !reach::hidden_in(ctx, &grant.account)?.contains(user)
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

impl Operation for Create {
    type Answer = InvitationBatch;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationBatch, Error> {
        let first_named = self
            .accounts
            .iter()
            .flatten()
            .map(|grant| &grant.account)
            .next();
        let acted_for = match (&self.account, ctx.actor) {
            (Some(account), _) => account.clone(),
            (None, Actor::User { account, .. }) => account.clone(),
            (None, _) => first_named
                .ok_or_else(|| Error::invalid("/account", "name the account"))?
                .clone(),
        };
        let wanted = match self.accounts {
            Some(named) => {
                let filled = |(at, grant): (usize, AccountGrant)| {
                    let grant = AccountGrant {
                        role: grant.role.or_else(|| self.role.clone()),
                        group: grant.group.or_else(|| self.group.clone()),
                        ..grant
                    };
                    (grant, format!("/accounts/{at}"))
                };
                named.into_iter().enumerate().map(filled).collect()
            }
            None => vec![(
                AccountGrant {
                    account: acted_for.clone(),
                    role: self.role,
                    group: self.group,
                },
                String::new(),
            )],
        };
        accounts::load(ctx, &acted_for, "/account")?;
        let team = records::team_of(ctx, &acted_for)?;
        let grants = check_grants(ctx, &team, wanted, &[])?;
        refuse_several_roles(ctx, &grants)?;
        let entries =
            addresses(&self.addresses).map_err(|error| Error::invalid("/addresses", error))?;
        if entries.len() > 1 && (self.first_name.is_some() || self.last_name.is_some()) {
            return Err(Error::invalid(
                "/first_name",
                "names are given with a single address only",
            ));
        }
        if entries.len() * grants.len() > MOST_OFFERS {
            return Err(Error::invalid(
                "/addresses",
                format!("addresses times accounts are at most {MOST_OFFERS}"),
            ));
        }
        let counted_in = records::lines_of(ctx, &grants)?;
        let (life_ms, _) = records::terms(ctx, &grants)?;
        let mut batch = Batch {
            team,
            grants,
            seats: Seats::left_in(ctx, &counted_in)?,
        };
        let mut to_invite = Vec::new();
        let mut problems = Vec::new();
        for entry in &entries {
            let judged = match &entry.email {
                Ok(email) => judge(ctx, &mut batch, email)?.map(|()| (email, entry.names.clone())),
                Err(wrong) => Err(Error::invalid("/addresses", wrong.as_str()).into()),
            };
            match judged {
                Ok((email, names)) => to_invite.push((email.clone(), names)),
                Err(objection) => problems.push(problem(entry, objection)),
            }
        }
        if self.atomic && !problems.is_empty() {
            return Ok(InvitationBatch {
                invited: Vec::new(),
                problems,
            });
        }
        let mut invited = Vec::with_capacity(to_invite.len());
        for (email, [first_name, last_name]) in to_invite {
            if let Some(mut expired) = records::of_address(ctx, &batch.team, &email)? {
                records::end(ctx, &mut expired, InvitationState::Superseded)?;
            }
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
            let email = offer.email.as_typed().to_owned();
            let made = records::open(ctx, offer)?;
            invited.push(InvitedAddress {
                expires_at_ms: expires_at_ms(&made),
                invitation: made.id,
                email,
            });
        }
        Ok(InvitationBatch { invited, problems })
    }
}

impl Operation for Get {
    type Answer = Invitation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Invitation, Error> {
        let (invitation, _) = load_reached(ctx, &self.invitation, VIEW)?;
        shown(ctx, invitation)
    }
}

impl Operation for List {
    type Answer = InvitationList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationList, Error> {
        accounts::load(ctx, &self.account, "/account")?;
        if self.below && is_user(ctx) {
            ctx.require_in(&self.account, TEAM_PERMISSION)
                .map_err(|error| error.at("/below"))?;
        }
        let order = match (self.order.unwrap_or(InvitationOrder::Newest), self.below) {
            (InvitationOrder::Newest, false) => "newest",
            (InvitationOrder::Newest, true) => "below_newest",
            (InvitationOrder::Email, false) => "email",
            (InvitationOrder::Email, true) => "below_email",
        };
        let span = keys::below(keys::ACCOUNT_INVITATION, &[self.account.as_str(), order]);
        let (asked, words) = (
            self.status,
            self.search.map(|search| folded(search.as_str())),
        );
        let (invitations, next) =
            walk(ctx, &[span], self.after.as_ref(), self.limit, |ctx, key| {
                let Some(id) = keys::last_id(key) else {
                    return Ok(None);
                };
                let invitation = records::load(ctx, &id)?;
                let fits = asked.is_none_or(|asked| asked == status(&invitation, ctx.now_ms))
                    && words
                        .as_ref()
                        .is_none_or(|words| is_named(&invitation, words));
                if fits {
                    shown(ctx, invitation).map(Some)
                } else {
                    Ok(None)
                }
            })?;
        Ok(InvitationList { invitations, next })
    }
}

/// Whether the address or the name of who was invited holds a text, which is folded.
fn is_named(invitation: &model::Invitation, words: &str) -> bool {
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

impl Operation for Edit {
    type Answer = Invitation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Invitation, Error> {
        let (mut invitation, mine) = load_reached(ctx, &self.invitation, EDIT)?;
        check_rev(self.expected_rev, invitation.rev)?;
        refuse_ended(ctx, &invitation, false)?;
        // The names are those of the whole invitation.
        refuse_offer_above(
            ctx,
            &invitation,
            &mine,
            self.first_name.is_some() || self.last_name.is_some(),
        )?;
        if self.role.is_some() || self.group.is_some() || self.accounts.is_some() {
            if invitation.kind == InvitationKind::Owner {
                return Err(Error::invalid(
                    "/invitation",
                    "whoever owns an account has no role and no group; nothing else is offered",
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
                    format!("an invitation offers at most {MOST_ACCOUNTS} accounts"),
                ));
            }
            let counted_in = records::lines_of(ctx, &grants)?;
            let new: Vec<Id> = counted_in
                .into_iter()
                .filter(|account| !invitation.counted_in.contains(account))
                .collect();
            Seats::left_in(ctx, &new)?.take()?;
            let (life_ms, _) = records::terms(ctx, &grants)?;
            records::offer(ctx, &mut invitation, grants, life_ms)?;
        }
        invitation.first_name = self.first_name.or(invitation.first_name);
        invitation.last_name = self.last_name.or(invitation.last_name);
        records::save(ctx, &mut invitation)?;
        shown(ctx, invitation)
    }
}

/// What an edited invitation is to offer, and where the request says so.
fn wanted(
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
            let message = "who was invited has one role in all accounts of the team; only who \
                administers all of them changes it";
            return Err(Error::new(Code::RoleSpansAccounts, message).at("/role"));
        }
    }
    Ok(())
}

impl Operation for Resend {
    type Answer = Invitation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Invitation, Error> {
        let (mut invitation, mine) = load_reached(ctx, &self.invitation, RESEND)?;
        refuse_ended(ctx, &invitation, true)?;
        refuse_offer_above(ctx, &invitation, &mine, true)?;
        let (life_ms, resend) = match (invitation.kind, invitation.grants.first()) {
            (InvitationKind::Owner, Some(grant)) => (
                ctx.policies(Some(&grant.account.clone()))?
                    .verification_life_ms
                    .get(),
                ResendPolicy::Rotate,
            ),
            _ => records::terms(ctx, &invitation.grants)?,
        };
        if resend == ResendPolicy::Forbid {
            let message = "invitations are not sent again: delete this one and invite again";
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
        records::save(ctx, &mut invitation)?;
        records::send(ctx, &invitation)?;
        shown(ctx, invitation)
    }
}

impl Operation for Delete {
    type Answer = InvitationDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationDeleted, Error> {
        let (mut invitation, mine) = load_reached(ctx, &self.invitation, DELETE)?;
        refuse_ended(ctx, &invitation, true)?;
        refuse_offer_above(ctx, &invitation, &mine, false)?;
        refuse_awaited(&invitation, "/invitation")?;
        let left: Vec<AccountGrant> = invitation
            .grants
            .iter()
            .filter(|grant| !mine.contains(&grant.account))
            .cloned()
            .collect();
        let deleted = left.is_empty();
        if deleted {
            records::delete(ctx, invitation)?;
        } else {
            records::offer(ctx, &mut invitation, left, u64::MAX)?;
            records::save(ctx, &mut invitation)?;
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
            let message = format!("`{}` is a user: delete the user", self.email.as_typed());
            return Err(Error::new(Code::UserExists, message)
                .at("/email")
                .with("user", user.as_str()));
        }
        let mut erased = 0;
        for invitation in records::all_of_address(ctx, &self.email)? {
            if is_user {
                let mine = reached(ctx, &invitation, DELETE)?;
                if mine.len() < invitation.grants.len()
                    || invitation.state == InvitationState::Accepted
                {
                    continue;
                }
                refuse_offer_above(ctx, &invitation, &mine, false)
                    .map_err(|error| error.at("/email"))?;
            }
            refuse_awaited(&invitation, "/email")?;
            records::erase(ctx, &invitation)?;
            erased += 1;
        }
        Ok(InvitationsErased { erased })
    }
}

/// The link of an owner goes with the account that waits for them.
fn refuse_awaited(invitation: &model::Invitation, field: &str) -> Result<(), Error> {
    if invitation.kind == InvitationKind::Owner && invitation.state == InvitationState::Open {
        let message = "an account waits for this owner: delete the account, or name another owner";
        return Err(Error::new(Code::OwnerTransferRequired, message).at(field));
    }
    Ok(())
}

/// The invitation behind a link that still works. That the token is ours is seen before anything is
/// said of the invitation.
fn by_token(ctx: &mut Ctx<'_>, text: &str) -> Result<model::Invitation, Error> {
    let invalid =
        || Error::new(Code::LinkInvalid, "this is not the link of an invitation").at("/token");
    let token = Token::parse(text).ok_or_else(invalid)?;
    let engine = ctx.engine;
    let Some(invitation) = records::find(ctx, &token.id)? else {
        // Its accounts were deleted, or the person, and it with them.
        return match ctx
            .tx
            .get::<u64>(&keys::tombstone(keys::INVITATION, &token.id))?
        {
            Some(generation) if engine.auth.tokens.fits(&token, generation)? => Err(Error::new(
                Code::InvitationDeleted,
                records::sentence(InvitationStatus::Deleted),
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
                    "a newer link took the place of this one",
                )
                .at("/token"));
            }
        }
        return Err(invalid());
    }
    records::refuse_dead(ctx, &invitation, "/token")?;
    Ok(invitation)
}

/// The user who has the address of an invitation.
fn holder(ctx: &mut Ctx<'_>, invitation: &model::Invitation) -> Result<Option<model::User>, Error> {
    match ctx.tx.get::<Id>(&keys::email(invitation.address()))? {
        Some(id) => users::load(ctx, &id, "/token").map(Some),
        None => Ok(None),
    }
}

impl Operation for LookUp {
    type Answer = InvitationOffer;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationOffer, Error> {
        let invitation = by_token(ctx, self.token.reveal())?;
        let mut offered = Vec::with_capacity(invitation.grants.len());
        for grant in &invitation.grants {
            let account = accounts::load(ctx, &grant.account, "/token")?;
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
}

impl Operation for Accept {
    type Answer = InvitationAccepted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<InvitationAccepted, Error> {
        let mut invitation = by_token(ctx, self.token.reveal())?;
        let existing = holder(ctx, &invitation)?;
        let created = existing.is_none();
        let user = match existing {
            Some(user) if user.disabled => {
                return Err(
                    Error::new(Code::UserDisabled, format!("`{}` is disabled", user.id))
                        .at("/token"),
                );
            }
            Some(user)
                if invitation.kind == InvitationKind::Member
                    && people::seats_of(&mut ctx.tx, &invitation.team, &user.id)? > 0 =>
            {
                // They changed their address to this one meanwhile.
                let message = format!(
                    "`{}` is a user of the team already; edit the user instead",
                    user.id
                );
                return Err(Error::new(Code::UserExists, message).at("/token"));
            }
            Some(user) => user,
            None => {
                let first_name = self.first_name.or_else(|| invitation.first_name.clone());
                let last_name = self.last_name.or_else(|| invitation.last_name.clone());
                let email = invitation.email.clone().ok_or_else(|| {
                    Error::new(Code::Internal, "an open invitation is for nobody")
                })?;
                users::create(
                    ctx,
                    self.user,
                    email,
                    first_name,
                    last_name,
                    &users::NamedAt {
                        id: "/user",
                        email: "/token",
                    },
                )?
            }
        };
        // First, so that it takes no seat beside the member it becomes.
        records::end(ctx, &mut invitation, InvitationState::Accepted)?;
        let mut joined = Vec::with_capacity(invitation.grants.len());
        for grant in invitation.grants {
            match invitation.kind {
                InvitationKind::Owner => records::make_owner(ctx, &grant.account, &user)?,
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
}

/// Makes the member that was invited. What the offer leaves open, or names in vain by now, is as
/// for any new member.
fn join(ctx: &mut Ctx<'_>, grant: &AccountGrant, user: &model::User) -> Result<(), Error> {
    let role = match ctx.policies(Some(&grant.account))?.role_scope {
        RoleScope::Package => None,
        RoleScope::Membership | RoleScope::User => match &grant.role {
            Some(role) => Some(role.clone()),
            None => accounts::load(ctx, &grant.account, "/token")?.default_role,
        },
    };
    members::create(
        ctx,
        &grant.account,
        user,
        members::Place {
            role,
            owner: false,
            group: grant.group.clone(),
            disabled: false,
        },
    )
    .map_err(|error| error.at("/token"))?;
    Ok(())
}

impl Operation for ReportDelivery {
    type Answer = Invitation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Invitation, Error> {
        let mut invitation = records::load(ctx, &self.invitation)?;
        // A note may name the address, which of a deleted invitation nobody is to know.
        let note = self.note.filter(|_| invitation.email.is_some());
        invitation.delivery = Some(Delivery {
            outcome: self.outcome,
            note,
        });
        records::save(ctx, &mut invitation)?;
        shown(ctx, invitation)
    }
}
