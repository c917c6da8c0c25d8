//! What the log is told of a store and of its operations (docs/adr/0062): names of operations,
//! codes, durations, counts and paths, and never what a request or a record holds.

use crate::access::state::Engine;
use crate::error::{Code, Error};
use std::sync::Arc;
use std::time::Instant;
use tenantry_store::{At, in_ms};
use tracing::{error, info, warn};

/// A store was opened, or refused because something is wrong with it.
pub(super) fn opened(at: &At, began: Instant, opened: &Result<Arc<Engine>, Error>) {
    let took_ms = in_ms(began.elapsed());
    match opened {
        Ok(engine) => info!(
            target: "tenantry::store",
            kind = engine.kernel.backend.kind().name(),
            path = at.shown(),
            took_ms,
            last_commit = engine.kernel.backend.last_commit(),
            processes = engine.kernel.processes(),
            forks = tenantry_fork::generation(),
            "The store was opened."
        ),
        Err(refused) if is_of_the_store(refused) => error!(
            target: "tenantry::store",
            path = at.shown(),
            took_ms,
            code = refused.code().name(),
            "The store could not be opened."
        ),
        Err(_) => {}
    }
}

/// A store was closed.
pub(super) fn closed(engine: &Engine, began: Instant, closed: &Result<(), Error>) {
    let backend = &engine.kernel.backend;
    let (kind, took_ms) = (backend.kind().name(), in_ms(began.elapsed()));
    match closed {
        Ok(()) => info!(
            target: "tenantry::store",
            kind,
            took_ms,
            last_commit = backend.last_commit(),
            "The store was closed."
        ),
        Err(refused) => error!(
            target: "tenantry::store",
            kind,
            took_ms,
            code = refused.code().name(),
            "The store was not closed cleanly."
        ),
    }
}

/// An operation has ended: told where it was slow, or was refused because something is wrong with
/// the store.
pub(super) fn operation<T>(
    engine: &Engine,
    operation: &'static str,
    began: Instant,
    outcome: &Result<T, Error>,
) {
    let took = began.elapsed();
    match outcome {
        Err(refused) if is_of_the_store(refused) => error!(
            target: "tenantry::operations",
            operation,
            took_ms = in_ms(took),
            code = refused.code().name(),
            "The store refused an operation."
        ),
        _ if engine.kernel.slow.is_slow(took) => warn!(
            target: "tenantry::operations",
            operation,
            took_ms = in_ms(took),
            code = outcome.as_ref().map_or_else(|error| error.code().name(), |_| "ok"),
            "An operation was slow."
        ),
        _ => {}
    }
}

/// Whether it is the store that is wrong, and not what was asked of it.
fn is_of_the_store(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::StoreCorrupt
            | Code::StoreFailed
            | Code::StoreFormat
            | Code::StoreFull
            | Code::StoreUnreachable
    )
}
