//! Somebody becomes, is, or ceases to be a member.

use crate::access::escalation::members::{disabled_owner, refuse_ownership, refuse_shared_owner};
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::members::Member;
use crate::domain;
use crate::domain::members::show::answer_of;
use crate::domain::{limits, resources, roles};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{self, BuiltIn, ChildOwner, Id, Limit, LimitName, ResourcesTo, RoleScope};
use crate::tables::accounts::{self, account_line};
use crate::tables::invitations::{self, open_invitations};
use crate::tables::members::{self, Members, invalidate, load};
use crate::tables::{api_keys, groups, people, sessions, users};

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
    /// When the membership is disabled by itself.
    pub(crate) until_ms: Option<u64>,
}

impl Place {
    /// The place of a member of whom nothing more is said.
    pub(crate) const MEMBER: Place = Place {
        role: None,
        owner: false,
        group: None,
        disabled: false,
        until_ms: None,
    };
    /// The place of the owner, who has neither role nor group.
    pub(crate) const OWNER: Place = Place {
        owner: true,
        ..Place::MEMBER
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
            format!(
                "`{}` is an operator of the platform and cannot be a member; name another user.",
                user.id
            ),
        )
        .at("/user"));
    }
    if place.owner && user.disabled {
        return Err(disabled_owner(user).at("/user"));
    }
    refuse_shared_owner(ctx, account, &user.id, place.owner)?;
    invitations::supersede(&mut ctx.tx, account, user)?;
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
        // Saving makes it 1.
        rev: 0,
        created_at_ms: ctx.now_ms,
        updated_at_ms: ctx.now_ms,
        groups: Vec::new(),
        until_ms: place.until_ms,
        next_role: None,
    };
    if !people::is_idle(&member, user) {
        check_seats(ctx, account, Some(&user.id))?;
    }
    regroup(ctx, &mut member, place.group)?;
    let member = members::save(&mut ctx.tx, member)?;
    people::join(&mut ctx.tx, &member, user)?;
    invalidate(&mut ctx.tx, account)?;
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

pub(crate) fn by_package(account: &Id) -> Error {
    Error::new(
        Code::RoleByPackage,
        format!("In `{account}` the package decides the role; leave out `role`."),
    )
    .at("/role")
}

pub(crate) fn spans_accounts(user: &Id) -> Error {
    let message = format!(
        "`{user}` has one role in all accounts of the team; ask somebody who administers all of \
         them to change it."
    );
    Error::new(Code::RoleSpansAccounts, message).at("/role")
}

/// The memberships of a user in the team of an account, without those as an owner.
pub(crate) fn roles_in_team(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
) -> Result<Vec<model::Member>, Error> {
    let top = visibility::top_of(ctx, account)?;
    let mut found = Vec::new();
    if people::seats_of(&mut ctx.tx, &top, user)? == 0 {
        return Ok(found);
    }
    for other in users::accounts_of(&mut ctx.tx, user, usize::MAX)? {
        if visibility::top_of(ctx, &other)? == top {
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
    resources::reassign(ctx, &member.account, &member.user, resources_to)?;
    erase(ctx, member)
}

/// Ends a membership; answers whether the user went with it.
pub(crate) fn erase(ctx: &mut Ctx<'_>, member: &model::Member) -> Result<bool, Error> {
    ctx.tx.erase::<Members>(member)?;
    ctx.tx
        .delete(keys::member_allow_list(&member.account, &member.user));
    api_keys::end_all_of(&mut ctx.tx, &member.account, &member.user)?;
    sessions::end_log_ins_as(&mut ctx.tx, &member.user, Some(&member.account))?;
    invalidate(&mut ctx.tx, &member.account)?;
    let user = users::load(&mut ctx.tx, &member.user, "/user")?;
    people::leave(&mut ctx.tx, member, &user)?;
    let last = users::memberships_of(&mut ctx.tx, &member.user, 1)?.is_empty();
    if last {
        let team = visibility::top_of(ctx, &member.account)?;
        domain::invitations::records::forget(ctx, &user, Some(&team))?;
        domain::users::erase(ctx, &user)?;
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
            "The owner and the administrators are in no group; leave out `group`.",
        )
        .at("/group"));
    }
    let group = match (named, &member.group) {
        _ if member.owner || member.administrator => None,
        (Some(group), _) => Some(groups::load(&mut ctx.tx, &member.account, &group, "/group")?.id),
        (None, Some(group)) => Some(group.clone()),
        (None, None) => {
            Some(accounts::load(&mut ctx.tx, &member.account, "/account")?.default_group)
        }
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
            .map_err(Error::internal),
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
    let record = accounts::load(&mut ctx.tx, account, "/account")?;
    if record.owner.as_ref() == Some(to) {
        return Ok(record);
    }
    refuse_ownership(ctx, account, "/account")?;
    load(&mut ctx.tx, account, to)?;
    if let Some(parent) = &record.parent
        && ctx.policies(Some(account))?.child_owner == ChildOwner::Parents
        && accounts::load(&mut ctx.tx, parent, "/account")?
            .owner
            .as_ref()
            != Some(to)
    {
        let error = Error::new(
            Code::PolicyForbids,
            format!(
                "`{account}` has the owner of the account above it; transfer that account instead."
            ),
        );
        return Err(error.at("/account").with("policy", "child_owner"));
    }
    let old = record.owner.clone();
    let mut open = vec![record];
    while let Some(account) = open.pop() {
        for child in accounts::children_of(&mut ctx.tx, &account.id)? {
            let child = accounts::load(&mut ctx.tx, &child, "/account")?;
            if child.owner == old
                && ctx.policies(Some(&child.id))?.child_owner == ChildOwner::Parents
            {
                open.push(child);
            }
        }
        pass_ownership(ctx, account, to, old_owner_role.clone())?;
    }
    accounts::load(&mut ctx.tx, account, "/account")
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
        let mut leaving = load(&mut ctx.tx, &account.id, &old)?;
        leaving.owner = false;
        // Who was disabled keeps no seat as an ordinary member.
        let user = users::load(&mut ctx.tx, &old, "/user")?;
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
            let user = users::load(&mut ctx.tx, to, "/user")?;
            create(ctx, &account.id, &user, Place::OWNER)?;
        }
    }
    accounts::save(&mut ctx.tx, account)
}

/// A member becomes the owner of their account (R-TEA-5). The account itself is not written.
pub(crate) fn own(ctx: &mut Ctx<'_>, mut member: model::Member) -> Result<(), Error> {
    let user = users::load(&mut ctx.tx, &member.user, "/user")?;
    if user.disabled {
        return Err(disabled_owner(&user).at("/user"));
    }
    if member.disabled {
        let message = format!(
            "The membership of `{}` in `{}` is disabled; enable it first.",
            user.id, member.account
        );
        return Err(Error::new(Code::MemberDisabled, message).at("/user"));
    }
    refuse_shared_owner(ctx, &member.account, &member.user, true)?;
    member.role = None;
    // An account always has an owner.
    (member.until_ms, member.next_role) = (None, None);
    member.owner = true;
    member.administrator = false;
    regroup(ctx, &mut member, None)?;
    save(ctx, member).map(drop)
}

/// Whether there is a seat for one more in the account and in every account above (R-INV-9).
///
/// A user who holds one already takes none; open invitations take one each.
pub(crate) fn check_seats(ctx: &mut Ctx<'_>, account: &Id, user: Option<&Id>) -> Result<(), Error> {
    for ancestor in account_line(&mut ctx.tx, account)? {
        let has_one = match user {
            Some(user) => people::holds_seat(&mut ctx.tx, &ancestor.id, user)?,
            None => false,
        };
        let seats = seats(ctx, &ancestor.id)?.ceiling();
        if has_one || seats == u64::MAX {
            continue;
        }
        let taken = seats_taken(ctx, &ancestor.id, seats)?;
        if taken >= seats {
            let error = Error::new(
                Code::SeatsExhausted,
                format!(
                    "All {seats} seats of `{}` are taken; free one, or raise the limit.",
                    ancestor.id
                ),
            );
            return Err(error
                .with("account", ancestor.id.as_str())
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
    Ok(
        people::seats_held(&mut ctx.tx, account)?.saturating_add(open_invitations(
            &mut ctx.tx,
            account,
            most,
        )?),
    )
}

/// A membership that is disabled gives its seat back, and one that is enabled asks for one
/// (R-INV-9). Not written here.
pub(crate) fn change_seat(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &model::User,
    idle: bool,
) -> Result<(), Error> {
    let record: Option<model::Account> = ctx.tx.get(&keys::account(account))?;
    if !idle && record.is_some_and(|account| !account.leaving) {
        check_seats(ctx, account, Some(&user.id)).map_err(|error| error.at("/user"))?;
    }
    people::set_idle(&mut ctx.tx, account, user, idle)
}

/// Disables or enables a membership, whoever asks for it. Not written here.
pub(crate) fn put_disabled(
    ctx: &mut Ctx<'_>,
    member: &mut model::Member,
    disabled: bool,
) -> Result<(), Error> {
    if disabled {
        sessions::end_log_ins_as(&mut ctx.tx, &member.user, Some(&member.account))?;
    }
    let user = users::load(&mut ctx.tx, &member.user, "/user")?;
    let was_idle = people::is_idle(member, &user);
    member.disabled = disabled;
    if people::is_idle(member, &user) != was_idle {
        change_seat(ctx, &member.account, &user, !was_idle)?;
    }
    Ok(())
}

/// Writes a member who was changed, for whoever reaches the account.
pub(crate) fn save(ctx: &mut Ctx<'_>, member: model::Member) -> Result<Member, Error> {
    let member = members::save(&mut ctx.tx, member)?;
    invalidate(&mut ctx.tx, &member.account)?;
    answer_of(ctx, member)
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
