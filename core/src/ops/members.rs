//! Memberships: users in an account, each with a role (R-INV-8, R-ACC-3, R-ROL-7).

use super::{Access, Effect, Operation, accounts, check_rev, groups, limits, page, roles, users};
use crate::engine::view::{account_line, powers_on_paper, role_powers};
use crate::engine::{Ctx, keys, people};
use crate::error::{Code, Error};
use crate::model::{self, Count, Email, Id, Limit, LimitName, Name};
use crate::rules::role::Powers;
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
    /// The group; the default group when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
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
    /// Whether the role is that of an administrator.
    pub administrator: bool,
    /// The group; owner and administrators are in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
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

/// The place that a user gets in an account.
pub(crate) struct Place {
    /// The role; the owner has none.
    pub(crate) role: Option<Id>,
    /// Whether they own the account.
    pub(crate) owner: bool,
    /// The group; the default group when none is named.
    pub(crate) group: Option<Id>,
}

/// Makes a user a member of an account, whoever asks for it: seats, groups, exclusive owners and operators are looked at.
pub(crate) fn create(ctx: &mut Ctx<'_>, account: &Id, user: &model::User, place: Place) -> Result<model::Member, Error> {
    if ctx.tx.has(&keys::operator(&user.id))? {
        return Err(Error::new(Code::IsOperator, format!("`{}` is an operator of the platform", user.id)).at("/user"));
    }
    refuse_shared_owner(ctx, account, &user.id, place.owner)?;
    check_seats(ctx, account, Some(&user.id))?;
    let administrator = match &place.role {
        Some(role) => roles::load_for(ctx, role, account, "/role")?.administrator,
        None => false,
    };
    let mut member = model::Member {
        account: account.clone(),
        user: user.id.clone(),
        role: place.role,
        administrator,
        group: None,
        unshared: Vec::new(),
        owner: place.owner,
        disabled: false,
        rev: 1,
        created_at_ms: ctx.now_ms,
        updated_at_ms: ctx.now_ms,
    };
    regroup(ctx, &mut member, place.group)?;
    if let Some(role) = &member.role {
        roles::mark_use(ctx, role, "member", &[account.as_str(), user.id.as_str()], true);
    }
    ctx.tx.put(keys::member(account, &user.id), &member)?;
    ctx.tx.mark(keys::membership(&user.id, account));
    people::join(ctx, account, user)?;
    touch(ctx, account)?;
    Ok(member)
}

/// Ends a membership; answers whether the user went with it.
pub(crate) fn erase(ctx: &mut Ctx<'_>, member: &model::Member) -> Result<bool, Error> {
    let mut leaving = member.clone();
    groups::place(ctx, &mut leaving, None)?;
    if let Some(role) = &member.role {
        roles::mark_use(ctx, role, "member", &[member.account.as_str(), member.user.as_str()], false);
    }
    ctx.tx.delete(keys::member(&member.account, &member.user));
    ctx.tx.delete(keys::membership(&member.user, &member.account));
    touch(ctx, &member.account)?;
    let user = users::load(ctx, &member.user, "/user")?;
    people::leave(ctx, &member.account, &user)?;
    let last = users::accounts_of(ctx, &member.user, 1)?.is_empty();
    if last {
        users::erase(ctx, &user);
    }
    Ok(last)
}

/// A plain member is in exactly one group; owner and administrators are in none (R-GRP-2).
pub(crate) fn regroup(ctx: &mut Ctx<'_>, member: &mut model::Member, named: Option<Id>) -> Result<(), Error> {
    if member.owner || member.administrator {
        if named.is_some() {
            return Err(Error::new(Code::AdminHasNoGroup, "owner and administrators are in no group").at("/group"));
        }
        return groups::place(ctx, member, None);
    }
    let group = match named {
        Some(group) => groups::load(ctx, &member.account, &group, "/group")?.id,
        None => match &member.group {
            Some(group) => group.clone(),
            None => accounts::load(ctx, &member.account, "/account")?.default_group,
        },
    };
    groups::place(ctx, member, Some(group))
}

/// By policy the owner of one account is not a member of another, in either order (R-TEA-2).
pub(crate) fn refuse_shared_owner(ctx: &mut Ctx<'_>, account: &Id, user: &Id, owner: bool) -> Result<(), Error> {
    let others = users::accounts_of(ctx, user, usize::MAX)?;
    if others.iter().all(|other| other == account) || !ctx.policies(Some(account))?.owner_exclusive {
        return Ok(());
    }
    for other in others.iter().filter(|other| *other != account) {
        let owns = ctx.tx.get::<model::Member>(&keys::member(other, user))?.is_some_and(|member| member.owner);
        if owner || owns {
            return Err(Error::new(Code::OwnerNotExclusive, format!("`{user}` would be the owner of one account and a member of another")).at("/user"));
        }
    }
    Ok(())
}

/// Whether there is a seat for one more in the account and in every account above (R-INV-9).
///
/// A user who is there already takes none; open invitations take one each.
pub(crate) fn check_seats(ctx: &mut Ctx<'_>, account: &Id, user: Option<&Id>) -> Result<(), Error> {
    for above in account_line(&mut ctx.tx, account)? {
        let known = match user {
            Some(user) => people::seats_of(ctx, &above.id, user)? > 0,
            None => false,
        };
        let seats = seats(ctx, &above.id)?.ceiling();
        if known || seats == u64::MAX {
            continue;
        }
        let taken = people::count(ctx, &keys::tally(&above.id, "users"))?.saturating_add(open_invitations(ctx, &above.id, seats)?);
        if taken >= seats {
            let error = Error::new(Code::SeatsExhausted, format!("`{}` has {seats} seats, and all are taken", above.id));
            return Err(error.with("account", above.id.as_str()).with("seats", seats).with("taken", taken));
        }
    }
    Ok(())
}

/// How many users an account and all below it may have: the smaller of policy and limit.
pub(crate) fn seats(ctx: &mut Ctx<'_>, account: &Id) -> Result<Limit, Error> {
    let policy = ctx.policies(Some(account))?.seats;
    Ok(policy.min(limits::value_of(ctx, account, LimitName::Seats)?))
}

/// How many invitations to the account and to all below it are open now; counted up to `most`.
pub(crate) fn open_invitations(ctx: &mut Ctx<'_>, account: &Id, most: u64) -> Result<u64, Error> {
    let (_, until) = keys::below(keys::OPEN_INVITATION, &[account.as_str()]);
    let from = keys::open_invitations_after(account, ctx.now_ms);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    Ok(ctx.tx.range::<()>(&from, &until, most)?.len() as u64)
}

/// Who reaches an account by their place in it, or in one above, is looked at again.
pub(crate) fn touch(ctx: &mut Ctx<'_>, account: &Id) -> Result<(), Error> {
    if accounts::load(ctx, account, "/account")?.children > 0 {
        ctx.tx.touch_everything();
    }
    ctx.tx.touch(account);
    Ok(())
}

fn save(ctx: &mut Ctx<'_>, mut member: model::Member) -> Result<Member, Error> {
    member.rev += 1;
    member.updated_at_ms = ctx.now_ms;
    ctx.tx.put(keys::member(&member.account, &member.user), &member)?;
    touch(ctx, &member.account)?;
    shown(ctx, member)
}

fn shown(ctx: &mut Ctx<'_>, member: model::Member) -> Result<Member, Error> {
    let user = users::load(ctx, &member.user, "/user")?;
    Ok(Member {
        account: member.account,
        user: member.user,
        email: user.email.as_typed().to_owned(),
        first_name: user.profile.first_name,
        last_name: user.profile.last_name,
        role: member.role,
        administrator: member.administrator,
        group: member.group,
        owner: member.owner,
        disabled: member.disabled || user.disabled,
        rev: member.rev,
        created_at_ms: member.created_at_ms,
        updated_at_ms: member.updated_at_ms,
    })
}

/// Nobody grants what they do not hold (R-ROL-7).
pub(crate) fn refuse_escalation(ctx: &mut Ctx<'_>, role: &Id) -> Result<(), Error> {
    let granted = role_powers(&mut ctx.tx, &ctx.engine.tree.load(), role)?;
    refuse_beyond_own(ctx, &granted, format!("the role `{role}` allows more than you hold"), "/role")
}

/// Nobody changes one who can do more (R-ROL-7).
pub(crate) fn refuse_reaching_up(ctx: &mut Ctx<'_>, member: &model::Member) -> Result<(), Error> {
    let theirs = powers_on_paper(&mut ctx.tx, &ctx.engine.tree.load(), member)?;
    refuse_beyond_own(ctx, &theirs, format!("`{}` can do more than you", member.user), "/user")
}

/// Compared before the ceilings: a package that grows later must not lift anyone above whoever gave them their role.
pub(crate) fn refuse_beyond_own(ctx: &mut Ctx<'_>, wanted: &Powers, message: String, field: &str) -> Result<(), Error> {
    let Some(held) = ctx.paper()? else { return Ok(()) };
    let tree = ctx.tree();
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
        let member = create(ctx, &self.account, &user, Place { role: Some(self.role), owner: false, group: self.group })?;
        shown(ctx, member)
    }
}

impl Operation for Get {
    const NAME: &'static str = "members.get";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::account("users.view", "clients.view_all");
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
    const ACCESS: Access = Access::account("users.view", "clients.view_all");
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

/// Gives a member another role; promotion clears the group, demotion puts them into one (R-GRP-2). Not written here.
pub(crate) fn give_role(ctx: &mut Ctx<'_>, member: &mut model::Member, role: Id, group: Option<Id>) -> Result<(), Error> {
    let administrator = roles::load_for(ctx, &role, &member.account, "/role")?.administrator;
    let parts = [member.account.as_str(), member.user.as_str()];
    if let Some(old) = &member.role {
        roles::mark_use(ctx, old, "member", &parts, false);
    }
    roles::mark_use(ctx, &role, "member", &parts, true);
    member.role = Some(role);
    member.administrator = administrator;
    regroup(ctx, member, group)
}

impl Operation for SetRole {
    const NAME: &'static str = "members.set_role";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::account("users.edit_role", "clients.edit");
    type Answer = Member;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        let mut member = load(ctx, &self.account, &self.user)?;
        check_rev(self.expected_rev, member.rev)?;
        refuse_reaching_up(ctx, &member)?;
        refuse_escalation(ctx, &self.role)?;
        give_role(ctx, &mut member, self.role, None)?;
        save(ctx, member)
    }
}

impl Operation for Remove {
    const NAME: &'static str = "members.remove";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::account("users.revoke_account", "clients.edit");
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
    const ACCESS: Access = Access::account("users.disable", "clients.edit");
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
    const ACCESS: Access = Access::account("users.disable", "clients.edit");
    type Answer = Member;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        set_disabled(ctx, &self.account, &self.user, false)
    }
}
