//! Groups of users (R-GRP-1 to R-GRP-8): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/groups.md"))]

use crate::api::usage::UsageWindow;
use crate::model::{Avatar, CapPeriod, Channel, Count, GroupCaps, Id, Name};
use tenantry_macros::{answer, request};

/// Creates a group (R-GRP-1).
#[request]
pub struct Create {
    /// The account.
    pub account: Id,
    /// The host's own id, unique within the account. When absent, an id is generated.
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// The caps on what the group's members send together (R-GRP-5). To set them, the actor also
    /// needs `groups.limit`.
    pub caps: Option<GroupCaps>,
}

/// Reads a group, with its picture.
#[request]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
}

/// Shows what the members of a group have sent together in its current window, by channel, and how
/// many of the account's credits are in its reserve (R-GRP-8). When members leave the group, what
/// they consumed stays with it.
#[request]
pub struct Usage {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
}

/// What a group has consumed.
#[answer]
pub struct GroupUsage {
    /// The group.
    pub group: Id,
    /// One entry for e-mails, then one for text messages.
    pub channels: Vec<GroupChannel>,
}

/// What a group has consumed on one channel.
#[answer]
pub struct GroupChannel {
    /// The channel.
    pub channel: Channel,
    /// The group's cap for the channel, and how much of the cap is used.
    pub window: UsageWindow,
    /// How many of the account's credits are in the group's reserve.
    pub reserve: u64,
    /// How many credits the group has spent in all, without the credits that were refunded.
    pub credits_spent: u64,
}

/// Lists the groups of an account by id, a page at a time, without their pictures.
#[request]
pub struct List {
    /// The account.
    pub account: Id,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Id>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Renames a group (R-GRP-6).
#[request]
pub struct Rename {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// The name that people see.
    pub name: Name,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Gives a group a picture (R-GRP-6).
#[request]
pub struct SetAvatar {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// The picture: PNG, JPEG, GIF or WebP of up to 256 KiB, or an `https` address.
    pub avatar: Avatar,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Removes the picture of a group (R-GRP-6).
#[request]
pub struct ClearAvatar {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Sets the caps on what the members of a group send together in a month or, by policy, in a year
/// (R-GRP-5).
#[request]
pub struct SetCaps {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// The caps: a cap that is absent stays as it was, and `unlimited` removes it.
    pub caps: GroupCaps,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Deletes a group. Its members go to another group, and so do the resources that carry the deleted
/// group. The users keep everything else (R-GRP-7).
#[request]
pub struct Delete {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// The group to which the members and resources go. Required if the deleted group has any, or
    /// if it is the default group; in that case the named group becomes the default group.
    pub to: Option<Id>,
    /// The revision on which the decision is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Makes a group the default group, into which new members come (R-GRP-1). No member is moved.
#[request]
pub struct MakeDefault {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
}

/// Puts members into a group (R-GRP-4). A member who is in a group other than the default group is
/// transferred, which also needs `groups.members.transfer`.
#[request]
pub struct AddMembers {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// The members, 1 to 500; all of them are added, or none.
    pub users: Vec<Id>,
    /// What happens to the members' resources; `follow` when absent.
    pub resources: Option<GroupResources>,
}

/// Takes members out of a group. They go into the default group, unless another group is named. To
/// take members out of the default group, another group must be named (R-GRP-4).
#[request]
pub struct RemoveMembers {
    /// The account.
    pub account: Id,
    /// The group in which the members are.
    pub group: Id,
    /// The members, 1 to 500; all of them are moved, or none.
    pub users: Vec<Id>,
    /// The group into which the members go; the default group when absent. Naming a group for
    /// members who are not in the default group is a transfer, which also needs
    /// `groups.members.transfer`.
    pub to: Option<Id>,
    /// What happens to the members' resources; `follow` when absent.
    pub resources: Option<GroupResources>,
}

/// Moves members from one group to another (R-GRP-4).
#[request]
pub struct TransferMembers {
    /// The account.
    pub account: Id,
    /// The group in which all of the members must be. When absent, the members may be in any group.
    pub from_group: Option<Id>,
    /// The group into which the members go.
    pub to: Id,
    /// The members, 1 to 500; all of them are moved, or none.
    pub users: Vec<Id>,
    /// What happens to the members' resources.
    pub resources: GroupResources,
}

/// What happens to the resources of members who change their group (R-GRP-4).
#[request]
pub enum GroupResources {
    /// The resources take the new group of their owner.
    Follow,
    /// The resources keep the old group, whose members can still see them.
    Stay,
}

/// A group of users.
#[answer]
pub struct Group {
    /// The id, unique within the account.
    pub id: Id,
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Name,
    /// Whether the group is the default group, into which new members come.
    pub is_default: bool,
    /// How many members the group has.
    pub members: u64,
    /// The caps on what the group's members send together; a cap that is absent is unlimited.
    pub caps: GroupCaps,
    /// The window of the caps.
    pub cap_period: CapPeriod,
    /// Whether the group has a picture.
    pub has_avatar: bool,
    /// The picture; only `groups.get` returns it.
    pub avatar: Option<Avatar>,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When the group was created, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the group was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of groups.
#[answer]
pub struct GroupList {
    /// The groups.
    pub groups: Vec<Group>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Id>,
}

/// The result of moving members into a group.
#[answer]
pub struct GroupMove {
    /// The account.
    pub account: Id,
    /// The group in which the members are now.
    pub group: Id,
    /// How many members were in another group before.
    pub members: u64,
    /// How many resources took the new group.
    pub resources: u64,
}

/// A group that was deleted.
#[answer]
pub struct GroupDeleted {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// How many members went to the other group.
    pub members: u64,
    /// How many resources went to the other group.
    pub resources: u64,
}
