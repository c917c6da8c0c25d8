//! Users of the platform: their profile, their address, their end (R-USR-1 to R-USR-4, R-ACC-3,
//! R-TEA-3).

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod edit;
pub(crate) mod email;
pub(crate) mod export;
pub(crate) mod list;
pub(crate) mod show;

use crate::access::request::Ctx;
use crate::domain::{links, outbox};
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{self, AuditKind};
use crate::tables::users::{Users, memberships_of};
use crate::tables::{accounts, people, sessions};

/// Where a request names a new user.
pub(crate) struct NamedAt<'a> {
    pub(crate) id: &'a str,
    pub(crate) email: &'a str,
}

/// Removes a user for good: the address is free again, the id is never used again.
pub(crate) fn erase(ctx: &mut Ctx<'_>, user: &model::User) -> Result<(), Error> {
    links::end_all(ctx, &user.id)?;
    sessions::end_all_of(&mut ctx.tx, &user.id, None)?;
    ctx.tx.delete(keys::password(&user.id));
    ctx.tx.delete(keys::second_factor(&user.id));
    ctx.tx.delete(keys::user_allow_list(&user.id));
    ctx.tx.delete(keys::last_seen(&user.id));
    outbox::forget(ctx, AuditKind::User, &user.id)?;
    ctx.tx.erase::<Users>(user)?;
    ctx.tx.mark(keys::tombstone(keys::USER, &user.id));
    Ok(())
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
    let accounts = memberships_of(&mut ctx.tx, &user.id, usize::MAX)?;
    people::rename(&mut ctx.tx, before, &user, &accounts)?;
    // Accounts are found by the address of their owner.
    let owned = accounts::owned_by(&mut ctx.tx, &user.id, &accounts)?;
    let old = accounts::lines_of(&mut ctx.tx, &owned)?;
    ctx.tx.save::<Users>(&user)?;
    let new = accounts::lines_of(&mut ctx.tx, &owned)?;
    ctx.tx.replace_lines(old, new)?;
    Ok(user)
}
