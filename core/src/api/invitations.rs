//! Invitations: access that is offered to an address, and accepted through a link (R-INV-1 to
//! R-INV-10): requests and answers.

use crate::error::Code;
use crate::model::{
    AccountGrant, Count, Cursor, Delivery, DeliveryOutcome, Email, Id, InvitationKind, Name, Note,
    Secret,
};
use crate::rules::invitation::InvitationStatus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Invites people to accounts, many at once (R-INV-1). The messages with the links go into the
/// outbox.
///
/// Whoever invites holds `users.invite` in every account named, and all that the role allows. The
/// role is part of the offer from now on: another default role later does not change it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The account that it is done for, and that is offered where `accounts` is absent; for a user
    /// the one they act in when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The addresses, separated by comma, semicolon or white space: at most 500, in at most 64 KiB;
    /// repetitions count once. A name may stand before one: `Ann Lee <ann@x.example>`. Addresses
    /// times accounts are at most 10,000.
    pub addresses: String,
    /// The role, in every account for which none is named; the account's default role when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// The group, in every account for which none is named; the default group when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// The accounts to offer, all of one team, at most 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<AccountGrant>>,
    /// First name; with a single address only. When absent, what was pasted with the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name; with a single address only. When absent, what was pasted with the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// Invites all or none: with a single problem nobody is invited.
    #[serde(default)]
    pub atomic: bool,
}

/// Reads an invitation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The invitation.
    pub invitation: Id,
}

/// Lists the invitations to an account, a page at a time; a page can be shorter than asked for
/// while there is a `next`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: Id,
    /// Those to all accounts below it as well; for who manages the team.
    #[serde(default)]
    pub below: bool,
    /// Only those of this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<InvitationStatus>,
    /// Only those with this in the address or in the name, without regard to case and accents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Name>,
    /// The order; the newest first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<InvitationOrder>,
    /// Go on here: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// The order of a list of invitations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvitationOrder {
    /// The newest first.
    Newest,
    /// By e-mail address.
    Email,
}

/// Changes what a pending invitation offers (R-INV-5). What is absent stays. Nothing is sent: the
/// link that went out offers the new.
///
/// Nobody changes an invitation to more than they hold, into one to more than they hold, or in
/// accounts that they do not reach; nor the names in one that offers more than they hold, be it
/// elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The invitation.
    pub invitation: Id,
    /// The role, in every account for which none is named in `accounts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// The group, in every account for which none is named in `accounts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// The accounts to offer, of all that one reaches: at least one and at most 100. An account
    /// that is new needs `users.invite`; in one that was offered before, a role or group that is
    /// absent stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<AccountGrant>>,
    /// First name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Sends a pending or expired invitation again; its life begins anew (R-INV-3, R-INV-5).
///
/// By the policy `resend` the old link dies, or the same goes out again, or it is `policy_forbids`:
/// then delete the invitation and invite again. The verification of an owner is always sent again
/// with a new link. Nobody sends again what offers more than they hold, be it in accounts that they
/// do not reach (R-ROL-7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resend {
    /// The invitation.
    pub invitation: Id,
}

/// Deletes a pending or expired invitation (R-INV-5): its link says `invitation_deleted`. Name and
/// address are forgotten, in the outbox and the audit too (R-USR-4).
///
/// Who reaches only some of its accounts takes back the offer of these; the rest stands. The
/// verification of an owner goes with its account alone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The invitation.
    pub invitation: Id,
}

/// Erases somebody who was invited and never came: every invitation of the address, whatever became
/// of it, and their name and address in the outbox and the audit (R-USR-4). The links say
/// `invitation_deleted`.
///
/// By the host and operators in all teams; by users, those invitations of which they may delete all
/// that is offered. Somebody who is a user is erased with `users.delete`; an account that waits for
/// its owner is deleted, or gets another.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// The address, in any spelling of its normal form.
    pub email: Email,
}

/// What the page behind a link shows before the invitation is accepted; a dead link is refused as
/// by `invitations.accept`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookUp {
    /// The token of the link.
    pub token: Secret,
}

/// Accepts an invitation: whoever has the address becomes a member of all its accounts, in one step
/// (R-INV-2, R-INV-6).
///
/// The user is made, unless there is one with the address. Of many who use a link at once one
/// succeeds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// The token of the link.
    pub token: Secret,
    /// The id that a new user gets; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// First name of a new user; that of the invitation when absent. An existing user keeps theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name of a new user; that of the invitation when absent. An existing user keeps theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
}

/// Reports how the delivery of an invitation went; it is shown with the invitation until it is sent
/// again (R-INV-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportDelivery {
    /// The invitation.
    pub invitation: Id,
    /// How it went.
    pub outcome: DeliveryOutcome,
    /// What the mail server said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// An invitation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Invitation {
    /// The id.
    pub id: Id,
    /// Member of accounts, or owner of one.
    pub kind: InvitationKind,
    /// The address, as typed; absent, with the names, once the invitation was deleted (R-USR-4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// What is offered, in the accounts that the actor reaches.
    pub accounts: Vec<AccountGrant>,
    /// Who invited: `system` or a user; absent where the actor does not see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invited_by: Option<String>,
    /// What it is worth now.
    pub status: InvitationStatus,
    /// What the host reported of its last sending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// When it was last sent, in unix milliseconds.
    pub sent_at_ms: u64,
    /// From when on it cannot be accepted, in unix milliseconds.
    pub expires_at_ms: u64,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of invitations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationList {
    /// The invitations.
    pub invitations: Vec<Invitation>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// Who was invited, and who was not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationBatch {
    /// Who was invited, in the order of the text.
    pub invited: Vec<InvitedAddress>,
    /// Who was not, in the order of the text.
    pub problems: Vec<InvitationProblem>,
}

/// An address that was invited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitedAddress {
    /// The invitation.
    pub invitation: Id,
    /// The address, as typed.
    pub email: String,
    /// From when on it cannot be accepted, in unix milliseconds.
    pub expires_at_ms: u64,
}

/// Why an address was not invited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationProblem {
    /// Which address of the text it is, from 1 on.
    pub position: u64,
    /// Where it begins in the text, in bytes of UTF-8 from 0 on.
    pub offset: u64,
    /// The address as typed, its first 254 bytes.
    pub address: String,
    /// The code.
    pub code: Code,
    /// A sentence a person can act on.
    pub message: String,
    /// The user who has the address, where the actor sees them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The open invitation of the address, where the actor sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Id>,
}

/// An invitation of which an offer was taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationDeleted {
    /// The invitation.
    pub invitation: Id,
    /// Whether it is deleted as a whole; otherwise accounts that the actor does not reach are still
    /// offered.
    pub deleted: bool,
}

/// Somebody who was invited and is erased.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationsErased {
    /// How many invitations are gone; none where the address was not invited, or not by whom the
    /// actor reaches.
    pub erased: u64,
}

/// What the page behind a link shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationOffer {
    /// The invitation.
    pub invitation: Id,
    /// Member of accounts, or owner of one.
    pub kind: InvitationKind,
    /// The address to log in with.
    pub email: String,
    /// First name, as the inviter typed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name, as the inviter typed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// The accounts.
    pub accounts: Vec<OfferedAccount>,
    /// Who invited: `system` or a user.
    pub invited_by: String,
    /// First name of that user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inviter_first_name: Option<Name>,
    /// Last name of that user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inviter_last_name: Option<Name>,
    /// The user who has the address already; absent where accepting makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// From when on it cannot be accepted, in unix milliseconds.
    pub expires_at_ms: u64,
}

/// An account that is offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OfferedAccount {
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Name,
    /// The role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
}

/// An invitation that was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvitationAccepted {
    /// The invitation.
    pub invitation: Id,
    /// The user.
    pub user: Id,
    /// Whether the user is new.
    pub created: bool,
    /// The accounts that they are a member of now.
    pub accounts: Vec<Id>,
}
