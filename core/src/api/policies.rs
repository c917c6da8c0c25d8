//! Policies: the settings in which platforms differ, for the platform and for single accounts
//! (R-PLT-3): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/policies.md"))]

use crate::api::put::PutOutcome;
use crate::model::{EffectivePolicies, Id, Name, Policies, Preset as NamedPreset};
use crate::rules::policy::PolicySource;
use tenantry_macros::{answer, request};

/// Shows which policies apply to an account, or to the platform, and where each of them comes from
/// (R-PLT-3).
#[request]
pub struct Get {
    /// The account; when absent, the platform.
    pub account: Option<Id>,
}

/// Sets single policies of an account, or of the platform. A policy that is absent stays as it is.
#[request]
pub struct Set {
    /// The account; when absent, the platform.
    pub account: Option<Id>,
    /// The policies to set.
    pub policies: Policies,
}

/// Gives an account, or the platform, exactly these policies: the preset and the single policies of
/// the request, and no others. A policy that is absent is removed, so that the value of the level
/// above applies again. Where the policies are set like this already, nothing is written; so a
/// script can do the same again.
#[request]
pub struct Put {
    /// The account; when absent, the platform.
    pub account: Option<Id>,
    /// The preset; when absent, there is none.
    pub preset: Option<NamedPreset>,
    /// The policies that are set one by one, and take precedence over the preset.
    #[serde(default)]
    pub policies: Policies,
}

/// Removes single policies, so that the value of the level above applies again.
#[request]
pub struct Unset {
    /// The account; when absent, the platform.
    pub account: Option<Id>,
    /// The names of the policies, such as `seats`; at most 500.
    pub names: Vec<Name>,
}

/// Gives an account, or the platform, a preset: a named set of policies. Policies that are set one
/// by one take precedence over the preset.
#[request]
pub struct Preset {
    /// The account; when absent, the platform.
    pub account: Option<Id>,
    /// The preset; when absent, the preset is removed.
    pub preset: Option<NamedPreset>,
}

/// The policies that apply, and where each of them comes from.
#[answer]
pub struct PolicyReport {
    /// The account; absent for the platform.
    pub account: Option<Id>,
    /// The preset of this account itself, or of the platform.
    pub preset: Option<NamedPreset>,
    /// The single policies that are set on this account itself, or on the platform.
    pub set: Policies,
    /// The policies that apply.
    pub policies: EffectivePolicies,
    /// Where each of them comes from, ordered by name.
    pub sources: Vec<PolicyOrigin>,
}

/// Policies that were put into a state.
#[answer]
pub struct PolicyPut {
    /// The policies that apply now, and where each of them comes from.
    pub report: PolicyReport,
    /// What was done: `created` if neither a preset nor a single policy was set before.
    pub outcome: PutOutcome,
}

/// Where the value of a policy comes from.
#[answer]
pub struct PolicyOrigin {
    /// The policy.
    pub policy: String,
    /// The kind of level at which the policy is set.
    pub source: PolicySource,
    /// The account whose setting or preset it is; absent for the platform and for the default.
    pub account: Option<Id>,
}
