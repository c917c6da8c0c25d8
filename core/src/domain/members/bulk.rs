//! One action on many members.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::bulk::BulkResults;
use crate::api::members::{Bulk, BulkMember, MemberAction};
use crate::domain::bulk;
use crate::domain::groups::Destination;
use crate::domain::members::change::{remove, set_disabled, set_role};
use crate::domain::members::show::load_visible;
use crate::error::Error;
use crate::model::{Actor, Id};
use crate::tables::accounts;

/// Most members of one bulk action.
const MOST_BULK: usize = 500;

impl Operation for Bulk {
    type Answer = BulkResults<BulkMember>;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<BulkResults<BulkMember>, Error> {
        // What the single operations need: a status is never changed by who may merely edit.
        let (permission, of_operators) = match self.action {
            MemberAction::SetRole => ("users.edit_role", "clients.edit"),
            MemberAction::SetGroup => ("groups.members.add", "clients.edit"),
            MemberAction::Disable | MemberAction::Enable => ("users.disable", "clients.status"),
            MemberAction::Remove => ("users.revoke_account", "clients.edit"),
        };
        ctx.require(&self.account, permission, of_operators)?;
        if matches!(ctx.actor, Actor::Operator { .. }) {
            ctx.require_as_operator("clients.bulk")?;
        }
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        self.check()?;
        // What is wrong with the group is wrong for all of them.
        let into = match &self.group {
            Some(group) => Some(Destination::open(
                ctx,
                &self.account,
                group,
                self.resources,
            )?),
            None => None,
        };
        let users = self.users.iter().cloned();
        let many = users.map(|user| (BulkMember { user }, ()));
        bulk::each(ctx, self.atomic, many, |ctx, one, ()| {
            self.one(ctx, &one.user, into.as_ref())
        })
    }
}

impl Bulk {
    /// Refuses what does not go with the action.
    fn check(&self) -> Result<(), Error> {
        bulk::refuse_size("/users", self.users.len(), MOST_BULK)?;
        if (self.action == MemberAction::SetRole) != self.role.is_some() {
            let message = match self.role {
                None => "The action `set_role` needs a `role`; name one.",
                Some(_) => "A `role` goes only with the action `set_role`; leave it out.",
            };
            return Err(Error::invalid("/role", message));
        }
        if (self.action == MemberAction::SetGroup) != self.group.is_some() {
            let message = match self.group {
                None => "The action `set_group` needs a `group`; name one.",
                Some(_) => "A `group` goes only with the action `set_group`; leave it out.",
            };
            return Err(Error::invalid("/group", message));
        }
        if self.action != MemberAction::SetGroup && self.resources.is_some() {
            return Err(Error::invalid(
                "/resources",
                "`resources` goes only with the action `set_group`; leave it out.",
            ));
        }
        if self.action != MemberAction::Remove && self.resources_to.is_some() {
            return Err(Error::invalid(
                "/resources_to",
                "`resources_to` goes only with the action `remove`; leave it out.",
            ));
        }
        Ok(())
    }

    fn one(&self, ctx: &mut Ctx<'_>, user: &Id, into: Option<&Destination>) -> Result<(), Error> {
        if let Some(into) = into {
            return into.put(ctx, user);
        }
        let member = load_visible(ctx, &self.account, user)?;
        match (self.action, &self.role) {
            (MemberAction::SetRole, Some(role)) => {
                set_role(ctx, member, role, None, None).map(drop)
            }
            (MemberAction::SetRole, None) => Err(Error::invalid(
                "/role",
                "Name the `role` that the members get.",
            )),
            (MemberAction::SetGroup, _) => Err(Error::invalid(
                "/group",
                "Name the `group` that the members go to.",
            )),
            (MemberAction::Disable, _) => set_disabled(ctx, member, true, None).map(drop),
            (MemberAction::Enable, _) => set_disabled(ctx, member, false, None).map(drop),
            (MemberAction::Remove, _) => remove(ctx, &member, self.resources_to.as_ref()).map(drop),
        }
    }
}
