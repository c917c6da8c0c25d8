//! May this user do this here? (R-ROL-9): requests and answers.

use crate::error::Code;
use crate::model::{Count, Cursor, Id, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a user may do something in an account. The prepared and by-id calls of each language
/// answer the same.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The permission.
    pub permission: Id,
}

/// Why a user may or may not do something: which grant, ceiling or denial decided (R-ROL-9).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The permission.
    pub permission: Id,
}

/// Everything that a user may do in an account now, and how far each permission reaches (R-ROL-9).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatCan {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
}

/// Everybody who may do something in an account now, a page at a time (R-ROL-9).
///
/// First those who reach it from the accounts above, from the top down, then its own members; each
/// by user id. One call looks at a bounded number of users: a page may be shorter than asked for,
/// and even empty, while there is a `next`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhoCan {
    /// The account.
    pub account: Id,
    /// The permission.
    pub permission: Id,
    /// Go on here: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// The answer to a permission check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "allowed"))]
pub struct AccessCheck {
    /// Whether the user may.
    pub allowed: bool,
}

/// What a user may do in an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccessPowers {
    /// Why nothing at all, where a code says it: the status of the account, the user or the
    /// membership.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Code>,
    /// By what they hold it; absent for who is no member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_as: Option<AccessHeldAs>,
    /// What they may do now, in the order of the permission tree; what is not here they may not.
    pub permissions: Vec<AccessPower>,
}

/// A permission that somebody holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccessPower {
    /// The permission.
    pub permission: String,
    /// How far it reaches; `any` where it has no scope.
    pub scope: Scope,
}

/// A page of those who may do something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccessHolderList {
    /// Who may.
    pub holders: Vec<AccessHolder>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// Somebody who may do something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccessHolder {
    /// The user.
    pub user: Id,
    /// By what they hold it.
    pub held_as: AccessHeldAs,
    /// The account whose member they are: this one, or one above it.
    pub account: Id,
    /// Their role there; the owner needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// How far the permission reaches; `any` where it has no scope.
    pub scope: Scope,
}

/// By what somebody holds what they hold in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessHeldAs {
    /// They own the account.
    Owner,
    /// They are a member of it.
    Member,
    /// They manage the team from an account above it.
    Above,
}

/// A permission check explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "allowed"))]
pub struct AccessExplanation {
    /// Whether the user may.
    pub allowed: bool,
    /// How far the permission reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The ids from the top of the permission tree to this permission.
    pub path: Vec<String>,
    /// Why not, where a code says it: the status of the account, the user or the membership, or
    /// `permission_denied`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Code>,
    /// What was looked at, in order; the last entry decided.
    pub steps: Vec<AccessStep>,
}

/// One thing that a permission check looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccessStep {
    /// What kind of thing.
    pub kind: AccessStepKind,
    /// The role, account or user that it belongs to.
    pub subject: Id,
    /// The roles that include the subject, from the member's own down; absent where it is the
    /// member's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included_by: Vec<Id>,
    /// The account that it comes from: that of the membership, or the one whose package sets a
    /// ceiling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The package whose role is a ceiling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// The node that was granted or denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// How far it reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The status that forbids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// What kind of thing a permission check looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessStepKind {
    /// The permission is for operators of the platform, never for users of an account.
    OperatorsOnly,
    /// The user reaches the account from one above it, with what they hold there.
    Above,
    /// The user is the owner: every permission, under the ceilings.
    Owner,
    /// By policy members hold what the package's role allows, not what a role of their own does.
    ByPackage,
    /// A role allows it.
    Grant,
    /// The role is that of an administrator, whose every scope is `any`.
    Administrator,
    /// A role denies it.
    Denial,
    /// Nothing allows it: no role of the member, no package with a role where the package decides,
    /// or no membership of the account itself where it takes one.
    NoGrant,
    /// The role of a package leaves it, so far.
    Ceiling,
    /// The role of a package does not leave it.
    CeilingMissing,
    /// Somebody acts as the user, or a program with an API key for them: how far they may do it
    /// bounds what the user may (R-SES-6, R-SES-7).
    Behind,
    /// The status of account, user or membership forbids everything; where `account` is said, all
    /// that the membership of that account would give.
    Status,
}
