//! What an invitation may grant.

use crate::access::escalation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::domain::invitations::show::is_user;
use crate::domain::invitations::{EDIT, INVITE};
use crate::domain::{groups, roles};
use crate::error::{Code, Error};
use crate::model::{self, AccountGrant, GrantExisting, Id, InvitationKind, RoleScope};
use crate::tables::{self, accounts, invitations};

/// Most accounts of one invitation.
pub(crate) const MOST_ACCOUNTS: usize = 100;

/// Checks what is to be offered and fills in what was left open: the role that counts, in every
/// account.
///
/// `wanted` says where the request names each. What is in `kept` is offered already: there the
/// permission to edit is enough.
pub(crate) fn check_grants(
    ctx: &mut Ctx<'_>,
    team: &Id,
    wanted: Vec<(AccountGrant, String)>,
    kept: &[AccountGrant],
) -> Result<Vec<AccountGrant>, Error> {
    if wanted.is_empty() || wanted.len() > MOST_ACCOUNTS {
        return Err(Error::invalid(
            "/accounts",
            format!(
                "An invitation offers 1 to {MOST_ACCOUNTS} accounts, not {}.",
                wanted.len()
            ),
        ));
    }
    let mut grants: Vec<AccountGrant> = Vec::with_capacity(wanted.len());
    for (grant, at) in wanted {
        let before = kept.iter().find(|kept| kept.account == grant.account);
        let grant = check_grant(ctx, team, grant, &at, before, &grants)?;
        grants.push(grant);
    }
    Ok(grants)
}

/// Checks what is to be offered in one account. `before` is what is offered there already, and
/// `earlier` what the request names before it.
fn check_grant(
    ctx: &mut Ctx<'_>,
    team: &Id,
    grant: AccountGrant,
    at: &str,
    before: Option<&AccountGrant>,
    earlier: &[AccountGrant],
) -> Result<AccountGrant, Error> {
    let AccountGrant {
        account,
        role,
        group,
    } = grant;
    let (at_account, at_group) = (format!("{at}/account"), format!("{at}/group"));
    let record = accounts::load(&mut ctx.tx, &account, &at_account)?;
    let permission = if before.is_some() { EDIT } else { INVITE };
    require_to_offer(ctx, &account, permission, &at_account)?;
    if earlier.iter().any(|earlier| earlier.account == account) {
        return Err(Error::invalid(
            at_account,
            format!("`{account}` is named twice; name each account once."),
        ));
    }
    if invitations::team_of(&mut ctx.tx, &account)? != *team {
        return Err(Error::invalid(
            at_account,
            format!("`{account}` belongs to another team; name accounts of one team."),
        ));
    }
    let role = if ctx.policies(Some(&account))?.role_scope == RoleScope::Package {
        check_role_by_package(ctx, &account, role.as_ref(), at)?;
        None
    } else {
        let role = role.or(record.default_role);
        Some(checked_role(ctx, &account, role, group.as_ref(), at)?)
    };
    if let Some(group) = &group {
        // What was offered before the policy switched groups off stays.
        if before.is_none_or(|before| before.group.as_ref() != Some(group)) {
            groups::require_groups(ctx, &account, &at_group)?;
        }
        tables::groups::load(&mut ctx.tx, &account, group, &at_group)?;
    }
    Ok(AccountGrant {
        account,
        role,
        group,
    })
}

/// A user needs a permission in each account that they offer.
fn require_to_offer(
    ctx: &mut Ctx<'_>,
    account: &Id,
    permission: &str,
    at_account: &str,
) -> Result<(), Error> {
    if !is_user(ctx) {
        return Ok(());
    }
    // Who may grant access by a membership of their own there may invite by it, too (R-INV-1,
    // R-INV-7).
    let by_own = ctx.policies(Some(account))?.grant_existing == GrantExisting::Holder
        && visibility::holds_in(ctx, account, permission)?;
    if by_own {
        return Ok(());
    }
    ctx.require_in(account, permission)
        .map_err(|error| error.at(at_account))
}

/// Where the package says which role its users have, an offer names none.
fn check_role_by_package(
    ctx: &mut Ctx<'_>,
    account: &Id,
    named: Option<&Id>,
    at: &str,
) -> Result<(), Error> {
    let at_role = format!("{at}/role");
    if named.is_some() {
        return Err(Error::new(
            Code::RoleByPackage,
            format!("In `{account}` the package decides the role; leave out `role`."),
        )
        .at(at_role));
    }
    escalation::members::refuse_membership(ctx, account, None).map_err(|error| error.at(at_role))
}

/// The role that is offered, if there is one and the actor may give it. Administrators are in no
/// group.
fn checked_role(
    ctx: &mut Ctx<'_>,
    account: &Id,
    role: Option<Id>,
    group: Option<&Id>,
    at: &str,
) -> Result<Id, Error> {
    let at_role = format!("{at}/role");
    let role = role.ok_or_else(|| {
        Error::invalid(
            at_role.as_str(),
            format!("`{account}` has no default role; name a `role`."),
        )
    })?;
    let administrator = roles::load_for(ctx, &role, account, &at_role)?.administrator;
    escalation::members::refuse_escalation(ctx, account, &role)
        .map_err(|error| error.at(at_role))?;
    if administrator && group.is_some() {
        return Err(Error::new(
            Code::AdminHasNoGroup,
            "The owner and the administrators are in no group; leave out `group`.",
        )
        .at(format!("{at}/group")));
    }
    Ok(role)
}

/// Where a user has one role in the whole team, all offers of an invitation name the same
/// (R-INV-8).
pub(crate) fn refuse_several_roles(
    ctx: &mut Ctx<'_>,
    grants: &[AccountGrant],
) -> Result<(), Error> {
    let Some(first) = grants.first() else {
        return Ok(());
    };
    for grant in grants.iter().filter(|grant| grant.role != first.role) {
        if ctx.policies(Some(&grant.account))?.role_scope == RoleScope::User {
            return Err(Error::invalid(
                "/accounts",
                "A user has one role in all accounts of the team; offer the same role in each.",
            ));
        }
    }
    Ok(())
}

/// Nobody touches an invitation to more than they hold themself: what it offers in the accounts
/// that they reach, and where all of it is touched, elsewhere too (R-ROL-7). Of what is offered
/// elsewhere they are told nothing.
pub(crate) fn refuse_offer_of_ancestors(
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
            InvitationKind::Owner => escalation::members::refuse_ownership(ctx, account, FIELD),
            InvitationKind::Member => {
                escalation::members::refuse_membership(ctx, account, role.as_ref())
            }
        };
        judged.map_err(|error| {
            match error.code() {
                Code::EscalationRefused if !seen => Error::new(
                    Code::EscalationRefused,
                    "The invitation also offers more than you hold, in another account of the \
                     team; ask somebody who holds it.",
                ),
                _ => error,
            }
            .at(FIELD)
        })?;
    }
    Ok(())
}
