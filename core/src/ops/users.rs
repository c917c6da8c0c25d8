//! Users of the platform (R-USR-1, R-ACC-3).

use super::{Access, Effect, Operation, members};
use crate::engine::{Ctx, keys, people};
use crate::error::{Code, Error};
use crate::model::{self, Email, Id, Name, Profile};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a user. An e-mail address is one user on the whole platform; a second use is `email_taken` (R-USR-1).
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

/// Reads a user, by id or by e-mail address.
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
    /// The accounts that they are a member of, at most 500.
    pub accounts: Vec<Id>,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// Most accounts that the answer about a user lists.
const ACCOUNTS_SHOWN: usize = 500;

/// Reads a user inside an operation.
pub(crate) fn load(ctx: &mut Ctx<'_>, id: &Id, field: &str) -> Result<model::User, Error> {
    ctx.tx.get(&keys::user(id))?.ok_or_else(|| Error::not_found("user", id.as_str()).at(field))
}

/// Writes a new user and its e-mail address; `field` is where the request names the address.
pub(crate) fn create(
    ctx: &mut Ctx<'_>,
    id: Option<Id>,
    email: Email,
    first_name: Option<Name>,
    last_name: Option<Name>,
    field: &str,
) -> Result<model::User, Error> {
    if ctx.tx.has(&keys::email(email.key()))? {
        return Err(Error::new(Code::EmailTaken, format!("`{}` belongs to a user already", email.as_typed())).at(field));
    }
    let id = ctx.new_id(id, keys::USER, keys::user, "user")?;
    let user = model::User {
        id,
        email,
        profile: Profile { first_name, last_name, ..Profile::default() },
        disabled: false,
        must_set_password: false,
        first_login_at_ms: None,
        rev: 1,
        created_at_ms: ctx.now_ms,
        updated_at_ms: ctx.now_ms,
    };
    ctx.tx.put(keys::email(user.email.key()), &user.id)?;
    ctx.tx.put(keys::user(&user.id), &user)?;
    people::list(ctx, people::PLATFORM, &user, true);
    Ok(user)
}

/// Removes a user for good: the address is free again, the id is never used again.
pub(crate) fn erase(ctx: &mut Ctx<'_>, user: &model::User) {
    people::list(ctx, people::PLATFORM, user, false);
    ctx.tx.delete(keys::email(user.email.key()));
    ctx.tx.delete(keys::user(&user.id));
    ctx.tx.mark(keys::tombstone(keys::USER, &user.id));
}

/// The accounts of a user.
pub(crate) fn accounts_of(ctx: &mut Ctx<'_>, user: &Id, most: usize) -> Result<Vec<Id>, Error> {
    let (from, until) = keys::below(keys::MEMBERSHIP, &[user.as_str()]);
    Ok(ctx.tx.range::<()>(&from, &until, most)?.iter().filter_map(|(key, ())| keys::last_id(key)).collect())
}

fn shown(ctx: &mut Ctx<'_>, user: model::User) -> Result<User, Error> {
    Ok(User {
        accounts: accounts_of(ctx, &user.id, ACCOUNTS_SHOWN)?,
        id: user.id,
        email: user.email.as_typed().to_owned(),
        profile: user.profile,
        disabled: user.disabled,
        rev: user.rev,
        created_at_ms: user.created_at_ms,
        updated_at_ms: user.updated_at_ms,
    })
}

fn set_disabled(ctx: &mut Ctx<'_>, id: &Id, disabled: bool) -> Result<User, Error> {
    let mut user = load(ctx, id, "/user")?;
    if user.disabled != disabled {
        user.disabled = disabled;
        user.rev += 1;
        user.updated_at_ms = ctx.now_ms;
        ctx.tx.put(keys::user(id), &user)?;
        for account in accounts_of(ctx, id, usize::MAX)? {
            members::touch(ctx, &account)?;
        }
    }
    shown(ctx, user)
}

impl Operation for Create {
    const NAME: &'static str = "users.create";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let user = create(ctx, self.id, self.email, self.first_name, self.last_name, "/email")?;
        shown(ctx, user)
    }
}

impl Operation for Get {
    const NAME: &'static str = "users.get";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::System;
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        let user = match (self.user, self.email) {
            (Some(id), None) => load(ctx, &id, "/user")?,
            (None, Some(email)) => {
                let id = ctx.tx.get::<Id>(&keys::email(email.key()))?.ok_or_else(|| Error::not_found("user", email.as_typed()).at("/email"))?;
                load(ctx, &id, "/email")?
            }
            _ => return Err(Error::invalid("/user", "name either `user` or `email`")),
        };
        shown(ctx, user)
    }
}

impl Operation for Disable {
    const NAME: &'static str = "users.disable";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        set_disabled(ctx, &self.user, true)
    }
}

impl Operation for Enable {
    const NAME: &'static str = "users.enable";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = User;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<User, Error> {
        set_disabled(ctx, &self.user, false)
    }
}
