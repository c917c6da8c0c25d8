//! Keys of members, their groups and their roles.

use crate::kernel::keys::codec::{key, range};
use crate::kernel::keys::prefixes::{
    ACCOUNT_ROLE, AVATAR, GROUP, GROUP_MEMBER, MEMBER, MEMBERSHIP, ROLE, ROLE_USE, SEAT, TALLY,
    TOMBSTONE, TREE_NODE,
};
use crate::model::Id;

/// A membership.
pub(crate) fn member(account: &Id, user: &Id) -> Vec<u8> {
    key(MEMBER, &[account.as_str(), user.as_str()])
}

/// Index: the accounts of a user.
pub(crate) fn membership(user: &Id, account: &Id) -> Vec<u8> {
    key(MEMBERSHIP, &[user.as_str(), account.as_str()])
}

/// How many memberships a user has in an account and in all accounts below it.
pub(crate) fn seat(account: &Id, user: &Id) -> Vec<u8> {
    key(SEAT, &[account.as_str(), user.as_str()])
}

/// How many of these memberships hold no seat.
pub(crate) fn idle_tally(account: &Id, user: &Id) -> Vec<u8> {
    key(TALLY, &[account.as_str(), "idle", user.as_str()])
}

/// A group.
pub(crate) fn group(account: &Id, group: &Id) -> Vec<u8> {
    key(GROUP, &[account.as_str(), group.as_str()])
}

/// Index: the members of a group.
pub(crate) fn group_member(account: &Id, group: &Id, user: &Id) -> Vec<u8> {
    key(
        GROUP_MEMBER,
        &[account.as_str(), group.as_str(), user.as_str()],
    )
}

/// How many members a group has.
pub(crate) fn group_tally(account: &Id, group: &Id) -> Vec<u8> {
    key(TALLY, &[account.as_str(), "group", group.as_str()])
}

/// The picture of a group, apart from the group: lists do not read it.
pub(crate) fn avatar(account: &Id, group: &Id) -> Vec<u8> {
    key(AVATAR, &[account.as_str(), group.as_str()])
}

/// The id of a group that was deleted; it is never used again in its account.
pub(crate) fn group_tombstone(account: &Id, group: &Id) -> Vec<u8> {
    key(TOMBSTONE, &[GROUP.text(), account.as_str(), group.as_str()])
}

/// The ids of the groups of an account that were deleted: from the first, until the second.
pub(crate) fn group_tombstones(account: &Id) -> (Vec<u8>, Vec<u8>) {
    range(TOMBSTONE, &[GROUP.text(), account.as_str()])
}

/// A role.
pub(crate) fn role(id: &Id) -> Vec<u8> {
    key(ROLE, &[id.as_str()])
}

/// Index: what uses a role; `kind` is `account` (its default role), `invitation`, `member`,
/// `operator`, `package` or `role`.
pub(crate) fn role_use(role: &Id, kind: &str, parts: &[&str]) -> Vec<u8> {
    let mut all = vec![role.as_str(), kind];
    all.extend_from_slice(parts);
    key(ROLE_USE, &all)
}

/// Index: the roles of an account's own.
pub(crate) fn account_role(account: &Id, role: &Id) -> Vec<u8> {
    key(ACCOUNT_ROLE, &[account.as_str(), role.as_str()])
}

/// Index: the roles of the platform, but for the built-in ones.
pub(crate) fn platform_role(role: &Id) -> Vec<u8> {
    key(ACCOUNT_ROLE, &["", role.as_str()])
}

/// A node that the host added to the permission tree.
pub(crate) fn tree_node(id: &Id) -> Vec<u8> {
    key(TREE_NODE, &[id.as_str()])
}
