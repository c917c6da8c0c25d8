//! Resources: references to what the host keeps, and who may do what with which (R-RES-1, R-RES-2,
//! R-GRP-3): requests and answers.

use crate::error::Code;
use crate::model::{Count, Cursor, Id, Resource, ResourceReason, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Registers a resource; a user, one that is their own. It carries the group of its owner (R-RES-1,
/// R-GRP-3).
///
/// The kind is `campaign`, `list`, `template`, `form`, `page`, `image`, `blacklist`, `segment`,
/// `program`, `report`, `from_address`, or a branch with scopes that the host added to the
/// permission tree.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The host's own id, unique within account and kind.
    pub id: Id,
    /// The member whose it is. When absent: the acting user; the owner of the account for who is
    /// not a member of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Id>,
}

/// Shares a resource with the group or no longer; gives it to another member, whose group it then
/// carries (R-GRP-3).
///
/// Its owner shares it, who needs no permission to stop, and so does who reaches everything; only
/// the latter gives it away. The group sees what is shared while the owner holds the permission to
/// share the kind (`lists.share`).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// Another member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Id>,
    /// Whether the group sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// The content was saved: raises the revision. A stale one is `rev_conflict`, so that nobody
/// overwrites another's work (R-RES-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Save {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// The revision that the work began from.
    pub expected_rev: Count,
    /// Who saves; the acting user when absent. Another is named by the host alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
}

/// Removes the reference to a resource that the host has deleted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// The revision that the decision was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Reads a resource of an account, or one that an account above shares with it: of that, `account`
/// is the account above, and people below are told no other `owner` (R-TEA-7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// From now on the group does not see a member's resources of a kind, those to come included
/// (R-GRP-3). Nobody needs a permission to keep their own. Who lacks the permission to share a kind
/// (`lists.share`) shares nothing of it anyway.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnshareKind {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// Whose resources; the acting user's when absent. Another is named by the host, and by who may
    /// share everything of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
}

/// The group sees a member's resources of a kind again, but for those that are not shared one by
/// one (R-GRP-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareKind {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// Whose resources; the acting user's when absent. Another is named by the host, and by who may
    /// share everything of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
}

/// Whether a user may do something with a resource, and by what (R-RES-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Can {
    /// The account.
    pub account: Id,
    /// The user; the acting one when absent. Others are asked about with `users.view`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The last part of a permission of the kind: `view`, `edit`, `send` ...
    pub action: Id,
    /// The kind.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// Lists the resources of a kind that a user sees: their own, those shared in their group, or all
/// (R-RES-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Visible {
    /// The account.
    pub account: Id,
    /// The user; the acting one when absent. Others are asked about with `users.view`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The kind.
    pub kind: Id,
    /// Go on where the page before ended: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Lists the owners whose resources of a kind a user sees, for a query of the host's own (R-GRP-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListVisibleOwners {
    /// The account.
    pub account: Id,
    /// The user; the acting one when absent. Others are asked about with `users.view`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The kind: each has a permission, and so a reach, of its own.
    pub kind: Id,
    /// Go on where the page before ended: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// A resource that was removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceRemoved {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// The kinds of resources that a member keeps from their group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnsharedKinds {
    /// The account.
    pub account: Id,
    /// The member.
    pub user: Id,
    /// The kinds, in order.
    pub unshared: Vec<Id>,
}

/// Whether a user may do something with a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "allowed"))]
pub struct ResourceDecision {
    /// Whether they may.
    pub allowed: bool,
    /// The permission that was asked for.
    pub permission: String,
    /// How far the user's permission reaches; absent where they do not hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// By what they may, the narrowest that suffices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ResourceReason>,
    /// Why not: the status of account, user or membership, or `permission_denied`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Code>,
}

/// A page of resources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceList {
    /// The resources; a page can be shorter than asked for, and even empty, while there is a
    /// `next`.
    pub resources: Vec<Resource>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// Whose resources of a kind a user sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VisibleOwners {
    /// Everybody's, so that no owners are listed.
    pub everything: bool,
    /// Those of whom the user sees something, the user first; a page can be shorter than asked for
    /// while there is a `next`.
    pub owners: Vec<VisibleOwner>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// An owner of whom a user sees resources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VisibleOwner {
    /// The owner.
    pub user: Id,
    /// Whether every resource of the kind that is theirs is seen. Where not, `resources.visible`
    /// says which are: some are not shared, or stayed with another group.
    pub all: bool,
}
