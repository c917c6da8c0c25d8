//! The second factor of a user: time-based codes, and recovery codes (R-SES-1).

use serde::{Deserialize, Serialize};
use tenantry_macros::answer;

/// The second factor of a user as it is stored.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct SecondFactor {
    /// The secret of the codes, encrypted with a key that is not in the store; absent until a code
    /// was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Since when the second factor applies, in unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at_ms: Option<u64>,
    /// The secret of a device that has not been confirmed with a code yet, encrypted in the same
    /// way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_secret: Option<String>,
    /// The time step of the last code that was accepted: the codes of this step and of the steps
    /// before it are used up.
    pub last_step: u64,
    /// The recovery codes that are left, as keyed hashes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovery_hashes: Vec<String>,
}

/// Whether sessions need a second factor.
#[answer]
pub enum SecondFactorPolicy {
    /// Each user decides whether to have one.
    Optional,
    /// A user who logged in without a second factor can do nothing except set one up.
    Required,
}
