//! Memberships: users in an account, each with a role (R-INV-4, R-INV-7, R-INV-8, R-INV-10,
//! R-ACC-3, R-ROL-7).

mod people_list;

pub use people_list::{People, Person, PersonList, PersonStatus};

use super::groups::{Destination, GroupResources};
use super::{
    Operation, accounts, api_keys, groups, invitations, limits, reach, resources, roles, sessions,
    users,
};
use crate::engine::Ctx;
use crate::engine::view::role_powers;
use crate::error::{Class, Code, Error};
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::kernel::revision::check_rev;
use crate::model::{
    self, Actor, BuiltIn, ChildOwner, Count, Cursor, Email, GrantExisting, Id, Limit, LimitName,
    Name, PendingStep, ResourcesTo, RoleScope,
};
use crate::rules::role::Powers;
use crate::rules::user::missing_steps;
use crate::tables::accounts::account_line;
use crate::tables::members::Members;
use crate::tables::people;
use crate::tables::people::{Order, Search};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a user a member of an account: an existing one by id, or a new one by e-mail address
/// (R-INV-7).
///
/// New users are made by the host, and by operators with `clients.edit`; everybody else invites
/// them. Who gives an existing user of the team access is a policy (`grant_existing`): the parent,
/// or whoever holds `users.grant_account` there.
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
    /// The role. When absent: the one that the user has in the team where a user has one role
    /// (`role_scope`), or the default role of the account. None where the role is that of the
    /// package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// The group; the default group when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
}

/// Gives an existing user access to further accounts with one role, to all of them or to none
/// (R-INV-7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The user.
    pub user: Id,
    /// The accounts: 1 to 100.
    pub accounts: Vec<Id>,
    /// The role, as in `members.add`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
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

/// Lists the members of an account, a page at a time. Who acts in an account below another and does
/// not manage the team does not see the owners of the accounts above (R-INV-10).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: Id,
    /// Only members with this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// Only members of this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// Only members of this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<MemberStatus>,
    /// Only who was not here since this instant, in unix milliseconds: seen last before it, or
    /// never seen and made before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive_since_ms: Option<Count>,
    /// Only whose e-mail address, last name or first name begins with this, without regard to case
    /// and accents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Name>,
    /// What it is ordered by; the id when absent, the e-mail address in a search. In a search, who
    /// is found by what it is ordered by comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<MemberOrder>,
    /// Go on after the page before: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent). With filters a page may hold fewer while there
    /// is a `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// What a list of members is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberOrder {
    /// The user's id.
    Id,
    /// The e-mail address.
    Email,
    /// The last name, then the first.
    Name,
}

/// Where a member is on the way into an account (R-INV-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberStatus {
    /// All is done.
    Active,
    /// A step is missing; which ones there are is a policy (`pending_until`).
    Pending,
    /// The membership, or the user as a whole, is disabled.
    Disabled,
}

impl MemberStatus {
    pub(crate) fn of(disabled: bool, pending: &[PendingStep]) -> MemberStatus {
        match (disabled, pending.is_empty()) {
            (true, _) => MemberStatus::Disabled,
            (false, true) => MemberStatus::Active,
            (false, false) => MemberStatus::Pending,
        }
    }
}

/// Gives a member another role, up or down; nobody gives more than they hold (R-INV-8, R-ROL-7).
///
/// By policy (`role_scope`) a user has one role in all accounts of the team: then it changes in all
/// of them, by who may change roles in all of them. Where the role is that of the package, it is
/// `role_by_package`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// The new role.
    pub role: Id,
    /// The group, where the new role needs one; the one that the member is in, or the default
    /// group, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Ends a membership; the user goes with the last one. The owner stays until another owns the
/// account (R-TEA-5).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// Who gets the resources of the member; needed where they have some (R-USR-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources_to: Option<ResourcesTo>,
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

/// Does one thing to many members of an account, and answers for each (R-ACC-5).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// The account.
    pub account: Id,
    /// The users: 1 to 500.
    pub users: Vec<Id>,
    /// What is done.
    pub action: MemberAction,
    /// The new role, for `set_role`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// The group that they come into, for `set_group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Id>,
    /// What becomes of their resources, for `set_group`; they follow when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<GroupResources>,
    /// Who gets the resources of those who leave, for `remove`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources_to: Option<ResourcesTo>,
    /// Whether it is done to all of them or to none.
    #[serde(default)]
    pub atomic: bool,
}

/// What is done to many members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberAction {
    /// As `members.set_role`.
    SetRole,
    /// As `groups.add_members`: needs `groups.members.add`, and for whoever is in another group
    /// than the default one `groups.members.transfer` too.
    SetGroup,
    /// As `members.disable`.
    Disable,
    /// As `members.enable`.
    Enable,
    /// As `members.remove`.
    Remove,
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
    /// Where they are on the way into the account.
    pub status: MemberStatus,
    /// The steps that are still to be done.
    pub pending: Vec<PendingStep>,
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

/// A page of members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberList {
    /// The members.
    pub members: Vec<Member>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// What a user was granted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MembersGranted {
    /// The user.
    pub user: Id,
    /// The new memberships, in the order of the accounts.
    pub members: Vec<Member>,
}

/// What became of each of many members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberBulk {
    /// How many it was done to.
    pub done: u64,
    /// For each user, in the order of the request.
    pub results: Vec<MemberBulkResult>,
}

/// What became of one of many members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-yes" = "problem"))]
pub struct MemberBulkResult {
    /// The user.
    pub user: Id,
    /// Why not; absent where it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<MemberProblem>,
}

/// Why something was not done to a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberProblem {
    /// The code that the single operation is refused with.
    pub code: Code,
    /// A sentence a person can act on.
    pub message: String,
}

/// A membership that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberRemoved {
    /// The account.
    pub account: Id,
    /// The user.
    pub user: Id,
    /// Whether it was the last one in which the caller could see them. To the host and to
    /// operators: whether the user is gone.
    pub user_deleted: bool,
}

/// Most accounts that are granted at once.
const MOST_GRANTS: usize = 100;
/// Most members of one bulk action.
const MOST_BULK: usize = 500;

/// A membership, where the actor sees it (R-INV-10).
pub(crate) fn find(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
) -> Result<Option<model::Member>, Error> {
    let member = ctx.tx.get(&keys::member(account, user))?;
    if member.is_none() || reach::hidden_in(ctx, account)?.contains(user) {
        Ok(None)
    } else {
        Ok(member)
    }
}

fn load_seen(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<model::Member, Error> {
    accounts::load(ctx, account, "/account")?;
    find(ctx, account, user)?.ok_or_else(|| Error::not_found("member", user.as_str()).at("/user"))
}

fn load(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<model::Member, Error> {
    accounts::load(ctx, account, "/account")?;
    ctx.tx
        .get(&keys::member(account, user))?
        .ok_or_else(|| Error::not_found("member", user.as_str()).at("/user"))
}

/// The place that a user gets in an account.
pub(crate) struct Place {
    /// The role; the owner has none.
    pub(crate) role: Option<Id>,
    /// Whether they own the account.
    pub(crate) owner: bool,
    /// The group; the default group when none is named.
    pub(crate) group: Option<Id>,
    /// Whether they may do nothing there yet.
    pub(crate) disabled: bool,
}

impl Place {
    /// The place of the owner, who has neither role nor group.
    pub(crate) const OWNER: Place = Place {
        role: None,
        owner: true,
        group: None,
        disabled: false,
    };
}

/// Makes a user a member of an account, whoever asks for it: seats, groups, exclusive owners and
/// operators are looked at.
pub(crate) fn create(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &model::User,
    place: Place,
) -> Result<model::Member, Error> {
    if ctx.tx.has(&keys::operator(&user.id))? {
        return Err(Error::new(
            Code::IsOperator,
            format!("`{}` is an operator of the platform", user.id),
        )
        .at("/user"));
    }
    if place.owner && user.disabled {
        return Err(disabled_owner(user).at("/user"));
    }
    refuse_shared_owner(ctx, account, &user.id, place.owner)?;
    invitations::settle(ctx, account, user)?;
    let role = if place.owner {
        None
    } else {
        fitting_role(ctx, account, &user.id, place.role)?
    };
    let administrator = match &role {
        Some(role) => roles::is_administrator(ctx, role, account, "/role")?,
        None => false,
    };
    let mut member = model::Member {
        account: account.clone(),
        user: user.id.clone(),
        role,
        administrator,
        group: None,
        unshared: Vec::new(),
        owner: place.owner,
        disabled: place.disabled,
        rev: 1,
        created_at_ms: ctx.now_ms,
        updated_at_ms: ctx.now_ms,
        groups: Vec::new(),
    };
    if !people::is_idle(&member, user) {
        check_seats(ctx, account, Some(&user.id))?;
    }
    regroup(ctx, &mut member, place.group)?;
    ctx.tx.save::<Members>(&member)?;
    people::join(&mut ctx.tx, &member, user)?;
    touch(ctx, account)?;
    Ok(member)
}

/// The role that a user can have in an account: any, the one that they have in the team, or that of
/// the package alone, by policy (R-INV-8). Where none is named it is the one that they have in the
/// team, or none.
pub(crate) fn fitting_role(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
    role: Option<Id>,
) -> Result<Option<Id>, Error> {
    match (ctx.policies(Some(account))?.role_scope, role) {
        (RoleScope::Membership, role) => Ok(role),
        (RoleScope::Package, None) => Ok(None),
        (RoleScope::Package, Some(_)) => Err(by_package(account)),
        (RoleScope::User, role) => match (role_in_team(ctx, account, user)?, role) {
            (Some(held), Some(other)) if held != other => Err(spans_accounts(user)),
            (held, role) => Ok(held.or(role)),
        },
    }
}

fn by_package(account: &Id) -> Error {
    Error::new(
        Code::RoleByPackage,
        format!("in `{account}` the role is that of the package"),
    )
    .at("/role")
}

fn spans_accounts(user: &Id) -> Error {
    let message = format!(
        "`{user}` has one role in all accounts of the team; only who administers all of them \
         changes it"
    );
    Error::new(Code::RoleSpansAccounts, message).at("/role")
}

/// The memberships of a user in the team of an account, without those as an owner.
fn roles_in_team(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<Vec<model::Member>, Error> {
    let top = reach::top_of(ctx, account)?;
    let mut found = Vec::new();
    if people::seats_of(&mut ctx.tx, &top, user)? == 0 {
        return Ok(found);
    }
    for other in users::accounts_of(ctx, user, usize::MAX)? {
        if reach::top_of(ctx, &other)? == top {
            found.extend(
                ctx.tx
                    .get::<model::Member>(&keys::member(&other, user))?
                    .filter(|member| !member.owner),
            );
        }
    }
    Ok(found)
}

/// The role that a user has in the team of an account, where they have one in all of it.
fn role_in_team(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<Option<Id>, Error> {
    Ok(roles_in_team(ctx, account, user)?
        .into_iter()
        .find_map(|member| member.role))
}

/// Ends a membership, and gives the resources of the member to somebody else (R-USR-4); answers
/// whether the user went with it.
pub(crate) fn leave(
    ctx: &mut Ctx<'_>,
    member: &model::Member,
    resources_to: Option<&ResourcesTo>,
) -> Result<bool, Error> {
    resources::settle(ctx, &member.account, &member.user, resources_to)?;
    erase(ctx, member)
}

/// Ends a membership; answers whether the user went with it.
pub(crate) fn erase(ctx: &mut Ctx<'_>, member: &model::Member) -> Result<bool, Error> {
    ctx.tx.erase::<Members>(member)?;
    ctx.tx
        .delete(keys::member_allow_list(&member.account, &member.user));
    api_keys::end_all_of(ctx, &member.account, &member.user)?;
    sessions::end_log_ins_as(ctx, &member.user, Some(&member.account))?;
    touch(ctx, &member.account)?;
    let user = users::load(ctx, &member.user, "/user")?;
    people::leave(&mut ctx.tx, member, &user)?;
    let last = users::accounts_of(ctx, &member.user, 1)?.is_empty();
    if last {
        let team = reach::top_of(ctx, &member.account)?;
        invitations::forget(ctx, &user, Some(&team))?;
        users::erase(ctx, &user)?;
    }
    Ok(last)
}

/// A plain member is in exactly one group; owner and administrators are in none (R-GRP-2).
pub(crate) fn regroup(
    ctx: &mut Ctx<'_>,
    member: &mut model::Member,
    named: Option<Id>,
) -> Result<(), Error> {
    if named.is_some() && (member.owner || member.administrator) {
        return Err(Error::new(
            Code::AdminHasNoGroup,
            "owner and administrators are in no group",
        )
        .at("/group"));
    }
    let group = match (named, &member.group) {
        _ if member.owner || member.administrator => None,
        (Some(group), _) => Some(groups::load(ctx, &member.account, &group, "/group")?.id),
        (None, Some(group)) => Some(group.clone()),
        (None, None) => Some(accounts::load(ctx, &member.account, "/account")?.default_group),
    };
    if member.group != group {
        member.change_group(group, ctx.now_ms);
    }
    Ok(())
}

/// The role that a member gets when none is named and none has to be: that of the account, or
/// `full`; none where the role is that of the package (R-TEA-9, R-INV-8).
pub(crate) fn default_role(
    ctx: &mut Ctx<'_>,
    account: &model::Account,
) -> Result<Option<Id>, Error> {
    if ctx.policies(Some(&account.id))?.role_scope == RoleScope::Package {
        return Ok(None);
    }
    match &account.default_role {
        Some(role) => Ok(Some(role.clone())),
        None => Id::new(BuiltIn::Full.id())
            .map(Some)
            .map_err(|error| Error::new(Code::Internal, error)),
    }
}

/// Makes a member the owner of an account; the owner until now becomes an ordinary member of it
/// (R-TEA-5).
///
/// Where accounts below have their parent's owner (`child_owner`), those that the old owner owns
/// follow. Nobody makes an owner who could not be one: an owner may do everything (R-ROL-7). For
/// whom there is nothing to do, nothing is done.
pub(crate) fn make_owner(
    ctx: &mut Ctx<'_>,
    account: &Id,
    to: &Id,
    old_owner_role: Option<Id>,
) -> Result<model::Account, Error> {
    let record = accounts::load(ctx, account, "/account")?;
    if record.owner.as_ref() == Some(to) {
        return Ok(record);
    }
    refuse_ownership(ctx, account, "/account")?;
    load(ctx, account, to)?;
    if let Some(parent) = &record.parent
        && ctx.policies(Some(account))?.child_owner == ChildOwner::Parents
        && accounts::load(ctx, parent, "/account")?.owner.as_ref() != Some(to)
    {
        let error = Error::new(
            Code::PolicyForbids,
            format!("the owner of `{account}` is that of the account above it"),
        );
        return Err(error.at("/account").with("policy", "child_owner"));
    }
    let old = record.owner.clone();
    let mut open = vec![record];
    while let Some(account) = open.pop() {
        for child in accounts::children_of(ctx, &account.id)? {
            let child = accounts::load(ctx, &child, "/account")?;
            if child.owner == old
                && ctx.policies(Some(&child.id))?.child_owner == ChildOwner::Parents
            {
                open.push(child);
            }
        }
        pass_ownership(ctx, account, to, old_owner_role.clone())?;
    }
    accounts::load(ctx, account, "/account")
}

/// The refusal of an owner who may do nothing anywhere.
pub(crate) fn disabled_owner(user: &model::User) -> Error {
    Error::new(
        Code::UserDisabled,
        format!("`{}` is disabled and cannot own an account", user.id),
    )
}

/// A member becomes the owner of their account (R-TEA-5). The account itself is not written.
pub(crate) fn own(ctx: &mut Ctx<'_>, mut member: model::Member) -> Result<(), Error> {
    let user = users::load(ctx, &member.user, "/user")?;
    if user.disabled {
        return Err(disabled_owner(&user).at("/user"));
    }
    if member.disabled {
        let message = format!(
            "the membership of `{}` in `{}` is disabled; enable it first",
            user.id, member.account
        );
        return Err(Error::new(Code::MemberDisabled, message).at("/user"));
    }
    refuse_shared_owner(ctx, &member.account, &member.user, true)?;
    member.role = None;
    member.owner = true;
    member.administrator = false;
    regroup(ctx, &mut member, None)?;
    save(ctx, member).map(drop)
}

/// One account gets another owner, who becomes a member of it where they are none.
fn pass_ownership(
    ctx: &mut Ctx<'_>,
    mut account: model::Account,
    to: &Id,
    old_owner_role: Option<Id>,
) -> Result<(), Error> {
    if let Some(old) = account.owner.replace(to.clone()) {
        let role = match old_owner_role {
            Some(role) => Some(role),
            None => default_role(ctx, &account)?,
        };
        let mut leaving = load(ctx, &account.id, &old)?;
        leaving.owner = false;
        // Who was disabled keeps no seat as an ordinary member.
        let user = users::load(ctx, &old, "/user")?;
        if people::is_idle(&leaving, &user) {
            people::set_idle(&mut ctx.tx, &account.id, &user, true)?;
        }
        match role {
            Some(role) => give_role(ctx, &mut leaving, role, None)?,
            None => regroup(ctx, &mut leaving, None)?,
        }
        save(ctx, leaving)?;
    }
    match ctx
        .tx
        .get::<model::Member>(&keys::member(&account.id, to))?
    {
        Some(next) => own(ctx, next)?,
        None => {
            let user = users::load(ctx, to, "/user")?;
            create(ctx, &account.id, &user, Place::OWNER)?;
        }
    }
    accounts::save(ctx, account)
}

/// By policy of either account the owner of one is not a member of the other, in either order
/// (R-TEA-2).
pub(crate) fn refuse_shared_owner(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
    owner: bool,
) -> Result<(), Error> {
    let others = users::accounts_of(ctx, user, usize::MAX)?;
    if others.iter().all(|other| other == account) {
        return Ok(());
    }
    let here = ctx.policies(Some(account))?.owner_exclusive;
    for other in others.iter().filter(|other| *other != account) {
        let owns = ctx
            .tx
            .get::<model::Member>(&keys::member(other, user))?
            .is_some_and(|member| member.owner);
        if (owner || owns) && (here || ctx.policies(Some(other))?.owner_exclusive) {
            return Err(Error::new(
                Code::OwnerNotExclusive,
                format!("`{user}` would be the owner of one account and a member of another"),
            )
            .at("/user"));
        }
    }
    Ok(())
}

/// Whether there is a seat for one more in the account and in every account above (R-INV-9).
///
/// A user who holds one already takes none; open invitations take one each.
pub(crate) fn check_seats(ctx: &mut Ctx<'_>, account: &Id, user: Option<&Id>) -> Result<(), Error> {
    for above in account_line(&mut ctx.tx, account)? {
        let has_one = match user {
            Some(user) => people::holds_seat(&mut ctx.tx, &above.id, user)?,
            None => false,
        };
        let seats = seats(ctx, &above.id)?.ceiling();
        if has_one || seats == u64::MAX {
            continue;
        }
        let taken = seats_taken(ctx, &above.id, seats)?;
        if taken >= seats {
            let error = Error::new(
                Code::SeatsExhausted,
                format!("`{}` has {seats} seats, and all are taken", above.id),
            );
            return Err(error
                .with("account", above.id.as_str())
                .with("seats", seats)
                .with("taken", taken));
        }
    }
    Ok(())
}

/// How many users an account and all below it may have: the smaller of policy and limit.
pub(crate) fn seats(ctx: &mut Ctx<'_>, account: &Id) -> Result<Limit, Error> {
    let policy = ctx.policies(Some(account))?.seats;
    Ok(policy.min(limits::value_of(ctx, account, LimitName::Seats)?))
}

/// How many seats of an account are taken: by whoever holds one, and by invitations that are open
/// now, counted up to `most`.
pub(crate) fn seats_taken(ctx: &mut Ctx<'_>, account: &Id, most: u64) -> Result<u64, Error> {
    Ok(people::seats_held(&mut ctx.tx, account)?
        .saturating_add(open_invitations(ctx, account, most)?))
}

/// A membership that is disabled gives its seat back, and one that is enabled asks for one
/// (R-INV-9). Not written here.
pub(crate) fn change_seat(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &model::User,
    idle: bool,
) -> Result<(), Error> {
    if !idle {
        check_seats(ctx, account, Some(&user.id)).map_err(|error| error.at("/user"))?;
    }
    people::set_idle(&mut ctx.tx, account, user, idle)
}

/// How many invitations to the account and to all below it are open now; counted up to `most`.
fn open_invitations(ctx: &mut Ctx<'_>, account: &Id, most: u64) -> Result<u64, Error> {
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
    ctx.tx.save::<Members>(&member)?;
    touch(ctx, &member.account)?;
    shown(ctx, member)
}

/// A membership as everybody sees it.
pub(crate) fn shown(ctx: &mut Ctx<'_>, member: model::Member) -> Result<Member, Error> {
    let steps = ctx.policies(Some(&member.account))?.pending_until;
    let user = users::load(ctx, &member.user, "/user")?;
    shown_as(ctx, member, user, &steps)
}

fn shown_as(
    ctx: &mut Ctx<'_>,
    member: model::Member,
    user: model::User,
    steps: &[PendingStep],
) -> Result<Member, Error> {
    let last_seen_at_ms = users::last_seen(ctx, &user)?;
    let disabled = member.disabled || user.disabled;
    let pending = missing_steps(steps, &user);
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
        disabled,
        status: MemberStatus::of(disabled, &pending),
        pending,
        last_seen_at_ms,
        rev: member.rev,
        created_at_ms: member.created_at_ms,
        updated_at_ms: member.updated_at_ms,
    })
}

/// Nobody grants in an account what they do not hold there (R-ROL-7).
pub(crate) fn refuse_escalation(ctx: &mut Ctx<'_>, account: &Id, role: &Id) -> Result<(), Error> {
    let granted = role_powers(&mut ctx.tx, &ctx.engine.views.tree.load(), role)?;
    refuse_beyond_own(
        ctx,
        account,
        &granted,
        format!("the role `{role}` allows more than you hold in `{account}`"),
        "/role",
    )
}

/// As [`refuse_escalation`], for all that makes somebody a member: what they get is what the
/// package leaves them where the role is that of the package (R-INV-8), and otherwise what the role
/// gives, or where none is named the default role.
pub(crate) fn refuse_membership(
    ctx: &mut Ctx<'_>,
    account: &Id,
    role: Option<&Id>,
) -> Result<(), Error> {
    let Actor::User { .. } = ctx.actor else {
        return Ok(());
    };
    if ctx.policies(Some(account))?.role_scope == RoleScope::Package {
        let given = ctx
            .engine
            .cell(account)?
            .view(ctx.engine)?
            .paper_by_package(&ctx.tree());
        return refuse_beyond_own(
            ctx,
            account,
            &given,
            format!("the package of `{account}` gives its members more than you hold there"),
            "/role",
        );
    }
    let default = accounts::load(ctx, account, "/account")?.default_role;
    match role.or(default.as_ref()) {
        Some(role) => refuse_escalation(ctx, account, role),
        None => Ok(()),
    }
}

/// Nobody makes an owner who could not be one: an owner may do everything (R-ROL-7).
pub(crate) fn refuse_ownership(ctx: &mut Ctx<'_>, account: &Id, field: &str) -> Result<(), Error> {
    let everything = Powers::all(&ctx.tree());
    refuse_beyond_own(
        ctx,
        account,
        &everything,
        format!("the owner of `{account}` can do more than you"),
        field,
    )
}

/// Nobody changes one who can do more in the account (R-ROL-7).
pub(crate) fn refuse_stronger_in(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<(), Error> {
    let Actor::User { .. } = ctx.actor else {
        return Ok(());
    };
    // What an account that the actor reaches asks for is asked of who acts on somebody there, too.
    if let Err(error) = ctx.standing(account)
        && matches!(error.code(), Code::SecondFactorMissing | Code::IpNotAllowed)
    {
        return Err(error);
    }
    let theirs = ctx.paper_of(account, user, true)?;
    refuse_beyond_own(
        ctx,
        account,
        &theirs,
        format!("`{user}` can do more than you"),
        "/user",
    )
}

/// Refuses what the actor does not hold themself in an account, or in one below that it lets one
/// reach. Compared before the ceilings: a package that grows later must not lift anyone above
/// whoever gave them their role.
fn refuse_beyond_own(
    ctx: &mut Ctx<'_>,
    account: &Id,
    wanted: &Powers,
    message: String,
    field: &str,
) -> Result<(), Error> {
    for held in ctx.papers_where(account, wanted)? {
        roles::refuse_beyond(&ctx.tree(), wanted, &held, message.clone(), field)?;
    }
    Ok(())
}

/// Whether the actor may give existing users access to an account (R-INV-7); `field` is where the
/// request names it.
fn refuse_granting(ctx: &mut Ctx<'_>, account: &Id, field: &str) -> Result<(), Error> {
    match ctx.actor {
        Actor::System => return Ok(()),
        Actor::Operator { .. } => return ctx.require_as_operator("clients.edit"),
        Actor::User { .. } => {}
    }
    // Who holds nothing there learns nothing: neither that it is there, nor its policy.
    let holds = ctx.tx.has(&keys::account(account))?
        && reach::holds_in(ctx, account, "users.grant_account")?;
    if holds && ctx.policies(Some(account))?.grant_existing == GrantExisting::Holder {
        return Ok(());
    }
    ctx.require_in(account, "users.grant_account")
        .map_err(|error| error.at(field))?;
    match reach::parent(ctx)? {
        Some(_) => Ok(()),
        None => {
            let error = Error::new(
                Code::PolicyForbids,
                "only the parent gives existing users access: in the top account, who manages the \
                 team",
            );
            Err(error.at(field).with("policy", "grant_existing"))
        }
    }
}

/// Reads a user who is to get access, where the actor sees them: where they act, or in an account
/// in which both are.
fn load_known(ctx: &mut Ctx<'_>, user: &Id) -> Result<model::User, Error> {
    let mut known = reach::sees(ctx, user)?;
    if !known {
        for account in users::accounts_of(ctx, user, usize::MAX)? {
            let hidden = known || reach::hidden_in(ctx, &account)?.contains(user);
            known = known || (!hidden && reach::holds_in(ctx, &account, "users.view")?);
        }
    }
    if known {
        users::load(ctx, user, "/user")
    } else {
        Err(Error::not_found("user", user.as_str()).at("/user"))
    }
}

/// Makes a user who is there a member of one more account; whether the actor may was looked at.
/// `at` is where the request names the account.
fn grant(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &model::User,
    role: Option<Id>,
    group: Option<Id>,
    at: &str,
) -> Result<model::Member, Error> {
    let record = accounts::load(ctx, account, at)?;
    if group.is_some() {
        groups::require_groups(ctx, account, "/group")?;
    }
    if ctx.tx.has(&keys::member(account, &user.id))? {
        return Err(Error::new(
            Code::AlreadyMember,
            format!("`{}` is a member of `{account}` already", user.id),
        )
        .at(at));
    }
    let mut role = fitting_role(ctx, account, &user.id, role)?;
    if role.is_none() && ctx.policies(Some(account))?.role_scope != RoleScope::Package {
        let default = record.default_role.ok_or_else(|| {
            Error::invalid(
                "/role",
                format!("`{account}` has no default role: name one"),
            )
        })?;
        role = Some(default);
    }
    if let Some(role) = &role {
        roles::load_for(ctx, role, account, "/role")?;
    }
    refuse_membership(ctx, account, role.as_ref())?;
    create(
        ctx,
        account,
        user,
        Place {
            role,
            owner: false,
            group,
            disabled: false,
        },
    )
}

impl Operation for Add {
    type Answer = Member;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        refuse_granting(ctx, &self.account, "/account")?;
        accounts::load(ctx, &self.account, "/account")?;
        let user = match (self.email, self.user) {
            (Some(_), _) if reach::home(ctx).is_some() => {
                return Err(Error::new(
                    Code::ActorNotAllowed,
                    "users invite new users; only existing ones are added",
                )
                .at("/email"));
            }
            (Some(email), id) => users::create(
                ctx,
                id,
                email,
                self.first_name,
                self.last_name,
                &users::NamedAt {
                    id: "/user",
                    email: "/email",
                },
            )?,
            (None, Some(_)) if self.first_name.is_some() || self.last_name.is_some() => {
                return Err(Error::invalid(
                    "/first_name",
                    "names are given with the `email` of a new user only",
                ));
            }
            (None, Some(id)) => load_known(ctx, &id)?,
            (None, None) => {
                return Err(Error::invalid(
                    "/user",
                    "name an existing `user`, or the `email` of a new one",
                ));
            }
        };
        let member = grant(ctx, &self.account, &user, self.role, self.group, "/user")?;
        shown(ctx, member)
    }
}

impl Operation for Grant {
    type Answer = MembersGranted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<MembersGranted, Error> {
        if !(1..=MOST_GRANTS).contains(&self.accounts.len()) {
            return Err(Error::invalid(
                "/accounts",
                format!(
                    "1 to {MOST_GRANTS} accounts, there are {}",
                    self.accounts.len()
                ),
            ));
        }
        for (at, account) in self.accounts.iter().enumerate() {
            refuse_granting(ctx, account, &format!("/accounts/{at}"))?;
        }
        let user = load_known(ctx, &self.user)?;
        let mut members = Vec::with_capacity(self.accounts.len());
        for (at, account) in self.accounts.iter().enumerate() {
            let member = grant(
                ctx,
                account,
                &user,
                self.role.clone(),
                None,
                &format!("/accounts/{at}"),
            )?;
            members.push(shown(ctx, member)?);
        }
        Ok(MembersGranted {
            user: user.id,
            members,
        })
    }
}

impl Operation for Get {
    type Answer = Member;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        let member = load_seen(ctx, &self.account, &self.user)?;
        shown(ctx, member)
    }
}

impl Operation for List {
    type Answer = MemberList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<MemberList, Error> {
        let account = accounts::load(ctx, &self.account, "/account")?.id;
        if let Some(role) = &self.role {
            roles::load_for(ctx, role, &account, "/role")?;
        }
        if let Some(group) = &self.group {
            groups::load(ctx, &account, group, "/group")?;
        }
        let hidden = reach::hidden_in(ctx, &account)?;
        let steps = ctx.policies(Some(&account))?.pending_until;
        let search = match (self.order, &self.search) {
            (Some(MemberOrder::Name), text) => {
                Some(Search::new(Order::Name, text.as_ref().map(Name::as_str)))
            }
            (Some(MemberOrder::Email), text) => {
                Some(Search::new(Order::Email, text.as_ref().map(Name::as_str)))
            }
            (_, Some(text)) => Some(Search::new(Order::Email, Some(text.as_str()))),
            (Some(MemberOrder::Id) | None, None) => None,
        };
        // By id there are shorter lists of those who are in a group, or have a role.
        let spans = match (&search, &self.group, &self.role) {
            (Some(search), ..) => search.spans(account.as_str()),
            (None, Some(group), _) => vec![keys::below(
                keys::GROUP_MEMBER,
                &[account.as_str(), group.as_str()],
            )],
            (None, None, Some(role)) => vec![keys::below(
                keys::ROLE_USE,
                &[role.as_str(), "member", account.as_str()],
            )],
            (None, None, None) => vec![keys::below(keys::MEMBER, &[account.as_str()])],
        };
        let (members, next) = walk(ctx, &spans, self.after.as_ref(), self.limit, |ctx, key| {
            let Some(id) = keys::last_id(key).filter(|id| !hidden.contains(id)) else {
                return Ok(None);
            };
            let Some(member) = ctx.tx.get::<model::Member>(&keys::member(&account, &id))? else {
                return Ok(None);
            };
            if (self.role.is_some() && member.role != self.role)
                || (self.group.is_some() && member.group != self.group)
            {
                return Ok(None);
            }
            let user = users::load(ctx, &id, "/after")?;
            if search
                .as_ref()
                .is_some_and(|search| !search.is_first(key, &user))
            {
                return Ok(None);
            }
            if self.inactive_since_ms.is_some()
                && !users::is_inactive(&user, users::last_seen(ctx, &user)?, self.inactive_since_ms)
            {
                return Ok(None);
            }
            let member = shown_as(ctx, member, user, &steps)?;
            Ok(self
                .status
                .is_none_or(|asked| asked == member.status)
                .then_some(member))
        })?;
        Ok(MemberList { members, next })
    }
}

/// Gives a member another role; promotion clears the group, demotion puts them into one (R-GRP-2).
/// Not written here.
pub(crate) fn give_role(
    ctx: &mut Ctx<'_>,
    member: &mut model::Member,
    role: Id,
    group: Option<Id>,
) -> Result<(), Error> {
    let administrator = roles::is_administrator(ctx, &role, &member.account, "/role")?;
    member.role = Some(role);
    member.administrator = administrator;
    regroup(ctx, member, group)
}

/// Gives a member another role; where a user has one role in the whole team, in all of it
/// (R-INV-8).
fn set_role(
    ctx: &mut Ctx<'_>,
    member: model::Member,
    role: &Id,
    group: Option<Id>,
) -> Result<Member, Error> {
    if member.owner {
        let error = Error::new(
            Code::OwnerTransferRequired,
            format!(
                "`{}` owns `{}` and needs no role",
                member.user, member.account
            ),
        );
        return Err(error.at("/user"));
    }
    refuse_stronger_in(ctx, &member.account, &member.user)?;
    if group.is_some() {
        groups::require_groups(ctx, &member.account, "/group")?;
    }
    let others = match ctx.policies(Some(&member.account))?.role_scope {
        RoleScope::Membership => Vec::new(),
        RoleScope::Package => return Err(by_package(&member.account)),
        RoleScope::User => {
            let all = roles_in_team(ctx, &member.account, &member.user)?;
            all.into_iter()
                .filter(|other| other.account != member.account)
                .collect()
        }
    };
    roles::load_for(ctx, role, &member.account, "/role")?;
    for other in &others {
        if !reach::holds_in(ctx, &other.account, "users.edit_role")? {
            return Err(spans_accounts(&member.user));
        }
        refuse_stronger_in(ctx, &other.account, &other.user)?;
    }
    let (account, user) = (member.account.clone(), member.user.clone());
    let mut shown = None;
    for mut member in std::iter::once(member).chain(others) {
        refuse_escalation(ctx, &member.account, role)?;
        let group = if member.account == account {
            group.clone()
        } else {
            None
        };
        give_role(ctx, &mut member, role.clone(), group)?;
        let saved = save(ctx, member)?;
        shown.get_or_insert(saved);
    }
    shown.ok_or_else(|| Error::not_found("member", user.as_str()))
}

impl Operation for SetRole {
    type Answer = Member;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        let member = load_seen(ctx, &self.account, &self.user)?;
        check_rev(self.expected_rev, member.rev)?;
        set_role(ctx, member, &self.role, self.group)
    }
}

impl Operation for Remove {
    type Answer = MemberRemoved;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<MemberRemoved, Error> {
        let member = load_seen(ctx, &self.account, &self.user)?;
        remove(ctx, &member, self.resources_to.as_ref())
    }
}

fn remove(
    ctx: &mut Ctx<'_>,
    member: &model::Member,
    resources_to: Option<&ResourcesTo>,
) -> Result<MemberRemoved, Error> {
    if member.owner {
        return Err(Error::new(
            Code::OwnerTransferRequired,
            format!("`{}` owns `{}`", member.user, member.account),
        )
        .at("/user"));
    }
    refuse_stronger_in(ctx, &member.account, &member.user)?;
    let gone = leave(ctx, member, resources_to)?;
    // Whether they are in accounts of others is nobody's business.
    let user_deleted = gone || !reach::sees(ctx, &member.user)?;
    Ok(MemberRemoved {
        account: member.account.clone(),
        user: member.user.clone(),
        user_deleted,
    })
}

fn set_disabled(
    ctx: &mut Ctx<'_>,
    mut member: model::Member,
    disabled: bool,
) -> Result<Member, Error> {
    reach::refuse_self(ctx, &member.user, "disables or enables")?;
    refuse_stronger_in(ctx, &member.account, &member.user)?;
    if member.disabled == disabled {
        return shown(ctx, member);
    }
    if disabled {
        sessions::end_log_ins_as(ctx, &member.user, Some(&member.account))?;
    }
    let user = users::load(ctx, &member.user, "/user")?;
    let was_idle = people::is_idle(&member, &user);
    member.disabled = disabled;
    if people::is_idle(&member, &user) != was_idle {
        change_seat(ctx, &member.account, &user, !was_idle)?;
    }
    save(ctx, member)
}

impl Operation for Disable {
    type Answer = Member;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        let member = load_seen(ctx, &self.account, &self.user)?;
        set_disabled(ctx, member, true)
    }
}

impl Operation for Enable {
    type Answer = Member;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        let member = load_seen(ctx, &self.account, &self.user)?;
        set_disabled(ctx, member, false)
    }
}

impl Operation for Bulk {
    type Answer = MemberBulk;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<MemberBulk, Error> {
        // What the single operations need: a status is never changed by who may merely edit.
        let (permission, of_operators) = match self.action {
            MemberAction::SetRole => ("users.edit_role", "clients.edit"),
            MemberAction::SetGroup => ("groups.members.add", "clients.edit"),
            MemberAction::Disable | MemberAction::Enable => ("users.disable", "clients.status"),
            MemberAction::Remove => ("users.revoke_account", "clients.edit"),
        };
        ctx.require(&self.account, permission, of_operators)?;
        if matches!(ctx.actor, Actor::Operator { .. }) {
            ctx.require_as_operator("clients.bulk")?;
        }
        accounts::load(ctx, &self.account, "/account")?;
        self.check()?;
        // What is wrong with the group is wrong for all of them.
        let into = match &self.group {
            Some(group) => Some(Destination::open(
                ctx,
                &self.account,
                group,
                self.resources,
            )?),
            None => None,
        };
        let mut answer = MemberBulk {
            done: 0,
            results: Vec::with_capacity(self.users.len()),
        };
        for (at, user) in self.users.iter().enumerate() {
            let problem = match ctx.attempt(|ctx| self.one(ctx, user, into.as_ref())) {
                Ok(()) => {
                    answer.done += 1;
                    None
                }
                Err(error) if self.atomic => {
                    return Err(error.at(format!("/users/{at}")).with("user", user.as_str()));
                }
                Err(error)
                    if matches!(
                        error.code().class(),
                        Class::Store | Class::Handle | Class::Internal
                    ) =>
                {
                    return Err(error);
                }
                Err(error) => Some(MemberProblem {
                    code: error.code(),
                    message: error.message().to_owned(),
                }),
            };
            answer.results.push(MemberBulkResult {
                user: user.clone(),
                problem,
            });
        }
        Ok(answer)
    }
}

impl Bulk {
    /// Refuses what does not go with the action.
    fn check(&self) -> Result<(), Error> {
        if !(1..=MOST_BULK).contains(&self.users.len()) {
            return Err(Error::invalid(
                "/users",
                format!("1 to {MOST_BULK} users, there are {}", self.users.len()),
            ));
        }
        if (self.action == MemberAction::SetRole) != self.role.is_some() {
            return Err(Error::invalid(
                "/role",
                "a `role` goes with the action `set_role`, and with no other",
            ));
        }
        if (self.action == MemberAction::SetGroup) != self.group.is_some() {
            return Err(Error::invalid(
                "/group",
                "a `group` goes with the action `set_group`, and with no other",
            ));
        }
        if self.action != MemberAction::SetGroup && self.resources.is_some() {
            return Err(Error::invalid(
                "/resources",
                "this goes with the action `set_group` alone",
            ));
        }
        if self.action != MemberAction::Remove && self.resources_to.is_some() {
            return Err(Error::invalid(
                "/resources_to",
                "this goes with the action `remove` alone",
            ));
        }
        Ok(())
    }

    fn one(&self, ctx: &mut Ctx<'_>, user: &Id, into: Option<&Destination>) -> Result<(), Error> {
        if let Some(into) = into {
            return into.put(ctx, user);
        }
        let member = load_seen(ctx, &self.account, user)?;
        match (self.action, &self.role) {
            (MemberAction::SetRole, Some(role)) => set_role(ctx, member, role, None).map(drop),
            (MemberAction::SetRole, None) => Err(Error::invalid("/role", "name the role")),
            (MemberAction::SetGroup, _) => Err(Error::invalid("/group", "name the group")),
            (MemberAction::Disable, _) => set_disabled(ctx, member, true).map(drop),
            (MemberAction::Enable, _) => set_disabled(ctx, member, false).map(drop),
            (MemberAction::Remove, _) => remove(ctx, &member, self.resources_to.as_ref()).map(drop),
        }
    }
}
