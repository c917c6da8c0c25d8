//! Threads: slots with a lease, for jobs that run at the same time (R-QTA-10): requests and
//! answers.
#![cfg_attr(doc, doc = include_str!("../../doc/threads.md"))]

use crate::model::{Count, Cursor, Id, Slot};
use tenantry_macros::{answer, request};

/// Takes a slot for a worker, within the limit `threads` of the account and of every account above
/// it (R-QTA-10).
///
/// When all slots are taken, the call is refused with `limit_reached`; `details.retry_at_ms` says
/// when enough leases will have expired, unless they are renewed. A campaign that is stopped gets
/// no slot (`bounce_stop`), and neither does a pending, suspended or closed account.
#[request]
pub struct Acquire {
    /// The account for which the worker works.
    pub account: Id,
    /// The worker, by the name that the host uses for it. A worker that needs several slots takes
    /// them one by one.
    pub holder: Id,
    /// How long the lease lasts unless it is renewed, in milliseconds (1,000 to 86,400,000).
    pub ttl_ms: Count,
    /// The campaign on which the worker works.
    pub campaign: Option<Id>,
    /// An idempotency key: the same request repeated within a day gets the same slot, and takes no
    /// other slot; another request with the same key is refused with `idempotency_mismatch`.
    pub key: Option<Id>,
}

/// Renews the lease of a slot. If the lease has expired, the call is refused with `lease_lost`
/// (R-QTA-10). A suspended or closed account cannot renew leases.
#[request]
pub struct Renew {
    /// The account.
    pub account: Id,
    /// The slot.
    pub slot: Id,
    /// How long the lease lasts from now on, in milliseconds (1,000 to 86,400,000).
    pub ttl_ms: Count,
}

/// Gives a slot back. If the lease has expired, the call is refused with `lease_lost` (R-QTA-10).
#[request]
pub struct Release {
    /// The account.
    pub account: Id,
    /// The slot.
    pub slot: Id,
}

/// Lists the slots that are taken in an account and in all accounts below it; the slot whose lease
/// ends first comes first. A slot that is renewed meanwhile can appear again on a later page.
#[request]
pub struct List {
    /// The account.
    pub account: Id,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// A page of slots.
#[answer]
pub struct SlotList {
    /// The slots; a page may be shorter than `limit`, and even empty, while there is a `next`.
    pub slots: Vec<Slot>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}
