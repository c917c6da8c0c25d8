//! Roles: of the platform, and of accounts' own (R-ROL-1, R-ROL-3, R-ROL-4, R-ROL-6 to R-ROL-8).

use super::{Operation, accounts, members, unknown_permission};
use crate::engine::Ctx;
use crate::engine::authority::TEAM_PERMISSION;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::page_size;
use crate::kernel::revision::check_rev;
use crate::model::{
    self, Actor, BuiltIn, Count, Grant, Id, Invitation, Name, Operator, Package, PermissionTree,
    Role,
};
use crate::rules::role::{Powers, role_powers};
use crate::tables::accounts::account_line;
use crate::tables::invitations::Invitations;
use crate::tables::members::Members;
use crate::tables::operators::Operators;
use crate::tables::packages::Packages;
use crate::tables::roles::Roles;
use crate::tables::roles::{load_role, role_with_includes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashSet;

/// Most grants, denials or includes of one role.
const MOST_ENTRIES: usize = 1000;
/// How many users of a role a refusal names.
const USES_SHOWN: usize = 10;
/// How many it counts.
const USES_COUNTED: usize = 10_000;

/// Makes a role: of an account's own, or of the platform, which host and operators alone make
/// (R-ROL-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The host's own id; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The account whose own it is, to be used there and below. When absent: for a user the account
    /// that they act in, for host and operators the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// The permissions that it allows, at most 1000 lines.
    #[serde(default)]
    pub allow: Vec<Grant>,
    /// The permissions that it denies, at most 1000; a denial wins over every grant.
    #[serde(default)]
    pub deny: Vec<Id>,
    /// The roles whose grants and denials it takes in, at most 1000; each must be usable where this
    /// one is.
    #[serde(default)]
    pub includes: Vec<Id>,
}

/// Makes a role like another: built in, of the platform, or of an account (R-ROL-4). The copy of
/// one of administrators is one of administrators.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// The role to copy.
    pub role: Id,
    /// The host's own id for the copy; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The account whose own the copy is. When absent: for a user the account that they act in, for
    /// host and operators the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// The name that people see; that of the original when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
}

/// Changes a role; acts at once for everyone who has it (R-ROL-6). What is absent stays. The
/// built-in ones are copied instead (R-ROL-4), and nobody changes a role that allows more than they
/// hold, nor takes by it from those whose role includes it and allows more (R-ROL-7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The role.
    pub role: Id,
    /// The name that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The permissions that it allows, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<Grant>>,
    /// The permissions that it denies, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<Vec<Id>>,
    /// The roles that it includes, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub includes: Option<Vec<Id>>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Reads a role. One of an account that the actor cannot see is `not_found`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The role.
    pub role: Id,
}

/// Lists the roles that can be used in an account, by id, a page at a time: the built-in ones,
/// those of the platform, and those of the account and of the accounts above it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account. When absent: for a user the one that they act in; for host and operators only
    /// the built-in roles and those of the platform are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Id>,
    /// Go on after this id: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Id>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Deletes a role; one in use only when another takes its place (R-ROL-8). To be tried in the place
/// of another is a use too: such a trial is over when the role is replaced.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The role.
    pub role: Id,
    /// The role that takes its place everywhere; it must be usable wherever the other is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace_with: Option<Id>,
}

/// Tries another role in the place of one, without effect: who has the role may do what it allows
/// as before, and each check that the other would have refused is counted for `roles.trial`
/// (R-QTA-15). Not the built-in roles and not those of administrators; access as for `roles.edit`.
///
/// It counts for members who have the role itself, under the ceilings that bind them: not for
/// operators, owners, roles that include it, or packages. Counts are kept in memory, and begin anew
/// whenever a trial begins or the store is opened.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TryOut {
    /// The role.
    pub role: Id,
    /// The role to try, usable wherever the other is, and allowing no more than the actor holds
    /// (R-ROL-7). The trial is over when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Id>,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Reads what a role that is tried in the place of another would have refused (R-QTA-15).
/// `not_found` where none is tried.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The role in whose place another is tried.
    pub role: Id,
}

/// What a role that is tried would have refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleTrial {
    /// The role.
    pub role: Id,
    /// The role that is tried in its place.
    pub candidate: Id,
    /// Since when it is counted, in unix milliseconds: when the trial began, or when the store was
    /// opened since.
    pub since_ms: u64,
    /// What it would have refused, by permission.
    pub would_refuse: Vec<WouldRefuse>,
}

/// How often a role that is tried would have refused a permission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WouldRefuse {
    /// The permission.
    pub permission: Id,
    /// How many checks it would have refused. A send is one, however many messages it asks for; how
    /// far a permission reaches is not compared.
    pub count: u64,
}

/// A page of roles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleList {
    /// The roles.
    pub roles: Vec<Role>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Id>,
}

/// A role that was deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoleDeleted {
    /// The role.
    pub role: Id,
    /// In how many places another took its place.
    pub replaced: u64,
}

fn no_role(id: &Id, field: &str) -> Error {
    Error::not_found("role", id.as_str()).at(field)
}

/// Reads a role inside an operation.
pub(crate) fn load(ctx: &mut Ctx<'_>, id: &Id, field: &str) -> Result<Role, Error> {
    load_role(&mut ctx.tx, &ctx.engine.views.tree.load(), id)?.ok_or_else(|| no_role(id, field))
}

/// Reads a role of the platform, for what belongs to no account: packages and operators.
pub(crate) fn load_of_platform(ctx: &mut Ctx<'_>, id: &Id, field: &str) -> Result<Role, Error> {
    let role = load(ctx, id, field)?;
    if role.account.is_none() {
        Ok(role)
    } else {
        Err(no_role(id, field))
    }
}

/// Reads a role that can be used in an account: one of the platform, or of the account's own, or of
/// an account above it.
pub(crate) fn load_for(
    ctx: &mut Ctx<'_>,
    id: &Id,
    account: &Id,
    field: &str,
) -> Result<Role, Error> {
    let role = load(ctx, id, field)?;
    let usable = match &role.account {
        None => true,
        Some(of) => account_line(&mut ctx.tx, account)?
            .iter()
            .any(|above| above.id == *of),
    };
    if usable {
        Ok(role)
    } else {
        Err(no_role(id, field))
    }
}

/// Whether a role is that of administrators; as [`load_for`], without writing out what a built-in
/// role allows.
pub(crate) fn is_administrator(
    ctx: &mut Ctx<'_>,
    id: &Id,
    account: &Id,
    field: &str,
) -> Result<bool, Error> {
    match BuiltIn::named(id.as_str()) {
        Some(role) => Ok(role.is_administrator()),
        None => Ok(load_for(ctx, id, account, field)?.administrator),
    }
}

/// Reads a role that the actor can see: for a user those usable where they act, and those of
/// accounts below that they manage and hold the permission in. Any other is `not_found`, as if it
/// were not there.
fn load_seen(ctx: &mut Ctx<'_>, id: &Id, permission: &str, field: &str) -> Result<Role, Error> {
    let role = load(ctx, id, field)?;
    let (Actor::User { account: home, .. }, Some(of)) = (ctx.actor, &role.account) else {
        return Ok(role);
    };
    if account_line(&mut ctx.tx, home)?
        .iter()
        .any(|above| above.id == *of)
    {
        return Ok(role);
    }
    ctx.require_in(of, permission).map_err(|error| {
        if error.code() == Code::NotFound {
            no_role(id, field)
        } else {
            error
        }
    })?;
    Ok(role)
}

/// Refuses unless the actor may change a role that they see: the built-in ones nobody, those of the
/// platform host and operators, those of an account whoever holds the permission there.
fn require_change(ctx: &mut Ctx<'_>, role: &Role, permission: &str) -> Result<(), Error> {
    if role.built_in {
        return Err(Error::new(
            Code::RoleBuiltIn,
            format!("`{}` is built in; copy it and change the copy", role.id),
        )
        .at("/role"));
    }
    let Actor::User { .. } = ctx.actor else {
        return Ok(());
    };
    let Some(of) = &role.account else {
        return Err(Error::new(
            Code::ActorNotAllowed,
            format!("`{}` is a role of the platform", role.id),
        )
        .at("/role"));
    };
    ctx.require_in(of, permission)
        .map_err(|error| match error.code() {
            Code::NotFound => {
                let error = Error::new(
                    Code::PermissionDenied,
                    format!("`{}` belongs to the account above", role.id),
                );
                error.at("/role").with("missing", permission)
            }
            _ => error,
        })
}

/// Accounts have roles of their own where policy `custom_roles` says so (R-ROL-4).
fn require_custom_roles(ctx: &mut Ctx<'_>, account: Option<&Id>) -> Result<(), Error> {
    let Some(account) = account else {
        return Ok(());
    };
    accounts::load(ctx, account, "/account")?;
    if ctx.policies(Some(account))?.custom_roles {
        return Ok(());
    }
    Err(Error::new(
        Code::PolicyForbids,
        format!("`{account}` has no roles of its own"),
    )
    .with("policy", "custom_roles"))
}

/// Whose own a new role is: the account named, or the one that a user acts in, or the platform's.
fn owning_account(ctx: &mut Ctx<'_>, named: Option<Id>) -> Result<Option<Id>, Error> {
    let account = match (ctx.actor, named) {
        (Actor::User { account: home, .. }, None) => Some(home.clone()),
        (_, named) => named,
    };
    require_custom_roles(ctx, account.as_ref())?;
    Ok(account)
}

/// Whether something of a kind uses a role: of these accounts, operators, whatever follows the
/// kind.
fn is_used_by(ctx: &mut Ctx<'_>, role: &Id, parts: &[&str]) -> Result<bool, Error> {
    let (from, until) = keys::below(keys::ROLE_USE, &[&[role.as_str()], parts].concat());
    Ok(!ctx.tx.range::<()>(&from, &until, 1)?.is_empty())
}

/// The nodes of grants are there, and where they have a scope it means something; `field` is where
/// the request lists them.
pub(crate) fn check_grants(
    tree: &PermissionTree,
    grants: &[Grant],
    field: &str,
) -> Result<(), Error> {
    for (at, grant) in grants.iter().enumerate() {
        let named = format!("{field}/{at}/permission");
        let place = tree
            .place(grant.permission.as_str())
            .ok_or_else(|| unknown_permission(grant.permission.as_str(), &named))?;
        if grant.scope.is_some() && !tree.node(place).is_some_and(|node| node.scoped) {
            return Err(Error::invalid(
                format!("{field}/{at}/scope"),
                format!("`{}` has no scope", grant.permission),
            ));
        }
    }
    Ok(())
}

fn check(ctx: &mut Ctx<'_>, role: &Role) -> Result<(), Error> {
    for (field, entries) in [
        ("/allow", role.allow.len()),
        ("/deny", role.deny.len()),
        ("/includes", role.includes.len()),
    ] {
        if entries > MOST_ENTRIES {
            return Err(Error::invalid(
                field,
                format!("at most {MOST_ENTRIES} entries, there are {entries}"),
            ));
        }
    }
    let tree = ctx.tree();
    check_grants(&tree, &role.allow, "/allow")?;
    for (at, denied) in role.deny.iter().enumerate() {
        tree.place(denied.as_str())
            .ok_or_else(|| unknown_permission(denied.as_str(), &format!("/deny/{at}")))?;
    }
    for (at, included) in role.includes.iter().enumerate() {
        let field = format!("/includes/{at}");
        load_beside(ctx, included, role.account.as_ref(), &field)?;
        let below = role_with_includes(&mut ctx.tx, &ctx.engine.views.tree.load(), included)?;
        if *included == role.id || below.iter().any(|other| other.id == role.id) {
            let path = [role.id.as_str(), included.as_str(), role.id.as_str()]
                .map(str::to_owned)
                .to_vec();
            let error = Error::new(
                Code::RoleCycle,
                format!("`{}` would include itself through `{included}`", role.id),
            );
            return Err(error.at(field).with("path", path));
        }
    }
    Ok(())
}

/// Reads a role that is usable wherever a role of this account, or of the platform, is.
fn load_beside(
    ctx: &mut Ctx<'_>,
    id: &Id,
    account: Option<&Id>,
    field: &str,
) -> Result<Role, Error> {
    match account {
        Some(account) => load_for(ctx, id, account, field),
        None => load_of_platform(ctx, id, field),
    }
}

fn without_repeats(ids: Vec<Id>) -> Vec<Id> {
    let mut seen = HashSet::new();
    ids.into_iter()
        .filter(|id| seen.insert(id.clone()))
        .collect()
}

/// A role and every role that includes it, directly or through others.
fn including(ctx: &mut Ctx<'_>, role: &Id) -> Result<Vec<Id>, Error> {
    let mut seen = HashSet::from([role.clone()]);
    let mut all = vec![role.clone()];
    let mut at = 0;
    while let Some(id) = all.get(at).cloned() {
        let (from, until) = keys::below(keys::ROLE_USE, &[id.as_str(), "role"]);
        for (key, ()) in ctx.tx.range::<()>(&from, &until, usize::MAX)? {
            all.extend(keys::last_id(&key).filter(|above| seen.insert(above.clone())));
        }
        at += 1;
    }
    Ok(all)
}

/// What bounds the roles that the actor writes; none for the host (R-ROL-7).
fn bound(ctx: &mut Ctx<'_>) -> Result<Option<Powers>, Error> {
    match ctx.actor {
        Actor::System => Ok(None),
        Actor::User { .. } => ctx.paper(),
        Actor::Operator { .. } => ctx.operator_powers().map(Some),
    }
}

/// What of a role the actor has to hold: a user everything. Operators write roles for accounts, in
/// which they hold nothing; they answer for what only operators can hold, and where an operator has
/// the role, for all that it gives them.
fn counted(ctx: &mut Ctx<'_>, role: &Id) -> Result<Powers, Error> {
    let tree = ctx.tree();
    let all = role_powers(&tree, &role_with_includes(&mut ctx.tx, &tree, role)?);
    let Actor::Operator { .. } = ctx.actor else {
        return Ok(all);
    };
    let given = is_used_by(ctx, role, &["operator"])?;
    Ok(if given {
        all.within_platform(&tree)
    } else {
        all.of_operators_alone(&tree)
    })
}

/// Nobody writes into a role what they do not hold (R-ROL-7).
fn refuse_beyond_own(ctx: &mut Ctx<'_>, role: &Id, field: &str) -> Result<(), Error> {
    let Some(held) = bound(ctx)? else {
        return Ok(());
    };
    let wanted = counted(ctx, role)?;
    refuse_beyond(
        &ctx.tree(),
        &wanted,
        &held,
        format!("the role `{role}` allows more than you hold"),
        field,
    )
}

/// `escalation_refused` with what is missing, where more is wanted than held.
pub(crate) fn refuse_beyond(
    tree: &PermissionTree,
    wanted: &Powers,
    held: &Powers,
    message: String,
    field: &str,
) -> Result<(), Error> {
    let missing: Vec<String> = wanted
        .beyond(held)
        .into_iter()
        .filter_map(|place| tree.node(place))
        .map(|node| node.id.clone())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::EscalationRefused, message)
        .at(field)
        .with("missing", missing))
}

/// The accounts in which somebody has a role, or gets it: as a member, by an open invitation, or by
/// default.
fn accounts_of(ctx: &mut Ctx<'_>, role: &Id) -> Result<Vec<Id>, Error> {
    let mut found = Vec::new();
    // However many members of an account have the role, one of them is looked at.
    let (mut from, until) = keys::below(keys::ROLE_USE, &[role.as_str(), "member"]);
    while let Some((key, ())) = ctx.tx.range::<()>(&from, &until, 1)?.pop() {
        let Some((account, _)) = keys::last_pair(&key) else {
            break;
        };
        from = keys::below(keys::ROLE_USE, &[role.as_str(), "member", account.as_str()]).1;
        found.push(account);
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
struct Place {
    role: Id,
    held: Powers,
    /// Whether it is an account below one where somebody has the role: only one that lets them
    /// reach it gives anything there.
    below: bool,
}

impl Place {
    /// What powers of somebody with the role come to here.
    fn of<'a>(&self, tree: &PermissionTree, powers: &'a Powers) -> Cow<'a, Powers> {
        let reaches = tree
            .place(TEAM_PERMISSION)
            .is_some_and(|place| powers.at(place).is_some());
        if self.below && !reaches {
            Cow::Owned(Powers::none(tree))
        } else {
            Cow::Borrowed(powers)
        }
    }
}

/// Where somebody has a role, or reaches by it, and what the actor holds there.
fn places_of(ctx: &mut Ctx<'_>, role: &Id, bound: &Powers) -> Result<Vec<Place>, Error> {
    let place = |held, below| Place {
        role: role.clone(),
        held,
        below,
    };
    if let Actor::Operator { .. } = ctx.actor {
        let used = is_used_by(ctx, role, &["operator"])?;
        return Ok(used
            .then(|| place(bound.clone(), false))
            .into_iter()
            .collect());
    }
    let everything = Powers::all(&ctx.tree());
    let mut places = Vec::new();
    for account in accounts_of(ctx, role)? {
        places.extend(ctx.paper_in(&account)?.map(|held| place(held, false)));
        if ctx.lets_reach_below(&account, &everything)? {
            let mut below = Vec::new();
            ctx.papers_below(&account, &mut below)?;
            places.extend(below.into_iter().map(|held| place(held, true)));
        }
    }
    Ok(places)
}

/// Looks at a role, and at every role that includes it, before and after a change: a denial taken
/// away below can give much above, also to whoever makes the change, and one that is added takes
/// from those who can do more. And a role of an account is used in those below it (R-ROL-7).
struct Watch {
    /// The role itself. Who holds what it allows narrows it, wherever it is used.
    changed: Id,
    held: Powers,
    before: Vec<(Id, Powers)>,
    places: Vec<Place>,
}

impl Watch {
    /// None for the host, whom nothing bounds. Nobody changes a role that allows more than they
    /// hold.
    fn begin(ctx: &mut Ctx<'_>, role: &Id) -> Result<Option<Watch>, Error> {
        refuse_beyond_own(ctx, role, "/role")?;
        let Some(held) = bound(ctx)? else {
            return Ok(None);
        };
        let mut watch = Watch {
            changed: role.clone(),
            held,
            before: Vec::new(),
            places: Vec::new(),
        };
        for id in including(ctx, role)? {
            let places = places_of(ctx, &id, &watch.held)?;
            watch.places.extend(places);
            let powers = counted(ctx, &id)?;
            watch.before.push((id, powers));
        }
        Ok(Some(watch))
    }

    /// Another role that takes the place of one, which is gone then. What the actor held before
    /// counts: they may have had that one themselves.
    fn refuse_giving(
        &mut self,
        ctx: &mut Ctx<'_>,
        role: &Id,
        other: &Id,
        field: &str,
    ) -> Result<(), Error> {
        let wanted = counted(ctx, other)?;
        refuse_beyond(
            &ctx.tree(),
            &wanted,
            &self.held,
            format!("the role `{other}` allows more than you hold"),
            field,
        )?;
        self.refuse_in_places(ctx, role, &wanted, field)?;
        self.before.retain(|(id, _)| id != role);
        Ok(())
    }

    /// After the change is written: what it gives, wherever, the actor must hold.
    fn end(self, ctx: &mut Ctx<'_>, field: &str) -> Result<(), Error> {
        for (id, before) in &self.before {
            let now = counted(ctx, id)?;
            let gained = now.clone().gained_since(before);
            refuse_beyond(
                &ctx.tree(),
                &gained,
                &self.held,
                format!("the role `{id}` would allow more than you hold"),
                field,
            )?;
            self.refuse_in_places(ctx, id, &now, field)?;
        }
        Ok(())
    }

    /// Refuses what a role comes to give where the actor does not hold it, and what a role that
    /// includes the changed one takes from those who can do more there.
    fn refuse_in_places(
        &self,
        ctx: &mut Ctx<'_>,
        role: &Id,
        now: &Powers,
        field: &str,
    ) -> Result<(), Error> {
        let Some((_, before)) = self.before.iter().find(|(id, _)| id == role) else {
            return Ok(());
        };
        let tree = ctx.tree();
        for place in self.places.iter().filter(|place| place.role == *role) {
            let (before, now) = (place.of(&tree, before), place.of(&tree, now));
            let gained = now.clone().into_owned().gained_since(&before);
            let message = format!(
                "the role `{role}` would allow more than you hold in an account where it is used"
            );
            refuse_beyond(&tree, &gained, &place.held, message, field)?;
            if *role != self.changed && !before.beyond(&now).is_empty() {
                let message = format!(
                    "the role `{role}` allows more than you hold in an account where it is used"
                );
                refuse_beyond(&tree, &before, &place.held, message, field)?;
            }
        }
        Ok(())
    }
}

/// What its holders may do is to be looked at again where another role is tried in the place of one,
/// or none is any more.
fn trial_changes(ctx: &mut Ctx<'_>, role: &Id, old: Option<&Id>, new: Option<&Id>) {
    if old.or(new).is_some() {
        ctx.tx.touch_trial(role, new);
    }
}

/// Writes a new role.
fn insert(ctx: &mut Ctx<'_>, role: &Role) -> Result<(), Error> {
    ctx.tx.save::<Roles>(role)
}

fn new_id(ctx: &mut Ctx<'_>, given: Option<Id>) -> Result<Id, Error> {
    if let Some(id) = given
        .as_ref()
        .filter(|id| BuiltIn::named(id.as_str()).is_some())
    {
        return Err(Error::new(
            Code::IdTaken,
            format!("the id `{id}` is that of a built-in role"),
        )
        .at("/id"));
    }
    ctx.new_id(given, keys::ROLE, keys::role, "role")
}

impl Operation for Create {
    type Answer = Role;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Role, Error> {
        let account = owning_account(ctx, self.account)?;
        let role = Role {
            id: new_id(ctx, self.id)?,
            name: self.name,
            allow: self.allow,
            deny: self.deny,
            includes: without_repeats(self.includes),
            account,
            trial: None,
            administrator: false,
            built_in: false,
            rev: 1,
            created_at_ms: ctx.now_ms,
            updated_at_ms: ctx.now_ms,
        };
        check(ctx, &role)?;
        insert(ctx, &role)?;
        refuse_beyond_own(
            ctx,
            &role.id,
            if role.allow.is_empty() {
                "/includes"
            } else {
                "/allow"
            },
        )?;
        Ok(role)
    }
}

impl Operation for Copy {
    type Answer = Role;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Role, Error> {
        let original = load_seen(ctx, &self.role, "roles.create", "/role")?;
        let account = owning_account(ctx, self.account)?;
        let role = Role {
            id: new_id(ctx, self.id)?,
            name: self.name.unwrap_or(original.name),
            account,
            trial: None,
            built_in: false,
            rev: 1,
            created_at_ms: ctx.now_ms,
            updated_at_ms: ctx.now_ms,
            ..original
        };
        // What the original includes may not be usable where the copy is.
        check(ctx, &role).map_err(|error| error.at("/role"))?;
        insert(ctx, &role)?;
        refuse_beyond_own(ctx, &role.id, "/role")?;
        Ok(role)
    }
}

impl Operation for Edit {
    type Answer = Role;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Role, Error> {
        let before = load_seen(ctx, &self.role, "roles.edit", "/role")?;
        require_change(ctx, &before, "roles.edit")?;
        require_custom_roles(ctx, before.account.as_ref())?;
        check_rev(self.expected_rev, before.rev)?;
        let watch = Watch::begin(ctx, &before.id)?;
        let field = match (&self.allow, &self.deny) {
            (Some(_), _) => "/allow",
            (None, Some(_)) => "/deny",
            (None, None) => "/includes",
        };
        let mut role = before.clone();
        role.name = self.name.unwrap_or(role.name);
        role.allow = self.allow.unwrap_or(role.allow);
        role.deny = self.deny.unwrap_or(role.deny);
        role.includes = self.includes.map_or(role.includes, without_repeats);
        role.rev += 1;
        role.updated_at_ms = ctx.now_ms;
        check(ctx, &role)?;
        ctx.tx.save::<Roles>(&role)?;
        ctx.tx.touch_everything();
        if let Some(watch) = watch {
            watch.end(ctx, field)?;
        }
        Ok(role)
    }
}

impl Operation for Get {
    type Answer = Role;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Role, Error> {
        load_seen(ctx, &self.role, "roles.view", "/role")
    }
}

impl Operation for TryOut {
    type Answer = Role;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Role, Error> {
        let before = load_seen(ctx, &self.role, "roles.edit", "/role")?;
        require_change(ctx, &before, "roles.edit")?;
        require_custom_roles(ctx, before.account.as_ref())?;
        if before.administrator {
            return Err(Error::invalid(
                "/role",
                format!(
                    "`{}` is a role of administrators: none is tried in its place",
                    before.id
                ),
            ));
        }
        check_rev(self.expected_rev, before.rev)?;
        refuse_beyond_own(ctx, &before.id, "/role")?;
        if let Some(candidate) = &self.candidate {
            if *candidate == before.id {
                return Err(Error::invalid(
                    "/candidate",
                    "a role is not tried in its own place",
                ));
            }
            load_beside(ctx, candidate, before.account.as_ref(), "/candidate")?;
            refuse_beyond_own(ctx, candidate, "/candidate")?;
        }
        trial_changes(
            ctx,
            &before.id,
            before.trial.as_ref(),
            self.candidate.as_ref(),
        );
        let role = Role {
            trial: self.candidate,
            rev: before.rev + 1,
            updated_at_ms: ctx.now_ms,
            ..before
        };
        ctx.tx.save::<Roles>(&role)?;
        Ok(role)
    }
}

impl Operation for Trial {
    type Answer = RoleTrial;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<RoleTrial, Error> {
        let role = load_seen(ctx, &self.role, "roles.view", "/role")?;
        let candidate = role
            .trial
            .ok_or_else(|| Error::not_found("trial", role.id.as_str()).at("/role"))?;
        let counts = ctx.engine.trials.of(&role.id, &candidate);
        let would_refuse = counts.refused.into_iter().map(|(permission, count)| {
            Ok(WouldRefuse {
                permission: stored_id(&permission)?,
                count,
            })
        });
        Ok(RoleTrial {
            role: role.id,
            candidate,
            since_ms: counts.since_ms,
            would_refuse: would_refuse.collect::<Result<_, Error>>()?,
        })
    }
}

impl Operation for List {
    type Answer = RoleList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<RoleList, Error> {
        let size = page_size(self.limit)?;
        let account = match (ctx.actor, &self.account) {
            (Actor::User { account: home, .. }, None) => Some(home),
            (_, named) => named.as_ref(),
        };
        let line = match account {
            Some(account) => {
                account_line(&mut ctx.tx, account).map_err(|error| error.at("/account"))?
            }
            None => Vec::new(),
        };
        let is_after = |id: &Id| self.after.as_ref().is_none_or(|after| id > after);
        let mut ids: Vec<Id> = BuiltIn::ALL
            .iter()
            .filter_map(|one| Id::new(one.id()).ok())
            .filter(is_after)
            .collect();
        // A few lists, each sorted by id: what follows `after` in each, one more than a page holds,
        // and the first of all those.
        for of in std::iter::once("").chain(line.iter().map(|above| above.id.as_str())) {
            let (mut from, until) = keys::below(keys::ACCOUNT_ROLE, &[of]);
            if let Some(after) = &self.after {
                from.extend_from_slice(after.as_str().as_bytes());
                from.push(0);
            }
            ids.extend(
                ctx.tx
                    .range::<()>(&from, &until, size + 1)?
                    .iter()
                    .filter_map(|(key, ())| keys::last_id(key)),
            );
        }
        ids.sort();
        let more = ids.len() > size;
        ids.truncate(size);
        let next = ids.last().filter(|_| more).cloned();
        let roles = ids
            .iter()
            .map(|id| load(ctx, id, "/after"))
            .collect::<Result<_, _>>()?;
        Ok(RoleList { roles, next })
    }
}

impl Operation for Delete {
    type Answer = RoleDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<RoleDeleted, Error> {
        let role = load_seen(ctx, &self.role, "roles.delete", "/role")?;
        require_change(ctx, &role, "roles.delete")?;
        let mut watch = Watch::begin(ctx, &role.id)?;
        let mut replaced = 0;
        match &self.replace_with {
            Some(other) => {
                load_seen(ctx, other, "roles.delete", "/replace_with")?;
                if role_with_includes(&mut ctx.tx, &ctx.engine.views.tree.load(), other)?
                    .iter()
                    .any(|below| below.id == role.id)
                {
                    return Err(Error::invalid(
                        "/replace_with",
                        format!("`{other}` is, or includes, the role that is to be deleted"),
                    ));
                }
                let uses = uses_of(ctx, &role.id, &[], usize::MAX)?;
                for used_by in &uses {
                    let parts: Vec<&str> = used_by.iter().map(String::as_str).collect();
                    replace(ctx, &parts, &role.id, other)?;
                }
                replaced = uses.len() as u64;
                if replaced > 0 {
                    ctx.tx.touch_everything();
                }
                if let Some(watch) = watch.as_mut().filter(|_| replaced > 0) {
                    watch.refuse_giving(ctx, &role.id, other, "/replace_with")?;
                }
            }
            None => refuse_used(ctx, &role.id)?,
        }
        remove(ctx, &role)?;
        if let Some(watch) = watch {
            watch.end(ctx, "/replace_with")?;
        }
        Ok(RoleDeleted {
            role: role.id,
            replaced,
        })
    }
}

/// Removes a role that nothing uses any more; its id is never used again.
fn remove(ctx: &mut Ctx<'_>, role: &Role) -> Result<(), Error> {
    trial_changes(ctx, &role.id, role.trial.as_ref(), None);
    ctx.tx.erase::<Roles>(role)?;
    ctx.tx.mark(keys::tombstone(keys::ROLE, &role.id));
    Ok(())
}

/// What uses a role, or what of a kind does: for each the kind, then ids.
fn uses_of(
    ctx: &mut Ctx<'_>,
    role: &Id,
    kind: &[&str],
    most: usize,
) -> Result<Vec<Vec<String>>, Error> {
    let (from, until) = keys::below(keys::ROLE_USE, &[&[role.as_str()], kind].concat());
    let parts = |key: &[u8]| {
        key.split(|byte| *byte == 0)
            .skip(2)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect()
    };
    Ok(ctx
        .tx
        .range::<()>(&from, &until, most)?
        .iter()
        .map(|(key, ())| parts(key))
        .collect())
}

/// A role in use is not deleted (R-ROL-8). Who uses it is named as far as the actor can see it, and
/// counted as far as counting does not take long.
fn refuse_used(ctx: &mut Ctx<'_>, role: &Id) -> Result<(), Error> {
    let uses = uses_of(ctx, role, &[], USES_COUNTED)?;
    if uses.is_empty() {
        return Ok(());
    }
    let mut shown = Vec::new();
    for used_by in uses.iter().take(USES_SHOWN) {
        if sees_use(ctx, used_by)? {
            shown.push(used_by.join(" "));
        }
    }
    let error = Error::new(
        Code::RoleInUse,
        format!("`{role}` is used in {} places", uses.len()),
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
    let account = match used_by {
        [kind, role] if kind == "role" || kind == "trial" => ctx
            .tx
            .get::<Role>(&keys::role(&stored_id(role)?))?
            .and_then(|role| role.account),
        [kind, account, ..] if kind == "member" || kind == "account" => Some(stored_id(account)?),
        _ => None,
    };
    let Some(account) = account.filter(|account| account == home || ctx.standing(account).is_ok())
    else {
        return Ok(false);
    };
    match used_by {
        [kind, _, user] if kind == "member" => {
            Ok(members::find(ctx, &account, &stored_id(user)?)?.is_some())
        }
        _ => Ok(true),
    }
}

fn stored_id(text: &str) -> Result<Id, Error> {
    Id::new(text).map_err(|error| {
        Error::new(
            Code::StoreCorrupt,
            format!("an index of roles holds `{text}`: {error}"),
        )
    })
}

/// Puts another role in the place of one that is to be deleted, in one of the places that use it.
fn replace(ctx: &mut Ctx<'_>, used_by: &[&str], old: &Id, new: &Id) -> Result<(), Error> {
    const FIELD: &str = "/replace_with";
    match used_by {
        ["account", account] => {
            let id = stored_id(account)?;
            load_for(ctx, new, &id, FIELD)?;
            let mut record = accounts::load(ctx, &id, FIELD)?;
            record.default_role = Some(new.clone());
            accounts::save(ctx, record)
        }
        // Promotion and demotion change groups too.
        ["member", account, user] => {
            let key = keys::member(&stored_id(account)?, &stored_id(user)?);
            let Some(mut member) = ctx.tx.get::<model::Member>(&key)? else {
                return Ok(());
            };
            members::give_role(ctx, &mut member, new.clone(), None)
                .map_err(|error| error.at(FIELD))?;
            member.rev += 1;
            member.updated_at_ms = ctx.now_ms;
            ctx.tx.save::<Members>(&member)
        }
        ["operator", user] => {
            load_of_platform(ctx, new, FIELD)?;
            let key = keys::operator(&stored_id(user)?);
            let Some(mut operator) = ctx.tx.get::<Operator>(&key)? else {
                return Ok(());
            };
            operator.role = new.clone();
            operator.rev += 1;
            operator.updated_at_ms = ctx.now_ms;
            ctx.tx.save::<Operators>(&operator)
        }
        ["package", package] => {
            load_of_platform(ctx, new, FIELD)?;
            let key = keys::package(&stored_id(package)?);
            let Some(mut package) = ctx.tx.get::<Package>(&key)? else {
                return Ok(());
            };
            package.role = Some(new.clone());
            package.rev += 1;
            package.updated_at_ms = ctx.now_ms;
            ctx.tx.save::<Packages>(&package)
        }
        ["role", role] => {
            let key = keys::role(&stored_id(role)?);
            let Some(mut including) = ctx.tx.get::<Role>(&key)? else {
                return Ok(());
            };
            load_beside(ctx, new, including.account.as_ref(), FIELD)?;
            let replaced = including.includes.iter().map(|entry| {
                if entry == old {
                    new.clone()
                } else {
                    entry.clone()
                }
            });
            including.includes = without_repeats(replaced.collect());
            including.rev += 1;
            including.updated_at_ms = ctx.now_ms;
            ctx.tx.save::<Roles>(&including)
        }
        // What another role would have refused says nothing of this one.
        ["trial", role] => {
            let key = keys::role(&stored_id(role)?);
            let Some(mut trying) = ctx.tx.get::<Role>(&key)? else {
                return Ok(());
            };
            trial_changes(ctx, &trying.id, trying.trial.as_ref(), None);
            trying.trial = None;
            trying.rev += 1;
            trying.updated_at_ms = ctx.now_ms;
            ctx.tx.save::<Roles>(&trying)
        }
        // The invitation is named last.
        ["invitation", .., invitation] => {
            let key = keys::invitation(&stored_id(invitation)?);
            let Some(mut record) = ctx.tx.get::<Invitation>(&key)? else {
                return Ok(());
            };
            for grant in record
                .grants
                .iter_mut()
                .filter(|grant| grant.role.as_ref() == Some(old))
            {
                load_for(ctx, new, &grant.account, FIELD)?;
                grant.role = Some(new.clone());
            }
            record.rev += 1;
            record.updated_at_ms = ctx.now_ms;
            ctx.tx.save::<Invitations>(&record)
        }
        // Better refused than left without a role.
        _ => refuse_used(ctx, old),
    }
}

/// The roles of an account's own.
fn own_roles(ctx: &mut Ctx<'_>, account: &Id) -> Result<Vec<Role>, Error> {
    let (from, until) = keys::below(keys::ACCOUNT_ROLE, &[account.as_str()]);
    let ids: Vec<Id> = ctx
        .tx
        .range::<()>(&from, &until, usize::MAX)?
        .iter()
        .filter_map(|(key, ())| keys::last_id(key))
        .collect();
    ids.iter().map(|id| load(ctx, id, "/account")).collect()
}

/// Removes the roles of an account that is deleted, once its members, its packages and the accounts
/// below are gone.
pub(crate) fn erase_all_of(ctx: &mut Ctx<'_>, account: &model::Account) -> Result<(), Error> {
    for role in own_roles(ctx, &account.id)? {
        remove(ctx, &role)?;
    }
    Ok(())
}

/// Accounts that part from those above them use no role of theirs any more; while one does it is
/// `role_in_use`.
pub(crate) fn refuse_roles_from_above(
    ctx: &mut Ctx<'_>,
    above: &[model::Account],
    parting: &[Id],
) -> Result<(), Error> {
    for account in above {
        for role in own_roles(ctx, &account.id)? {
            let mut used = false;
            for id in parting {
                used |= is_used_by(ctx, &role.id, &["member", id.as_str()])?;
                used |= ctx
                    .tx
                    .has(&keys::role_use(&role.id, "account", &[id.as_str()]))?;
                used |= own_roles(ctx, id)?.iter().any(|own| {
                    own.includes.contains(&role.id) || own.trial.as_ref() == Some(&role.id)
                });
            }
            if used {
                let error = Error::new(
                    Code::RoleInUse,
                    format!(
                        "`{}` is a role of `{}` and used below it",
                        role.id, account.id
                    ),
                );
                return Err(error.at("/children").with("role", role.id.as_str()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use crate::engine::Engine;
    use crate::kernel::Tx;
    use crate::model::{Policies, PolicyRecord};
    use crate::options::OpenOptions;
    use serde_json::{Value, json};
    use std::path::Path;

    fn call(engine: &Engine, operation: &str, request: Value) -> Result<Value, Error> {
        let answer = (catalogue::find(operation).unwrap().run_json)(
            engine,
            &Actor::System,
            request.to_string().as_bytes(),
        )?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    fn write(engine: &Engine, records: impl FnOnce(&mut Tx<'_>)) {
        let mut tx = engine.kernel.tx();
        records(&mut tx);
        assert!(
            engine
                .kernel
                .backend
                .commit(&tx.finish().0.unwrap())
                .is_ok()
        );
        engine
            .views
            .epoch
            .fetch_add(1, std::sync::atomic::Ordering::AcqRel);
    }

    fn store() -> std::sync::Arc<Engine> {
        let engine = Engine::open(Path::new(":memory:"), &OpenOptions::default()).unwrap();
        call(
            &engine,
            "accounts.create",
            json!({"id": "acme", "name": "Acme",
            "owner": {"user": "olga", "email": "olga@acme.example"}}),
        )
        .unwrap();
        engine
    }

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    /// R-ROL-4: without the policy an account keeps the roles it has, but makes, copies and changes
    /// none; it can delete them.
    #[test]
    fn an_account_has_roles_of_its_own_where_the_policy_says_so() {
        let engine = store();
        call(
            &engine,
            "roles.create",
            json!({"id": "own", "account": "acme", "name": "Own"}),
        )
        .unwrap();
        let off = Policies {
            custom_roles: Some(false),
            ..Policies::default()
        };
        write(&engine, |tx| {
            tx.put(
                keys::policy(Some(&id("acme"))),
                &PolicyRecord {
                    preset: None,
                    set: off,
                },
            )
            .unwrap()
        });
        for (operation, request) in [
            (
                "roles.create",
                json!({"id": "more", "account": "acme", "name": "More"}),
            ),
            ("roles.copy", json!({"role": "editor", "account": "acme"})),
            ("roles.edit", json!({"role": "own", "name": "Mine"})),
        ] {
            let error = call(&engine, operation, request).unwrap_err();
            assert_eq!(
                (error.code(), &error.details()["policy"]),
                (Code::PolicyForbids, &json!("custom_roles")),
                "{operation}"
            );
        }
        call(
            &engine,
            "roles.create",
            json!({"id": "platform", "name": "Of the platform"}),
        )
        .unwrap();
        call(
            &engine,
            "members.add",
            json!({"account": "acme", "user": "ann", "email": "ann@acme.example", "role": "own"}),
        )
        .unwrap();
        call(
            &engine,
            "roles.delete",
            json!({"role": "own", "replace_with": "editor"}),
        )
        .unwrap();
    }

    /// R-ROL-8: the default role of an account, and what an invitation offers, are replaced too.
    #[test]
    fn defaults_and_invitations_use_roles() {
        let engine = store();
        call(&engine, "roles.create", json!({"id": "old", "name": "Old"})).unwrap();
        let invitation = id("019a0000-0000-7000-8000-000000000001");
        let record = json!({"id": invitation, "kind": "member", "team": "acme",
            "email": "new@acme.example", "first_name": null, "last_name": null,
            "grants": [{"account": "acme", "role": "old"}, {"account": "acme", "role": "editor"}],
                "invited_by": "system", "generation": 1,
            "sent_at_ms": 1, "life_ms": 1, "state": "open", "delivery": null, "counted_in": [],
                "rev": 1, "created_at_ms": 1, "updated_at_ms": 1});
        let record: Invitation = serde_json::from_value(record).unwrap();
        write(&engine, |tx| {
            let mut account: model::Account = tx.get(&keys::account(&id("acme"))).unwrap().unwrap();
            account.default_role = Some(id("old"));
            tx.put(keys::account(&id("acme")), &account).unwrap();
            tx.put(keys::invitation(&invitation), &record).unwrap();
            tx.mark(keys::role_use(&id("old"), "account", &["acme"]));
            tx.mark(keys::role_use(
                &id("old"),
                "invitation",
                &["acme", invitation.as_str()],
            ));
        });
        let error = call(&engine, "roles.delete", json!({"role": "old"})).unwrap_err();
        assert_eq!(error.code(), Code::RoleInUse);
        assert_eq!(
            error.details()["used_by"],
            json!(["account acme", format!("invitation acme {invitation}")])
        );
        call(
            &engine,
            "roles.create",
            json!({"id": "of-acme", "account": "acme", "name": "Of acme"}),
        )
        .unwrap();
        assert_eq!(
            call(
                &engine,
                "roles.delete",
                json!({"role": "old", "replace_with": "of-acme"})
            )
            .unwrap()["replaced"],
            2
        );
        let mut tx = engine.kernel.tx();
        let account: model::Account = tx.get(&keys::account(&id("acme"))).unwrap().unwrap();
        assert_eq!(account.default_role, Some(id("of-acme")));
        let changed: Invitation = tx.get(&keys::invitation(&invitation)).unwrap().unwrap();
        assert_eq!(
            changed
                .grants
                .iter()
                .map(|grant| grant.role.clone())
                .collect::<Vec<_>>(),
            [Some(id("of-acme")), Some(id("editor"))]
        );
        let error = call(&engine, "roles.delete", json!({"role": "of-acme"})).unwrap_err();
        assert_eq!(error.details()["uses"], 2);
    }

    /// R-ROL-8: what uses a role in a way that is not known here is never left without one.
    #[test]
    fn an_unknown_use_keeps_the_role() {
        let engine = store();
        call(&engine, "roles.create", json!({"id": "old", "name": "Old"})).unwrap();
        write(&engine, |tx| {
            tx.mark(keys::role_use(&id("old"), "api_key", &["k1"]))
        });
        let error = call(
            &engine,
            "roles.delete",
            json!({"role": "old", "replace_with": "editor"}),
        )
        .unwrap_err();
        assert_eq!(
            (error.code(), &error.details()["used_by"]),
            (Code::RoleInUse, &json!(["api_key k1"]))
        );
        assert!(call(&engine, "roles.get", json!({"role": "old"})).is_ok());
    }

    /// R-ROL-8: a role that very many use is refused with the first of them and a count.
    #[test]
    fn uses_are_counted_as_far_as_that_is_quick() {
        let engine = store();
        call(&engine, "roles.create", json!({"id": "old", "name": "Old"})).unwrap();
        write(&engine, |tx| {
            (0..=USES_COUNTED).for_each(|number| {
                tx.mark(keys::role_use(
                    &id("old"),
                    "member",
                    &["acme", &format!("u{number}")],
                ))
            })
        });
        let error = call(&engine, "roles.delete", json!({"role": "old"})).unwrap_err();
        assert_eq!(error.details()["uses"], USES_COUNTED);
        assert_eq!(
            error.details()["used_by"].as_array().unwrap().len(),
            USES_SHOWN
        );
    }
}
