//! Keys of resources, of who edits them, and of with whom they are shared.

use crate::kernel::keys::codec::{key, range, sortable};
use crate::kernel::keys::prefixes::{
    LEASE, RESOURCE, RESOURCE_OF_GROUP, RESOURCE_OF_OWNER, SHARE, SHARED_WITH, SLOT, SLOT_END,
    TALLY,
};
use crate::model::Id;

/// A resource.
pub(crate) fn resource(account: &Id, kind: &Id, id: &Id) -> Vec<u8> {
    key(RESOURCE, &[account.as_str(), kind.as_str(), id.as_str()])
}

/// Index: the resources of an owner.
pub(crate) fn resource_of_owner(account: &Id, owner: &Id, kind: &Id, id: &Id) -> Vec<u8> {
    key(
        RESOURCE_OF_OWNER,
        &[account.as_str(), owner.as_str(), kind.as_str(), id.as_str()],
    )
}

/// Index: the resources that carry a group.
pub(crate) fn resource_of_group(account: &Id, group: &Id, kind: &Id, id: &Id) -> Vec<u8> {
    key(
        RESOURCE_OF_GROUP,
        &[account.as_str(), group.as_str(), kind.as_str(), id.as_str()],
    )
}

/// How many resources of a kind an owner has.
pub(crate) fn owner_tally(account: &Id, owner: &Id, kind: &Id) -> Vec<u8> {
    key(
        TALLY,
        &[account.as_str(), "owner", owner.as_str(), kind.as_str()],
    )
}

/// How many resources of a kind an owner shares in a group; also the index of those who share any
/// there.
pub(crate) fn shared_tally(account: &Id, group: &Id, kind: &Id, owner: &Id) -> Vec<u8> {
    key(
        TALLY,
        &[
            account.as_str(),
            "shared",
            group.as_str(),
            kind.as_str(),
            owner.as_str(),
        ],
    )
}

/// The counts of what an owner has: from the first, until the second.
pub(crate) fn owner_tallies(account: &Id, owner: &Id) -> (Vec<u8>, Vec<u8>) {
    range(TALLY, &[account.as_str(), "owner", owner.as_str()])
}

/// The counts of those who share resources of a kind in a group: from the first, until the second.
pub(crate) fn shared_tallies(account: &Id, group: &Id, kind: &Id) -> (Vec<u8>, Vec<u8>) {
    range(
        TALLY,
        &[account.as_str(), "shared", group.as_str(), kind.as_str()],
    )
}

/// Who edits a resource.
pub(crate) fn lease(account: &Id, kind: &Id, id: &Id) -> Vec<u8> {
    key(LEASE, &[account.as_str(), kind.as_str(), id.as_str()])
}

/// How a resource is shared with the accounts below.
pub(crate) fn share(account: &Id, kind: &Id, id: &Id) -> Vec<u8> {
    key(SHARE, &[account.as_str(), kind.as_str(), id.as_str()])
}

/// Index: what an account above shares with one account by name.
pub(crate) fn shared_with(taker: &Id, giver: &Id, kind: &Id, id: &Id) -> Vec<u8> {
    key(
        SHARED_WITH,
        &[taker.as_str(), giver.as_str(), kind.as_str(), id.as_str()],
    )
}

/// A slot that a worker has.
pub(crate) fn slot(account: &Id, slot: &Id) -> Vec<u8> {
    key(SLOT, &[account.as_str(), slot.as_str()])
}

/// Index: the slots of an account and of all below it, by the instant at which they are free again.
pub(crate) fn slot_end(ancestor: &Id, expires_at_ms: u64, account: &Id, slot: &Id) -> Vec<u8> {
    key(
        SLOT_END,
        &[
            ancestor.as_str(),
            &sortable(expires_at_ms),
            account.as_str(),
            slot.as_str(),
        ],
    )
}

/// The first key of the slots of an account that are not free at an instant.
pub(crate) fn slot_ends_after(ancestor: &Id, now_ms: u64) -> Vec<u8> {
    key(
        SLOT_END,
        &[ancestor.as_str(), &sortable(now_ms.saturating_add(1))],
    )
}

/// When the slot at a key of this index is free again.
pub(crate) fn slot_end_at(key: &[u8]) -> Option<u64> {
    let at = key.split(|byte| *byte == 0).nth(2)?;
    u64::from_str_radix(std::str::from_utf8(at).ok()?, 16).ok()
}
