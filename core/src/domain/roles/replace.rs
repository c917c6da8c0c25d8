//! One role takes the place of another.

use crate::access::request::Ctx;
use crate::domain::membership;
use crate::domain::roles::edit::trial_changes;
use crate::domain::roles::uses::refuse_used;
use crate::domain::roles::{load_for, load_of_platform, load_usable_with};
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{self, Id, Invitation, Operator, Package, Role};
use crate::tables::accounts;
use crate::tables::invitations::Invitations;
use crate::tables::members::Members;
use crate::tables::operators::Operators;
use crate::tables::packages::Packages;
use crate::tables::roles::{Roles, stored_id, without_repeats};

/// Puts another role in the place of one that is to be deleted, in one of the places that use it.
pub(crate) fn replace(
    ctx: &mut Ctx<'_>,
    used_by: &[&str],
    old: &Id,
    new: &Id,
) -> Result<(), Error> {
    const FIELD: &str = "/replace_with";
    match used_by {
        ["account", account] => {
            let id = stored_id(account)?;
            load_for(ctx, new, &id, FIELD)?;
            let mut record = accounts::load(&mut ctx.tx, &id, FIELD)?;
            record.default_role = Some(new.clone());
            accounts::save(&mut ctx.tx, record)
        }
        // Promotion and demotion change groups too.
        ["member", account, user] => {
            let key = keys::member(&stored_id(account)?, &stored_id(user)?);
            let Some(mut member) = ctx.tx.get::<model::Member>(&key)? else {
                return Ok(());
            };
            membership::give_role(ctx, &mut member, new.clone(), None)
                .map_err(|error| error.at(FIELD))?;
            member.rev += 1;
            member.updated_at_ms = ctx.now_ms;
            ctx.tx.save::<Members>(&member)
        }
        ["operator", user] => {
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
        ["package", package] => {
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
        ["role", role] => {
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
        // What another role would have refused says nothing of this one.
        ["trial", role] => {
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
        // The invitation is named last.
        ["invitation", .., invitation] => {
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
        // Better refused than left without a role.
        _ => refuse_used(ctx, old),
    }
}
