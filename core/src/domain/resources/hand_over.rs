//! The resources of a member go to somebody else (R-USR-4).

use crate::access::request::Ctx;
use crate::domain::{self, members};
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{Id, ResourcesTo, ResourcesToKind};
use crate::tables::resources::{change, count_of, indexed};
use crate::tables::{accounts, groups};

/// The group that a member's resources carry: none for owner and administrators.
pub(super) fn group_of(
    ctx: &mut Ctx<'_>,
    account: &Id,
    owner: &Id,
    field: &str,
) -> Result<Option<Id>, Error> {
    let member = members::show::find(ctx, account, owner)?;
    Ok(member
        .ok_or_else(|| Error::not_found("member", owner.as_str()).at(field))?
        .group)
}

/// Who owns an account, and with it what is nobody else's.
pub(super) fn owner_of(ctx: &mut Ctx<'_>, account: &Id, field: &str) -> Result<Id, Error> {
    let owner = accounts::load(&mut ctx.tx, account, "/account")?.owner;
    owner.ok_or_else(|| {
        Error::invalid(
            field,
            format!("`{account}` still waits for its owner; name a member."),
        )
    })
}

/// What becomes of the resources of a member who leaves (R-USR-4): where there are some, it has to
/// be said who gets them. Answers how many there were. Before the membership ends.
pub(crate) fn reassign(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
    to: Option<&ResourcesTo>,
) -> Result<u64, Error> {
    if let Some(to) = to {
        return hand_over(ctx, account, user, to);
    }
    match count_of(&mut ctx.tx, account, user)? {
        0 => Ok(0),
        left => Err(Error::invalid(
            "/resources_to",
            format!("`{user}` owns {left} resources; name in `resources_to` who gets them."),
        )
        .with("resources", left)),
    }
}

/// Gives all resources of a member to another member, to a group, or to the account (R-USR-4).
/// Answers how many.
pub(crate) fn hand_over(
    ctx: &mut Ctx<'_>,
    account: &Id,
    from: &Id,
    to: &ResourcesTo,
) -> Result<u64, Error> {
    let field = "/resources_to/id";
    let (owner, group) = match (to.kind, &to.id) {
        (ResourcesToKind::Member, Some(member)) => {
            (member.clone(), group_of(ctx, account, member, field)?)
        }
        (ResourcesToKind::Group, Some(group)) => {
            domain::groups::require_groups(ctx, account, field)?;
            let group = groups::load(&mut ctx.tx, account, group, field)?.id;
            (owner_of(ctx, account, "/resources_to")?, Some(group))
        }
        (ResourcesToKind::Account, None) => (owner_of(ctx, account, "/resources_to")?, None),
        (ResourcesToKind::Account, Some(_)) => {
            return Err(Error::invalid(field, "Leave out the `id` of the account."));
        }
        (ResourcesToKind::Member | ResourcesToKind::Group, None) => {
            return Err(Error::invalid(field, "Name a member or a group by `id`."));
        }
    };
    if owner == *from {
        return Err(Error::invalid(
            "/resources_to",
            format!("`{from}` would get their own resources; name somebody else."),
        ));
    }
    let theirs = indexed(
        &mut ctx.tx,
        account,
        keys::range(keys::RESOURCE_OF_OWNER, &[account.as_str(), from.as_str()]),
    )?;
    let count = theirs.len() as u64;
    for resource in theirs {
        change(&mut ctx.tx, resource, |resource| {
            resource.owner = owner.clone();
            resource.group = group.clone();
            // A group that gets them is to see them.
            resource.shared |= to.kind == ResourcesToKind::Group;
        })?;
    }
    Ok(count)
}
