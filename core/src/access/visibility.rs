//! Whom the actor sees and whom they manage (R-TEA-3, R-INV-7, R-INV-10).

use crate::access::authorise::holds;
use crate::access::request::Ctx;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{self, Actor, Id, TEAM_PERMISSION};
use crate::tables::accounts::{self, account_line};
use crate::tables::{people, users};

/// The account that a user acts in; none for the host and operators.
pub(crate) fn home(ctx: &Ctx<'_>) -> Option<Id> {
    match ctx.actor {
        Actor::User { account, .. } => Some(account.clone()),
        Actor::System | Actor::Operator { .. } => None,
    }
}

/// Whether the actor is this user.
pub(crate) fn is_self(ctx: &Ctx<'_>, user: &Id) -> bool {
    ctx.actor.user() == Some(user)
}

/// Whether the actor is this user in person: a program or a person who acts for them is not
/// (R-SES-6, R-SES-7).
pub(crate) fn is_in_person(ctx: &Ctx<'_>, user: &Id) -> bool {
    is_self(ctx, user) && ctx.actor.is_in_person()
}

/// The account whose team the acting user manages: where they act, if they hold `accounts.team`
/// there.
pub(crate) fn managed(ctx: &mut Ctx<'_>) -> Result<Option<Id>, Error> {
    let Some(home) = home(ctx) else {
        return Ok(None);
    };
    let member = ctx.member_in(&home)?;
    Ok(holds(ctx.engine, &member, TEAM_PERMISSION).then_some(home))
}

/// The top account that a user acts in who manages its whole team: only there the users of a team
/// are managed (R-TEA-3).
pub(crate) fn parent(ctx: &mut Ctx<'_>) -> Result<Option<Id>, Error> {
    let Some(managed) = managed(ctx)? else {
        return Ok(None);
    };
    Ok(accounts::load(&mut ctx.tx, &managed, "/account")?
        .parent
        .is_none()
        .then_some(managed))
}

/// As [`parent`], refused for who is none: in an account below nobody manages the team, whatever
/// they hold there.
pub(crate) fn require_parent(ctx: &mut Ctx<'_>) -> Result<Id, Error> {
    match parent(ctx)? {
        Some(top) => Ok(top),
        None => Err(Error::new(
            Code::PermissionDenied,
            "The users of a team are managed in its top account; ask somebody who holds \
             `accounts.team` there.",
        )
        .with("missing", TEAM_PERMISSION)),
    }
}

/// The top account of the team that an account is in.
pub(crate) fn top_of(ctx: &mut Ctx<'_>, account: &Id) -> Result<Id, Error> {
    Ok(account_line(&mut ctx.tx, account)?
        .pop()
        .map_or_else(|| account.clone(), |top| top.id))
}

/// Whether an account is another one, or lies below it.
pub(crate) fn is_within(ctx: &mut Ctx<'_>, account: &Id, ancestor: &Id) -> Result<bool, Error> {
    Ok(account_line(&mut ctx.tx, account)?
        .iter()
        .any(|one| one.id == *ancestor))
}

/// The owners of the accounts above one that the actor does not see in it: an administrator manages
/// an account without its parent (R-INV-10). Who manages the team from above is the parent.
pub(crate) fn hidden_in(ctx: &mut Ctx<'_>, account: &Id) -> Result<Vec<Id>, Error> {
    let Actor::User { user, .. } = ctx.actor else {
        return Ok(Vec::new());
    };
    match ctx.member_in(account) {
        Ok(member) if member.from_ancestor => return Ok(Vec::new()),
        Err(error) if error.code() != Code::NotFound => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let ancestors = account_line(&mut ctx.tx, account)?;
    Ok(ancestors
        .into_iter()
        .skip(1)
        .filter_map(|account| account.owner)
        .filter(|owner| owner != user)
        .collect())
}

/// Those accounts of a user in which the actor sees them: all to the host, to operators and to the
/// user in person; to others the account that they act in, and those below it when they manage its
/// team.
pub(crate) fn accounts_seen(ctx: &mut Ctx<'_>, user: &Id, most: usize) -> Result<Vec<Id>, Error> {
    let Some(home) = home(ctx).filter(|_| !is_in_person(ctx, user)) else {
        return users::accounts_of(&mut ctx.tx, user, most);
    };
    if managed(ctx)?.is_none() {
        let member =
            ctx.tx.has(&keys::member(&home, user))? && !hidden_in(ctx, &home)?.contains(user);
        return Ok(if member { vec![home] } else { Vec::new() });
    }
    let mut seen = Vec::new();
    for account in users::accounts_of(&mut ctx.tx, user, usize::MAX)? {
        if seen.len() < most && is_within(ctx, &account, &home)? {
            seen.push(account);
        }
    }
    Ok(seen)
}

/// Whether the actor sees a user anywhere.
pub(crate) fn sees(ctx: &mut Ctx<'_>, user: &Id) -> Result<bool, Error> {
    if home(ctx).is_none() || is_self(ctx, user) {
        return Ok(true);
    }
    Ok(!accounts_seen(ctx, user, 1)?.is_empty())
}

/// Reads a user whom the actor sees; to everybody else they are not there.
pub(crate) fn load_visible(
    ctx: &mut Ctx<'_>,
    user: &Id,
    field: &str,
) -> Result<model::User, Error> {
    if let Some(home) = home(ctx).filter(|_| !is_in_person(ctx, user)) {
        ctx.require_in(&home, "users.view")?;
    }
    if sees(ctx, user)? {
        users::load(&mut ctx.tx, user, field)
    } else {
        Err(Error::not_found("user", user.as_str()).at(field))
    }
}

/// Whether the actor holds a permission in an account, from where they act or by a membership of
/// their own there.
///
/// The host holds every one, and so does an operator: what operators need of their own is asked for
/// elsewhere.
pub(crate) fn holds_in(ctx: &mut Ctx<'_>, account: &Id, permission: &str) -> Result<bool, Error> {
    let Actor::User { user, .. } = ctx.actor else {
        return Ok(true);
    };
    match ctx.member_in(account) {
        Ok(member) => return Ok(holds(ctx.engine, &member, permission)),
        Err(error) if error.code() == Code::NotFound => {}
        Err(error) => return Err(error),
    }
    // An API key belongs to one membership, and so does a log-in-as.
    if !ctx.actor.is_in_person() || !ctx.tx.has(&keys::member(account, user))? {
        return Ok(false);
    }
    // It gives nothing to who could not enter the account now.
    if ctx.entry_refusal(account)?.is_some() {
        return Ok(false);
    }
    let own = ctx
        .engine
        .cell(account)?
        .member(ctx.engine, user.as_str())?;
    Ok(own.member.is_some() && holds(ctx.engine, &own, permission))
}

/// Whether the user is in no other team than that of this account.
pub(crate) fn in_this_team_alone(
    ctx: &mut Ctx<'_>,
    user: &Id,
    account: &Id,
) -> Result<bool, Error> {
    let top = top_of(ctx, account)?;
    let here = people::seats_of(&mut ctx.tx, &top, user)?;
    Ok(users::accounts_of(&mut ctx.tx, user, usize::MAX)?.len() as u64 == here)
}

/// Only the person themself, who needs a permission where they act; the host is anybody.
pub(crate) fn require_self(ctx: &mut Ctx<'_>, user: &Id, permission: &str) -> Result<(), Error> {
    if *ctx.actor == Actor::System {
        return Ok(());
    }
    if !is_in_person(ctx, user) {
        return Err(Error::not_found("user", user.as_str()).at("/user"));
    }
    match home(ctx) {
        Some(home) => ctx.require_in(&home, permission),
        None => Ok(()),
    }
}

/// What nobody does to themselves.
pub(crate) fn refuse_self(ctx: &Ctx<'_>, user: &Id, what: &str) -> Result<(), Error> {
    if is_self(ctx, user) {
        return Err(Error::new(
            Code::SelfForbidden,
            format!("You are `{user}`, and nobody can {what} themselves; ask somebody else."),
        )
        .at("/user"));
    }
    Ok(())
}
