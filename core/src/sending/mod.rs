//! Sending: what is decided, charged and remembered of it.

pub(crate) mod alerts;
pub(crate) mod counters;
pub(crate) mod credits;
pub(crate) mod decide;
pub(crate) mod idempotency;
mod pay;
mod prepare;
pub(crate) mod refund;

pub(crate) use pay::coming;
