//! Operators: the platform's staff. They are users with a role on the platform itself, and are
//! members of no account (R-PLT-2): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/operators.md"))]

use crate::model::{Count, Email, Id, Name};
use tenantry_macros::{answer, request};

/// Makes a user an operator: an existing user, named by id, who is in no account, or a new user,
/// named by e-mail address (R-PLT-2).
#[request]
pub struct Add {
    /// The id of an existing user, or the id that the new user gets.
    pub user: Option<Id>,
    /// The e-mail address of a new user.
    pub email: Option<Email>,
    /// The first name of a new user.
    pub first_name: Option<Name>,
    /// The last name of a new user.
    pub last_name: Option<Name>,
    /// The role: a role of the platform that allows operators no more than the actor holds
    /// (R-ROL-7).
    pub role: Id,
}

/// Reads an operator.
#[request]
pub struct Get {
    /// The user.
    pub user: Id,
}

/// Lists the operators by user id, a page at a time.
#[request]
pub struct List {
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Id>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Gives an operator another role. Nobody can give more than they hold, change an operator who can
/// do more than they can, or change themselves (R-ROL-7).
#[request]
pub struct SetRole {
    /// The user.
    pub user: Id,
    /// The new role.
    pub role: Id,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Disables an operator: the operator can do nothing from now on. Nobody can disable themselves.
#[request]
pub struct Disable {
    /// The user.
    pub user: Id,
}

/// Enables an operator who was disabled.
#[request]
pub struct Enable {
    /// The user.
    pub user: Id,
}

/// Removes an operator and deletes the user. Nobody can remove themselves.
#[request]
pub struct Remove {
    /// The user.
    pub user: Id,
}

/// An operator of the platform.
#[answer]
pub struct Operator {
    /// The user.
    pub user: Id,
    /// The operator's e-mail address, as typed.
    pub email: String,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// The role.
    pub role: Id,
    /// Whether the operator, or the user as a whole, is disabled.
    pub disabled: bool,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When the operator was added, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the operator was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of operators.
#[answer]
pub struct OperatorList {
    /// The operators.
    pub operators: Vec<Operator>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Id>,
}

/// An operator who was removed.
#[answer]
pub struct OperatorRemoved {
    /// The user, who was deleted.
    pub user: Id,
}
