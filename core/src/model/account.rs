//! Accounts and their life cycle (R-ACC-1 to R-ACC-3).

use super::{Assets, Id, LimitName, Limits, Name, Note};
use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// An account as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The id.
    pub id: Id,
    /// The name that people see.
    pub name: Name,
    /// The account above.
    pub parent: Option<Id>,
    /// The user who owns the account. There is exactly one; there is none only while the account
    /// waits for its first owner to confirm their address (R-TEA-2).
    pub owner: Option<Id>,
    /// The package; when absent, the values of the account above apply.
    pub package: Option<Id>,
    /// The package that the account gets later (R-PKG-6).
    pub next_package: Option<NextPackage>,
    /// The account's own limits.
    pub overrides: Limits,
    /// The own limits that the account above set, and not the platform (R-TEA-9).
    #[serde(default)]
    pub allocated: Vec<LimitName>,
    /// The own limits that are a guaranteed part of the parent's limit (R-TEA-9).
    pub guaranteed: Vec<LimitName>,
    /// The account's own assets, beside those of its package (R-PKG-5).
    pub assets: Assets,
    /// The role that a new member gets when none is named (R-TEA-9).
    pub default_role: Option<Id>,
    /// The group into which new members come (R-GRP-1).
    pub default_group: Id,
    /// Whether the account is in the pool of its team: its suppressions apply to the team, and the
    /// team's suppressions apply to it (R-TEA-8).
    pub pooled: bool,
    /// When it first shared a template with the accounts below (R-TEA-7).
    pub shares_since_ms: Option<u64>,
    /// The IANA name of the time zone in which the account's days and months begin.
    pub time_zone: String,
    /// The stage of its life cycle.
    pub lifecycle: Lifecycle,
    /// Whether the account was deleted and its records are still being erased.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    /// The holds that suspend the account; empty when there is none.
    pub holds: Vec<Hold>,
    /// The number of the next hold.
    pub next_hold: u64,
    /// How many accounts have this one as their parent.
    pub children: u64,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When it was created.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
}

/// A package that an account will get later (R-PKG-6).
#[answer]
#[derive(Eq)]
pub struct NextPackage {
    /// The package.
    pub package: Id,
    /// When the account gets it, in unix milliseconds.
    pub from_ms: u64,
}

/// The stage of the life cycle of an account, apart from its holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Lifecycle {
    /// The account waits for its owner.
    Pending,
    /// The account is in use.
    Active,
    /// The account is closed; it can be reopened within the grace period.
    Closed {
        /// When it was closed.
        at_ms: u64,
        /// Whether the account was still waiting for its owner; if so, it waits again when it is
        /// reopened.
        was_pending: bool,
    },
}

/// One reason for which an account is suspended (R-ACC-2).
#[answer]
#[derive(Eq)]
pub struct Hold {
    /// The number of the hold within its account; `accounts.release` names it.
    pub hold: u64,
    /// The reason.
    pub reason: HoldReason,
    /// The level that placed the hold; only this level, or a level above it, can clear the hold.
    pub level: HoldLevel,
    /// Who placed the hold: `system` or a user's id.
    pub placed_by: String,
    /// The account in which the person who placed the hold acted; absent for the platform.
    pub placed_from: Option<Id>,
    /// When the hold was placed, in unix milliseconds.
    pub placed_at_ms: u64,
    /// A remark for people.
    pub note: Option<Note>,
}

/// Why an account is suspended.
#[answer]
pub enum HoldReason {
    /// An administrative decision.
    Admin,
    /// Abuse of the platform.
    Abuse,
    /// An unpaid invoice.
    Billing,
    /// A damaged sending reputation.
    Reputation,
    /// A request of the owner.
    OwnerRequest,
}

/// The level that placed a hold, from the bottom up.
#[answer]
#[derive(PartialOrd, Ord)]
pub enum HoldLevel {
    /// The account itself.
    Account,
    /// An account above it.
    Ancestor,
    /// The platform.
    Platform,
}
