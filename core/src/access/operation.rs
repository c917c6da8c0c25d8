//! What an operation does with its request.

use crate::access::request::Ctx;
use crate::api::operation::Request;
use crate::error::Error;
use crate::kernel::Erased;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What an operation does with its request.
///
/// Every request type of [`api`](crate::api) implements it. Everything else that is known of the
/// operation, such as who may call it, is in its row in the [`catalogue`](crate::catalogue). A host
/// calls [`Tenantry::call`](crate::Tenantry::call).
pub trait Operation: Request {
    /// The type of its answer.
    type Answer: Serialize + DeserializeOwned + JsonSchema + Send;

    #[doc(hidden)]
    fn run(self, ctx: &mut Ctx<'_>) -> Result<Self::Answer, Error>;

    /// What it answers once what it left to further commits is done too.
    #[doc(hidden)]
    fn done(answer: Self::Answer, _erased: &Erased) -> Self::Answer {
        answer
    }
}
