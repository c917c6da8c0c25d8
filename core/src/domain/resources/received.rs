//! Resources that somebody may look at, together with what an account above shares (R-TEA-7).

use crate::access::request::Ctx;
use crate::domain::resources::kind::Kind;
use crate::domain::resources::look::look;
use crate::domain::sharing;
use crate::error::{Code, Error};
use crate::model::{Actor, Id, Resource};
use crate::tables::resources::find;

fn is_absent(error: &Error) -> bool {
    error.code() == Code::NotFound && error.field() == Some("/id")
}

/// As [`look`], for what is to be changed: what an account above shares is seen here, and changed
/// by nobody (R-TEA-7).
pub(crate) fn look_to_change(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: Id,
    id: &Id,
) -> Result<(Kind, Resource), Error> {
    let found = look(ctx, account, kind.clone(), id);
    if found.as_ref().is_err_and(is_absent) {
        sharing::refuse_read_only(ctx, account, &kind, id)?;
    }
    found
}

/// As [`look`], for what is to be read: also what an account above shares (R-TEA-7). People here
/// are not told whose it is there: it is that account's.
pub(crate) fn look_to_read(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: Id,
    id: &Id,
) -> Result<(Kind, Resource), Error> {
    let found = look(ctx, account, kind.clone(), id);
    if !found.as_ref().is_err_and(is_absent) {
        return found;
    }
    let Some(ancestor) = sharing::received(ctx, account, &kind, id)? else {
        return found;
    };
    let Some(mut resource) = find(&mut ctx.tx, &ancestor, &kind, id)? else {
        return found;
    };
    if let Actor::User { .. } = ctx.actor {
        resource.owner = ancestor;
        resource.group = None;
    }
    Ok((Kind::find(ctx, kind)?, resource))
}
