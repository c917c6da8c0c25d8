//! What an account shares with those below it (R-TEA-7).

use super::Id;
use serde::{Deserialize, Serialize};

/// A resource that is shared with accounts below, as it is stored. The resource itself stays where
/// it is: there is no copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The account that shares it.
    pub account: Id,
    /// Its kind.
    pub kind: Id,
    /// Its id.
    pub id: Id,
    /// Whether every account below sees it, those that are made later too.
    pub all: bool,
    /// The accounts below that see it, where not all do.
    pub accounts: Vec<Id>,
    /// When it was shared first.
    pub shared_at_ms: u64,
}
