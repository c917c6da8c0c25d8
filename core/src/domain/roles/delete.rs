//! Roles are deleted.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::roles::{Delete, RoleDeleted};
use crate::domain::roles::edit::{Watch, load_visible, require_change, trial_changes};
use crate::domain::roles::own_roles;
use crate::domain::roles::replace::replace;
use crate::domain::roles::uses::{refuse_used, uses_of};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{self, Id, Role};
use crate::tables::roles::{Roles, is_used_by, role_with_includes};

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
                let uses = uses_of(ctx, &role.id, &[], usize::MAX)?;
                for used_by in &uses {
                    let parts: Vec<&str> = used_by.iter().map(String::as_str).collect();
                    replace(ctx, &parts, &role.id, other)?;
                }
                replaced = uses.len() as u64;
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
                used |= is_used_by(&mut ctx.tx, &role.id, &["member", id.as_str()])?;
                used |= ctx
                    .tx
                    .has(&keys::role_use(&role.id, "account", &[id.as_str()]))?;
                used |= own_roles(ctx, id)?.iter().any(|own| {
                    own.includes.contains(&role.id) || own.trial.as_ref() == Some(&role.id)
                });
            }
            if used {
                let error = Error::new(
                    Code::RoleInUse,
                    format!(
                        "The role `{}` of `{}` is used below it; replace it there first.",
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
