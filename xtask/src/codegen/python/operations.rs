//! `_generated.py`: the operations, by namespace; `_aio_generated.py`: the same for asyncio.

use super::text::{FIRST_LINE, WIDTH, docstring, identifier, quoted, wrapped};
use super::types::Python;
use crate::codegen::ir::{Catalogue, Op};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How a program waits for the answer of an operation.
#[derive(Clone, Copy)]
pub(super) enum Waits {
    /// The call returns the answer.
    Thread,
    /// The call returns what has to be awaited.
    EventLoop,
}

impl Waits {
    fn title(self) -> &'static str {
        match self {
            Waits::Thread => "The operations of the catalogue.",
            Waits::EventLoop => "The operations of the catalogue, to be awaited.",
        }
    }

    fn base(self) -> &'static str {
        match self {
            Waits::Thread => "from ._call import Caller, Namespace",
            Waits::EventLoop => "from ._aio_call import Caller, Namespace, Pending",
        }
    }

    fn returned(self, answer: &str) -> String {
        match self {
            Waits::Thread => answer.to_owned(),
            Waits::EventLoop => format!("Pending[{answer}]"),
        }
    }

    /// The call between its arguments, and what comes after them.
    fn call(self, answer: &str) -> (String, &'static str) {
        match self {
            Waits::Thread => (format!("        return {answer}._from(self._call("), "))"),
            Waits::EventLoop => (format!("        return self._call({answer}._from, "), ")"),
        }
    }
}

pub(super) fn file(catalogue: &Catalogue, waits: Waits) -> Result<String> {
    let python = Python::new(catalogue);
    let mut namespaces: BTreeMap<&str, Vec<&Op>> = BTreeMap::new();
    for op in &catalogue.ops {
        namespaces.entry(&op.namespace).or_default().push(op);
    }
    let (mut classes, mut properties) = (String::new(), String::new());
    for (namespace, ops) in &namespaces {
        let (class, property) = (
            format!("{}Operations", pascal(namespace)),
            identifier(namespace)?,
        );
        let doc = format!("\"\"\"The operations `{namespace}.*`.\"\"\"");
        write!(
            classes,
            "\n\nclass {class}(Namespace):\n    {doc}\n\n    __slots__ = ()\n"
        )?;
        for op in ops {
            classes.push_str(
                &python
                    .method(op, waits)
                    .with_context(|| format!("in operation `{}`", op.name))?,
            );
        }
        write!(
            properties,
            "\n    @property\n    def {property}(self) -> {class}:\n        {doc}\n        return \
             {class}(self)\n",
        )?;
    }
    let text = format!(
        r#"

class Operations(Caller):
    """Every operation of the catalogue, by namespace."""

    __slots__ = ()
{properties}"#
    );
    let used: Vec<_> = python
        .exported()
        .into_iter()
        .filter(|name| mentions(&classes, name))
        .collect();
    let typing: Vec<_> = ["Any", "List", "Literal"]
        .into_iter()
        .filter(|name| mentions(&classes, name))
        .collect();
    let typing = if typing.is_empty() {
        String::new()
    } else {
        format!("from typing import {}\n\n", typing.join(", "))
    };
    let hash = match waits {
        Waits::Thread => format!("\nCATALOGUE_HASH = {}\n", quoted(&catalogue.hash)),
        Waits::EventLoop => String::new(),
    };
    Ok(format!(
        r#"{FIRST_LINE}"""{title}"""

from __future__ import annotations

{typing}{base}
{imports}
{hash}{classes}{text}"#,
        title = waits.title(),
        base = waits.base(),
        imports = imports("model", &used),
    ))
}

impl Python<'_> {
    fn method(&self, op: &Op, waits: Waits) -> Result<String> {
        let mut parameters = vec!["self".to_owned()];
        if !op.fields.is_empty() {
            parameters.push("*".to_owned());
        }
        let (mut required, mut optional) = (Vec::new(), Vec::new());
        let mut doc = format!("{}\n\n", op.doc);
        for field in op
            .fields
            .iter()
            .filter(|field| field.required)
            .chain(op.fields.iter().filter(|field| !field.required))
        {
            let (name, ty) = (identifier(&field.name)?, self.input(&field.ty)?);
            parameters.push(format!(
                "{name}: {ty}{}",
                if field.required { "" } else { " | None = None" }
            ));
            let entry = format!("{}: {name}", quoted(&field.name));
            if field.required {
                required.push(entry)
            } else {
                optional.push(entry)
            }
            if !field.doc.is_empty() {
                writeln!(doc, "- `{name}`: {}", field.doc)?;
            }
        }
        let mut arguments = vec![quoted(&op.name), format!("{{{}}}", required.join(", "))];
        if !optional.is_empty() {
            arguments.push(format!("{{{}}}", optional.join(", ")));
        }
        let head = format!("    def {}(", identifier(&op.method)?);
        let returned = waits.returned(&op.answer);
        let (call, end) = waits.call(&op.answer);
        Ok(format!(
            "\n{}\n{}\n{}\n",
            wrapped(&head, &parameters, &format!(") -> {returned}:"), 4),
            docstring(&doc, 8),
            wrapped(&call, &arguments, end, 8),
        ))
    }
}

fn pascal(namespace: &str) -> String {
    namespace
        .split('_')
        .map(|word| {
            word.chars()
                .take(1)
                .map(|first| first.to_ascii_uppercase())
                .chain(word.chars().skip(1))
                .collect::<String>()
        })
        .collect()
}

fn imports(module: &str, names: &[String]) -> String {
    let one = format!("from .{module} import {}", names.join(", "));
    if one.len() <= WIDTH {
        one
    } else {
        wrapped(&format!("from .{module} import ("), names, ")", 0)
    }
}

/// Whether the text has this name as a whole word.
fn mentions(text: &str, name: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|word| word == name)
}
