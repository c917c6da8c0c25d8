//! Permission checks: whether a user may do something in an account, and why (R-ROL-9): requests
//! and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/access.md"))]

use crate::error::Code;
use crate::model::{Count, Cursor, Id, Scope};
use tenantry_macros::{answer, request};

/// Says whether a user may do something in an account. The prepared calls and the calls by id in
/// each language give the same answer.
#[request]
pub struct Check {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The permission.
    pub permission: Id,
}

/// Explains why a user may or may not do something: which grant, ceiling or denial decided
/// (R-ROL-9).
#[request]
pub struct Explain {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The permission.
    pub permission: Id,
}

/// Lists everything that a user may do in an account now, and how far each permission reaches
/// (R-ROL-9).
#[request]
pub struct WhatCan {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
}

/// Lists everybody who may do something in an account now, a page at a time (R-ROL-9).
///
/// The users who reach the account from an account above it come first, from the top account down;
/// the account's own members follow. Each part is ordered by user id. One call looks at a limited
/// number of users: a page may be shorter than `limit`, and even empty, while there is a `next`.
#[request]
pub struct WhoCan {
    /// The account.
    pub account: Id,
    /// The permission.
    pub permission: Id,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// The answer to a permission check.
#[answer]
#[schemars(extend("x-yes" = "allowed"))]
pub struct AccessCheck {
    /// Whether the user may do it.
    pub allowed: bool,
}

/// What a user may do in an account.
#[answer]
pub struct UserPermissions {
    /// If the user may do nothing at all in the account, the code that says why: the status of the
    /// account, the user or the membership, or `not_member`.
    pub refusal: Option<Code>,
    /// How the user holds the permissions; absent for a user who has no access to the account.
    pub held_as: Option<AccessHeldAs>,
    /// What the user may do now, in the order of the permission tree; everything that is not listed
    /// is forbidden.
    pub permissions: Vec<HeldPermission>,
}

/// A permission that a user holds.
#[answer]
pub struct HeldPermission {
    /// The permission.
    pub permission: String,
    /// How far the permission reaches; `any` for a permission that has no scope.
    pub scope: Scope,
}

/// A page of the users who may do something.
#[answer]
pub struct AccessHolderList {
    /// The users who may do it.
    pub holders: Vec<AccessHolder>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// A user who may do something.
#[answer]
pub struct AccessHolder {
    /// The user.
    pub user: Id,
    /// How the user holds the permission.
    pub held_as: AccessHeldAs,
    /// The account of which the user is a member: this account, or an account above it.
    pub account: Id,
    /// The user's role in that account; an owner needs no role.
    pub role: Option<Id>,
    /// How far the permission reaches; `any` for a permission that has no scope.
    pub scope: Scope,
}

/// How a user holds permissions in an account.
#[answer]
pub enum AccessHeldAs {
    /// The user owns the account.
    Owner,
    /// The user is a member of the account.
    Member,
    /// The user manages the team from an account above.
    Ancestor,
}

/// A permission check explained.
#[answer]
#[schemars(extend("x-yes" = "allowed"))]
pub struct AccessExplanation {
    /// Whether the user may do it.
    pub allowed: bool,
    /// How far the permission reaches.
    pub scope: Option<Scope>,
    /// The ids from the top of the permission tree to this permission.
    pub path: Vec<String>,
    /// If the user may not do it, the code that says why: the status of the account, the user or
    /// the membership, `not_member`, or `permission_denied`.
    pub refusal: Option<Code>,
    /// The steps of the check, in order; the last step decided.
    pub steps: Vec<AccessStep>,
}

/// One step of a permission check: a thing that the check looked at.
#[answer]
pub struct AccessStep {
    /// What kind of thing the check looked at.
    pub kind: AccessStepKind,
    /// The role, account or user to which the step belongs.
    pub subject: Id,
    /// The roles that include the subject, from the member's own role down; absent when the subject
    /// is the member's own role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included_by: Vec<Id>,
    /// The account from which the step comes: the account of the membership, or the account whose
    /// package sets a ceiling.
    pub account: Option<Id>,
    /// The package whose role is a ceiling.
    pub package: Option<Id>,
    /// The node that was granted or denied.
    pub permission: Option<String>,
    /// The widest scope that this step allows.
    pub scope: Option<Scope>,
    /// The code of the status that forbids the permission.
    pub code: Option<Code>,
}

/// What kind of thing a permission check looked at.
#[answer]
pub enum AccessStepKind {
    /// The permission is for operators of the platform only, never for users of an account.
    OperatorsOnly,
    /// The user reaches the account from an account above it, with the permissions that they hold
    /// there.
    Ancestor,
    /// The user is the owner, who holds every permission under the ceilings.
    Owner,
    /// By policy, members hold what the role of the account's package allows, and not what a role
    /// of their own allows.
    ByPackage,
    /// A role allows the permission.
    Grant,
    /// The role is an administrator's role, in which every scope is `any`.
    Administrator,
    /// A role denies the permission.
    Denial,
    /// Nothing allows the permission: no role of the member does; or, if the package decides, its
    /// role does not; or the permission needs a membership of the account itself, and the user has
    /// none.
    NoGrant,
    /// The role of a package is a ceiling, and it allows the permission up to this scope.
    Ceiling,
    /// The role of a package is a ceiling, and it does not allow the permission.
    CeilingMissing,
    /// Somebody acts as the user, or a program acts for them with an API key: the user may do no
    /// more than that person or key may (R-SES-6, R-SES-7).
    Behind,
    /// The status of the account, the user or the membership forbids everything; when `account` is
    /// given, it forbids all that the membership of that account would allow.
    Status,
}
