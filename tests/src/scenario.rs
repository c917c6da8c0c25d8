//! Conformance scenarios: what a host asks and what it must be answered, as JSON, the same for
//! every language.
//!
//! A file of `tests/conformance` is one scenario:
//!
//! ```json
//! {
//!   "name": "a daily limit",
//!   "doc": "What it shows, in a sentence.",
//!   "rules": ["R-QTA-1"],
//!   "statements": ["ST-16"],
//!   "store": "memory",
//!   "open": {"clock": {"manual_ms": "${2026-06-15T12:00:00.000Z}"}, "seed": 1},
//!   "steps": []
//! }
//! ```
//!
//! `statements`, `store` (`memory` or `folder`) and `open` (the options, these when absent) may be
//! left out. With `"open": null` the first step opens the store. Every scenario ends with an
//! operation that nobody writes down: `store.state_hash`, which must be the same through every
//! driver.
//!
//! A step does one thing:
//!
//! * `{"call": "accounts.get", "with": {..}, "as": {"user": "ann", "account": "acme"}}`: an
//!   operation; `as` is absent for the host.
//! * `{"admit": {"account": "acme", "user": "ann", "count": 2}}`: the hot call; without `user` the
//!   host sends; with `channel`, `message`, `acting`.
//! * `{"check": {"account": "acme", "user": "ann", "permission": "campaigns.send"}}`: the hot call.
//! * `{"time": "2026-06-15T12:00:00.000Z"}`: `clock.set`.
//! * `{"open": {..}}`, `{"close": {}}`: opens the store with options, closes it.
//!
//! and says what is to be answered:
//!
//! * `"expect": {..}`: the answer holds this. An object may hold more; a list holds exactly these,
//!   in this order.
//! * `"at": {"/limits/0/value": 5}`: the same for what lies at a JSON pointer.
//! * `"absent": ["/refusal"]`: there is nothing at the pointer.
//! * `"refused": {"code": "not_found", "field": "/account", "details": {..}}`: an error; `details`
//!   as in `expect`.
//! * `"save": {"ann": "/id"}`: keeps what lies at the pointer. `"${ann}"` in any later step stands
//!   for it, and `"${2026-06-15T12:00:00.000Z}"` anywhere for that instant in unix milliseconds.
//!   Inside a longer text both stand for their text. `"${code secret 2026-06-15T12:00:00.000Z}"`
//!   stands for what an authenticator with the saved secret shows then.
//!
//! A step without `refused` must succeed.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A file of `tests/conformance`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    pub doc: String,
    pub rules: Vec<String>,
    #[serde(default)]
    pub statements: Vec<String>,
    #[serde(default)]
    pub store: Place,
    /// `null` leaves opening to the steps.
    #[serde(default = "open_by_default")]
    pub open: Value,
    pub steps: Vec<Step>,
    #[serde(skip)]
    pub file: String,
}

/// Where the store of a scenario lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    #[default]
    Memory,
    Folder,
}

/// One step, as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    #[serde(rename = "as")]
    pub actor: Option<Value>,
    pub call: Option<String>,
    pub with: Option<Value>,
    pub admit: Option<Value>,
    pub check: Option<Value>,
    pub time: Option<String>,
    pub open: Option<Value>,
    pub close: Option<Value>,
    pub expect: Option<Value>,
    pub at: Map<String, Value>,
    pub absent: Vec<String>,
    pub refused: Option<Refused>,
    pub save: HashMap<String, String>,
}

/// An error that a step must end in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    pub code: String,
    pub field: Option<String>,
    pub details: Option<Value>,
}

/// What a driver is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Open(Value),
    Close,
    Call {
        actor: Option<Value>,
        operation: String,
        request: Value,
    },
    Admit {
        account: String,
        user: Option<String>,
        count: u64,
        options: Map<String, Value>,
    },
    Check {
        account: String,
        user: String,
        permission: String,
    },
}

fn open_by_default() -> Value {
    json!({"clock": {"manual_ms": "${2026-06-15T12:00:00.000Z}"}, "seed": 1})
}

/// Every scenario, by name of file.
pub fn all() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(path: &Path) -> Scenario {
    let file = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let mut scenario: Scenario =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert!(
        !scenario.steps.is_empty() && !scenario.doc.is_empty(),
        "{file}: a scenario has steps and says what it shows"
    );
    for rule in &scenario.rules {
        let is_rule = rule.get(..6).is_some_and(|section| {
            section.starts_with("R-") && section.ends_with('-') && is_numbered(rule, section)
        });
        assert!(is_rule, "{file}: `{rule}` is no rule");
    }
    for statement in &scenario.statements {
        assert!(
            is_numbered(statement, "ST-"),
            "{file}: `{statement}` is no statement"
        );
    }
    scenario.file = file;
    scenario
}

fn is_numbered(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|number| number.parse::<u16>().is_ok())
}

impl Step {
    /// What to do, with everything that was saved in its place.
    pub fn action(&self, saved: &Saved) -> Result<Action, String> {
        self.check_form()?;
        if let Some(operation) = &self.call {
            return self.called(operation, saved);
        }
        if let Some(instant) = &self.time {
            let now_ms = unix_ms(instant).ok_or_else(|| format!("`{instant}` is no time"))?;
            return Ok(Action::Call {
                actor: None,
                operation: "clock.set".to_owned(),
                request: json!({"now_ms": now_ms}),
            });
        }
        if let Some(admit) = &self.admit {
            return admitted(saved.put_into(admit)?);
        }
        if let Some(check) = &self.check {
            return checked(saved.put_into(check)?);
        }
        match &self.open {
            Some(options) => Ok(Action::Open(saved.put_into(options)?)),
            None => Ok(Action::Close),
        }
    }

    /// A step says one thing to do, and what goes together.
    fn check_form(&self) -> Result<(), String> {
        let said = [
            self.call.is_some(),
            self.admit.is_some(),
            self.check.is_some(),
            self.time.is_some(),
            self.open.is_some(),
            self.close.is_some(),
        ];
        if said.iter().filter(|said| **said).count() != 1 {
            return Err(
                "a step has exactly one of `call`, `admit`, `check`, `time`, `open`, `close`"
                    .to_owned(),
            );
        }
        if self.call.is_none() && (self.with.is_some() || self.actor.is_some()) {
            return Err("`with` and `as` go with `call`".to_owned());
        }
        if self.refused.is_some()
            && (self.expect.is_some()
                || !self.at.is_empty()
                || !self.absent.is_empty()
                || !self.save.is_empty())
        {
            return Err("a refused step answers nothing else".to_owned());
        }
        Ok(())
    }

    fn called(&self, operation: &str, saved: &Saved) -> Result<Action, String> {
        let actor = self
            .actor
            .as_ref()
            .map(|actor| saved.put_into(actor))
            .transpose()?;
        let request = saved.put_into(self.with.as_ref().unwrap_or(&json!({})))?;
        Ok(Action::Call {
            actor: actor.map(with_kind),
            operation: operation.to_owned(),
            request,
        })
    }

    /// The operation that the step runs, hot calls included.
    pub fn operation(&self) -> Option<&str> {
        match self {
            Step {
                call: Some(operation),
                ..
            } => Some(operation),
            Step { time: Some(_), .. } => Some("clock.set"),
            Step { admit: Some(_), .. } => Some("sending.admit"),
            Step { check: Some(_), .. } => Some("access.check"),
            _ => None,
        }
    }

    /// Every error code that the step must bring about.
    pub fn codes(&self) -> Vec<String> {
        let mut codes: Vec<String> = self
            .refused
            .iter()
            .map(|refused| refused.code.clone())
            .collect();
        self.expect
            .iter()
            .for_each(|expected| collect_codes(expected, &mut codes));
        for (pointer, expected) in &self.at {
            collect_codes(expected, &mut codes);
            if let (true, Some(code)) = (
                pointer.ends_with("/code") || pointer == "/refusal",
                expected.as_str(),
            ) {
                codes.push(code.to_owned());
            }
        }
        codes
    }

    /// Compares what was answered, `{"ok": ..}` or `{"error": ..}`, with what was expected, and
    /// saves what later steps need.
    pub fn judge(&self, outcome: &Value, saved: &mut Saved) -> Result<(), String> {
        if let Some(refused) = &self.refused {
            let error = outcome
                .get("error")
                .ok_or_else(|| format!("expected `{}`, was answered", refused.code))?;
            if error["code"] != *refused.code {
                return Err(format!("expected `{}`", refused.code));
            }
            if let Some(field) = &refused.field
                && error["field"] != **field
            {
                return Err(format!("expected the field `{field}`"));
            }
            return match &refused.details {
                Some(details) => matches(&saved.put_into(details)?, &error["details"], "/details"),
                None => Ok(()),
            };
        }
        let answer = outcome.get("ok").ok_or("expected an answer")?;
        if let Some(expected) = &self.expect {
            matches(&saved.put_into(expected)?, answer, "")?;
        }
        for (pointer, expected) in &self.at {
            let there = answer
                .pointer(pointer)
                .ok_or_else(|| format!("there is nothing at {pointer}"))?;
            matches(&saved.put_into(expected)?, there, pointer)?;
        }
        if let Some(pointer) = self
            .absent
            .iter()
            .find(|pointer| answer.pointer(pointer).is_some())
        {
            return Err(format!("expected nothing at {pointer}"));
        }
        for (name, pointer) in &self.save {
            let value = answer
                .pointer(pointer)
                .ok_or_else(|| format!("there is nothing at {pointer} to save"))?;
            saved.0.insert(name.clone(), value.clone());
        }
        Ok(())
    }
}

/// The hot call that `admit` of a step describes.
fn admitted(admit: Value) -> Result<Action, String> {
    #[derive(Deserialize)]
    struct Admit {
        account: String,
        user: Option<String>,
        count: u64,
        #[serde(flatten)]
        options: Map<String, Value>,
    }
    let Admit {
        account,
        user,
        count,
        options,
    } = serde_json::from_value(admit).map_err(|error| error.to_string())?;
    if let Some(unknown) = options
        .keys()
        .find(|name| !["acting", "channel", "message"].contains(&name.as_str()))
    {
        return Err(format!("`admit` has no `{unknown}`"));
    }
    Ok(Action::Admit {
        account,
        user,
        count,
        options,
    })
}

/// The hot call that `check` of a step describes.
fn checked(check: Value) -> Result<Action, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Check {
        account: String,
        user: String,
        permission: String,
    }
    let Check {
        account,
        user,
        permission,
    } = serde_json::from_value(check).map_err(|error| error.to_string())?;
    Ok(Action::Check {
        account,
        user,
        permission,
    })
}

fn with_kind(mut actor: Value) -> Value {
    if let Some(object) = actor.as_object_mut() {
        object.entry("kind").or_insert_with(|| "user".into());
    }
    actor
}

fn collect_codes(expected: &Value, codes: &mut Vec<String>) {
    match expected {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(code) if key == "code" || key == "refusal" => {
                        codes.push(code.clone())
                    }
                    _ => collect_codes(value, codes),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect_codes(value, codes)),
        _ => {}
    }
}

/// Whether `answer` holds what is expected; the error says where it does not.
pub fn matches(expected: &Value, answer: &Value, at: &str) -> Result<(), String> {
    match (expected, answer) {
        (Value::Object(expected), Value::Object(answer)) => {
            expected.iter().try_for_each(|(key, expected)| {
                let there = answer
                    .get(key)
                    .ok_or_else(|| format!("there is no {at}/{key}"))?;
                matches(expected, there, &format!("{at}/{key}"))
            })
        }
        (Value::Array(expected), Value::Array(answer)) => {
            if expected.len() != answer.len() {
                return Err(format!(
                    "{at} has {} entries, expected {}",
                    answer.len(),
                    expected.len()
                ));
            }
            expected
                .iter()
                .zip(answer)
                .enumerate()
                .try_for_each(|(index, (expected, there))| {
                    matches(expected, there, &format!("{at}/{index}"))
                })
        }
        _ if expected == answer => Ok(()),
        _ => Err(format!("{at} is {answer}, expected {expected}")),
    }
}

/// What earlier steps saved.
#[derive(Debug, Default)]
pub struct Saved(HashMap<String, Value>);

impl Saved {
    /// The value with everything in its place that `${..}` names.
    pub fn put_into(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => self.text(text)?,
            Value::Array(list) => Value::Array(
                list.iter()
                    .map(|value| self.put_into(value))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(object) => Value::Object(
                object
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.put_into(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
            other => other.clone(),
        })
    }

    fn text(&self, text: &str) -> Result<Value, String> {
        if let Some(name) = text
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            && !name.contains('}')
        {
            return self.named(name);
        }
        let mut put = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| format!("`{text}` has no `}}`"))?;
            put.push_str(before);
            match self.named(name)? {
                Value::String(text) => put.push_str(&text),
                other => put.push_str(&other.to_string()),
            }
            rest = after;
        }
        put.push_str(rest);
        Ok(Value::String(put))
    }

    fn named(&self, name: &str) -> Result<Value, String> {
        if let Some((secret, at_ms)) = name
            .strip_prefix("code ")
            .and_then(|rest| rest.split_once(' '))
        {
            let secret = self
                .0
                .get(secret)
                .and_then(Value::as_str)
                .ok_or_else(|| format!("nobody saved `{secret}`"))?;
            let at_ms = unix_ms(at_ms).ok_or_else(|| format!("`{at_ms}` is no time"))?;
            return code_at(secret, at_ms).map(Value::String);
        }
        match (self.0.get(name), unix_ms(name)) {
            (Some(value), _) => Ok(value.clone()),
            (None, Some(ms)) => Ok(ms.into()),
            (None, None) => Err(format!("nobody saved `{name}`")),
        }
    }
}

/// What an authenticator that knows a secret, in base32, shows at an instant.
pub fn code_at(secret: &str, at_ms: u64) -> Result<String, String> {
    let secret = totp_rs::Secret::try_from_base32(secret).map_err(|error| error.to_string())?;
    let codes = totp_rs::Builder::new()
        .with_secret(secret)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(codes.generate(at_ms / 1000).to_string())
}

/// The unix milliseconds of a time like `2026-06-15T12:00:00.000Z`; none for any other text.
///
/// By hand, so that the calendar that is tested does not judge itself.
pub fn unix_ms(instant: &str) -> Option<u64> {
    let (date, time) = instant.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (clock, ms) = time.split_once('.')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let ms: u64 = ms.parse().ok()?;
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let length = |year: u64, month: u64| match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if year < 1970
        || !(1..=12).contains(&month)
        || !(1..=length(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
        || ms > 999
    {
        return None;
    }
    let years: u64 = (1970..year)
        .map(|year| if is_leap(year) { 366 } else { 365 })
        .sum();
    let months: u64 = (1..month).map(|month| length(year, month)).sum();
    Some(((((years + months + day - 1) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms)
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    text.split(between)
        .map(|part| part.parse().ok())
        .collect::<Option<Vec<u64>>>()?
        .try_into()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_unix_milliseconds() {
        assert_eq!(unix_ms("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(unix_ms("2000-02-29T23:59:59.999Z"), Some(951_868_799_999));
        assert_eq!(unix_ms("2026-06-15T12:00:00.000Z"), Some(1_781_524_800_000));
        assert_eq!(unix_ms("2026-02-29T00:00:00.000Z"), None);
        assert_eq!(unix_ms("ann"), None);
    }

    #[test]
    fn an_answer_may_hold_more_but_a_list_may_not() {
        let answer = json!({"a": 1, "list": [{"b": 2, "c": 3}]});
        assert!(matches(&json!({"list": [{"b": 2}]}), &answer, "").is_ok());
        for wrong in [
            json!({"b": 1}),
            json!({"a": 2}),
            json!({"list": []}),
            json!({"list": [{"b": 3}]}),
            json!({"a": "1"}),
            json!([]),
        ] {
            assert!(matches(&wrong, &answer, "").is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_step_is_judged() {
        let step = |text: Value| serde_json::from_value::<Step>(text).unwrap();
        let ok = json!({"ok": {"id": "x", "granted": 1}});
        let error =
            json!({"error": {"code": "not_found", "field": "/user", "details": {"kind": "user"}}});
        let judge =
            |written: Value, outcome: &Value| step(written).judge(outcome, &mut Saved::default());
        assert!(
            judge(
                json!({"expect": {"granted": 1}, "absent": ["/refusal"]}),
                &ok
            )
            .is_ok()
        );
        assert!(judge(json!({"at": {"/granted": 2}}), &ok).is_err());
        assert!(judge(json!({"absent": ["/granted"]}), &ok).is_err());
        assert!(judge(json!({}), &error).is_err());
        assert!(judge(json!({"refused": {"code": "not_found"}}), &ok).is_err());
        assert!(
            judge(
                json!({"refused": {"code": "not_found", "field": "/user",
            "details": {"kind": "user"}}}),
                &error
            )
            .is_ok()
        );
        assert!(
            judge(
                json!({"refused": {"code": "not_found", "field": "/account"}}),
                &error
            )
            .is_err()
        );
        assert!(
            judge(
                json!({"refused": {"code": "not_found", "details": {"kind": "role"}}}),
                &error
            )
            .is_err()
        );
    }

    #[test]
    fn what_was_saved_is_put_in() {
        let mut saved = Saved::default();
        let step: Step =
            serde_json::from_value(json!({"save": {"id": "/id", "rev": "/rev"}})).unwrap();
        step.judge(&json!({"ok": {"id": "x", "rev": 3}}), &mut saved)
            .unwrap();
        let put = saved
            .put_into(
                &json!({"a": "${id}", "b": ["${rev}"], "c": "${id}@x ${rev}",
            "d": "${1970-01-01T00:00:01.000Z}"}),
            )
            .unwrap();
        assert_eq!(put, json!({"a": "x", "b": [3], "c": "x@x 3", "d": 1000}));
        assert!(saved.put_into(&json!("${nobody}")).is_err());
    }
}
