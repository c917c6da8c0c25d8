//! What an API key lets a program do (R-SES-7).

use super::role::{Powers, granted};
use crate::model::{AddressRange, ApiKey, Grant, PermissionTree};

/// Branches of the permission tree that no key can have: a program does not change how people log
/// in, makes no keys and acts as nobody else.
const NOT_FOR_KEYS: &[&str] = &["api_keys", "impersonation", "self"];

/// Whole groups of operations that no program calls with a key, whatever its user may do.
const CLOSED_GROUPS: &[&str] = &[
    "api_keys",
    "impersonation",
    "passwords",
    "second_factors",
    "sessions",
];

/// Single operations that no program calls with a key: they change an address, a list of addresses
/// or a password, or go from one account to another, where the key does not belong.
const CLOSED: &[&str] = &[
    "accounts.switch",
    "accounts.switchable",
    "addresses.set",
    "users.change_email",
    "users.export_data",
    "users.request_password_reset",
];

/// Whether a key can have a permission at all.
pub fn can_have(permission: &str) -> bool {
    !NOT_FOR_KEYS.contains(&first_part(permission))
}

/// Whether an operation is for people alone.
pub fn is_for_people_alone(operation: &str) -> bool {
    CLOSED_GROUPS.contains(&first_part(operation)) || CLOSED.contains(&operation)
}

fn first_part(id: &str) -> &str {
    id.split('.').next().unwrap_or(id)
}

/// The most that a key lets a program do: what its user may do besides does not count.
pub fn powers_of_key(tree: &PermissionTree, permissions: &[Grant]) -> Powers {
    granted(tree, permissions).only(tree, can_have)
}

/// Whether a key can be used for more than before, from further away, or for longer.
pub fn reaches_further(tree: &PermissionTree, before: &ApiKey, now: &ApiKey) -> bool {
    let powers = |key: &ApiKey| powers_of_key(tree, &key.permissions);
    let was_covered = |range: &AddressRange| before.allow_list.iter().any(|old| old.covers(range));
    let from_further = !before.allow_list.is_empty()
        && (now.allow_list.is_empty() || !now.allow_list.iter().all(was_covered));
    let until = |key: &ApiKey| key.expires_at_ms.unwrap_or(u64::MAX);
    !powers(now).beyond(&powers(before)).is_empty() || from_further || until(now) > until(before)
}

/// Whether a key has expired at an instant.
pub fn is_expired(key: &ApiKey, now_ms: u64) -> bool {
    key.expires_at_ms
        .is_some_and(|expires_at_ms| now_ms >= expires_at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::CATALOGUE;
    use crate::model::{Id, Scope};

    fn grant(permission: &str, scope: Option<Scope>) -> Grant {
        Grant {
            permission: Id::new(permission).unwrap(),
            scope,
        }
    }

    /// R-SES-7: whoever adds an operation about how people prove who they are is asked whether
    /// programs may call it.
    #[test]
    fn what_changes_how_people_log_in_is_closed_to_keys() {
        const ABOUT_LOG_IN: &[&str] = &[
            "password",
            "session",
            "email",
            "api_key",
            "factor",
            "switch",
            "impersonat",
            "log_in",
            "login",
        ];
        // The host alone calls these.
        const OPEN: &[&str] = &["users.confirm_email", "users.password_was_set"];
        for entry in CATALOGUE.iter().filter(|entry| !OPEN.contains(&entry.name)) {
            let sensitive = ABOUT_LOG_IN.iter().any(|word| entry.name.contains(word));
            assert!(
                !sensitive || is_for_people_alone(entry.name),
                "{}",
                entry.name
            );
        }
        for closed in CLOSED {
            assert!(
                CATALOGUE.iter().any(|entry| entry.name == *closed),
                "there is no operation `{closed}`"
            );
        }
        assert!(!is_for_people_alone("sending.admit") && !is_for_people_alone("addresses.get"));
    }

    #[test]
    fn a_key_holds_what_it_lists_and_nothing_of_people() {
        let tree = PermissionTree::new(&[]);
        let held = powers_of_key(
            &tree,
            &[
                grant("campaigns", Some(Scope::Group)),
                grant("self", None),
                grant("api_keys.create", None),
            ],
        );
        let at = |id: &str| held.at(tree.place(id).unwrap());
        assert_eq!(at("campaigns.send"), Some(Scope::Group));
        for id in [
            "self.password",
            "self.email",
            "api_keys.create",
            "lists.view",
            "contacts.export",
        ] {
            assert_eq!(at(id), None, "{id}");
        }
        assert_eq!(powers_of_key(&tree, &[]), Powers::none(&tree));
    }
}
