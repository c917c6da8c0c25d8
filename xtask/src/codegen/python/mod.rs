//! Writes the parts of the Python package that follow from the catalogue: `_errors.py`, `model.py`,
//! `_generated.py`, `_aio_generated.py`.

mod errors;
mod model;
mod operations;
mod text;
mod types;

pub use text::wrapped_text;

use super::ir::Catalogue;
use anyhow::Result;
use operations::Waits;

const FOLDER: &str = "bindings/python/python/tenantry";

/// The files of the Python package that follow from the catalogue.
pub fn files(catalogue: &Catalogue) -> Result<Vec<(String, String)>> {
    Ok(vec![
        (format!("{FOLDER}/_errors.py"), errors::file(catalogue)?),
        (
            format!("{FOLDER}/_generated.py"),
            operations::file(catalogue, Waits::Thread)?,
        ),
        (
            format!("{FOLDER}/_aio_generated.py"),
            operations::file(catalogue, Waits::EventLoop)?,
        ),
        (format!("{FOLDER}/model.py"), model::file(catalogue)?),
    ])
}
