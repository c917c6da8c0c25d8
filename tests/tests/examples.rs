//! The examples in Rust and in C and C++ are programs that run; those of Python and Node run with
//! their own tests.

use std::collections::BTreeSet;

#[path = "../../examples/rust/domains.rs"]
mod domains;
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
