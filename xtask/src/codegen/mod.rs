//! `cargo xtask codegen`: writes what follows from the catalogue, or checks that it is written.

mod c;
mod docs;
mod examples;
mod guide;
mod ir;
mod json;
mod node;
mod presets;
mod python;
#[cfg(test)]
mod tests;

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// Writes the generated files below `root`; with `check`, compares instead.
pub fn run(root: &Path, check: bool) -> Result<()> {
    let catalogue = ir::read()?;
    let files = files(root, &catalogue)?;
    let mut stale = Vec::new();
    for (path, content) in &files {
        let full = root.join(path);
        let now = fs::read_to_string(&full).unwrap_or_default();
        if now == *content {
            continue;
        }
        if check {
            let line = now
                .lines()
                .zip(content.lines())
                .take_while(|(one, other)| one == other)
                .count()
                + 1;
            stale.push(format!("{path}, line {line}"));
            continue;
        }
        if let Some(folder) = full.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&full, content).with_context(|| format!("writing {path}"))?;
        println!("wrote {path}");
    }
    if !stale.is_empty() {
        bail!(
            "generated files differ from the catalogue; run `cargo xtask codegen`:\n  {}",
            stale.join("\n  ")
        );
    }
    println!(
        "{} generated files are up to date, {} operations, catalogue {}",
        files.len(),
        catalogue.ops.len(),
        catalogue.hash
    );
    Ok(())
}

/// All generated files, each with its path below `root`.
fn files(root: &Path, catalogue: &ir::Catalogue) -> Result<Vec<(String, String)>> {
    let examples = examples::read(root, catalogue)?;
    let mut files = Vec::new();
    files.extend(json::files(catalogue)?);
    files.extend(c::files(catalogue)?);
    files.extend(python::files(catalogue)?);
    files.extend(node::files(catalogue)?);
    files.extend(docs::files(catalogue, &examples)?);
    files.extend(guide::files(catalogue)?);
    files.extend(examples.files);
    Ok(files)
}
