//! Users of the platform: their profile, their address, their end (R-USR-1 to R-USR-4, R-ACC-3,
//! R-TEA-3).

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod edit;
pub(crate) mod email;
pub(crate) mod export;
pub(crate) mod list;
pub(crate) mod show;

use crate::domain::{accounts, links, outbox, sessions};
use crate::engine::Ctx;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{self, AuditKind, Id};
use crate::tables::people;
use crate::tables::users::Users;

/// Reads a user inside an operation.
pub(crate) fn load(ctx: &mut Ctx<'_>, id: &Id, field: &str) -> Result<model::User, Error> {
    ctx.tx
        .get(&keys::user(id))?
        .ok_or_else(|| Error::not_found("user", id.as_str()).at(field))
}

/// Where a request names a new user.
pub(crate) struct NamedAt<'a> {
    pub(crate) id: &'a str,
    pub(crate) email: &'a str,
}

/// Removes a user for good: the address is free again, the id is never used again.
pub(crate) fn erase(ctx: &mut Ctx<'_>, user: &model::User) -> Result<(), Error> {
    links::end_all(ctx, &user.id)?;
    sessions::end_all_of(ctx, &user.id, None)?;
    ctx.tx.delete(keys::password(&user.id));
    ctx.tx.delete(keys::second_factor(&user.id));
    ctx.tx.delete(keys::user_allow_list(&user.id));
    ctx.tx.delete(keys::last_seen(&user.id));
    outbox::forget(ctx, AuditKind::User, &user.id)?;
    ctx.tx.erase::<Users>(user)?;
    ctx.tx.mark(keys::tombstone(keys::USER, &user.id));
    Ok(())
}

/// The accounts of a user.
pub(crate) fn accounts_of(ctx: &mut Ctx<'_>, user: &Id, most: usize) -> Result<Vec<Id>, Error> {
    let (from, until) = keys::below(keys::MEMBERSHIP, &[user.as_str()]);
    Ok(ctx
        .tx
        .range::<()>(&from, &until, most)?
        .iter()
        .filter_map(|(key, ())| keys::last_id(key))
        .collect())
}

/// Writes a user who was changed; where the address or a name was, every list shows them in their
/// new place.
fn save(
    ctx: &mut Ctx<'_>,
    before: &model::User,
    mut user: model::User,
) -> Result<model::User, Error> {
    user.rev += 1;
    user.updated_at_ms = ctx.now_ms;
    let names = |user: &model::User| {
        (
            user.profile.first_name.clone(),
            user.profile.last_name.clone(),
        )
    };
    if before.email.key() == user.email.key() && names(before) == names(&user) {
        ctx.tx.save::<Users>(&user)?;
        return Ok(user);
    }
    let accounts = accounts_of(ctx, &user.id, usize::MAX)?;
    people::rename(&mut ctx.tx, before, &user, &accounts)?;
    // Accounts are found by the address of their owner.
    let owned = accounts::owned_by(ctx, &user.id, &accounts)?;
    let old = accounts::lines_of(ctx, &owned)?;
    ctx.tx.save::<Users>(&user)?;
    let new = accounts::lines_of(ctx, &owned)?;
    ctx.tx.replace_lines(old, new)?;
    Ok(user)
}
