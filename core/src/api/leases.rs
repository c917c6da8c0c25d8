//! Edit leases, by which one person at a time edits a resource (R-RES-3): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/leases.md"))]

use crate::model::{Count, Id};
use tenantry_macros::{answer, request};

/// Acquires the lease of a resource for editing it. If somebody else has the lease, the call is
/// refused with `lease_held`, which names that person (R-RES-3).
#[request]
pub struct Acquire {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// How long the lease lasts unless it is renewed, in milliseconds (5,000 to 3,600,000).
    pub life_ms: Count,
    /// The user who edits; the acting user when absent. The host must name a user.
    pub user: Option<Id>,
}

/// Renews a lease, to continue editing. If the lease has ended or somebody has taken it over, the
/// call is refused with `lease_lost` (R-RES-3).
#[request]
pub struct Renew {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// How long the lease lasts from now on, in milliseconds (5,000 to 3,600,000).
    pub life_ms: Count,
    /// The user who edits; the acting user when absent. The host must name a user.
    pub user: Option<Id>,
}

/// Releases the lease of a resource (R-RES-3).
#[request]
pub struct Release {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// The user who edited; the acting user when absent. If the host names no user, the lease is
    /// released, whichever user has it.
    pub user: Option<Id>,
}

/// Takes over the lease of a resource from the user who has it. The owner and the administrators of
/// the account may do so, and users who manage its team from an account above and may edit all
/// resources of the kind (R-RES-3).
#[request]
pub struct TakeOver {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// How long the lease lasts unless it is renewed, in milliseconds (5,000 to 3,600,000).
    pub life_ms: Count,
    /// The user who edits from now on; the acting user when absent. The host must name a user.
    pub user: Option<Id>,
}

/// Shows who edits a resource now (R-RES-3). For a resource that an account above shares, users of
/// the accounts below do not see who edits it there.
#[request]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// Who edits a resource now.
#[answer]
pub struct LeaseState {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// The lease; absent when nobody edits the resource.
    pub lease: Option<EditLease>,
}

/// A lease: one person edits a resource.
#[answer]
pub struct EditLease {
    /// The user who edits.
    pub user: Id,
    /// When the user began to edit, in unix milliseconds.
    pub since_ms: u64,
    /// When the lease ends unless it is renewed, in unix milliseconds.
    pub expires_at_ms: u64,
}
