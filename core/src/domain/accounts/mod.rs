//! Accounts: creation in two steps, holds, the end and the way back (R-ACC-1 to R-ACC-3).

pub(crate) mod bulk;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod edit;
pub(crate) mod package;
pub(crate) mod show;
pub(crate) mod status;

use crate::api::accounts::AccountAction;
use crate::engine::Ctx;
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::table::Lines;
use crate::model::{self, Id};
use crate::tables::accounts::Accounts;
use crate::tables::reservations::Reservations;
use crate::tables::slots::Slots;
use crate::tables::suppressions::Suppressions;

/// Reads an account inside an operation.
pub(crate) fn load(ctx: &mut Ctx<'_>, id: &Id, field: &str) -> Result<model::Account, Error> {
    ctx.tx
        .get(&keys::account(id))?
        .ok_or_else(|| Error::not_found("account", id.as_str()).at(field))
}

/// Writes an account that was changed.
pub(crate) fn save(ctx: &mut Ctx<'_>, mut account: model::Account) -> Result<(), Error> {
    account.rev += 1;
    account.updated_at_ms = ctx.now_ms;
    // What is guaranteed to it is kept apart from what others send.
    if account.children > 0 || !account.guaranteed.is_empty() {
        ctx.tx.touch_everything();
    } else {
        ctx.tx.touch(&account.id);
    }
    ctx.tx.save::<Accounts>(&account)
}

/// Those of some accounts that a user owns.
pub(crate) fn owned_by(ctx: &mut Ctx<'_>, user: &Id, accounts: &[Id]) -> Result<Vec<Id>, Error> {
    let mut owned = Vec::new();
    for id in accounts {
        if load(ctx, id, "/account")?.owner.as_ref() == Some(user) {
            owned.push(id.clone());
        }
    }
    Ok(owned)
}

/// What follows from some accounts as things are.
pub(crate) fn lines_of(ctx: &mut Ctx<'_>, accounts: &[Id]) -> Result<Lines, Error> {
    let mut lines = Lines::default();
    for id in accounts {
        let account = load(ctx, id, "/account")?;
        lines.extend(ctx.tx.lines_now::<Accounts>(&account)?);
    }
    Ok(lines)
}

/// What follows from all that depends on what lies above an account: from the accounts below it,
/// and from what it and these have that those above know of.
fn lines_below(ctx: &mut Ctx<'_>, subtree: &[Id]) -> Result<Lines, Error> {
    let mut lines = lines_of(ctx, subtree.get(1..).unwrap_or_default())?;
    for id in subtree {
        let id = [id.as_str()];
        lines.extend(ctx.tx.lines_below::<Suppressions>(&id)?);
        lines.extend(ctx.tx.lines_below::<Slots>(&id)?);
        lines.extend(ctx.tx.lines_below::<Reservations>(&id)?);
    }
    Ok(lines)
}

/// The part of a span whose texts begin with a prefix.
fn starting_with((from, until): (Vec<u8>, Vec<u8>), prefix: &str) -> (Vec<u8>, Vec<u8>) {
    if prefix.is_empty() {
        return (from, until);
    }
    let from = [from.as_slice(), prefix.as_bytes()].concat();
    let mut until = from.clone();
    // No UTF-8 text holds this byte.
    until.push(0xff);
    (from, until)
}

/// The accounts directly below one.
pub(crate) fn children_of(ctx: &mut Ctx<'_>, id: &Id) -> Result<Vec<Id>, Error> {
    let (from, until) = keys::below(keys::CHILD, &[id.as_str()]);
    Ok(ctx
        .tx
        .range::<()>(&from, &until, usize::MAX)?
        .iter()
        .filter_map(|(key, ())| keys::last_id(key))
        .collect())
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
