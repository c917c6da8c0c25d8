//! Groups of users (R-GRP-1 to R-GRP-8).

use crate::engine::{Ctx, keys, people};
use crate::error::{Code, Error};
use crate::model::{self, Group, GroupCaps, Id, Name};

/// The id of the group that an account starts with (R-GRP-1).
const DEFAULT: &str = "default";
/// Its name until somebody renames it.
const DEFAULT_NAME: &str = "Default";

/// Reads a group inside an operation.
pub(crate) fn load(ctx: &mut Ctx<'_>, account: &Id, id: &Id, field: &str) -> Result<Group, Error> {
    ctx.tx.get(&keys::group(account, id))?.ok_or_else(|| Error::not_found("group", id.as_str()).at(field))
}

/// Makes the group that a new account starts with (R-GRP-1).
pub(crate) fn create_default(ctx: &mut Ctx<'_>, account: &Id) -> Result<Id, Error> {
    let broken = |error| Error::new(Code::Internal, error);
    let id = Id::new(DEFAULT).map_err(broken)?;
    let name = Name::new(DEFAULT_NAME).map_err(broken)?;
    create(ctx, account, id.clone(), name)?;
    Ok(id)
}

/// Writes a new group.
fn create(ctx: &mut Ctx<'_>, account: &Id, id: Id, name: Name) -> Result<Group, Error> {
    let group = Group {
        id,
        account: account.clone(),
        name,
        caps: GroupCaps::default(),
        avatar: None,
        rev: 1,
        created_at_ms: ctx.now_ms,
        updated_at_ms: ctx.now_ms,
    };
    ctx.tx.put(keys::group(account, &group.id), &group)?;
    people::add(ctx, keys::tally(account, "groups"), 1)?;
    Ok(group)
}

/// Puts a member into a group, or into none, and keeps index and count. The membership itself is not written.
pub(crate) fn place(ctx: &mut Ctx<'_>, member: &mut model::Member, group: Option<Id>) -> Result<(), Error> {
    if member.group == group {
        return Ok(());
    }
    if let Some(old) = &member.group {
        ctx.tx.delete(keys::group_member(&member.account, old, &member.user));
        people::add(ctx, keys::group_tally(&member.account, old), -1)?;
    }
    if let Some(new) = &group {
        ctx.tx.mark(keys::group_member(&member.account, new, &member.user));
        people::add(ctx, keys::group_tally(&member.account, new), 1)?;
    }
    member.group = group;
    Ok(())
}

/// Removes the groups of an account that is deleted.
pub(crate) fn erase_all(ctx: &mut Ctx<'_>, account: &Id) -> Result<(), Error> {
    let (from, until) = keys::below(keys::GROUP, &[account.as_str()]);
    for (key, group) in ctx.tx.range::<Group>(&from, &until, usize::MAX)? {
        ctx.tx.delete(keys::group_tally(account, &group.id));
        ctx.tx.delete(key);
    }
    ctx.tx.delete(keys::tally(account, "groups"));
    Ok(())
}
