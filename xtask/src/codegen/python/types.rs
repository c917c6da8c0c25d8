//! What the types of the catalogue are in Python.

use crate::codegen::ir::{Catalogue, TypeDef, TypeRef};
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// What the types of the catalogue look like in Python.
pub(super) struct Python<'a> {
    types: BTreeMap<&'a str, &'a TypeDef>,
}

impl<'a> Python<'a> {
    pub(super) fn new(catalogue: &'a Catalogue) -> Python<'a> {
        Python {
            types: catalogue
                .types
                .iter()
                .map(|def| (def.name(), def))
                .collect(),
        }
    }

    /// What `model.py` defines.
    pub(super) fn exported(&self) -> Vec<String> {
        let mut names = vec!["Limit".to_owned()];
        for def in self.types.values() {
            match def {
                TypeDef::Enum { name, .. } => names.push(name.clone()),
                TypeDef::Struct {
                    name,
                    input,
                    output,
                    ..
                } => {
                    names.extend(input.then(|| input_name(name)));
                    names.extend(output.then(|| name.clone()));
                }
            }
        }
        names.sort_unstable();
        names
    }

    /// The type of a value that the caller passes. `List`, because `list` is also the name of
    /// methods.
    pub(super) fn input(&self, ty: &TypeRef) -> Result<String> {
        Ok(match ty {
            TypeRef::Bool => "bool".into(),
            TypeRef::Integer => "int".into(),
            TypeRef::Text => "str".into(),
            TypeRef::Limit => "Limit".into(),
            TypeRef::List(item) => {
                let item = self.input(item)?;
                format!("List[{item}] | tuple[{item}, ...]")
            }
            TypeRef::Named(name) => match self.named(name)? {
                TypeDef::Struct { name, .. } => input_name(name),
                TypeDef::Enum { name, .. } => name.clone(),
            },
        })
    }

    /// The type of a value in an answer.
    pub(super) fn output(&self, ty: &TypeRef) -> Result<String> {
        Ok(match ty {
            TypeRef::Bool => "bool".into(),
            TypeRef::Integer => "int".into(),
            TypeRef::Text => "str".into(),
            TypeRef::Limit => "Limit".into(),
            TypeRef::List(item) => format!("tuple[{}, ...]", self.output(item)?),
            TypeRef::Named(name) => self.named(name)?.name().to_owned(),
        })
    }

    /// The expression that turns decoded JSON into that type; `None` when it is that already.
    pub(super) fn conversion(&self, ty: &TypeRef, value: &str) -> Result<Option<String>> {
        Ok(match ty {
            TypeRef::Bool | TypeRef::Integer | TypeRef::Text | TypeRef::Limit => None,
            TypeRef::List(item) => Some(match self.conversion(item, "item")? {
                Some(each) => format!("tuple({each} for item in {value})"),
                None => format!("tuple({value})"),
            }),
            TypeRef::Named(name) => match self.named(name)? {
                TypeDef::Struct { name, .. } => Some(format!("{name}._from({value})")),
                TypeDef::Enum { .. } => None,
            },
        })
    }

    fn named(&self, name: &str) -> Result<&TypeDef> {
        match self.types.get(name) {
            Some(def) => Ok(def),
            None => bail!("the catalogue names a type `{name}` that it does not define"),
        }
    }
}

/// What is passed and what is answered are two types, also where their fields are the same today.
pub(super) fn input_name(name: &str) -> String {
    format!("{}Input", name.strip_suffix("Input").unwrap_or(name))
}
