//! Sessions: logging in, what a token proves, and the devices that somebody is logged in with
//! (R-SES-1, R-SES-2).

pub(crate) mod devices;
pub(crate) mod log_in;
#[cfg(test)]
mod tests;

use crate::domain::reach;
use crate::engine::Ctx;
use crate::error::Error;
use crate::kernel::keys;
use crate::model::{Actor, Id, Session};
use crate::tables::sessions::Sessions;

/// The sessions of a user and those in which they act as others, those included that are over.
fn all_of(ctx: &mut Ctx<'_>, user: &Id) -> Result<Vec<Session>, Error> {
    let (from, until) = keys::below(keys::USER_SESSION, &[user.as_str()]);
    let rows = ctx
        .tx
        .range::<serde::de::IgnoredAny>(&from, &until, usize::MAX)?;
    let mut sessions = Vec::with_capacity(rows.len());
    for id in rows.iter().filter_map(|(key, _)| keys::last_id(key)) {
        sessions.extend(ctx.tx.get::<Session>(&keys::session(&id))?);
    }
    Ok(sessions)
}

fn end(ctx: &mut Ctx<'_>, session: &Session) -> Result<(), Error> {
    ctx.tx.erase::<Sessions>(session)?;
    ctx.tx.touch_session(&session.id);
    Ok(())
}

/// Ends the sessions in which somebody acts as another: of an operator, or of who is no longer in
/// an account, as whom or from which they were begun.
pub(crate) fn end_log_ins_as(
    ctx: &mut Ctx<'_>,
    user: &Id,
    account: Option<&Id>,
) -> Result<(), Error> {
    for session in all_of(ctx, user)? {
        let Some(behind) = &session.behind else {
            continue;
        };
        let begun = behind.user == *user && behind.from_account.as_ref() == account;
        if begun || (session.user == *user && Some(&behind.account) == account) {
            end(ctx, &session)?;
        }
    }
    Ok(())
}

/// Ends the sessions of a user and those in which they act as others, all but one; answers how many
/// ended.
pub(crate) fn end_all_of(ctx: &mut Ctx<'_>, user: &Id, keep: Option<&Id>) -> Result<u64, Error> {
    let mut ended = 0;
    for session in all_of(ctx, user)?
        .iter()
        .filter(|session| Some(&session.id) != keep)
    {
        end(ctx, session)?;
        ended += 1;
    }
    Ok(ended)
}

/// As [`end_all_of`], where the second factor of the user has changed: the session that is kept has
/// one now, or none.
pub(crate) fn end_all_but(
    ctx: &mut Ctx<'_>,
    user: &Id,
    keep: Option<&Id>,
    with_second_factor: bool,
) -> Result<u64, Error> {
    if let Some(keep) = keep
        && let Some(mut session) = ctx.tx.get::<Session>(&keys::session(keep))?
        && session.user == *user
        && session.behind.is_none()
    {
        session.with_second_factor = with_second_factor;
        ctx.tx.save::<Sessions>(&session)?;
        ctx.tx.touch_session(keep);
    }
    end_all_of(ctx, user, keep)
}

/// Only the person themself, who needs a permission where they act; the host is anybody.
pub(crate) fn require_self(ctx: &mut Ctx<'_>, user: &Id, permission: &str) -> Result<(), Error> {
    if *ctx.actor == Actor::System {
        return Ok(());
    }
    if !reach::is_in_person(ctx, user) {
        return Err(Error::not_found("user", user.as_str()).at("/user"));
    }
    match reach::home(ctx) {
        Some(home) => ctx.require_in(&home, permission),
        None => Ok(()),
    }
}
