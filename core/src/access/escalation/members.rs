//! Nobody gives more than they hold, and nobody acts on who can do more.

use crate::access::escalation::{operators, roles};
use crate::access::request::Ctx;
use crate::access::view::role_permissions;
use crate::access::visibility;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{self, Actor, GrantExisting, Id, RoleScope};
use crate::rules::role::PermissionSet;
use crate::tables::{accounts, users};

/// The refusal of an owner who may do nothing anywhere.
pub(crate) fn disabled_owner(user: &model::User) -> Error {
    Error::new(
        Code::UserDisabled,
        format!(
            "`{}` is disabled and cannot own an account; enable the user first.",
            user.id
        ),
    )
}

/// By policy of either account the owner of one is not a member of the other, in either order
/// (R-TEA-2).
pub(crate) fn refuse_shared_owner(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
    owner: bool,
) -> Result<(), Error> {
    let others = users::accounts_of(&mut ctx.tx, user, usize::MAX)?;
    if others.iter().all(|other| other == account) {
        return Ok(());
    }
    let here = ctx.policies(Some(account))?.owner_exclusive;
    for other in others.iter().filter(|other| *other != account) {
        let owns = ctx
            .tx
            .get::<model::Member>(&keys::member(other, user))?
            .is_some_and(|member| member.owner);
        if (owner || owns) && (here || ctx.policies(Some(other))?.owner_exclusive) {
            return Err(Error::new(
                Code::OwnerNotExclusive,
                format!(
                    "`{user}` would own one account and be a member of another; name a user who is \
                     in no other account."
                ),
            )
            .at("/user"));
        }
    }
    Ok(())
}

/// Nobody grants in an account what they do not hold there (R-ROL-7).
pub(crate) fn refuse_escalation(ctx: &mut Ctx<'_>, account: &Id, role: &Id) -> Result<(), Error> {
    let granted = role_permissions(&mut ctx.tx, &ctx.engine.views.tree.load(), role)?;
    refuse_beyond_own(
        ctx,
        account,
        &granted,
        format!(
            "The role `{role}` allows more than you hold in `{account}`; ask somebody who holds \
             all of it."
        ),
        "/role",
    )
}

/// As [`refuse_escalation`], for all that makes somebody a member: what they get is what the
/// package leaves them where the role is that of the package (R-INV-8), and otherwise what the role
/// gives, or where none is named the default role.
pub(crate) fn refuse_membership(
    ctx: &mut Ctx<'_>,
    account: &Id,
    role: Option<&Id>,
) -> Result<(), Error> {
    let Actor::User { .. } = ctx.actor else {
        return Ok(());
    };
    if ctx.policies(Some(account))?.role_scope == RoleScope::Package {
        let given = ctx
            .engine
            .cell(account)?
            .view(ctx.engine)?
            .permissions_by_package(&ctx.tree());
        return refuse_beyond_own(
            ctx,
            account,
            &given,
            format!(
                "The package of `{account}` gives its members more than you hold there; ask \
                 somebody who holds all of it."
            ),
            "/role",
        );
    }
    let default = accounts::load(&mut ctx.tx, account, "/account")?.default_role;
    match role.or(default.as_ref()) {
        Some(role) => refuse_escalation(ctx, account, role),
        None => Ok(()),
    }
}

/// Nobody makes an owner who could not be one: an owner may do everything (R-ROL-7).
pub(crate) fn refuse_ownership(ctx: &mut Ctx<'_>, account: &Id, field: &str) -> Result<(), Error> {
    let everything = PermissionSet::all(&ctx.tree());
    refuse_beyond_own(
        ctx,
        account,
        &everything,
        format!("The owner of `{account}` can do more than you; ask somebody who can do as much."),
        field,
    )
}

/// Nobody changes one who can do more in the account (R-ROL-7).
pub(crate) fn refuse_stronger_in(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<(), Error> {
    let Actor::User { .. } = ctx.actor else {
        return Ok(());
    };
    // What an account that the actor reaches asks for is asked of who acts on somebody there, too.
    if let Err(error) = ctx.member_in(account)
        && matches!(error.code(), Code::SecondFactorMissing | Code::IpNotAllowed)
    {
        return Err(error);
    }
    let theirs = ctx.nominal_of(account, user, true)?;
    refuse_beyond_own(
        ctx,
        account,
        &theirs,
        format!("`{user}` can do more than you; ask somebody who can do as much."),
        "/user",
    )
}

/// Nobody acts on one who can do more, be it in one account of the team alone (R-ROL-7); what that
/// is, is told to who sees them there. One of the platform's staff is changed by whoever manages
/// the staff alone, and can do as much.
pub(crate) fn refuse_stronger(ctx: &mut Ctx<'_>, user: &Id) -> Result<(), Error> {
    let Actor::User { account: home, .. } = ctx.actor else {
        return operators::refuse_stronger(ctx, user);
    };
    let (top, seen) = (
        visibility::top_of(ctx, home)?,
        visibility::accounts_seen(ctx, user, usize::MAX)?,
    );
    for account in users::accounts_of(&mut ctx.tx, user, usize::MAX)? {
        if visibility::top_of(ctx, &account)? != top {
            continue;
        }
        match refuse_stronger_in(ctx, &account, user) {
            Err(error) if error.code() == Code::EscalationRefused && !seen.contains(&account) => {
                return Err(Error::new(Code::EscalationRefused, error.message()).at("/user"));
            }
            judged => judged?,
        }
    }
    Ok(())
}

/// Refuses what the actor does not hold themself in an account, or in one below that it lets one
/// reach. Compared before the ceilings: a package that grows later must not lift anyone above
/// whoever gave them their role.
fn refuse_beyond_own(
    ctx: &mut Ctx<'_>,
    account: &Id,
    wanted: &PermissionSet,
    message: String,
    field: &str,
) -> Result<(), Error> {
    for held in ctx.nominal_where(account, wanted)? {
        roles::refuse_beyond(&ctx.tree(), wanted, &held, message.clone(), field)?;
    }
    Ok(())
}

/// Whether the actor may give existing users access to an account (R-INV-7); `field` is where the
/// request names it.
pub(crate) fn refuse_granting(ctx: &mut Ctx<'_>, account: &Id, field: &str) -> Result<(), Error> {
    match ctx.actor {
        Actor::System => return Ok(()),
        Actor::Operator { .. } => return ctx.require_as_operator("clients.edit"),
        Actor::User { .. } => {}
    }
    // Who holds nothing there learns nothing: neither that it is there, nor its policy.
    let holds = ctx.tx.has(&keys::account(account))?
        && visibility::holds_in(ctx, account, "users.grant_account")?;
    if holds && ctx.policies(Some(account))?.grant_existing == GrantExisting::Holder {
        return Ok(());
    }
    ctx.require_in(account, "users.grant_account")
        .map_err(|error| error.at(field))?;
    match visibility::parent(ctx)? {
        Some(_) => Ok(()),
        None => {
            let error = Error::new(
                Code::PolicyForbids,
                "Only the parent account can give existing users access; ask somebody who manages \
                 the team in its top account.",
            );
            Err(error.at(field).with("policy", "grant_existing"))
        }
    }
}
