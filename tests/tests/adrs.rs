//! The pages of `docs/adr` are of one form, and their numbers are unique.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const HEADINGS: [&str; 4] = ["## Context", "## Options", "## Decision", "## Consequences"];

#[test]
fn every_decision_has_its_four_headings_and_a_number_of_its_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/adr");
    let mut numbers: BTreeMap<u32, String> = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let page = fs::read_to_string(&path).unwrap();
        let headings: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("## "))
            .collect();
        assert_eq!(headings, HEADINGS, "the headings of {name}");
        for section in page.split("\n## ").skip(1) {
            let (heading, text) = section.split_once('\n').unwrap();
            assert!(!text.trim().is_empty(), "{name}: `{heading}` is empty");
        }

        let number: u32 = name.split('-').next().unwrap().parse().unwrap();
        if let Some(other) = numbers.insert(number, name.clone()) {
            panic!("{other} and {name} have the same number");
        }
        if number > 0 {
            assert!(
                page.starts_with(&format!("# {number}. ")),
                "{name} should begin with `# {number}. ` and its title"
            );
        }
    }
    assert!(numbers.len() > 20, "only {} decisions", numbers.len());
    assert!(numbers.contains_key(&0), "there is no template");
}
