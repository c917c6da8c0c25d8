//! How much of each limit is used now: requests and answers.

use crate::model::{Count, CreditTotals, Cursor, Id, Limit, LimitName, Name, Price, Window};
use crate::rules::limit::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much of each of its limits an account has used in the current window.
///
/// After a crash what was drawn ahead counts as used: never less than what was granted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
}

/// What an account has used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// The account.
    pub account: Id,
    /// One entry for each of its own limits.
    pub windows: Vec<UsageWindow>,
}

/// A limit and its current window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageWindow {
    /// The name of the limit, such as `email_per_day`, or the id of the cap.
    pub limit: String,
    /// The window that it counts in.
    pub window: Window,
    /// Whose: the `account` that was asked for, an `ancestor`, a `group`, or for a cap also a
    /// `member`, `campaign`, `api_key`, `sending_domain` or `recipient_domain`.
    pub scope: String,
    /// The id of that account or group, member, campaign or API key, or the domain.
    pub subject: String,
    /// The value of the limit.
    pub value: Limit,
    /// Where the value comes from.
    pub source: Source,
    /// How much is used; of a cap that spreads, how many of its burst wait for their turn.
    pub used: u64,
    /// How much of it is beyond the limit, where that is let through (R-QTA-7); what credits paid
    /// for comes on top of what is used of the limit (R-CRD-2).
    pub overuse: u64,
    /// How much of it is kept apart for accounts below that are guaranteed it, and not used by them
    /// yet (R-TEA-9); absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_apart: Option<u64>,
    /// How much is left, for who is asked about; absent where it is unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// When the window began, in unix milliseconds.
    pub starts_at_ms: u64,
    /// When it helps to try again, in unix milliseconds: when the window ends, or where it rolls,
    /// when the first of what is used counts no longer.
    pub resets_at_ms: u64,
}

/// The windows of a limit or a cap that are over and that something went out in, the oldest first.
/// A rolling hour has none.
///
/// A window appears with the first send of a later one. What is given back later is taken out of
/// the window that it was granted in (R-QTA-6). After a crash what was drawn ahead counts as used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The account.
    pub account: Id,
    /// The limit; absent for a cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitName>,
    /// The cap; absent for a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Id>,
    /// Whose count of the cap, where it counts for each: a member, campaign or domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Name>,
    /// Go on after the page that answered this `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Count>,
}

/// Windows that are over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageHistory {
    /// The windows.
    pub windows: Vec<UsedWindow>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// A window that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsedWindow {
    /// When it began, in unix milliseconds.
    pub starts_at_ms: u64,
    /// When it ended, in unix milliseconds.
    pub ends_at_ms: u64,
    /// How much was granted in it and not given back, with what credits paid for.
    pub used: u64,
    /// How much of it credits paid for, beyond the limit.
    pub paid_with_credits: u64,
}

/// Says how much of a limit of an account was really used in its current window, where the host has
/// counted: after a crash what was drawn ahead counts as used. It only gives back; the accounts
/// above are reconciled by themselves. Of a rolling hour the oldest messages come back first, so
/// that never too few of them count.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconcile {
    /// The account.
    pub account: Id,
    /// The limit, one that counts in a window.
    pub limit: LimitName,
    /// How much went out in the window, by the account and all below it, without what credits paid
    /// for: at most what is counted.
    pub used: Count,
}

/// What came back of a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageReconciled {
    /// How much of it.
    pub given_back: u64,
}

/// What an invoice needs to know of an account and of those below it, for a period (R-ACC-7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invoice {
    /// The account: its own line comes first, then those below it where the actor manages its team.
    pub account: Id,
    /// The days that begin from this instant on, and credits from it on, in unix milliseconds.
    pub from_ms: Count,
    /// The days that begin before this instant, and credits before it, in unix milliseconds.
    pub until_ms: Count,
    /// Go on after the page that answered this `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many accounts (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Count>,
}

/// Lines of an invoice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceLines {
    /// One for each account.
    pub lines: Vec<InvoiceLine>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// What an account has used in a period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceLine {
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Name,
    /// The account above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// Its package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// What it costs each month as a further account of its team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// How many e-mails it and all accounts below it were granted in those days and did not give
    /// back, then or later; with what its own credits paid for.
    pub email_sent: u64,
    /// The same for text messages.
    pub sms_sent: u64,
    /// What became of its own credits for e-mail in the period; those below it have lines of their
    /// own.
    pub email_credits: CreditTotals,
    /// The same for text messages.
    pub sms_credits: CreditTotals,
    /// How many users it and all accounts below it have now, each once.
    pub users: u64,
}
