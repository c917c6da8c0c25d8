//! Whether a user may do something. The operation `access.check` answers like the typed hot calls
//! because it runs this code.

use crate::access::state::Engine;
use crate::access::view::{AccountCell, MemberView};
use crate::error::Error;
use std::sync::Arc;

pub(crate) fn allowed(
    engine: &Engine,
    cell: &Arc<AccountCell>,
    user: &str,
    permission: &str,
) -> Result<bool, Error> {
    Ok(check(engine, cell, user, permission)?.0)
}

/// Says whether a user may do something, and whether a role on trial makes each such check count
/// (R-QTA-15).
pub(crate) fn check(
    engine: &Engine,
    cell: &Arc<AccountCell>,
    user: &str,
    permission: &str,
) -> Result<(bool, bool), Error> {
    let place = place_of(engine, permission)?;
    Ok(member_may(engine, &*cell.member(engine, user)?, place))
}

pub(crate) fn place_of(engine: &Engine, permission: &str) -> Result<usize, Error> {
    engine.views.tree.load().find(permission, "/permission")
}

pub(crate) fn member_may(engine: &Engine, member: &MemberView, place: usize) -> (bool, bool) {
    if member.refusal.is_some() {
        return (false, false);
    }
    (
        member.may(engine, place),
        member.missing(engine, place).is_some(),
    )
}
