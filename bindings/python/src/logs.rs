//! The events of the library, for `logging` (docs/adr/0062).

use pyo3::prelude::*;
use tenantry_logs::{Event, Level, LevelFilter};

/// The levels of `logging`.
fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        _ => 10,
    }
}

/// From now on `take` is called with each event: level, logger, text, fields as JSON, unix
/// milliseconds. A thread of the library calls it, which waits for the GIL and holds no lock.
#[pyfunction]
#[pyo3(signature = (take, /))]
pub(crate) fn listen(py: Python<'_>, take: Py<PyAny>) {
    py.detach(|| tenantry_logs::listen(LevelFilter::DEBUG, move |event| give(&take, event)));
}

/// Gives the events that wait, and ends listening.
#[pyfunction]
pub(crate) fn stop_listening(py: Python<'_>) {
    py.detach(tenantry_logs::stop);
}

/// Waits until the events that came before were given, but not for long.
#[pyfunction]
pub(crate) fn flush_log(py: Python<'_>) {
    py.detach(tenantry_logs::flush);
}

fn give(take: &Py<PyAny>, event: &Event) {
    // Where the interpreter ends, nobody listens any more.
    Python::try_attach(|py| {
        let (level, fields) = (number(event.level()), event.fields_json());
        let given = (level, event.target(), event.text(), fields, event.at_ms());
        if let Err(error) = take.call1(py, given) {
            // As of every thread that nobody waits for.
            error.write_unraisable(py, None);
        }
    });
}
