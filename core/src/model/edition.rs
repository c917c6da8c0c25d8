//! What the platform's licence includes (R-PLT-1).

use serde::{Deserialize, Serialize};

/// What the platform's licence includes (R-PLT-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Edition {
    /// Everything except credits, overuse, and limits on bounces, suppressed domains and the
    /// contacts of one account.
    #[default]
    Standard,
    /// Everything.
    Commercial,
}
