//! Users are listed.

use crate::api::members::MemberStatus;
use crate::api::users::{List, UserEntry, UserList, UserMembership, UserOrder};
use crate::domain::reach;
use crate::domain::users::show::{MEMBERSHIPS_SHOWN, is_inactive, last_seen, memberships_in};
use crate::engine::Ctx;
use crate::engine::authority::TEAM_PERMISSION;
use crate::engine::operation::Operation;
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::model::{self, Actor, Id, Name, PendingStep};
use crate::rules::user::missing_steps;
use crate::tables::accounts;
use crate::tables::people::{self, Order, Search};
use crate::tables::users::load;

impl Operation for List {
    type Answer = UserList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UserList, Error> {
        let scope = self.scope(ctx)?;
        if let Some(sub_account) = &self.sub_account {
            let known = ctx.tx.has(&keys::account(sub_account))?;
            let within = match &scope {
                Some(scope) => known && reach::is_within(ctx, sub_account, scope)?,
                None => known,
            };
            if !within {
                return Err(Error::not_found("account", sub_account.as_str()).at("/sub_account"));
            }
        }
        let steps = ctx.policies(scope.as_ref())?.pending_until;
        let order = match self.order.unwrap_or(UserOrder::Email) {
            UserOrder::Email => Order::Email,
            UserOrder::Name => Order::Name,
        };
        let search = Search::new(order, self.search.as_ref().map(Name::as_str));
        let listed = self
            .sub_account
            .as_ref()
            .or(scope.as_ref())
            .map_or(people::PLATFORM, Id::as_str);
        let (users, next) = walk(
            ctx,
            &search.spans(listed),
            self.after.as_ref(),
            self.limit,
            |ctx, key| {
                let Some(user) = keys::last_id(key)
                    .map(|id| load(&mut ctx.tx, &id, "/after"))
                    .transpose()?
                else {
                    return Ok(None);
                };
                if !search.is_first(key, &user) {
                    return Ok(None);
                }
                self.entry(ctx, user, scope.as_ref(), &steps)
            },
        )?;
        Ok(UserList { users, next })
    }
}

impl List {
    /// The account whose users are listed, with those of all accounts below; none for the whole
    /// platform.
    fn scope(&self, ctx: &mut Ctx<'_>) -> Result<Option<Id>, Error> {
        let Some(home) = reach::home(ctx) else {
            if matches!(ctx.actor, Actor::Operator { .. }) {
                ctx.require_as_operator("clients.view_all")?;
            }
            return match &self.account {
                Some(account) => {
                    accounts::load(&mut ctx.tx, account, "/account").map(|account| Some(account.id))
                }
                None => Ok(None),
            };
        };
        let account = self.account.clone().unwrap_or(home);
        ctx.require_in(&account, TEAM_PERMISSION)
            .map_err(|error| error.at("/account"))?;
        reach::require_parent(ctx)?;
        Ok(Some(account))
    }

    /// A user as they are listed; none where they do not fit the filters.
    fn entry(
        &self,
        ctx: &mut Ctx<'_>,
        user: model::User,
        scope: Option<&Id>,
        steps: &[PendingStep],
    ) -> Result<Option<UserEntry>, Error> {
        let memberships = memberships_in(ctx, &user.id, scope)?;
        let counts = |member: &&model::Member| {
            self.sub_account
                .as_ref()
                .is_none_or(|account| member.account == *account)
        };
        if self.sub_account.is_some() && !memberships.iter().any(|member| counts(&member)) {
            return Ok(None);
        }
        if self.role.is_some()
            && !memberships
                .iter()
                .filter(counts)
                .any(|member| member.role == self.role)
        {
            return Ok(None);
        }
        let here: Vec<_> = memberships.iter().filter(counts).collect();
        let disabled =
            user.disabled || (!here.is_empty() && here.iter().all(|member| member.disabled));
        let pending = missing_steps(steps, &user);
        let status = MemberStatus::of(disabled, &pending);
        if self.status.is_some_and(|asked| asked != status) {
            return Ok(None);
        }
        let last_seen_at_ms = last_seen(ctx, &user)?;
        if !is_inactive(&user, last_seen_at_ms, self.inactive_since_ms) {
            return Ok(None);
        }
        let shown = |member: &model::Member| UserMembership {
            account: member.account.clone(),
            role: member.role.clone(),
            owner: member.owner,
            disabled: member.disabled,
        };
        Ok(Some(UserEntry {
            id: user.id,
            email: user.email.into(),
            first_name: user.profile.first_name,
            last_name: user.profile.last_name,
            status,
            pending,
            memberships_count: memberships.len() as u64,
            last_seen_at_ms,
            memberships: memberships
                .iter()
                .take(MEMBERSHIPS_SHOWN)
                .map(shown)
                .collect(),
            created_at_ms: user.created_at_ms,
        }))
    }
}
