//! What was answered, summed up in blocks, and how it is held against what was recorded.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

/// So many operations have one hash.
pub const BLOCK: usize = 500;

/// Sentences for people may be put in other words; what a store is called, how its records lie and
/// which library wrote them is no answer to a request. `state` has the fingerprint of the store
/// beside the answers, so that either can change without the other.
const LEFT_OUT: [&str; 6] = [
    "bytes",
    "message",
    "state_hash",
    "store_id",
    "title",
    "version",
];

/// What `store.info` tells of the store besides, which no operation of the walk changes: it was not
/// told yet when the history was recorded.
const OF_STORE: [&str; 2] = ["kind", "processes"];

/// What a refused send tells besides, which follows from its code and its instant: it was not told
/// yet when the history was recorded.
const OF_REFUSALS: [&str; 2] = ["http_status", "smtp_reply"];

/// What `usage.get` tells of a window besides, for the same reason.
const OF_WINDOW: [&str; 1] = ["reserved"];

/// The fields, codes and values that had other names when the history was recorded: the name of
/// today, and that of the recording. Lines are summed up with the names of the recording.
const FIELDS: [(&str, &str); 4] = [
    ("assigned_to", "carrier"),
    ("include_descendants", "below"),
    ("parent_free", "free_above"),
    ("set_by", "carrier"),
];
/// For a value the field that has it stands first.
const VALUES: [(&str, &str, &str); 5] = [
    ("code", "hold_of_higher_level", "hold_above"),
    ("held_as", "ancestor", "above"),
    ("how", "ancestor", "above"),
    ("kind", "ancestor", "above"),
    ("reason", "shared_by_ancestor", "shared_from_above"),
];

/// An operation and what came of it.
pub struct Answered {
    pub operation: String,
    pub actor: Value,
    pub request: Value,
    pub outcome: Result<Value, Value>,
}

/// What is recorded in `tests/golden/history.json`.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// How many operations there were.
    pub operations: usize,
    /// One entry for each [`BLOCK`].
    pub blocks: Vec<Block>,
}

/// The sum of [`BLOCK`] operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// SHA-256 over the lines of its operations.
    pub answers: String,
    /// The fingerprint of the store after the last of them.
    pub state: String,
}

/// What is heard while the walk goes on.
#[derive(Default)]
pub struct History {
    pub recorded: Recorded,
    lines: Sha256,
    trace: Option<String>,
    pub called: BTreeMap<String, u64>,
    pub accepted: BTreeMap<String, u64>,
    pub codes: BTreeMap<String, BTreeMap<String, u64>>,
}

impl History {
    /// Keeps each line when it is to be written.
    pub fn new(is_traced: bool) -> History {
        History {
            trace: is_traced.then(String::new),
            ..History::default()
        }
    }

    /// Takes an operation in; true when a block is full, and wants the state.
    pub fn hear(&mut self, answered: &Answered) -> bool {
        let operation = &answered.operation;
        *self.called.entry(operation.clone()).or_default() += 1;
        let (code, field, told) = match &answered.outcome {
            Ok(answer) => {
                *self.accepted.entry(operation.clone()).or_default() += 1;
                ("ok", "", answer)
            }
            Err(error) => {
                let code = error["code"].as_str().unwrap();
                let codes = self.codes.entry(operation.clone()).or_default();
                *codes.entry(code.to_owned()).or_default() += 1;
                let field = error["field"].as_str().unwrap_or_default();
                (code, field, &error["details"])
            }
        };
        let code = value_then("code", code).unwrap_or(code);
        let names: Vec<&str> = field.split('/').map(field_then).collect();
        let field = names.join("/");
        let mut told = told.clone();
        let added: &[&str] = match operation.as_str() {
            "store.info" => &OF_STORE,
            "store.verify" => &["findings"],
            _ => &[],
        };
        if let Some(told) = told.as_object_mut() {
            told.retain(|name, _| !added.contains(&name.as_str()));
        }
        if operation == "usage.get"
            && let Some(windows) = told.get_mut("windows").and_then(Value::as_array_mut)
        {
            for window in windows.iter_mut().filter_map(Value::as_object_mut) {
                window.retain(|name, _| !OF_WINDOW.contains(&name.as_str()));
            }
        }
        let told = hex(&Sha256::digest(sorted(&told)));
        let line = format!("{operation}\t{code}\t{field}\t{told}\n");
        self.lines.update(&line);
        self.recorded.operations += 1;
        if let Some(trace) = &mut self.trace {
            let number = self.recorded.operations;
            let _ = write!(trace, "{number}\t{line}");
        }
        self.recorded.operations.is_multiple_of(BLOCK)
    }

    /// Ends a block.
    pub fn end_block(&mut self, state: String) {
        if let Some(trace) = &mut self.trace {
            let _ = writeln!(trace, "state\t{state}");
        }
        let lines = std::mem::take(&mut self.lines).finalize();
        self.recorded.blocks.push(Block {
            answers: hex(&lines),
            state,
        });
    }

    /// The lines of all operations, where they were kept.
    pub fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// Operations that were asked and never done.
    pub fn refused(&self) -> BTreeSet<&str> {
        let called = self.called.keys().map(String::as_str);
        called
            .filter(|name| !self.accepted.contains_key(*name))
            .collect()
    }
}

impl Recorded {
    pub fn path() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/history.json")
    }

    pub fn read() -> Recorded {
        let path = Recorded::path();
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("history.json: {error}"))
    }

    pub fn write(&self) {
        let text = serde_json::to_string_pretty(self).unwrap();
        std::fs::write(Recorded::path(), text + "\n").unwrap();
    }

    /// Where `now` differs first from what was recorded.
    pub fn difference(&self, now: &Recorded) -> Option<String> {
        let differs = self
            .blocks
            .iter()
            .zip(&now.blocks)
            .enumerate()
            .find(|(_, (recorded, now))| recorded != now);
        if let Some((number, (recorded, now))) = differs {
            let what = match (recorded.answers != now.answers, recorded.state != now.state) {
                (true, true) => "the answers and the state of the store differ",
                (true, false) => "the answers differ, the state of the store does not",
                _ => "the answers are the same, the state of the store differs",
            };
            let (first, last) = (number * BLOCK + 1, (number + 1) * BLOCK);
            return Some(format!(
                "from block {} on (operations {first} to {last}): {what}",
                number + 1
            ));
        }
        (self != now).then(|| {
            format!(
                "{} operations in {} blocks are recorded, and there were {} in {}",
                self.operations,
                self.blocks.len(),
                now.operations,
                now.blocks.len()
            )
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON with the keys of every object in order, without what may differ.
pub fn sorted(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&str, (&str, &Value)> = fields
                .iter()
                .filter(|(name, value)| !is_left_out(name, value))
                .map(|(name, value)| (field_then(name), (name.as_str(), value)))
                .collect();
            let fields: Vec<String> = fields
                .iter()
                .map(|(then, (name, value))| {
                    let value = match value.as_str().and_then(|text| value_then(name, text)) {
                        Some(then) => Value::from(then).to_string(),
                        None => sorted(value),
                    };
                    format!("{}:{value}", Value::from(*then))
                })
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(sorted).collect();
            format!("[{}]", list.join(","))
        }
        _ => value.to_string(),
    }
}

/// The name that a field had in the recording.
fn field_then(name: &str) -> &str {
    let renamed = FIELDS.iter().find(|(now, _)| *now == name);
    renamed.map_or(name, |(_, then)| then)
}

/// What the value of a field was in the recording, where it has another name today.
fn value_then(field: &str, value: &str) -> Option<&'static str> {
    let renamed = VALUES
        .iter()
        .find(|(of, now, _)| (*of, *now) == (field, value));
    renamed.map(|(_, _, then)| *then)
}

/// A `message` of the outbox is an object, and is compared.
fn is_left_out(name: &str, value: &Value) -> bool {
    OF_REFUSALS.contains(&name)
        || LEFT_OUT.contains(&name) && (value.is_string() || value.is_number())
}
