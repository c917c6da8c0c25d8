//! What an account shares with those below it (R-TEA-7).

use super::Id;
use serde::{Deserialize, Serialize};

/// A resource that is shared with accounts below, as it is stored. The resource itself is not
/// copied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The account that shares the resource.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The id of the resource.
    pub id: Id,
    /// Whether every account below sees the resource, including accounts created later.
    pub all: bool,
    /// The accounts below that see the resource, if not all of them see it.
    pub accounts: Vec<Id>,
    /// When the resource was first shared.
    pub shared_at_ms: u64,
}
