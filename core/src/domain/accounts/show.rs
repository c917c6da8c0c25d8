//! Accounts as callers see them.

use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::accounts::Account;
use crate::error::{self, Error};
use crate::kernel::keys;
use crate::kernel::revision::check_rev;
use crate::model::{self, Channel, Count, Id, Lifecycle};
use crate::rules::account::effective_status;
use crate::rules::window;
use crate::sending::credits;
use crate::tables::accounts::{account_line, load, save};

pub(crate) fn answer_of(ctx: &mut Ctx<'_>, id: &Id) -> Result<Account, Error> {
    let line = account_line(&mut ctx.tx, id)?;
    answer_of_line(ctx, line)
}

/// The account at the start of a line, with its credits for who may see them (R-ACC-6).
pub(crate) fn answer_of_line(
    ctx: &mut Ctx<'_>,
    line: Vec<model::Account>,
) -> Result<Account, Error> {
    let status = effective_status(&line);
    let account = line.into_iter().next().ok_or_else(|| {
        Error::internal("This is a defect to report: a line of accounts has no account.")
    })?;
    let sees_credits = match visibility::holds_in(ctx, &account.id, "credits.view") {
        // Whoever has just closed the account, for one.
        Err(error) if error.is_refusal() => false,
        held => held?,
    };
    let credits = |ctx: &mut Ctx<'_>, channel| {
        sees_credits
            .then(|| credits::balance(ctx, &account.id, channel))
            .transpose()
    };
    Ok(Account {
        members: ctx.tx.count(&keys::tally(&account.id, "members"))?,
        users: ctx.tx.count(&keys::tally(&account.id, "users"))?,
        email_credits: credits(ctx, Channel::Email)?,
        sms_credits: credits(ctx, Channel::Sms)?,
        id: account.id,
        name: account.name,
        parent: account.parent,
        owner: account.owner,
        package: account.package,
        next_package: account.next_package,
        limits: account.overrides,
        default_role: account.default_role,
        time_zone: account.time_zone,
        status,
        holds: account.holds,
        closed_at_ms: match account.lifecycle {
            Lifecycle::Closed { at_ms, .. } => Some(at_ms),
            Lifecycle::Pending | Lifecycle::Active => None,
        },
        children: account.children,
        rev: account.rev,
        created_at_ms: account.created_at_ms,
        updated_at_ms: account.updated_at_ms,
    })
}

/// Reads an account that is to be changed.
pub(crate) fn load_to_change(
    ctx: &mut Ctx<'_>,
    id: &Id,
    expected_rev: Option<Count>,
) -> Result<model::Account, Error> {
    let account = load(&mut ctx.tx, id, "/account")?;
    check_rev(expected_rev, account.rev)?;
    Ok(account)
}

pub(crate) fn save_and_show(ctx: &mut Ctx<'_>, account: model::Account) -> Result<Account, Error> {
    let id = account.id.clone();
    save(&mut ctx.tx, account)?;
    answer_of(ctx, &id)
}

pub(crate) fn check_time_zone(name: &str) -> Result<(), Error> {
    match window::zone(name) {
        Some(_) => Ok(()),
        None => Err(Error::invalid(
            "/time_zone",
            format!(
                "`{}` is not an IANA time zone; name one such as `Europe/Berlin`.",
                error::excerpt(name)
            ),
        )),
    }
}
