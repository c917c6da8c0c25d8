//! Memberships and roles until an instant (R-INV-14).

use crate::access::request::Ctx;
use crate::domain::membership::{give_role, put_disabled};
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{Account, Count, Id, Member};
use crate::tables::members;

/// An instant until which something is to hold, which must be later than now.
pub(crate) fn checked(ctx: &Ctx<'_>, until_ms: Option<Count>) -> Result<Option<u64>, Error> {
    let until_ms = until_ms.map(Count::get);
    match until_ms.filter(|until_ms| *until_ms <= ctx.now_ms) {
        None => Ok(until_ms),
        Some(past_ms) => Err(Error::invalid(
            "/until_ms",
            format!("`until_ms` is {past_ms}, which is in the past; name a later time."),
        )),
    }
}

/// The time of a membership is over: it is disabled.
pub(crate) fn end_membership(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<(), Error> {
    let now_ms = ctx.now_ms;
    let Some(mut member) = ctx.tx.get::<Member>(&keys::member(account, user))? else {
        return Ok(());
    };
    let is_over = member.until_ms.take_if(|until_ms| *until_ms <= now_ms);
    if is_over.is_none() {
        return Ok(());
    }
    if is_there(ctx, account)? {
        put_disabled(ctx, &mut member, true)?;
    }
    save(ctx, member)
}

/// The time of a role is over: the member has the earlier one again.
pub(crate) fn end_role(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<(), Error> {
    let now_ms = ctx.now_ms;
    let Some(mut member) = ctx.tx.get::<Member>(&keys::member(account, user))? else {
        return Ok(());
    };
    let Some(next) = member.next_role.take_if(|next| next.from_ms <= now_ms) else {
        return Ok(());
    };
    // Deleting a role puts another in its place: that it is gone would be a defect, and no reason
    // to stop every call.
    if is_there(ctx, account)? && ctx.tx.has(&keys::role(&next.role))? {
        give_role(ctx, &mut member, next.role, None)?;
    }
    save(ctx, member)
}

/// Whether an account is not being erased: nobody is anything any more in one that is.
fn is_there(ctx: &mut Ctx<'_>, account: &Id) -> Result<bool, Error> {
    let record = ctx.tx.get::<Account>(&keys::account(account))?;
    Ok(record.is_some_and(|account| !account.leaving))
}

fn save(ctx: &mut Ctx<'_>, member: Member) -> Result<(), Error> {
    let member = members::save(&mut ctx.tx, member)?;
    members::invalidate(&mut ctx.tx, &member.account)
}
