//! Something takes the place of a package or a role that very many records name: they are written
//! anew in steps, each a whole commit, and are read as if they had been from the first commit on
//! ([`replaced`](crate::kernel::replaced)).

use crate::access::request::Ctx;
use crate::error::Error;
use crate::kernel::replaced::Replacement;
use crate::kernel::table::Table;
use crate::kernel::{Erased, Job, Lowered, keys};
use crate::model::{AuditActor, Id, Replaceable};
use crate::tables::accounts::Accounts;
use crate::tables::invitations::Invitations;
use crate::tables::members::Members;
use crate::tables::replacements;
use crate::tables::roles::stored_id;

/// The kinds of uses of a role that are written anew in steps. The few others are changed in the
/// first commit.
pub(crate) const USES_IN_STEPS: [&str; 4] = ["account", "invitation", "member", "next_role"];

/// From this commit on `new` is in the place of `old`, and of all in whose place that was. The
/// records of both are left to the caller.
pub(crate) fn begin(ctx: &mut Ctx<'_>, kind: Replaceable, old: &Id, new: &Id) -> Result<(), Error> {
    for mut earlier in replacements::by(&mut ctx.tx, kind, old)? {
        earlier.new = new.clone();
        earlier.changes += 1;
        earlier.at_ms = ctx.now_ms;
        replacements::save(&mut ctx.tx, &earlier)?;
    }
    let replacement = Replacement {
        kind,
        old: old.clone(),
        new: new.clone(),
        changes: 1,
        at_ms: ctx.now_ms,
        // Where they came from stands with the commit that began it.
        actor: AuditActor {
            ip: None,
            ..ctx.audit_actor()
        },
        began_at_ms: ctx.now_ms,
        done: 0,
    };
    replacements::save(&mut ctx.tx, &replacement)?;
    ctx.engine.kernel.begin_replacing();
    ctx.tx.schedule_job(Job::Replace(kind, old.clone()));
    ctx.tx.invalidate_all();
    Ok(())
}

/// As what the audit remembers the next step; none where nothing is being replaced.
pub(crate) fn next_operation(ctx: &mut Ctx<'_>) -> Result<Option<&'static str>, Error> {
    let next = replacements::some(&mut ctx.tx, 1)?.pop();
    Ok(next.map(|next| match next.kind {
        Replaceable::Package => "packages.delete",
        Replaceable::Role => "roles.delete",
    }))
}

/// Writes anew a part of the records that name something that is gone; whether there may be more.
pub(crate) fn step(ctx: &mut Ctx<'_>) -> Result<bool, Error> {
    let Some(mut replacement) = replacements::some(&mut ctx.tx, 1)?.pop() else {
        return Ok(false);
    };
    ctx.on_behalf = Some(replacement.actor.clone());
    let most = ctx.engine.background.at_once();
    let done = match replacement.kind {
        Replaceable::Package => rewrite_accounts(ctx, &replacement.old, most)?,
        Replaceable::Role => rewrite_users_of_role(ctx, &replacement.old, most)?,
    };
    if done == most {
        replacement.done += done as u64;
        replacements::save(&mut ctx.tx, &replacement)?;
        return Ok(true);
    }
    replacements::end(&mut ctx.tx, &replacement);
    let job = Job::Replace(replacement.kind, replacement.old);
    ctx.tx.end_job(job, Erased::default());
    Ok(true)
}

/// The accounts that have a package, or get it later; answers how many were written.
fn rewrite_accounts(ctx: &mut Ctx<'_>, package: &Id, most: usize) -> Result<usize, Error> {
    let mut done = 0;
    for prefix in [keys::PACKAGE_ACCOUNT, keys::PACKAGE_NEXT] {
        let (from, until) = keys::range(prefix, &[package.as_str()]);
        for (key, ()) in ctx.tx.range::<()>(&from, &until, most - done)? {
            let Some(account) = keys::last_id(&key) else {
                continue;
            };
            rewrite::<Accounts>(ctx, &keys::account(&account))?;
            ctx.tx.recheck_limits(Lowered::Account(account));
            done += 1;
        }
    }
    Ok(done)
}

/// Whatever has a role; answers how many records were written.
fn rewrite_users_of_role(ctx: &mut Ctx<'_>, role: &Id, most: usize) -> Result<usize, Error> {
    let (from, until) = keys::range(keys::ROLE_USE, &[role.as_str()]);
    let uses = ctx.tx.range::<()>(&from, &until, most)?;
    for (key, ()) in &uses {
        let parts = keys::split(key).map(|(_, parts)| parts).unwrap_or_default();
        match parts.as_slice() {
            [_, "account", account] => {
                rewrite::<Accounts>(ctx, &keys::account(&stored_id(account)?))?
            }
            [_, "member" | "next_role", account, user] => {
                rewrite::<Members>(ctx, &keys::member(&stored_id(account)?, &stored_id(user)?))?
            }
            [_, "invitation", .., invitation] => {
                rewrite::<Invitations>(ctx, &keys::invitation(&stored_id(invitation)?))?
            }
            _ => {
                let message = format!(
                    "The role `{role}` is gone, and `{}` uses it; restore a backup.",
                    key.escape_ascii()
                );
                return Err(Error::corrupt(message));
            }
        }
    }
    Ok(uses.len())
}

/// Writes a record as it is read.
fn rewrite<T: Table>(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(), Error> {
    match ctx.tx.get::<T::Record>(key)? {
        Some(record) => ctx.tx.save::<T>(&record),
        None => Ok(()),
    }
}
