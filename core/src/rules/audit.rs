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
                side.insert(name.to_owned(), shown(value, is_secret(name)));
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
    let fields = |value: Option<&Value>| {
        let mut fields = AuditFields::new();
        if let Some(value) = value {
            flatten("", value, &mut fields);
        }
        fields
    };
    let (old, new) = (fields(before), fields(after));
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

fn flatten(prefix: &str, value: &Value, fields: &mut AuditFields) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let name = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                match value {
                    Value::Object(_) => flatten(&name, value, fields),
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
        | AuditKind::Policies => &[],
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
        .any(|secret| last == *secret || last.ends_with(&format!("_{secret}")))
}

/// A value as it may be kept: no secret, and not too long.
fn shown(value: &Value, is_secret: bool) -> Value {
    if is_secret && !value.is_boolean() && !value.is_null() {
        return json!({"hidden": true});
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
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What of a value that is suppressed may be remembered: of an address its domain.
pub fn masked(value: &str) -> &str {
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
        assert_eq!(masked("ann@example.com"), "@example.com");
        assert_eq!(masked("example.com"), "example.com");
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
