//! Reads JSON from callers: its size is bounded before it is parsed, and the parsing is strict.

use crate::error::{Error, hint};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

/// The largest request, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The deepest nesting of a request.
pub(crate) const MAX_DEPTH: usize = 32;

/// Reads a request; an empty text is read as `{}`.
pub(crate) fn read<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, Error> {
    let (text, has_list) = check(if bytes.is_empty() { b"{}" } else { bytes })?;
    if text.trim_start().starts_with('[') {
        // Before its elements are taken for fields: a secret among them would have no name.
        return Err(no_object(String::new()));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = pointer(error.path());
        Error::invalid(field, sentence(error.inner()))
    })?;
    json.end()
        .map_err(|error| Error::invalid("", sentence(&error)))?;
    if has_list {
        let broken = |error: serde_json::Error| Error::invalid("", sentence(&error));
        no_list_for_an_object(
            &serde_json::from_str(text).map_err(broken)?,
            &serde_json::to_value(&value).map_err(broken)?,
            String::new(),
        )?;
    }
    Ok(value)
}

fn no_object(at: String) -> Error {
    Error::invalid(at, "This must be an object, not a list.")
}

/// Refuses a list in the place of an object: serde would take its elements for the fields of the
/// struct, in their order.
fn no_list_for_an_object(given: &Value, read: &Value, at: String) -> Result<(), Error> {
    match (given, read) {
        (Value::Array(_), Value::Object(_)) => Err(no_object(at)),
        (Value::Array(given), Value::Array(read)) => given
            .iter()
            .zip(read)
            .enumerate()
            .try_for_each(|(index, (given, read))| {
                no_list_for_an_object(given, read, format!("{at}/{index}"))
            }),
        (Value::Object(given), Value::Object(read)) => given
            .iter()
            .filter_map(|(key, given)| Some((key, given, read.get(key)?)))
            .try_for_each(|(key, given, read)| {
                no_list_for_an_object(given, read, format!("{at}/{key}"))
            }),
        _ => Ok(()),
    }
}

/// The text, and whether it contains a list.
fn check(bytes: &[u8]) -> Result<(&str, bool), Error> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::invalid(
            "",
            format!(
                "The request has {} bytes, and a request has at most {MAX_BYTES}; split it.",
                bytes.len()
            ),
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Error::invalid(
            "",
            format!(
                "The request is not UTF-8 at byte {}; send UTF-8.",
                error.valid_up_to()
            ),
        )
    })?;
    let (mut depth, mut in_string, mut escaped, mut has_list) = (0_usize, false, false, false);
    for byte in bytes {
        match (in_string, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, false, b'"') => in_string = !in_string,
            (false, _, b'{' | b'[') => {
                depth += 1;
                has_list |= *byte == b'[';
                if depth > MAX_DEPTH {
                    return Err(Error::invalid(
                        "",
                        format!("The request is nested more than {MAX_DEPTH} deep; flatten it."),
                    ));
                }
            }
            (false, _, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok((text, has_list))
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                format!("/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// What serde says, in the words of JSON instead of Rust. Our own types say it in a sentence.
fn sentence(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = said
        .rsplit_once(" at line ")
        .map_or(said.as_str(), |(said, _)| said);
    if said.ends_with('.') {
        return said.to_owned();
    }
    if !error.is_data() {
        return format!("The text is not JSON: {said}.");
    }
    let (what, expected) = said.split_once(", expected ").unwrap_or((said, ""));
    let is = |kind: &str| what.strip_prefix(kind);
    if let Some(name) = is("missing field ") {
        format!("The field {name} is missing; add it.")
    } else if let Some(name) = is("duplicate field ") {
        format!("The field {name} is there twice; leave one out.")
    } else if let Some(name) = is("unknown field ") {
        let name = name.split(',').next().unwrap_or_default();
        format!("There is no field {name} here{}.", meant(name, expected))
    } else if let Some(name) = is("unknown variant ") {
        format!("{name} is not known here{}.", meant(name, expected))
    } else if let Some(given) = is("invalid type: ").or_else(|| is("invalid value: ")) {
        format!(
            "This must be {}, and not {}.",
            wanted(expected),
            found(given)
        )
    } else if what.starts_with("data did not match any variant") {
        "This has none of the forms that the reference allows here.".to_owned()
    } else {
        format!("This does not fit: {said}.")
    }
}

/// The name that was probably meant, or the first of those that are known.
fn meant(given: &str, expected: &str) -> String {
    let names = || expected.split('`').skip(1).step_by(2);
    match hint(given.trim_matches('`'), names(), &known(names())) {
        hint if hint.is_empty() => hint,
        hint => format!("; {hint}"),
    }
}

/// The first of the names that are known.
fn known<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const ROOM: usize = 70;
    let (mut shown, mut room, mut left) = (Vec::new(), ROOM, 0_usize);
    for name in names {
        match room.checked_sub(name.len() + 4) {
            Some(rest) if left == 0 => {
                shown.push(format!("`{name}`"));
                room = rest;
            }
            _ => left += 1,
        }
    }
    match (shown.is_empty(), left) {
        (true, _) => String::new(),
        (false, 0) => format!("known: {}", shown.join(", ")),
        (false, left) => format!("known: {}, and {left} more", shown.join(", ")),
    }
}

/// What was to stand there.
fn wanted(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        "string or map" | "variant identifier" => "a word",
        _ if expected.starts_with("struct ") => "an object",
        _ => expected,
    }
}

/// What stands there.
fn found(given: &str) -> String {
    let text = given
        .strip_prefix("string \"")
        .and_then(|text| text.strip_suffix('"'));
    let within = |kind: &str| given.strip_prefix(kind);
    if let Some(text) = text {
        format!("the text `{text}`")
    } else if let Some(number) = within("integer ").or_else(|| within("floating point ")) {
        format!("the number {number}")
    } else if let Some(answer) = within("boolean ") {
        answer.to_owned()
    } else {
        let known = match given {
            "map" => "an object",
            "sequence" => "a list",
            "null" | "unit value" => "`null`",
            other => other,
        };
        known.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        name: String,
        #[serde(default)]
        list: Vec<u64>,
        #[serde(default)]
        parts: Vec<Part>,
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Part {
        size: u64,
    }

    #[test]
    fn a_bad_request_names_the_field() {
        let field = |text: &[u8]| {
            read::<Request>(text)
                .unwrap_err()
                .field()
                .unwrap()
                .to_owned()
        };
        assert!(read::<Request>(br#"{"name":"a {[\" b","list":[1]}"#).is_ok());
        assert_eq!(field(br#"{"name":5}"#), "/name");
        assert_eq!(field(br#"{"name":"a","list":[1,-1]}"#), "/list/1");
        assert_eq!(field(br#"{"name":"a","list":[1.5]}"#), "/list/0");
        assert_eq!(field(br#"{"name":"a","nane":"b"}"#), "/nane");
        assert_eq!(field(br#"["a"]"#), "");
        assert_eq!(
            field(br#"{"name":"a","parts":[{"size":1},[2]]}"#),
            "/parts/1"
        );
        assert!(read::<Request>(br#"{"name":"a","parts":[{"size":1},{"size":2}]}"#).is_ok());
        for bad in [
            &b""[..],
            b"{",
            b"{}",
            b"[]",
            b"null",
            b"{\"name\":\"a\"} {}",
            b"{\"name\":\"a\",\"name\":\"b\"}",
            b"{\"name\":\"\xff\"}",
        ] {
            assert!(read::<Request>(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn a_message_is_in_the_words_of_json() {
        let said = |text: &str| {
            read::<Request>(text.as_bytes())
                .unwrap_err()
                .message()
                .to_owned()
        };
        for (text, message) in [
            ("{}", "The field `name` is missing; add it."),
            (
                r#"{"name":"a","nane":"b"}"#,
                "There is no field `nane` here; perhaps `name` is meant.",
            ),
            (
                r#"{"name":"a","account":"b"}"#,
                "There is no field `account` here; known: `name`, `list`, `parts`.",
            ),
            (
                r#"{"name":"a","list":["x"]}"#,
                "This must be a whole number from 0, and not the text `x`.",
            ),
            (
                r#"{"name":"a","list":{}}"#,
                "This must be a list, and not an object.",
            ),
            (
                r#"{"name":"a","list":[-1]}"#,
                "This must be a whole number from 0, and not the number `-1`.",
            ),
            (r#"{"name":null}"#, "This must be a string, and not `null`."),
            (
                r#"{"name":"a","name":"b"}"#,
                "The field `name` is there twice; leave one out.",
            ),
            ("{", "The text is not JSON: EOF while parsing an object."),
        ] {
            assert_eq!(said(text), message, "{text}");
        }
    }

    #[test]
    fn of_many_names_the_first_are_told() {
        let many: Vec<String> = (10..60).map(|number| format!("`name_{number}`")).collect();
        let told = meant("other", &format!("one of {}", many.join(", ")));
        assert!(told.starts_with("; known: `name_10`, `name_11`"), "{told}");
        assert!(told.ends_with(", and 44 more"), "{told}");
    }

    /// S16
    #[test]
    fn depth_and_size_are_bounded_before_parsing() {
        let nested = |depth: usize| {
            let (open, close) = (vec![b'['; depth - 1], vec![b']'; depth - 1]);
            [&b"{\"a\":"[..], &open, &close, b"}"].concat()
        };
        assert!(read::<Value>(&nested(MAX_DEPTH)).is_ok());
        assert!(read::<Value>(&nested(MAX_DEPTH + 1)).is_err());
        assert!(read::<Value>(&vec![b'['; 100_000]).is_err());
        let text = |bytes: usize| format!("\"{}\"", "a".repeat(bytes - 2)).into_bytes();
        assert!(read::<Value>(&text(MAX_BYTES)).is_ok());
        assert!(read::<Value>(&text(MAX_BYTES + 1)).is_err());
    }
}
