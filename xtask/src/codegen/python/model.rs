//! `model.py`: the types of requests and answers.

use super::text::{FIRST_LINE, all, docstring, identifier, literal, quoted};
use super::types::{Python, input_name};
use crate::codegen::ir::{Catalogue, Field, TypeDef, Yes};
use anyhow::{Context, Result};
use std::fmt::Write;

pub(super) fn file(catalogue: &Catalogue) -> Result<String> {
    let python = Python::new(catalogue);
    let (mut enums, mut inputs, mut outputs) = (String::new(), String::new(), String::new());
    for def in &catalogue.types {
        match def {
            TypeDef::Enum { name, doc, values } => {
                let names: Vec<_> = values.iter().map(|(value, _)| value.as_str()).collect();
                let mut doc = format!("{doc}\n\n");
                for (value, meaning) in values {
                    writeln!(doc, "- `{value}`: {meaning}")?;
                }
                write!(
                    enums,
                    "\n{}\n{}\n",
                    literal(name, &names),
                    docstring(&doc, 0)
                )?;
            }
            TypeDef::Struct {
                name,
                doc,
                fields,
                yes,
                answered,
                input,
                output,
            } => {
                if *input {
                    inputs.push_str(
                        &python
                            .typed_dict(&input_name(name), doc, fields)
                            .with_context(|| format!("in type `{name}`"))?,
                    );
                }
                if *output {
                    outputs.push_str(
                        &python
                            .dataclass(name, doc, fields, &truth(name, yes.as_ref(), *answered))
                            .with_context(|| format!("in type `{name}`"))?,
                    );
                }
            }
        }
    }
    Ok(format!(
        r#"{FIRST_LINE}"""The types of the catalogue: answers are dataclasses, and the
types of requests end in `Input`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Literal, NoReturn, TypedDict, Union

Limit = Union[int, Literal["unlimited"]]
"""A limit: a number (0 allows nothing), or `unlimited`."""
{enums}{inputs}{outputs}

{all}"#,
        all = all(&python.exported()),
    ))
}

impl Python<'_> {
    fn typed_dict(&self, name: &str, doc: &str, fields: &[Field]) -> Result<String> {
        let (required, optional): (Vec<_>, Vec<_>) =
            fields.iter().partition(|field| field.required);
        let mut text = String::new();
        // `NotRequired` came with Python 3.11: what is required stands in a base class.
        let base = if required.is_empty() || optional.is_empty() {
            "TypedDict".to_owned()
        } else {
            let base = format!("_{name}Required");
            write!(
                text,
                "\n\nclass {base}(TypedDict):\n{}",
                self.attributes(&required)?
            )?;
            base
        };
        let (total, own) = if optional.is_empty() {
            ("", &required)
        } else {
            (", total=False", &optional)
        };
        write!(
            text,
            "\n\nclass {name}({base}{total}):\n{}\n\n{}",
            docstring(doc, 4),
            self.attributes(own)?
        )?;
        Ok(text)
    }

    fn attributes(&self, fields: &[&Field]) -> Result<String> {
        let mut text = String::new();
        for field in fields {
            let attribute = format!("{}: {}", identifier(&field.name)?, self.input(&field.ty)?);
            write!(text, "    {attribute}\n{}\n", docstring(&field.doc, 4))?;
        }
        Ok(text)
    }

    fn dataclass(&self, name: &str, doc: &str, fields: &[Field], truth: &str) -> Result<String> {
        let mut attributes = String::new();
        let mut conversions = String::new();
        for field in fields {
            let attribute = identifier(&field.name)?;
            let (ty, key) = (self.output(&field.ty)?, quoted(&field.name));
            let absent = match (field.required, field.secret) {
                (true, false) => "",
                (false, false) => " | None = None",
                (true, true) => " = field(repr=False)",
                (false, true) => " | None = field(default=None, repr=False)",
            };
            write!(
                attributes,
                "    {attribute}: {ty}{absent}\n{}\n",
                docstring(&field.doc, 4)
            )?;
            let conversion = match (
                self.conversion(&field.ty, &format!("value[{key}]"))?,
                field.required,
            ) {
                (Some(converted), true) => converted,
                (Some(converted), false) => format!("{converted} if {key} in value else None"),
                (None, true) => format!("value[{key}]"),
                (None, false) => format!("value.get({key})"),
            };
            writeln!(conversions, "            {attribute}={conversion},")?;
        }
        let (value, arguments) = match fields {
            [] => ("_", String::new()),
            _ => ("value", format!("\n{conversions}        ")),
        };
        Ok(format!(
            "\n\n@dataclass(frozen=True, slots=True, kw_only=True)\nclass {name}:\n{}\n\n\
             {attributes}\n    @classmethod\n    def _from(cls, {value}: Any) -> {name}:\n        \
             return cls({arguments})\n{truth}",
            docstring(doc, 4),
        ))
    }
}

/// What an answer is in `if`: its yes or no, or a mistake that is told (R-ANS-1). What is only part
/// of an answer is true, as `if answer.part:` asks whether it is there.
fn truth(name: &str, yes: Option<&Yes>, answered: bool) -> String {
    let (ty, body) = match yes {
        Some(Yes::By(field)) => ("bool", format!("return self.{field}")),
        Some(Yes::Without(field)) => ("bool", format!("return self.{field} is None")),
        None if answered => (
            "NoReturn",
            format!(
                "raise TypeError(\"`{name}` says neither yes nor no; ask for one of its fields.\")"
            ),
        ),
        None => return String::new(),
    };
    format!("\n    def __bool__(self) -> {ty}:\n        {body}\n")
}
