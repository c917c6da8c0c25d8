//! Invitations: what a person is offered until they accept it (R-INV-1 to R-INV-6).

use super::{Email, Id, Name, Note};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An invitation as it is stored. Its token is not: it is derived from id and generation (R-INV-2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invitation {
    /// The id.
    pub id: Id,
    /// Member of accounts, or owner of one.
    pub kind: InvitationKind,
    /// The top account of the team.
    pub team: Id,
    /// The address that was invited; absent once the invitation was deleted (R-USR-4).
    #[serde(default)]
    pub email: Option<Email>,
    /// The user whose address it was, where they have another by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// First name, as the inviter typed it.
    pub first_name: Option<Name>,
    /// Last name, as the inviter typed it.
    pub last_name: Option<Name>,
    /// What is offered.
    pub grants: Vec<AccountGrant>,
    /// The accounts that are offered and all above them: it is listed there, and takes a seat there
    /// while it can be accepted.
    pub counted_in: Vec<Id>,
    /// Who invited: `system` or a user's id.
    pub invited_by: String,
    /// Raised when a new link goes out; tokens of an older generation are dead (R-INV-5).
    pub generation: u64,
    /// When it was last sent; its life counts from here (R-INV-3).
    pub sent_at_ms: u64,
    /// How long it lives from then on.
    pub life_ms: u64,
    /// What became of it; that it expired is computed, never stored (R-INV-3).
    pub state: InvitationState,
    /// What the host reported of the delivery (R-INV-2).
    pub delivery: Option<Delivery>,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was last changed.
    pub updated_at_ms: u64,
}

impl Invitation {
    /// The normal form of the address; empty where it was forgotten.
    pub fn address(&self) -> &str {
        self.email.as_ref().map_or("", Email::key)
    }
}

/// What an invitation makes of whoever accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvitationKind {
    /// A member.
    Member,
    /// The owner of an account that waits for its owner (R-TEA-4).
    Owner,
}

/// Access to one account (R-INV-7): the role and the group there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountGrant {
    /// The account.
    pub account: Id,
    /// The role; the default role of the account when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// The group; the default group when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
}

/// What became of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitationState {
    /// Nothing yet.
    Open,
    /// Somebody accepted it.
    Accepted,
    /// It was deleted.
    Deleted,
    /// A newer invitation took its place.
    Superseded,
}

/// What the host reports of the delivery of an invitation (R-INV-2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// How it went.
    pub outcome: DeliveryOutcome,
    /// What the mail server said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// How the delivery of a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// It was taken.
    Delivered,
    /// It was refused by the recipient's protection.
    Blocked,
    /// The address does not work.
    Bounced,
}
