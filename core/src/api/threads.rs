//! Threads: slots with a lease for the jobs that run at the same time (R-QTA-10): requests and
//! answers.

use crate::model::{Count, Cursor, Id, Slot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes a slot for a worker, within the limit `threads` of the account and of every account above
/// it (R-QTA-10).
///
/// When all are taken it is `limit_reached`, with `details.retry_at_ms`: when enough leases have
/// run out, unless they are renewed. A campaign that is stopped gets none (`bounce_stop`), nor does
/// an account that is pending, suspended or closed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acquire {
    /// The account that the worker works for.
    pub account: Id,
    /// The worker, as the host names it. One that needs several slots takes them one by one.
    pub holder: Id,
    /// How long the lease lives unless it is renewed, in milliseconds (1,000 to 86,400,000).
    pub ttl_ms: Count,
    /// The campaign that it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Id>,
    /// Asked again within a day with the same key it gets the same slot, and no other; another
    /// request is `idempotency_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Id>,
}

/// Keeps a slot for longer. After the lease has run out it is `lease_lost` (R-QTA-10); an account
/// that is suspended or closed keeps none for longer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// The account.
    pub account: Id,
    /// The slot.
    pub slot: Id,
    /// How long the lease lives from now on, in milliseconds (1,000 to 86,400,000).
    pub ttl_ms: Count,
}

/// Gives a slot back. After the lease has run out it is `lease_lost` (R-QTA-10).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The account.
    pub account: Id,
    /// The slot.
    pub slot: Id,
}

/// Lists the slots that are taken in an account and in all accounts below it, the one that ends
/// first at the top. One that is renewed meanwhile can come again on a later page.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: Id,
    /// Go on after this: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// A page of slots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlotList {
    /// The slots; a page can be shorter than asked for, and even empty, while there is a `next`.
    pub slots: Vec<Slot>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}
