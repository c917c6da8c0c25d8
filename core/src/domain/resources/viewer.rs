//! A user as far as resources are concerned: which they see, and why.

use crate::access::request::Ctx;
use crate::access::view::MemberView;
use crate::domain::access;
use crate::domain::resources::kind::Kind;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{self, Actor, Id, Resource, ResourceReason, Scope};
use crate::rules::resource::seen_by;
use crate::tables::groups;
use std::sync::Arc;

/// A user as far as resources are concerned.
pub(super) struct Viewer {
    user: Id,
    pub(super) member_view: Arc<MemberView>,
    /// Whether the account has groups by policy.
    groups: bool,
}

impl Viewer {
    /// What they may do, whether they are asked about or act themselves.
    pub(super) fn of(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<Viewer, Error> {
        let acts = matches!(ctx.actor, Actor::User { user: acting, .. } if acting == user);
        let member_view = if acts {
            ctx.member_in(account)?
        } else {
            access::member_seen(ctx, account, user)?
        };
        Ok(Viewer {
            user: user.clone(),
            member_view,
            groups: ctx.policies(Some(account))?.groups,
        })
    }

    /// The group that a plain member sees the shared resources of. Where the account has no groups,
    /// that is whichever a resource carries: what is switched off hides nothing (section 16).
    pub(super) fn shared_group<'a>(&'a self, resource: &'a Resource) -> Option<&'a Id> {
        let member = self
            .member_view
            .member
            .as_deref()
            .filter(|member| !(member.owner || member.administrator))?;
        if self.groups {
            member.group.as_ref()
        } else {
            resource.group.as_ref()
        }
    }

    /// The groups whose shared resources a plain member sees.
    pub(super) fn groups_seen(&self, ctx: &mut Ctx<'_>, account: &Id) -> Result<Vec<Id>, Error> {
        let Some(member) = self
            .member_view
            .member
            .as_deref()
            .filter(|member| !(member.owner || member.administrator))
        else {
            return Ok(Vec::new());
        };
        if self.groups {
            Ok(member.group.iter().cloned().collect())
        } else {
            groups::all_of(&mut ctx.tx, account)
        }
    }

    /// How far a permission reaches.
    pub(super) fn scope(&self, place: usize) -> Option<Scope> {
        self.member_view
            .permissions
            .at(place)
            .filter(|_| self.member_view.refusal.is_none())
    }

    /// By what the permission at this place covers a resource of a kind.
    pub(super) fn covers(
        &self,
        ctx: &mut Ctx<'_>,
        place: usize,
        kind: &Kind,
        resource: &Resource,
    ) -> Result<Option<ResourceReason>, Error> {
        let Some(scope) = self.scope(place) else {
            return Ok(None);
        };
        let shared =
            resource.group.is_some() && shares(ctx, &resource.account, kind, &resource.owner)?;
        Ok(seen_by(
            scope,
            &self.user,
            self.shared_group(resource),
            resource,
            shared,
        ))
    }
}

/// Whether a member's group sees what they own of a kind: not where they stopped that, nor where
/// they lack the permission to share it (R-GRP-3).
pub(super) fn shares(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: &Kind,
    owner: &Id,
) -> Result<bool, Error> {
    let Some(member) = ctx.tx.get::<model::Member>(&keys::member(account, owner))? else {
        return Ok(true);
    };
    if member.unshared.contains(&kind.id) {
        return Ok(false);
    }
    let Some(share) = kind.action("share") else {
        return Ok(true);
    };
    Ok(ctx
        .engine
        .cell(account)?
        .member_whatever_status(ctx.engine, owner)?
        .permissions
        .at(share)
        .is_some())
}
