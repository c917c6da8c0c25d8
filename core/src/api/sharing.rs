//! Templates that an account shares with those below it (R-TEA-6, R-TEA-7): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/sharing.md"))]

use crate::error::Code;
use crate::model::{Count, Cursor, Id};
use tenantry_macros::{answer, request};

/// Shares a template with accounts below: with all of them, or with those that are named. If the
/// template is shared again, the new accounts replace the old ones. Only templates can be shared,
/// and only with accounts below.
#[request]
pub struct Share {
    /// The account that shares.
    pub account: Id,
    /// The kind of the resource: `template`.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// Whether the template is shared with every account below, including accounts created later;
    /// give either this or `accounts`.
    #[serde(default)]
    pub all: bool,
    /// The accounts below with which the template is shared, at most 500; give either this or
    /// `all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Id>,
}

/// Ends the sharing of a template, for all accounts at once.
#[request]
pub struct Unshare {
    /// The account that shares the template.
    pub account: Id,
    /// The kind of the resource: `template`.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// Lists the templates of an account that can be shared, a page at a time. For a shared template,
/// the list also names the accounts with which it is shared.
#[request]
pub struct List {
    /// The account.
    pub account: Id,
    /// Only templates that are shared, or only templates that can be shared but are not; both when
    /// absent.
    pub shared: Option<bool>,
    /// Where the page begins: the `next` of the previous page. A page may be shorter than `limit`
    /// and still have a `next`.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Lists the templates that the accounts above share with an account, a page at a time: the
/// account's folder "Shared templates".
#[request]
pub struct Received {
    /// The account.
    pub account: Id,
    /// Where the page begins: the `next` of the previous page. A page may be shorter than `limit`
    /// and still have a `next`.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Says whether a user may do something with a template that an account above shares with their
/// account. A template that is not shared is refused with `not_found`.
#[request]
pub struct Check {
    /// The account with which the template is shared.
    pub account: Id,
    /// The user in that account.
    pub user: Id,
    /// What the user wants to do.
    pub action: SharedAction,
    /// The kind of the resource: `template`.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// What a user wants to do with a shared template.
#[request]
pub enum SharedAction {
    /// To look at it; it needs `templates.view`.
    Preview,
    /// To make a campaign from it; it needs `templates.use_shared`.
    Use,
    /// To change it; possible only in the account that shares it.
    Edit,
    /// To rename it; possible only in the account that shares it.
    Rename,
    /// To delete it; possible only in the account that shares it.
    Delete,
    /// To share it further; possible only in the account that shares it.
    Share,
}

/// A template that is shared or can be shared.
#[answer]
pub struct ShareableTemplate {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// The user who owns the template.
    pub owner: Id,
    /// The revision of the resource.
    pub rev: u64,
    /// Whether the template is shared.
    pub shared: bool,
    /// Whether every account below sees the template.
    pub all: bool,
    /// The accounts below that see the template, if not all of them see it.
    pub accounts: Vec<Id>,
    /// When the template was first shared, in unix milliseconds.
    pub shared_at_ms: Option<u64>,
}

/// A page of templates.
#[answer]
pub struct ShareableList {
    /// The templates.
    pub templates: Vec<ShareableTemplate>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// A template whose sharing ended.
#[answer]
pub struct ShareEnded {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// A template that an account above shares.
#[answer]
pub struct ReceivedTemplate {
    /// The account above that shares the template.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// The revision that the resource has now; a change in the account above raises it.
    pub rev: u64,
    /// When the resource was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
    /// When the template was first shared, in unix milliseconds.
    pub shared_at_ms: u64,
}

/// A page of the folder "Shared templates".
#[answer]
pub struct ReceivedList {
    /// Whether the account has the folder: it appears when an account above first shares a
    /// template, and stays even while it is empty.
    pub folder: bool,
    /// The templates.
    pub templates: Vec<ReceivedTemplate>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// Whether a user may do something with a shared template.
#[answer]
#[schemars(extend("x-yes" = "allowed"))]
pub struct SharingCheck {
    /// Whether the user may do it.
    pub allowed: bool,
    /// The code that says why the user may not do it.
    pub refusal: Option<Code>,
    /// The account above that shares the template.
    pub account: Id,
    /// The revision that the resource has now.
    pub rev: u64,
}
