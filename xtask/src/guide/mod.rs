//! `cargo xtask guide`: builds the site of the guide with mdBook.
//!
//! The guide is in `docs/guide/src`. The site also has every page to which the guide leads, such as
//! those of the reference, and the files that these name. So a link leads to the same place in the
//! repository and in the site.

mod pages;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod tests;

use crate::setup;
use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

const VERSION: &str = "0.5.4";
/// Where the pages of the guide are.
const FOLDER: &str = "docs/guide/src";
/// The list of the pages.
const SUMMARY: &str = "docs/guide/src/SUMMARY.md";

/// Builds the site in `target/guide/book`, and checks that none of its links leads nowhere.
pub fn run(root: &Path) -> Result<()> {
    let stage = root.join("target/guide");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    for (path, content) in sources(root)? {
        let file = stage.join("src").join(path);
        fs::create_dir_all(file.parent().context("no folder")?)?;
        fs::write(file, content)?;
    }
    fs::copy(root.join("docs/guide/book.toml"), stage.join("book.toml"))?;
    // Nobody is served, and nothing is watched.
    let features = ["--no-default-features", "--features", "search"];
    let mdbook = setup::tool(root, "mdbook", VERSION, &features)?;
    let mut build = Command::new(mdbook);
    setup::run("build the guide", root, build.arg("build").arg(&stage))?;
    let book = stage.join("book");
    let links = check_site(&book)?;
    println!(
        "{links} links lead somewhere; the site is {}",
        book.display()
    );
    Ok(())
}

/// The files of the site by their paths: the guide, and what its pages lead to and include.
fn sources(root: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut waiting: Vec<String> = vec![SUMMARY.to_owned()];
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    while let Some(path) = waiting.pop() {
        if found.contains_key(&path) {
            continue;
        }
        let file = root.join(&path);
        let content = fs::read(&file).with_context(|| format!("reading {path}"))?;
        if path.ends_with(".md") {
            let page = String::from_utf8(content.clone())?;
            waiting.extend(leads_to(&path, &page));
        }
        found.insert(path, content);
    }
    let further = further_pages(&found)?;
    let mut files = BTreeMap::new();
    for (path, content) in found {
        let name = path.strip_prefix(&format!("{FOLDER}/"));
        let content = match name {
            Some(_) if path.ends_with(".md") => in_site(&String::from_utf8(content)?).into_bytes(),
            _ => content,
        };
        files.insert(name.unwrap_or(&path).to_owned(), content);
    }
    let summary = files.get_mut("SUMMARY.md").context("no summary")?;
    summary.extend_from_slice(further.as_bytes());
    Ok(files)
}

/// The files of the repository to which a page leads, and those that it includes.
fn leads_to(path: &str, page: &str) -> Vec<String> {
    let links = pages::links(page).into_iter().map(|(_, target)| target);
    let links = links.filter(|target| !pages::is_outside(target));
    let includes = pages::includes(page);
    let includes = includes.iter().map(|(_, include)| include.path.to_owned());
    links
        .chain(includes)
        .filter_map(|target| {
            let file = target.split('#').next().filter(|file| !file.is_empty())?;
            pages::resolve(path, file)
        })
        .collect()
}

/// The lines of the summary for the pages that are in the site without being named there.
fn further_pages(found: &BTreeMap<String, Vec<u8>>) -> Result<String> {
    let summary = String::from_utf8(found.get(SUMMARY).context("no summary")?.clone())?;
    let named: BTreeSet<String> = leads_to(SUMMARY, &summary).into_iter().collect();
    let mut lines = String::from("\n# Further pages\n\n");
    for (path, content) in found {
        let is_part = path.starts_with(FOLDER);
        if is_part || named.contains(path) || !path.ends_with(".md") {
            continue;
        }
        let page = std::str::from_utf8(content)?;
        let title = page.lines().find_map(|line| line.strip_prefix("# "));
        let title = title.with_context(|| format!("{path} has no title"))?;
        lines.push_str(&format!("- [{title}]({path})\n"));
    }
    Ok(lines)
}

/// A page of the guide as it stands at the root of the site, above all other files.
fn in_site(page: &str) -> String {
    let mut text = page.to_owned();
    for start in ["](", "{{#include "] {
        text = text.replace(&format!("{start}../../../"), start);
        text = text.replace(&format!("{start}../../"), &format!("{start}docs/"));
    }
    text
}

/// Checks that each link within the site leads to a file and an anchor that are there; answers how
/// many there are.
fn check_site(book: &Path) -> Result<usize> {
    let mut files = BTreeMap::new();
    read_site(book, "", &mut files)?;
    let mut count = 0;
    let mut wrong = Vec::new();
    for (path, page) in files.iter().filter(|(path, _)| path.ends_with(".html")) {
        let (links, pictures) = (page.split(" href=\""), page.split(" src=\""));
        for target in links
            .skip(1)
            .chain(pictures.skip(1))
            .filter_map(|rest| rest.split_once('"'))
            .map(|(target, _)| target)
            .filter(|target| !target.contains(':') && !target.is_empty())
        {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => Some(path.clone()),
                file => pages::resolve(path, file),
            };
            let leads_to = file.and_then(|file| files.get(&file));
            let has_anchor = |page: &String| page.contains(&format!("id=\"{anchor}\""));
            if !leads_to.is_some_and(|page| anchor.is_empty() || has_anchor(page)) {
                wrong.push(format!("{path}: {target}"));
            }
            count += 1;
        }
    }
    ensure!(count > 1000, "only {count} links were found in the site");
    if !wrong.is_empty() {
        bail!(
            "links of the site that lead nowhere:\n  {}",
            wrong.join("\n  ")
        );
    }
    Ok(count)
}

/// The files of the site by their paths; those that are no text are empty.
fn read_site(folder: &Path, path: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{path}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_site(&entry.path(), &format!("{name}/"), files)?;
        } else {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            files.insert(name, text);
        }
    }
    Ok(())
}
