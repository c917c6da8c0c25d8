//! Every operation of the catalogue as a command, with an option for each field of its request.

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value};
use std::io::{Read, Write};
use tenantry::catalogue::{CATALOGUE, Entry};

use crate::failure::Failure;

/// The option with the request as a whole.
const WITH: &str = "with";

/// What an option says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    /// Said again for each further one.
    Texts,
    /// Anything else, as JSON.
    Json,
}

/// A field of a request.
struct Field {
    name: String,
    help: String,
    kind: Kind,
}

pub(crate) fn commands() -> impl Iterator<Item = Command> {
    CATALOGUE.iter().map(|entry| {
        let (about, fields) = described(entry);
        Command::new(entry.name)
            .about(about)
            .hide(true)
            .arg(
                Arg::new(WITH)
                    .long(WITH)
                    .value_name("JSON")
                    .help("The request, or `-` to read it; options take precedence over it"),
            )
            .args(
                fields
                    .into_iter()
                    .filter(|field| field.name != WITH)
                    .map(option),
            )
    })
}

fn option(field: Field) -> Arg {
    let arg = Arg::new(field.name.clone())
        .long(field.name.replace('_', "-"))
        .help(field.help);
    match field.kind {
        Kind::Flag => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_name("BOOL"),
        Kind::Texts => arg.action(ArgAction::Append).value_name("TEXT"),
        Kind::Text => arg.value_name("TEXT"),
        Kind::Number => arg.value_name("N").allow_negative_numbers(true),
        Kind::Json => arg.value_name("JSON"),
    }
}

/// The request that the options say.
pub(crate) fn request(operation: &str, of: &ArgMatches) -> Result<Value, Failure> {
    let entry = tenantry::catalogue::find(operation)
        .ok_or_else(|| Failure::Usage(format!("there is no operation `{operation}`")))?;
    let mut request = match of.get_one::<String>(WITH) {
        Some(text) => whole(text)?,
        None => Map::new(),
    };
    for field in described(entry).1 {
        if field.name == WITH {
            continue;
        }
        let said: Vec<&String> = of.get_many(&field.name).into_iter().flatten().collect();
        let Some(first) = said.first() else {
            continue;
        };
        let value = match field.kind {
            Kind::Text => Value::from(first.as_str()),
            Kind::Texts => said.iter().map(|text| Value::from(text.as_str())).collect(),
            Kind::Number | Kind::Flag | Kind::Json => {
                serde_json::from_str(first).map_err(|error| {
                    let option = field.name.replace('_', "-");
                    Failure::Usage(format!("`--{option} {first}` is not JSON: {error}"))
                })?
            }
        };
        request.insert(field.name, value);
    }
    Ok(request.into())
}

fn whole(text: &str) -> Result<Map<String, Value>, Failure> {
    let mut read = String::new();
    let text = match text {
        "-" => {
            let input = std::io::stdin().read_to_string(&mut read);
            input
                .map_err(|error| Failure::Usage(format!("the request cannot be read: {error}")))?;
            &read
        }
        text => text,
    };
    serde_json::from_str(text)
        .map_err(|error| Failure::Usage(format!("`--{WITH}` is not a JSON object: {error}")))
}

/// Lists the operations, with the first sentence of what they do.
pub(crate) fn list(word: Option<&str>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for entry in CATALOGUE {
        let (about, _) = described(entry);
        let has = |word: &str| {
            let word = word.to_lowercase();
            entry.name.contains(&word) || about.to_lowercase().contains(&word)
        };
        if word.is_none_or(has) {
            writeln!(out, "{:<32} {about}", entry.name)?;
        }
    }
    Ok(())
}

/// The first sentence of what an operation does, and its fields.
fn described(entry: &Entry) -> (String, Vec<Field>) {
    let schema = (entry.request)().to_value();
    let about = sentence(&schema["description"]);
    let Some(properties) = schema["properties"].as_object() else {
        return (about, Vec::new());
    };
    let mut fields: Vec<_> = properties.iter().collect();
    fields.sort_by_key(|(_, property)| property["x-order"].as_u64());
    let fields = fields.into_iter().map(|(name, property)| Field {
        name: name.clone(),
        help: sentence(&property["description"]),
        kind: kind(property, &schema),
    });
    (about, fields.collect())
}

/// A text as far as its first full stop.
fn sentence(text: &Value) -> String {
    let text = text.as_str().unwrap_or_default().replace('\n', " ");
    match text.split_once(". ") {
        Some((first, _)) => first.to_owned(),
        None => text.trim_end_matches('.').to_owned(),
    }
}

/// What a value of this schema is, within the schema of the whole request.
fn kind(schema: &Value, whole: &Value) -> Kind {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return kind(&whole["$defs"][name], whole);
    }
    // Optional is what may be `null` too.
    if let Some(either) = schema["anyOf"].as_array() {
        let mut other = either.iter().filter(|one| one["type"] != "null");
        return match (other.next(), other.next()) {
            (Some(one), None) => kind(one, whole),
            _ => Kind::Json,
        };
    }
    // Words of an enum, each with a sentence of its own.
    if let Some(words) = schema["oneOf"].as_array() {
        let is_word = |one: &Value| one["const"].is_string() || one["type"] == "string";
        return match words.iter().all(is_word) {
            true => Kind::Text,
            false => Kind::Json,
        };
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let types: Vec<_> = types.into_iter().filter(|one| *one != "null").collect();
    match types[..] {
        ["string"] => Kind::Text,
        ["integer" | "number"] => Kind::Number,
        ["boolean"] => Kind::Flag,
        ["array"] if kind(&schema["items"], whole) == Kind::Text => Kind::Texts,
        _ => Kind::Json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(operation: &str, field: &str) -> Kind {
        let entry = tenantry::catalogue::find(operation).unwrap();
        let found = described(entry).1.into_iter().find(|one| one.name == field);
        found.unwrap().kind
    }

    #[test]
    fn options_are_of_the_kind_of_their_field() {
        for (operation, field, kind) in [
            ("groups.create", "account", Kind::Text),
            ("groups.create", "name", Kind::Text),
            ("outbox.take", "limit", Kind::Number),
            ("store.restore", "edited", Kind::Flag),
            ("sending.admit", "channel", Kind::Text),
            ("accounts.create", "owner", Kind::Json),
        ] {
            assert_eq!(kind_of(operation, field), kind, "{operation} {field}");
        }
    }
}
