//! Sending: what is decided, charged and remembered of it.

pub(crate) mod alerts;
pub(crate) mod decide;
pub(crate) mod idempotency;
