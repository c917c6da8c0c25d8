//! The package of an account: today's, and the planned one.

use crate::access::escalation;
use crate::access::request::Ctx;
use crate::api::accounts::PackageChange;
use crate::domain::{packages, roles};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{self, Actor, Id, Lifecycle, NextPackage, Window};
use crate::rules::window;
use crate::tables;
use crate::tables::accounts::save;

/// The package is the platform's business: users would lift their own limits.
pub(crate) fn authorise_package(ctx: &mut Ctx<'_>) -> Result<(), Error> {
    match ctx.actor {
        Actor::System => Ok(()),
        Actor::Operator { .. } => ctx
            .require_as_operator("packages.assign")
            .map_err(|error| error.at("/package")),
        Actor::User { .. } => Err(Error::new(
            Code::ActorNotAllowed,
            "The `package` is chosen by the platform; leave it out.",
        )
        .at("/package")),
    }
}

/// Gives an account another package, or none, now or at the next month (R-PKG-6). The account
/// itself is not written.
pub(crate) fn set_package(
    ctx: &mut Ctx<'_>,
    account: &mut model::Account,
    package: Option<Id>,
    at: PackageChange,
) -> Result<(), Error> {
    account.next_package = None;
    match (package, at) {
        (package, PackageChange::Now) => {
            packages::relink(ctx, &account.id, account.package.as_ref(), package.as_ref())?;
            account.package = package;
        }
        (None, PackageChange::NextMonth) => {
            return Err(Error::invalid(
                "/at",
                "A package is always removed at once; leave out `at`.",
            ));
        }
        (Some(package), PackageChange::NextMonth) => {
            let package = tables::packages::load_open(&mut ctx.tx, &package, "/package")?.id;
            plan_package(ctx, account, package)?;
        }
    }
    Ok(())
}

/// An account gets a package when its next month begins. The account itself is not written.
fn plan_package(ctx: &mut Ctx<'_>, account: &mut model::Account, package: Id) -> Result<(), Error> {
    let zone = window::zone(&account.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let (_, from_ms) = window::bounds(
        Window::Month,
        ctx.now_ms,
        &window::Calendar {
            zone,
            billing_day: 1,
        },
    )
    .ok_or_else(|| {
        Error::internal(format!(
            "The time {} ms is outside the calendar; set the clock right.",
            ctx.now_ms
        ))
    })?;
    ctx.tx.schedule_due(from_ms);
    account.next_package = Some(NextPackage { package, from_ms });
    Ok(())
}

/// Whether an account was closed after now, or gets another package later than one that is planned
/// now.
pub(crate) fn is_ahead(account: &model::Account, now_ms: u64) -> bool {
    // The longest month, and a day for a change of zone.
    const LONGEST_WAIT_MS: u64 = 32 * 24 * 3_600_000;
    let is_closed_ahead =
        matches!(account.lifecycle, Lifecycle::Closed { at_ms, .. } if at_ms > now_ms);
    is_closed_ahead
        || account
            .next_package
            .as_ref()
            .is_some_and(|next| next.from_ms > now_ms.saturating_add(LONGEST_WAIT_MS))
}

/// What was done with an account in a wrong future counts from now: the time in which it
/// can be reopened, the next month (R-QTA-13).
pub(crate) fn undo_future(ctx: &mut Ctx<'_>, mut account: model::Account) -> Result<(), Error> {
    if let Lifecycle::Closed { at_ms, .. } = &mut account.lifecycle {
        *at_ms = ctx.now_ms.min(*at_ms);
    }
    if let Some(next) = account.next_package.clone() {
        account.next_package = None;
        plan_package(ctx, &mut account, next.package)?;
    }
    save(&mut ctx.tx, account)
}

/// Gives an account the package that it was to get from now on (R-PKG-6), even where that was
/// retired since.
pub(crate) fn take_next_package(ctx: &mut Ctx<'_>, id: &Id) -> Result<(), Error> {
    let Some(mut account) = ctx.tx.get::<model::Account>(&keys::account(id))? else {
        return Ok(());
    };
    let Some(next) = account
        .next_package
        .clone()
        .filter(|next| next.from_ms <= ctx.now_ms)
    else {
        return Ok(());
    };
    account.next_package = None;
    // Deleting a package moves whoever waits for it: that it is gone would be a defect, and no
    // reason to stop every call.
    if ctx.tx.has(&keys::package(&next.package))? {
        packages::link(ctx, id, account.package.as_ref(), Some(&next.package))?;
        account.package = Some(next.package);
    }
    save(&mut ctx.tx, account)
}

/// Sets the role that a new member gets when none is named (R-TEA-9). The account itself is not
/// written.
pub(crate) fn set_default_role(
    ctx: &mut Ctx<'_>,
    account: &mut model::Account,
    role: Option<Id>,
) -> Result<(), Error> {
    const FIELD: &str = "/default_role";
    if let Actor::User { .. } = ctx.actor {
        ctx.require_in(&account.id, "users.default_permissions")
            .map_err(|error| error.at(FIELD))?;
    }
    if let Some(role) = &role {
        roles::load_for(ctx, role, &account.id, FIELD)?;
        escalation::members::refuse_escalation(ctx, &account.id, role)
            .map_err(|error| error.at(FIELD))?;
    }
    account.default_role = role;
    Ok(())
}
