//! Invitations: access that is offered to an e-mail address and accepted through a link (R-INV-1 to
//! R-INV-10): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/invitations.md"))]

use crate::model::{
    AccountGrant, Count, Cursor, Delivery, DeliveryOutcome, Email, Id, InvitationKind, Name, Note,
    Secret,
};
use crate::rules::invitation::InvitationStatus;
use tenantry_macros::{answer, request};

/// Invites people to accounts, many at once (R-INV-1). The messages with the links are written to
/// the outbox.
///
/// The actor must hold `users.invite` in every account named, and everything that the role allows.
/// The invitation keeps the role: a later change of the default role does not change the offer.
#[request]
pub struct Create {
    /// The account for which the invitation is made; it is the account offered if `accounts` is
    /// absent. When `account` is absent, the account in which the acting user acts.
    pub account: Option<Id>,
    /// The addresses, separated by commas, semicolons or white space: at most 500, in a text of at
    /// most 64 KiB. An address that is repeated counts once. A name may stand before an address:
    /// `Ann Lee <ann@x.example>`. The number of addresses times the number of accounts is at most
    /// 10,000.
    pub addresses: String,
    /// The role in every account for which `accounts` names no role; the account's default role
    /// when absent.
    pub role: Option<Id>,
    /// The group in every account for which `accounts` names no group; the default group when
    /// absent.
    pub group: Option<Id>,
    /// The accounts to offer: at most 100, all of one team.
    pub accounts: Option<Vec<AccountGrant>>,
    /// The first name, for a single address only; the name that stands before the address when
    /// absent.
    pub first_name: Option<Name>,
    /// The last name, for a single address only; the name that stands before the address when
    /// absent.
    pub last_name: Option<Name>,
    /// Whether all addresses are invited or none. If one address is refused, none is invited, and
    /// the answer says which address was refused.
    #[serde(default)]
    pub atomic: bool,
}

/// Reads an invitation.
#[request]
pub struct Get {
    /// The invitation.
    pub invitation: Id,
}

/// Lists the invitations to an account, a page at a time; a page may be shorter than `limit` while
/// there is a `next`.
#[request]
pub struct List {
    /// The account.
    pub account: Id,
    /// Whether the invitations to all accounts below are listed too; only for users who manage the
    /// team.
    #[serde(default)]
    pub include_descendants: bool,
    /// Only invitations with this status.
    pub status: Option<InvitationStatus>,
    /// Only invitations with this text in the address or in the name; case and accents do not
    /// matter.
    pub search: Option<Name>,
    /// The order; the newest first when absent.
    pub order: Option<InvitationOrder>,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many entries the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// The order of a list of invitations.
#[request]
pub enum InvitationOrder {
    /// The newest first.
    Newest,
    /// By e-mail address.
    Email,
}

/// Changes what a pending invitation offers (R-INV-5). A field that is absent stays as it is. No
/// message is sent: the link that was sent before now offers the changed access.
///
/// The actor must hold everything that the invitation offers in the accounts that the actor
/// reaches, before and after the change, and cannot change the offers in other accounts. To change
/// the names, the actor must hold everything that it offers in all accounts.
#[request]
pub struct Edit {
    /// The invitation.
    pub invitation: Id,
    /// The role in every account for which `accounts` names no role.
    pub role: Option<Id>,
    /// The group in every account for which `accounts` names no group.
    pub group: Option<Id>,
    /// The accounts to offer, among those that the actor reaches: at least 1 and at most 100. A new
    /// account needs `users.invite`; in an account that was offered before, a role or a group that
    /// is absent stays as it was.
    pub accounts: Option<Vec<AccountGrant>>,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Sends a pending or expired invitation again; its life time begins again (R-INV-3, R-INV-5).
///
/// The policy `resend` decides whether a new link replaces the old one, the same link is sent
/// again, or the call is refused with `policy_forbids`. If it is refused, delete the invitation and
/// invite the person again. The verification of an owner is always sent again with a new link. The
/// actor must hold everything that the invitation offers, also in accounts that they do not reach
/// (R-ROL-7).
#[request]
pub struct Resend {
    /// The invitation.
    pub invitation: Id,
}

/// Deletes a pending or expired invitation (R-INV-5): from now on its link is refused with
/// `invitation_deleted`. The name and the address are erased, in the outbox and the audit too
/// (R-USR-4).
///
/// If the actor reaches only some of the invitation's accounts, only the offers of these accounts
/// are withdrawn; the rest of the invitation stays. The verification of an owner can be deleted
/// only together with its account.
#[request]
pub struct Delete {
    /// The invitation.
    pub invitation: Id,
}

/// Erases a person who was invited but is not a user: every invitation of the address, in any
/// state, and the person's name and address in the outbox and the audit (R-USR-4). The links are
/// refused with `invitation_deleted` from now on.
///
/// The host and operators erase the invitations of all teams; users erase only the invitations of
/// which they may delete every offer. A person who is a user is erased with `users.delete`. If an
/// account waits for the person as its owner, delete the account or name another owner first.
#[request]
pub struct Erase {
    /// The address, in any spelling of its normal form.
    pub email: Email,
}

/// Shows what the host's page for an invitation link needs before the person accepts. A link that
/// is no longer valid is refused as by `invitations.accept`.
#[request]
pub struct LookUp {
    /// The token of the link.
    pub token: Secret,
}

/// Accepts an invitation: the person who has the address becomes a member of all its accounts, in
/// one step (R-INV-2, R-INV-6).
///
/// The user is created unless a user with the address exists. If several calls use a link at the
/// same time, one of them succeeds.
#[request]
pub struct Accept {
    /// The token of the link.
    pub token: Secret,
    /// The id for a new user. When absent, an id is generated.
    pub user: Option<Id>,
    /// The first name of a new user; when absent, the name in the invitation. An existing user
    /// keeps their name.
    pub first_name: Option<Name>,
    /// The last name of a new user; when absent, the name in the invitation. An existing user keeps
    /// their name.
    pub last_name: Option<Name>,
}

/// Lists the invitations that a person can accept now, by the address that they were sent to and
/// whatever team they are of, in the order in which they were made, a page at a time; a page may be
/// shorter than `limit` while there is a `next` (R-INV-13).
///
/// The host answers for it that the address is the person's: because they have logged in by single
/// sign-on, for example. Whoever names the address of somebody else sees what that person is
/// offered.
#[request]
pub struct Received {
    /// The address, in any spelling of its normal form.
    pub email: Email,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many invitations the page has at most: 1 to 500; 50 when absent.
    pub limit: Option<Count>,
}

/// Accepts an invitation without the token of its link, for a person of whom the host knows that
/// the address is theirs, as for `invitations.received` (R-INV-13). Otherwise it does what
/// `invitations.accept` does.
#[request]
pub struct AcceptReceived {
    /// The invitation.
    pub invitation: Id,
    /// The address to which the invitation was sent, in any spelling of its normal form; the
    /// invitation to another address is not there.
    pub email: Email,
    /// The id for a new user. When absent, an id is generated.
    pub user: Option<Id>,
    /// The first name of a new user; when absent, the name in the invitation. An existing user
    /// keeps their name.
    pub first_name: Option<Name>,
    /// The last name of a new user; when absent, the name in the invitation. An existing user keeps
    /// their name.
    pub last_name: Option<Name>,
}

/// Declines an invitation: the person who was invited does not want it. Its seats are free again,
/// its link is refused with `invitation_declined` from now on, and whoever sees the invitation sees
/// that it was declined (R-INV-11). The address can be invited again.
///
/// The verification of an owner cannot be declined: it ends with its account, or expires.
#[request]
pub struct Decline {
    /// The token of the link.
    pub token: Secret,
}

/// Reports the outcome of the delivery of an invitation; it is shown with the invitation until the
/// invitation is sent again (R-INV-2).
#[request]
pub struct ReportDelivery {
    /// The invitation.
    pub invitation: Id,
    /// The outcome.
    pub outcome: DeliveryOutcome,
    /// What the mail server said.
    pub note: Option<Note>,
}

/// An invitation.
#[answer]
pub struct Invitation {
    /// The id.
    pub id: Id,
    /// Whether it invites a member of accounts, or the owner of an account.
    pub kind: InvitationKind,
    /// The address, as typed; absent, like the names, after the invitation was deleted (R-USR-4).
    pub email: Option<String>,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// The access that is offered, in the accounts that the actor reaches.
    pub accounts: Vec<AccountGrant>,
    /// Who invited the person: `system` or a user; absent when the actor cannot see that user.
    pub invited_by: Option<String>,
    /// The status of the invitation now.
    pub status: InvitationStatus,
    /// What the host reported of the last delivery.
    pub delivery: Option<Delivery>,
    /// When the invitation was last sent, in unix milliseconds.
    pub sent_at_ms: u64,
    /// When the invitation expires, in unix milliseconds: from then on it cannot be accepted.
    pub expires_at_ms: u64,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When the invitation was created, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the invitation was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of invitations.
#[answer]
pub struct InvitationList {
    /// The invitations.
    pub invitations: Vec<Invitation>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// One of several addresses that are invited.
#[answer]
pub struct InvitedAddress {
    /// The invitation that was created.
    pub invitation: Option<Id>,
    /// The number of the address in the text, counted from 1.
    pub position: u64,
    /// Where the address begins in the text: the offset in bytes of UTF-8, counted from 0.
    pub offset: u64,
    /// The address, as typed; a text that is not an address is cut off after 254 bytes.
    pub address: String,
    /// When the invitation expires, in unix milliseconds: from then on it cannot be accepted.
    pub expires_at_ms: Option<u64>,
    /// If the address was refused because a user has it already, that user; absent when the actor
    /// cannot see them.
    pub user: Option<Id>,
    /// If the address was refused because it has an open invitation, that invitation; absent when
    /// the actor cannot see it.
    pub open_invitation: Option<Id>,
}

/// An invitation from which offers were withdrawn.
#[answer]
pub struct InvitationDeleted {
    /// The invitation.
    pub invitation: Id,
    /// Whether the whole invitation was deleted; otherwise it still offers accounts that the actor
    /// does not reach.
    pub deleted: bool,
}

/// The result of erasing a person who was invited.
#[answer]
pub struct InvitationsErased {
    /// How many invitations were erased; 0 when the address was not invited in an account that the
    /// actor reaches.
    pub erased: u64,
}

/// A page of invitations that a person can accept.
#[answer]
pub struct InvitationOfferList {
    /// The invitations.
    pub invitations: Vec<InvitationOffer>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// What a person who was invited is offered.
#[answer]
pub struct InvitationOffer {
    /// The invitation.
    pub invitation: Id,
    /// Whether it invites a member of accounts, or the owner of an account.
    pub kind: InvitationKind,
    /// The address to log in with.
    pub email: String,
    /// The first name, as the inviter typed it.
    pub first_name: Option<Name>,
    /// The last name, as the inviter typed it.
    pub last_name: Option<Name>,
    /// The accounts.
    pub accounts: Vec<OfferedAccount>,
    /// Who invited the person: `system` or a user.
    pub invited_by: String,
    /// The first name of that user.
    pub inviter_first_name: Option<Name>,
    /// The last name of that user.
    pub inviter_last_name: Option<Name>,
    /// The user who has the address already; absent when accepting the invitation creates a user.
    pub user: Option<Id>,
    /// When the invitation expires, in unix milliseconds: from then on it cannot be accepted.
    pub expires_at_ms: u64,
}

/// An account that is offered.
#[answer]
pub struct OfferedAccount {
    /// The account.
    pub account: Id,
    /// The name that people see.
    pub name: Name,
    /// The role.
    pub role: Option<Id>,
}

/// An invitation that was declined.
#[answer]
pub struct InvitationDeclined {
    /// The invitation.
    pub invitation: Id,
}

/// An invitation that was accepted.
#[answer]
pub struct InvitationAccepted {
    /// The invitation.
    pub invitation: Id,
    /// The user.
    pub user: Id,
    /// Whether the user was created.
    pub created: bool,
    /// The accounts of which the user is a member now.
    pub accounts: Vec<Id>,
}
