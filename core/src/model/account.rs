//! Accounts and their life cycle (R-ACC-1 to R-ACC-3).

use super::{Id, Limits, Name, Note};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An account as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The id.
    pub id: Id,
    /// The name that people see.
    pub name: Name,
    /// The account above.
    pub parent: Option<Id>,
    /// The user who owns it; exactly one.
    pub owner: Id,
    /// The package; without one the parent's values count.
    pub package: Option<Id>,
    /// The limits that the account has of its own.
    pub overrides: Limits,
    /// IANA name of the time zone of its days and months.
    pub time_zone: String,
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// What suspends it; empty when nothing does.
    pub holds: Vec<Hold>,
    /// The number of the next hold.
    pub next_hold: u64,
    /// How many accounts have this one as their parent.
    pub children: u64,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
}

/// The life of an account, apart from its holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Lifecycle {
    /// Waits for its owner.
    Pending,
    /// In use.
    Active,
    /// Ended; can be reopened within the grace period.
    Closed {
        /// When it was closed.
        at_ms: u64,
        /// Whether it was still waiting for its owner; then it waits again when it is reopened.
        was_pending: bool,
    },
}

/// One reason for which an account is suspended (R-ACC-2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// The number of the hold within its account; `accounts.release` names it.
    pub hold: u64,
    /// Why.
    pub reason: HoldReason,
    /// The level that placed it; the same level or one above clears it.
    pub level: HoldLevel,
    /// Who placed it: `system` or a user's id.
    pub placed_by: String,
    /// When, in unix milliseconds.
    pub placed_at_ms: u64,
    /// A remark for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// Why an account is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// An administrative decision.
    Admin,
    /// Abuse of the platform.
    Abuse,
    /// An unpaid invoice.
    Billing,
    /// A damaged sending reputation.
    Reputation,
    /// The owner asked for it.
    OwnerRequest,
}

/// Who can clear a hold, from the bottom up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldLevel {
    /// The account itself.
    Account,
    /// An account above it.
    Ancestor,
    /// The platform.
    Platform,
}
