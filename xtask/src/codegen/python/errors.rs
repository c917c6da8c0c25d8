//! `_errors.py`: the exceptions.

use super::text::{FIRST_LINE, all, docstring, literal, quoted};
use crate::codegen::ir::{Catalogue, ClassDef};
use anyhow::{Result, bail};
use std::fmt::Write;

/// The base class of the exceptions.
const BASE: &str = r#"

class TenantryError(Exception):
    """The base class of everything that tenantry raises; its `str()` is the message."""

    __module__ = "tenantry"

    code: ErrorCode
    """The stable code, such as `rev_conflict`."""
    number: int
    """The stable number of the code."""
    retry: Retry
    """Whether the same request can succeed later."""
    http_status: int
    """The status of HTTP with which a host answers its own client, from 400 to 599."""
    smtp_reply: str
    """The reply of SMTP with which a host answers its own client, such as `450 4.7.1`.

    It is the reply code and the enhanced status code, to which the host adds a text.
    """
    field: str | None
    """The JSON pointer of the field that is wrong."""
    details: dict[str, Any]
    """What explains the error, by name."""

    def __init__(
        self,
        message: str,
        code: ErrorCode,
        number: int,
        retry: Retry,
        http_status: int,
        smtp_reply: str,
        field: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code, number, retry, http_status, smtp_reply, field, details)
        self.code = code
        self.number = number
        self.retry = retry
        self.http_status = http_status
        self.smtp_reply = smtp_reply
        self.field = field
        self.details = {} if details is None else details

    def __str__(self) -> str:
        return str(self.args[0])
"#;

/// The function that makes an exception of the JSON of an error.
const FROM_JSON: &str = r#"

def _from_json(text: str) -> TenantryError:
    error = json.loads(text)
    return _CLASSES[error["class"]](
        error["message"],
        error["code"],
        error["number"],
        error["retry"],
        error["http_status"],
        error["smtp_reply"],
        error["field"],
        error["details"],
    )
"#;

pub(super) fn file(catalogue: &Catalogue) -> Result<String> {
    let names: Vec<_> = catalogue
        .errors
        .iter()
        .map(|error| error.name.as_str())
        .collect();
    let mut retries: Vec<_> = catalogue
        .errors
        .iter()
        .map(|error| error.retry.as_str())
        .collect();
    retries.sort_unstable();
    retries.dedup();

    let mut exported = vec![
        "ErrorCode".to_owned(),
        "Retry".to_owned(),
        "TenantryError".to_owned(),
    ];
    let (mut classes, mut table) = (String::new(), String::new());
    for class in &catalogue.classes {
        let name = class.exception;
        classes.push_str(&definition(class, catalogue)?);
        writeln!(table, "    {}: {name},", quoted(&class.name))?;
        exported.push(name.to_owned());
    }
    exported.sort_unstable();

    Ok(format!(
        r#"{FIRST_LINE}"""The exceptions that tenantry raises: one for each class of errors."""

from __future__ import annotations

import json
from typing import Any, Literal, Union

{code}
"""The stable codes of errors and refusals."""

{retry}
"""Whether the same request can succeed later."""
{BASE}{classes}

_CLASSES: dict[str, type[TenantryError]] = {{
{table}}}
{FROM_JSON}{invalid}

{all}"#,
        code = literal("ErrorCode", &names),
        retry = literal("Retry", &retries),
        invalid = invalid_argument(catalogue)?,
        all = all(&exported),
    ))
}

/// The class of an exception, with the codes that it stands for.
fn definition(class: &ClassDef, catalogue: &Catalogue) -> Result<String> {
    let name = class.exception;
    let mut doc = class.doc.clone();
    doc.push_str("\n\n");
    for error in catalogue
        .errors
        .iter()
        .filter(|error| error.class == class.name)
    {
        writeln!(doc, "- `{}`: {}", error.name, error.doc)?;
    }
    Ok(format!(
        "\n\nclass {name}(TenantryError):\n{}\n\n    __module__ = \"tenantry\"\n",
        docstring(&doc, 4)
    ))
}

/// The function that makes the exception of an argument that Python itself refuses.
fn invalid_argument(catalogue: &Catalogue) -> Result<String> {
    let Some(invalid) = catalogue
        .errors
        .iter()
        .find(|error| error.name == "invalid_argument")
    else {
        bail!("the table of errors has no `invalid_argument`");
    };
    Ok(format!(
        r#"

def _invalid(message: str, field: str | None = None) -> InvalidArgument:
    return InvalidArgument(message, "invalid_argument", {number}, {retry}, {status}, {reply}, field)
"#,
        number = invalid.number,
        retry = quoted(&invalid.retry),
        status = invalid.http_status,
        reply = quoted(invalid.smtp_reply),
    ))
}
