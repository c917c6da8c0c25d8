//! What an API key lets a program do (R-SES-7).

use super::role::{PermissionSet, granted};
use crate::model::{AddressRange, ApiKey, Grant, PermissionTree};

/// Branches of the permission tree that no key can have: a program does not change how people log
/// in, makes no keys and acts as nobody else.
const NOT_FOR_KEYS: &[&str] = &["api_keys", "impersonation", "self"];

/// Whether a key can have a permission at all.
pub fn can_have(permission: &str) -> bool {
    let branch = permission.split('.').next().unwrap_or(permission);
    !NOT_FOR_KEYS.contains(&branch)
}

/// The most that a key lets a program do: what its user may do besides does not count.
pub fn key_permissions(tree: &PermissionTree, permissions: &[Grant]) -> PermissionSet {
    granted(tree, permissions).only(tree, can_have)
}

/// Whether a key can be used for more than before, from further away, or for longer.
pub fn is_wider(tree: &PermissionTree, before: &ApiKey, now: &ApiKey) -> bool {
    let permissions = |key: &ApiKey| key_permissions(tree, &key.permissions);
    let was_covered = |range: &AddressRange| before.allow_list.iter().any(|old| old.covers(range));
    let from_further = !before.allow_list.is_empty()
        && (now.allow_list.is_empty() || !now.allow_list.iter().all(was_covered));
    let until = |key: &ApiKey| key.expires_at_ms.unwrap_or(u64::MAX);
    !permissions(now).beyond(&permissions(before)).is_empty()
        || from_further
        || until(now) > until(before)
}

/// Whether a key has expired at an instant.
pub fn is_expired(key: &ApiKey, now_ms: u64) -> bool {
    key.expires_at_ms
        .is_some_and(|expires_at_ms| now_ms >= expires_at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Id, Scope};

    fn grant(permission: &str, scope: Option<Scope>) -> Grant {
        Grant {
            permission: Id::new(permission).unwrap(),
            scope,
        }
    }

    #[test]
    fn a_key_holds_what_it_lists_and_nothing_of_people() {
        let tree = PermissionTree::new(&[]);
        let held = key_permissions(
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
        assert_eq!(key_permissions(&tree, &[]), PermissionSet::none(&tree));
    }
}
