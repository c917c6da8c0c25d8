//! What a change of a record is to be remembered as, and how the records of a chain hold together
//! (R-AUD-1).

use crate::model::{AuditFields, AuditKind, AuditLink, AuditRecord};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Longest value of a field that is kept as it is, in bytes of JSON.
const LONGEST: usize = 8192;

/// Names of fields whose values are never shown, whatever record they are in.
const SECRET: &[&str] = &["hash", "hashes", "password", "salt", "secret", "token"];

/// Fields that tell nothing beside the record: when it was written, and what it counts of others.
const NEVER: &[&str] = &["rev", "created_at_ms", "updated_at_ms"];

/// Fields that tell something where they change, and nothing of what is new or gone.
const ONLY_CHANGES: &[&str] = &["generation"];

/// What differs between two states of a record.
#[derive(Debug, Default, PartialEq)]
pub struct Difference {
    /// The fields that anybody may see who sees the record.
    pub open: Sides,
    /// The fields that tell who a person is.
    pub personal: Sides,
}

impl Difference {
    /// What belongs to nobody is for everybody who sees the record.
    pub fn tell_all(&mut self) {
        let Sides { before, after } = std::mem::take(&mut self.personal);
        self.open.before.extend(before);
        self.open.after.extend(after);
    }
}

/// The fields that changed, before and after.
#[derive(Debug, Default, PartialEq)]
pub struct Sides {
    pub before: AuditFields,
    pub after: AuditFields,
}

impl Sides {
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    fn put(&mut self, name: &str, before: Option<&Value>, after: Option<&Value>) {
        for (side, value) in [(&mut self.before, before), (&mut self.after, after)] {
            if let Some(value) = value {
                side.insert(name.to_owned(), displayed(value, is_secret(name)));
            }
        }
    }
}

/// What differs; none where nothing does that is worth remembering.
///
/// Of what is new or gone, fields that are absent, false or empty are left out.
pub fn difference(
    kind: AuditKind,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Option<Difference> {
    let fields = |value: Option<&Value>, other: Option<&Value>| {
        let mut fields = AuditFields::new();
        if let Some(value) = value {
            flatten("", value, other, &mut fields);
        }
        fields
    };
    let (old, new) = (fields(before, after), fields(after, before));
    let mut found = Difference::default();
    let both = before.is_some() && after.is_some();
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (old, new) = (old.get(name), new.get(name));
        if old == new
            || is_left_out(kind, name)
            || (!both
                && (ONLY_CHANGES.contains(&name.as_str()) || old.or(new).is_some_and(is_nothing)))
        {
            continue;
        }
        let sides = if is_personal(kind, name) {
            &mut found.personal
        } else {
            &mut found.open
        };
        sides.put(name, old, new);
    }
    // A campaign is first heard of with the first of what is counted of it.
    if kind == AuditKind::Session && [before, after].iter().any(|side| is_as_another(*side)) {
        // The device and the address are those of the person behind it, who may be erased while the
        // user stays; the record says who acted, and from where.
        for name in OF_THE_PERSON {
            found.personal.before.remove(*name);
            found.personal.after.remove(*name);
        }
    }
    let is_told = !both && kind != AuditKind::Campaign;
    (is_told || !found.open.is_empty() || !found.personal.is_empty()).then_some(found)
}

/// What a session knows of whoever has it in hand.
const OF_THE_PERSON: &[&str] = &["device", "ip"];

/// Whether somebody acts as the user in a session.
fn is_as_another(session: Option<&Value>) -> bool {
    session
        .and_then(|session| session.get("behind"))
        .is_some_and(|behind| !behind.is_null())
}

/// Fields that say where and of whom a change is told: looked at though they stay.
const ALWAYS: &[&str] = &["account", "behind", "email", "grants", "team", "user"];

/// A record before and after, as it is stored: what stands there just so in both is left out, since
/// it tells nothing.
pub fn parsed(
    before: Option<&[u8]>,
    after: Option<&[u8]>,
) -> serde_json::Result<(Option<Value>, Option<Value>)> {
    let both = before.and_then(members).zip(after.and_then(members));
    let Some((old, new)) = both else {
        let whole = |bytes: Option<&[u8]>| bytes.map(serde_json::from_slice).transpose();
        return Ok((whole(before)?, whole(after)?));
    };
    let changed = |side: &[(&str, &[u8])], other: &[(&str, &[u8])]| {
        let stays = |(at, member): &(usize, &(&str, &[u8]))| {
            // Both are written in the same order.
            other.get(*at) == Some(*member) || other.contains(*member)
        };
        side.iter()
            .enumerate()
            .filter(|member| !stays(member) || ALWAYS.contains(&member.1.0))
            .map(|(_, (name, bytes))| Ok(((*name).to_owned(), serde_json::from_slice(bytes)?)))
            .collect::<serde_json::Result<AuditFields>>()
            .map(|fields| Some(Value::Object(fields)))
    };
    Ok((changed(&old, &new)?, changed(&new, &old)?))
}

/// The members of an object by name, as they are written; none where this is no object, or not one
/// as the store has them: without spaces, and with plain names.
fn members(bytes: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    let mut rest = bytes.strip_prefix(b"{")?.strip_suffix(b"}")?;
    let mut found = Vec::new();
    while !rest.is_empty() {
        rest = rest.strip_prefix(b"\"")?;
        let (name, value) = rest.split_at_checked(rest.iter().position(|byte| *byte == b'"')?)?;
        let value = value.strip_prefix(b"\":")?;
        let (value, behind) = value.split_at_checked(end_of(value)?)?;
        if name.contains(&b'\\') || value.is_empty() {
            return None;
        }
        found.push((std::str::from_utf8(name).ok()?, value));
        rest = match behind.split_first() {
            Some((b',', [])) => return None,
            Some((_, behind)) => behind,
            None => behind,
        };
    }
    Some(found)
}

/// Where the first value of a list of members ends: at the comma, or with the text.
fn end_of(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.checked_sub(1)?,
            (false, b',') if depth == 0 => return Some(at),
            _ => {}
        }
    }
    (depth == 0 && !in_string).then_some(text.len())
}

/// Adds the fields of a value, but for what the other has just so.
fn flatten(prefix: &str, value: &Value, other: Option<&Value>, fields: &mut AuditFields) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let other = other.and_then(|other| other.get(name));
                if other == Some(value) {
                    continue;
                }
                let name = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                match value {
                    Value::Object(_) => flatten(&name, value, other, fields),
                    _ => drop(fields.insert(name, value.clone())),
                }
            }
        }
        // A record that is one value.
        _ => drop(fields.insert("value".to_owned(), value.clone())),
    }
}

/// What counts others, follows from them, or stands in the key.
fn is_left_out(kind: AuditKind, name: &str) -> bool {
    let of_this_kind: &[&str] = match kind {
        AuditKind::Account => &["id", "children", "next_hold"],
        AuditKind::Package => &["id", "accounts"],
        AuditKind::Member => &["account", "user"],
        AuditKind::Operator => &["user"],
        AuditKind::Campaign => {
            if ["sample.", "total.", "sample_since_ms"]
                .iter()
                .any(|counted| name.starts_with(counted))
            {
                return true;
            }
            &["id", "account"]
        }
        AuditKind::Invitation => &["id", "team", "user", "counted_in"],
        AuditKind::Link => &["id", "user"],
        AuditKind::Suppression => &["account", "value", "message_class"],
        AuditKind::Credits => &["account", "channel", "entry"],
        AuditKind::Resource | AuditKind::Share => &["account", "kind", "id"],
        AuditKind::Role | AuditKind::User | AuditKind::Permission => &["id"],
        AuditKind::Group | AuditKind::Cap => &["account", "id"],
        AuditKind::Audit => &["base.hash"],
        // It was used: that is no change of it.
        AuditKind::ApiKey => &["id", "account", "last_used_at_ms", "last_ip"],
        AuditKind::SecondFactor => &["last_step"],
        AuditKind::Session => &["id", "user", "last_seen_at_ms", "last_ip"],
        AuditKind::AllowList
        | AuditKind::Avatar
        | AuditKind::DefaultLimits
        | AuditKind::Password
        | AuditKind::Policies
        | AuditKind::Store => &[],
    };
    NEVER.contains(&name) || of_this_kind.contains(&name)
}

/// What tells who somebody is.
fn is_personal(kind: AuditKind, name: &str) -> bool {
    match kind {
        AuditKind::User => name == "email" || name.starts_with("profile."),
        // What a mail server said often names the address.
        AuditKind::Invitation => {
            ["email", "first_name", "last_name", "delivery.note"].contains(&name)
        }
        // Where people come from tells who they are.
        AuditKind::AllowList => true,
        AuditKind::ApiKey => ["name", "allow_list"].contains(&name),
        AuditKind::Link => name == "email",
        AuditKind::Session => ["behind.reason", "device", "ip"].contains(&name),
        _ => false,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn is_secret(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    SECRET
        .iter()
        .filter_map(|secret| last.strip_suffix(secret))
        .any(|before| before.is_empty() || before.ends_with('_'))
}

/// A value as it may be kept: no secret, and not too long.
fn displayed(value: &Value, is_secret: bool) -> Value {
    if is_secret && !value.is_boolean() && !value.is_null() {
        return json!({"hidden": true});
    }
    let is_short = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        // No byte of a text takes more than six in JSON.
        Value::String(text) => text.len() <= LONGEST / 6 - 2,
        Value::Array(_) | Value::Object(_) => false,
    };
    if is_short {
        return value.clone();
    }
    let text = value.to_string();
    if text.len() <= LONGEST {
        value.clone()
    } else {
        json!({"bytes": text.len(), "sha256": hash(text.as_bytes())})
    }
}

/// SHA-256, in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
    Sha256::digest(bytes)
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// What of a value that is suppressed may be remembered: of an address its domain.
pub fn redacted(value: &str) -> &str {
    value
        .rfind('@')
        .and_then(|at| value.get(at..))
        .unwrap_or(value)
}

/// Whether the record with these bytes is the one that follows.
pub fn follows(before: &AuditLink, bytes: &[u8]) -> Option<AuditRecord> {
    let record: AuditRecord = serde_json::from_slice(bytes).ok()?;
    (record.number == before.number + 1 && record.previous == before.hash).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_remembered() {
        let before = json!({"id": "a", "name": "A", "children": 1, "overrides": {"contacts": 5,
            "lists": 1}, "rev": 1, "updated_at_ms": 1});
        let after = json!({"id": "a", "name": "B", "children": 2, "overrides": {"contacts": 6,
            "lists": 1}, "rev": 2, "updated_at_ms": 2});
        let found = difference(AuditKind::Account, Some(&before), Some(&after)).unwrap();
        assert_eq!(
            Value::from(found.open.before),
            json!({"name": "A", "overrides.contacts": 5})
        );
        assert_eq!(
            Value::from(found.open.after),
            json!({"name": "B", "overrides.contacts": 6})
        );
        let counted = json!({"id": "a", "name": "A", "children": 9, "overrides": {"contacts": 5,
            "lists": 1}, "rev": 7, "updated_at_ms": 1});
        assert_eq!(
            difference(AuditKind::Account, Some(&before), Some(&counted)),
            None
        );
        let gone = difference(AuditKind::Account, Some(&before), None).unwrap();
        assert!(gone.open.after.is_empty() && gone.open.before.contains_key("name"));
    }

    /// What is left out of stored records changes nothing of what is remembered of them.
    #[test]
    fn what_stays_is_not_parsed_and_nothing_else_is_left_out() {
        let records = [
            json!({"id": "a", "name": "A", "n": 1, "holds": [], "set": {"x": {"y": 1}, "z": [2]}}),
            json!({"id": "a", "name": "A\",\"n\":2}\\", "n": 1, "holds": [{"a": "]"}],
                "set": {"x": {"y": 2}, "z": [2]}}),
            json!({"id": "a", "n": null, "holds": ["}", "\\\""], "set": {"x": 7}, "more": true}),
            json!({"user": "ann", "grants": [{"account": "a"}], "behind": {"account": "b"}}),
            json!({}),
            json!(5),
            json!({"na\"me": 1, "set": {}}),
        ];
        for before in &records {
            for after in &records {
                let [old, new] = [before, after].map(|record| record.to_string().into_bytes());
                let (left, right) = parsed(Some(&old), Some(&new)).unwrap();
                for kind in [AuditKind::Account, AuditKind::Session] {
                    assert_eq!(
                        difference(kind, left.as_ref(), right.as_ref()),
                        difference(kind, Some(before), Some(after)),
                        "{before} {after}"
                    );
                }
                for (side, whole) in [(&left, before), (&right, after)] {
                    let of = |value: &Value, name| value.get(name).cloned();
                    for name in ALWAYS {
                        assert_eq!(of(side.as_ref().unwrap(), name), of(whole, name));
                    }
                }
            }
        }
        let [a, b] = [&records[0], &records[1]].map(|record| record.to_string().into_bytes());
        let (left, _) = parsed(Some(&a), Some(&b)).unwrap();
        assert_eq!(left.unwrap().get("id"), None, "it stays");
        let alone = parsed(None, Some(&b)).unwrap();
        assert_eq!(alone, (None, Some(records[1].clone())));
        for broken in [
            &b"{\"a\":1,}"[..],
            b"{\"a\":}",
            b"{\"a\":1",
            b"{\"a\":[}",
            b"{1}",
        ] {
            assert!(parsed(Some(broken), Some(&a)).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn what_tells_who_somebody_is_lies_apart() {
        let user = json!({"id": "ann", "email": "ann@example.com",
            "profile": {"first_name": "Ann"}, "disabled": false, "must_set_password": true});
        let found = difference(AuditKind::User, None, Some(&user)).unwrap();
        assert_eq!(
            Value::from(found.open.after),
            json!({"must_set_password": true})
        );
        assert_eq!(
            Value::from(found.personal.after),
            json!({"email": "ann@example.com", "profile.first_name": "Ann"})
        );
        assert_eq!(redacted("ann@example.com"), "@example.com");
        assert_eq!(redacted("example.com"), "example.com");
    }

    #[test]
    fn secrets_are_never_shown_and_long_values_shortened() {
        let key = json!({"password_hash": "abc", "secret": "def", "token": "ghi",
            "name": "n".repeat(LONGEST)});
        let found = difference(AuditKind::Role, None, Some(&key)).unwrap();
        for secret in ["password_hash", "secret", "token"] {
            assert_eq!(found.open.after[secret], json!({"hidden": true}));
        }
        assert_eq!(found.open.after["name"]["bytes"], json!(LONGEST + 2));
        assert_eq!(
            found.open.after["name"]["sha256"].as_str().unwrap().len(),
            64
        );
    }
}
