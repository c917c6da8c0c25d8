//! The messages of errors: what is wrong, with the value, and the way out, in plain English and in
//! at most 160 characters.

use serde_json::Value;

/// The most characters of a message.
pub const LONGEST: usize = 160;

/// The code of what is wrong with a request whatever the store has.
const INVALID: &str = "invalid_argument";

/// The fields whose values are never in a message.
const SECRET: [&str; 8] = [
    "code",
    "data",
    "hash",
    "password",
    "secret",
    "seed",
    "token",
    "token_key",
];

/// What is wrong with a message as a text.
pub fn misshapen(message: &str) -> Option<&'static str> {
    let begins = |c: char| c.is_uppercase() || c == '`';
    // Values may be anything.
    let plain: String = message.split('`').step_by(2).collect();
    if !message.starts_with(begins) {
        Some("begins with neither a capital letter nor a value in back-ticks")
    } else if !message.ends_with('.') {
        Some("does not end with a full stop")
    } else if ["..", ".)", ".,", ".;"]
        .iter()
        .any(|stop| plain.contains(stop))
    {
        Some("has a full stop within a sentence")
    } else if message.contains("  ") {
        Some("has two spaces in a row")
    } else if message.chars().any(char::is_control) {
        Some("has control characters")
    } else if message.chars().count() > LONGEST {
        Some("is longer than 160 characters")
    } else {
        None
    }
}

/// What is wrong with the messages of an answer, `{"ok": ..}` or `{"error": ..}`, to a request: a
/// sentence for each. An answer may have messages within, one for each thing that was refused.
pub fn problems(answer: &Value, request: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look_within(answer, &mut found);
    let error = &answer["error"];
    let (field, message) = (error["field"].as_str(), error["message"].as_str());
    if let (Some(field), Some(message)) = (field, message)
        && let Some(why) = unlike_its_field(field, message, request, error["code"] == INVALID)
    {
        found.push(format!("{why}: {message}"));
    }
    found
}

fn look_within(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|each| look_within(each, found)),
        Value::Object(object) => {
            let is_error = object.get("code").is_some_and(Value::is_string);
            let message = object.get("message").and_then(Value::as_str);
            if let (true, Some(message)) = (is_error, message)
                && let Some(why) = misshapen(message)
            {
                found.push(format!("a message {why}: {message}"));
            }
            object.values().for_each(|each| look_within(each, found));
        }
        _ => {}
    }
}

/// A message about an invalid field has the field's value, or its name in back-ticks where what is
/// wrong is that it is there or not. No message has a secret. What is in no field of the request,
/// such as what was left out, or is longer than a message can tell, is not looked for.
fn unlike_its_field(
    field: &str,
    message: &str,
    request: &Value,
    is_invalid: bool,
) -> Option<String> {
    let names = field.split('/').skip(1);
    let name = names.filter(|name| name.parse::<usize>().is_err()).last()?;
    let value = match request.pointer(field)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    // What no line shows is escaped in a message.
    let shown: String = value.chars().flat_map(char::escape_debug).collect();
    let is_told =
        message.contains(&value) || message.contains(&shown) || value.chars().count() > LONGEST / 4;
    if SECRET.contains(&name) {
        return (value.len() > 5 && message.contains(&value))
            .then(|| format!("the message repeats the secret of {field}"));
    }
    (is_invalid && !is_told && !message.contains(&format!("`{name}`")))
        .then(|| format!("the message has neither `{value}` nor `{name}` of {field}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tenantry::Code;

    #[test]
    fn what_is_no_sentence_is_found() {
        assert_eq!(misshapen("The text `a` has 1 byte; write more."), None);
        assert_eq!(misshapen("`a` is gone."), None);
        for bad in [
            "the text is short.",
            "The text is short",
            "The text  is short.",
            "The text is wrong (It is short.).",
            "The text\nis short.",
            &format!("The {}.", "text ".repeat(40)),
        ] {
            assert!(misshapen(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn what_leaves_the_value_out_is_found() {
        let request = json!({"user": "ann", "password": "seven green lamps", "ids": ["x", "y"]});
        let found = |field: &str, message: &str| {
            let error = json!({"code": INVALID, "field": field, "message": message});
            problems(&json!({ "error": error }), &request)
        };
        for (field, message) in [
            ("/user", "There is no user `ann` here."),
            ("/user", "Leave out `user`."),
            ("/password", "The password is short."),
            ("/ids/1", "`y` is named twice."),
            ("/group", "Name a group."),
        ] {
            assert_eq!(found(field, message), [] as [&str; 0]);
        }
        for (field, message) in [
            ("/user", "There is no such user here."),
            ("/password", "The password `seven green lamps` is short."),
            ("/ids/1", "One is named twice."),
        ] {
            assert_eq!(found(field, message).len(), 1, "{message}");
        }
        let within = json!({"ok": {"failed": [{"code": "x", "message": "not a sentence"}]}});
        assert_eq!(problems(&within, &request).len(), 1);
    }

    #[test]
    fn what_a_code_means_is_said_in_sentences() {
        for code in Code::all() {
            assert_eq!(
                misshapen(code.sentence()),
                None,
                "{code}: {}",
                code.sentence()
            );
        }
    }
}
