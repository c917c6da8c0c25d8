//! The pages of the guide, and the links of all pages, without mdBook.

use super::pages;
use super::parts::{self, Block};
use super::{FOLDER, SUMMARY, in_site, leads_to};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The languages whose blocks are files that the tests run.
const RUN: [&str; 5] = ["python", "js", "c", "cpp", "rust"];
/// What other blocks are: shown, and run by nobody.
const SHOWN: [&str; 3] = ["sh", "text", "dockerfile"];
/// The page that lists the pages with commands that no test runs.
const FIRST: &str = "introduction.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The pages below a folder by their paths, without what is built or installed.
fn read(folder: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = match folder {
            "" => name.clone(),
            _ => format!("{folder}/{name}"),
        };
        if entry.file_type().unwrap().is_dir() {
            let is_built = ["target", "node_modules"].contains(&name.as_str());
            if !is_built && !name.starts_with('.') {
                read(&path, found);
            }
        } else if name.ends_with(".md") {
            found.insert(path, fs::read_to_string(entry.path()).unwrap());
        }
    }
}

/// The pages of the guide by their paths, with the list of them and the parts that are generated.
fn guide() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    read(FOLDER, &mut found);
    assert!(found.len() > 15, "only {} pages", found.len());
    found
}

/// A file that a page names by a relative path.
fn file(page: &str, path: &str) -> Option<String> {
    let path = pages::resolve(page, path)?;
    fs::read_to_string(root().join(path)).ok()
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let mut all = BTreeMap::new();
    read("", &mut all);
    // The pages of the Rust packages link to items; rustdoc looks at them.
    all.retain(|path, _| !path.starts_with("core/doc/"));
    let mut count = 0;
    let mut wrong = Vec::new();
    for (path, page) in &all {
        for (line, target) in pages::links(page) {
            if pages::is_outside(&target) {
                continue;
            }
            count += 1;
            let (name, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let leads_to = match name {
                "" => Some(path.clone()),
                name => pages::resolve(path, name),
            };
            let is_there = leads_to.is_some_and(|to| match all.get(&to) {
                Some(page) => anchor.is_empty() || parts::anchors(page).contains(anchor),
                None => anchor.is_empty() && root().join(to).exists(),
            });
            if !is_there {
                wrong.push(format!("{path}:{line}: {target}"));
            }
        }
    }
    assert!(count > 500, "only {count} links were found");
    assert!(
        wrong.is_empty(),
        "these lead nowhere:\n{}",
        wrong.join("\n")
    );
}

/// A site has files, and no folders.
#[test]
fn every_link_of_the_site_leads_to_a_file() {
    let sources = super::sources(&root()).unwrap();
    assert!(sources.contains_key("docs/reference/sending.md"));
    let pages = sources.keys().filter(|path| path.ends_with(".md"));
    assert!(pages.count() > guide().len() + 30);
}

#[test]
fn every_page_is_in_the_summary() {
    let all = guide();
    let summary = &all[SUMMARY];
    let named: Vec<String> = leads_to(SUMMARY, summary);
    let twice: BTreeSet<_> = named.iter().collect();
    assert_eq!(twice.len(), named.len(), "a page is there twice: {named:?}");
    for path in all.keys().filter(|path| *path != SUMMARY) {
        let is_part = path.starts_with(&format!("{FOLDER}/generated-"));
        assert_ne!(is_part, named.contains(path), "{path} in the summary");
    }
}

#[test]
fn every_include_is_there() {
    let mut count = 0;
    for (path, page) in &guide() {
        for (line, include) in pages::includes(page) {
            count += 1;
            let text = file(path, include.path);
            let text = text.unwrap_or_else(|| panic!("{path}:{line}: no {}", include.path));
            if let Some(anchor) = include.anchor {
                let is_there = parts::has_part(&text, anchor);
                assert!(is_there, "{path}:{line}: {} has no {anchor}", include.path);
            }
        }
        let named = page.matches("{{#").count();
        assert_eq!(
            named,
            pages::includes(page).len(),
            "an unknown mark in {path}"
        );
    }
    assert!(count > 30, "only {count} includes");
}

fn language<'p>(block: &Block<'p>) -> &'p str {
    block.info.split(',').next().unwrap_or_default()
}

/// Whether the tests run a file: every one in these folders.
fn is_run(path: &str, language: &str) -> bool {
    let folder = match language {
        "js" => "node",
        other => other,
    };
    ["examples/guide", "examples"].iter().any(|of| {
        let start = format!("../../../{of}/{folder}/");
        let name = path.strip_prefix(&start);
        name.is_some_and(|name| !name.contains('/'))
    })
}

/// Code of a language is a part of a file, which is run; nothing is written by hand.
#[test]
fn no_page_has_code_that_is_not_run() {
    let mut with_commands = BTreeSet::new();
    let all = guide();
    for (path, page) in &all {
        for block in parts::blocks(page) {
            let at = format!("{path}:{}", block.line);
            if RUN.contains(&language(&block)) {
                let lines: Vec<_> = block.lines.iter().filter(|line| !line.is_empty()).collect();
                assert!(!lines.is_empty(), "{at}: nothing is included");
                for line in lines {
                    let include = pages::include(line);
                    let include = include.unwrap_or_else(|| panic!("{at}: by hand: {line}"));
                    assert!(is_run(include.path, language(&block)), "{at}: {line}");
                }
            } else {
                assert!(SHOWN.contains(&language(&block)), "{at}: `{}`", block.info);
                if language(&block) != "text" {
                    with_commands.insert(path.clone());
                }
            }
        }
    }
    // The first page says openly which these are.
    let first = format!("{FOLDER}/{FIRST}");
    let (_, list) = all[&first].split_once("## What no test runs").unwrap();
    let list = list.split("\n## ").next().unwrap();
    let told: BTreeSet<String> = leads_to(&first, list).into_iter().collect();
    assert_eq!(told, with_commands);
}

/// Whoever writes Python or JavaScript finds each task in their language.
#[test]
fn a_page_with_python_has_node_too() {
    let mut tasks = 0;
    for (path, page) in &guide() {
        let name = path.rsplit('/').next().unwrap_or_default();
        let languages: Vec<_> = parts::blocks(page).iter().map(language).collect();
        let of = |wanted| languages.iter().filter(|one| **one == wanted).count();
        if name.starts_with("first-") {
            continue;
        }
        assert_eq!(of("python"), of("js"), "{path}");
        tasks += usize::from(of("python") > 0);
    }
    assert!(tasks >= 8, "only {tasks} pages with code");
}

/// What nobody reads need not be kept up.
#[test]
fn every_example_of_the_guide_is_shown() {
    let mut shown = BTreeSet::new();
    for (path, page) in &guide() {
        shown.extend(leads_to(path, page));
    }
    let mut count = 0;
    for language in fs::read_dir(root().join("examples/guide")).unwrap() {
        let folder = language.unwrap().path();
        for example in fs::read_dir(&folder).unwrap() {
            let path = example.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let path = path
                .strip_prefix(root())
                .unwrap()
                .to_string_lossy()
                .into_owned();
            assert!(shown.contains(&path), "no page shows {path}");
            count += 1;
        }
    }
    assert!(count > 15, "only {count} examples");
}

/// Each class of errors has its place, with what to do.
#[test]
fn every_class_of_errors_is_on_the_page_of_errors() {
    let page = &guide()[&format!("{FOLDER}/errors.md")];
    for class in tenantry::Class::ALL.map(tenantry::Class::name) {
        let table = format!("{{{{#include generated-errors.md:{class}}}}}");
        assert!(page.contains(&table), "no table of `{class}`");
    }
}

#[test]
fn what_a_page_has() {
    let page = "# One `x` two\n\n[a](b.md#c) and `[d](e)` ![f](g.svg)\n```python\n\
        {{#include ../h.py:part}}\n[i](j)\n```\n## One\n### One\n<a id=\"r-1\"></a>\n";
    let links = [(3, "b.md#c".to_owned()), (3, "g.svg".to_owned())];
    assert_eq!(pages::links(page), links);
    let anchors = ["one", "one-1", "one-x-two", "r-1"].map(str::to_owned);
    assert_eq!(parts::anchors(page), BTreeSet::from(anchors));
    let blocks = parts::blocks(page);
    assert_eq!(
        (blocks.len(), blocks[0].line, blocks[0].info),
        (1, 4, "python")
    );
    assert_eq!(blocks[0].lines.len(), 2);
    let includes = pages::includes(page);
    assert_eq!((includes.len(), includes[0].0), (1, 5));
    assert_eq!(includes[0].1.path, "../h.py");
    assert_eq!(includes[0].1.anchor, Some("part"));
}

#[test]
fn what_a_part_is() {
    let file = "# ANCHOR: one\nx\n# ANCHOR_END: one\n<!-- ANCHOR: two -->\n# ANCHOR: three\n";
    assert!(parts::has_part(file, "one"));
    for absent in ["two", "three", "on", "four"] {
        assert!(!parts::has_part(file, absent), "{absent}");
    }
    let turned = "# ANCHOR_END: one\n# ANCHOR: one\n";
    assert!(!parts::has_part(turned, "one"));
}

#[test]
fn where_a_link_leads() {
    let at = |target| pages::resolve("docs/guide/src/a.md", target);
    assert_eq!(at("b.md").as_deref(), Some("docs/guide/src/b.md"));
    assert_eq!(at("../../rules.md").as_deref(), Some("docs/rules.md"));
    assert_eq!(at("../../../../x"), None);
    let page =
        "[a](../../rules.md) [b](../../../README.md)\n{{#include ../../../e.py:x}}\n[c](d.md)";
    let there = "[a](docs/rules.md) [b](README.md)\n{{#include e.py:x}}\n[c](d.md)";
    assert_eq!(in_site(page), there);
}
