//! Answers: tables for people, JSON for programs.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::{Map, Value};
use std::io::Write;

/// So much of one value is shown in a column.
const WIDEST: usize = 60;

pub(crate) fn print(answer: &Value, is_json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if is_json {
        return writeln!(out, "{answer}");
    }
    match answer {
        Value::Object(fields) => object(&mut out, fields),
        other => writeln!(out, "{}", cell("", other)),
    }
}

/// The single values one below the other, then each list as a table.
fn object(out: &mut impl Write, fields: &Map<String, Value>) -> std::io::Result<()> {
    let is_table = |value: &&Value| rows(value).is_some();
    let mut single = table();
    for (name, value) in fields.iter().filter(|(_, value)| !is_table(value)) {
        single.add_row([name.clone(), cell(name, value)]);
    }
    if !single.is_empty() {
        writeln!(out, "{}", trimmed(&single))?;
    }
    for (name, value) in fields {
        if let Some(rows) = rows(value) {
            writeln!(out, "\n{name}")?;
            writeln!(out, "{}", trimmed(&list(&rows)))?;
        }
    }
    Ok(())
}

/// The objects of a list that has nothing else.
fn rows(value: &Value) -> Option<Vec<&Map<String, Value>>> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    list.iter().map(Value::as_object).collect()
}

pub(crate) fn table() -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table
}

fn list(rows: &[&Map<String, Value>]) -> Table {
    let mut columns: Vec<&String> = Vec::new();
    for name in rows.iter().flat_map(|row| row.keys()) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    let mut table = table();
    table.set_header(columns.iter().map(|name| name.to_uppercase()));
    for row in rows {
        let of = |name: &&String| {
            row.get(*name)
                .map_or(String::new(), |value| cell(name, value))
        };
        table.add_row(columns.iter().map(of));
    }
    table
}

/// Without what only fills up the lines.
pub(crate) fn trimmed(table: &Table) -> String {
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// A value as people read it: an instant where its name says that it is one.
fn cell(name: &str, value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) if name.ends_with("_at_ms") => match number.as_i64() {
            Some(ms) => instant(ms),
            None => number.to_string(),
        },
        other => other.to_string(),
    };
    let shown = plain(&text);
    match shown.char_indices().nth(WIDEST) {
        Some((at, _)) => format!("{}…", shown.get(..at).unwrap_or_default()),
        None => shown,
    }
}

/// What somebody has typed must not steer the terminal.
pub(crate) fn plain(text: &str) -> String {
    let blank = |one: char| if one.is_control() { ' ' } else { one };
    text.chars().map(blank).collect()
}

/// An instant in UTC, to the second.
pub(crate) fn instant(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => ms.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_are_short_and_steer_no_terminal() {
        assert_eq!(cell("name", &json!("a\u{1b}[31mb\nc")), "a [31mb c");
        assert_eq!(
            cell("name", &json!("ä".repeat(80))).chars().count(),
            WIDEST + 1
        );
        assert_eq!(cell("created_at_ms", &json!(0)), "1970-01-01 00:00:00 UTC");
        assert_eq!(cell("count", &json!(7)), "7");
    }
}
