//! Memberships: users in an account, each with a role (R-INV-8, R-ACC-3, R-ROL-7).

use super::{Access, Effect, Operation, accounts, check_rev, page, roles, users};
use crate::engine::view::{powers_on_paper, role_with_includes};
use crate::engine::{Ctx, keys};
use crate::error::{Code, Error};
use crate::model::{self, Actor, Count, Email, Id, Name};
use crate::rules::role::{Powers, powers};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a user a member of an account: an existing one by id, or a new one by e-mail address.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The account.
    pub account: Id,
    /// The existing user, or the id that the new one gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The e-mail address of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// First name of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// The role.
    pub role: Id,
}

/// Reads a membership.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
}

/// Lists the members of an account by user id, a page at a time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: Id,
    /// Go on after this user: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Id>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Gives a member another role, up or down; nobody gives more than they hold (R-INV-8, R-ROL-7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The new role.
    pub role: Id,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Ends a membership; the user goes with the last one. The owner stays until another owns the account (R-TEA-5).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
}

/// Disables a membership; the user's other accounts are not touched (R-ACC-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disable {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
}

/// Enables a membership that was disabled (R-ACC-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Enable {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
}

/// A member of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// Their e-mail address, as typed.
    pub email: String,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
    /// The role; the owner needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// Whether they own the account.
    pub owner: bool,
    /// Whether the membership, or the user as a whole, is disabled.
    pub disabled: bool,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberList {
    /// The members.
    pub members: Vec<Member>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Id>,
}

/// A membership that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberRemoved {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// Whether it was their last one, so that the user is gone too.
    pub user_deleted: bool,
}

fn load(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<model::Member, Error> {
    accounts::load(ctx, account, "/account")?;
    ctx.tx.get(&keys::member(account, user))?.ok_or_else(|| Error::not_found("member", user.as_str()).at("/user"))
}

/// Writes a new membership with its indexes.
pub(crate) fn create(ctx: &mut Ctx<'_>, account: &Id, user: &Id, role: Option<Id>, owner: bool) -> Result<model::Member, Error> {
    let member = model::Member {
        account: account.clone(),
        user: user.clone(),
        role,
        owner,
        disabled: false,
        rev: 1,
        created_at_ms: ctx.now_ms,
        updated_at_ms: ctx.now_ms,
    };
    if let Some(role) = &member.role {
        roles::count_use(ctx, role, "member", &[account.as_str(), user.as_str()], true)?;
    }
    ctx.tx.put(keys::member(account, user), &member)?;
    ctx.tx.mark(keys::membership(user, account));
    ctx.tx.touch(account);
    Ok(member)
}

/// Ends a membership; answers whether the user went with it.
pub(crate) fn erase(ctx: &mut Ctx<'_>, member: &model::Member) -> Result<bool, Error> {
    if let Some(role) = &member.role {
        roles::count_use(ctx, role, "member", &[member.account.as_str(), member.user.as_str()], false)?;
    }
    ctx.tx.delete(keys::member(&member.account, &member.user));
    ctx.tx.delete(keys::membership(&member.user, &member.account));
    ctx.tx.touch(&member.account);
    let last = users::accounts_of(ctx, &member.user, 1)?.is_empty();
    if last && let Some(user) = ctx.tx.get::<model::User>(&keys::user(&member.user))? {
        users::erase(ctx, &user);
    }
    Ok(last)
}

fn save(ctx: &mut Ctx<'_>, mut member: model::Member) -> Result<Member, Error> {
    member.rev += 1;
    member.updated_at_ms = ctx.now_ms;
    ctx.tx.put(keys::member(&member.account, &member.user), &member)?;
    ctx.tx.touch(&member.account);
    shown(ctx, member)
}

fn shown(ctx: &mut Ctx<'_>, member: model::Member) -> Result<Member, Error> {
    let user = users::load(ctx, &member.user, "/user")?;
    Ok(Member {
        account: member.account,
        user: member.user,
        email: user.email.as_typed().to_owned(),
        first_name: user.first_name,
        last_name: user.last_name,
        role: member.role,
        owner: member.owner,
        disabled: member.disabled || user.disabled,
        rev: member.rev,
        created_at_ms: member.created_at_ms,
        updated_at_ms: member.updated_at_ms,
    })
}

/// Nobody grants what they do not hold (R-ROL-7).
fn refuse_escalation(ctx: &mut Ctx<'_>, role: &Id) -> Result<(), Error> {
    let granted = powers(&ctx.tree(), &role_with_includes(&mut ctx.tx, role)?);
    refuse_beyond_own(ctx, &granted, format!("the role `{role}` allows more than you hold"), "/role")
}

/// Nobody changes one who can do more (R-ROL-7).
fn refuse_reaching_up(ctx: &mut Ctx<'_>, member: &model::Member) -> Result<(), Error> {
    let tree = ctx.tree();
    let theirs = powers_on_paper(&mut ctx.tx, &tree, member)?;
    refuse_beyond_own(ctx, &theirs, format!("`{}` can do more than you", member.user), "/user")
}

/// Compared before the ceilings: a package that grows later must not lift anyone above whoever gave them their role.
fn refuse_beyond_own(ctx: &mut Ctx<'_>, wanted: &Powers, message: String, field: &str) -> Result<(), Error> {
    let Actor::User { user, account, .. } = ctx.actor else { return Ok(()) };
    let tree = ctx.tree();
    let held = match ctx.tx.get::<model::Member>(&keys::member(account, user))? {
        Some(own) => powers_on_paper(&mut ctx.tx, &tree, &own)?,
        None => Powers::none(&tree),
    };
    let missing: Vec<String> = wanted.beyond(&held).into_iter().filter_map(|place| tree.node(place)).map(|node| node.id.clone()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::EscalationRefused, message).at(field).with("missing", missing))
}

impl Operation for Add {
    const NAME: &'static str = "members.add";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Member;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        accounts::load(ctx, &self.account, "/account")?;
        roles::load(ctx, &self.role, "/role")?;
        let user = match (self.email, self.user) {
            (Some(email), id) => users::create(ctx, id, email, self.first_name, self.last_name, "/email")?,
            (None, Some(_)) if self.first_name.is_some() || self.last_name.is_some() => {
                return Err(Error::invalid("/first_name", "names are given with the `email` of a new user only"));
            }
            (None, Some(id)) => users::load(ctx, &id, "/user")?,
            (None, None) => return Err(Error::invalid("/user", "name an existing `user`, or the `email` of a new one")),
        };
        if ctx.tx.has(&keys::member(&self.account, &user.id))? {
            return Err(Error::new(Code::AlreadyMember, format!("`{}` is a member of `{}` already", user.id, self.account)).at("/user"));
        }
        let member = create(ctx, &self.account, &user.id, Some(self.role), false)?;
        shown(ctx, member)
    }
}

impl Operation for Get {
    const NAME: &'static str = "members.get";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::Account("users.view");
    type Answer = Member;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        let member = load(ctx, &self.account, &self.user)?;
        shown(ctx, member)
    }
}

impl Operation for List {
    const NAME: &'static str = "members.list";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::Account("users.view");
    type Answer = MemberList;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<MemberList, Error> {
        accounts::load(ctx, &self.account, "/account")?;
        let (rows, next) = page::<model::Member>(ctx, keys::below(keys::MEMBER, &[self.account.as_str()]), self.after.as_ref(), self.limit)?;
        let members = rows.into_iter().map(|(_, member)| shown(ctx, member)).collect::<Result<_, _>>()?;
        Ok(MemberList { members, next })
    }
}

impl Operation for SetRole {
    const NAME: &'static str = "members.set_role";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::Account("users.edit_role");
    type Answer = Member;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        let mut member = load(ctx, &self.account, &self.user)?;
        check_rev(self.expected_rev, member.rev)?;
        roles::load(ctx, &self.role, "/role")?;
        refuse_reaching_up(ctx, &member)?;
        refuse_escalation(ctx, &self.role)?;
        let parts = [member.account.to_string(), member.user.to_string()];
        let parts = parts.each_ref().map(String::as_str);
        if let Some(old) = &member.role {
            roles::count_use(ctx, old, "member", &parts, false)?;
        }
        roles::count_use(ctx, &self.role, "member", &parts, true)?;
        member.role = Some(self.role);
        save(ctx, member)
    }
}

impl Operation for Remove {
    const NAME: &'static str = "members.remove";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::Account("users.revoke_account");
    type Answer = MemberRemoved;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<MemberRemoved, Error> {
        let member = load(ctx, &self.account, &self.user)?;
        if member.owner {
            return Err(Error::new(Code::OwnerTransferRequired, format!("`{}` owns `{}`", self.user, self.account)).at("/user"));
        }
        refuse_reaching_up(ctx, &member)?;
        let user_deleted = erase(ctx, &member)?;
        Ok(MemberRemoved { account: self.account, user: self.user, user_deleted })
    }
}

fn set_disabled(ctx: &mut Ctx<'_>, account: &Id, user: &Id, disabled: bool) -> Result<Member, Error> {
    let mut member = load(ctx, account, user)?;
    refuse_reaching_up(ctx, &member)?;
    if member.disabled == disabled {
        return shown(ctx, member);
    }
    member.disabled = disabled;
    save(ctx, member)
}

impl Operation for Disable {
    const NAME: &'static str = "members.disable";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::Account("users.disable");
    type Answer = Member;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        set_disabled(ctx, &self.account, &self.user, true)
    }
}

impl Operation for Enable {
    const NAME: &'static str = "members.enable";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::Account("users.disable");
    type Answer = Member;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        set_disabled(ctx, &self.account, &self.user, false)
    }
}
