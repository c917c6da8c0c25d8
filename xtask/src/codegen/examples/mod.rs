//! The examples: `examples/domains.json` holds a few calls for each domain. They are run here,
//! against a store in memory, and what is true is written in every language: as a file that runs,
//! and into the pages of the reference.

mod c;
mod calls;
mod node;
mod program;
mod python;
mod run;
mod rust;
mod typed;

use super::ir::Catalogue;
use anyhow::{Context, Result, bail, ensure};
use calls::{Call, Domains, Step};
use run::Run;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const SOURCE: &str = "examples/domains.json";

/// What is written about the examples.
pub struct Examples {
    /// The programs, by path.
    pub files: Vec<(String, String)>,
    /// The set-up that all examples begin with, for the reference.
    pub platform: String,
    /// The example of each domain, for the reference.
    pub domains: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// What the platform is, in words.
    about: String,
    platform: Vec<Step>,
    domains: BTreeMap<String, Vec<Step>>,
}

/// Reads, runs and writes the examples below `root`.
pub fn read(root: &Path, catalogue: &Catalogue) -> Result<Examples> {
    let text =
        fs::read_to_string(root.join(SOURCE)).with_context(|| format!("reading {SOURCE}"))?;
    let document: Document = serde_json::from_str(&text).with_context(|| format!("in {SOURCE}"))?;
    let known: BTreeSet<&str> = catalogue
        .ops
        .iter()
        .map(|op| op.namespace.as_str())
        .collect();
    let given: BTreeSet<&str> = document.domains.keys().map(String::as_str).collect();
    if let Some(missing) = known.difference(&given).next() {
        bail!("{SOURCE} has no example of `{missing}`");
    }
    if let Some(unknown) = given.difference(&known).next() {
        bail!("{SOURCE} has an example of `{unknown}`, of which the catalogue has no operations");
    }
    ensure!(
        document.platform.iter().all(|step| step.actor.is_none()),
        "the host itself sets the platform of the examples up"
    );
    let requests: Vec<(String, Map<String, Value>)> = document
        .platform
        .iter()
        .map(|step| (step.call.clone(), step.with.clone()))
        .collect();
    let platform = Run::new(catalogue)?
        .calls(document.platform)
        .context("in the platform of the examples")?;
    let mut domains = Domains::new();
    for (namespace, steps) in document.domains {
        let run = Run::new(catalogue)?;
        for (operation, request) in &requests {
            run.store.call_json(
                b"",
                operation.as_bytes(),
                json!(request).to_string().as_bytes(),
            )?;
        }
        let calls = run
            .calls(steps)
            .with_context(|| format!("in the example of `{namespace}`"))?;
        ensure!(
            calls.iter().any(|call| call.op.namespace == namespace),
            "the example of `{namespace}` calls none of its operations"
        );
        domains.insert(namespace, calls);
    }
    write(root, catalogue, &document.about, &platform, &domains)
}

fn write(
    root: &Path,
    catalogue: &Catalogue,
    about: &str,
    platform: &[Call],
    domains: &Domains,
) -> Result<Examples> {
    let programs = [
        rust::program(root, platform, domains)?,
        c::program(platform, domains)?,
        python::program(platform, domains)?,
        node::program(catalogue, platform, domains)?,
    ];
    let mut sections = BTreeMap::new();
    for namespace in domains.keys() {
        let mut section = String::new();
        for program in &programs {
            section.push_str(&program.fenced(&program.body(namespace)?));
        }
        sections.insert(namespace.clone(), section);
    }
    let mut setup = format!("{about}\n");
    for program in &programs {
        let functions = program
            .setup
            .iter()
            .map(|head| program.function(head))
            .collect::<Result<Vec<_>>>()?;
        setup.push_str(&program.fenced(&functions.join("\n")));
    }
    let mut files = rust::documentation(root, &programs[0], about, domains)?;
    files.extend(
        programs
            .into_iter()
            .map(|program| (program.path.to_owned(), program.text)),
    );
    Ok(Examples {
        files,
        platform: setup,
        domains: sections,
    })
}
