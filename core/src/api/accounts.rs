//! Accounts: their creation in two steps, holds, closing, reopening and deletion (R-ACC-1 to
//! R-ACC-3): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/accounts.md"))]

use crate::api::bulk::Problem;
use crate::model::{
    Channel, Count, Cursor, Email, Hold as HoldEntry, HoldReason, Id, Limits, Name, NextPackage,
    Note,
};
use crate::rules::account::Status;
use tenantry_macros::{answer, request};

/// Creates a client, or an account below another one: details, owner and package in one step
/// (R-ACC-1).
///
/// An operator also needs `packages.assign` to name a package, and `packages.override_limits` to
/// name limits.
#[request]
pub struct Create {
    /// The host's own id. When absent, an id is generated.
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// The user who owns the account.
    pub owner: OwnerInput,
    /// The account above. When absent, the new account is a client of the platform.
    pub parent: Option<Id>,
    /// The IANA name of the time zone in which the account's days and months begin. When absent,
    /// the policy `time_zone` names the time zone.
    pub time_zone: Option<Name>,
    /// The package. When absent, the values of the account above apply.
    pub package: Option<Id>,
    /// The account's own limits, which override those of the package.
    #[serde(default)]
    pub limits: Limits,
    /// Whether the account is pending at first: it waits for its owner, and sends nothing until
    /// `accounts.activate`.
    #[serde(default)]
    pub pending: bool,
}

/// Validates the details of an account to be created, which is the first step of the creation, and
/// changes nothing (R-ACC-1).
#[request]
pub struct Validate {
    /// The host's own id.
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Option<String>,
    /// The e-mail address of the owner.
    pub owner_email: Option<String>,
    /// The IANA name of the time zone.
    pub time_zone: Option<String>,
}

/// The owner of a new account: an existing user, or a new one by e-mail address.
#[request]
pub struct OwnerInput {
    /// The id of an existing user, or the id that the new user gets.
    pub user: Option<Id>,
    /// The e-mail address of a new user.
    pub email: Option<Email>,
    /// The first name of a new user.
    pub first_name: Option<Name>,
    /// The last name of a new user.
    pub last_name: Option<Name>,
}

/// Reads an account.
#[request]
pub struct Get {
    /// The account.
    pub account: Id,
}

/// Lists accounts, a page at a time: those of the platform, of a team, or directly below one
/// account (R-ACC-6).
///
/// Users list the accounts below their own: all of them when neither `parent` nor `team` is given.
/// One call looks at a limited number of accounts, including those that the filters leave out: a
/// page may be shorter than `limit`, and even empty, while there is a `next`.
#[request]
pub struct List {
    /// Only the accounts directly below this one.
    pub parent: Option<Id>,
    /// Only the accounts below this one, at any depth; it cannot be combined with `parent`.
    pub team: Option<Id>,
    /// Only accounts with this effective status.
    pub status: Option<Status>,
    /// Only accounts to which this package itself is assigned.
    pub package: Option<Id>,
    /// Only accounts whose name, or whose owner's e-mail address, begins with this text; case and
    /// accents do not matter. The accounts are ordered by name; accounts that were found by their
    /// owner's address come last.
    pub search: Option<Name>,
    /// Only accounts with this text anywhere in their name or in their owner's e-mail address, such
    /// as `@acme.example`; case and accents do not matter. A call looks at 2,000 accounts at most
    /// (R-ACC-8).
    pub contains: Option<Name>,
    /// The order; `id` when absent, or `name` when there is a `search`.
    pub order: Option<AccountOrder>,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// The order of a list of accounts.
#[request]
pub enum AccountOrder {
    /// The id.
    Id,
    /// The name; case does not matter.
    Name,
    /// The time of creation, the oldest first.
    Created,
}

/// Changes an account. A field that is absent stays as it is. A new time zone takes effect with the
/// next window.
///
/// Only the platform chooses the package: the host, and operators with `packages.assign`. Users
/// need `users.default_permissions` to set the default role, and cannot set a role that can do more
/// than they can.
#[request]
pub struct Edit {
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Option<Name>,
    /// The IANA name of the time zone.
    pub time_zone: Option<Name>,
    /// Another package; a package change that was planned for later is cancelled.
    pub package: Option<Id>,
    /// When the account gets the package; `now` when absent.
    pub at: Option<PackageChange>,
    /// Takes the package away; it cannot be combined with `package`.
    #[serde(default)]
    pub without_package: bool,
    /// The role that a new member gets when none is named (R-TEA-9).
    pub default_role: Option<Id>,
    /// Takes the default role away; it cannot be combined with `default_role`.
    #[serde(default)]
    pub without_default_role: bool,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// When an account gets another package (R-PKG-6).
#[request]
pub enum PackageChange {
    /// At once.
    Now,
    /// When the next month begins in the account's time zone.
    NextMonth,
}

/// Makes a pending account active, or clears the holds of one reason from a suspended account. Only
/// the holds that the actor may clear are cleared; holds of other reasons stay. An account that has
/// no owner yet stays pending (R-TEA-2).
#[request]
pub struct Activate {
    /// The account.
    pub account: Id,
    /// The reason of the holds that are cleared; `admin` when absent.
    pub reason: Option<HoldReason>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Suspends an account for a reason: places a hold, in addition to any holds of other reasons
/// (R-ACC-2). If the same level has already placed a hold of this reason, that hold stays as it is.
#[request]
pub struct Hold {
    /// The account.
    pub account: Id,
    /// The reason.
    pub reason: HoldReason,
    /// A remark for people.
    pub note: Option<Note>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Clears one hold; the others stay. Only the level that placed the hold, or a level above it, can
/// clear the hold (R-ACC-2).
#[request]
pub struct Release {
    /// The account.
    pub account: Id,
    /// The number of the hold.
    pub hold: Count,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Closes an account: it sends nothing and nobody can enter it. It can be reopened within the grace
/// period (R-ACC-3).
#[request]
pub struct Close {
    /// The account.
    pub account: Id,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Reopens a closed account within its grace period; an account that was waiting for its owner
/// waits again (R-ACC-3).
#[request]
pub struct Reopen {
    /// The account.
    pub account: Id,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Deletes an account for good; its id is never used again, and users who have no other account are
/// deleted with it (R-ACC-3).
///
/// An account that is detached keeps the caps and policies of the accounts above it. Their
/// allow-lists still restrict it: only the addresses that every list allows, its own included, stay
/// allowed. If the detached account has no package of its own, it keeps the package, limits and
/// assets of the accounts above. If it has a package of its own, it keeps that package, and the
/// limits of the accounts above no longer apply to it.
#[request]
pub struct Delete {
    /// The account.
    pub account: Id,
    /// What happens to the accounts below; required when there are any. Users must manage the team,
    /// and cannot detach accounts.
    pub children: Option<Children>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Carries out one action for many accounts (R-ACC-5). The answer says for each account whether the
/// action was carried out, or why it was refused.
///
/// An operator also needs the permission that the action needs for a single account.
#[request]
pub struct Bulk {
    /// The accounts: 1 to 500, each named once.
    pub accounts: Vec<Id>,
    /// The action.
    pub action: AccountAction,
    /// The package, for `set_package`.
    pub package: Option<Id>,
    /// The reason of the holds that `suspend` places and `activate` clears; `admin` when absent.
    pub reason: Option<HoldReason>,
    /// For `suspend`, a remark for people; for `add_credits` and `withdraw_credits`, the reason.
    pub note: Option<Note>,
    /// What the credits pay for, for `add_credits` and `withdraw_credits`.
    pub channel: Option<Channel>,
    /// How many credits each account gets or gives back, for `add_credits` and `withdraw_credits`.
    /// When absent, `withdraw_credits` takes all that are left.
    pub amount: Option<Count>,
    /// When the credits of `add_credits` expire, in unix milliseconds; never when absent.
    pub expires_at_ms: Option<Count>,
    /// An idempotency key for `add_credits` and `withdraw_credits`: a request that is repeated with
    /// the same key is carried out once for each account.
    pub key: Option<Id>,
    /// What happens to the accounts below, for `delete`.
    pub children: Option<Children>,
    /// Whether the action is carried out for all accounts or for none. If one account is refused,
    /// nothing is done, and the answer says which account was refused.
    #[serde(default)]
    pub atomic: bool,
}

/// An action that is carried out for many accounts.
#[request]
pub enum AccountAction {
    /// Makes pending accounts active, and clears the holds of the reason from suspended ones.
    Activate,
    /// Places a hold on each account, unless it has a hold of this reason already.
    Suspend,
    /// Closes the accounts.
    Close,
    /// Reopens the accounts.
    Reopen,
    /// Deletes the accounts.
    Delete,
    /// Gives the accounts a package.
    SetPackage,
    /// Gives each account credits, as `credits.grant` does.
    AddCredits,
    /// Takes credits back from each account, as `credits.withdraw` does.
    WithdrawCredits,
}

/// What happens to the accounts below an account that is deleted.
#[request]
pub enum Children {
    /// All accounts below the deleted account are deleted too.
    Delete,
    /// The accounts directly below become top accounts; the accounts below them stay below them.
    Detach,
}

/// An account.
#[answer]
pub struct Account {
    /// The id.
    pub id: Id,
    /// The name that people see.
    pub name: Name,
    /// The account above.
    pub parent: Option<Id>,
    /// The user who owns the account; absent only while the account waits for its first owner to
    /// confirm their address.
    pub owner: Option<Id>,
    /// The package.
    pub package: Option<Id>,
    /// The package that the account gets later.
    pub next_package: Option<NextPackage>,
    /// The account's own limits; the others are inherited.
    pub limits: Limits,
    /// The role that a new member gets when none is named.
    pub default_role: Option<Id>,
    /// The IANA name of the time zone in which the account's days and months begin.
    pub time_zone: String,
    /// The effective status: the worst status among this account and the accounts above it.
    pub status: Status,
    /// The holds that suspend this account itself.
    pub holds: Vec<HoldEntry>,
    /// When the account was closed, in unix milliseconds.
    pub closed_at_ms: Option<u64>,
    /// How many accounts are directly below the account.
    pub children: u64,
    /// How many members the account has.
    pub members: u64,
    /// How many users the account and all accounts below it have; each user counts once.
    pub users: u64,
    /// The account's credits for e-mails, including the reserves of groups; absent when the caller
    /// may not see them (`credits.view`).
    pub email_credits: Option<u64>,
    /// The account's credits for text messages, including the reserves of groups; absent when the
    /// caller may not see them.
    pub sms_credits: Option<u64>,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When the account was created, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the account was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of accounts.
#[answer]
pub struct AccountList {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// What is wrong with the details of an account to be created.
#[answer]
#[schemars(extend("x-yes" = "valid"))]
pub struct AccountValidation {
    /// Whether an account can be created with these details.
    pub valid: bool,
    /// What is wrong with the details.
    pub problems: Vec<Problem>,
}

/// An account that was deleted.
#[answer]
pub struct AccountDeleted {
    /// How many accounts were deleted, including this one.
    pub accounts: u64,
    /// How many users were deleted with them.
    pub users: u64,
}

/// One of many accounts.
#[answer]
pub struct BulkAccount {
    /// The account.
    pub account: Id,
}
