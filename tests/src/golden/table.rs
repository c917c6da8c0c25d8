//! What the walk may ask, as `tests/golden/requests.json` writes it.
//!
//! A request is written as it is asked, but for these, which stand for what is rolled:
//!
//! * `"name?"`, a field that is there one time in three; `"name??"`, one time in twelve.
//! * `"$account"`: an account. The first one of a request is *here*: what has its place in an
//!   account is mostly taken from here then.
//! * `"$id"`, `"$email"`: new ones. `{n}` within a text is a number that is used once.
//! * `"$code"`: what the authenticator of the `secret` that was taken shows now.
//! * `"$pool"`, for any other name: something that was saved under it, or is in `pools`.
//!   `"$pool.field"`: a field of it; all fields of one request are of the same thing.
//! * `"$at.pool"`: takes a thing of the pool, and stands for the account that it has its place in;
//!   `"$pool"` and `"$pool.field"` are that thing then.
//! * `{"$of": [..]}`: one of these. `{"$int": [from, to]}`: a number. `{"$in": [from, to]}`: an
//!   instant so many milliseconds after now. `{"$some": [value, from, to]}`: a list.
//!
//! What is saved when the answer comes: `"save": {"pool@place": value}`. A value is a pointer into
//! the answer, a pointer into the request after `=`, or an object of these; `place`, the account
//! that it belongs to, too, and here when it is not said. `pool!` belongs nowhere.
//! `save_each` does so for each entry of a list, under the pool that the entry names.
//! `drop` forgets what was taken from these pools, `erase` also all that has its place there.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// All of `tests/golden/requests.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What is there before anything was asked.
    pub pools: BTreeMap<String, Vec<Value>>,
    /// Who may ask: by name, the kinds of actors to choose from.
    pub actors: BTreeMap<String, Vec<String>>,
    /// What is asked first, in order, and must succeed.
    pub setup: Vec<Request>,
    /// What the walk chooses from.
    pub requests: Vec<Request>,
}

/// One operation and how it is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub call: String,
    /// How often it is asked, beside the others.
    #[serde(default = "one")]
    pub weight: u64,
    /// How often it is asked in the setup.
    #[serde(default = "one")]
    pub times: u64,
    /// One of the names of `actors`; the host when absent.
    #[serde(rename = "as")]
    pub actors: Option<String>,
    #[serde(default)]
    pub with: Map<String, Value>,
    #[serde(default)]
    pub save: BTreeMap<String, Value>,
    #[serde(default)]
    pub save_each: Vec<SaveEach>,
    #[serde(default)]
    pub drop: Vec<String>,
    #[serde(default)]
    pub erase: Vec<String>,
}

/// What is saved of each entry of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaveEach {
    /// Where the list lies in the answer.
    pub at: String,
    /// The pool, or how its name begins.
    pub pool: String,
    /// Where in the entry the rest of its name lies.
    pub by: Option<String>,
    /// What of the entry is saved.
    pub value: Value,
}

fn one() -> u64 {
    1
}

impl Table {
    pub fn read() -> Table {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/requests.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let table: Table =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("requests.json: {error}"));
        for request in table.setup.iter().chain(&table.requests) {
            if let Some(actors) = &request.actors {
                assert!(
                    table.actors.contains_key(actors),
                    "{}: nobody is called `{actors}`",
                    request.call
                );
            }
        }
        table
    }
}
