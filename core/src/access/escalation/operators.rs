//! No operator gives more than they hold, or changes one who can do more.

use crate::access::escalation::roles::refuse_beyond;
use crate::access::request::Ctx;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{self, Actor, Id};
use crate::rules::role::{PermissionSet, role_permissions};
use crate::tables::roles::role_with_includes;

/// What an operator needs to manage the others.
const MANAGE: &str = "operators.manage";

/// What a role lets an operator do.
fn platform_permissions(ctx: &mut Ctx<'_>, role: &Id) -> Result<PermissionSet, Error> {
    let tree = ctx.tree();
    Ok(
        role_permissions(&tree, &role_with_includes(&mut ctx.tx, &tree, role)?)
            .within_platform(&tree),
    )
}

/// No operator gives a role that lets others do more than they can, or changes who has such a role
/// (R-ROL-7).
pub(crate) fn refuse_beyond_own(
    ctx: &mut Ctx<'_>,
    role: &Id,
    message: String,
    field: &str,
) -> Result<(), Error> {
    let Actor::Operator { .. } = ctx.actor else {
        return Ok(());
    };
    let held = ctx.operator_permissions()?;
    let wanted = platform_permissions(ctx, role)?;
    refuse_beyond(&ctx.tree(), &wanted, &held, message, field)
}

/// An operator changes another, as a user of the platform, where they manage the staff and can do
/// as much themself (R-ROL-7).
pub(crate) fn refuse_stronger(ctx: &mut Ctx<'_>, user: &Id) -> Result<(), Error> {
    let Some(operator) = ctx.tx.get::<model::Operator>(&keys::operator(user))? else {
        return Ok(());
    };
    if *ctx.actor == Actor::System || ctx.actor.user() == Some(user) {
        return Ok(());
    }
    ctx.require_as_operator(MANAGE)?;
    refuse_beyond_own(
        ctx,
        &operator.role,
        format!("`{user}` can do more than you; ask somebody who can do as much."),
        "/user",
    )
}
