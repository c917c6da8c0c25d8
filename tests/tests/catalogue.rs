//! What a C host reads is the core's own list, both ways; Python and Node compare theirs in their
//! own tests.

use std::collections::BTreeMap;
use std::path::Path;
use tenantry::Code;
use tenantry::catalogue::{CATALOGUE, hash};

fn include(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../include")
        .join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_catalogue_as_json_lists_the_operations_of_the_core() {
    let json: serde_json::Value = serde_json::from_str(&include("tenantry.json")).unwrap();
    let listed: Vec<_> = json["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|op| op["name"].as_str().unwrap())
        .collect();
    let known: Vec<_> = CATALOGUE.iter().map(|entry| entry.name).collect();
    assert_eq!(listed, known);
    assert_eq!(json["hash"], hash());
}

#[test]
fn the_header_has_every_code_with_its_number_and_no_other() {
    let header = include("tenantry.h");
    let codes = header
        .split_once("\nenum tenantry_error {")
        .expect("an enum of the codes")
        .1;
    let codes = codes.split_once('}').unwrap().0;
    let listed: BTreeMap<_, i32> = codes
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("TENANTRY_")?
                .trim_end_matches(',')
                .split_once(" = ")
        })
        .map(|(name, number)| (name.to_lowercase(), number.parse().unwrap()))
        .collect();
    let mut known: BTreeMap<_, _> = Code::all()
        .iter()
        .map(|code| (code.name().to_owned(), code.number()))
        .collect();
    known.insert("ok".to_owned(), 0);
    assert_eq!(listed, known);
}
