//! The floors of the workspace, and how long and wide its code is.
//!
//! `floors.json` says which floor a file lies on; a file may import from its own floor and from
//! lower ones, and files import each other in no circle. `ratchets.json` lists what does not hold
//! yet. The lists may only shrink:
//!
//! - What is not listed, or worse than listed, fails, and has to be mended in the code.
//! - What is listed and has become better fails too: `TENANTRY_RATCHETS=write cargo test -p
//!   tenantry-tests --test layers` writes the shorter lists. It adds nothing.
//! - Where files have moved as they were, `TENANTRY_MOVED=old=new,old=new` beside it takes their
//!   entries along: `TENANTRY_MOVED=core/src/store=store/src`.
//! - `TENANTRY_RATCHETS=reset` writes anew whatever it finds, and prints what it adds. It is for
//!   two cases alone: a file was split, or moved to another floor, so that entries have other
//!   names; and two branches changed the lists, and neither version is that of the merged code.
//!   The change of `ratchets.json` is then read line by line before it is committed.

mod floors;
mod imports;
mod measures;
mod messages;
mod on_small_texts;
mod ratchets;
mod sources;

use floors::Floors;
use imports::Import;
use ratchets::Lists;
use sources::Workspace;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

/// What the workspace is like.
struct Found {
    files: Vec<String>,
    /// Files that no target has.
    unreached: Vec<String>,
    imports: Vec<Import>,
    lists: Lists,
    /// What there is to say to an entry of a list: where it is, and what it is.
    details: BTreeMap<(&'static str, String), String>,
}

static FLOORS: LazyLock<Floors> = LazyLock::new(Floors::read);
static FOUND: LazyLock<Found> = LazyLock::new(|| Found::of(&Workspace::read(), &FLOORS));

impl Found {
    fn of(workspace: &Workspace, floors: &Floors) -> Found {
        let mut found = Found {
            files: workspace
                .files
                .iter()
                .map(|file| file.path.clone())
                .collect(),
            unreached: sources::unreached(workspace)
                .into_iter()
                .map(String::from)
                .collect(),
            imports: imports::read(workspace),
            lists: Lists::default(),
            details: BTreeMap::new(),
        };
        found.look_upward(floors);
        found.look_around();
        found.measure(workspace);
        found
    }

    /// The imports from higher floors.
    fn look_upward(&mut self, floors: &Floors) {
        for import in &self.imports {
            let (from, to) = (floors.of_file(&import.from), floors.of_file(&import.to));
            let (Some(from), Some(to)) = (from, to) else {
                continue;
            };
            if to <= from {
                continue;
            }
            let pair = format!("{} -> {}", import.from, import.to);
            let said = self
                .details
                .entry(("upward_imports", pair.clone()))
                .or_default();
            let floors = [floors.name(from), floors.name(to)];
            writeln!(
                said,
                "  {}:{} imports `{}` of {}: floor `{}` lies below floor `{}`.",
                import.from, import.line, import.name, import.to, floors[0], floors[1]
            )
            .unwrap();
            *self.lists.upward_imports.entry(pair).or_default() += 1;
        }
    }

    /// The circles.
    fn look_around(&mut self) {
        self.lists.circles = imports::circles(&self.imports);
        for file in self.lists.circles.iter().flatten() {
            let mut said = format!("  {file} imports itself by way of others:\n");
            for import in imports::way_around(&self.imports, file) {
                let Import {
                    from,
                    to,
                    name,
                    line,
                } = import;
                writeln!(said, "    {from}:{line} imports `{name}` of {to}").unwrap();
            }
            self.details.insert(("circles", file.clone()), said);
        }
    }

    fn measure(&mut self, workspace: &Workspace) {
        for (name, (lines, place)) in measures::long_functions(&workspace.files) {
            let most = measures::FUNCTION;
            let said = format!("  {place} has a function of {lines} lines; {most} are allowed.\n");
            self.details.insert(("long_functions", name.clone()), said);
            self.lists.long_functions.insert(name, lines);
        }
        for (file, lines) in measures::long_files(&workspace.files) {
            let most = measures::FILE;
            let said = format!("  {file} has {lines} lines without tests; {most} are allowed.\n");
            self.details.insert(("long_files", file.clone()), said);
            self.lists.long_files.insert(file, lines);
        }
        for (file, lines) in measures::wide_lines(&workspace.files) {
            let most = measures::WIDTH;
            let mut said = format!("  more than {most} characters:");
            for line in &lines {
                write!(said, " {file}:{line}").unwrap();
            }
            said.push('\n');
            self.details.insert(("wide_lines", file.clone()), said);
            self.lists.wide_lines.insert(file, lines.len());
        }
    }

    fn summary(&self) -> String {
        let largest = self
            .lists
            .circles
            .iter()
            .map(|circle| circle.len())
            .max()
            .unwrap_or(0);
        let lists = &self.lists;
        format!(
            "{} files, {} imports between them; largest circle: {largest} files ({} circles); \
             upward imports: {} names in {} pairs of files; functions above {}: {}; files above \
             {}: {}; lines above {}: {} in {} files",
            self.files.len(),
            self.imports.len(),
            lists.circles.len(),
            lists.upward_imports.values().sum::<usize>(),
            lists.upward_imports.len(),
            measures::FUNCTION,
            lists.long_functions.len(),
            measures::FILE,
            lists.long_files.len(),
            measures::WIDTH,
            lists.wide_lines.values().sum::<usize>(),
            lists.wide_lines.len(),
        )
    }

    /// What is worse than listed, and what to do about it.
    fn complaint(&self, worse: &[(&'static str, String, String)]) -> String {
        let mut said = String::new();
        for (list, name, how) in worse {
            writeln!(said, "{list}: {name}: {how}").unwrap();
            let detail = self.details.get(&(*list, name.clone()));
            said.push_str(detail.map_or("", String::as_str));
            writeln!(said, "  {}", advice(list)).unwrap();
        }
        said
    }
}

/// What to do about something that a list does not allow.
fn advice(list: &str) -> &'static str {
    match list {
        "upward_imports" => {
            "Hand in what it needs (a `&mut Tx`, a value, a function), or move the item to a floor \
             that both may import from."
        }
        "circles" => {
            "Move what both sides need to a file below them, or hand it in where it is needed."
        }
        "long_functions" => "Take out a part that has a name of its own.",
        "long_files" => "Split it by purpose.",
        _ => "Break the line, or say it in fewer words.",
    }
}

fn path_of_lists() -> PathBuf {
    sources::root().join("tests/tests/layers/ratchets.json")
}

fn write(lists: &Lists) {
    let mut text = serde_json::to_string_pretty(lists).unwrap();
    text.push('\n');
    fs::write(path_of_lists(), text).unwrap();
}

/// The lists as they stand, with the entries of files that were moved under their new names.
fn read_lists(found: &Found) -> Lists {
    let text = fs::read_to_string(path_of_lists()).unwrap();
    let lists: Lists = serde_json::from_str(&text).unwrap_or_else(|problem| {
        panic!("ratchets.json cannot be read ({problem}); after a merge: TENANTRY_RATCHETS=reset")
    });
    let moved = std::env::var("TENANTRY_MOVED").unwrap_or_default();
    let moves = ratchets::moves(&moved).unwrap_or_else(|problem| panic!("{problem}"));
    for (old, _) in &moves {
        let left = found.files.iter().find(|file| floors::lies_in(file, old));
        assert!(
            left.is_none(),
            "TENANTRY_MOVED names {old}, but {left:?} is still there"
        );
    }
    lists.moved(&moves)
}

const WRITE: &str = "TENANTRY_RATCHETS=write cargo test -p tenantry-tests --test layers";

#[test]
fn what_does_not_hold_yet_only_shrinks() {
    let found = &*FOUND;
    let mode = std::env::var("TENANTRY_RATCHETS").unwrap_or_default();
    println!("{}", found.summary());
    if mode == "reset" {
        let before = fs::read_to_string(path_of_lists()).unwrap_or_default();
        let before: Lists = serde_json::from_str(&before).unwrap_or_default();
        let worse = before.compare(&found.lists).worse;
        eprintln!("added to the lists:\n{}", found.complaint(&worse));
        return write(&found.lists);
    }
    assert!(
        ["", "write"].contains(&mode.as_str()),
        "TENANTRY_RATCHETS is `write` or `reset`"
    );
    let differences = read_lists(found).compare(&found.lists);
    let complaint = found.complaint(&differences.worse);
    assert!(
        complaint.is_empty(),
        "this is worse than ratchets.json allows:\n\n{complaint}\n\
         If a listed file has moved as it was: TENANTRY_MOVED=old=new {WRITE}\n"
    );
    if mode == "write" {
        return write(&found.lists);
    }
    assert!(
        differences.better.is_empty(),
        "this has become better than ratchets.json says:\n\n{}\n\n\
         Take it out of the lists: {WRITE}\n",
        differences.better.join("\n")
    );
}

#[test]
fn every_file_lies_on_a_floor() {
    let lost: Vec<&String> = FOUND
        .files
        .iter()
        .filter(|file| FLOORS.of_file(file).is_none())
        .collect();
    assert!(
        lost.is_empty(),
        "these files lie on no floor: {lost:#?}\n\
         Give each its place in tests/tests/layers/floors.json: above all that it imports, below \
         all that imports it."
    );
}

#[test]
fn floors_name_no_place_that_was_left() {
    let left = FLOORS.left(&FOUND.files);
    assert!(
        left.is_empty(),
        "no file lies there: {left:#?}\n\
         Take these places out of tests/tests/layers/floors.json."
    );
}

#[test]
fn every_file_is_compiled() {
    let lost = &FOUND.unreached;
    assert!(
        lost.is_empty(),
        "no target of the workspace has these files: {lost:#?}\n\
         Declare them by `mod`, or delete them."
    );
}

#[test]
fn the_rules_read_no_clock() {
    let rules: Vec<_> = FOUND
        .files
        .iter()
        .filter(|file| floors::lies_in(file, "core/src/rules"))
        .collect();
    assert!(rules.len() > 1, "no rules were found");
    for path in rules {
        let source = fs::read_to_string(sources::root().join(path)).unwrap();
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

#[test]
fn every_message_is_a_sentence() {
    let workspace = Workspace::read();
    let libraries = ["core/src/", "store/src/", "ffi/src/", "bindings/"];
    let files = workspace.files.iter().filter(|file| {
        let is_library = libraries.iter().any(|place| file.path.starts_with(place));
        is_library && !file.is_test
    });
    let messages = messages::Messages::of(files);
    assert!(messages.read > 400, "only {} were found", messages.read);
    assert!(
        messages.problems.is_empty(),
        "{} of {} messages are none: CONTRIBUTING says how they are written.\n{}",
        messages.problems.len(),
        messages.read,
        messages.problems.join("\n")
    );
}
