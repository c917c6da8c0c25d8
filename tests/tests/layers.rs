//! The layers of the core know what CONTRIBUTING.md says, and nothing else.

use std::fs;
use std::path::Path;

/// A layer, and the modules of the core that it may use besides itself.
const LAYERS: [(&str, &[&str]); 7] = [
    ("model", &[]),
    ("rules", &["model", "error"]),
    ("store", &[]),
    ("error", &["store"]),
    (
        "kernel",
        &["locks", "options", "model", "rules", "error", "store"],
    ),
    ("tables", &["kernel", "model", "rules", "error", "store"]),
    ("auth", &["kernel", "options", "model", "rules", "error"]),
];

fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((
                path.display().to_string(),
                fs::read_to_string(&path).unwrap(),
            ));
        }
    }
    found
}

/// The modules of the core that a source names as `crate::module`.
fn named(source: &str) -> Vec<String> {
    let names = source.split("crate::").skip(1);
    names
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect()
        })
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[test]
fn every_layer_uses_what_lies_below_it_only() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src");
    for (layer, allowed) in LAYERS {
        let sources = sources(&core.join(layer));
        assert!(!sources.is_empty(), "no sources of {layer}");
        for (path, source) in sources {
            // Tests may look at what lies above.
            for name in named(source.split("\n#[cfg(test)]\nmod tests {").next().unwrap()) {
                assert!(
                    name == layer || allowed.contains(&name.as_str()),
                    "{path} uses `crate::{name}`"
                );
            }
        }
    }
}

#[test]
fn the_rules_read_no_clock() {
    for (path, source) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/rules"))
    {
        for clock in [
            "SystemTime",
            "Instant",
            "Timestamp::now",
            "ZonedDateTime::now",
        ] {
            assert!(!source.contains(clock), "{path} names `{clock}`");
        }
    }
}
