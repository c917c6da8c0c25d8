//! Resources that somebody may look at. Who may not see one is answered as if it were not there.

use crate::access::request::Ctx;
use crate::domain::resources::kind::{Kind, VIEW};
use crate::domain::resources::viewer::Viewer;
use crate::error::Error;
use crate::model::{Actor, Id, Resource};
use crate::tables::accounts;
use crate::tables::resources::find;

/// Refuses those to whom an account is none of their business.
pub(super) fn enter(ctx: &mut Ctx<'_>, account: &Id) -> Result<(), Error> {
    match ctx.actor {
        Actor::User { .. } => ctx.member_in(account).map(drop),
        Actor::Operator { .. } => {
            ctx.require_as_operator("clients.view_all")?;
            accounts::load(&mut ctx.tx, account, "/account").map(drop)
        }
        Actor::System => accounts::load(&mut ctx.tx, account, "/account").map(drop),
    }
}

pub(super) fn absent(kind: &Kind, id: &Id) -> Error {
    Error::not_found(kind.id.as_str(), id.as_str()).at("/id")
}

/// A resource that the actor may look at. Who may not see it is answered as if it were not there.
pub(crate) fn look(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: Id,
    id: &Id,
) -> Result<(Kind, Resource), Error> {
    enter(ctx, account)?;
    let kind = Kind::find(ctx, kind)?;
    let resource = find(&mut ctx.tx, account, &kind.id, id)?.ok_or_else(|| absent(&kind, id))?;
    if let Actor::User { user, .. } = ctx.actor {
        let viewer = Viewer::of(ctx, account, user)?;
        let view = kind.permission(VIEW)?;
        if viewer.covers(ctx, view, &kind, &resource)?.is_none() {
            return Err(absent(&kind, id));
        }
    }
    Ok((kind, resource))
}
