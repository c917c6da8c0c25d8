//! Accounts: creation in two steps, holds, the end and the way back (R-ACC-1 to R-ACC-3).

use super::{
    Operation, caps, credits, groups, invitations, limits, members, packages, reach, reservations,
    roles, users,
};
use crate::engine::Ctx;
use crate::engine::authority::TEAM_PERMISSION;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::kernel::revision::check_rev;
use crate::kernel::table::Lines;
use crate::model::{
    self, Actor, Channel, Count, Cursor, Email, Hold as HoldEntry, HoldLevel, HoldReason, Id,
    Lifecycle, LimitName, Limits, Name, NextPackage, Note, PolicyRecord, ReservationsOnHold,
    Window,
};
use crate::rules::account::{Status, effective_status, hold_level};
use crate::rules::policy::merged;
use crate::rules::window;
use crate::tables;
use crate::tables::accounts::Accounts;
use crate::tables::accounts::{MAX_DEPTH, account_line};
use crate::tables::people;
use crate::tables::reservations::Reservations;
use crate::tables::slots::Slots;
use crate::tables::suppressions::Suppressions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Most holds of one account.
const MOST_HOLDS: usize = 100;

/// Creates a client or an account below another: details, owner and package in one step (R-ACC-1).
///
/// An operator needs `packages.assign` too to name a package, and `packages.override_limits` to
/// name limits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The host's own id; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// Who owns it.
    pub owner: OwnerInput,
    /// The account above; without one it is a client of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// IANA name of the time zone of its days and months; that of the policy `time_zone` when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Name>,
    /// The package; without one the parent's values count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// Limits of its own, over those of the package.
    #[serde(default)]
    pub limits: Limits,
    /// Waits for its owner: nothing is sent until `accounts.activate`.
    #[serde(default)]
    pub pending: bool,
}

/// The first step of the creation by itself: says what is wrong with the details, and changes
/// nothing (R-ACC-1).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validate {
    /// The host's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The name that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The e-mail address of the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_email: Option<String>,
    /// IANA name of the time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// The owner of a new account: an existing user, or a new one by e-mail address.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnerInput {
    /// The existing user, or the id that the new one gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The e-mail address of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// First name of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
}

/// Reads an account.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
}

/// Lists accounts, a page at a time: of the platform, of a team, or directly below one account
/// (R-ACC-6).
///
/// Users list the accounts below their own, all of them when nothing is said. What is filtered out
/// counts against a bound of each call: a page may be shorter than asked for, and even empty, while
/// there is a `next`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Only the accounts directly below this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// Only the accounts below this one, at any depth; not together with `parent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Id>,
    /// Only those of this effective status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Only those that have this package themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// Only those whose name, or whose owner's e-mail address, begins with this, without regard to
    /// case and accents; they are ordered by name, and who is found by the address comes last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Name>,
    /// The order; `id` when absent, `name` with `search`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<AccountOrder>,
    /// Go on here: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// What a list of accounts is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountOrder {
    /// The id.
    Id,
    /// The name, upper and lower case alike.
    Name,
    /// When it was made, the oldest first.
    Created,
}

/// Changes an account. What is absent stays. A new time zone acts from the next window on.
///
/// The package is chosen by the platform: the host, and operators with `packages.assign`. Users set
/// the default role with `users.default_permissions`, and none that can do more than they can.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The account.
    pub account: Id,
    /// The name that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// IANA name of the time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Name>,
    /// Another package; a change that was to come later is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// When the account gets the package; `now` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<PackageChange>,
    /// Takes the package away; not together with `package`.
    #[serde(default)]
    pub without_package: bool,
    /// The role that a new member gets when none is named (R-TEA-9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_role: Option<Id>,
    /// Takes the default role away; not together with `default_role`.
    #[serde(default)]
    pub without_default_role: bool,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// When an account gets another package (R-PKG-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PackageChange {
    /// At once.
    Now,
    /// When the next month begins in the account's time zone.
    NextMonth,
}

/// Makes a pending account active, and clears the holds of a reason from a suspended one, as far as
/// the actor may clear them; those of other reasons stay. One that has no owner yet waits on
/// (R-TEA-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    /// The account.
    pub account: Id,
    /// The reason of the holds that are cleared; `admin` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<HoldReason>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Suspends an account for a reason, beside any other reason (R-ACC-2). A hold of this reason that
/// the same level placed is there already: it stays as it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The account.
    pub account: Id,
    /// Why.
    pub reason: HoldReason,
    /// A remark for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Clears one hold; the others stay. Only the level that placed it, or one above, can (R-ACC-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The account.
    pub account: Id,
    /// The number of the hold.
    pub hold: Count,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Closes an account: it sends nothing and cannot be entered; within the grace period it can be
/// reopened (R-ACC-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// The account.
    pub account: Id,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Reopens a closed account within its grace period; one that was waiting for its owner waits again
/// (R-ACC-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reopen {
    /// The account.
    pub account: Id,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Deletes an account for good; its id is never used again, and users without another account go
/// with it (R-ACC-3).
///
/// An account below that is detached goes on with what it took from those above: their package,
/// limits and assets where it has no package of its own, their caps and policies, and of its
/// allow-list what theirs hold too. One that has a package of its own keeps that, and the limits of
/// the accounts above bind it no longer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The account.
    pub account: Id,
    /// What becomes of the accounts below; needed when there are any. Users need to manage their
    /// team, and detach none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<Children>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Does one thing to many accounts (R-ACC-5): each is done or says why not; with `atomic` all are
/// done, or none.
///
/// An operator needs the permission of the action too, as for one account.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// The accounts, 1 to 500, each once.
    pub accounts: Vec<Id>,
    /// What to do.
    pub action: AccountAction,
    /// The package, for `set_package`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// The reason of the holds that `suspend` places and `activate` clears; `admin` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<HoldReason>,
    /// A remark for people, for `suspend`; why, for `add_credits` and `withdraw_credits`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// What the credits pay, for `add_credits` and `withdraw_credits`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// How many credits for each account, for `add_credits`; for `withdraw_credits`, all that are
    /// left when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Count>,
    /// When what is left of them is gone, for `add_credits`, in unix milliseconds; never when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<Count>,
    /// For `add_credits` and `withdraw_credits`: asked again with the same key, it is done once for
    /// each account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
    /// What becomes of the accounts below, for `delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<Children>,
    /// All or none.
    #[serde(default)]
    pub atomic: bool,
}

/// What is done to many accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountAction {
    /// Makes pending accounts active, and clears the holds of the reason from suspended ones.
    Activate,
    /// Places a hold, where there is none of this reason yet.
    Suspend,
    /// Closes them.
    Close,
    /// Reopens them.
    Reopen,
    /// Deletes them.
    Delete,
    /// Gives them a package.
    SetPackage,
    /// Gives each of them credits, as `credits.grant`.
    AddCredits,
    /// Takes credits back from each of them, as `credits.withdraw`.
    WithdrawCredits,
}

/// What becomes of the accounts below one that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Children {
    /// They are deleted too, and all below them.
    Delete,
    /// They become top accounts.
    Detach,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// The id.
    pub id: Id,
    /// The name that people see.
    pub name: Name,
    /// The account above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// The user who owns it; absent only while the account waits for its first owner's
    /// confirmation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Id>,
    /// The package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// The package that it gets later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_package: Option<NextPackage>,
    /// The limits that it has of its own; the others are inherited.
    pub limits: Limits,
    /// The role that a new member gets when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_role: Option<Id>,
    /// IANA name of the time zone of its days and months.
    pub time_zone: String,
    /// The effective status: the worst along the accounts above.
    pub status: Status,
    /// What suspends this account itself.
    pub holds: Vec<HoldEntry>,
    /// When it was closed, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at_ms: Option<u64>,
    /// How many accounts are directly below.
    pub children: u64,
    /// How many members it has.
    pub members: u64,
    /// How many users it and all accounts below have, each once.
    pub users: u64,
    /// Its credits for e-mails, reserves of groups included, for who may see them (`credits.view`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_credits: Option<u64>,
    /// Its credits for text messages, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms_credits: Option<u64>,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountList {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// What is wrong with the details of an account to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "valid"))]
pub struct AccountValidation {
    /// Whether the details will do.
    pub valid: bool,
    /// What is wrong with them.
    pub problems: Vec<AccountProblem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountProblem {
    /// The JSON pointer of the field.
    pub field: String,
    /// The code that creating would be refused with.
    pub code: Code,
    /// A sentence a person can act on.
    pub message: String,
}

/// An account that was deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountDeleted {
    /// How many accounts are gone, this one included.
    pub accounts: u64,
    /// How many users went with them.
    pub users: u64,
}

/// What was done to many accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountBulk {
    /// How many were done.
    pub done: u64,
    /// How many were refused.
    pub refused: u64,
    /// One entry for each account, in the order of the request.
    pub accounts: Vec<AccountBulkItem>,
}

/// What was done to one account of many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "done"))]
pub struct AccountBulkItem {
    /// The account.
    pub account: Id,
    /// Whether it was done.
    pub done: bool,
    /// Why not; absent where it was done, and where it was not because another was refused and all
    /// or none were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// A sentence a person can act on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Reads an account inside an operation.
pub(crate) fn load(ctx: &mut Ctx<'_>, id: &Id, field: &str) -> Result<model::Account, Error> {
    ctx.tx
        .get(&keys::account(id))?
        .ok_or_else(|| Error::not_found("account", id.as_str()).at(field))
}

/// Refuses what only an account in use does, such as claiming: the line runs from the account up to
/// the top (R-ACC-2).
pub(crate) fn refuse_unless_active(line: &[model::Account]) -> Result<(), Error> {
    let (Some(code), Some(account)) = (effective_status(line).refusal(), line.first()) else {
        return Ok(());
    };
    Err(
        Error::new(code, format!("`{}`: {}", account.id, code.sentence()))
            .at("/account")
            .with("account", account.id.as_str()),
    )
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

pub(crate) fn shown(ctx: &mut Ctx<'_>, id: &Id) -> Result<Account, Error> {
    let line = account_line(&mut ctx.tx, id)?;
    shown_of(ctx, line)
}

/// The account at the start of a line, with its credits for who may see them (R-ACC-6).
fn shown_of(ctx: &mut Ctx<'_>, line: Vec<model::Account>) -> Result<Account, Error> {
    let status = effective_status(&line);
    let account = line
        .into_iter()
        .next()
        .ok_or_else(|| Error::new(Code::Internal, "a line of accounts without an account"))?;
    let sees_credits = match reach::holds_in(ctx, &account.id, "credits.view") {
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
fn load_to_change(
    ctx: &mut Ctx<'_>,
    id: &Id,
    expected_rev: Option<Count>,
) -> Result<model::Account, Error> {
    let account = load(ctx, id, "/account")?;
    check_rev(expected_rev, account.rev)?;
    Ok(account)
}

fn save_and_show(ctx: &mut Ctx<'_>, account: model::Account) -> Result<Account, Error> {
    let id = account.id.clone();
    save(ctx, account)?;
    shown(ctx, &id)
}

fn check_time_zone(name: &str) -> Result<(), Error> {
    match window::zone(name) {
        Some(_) => Ok(()),
        None => Err(Error::invalid(
            "/time_zone",
            format!(
                "`{}` is not an IANA time zone",
                name.chars().take(64).collect::<String>()
            ),
        )),
    }
}

/// What an account is made of.
pub(crate) struct NewAccount<'a> {
    /// The host's own id; made when absent.
    pub(crate) id: Option<Id>,
    /// The name that people see.
    pub(crate) name: Name,
    /// The account above.
    pub(crate) parent: Option<Id>,
    /// The package; without one the parent's values count.
    pub(crate) package: Option<Id>,
    /// Limits of its own, over those of the package.
    pub(crate) limits: Limits,
    /// IANA name of the time zone; that of the policy when absent.
    pub(crate) time_zone: Option<Name>,
    /// Where it begins its life.
    pub(crate) lifecycle: Lifecycle,
    /// Who owns it; none only for a pending account whose owner has to confirm first (R-TEA-4).
    pub(crate) owner: Option<&'a model::User>,
}

/// Makes an account, whoever asks for it: depth, number of accounts below, package, licence, group,
/// owner (R-ACC-1).
///
/// Errors name the fields of `accounts.create`.
pub(crate) fn make(ctx: &mut Ctx<'_>, new: NewAccount<'_>) -> Result<model::Account, Error> {
    let id = ctx.new_id(new.id, keys::ACCOUNT, keys::account, "account")?;
    let above = match &new.parent {
        Some(parent) => account_line(&mut ctx.tx, parent).map_err(|error| error.at("/parent"))?,
        None => Vec::new(),
    };
    let policies = ctx.policies(new.parent.as_ref())?;
    let time_zone = new.time_zone.unwrap_or(policies.time_zone);
    check_time_zone(time_zone.as_str())?;
    limits::check_own(ctx, &new.limits, new.parent.as_ref())?;
    if let Some(parent) = above.first() {
        let depth = policies.depth.get();
        if above.len() as u64 >= depth.min(MAX_DEPTH as u64) {
            return Err(
                Error::new(Code::DepthExceeded, format!("accounts can be {depth} deep"))
                    .at("/parent")
                    .with("depth", depth),
            );
        }
        limits::check_children(ctx, &above)?;
        let mut parent = parent.clone();
        parent.children += 1;
        ctx.tx.save::<Accounts>(&parent)?;
    }
    packages::relink(ctx, &id, None, new.package.as_ref())?;
    let account = model::Account {
        id: id.clone(),
        name: new.name,
        parent: new.parent,
        owner: new.owner.map(|owner| owner.id.clone()),
        package: new.package,
        next_package: None,
        allocated: match ctx.actor {
            Actor::User { .. } => LimitName::ALL
                .iter()
                .copied()
                .filter(|name| new.limits.get(*name).is_some())
                .collect(),
            Actor::System | Actor::Operator { .. } => Vec::new(),
        },
        overrides: new.limits,
        guaranteed: Vec::new(),
        assets: model::Assets::default(),
        default_role: None,
        default_group: groups::create_default(ctx, &id)?,
        pooled: false,
        shares_since_ms: None,
        time_zone: time_zone.into(),
        lifecycle: new.lifecycle,
        holds: Vec::new(),
        next_hold: 1,
        children: 0,
        rev: 1,
        created_at_ms: ctx.now_ms,
        updated_at_ms: ctx.now_ms,
    };
    ctx.tx.save::<Accounts>(&account)?;
    if let Some(owner) = new.owner {
        members::create(ctx, &id, owner, members::Place::OWNER).map_err(|error| {
            if error.field() == Some("/user") {
                error.at("/owner")
            } else {
                error
            }
        })?;
    }
    Ok(account)
}

/// The owner that a request names: an existing user, or a new one.
fn owner_of(ctx: &mut Ctx<'_>, owner: OwnerInput) -> Result<model::User, Error> {
    match (owner.email, owner.user) {
        (Some(email), user) => users::create(
            ctx,
            user,
            email,
            owner.first_name,
            owner.last_name,
            &users::NamedAt {
                id: "/owner/user",
                email: "/owner/email",
            },
        ),
        (None, Some(_)) if owner.first_name.is_some() || owner.last_name.is_some() => {
            Err(Error::invalid(
                "/owner/first_name",
                "names are given with the `email` of a new user only",
            ))
        }
        (None, Some(user)) => users::load(ctx, &user, "/owner/user"),
        (None, None) => Err(Error::invalid(
            "/owner",
            "name an existing `user`, or the `email` of a new one",
        )),
    }
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

impl Operation for Create {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        if let Actor::Operator { .. } = ctx.actor {
            if self.package.is_some() {
                ctx.require_as_operator("packages.assign")
                    .map_err(|error| error.at("/package"))?;
            }
            if self.limits != Limits::default() {
                ctx.require_as_operator("packages.override_limits")
                    .map_err(|error| error.at("/limits"))?;
            }
        }
        let owner = owner_of(ctx, self.owner)?;
        let account = make(
            ctx,
            NewAccount {
                id: self.id,
                name: self.name,
                parent: self.parent,
                package: self.package,
                limits: self.limits,
                time_zone: self.time_zone,
                lifecycle: if self.pending {
                    Lifecycle::Pending
                } else {
                    Lifecycle::Active
                },
                owner: Some(&owner),
            },
        )?;
        shown(ctx, &account.id)
    }
}

impl Operation for Validate {
    type Answer = AccountValidation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountValidation, Error> {
        let mut problems = Vec::new();
        let mut note = |field: &str, code: Code, message: String| {
            problems.push(AccountProblem {
                field: field.to_owned(),
                code,
                message,
            })
        };
        if let Some(id) = self.id
            && let Err(error) = ctx.new_id(Some(id), keys::ACCOUNT, keys::account, "account")
        {
            note("/id", error.code(), error.message().to_owned());
        }
        match self.name.map(Name::new) {
            None => note(
                "/name",
                Code::InvalidArgument,
                "an account has a name".to_owned(),
            ),
            Some(Err(error)) => note("/name", Code::InvalidArgument, format!("`name` {error}")),
            Some(Ok(_)) => {}
        }
        match self.owner_email.map(Email::new) {
            None => note(
                "/owner_email",
                Code::InvalidArgument,
                "an account has an owner with an e-mail address".to_owned(),
            ),
            Some(Err(error)) => note("/owner_email", Code::InvalidArgument, error),
            Some(Ok(email)) if ctx.tx.has(&keys::email(email.key()))? => {
                note(
                    "/owner_email",
                    Code::EmailTaken,
                    format!("`{}` belongs to a user already", email.as_typed()),
                );
            }
            Some(Ok(_)) => {}
        }
        if let Some(Err(error)) = self.time_zone.as_deref().map(check_time_zone) {
            note("/time_zone", error.code(), error.message().to_owned());
        }
        Ok(AccountValidation {
            valid: problems.is_empty(),
            problems,
        })
    }
}

impl Operation for Get {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        shown(ctx, &self.account).map_err(|error| error.at("/account"))
    }
}

impl List {
    /// The account at the head of the team that is listed, or else the one whose children are.
    pub(crate) fn team_or_parent(&self) -> Option<&Id> {
        self.team.as_ref().or(self.parent.as_ref())
    }
}

impl Operation for List {
    type Answer = AccountList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountList, Error> {
        let List {
            parent,
            mut team,
            status,
            package,
            search,
            order,
            after,
            limit,
        } = self;
        if parent.is_some() && team.is_some() {
            return Err(Error::invalid(
                "/team",
                "`parent` and `team` exclude each other",
            ));
        }
        match ctx.actor {
            Actor::System => {}
            Actor::Operator { .. } => ctx.require_as_operator("clients.view_all")?,
            Actor::User { account: home, .. } => {
                ctx.require_in(home, TEAM_PERMISSION)?;
                if parent.is_none() && team.is_none() {
                    team = Some(home.clone());
                }
            }
        }
        for (field, named) in [("/parent", &parent), ("/team", &team)] {
            if let Some(named) = named
                && !ctx
                    .manages_team_of(named)
                    .map_err(|error| error.at(field))?
            {
                return Err(Error::not_found("account", named.as_str()).at(field));
            }
            if let Some(named) = named {
                load(ctx, named, field)?;
            }
        }
        let order = match (order, &search) {
            (None | Some(AccountOrder::Name), Some(_)) => AccountOrder::Name,
            (Some(_), Some(_)) => {
                return Err(Error::invalid(
                    "/order",
                    "what is searched by name is ordered by name",
                ));
            }
            (order, None) => order.unwrap_or(AccountOrder::Id),
        };
        let prefix = search
            .as_ref()
            .map_or_else(String::new, |text| people::searched(text.as_str()));
        let among = team.as_ref().or(parent.as_ref());
        let ordered = |order: &str| match among {
            None => keys::below(keys::ACCOUNT_ORDER, &[order]),
            Some(above) => keys::below(keys::TEAM_ACCOUNT, &[above.as_str(), order]),
        };
        let spans = match (among, order) {
            _ if search.is_some() => ["name", "owner"]
                .map(|order| starting_with(ordered(order), &prefix))
                .to_vec(),
            (_, AccountOrder::Name) => vec![ordered("name")],
            (_, AccountOrder::Created) => vec![ordered("created")],
            (None, AccountOrder::Id) => match &package {
                Some(package) => vec![keys::below(keys::PACKAGE_ACCOUNT, &[package.as_str()])],
                None => vec![keys::below(keys::ACCOUNT, &[])],
            },
            (Some(above), AccountOrder::Id) if parent.is_some() => {
                vec![keys::below(keys::CHILD, &[above.as_str()])]
            }
            (Some(above), AccountOrder::Id) => {
                vec![keys::below(keys::TEAM_ACCOUNT, &[above.as_str(), "id", ""])]
            }
        };
        let order_at = if among.is_none() { 1 } else { 2 };
        let (accounts, next) = walk(ctx, &spans, after.as_ref(), limit, |ctx, key| {
            let id = keys::last_id(key).ok_or_else(|| {
                Error::new(
                    Code::StoreCorrupt,
                    format!("the key {} ends in no id", key.escape_ascii()),
                )
            })?;
            let line = account_line(&mut ctx.tx, &id)?;
            let wanted = line.first().is_some_and(|account| {
                // Who is found by the name is not listed once more.
                let again = search.is_some()
                    && keys::part(key, order_at) == Some("owner")
                    && keys::orderable(account.name.as_str()).starts_with(&prefix);
                !again
                    && (parent.is_none() || account.parent == parent)
                    && (package.is_none() || account.package == package)
                    && status.is_none_or(|status| effective_status(&line) == status)
            });
            if !wanted {
                return Ok(None);
            }
            shown_of(ctx, line).map(Some)
        })?;
        Ok(AccountList { accounts, next })
    }
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

impl Operation for Edit {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let mut account = load_to_change(ctx, &self.account, self.expected_rev)?;
        if let Some(zone) = self.time_zone {
            check_time_zone(zone.as_str())?;
            account.time_zone = zone.into();
        }
        match (self.package, self.without_package) {
            (Some(_), true) => {
                return Err(Error::invalid(
                    "/without_package",
                    "`package` and `without_package` exclude each other",
                ));
            }
            (None, false) if self.at.is_some() => {
                return Err(Error::invalid("/at", "`at` goes with `package`"));
            }
            (None, false) => {}
            (package, _) => {
                authorise_package(ctx)?;
                set_package(
                    ctx,
                    &mut account,
                    package,
                    self.at.unwrap_or(PackageChange::Now),
                )?;
            }
        }
        if self.default_role.is_some() && self.without_default_role {
            return Err(Error::invalid(
                "/without_default_role",
                "`default_role` and `without_default_role` exclude each other",
            ));
        }
        if self.default_role.is_some() || self.without_default_role {
            set_default_role(ctx, &mut account, self.default_role)?;
        }
        account.name = self.name.unwrap_or(account.name);
        save_and_show(ctx, account)
    }
}

/// The package is the platform's business: users would lift their own limits.
fn authorise_package(ctx: &mut Ctx<'_>) -> Result<(), Error> {
    match ctx.actor {
        Actor::System => Ok(()),
        Actor::Operator { .. } => ctx
            .require_as_operator("packages.assign")
            .map_err(|error| error.at("/package")),
        Actor::User { .. } => Err(Error::new(
            Code::ActorNotAllowed,
            "the package is chosen by the platform",
        )
        .at("/package")),
    }
}

/// Gives an account another package, or none, now or at the next month (R-PKG-6). The account
/// itself is not written.
fn set_package(
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
            return Err(Error::invalid("/at", "a package is taken away at once"));
        }
        (Some(package), PackageChange::NextMonth) => {
            let package = packages::load_open(ctx, &package, "/package")?.id;
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
        Error::new(
            Code::Internal,
            format!("no calendar has the time {} ms", ctx.now_ms),
        )
    })?;
    ctx.tx.touch_due(from_ms);
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

/// What was done with an account in a future that was none counts from now: the time in which it
/// can be reopened, the next month (R-QTA-13).
pub(crate) fn leave_future(ctx: &mut Ctx<'_>, mut account: model::Account) -> Result<(), Error> {
    if let Lifecycle::Closed { at_ms, .. } = &mut account.lifecycle {
        *at_ms = ctx.now_ms.min(*at_ms);
    }
    if let Some(next) = account.next_package.clone() {
        account.next_package = None;
        plan_package(ctx, &mut account, next.package)?;
    }
    save(ctx, account)
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
    save(ctx, account)
}

/// Sets the role that a new member gets when none is named (R-TEA-9). The account itself is not
/// written.
fn set_default_role(
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
        members::refuse_escalation(ctx, &account.id, role).map_err(|error| error.at(FIELD))?;
    }
    account.default_role = role;
    Ok(())
}

impl Operation for Activate {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let account = load_to_change(ctx, &self.account, self.expected_rev)?;
        activate(ctx, account, self.reason)?;
        shown(ctx, &self.account)
    }
}

/// Makes an account active as far as its life and the holds of one reason go.
fn activate(
    ctx: &mut Ctx<'_>,
    mut account: model::Account,
    reason: Option<HoldReason>,
) -> Result<(), Error> {
    match account.lifecycle {
        Lifecycle::Pending if account.owner.is_none() => {
            return Err(Error::new(
                Code::AccountPending,
                format!("`{}` waits for the confirmation of its owner", account.id),
            )
            .at("/account"));
        }
        Lifecycle::Closed { .. } => {
            return Err(Error::new(
                Code::AccountClosed,
                format!("`{}` is closed; reopen it", account.id),
            )
            .at("/account"));
        }
        Lifecycle::Pending | Lifecycle::Active => {}
    }
    let is_pending = account.lifecycle == Lifecycle::Pending;
    match clear_holds(ctx, &mut account, reason.unwrap_or(HoldReason::Admin))? {
        Cleared::Some => save(ctx, account.clone())?,
        Cleared::AllAbove if !is_pending => return Err(hold_above("/account")),
        Cleared::AllAbove | Cleared::None => {}
    }
    if is_pending {
        let mut account = load(ctx, &account.id, "/account")?;
        account.lifecycle = Lifecycle::Active;
        save(ctx, account)?;
    }
    Ok(())
}

/// What became of the holds of a reason.
enum Cleared {
    Some,
    /// There are some, and all of them were placed by a higher level.
    AllAbove,
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
            outcome = Cleared::AllAbove;
        }
    }
    Ok(outcome)
}

fn hold_above(field: &str) -> Error {
    Error::new(
        Code::HoldAbove,
        "the hold was placed by a higher level and is cleared there",
    )
    .at(field)
}

impl Operation for Hold {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let account = load_to_change(ctx, &self.account, self.expected_rev)?;
        place_hold(ctx, account, self.reason, self.note)?;
        shown(ctx, &self.account)
    }
}

fn place_hold(
    ctx: &mut Ctx<'_>,
    mut account: model::Account,
    reason: HoldReason,
    note: Option<Note>,
) -> Result<(), Error> {
    let level = hold_level(ctx.actor, &account.id);
    if level == HoldLevel::Account && reason != HoldReason::OwnerRequest {
        return Err(Error::new(
            Code::PermissionDenied,
            "an account puts itself on hold by `owner_request` only",
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
            format!("an account has at most {MOST_HOLDS} holds"),
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
    save(ctx, account)?;
    void_reservations(ctx, &id)
}

/// What is reserved in an account that can send no more, and below it, comes back; or stays, by
/// policy (R-ACC-4).
fn void_reservations(ctx: &mut Ctx<'_>, account: &Id) -> Result<(), Error> {
    if ctx.policies(Some(account))?.reservations_on_hold == ReservationsOnHold::Drain {
        return Ok(());
    }
    let (from, until) = keys::below(keys::TEAM_ACCOUNT, &[account.as_str(), "id"]);
    let below = ctx.tx.range::<()>(&from, &until, usize::MAX)?;
    for id in below
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
            return Err(hold_above("/hold"));
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
                .any(|above| above.id == *home)))
}

impl Operation for Close {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let account = load_to_change(ctx, &self.account, self.expected_rev)?;
        close(ctx, account)?;
        shown(ctx, &self.account)
    }
}

fn close(ctx: &mut Ctx<'_>, mut account: model::Account) -> Result<(), Error> {
    if let Lifecycle::Closed { .. } = account.lifecycle {
        return Ok(());
    }
    account.lifecycle = Lifecycle::Closed {
        at_ms: ctx.now_ms,
        was_pending: account.lifecycle == Lifecycle::Pending,
    };
    let id = account.id.clone();
    save(ctx, account)?;
    void_reservations(ctx, &id)
}

impl Operation for Reopen {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let account = load_to_change(ctx, &self.account, self.expected_rev)?;
        reopen(ctx, account)?;
        shown(ctx, &self.account)
    }
}

fn reopen(ctx: &mut Ctx<'_>, mut account: model::Account) -> Result<(), Error> {
    let Lifecycle::Closed { at_ms, was_pending } = account.lifecycle else {
        return Err(Error::new(
            Code::AccountNotClosed,
            format!("`{}` is not closed", account.id),
        )
        .at("/account"));
    };
    let until_ms = at_ms.saturating_add(ctx.policies(Some(&account.id))?.grace_ms.get());
    if ctx.now_ms >= until_ms {
        return Err(Error::new(
            Code::GraceOver,
            format!("`{}` could be reopened until {until_ms}", account.id),
        )
        .at("/account")
        .with("until_ms", until_ms));
    }
    account.lifecycle = if was_pending {
        Lifecycle::Pending
    } else {
        Lifecycle::Active
    };
    save(ctx, account)
}

impl Operation for Delete {
    type Answer = AccountDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountDeleted, Error> {
        let account = load_to_change(ctx, &self.account, self.expected_rev)?;
        delete(ctx, account, self.children)
    }
}

fn delete(
    ctx: &mut Ctx<'_>,
    account: model::Account,
    children: Option<Children>,
) -> Result<AccountDeleted, Error> {
    if account.children > 0 {
        let Some(children) = children else {
            return Err(Error::new(
                Code::ChildrenLeft,
                format!("`{}` has {} accounts below", account.id, account.children),
            )
            .at("/children")
            .with("children", account.children));
        };
        if let Actor::User { account: home, .. } = ctx.actor {
            ctx.require_in(home, TEAM_PERMISSION)
                .map_err(|error| error.at("/children"))?;
            if children == Children::Detach {
                // Below nobody, and with no package, an account would be free of every limit.
                return Err(Error::new(
                    Code::ActorNotAllowed,
                    "accounts are made top accounts by the platform",
                )
                .at("/children"));
            }
        }
    }
    if let Some(parent) = &account.parent {
        let mut above = load(ctx, parent, "/account")?;
        above.children = above.children.saturating_sub(1);
        ctx.tx.save::<Accounts>(&above)?;
    }
    let mut gone = AccountDeleted {
        accounts: 0,
        users: 0,
    };
    let mut ends = vec![account];
    let mut at = 0;
    while let Some(above) = ends.get(at).map(|account| account.id.clone()) {
        for child in children_of(ctx, &above)? {
            let below = load(ctx, &child, "/account")?;
            match children {
                Some(Children::Delete) => ends.push(below),
                Some(Children::Detach) | None => detach(ctx, below)?,
            }
        }
        at += 1;
    }
    // From the bottom up: what lies below still finds the accounts above it.
    for account in ends.iter().rev() {
        gone.users += erase(ctx, account)?;
        gone.accounts += 1;
    }
    Ok(gone)
}

/// Makes an account a top account: it and whoever is in it count for the accounts above no longer.
fn detach(ctx: &mut Ctx<'_>, mut account: model::Account) -> Result<(), Error> {
    limits::give_back(ctx, &mut account)?;
    let Some(parent) = account.parent.take() else {
        return Ok(());
    };
    let above = account_line(&mut ctx.tx, &parent)?;
    keep_inherited(ctx, &mut account, &above)?;
    let mut subtree = vec![account.id.clone()];
    let mut at = 0;
    while let Some(id) = subtree.get(at).cloned() {
        subtree.extend(children_of(ctx, &id)?);
        for above in &above {
            super::sharing::leave(ctx, &id, &above.id)?;
        }
        let (from, until) = keys::below(keys::MEMBER, &[id.as_str()]);
        for (_, member) in ctx.tx.range::<model::Member>(&from, &until, usize::MAX)? {
            let user = users::load(ctx, &member.user, "/account")?;
            people::leave_lists(&mut ctx.tx, &above, &member, &user)?;
        }
        at += 1;
    }
    super::gauges::leave(ctx, &account.id, &above)?;
    roles::refuse_roles_from_above(ctx, &above, &subtree)?;
    let old = lines_below(ctx, &subtree)?;
    save(ctx, account)?;
    let new = lines_below(ctx, &subtree)?;
    ctx.tx.replace_lines(old, new)?;
    invitations::follow(ctx, &subtree, &parent)
}

/// An account that leaves those above keeps what it took from them: without a package of its own
/// their package, limits and assets, the caps and policies that they set, and the addresses that
/// every list on the way holds. Otherwise it would be free of all of that. The account itself is
/// not written.
fn keep_inherited(
    ctx: &mut Ctx<'_>,
    account: &mut model::Account,
    above: &[model::Account],
) -> Result<(), Error> {
    for from in above {
        if account.package.is_some() {
            break;
        }
        account.overrides.fill_from(&from.overrides);
        account.assets.add_all(&from.assets);
        // Also one that was retired since: the account has had it all the time.
        packages::link(ctx, &account.id, None, from.package.as_ref())?;
        account.package.clone_from(&from.package);
    }
    let mut levels = Vec::with_capacity(above.len() + 1);
    for id in std::iter::once(&account.id).chain(above.iter().map(|above| &above.id)) {
        levels.extend(ctx.tx.get::<PolicyRecord>(&keys::policy(Some(id)))?);
    }
    let own = merged(&levels);
    if own != PolicyRecord::default() {
        ctx.tx.put(keys::policy(Some(&account.id)), &own)?;
    }
    for from in above {
        caps::keep(ctx, &account.id, &from.id)?;
        keep_addresses(ctx, &account.id, &from.id)?;
    }
    Ok(())
}

/// Makes the allow-list of an account hold no more than that of one above does. Where nobody could
/// come from anywhere then, the account cannot leave.
fn keep_addresses(ctx: &mut Ctx<'_>, account: &Id, above: &Id) -> Result<(), Error> {
    let key = keys::account_allow_list(account);
    let theirs: Option<Vec<model::AddressRange>> = ctx.tx.get(&keys::account_allow_list(above))?;
    let Some(theirs) = theirs else { return Ok(()) };
    let own: Option<Vec<model::AddressRange>> = ctx.tx.get(&key)?;
    let both = match own {
        Some(own) => model::common_ranges(&own, &theirs),
        None => theirs,
    };
    if both.is_empty() {
        let message = format!(
            "no address is in the allow-lists of both `{account}` and `{above}`: nobody could \
             enter `{account}` alone; change one of the lists first"
        );
        return Err(Error::invalid("/children", message).with("account", account.as_str()));
    }
    ctx.tx.put(key, &both)
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

/// Removes an account with its memberships and meters; answers how many users went with it.
fn erase(ctx: &mut Ctx<'_>, account: &model::Account) -> Result<u64, Error> {
    super::resources::erase_all_of(ctx, &account.id)?;
    let above: Vec<_> = account_line(&mut ctx.tx, &account.id)?
        .into_iter()
        .skip(1)
        .collect();
    // Its owner may go with it, by whose address it is listed.
    let listed = ctx.tx.lines_now::<Accounts>(account)?;
    ctx.tx.replace_lines(listed, Lines::default())?;
    let (from, until) = keys::below(keys::MEMBER, &[account.id.as_str()]);
    let mut users = 0;
    for (_, member) in ctx.tx.range::<model::Member>(&from, &until, usize::MAX)? {
        users += u64::from(members::erase(ctx, &member)?);
    }
    let mut leaving = account.clone();
    limits::give_back(ctx, &mut leaving)?;
    packages::relink(ctx, &account.id, account.package.as_ref(), None)?;
    groups::erase_all(ctx, &account.id)?;
    invitations::erase_all_of(ctx, &account.id)?;
    roles::erase_all_of(ctx, account)?;
    super::sharing::erase_all_of(ctx, &account.id)?;
    super::gauges::leave(ctx, &account.id, &above)?;
    super::credits::return_to_parent(ctx, account)?;
    tables::erase_of_account(&mut ctx.tx, &account.id)?;
    ctx.tx.delete(keys::account_allow_list(&account.id));
    ctx.tx.delete(keys::account(&account.id));
    ctx.tx.mark(keys::tombstone(keys::ACCOUNT, &account.id));
    ctx.tx.touch_gone(&account.id);
    Ok(users)
}

/// Most accounts of one request.
const MOST_AT_ONCE: usize = 500;

impl Operation for Bulk {
    type Answer = AccountBulk;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountBulk, Error> {
        self.check()?;
        if let Actor::Operator { .. } = ctx.actor {
            for permission in self.action.permissions() {
                ctx.require_as_operator(permission)
                    .map_err(|error| error.at("/action"))?;
            }
        }
        let outer = ctx.tx.mark_point();
        let mut items = Vec::with_capacity(self.accounts.len());
        for id in &self.accounts {
            let (code, message) = match ctx.attempt(|ctx| self.one(ctx, id)) {
                Ok(()) => (None, None),
                Err(error) if error.is_refusal() => {
                    (Some(error.code()), Some(error.message().to_owned()))
                }
                Err(error) => return Err(error),
            };
            items.push(AccountBulkItem {
                account: id.clone(),
                done: code.is_none(),
                code,
                message,
            });
        }
        let refused = items.iter().filter(|item| !item.done).count();
        let keep = refused == 0 || !self.atomic;
        ctx.tx.end_point(outer, keep);
        if !keep {
            items.iter_mut().for_each(|item| item.done = false);
        }
        let done = items.iter().filter(|item| item.done).count();
        Ok(AccountBulk {
            done: done as u64,
            refused: refused as u64,
            accounts: items,
        })
    }
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

impl Bulk {
    fn check(&self) -> Result<(), Error> {
        let Bulk {
            accounts, action, ..
        } = self;
        if !(1..=MOST_AT_ONCE).contains(&accounts.len()) {
            return Err(Error::invalid(
                "/accounts",
                format!(
                    "1 to {MOST_AT_ONCE} accounts at once, there are {}",
                    accounts.len()
                ),
            ));
        }
        let mut seen = HashSet::new();
        if let Some((at, twice)) = accounts
            .iter()
            .enumerate()
            .find(|(_, id)| !seen.insert(*id))
        {
            return Err(Error::invalid(
                format!("/accounts/{at}"),
                format!("`{twice}` is named twice"),
            ));
        }
        if self.package.is_some() != (*action == AccountAction::SetPackage) {
            return Err(Error::invalid(
                "/package",
                "`package` goes with `set_package`",
            ));
        }
        if self.reason.is_some()
            && !matches!(action, AccountAction::Suspend | AccountAction::Activate)
        {
            return Err(Error::invalid(
                "/reason",
                "`reason` goes with `suspend` and `activate`",
            ));
        }
        let of_credits = matches!(
            action,
            AccountAction::AddCredits | AccountAction::WithdrawCredits
        );
        if self.note.is_some() && !of_credits && *action != AccountAction::Suspend {
            return Err(Error::invalid(
                "/note",
                "`note` goes with `suspend`, `add_credits` and `withdraw_credits`",
            ));
        }
        if of_credits && self.note.is_none() {
            return Err(Error::invalid("/note", "say why"));
        }
        if self.channel.is_some() != of_credits {
            return Err(Error::invalid(
                "/channel",
                "`channel` goes with `add_credits` and `withdraw_credits`",
            ));
        }
        if self.amount.is_some() && !of_credits
            || self.amount.is_none() && *action == AccountAction::AddCredits
        {
            return Err(Error::invalid(
                "/amount",
                "`amount` goes with `add_credits` and `withdraw_credits`",
            ));
        }
        if self.expires_at_ms.is_some() && *action != AccountAction::AddCredits {
            return Err(Error::invalid(
                "/expires_at_ms",
                "`expires_at_ms` goes with `add_credits`",
            ));
        }
        if self.key.is_some() && !of_credits {
            return Err(Error::invalid(
                "/key",
                "`key` goes with `add_credits` and `withdraw_credits`",
            ));
        }
        if self.children.is_some() && *action != AccountAction::Delete {
            return Err(Error::invalid("/children", "`children` goes with `delete`"));
        }
        Ok(())
    }

    /// The request for one account, where it is about credits.
    fn credits(&self, account: &Id) -> Option<(credits::Grant, credits::Withdraw)> {
        let (channel, reason) = (self.channel?, self.note.clone()?);
        let (account, key, expires_at_ms) = (account.clone(), self.key.clone(), self.expires_at_ms);
        let withdraw = credits::Withdraw {
            account: account.clone(),
            channel,
            amount: self.amount,
            reason: reason.clone(),
            key: key.clone(),
        };
        let amount = self.amount.unwrap_or_default();
        Some((
            credits::Grant {
                account,
                channel,
                amount,
                reason,
                priority: None,
                expires_at_ms,
                key,
            },
            withdraw,
        ))
    }

    /// Does it to one account.
    fn one(&self, ctx: &mut Ctx<'_>, id: &Id) -> Result<(), Error> {
        let mut account = load(ctx, id, "/account")?;
        match self.action {
            AccountAction::Activate => activate(ctx, account, self.reason),
            AccountAction::Suspend => place_hold(
                ctx,
                account,
                self.reason.unwrap_or(HoldReason::Admin),
                self.note.clone(),
            ),
            AccountAction::Close => close(ctx, account),
            AccountAction::Reopen => reopen(ctx, account),
            AccountAction::Delete => delete(ctx, account, self.children).map(drop),
            AccountAction::SetPackage => {
                set_package(ctx, &mut account, self.package.clone(), PackageChange::Now)?;
                save(ctx, account)
            }
            AccountAction::AddCredits | AccountAction::WithdrawCredits => {
                let (grant, withdraw) = self
                    .credits(id)
                    .ok_or_else(|| Error::invalid("/channel", "name the channel"))?;
                if self.action == AccountAction::AddCredits {
                    grant.run(ctx).map(drop)
                } else {
                    withdraw.run(ctx).map(drop)
                }
            }
        }
    }
}
