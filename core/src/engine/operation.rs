//! What is done with a request.

use crate::api::operation::Request;
use crate::engine::Ctx;
use crate::engine::background::Erased;
use crate::error::Error;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What is done with a request.
///
/// Implemented by every request type of [`api`](crate::api); who may call it, and all else that is
/// known of it beforehand, is its row in the [`catalogue`](crate::catalogue). A host calls
/// [`Tenantry::call`](crate::Tenantry::call).
pub trait Operation: Request {
    /// What it answers.
    type Answer: Serialize + DeserializeOwned + JsonSchema + Send;

    #[doc(hidden)]
    fn run(self, ctx: &mut Ctx<'_>) -> Result<Self::Answer, Error>;

    /// What it answers once what it left to further commits is done too.
    #[doc(hidden)]
    fn done(answer: Self::Answer, _erased: &Erased) -> Self::Answer {
        answer
    }
}
