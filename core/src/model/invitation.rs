//! Invitations: access that is offered to a person until they accept it (R-INV-1 to R-INV-6).

use super::{Email, Id, Name, Note};
use serde::{Deserialize, Serialize};
use tenantry_macros::{answer, request};

/// An invitation as it is stored. Its token is not stored: it is derived from the id and the
/// generation (R-INV-2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invitation {
    /// The id.
    pub id: Id,
    /// Whether it invites a member of accounts, or the owner of an account.
    pub kind: InvitationKind,
    /// The top account of the team.
    pub team: Id,
    /// The address that was invited; absent after the invitation was deleted (R-USR-4).
    #[serde(default)]
    pub email: Option<Email>,
    /// The user who had the address, if they have another address now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The first name, as the inviter typed it.
    pub first_name: Option<Name>,
    /// The last name, as the inviter typed it.
    pub last_name: Option<Name>,
    /// The access that is offered.
    pub grants: Vec<AccountGrant>,
    /// The accounts that are offered and all accounts above them: the invitation is listed in these
    /// accounts, and takes a seat in them while it can be accepted.
    pub counted_in: Vec<Id>,
    /// Who invited the person: `system` or the id of a user.
    pub invited_by: String,
    /// The generation, which rises when a new link goes out; tokens of an older generation are no
    /// longer valid (R-INV-5).
    pub generation: u64,
    /// When the invitation was last sent; its life time begins then (R-INV-3).
    pub sent_at_ms: u64,
    /// How long the invitation can be accepted after it was sent, in milliseconds.
    pub life_ms: u64,
    /// Its state; whether it has expired is computed and never stored (R-INV-3).
    pub state: InvitationState,
    /// What the host reported about the delivery (R-INV-2).
    pub delivery: Option<Delivery>,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When it was created.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
}

impl Invitation {
    /// The normal form of the address; empty after it was erased.
    pub fn address(&self) -> &str {
        self.email.as_ref().map_or("", Email::key)
    }
}

/// What the person who accepts an invitation becomes.
#[answer]
pub enum InvitationKind {
    /// A member.
    Member,
    /// The owner of an account that waits for its owner (R-TEA-4).
    Owner,
}

/// Access to one account (R-INV-7): the role and the group there.
#[request]
#[derive(PartialEq, Eq)]
pub struct AccountGrant {
    /// The account.
    pub account: Id,
    /// The role; the default role of the account when absent.
    pub role: Option<Id>,
    /// The group; the default group when absent.
    pub group: Option<Id>,
}

/// The state of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitationState {
    /// The invitation is neither accepted, deleted nor replaced.
    Open,
    /// The person accepted the invitation.
    Accepted,
    /// The person declined the invitation.
    Declined,
    /// The invitation was deleted.
    Deleted,
    /// A newer invitation replaced this one.
    Superseded,
}

/// What the host reports about the delivery of an invitation (R-INV-2).
#[request]
#[derive(PartialEq, Eq)]
pub struct Delivery {
    /// The outcome.
    pub outcome: DeliveryOutcome,
    /// What the mail server said.
    pub note: Option<Note>,
}

/// The outcome of the delivery of a message.
#[answer]
pub enum DeliveryOutcome {
    /// The message was delivered.
    Delivered,
    /// A filter of the recipient's mail system refused the message.
    Blocked,
    /// The address does not work.
    Bounced,
}
