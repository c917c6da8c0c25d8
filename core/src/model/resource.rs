//! Resources: references to what the host keeps, and who has it open (R-RES-1, R-RES-3).

use super::Id;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reference to a resource, as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resource {
    /// The account.
    pub account: Id,
    /// The kind: `campaign`, `list`, `template` ... or a branch of the permission tree that the
    /// host added.
    pub kind: Id,
    /// The id, unique within account and kind.
    pub id: Id,
    /// Whose it is.
    pub owner: Id,
    /// The group that it is shared in; none when an owner or administrator made it (R-GRP-3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// Whether its owner lets the group see it; it does while they hold the permission to share the
    /// kind (R-GRP-3).
    pub shared: bool,
    /// Raised by every change and every save.
    pub rev: u64,
    /// When it was registered, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// What somebody sees a resource by, the narrowest that does (R-GRP-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourceReason {
    /// It is theirs.
    Owner,
    /// It is shared in their group.
    Group,
    /// Their permission reaches everything of the account.
    Any,
    /// An account above shares it with theirs (R-TEA-7).
    SharedFromAbove,
}

/// Who gets the resources of a member who leaves (R-USR-4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourcesTo {
    /// Another member, a group, or the account.
    pub kind: ResourcesToKind,
    /// The member or the group; absent for the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
}

/// What gets the resources of a member who leaves (R-USR-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourcesToKind {
    /// A member becomes their owner; they carry that member's group.
    Member,
    /// They are shared in a group; the owner of the account owns them.
    Group,
    /// The owner of the account owns them, and they carry no group.
    Account,
}

/// Who edits a resource, as it is stored (R-RES-3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The user.
    pub user: Id,
    /// Since when.
    pub since_ms: u64,
    /// When it ends by itself.
    pub expires_at_ms: u64,
    /// From whom it was taken over: they are told that theirs is lost, not only that somebody has
    /// one.
    pub taken_from: Vec<Id>,
}
