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
/// The role is fixed in the offer from now on: a later change of the default role does not change
/// it.
#[request]
pub struct Create {
    /// The account for which the invitation is made, and which is offered when `accounts` is
    /// absent. When it is absent too, it is the account in which the user acts.
    pub account: Option<Id>,
    /// The addresses, separated by commas, semicolons or white space: at most 500, in at most 64
    /// KiB; an address that is repeated counts once. A name may stand before an address: `Ann Lee
    /// <ann@x.example>`. The number of addresses times the number of accounts is at most 10,000.
    pub addresses: String,
    /// The role in every account for which `accounts` names none; the account's default role when
    /// absent.
    pub role: Option<Id>,
    /// The group in every account for which `accounts` names none; the default group when absent.
    pub group: Option<Id>,
    /// The accounts to offer: at most 100, all of one team.
    pub accounts: Option<Vec<AccountGrant>>,
    /// The first name, for a single address only; the name that stands before the address when
    /// absent.
    pub first_name: Option<Name>,
    /// The last name, for a single address only; the name that stands before the address when
    /// absent.
    pub last_name: Option<Name>,
    /// Whether all addresses are invited or none; the answer says which one was in the way.
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
    /// Whether the invitations to all accounts below it are listed too, for those who manage the
    /// team.
    #[serde(default)]
    pub include_descendants: bool,
    /// Only those with this status.
    pub status: Option<InvitationStatus>,
    /// Only those with this text in the address or in the name; case and accents do not matter.
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

/// Changes what a pending invitation offers (R-INV-5). A field that is absent stays as it is.
/// Nothing is sent: the link that was sent before offers the changed access.
///
/// The actor must hold all that the invitation offers in the accounts that they reach, before and
/// after the change, and cannot change the offers in other accounts. To change the names, they must
/// hold all that it offers, in the other accounts too.
#[request]
pub struct Edit {
    /// The invitation.
    pub invitation: Id,
    /// The role in every account for which `accounts` names none.
    pub role: Option<Id>,
    /// The group in every account for which `accounts` names none.
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

/// Sends a pending or expired invitation again; its life time begins anew (R-INV-3, R-INV-5).
///
/// The policy `resend` decides whether a new link replaces the old one, the same link is sent
/// again, or the call is refused with `policy_forbids`; in that case delete the invitation and
/// invite again. The verification of an owner is always sent again with a new link. The actor must
/// hold everything that the invitation offers, also in accounts that they do not reach (R-ROL-7).
#[request]
pub struct Resend {
    /// The invitation.
    pub invitation: Id,
}

/// Deletes a pending or expired invitation (R-INV-5): from now on its link is refused with
/// `invitation_deleted`. The name and the address are erased, in the outbox and the audit too
/// (R-USR-4).
///
/// An actor who reaches only some of its accounts withdraws the offer of these accounts; the rest
/// of the invitation stays. The verification of an owner can be deleted only together with its
/// account.
#[request]
pub struct Delete {
    /// The invitation.
    pub invitation: Id,
}

/// Erases a person who was invited but is not a user: every invitation of the address, in whatever
/// state, and their name and address in the outbox and the audit (R-USR-4). The links are refused
/// with `invitation_deleted` from now on.
///
/// The host and operators erase in all teams; users erase only the invitations of which they may
/// delete every offer. A person who is a user is erased with `users.delete`; when an account waits
/// for the person as its owner, delete the account or name another owner first.
#[request]
pub struct Erase {
    /// The address, in any spelling of its normal form.
    pub email: Email,
}

/// Shows what the page behind a link needs before the invitation is accepted. A dead link is
/// refused as by `invitations.accept`.
#[request]
pub struct LookUp {
    /// The token of the link.
    pub token: Secret,
}

/// Accepts an invitation: the person who has the address becomes a member of all its accounts, in
/// one step (R-INV-2, R-INV-6).
///
/// The user is created unless a user with the address exists. When a link is used several times at
/// once, one call succeeds.
#[request]
pub struct Accept {
    /// The token of the link.
    pub token: Secret,
    /// The id for a new user; one is generated when it is absent.
    pub user: Option<Id>,
    /// The first name of a new user; that of the invitation when absent. An existing user keeps
    /// theirs.
    pub first_name: Option<Name>,
    /// The last name of a new user; that of the invitation when absent. An existing user keeps
    /// theirs.
    pub last_name: Option<Name>,
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
    /// What is offered, in the accounts that the actor reaches.
    pub accounts: Vec<AccountGrant>,
    /// Who invited: `system` or a user; absent when the actor cannot see that user.
    pub invited_by: Option<String>,
    /// The status of the invitation now.
    pub status: InvitationStatus,
    /// What the host reported of the last delivery.
    pub delivery: Option<Delivery>,
    /// When it was last sent, in unix milliseconds.
    pub sent_at_ms: u64,
    /// When it expires, in unix milliseconds: from then on it cannot be accepted.
    pub expires_at_ms: u64,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
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

/// One of many addresses that are invited.
#[answer]
pub struct InvitedAddress {
    /// The invitation that was made.
    pub invitation: Option<Id>,
    /// The number of the address in the text, counted from 1.
    pub position: u64,
    /// Where the address begins in the text: the offset in bytes of UTF-8, counted from 0.
    pub offset: u64,
    /// The address, as typed; what is no address is cut off after 254 bytes.
    pub address: String,
    /// When the invitation expires, in unix milliseconds: from then on it cannot be accepted.
    pub expires_at_ms: Option<u64>,
    /// The user who has the address already, if it was refused for that and the actor can see them.
    pub user: Option<Id>,
    /// The open invitation of the address, if it was refused for that and the actor can see it.
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
    /// How many invitations were erased; none when the address was not invited in an account that
    /// the actor reaches.
    pub erased: u64,
}

/// What the page behind a link shows.
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
    /// Who invited: `system` or a user.
    pub invited_by: String,
    /// The first name of that user.
    pub inviter_first_name: Option<Name>,
    /// The last name of that user.
    pub inviter_last_name: Option<Name>,
    /// The user who has the address already; absent when accepting the invitation creates one.
    pub user: Option<Id>,
    /// When it expires, in unix milliseconds: from then on it cannot be accepted.
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

/// An invitation that was accepted.
#[answer]
pub struct InvitationAccepted {
    /// The invitation.
    pub invitation: Id,
    /// The user.
    pub user: Id,
    /// Whether the user is new.
    pub created: bool,
    /// The accounts of which they are a member now.
    pub accounts: Vec<Id>,
}
