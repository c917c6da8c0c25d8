//! Resources: references to what the host stores, such as campaigns and lists, and who may do what
//! with them (R-RES-1, R-RES-2, R-GRP-3): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/resources.md"))]

use crate::error::Code;
use crate::model::{Count, Cursor, Id, Resource, ResourceReason, Scope};
use tenantry_macros::{answer, request};

/// Registers a resource; users register resources of their own. The resource carries the group of
/// its owner (R-RES-1, R-GRP-3).
///
/// The kind is `campaign`, `list`, `template`, `form`, `page`, `image`, `blacklist`, `segment`,
/// `program`, `report`, `from_address`, or a branch with scopes that the host added to the
/// permission tree.
#[request]
pub struct Register {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The host's own id, unique within account and kind.
    pub id: Id,
    /// The member who owns the resource. When absent: the acting user, or the owner of the account
    /// if the actor is not a member of it.
    pub owner: Option<Id>,
}

/// Changes whether a resource is shared with the group, or gives it to another member, whose group
/// it then carries (R-GRP-3).
///
/// The owner of the resource may share it, and needs no permission to stop sharing it. Users whose
/// permission reaches all resources may share it and stop sharing it too, and only they may give it
/// to another member. The group sees a shared resource as long as its owner holds the permission to
/// share the kind (such as `lists.share`).
#[request]
pub struct Edit {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// The member to whom the resource is given.
    pub owner: Option<Id>,
    /// Whether the group sees the resource.
    pub shared: Option<bool>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Records that the content was saved, and raises the revision. A stale revision is refused with
/// `rev_conflict`, so that nobody overwrites the work of somebody else (R-RES-3).
#[request]
pub struct Save {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// The revision on which the saved content is based.
    pub expected_rev: Count,
    /// The user who saves; the acting user when absent. Only the host can name another user.
    pub user: Option<Id>,
}

/// Removes the reference to a resource that the host has deleted.
#[request]
pub struct Remove {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// The revision on which the decision is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Reads a resource of an account, or a resource that an account above shares with it. For a shared
/// resource, `account` in the answer is the account above, and users of the accounts below do not
/// see its `owner`, unless they are the owner (R-TEA-7).
#[request]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// Stops sharing a member's resources of a kind with the member's group, including resources that
/// are registered later (R-GRP-3). Members need no permission to stop sharing their own resources.
/// A member who lacks the permission to share the kind (such as `lists.share`) shares no resource
/// of the kind in any case.
#[request]
pub struct UnshareKind {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The member; the acting user when absent. Only the host, and users who may share all
    /// resources of the kind, can name another user.
    pub user: Option<Id>,
}

/// Shares a member's resources of a kind with the member's group again, except the resources that
/// were unshared one by one (R-GRP-3).
#[request]
pub struct ShareKind {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The member; the acting user when absent. Only the host, and users who may share all
    /// resources of the kind, can name another user.
    pub user: Option<Id>,
}

/// Says whether a user may do something with a resource, and for which reason (R-RES-2).
#[request]
pub struct Can {
    /// The account.
    pub account: Id,
    /// The user; the acting user when absent. To ask about somebody else, the actor needs
    /// `users.view`.
    pub user: Option<Id>,
    /// The action: the last part of a permission of the kind, such as `view`, `edit` or `send`.
    pub action: Id,
    /// The kind.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// Lists the resources of a kind that a user sees: their own, those shared in their group, or all
/// (R-RES-2).
#[request]
pub struct Visible {
    /// The account.
    pub account: Id,
    /// The user; the acting user when absent. To ask about somebody else, the actor needs
    /// `users.view`.
    pub user: Option<Id>,
    /// The kind.
    pub kind: Id,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Lists the owners whose resources of a kind a user sees, so that the host can use them in a query
/// of its own (R-GRP-3).
#[request]
pub struct ListVisibleOwners {
    /// The account.
    pub account: Id,
    /// The user; the acting user when absent. To ask about somebody else, the actor needs
    /// `users.view`.
    pub user: Option<Id>,
    /// The kind; each kind has a permission of its own, which may have a different scope.
    pub kind: Id,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// A resource that was removed.
#[answer]
pub struct ResourceRemoved {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// The kinds of resources that a member does not share with their group.
#[answer]
pub struct UnsharedKinds {
    /// The account.
    pub account: Id,
    /// The member.
    pub user: Id,
    /// The kinds, in the order of their names.
    pub unshared: Vec<Id>,
}

/// Whether a user may do something with a resource.
#[answer]
#[schemars(extend("x-yes" = "allowed"))]
pub struct ResourceDecision {
    /// Whether the user may do it.
    pub allowed: bool,
    /// The permission that was asked for.
    pub permission: String,
    /// How far the user's permission reaches; absent when the user does not hold it.
    pub scope: Option<Scope>,
    /// Why the user may do it: the narrowest reason that suffices.
    pub reason: Option<ResourceReason>,
    /// The code that says why the user may not do it: the status of the account, the user or the
    /// membership, or `permission_denied`.
    pub refusal: Option<Code>,
}

/// A page of resources.
#[answer]
pub struct ResourceList {
    /// The resources; a page may be shorter than `limit`, and even empty, while there is a `next`.
    pub resources: Vec<Resource>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// The owners whose resources of a kind a user sees.
#[answer]
pub struct VisibleOwners {
    /// Whether the user sees everybody's resources; no owners are listed then.
    pub everything: bool,
    /// The owners of at least one resource that the user sees, the user first; a page may be
    /// shorter than `limit` while there is a `next`.
    pub owners: Vec<VisibleOwner>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// An owner whose resources a user sees.
#[answer]
pub struct VisibleOwner {
    /// The owner.
    pub user: Id,
    /// Whether the user sees all resources of the kind that this owner has. If not,
    /// `resources.visible` lists the resources that the user sees: the others are not shared, or
    /// stayed with another group.
    pub all: bool,
}
