//! Roles are deleted.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::roles::{Delete, RoleDeleted};
use crate::domain::replacing::{self, USES_IN_STEPS};
use crate::domain::roles::edit::{Watch, load_visible, require_change, trial_changes};
use crate::domain::roles::replace::replace;
use crate::domain::roles::uses::{USES_OF_MEMBERS, accounts_of, count_uses, refuse_used, uses_of};
use crate::domain::roles::{load, load_for, own_roles};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{self, Id, Replaceable, Role};
use crate::tables::replacements::{by, names_of};
use crate::tables::roles::{Roles, is_used_by, role_with_includes};

/// The most uses of a role that are replaced in one commit where that makes administrators of its
/// holders, or makes them such no longer.
const MOST_PROMOTED: u64 = 10_000;

impl Operation for Delete {
    type Answer = RoleDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<RoleDeleted, Error> {
        let role = load_visible(ctx, &self.role, "roles.delete", "/role")?;
        require_change(ctx, &role, "roles.delete")?;
        let mut watch = Watch::begin(ctx, &role.id)?;
        let mut replaced = 0;
        match &self.replace_with {
            Some(other) => {
                load_visible(ctx, other, "roles.delete", "/replace_with")?;
                if role_with_includes(&mut ctx.tx, &ctx.engine.views.tree.load(), other)?
                    .iter()
                    .any(|below| below.id == role.id)
                {
                    return Err(Error::invalid(
                        "/replace_with",
                        format!(
                            "The role `{other}` is, or includes, the role that is to be deleted; \
                             name another."
                        ),
                    ));
                }
                replaced = replace_everywhere(ctx, &role, other)?;
                if replaced > 0 {
                    ctx.tx.invalidate_all();
                }
                if let Some(watch) = watch.as_mut().filter(|_| replaced > 0) {
                    watch.refuse_giving(ctx, &role.id, other, "/replace_with")?;
                }
            }
            None => refuse_used(ctx, &role.id)?,
        }
        remove(ctx, &role)?;
        if let Some(watch) = watch {
            watch.end(ctx, "/replace_with")?;
        }
        Ok(RoleDeleted {
            role: role.id,
            replaced,
        })
    }
}

/// Puts another role in the place of one that is to be deleted, wherever that is used: at once, or
/// in steps from here on where it is used in very many places (R-QTA-16). Answers in how many.
fn replace_everywhere(ctx: &mut Ctx<'_>, role: &Role, other: &Id) -> Result<u64, Error> {
    let at_once = ctx.engine.background.at_once();
    let is_in_steps = !by(&mut ctx.tx, Replaceable::Role, &role.id)?.is_empty()
        || uses_of(ctx, &role.id, &[], at_once + 1)?.len() > at_once;
    let (uses, mut kinds) = count_uses(ctx, &role.id)?;
    if is_in_steps {
        let into = load(ctx, other, "/replace_with")?;
        if into.administrator != role.administrator {
            refuse_many(role, &into, uses)?;
        } else {
            for account in accounts_of(ctx, &role.id)? {
                load_for(ctx, other, &account, "/replace_with")?;
            }
            kinds.retain(|kind| !USES_IN_STEPS.contains(&kind.as_str()));
            replacing::begin(ctx, Replaceable::Role, &role.id, other)?;
        }
    }
    for kind in kinds {
        for used_by in uses_of(ctx, &role.id, &[&kind], usize::MAX)? {
            let parts: Vec<&str> = used_by.iter().map(String::as_str).collect();
            replace(ctx, &parts, &role.id, other)?;
        }
    }
    Ok(uses)
}

/// Who becomes an administrator leaves their group, and who was one comes into one: that is done in
/// one commit, which has a bound.
fn refuse_many(role: &Role, into: &Role, uses: u64) -> Result<(), Error> {
    if uses <= MOST_PROMOTED {
        return Ok(());
    }
    let message = format!(
        "Only one of `{}` and `{}` is for administrators, and of {uses} uses at most \
         {MOST_PROMOTED} can change at once; give some members another role first.",
        role.id, into.id
    );
    Err(Error::new(Code::RoleInUse, message)
        .at("/replace_with")
        .with("uses", uses))
}

/// Removes a role that nothing uses any more; its id is never used again.
pub(crate) fn remove(ctx: &mut Ctx<'_>, role: &Role) -> Result<(), Error> {
    trial_changes(ctx, &role.id, role.trial.as_ref(), None);
    ctx.tx.erase::<Roles>(role)?;
    ctx.tx.mark(keys::tombstone(keys::ROLE, &role.id));
    Ok(())
}

/// Accounts that part from those above them use no role of theirs any more; while one does it is
/// `role_in_use`.
pub(crate) fn refuse_roles_of_ancestors(
    ctx: &mut Ctx<'_>,
    ancestors: &[model::Account],
    parting: &[Id],
) -> Result<(), Error> {
    for account in ancestors {
        for role in own_roles(ctx, &account.id)? {
            let mut used = false;
            for id in parting {
                for kind in USES_OF_MEMBERS {
                    used |= is_used_by(&mut ctx.tx, &role.id, &[kind, id.as_str()])?;
                }
                for name in names_of(&mut ctx.tx, Replaceable::Role, &role.id)? {
                    let default = keys::role_use(&name, "account", &[id.as_str()]);
                    used |= ctx.tx.has(&default)?;
                }
                used |= own_roles(ctx, id)?.iter().any(|own| {
                    own.includes.contains(&role.id) || own.trial.as_ref() == Some(&role.id)
                });
            }
            if used {
                let error = Error::new(
                    Code::RoleInUse,
                    format!(
                        "The role `{}` of `{}` is used by accounts below; replace it there first.",
                        role.id, account.id
                    ),
                );
                return Err(error.at("/children").with("role", role.id.as_str()));
            }
        }
    }
    Ok(())
}

/// Removes the roles of an account that is deleted, once its members, its packages and the accounts
/// below are gone.
pub(crate) fn erase_all_of(ctx: &mut Ctx<'_>, account: &model::Account) -> Result<(), Error> {
    for role in own_roles(ctx, &account.id)? {
        remove(ctx, &role)?;
    }
    Ok(())
}
