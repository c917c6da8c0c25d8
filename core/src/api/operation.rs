//! The contract of an operation: its name, what it does to the store, who may call it, and which
//! gates are open to it. The rows of the [`catalogue`](crate::catalogue) fill it in, and everything
//! that checks a call reads it as data.
//!
//! # Example
//!
//! [Operations and errors](crate#operations-and-errors) reads the contract of an operation.

use crate::model::Id;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What the row of an operation in the catalogue declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contract {
    /// The name, such as `accounts.create`.
    pub name: &'static str,
    /// What it does to the store.
    pub effect: Effect,
    /// Who may call it.
    pub access: Access,
    /// The circumstances in which the callers that `access` allows may call it.
    pub gates: Gates,
}

/// A type that is the request of an operation.
///
/// Only the row of the operation in the catalogue implements this trait.
pub trait Request: Clone + Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// What the row of the operation declares.
    const CONTRACT: &'static Contract;
    /// The name, such as `accounts.create`.
    const NAME: &'static str = Self::CONTRACT.name;
    /// What the operation does to the store.
    const EFFECT: Effect = Self::CONTRACT.effect;

    /// The account that the operation is about, if there is one.
    fn account(&self) -> Option<&Id>;
}

/// What an operation does to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The operation reads one consistent state.
    Read,
    /// The operation commits one batch.
    Write,
    /// The operation has locks and commits of its own: it charges meters, hashes passwords, checks
    /// tokens, moves the clock or compacts the files.
    Send,
}

/// Who may call an operation. The host itself may call every operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// The host alone.
    System,
    /// Operators who hold this permission (R-PLT-2).
    Operator(&'static str),
    /// Users who hold a permission in the account that the operation is about, either as its
    /// members or because they manage its team from an account above; and operators who hold an
    /// operators' permission.
    Account {
        /// The permission that a user needs in the account.
        user: &'static str,
        /// The permission that an operator needs; absent when operators cannot call the operation.
        operator: Option<&'static str>,
    },
    /// Every active user and every active operator passes this check. The operation itself then
    /// decides by this rule who may call it.
    Rule(&'static str),
}

impl Access {
    /// Users who hold `user`, and operators who hold `operator`.
    pub const fn account(user: &'static str, operator: &'static str) -> Access {
        Access::Account {
            user,
            operator: Some(operator),
        }
    }

    /// Users who hold `user`, and no operators.
    pub const fn users(user: &'static str) -> Access {
        Access::Account {
            user,
            operator: None,
        }
    }
}

/// The circumstances in which the callers that `Access` allows may call an operation. The host
/// itself passes every gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gates {
    /// Users may call the operation in their own account while the account is on hold (R-ACC-2).
    pub on_hold: bool,
    /// A program with an API key may call the operation (R-SES-7).
    pub api_key: bool,
    /// A person who acts as another user may call the operation (R-SES-6).
    pub log_in_as: bool,
    /// A session may call the operation only shortly after a log-in (R-SES-1).
    pub needs_recent_log_in: bool,
    /// A session that lacks a required second factor may call the operation (R-SES-1).
    pub before_second_factor: bool,
}
