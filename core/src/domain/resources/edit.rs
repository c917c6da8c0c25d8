//! Resources are registered, changed and removed.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::resources::{Edit, Get, Register, Remove, ResourceRemoved, Save};
use crate::domain::leases;
use crate::domain::resources::hand_over::{group_of, owner_of};
use crate::domain::resources::kind::{CREATE, DELETE, EDIT, Kind, SHARE};
use crate::domain::resources::look::enter;
use crate::domain::resources::received::{look_to_change, look_to_read};
use crate::domain::resources::require::{Need, acting, no_operator, require, require_of_actor};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::revision::check_rev;
use crate::model::{Actor, Resource};
use crate::tables::resources::{Resources, change, erase, find};

impl Operation for Register {
    type Answer = Resource;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Resource, Error> {
        enter(ctx, &self.account)?;
        let kind = Kind::find(ctx, self.kind)?;
        let mut owner = self.owner;
        match ctx.actor {
            Actor::System => {}
            Actor::Operator { .. } => return Err(no_operator()),
            Actor::User { user, .. } => {
                let create = kind.permission(CREATE)?;
                ctx.require_in(&self.account, &kind.name_of(create))?;
                if owner.as_ref().is_some_and(|owner| owner != user) {
                    return Err(Error::new(
                        Code::PermissionDenied,
                        "Users register only what is their own; leave out `owner`.",
                    )
                    .at("/owner"));
                }
                if owner.is_none() && ctx.tx.has(&keys::member(&self.account, user))? {
                    owner = Some(user.clone());
                }
            }
        }
        let owner = match owner {
            Some(owner) => owner,
            None => owner_of(ctx, &self.account, "/owner")?,
        };
        if find(&mut ctx.tx, &self.account, &kind.id, &self.id)?.is_some() {
            return Err(Error::new(
                Code::IdTaken,
                format!(
                    "The {} `{}` already exists; choose another id.",
                    kind.id, self.id
                ),
            )
            .at("/id"));
        }
        let resource = Resource {
            group: group_of(ctx, &self.account, &owner, "/owner")?,
            account: self.account,
            kind: kind.id,
            id: self.id,
            owner,
            shared: true,
            rev: 1,
            created_at_ms: ctx.now_ms,
            updated_at_ms: ctx.now_ms,
        };
        ctx.tx.save::<Resources>(&resource)?;
        Ok(resource)
    }
}

impl Operation for Edit {
    type Answer = Resource;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Resource, Error> {
        let (kind, resource) = look_to_change(ctx, &self.account, self.kind, &self.id)?;
        // To stop sharing what is one's own needs no permission.
        let stops = self.shared == Some(false) && visibility::is_in_person(ctx, &resource.owner);
        if self.shared.is_some() && !stops {
            require_of_actor(ctx, &kind, &resource, SHARE, Need::OwnerOrAll)?;
        }
        if self.owner.is_some() || self.shared.is_none() {
            require_of_actor(ctx, &kind, &resource, EDIT, Need::All)?;
        }
        check_rev(self.expected_rev, resource.rev)?;
        let owner = match self.owner {
            Some(owner) if owner != resource.owner => {
                Some((group_of(ctx, &self.account, &owner, "/owner")?, owner))
            }
            _ => None,
        };
        change(&mut ctx.tx, resource, |resource| {
            if let Some((group, owner)) = owner {
                resource.owner = owner;
                resource.group = group;
            }
            resource.shared = self.shared.unwrap_or(resource.shared);
        })
    }
}

impl Operation for Save {
    type Answer = Resource;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Resource, Error> {
        let (kind, mut resource) = look_to_change(ctx, &self.account, self.kind, &self.id)?;
        let user = acting(ctx, self.user)?;
        if let Some(user) = &user {
            require(ctx, user, &kind, &resource, EDIT, Need::Any)?;
        }
        leases::refuse_if_leased(ctx, &kind, &resource, user.as_ref())?;
        check_rev(Some(self.expected_rev), resource.rev)?;
        resource.rev += 1;
        resource.updated_at_ms = ctx.now_ms;
        ctx.tx.save::<Resources>(&resource)?;
        Ok(resource)
    }
}

impl Operation for Remove {
    type Answer = ResourceRemoved;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ResourceRemoved, Error> {
        let (kind, resource) = look_to_change(ctx, &self.account, self.kind, &self.id)?;
        require_of_actor(ctx, &kind, &resource, DELETE, Need::Any)?;
        if let Actor::User { user, .. } = ctx.actor {
            leases::refuse_if_leased(ctx, &kind, &resource, Some(user))?;
        }
        check_rev(self.expected_rev, resource.rev)?;
        erase(&mut ctx.tx, &resource)?;
        Ok(ResourceRemoved {
            account: resource.account,
            kind: resource.kind,
            id: resource.id,
        })
    }
}

impl Operation for Get {
    type Answer = Resource;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Resource, Error> {
        Ok(look_to_read(ctx, &self.account, self.kind, &self.id)?.1)
    }
}
