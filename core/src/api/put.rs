//! What `roles.put`, `packages.put` and `policies.put` answer besides the record, so that a script
//! which sets a platform up can run twice.
//!
//! # Example
//!
//! [`roles`](crate::api::roles#example) shows a role that is put twice.

use tenantry_macros::answer;

/// What a `put` did.
#[answer]
pub enum PutOutcome {
    /// The record was not there, and was created.
    Created,
    /// The record was there with other fields, and was changed.
    Changed,
    /// The record was there as it should be; nothing was written, and the audit has no entry.
    Unchanged,
}
