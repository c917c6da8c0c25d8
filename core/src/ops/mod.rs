//! The operations: for each domain one file with its requests, its answers, and the calls into the
//! engine.

pub mod access;
pub mod accounts;
pub mod addresses;
pub mod api_keys;
pub mod assets;
pub mod audit;
pub mod automations;
pub mod campaigns;
pub mod caps;
pub mod catalogue;
pub mod clock;
pub mod credits;
pub mod gauges;
pub mod groups;
pub mod invitations;
pub mod leases;
pub mod limits;
pub(crate) mod links;
pub mod members;
pub(crate) mod once;
pub mod operators;
pub mod outbox;
pub mod packages;
pub mod passwords;
pub mod permissions;
pub mod policies;
pub(crate) mod reach;
pub mod reservations;
pub mod resources;
pub mod roles;
pub mod second_factors;
pub mod sending;
pub mod sessions;
pub mod sharing;
pub mod store;
pub mod suppressions;
pub mod teams;
pub mod threads;
pub mod usage;
pub mod user_csv;
pub mod users;

use crate::engine::Ctx;
use crate::error::{Code, Error};
use crate::model::Id;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A request with a name in the catalogue.
///
/// Implemented by every request type of [`ops`](crate::ops); a host calls
/// [`Tenantry::call`](crate::Tenantry::call).
pub trait Operation: Clone + Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// The name, such as `accounts.create`.
    const NAME: &'static str;
    /// What it does to the store.
    const EFFECT: Effect;
    /// Who may call it.
    const ACCESS: Access;
    /// Whether users may call it in their own account while that is on hold (R-ACC-2).
    const ON_HOLD: bool = false;
    /// What it answers.
    type Answer: Serialize + DeserializeOwned + JsonSchema + Send;

    /// The account that it is about, where it is about one.
    fn account(&self) -> Option<&Id> {
        None
    }

    #[doc(hidden)]
    fn run(self, ctx: &mut Ctx<'_>) -> Result<Self::Answer, Error>;
}

/// What an operation does to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Reads one consistent state.
    Read,
    /// Commits one batch.
    Write,
    /// Has locks and commits of its own: charges meters, or hashes passwords.
    Send,
}

/// Who may call an operation. The host itself may call every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The host alone.
    System,
    /// Operators who hold this permission (R-PLT-2).
    Operator(&'static str),
    /// Users who hold a permission in the account that the operation is about, acting there or
    /// managing its team from an account above; and operators who hold one of theirs.
    Account {
        /// What a user needs in the account.
        user: &'static str,
        /// What an operator needs; absent where operators never do this.
        operator: Option<&'static str>,
    },
    /// Everybody in good standing: the operation decides by this rule who else.
    Rule(&'static str),
}

impl Access {
    /// Users with `user`, and operators with `operator`.
    pub const fn account(user: &'static str, operator: &'static str) -> Access {
        Access::Account {
            user,
            operator: Some(operator),
        }
    }

    /// Users with `user`, and no operator.
    pub const fn users(user: &'static str) -> Access {
        Access::Account {
            user,
            operator: None,
        }
    }
}

pub(crate) fn unknown_permission(id: &str, field: &str) -> Error {
    Error::new(
        Code::PermissionUnknown,
        format!(
            "the permission tree has no node `{}`",
            id.chars().take(64).collect::<String>()
        ),
    )
    .at(field)
}
