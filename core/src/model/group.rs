//! Groups of users, who share resources with each other (R-GRP-1 to R-GRP-8).

use super::{Id, Limit, Name, Note};
use serde::{Deserialize, Serialize};
use tenantry_macros::request;

/// A group as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The id, unique within the account.
    pub id: Id,
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Name,
    /// The caps on what the group's members send together (R-GRP-5).
    pub caps: GroupCaps,
    /// Whether the group has a picture, which is a record of its own.
    pub has_avatar: bool,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When it was created.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
}

/// The caps on what the members of a group send together in a month or, by policy, in a year;
/// owners and administrators are exempt (R-GRP-5).
#[request]
#[derive(Copy, PartialEq, Eq)]
pub struct GroupCaps {
    /// The cap on e-mails; no cap when absent.
    pub email: Option<Limit>,
    /// The cap on text messages; no cap when absent.
    pub sms: Option<Limit>,
}

impl GroupCaps {
    /// These caps; a cap that is absent here is taken from the other caps.
    #[must_use]
    pub fn or(self, other: GroupCaps) -> GroupCaps {
        GroupCaps {
            email: self.email.or(other.email),
            sms: self.sms.or(other.sms),
        }
    }
}

/// The picture of a group (R-GRP-6): bytes with their media type, or the address of a picture.
/// Exactly one of `data` and `url` is given.
#[request]
#[derive(PartialEq, Eq)]
pub struct Avatar {
    /// The media type of the bytes, such as `image/png`.
    pub media_type: Option<Name>,
    /// The bytes in base64, at most 256 KiB of them.
    pub data: Option<String>,
    /// The `https` address of the picture.
    pub url: Option<Note>,
}
