//! A golden history: the walk of `tests/golden/requests.json` through nearly all operations, whose
//! answers and states are the same today as when they were recorded.
//!
//! It is for changes that must change nothing that a host can see: whoever moves code runs it.
//!
//! * `TENANTRY_GOLDEN=trace` writes a line for each operation (number, operation, `ok` or code,
//!   field, hash of the answer) to `target/golden/trace.tsv`; `TENANTRY_GOLDEN=trace:FOLDER` into
//!   that folder. The traces of two versions can be compared line by line.
//! * `TENANTRY_GOLDEN=full:FOLDER` writes the requests and the answers themselves as well, for the
//!   one operation that a trace has found.
//! * `TENANTRY_GOLDEN=record` records anew. That is for a commit which changes answers or keys on
//!   purpose, and whose message says so; never for one that only moves code.

use std::collections::VecDeque;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tenantry::catalogue::CATALOGUE;
use tenantry_tests::crash::{Kept, Scratch};
use tenantry_tests::golden::history::{Answered, History, Recorded, sorted};
use tenantry_tests::golden::table::Table;
use tenantry_tests::golden::walk::Walk;
use tenantry_tests::records::records_but_counters;

/// How many operations the history has.
const OPERATIONS: usize = 20_000;
/// So many operations of the catalogue are asked at least, and so many are done at least once.
const CALLED: usize = 200;
const ACCEPTED: usize = 170;

/// What the variable asks for.
enum Mode {
    Compare,
    Record,
    Trace(PathBuf),
    Full(PathBuf),
}

fn mode() -> Mode {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../golden");
    match std::env::var("TENANTRY_GOLDEN") {
        Err(_) => Mode::Compare,
        Ok(mode) => match mode.split_once(':') {
            None if mode == "record" => Mode::Record,
            None if mode == "trace" => Mode::Trace(target),
            None if mode == "full" => Mode::Full(target),
            Some(("trace", folder)) => Mode::Trace(folder.into()),
            Some(("full", folder)) => Mode::Full(folder.into()),
            _ => panic!("TENANTRY_GOLDEN is `record`, `trace` or `full`, not `{mode}`"),
        },
    }
}

#[test]
fn what_was_recorded_is_answered_today() {
    walk(Path::new(":memory:"), mode());
}

/// P13: whatever keeps the store, each operation of the walk is answered alike, and the records are
/// the same but for counters, which a store that processes share writes at other moments. How many
/// commits and records there are depends on those.
#[test]
fn what_is_answered_in_memory_is_answered_in_sqlite() {
    let table = Table::read();
    let scratch = Scratch::new("golden");
    let [memory, sqlite] = [
        Path::new(":memory:"),
        &Kept::Sqlite.named(&scratch.at("store")),
    ]
    .map(|path| {
        let mut setup = VecDeque::new();
        let walk = Walk::begin(path, &table, |answered| setup.push_back(answered));
        (walk, setup)
    });
    let (mut memory, mut sqlite) = (memory, sqlite);
    for number in 1..=OPERATIONS {
        let [one, other] = [&mut memory, &mut sqlite]
            .map(|(walk, setup)| setup.pop_front().unwrap_or_else(|| walk.step()));
        assert_eq!(
            (&one.operation, sorted(&one.request)),
            (&other.operation, sorted(&other.request)),
            "operation {number}"
        );
        let told = |answered: &Answered| match &answered.outcome {
            Ok(_) if answered.operation.starts_with("store.") => "done".to_owned(),
            Ok(answer) | Err(answer) => sorted(answer),
        };
        assert_eq!(
            told(&one),
            told(&other),
            "operation {number}, {} {}",
            one.operation,
            one.request
        );
    }
    for (walk, _) in [&memory, &sqlite] {
        let whole = walk.verify();
        assert_eq!(whole["whole"], true, "{whole}");
    }
    assert_eq!(
        records_but_counters(&memory.0.copied_to(&scratch.at("memory"))),
        records_but_counters(&sqlite.0.copied_to(&scratch.at("sqlite")))
    );
}

fn walk(path: &Path, mode: Mode) {
    let table = Table::read();
    let mut history = History::new(matches!(mode, Mode::Trace(_) | Mode::Full(_)));
    let mut full = matches!(mode, Mode::Full(_)).then(String::new);
    let mut answered = Vec::new();
    let mut walk = Walk::begin(path, &table, |setup| answered.push(setup));
    let mut setup = answered.into_iter();
    while history.recorded.operations < OPERATIONS {
        let answered = setup.next().unwrap_or_else(|| walk.step());
        if let Some(full) = &mut full {
            let _ = writeln!(
                full,
                "{}\t{}\t{}\t{}\t{}",
                history.recorded.operations + 1,
                answered.operation,
                answered.actor,
                answered.request,
                match &answered.outcome {
                    Ok(answer) | Err(answer) => answer,
                }
            );
        }
        if history.hear(&answered) {
            history.end_block(walk.state_hash());
        }
    }
    let whole = walk.verify();
    assert_eq!(whole["whole"], true, "{whole}");
    report(&history);
    match mode {
        Mode::Record => history.recorded.write(),
        Mode::Trace(folder) => write(&folder, "trace.tsv", history.trace().unwrap()),
        Mode::Full(folder) => {
            write(&folder, "trace.tsv", history.trace().unwrap());
            write(&folder, "full.tsv", &full.unwrap());
            write(&folder, "coverage.txt", &coverage(&history));
        }
        Mode::Compare => {}
    }
    if let Some(difference) = Recorded::read().difference(&history.recorded) {
        panic!(
            "the golden history differs {difference}. TENANTRY_GOLDEN=trace here and on the commit \
             before writes a line for each operation, to be compared"
        );
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    println!("written: {}", path.display());
}

/// How often each operation was done and refused, and with which codes.
fn coverage(history: &History) -> String {
    let mut text = String::new();
    for operation in history.called.keys() {
        let done = history.accepted.get(operation).copied().unwrap_or_default();
        let codes = history.codes.get(operation).cloned().unwrap_or_default();
        let _ = writeln!(text, "{operation}: done {done}, {codes:?}");
    }
    text
}

/// Says what the walk has covered, and holds it above what makes it worth something.
fn report(history: &History) {
    let known: Vec<&str> = CATALOGUE.iter().map(|entry| entry.name).collect();
    let never: Vec<&str> = known
        .iter()
        .copied()
        .filter(|name| !history.called.contains_key(*name))
        .collect();
    println!(
        "{} operations; of the {} of the catalogue {} were asked, {} done at least once",
        history.recorded.operations,
        known.len(),
        history.called.len(),
        history.accepted.len()
    );
    println!("never asked: {never:?}");
    println!("asked and always refused: {:?}", history.refused());
    let done: u64 = history.accepted.values().sum();
    println!("done: {done} of all");
    for operation in history.called.keys() {
        assert!(
            known.contains(&operation.as_str()),
            "`{operation}` is no operation: requests.json names it"
        );
    }
    assert!(history.called.len() >= CALLED, "too few were asked");
    assert!(history.accepted.len() >= ACCEPTED, "too few were done");
}
