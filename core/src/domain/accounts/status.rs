//! Accounts are activated, held, released, closed and opened again.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::accounts::{Account, Activate, Close, Hold, Release, Reopen};
use crate::domain::accounts::show::{answer_of, load_to_change, save_and_show};
use crate::domain::reservations;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{
    self, Actor, Hold as HoldEntry, HoldLevel, HoldReason, Id, Lifecycle, Note, ReservationsOnHold,
};
use crate::rules::account::hold_level;
use crate::tables::accounts::{account_line, load, save};

/// Most holds of one account.
const MOST_HOLDS: usize = 100;

impl Operation for Activate {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let account = load_to_change(ctx, &self.account, self.expected_rev)?;
        activate(ctx, account, self.reason)?;
        answer_of(ctx, &self.account)
    }
}

/// Makes an account active as far as its life and the holds of one reason go.
pub(crate) fn activate(
    ctx: &mut Ctx<'_>,
    mut account: model::Account,
    reason: Option<HoldReason>,
) -> Result<(), Error> {
    match account.lifecycle {
        Lifecycle::Pending if account.owner.is_none() => {
            return Err(Error::new(
                Code::AccountPending,
                format!(
                    "`{}` waits for its owner to confirm their address; remind them.",
                    account.id
                ),
            )
            .at("/account"));
        }
        Lifecycle::Closed { .. } => {
            return Err(Error::new(
                Code::AccountClosed,
                format!("`{}` is closed; reopen it first.", account.id),
            )
            .at("/account"));
        }
        Lifecycle::Pending | Lifecycle::Active => {}
    }
    let is_pending = account.lifecycle == Lifecycle::Pending;
    match clear_holds(ctx, &mut account, reason.unwrap_or(HoldReason::Admin))? {
        Cleared::Some => save(&mut ctx.tx, account.clone())?,
        Cleared::AllOfHigherLevels if !is_pending => return Err(hold_of_higher_level("/account")),
        Cleared::AllOfHigherLevels | Cleared::None => {}
    }
    if is_pending {
        let mut account = load(&mut ctx.tx, &account.id, "/account")?;
        account.lifecycle = Lifecycle::Active;
        save(&mut ctx.tx, account)?;
    }
    Ok(())
}

/// What became of the holds of a reason.
enum Cleared {
    Some,
    /// There are some, and all of them were placed by a higher level.
    AllOfHigherLevels,
    None,
}

/// Clears the holds of a reason, as far as the actor may clear them (R-ACC-2). The account itself
/// is not written.
fn clear_holds(
    ctx: &mut Ctx<'_>,
    account: &mut model::Account,
    reason: HoldReason,
) -> Result<Cleared, Error> {
    let mut outcome = Cleared::None;
    for hold in account
        .holds
        .clone()
        .iter()
        .filter(|hold| hold.reason == reason)
    {
        if clears(ctx, account, hold)? {
            account.holds.retain(|other| other.hold != hold.hold);
            outcome = Cleared::Some;
        } else if matches!(outcome, Cleared::None) {
            outcome = Cleared::AllOfHigherLevels;
        }
    }
    Ok(outcome)
}

fn hold_of_higher_level(field: &str) -> Error {
    Error::new(
        Code::HoldOfHigherLevel,
        "A higher level placed the `hold` on this `account`; ask there to clear it.",
    )
    .at(field)
}

impl Operation for Hold {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let account = load_to_change(ctx, &self.account, self.expected_rev)?;
        place_hold(ctx, account, self.reason, self.note)?;
        answer_of(ctx, &self.account)
    }
}

pub(crate) fn place_hold(
    ctx: &mut Ctx<'_>,
    mut account: model::Account,
    reason: HoldReason,
    note: Option<Note>,
) -> Result<(), Error> {
    let level = hold_level(ctx.actor, &account.id);
    if level == HoldLevel::Account && reason != HoldReason::OwnerRequest {
        return Err(Error::new(
            Code::PermissionDenied,
            "Users can put their own account on hold only with the `reason` `owner_request`; name \
             that one.",
        )
        .at("/reason"));
    }
    let placed_from = match ctx.actor {
        Actor::User { account, .. } => Some(account.clone()),
        Actor::System | Actor::Operator { .. } => None,
    };
    if account
        .holds
        .iter()
        .any(|hold| (hold.reason, hold.level, &hold.placed_from) == (reason, level, &placed_from))
    {
        return Ok(());
    }
    if account.holds.len() >= MOST_HOLDS {
        return Err(Error::invalid(
            "/account",
            format!(
                "The account `{}` has {MOST_HOLDS} holds, and more are not allowed; clear one \
                 first.",
                account.id
            ),
        ));
    }
    account.holds.push(HoldEntry {
        hold: account.next_hold,
        reason,
        level,
        placed_by: ctx.actor.label(),
        placed_from,
        placed_at_ms: ctx.now_ms,
        note,
    });
    account.next_hold += 1;
    let id = account.id.clone();
    save(&mut ctx.tx, account)?;
    void_reservations(ctx, &id)
}

/// What is reserved in an account that can send no more, and below it, comes back; or stays, by
/// policy (R-ACC-4).
fn void_reservations(ctx: &mut Ctx<'_>, account: &Id) -> Result<(), Error> {
    if ctx.policies(Some(account))?.reservations_on_hold == ReservationsOnHold::Drain {
        return Ok(());
    }
    let (from, until) = keys::range(keys::TEAM_ACCOUNT, &[account.as_str(), "id"]);
    let rows = ctx.tx.range::<()>(&from, &until, usize::MAX)?;
    for id in rows
        .iter()
        .filter_map(|(key, ())| keys::last_id(key))
        .chain([account.clone()])
    {
        reservations::void_all_of(ctx, &id)?;
    }
    Ok(())
}

impl Operation for Release {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let mut account = load_to_change(ctx, &self.account, self.expected_rev)?;
        let hold = account
            .holds
            .iter()
            .find(|hold| hold.hold == self.hold.get());
        let hold =
            hold.ok_or_else(|| Error::not_found("hold", &self.hold.get().to_string()).at("/hold"))?;
        if !clears(ctx, &account, hold)? {
            return Err(hold_of_higher_level("/hold"));
        }
        account.holds.retain(|hold| hold.hold != self.hold.get());
        save_and_show(ctx, account)
    }
}

/// Whether the actor is of the level that placed a hold, or of one above it (R-ACC-2).
fn clears(ctx: &mut Ctx<'_>, account: &model::Account, hold: &HoldEntry) -> Result<bool, Error> {
    let level = hold_level(ctx.actor, &account.id);
    let (Actor::User { account: home, .. }, Some(from), HoldLevel::Ancestor) =
        (ctx.actor, &hold.placed_from, hold.level)
    else {
        return Ok(hold.level <= level);
    };
    // Of two accounts above, the lower does not clear what the upper placed. One that is gone has
    // nobody left to ask.
    let gone = !ctx.tx.has(&keys::account(from))?;
    Ok(level == HoldLevel::Ancestor
        && (gone
            || account_line(&mut ctx.tx, from)?
                .iter()
                .any(|ancestor| ancestor.id == *home)))
}

impl Operation for Close {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let account = load_to_change(ctx, &self.account, self.expected_rev)?;
        close(ctx, account)?;
        answer_of(ctx, &self.account)
    }
}

pub(crate) fn close(ctx: &mut Ctx<'_>, mut account: model::Account) -> Result<(), Error> {
    if let Lifecycle::Closed { .. } = account.lifecycle {
        return Ok(());
    }
    account.lifecycle = Lifecycle::Closed {
        at_ms: ctx.now_ms,
        was_pending: account.lifecycle == Lifecycle::Pending,
    };
    let id = account.id.clone();
    save(&mut ctx.tx, account)?;
    void_reservations(ctx, &id)
}

impl Operation for Reopen {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let account = load_to_change(ctx, &self.account, self.expected_rev)?;
        reopen(ctx, account)?;
        answer_of(ctx, &self.account)
    }
}

pub(crate) fn reopen(ctx: &mut Ctx<'_>, mut account: model::Account) -> Result<(), Error> {
    let Lifecycle::Closed { at_ms, was_pending } = account.lifecycle else {
        return Err(Error::new(
            Code::AccountNotClosed,
            format!(
                "`{}` is not closed, so there is nothing to reopen.",
                account.id
            ),
        )
        .at("/account"));
    };
    let until_ms = at_ms.saturating_add(ctx.policies(Some(&account.id))?.grace_ms.get());
    if ctx.now_ms >= until_ms {
        return Err(Error::new(
            Code::GraceOver,
            format!(
                "`{}` could be reopened only until {until_ms} ms; create a new account.",
                account.id
            ),
        )
        .at("/account")
        .with("until_ms", until_ms));
    }
    account.lifecycle = if was_pending {
        Lifecycle::Pending
    } else {
        Lifecycle::Active
    };
    save(&mut ctx.tx, account)
}
