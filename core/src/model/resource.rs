//! Resources: references to what the host stores, and who edits it now (R-RES-1, R-RES-3).

use super::Id;
use serde::{Deserialize, Serialize};
use tenantry_macros::{answer, request};

/// A reference to a resource, as it is stored and shown.
#[answer]
pub struct Resource {
    /// The account.
    pub account: Id,
    /// The kind: `campaign`, `list`, `template` or another one of the library, or a branch of the
    /// permission tree that the host added.
    pub kind: Id,
    /// The id, unique within account and kind.
    pub id: Id,
    /// The user who owns it.
    pub owner: Id,
    /// The group in which it is shared; none when an owner or an administrator made it (R-GRP-3).
    pub group: Option<Id>,
    /// Whether its owner lets the group see it; the group does see it as long as the owner holds
    /// the permission to share the kind (R-GRP-3).
    pub shared: bool,
    /// The revision; every change and every save raises it.
    pub rev: u64,
    /// When it was registered, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// Why somebody sees a resource: the narrowest reason that suffices (R-GRP-3).
#[answer]
pub enum ResourceReason {
    /// They own it.
    Owner,
    /// It is shared in their group.
    Group,
    /// Their permission reaches everything of the account.
    Any,
    /// An account above shares it with their account (R-TEA-7).
    SharedByAncestor,
}

/// Who gets the resources of a member who leaves (R-USR-4).
#[request]
#[derive(PartialEq, Eq)]
pub struct ResourcesTo {
    /// Whether another member, a group or the account gets them.
    pub kind: ResourcesToKind,
    /// The member or the group; absent for the account.
    pub id: Option<Id>,
}

/// Who gets the resources of a member who leaves (R-USR-4).
#[answer]
pub enum ResourcesToKind {
    /// A member becomes the owner of the resources, which carry that member's group.
    Member,
    /// The resources are shared in a group; the owner of the account owns them.
    Group,
    /// The owner of the account owns the resources, which carry no group.
    Account,
}

/// Who edits a resource, as it is stored (R-RES-3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The user.
    pub user: Id,
    /// When they began.
    pub since_ms: u64,
    /// When it ends unless it is renewed.
    pub expires_at_ms: u64,
    /// The users from whom it was taken over; they are told that they lost it, not only that
    /// somebody has it.
    pub taken_from: Vec<Id>,
}
