//! Users of the platform: their profile, their address, their end (R-USR-1 to R-USR-4, R-ACC-3,
//! R-TEA-3).

mod export;

pub use export::{ExportData, OwnedResource, UserData, UserHistory, UserInvitation, UserMessage};

use super::members::{self, MemberStatus};
use super::{Operation, accounts, invitations, links, outbox, reach, sessions};
use crate::engine::Ctx;
use crate::engine::authority::TEAM_PERMISSION;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::kernel::revision::check_rev;
use crate::model::{
    self, Actor, AuditKind, Count, Cursor, Editor, EffectivePolicies, Email, Id, Link, LinkKind,
    Name, NotificationsEdit, OutboxKind, OutboxMessage, PasswordRecord, PendingStep, Profile,
    ResourcesTo, Secret,
};
use crate::rules::user::{
    FieldGroup, edits_as, is_country, is_language, is_phone, missing_steps, names_of,
};
use crate::rules::window;
use crate::tables::people;
use crate::tables::people::{Order, Search};
use crate::tables::users::Users;
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

/// Most memberships that a list shows of a user.
const MEMBERSHIPS_SHOWN: usize = 50;
/// Most successors in one request.
const MOST_SUCCESSORS: usize = 500;

/// Reads a user inside an operation.
pub(crate) fn load(ctx: &mut Ctx<'_>, id: &Id, field: &str) -> Result<model::User, Error> {
    ctx.tx
        .get(&keys::user(id))?
        .ok_or_else(|| Error::not_found("user", id.as_str()).at(field))
}

/// Where a request names a new user.
pub(crate) struct NamedAt<'a> {
    pub(crate) id: &'a str,
    pub(crate) email: &'a str,
}

/// Writes a new user and its e-mail address.
pub(crate) fn create(
    ctx: &mut Ctx<'_>,
    id: Option<Id>,
    email: Email,
    first_name: Option<Name>,
    last_name: Option<Name>,
    named_at: &NamedAt<'_>,
) -> Result<model::User, Error> {
    if ctx.tx.has(&keys::email(email.key()))? {
        return Err(Error::new(
            Code::EmailTaken,
            format!("`{}` belongs to a user already", email.as_typed()),
        )
        .at(named_at.email));
    }
    let id = ctx
        .new_id(id, keys::USER, keys::user, "user")
        .map_err(|error| error.at(named_at.id))?;
    let user = model::User {
        id,
        email,
        profile: Profile {
            first_name,
            last_name,
            ..Profile::default()
        },
        disabled: false,
        must_set_password: false,
        first_login_at_ms: None,
        rev: 1,
        created_at_ms: ctx.now_ms,
        updated_at_ms: ctx.now_ms,
    };
    ctx.tx.save::<Users>(&user)?;
    Ok(user)
}

/// Removes a user for good: the address is free again, the id is never used again.
pub(crate) fn erase(ctx: &mut Ctx<'_>, user: &model::User) -> Result<(), Error> {
    links::end_all(ctx, &user.id)?;
    sessions::end_all_of(ctx, &user.id, None)?;
    ctx.tx.delete(keys::password(&user.id));
    ctx.tx.delete(keys::second_factor(&user.id));
    ctx.tx.delete(keys::user_allow_list(&user.id));
    ctx.tx.delete(keys::last_seen(&user.id));
    outbox::forget(ctx, AuditKind::User, &user.id)?;
    ctx.tx.erase::<Users>(user)?;
    ctx.tx.mark(keys::tombstone(keys::USER, &user.id));
    Ok(())
}

/// The accounts of a user.
pub(crate) fn accounts_of(ctx: &mut Ctx<'_>, user: &Id, most: usize) -> Result<Vec<Id>, Error> {
    let (from, until) = keys::below(keys::MEMBERSHIP, &[user.as_str()]);
    Ok(ctx
        .tx
        .range::<()>(&from, &until, most)?
        .iter()
        .filter_map(|(key, ())| keys::last_id(key))
        .collect())
}

fn shown(ctx: &mut Ctx<'_>, user: model::User) -> Result<User, Error> {
    let to_themself = reach::home(ctx).is_none() || reach::is_in_person(ctx, &user.id);
    let asked = if to_themself {
        links::open(ctx, &user.id, LinkKind::EmailChange)?
    } else {
        None
    };
    Ok(User {
        last_seen_at_ms: last_seen(ctx, &user)?,
        accounts: reach::accounts_seen(ctx, &user.id, usize::MAX)?,
        id: user.id,
        email: user.email.as_typed().to_owned(),
        profile: user.profile,
        disabled: user.disabled,
        email_change: asked.map(|link| EmailChangeAsked {
            email: link.email.into(),
            expires_at_ms: link.expires_at_ms.get(),
        }),
        must_set_password: user.must_set_password,
        first_login_at_ms: user.first_login_at_ms,
        rev: user.rev,
        created_at_ms: user.created_at_ms,
        updated_at_ms: user.updated_at_ms,
    })
}

/// Writes a user who was changed; where the address or a name was, every list shows them in their
/// new place.
fn save(
    ctx: &mut Ctx<'_>,
    before: &model::User,
    mut user: model::User,
) -> Result<model::User, Error> {
    user.rev += 1;
    user.updated_at_ms = ctx.now_ms;
    let names = |user: &model::User| {
        (
            user.profile.first_name.clone(),
            user.profile.last_name.clone(),
        )
    };
    if before.email.key() == user.email.key() && names(before) == names(&user) {
        ctx.tx.save::<Users>(&user)?;
        return Ok(user);
    }
    let accounts = accounts_of(ctx, &user.id, usize::MAX)?;
    people::rename(&mut ctx.tx, before, &user, &accounts)?;
    // Accounts are found by the address of their owner.
    let owned = accounts::owned_by(ctx, &user.id, &accounts)?;
    let old = accounts::lines_of(ctx, &owned)?;
    ctx.tx.save::<Users>(&user)?;
    let new = accounts::lines_of(ctx, &owned)?;
    ctx.tx.replace_lines(old, new)?;
    Ok(user)
}

/// What the password of a user opened is closed: the links that they were sent are dead, a waiting
/// change of address with them, and all sessions end but the one that is kept; answers how many
/// (R-SES-4).
fn end_access(ctx: &mut Ctx<'_>, user: &Id, keep: Option<&Id>) -> Result<u64, Error> {
    links::end_all(ctx, user)?;
    sessions::end_all_of(ctx, user, keep)
}

/// The password of a user was taken away, and they are told; answers how many sessions ended
/// (R-SES-4).
pub(crate) fn password_was_removed(ctx: &mut Ctx<'_>, user: &model::User) -> Result<u64, Error> {
    notify(ctx, OutboxKind::PasswordChanged, user)?;
    ctx.tx.delete(keys::password(&user.id));
    end_access(ctx, &user.id, None)
}

/// The user has another password, however that came about, and is told; answers how many sessions
/// ended (R-SES-4). The step is done where they were asked for one (R-TEA-4): of the first that
/// they have, nobody has to tell them. `record` is what is known of it here; the host may keep it
/// itself.
pub(crate) fn password_was_set(
    ctx: &mut Ctx<'_>,
    user: model::User,
    record: Option<&PasswordRecord>,
    keep: Option<&Id>,
) -> Result<(model::User, u64), Error> {
    let key = keys::password(&user.id);
    if !user.must_set_password || ctx.tx.has(&key)? {
        notify(ctx, OutboxKind::PasswordChanged, &user)?;
    }
    if let Some(record) = record {
        ctx.tx.put(key, record)?;
    }
    let sessions_ended = end_access(ctx, &user.id, keep)?;
    let user = if user.must_set_password {
        save(
            ctx,
            &user,
            model::User {
                must_set_password: false,
                ..user.clone()
            },
        )?
    } else {
        user
    };
    Ok((user, sessions_ended))
}

/// The user was here at an instant.
pub(crate) fn seen(ctx: &mut Ctx<'_>, user: &Id, at_ms: u64) -> Result<(), Error> {
    let before: Option<u64> = ctx.tx.get(&keys::last_seen(user))?;
    if before.is_none_or(|before| before < at_ms) {
        ctx.tx.put(keys::last_seen(user), &at_ms)
    } else {
        Ok(())
    }
}

/// When a user was last here; absent where they never were.
pub(crate) fn last_seen(ctx: &mut Ctx<'_>, user: &model::User) -> Result<Option<u64>, Error> {
    Ok(ctx
        .tx
        .get(&keys::last_seen(&user.id))?
        .or(user.first_login_at_ms))
}

/// Whether a user was not here since an instant; for who never was, it counts when they were made.
pub(crate) fn is_inactive(
    user: &model::User,
    last_seen_at_ms: Option<u64>,
    since: Option<Count>,
) -> bool {
    since.is_none_or(|since| last_seen_at_ms.unwrap_or(user.created_at_ms) < since.get())
}

/// The user has logged in; the first time counts (R-INV-4).
pub(crate) fn logged_in(ctx: &mut Ctx<'_>, user: model::User) -> Result<model::User, Error> {
    seen(ctx, &user.id, ctx.now_ms)?;
    if user.first_login_at_ms.is_some() {
        return Ok(user);
    }
    save(
        ctx,
        &user,
        model::User {
            first_login_at_ms: Some(ctx.now_ms),
            ..user.clone()
        },
    )
}

/// Sends a user the link that sets a new password; answers how long it can be used.
pub(crate) fn send_reset(ctx: &mut Ctx<'_>, user: &model::User) -> Result<u64, Error> {
    let life_ms = reset_life(ctx)?;
    let link = links::create(
        ctx,
        LinkKind::PasswordReset,
        &user.id,
        user.email.clone(),
        life_ms,
    )?;
    tell(
        ctx,
        OutboxKind::PasswordReset,
        &user.id,
        &user.email,
        Some(&link),
    )?;
    Ok(link.expires_at_ms.get())
}

/// How long a link for a new password can be used: as other links, and never longer than an hour
/// (R-SES-4).
pub(crate) fn reset_life(ctx: &mut Ctx<'_>) -> Result<Count, Error> {
    const LONGEST_MS: u64 = 3_600_000;
    let life_ms = policies_here(ctx)?.link_life_ms;
    Ok(Count::new(LONGEST_MS).unwrap_or_default().min(life_ms))
}

/// Gives a user another address, of which the old one is told (R-SES-4). Links that went to that
/// one are dead.
fn set_email(
    ctx: &mut Ctx<'_>,
    user: &model::User,
    email: Email,
    field: &str,
) -> Result<model::User, Error> {
    if email.key() != user.email.key() {
        if ctx.tx.has(&keys::email(email.key()))? {
            return Err(Error::new(
                Code::EmailTaken,
                format!("`{}` belongs to a user already", email.as_typed()),
            )
            .at(field));
        }
        invitations::keep(ctx, &user.id, &user.email)?;
        notify(ctx, OutboxKind::EmailChangeNotice, user)?;
    }
    links::end_all(ctx, &user.id)?;
    let user = save(
        ctx,
        user,
        model::User {
            email,
            ..user.clone()
        },
    )?;
    for account in accounts_of(ctx, &user.id, usize::MAX)? {
        invitations::settle(ctx, &account, &user)?;
    }
    Ok(user)
}

fn set_disabled(ctx: &mut Ctx<'_>, id: &Id, disabled: bool) -> Result<User, Error> {
    reach::refuse_self(ctx, id, "disables or enables")?;
    reach::refuse_stronger(ctx, id)?;
    let mut user = load(ctx, id, "/user")?;
    if user.disabled != disabled {
        let was = user.clone();
        user.disabled = disabled;
        user.rev += 1;
        user.updated_at_ms = ctx.now_ms;
        ctx.tx.save::<Users>(&user)?;
        if disabled {
            sessions::end_all_of(ctx, id, None)?;
        }
        for account in accounts_of(ctx, id, usize::MAX)? {
            let member: Option<model::Member> = ctx.tx.get(&keys::member(&account, id))?;
            if member.is_some_and(|member| {
                people::is_idle(&member, &was) != people::is_idle(&member, &user)
            }) {
                members::change_seat(ctx, &account, &user, disabled)?;
            }
            members::touch(ctx, &account)?;
        }
    }
    shown(ctx, user)
}

/// What the actor is to a user whose fields they want to edit, and the policies that say what that
/// lets them (R-USR-3).
struct Editing {
    /// Those of every account where the user is; the platform's where they are in none.
    policies: Vec<EffectivePolicies>,
    hats: Vec<Editor>,
    /// The account that a user edits in; none for the host and operators.
    account: Option<Id>,
    /// The host edits everything.
    host: bool,
}

impl Editing {
    /// `named` is the account in which the request says that the user is: nobody is edited by the
    /// rules of another one.
    fn new(ctx: &mut Ctx<'_>, user: &model::User, named: Option<Id>) -> Result<Editing, Error> {
        if let Some(account) = &named {
            Editing::require_member(ctx, account, &user.id)?;
        }
        let mut policies = Vec::new();
        for account in accounts_of(ctx, &user.id, usize::MAX)? {
            policies.push(ctx.policies(Some(&account))?);
        }
        if policies.is_empty() {
            policies.push(ctx.policies(None)?);
        }
        let is_self = reach::is_in_person(ctx, &user.id);
        let mut hats: Vec<Editor> = is_self.then_some(Editor::OneSelf).into_iter().collect();
        let Actor::User { account: home, .. } = ctx.actor else {
            let host = *ctx.actor == Actor::System;
            if !host {
                match ctx.require_as_operator("clients.edit") {
                    Ok(()) => hats.push(Editor::Operator),
                    Err(error) if !is_self => return Err(error),
                    Err(_) => {}
                }
                reach::refuse_stronger(ctx, &user.id)?;
            }
            return Ok(Editing {
                policies,
                hats,
                account: None,
                host,
            });
        };
        let account = named.unwrap_or_else(|| home.clone());
        if members::find(ctx, &account, &user.id)?.is_some() {
            if reach::holds_in(ctx, &account, "users.edit_profile")? {
                hats.push(Editor::Administrator);
            }
        } else if !is_self && !reach::sees(ctx, &user.id)? {
            return Err(Error::not_found("user", user.id.as_str()).at("/user"));
        }
        if let Some(above) = reach::managed(ctx)? {
            // In a team without accounts below the top account is the parent of its own users.
            let direct = u64::from(ctx.tx.has(&keys::member(&above, &user.id))?);
            let seats = people::seats_of(&mut ctx.tx, &above, &user.id)?;
            if seats > direct || (seats > 0 && reach::parent(ctx)?.is_some()) {
                hats.push(Editor::Parent);
            }
        }
        Ok(Editing {
            policies,
            hats,
            account: Some(account),
            host: false,
        })
    }

    /// An account that is named is there for the actor, and the user is in it.
    fn require_member(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<(), Error> {
        match ctx.actor {
            Actor::User { .. } => ctx
                .standing(account)
                .map(drop)
                .map_err(|error| error.at("/account"))?,
            Actor::System | Actor::Operator { .. } => {
                accounts::load(ctx, account, "/account").map(drop)?
            }
        }
        if members::find(ctx, account, user)?.is_none() {
            return Err(Error::not_found("user", user.as_str()).at("/user"));
        }
        Ok(())
    }

    /// Who may edit the field, in whichever of the user's accounts one asks.
    fn editors(&self, group: FieldGroup) -> Vec<Editor> {
        let everywhere = |editor: &&Editor| {
            self.policies
                .iter()
                .all(|policies| group.editors(policies).contains(editor))
        };
        self.policies
            .iter()
            .take(1)
            .flat_map(|policies| group.editors(policies))
            .filter(everywhere)
            .copied()
            .collect()
    }

    /// Refuses the field unless the actor may edit it; `field` is where the request names it.
    fn check(
        &self,
        ctx: &mut Ctx<'_>,
        user: &model::User,
        group: FieldGroup,
        field: &str,
    ) -> Result<(), Error> {
        if self.host {
            return Ok(());
        }
        let editors = self.editors(group);
        let edits = edits_as(&self.hats, &editors);
        if edits.themself {
            let allowed = match &self.account {
                Some(account) => ctx.require_in(account, group.own_permission()),
                None => Ok(()),
            };
            match allowed {
                Err(error) if !edits.other => return Err(error.at(field)),
                Err(_) => {}
                Ok(()) => return Ok(()),
            }
        }
        if edits.other && self.reaches(ctx, user, group)? {
            return Ok(());
        }
        let error = Error::new(
            Code::FieldNotEditable,
            format!("you may not edit this field of `{}`", user.id),
        );
        Err(error.at(field).with("edited_by", names_of(&editors)))
    }

    /// Whether somebody above the user reaches far enough for this field: a person who is in
    /// another team too is not theirs to edit. And with the address one gets the password, and with
    /// that all of the accounts.
    fn reaches(
        &self,
        ctx: &mut Ctx<'_>,
        user: &model::User,
        group: FieldGroup,
    ) -> Result<bool, Error> {
        let Some(acting_in) = &self.account else {
            return Ok(true);
        };
        if !reach::in_this_team_alone(ctx, &user.id, acting_in)? {
            return Ok(false);
        }
        for account in accounts_of(ctx, &user.id, usize::MAX)? {
            if group == FieldGroup::Email && !reach::holds_in(ctx, &account, "users.edit_profile")?
            {
                return Ok(false);
            }
        }
        reach::refuse_stronger(ctx, &user.id).map(|()| true)
    }
}

/// Empties a field, or gives it what the request holds; both at once is `invalid_argument`.
fn change<T>(
    slot: &mut Option<T>,
    given: Option<T>,
    cleared: bool,
    field: &str,
) -> Result<(), Error> {
    match (given, cleared) {
        (Some(_), true) => return Err(Error::invalid(field, "a field is either given or cleared")),
        (Some(value), false) => *slot = Some(value),
        (None, true) => *slot = None,
        (None, false) => {}
    }
    Ok(())
}

fn check_form(
    value: Option<&Name>,
    fits: impl Fn(&str) -> bool,
    field: &str,
    message: &str,
) -> Result<(), Error> {
    match value {
        Some(value) if !fits(value.as_str()) => Err(Error::invalid(field, message)),
        _ => Ok(()),
    }
}

/// The memberships of a user in an account and all below it, or anywhere.
pub(crate) fn memberships_in(
    ctx: &mut Ctx<'_>,
    user: &Id,
    scope: Option<&Id>,
) -> Result<Vec<model::Member>, Error> {
    let mut found = Vec::new();
    for account in accounts_of(ctx, user, usize::MAX)? {
        let within = match scope {
            Some(scope) => reach::is_within(ctx, &account, scope)?,
            None => true,
        };
        if within {
            found.extend(ctx.tx.get::<model::Member>(&keys::member(&account, user))?);
        }
    }
    Ok(found)
}

/// Tells a user what has become of that which they log in with.
pub(crate) fn notify(ctx: &mut Ctx<'_>, kind: OutboxKind, user: &model::User) -> Result<(), Error> {
    tell(ctx, kind, &user.id, &user.email, None)
}

/// The message to a user, or about them; what is to be sent is made of the link when it is read.
fn tell(
    ctx: &mut Ctx<'_>,
    kind: OutboxKind,
    user: &Id,
    to: &Email,
    link: Option<&Link>,
) -> Result<(), Error> {
    let message = OutboxMessage {
        user: Some(user.clone()),
        to: Some(to.clone()),
        token_of: link.map(|link| (link.id.clone(), link.generation)),
        ..OutboxMessage::about(kind, reach::home(ctx), ctx.now_ms)
    };
    ctx.tell_host(&message)
}

/// A user needs this permission in the account; what the host and operators need was looked at.
fn require_of_user(ctx: &mut Ctx<'_>, account: &Id, permission: &str) -> Result<(), Error> {
    if reach::home(ctx).is_some() {
        ctx.require_in(account, permission)
    } else {
        Ok(())
    }
}

/// The policies where the actor acts: of their account, or of the platform.
fn policies_here(ctx: &mut Ctx<'_>) -> Result<EffectivePolicies, Error> {
    let home = reach::home(ctx);
    ctx.policies(home.as_ref())
}

impl Operation for Create {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let user = create(
            ctx,
            self.id,
            self.email,
            self.first_name,
            self.last_name,
            &NamedAt {
                id: "/id",
                email: "/email",
            },
        )?;
        shown(ctx, user)
    }
}

impl Operation for Get {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let (id, address, field) = match (self.user, self.email) {
            (Some(id), None) => (Some(id), None, "/user"),
            (None, Some(email)) => (
                ctx.tx.get::<Id>(&keys::email(email.key()))?,
                Some(email.as_typed().to_owned()),
                "/email",
            ),
            _ => return Err(Error::invalid("/user", "name either `user` or `email`")),
        };
        if !id.as_ref().is_some_and(|id| reach::is_in_person(ctx, id)) {
            match ctx.actor {
                Actor::System => {}
                Actor::Operator { .. } => ctx.require_as_operator("clients.view_all")?,
                Actor::User { account: home, .. } => ctx.require_in(home, "users.view")?,
            }
        }
        let user = match (id, address) {
            (Some(id), _) if reach::sees(ctx, &id)? => load(ctx, &id, field)?,
            (_, Some(address)) => return Err(Error::not_found("user", &address).at(field)),
            (Some(id), None) => return Err(Error::not_found("user", id.as_str()).at(field)),
            (None, None) => return Err(Error::invalid("/user", "name either `user` or `email`")),
        };
        shown(ctx, user)
    }
}

impl Operation for Edit {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let before = reach::load_seen(ctx, &self.user, "/user")?;
        let editing = Editing::new(ctx, &before, self.account)?;
        check_rev(self.expected_rev, before.rev)?;
        let cleared = |field| self.clear.contains(&field);
        let fields = [
            (
                self.first_name.is_some(),
                ProfileField::FirstName,
                FieldGroup::Names,
                "/first_name",
            ),
            (
                self.last_name.is_some(),
                ProfileField::LastName,
                FieldGroup::Names,
                "/last_name",
            ),
            (
                self.phone.is_some(),
                ProfileField::Phone,
                FieldGroup::Profile,
                "/phone",
            ),
            (
                self.sending_country.is_some(),
                ProfileField::SendingCountry,
                FieldGroup::Profile,
                "/sending_country",
            ),
            (
                self.language.is_some(),
                ProfileField::Language,
                FieldGroup::Profile,
                "/language",
            ),
            (
                self.time_zone.is_some(),
                ProfileField::TimeZone,
                FieldGroup::Profile,
                "/time_zone",
            ),
            (
                self.notifications.is_some(),
                ProfileField::Notifications,
                FieldGroup::Notifications,
                "/notifications",
            ),
        ];
        for (given, field, group, at) in fields {
            if given || cleared(field) {
                editing.check(ctx, &before, group, if given { at } else { "/clear" })?;
            }
        }
        check_form(
            self.phone.as_ref(),
            is_phone,
            "/phone",
            "a phone number is digits, and spaces, `+ - ( ) . / x` between them, at most 40 bytes",
        )?;
        check_form(
            self.sending_country.as_ref(),
            is_country,
            "/sending_country",
            "a country is two capital letters, as in ISO 3166",
        )?;
        check_form(
            self.language.as_ref(),
            is_language,
            "/language",
            "a language is a tag such as `de` or `pt-BR`",
        )?;
        check_form(
            self.time_zone.as_ref(),
            |name| window::zone(name).is_some(),
            "/time_zone",
            "this is not an IANA time zone",
        )?;
        let mut user = before.clone();
        let profile = &mut user.profile;
        change(
            &mut profile.first_name,
            self.first_name,
            cleared(ProfileField::FirstName),
            "/first_name",
        )?;
        change(
            &mut profile.last_name,
            self.last_name,
            cleared(ProfileField::LastName),
            "/last_name",
        )?;
        change(
            &mut profile.phone,
            self.phone,
            cleared(ProfileField::Phone),
            "/phone",
        )?;
        change(
            &mut profile.sending_country,
            self.sending_country,
            cleared(ProfileField::SendingCountry),
            "/sending_country",
        )?;
        change(
            &mut profile.language,
            self.language,
            cleared(ProfileField::Language),
            "/language",
        )?;
        change(
            &mut profile.time_zone,
            self.time_zone,
            cleared(ProfileField::TimeZone),
            "/time_zone",
        )?;
        let notifications = self
            .notifications
            .map(|edit| edit.of(profile.notifications.unwrap_or_default()));
        change(
            &mut profile.notifications,
            notifications,
            cleared(ProfileField::Notifications),
            "/notifications",
        )?;
        if user.profile == before.profile {
            return shown(ctx, user);
        }
        let user = save(ctx, &before, user)?;
        shown(ctx, user)
    }
}

impl Operation for ChangeEmail {
    type Answer = EmailChanged;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<EmailChanged, Error> {
        let user = reach::load_seen(ctx, &self.user, "/user")?;
        let editing = Editing::new(ctx, &user, self.account)?;
        editing.check(ctx, &user, FieldGroup::Email, "/email")?;
        check_rev(self.expected_rev, user.rev)?;
        let email = self.email.as_typed().to_owned();
        // Another spelling of the same address needs no proof. Operators who change their own are
        // asked for it like anybody.
        let same = self.email.key() == user.email.key();
        if same
            || editing.host
            || !editing.hats.contains(&Editor::OneSelf) && editing.account.is_none()
        {
            let changed = set_email(ctx, &user, self.email, "/email")?;
            return Ok(EmailChanged {
                user: changed.id,
                email,
                changed: true,
                expires_at_ms: None,
            });
        }
        // Whoever asks must not learn whom an address belongs to: only the mail to it is left out.
        let taken = ctx.tx.has(&keys::email(self.email.key()))?;
        let life_ms = ctx.policies(editing.account.as_ref())?.link_life_ms;
        let link = links::create(ctx, LinkKind::EmailChange, &user.id, self.email, life_ms)?;
        if !taken {
            tell(
                ctx,
                OutboxKind::EmailChange,
                &user.id,
                &link.email,
                Some(&link),
            )?;
        }
        notify(ctx, OutboxKind::EmailChangeNotice, &user)?;
        Ok(EmailChanged {
            user: user.id,
            email,
            changed: false,
            expires_at_ms: Some(link.expires_at_ms.get()),
        })
    }
}

impl Operation for ConfirmEmail {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let link = links::take(ctx, &self.token, LinkKind::EmailChange)?;
        let user = load(ctx, &link.user, "/token")?;
        if user.disabled {
            return Err(
                Error::new(Code::UserDisabled, format!("`{}` is disabled", user.id)).at("/token"),
            );
        }
        let user = set_email(ctx, &user, link.email, "/token")?;
        shown(ctx, user)
    }
}

impl Operation for RequestPasswordReset {
    type Answer = PasswordResetRequested;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PasswordResetRequested, Error> {
        let is_self = reach::is_self(ctx, &self.user);
        match (reach::home(ctx), ctx.actor) {
            (Some(home), _) if is_self => ctx.require_in(&home, "self.password")?,
            (Some(home), _) => ctx.require_in(&home, "users.reset_password")?,
            (None, Actor::Operator { .. }) if !is_self => {
                ctx.require_as_operator("clients.edit")?;
            }
            (None, _) => {}
        }
        let user = reach::load_seen(ctx, &self.user, "/user")?;
        if !is_self {
            reach::refuse_stronger(ctx, &user.id)?;
        }
        if user.disabled {
            return Err(
                Error::new(Code::UserDisabled, format!("`{}` is disabled", user.id)).at("/user"),
            );
        }
        let expires_at_ms = send_reset(ctx, &user)?;
        Ok(PasswordResetRequested {
            user: user.id,
            expires_at_ms,
        })
    }
}

impl Operation for PasswordWasSet {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let user = load(ctx, &self.user, "/user")?;
        let (user, _) = password_was_set(ctx, user, None, None)?;
        shown(ctx, user)
    }
}

impl Operation for LoggedIn {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let user = load(ctx, &self.user, "/user")?;
        let user = logged_in(ctx, user)?;
        shown(ctx, user)
    }
}

impl Operation for List {
    type Answer = UserList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UserList, Error> {
        let scope = self.scope(ctx)?;
        if let Some(sub_account) = &self.sub_account {
            let known = ctx.tx.has(&keys::account(sub_account))?;
            let within = match &scope {
                Some(scope) => known && reach::is_within(ctx, sub_account, scope)?,
                None => known,
            };
            if !within {
                return Err(Error::not_found("account", sub_account.as_str()).at("/sub_account"));
            }
        }
        let steps = ctx.policies(scope.as_ref())?.pending_until;
        let order = match self.order.unwrap_or(UserOrder::Email) {
            UserOrder::Email => Order::Email,
            UserOrder::Name => Order::Name,
        };
        let search = Search::new(order, self.search.as_ref().map(Name::as_str));
        let listed = self
            .sub_account
            .as_ref()
            .or(scope.as_ref())
            .map_or(people::PLATFORM, Id::as_str);
        let (users, next) = walk(
            ctx,
            &search.spans(listed),
            self.after.as_ref(),
            self.limit,
            |ctx, key| {
                let Some(user) = keys::last_id(key)
                    .map(|id| load(ctx, &id, "/after"))
                    .transpose()?
                else {
                    return Ok(None);
                };
                if !search.is_first(key, &user) {
                    return Ok(None);
                }
                self.entry(ctx, user, scope.as_ref(), &steps)
            },
        )?;
        Ok(UserList { users, next })
    }
}

impl List {
    /// The account whose users are listed, with those of all accounts below; none for the whole
    /// platform.
    fn scope(&self, ctx: &mut Ctx<'_>) -> Result<Option<Id>, Error> {
        let Some(home) = reach::home(ctx) else {
            if matches!(ctx.actor, Actor::Operator { .. }) {
                ctx.require_as_operator("clients.view_all")?;
            }
            return match &self.account {
                Some(account) => {
                    accounts::load(ctx, account, "/account").map(|account| Some(account.id))
                }
                None => Ok(None),
            };
        };
        let account = self.account.clone().unwrap_or(home);
        ctx.require_in(&account, TEAM_PERMISSION)
            .map_err(|error| error.at("/account"))?;
        reach::require_parent(ctx)?;
        Ok(Some(account))
    }

    /// A user as they are listed; none where they do not fit the filters.
    fn entry(
        &self,
        ctx: &mut Ctx<'_>,
        user: model::User,
        scope: Option<&Id>,
        steps: &[PendingStep],
    ) -> Result<Option<UserEntry>, Error> {
        let memberships = memberships_in(ctx, &user.id, scope)?;
        let counts = |member: &&model::Member| {
            self.sub_account
                .as_ref()
                .is_none_or(|account| member.account == *account)
        };
        if self.sub_account.is_some() && !memberships.iter().any(|member| counts(&member)) {
            return Ok(None);
        }
        if self.role.is_some()
            && !memberships
                .iter()
                .filter(counts)
                .any(|member| member.role == self.role)
        {
            return Ok(None);
        }
        let here: Vec<_> = memberships.iter().filter(counts).collect();
        let disabled =
            user.disabled || (!here.is_empty() && here.iter().all(|member| member.disabled));
        let pending = missing_steps(steps, &user);
        let status = MemberStatus::of(disabled, &pending);
        if self.status.is_some_and(|asked| asked != status) {
            return Ok(None);
        }
        let last_seen_at_ms = last_seen(ctx, &user)?;
        if !is_inactive(&user, last_seen_at_ms, self.inactive_since_ms) {
            return Ok(None);
        }
        let shown = |member: &model::Member| UserMembership {
            account: member.account.clone(),
            role: member.role.clone(),
            owner: member.owner,
            disabled: member.disabled,
        };
        Ok(Some(UserEntry {
            id: user.id,
            email: user.email.into(),
            first_name: user.profile.first_name,
            last_name: user.profile.last_name,
            status,
            pending,
            memberships_count: memberships.len() as u64,
            last_seen_at_ms,
            memberships: memberships
                .iter()
                .take(MEMBERSHIPS_SHOWN)
                .map(shown)
                .collect(),
            created_at_ms: user.created_at_ms,
        }))
    }
}

impl Operation for Delete {
    type Answer = UserDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UserDeleted, Error> {
        if self.successors.len() > MOST_SUCCESSORS {
            return Err(Error::invalid(
                "/successors",
                format!(
                    "at most {MOST_SUCCESSORS} entries, there are {}",
                    self.successors.len()
                ),
            ));
        }
        let scope = match ctx.actor {
            Actor::System => None,
            Actor::Operator { .. } => {
                ctx.require_as_operator("clients.delete")?;
                None
            }
            Actor::User { account: home, .. } => {
                ctx.require_in(home, "users.delete")?;
                Some(reach::require_parent(ctx)?)
            }
        };
        reach::refuse_self(ctx, &self.user, "deletes")?;
        let user = reach::load_seen(ctx, &self.user, "/user")?;
        if ctx.tx.has(&keys::operator(&user.id))? {
            return Err(Error::new(
                Code::IsOperator,
                format!("`{}` is an operator; take that away first", user.id),
            )
            .at("/user"));
        }
        for member in memberships_in(ctx, &user.id, scope.as_ref())? {
            members::refuse_stronger_in(ctx, &member.account, &member.user)?;
        }
        if scope.is_none() {
            invitations::forget(ctx, &user, None)?;
        }
        self.pass_on(ctx)?;
        let accounts_deleted = self.end_owned(ctx, scope.as_ref())?;
        let mut left = Vec::new();
        for member in memberships_in(ctx, &user.id, scope.as_ref())? {
            members::leave(ctx, &member, self.resources_to.as_ref())?;
            left.push(member.account);
        }
        // A user without any account has no last one to go with.
        if scope.is_none() && ctx.tx.has(&keys::user(&user.id))? {
            erase(ctx, &user)?;
        }
        Ok(UserDeleted {
            user: user.id,
            left,
            accounts_deleted,
        })
    }
}

impl Delete {
    /// Gives what the user owns to the successors, from the top down: accounts below may follow
    /// (`child_owner`).
    fn pass_on(&self, ctx: &mut Ctx<'_>) -> Result<(), Error> {
        let mut steps = Vec::new();
        for (at, next) in self.successors.iter().enumerate() {
            let field = format!("/successors/{at}/account");
            require_of_user(ctx, &next.account, "accounts.transfer_owner")
                .map_err(|error| error.at(field.as_str()))?;
            let account = accounts::load(ctx, &next.account, &field)?;
            if account.owner.as_ref() != Some(&self.user) {
                return Err(Error::invalid(
                    field,
                    format!("`{}` does not own `{}`", self.user, next.account),
                ));
            }
            if self
                .successors
                .iter()
                .take(at)
                .any(|before| before.account == next.account)
            {
                return Err(Error::invalid(
                    field,
                    format!("`{}` is named twice", next.account),
                ));
            }
            if next.user == self.user {
                return Err(Error::invalid(
                    format!("/successors/{at}/user"),
                    "the successor is somebody else",
                ));
            }
            let depth = crate::tables::accounts::account_line(&mut ctx.tx, &next.account)?.len();
            steps.push((depth, at, next));
        }
        steps.sort_by_key(|(depth, at, _)| (*depth, *at));
        for (_, at, next) in steps {
            members::make_owner(ctx, &next.account, &next.user, None).map_err(
                |error| match error.field() {
                    Some("/user") => error.at(format!("/successors/{at}/user")),
                    _ => error.at(format!("/successors/{at}/account")),
                },
            )?;
        }
        Ok(())
    }

    /// What the user still owns goes with them, from the bottom up, where that was asked for.
    fn end_owned(&self, ctx: &mut Ctx<'_>, scope: Option<&Id>) -> Result<Vec<Id>, Error> {
        let mut owned = Vec::new();
        for member in memberships_in(ctx, &self.user, scope)?
            .into_iter()
            .filter(|member| member.owner)
        {
            let depth = crate::tables::accounts::account_line(&mut ctx.tx, &member.account)?.len();
            owned.push((depth, member.account));
        }
        if !owned.is_empty() && !self.delete_accounts {
            let owned: Vec<String> = owned
                .iter()
                .take(10)
                .map(|(_, account)| account.to_string())
                .collect();
            let message = format!(
                "`{}` owns {}: name who owns it next",
                self.user,
                owned.join(", ")
            );
            return Err(Error::new(Code::OwnerTransferRequired, message)
                .at("/successors")
                .with("accounts", owned));
        }
        owned.sort_by(|(one, _), (other, _)| other.cmp(one));
        let mut gone = Vec::new();
        for (_, account) in owned {
            require_of_user(ctx, &account, "accounts.delete")
                .map_err(|error| error.at("/delete_accounts"))?;
            accounts::Delete {
                account: account.clone(),
                children: None,
                expected_rev: None,
            }
            .run(ctx)
            .map_err(|error| error.at("/delete_accounts"))?;
            gone.push(account);
        }
        Ok(gone)
    }
}

impl Operation for Disable {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        set_disabled(ctx, &self.user, true)
    }
}

impl Operation for Enable {
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        set_disabled(ctx, &self.user, false)
    }
}
