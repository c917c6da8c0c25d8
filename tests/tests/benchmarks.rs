//! The figures in the README are those of the code beside it: the benchmarks write them, and this
//! says when they are older than the hot path.

#[path = "../../xtask/src/bench/fingerprint.rs"]
mod fingerprint;

use std::path::Path;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn the_figures_are_those_of_the_hot_path() {
    let code = fingerprint::of_hot_path(root()).unwrap();
    for document in ["README.md", "docs/benchmarks.md"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap_or_default();
        assert!(
            fingerprint::noted(&text) == Some(code.as_str()),
            "the figures in {document} are of code {}, and the hot path is code {code} by now: run \
             `cargo xtask bench --write` with nothing beside it, and commit what it wrote",
            fingerprint::noted(&text).unwrap_or("that nobody noted")
        );
    }
}

#[test]
fn comments_spaces_and_tests_are_no_code() {
    let code = "fn two() -> u64 {\n    1 + 1\n}\n";
    let same = [
        "//! Two.\n\n/// It is two.\nfn two()\n",
        "    -> u64 {\n    // One and one.\n    1 + 1\n}\n",
        "\n#[cfg(test)]\nmod tests {\n    fn three() {}\n}\n",
    ];
    assert_eq!(fingerprint::code(&same.concat()), fingerprint::code(code));
    assert_ne!(
        fingerprint::code(code),
        fingerprint::code(&code.replace("1 + 1", "2"))
    );
}

#[test]
fn only_what_is_between_the_marks_is_written() {
    let begin = fingerprint::begin("0123");
    let before = format!("# Title\n{begin}\nold\n<!-- bench: end -->\nrest\n");
    let after = fingerprint::renewed(&before, "4567", "new\n").unwrap();
    assert_eq!(after, before.replace("old", "new").replace("0123", "4567"));
    assert_eq!(fingerprint::noted(&after), Some("4567"));
    assert_eq!(fingerprint::renewed("no marks", "4567", "new\n"), None);
}
