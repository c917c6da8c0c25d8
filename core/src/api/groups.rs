//! Groups of users (R-GRP-1 to R-GRP-8): requests and answers.

use crate::api::usage::UsageWindow;
use crate::model::{Avatar, CapPeriod, Channel, Count, GroupCaps, Id, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a group (R-GRP-1).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The account.
    pub account: Id,
    /// The host's own id, unique within the account; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// What its members may send together (R-GRP-5). Needs `groups.limit` too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<GroupCaps>,
}

/// Reads a group, with its picture.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
}

/// What the members of a group have sent together in its current window, by channel, and what is
/// kept for it of the account's credits (R-GRP-8). What was consumed stays with the group when
/// members leave.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
}

/// What a group has consumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupUsage {
    /// The group.
    pub group: Id,
    /// E-mails, then text messages.
    pub channels: Vec<GroupChannel>,
}

/// What a group has consumed by one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupChannel {
    /// The channel.
    pub channel: Channel,
    /// Its cap, and what is used of it.
    pub window: UsageWindow,
    /// The account's credits that are kept for it.
    pub reserve: u64,
    /// The credits that it has spent in all, without what was refunded.
    pub credits_spent: u64,
}

/// Lists the groups of an account by id, a page at a time, without their pictures.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: Id,
    /// Go on after this group: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Id>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Renames a group (R-GRP-6).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// The name that people see.
    pub name: Name,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Gives a group a picture (R-GRP-6).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetAvatar {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// The picture: PNG, JPEG, GIF or WebP of up to 256 KiB, or an `https` address.
    pub avatar: Avatar,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Takes the picture of a group away (R-GRP-6).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearAvatar {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Says what the members of a group may send together, in a month or, by policy, a year (R-GRP-5).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetCaps {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// The caps; what is absent stays, and `unlimited` is none.
    pub caps: GroupCaps,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Deletes a group. Its members and the resources that carry it go to another; the users keep
/// everything else (R-GRP-7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// Where its members and resources go; needed when there are any, and for the default group,
    /// which this one becomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Id>,
    /// The revision that the decision was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Makes a group the one that new members come into (R-GRP-1). Nobody is moved.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeDefault {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
}

/// Puts members into a group (R-GRP-4). Who is in another than the default group is transferred,
/// and that needs `groups.members.transfer` too.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddMembers {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// The members, 1 to 500: all of them or none.
    pub users: Vec<Id>,
    /// What becomes of their resources; they follow when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<GroupResources>,
}

/// Takes members out of a group: into the default group, and out of that only where another one is
/// named (R-GRP-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveMembers {
    /// The account.
    pub account: Id,
    /// The group that they are in.
    pub group: Id,
    /// The members, 1 to 500: all of them or none.
    pub users: Vec<Id>,
    /// Another group than the default one. Out of a group that is not the default one this is a
    /// transfer, and needs `groups.members.transfer` too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Id>,
    /// What becomes of their resources; they follow when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<GroupResources>,
}

/// Moves members from one group to another (R-GRP-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferMembers {
    /// The account.
    pub account: Id,
    /// The group that all of them have to be in; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_group: Option<Id>,
    /// The group that they come into.
    pub to: Id,
    /// The members, 1 to 500: all of them or none.
    pub users: Vec<Id>,
    /// What becomes of their resources.
    pub resources: GroupResources,
}

/// What becomes of the resources of members who change their group (R-GRP-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupResources {
    /// They take the new group, all of them.
    Follow,
    /// They carry the group that they carried before, and go on being seen there.
    Stay,
}

/// A group of users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// The id, unique within the account.
    pub id: Id,
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Name,
    /// Whether new members come into it.
    pub is_default: bool,
    /// How many members it has.
    pub members: u64,
    /// What its members may send together; what is absent is not capped.
    pub caps: GroupCaps,
    /// The window of the caps.
    pub cap_period: CapPeriod,
    /// Whether it has a picture.
    pub has_avatar: bool,
    /// The picture; only `groups.get` answers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<Avatar>,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupList {
    /// The groups.
    pub groups: Vec<Group>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Id>,
}

/// Members that came into a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupMove {
    /// The account.
    pub account: Id,
    /// The group that they are in now.
    pub group: Id,
    /// How many members were in another one before.
    pub members: u64,
    /// How many resources took the group.
    pub resources: u64,
}

/// A group that was deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupDeleted {
    /// The account.
    pub account: Id,
    /// The group.
    pub group: Id,
    /// How many members went to the other group.
    pub members: u64,
    /// How many resources went there.
    pub resources: u64,
}
