//! What somebody can do with a resource, and which they see.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::resources::{
    Can, ListVisibleOwners, ResourceDecision, ResourceList, Visible, VisibleOwner, VisibleOwners,
};
use crate::api::sharing::SharedAction;
use crate::domain::resources::kind::{Kind, SHARE, VIEW};
use crate::domain::resources::look::absent;
use crate::domain::resources::require::{Need, asked_about};
use crate::domain::resources::viewer::{Viewer, shares};
use crate::domain::sharing;
use crate::error::{Code, Error};
use crate::kernel::keys::{self, Prefix};
use crate::kernel::page::walk;
use crate::model::{Id, ResourceReason, Scope};
use crate::rules::resource::seen_by;
use crate::tables::resources::{dangling, find};
use std::collections::HashMap;

impl Operation for Can {
    type Answer = ResourceDecision;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ResourceDecision, Error> {
        let user = asked_about(ctx, &self.account, self.user)?;
        let kind = Kind::find(ctx, self.kind)?;
        let place = kind
            .action(self.action.as_str())
            .ok_or_else(|| ctx.tree().unknown(self.action.as_str(), "/action"))?;
        let Some(resource) = find(&mut ctx.tx, &self.account, &kind.id, &self.id)? else {
            // What an account above shares is not in this one, and is seen all the same (R-TEA-7).
            sharing::seen_from_ancestor(ctx, &self.account, &kind.id, &self.id)?
                .ok_or_else(|| absent(&kind, &self.id))?;
            let action = match self.action.as_str() {
                "view" => SharedAction::Preview,
                "use_shared" => SharedAction::Use,
                _ => SharedAction::Edit,
            };
            let refusal = sharing::refusal(ctx, &self.account, &user, action)?;
            let scope = Viewer::of(ctx, &self.account, &user)?.scope(place);
            let reason = refusal
                .is_none()
                .then_some(ResourceReason::SharedByAncestor);
            return Ok(ResourceDecision {
                allowed: refusal.is_none(),
                permission: kind.name_of(place),
                scope,
                reason,
                refusal,
            });
        };
        let viewer = Viewer::of(ctx, &self.account, &user)?;
        // What a group shares its owner stops, and who reaches everything.
        let need = if SHARE.first() == Some(&self.action.as_str()) {
            Need::OwnerOrAll
        } else {
            Need::Any
        };
        let reason = viewer
            .covers(ctx, place, &kind, &resource)?
            .filter(|reason| need.is_met(*reason, viewer.scope(place)));
        let refusal = match reason {
            Some(_) => None,
            None => Some(viewer.member_view.refusal.unwrap_or(Code::PermissionDenied)),
        };
        Ok(ResourceDecision {
            allowed: reason.is_some(),
            permission: kind.name_of(place),
            scope: viewer.scope(place),
            reason,
            refusal,
        })
    }
}

impl Operation for Visible {
    type Answer = ResourceList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ResourceList, Error> {
        let user = asked_about(ctx, &self.account, self.user)?;
        let kind = Kind::find(ctx, self.kind)?;
        let viewer = Viewer::of(ctx, &self.account, &user)?;
        let (account, kind_id) = (&self.account, &kind.id);
        let own = || {
            keys::range(
                keys::RESOURCE_OF_OWNER,
                &[account.as_str(), user.as_str(), kind_id.as_str()],
            )
        };
        let scope = viewer.scope(kind.permission(VIEW)?);
        let mut spans = match scope {
            None => Vec::new(),
            Some(Scope::Any) => vec![keys::range(
                keys::RESOURCE,
                &[account.as_str(), kind_id.as_str()],
            )],
            Some(Scope::Group | Scope::Own) => vec![own()],
        };
        if scope == Some(Scope::Group) {
            for group in viewer.groups_seen(ctx, account)? {
                spans.push(keys::range(
                    keys::RESOURCE_OF_GROUP,
                    &[account.as_str(), group.as_str(), kind_id.as_str()],
                ));
            }
        }
        // Many resources have few owners: each owner is asked once.
        let mut sharing: HashMap<Id, bool> = HashMap::new();
        let (resources, next) = walk(ctx, &spans, self.after.as_ref(), self.limit, |ctx, key| {
            let id = keys::last_id(key).ok_or_else(|| dangling(key))?;
            let resource =
                find(&mut ctx.tx, account, kind_id, &id)?.ok_or_else(|| dangling(key))?;
            if Prefix::of(key) != Some(keys::RESOURCE_OF_GROUP) {
                return Ok(Some(resource));
            }
            let shared = match sharing.get(&resource.owner) {
                Some(known) => *known,
                None => {
                    let shared = shares(ctx, account, &kind, &resource.owner)?;
                    sharing.insert(resource.owner.clone(), shared);
                    shared
                }
            };
            // What is their own was listed before.
            let by_group = seen_by(
                Scope::Group,
                &user,
                viewer.shared_group(&resource),
                &resource,
                shared,
            ) == Some(ResourceReason::Group);
            Ok(by_group.then_some(resource))
        })?;
        Ok(ResourceList { resources, next })
    }
}

impl Operation for ListVisibleOwners {
    type Answer = VisibleOwners;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<VisibleOwners, Error> {
        let user = asked_about(ctx, &self.account, self.user)?;
        let kind = Kind::find(ctx, self.kind)?;
        let viewer = Viewer::of(ctx, &self.account, &user)?;
        let (account, kind_id) = (&self.account, &kind.id);
        let scope = viewer.scope(kind.permission(VIEW)?);
        let mut spans = Vec::new();
        if matches!(scope, Some(Scope::Own | Scope::Group)) {
            let themself = keys::member(account, &user);
            let until = [themself.as_slice(), &[1]].concat();
            spans.push((themself, until));
        }
        let groups = if scope == Some(Scope::Group) {
            viewer.groups_seen(ctx, account)?
        } else {
            Vec::new()
        };
        spans.extend(
            groups
                .iter()
                .map(|group| keys::shared_tallies(account, group, kind_id)),
        );
        let (owners, next) = walk(ctx, &spans, self.after.as_ref(), self.limit, |ctx, key| {
            let owner = keys::last_id(key).ok_or_else(|| dangling(key))?;
            if Prefix::of(key) == Some(keys::MEMBER) {
                return Ok(Some(VisibleOwner {
                    user: owner,
                    all: true,
                }));
            }
            if owner == user || !shares(ctx, account, &kind, &owner)? {
                return Ok(None);
            }
            let (mut first, mut shared) = (None, 0);
            for group in &groups {
                let tally = keys::shared_tally(account, group, kind_id, &owner);
                let here = ctx.tx.count(&tally)?;
                shared += here;
                if here > 0 {
                    first.get_or_insert(tally);
                }
            }
            // Who shares in several groups is listed with the first.
            if first.as_deref() != Some(key) {
                return Ok(None);
            }
            let all = shared == ctx.tx.count(&keys::owner_tally(account, &owner, kind_id))?;
            Ok(Some(VisibleOwner { user: owner, all }))
        })?;
        Ok(VisibleOwners {
            everything: scope == Some(Scope::Any),
            owners,
            next,
        })
    }
}
