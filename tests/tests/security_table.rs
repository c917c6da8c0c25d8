//! The table of `docs/security.md` names tests that are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_check_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| S"))
        .collect();
    let numbers: BTreeSet<String> = rows
        .iter()
        .map(|row| row[2..].split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        numbers,
        (1..=22).map(|number| format!("S{number}")).collect(),
        "one row for each check"
    );
    assert_eq!(rows.len(), 22);
    for row in rows {
        let named: Vec<(&str, &str)> = row
            .split('`')
            .skip(1)
            .step_by(2)
            .filter_map(|code| code.split_once('#'))
            .collect();
        assert!(
            !named.is_empty() || row.contains("*Not there yet:*"),
            "no test is named: {row}"
        );
        for (file, test) in named {
            let source = fs::read_to_string(root.join(file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            let is_there = match file.rsplit('.').next().unwrap() {
                "rs" => source.contains(&format!("fn {test}(")),
                "py" => source.contains(&format!("def {test}(")),
                "c" => source.contains(&format!("static void {test}(")),
                "mjs" => source.contains(&format!("test('{test}")),
                "json" => source.contains(&format!("\"call\": \"{test}\"")),
                other => panic!("{file}: what is a test in .{other}?"),
            };
            assert!(is_there, "{file} has no test `{test}`");
        }
    }
}
