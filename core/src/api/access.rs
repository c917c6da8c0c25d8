//! Permission checks: whether a user may do something in an account, and why (R-ROL-9): requests
//! and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/access.md"))]

use crate::error::Code;
use crate::model::{Count, Cursor, Id, Scope};
use tenantry_macros::{answer, request};

/// Says whether a user may do something in an account. The prepared calls and the calls by id of
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
/// Those who reach it from the accounts above come first, from the top down; then its own members;
/// each part is ordered by user id. One call looks at a limited number of users: a page may be
/// shorter than `limit`, and even empty, while there is a `next`.
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
    /// Why the user may do nothing at all, where a code says it: because of the status of the
    /// account, the user or the membership.
    pub refusal: Option<Code>,
    /// How the user holds the permissions; absent for a user who has no access to the account.
    pub held_as: Option<AccessHeldAs>,
    /// What they may do now, in the order of the permission tree; they may not do anything that is
    /// not listed.
    pub permissions: Vec<HeldPermission>,
}

/// A permission that somebody holds.
#[answer]
pub struct HeldPermission {
    /// The permission.
    pub permission: String,
    /// How far it reaches; `any` for a permission that has no scope.
    pub scope: Scope,
}

/// A page of those who may do something.
#[answer]
pub struct AccessHolderList {
    /// Those who may do it.
    pub holders: Vec<AccessHolder>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// Somebody who may do something.
#[answer]
pub struct AccessHolder {
    /// The user.
    pub user: Id,
    /// How they hold the permission.
    pub held_as: AccessHeldAs,
    /// The account whose member they are: this one, or one above it.
    pub account: Id,
    /// Their role there; an owner needs none.
    pub role: Option<Id>,
    /// How far the permission reaches; `any` for a permission that has no scope.
    pub scope: Scope,
}

/// How somebody holds their permissions in an account.
#[answer]
pub enum AccessHeldAs {
    /// They own the account.
    Owner,
    /// They are a member of it.
    Member,
    /// They manage the team from an account above it.
    Ancestor,
}

/// A permission check explained.
#[answer]
#[schemars(extend("x-yes" = "allowed"))]
pub struct AccessExplanation {
    /// Whether the user may.
    pub allowed: bool,
    /// How far the permission reaches.
    pub scope: Option<Scope>,
    /// The ids from the top of the permission tree to this permission.
    pub path: Vec<String>,
    /// Why the user may not, as a code: the status of the account, the user or the membership, or
    /// `permission_denied`.
    pub refusal: Option<Code>,
    /// What was looked at, in order; the last entry decided.
    pub steps: Vec<AccessStep>,
}

/// One thing that a permission check looked at.
#[answer]
pub struct AccessStep {
    /// What kind of thing.
    pub kind: AccessStepKind,
    /// The role, account or user that it belongs to.
    pub subject: Id,
    /// The roles that include the subject, from the member's own role down; absent when the subject
    /// is the member's own role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included_by: Vec<Id>,
    /// The account that it comes from: the account of the membership, or the account whose package
    /// sets a ceiling.
    pub account: Option<Id>,
    /// The package whose role is a ceiling.
    pub package: Option<Id>,
    /// The node that was granted or denied.
    pub permission: Option<String>,
    /// How far it reaches.
    pub scope: Option<Scope>,
    /// The code of the status that forbids it.
    pub code: Option<Code>,
}

/// What kind of thing a permission check looked at.
#[answer]
pub enum AccessStepKind {
    /// The permission is for operators of the platform only, never for users of an account.
    OperatorsOnly,
    /// The user reaches the account from one above it, with the permissions that they hold there.
    Ancestor,
    /// The user is the owner, who holds every permission under the ceilings.
    Owner,
    /// By policy, members hold what the role of the package allows, and not what a role of their
    /// own allows.
    ByPackage,
    /// A role allows it.
    Grant,
    /// The role is an administrator's role, in which every scope is `any`.
    Administrator,
    /// A role denies it.
    Denial,
    /// Nothing allows it: no role of the member; or no role of the package, where the package
    /// decides; or no membership of the account itself, where the permission needs one.
    NoGrant,
    /// The role of a package leaves the permission, up to this scope.
    Ceiling,
    /// The role of a package does not leave the permission.
    CeilingMissing,
    /// Somebody acts as the user, or a program acts for them with an API key: the user may do no
    /// more than that person or key may (R-SES-6, R-SES-7).
    Behind,
    /// The status of the account, the user or the membership forbids everything; when `account` is
    /// given, it forbids all that the membership of that account would allow.
    Status,
}
