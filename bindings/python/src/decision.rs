//! A decision, as Python sees it.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use tenantry::{BindingLimit, Decision, Refusal};

/// The generated dataclass with which `sending.admit` answers too.
pub(crate) fn decision_object<'py>(
    py: Python<'py>,
    decision: &Decision,
) -> PyResult<Bound<'py, PyAny>> {
    static DECISION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let answer = PyDict::new(py);
    answer.set_item(intern!(py, "granted"), decision.granted)?;
    if let Some(refusal) = &decision.refusal {
        answer.set_item(intern!(py, "refusal"), refusal_dict(py, refusal)?)?;
    }
    if let Some(remaining) = decision.remaining {
        answer.set_item(intern!(py, "remaining"), remaining)?;
    }
    if let Some(paid) = &decision.credits {
        let dict = PyDict::new(py);
        dict.set_item(intern!(py, "amount"), paid.amount)?;
        dict.set_item(intern!(py, "entry"), paid.entry)?;
        answer.set_item(intern!(py, "credits"), dict)?;
    }
    DECISION
        .import(py, "tenantry.model", "Decision")?
        .call_method1(intern!(py, "_from"), (answer,))
}

fn refusal_dict<'py>(py: Python<'py>, refusal: &Refusal) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "code"), refusal.code.name())?;
    if let Some(limit) = &refusal.limit {
        dict.set_item(intern!(py, "limit"), limit_dict(py, limit)?)?;
    }
    if let Some(retry_at_ms) = refusal.retry_at_ms {
        dict.set_item(intern!(py, "retry_at_ms"), retry_at_ms)?;
    }
    if let Some(credits_left) = refusal.credits_left {
        dict.set_item(intern!(py, "credits_left"), credits_left)?;
    }
    if let Some(over) = refusal.over {
        dict.set_item(intern!(py, "over"), over.name())?;
    }
    dict.set_item(intern!(py, "http_status"), refusal.http_status())?;
    dict.set_item(intern!(py, "smtp_reply"), refusal.smtp_reply())?;
    Ok(dict)
}

fn limit_dict<'py>(py: Python<'py>, limit: &BindingLimit) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "name"), &limit.name)?;
    dict.set_item(intern!(py, "scope"), &limit.scope)?;
    dict.set_item(intern!(py, "subject"), &limit.subject)?;
    dict.set_item(intern!(py, "value"), limit.value)?;
    dict.set_item(intern!(py, "used"), limit.used)?;
    if let Some(kept_apart) = limit.kept_apart {
        dict.set_item(intern!(py, "kept_apart"), kept_apart)?;
    }
    dict.set_item(intern!(py, "source"), &limit.source)?;
    Ok(dict)
}
