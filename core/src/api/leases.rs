//! Edit leases: one person at a time edits a resource (R-RES-3): requests and answers.

use crate::model::{Count, Id};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Begins to edit a resource. Somebody else who does so already is named in `lease_held` (R-RES-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acquire {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// How long the lease lives unless it is renewed, in milliseconds (5,000 to 3,600,000).
    pub life_ms: Count,
    /// Who edits; the acting user when absent. The host names somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
}

/// Goes on editing. After the lease has ended, or was taken over, it is `lease_lost` (R-RES-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// How long the lease lives from now on, in milliseconds (5,000 to 3,600,000).
    pub life_ms: Count,
    /// Who edits; the acting user when absent. The host names somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
}

/// Stops editing (R-RES-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// Who edited; the acting user when absent. When the host names nobody, whoever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
}

/// Takes the lease from whoever has it: owner and administrators, and who may edit everything of
/// the kind (R-RES-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeOver {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// How long the lease lives unless it is renewed, in milliseconds (5,000 to 3,600,000).
    pub life_ms: Count,
    /// Who edits from now on; the acting user when absent. The host names somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
}

/// Says who edits a resource now (R-RES-3). Of what an account above shares, people below are not
/// told who edits it there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
}

/// Who edits a resource now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeaseState {
    /// The account.
    pub account: Id,
    /// The kind of the resource.
    pub kind: Id,
    /// The resource.
    pub id: Id,
    /// The lease; absent when nobody edits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<EditLease>,
}

/// A lease: one person edits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EditLease {
    /// Who.
    pub user: Id,
    /// Since when, in unix milliseconds.
    pub since_ms: u64,
    /// When it ends unless it is renewed, in unix milliseconds.
    pub expires_at_ms: u64,
}
