//! Groups of users (R-GRP-1 to R-GRP-8).

use crate::access::escalation;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::groups::{
    AddMembers, ClearAvatar, Create, Delete, Get, Group, GroupChannel, GroupDeleted, GroupList,
    GroupMove, GroupResources, GroupUsage, List, MakeDefault, RemoveMembers, Rename, SetAvatar,
    SetCaps, TransferMembers, Usage,
};
use crate::api::operation::Effect;
use crate::domain::members;
use crate::domain::usage::windows::window_of;
use crate::error::{Code, Error};
use crate::kernel::page::page;
use crate::kernel::revision::check_rev;
use crate::kernel::{Lowered, keys};
use crate::model::{self, Actor, CapPeriod, Channel, Count, GroupCaps, Id, Name};
use crate::rules::group::check_avatar;
use crate::sending::credits;
use crate::tables::groups::{Groups, dangling, load};
use crate::tables::{self, accounts, resources};
use std::collections::BTreeSet;

/// The id of the group that an account starts with (R-GRP-1).
const DEFAULT: &str = "default";
/// Its name until somebody renames it.
const DEFAULT_NAME: &str = "Default";
/// Most members that are named in one call.
const MOST_NAMED: usize = 500;

/// Makes the group that a new account starts with (R-GRP-1).
pub(crate) fn create_default(ctx: &mut Ctx<'_>, account: &Id) -> Result<Id, Error> {
    let broken = Error::internal;
    let id = Id::new(DEFAULT).map_err(broken)?;
    let name = Name::new(DEFAULT_NAME).map_err(broken)?;
    create(ctx, account, id.clone(), name, GroupCaps::default())?;
    Ok(id)
}

/// Writes a new group.
fn create(
    ctx: &mut Ctx<'_>,
    account: &Id,
    id: Id,
    name: Name,
    caps: GroupCaps,
) -> Result<model::Group, Error> {
    let group = model::Group {
        id,
        account: account.clone(),
        name,
        caps,
        has_avatar: false,
        rev: 1,
        created_at_ms: ctx.now_ms,
        updated_at_ms: ctx.now_ms,
    };
    ctx.tx.save::<Groups>(&group)?;
    Ok(group)
}

/// The groups that a user was in when they sent something; none where the account has no groups by
/// policy.
pub(crate) fn of_sender_at(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
    at_ms: u64,
) -> Result<Vec<Id>, Error> {
    let member: Option<model::Member> = if ctx.policies(Some(account))?.groups {
        ctx.tx.get(&keys::member(account, user))?
    } else {
        None
    };
    Ok(member
        .map(|member| member.groups_at(at_ms))
        .unwrap_or_default())
}

/// Reads the account. Where it has no groups by policy, nothing is done with them; the host alone
/// may look at what is there.
pub(crate) fn enter(
    ctx: &mut Ctx<'_>,
    account: &Id,
    effect: Effect,
) -> Result<model::Account, Error> {
    let account = accounts::load(&mut ctx.tx, account, "/account")?;
    let host_looks = effect == Effect::Read && *ctx.actor == Actor::System;
    if !host_looks {
        require_groups(ctx, &account.id, "/account")?;
    }
    Ok(account)
}

/// Refuses to do anything with groups in an account that has none by policy.
pub(crate) fn require_groups(ctx: &mut Ctx<'_>, account: &Id, field: &str) -> Result<(), Error> {
    if ctx.policies(Some(account))?.groups {
        return Ok(());
    }
    Err(Error::new(
        Code::PolicyForbids,
        format!("By policy `{account}` has no groups; set the policy `groups` to have them."),
    )
    .at(field)
    .with("policy", "groups"))
}

/// Reads a group that is to be changed.
fn open(
    ctx: &mut Ctx<'_>,
    account: &Id,
    group: &Id,
    expected_rev: Option<Count>,
) -> Result<(model::Account, model::Group), Error> {
    let account = enter(ctx, account, Effect::Write)?;
    let group = load(&mut ctx.tx, &account.id, group, "/group")?;
    check_rev(expected_rev, group.rev)?;
    Ok((account, group))
}

fn answer_of(
    ctx: &mut Ctx<'_>,
    account: &model::Account,
    group: model::Group,
    cap_period: CapPeriod,
) -> Result<Group, Error> {
    Ok(Group {
        is_default: group.id == account.default_group,
        members: ctx.tx.count(&keys::group_tally(&account.id, &group.id))?,
        id: group.id,
        account: group.account,
        name: group.name,
        caps: group.caps,
        cap_period,
        has_avatar: group.has_avatar,
        avatar: None,
        rev: group.rev,
        created_at_ms: group.created_at_ms,
        updated_at_ms: group.updated_at_ms,
    })
}

fn show(ctx: &mut Ctx<'_>, account: &model::Account, group: model::Group) -> Result<Group, Error> {
    let period = ctx.policies(Some(&account.id))?.group_cap_period;
    answer_of(ctx, account, group, period)
}

fn save(
    ctx: &mut Ctx<'_>,
    account: &model::Account,
    mut group: model::Group,
) -> Result<Group, Error> {
    group.rev += 1;
    group.updated_at_ms = ctx.now_ms;
    ctx.tx.save::<Groups>(&group)?;
    // Its cap is part of what its members' sending is prepared with.
    ctx.tx.invalidate_account(&account.id);
    show(ctx, account, group)
}

impl Operation for Create {
    type Answer = Group;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Group, Error> {
        let account = enter(ctx, &self.account, Effect::Write)?;
        if self.caps.is_some() {
            ctx.require(&account.id, "groups.limit", "clients.edit")?;
        }
        let id = ctx.new_id(
            self.id,
            keys::GROUP,
            |id| keys::group(&self.account, id),
            "group",
        )?;
        if ctx.tx.has(&keys::group_tombstone(&account.id, &id))? {
            return Err(Error::new(
                Code::IdTaken,
                format!("The id `{id}` belonged to another group; choose a new one."),
            )
            .at("/id"));
        }
        let group = create(
            ctx,
            &account.id,
            id,
            self.name,
            self.caps.unwrap_or_default(),
        )?;
        show(ctx, &account, group)
    }
}

impl Operation for Get {
    type Answer = Group;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Group, Error> {
        let account = enter(ctx, &self.account, Effect::Read)?;
        let group = load(&mut ctx.tx, &account.id, &self.group, "/group")?;
        let avatar = ctx.tx.get(&keys::avatar(&account.id, &group.id))?;
        Ok(Group {
            avatar,
            ..show(ctx, &account, group)?
        })
    }
}

impl Operation for Usage {
    type Answer = GroupUsage;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<GroupUsage, Error> {
        let account = enter(ctx, &self.account, Effect::Read)?;
        let group = load(&mut ctx.tx, &account.id, &self.group, "/group")?;
        ctx.at_one_moment(|ctx| usage_of(ctx, &account.id, &group.id))
    }
}

/// What a group has used of its caps, and what of its reserve.
fn usage_of(ctx: &mut Ctx<'_>, account: &Id, group: &Id) -> Result<GroupUsage, Error> {
    let cell = ctx.engine.cell(account)?;
    let mut channels = Vec::new();
    for channel in Channel::ALL {
        let prepared = ctx.engine.prepare_group(&cell, group, channel)?;
        let (reserve, credits_spent) = credits::of_group(ctx, account, channel, group)?;
        let readings = prepared.readings(ctx.engine, 1)?;
        channels.extend(readings.into_iter().map(|reading| GroupChannel {
            channel,
            window: window_of(account, reading),
            reserve,
            credits_spent,
        }));
    }
    let group = group.clone();
    Ok(GroupUsage { group, channels })
}

impl Operation for List {
    type Answer = GroupList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<GroupList, Error> {
        let account = enter(ctx, &self.account, Effect::Read)?;
        let period = ctx.policies(Some(&account.id))?.group_cap_period;
        let (rows, next) = page::<model::Group>(
            ctx,
            keys::range(keys::GROUP, &[account.id.as_str()]),
            self.after.as_ref(),
            self.limit,
        )?;
        let groups = rows
            .into_iter()
            .map(|(_, group)| answer_of(ctx, &account, group, period))
            .collect::<Result<_, _>>()?;
        Ok(GroupList { groups, next })
    }
}

impl Operation for Rename {
    type Answer = Group;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Group, Error> {
        let (account, mut group) = open(ctx, &self.account, &self.group, self.expected_rev)?;
        group.name = self.name;
        save(ctx, &account, group)
    }
}

impl Operation for SetAvatar {
    type Answer = Group;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Group, Error> {
        let (account, mut group) = open(ctx, &self.account, &self.group, self.expected_rev)?;
        check_avatar(&self.avatar)?;
        ctx.tx
            .put(keys::avatar(&account.id, &group.id), &self.avatar)?;
        group.has_avatar = true;
        save(ctx, &account, group)
    }
}

impl Operation for ClearAvatar {
    type Answer = Group;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Group, Error> {
        let (account, mut group) = open(ctx, &self.account, &self.group, self.expected_rev)?;
        if !group.has_avatar {
            return show(ctx, &account, group);
        }
        ctx.tx.delete(keys::avatar(&account.id, &group.id));
        group.has_avatar = false;
        save(ctx, &account, group)
    }
}

impl Operation for SetCaps {
    type Answer = Group;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Group, Error> {
        let (account, mut group) = open(ctx, &self.account, &self.group, self.expected_rev)?;
        group.caps = self.caps.or(group.caps);
        ctx.tx.recheck_limits(Lowered::Account(account.id.clone()));
        save(ctx, &account, group)
    }
}

impl Operation for MakeDefault {
    type Answer = Group;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Group, Error> {
        let (mut account, group) = open(ctx, &self.account, &self.group, None)?;
        if account.default_group != group.id {
            account.default_group = group.id.clone();
            accounts::save(&mut ctx.tx, account.clone())?;
        }
        show(ctx, &account, group)
    }
}

impl Operation for Delete {
    type Answer = GroupDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<GroupDeleted, Error> {
        let (mut account, group) = open(ctx, &self.account, &self.group, self.expected_rev)?;
        if ctx.tx.count(&keys::tally(&account.id, "groups"))? <= 1 {
            return Err(Error::new(
                Code::LastGroup,
                format!("`{}` is the last group; make another first.", group.id),
            )
            .at("/group"));
        }
        let mut gone = GroupDeleted {
            account: account.id.clone(),
            group: group.id.clone(),
            members: 0,
            resources: 0,
        };
        match &self.to {
            Some(to) if *to == group.id => {
                return Err(Error::invalid(
                    "/to",
                    "Nothing can move to the group that is being deleted; name another in `to`.",
                ));
            }
            Some(to) => {
                let to = load(&mut ctx.tx, &account.id, to, "/to")?.id;
                let (from, until) = keys::range(
                    keys::GROUP_MEMBER,
                    &[account.id.as_str(), group.id.as_str()],
                );
                for (key, ()) in ctx.tx.range::<()>(&from, &until, usize::MAX)? {
                    let user = keys::last_id(&key).ok_or_else(|| dangling(&key))?;
                    let member = ctx
                        .tx
                        .get(&keys::member(&account.id, &user))?
                        .ok_or_else(|| dangling(&key))?;
                    move_member(ctx, member, &to)?;
                    gone.members += 1;
                }
                gone.resources = resources::regroup(&mut ctx.tx, &account.id, &group.id, &to)?;
                if account.default_group == group.id {
                    account.default_group = to;
                    accounts::save(&mut ctx.tx, account.clone())?;
                }
            }
            None => {
                let members = ctx.tx.count(&keys::group_tally(&account.id, &group.id))?;
                if account.default_group == group.id
                    || members > 0
                    || resources::any_in(&mut ctx.tx, &account.id, &group.id)?
                {
                    let error = Error::invalid(
                        "/to",
                        "The group is in use or is the default; name another group in `to`.",
                    );
                    return Err(error.with("members", members));
                }
            }
        }
        credits::release_group(ctx, &account.id, &group.id)?;
        ctx.tx.delete(keys::avatar(&account.id, &group.id));
        ctx.tx.erase::<Groups>(&group)?;
        ctx.tx
            .put(keys::group_tombstone(&account.id, &group.id), &self.to)?;
        ctx.tx.invalidate_account(&account.id);
        Ok(gone)
    }
}

/// Writes a member who came into a group. Nothing but the group changes: role and what is not
/// shared stay (R-GRP-7).
fn move_member(ctx: &mut Ctx<'_>, mut member: model::Member, to: &Id) -> Result<(), Error> {
    member.change_group(Some(to.clone()), ctx.now_ms);
    ctx.tx.invalidate_account(&member.account);
    tables::members::save(&mut ctx.tx, member).map(drop)
}

/// Moves members into a group, all of them or none; `from` is the group that they have to be in.
fn move_members(
    ctx: &mut Ctx<'_>,
    users: &[Id],
    from: Option<&Id>,
    to: model::Group,
    with: GroupResources,
) -> Result<GroupMove, Error> {
    let account = to.account;
    let mut moved = GroupMove {
        account: account.clone(),
        group: to.id,
        members: 0,
        resources: 0,
    };
    for member in named(ctx, &account, users, from)? {
        if let Some(resources) = move_with_resources(ctx, member, &moved.group, with)? {
            moved.members += 1;
            moved.resources += resources;
        }
    }
    Ok(moved)
}

/// Moves a member, and by what was asked for their resources, of which it answers how many; none
/// for who is in the group already.
fn move_with_resources(
    ctx: &mut Ctx<'_>,
    member: model::Member,
    to: &Id,
    with: GroupResources,
) -> Result<Option<u64>, Error> {
    let (account, user) = (member.account.clone(), member.user.clone());
    if member.group.as_ref() == Some(to) {
        return Ok(None);
    }
    move_member(ctx, member, to)?;
    match with {
        GroupResources::Follow => resources::follow(&mut ctx.tx, &account, &user, to).map(Some),
        GroupResources::Stay => Ok(Some(0)),
    }
}

/// Whether a member who comes into a group is transferred: neither in it already nor in the default
/// group.
fn is_transferred(member: &model::Member, account: &model::Account, to: &Id) -> bool {
    let comes_from = |id: &Id| member.group.as_ref() != Some(id);
    comes_from(&account.default_group) && comes_from(to)
}

/// One group that many members are put into, each by themself, by the rules of
/// [`groups.add_members`](AddMembers).
pub(crate) struct Destination {
    account: model::Account,
    group: Id,
    resources: GroupResources,
}

impl Destination {
    pub(crate) fn open(
        ctx: &mut Ctx<'_>,
        account: &Id,
        group: &Id,
        resources: Option<GroupResources>,
    ) -> Result<Destination, Error> {
        let (account, group) = open(ctx, account, group, None)?;
        Ok(Destination {
            account,
            group: group.id,
            resources: resources.unwrap_or(GroupResources::Follow),
        })
    }

    pub(crate) fn put(&self, ctx: &mut Ctx<'_>, user: &Id) -> Result<(), Error> {
        let member = movable(ctx, &self.account.id, user, None)?;
        if is_transferred(&member, &self.account, &self.group) {
            ctx.require(&self.account.id, "groups.members.transfer", "clients.edit")?;
        }
        move_with_resources(ctx, member, &self.group, self.resources).map(drop)
    }
}

/// The members of these names, each once; all of them plain members who can do no more than the
/// actor, and in `from` where it is given.
fn named(
    ctx: &mut Ctx<'_>,
    account: &Id,
    users: &[Id],
    from: Option<&Id>,
) -> Result<Vec<model::Member>, Error> {
    if !(1..=MOST_NAMED).contains(&users.len()) {
        return Err(Error::invalid(
            "/users",
            format!("Name 1 to {MOST_NAMED} members, not {}.", users.len()),
        ));
    }
    let mut seen = BTreeSet::new();
    let mut members = Vec::new();
    for (place, user) in users.iter().enumerate() {
        if !seen.insert(user) {
            continue;
        }
        let member = movable(ctx, account, user, from);
        members.push(member.map_err(|error| error.at(format!("/users/{place}")))?);
    }
    Ok(members)
}

/// A plain member who can do no more than the actor, and is in `from` where it is given.
fn movable(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
    from: Option<&Id>,
) -> Result<model::Member, Error> {
    let member = members::show::find(ctx, account, user)?
        .ok_or_else(|| Error::not_found("member", user.as_str()).at("/user"))?;
    let Some(group) = &member.group else {
        return Err(Error::new(
            Code::AdminHasNoGroup,
            format!("`{user}` is an owner or administrator and in no group; leave it out."),
        ));
    };
    if let Some(from) = from.filter(|from| *from != group) {
        return Err(Error::invalid(
            "/user",
            format!("`{user}` is not in the group `{from}`; name one of its members."),
        ));
    }
    escalation::members::refuse_stronger_in(ctx, account, user)?;
    Ok(member)
}

impl Operation for AddMembers {
    type Answer = GroupMove;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<GroupMove, Error> {
        let (account, group) = open(ctx, &self.account, &self.group, None)?;
        if named(ctx, &account.id, &self.users, None)?
            .iter()
            .any(|member| is_transferred(member, &account, &group.id))
        {
            ctx.require(&account.id, "groups.members.transfer", "clients.edit")?;
        }
        move_members(
            ctx,
            &self.users,
            None,
            group,
            self.resources.unwrap_or(GroupResources::Follow),
        )
    }
}

impl Operation for RemoveMembers {
    type Answer = GroupMove;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<GroupMove, Error> {
        let (account, group) = open(ctx, &self.account, &self.group, None)?;
        let to = load(
            &mut ctx.tx,
            &account.id,
            self.to.as_ref().unwrap_or(&account.default_group),
            "/to",
        )?;
        if to.id == group.id {
            return Err(Error::invalid(
                "/to",
                "The member is in that group already; name another in `to`.",
            ));
        }
        if to.id != account.default_group && group.id != account.default_group {
            ctx.require(&account.id, "groups.members.transfer", "clients.edit")?;
        }
        move_members(
            ctx,
            &self.users,
            Some(&group.id),
            to,
            self.resources.unwrap_or(GroupResources::Follow),
        )
    }
}

impl Operation for TransferMembers {
    type Answer = GroupMove;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<GroupMove, Error> {
        let (account, to) =
            open(ctx, &self.account, &self.to, None).map_err(|error| match error.field() {
                Some("/group") => error.at("/to"),
                _ => error,
            })?;
        if let Some(from) = &self.from_group {
            load(&mut ctx.tx, &account.id, from, "/from_group")?;
        }
        move_members(
            ctx,
            &self.users,
            self.from_group.as_ref(),
            to,
            self.resources,
        )
    }
}
