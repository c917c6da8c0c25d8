//! Room of the disk that the store takes and does not need.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::store::{Compact, StoreCompacted};
use crate::error::{Code, Error};
use tenantry_store::StoreError;

impl Operation for Compact {
    type Answer = StoreCompacted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreCompacted, Error> {
        let backend = &ctx.engine.kernel.backend;
        let before = backend.space()?;
        backend.compact().map_err(|error| match error {
            // It is the store that cannot be compacted, no path.
            StoreError::Invalid { what } => Error::new(Code::InvalidArgument, what),
            other => ctx.engine.kernel.store_failure(other),
        })?;
        Ok(StoreCompacted {
            bytes_before: before.bytes,
            bytes: backend.space()?.bytes,
        })
    }
}
