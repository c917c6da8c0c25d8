//! How much of each limit is used now: requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/usage.md"))]

use crate::model::{Count, CreditTotals, Cursor, Id, Limit, LimitName, Name, Price, Window};
use crate::rules::limit::Source;
use tenantry_macros::{answer, request};

/// Shows how much of each of its limits an account has used in the current window.
///
/// After a crash, quota that a process had drawn ahead counts as used: the number is never less
/// than what was granted.
#[request]
pub struct Get {
    /// The account.
    pub account: Id,
}

/// What an account has used.
#[answer]
pub struct Usage {
    /// The account.
    pub account: Id,
    /// One entry for each of the account's own limits.
    pub windows: Vec<UsageWindow>,
}

/// A limit and its current window.
#[answer]
pub struct UsageWindow {
    /// The name of the limit, such as `email_per_day`, or the id of the cap.
    pub limit: String,
    /// The window in which the limit or cap counts.
    pub window: Window,
    /// Whose limit or cap it is: the `account` that the call names, an `ancestor` or a `group`; for
    /// a cap also the `platform`, a `member`, `campaign`, `api_key`, `sending_domain` or
    /// `recipient_domain`.
    pub scope: String,
    /// The id of that account, group, member, campaign or API key, or the name of the domain.
    pub subject: String,
    /// The value of the limit.
    pub value: Limit,
    /// Where the value comes from.
    pub source: Source,
    /// How much of the limit is used; for a cap that spreads, how many messages of its burst still
    /// wait for their turn.
    pub used: u64,
    /// How much of the number in `used` open reservations hold, of the account and of the accounts
    /// below it; the rest has gone out (R-QTA-17). Only `usage.get` says it, and it is absent when
    /// nothing is reserved; of more than 10,000 open reservations, those that expire first count.
    pub reserved: Option<u64>,
    /// How many messages went out beyond the limit (R-QTA-7). The number includes the messages for
    /// which credits paid, which `used` does not include (R-CRD-2).
    pub overuse: u64,
    /// How much of the limit is kept for accounts below to which it is guaranteed and which have
    /// not used it yet (R-TEA-9); absent when nothing is kept.
    pub kept_apart: Option<u64>,
    /// How much is left for the account that the call names; absent when it is unlimited.
    pub remaining: Option<u64>,
    /// When the window began, in unix milliseconds.
    pub starts_at_ms: u64,
    /// When it helps to try again, in unix milliseconds: when the window ends; for a rolling
    /// window, when the oldest use no longer counts.
    pub resets_at_ms: u64,
}

/// Lists the past windows of a limit or a cap in which something went out, the oldest first. A
/// rolling hour has no past windows.
///
/// A window appears in the list with the first send of a later window. Messages that are given back
/// later are taken out of the window in which they were granted (R-QTA-6). After a crash, quota
/// that a process had drawn ahead counts as used.
#[request]
pub struct History {
    /// The account.
    pub account: Id,
    /// The limit; absent when a cap is named.
    pub limit: Option<LimitName>,
    /// The cap; absent when a limit is named.
    pub cap: Option<Id>,
    /// For a cap that counts each of several subjects separately, the subject: a member, campaign,
    /// API key or domain.
    pub subject: Option<Name>,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many windows the page has at most: 1 to 500; 50 when absent.
    pub page: Option<Count>,
}

/// A page of past windows.
#[answer]
pub struct UsageHistory {
    /// The windows.
    pub windows: Vec<UsedWindow>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// A past window.
#[answer]
pub struct UsedWindow {
    /// When the window began, in unix milliseconds.
    pub starts_at_ms: u64,
    /// When the window ended, in unix milliseconds.
    pub ends_at_ms: u64,
    /// How much was granted in the window and not given back, including what credits paid for.
    pub used: u64,
    /// How much of the number in `used` was paid for with credits, beyond the limit.
    pub paid_with_credits: u64,
}

/// Sets how much of a limit an account has really used in its current window, as the host has
/// counted. This is useful after a crash, when quota that was drawn ahead counts as used. The call
/// can only lower the count, and does not change the counts of the accounts above. In a rolling
/// hour, the oldest messages are given back first, so that never too few messages count. While
/// other processes have the store open, the call is refused with `busy`.
#[request]
pub struct Reconcile {
    /// The account.
    pub account: Id,
    /// The limit, which must be one that counts in a window.
    pub limit: LimitName,
    /// How much was used in the window by the account and all accounts below it, without what
    /// credits paid for: at most the number that is counted now.
    pub used: Count,
}

/// What was given back to a limit.
#[answer]
pub struct UsageReconciled {
    /// How much was given back.
    pub given_back: u64,
}

/// Lists what an invoice needs to know of an account and of the accounts below it, for a period
/// (R-ACC-7).
#[request]
pub struct Invoice {
    /// The account. Its own line comes first; if the actor manages the team, the lines of the
    /// accounts below follow.
    pub account: Id,
    /// The start of the period, in unix milliseconds: days that begin at this instant or later
    /// count, and credit entries of this instant or later.
    pub from_ms: Count,
    /// The end of the period, in unix milliseconds: days that begin before this instant count, and
    /// credit entries before it.
    pub until_ms: Count,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many accounts the page has at most: 1 to 500; 50 when absent.
    pub page: Option<Count>,
}

/// A page of the lines of an invoice.
#[answer]
pub struct InvoiceLines {
    /// One line for each account.
    pub lines: Vec<InvoiceLine>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// What an account has used in a period.
#[answer]
pub struct InvoiceLine {
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Name,
    /// The account above.
    pub parent: Option<Id>,
    /// The package of the account.
    pub package: Option<Id>,
    /// The monthly price of the account as a further account of its team.
    pub price: Option<Price>,
    /// How many e-mails the account and all accounts below it were granted in the days of the
    /// period and have not given back since, including those for which the account's own credits
    /// paid.
    pub email_sent: u64,
    /// The same for text messages.
    pub sms_sent: u64,
    /// What happened to the account's own credits for e-mail in the period; the accounts below have
    /// lines of their own.
    pub email_credits: CreditTotals,
    /// The same for text messages.
    pub sms_credits: CreditTotals,
    /// How many users the account and all accounts below it have now; each user counts once.
    pub users: u64,
}
