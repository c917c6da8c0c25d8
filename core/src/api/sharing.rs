//! Templates that an account shares with those below it (R-TEA-6, R-TEA-7): requests and answers.

use crate::error::Code;
use crate::model::{Count, Cursor, Id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shares a template with accounts below: with all of them, or with those named. Sharing it again
/// replaces whom it is shared with. Only templates are ever shared, and only downwards.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The account that shares.
    pub account: Id,
    /// The kind of the resource: `template`.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// With every account below, those that are made later too; this or `accounts`.
    #[serde(default)]
    pub all: bool,
    /// With these accounts below, at most 500; this or `all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Id>,
}

/// Ends the sharing of a template, for all accounts at once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unshare {
    /// The account that shares it.
    pub account: Id,
    /// The kind of the resource: `template`.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// Lists the templates of an account that can be shared, the shared ones with whom they are shared
/// with, a page at a time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: Id,
    /// Only those that are shared, or only those that are eligible and not shared; both when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Go on here: `next` of the page before. A page may be shorter than `limit` and still have a
    /// `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Lists what the accounts above share with an account: its folder "Shared templates", a page at a
/// time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Received {
    /// The account.
    pub account: Id,
    /// Go on here: `next` of the page before. A page may be shorter than `limit` and still have a
    /// `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Says whether a user may do something with what an account above shares with theirs. What is not
/// shared is `not_found`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The account that it is shared with.
    pub account: Id,
    /// The user there.
    pub user: Id,
    /// What they want to do.
    pub action: SharedAction,
    /// The kind of the resource: `template`.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// What somebody wants to do with a shared template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharedAction {
    /// Look at it; needs `templates.view`.
    Preview,
    /// Make a campaign from it; needs `templates.use_shared`.
    Use,
    /// Change it; only where it comes from.
    Edit,
    /// Give it another name; only where it comes from.
    Rename,
    /// Delete it; only where it comes from.
    Delete,
    /// Share it further; only where it comes from.
    Share,
}

/// A template that is, or can be, shared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShareableTemplate {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// Whose it is.
    pub owner: Id,
    /// The revision of the resource.
    pub rev: u64,
    /// Whether it is shared.
    pub shared: bool,
    /// Whether every account below sees it.
    pub all: bool,
    /// The accounts below that see it, where not all do.
    pub accounts: Vec<Id>,
    /// When it was shared first, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_at_ms: Option<u64>,
}

/// A page of templates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShareableList {
    /// The templates.
    pub templates: Vec<ShareableTemplate>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// A template whose sharing ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShareEnded {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// A template that an account above shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReceivedTemplate {
    /// The account above that shares it.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// The revision of the resource as it is now; an edit above raises it.
    pub rev: u64,
    /// When the resource was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
    /// When it was shared first, in unix milliseconds.
    pub shared_at_ms: u64,
}

/// A page of the folder "Shared templates".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReceivedList {
    /// Whether the account has the folder: since an account above first shared a template, even
    /// while it is empty.
    pub folder: bool,
    /// The templates.
    pub templates: Vec<ReceivedTemplate>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// Whether somebody may do something with a shared template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "allowed"))]
pub struct SharingCheck {
    /// Whether they may.
    pub allowed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Code>,
    /// The account above that shares it.
    pub account: Id,
    /// The revision of the resource as it is now.
    pub rev: u64,
}
