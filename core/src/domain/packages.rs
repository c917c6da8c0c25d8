//! Packages: service tiers with limits (R-PKG-1, R-PKG-4).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api;
use crate::api::packages::{
    Create, Delete, Edit, Get, List, PackageDeleted, PackageList, PackagePreflight, PackagePut,
    Preflight, PreflightExcess, PreflightGuarantee, Put, Retire,
};
use crate::api::put::PutOutcome;
use crate::domain::{assets, gauges, limits, replacing, roles};
use crate::error::{Code, Error};
use crate::kernel::page::page;
use crate::kernel::revision::check_rev;
use crate::kernel::{Lowered, keys};
use crate::model::{Actor, Edition, Id, LimitName, LimitTerms, Limits, Package, Replaceable};
use crate::rules::limit::{CountedBy, LimitLevel, counted_by, guarantees_hold, needs_licence};
use crate::tables::packages::{Packages, accounts_of, load, load_open};
use crate::tables::replacements::names_of;
use crate::tables::{self, accounts};

/// An account gets another package, or none: keeps the count of each. The account itself is not
/// written.
pub(crate) fn relink(
    ctx: &mut Ctx<'_>,
    account: &Id,
    old: Option<&Id>,
    new: Option<&Id>,
) -> Result<(), Error> {
    if let Some(id) = new.filter(|_| old != new) {
        load_open(&mut ctx.tx, id, "/package")?;
    }
    link(ctx, account, old, new)
}

/// As [`relink`], also to a package that was retired since the account was promised it.
pub(crate) fn link(
    ctx: &mut Ctx<'_>,
    account: &Id,
    old: Option<&Id>,
    new: Option<&Id>,
) -> Result<(), Error> {
    if old == new {
        return Ok(());
    }
    for (id, joins) in old
        .map(|id| (id, false))
        .into_iter()
        .chain(new.map(|id| (id, true)))
    {
        let mut package = load(&mut ctx.tx, id, "/package")?;
        if joins {
            package.accounts += 1;
        } else {
            package.accounts = package.accounts.saturating_sub(1);
        }
        ctx.tx.save::<Packages>(&package)?;
    }
    ctx.tx.recheck_limits(Lowered::Account(account.clone()));
    Ok(())
}

/// Refuses what means nothing.
fn check(package: &Package) -> Result<(), Error> {
    assets::check(&package.assets)?;
    if let Some(rate) = &package.bounce_rate {
        if !(1..=1000).contains(&rate.per_mille.get()) {
            return Err(Error::invalid(
                "/bounce_rate/per_mille",
                format!(
                    "`per_mille` must be from 1 to 1000 bounces in a thousand, and is {}.",
                    rate.per_mille.get()
                ),
            ));
        }
        if rate.sample.get() == 0 {
            return Err(Error::invalid(
                "/bounce_rate/sample",
                "A rate needs a `sample` of at least 1 outcome.",
            ));
        }
    }
    let is_code =
        |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    match &package.child_price {
        Some(price) if !is_code(price.currency.as_str()) => Err(Error::invalid(
            "/child_price/currency",
            format!(
                "`{}` is not a currency; write three capital letters, such as `EUR`.",
                price.currency
            ),
        )),
        _ => Ok(()),
    }
}

/// What the edition does not include is neither set nor changed: it stays as it was written
/// (R-PLT-1).
fn check_licence(
    ctx: &mut Ctx<'_>,
    before: Option<&Package>,
    after: &Package,
) -> Result<(), Error> {
    let credits = [
        (
            "/credits",
            before.is_some_and(|package| package.credits) != after.credits,
        ),
        (
            "/overuse",
            before.is_some_and(|package| package.overuse) != after.overuse,
        ),
    ];
    for (field, _) in credits.into_iter().filter(|(_, changed)| *changed) {
        ctx.require_credits(None, field)?;
        if after.overuse && !after.credits {
            return Err(Error::invalid(
                "/overuse",
                "Only `credits` can pay for `overuse`; allow both, or neither.",
            ));
        }
    }
    if before.and_then(|package| package.bounce_rate) != after.bounce_rate {
        ctx.require_licence("/bounce_rate")?;
    }
    for name in licensed_limits() {
        if before.and_then(|package| package.limits.get(name)) != after.limits.get(name) {
            ctx.require_licence(&format!("/limits/{}", name.name()))?;
        }
    }
    Ok(())
}

/// The limits that a package has under the commercial edition alone.
fn licensed_limits() -> impl Iterator<Item = LimitName> {
    LimitName::ALL
        .iter()
        .copied()
        .filter(|name| needs_licence(*name, LimitLevel::Package))
}

/// The package with a note of what counts for nothing, in this edition or by itself.
fn answer_of(ctx: &mut Ctx<'_>, mut package: Package) -> Result<Package, Error> {
    package.without_effect = if package.credits && !package.overuse {
        vec!["credits".to_owned()]
    } else {
        Vec::new()
    };
    if ctx.engine.kernel.edition == Edition::Standard {
        let paid = !ctx.includes_credits(None)?;
        let set = [
            ("credits", paid && package.credits),
            ("overuse", paid && package.overuse),
            ("bounce_rate", package.bounce_rate.is_some()),
        ];
        package.read_only = set
            .into_iter()
            .filter(|(_, set)| *set)
            .map(|(field, _)| field.to_owned())
            .collect();
        let limits = licensed_limits().filter(|name| package.limits.get(*name).is_some());
        package
            .read_only
            .extend(limits.map(|name| format!("limits.{}", name.name())));
    }
    Ok(package)
}

/// A package gets a role of the platform.
fn check_role(ctx: &mut Ctx<'_>, old: Option<&Id>, new: Option<&Id>) -> Result<(), Error> {
    match new.filter(|_| old != new) {
        Some(role) => roles::load_of_platform(ctx, role, "/role").map(drop),
        None => Ok(()),
    }
}

impl Operation for Create {
    type Answer = Package;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Package, Error> {
        let id = ctx.new_id(self.id, keys::PACKAGE, keys::package, "package")?;
        check_role(ctx, None, self.role.as_ref())?;
        let package = Package {
            id,
            name: self.name,
            limits: self.limits,
            assets: self.assets,
            credits: self.credits,
            overuse: self.overuse,
            bounce_rate: self.bounce_rate,
            child_price: self.child_price,
            role: self.role,
            retired: false,
            read_only: Vec::new(),
            without_effect: Vec::new(),
            accounts: 0,
            rev: 1,
            created_at_ms: ctx.now_ms,
            updated_at_ms: ctx.now_ms,
        };
        check(&package)?;
        limits::check_terms(
            ctx,
            None,
            &package.limits.terms,
            &Limits::default(),
            "/limits/terms",
        )?;
        check_licence(ctx, None, &package)?;
        ctx.tx.save::<Packages>(&package)?;
        answer_of(ctx, package)
    }
}

/// What a field of an edit makes of one that can be taken away.
fn edited<T>(
    old: Option<T>,
    new: Option<T>,
    without: bool,
    field: &str,
) -> Result<Option<T>, Error> {
    match (new, without) {
        (Some(_), true) => Err(Error::invalid(
            format!("/without_{field}"),
            format!("Send either `{field}` or `without_{field}`, not both."),
        )),
        (_, true) => Ok(None),
        (new, false) => Ok(new.or(old)),
    }
}

impl Operation for Edit {
    type Answer = Package;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Package, Error> {
        let before = load(&mut ctx.tx, &self.package, "/package")?;
        check_rev(self.expected_rev, before.rev)?;
        let mut package = before.clone();
        package.role = edited(package.role, self.role, self.without_role, "role")?;
        package.bounce_rate = edited(
            package.bounce_rate,
            self.bounce_rate,
            self.without_bounce_rate,
            "bounce_rate",
        )?;
        package.child_price = edited(
            package.child_price,
            self.child_price,
            self.without_child_price,
            "child_price",
        )?;
        package.name = self.name.unwrap_or(package.name);
        package.assets = self.assets.unwrap_or_default().of(package.assets);
        package.credits = self.credits.unwrap_or(package.credits);
        package.overuse = self.overuse.unwrap_or(package.overuse);
        let given = self.limits.unwrap_or_default();
        limits::check_terms(ctx, None, &given.terms, &package.limits, "/limits/terms")?;
        package.limits = given.or(&package.limits);
        for (at, name) in self.without_limits.iter().enumerate() {
            if given.get(*name).is_some() || given.terms_of(*name) != LimitTerms::none(*name) {
                let message = format!(
                    "The limit `{}` is both set and removed; do one of the two.",
                    name.name()
                );
                return Err(Error::invalid(format!("/without_limits/{at}"), message));
            }
            package.limits.set(*name, None);
            package.limits.set_terms(LimitTerms::none(*name));
        }
        check_change(ctx, &before, &package)?;
        let package = save_changed(ctx, &before, package)?;
        answer_of(ctx, package)
    }
}

/// Refuses what a package cannot become.
fn check_change(ctx: &mut Ctx<'_>, before: &Package, after: &Package) -> Result<(), Error> {
    check(after)?;
    check_licence(ctx, Some(before), after)?;
    check_role(ctx, before.role.as_ref(), after.role.as_ref())
}

/// Writes what became of a package; every account that inherits from it sees it at once (R-PKG-4).
fn save_changed(
    ctx: &mut Ctx<'_>,
    before: &Package,
    mut package: Package,
) -> Result<Package, Error> {
    package.rev += 1;
    package.updated_at_ms = ctx.now_ms;
    ctx.tx.save::<Packages>(&package)?;
    ctx.tx.invalidate_all();
    if package.limits != before.limits {
        ctx.tx.recheck_limits(Lowered::Package(package.id.clone()));
    }
    Ok(package)
}

impl Operation for Put {
    type Answer = PackagePut;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PackagePut, Error> {
        let Some(before) = ctx.tx.get::<Package>(&keys::package(&self.id))? else {
            if matches!(ctx.actor, Actor::Operator { .. }) {
                ctx.require_as_operator("packages.create")?;
            }
            return Ok(PackagePut {
                package: self.into_new().run(ctx)?,
                outcome: PutOutcome::Created,
            });
        };
        let wanted = Package {
            name: self.name,
            limits: self.limits,
            assets: self.assets,
            credits: self.credits,
            overuse: self.overuse,
            bounce_rate: self.bounce_rate,
            child_price: self.child_price,
            role: self.role,
            ..before.clone()
        };
        let terms = &wanted.limits.terms;
        limits::check_terms(ctx, None, terms, &Limits::default(), "/limits/terms")?;
        check_change(ctx, &before, &wanted)?;
        let (package, outcome) = if wanted == before {
            (before, PutOutcome::Unchanged)
        } else {
            let changed = save_changed(ctx, &before, wanted)?;
            (changed, PutOutcome::Changed)
        };
        Ok(PackagePut {
            package: answer_of(ctx, package)?,
            outcome,
        })
    }
}

impl Put {
    /// The same as a request to create the package.
    fn into_new(self) -> Create {
        Create {
            id: Some(self.id),
            name: self.name,
            limits: self.limits,
            role: self.role,
            assets: self.assets,
            credits: self.credits,
            overuse: self.overuse,
            bounce_rate: self.bounce_rate,
            child_price: self.child_price,
        }
    }
}

impl Operation for Get {
    type Answer = Package;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Package, Error> {
        let package = load(&mut ctx.tx, &self.package, "/package")?;
        answer_of(ctx, package)
    }
}

impl Operation for List {
    type Answer = PackageList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PackageList, Error> {
        let (rows, next) = page::<Package>(
            ctx,
            keys::range(keys::PACKAGE, &[]),
            self.after.as_ref(),
            self.limit,
        )?;
        Ok(PackageList {
            packages: rows
                .into_iter()
                .map(|(_, package)| answer_of(ctx, package))
                .collect::<Result<_, _>>()?,
            next,
        })
    }
}

impl Operation for Retire {
    type Answer = Package;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Package, Error> {
        let mut package = load(&mut ctx.tx, &self.package, "/package")?;
        check_rev(self.expected_rev, package.rev)?;
        if !package.retired {
            package.retired = true;
            package.rev += 1;
            package.updated_at_ms = ctx.now_ms;
            ctx.tx.save::<Packages>(&package)?;
        }
        answer_of(ctx, package)
    }
}

/// Most accounts that a refusal names.
const MOST_NAMED: usize = 10;

impl Operation for Delete {
    type Answer = PackageDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PackageDeleted, Error> {
        let package = load(&mut ctx.tx, &self.package, "/package")?;
        check_rev(self.expected_rev, package.rev)?;
        let at_once = ctx.engine.background.at_once();
        let most = match self.move_to {
            Some(_) => at_once + 1,
            None => MOST_NAMED,
        };
        let names = names_of(&mut ctx.tx, Replaceable::Package, &package.id)?;
        let (mut users, mut waiting) = (Vec::new(), Vec::new());
        for name in &names {
            users.extend(accounts_of(&mut ctx.tx, keys::PACKAGE_ACCOUNT, name, most)?);
            waiting.extend(accounts_of(&mut ctx.tx, keys::PACKAGE_NEXT, name, most)?);
        }
        // Under whichever name they were found.
        users.sort();
        waiting.sort();
        if !users.is_empty() || !waiting.is_empty() {
            let Some(target) = &self.move_to else {
                return Err(in_use(&package, users.iter().chain(&waiting)));
            };
            if *target == package.id {
                return Err(Error::invalid(
                    "/move_to",
                    format!(
                        "The accounts cannot move to `{target}`, which is being deleted; name \
                         another package."
                    ),
                ));
            }
            let mut target = load_open(&mut ctx.tx, target, "/move_to")?;
            if names.len() == 1 && users.len() + waiting.len() <= at_once {
                move_accounts(ctx, &users, &waiting, &target.id)?;
            } else {
                replacing::begin(ctx, Replaceable::Package, &package.id, &target.id)?;
            }
            target.accounts += package.accounts;
            ctx.tx.save::<Packages>(&target)?;
            ctx.tx.invalidate_all();
        }
        ctx.tx.erase::<Packages>(&package)?;
        ctx.tx.mark(keys::tombstone(keys::PACKAGE, &package.id));
        Ok(PackageDeleted {
            package: package.id,
            moved: package.accounts,
        })
    }
}

fn in_use<'a>(package: &Package, accounts: impl Iterator<Item = &'a Id>) -> Error {
    let shown: Vec<String> = accounts.take(MOST_NAMED).map(Id::to_string).collect();
    let error = Error::new(
        Code::PackageInUse,
        format!(
            "There are {} accounts that use `{}`, or get it later; name a package in `move_to`.",
            package.accounts, package.id
        ),
    );
    error
        .with("accounts", package.accounts)
        .with("used_by", shown)
}

/// The accounts that have a package, and those that get it later, get another one at once.
fn move_accounts(
    ctx: &mut Ctx<'_>,
    users: &[Id],
    waiting: &[Id],
    target: &Id,
) -> Result<(), Error> {
    for id in users {
        let mut account = accounts::load(&mut ctx.tx, id, "/package")?;
        account.package = Some(target.clone());
        accounts::save(&mut ctx.tx, account)?;
    }
    for id in waiting {
        let mut account = accounts::load(&mut ctx.tx, id, "/package")?;
        if let Some(next) = &mut account.next_package {
            next.package = target.clone();
        }
        accounts::save(&mut ctx.tx, account)?;
    }
    ctx.tx.recheck_limits(Lowered::Package(target.clone()));
    Ok(())
}

impl Operation for Preflight {
    type Answer = PackagePreflight;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<PackagePreflight, Error> {
        let Preflight { account, package } = self;
        let mut line = limits::Line::load(ctx, &account).map_err(|error| error.at("/account"))?;
        let with = load(&mut ctx.tx, &package, "/package")?;
        if line
            .accounts
            .first()
            .is_some_and(|account| account.package.as_ref() != Some(&with.id))
        {
            load_open(&mut ctx.tx, &package, "/package")?;
        }
        if let Some(own) = line.packages.first_mut() {
            *own = Some(with);
        }
        let windows = api::usage::Get {
            account: account.clone(),
        }
        .run(ctx)?
        .windows;
        let mut used: Vec<(LimitName, u64)> = windows
            .into_iter()
            .filter_map(|window| Some((LimitName::find(&window.limit)?, window.used)))
            .collect();
        for limit in LimitName::ALL
            .iter()
            .copied()
            .filter(|limit| counted_by(*limit) != CountedBy::Nobody)
        {
            used.push((limit, gauges::used(ctx, &account, limit)?));
        }
        let excess = used.into_iter().map(|(limit, used)| PreflightExcess {
            limit,
            value: line.value(0, limit),
            used,
        });
        let exceeded = excess
            .filter(|excess| excess.used > excess.value.ceiling())
            .collect();
        let mut guarantees = Vec::new();
        for limit in LimitName::ALL.iter().copied() {
            let (promised, value) = (
                tables::limits::promised(&mut ctx.tx, &account, limit)?,
                line.smallest(0, limit),
            );
            if !guarantees_hold(promised, value) {
                guarantees.push(PreflightGuarantee {
                    limit,
                    value,
                    promised,
                });
            }
        }
        Ok(PackagePreflight {
            account,
            package,
            exceeded,
            guarantees,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::access::state::Engine;
    use crate::catalogue;
    use crate::error::Error;
    use crate::model::{Actor, Edition};
    use crate::options::OpenOptions;
    use serde_json::{Value, json};
    use std::path::Path;

    fn call(engine: &Engine, operation: &str, request: Value) -> Result<Value, Error> {
        let entry = catalogue::find(operation).unwrap();
        let answer = (entry.run_json)(engine, &Actor::System, request.to_string().as_bytes())?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    /// What was done, and whether anything was committed.
    fn put(engine: &Engine, request: &Value) -> (Value, bool) {
        let before = engine.kernel.backend.last_commit();
        let answer = call(engine, "packages.put", request.clone()).unwrap();
        let has_written = engine.kernel.backend.last_commit() != before;
        (answer["outcome"].clone(), has_written)
    }

    #[test]
    fn a_package_is_put_into_a_state_and_left_there() {
        let options = OpenOptions::default().edition(Edition::Commercial);
        let engine = Engine::open(Path::new(":memory:"), &options).unwrap();
        let gold = json!({"id": "gold", "name": "Gold", "role": "editor",
            "limits": {"email_per_day": 100, "contacts": "unlimited",
                "terms": [{"limit": "email_per_day", "over": "hold"}]},
            "assets": {"domains": ["send.example"], "nodes": ["n1"]},
            "credits": true, "overuse": true,
            "bounce_rate": {"per_mille": 50, "sample": 100},
            "child_price": {"currency": "EUR", "minor_units": 500}});
        assert_eq!(put(&engine, &gold), (json!("created"), true));
        assert_eq!(put(&engine, &gold), (json!("unchanged"), false));
        for field in [
            "role",
            "limits",
            "assets",
            "overuse",
            "bounce_rate",
            "child_price",
        ] {
            let mut less = gold.clone();
            less.as_object_mut().unwrap().remove(field);
            assert_eq!(put(&engine, &less), (json!("changed"), true), "{field}");
            assert_eq!(put(&engine, &less), (json!("unchanged"), false), "{field}");
            assert_eq!(put(&engine, &gold), (json!("changed"), true), "{field}");
        }

        call(&engine, "packages.retire", json!({"package": "gold"})).unwrap();
        assert_eq!(put(&engine, &gold), (json!("unchanged"), false));
        let bare = json!({"id": "gold", "name": "Bare"});
        assert_eq!(put(&engine, &bare), (json!("changed"), true));
        let now = call(&engine, "packages.get", json!({"package": "gold"})).unwrap();
        let fresh = json!({"id": "fresh", "name": "Bare"});
        let fresh = call(&engine, "packages.create", fresh).unwrap();
        for field in fresh.as_object().unwrap().keys() {
            if !["id", "retired", "rev"].contains(&field.as_str()) && !field.ends_with("_at_ms") {
                assert_eq!(now[field], fresh[field], "{field}");
            }
        }
        assert_eq!(now["retired"], true);
    }
}
