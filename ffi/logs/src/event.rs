//! An event as plain values.

use serde_json::{Map, Value, json};
use std::fmt::{Debug, Write};
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::Level;
use tracing::field::{Field, Visit};

/// Something that has happened, for a log.
#[derive(Clone, Debug)]
pub struct Event {
    at_ms: u64,
    level: Level,
    target: String,
    message: String,
    fields: Map<String, Value>,
}

impl Event {
    pub(crate) fn of(event: &tracing::Event<'_>) -> Event {
        let metadata = event.metadata();
        let mut made = Event::new(*metadata.level(), metadata.target(), String::new());
        event.record(&mut made);
        made
    }

    pub(crate) fn lost(lost: u64) -> Event {
        let message = "Events were lost, as they were not taken in time.".to_owned();
        let mut event = Event::new(Level::WARN, "tenantry::logs", message);
        event.fields.insert("lost".to_owned(), lost.into());
        event
    }

    fn new(level: Level, target: &str, message: String) -> Event {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Event {
            at_ms: since.map_or(0, |since| since.as_millis() as u64),
            level,
            target: target.replace("::", "."),
            message,
            fields: Map::new(),
        }
    }

    /// When it came, in unix milliseconds.
    #[must_use]
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// How grave it is.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Which part of the library tells it, such as `tenantry.store`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What has happened, without the fields.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The fields as a JSON object.
    #[must_use]
    pub fn fields_json(&self) -> String {
        Value::Object(self.fields.clone()).to_string()
    }

    /// The message and the fields, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.message.clone();
        for (at, (name, value)) in self.fields.iter().enumerate() {
            text.push_str(if at == 0 { " (" } else { ", " });
            // Writing to a text does not fail.
            let _ = match value {
                Value::String(value) => write!(text, "{name}={value}"),
                value => write!(text, "{name}={value}"),
            };
        }
        if !self.fields.is_empty() {
            text.push(')');
        }
        text
    }

    /// All of it as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        json!({
            "at_ms": self.at_ms,
            "level": self.level.as_str().to_lowercase(),
            "target": self.target,
            "message": self.message,
            "fields": self.fields,
        })
        .to_string()
    }

    fn insert(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(message)) => self.message = message,
            (name, value) => _ = self.fields.insert(name.to_owned(), value),
        }
    }
}

impl Visit for Event {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.insert(field, format!("{value:?}").into());
    }
}
