//! Reads JSON from callers: its size is bounded before it is parsed, and the parsing is strict.

use crate::error::Error;
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
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = pointer(error.path());
        Error::invalid(field, without_position(&error.inner().to_string()))
    })?;
    json.end()
        .map_err(|error| Error::invalid("", without_position(&error.to_string())))?;
    if has_list {
        let broken =
            |error: serde_json::Error| Error::invalid("", without_position(&error.to_string()));
        no_list_for_an_object(
            &serde_json::from_str(text).map_err(broken)?,
            &serde_json::to_value(&value).map_err(broken)?,
            String::new(),
        )?;
    }
    Ok(value)
}

/// Refuses a list in the place of an object: serde would take its elements for the fields of the
/// struct, in their order.
fn no_list_for_an_object(given: &Value, read: &Value, at: String) -> Result<(), Error> {
    match (given, read) {
        (Value::Array(_), Value::Object(_)) => Err(Error::invalid(
            at,
            "invalid type: sequence, expected an object",
        )),
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
                "a request has at most {MAX_BYTES} bytes, this one has {}",
                bytes.len()
            ),
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Error::invalid(
            "",
            format!("a request is UTF-8; byte {} is not", error.valid_up_to()),
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
                        format!("a request is nested at most {MAX_DEPTH} deep"),
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

fn without_position(message: &str) -> &str {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(sentence, _)| sentence)
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

    /// S16
    #[test]
    fn depth_and_size_are_bounded_before_parsing() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(read::<Value>(&nested(MAX_DEPTH)).is_ok());
        assert!(read::<Value>(&nested(MAX_DEPTH + 1)).is_err());
        assert!(read::<Value>(&vec![b'['; 100_000]).is_err());
        let text = |bytes: usize| format!("\"{}\"", "a".repeat(bytes - 2)).into_bytes();
        assert!(read::<Value>(&text(MAX_BYTES)).is_ok());
        assert!(read::<Value>(&text(MAX_BYTES + 1)).is_err());
    }
}
