//! What the random walks share: how they ask, what a model says, and how an answer is held against
//! it.

use crate::crash::Dice;
use crate::scenario::unix_ms;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tenantry::Tenantry;

/// The instant at which a walk begins.
pub fn start_ms() -> u64 {
    unix_ms("2026-06-15T12:00:00.000Z").unwrap()
}

/// Asks as an actor; the error as JSON too.
pub fn call(
    store: &Tenantry,
    actor: &Who,
    operation: &str,
    request: &Value,
) -> Result<Value, Value> {
    let actor = match actor {
        Who::System => String::new(),
        Who::User(user, account) => {
            json!({"kind": "user", "user": user, "account": account}).to_string()
        }
    };
    match store.call_json(
        actor.as_bytes(),
        operation.as_bytes(),
        request.to_string().as_bytes(),
    ) {
        Ok(answer) => Ok(serde_json::from_str(&answer).unwrap()),
        Err(error) => Err(serde_json::from_str(&error.to_json()).unwrap()),
    }
}

/// Asks as the host for what must succeed.
pub fn must(store: &Tenantry, operation: &str, request: Value) -> Value {
    call(store, &Who::System, operation, &request)
        .unwrap_or_else(|error| panic!("{operation} {request}: {error}"))
}

/// Who calls: the host, or a user in an account.
#[derive(Clone, Debug, PartialEq)]
pub enum Who {
    System,
    User(String, String),
}

/// What the model says: what to find in the answer, or the code of the error.
pub type Said = Result<Value, &'static str>;

pub fn one_of<T: Clone>(dice: &mut Dice, list: &[T]) -> T {
    list[dice.roll(list.len() as u64) as usize].clone()
}

pub fn id(dice: &mut Dice, letter: char, most: u64) -> String {
    format!("{letter}{}", dice.roll(most))
}

/// An id that is in use, and now and then one that may not be.
pub fn known<T>(dice: &mut Dice, map: &BTreeMap<String, T>, letter: char) -> String {
    if map.is_empty() || dice.roll(8) == 0 {
        return id(dice, letter, 60);
    }
    map.keys()
        .nth(dice.roll(map.len() as u64) as usize)
        .unwrap()
        .clone()
}

/// Takes from an answer what the model spoke of, so that the two can be compared; a decision is
/// compared whole. What the model says is null must be absent.
pub fn only_what_was_said(said: &Value, answer: &Value) -> Value {
    match (said, answer) {
        (Value::Object(said), Value::Object(answer)) => {
            let found = |key: &str, said: &Value| {
                answer
                    .get(key)
                    .cloned()
                    .or(said.is_null().then_some(Value::Null))
            };
            said.iter()
                .filter_map(|(key, said)| {
                    Some((key.clone(), only_what_was_said(said, &found(key, said)?)))
                })
                .collect()
        }
        (Value::Array(said), Value::Array(answer)) if said.len() == answer.len() => said
            .iter()
            .zip(answer)
            .map(|(said, answer)| only_what_was_said(said, answer))
            .collect(),
        _ => answer.clone(),
    }
}
