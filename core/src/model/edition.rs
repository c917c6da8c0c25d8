//! What the platform's licence includes (R-PLT-1).

use serde::{Deserialize, Serialize};

/// What the platform's licence includes (R-PLT-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Edition {
    /// Everything except credits, overuse, bounce rates, limits on suppressed domains, and an
    /// account's own limit on contacts. The preset `groups` includes credits and overuse.
    #[default]
    Standard,
    /// Everything.
    Commercial,
}
