//! Operators: the platform's staff, users with a role on the platform itself and in no account
//! (R-PLT-2): requests and answers.

use crate::model::{Count, Email, Id, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes an operator: of an existing user who is in no account, by id, or of a new one by e-mail
/// address (R-PLT-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The existing user, or the id that the new one gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The e-mail address of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// First name of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// The role: one of the platform, allowing no more to operators than whoever gives it holds
    /// (R-ROL-7).
    pub role: Id,
}

/// Reads an operator.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The user.
    pub user: Id,
}

/// Lists the operators by user id, a page at a time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Go on after this user: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Id>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Gives an operator another role; nobody gives more than they hold, changes one who can do more,
/// or themselves (R-ROL-7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    /// The user.
    pub user: Id,
    /// The new role.
    pub role: Id,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Disables an operator: they can do nothing any more. Nobody disables themselves.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disable {
    /// The user.
    pub user: Id,
}

/// Enables an operator who was disabled.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Enable {
    /// The user.
    pub user: Id,
}

/// Removes an operator, and with that the user. Nobody removes themselves.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The user.
    pub user: Id,
}

/// An operator of the platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Operator {
    /// The user.
    pub user: Id,
    /// Their e-mail address, as typed.
    pub email: String,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// The role.
    pub role: Id,
    /// Whether they, or the user as a whole, are disabled.
    pub disabled: bool,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperatorList {
    /// The operators.
    pub operators: Vec<Operator>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Id>,
}

/// An operator who was removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperatorRemoved {
    /// The user, who is gone.
    pub user: Id,
}
