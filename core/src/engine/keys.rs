//! Where each record lies. A key is a letter, a zero byte, and ids with zero bytes between them: no id holds one.

use crate::model::{Id, LimitName};

pub(crate) const ACCOUNT: u8 = b'a';
pub(crate) const CHILD: u8 = b'c';
pub(crate) const DEFAULTS: u8 = b'd';
pub(crate) const EMAIL: u8 = b'e';
pub(crate) const MEMBER: u8 = b'm';
pub(crate) const MEMBERSHIP: u8 = b'n';
pub(crate) const PACKAGE: u8 = b'p';
pub(crate) const PACKAGE_ACCOUNT: u8 = b'q';
pub(crate) const ROLE: u8 = b'r';
pub(crate) const ROLE_USE: u8 = b's';
pub(crate) const TREE_NODE: u8 = b't';
pub(crate) const USER: u8 = b'u';
pub(crate) const METER: u8 = b'w';
pub(crate) const TOMBSTONE: u8 = b'x';

fn key(letter: u8, parts: &[&str]) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + parts.iter().map(|part| part.len() + 1).sum::<usize>());
    key.push(letter);
    for part in parts {
        key.push(0);
        key.extend_from_slice(part.as_bytes());
    }
    key
}

/// The keys that begin with the letter and the ids: from the first, until the second.
pub(crate) fn below(letter: u8, parts: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let mut from = key(letter, parts);
    let mut until = from.clone();
    from.push(0);
    until.push(1);
    (from, until)
}

/// The id at the end of a key.
pub(crate) fn last_id(key: &[u8]) -> Option<Id> {
    let text = key.rsplit(|byte| *byte == 0).next()?;
    Id::new(std::str::from_utf8(text).ok()?).ok()
}

/// An account.
pub(crate) fn account(id: &Id) -> Vec<u8> {
    key(ACCOUNT, &[id.as_str()])
}

/// Index: the children of an account.
pub(crate) fn child(parent: &Id, id: &Id) -> Vec<u8> {
    key(CHILD, &[parent.as_str(), id.as_str()])
}

/// The platform's default limits.
pub(crate) fn defaults() -> Vec<u8> {
    key(DEFAULTS, &[])
}

/// Index: the user who has an e-mail address, by its normal form.
pub(crate) fn email(normal_form: &str) -> Vec<u8> {
    key(EMAIL, &[normal_form])
}

/// A membership.
pub(crate) fn member(account: &Id, user: &Id) -> Vec<u8> {
    key(MEMBER, &[account.as_str(), user.as_str()])
}

/// Index: the accounts of a user.
pub(crate) fn membership(user: &Id, account: &Id) -> Vec<u8> {
    key(MEMBERSHIP, &[user.as_str(), account.as_str()])
}

/// A package.
pub(crate) fn package(id: &Id) -> Vec<u8> {
    key(PACKAGE, &[id.as_str()])
}

/// Index: the accounts of a package.
pub(crate) fn package_account(package: &Id, account: &Id) -> Vec<u8> {
    key(PACKAGE_ACCOUNT, &[package.as_str(), account.as_str()])
}

/// A role.
pub(crate) fn role(id: &Id) -> Vec<u8> {
    key(ROLE, &[id.as_str()])
}

/// Index: what uses a role; `kind` is `member`, `package` or `role`.
pub(crate) fn role_use(role: &Id, kind: &str, parts: &[&str]) -> Vec<u8> {
    let mut all = vec![role.as_str(), kind];
    all.extend_from_slice(parts);
    key(ROLE_USE, &all)
}

/// A node that the host added to the permission tree.
pub(crate) fn tree_node(id: &Id) -> Vec<u8> {
    key(TREE_NODE, &[id.as_str()])
}

/// A user.
pub(crate) fn user(id: &Id) -> Vec<u8> {
    key(USER, &[id.as_str()])
}

/// What is drawn from a limit of an account.
pub(crate) fn meter(account: &Id, limit: LimitName) -> Vec<u8> {
    key(METER, &[account.as_str(), limit.name()])
}

/// An id that was deleted and is never used again; `kind` is the letter of what it named.
pub(crate) fn tombstone(kind: u8, id: &Id) -> Vec<u8> {
    let mut key = vec![TOMBSTONE, 0, kind, 0];
    key.extend_from_slice(id.as_str().as_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_own_and_no_neighbour() {
        let id = |text: &str| Id::new(text).unwrap();
        let (from, until) = below(MEMBER, &["acme"]);
        let within = |key: &[u8]| from.as_slice() <= key && key < until.as_slice();
        assert!(within(&member(&id("acme"), &id("ann"))));
        assert!(within(&member(&id("acme"), &id("\u{10ffff}"))));
        assert!(!within(&member(&id("acme2"), &id("ann"))));
        assert!(!within(&member(&id("acm"), &id("ann"))));
        assert_eq!(last_id(&member(&id("acme"), &id("ann"))), Some(id("ann")));
    }
}
