//! Keys of accounts, of what belongs to them alone, and of what is counted for them.

use crate::kernel::keys::codec::key;
use crate::kernel::keys::prefixes::{
    ACCOUNT, ACCOUNT_ORDER, CHILD, DEFAULTS, OPERATOR, PACKAGE, PACKAGE_ACCOUNT, PACKAGE_NEXT,
    POLICY, Prefix, TALLY, TEAM_ACCOUNT, TOMBSTONE,
};
use crate::model::Id;

/// An account.
pub(crate) fn account(id: &Id) -> Vec<u8> {
    key(ACCOUNT, &[id.as_str()])
}

/// Index: the children of an account.
pub(crate) fn child(parent: &Id, id: &Id) -> Vec<u8> {
    key(CHILD, &[parent.as_str(), id.as_str()])
}

/// Index: an account among all of the platform; `order` is `name`, `owner` (by the address) or
/// `created`.
pub(crate) fn account_order(order: &str, text: &str, id: &Id) -> Vec<u8> {
    key(ACCOUNT_ORDER, &[order, text, id.as_str()])
}

/// Index: an account among all below another; `order` is `id` (with an empty text), `name`, `owner`
/// (by the address) or `created`.
pub(crate) fn team_account(ancestor: &Id, order: &str, text: &str, id: &Id) -> Vec<u8> {
    key(TEAM_ACCOUNT, &[ancestor.as_str(), order, text, id.as_str()])
}

/// The platform's default limits.
pub(crate) fn defaults() -> Vec<u8> {
    key(DEFAULTS, &[])
}

/// The policies of an account, or of the platform.
pub(crate) fn policy(account: Option<&Id>) -> Vec<u8> {
    match account {
        Some(id) => key(POLICY, &[id.as_str()]),
        None => key(POLICY, &[]),
    }
}

/// An operator.
pub(crate) fn operator(user: &Id) -> Vec<u8> {
    key(OPERATOR, &[user.as_str()])
}

/// A package.
pub(crate) fn package(id: &Id) -> Vec<u8> {
    key(PACKAGE, &[id.as_str()])
}

/// Index: the accounts of a package.
pub(crate) fn package_account(package: &Id, account: &Id) -> Vec<u8> {
    key(PACKAGE_ACCOUNT, &[package.as_str(), account.as_str()])
}

/// Index: the accounts that get a package later.
pub(crate) fn package_next(package: &Id, account: &Id) -> Vec<u8> {
    key(PACKAGE_NEXT, &[package.as_str(), account.as_str()])
}

/// A number that is counted on the side, so that counting changes no record: `members`, `users` or
/// `groups` of an account.
pub(crate) fn tally(account: &Id, what: &str) -> Vec<u8> {
    key(TALLY, &[account.as_str(), what])
}

/// How many of what a limit counts an account has itself.
pub(crate) fn gauge(account: &Id, limit: &str) -> Vec<u8> {
    key(TALLY, &[account.as_str(), "gauge", limit])
}

/// How many of what a limit counts an account has with all accounts below it.
pub(crate) fn gauge_total(account: &Id, limit: &str) -> Vec<u8> {
    key(TALLY, &[account.as_str(), "total", limit])
}

/// An id that was deleted and is never used again; `kind` is the prefix of what it named.
pub(crate) fn tombstone(kind: Prefix, id: &Id) -> Vec<u8> {
    key(TOMBSTONE, &[kind.text(), id.as_str()])
}
