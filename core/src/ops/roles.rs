//! Roles (R-ROL-1, R-ROL-3, R-ROL-6, R-ROL-8).

use super::{Access, Effect, Operation, check_rev, page, unknown_permission};
use crate::engine::view::{account_line, load_role, role_with_includes};
use crate::engine::{Ctx, keys};
use crate::error::{Code, Error};
use crate::model::{self, Count, Grant, Id, Name, Package, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most grants, denials or includes of one role.
const MOST_ENTRIES: usize = 1000;

/// Makes a role.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The host's own id; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// The permissions that it allows.
    #[serde(default)]
    pub allow: Vec<Grant>,
    /// The permissions that it denies; a denial wins over every grant.
    #[serde(default)]
    pub deny: Vec<Id>,
    /// The roles whose grants and denials it takes in.
    #[serde(default)]
    pub includes: Vec<Id>,
}

/// Changes a role; acts at once for everyone who has it (R-ROL-6). What is absent stays.
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

/// Reads a role.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The role.
    pub role: Id,
}

/// Lists roles by id, a page at a time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Go on after this id: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Id>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Deletes a role; one in use only when another takes its place (R-ROL-8).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The role.
    pub role: Id,
    /// The role that takes its place everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace_with: Option<Id>,
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

/// Reads a role inside an operation.
pub(crate) fn load(ctx: &mut Ctx<'_>, id: &Id, field: &str) -> Result<Role, Error> {
    load_role(&mut ctx.tx, id)?.ok_or_else(|| Error::not_found("role", id.as_str()).at(field))
}

/// Reads a role that can be used in an account: one of the platform, or of the account's own, or of an account above it.
pub(crate) fn load_for(ctx: &mut Ctx<'_>, id: &Id, account: &Id, field: &str) -> Result<Role, Error> {
    let role = load(ctx, id, field)?;
    let usable = match &role.account {
        None => true,
        Some(of) => account_line(&mut ctx.tx, account)?.iter().any(|above| above.id == *of),
    };
    if usable { Ok(role) } else { Err(Error::not_found("role", id.as_str()).at(field)) }
}

/// Notes that something uses a role, or no longer does.
pub(crate) fn mark_use(ctx: &mut Ctx<'_>, role: &Id, kind: &str, parts: &[&str], used: bool) {
    let key = keys::role_use(role, kind, parts);
    if used {
        ctx.tx.mark(key);
    } else {
        ctx.tx.delete(key);
    }
}

fn check(ctx: &mut Ctx<'_>, role: &Role) -> Result<(), Error> {
    for (field, entries) in [("/allow", role.allow.len()), ("/deny", role.deny.len()), ("/includes", role.includes.len())] {
        if entries > MOST_ENTRIES {
            return Err(Error::invalid(field, format!("at most {MOST_ENTRIES} entries, there are {entries}")));
        }
    }
    let tree = ctx.tree();
    for (at, grant) in role.allow.iter().enumerate() {
        let field = format!("/allow/{at}/permission");
        let place = tree.place(grant.permission.as_str()).ok_or_else(|| unknown_permission(grant.permission.as_str(), &field))?;
        if grant.scope.is_some() && !tree.node(place).is_some_and(|node| node.scoped) {
            return Err(Error::invalid(format!("/allow/{at}/scope"), format!("`{}` has no scope", grant.permission)));
        }
    }
    for (at, denied) in role.deny.iter().enumerate() {
        tree.place(denied.as_str()).ok_or_else(|| unknown_permission(denied.as_str(), &format!("/deny/{at}")))?;
    }
    for (at, included) in role.includes.iter().enumerate() {
        load(ctx, included, &format!("/includes/{at}"))?;
        let below = role_with_includes(&mut ctx.tx, included)?;
        if *included == role.id || below.iter().any(|other| other.id == role.id) {
            let path = [role.id.as_str(), included.as_str(), role.id.as_str()].map(str::to_owned).to_vec();
            return Err(Error::new(Code::RoleCycle, format!("`{}` would include itself through `{included}`", role.id))
                .at(format!("/includes/{at}"))
                .with("path", path));
        }
    }
    Ok(())
}

fn relink_includes(ctx: &mut Ctx<'_>, role: &Id, old: &[Id], new: &[Id]) {
    for gone in old.iter().filter(|id| !new.contains(id)) {
        mark_use(ctx, gone, "role", &[role.as_str()], false);
    }
    for added in new.iter().filter(|id| !old.contains(id)) {
        mark_use(ctx, added, "role", &[role.as_str()], true);
    }
}

fn without_repeats(ids: Vec<Id>) -> Vec<Id> {
    let mut kept: Vec<Id> = Vec::with_capacity(ids.len());
    for id in ids {
        if !kept.contains(&id) {
            kept.push(id);
        }
    }
    kept
}

impl Operation for Create {
    const NAME: &'static str = "roles.create";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Role;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Role, Error> {
        let id = ctx.new_id(self.id, keys::ROLE, keys::role, "role")?;
        let role = Role {
            id,
            name: self.name,
            allow: self.allow,
            deny: self.deny,
            includes: without_repeats(self.includes),
            account: None,
            administrator: false,
            built_in: false,
            rev: 1,
            created_at_ms: ctx.now_ms,
            updated_at_ms: ctx.now_ms,
        };
        check(ctx, &role)?;
        relink_includes(ctx, &role.id, &[], &role.includes);
        ctx.tx.put(keys::role(&role.id), &role)?;
        Ok(role)
    }
}

impl Operation for Edit {
    const NAME: &'static str = "roles.edit";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Role;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Role, Error> {
        let before = load(ctx, &self.role, "/role")?;
        check_rev(self.expected_rev, before.rev)?;
        let mut role = before.clone();
        role.name = self.name.unwrap_or(role.name);
        role.allow = self.allow.unwrap_or(role.allow);
        role.deny = self.deny.unwrap_or(role.deny);
        role.includes = self.includes.map_or(role.includes, without_repeats);
        role.rev += 1;
        role.updated_at_ms = ctx.now_ms;
        check(ctx, &role)?;
        relink_includes(ctx, &role.id, &before.includes, &role.includes);
        ctx.tx.put(keys::role(&role.id), &role)?;
        ctx.tx.touch_everything();
        Ok(role)
    }
}

impl Operation for Get {
    const NAME: &'static str = "roles.get";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::account("roles.view", "roles.view");
    type Answer = Role;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Role, Error> {
        load(ctx, &self.role, "/role")
    }
}

impl Operation for List {
    const NAME: &'static str = "roles.list";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::account("roles.view", "roles.view");
    type Answer = RoleList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<RoleList, Error> {
        let (rows, next) = page::<Role>(ctx, keys::below(keys::ROLE, &[]), self.after.as_ref(), self.limit)?;
        Ok(RoleList { roles: rows.into_iter().map(|(_, role)| role).collect(), next })
    }
}

impl Operation for Delete {
    const NAME: &'static str = "roles.delete";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = RoleDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<RoleDeleted, Error> {
        let role = load(ctx, &self.role, "/role")?;
        let (from, until) = keys::below(keys::ROLE_USE, &[role.id.as_str()]);
        let uses: Vec<Vec<u8>> = ctx.tx.range::<()>(&from, &until, usize::MAX)?.into_iter().map(|(key, ())| key).collect();
        if let Some(other) = &self.replace_with {
            load(ctx, other, "/replace_with")?;
            if role_with_includes(&mut ctx.tx, other)?.iter().any(|below| below.id == role.id) {
                return Err(Error::invalid("/replace_with", format!("`{other}` is, or includes, the role that is to be deleted")));
            }
        } else if !uses.is_empty() {
            let shown: Vec<String> = uses.iter().take(10).map(|key| used_by(key).join(" ")).collect();
            return Err(Error::new(Code::RoleInUse, format!("`{}` is used in {} places", role.id, uses.len()))
                .with("uses", uses.len())
                .with("used_by", shown));
        }
        for key in &uses {
            let parts = used_by(key);
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let Some(other) = &self.replace_with else { continue };
            replace(ctx, &parts, &role.id, other)?;
        }
        for included in &role.includes {
            mark_use(ctx, included, "role", &[role.id.as_str()], false);
        }
        ctx.tx.delete(keys::role(&role.id));
        ctx.tx.mark(keys::tombstone(keys::ROLE, &role.id));
        if !uses.is_empty() {
            ctx.tx.touch_everything();
        }
        Ok(RoleDeleted { role: role.id, replaced: uses.len() as u64 })
    }
}

/// What a key of the index of uses says: the kind, then ids.
fn used_by(key: &[u8]) -> Vec<String> {
    key.split(|byte| *byte == 0).skip(2).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

fn replace(ctx: &mut Ctx<'_>, used_by: &[&str], old: &Id, new: &Id) -> Result<(), Error> {
    let id = |text: &str| Id::new(text).map_err(|error| Error::new(Code::StoreCorrupt, format!("an index of roles holds `{text}`: {error}")));
    match used_by {
        ["member", account, user] => {
            let key = keys::member(&id(account)?, &id(user)?);
            let Some(mut member) = ctx.tx.get::<model::Member>(&key)? else { return Ok(()) };
            member.role = Some(new.clone());
            member.rev += 1;
            member.updated_at_ms = ctx.now_ms;
            ctx.tx.put(key, &member)?;
            mark_use(ctx, old, "member", &[account, user], false);
            mark_use(ctx, new, "member", &[account, user], true);
            Ok(())
        }
        ["package", package] => {
            let key = keys::package(&id(package)?);
            let Some(mut package_record) = ctx.tx.get::<Package>(&key)? else { return Ok(()) };
            package_record.role = Some(new.clone());
            package_record.rev += 1;
            package_record.updated_at_ms = ctx.now_ms;
            ctx.tx.put(key, &package_record)?;
            mark_use(ctx, old, "package", &[package], false);
            mark_use(ctx, new, "package", &[package], true);
            Ok(())
        }
        ["role", role] => {
            let key = keys::role(&id(role)?);
            let Some(mut including) = ctx.tx.get::<Role>(&key)? else { return Ok(()) };
            let before = including.includes.clone();
            including.includes = without_repeats(before.iter().map(|entry| if entry == old { new.clone() } else { entry.clone() }).collect());
            including.rev += 1;
            including.updated_at_ms = ctx.now_ms;
            ctx.tx.put(key, &including)?;
            relink_includes(ctx, &including.id, &before, &including.includes);
            Ok(())
        }
        _ => Err(Error::new(Code::StoreCorrupt, format!("an index of roles holds `{}`", used_by.join(" ")))),
    }
}
