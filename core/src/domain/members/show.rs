//! Members as callers see them.

use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::members::{Member, MemberStatus};
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{self, Id, PendingStep};
use crate::rules::user::missing_steps;
use crate::tables::{accounts, users};

/// A membership, where the actor sees it (R-INV-10).
pub(crate) fn find(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
) -> Result<Option<model::Member>, Error> {
    let member = ctx.tx.get(&keys::member(account, user))?;
    if member.is_none() || visibility::hidden_in(ctx, account)?.contains(user) {
        Ok(None)
    } else {
        Ok(member)
    }
}

pub(crate) fn load_visible(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
) -> Result<model::Member, Error> {
    accounts::load(&mut ctx.tx, account, "/account")?;
    find(ctx, account, user)?.ok_or_else(|| Error::not_found("member", user.as_str()).at("/user"))
}

/// A membership as everybody sees it.
pub(crate) fn answer_of(ctx: &mut Ctx<'_>, member: model::Member) -> Result<Member, Error> {
    let steps = ctx.policies(Some(&member.account))?.pending_until;
    let user = users::load(&mut ctx.tx, &member.user, "/user")?;
    answer_of_member(ctx, member, user, &steps)
}

pub(crate) fn answer_of_member(
    ctx: &mut Ctx<'_>,
    member: model::Member,
    user: model::User,
    steps: &[PendingStep],
) -> Result<Member, Error> {
    let last_seen_at_ms = users::last_seen(&mut ctx.tx, &user)?;
    let disabled = member.disabled || user.disabled;
    let pending = missing_steps(steps, &user);
    Ok(Member {
        account: member.account,
        user: member.user,
        email: user.email.as_typed().to_owned(),
        first_name: user.profile.first_name,
        last_name: user.profile.last_name,
        role: member.role,
        next_role: member.next_role,
        administrator: member.administrator,
        group: member.group,
        owner: member.owner,
        disabled,
        until_ms: member.until_ms,
        status: MemberStatus::of(disabled, &pending),
        pending,
        last_seen_at_ms,
        rev: member.rev,
        created_at_ms: member.created_at_ms,
        updated_at_ms: member.updated_at_ms,
    })
}
