//! The parts of the guide that follow from the catalogue. Its pages include them.

use super::docs::{FIRST_LINE, one_line, with_links};
use super::ir::{Catalogue, TypeDef};
use super::presets::Presets;
use anyhow::{Context, Result};
use std::fmt::Write;
use tenantry::Class;

const FOLDER: &str = "docs/guide/src";
const RULES: &str = "../../rules.md";

/// The parts.
pub fn files(catalogue: &Catalogue) -> Result<Vec<(String, String)>> {
    let parts = [
        ("generated-errors.md", errors(catalogue)?),
        ("generated-presets.md", presets(catalogue)?),
    ];
    let parts = parts.map(|(name, part)| (format!("{FOLDER}/{name}"), with_links(&part, RULES)));
    Ok(parts.into())
}

/// A table of codes for each class, which a page includes by the name of the class.
fn errors(catalogue: &Catalogue) -> Result<String> {
    let mut part = FIRST_LINE.to_owned();
    for class in Class::ALL.map(Class::name) {
        write!(
            part,
            "<!-- ANCHOR: {class} -->\n| code | what has happened | a retry helps |\n\
             |---|---|---|\n"
        )?;
        for error in catalogue.errors.iter().filter(|error| error.class == class) {
            writeln!(
                part,
                "| `{}` | {} | {} |",
                error.name,
                one_line(&error.doc),
                error.retry
            )?;
        }
        writeln!(part, "<!-- ANCHOR_END: {class} -->\n")?;
    }
    Ok(part)
}

/// For each preset, the policies in which it differs from the default.
fn presets(catalogue: &Catalogue) -> Result<String> {
    let find = |wanted: &str| catalogue.types.iter().find(|def| def.name() == wanted);
    let Some(TypeDef::Enum { values, .. }) = find("Preset") else {
        anyhow::bail!("the catalogue has no presets");
    };
    let Some(TypeDef::Struct { fields, .. }) = find("EffectivePolicies") else {
        anyhow::bail!("the catalogue has no policies");
    };
    let presets = Presets::read()?;
    let mut part = FIRST_LINE.to_owned();
    for preset in presets.columns() {
        let kind = values.iter().find(|(name, _)| name == preset);
        let (_, kind) = kind.with_context(|| format!("no words for `{preset}`"))?;
        write!(
            part,
            "### {preset}\n\n{}\n\n| policy | default | `{preset}` | what it decides |\n\
             |---|---|---|---|\n",
            one_line(kind)
        )?;
        for policy in &presets.policies {
            let value = &policy.values[preset];
            if *value != policy.default {
                let field = fields.iter().find(|field| field.name == policy.name);
                let doc = &field.context("a policy without a type")?.doc;
                writeln!(
                    part,
                    "| `{}` | `{}` | `{value}` | {} |",
                    policy.name,
                    policy.default,
                    one_line(doc)
                )?;
            }
        }
        part.push('\n');
    }
    Ok(part)
}
