//! What an account shares with those below it (R-TEA-7).

use super::Id;
use serde::{Deserialize, Serialize};

/// A resource that is shared with accounts below, as it is stored. The resource itself is not
/// copied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The account that shares it.
    pub account: Id,
    /// Its kind.
    pub kind: Id,
    /// Its id.
    pub id: Id,
    /// Whether every account below sees it, including those created later.
    pub all: bool,
    /// The accounts below that see it, when not all of them do.
    pub accounts: Vec<Id>,
    /// When it was first shared.
    pub shared_at_ms: u64,
}
