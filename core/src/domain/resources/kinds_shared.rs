//! A member shares what they own of a kind with their group, or no longer (R-GRP-3).

use crate::access::escalation;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::resources::{ShareKind, UnshareKind, UnsharedKinds};
use crate::domain::members;
use crate::domain::resources::kind::{Kind, SHARE, VIEW};
use crate::domain::resources::look::enter;
use crate::domain::resources::require::no_operator;
use crate::error::{Code, Error};
use crate::model::{Actor, Id, Scope};
use crate::tables;

/// Refuses unless the actor may say whether a member shares a kind: themself, who needs nothing to
/// stop; the host; and who may share everything of the kind.
fn require_sharing(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: &Kind,
    user: &Id,
    shared: bool,
) -> Result<(), Error> {
    match ctx.actor {
        Actor::System => return Ok(()),
        Actor::Operator { .. } => return Err(no_operator()),
        Actor::User { .. } if !shared && visibility::is_in_person(ctx, user) => {
            // Of what they cannot even look at there is nothing to keep.
            let view = kind.permission(VIEW)?;
            if ctx.member_in(account)?.permissions.at(view).is_some() {
                return Ok(());
            }
        }
        Actor::User { .. } => {}
    }
    let share = kind.permission(SHARE)?;
    let missing = kind.name_of(share);
    if visibility::is_self(ctx, user) {
        return ctx.require_in(account, &missing);
    }
    if ctx.member_in(account)?.permissions.at(share) != Some(Scope::Any) {
        let error = Error::new(
            Code::PermissionDenied,
            format!(
                "Naming another `user` needs `{missing}` for all resources of the kind; leave \
                 `user` out."
            ),
        );
        return Err(error.at("/user").with("missing", missing));
    }
    Ok(())
}

/// Whether a member shares a kind; owner and administrators have no group to keep anything from.
fn set_kind_shared(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: Id,
    user: Option<Id>,
    shared: bool,
) -> Result<UnsharedKinds, Error> {
    enter(ctx, account)?;
    let kind = Kind::find(ctx, kind)?;
    let user = user
        .or_else(|| ctx.actor.user().cloned())
        .ok_or_else(|| Error::invalid("/user", "Name the `user` whose resources you mean."))?;
    require_sharing(ctx, account, &kind, &user, shared)?;
    let mut member = members::show::find(ctx, account, &user)?
        .ok_or_else(|| Error::not_found("member", user.as_str()).at("/user"))?;
    if !visibility::is_self(ctx, &user) {
        escalation::members::refuse_stronger_in(ctx, account, &user)?;
    }
    if !shared && member.group.is_none() {
        return Err(Error::new(
            Code::AdminHasNoGroup,
            format!(
                "`{user}` is in no group, and so shares nothing with one; name a plain member."
            ),
        )
        .at("/user"));
    }
    let at = member.unshared.binary_search(&kind.id);
    match (at, shared) {
        (Ok(at), true) => drop(member.unshared.remove(at)),
        (Err(at), false) => member.unshared.insert(at, kind.id),
        (Ok(_), false) | (Err(_), true) => {
            return Ok(UnsharedKinds {
                account: account.clone(),
                user,
                unshared: member.unshared,
            });
        }
    }
    let member = tables::members::save(&mut ctx.tx, member)?;
    ctx.tx.invalidate_account(account);
    Ok(UnsharedKinds {
        account: account.clone(),
        user,
        unshared: member.unshared,
    })
}

impl Operation for UnshareKind {
    type Answer = UnsharedKinds;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UnsharedKinds, Error> {
        set_kind_shared(ctx, &self.account, self.kind, self.user, false)
    }
}

impl Operation for ShareKind {
    type Answer = UnsharedKinds;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UnsharedKinds, Error> {
        set_kind_shared(ctx, &self.account, self.kind, self.user, true)
    }
}
