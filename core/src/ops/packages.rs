//! Packages: service tiers with limits (R-PKG-1, R-PKG-4).

use super::{Access, Effect, Operation, check_rev, page, roles};
use crate::engine::{Ctx, keys};
use crate::error::{Code, Error};
use crate::model::{self, Assets, Count, Id, Limits, Name, Package};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a package.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The host's own id; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// Its limits; an absent one falls to the platform's default.
    #[serde(default)]
    pub limits: Limits,
    /// The role that no member of its accounts can exceed (R-ROL-5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
}

/// Changes a package; acts at once on every account that inherits from it (R-PKG-4). What is absent stays.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The package.
    pub package: Id,
    /// The name that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Its limits, all of them: one that is absent here falls to the platform's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// The role that no member of its accounts can exceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// Takes the ceiling away; not together with `role`.
    #[serde(default)]
    pub without_role: bool,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Reads a package.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The package.
    pub package: Id,
}

/// Lists packages by id, a page at a time.
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

/// Retires a package: its accounts keep it, new ones cannot have it (R-PKG-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retire {
    /// The package.
    pub package: Id,
}

/// Deletes a package; one in use only when its accounts move to another (R-PKG-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The package.
    pub package: Id,
    /// The package that its accounts get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub move_to: Option<Id>,
}

/// A page of packages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PackageList {
    /// The packages.
    pub packages: Vec<Package>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Id>,
}

/// A package that was deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PackageDeleted {
    /// The package.
    pub package: Id,
    /// How many accounts moved to another.
    pub moved: u64,
}

/// Reads a package inside an operation.
pub(crate) fn load(ctx: &mut Ctx<'_>, id: &Id, field: &str) -> Result<Package, Error> {
    ctx.tx.get(&keys::package(id))?.ok_or_else(|| Error::not_found("package", id.as_str()).at(field))
}

/// Gives an account another package, or none, and keeps index and count. The account itself is not written.
pub(crate) fn relink(ctx: &mut Ctx<'_>, account: &Id, old: Option<&Id>, new: Option<&Id>) -> Result<(), Error> {
    if old == new {
        return Ok(());
    }
    if let Some(id) = old {
        let mut package = load(ctx, id, "/package")?;
        package.accounts -= 1;
        ctx.tx.put(keys::package(id), &package)?;
        ctx.tx.delete(keys::package_account(id, account));
    }
    if let Some(id) = new {
        let mut package = load(ctx, id, "/package")?;
        if package.retired {
            return Err(Error::new(Code::PackageRetired, format!("`{id}` is retired and takes no new accounts")).at("/package"));
        }
        package.accounts += 1;
        ctx.tx.put(keys::package(id), &package)?;
        ctx.tx.mark(keys::package_account(id, account));
    }
    Ok(())
}

fn relink_role(ctx: &mut Ctx<'_>, package: &Id, old: Option<&Id>, new: Option<&Id>) -> Result<(), Error> {
    if old == new {
        return Ok(());
    }
    if let Some(role) = old {
        roles::mark_use(ctx, role, "package", &[package.as_str()], false);
    }
    if let Some(role) = new {
        roles::load_of_platform(ctx, role, "/role")?;
        roles::mark_use(ctx, role, "package", &[package.as_str()], true);
    }
    Ok(())
}

impl Operation for Create {
    const NAME: &'static str = "packages.create";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Package;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Package, Error> {
        let id = ctx.new_id(self.id, keys::PACKAGE, keys::package, "package")?;
        relink_role(ctx, &id, None, self.role.as_ref())?;
        let package = Package {
            id,
            name: self.name,
            limits: self.limits,
            assets: Assets::default(),
            credits: false,
            overuse: false,
            bounce_rate: None,
            child_price: None,
            role: self.role,
            retired: false,
            accounts: 0,
            rev: 1,
            created_at_ms: ctx.now_ms,
            updated_at_ms: ctx.now_ms,
        };
        ctx.tx.put(keys::package(&package.id), &package)?;
        Ok(package)
    }
}

impl Operation for Edit {
    const NAME: &'static str = "packages.edit";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Package;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Package, Error> {
        let mut package = load(ctx, &self.package, "/package")?;
        check_rev(self.expected_rev, package.rev)?;
        if self.role.is_some() && self.without_role {
            return Err(Error::invalid("/without_role", "`role` and `without_role` exclude each other"));
        }
        let role = if self.without_role { None } else { self.role.or_else(|| package.role.clone()) };
        relink_role(ctx, &package.id, package.role.as_ref(), role.as_ref())?;
        package.role = role;
        package.name = self.name.unwrap_or(package.name);
        package.limits = self.limits.unwrap_or(package.limits);
        package.rev += 1;
        package.updated_at_ms = ctx.now_ms;
        ctx.tx.put(keys::package(&package.id), &package)?;
        ctx.tx.touch_everything();
        Ok(package)
    }
}

impl Operation for Get {
    const NAME: &'static str = "packages.get";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::System;
    type Answer = Package;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Package, Error> {
        load(ctx, &self.package, "/package")
    }
}

impl Operation for List {
    const NAME: &'static str = "packages.list";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::System;
    type Answer = PackageList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PackageList, Error> {
        let (rows, next) = page::<Package>(ctx, keys::below(keys::PACKAGE, &[]), self.after.as_ref(), self.limit)?;
        Ok(PackageList { packages: rows.into_iter().map(|(_, package)| package).collect(), next })
    }
}

impl Operation for Retire {
    const NAME: &'static str = "packages.retire";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Package;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Package, Error> {
        let mut package = load(ctx, &self.package, "/package")?;
        if !package.retired {
            package.retired = true;
            package.rev += 1;
            package.updated_at_ms = ctx.now_ms;
            ctx.tx.put(keys::package(&package.id), &package)?;
        }
        Ok(package)
    }
}

impl Operation for Delete {
    const NAME: &'static str = "packages.delete";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = PackageDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PackageDeleted, Error> {
        let package = load(ctx, &self.package, "/package")?;
        let (from, until) = keys::below(keys::PACKAGE_ACCOUNT, &[package.id.as_str()]);
        let users: Vec<Id> = ctx.tx.range::<()>(&from, &until, usize::MAX)?.iter().filter_map(|(key, ())| keys::last_id(key)).collect();
        if !users.is_empty() {
            let Some(target) = &self.move_to else {
                let shown: Vec<String> = users.iter().take(10).map(Id::to_string).collect();
                let error = Error::new(Code::PackageInUse, format!("{} accounts use `{}`", users.len(), package.id));
                return Err(error.with("accounts", package.accounts).with("used_by", shown));
            };
            if *target == package.id {
                return Err(Error::invalid("/move_to", "the accounts cannot move to the package that is to be deleted"));
            }
            load(ctx, target, "/move_to")?;
            for id in &users {
                let Some(mut account) = ctx.tx.get::<model::Account>(&keys::account(id))? else { continue };
                relink(ctx, id, Some(&package.id), Some(target)).map_err(|error| error.at("/move_to"))?;
                account.package = Some(target.clone());
                account.rev += 1;
                account.updated_at_ms = ctx.now_ms;
                ctx.tx.put(keys::account(id), &account)?;
            }
            ctx.tx.touch_everything();
        }
        relink_role(ctx, &package.id, package.role.as_ref(), None)?;
        ctx.tx.delete(keys::package(&package.id));
        ctx.tx.mark(keys::tombstone(keys::PACKAGE, &package.id));
        Ok(PackageDeleted { package: package.id, moved: users.len() as u64 })
    }
}
