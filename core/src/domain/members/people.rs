//! The people of an account and of the accounts below it.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::members::{People, Person, PersonList, PersonStatus};
use crate::domain;
use crate::domain::users;
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::page::walk_merged;
use crate::model::{
    self, AccountGrant, Actor, Email, Id, InvitationState, PendingStep, TEAM_PERMISSION,
};
use crate::rules::invitation::{InvitationStatus, expires_at_ms, status};
use crate::rules::user::missing_steps;
use crate::tables::people::{self, Order};
use crate::tables::{self, accounts, invitations};

impl Operation for People {
    type Answer = PersonList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PersonList, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        if self.include_descendants && matches!(ctx.actor, Actor::User { .. }) {
            ctx.require_in(&self.account, TEAM_PERMISSION)
                .map_err(|error| error.at("/include_descendants"))?;
        }
        let invited = if self.include_descendants {
            "below_email"
        } else {
            "email"
        };
        let spans = [
            people::span(self.account.as_str(), Order::Email, ""),
            keys::range(keys::ACCOUNT_INVITATION, &[self.account.as_str(), invited]),
        ];
        let hidden = visibility::hidden_in(ctx, &self.account)?;
        let steps = ctx.policies(Some(&self.account))?.pending_until;
        let words = self
            .search
            .as_ref()
            .map(|text| people::searched(text.as_str()));
        let (people, next) = walk_merged(
            ctx,
            &spans,
            self.after.as_ref(),
            self.limit,
            |ctx, span, key| {
                let Some(id) = keys::last_id(key) else {
                    return Ok(None);
                };
                let person = match span {
                    0 if hidden.contains(&id) => None,
                    0 => self.member(ctx, &id, &steps)?,
                    _ => self.invited(ctx, &id, &steps)?,
                };
                let fits = |person: &Person| {
                    self.status.is_none_or(|asked| asked == person.status)
                        && words.as_ref().is_none_or(|words| is_named(person, words))
                };
                Ok(person.filter(fits))
            },
        )?;
        Ok(PersonList { people, next })
    }
}

impl People {
    /// A user who is a member of what is listed.
    fn member(
        &self,
        ctx: &mut Ctx<'_>,
        user: &Id,
        steps: &[PendingStep],
    ) -> Result<Option<Person>, Error> {
        const MAX_ACCOUNTS: usize = 50;
        let memberships = if self.include_descendants {
            users::show::memberships_in(ctx, user, Some(&self.account))?
        } else {
            ctx.tx
                .get::<model::Member>(&keys::member(&self.account, user))?
                .into_iter()
                .collect()
        };
        let user = tables::users::load(&mut ctx.tx, user, "/after")?;
        let last_seen_at_ms = tables::users::last_seen(&mut ctx.tx, &user)?;
        if memberships.is_empty()
            || !users::show::is_inactive(&user, last_seen_at_ms, self.inactive_since_ms)
        {
            return Ok(None);
        }
        let pending = missing_steps(steps, &user);
        let status = match (
            user.disabled || memberships.iter().all(|member| member.disabled),
            pending.is_empty(),
        ) {
            (true, _) => PersonStatus::Disabled,
            (false, true) => PersonStatus::Active,
            (false, false) => PersonStatus::Pending,
        };
        let owner = memberships.iter().any(|member| member.owner);
        let place = |member: model::Member| AccountGrant {
            account: member.account,
            role: member.role,
            group: member.group,
        };
        Ok(Some(Person {
            user: Some(user.id),
            invitation: None,
            email: user.email.into(),
            first_name: user.profile.first_name,
            last_name: user.profile.last_name,
            status,
            pending,
            accounts: memberships
                .into_iter()
                .take(MAX_ACCOUNTS)
                .map(place)
                .collect(),
            owner,
            last_seen_at_ms,
            expires_at_ms: None,
            created_at_ms: user.created_at_ms,
        }))
    }

    /// Somebody who was invited and has not accepted.
    fn invited(
        &self,
        ctx: &mut Ctx<'_>,
        invitation: &Id,
        steps: &[PendingStep],
    ) -> Result<Option<Person>, Error> {
        let Some(invitation) = invitations::find(&mut ctx.tx, invitation)? else {
            return Ok(None);
        };
        if invitation.state != InvitationState::Open || self.inactive_since_ms.is_some() {
            return Ok(None);
        }
        let expired = status(&invitation, ctx.now_ms) == InvitationStatus::Expired;
        let accounts = domain::invitations::show::seen_offers(ctx, &invitation)?;
        Ok(Some(Person {
            user: None,
            expires_at_ms: Some(expires_at_ms(&invitation)),
            invitation: Some(invitation.id),
            email: invitation.email.map_or_else(String::new, String::from),
            first_name: invitation.first_name,
            last_name: invitation.last_name,
            status: if expired {
                PersonStatus::Expired
            } else {
                PersonStatus::Pending
            },
            pending: steps.to_vec(),
            accounts,
            owner: invitation.kind == model::InvitationKind::Owner,
            last_seen_at_ms: None,
            created_at_ms: invitation.created_at_ms,
        }))
    }
}

/// Whether the address or the name of somebody holds a text, which is folded.
fn is_named(person: &Person, words: &str) -> bool {
    let address = Email::new(person.email.as_str())
        .map_or_else(|_| String::new(), |email| email.key().to_owned());
    people::is_named(
        [person.first_name.as_ref(), person.last_name.as_ref()],
        [&address, &person.email],
        words,
    )
}
