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
    /// The user who owns the resource.
    pub owner: Id,
    /// The group with which the resource is shared; none when an owner or an administrator
    /// registered it (R-GRP-3).
    pub group: Option<Id>,
    /// Whether the owner shares the resource with the group. The group sees it only as long as the
    /// owner holds the permission to share the kind (R-GRP-3).
    pub shared: bool,
    /// The revision; every change and every save raises it.
    pub rev: u64,
    /// When the resource was registered, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the resource was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// Why a user sees a resource: the narrowest reason that suffices (R-GRP-3).
#[answer]
pub enum ResourceReason {
    /// The user owns the resource.
    Owner,
    /// The resource is shared in the user's group.
    Group,
    /// The user's permission reaches all resources of the account.
    Any,
    /// An account above shares the resource with the user's account (R-TEA-7).
    SharedByAncestor,
}

/// Who gets the resources of a member who leaves (R-USR-4).
#[request]
#[derive(PartialEq, Eq)]
pub struct ResourcesTo {
    /// Whether another member, a group or the account gets the resources.
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
    /// When the user began to edit.
    pub since_ms: u64,
    /// When the lease ends unless it is renewed.
    pub expires_at_ms: u64,
    /// The users from whom the lease was taken over; their calls are refused because they lost the
    /// lease, not only because somebody else has it.
    pub taken_from: Vec<Id>,
}
