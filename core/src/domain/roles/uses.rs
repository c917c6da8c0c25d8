//! Who uses a role.

use crate::access::request::Ctx;
use crate::domain::members;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::SCAN_STEP;
use crate::model::{Actor, Id, Invitation, PermissionTree, Replaceable, Role, TEAM_PERMISSION};
use crate::rules::role::PermissionSet;
use crate::tables::replacements::names_of;
use crate::tables::roles::{is_used_by, stored_id, use_spans, without_repeats};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// How members use roles: the one that they have, and the one that they will have again.
pub(crate) const USES_OF_MEMBERS: [&str; 2] = ["member", "next_role"];
/// How many users of a role a refusal names.
pub(crate) const MAX_USES: usize = 10;
/// How many it counts.
pub(crate) const USES_COUNTED: usize = 10_000;

/// The accounts in which somebody has a role, or gets it: as a member, now or again, by an open
/// invitation, or by default.
pub(crate) fn accounts_of(ctx: &mut Ctx<'_>, role: &Id) -> Result<Vec<Id>, Error> {
    let mut found = Vec::new();
    for name in names_of(&mut ctx.tx, Replaceable::Role, role)? {
        for kind in USES_OF_MEMBERS {
            // However many members of an account have the role, one of them is looked at.
            let (mut from, until) = keys::range(keys::ROLE_USE, &[name.as_str(), kind]);
            while let Some((key, ())) = ctx.tx.range::<()>(&from, &until, 1)?.pop() {
                let Some((account, _)) = keys::last_pair(&key) else {
                    break;
                };
                from = keys::range(keys::ROLE_USE, &[name.as_str(), kind, account.as_str()]).1;
                found.push(account);
            }
        }
    }
    for used_by in uses_of(ctx, role, &["account"], usize::MAX)? {
        found.extend(
            used_by
                .last()
                .map(|account| stored_id(account))
                .transpose()?,
        );
    }
    for used_by in uses_of(ctx, role, &["invitation"], usize::MAX)? {
        let Some(id) = used_by.last() else { continue };
        let Some(invitation) = ctx
            .tx
            .get::<Invitation>(&keys::invitation(&stored_id(id)?))?
        else {
            continue;
        };
        found.extend(
            invitation
                .grants
                .into_iter()
                .filter(|grant| grant.role.as_ref() == Some(role))
                .map(|grant| grant.account),
        );
    }
    Ok(without_repeats(found))
}

/// A role where somebody has it, or reaches by it, and what the actor holds there.
pub(crate) struct Place {
    pub(crate) role: Id,
    pub(crate) held: PermissionSet,
    /// Whether it is an account below one where somebody has the role: only one that lets them
    /// reach it gives anything there.
    pub(crate) is_descendant: bool,
}

impl Place {
    /// What permissions of somebody with the role come to here.
    pub(crate) fn of<'a>(
        &self,
        tree: &PermissionTree,
        permissions: &'a PermissionSet,
    ) -> Cow<'a, PermissionSet> {
        let reaches = tree
            .place(TEAM_PERMISSION)
            .is_some_and(|place| permissions.at(place).is_some());
        if self.is_descendant && !reaches {
            Cow::Owned(PermissionSet::none(tree))
        } else {
            Cow::Borrowed(permissions)
        }
    }
}

/// Where somebody has a role, or reaches by it, and what the actor holds there.
pub(crate) fn places_of(
    ctx: &mut Ctx<'_>,
    role: &Id,
    bound: &PermissionSet,
) -> Result<Vec<Place>, Error> {
    let place = |held, is_descendant| Place {
        role: role.clone(),
        held,
        is_descendant,
    };
    if let Actor::Operator { .. } = ctx.actor {
        let used = is_used_by(&mut ctx.tx, role, &["operator"])?;
        return Ok(used
            .then(|| place(bound.clone(), false))
            .into_iter()
            .collect());
    }
    let everything = PermissionSet::all(&ctx.tree());
    let mut places = Vec::new();
    for account in accounts_of(ctx, role)? {
        places.extend(ctx.nominal_in(&account)?.map(|held| place(held, false)));
        if ctx.may_manage_tree(&account, &everything)? {
            let mut descendants = Vec::new();
            ctx.nominal_of_descendants(&account, &mut descendants)?;
            places.extend(descendants.into_iter().map(|held| place(held, true)));
        }
    }
    Ok(places)
}

/// What uses a role, or what of a kind does: for each the kind, then ids.
pub(crate) fn uses_of(
    ctx: &mut Ctx<'_>,
    role: &Id,
    kind: &[&str],
    most: usize,
) -> Result<Vec<Vec<String>>, Error> {
    let parts = |key: &[u8]| {
        key.split(|byte| *byte == 0)
            .skip(2)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect()
    };
    let mut uses = Vec::new();
    for (from, until) in use_spans(&mut ctx.tx, role, kind)? {
        let rows = ctx.tx.range::<()>(&from, &until, most - uses.len())?;
        uses.extend(rows.iter().map(|(key, ())| parts(key)));
    }
    Ok(uses)
}

/// How many uses of a role there are, and of which kinds.
pub(crate) fn count_uses(ctx: &mut Ctx<'_>, role: &Id) -> Result<(u64, BTreeSet<String>), Error> {
    let (mut counted, mut kinds) = (0, BTreeSet::new());
    for (mut from, until) in use_spans(&mut ctx.tx, role, &[])? {
        loop {
            let rows = ctx.tx.range::<()>(&from, &until, SCAN_STEP)?;
            counted += rows.len() as u64;
            kinds.extend(
                rows.iter()
                    .filter_map(|(key, ())| keys::part(key, 2).map(str::to_owned)),
            );
            match rows.last() {
                Some((last, ())) if rows.len() == SCAN_STEP => {
                    from = [last.as_slice(), &[0]].concat()
                }
                _ => break,
            }
        }
    }
    Ok((counted, kinds))
}

/// A role in use is not deleted (R-ROL-8). Who uses it is named as far as the actor can see it, and
/// counted as far as counting does not take long.
pub(crate) fn refuse_used(ctx: &mut Ctx<'_>, role: &Id) -> Result<(), Error> {
    let mut uses = uses_of(ctx, role, &[], USES_COUNTED)?;
    if uses.is_empty() {
        return Ok(());
    }
    // Under whichever name they were found.
    uses.sort();
    let mut shown = Vec::new();
    for used_by in uses.iter().take(MAX_USES) {
        if sees_use(ctx, used_by)? {
            shown.push(used_by.join(" "));
        }
    }
    let error = Error::new(
        Code::RoleInUse,
        format!(
            "The role `{role}` is used in {} places; name a role in `replace_with`.",
            uses.len()
        ),
    )
    .at("/role");
    Err(error.with("uses", uses.len()).with("used_by", shown))
}

/// Host and operators see every use, a user those of the accounts that they reach, but for members
/// who are not there to them.
fn sees_use(ctx: &mut Ctx<'_>, used_by: &[String]) -> Result<bool, Error> {
    let Actor::User { account: home, .. } = ctx.actor else {
        return Ok(true);
    };
    let is_of_member = |kind: &String| USES_OF_MEMBERS.contains(&kind.as_str());
    let account = match used_by {
        [kind, role] if kind == "role" || kind == "trial" => ctx
            .tx
            .get::<Role>(&keys::role(&stored_id(role)?))?
            .and_then(|role| role.account),
        [kind, account, ..] if is_of_member(kind) || kind == "account" => Some(stored_id(account)?),
        _ => None,
    };
    let Some(account) = account.filter(|account| account == home || ctx.member_in(account).is_ok())
    else {
        return Ok(false);
    };
    match used_by {
        [kind, _, user] if is_of_member(kind) => {
            Ok(members::show::find(ctx, &account, &stored_id(user)?)?.is_some())
        }
        _ => Ok(true),
    }
}
