//! Every mark of a rule in the repository stands in `docs/rules.md`, where each rule is defined
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text files of the repository, without what is built or installed.
fn texts(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let built = ["target", "node_modules", "__pycache__"].contains(&name.as_str());
            let hidden = name.starts_with('.') && name != ".ci" && name != ".github";
            if !built && !hidden {
                texts(&path, found);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((path, text));
        }
    }
}

/// The marks of rules in a text: an R, letters in upper case and a number, joined by hyphens.
fn marks(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("R-") {
        if text[..at].ends_with(|before: char| before.is_ascii_alphanumeric() || before == '-') {
            continue;
        }
        let Some((area, rest)) = text[at + 2..].split_once('-') else {
            continue;
        };
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if area.len() >= 2 && area.chars().all(|c| c.is_ascii_uppercase()) && !number.is_empty() {
            found.push(format!("R-{area}-{number}"));
        }
    }
    found
}

/// How often each rule is defined: a list item that begins with its anchor and its mark.
fn defined() -> BTreeMap<String, usize> {
    let page = fs::read_to_string(root().join("docs/rules.md")).unwrap();
    let mut rules = BTreeMap::new();
    for line in page.lines() {
        let Some(rest) = line.strip_prefix("- <a id=\"") else {
            continue;
        };
        let (anchor, rest) = rest.split_once("\"></a>**").unwrap();
        let mark = rest.split(':').next().unwrap();
        assert_eq!(anchor, mark.to_ascii_lowercase(), "the anchor of {mark}");
        assert_eq!(marks(mark), [mark], "`{mark}` is no mark of a rule");
        *rules.entry(mark.to_owned()).or_default() += 1;
    }
    rules
}

#[test]
fn every_mark_is_defined_once() {
    let rules = defined();
    assert!(rules.len() > 80, "only {} rules were found", rules.len());
    let twice: Vec<_> = rules.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "defined more than once: {twice:?}");

    let mut files = Vec::new();
    texts(&root(), &mut files);
    let mut used = BTreeSet::new();
    let mut unknown = Vec::new();
    for (path, text) in &files {
        for mark in marks(text) {
            if rules.contains_key(&mark) {
                if !path.ends_with("docs/rules.md") {
                    used.insert(mark);
                }
            } else {
                unknown.push(format!("{}: {mark}", path.display()));
            }
        }
    }
    assert!(
        unknown.is_empty(),
        "docs/rules.md does not define these rules:\n{}",
        unknown.join("\n")
    );
    assert!(used.len() > 80, "only {} rules are used", used.len());
}

/// Comments also name sections of the rules by their numbers.
#[test]
fn every_section_that_is_named_is_there() {
    let page = fs::read_to_string(root().join("docs/rules.md")).unwrap();
    let mut files = Vec::new();
    texts(&root().join("core/src"), &mut files);
    texts(&root().join("tests"), &mut files);
    let mut named = 0;
    for (path, text) in &files {
        // A comment may break its line within the words.
        let words: Vec<_> = text
            .split_whitespace()
            .filter(|word| !["///", "//!"].contains(word))
            .collect();
        for found in words.windows(5) {
            let [section, number, "of", "the", rules] = found else {
                continue;
            };
            if !section.ends_with("section") || !rules.starts_with("rules") {
                continue;
            }
            let heading = format!("\n## {number}. ");
            assert!(
                page.contains(&heading),
                "{}: there is no section {number}",
                path.display()
            );
            named += 1;
        }
    }
    assert!(named > 3, "only {named} sections are named");
}

/// In the reference a mark is a link to its rule.
#[test]
fn the_reference_links_to_the_rules() {
    let mut pages = Vec::new();
    texts(&root().join("docs/reference"), &mut pages);
    let mut links = 0;
    for (path, text) in &pages {
        for target in text.split("](../rules.md#").skip(1) {
            let anchor = target.split(')').next().unwrap();
            assert!(
                defined().contains_key(&anchor.to_ascii_uppercase()),
                "{}: no rule `{anchor}`",
                path.display()
            );
            links += 1;
        }
    }
    assert!(links > 100, "only {links} links to the rules");
}

#[test]
fn what_is_a_mark() {
    assert_eq!(marks("(R-QTA-1 to 6, R-QTA-13)"), ["R-QTA-1", "R-QTA-13"]);
    assert!(marks("CR-QTA-1, R-qta-1, R-QTA-x, R-XXX-n").is_empty());
}
