//! What somebody has to be permitted to do with a resource, and who acts.

use crate::access::request::Ctx;
use crate::domain::resources::kind::Kind;
use crate::domain::resources::look::enter;
use crate::domain::resources::viewer::Viewer;
use crate::error::{Code, Error};
use crate::model::{Actor, Id, Resource, ResourceReason, Scope};

/// How a permission has to cover a resource.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// In whatever way.
    Any,
    /// As its owner's, or by reaching everything.
    OwnerOrAll,
    /// By reaching everything.
    All,
}

impl Need {
    /// Whether it is enough that a permission of this scope covers a resource for this reason.
    pub(super) fn is_met(self, reason: ResourceReason, scope: Option<Scope>) -> bool {
        let reaches_all = scope == Some(Scope::Any);
        match self {
            Need::Any => true,
            Need::OwnerOrAll => reason == ResourceReason::Owner || reaches_all,
            Need::All => reaches_all,
        }
    }
}

/// Refuses unless a user may do one of `choice` with a resource; `everything` where only a
/// permission for all of them will do.
pub(crate) fn require(
    ctx: &mut Ctx<'_>,
    user: &Id,
    kind: &Kind,
    resource: &Resource,
    choice: &[&str],
    need: Need,
) -> Result<(), Error> {
    let viewer = Viewer::of(ctx, &resource.account, user)?;
    let place = kind.permission(choice)?;
    let reason = viewer.covers(ctx, place, kind, resource)?;
    let enough = |reason| match kind.is_of_ones_own(choice) {
        true => reason == ResourceReason::Owner,
        false => need.is_met(reason, viewer.scope(place)),
    };
    if reason.is_some_and(enough) {
        return Ok(());
    }
    let missing = kind.name_of(place);
    let error = Error::new(
        Code::PermissionDenied,
        format!(
            "`{missing}` of `{user}` does not cover the {} `{}`; ask for a role that covers it.",
            kind.id, resource.id
        ),
    );
    Err(error.with("missing", missing))
}

/// The same for whoever acts: the host may do everything, an operator nothing here.
pub(super) fn require_of_actor(
    ctx: &mut Ctx<'_>,
    kind: &Kind,
    resource: &Resource,
    choice: &[&str],
    need: Need,
) -> Result<(), Error> {
    match ctx.actor {
        Actor::System => Ok(()),
        Actor::Operator { .. } => Err(no_operator()),
        Actor::User { user, .. } => require(ctx, user, kind, resource, choice, need),
    }
}

pub(super) fn no_operator() -> Error {
    Error::new(
        Code::ActorNotAllowed,
        "An operator has no permissions in an account; ask as one of its users.",
    )
}

/// The acting user; whom the host names.
pub(crate) fn acting(ctx: &Ctx<'_>, named: Option<Id>) -> Result<Option<Id>, Error> {
    match (ctx.actor, named) {
        (Actor::System, named) => Ok(named),
        (Actor::User { user, .. }, None) => Ok(Some(user.clone())),
        (Actor::User { user, .. }, Some(named)) if named == *user => Ok(Some(named)),
        (Actor::User { .. }, Some(_)) => Err(Error::new(
            Code::PermissionDenied,
            "Only the host names another user here; leave out `user`.",
        )
        .at("/user")),
        (Actor::Operator { .. }, _) => Err(no_operator()),
    }
}

/// Whom a decision is about: the acting user, or another for who may view users.
pub(super) fn asked_about(ctx: &mut Ctx<'_>, account: &Id, named: Option<Id>) -> Result<Id, Error> {
    enter(ctx, account)?;
    match (ctx.actor, named) {
        (Actor::User { user, .. }, None) => Ok(user.clone()),
        (Actor::User { user, .. }, Some(named)) if named == *user => Ok(named),
        (Actor::User { .. }, Some(named)) => {
            ctx.require_in(account, "users.view")?;
            Ok(named)
        }
        (_, Some(named)) => Ok(named),
        (_, None) => Err(Error::invalid("/user", "Name the `user`.")),
    }
}
