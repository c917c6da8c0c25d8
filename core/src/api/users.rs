//! The users of the platform: their profiles, their e-mail addresses, and their deletion (R-USR-1
//! to R-USR-4, R-ACC-3, R-TEA-3): requests and answers.
#![cfg_attr(doc, doc = include_str!("../../doc/users.md"))]

use crate::api;
use crate::api::addresses::AddressList;
use crate::api::api_keys::ApiKey;
use crate::api::audit::{AuditField, AuditWhat};
use crate::api::members::MemberStatus;
use crate::api::second_factors::SecondFactorStatus;
use crate::api::sessions::SessionDevice;
use crate::model::{
    AccountGrant, AuditKind, Count, Cursor, Email, Id, InvitationKind, Name, NotificationsEdit,
    OutboxKind, PendingStep, Profile, ResourcesTo, Secret,
};
use crate::rules::invitation::InvitationStatus;
use tenantry_macros::{answer, request};

/// Creates a user. An e-mail address belongs to one user on the whole platform; using it a second
/// time is refused with `email_taken` (R-USR-1).
#[request]
pub struct Create {
    /// The host's own id. When absent, an id is generated.
    pub id: Option<Id>,
    /// The e-mail address, which is stored as typed and compared in its normal form.
    pub email: Email,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
}

/// Reads a user, by id or by e-mail address. Users can read themselves, and the users whom they see
/// in the account in which they act.
#[request]
pub struct Get {
    /// The user; give either this or `email`.
    pub user: Option<Id>,
    /// The e-mail address, in any spelling of its normal form; give either this or `user`.
    pub email: Option<Email>,
}

/// Changes a profile; a policy says who may edit which field (R-USR-3). A field that is absent
/// stays as it is; either all fields are changed or none.
#[request]
pub struct Edit {
    /// The user.
    pub user: Id,
    /// The account as whose administrator the actor edits the user; when absent, the account in
    /// which the actor acts.
    pub account: Option<Id>,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// The phone number, at most 40 bytes.
    pub phone: Option<Name>,
    /// The country to which the user sends by default: two capital letters, as in ISO 3166.
    pub sending_country: Option<Name>,
    /// The language: a tag such as `de` or `pt-BR`.
    pub language: Option<Name>,
    /// The IANA name of the time zone.
    pub time_zone: Option<Name>,
    /// How the user is notified of new messages; a setting that is absent stays as it is.
    pub notifications: Option<NotificationsEdit>,
    /// The fields to empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clear: Vec<ProfileField>,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// A field of a profile.
#[request]
pub enum ProfileField {
    /// The first name.
    FirstName,
    /// The last name.
    LastName,
    /// The phone number.
    Phone,
    /// The country to which the user sends by default.
    SendingCountry,
    /// The language.
    Language,
    /// The time zone.
    TimeZone,
    /// How the user is notified of new messages.
    Notifications,
}

/// Requests a change of a user's e-mail address (R-USR-3, R-SES-4).
///
/// The host, and operators if a policy allows it, change the address at once. For everybody else, a
/// link goes to the new address, and nothing changes until somebody follows the link. A newer
/// request replaces an older one. For an address that belongs to another user already, the answer
/// is the same, but no link is sent. A request for the address that the user already has cancels an
/// earlier request.
#[request]
pub struct ChangeEmail {
    /// The user.
    pub user: Id,
    /// The account as whose administrator the actor changes a member's address; when absent, the
    /// account in which the actor acts.
    pub account: Option<Id>,
    /// The new address.
    pub email: Email,
    /// The revision on which the change is based; a stale one is refused with `rev_conflict`.
    pub expected_rev: Option<Count>,
}

/// Confirms a new e-mail address, after the user has followed the link that was sent to it. From
/// now on it is the user's address, and a notice goes to the old address. A token can be used once
/// (R-SES-4).
#[request]
pub struct ConfirmEmail {
    /// The token of the link.
    pub token: Secret,
}

/// Sends a user a link for setting a new password; a newer link replaces an older one (R-INV-10,
/// R-SES-4). The link can be used for an hour, or for the time in the policy `link_life_ms` if that
/// is shorter.
///
/// The host, operators with `clients.edit`, the user themself, and users who see the user and hold
/// `users.reset_password` in the account in which they act can ask for it. A person who was invited
/// and has not accepted is not a user yet.
#[request]
pub struct RequestPasswordReset {
    /// The user.
    pub user: Id,
}

/// Reports that a user has set a password, for a host with its own log-in: the user's pending step
/// `password` counts as done (R-TEA-4). All sessions of the user end, the links that were sent to
/// the user are no longer valid, and a change of the user's address that waits for confirmation is
/// cancelled. The user is notified, except of the first password that they were asked to set
/// (R-SES-4).
#[request]
pub struct PasswordWasSet {
    /// The user.
    pub user: Id,
}

/// Reports that a user has logged in, for a host with its own log-in. Each call counts as seeing
/// the user; the first call also records the first log-in (R-INV-4).
#[request]
pub struct LoggedIn {
    /// The user.
    pub user: Id,
}

/// Lists users, a page at a time. Users who manage a team from its top account get the users of the
/// team, including the owners (R-TEA-3). The host and operators get the users of the platform.
#[request]
pub struct List {
    /// Only users of this account and of all accounts below it. When absent and the actor is a
    /// user, the account in which the actor acts.
    pub account: Option<Id>,
    /// Only members of this one account.
    pub sub_account: Option<Id>,
    /// Only users who have this role in one of the accounts that are listed.
    pub role: Option<Id>,
    /// Only users with this status.
    pub status: Option<MemberStatus>,
    /// Only users who have not been seen since this instant, in unix milliseconds: they were last
    /// seen before it, or were never seen and were created before it.
    pub inactive_since_ms: Option<Count>,
    /// Only users whose e-mail address, last name or first name begins with this text; case and
    /// accents do not matter. Users who match in the field that orders the list come first.
    pub search: Option<Name>,
    /// Only users with this text anywhere in their name or e-mail address, such as a part of a name
    /// or `@acme.example`; case and accents do not matter. A call looks at 2,000 users at most, so
    /// that a page may be empty while there is still a `next` (R-ACC-8).
    pub contains: Option<Name>,
    /// The order; by e-mail address when absent.
    pub order: Option<UserOrder>,
    /// Where the page begins: the `next` of the previous page.
    pub after: Option<Cursor>,
    /// How many users the page has at most: 1 to 500; 50 when absent. With filters, a page may be
    /// shorter while there is still a `next`.
    pub limit: Option<Count>,
}

/// The order of a list of users.
#[request]
pub enum UserOrder {
    /// The e-mail address.
    Email,
    /// The last name, then the first.
    Name,
}

/// Deletes a user (R-USR-4). When the host, or an operator with `clients.delete`, deletes a user,
/// the user is deleted everywhere. When a user who manages a team from its top account and holds
/// `users.delete` there deletes a user, the call ends that user's memberships in the team; if the
/// user then has no membership in any account, the user is deleted.
///
/// For each account that the user owns, the call must name a successor or delete the account too
/// (R-TEA-5).
#[request]
pub struct Delete {
    /// The user.
    pub user: Id,
    /// Who gets the resources of the user in each account; required when the user has any.
    pub resources_to: Option<ResourcesTo>,
    /// The next owners of the accounts that the user owns, for at most 500 accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub successors: Vec<Successor>,
    /// Whether accounts for which no successor is named are deleted; an account that still has
    /// accounts below it is refused.
    #[serde(default)]
    pub delete_accounts: bool,
}

/// The next owner of an account.
#[request]
#[derive(PartialEq, Eq)]
pub struct Successor {
    /// The account.
    pub account: Id,
    /// The member of the account who becomes its owner.
    pub user: Id,
}

/// Disables a user as a whole: the user can do nothing in any account (R-ACC-3).
#[request]
pub struct Disable {
    /// The user.
    pub user: Id,
}

/// Enables a user who was disabled (R-ACC-3).
#[request]
pub struct Enable {
    /// The user.
    pub user: Id,
}

/// A user.
#[answer]
pub struct User {
    /// The id.
    pub id: Id,
    /// The e-mail address, as typed.
    pub email: String,
    /// The user's profile.
    pub profile: Profile,
    /// Whether the user as a whole is disabled.
    pub disabled: bool,
    /// All accounts of which the user is a member and in which the caller can see the user.
    pub accounts: Vec<Id>,
    /// The requested address that is not confirmed yet; shown only to the user themself, the host
    /// and operators.
    pub email_change: Option<EmailChangeAsked>,
    /// Whether the user has to set a password before they are no longer shown as pending.
    pub must_set_password: bool,
    /// The form of the user's password hash if it was imported and is weak, as in
    /// `passwords.import_hashes`; absent again once the user has logged in or set a password. Shown
    /// only to the user themself, the host and operators.
    pub weak_password: Option<String>,
    /// When the user first logged in, in unix milliseconds.
    pub first_login_at_ms: Option<u64>,
    /// When the user was last seen, in unix milliseconds, to within five minutes; absent when the
    /// user was never seen.
    pub last_seen_at_ms: Option<u64>,
    /// The revision; every change raises it.
    pub rev: u64,
    /// When it was created, in unix milliseconds.
    pub created_at_ms: u64,
    /// When the user was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A requested e-mail address that waits for its confirmation.
#[answer]
pub struct EmailChangeAsked {
    /// The new address, as typed.
    pub email: String,
    /// Until when the address can be confirmed, in unix milliseconds.
    pub expires_at_ms: u64,
}

/// The result of requesting a change of the e-mail address.
#[answer]
pub struct EmailChanged {
    /// The user.
    pub user: Id,
    /// The requested address, as typed.
    pub email: String,
    /// Whether the requested address is the user's address now; if not, it waits to be confirmed.
    pub changed: bool,
    /// Until when the address can be confirmed, in unix milliseconds.
    pub expires_at_ms: Option<u64>,
}

/// The result of asking for a link that sets a new password.
#[answer]
pub struct PasswordResetRequested {
    /// The user.
    pub user: Id,
    /// Until when the link can be used, in unix milliseconds.
    pub expires_at_ms: u64,
}

/// A page of users.
#[answer]
pub struct UserList {
    /// The users.
    pub users: Vec<UserEntry>,
    /// The `after` of the next page; absent on the last page.
    pub next: Option<Cursor>,
}

/// A user in a list.
#[answer]
pub struct UserEntry {
    /// The id.
    pub id: Id,
    /// The e-mail address, as typed.
    pub email: String,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// The user's status: `disabled` when the user or every one of the memberships is disabled;
    /// `pending` while a step is still to be done.
    pub status: MemberStatus,
    /// The steps that are still to be done.
    pub pending: Vec<PendingStep>,
    /// The user's memberships in the accounts that are listed, at most 50.
    pub memberships: Vec<UserMembership>,
    /// How many memberships there are.
    pub memberships_count: u64,
    /// When the user was last seen, in unix milliseconds, to within five minutes; absent when the
    /// user was never seen.
    pub last_seen_at_ms: Option<u64>,
    /// When the user was created, in unix milliseconds.
    pub created_at_ms: u64,
}

/// A membership of a user.
#[answer]
pub struct UserMembership {
    /// The account.
    pub account: Id,
    /// The role; the owner needs none.
    pub role: Option<Id>,
    /// Whether the user owns the account.
    pub owner: bool,
    /// Whether the membership is disabled.
    pub disabled: bool,
}

/// The result of deleting a user.
#[answer]
pub struct UserDeleted {
    /// The user.
    pub user: Id,
    /// The accounts in which a membership ended.
    pub left: Vec<Id>,
    /// The accounts that were deleted with their owner.
    pub accounts_deleted: Vec<Id>,
}

/// Exports all that is known of a person as one document (R-USR-4). The host, operators with
/// `clients.view_all`, and the person themself can ask for it.
///
/// For a person with many records, the document comes in parts: there is more while there is a
/// `next`.
#[request]
pub struct ExportData {
    /// The user.
    pub user: Id,
    /// Where the part begins: the `next` of the previous part.
    pub after: Option<Cursor>,
    /// How many memberships, sessions, invitations, messages, changes, acts and resources the part
    /// has at most in all: 1 to 1,000; 1,000 when absent.
    pub limit: Option<Count>,
}

/// All that is known of a person.
#[answer]
pub struct UserData {
    /// The user.
    pub user: User,
    /// When the user chose their password, in unix milliseconds; absent when the user has no
    /// password, or when it was imported.
    pub password_set_at_ms: Option<u64>,
    /// The user's second factor, without its secrets.
    pub second_factor: SecondFactorStatus,
    /// The user's role as an operator of the platform.
    pub operator_role: Option<Id>,
    /// The user's memberships.
    pub memberships: Vec<api::members::Member>,
    /// The allow-lists of the user and of the user's memberships.
    pub allow_lists: Vec<AddressList>,
    /// The user's API keys, without the tokens.
    pub api_keys: Vec<ApiKey>,
    /// The devices on which the user is logged in, with the addresses from which the user came. The
    /// list includes sessions in which others act as the user, or the user acts as others.
    pub sessions: Vec<SessionDevice>,
    /// The invitations to the user's address and to their former addresses, in every team.
    pub invitations: Vec<UserInvitation>,
    /// The messages to the user that are still in the outbox.
    pub messages: Vec<UserMessage>,
    /// The recorded changes of the user's data: former names and addresses, and former sessions.
    pub history: Vec<UserHistory>,
    /// Actions of the person for which an address was recorded.
    pub acts: Vec<UserAct>,
    /// The resources that the user owns.
    pub resources: Vec<OwnedResource>,
    /// Whether more parts follow: continue with `next`.
    pub more_resources: bool,
    /// The `after` of the next part; absent in the last part.
    pub next: Option<Cursor>,
    /// When this document was made, in unix milliseconds.
    pub exported_at_ms: u64,
}

/// An invitation of a person.
#[answer]
pub struct UserInvitation {
    /// The invitation.
    pub invitation: Id,
    /// Whether it invites a member of accounts, or the owner of an account.
    pub kind: InvitationKind,
    /// The address, as typed.
    pub email: Option<String>,
    /// The first name, as the inviter typed it.
    pub first_name: Option<Name>,
    /// The last name, as the inviter typed it.
    pub last_name: Option<Name>,
    /// The access that is, or was, offered.
    pub accounts: Vec<AccountGrant>,
    /// The status of the invitation now.
    pub status: InvitationStatus,
    /// When the invitation was last sent, in unix milliseconds.
    pub sent_at_ms: u64,
    /// When it was created, in unix milliseconds.
    pub created_at_ms: u64,
}

/// A message to a person.
#[answer]
pub struct UserMessage {
    /// The number of the message in the outbox.
    pub number: u64,
    /// What the host has to do.
    pub kind: OutboxKind,
    /// The address to which the mail goes.
    pub to: Option<String>,
    /// When the cause of the message happened, in unix milliseconds.
    pub at_ms: u64,
}

/// A recorded change of a person's data.
#[answer]
pub struct UserHistory {
    /// When it happened, in unix milliseconds.
    pub at_ms: u64,
    /// The operation.
    pub operation: String,
    /// What kind of thing was changed.
    pub kind: AuditKind,
    /// The id of the thing.
    pub id: String,
    /// Whether the thing was created, changed or deleted.
    pub what: AuditWhat,
    /// The fields that changed.
    pub fields: Vec<AuditField>,
}

/// Something that a person did.
#[answer]
pub struct UserAct {
    /// When it happened, in unix milliseconds.
    pub at_ms: u64,
    /// The operation.
    pub operation: String,
    /// The account in which the person acted; absent for operators.
    pub account: Option<Id>,
    /// The address from which the person came.
    pub ip: String,
}

/// A resource that a person owns.
#[answer]
pub struct OwnedResource {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The id.
    pub id: Id,
}
