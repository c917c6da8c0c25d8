//! A role holds no more than who edits it.

use crate::access::request::Ctx;
use crate::error::{Code, Error};
use crate::model::{Actor, Id, PermissionTree};
use crate::rules::role::{PermissionSet, role_permissions};
use crate::tables::roles::{is_used_by, role_with_includes};

/// What bounds the roles that the actor writes; none for the host (R-ROL-7).
pub(crate) fn bound(ctx: &mut Ctx<'_>) -> Result<Option<PermissionSet>, Error> {
    match ctx.actor {
        Actor::System => Ok(None),
        Actor::User { .. } => ctx.nominal(),
        Actor::Operator { .. } => ctx.operator_permissions().map(Some),
    }
}

/// What of a role the actor has to hold: a user everything. Operators write roles for accounts, in
/// which they hold nothing; they answer for what only operators can hold, and where an operator has
/// the role, for all that it gives them.
pub(crate) fn counted(ctx: &mut Ctx<'_>, role: &Id) -> Result<PermissionSet, Error> {
    let tree = ctx.tree();
    let all = role_permissions(&tree, &role_with_includes(&mut ctx.tx, &tree, role)?);
    let Actor::Operator { .. } = ctx.actor else {
        return Ok(all);
    };
    let given = is_used_by(&mut ctx.tx, role, &["operator"])?;
    Ok(if given {
        all.within_platform(&tree)
    } else {
        all.of_operators_alone(&tree)
    })
}

/// Nobody writes into a role what they do not hold (R-ROL-7).
pub(crate) fn refuse_beyond_own(ctx: &mut Ctx<'_>, role: &Id, field: &str) -> Result<(), Error> {
    let Some(held) = bound(ctx)? else {
        return Ok(());
    };
    let wanted = counted(ctx, role)?;
    refuse_beyond(
        &ctx.tree(),
        &wanted,
        &held,
        format!("The role `{role}` allows more than you hold; ask somebody who holds all of it."),
        field,
    )
}

/// `escalation_refused` with what is missing, where more is wanted than held.
pub(crate) fn refuse_beyond(
    tree: &PermissionTree,
    wanted: &PermissionSet,
    held: &PermissionSet,
    message: String,
    field: &str,
) -> Result<(), Error> {
    let missing: Vec<String> = wanted
        .beyond(held)
        .into_iter()
        .filter_map(|place| tree.node(place))
        .map(|node| node.id.clone())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::EscalationRefused, message)
        .at(field)
        .with("missing", missing))
}
