//! What the library says of itself and of paths.

use pyo3::prelude::*;

/// The path of a store as people may see it: without the user and the password of a database.
#[pyfunction]
#[pyo3(signature = (path, /))]
pub(crate) fn shown_path(path: &str) -> String {
    tenantry::shown_path(path)
}

/// The hash of the catalogue with which the library was built.
#[pyfunction]
pub(crate) fn catalogue_hash() -> &'static str {
    tenantry::catalogue::hash()
}

/// The version of the library.
#[pyfunction]
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
