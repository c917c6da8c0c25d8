//! One role takes the place of another.

use crate::access::request::Ctx;
use crate::domain::membership;
use crate::domain::roles::edit::trial_changes;
use crate::domain::roles::uses::refuse_used;
use crate::domain::roles::{load_for, load_of_platform, load_usable_with};
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{self, Id, Invitation, Operator, Package, Role};
use crate::tables::invitations::Invitations;
use crate::tables::operators::Operators;
use crate::tables::packages::Packages;
use crate::tables::roles::{Roles, stored_id, without_repeats};
use crate::tables::{accounts, members};

/// The field of the request that names the role which takes the place of the other.
const FIELD: &str = "/replace_with";

/// Puts another role in the place of one that is to be deleted, in one of the places that use it.
pub(crate) fn replace(
    ctx: &mut Ctx<'_>,
    used_by: &[&str],
    old: &Id,
    new: &Id,
) -> Result<(), Error> {
    match used_by {
        ["account", account] => replace_default_role(ctx, account, new),
        ["member", account, user] => replace_role_of_member(ctx, account, user, new),
        ["next_role", account, user] => replace_next_role(ctx, account, user, new),
        ["operator", user] => replace_role_of_operator(ctx, user, new),
        ["package", package] => replace_role_of_package(ctx, package, new),
        ["role", role] => replace_included_role(ctx, role, old, new),
        ["trial", role] => end_trial(ctx, role),
        // The invitation is named last.
        ["invitation", .., invitation] => replace_offered_role(ctx, invitation, old, new),
        // Better refused than left without a role.
        _ => refuse_used(ctx, old),
    }
}

fn replace_default_role(ctx: &mut Ctx<'_>, account: &str, new: &Id) -> Result<(), Error> {
    let id = stored_id(account)?;
    load_for(ctx, new, &id, FIELD)?;
    let mut record = accounts::load(&mut ctx.tx, &id, FIELD)?;
    record.default_role = Some(new.clone());
    accounts::save(&mut ctx.tx, record)
}

/// The member is promoted or demoted, which changes their group too.
fn replace_role_of_member(
    ctx: &mut Ctx<'_>,
    account: &str,
    user: &str,
    new: &Id,
) -> Result<(), Error> {
    let key = keys::member(&stored_id(account)?, &stored_id(user)?);
    let Some(mut member) = ctx.tx.get::<model::Member>(&key)? else {
        return Ok(());
    };
    membership::give_role(ctx, &mut member, new.clone(), None).map_err(|error| error.at(FIELD))?;
    members::save(&mut ctx.tx, member).map(drop)
}

fn replace_next_role(ctx: &mut Ctx<'_>, account: &str, user: &str, new: &Id) -> Result<(), Error> {
    let (account, user) = (stored_id(account)?, stored_id(user)?);
    load_for(ctx, new, &account, FIELD)?;
    let key = keys::member(&account, &user);
    let Some(mut member) = ctx.tx.get::<model::Member>(&key)? else {
        return Ok(());
    };
    if let Some(next) = &mut member.next_role {
        next.role = new.clone();
    }
    members::save(&mut ctx.tx, member).map(drop)
}

fn replace_role_of_operator(ctx: &mut Ctx<'_>, user: &str, new: &Id) -> Result<(), Error> {
    load_of_platform(ctx, new, FIELD)?;
    let key = keys::operator(&stored_id(user)?);
    let Some(mut operator) = ctx.tx.get::<Operator>(&key)? else {
        return Ok(());
    };
    operator.role = new.clone();
    operator.rev += 1;
    operator.updated_at_ms = ctx.now_ms;
    ctx.tx.save::<Operators>(&operator)
}

fn replace_role_of_package(ctx: &mut Ctx<'_>, package: &str, new: &Id) -> Result<(), Error> {
    load_of_platform(ctx, new, FIELD)?;
    let key = keys::package(&stored_id(package)?);
    let Some(mut package) = ctx.tx.get::<Package>(&key)? else {
        return Ok(());
    };
    package.role = Some(new.clone());
    package.rev += 1;
    package.updated_at_ms = ctx.now_ms;
    ctx.tx.save::<Packages>(&package)
}

fn replace_included_role(ctx: &mut Ctx<'_>, role: &str, old: &Id, new: &Id) -> Result<(), Error> {
    let key = keys::role(&stored_id(role)?);
    let Some(mut including) = ctx.tx.get::<Role>(&key)? else {
        return Ok(());
    };
    load_usable_with(ctx, new, including.account.as_ref(), FIELD)?;
    let replaced = including.includes.iter().map(|entry| {
        if entry == old {
            new.clone()
        } else {
            entry.clone()
        }
    });
    including.includes = without_repeats(replaced.collect());
    including.rev += 1;
    including.updated_at_ms = ctx.now_ms;
    ctx.tx.save::<Roles>(&including)
}

/// Ends the trial against the old role: what another would have refused says nothing of this one.
fn end_trial(ctx: &mut Ctx<'_>, role: &str) -> Result<(), Error> {
    let key = keys::role(&stored_id(role)?);
    let Some(mut trying) = ctx.tx.get::<Role>(&key)? else {
        return Ok(());
    };
    trial_changes(ctx, &trying.id, trying.trial.as_ref(), None);
    trying.trial = None;
    trying.rev += 1;
    trying.updated_at_ms = ctx.now_ms;
    ctx.tx.save::<Roles>(&trying)
}

fn replace_offered_role(
    ctx: &mut Ctx<'_>,
    invitation: &str,
    old: &Id,
    new: &Id,
) -> Result<(), Error> {
    let key = keys::invitation(&stored_id(invitation)?);
    let Some(mut record) = ctx.tx.get::<Invitation>(&key)? else {
        return Ok(());
    };
    for grant in record
        .grants
        .iter_mut()
        .filter(|grant| grant.role.as_ref() == Some(old))
    {
        load_for(ctx, new, &grant.account, FIELD)?;
        grant.role = Some(new.clone());
    }
    record.rev += 1;
    record.updated_at_ms = ctx.now_ms;
    ctx.tx.save::<Invitations>(&record)
}
