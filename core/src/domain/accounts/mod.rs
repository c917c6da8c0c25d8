//! Accounts: creation in two steps, holds, the end and the way back (R-ACC-1 to R-ACC-3).

pub(crate) mod bulk;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod edit;
pub(crate) mod erase;
pub(crate) mod package;
pub(crate) mod show;
pub(crate) mod status;

use crate::access::request::Ctx;
use crate::api::accounts::AccountAction;
use crate::error::Error;
use crate::kernel::table::Lines;
use crate::model::Id;
use crate::tables::accounts::lines_of;
use crate::tables::reservations::Reservations;
use crate::tables::slots::Slots;
use crate::tables::suppressions::Suppressions;

/// What follows from all that depends on what lies above an account: from the accounts below it,
/// and from what it and these have that those above know of.
fn lines_of_subtree(ctx: &mut Ctx<'_>, subtree: &[Id]) -> Result<Lines, Error> {
    let mut lines = lines_of(&mut ctx.tx, subtree.get(1..).unwrap_or_default())?;
    for id in subtree {
        let id = [id.as_str()];
        lines.extend(ctx.tx.lines_in_range::<Suppressions>(&id)?);
        lines.extend(ctx.tx.lines_in_range::<Slots>(&id)?);
        lines.extend(ctx.tx.lines_in_range::<Reservations>(&id)?);
    }
    Ok(lines)
}

impl AccountAction {
    /// What an operator needs beside `clients.bulk`.
    const fn permissions(self) -> &'static [&'static str] {
        match self {
            AccountAction::Activate
            | AccountAction::Suspend
            | AccountAction::Close
            | AccountAction::Reopen => &["clients.status"],
            AccountAction::Delete => &["clients.delete"],
            AccountAction::SetPackage => &["clients.edit", "packages.assign"],
            AccountAction::AddCredits | AccountAction::WithdrawCredits => &["clients.add_credits"],
        }
    }
}
