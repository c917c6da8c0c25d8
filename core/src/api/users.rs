//! Users of the platform: their profile, their address, their end (R-USR-1 to R-USR-4, R-ACC-3,
//! R-TEA-3): requests and answers.

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
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a user. An e-mail address is one user on the whole platform; a second use is `email_taken`
/// (R-USR-1).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The host's own id; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The e-mail address; kept as typed, compared in normal form.
    pub email: Email,
    /// First name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
}

/// Reads a user, by id or by e-mail address. Users read themselves, and whom they see where they
/// act.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The user; this or `email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The e-mail address in any spelling of its normal form; this or `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
}

/// Changes a profile: who may edit which field is a matrix (R-USR-3). What is absent stays; all of
/// it is changed or nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The user.
    pub user: Id,
    /// An account in which the user is, as which administrator the actor edits them; where they act
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// First name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// Phone number, at most 40 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Name>,
    /// The country that is sent to by default: two capital letters, as in ISO 3166.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending_country: Option<Name>,
    /// The language: a tag such as `de` or `pt-BR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Name>,
    /// IANA name of the time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Name>,
    /// What the user is told about new messages; what is absent stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<NotificationsEdit>,
    /// The fields that are emptied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clear: Vec<ProfileField>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// A field of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProfileField {
    /// First name.
    FirstName,
    /// Last name.
    LastName,
    /// Phone number.
    Phone,
    /// The country that is sent to by default.
    SendingCountry,
    /// The language.
    Language,
    /// The time zone.
    TimeZone,
    /// What the user is told about new messages.
    Notifications,
}

/// Asks for another e-mail address (R-USR-3, R-SES-4).
///
/// The host, and operators where the policy lets them, change it at once. For everybody else a link
/// goes to the new address, and nothing changes until it is followed; a newer request takes the
/// place of an older one. An address that belongs to somebody is answered alike: no link goes out.
/// Asking for the address that they have ends what was asked for before.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeEmail {
    /// The user.
    pub user: Id,
    /// The account in which an administrator asks for a member; where they act when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The new address.
    pub email: Email,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// The link to the new address was followed: from now on it is the user's, and the old one is told.
/// A token is used once (R-SES-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmEmail {
    /// The token of the link.
    pub token: Secret,
}

/// Sends a user the link that sets a new password; a newer link takes the place of an older one
/// (R-INV-10, R-SES-4). It can be used for an hour, or for `link_life_ms` where that is shorter.
///
/// Asked for by the host, by operators with `clients.edit`, by the parent and by whoever holds
/// `users.reset_password` in an account of the user, and by the user themself. An invitation that
/// nobody accepted is no user.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestPasswordReset {
    /// The user.
    pub user: Id,
}

/// The host, whose log-in is its own, tells that a user has set a password: the step is done
/// (R-TEA-4). All their sessions end, the links that they were sent are dead, a waiting change of
/// address with them, and they are told, but of the first that they were asked for (R-SES-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordWasSet {
    /// The user.
    pub user: Id,
}

/// The host, whose log-in is its own, tells that a user has logged in; the first time counts
/// (R-INV-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoggedIn {
    /// The user.
    pub user: Id,
}

/// Lists users, a page at a time: those of a team, owners included, for who manages it from its top
/// account (R-TEA-3); those of the platform for the host and operators.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Only users of this account and of all accounts below it; for a user, where they act when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// Only members of this one account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_account: Option<Id>,
    /// Only who has this role in one of the accounts that are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// Only users of this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<MemberStatus>,
    /// Only who was not here since this instant, in unix milliseconds: seen last before it, or
    /// never seen and made before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive_since_ms: Option<Count>,
    /// Only whose e-mail address, last name or first name begins with this, without regard to case
    /// and accents. Who is found by what the list is ordered by comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Name>,
    /// What it is ordered by; the e-mail address when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<UserOrder>,
    /// Go on after the page before: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent). With filters a page may hold fewer while there
    /// is a `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// What a list of users is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserOrder {
    /// The e-mail address.
    Email,
    /// The last name, then the first.
    Name,
}

/// Deletes a user (R-USR-4). For the host and for operators with `clients.delete` the user is gone
/// everywhere. Who manages a team from its top account and holds `users.delete` there ends the
/// memberships in that team; the user goes with the last one that they have anywhere.
///
/// An account that the user owns gets a successor in the same call, or goes too (R-TEA-5).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The user.
    pub user: Id,
    /// Who gets the resources of the user, account by account; needed where they have some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources_to: Option<ResourcesTo>,
    /// Who owns what the user owns: at most 500 accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub successors: Vec<Successor>,
    /// Whether the accounts that have no successor are deleted; one that has accounts below is not.
    #[serde(default)]
    pub delete_accounts: bool,
}

/// The next owner of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Successor {
    /// The account.
    pub account: Id,
    /// A member of it.
    pub user: Id,
}

/// Disables a user as a whole: they can do nothing in any account (R-ACC-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disable {
    /// The user.
    pub user: Id,
}

/// Enables a user that was disabled (R-ACC-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Enable {
    /// The user.
    pub user: Id,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// The id.
    pub id: Id,
    /// The e-mail address, as typed.
    pub email: String,
    /// What people see of the user.
    pub profile: Profile,
    /// Whether the user as a whole is disabled.
    pub disabled: bool,
    /// The accounts that they are a member of and that the caller sees them in, all of them.
    pub accounts: Vec<Id>,
    /// The address that was asked for and is not confirmed yet; shown to the user themself, the
    /// host and operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_change: Option<EmailChangeAsked>,
    /// Whether a password has to be set before they are no longer shown as pending.
    pub must_set_password: bool,
    /// When they logged in first, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_login_at_ms: Option<u64>,
    /// When they were last here, in unix milliseconds, to five minutes; absent where they never
    /// were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at_ms: Option<u64>,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// An address that waits for its confirmation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmailChangeAsked {
    /// The new address, as typed.
    pub email: String,
    /// How long it can be confirmed, in unix milliseconds.
    pub expires_at_ms: u64,
}

/// What became of a request for another address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmailChanged {
    /// The user.
    pub user: Id,
    /// The address that was asked for, as typed.
    pub email: String,
    /// Whether it is the user's now; if not, it waits for its confirmation.
    pub changed: bool,
    /// How long it can be confirmed, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}

/// A link for a new password is on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PasswordResetRequested {
    /// The user.
    pub user: Id,
    /// How long the link can be used, in unix milliseconds.
    pub expires_at_ms: u64,
}

/// A page of users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserList {
    /// The users.
    pub users: Vec<UserEntry>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// A user in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserEntry {
    /// The id.
    pub id: Id,
    /// The e-mail address, as typed.
    pub email: String,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// Disabled when the user is, or every one of the memberships; pending while a step is missing.
    pub status: MemberStatus,
    /// The steps that are still to be done.
    pub pending: Vec<PendingStep>,
    /// Their memberships in the accounts that are listed, at most 50.
    pub memberships: Vec<UserMembership>,
    /// How many there are.
    pub memberships_count: u64,
    /// When they were last here, in unix milliseconds, to five minutes; absent where they never
    /// were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at_ms: Option<u64>,
    /// When the user was made, in unix milliseconds.
    pub created_at_ms: u64,
}

/// A membership of a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserMembership {
    /// The account.
    pub account: Id,
    /// The role; the owner needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// Whether they own the account.
    pub owner: bool,
    /// Whether the membership is disabled.
    pub disabled: bool,
}

/// A user who was deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserDeleted {
    /// The user.
    pub user: Id,
    /// The memberships that ended.
    pub left: Vec<Id>,
    /// The accounts that went with their owner.
    pub accounts_deleted: Vec<Id>,
}

/// All that is known of a person, as one document (R-USR-4). For the host, for operators with
/// `clients.view_all`, and for the person.
///
/// Somebody with much in the store gets it in parts: while there is a `next` there is more.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportData {
    /// The user.
    pub user: Id,
    /// Go on here: `next` of the part before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many memberships, sessions, invitations, messages, changes, acts and resources
    /// together (1 to 1,000, 1,000 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// All that is known of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserData {
    /// The user.
    pub user: User,
    /// When they chose their password, in unix milliseconds; absent where they have none, or it was
    /// brought along from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_set_at_ms: Option<u64>,
    /// Their second factor, without its secrets.
    pub second_factor: SecondFactorStatus,
    /// The role that they have as an operator of the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_role: Option<Id>,
    /// Their memberships.
    pub memberships: Vec<api::members::Member>,
    /// Where they may come from: as a user, and as the member of each account that says so.
    pub allow_lists: Vec<AddressList>,
    /// Their API keys, without the tokens.
    pub api_keys: Vec<ApiKey>,
    /// The devices that they are logged in with, and the addresses that they came from; also where
    /// others act as them, or they as others.
    pub sessions: Vec<SessionDevice>,
    /// The invitations of their address, and of those that they had before, to whatever team.
    pub invitations: Vec<UserInvitation>,
    /// The messages to them that are still in the outbox.
    pub messages: Vec<UserMessage>,
    /// What was changed about them, as far as it is remembered: former names and addresses, former
    /// sessions.
    pub history: Vec<UserHistory>,
    /// What they did themselves, as far as it is remembered from which address.
    pub acts: Vec<UserAct>,
    /// The resources that they own.
    pub resources: Vec<OwnedResource>,
    /// Whether this is not all of it: go on with `next`.
    pub more_resources: bool,
    /// Where to go on; absent in the last part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
    /// When this was put together, in unix milliseconds.
    pub exported_at_ms: u64,
}

/// An invitation of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserInvitation {
    /// The invitation.
    pub invitation: Id,
    /// Member of accounts, or owner of one.
    pub kind: InvitationKind,
    /// The address, as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// First name, as the inviter typed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name, as the inviter typed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// What is, or was, offered.
    pub accounts: Vec<AccountGrant>,
    /// What it is worth now.
    pub status: InvitationStatus,
    /// When it was last sent, in unix milliseconds.
    pub sent_at_ms: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
}

/// A message to a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserMessage {
    /// Its number in the outbox.
    pub number: u64,
    /// What is to be done.
    pub kind: OutboxKind,
    /// Where the mail goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// When its cause happened, in unix milliseconds.
    pub at_ms: u64,
}

/// A change that is remembered about a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserHistory {
    /// When, in unix milliseconds.
    pub at_ms: u64,
    /// The operation.
    pub operation: String,
    /// What kind of thing.
    pub kind: AuditKind,
    /// Its id.
    pub id: String,
    /// Whether it was made, changed or deleted.
    pub what: AuditWhat,
    /// The fields that changed.
    pub fields: Vec<AuditField>,
}

/// Something that a person did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserAct {
    /// When, in unix milliseconds.
    pub at_ms: u64,
    /// The operation.
    pub operation: String,
    /// The account that they acted in; absent for operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The address that they came from.
    pub ip: String,
}

/// A resource that a person owns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OwnedResource {
    /// The account.
    pub account: Id,
    /// The kind.
    pub kind: Id,
    /// The id.
    pub id: Id,
}
