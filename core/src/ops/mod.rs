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

pub use crate::api::operation::{Access, Effect};

use crate::api::operation::Request;
use crate::engine::Ctx;
use crate::error::{Code, Error};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What is done with a request.
///
/// Implemented by every request type of [`ops`](crate::ops); who may call it, and all else that is
/// known of it beforehand, is its row in the [`catalogue`](crate::catalogue). A host calls
/// [`Tenantry::call`](crate::Tenantry::call).
pub trait Operation: Request {
    /// What it answers.
    type Answer: Serialize + DeserializeOwned + JsonSchema + Send;

    #[doc(hidden)]
    fn run(self, ctx: &mut Ctx<'_>) -> Result<Self::Answer, Error>;
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
