//! Accounts: creation in two steps, holds, the end and the way back (R-ACC-1 to R-ACC-3): requests
//! and answers.

use crate::error::Code;
use crate::model::{
    Channel, Count, Cursor, Email, Hold as HoldEntry, HoldReason, Id, Limits, Name, NextPackage,
    Note,
};
use crate::rules::account::Status;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
