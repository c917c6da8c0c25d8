//! The examples in Rust and in C and C++ are programs that run; those of Python and Node run with
//! their own tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[path = "../../examples/rust/domains.rs"]
mod domains;
#[path = "../../examples/guide/rust/message.rs"]
mod message;
#[path = "../../examples/rust/quickstart.rs"]
mod quickstart;

#[test]
fn the_rust_quickstart_runs() {
    quickstart::main().unwrap();
}

#[test]
fn the_rust_example_of_each_domain_runs() {
    domains::main().unwrap();
}

#[test]
fn every_rust_example_of_the_guide_runs() {
    message::main().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/guide/rust");
    let files = fs::read_dir(folder).unwrap();
    let names: BTreeSet<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, BTreeSet::from(["message.rs".into()]), "run it above");
}

/// The modules of the operations have an example each, which is generated; so has every other
/// public type, on the page of the crate.
#[test]
fn every_public_type_has_an_example() {
    let library = include_str!("../../core/src/lib.rs");
    let examples: String = include_str!("../../core/doc/types.md")
        .split("```")
        .skip(1)
        .step_by(2)
        .collect();
    let words = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
            .map(str::to_owned)
            .collect()
    };
    let exports = library.split(';').filter_map(|statement| {
        let (_, names) = statement.split_once("pub use ")?;
        Some(words(names))
    });
    let exported: BTreeSet<String> = exports.flatten().collect();
    assert!(exported.len() > 100, "{exported:?}");
    let shown = words(&examples);
    let missing: Vec<&String> = exported.difference(&shown).collect();
    assert!(missing.is_empty(), "core/doc/types.md shows no {missing:?}");
}
