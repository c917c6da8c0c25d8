//! The newest messages of the outbox.

use clap::ArgMatches;
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

use crate::answers::instant;
use crate::failure::Failure;
use crate::store::Store;

/// How many messages are read at once.
const PAGE: u64 = 500;
/// How often it is looked for new ones.
const PAUSE: Duration = Duration::from_millis(500);

/// Shows messages without taking them: a consumer still gets each of them.
pub(crate) fn follow(store: &Store, of: &ArgMatches, is_json: bool) -> Result<bool, Failure> {
    let lines = of.get_one::<u64>("lines").copied().unwrap_or(10);
    let last = store.call("outbox.consumers", &json!({}))?["last"]
        .as_u64()
        .unwrap_or(0);
    let mut after = last.saturating_sub(lines);
    loop {
        let request = json!({"after": after, "limit": PAGE});
        let page = store.call("outbox.read", &request)?;
        let messages: Vec<_> = page["messages"].as_array().into_iter().flatten().collect();
        for message in &messages {
            print(message, is_json)?;
            after = message["number"].as_u64().unwrap_or(after).max(after);
        }
        match (messages.is_empty(), of.get_flag("follow")) {
            (true, false) => return Ok(true),
            (true, true) => std::thread::sleep(PAUSE),
            (false, _) => {}
        }
    }
}

/// One line a message, without the token of a link: whoever has it is let in.
fn print(message: &Value, is_json: bool) -> std::io::Result<()> {
    let mut shown = message.clone();
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("token");
    }
    let mut out = std::io::stdout().lock();
    if is_json {
        return writeln!(out, "{shown}");
    }
    let text = |field: &str| shown[field].as_str().unwrap_or_default();
    writeln!(
        out,
        "{:>8}  {}  {:<28} {:<20} {}",
        shown["number"],
        shown["at_ms"].as_i64().map(instant).unwrap_or_default(),
        text("kind"),
        text("account"),
        text("to"),
    )
}
