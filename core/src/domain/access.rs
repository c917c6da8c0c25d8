//! May this user do this here? (R-ROL-9)
//!
//! Every answer comes from one place, [`View::judge`](crate::access::view::View::judge), so that
//! all of them agree.

use crate::access::allowed;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::view::{Judged, MemberView, NominalCache, OF_OWN_MEMBERS, role_permissions};
use crate::access::visibility;
use crate::api::access::{
    AccessCheck, AccessExplanation, AccessHeldAs, AccessHolder, AccessHolderList, AccessStep,
    AccessStepKind, Check, Explain, HeldPermission, UserPermissions, WhatCan, WhoCan,
};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::model::{Actor, Id, Member, Package, PermissionTree, Role, Scope};
use crate::rules::role::permission_set;
use crate::tables::accounts::account_line;
use crate::tables::roles::load_role;
use std::collections::HashSet;
use std::sync::Arc;

/// What a user may do in an account, as far as the actor can see them: a user who does not manage
/// the team does not see those who manage it from above (R-INV-10). None for strangers.
fn judge(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<Option<Judged>, Error> {
    let view = ctx.engine.cell(account)?.view(ctx.engine)?;
    let tree = ctx.tree();
    let Some(mut judged) = view.judge(&mut ctx.tx, &mut NominalCache::new(&tree), user)? else {
        return Ok(None);
    };
    narrow(ctx, account, user, &mut judged)?;
    let from_ancestor = judged
        .all_memberships()
        .all(|member| member.account != *account);
    Ok(is_visible(ctx, account, user, from_ancestor)?.then_some(judged))
}

/// Who acts for a user, a person or a program, is told what the user may do by them (R-SES-6,
/// R-SES-7).
fn narrow(ctx: &mut Ctx<'_>, account: &Id, user: &Id, judged: &mut Judged) -> Result<(), Error> {
    if visibility::is_self(ctx, user) && !ctx.actor.is_in_person() {
        judged.permissions = judged
            .permissions
            .clone()
            .under(&ctx.member_in(account)?.permissions);
    }
    Ok(())
}

/// Whether the actor sees a user act in an account, be it `from_ancestor` alone (R-INV-10).
fn is_visible(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
    from_ancestor: bool,
) -> Result<bool, Error> {
    let unseen = from_ancestor && !visibility::is_self(ctx, user) && !sees_ancestors(ctx, account)?;
    Ok(!unseen && !visibility::hidden_in(ctx, account)?.contains(user))
}

/// What another user may do in an account, as far as the actor sees them there: whom they do not
/// see may do what a stranger may.
pub(crate) fn member_seen(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
) -> Result<Arc<MemberView>, Error> {
    let member = ctx
        .engine
        .cell(account)?
        .member(ctx.engine, user.as_str())?;
    let is_visible = is_visible(ctx, account, user, member.member.is_none())?;
    Ok(if is_visible {
        member
    } else {
        Arc::new(member.as_stranger(&ctx.tree()))
    })
}

fn sees_ancestors(ctx: &mut Ctx<'_>, account: &Id) -> Result<bool, Error> {
    match ctx.actor {
        Actor::User { .. } => ctx.manages_team_of(account),
        Actor::System | Actor::Operator { .. } => Ok(true),
    }
}

fn place_of(tree: &PermissionTree, permission: &Id) -> Result<usize, Error> {
    tree.find(permission.as_str(), "/permission")
}

pub(crate) fn held_as(member: &Member, account: &Id) -> AccessHeldAs {
    match (member.account == *account, member.owner) {
        (false, _) => AccessHeldAs::Ancestor,
        (true, true) => AccessHeldAs::Owner,
        (true, false) => AccessHeldAs::Member,
    }
}

impl Operation for Check {
    type Answer = AccessCheck;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccessCheck, Error> {
        let cell = ctx.engine.cell(&self.account)?;
        let allowed = allowed::allowed(
            ctx.engine,
            &cell,
            self.user.as_str(),
            self.permission.as_str(),
        )?;
        let place = ctx.tree().place(self.permission.as_str());
        let holds =
            |judged: Judged| place.is_some_and(|place| judged.permissions.at(place).is_some());
        let seen = !matches!(ctx.actor, Actor::User { .. })
            || judge(ctx, &self.account, &self.user)?.is_some_and(holds);
        Ok(AccessCheck {
            allowed: allowed && seen,
        })
    }
}

impl Operation for WhatCan {
    type Answer = UserPermissions;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UserPermissions, Error> {
        let Some(judged) = judge(ctx, &self.account, &self.user)? else {
            return Ok(UserPermissions {
                refusal: Some(Code::NotMember),
                held_as: None,
                permissions: Vec::new(),
            });
        };
        let held_as = judged.member().map(|member| held_as(member, &self.account));
        if judged.refusal.is_some() {
            return Ok(UserPermissions {
                refusal: judged.refusal,
                held_as,
                permissions: Vec::new(),
            });
        }
        let tree = ctx.tree();
        let mut permissions = Vec::new();
        for (place, node) in tree.nodes().iter().enumerate() {
            permissions.extend(judged.permissions.at(place).map(|scope| HeldPermission {
                permission: node.id.clone(),
                scope,
            }));
        }
        Ok(UserPermissions {
            refusal: None,
            held_as,
            permissions,
        })
    }
}

impl Operation for WhoCan {
    type Answer = AccessHolderList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccessHolderList, Error> {
        let tree = ctx.tree();
        let place = place_of(&tree, &self.permission)?;
        let view = ctx.engine.cell(&self.account)?.view(ctx.engine)?;
        let sees_ancestors = sees_ancestors(ctx, &self.account)?;
        let levels = if sees_ancestors {
            1 + view.ancestors.len()
        } else {
            1
        };
        let spans: Vec<_> = std::iter::once(&self.account)
            .chain(view.ancestors.iter().map(|cell| &cell.id))
            .take(levels)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .map(|id| keys::range(keys::MEMBER, &[id.as_str()]))
            .collect();
        let hidden = visibility::hidden_in(ctx, &self.account)?;
        let mut cache = NominalCache::new(&tree);
        let (holders, next) = walk(ctx, &spans, self.after.as_ref(), self.limit, |ctx, key| {
            let Some(user) = keys::last_id(key).filter(|user| !hidden.contains(user)) else {
                return Ok(None);
            };
            let Some(mut judged) = view.judge(&mut ctx.tx, &mut cache, &user)? else {
                return Ok(None);
            };
            narrow(ctx, &self.account, &user, &mut judged)?;
            let Some(scope) = judged
                .permissions
                .at(place)
                .filter(|_| judged.refusal.is_none())
            else {
                return Ok(None);
            };
            // Of somebody's memberships in the line one counts; they are listed there.
            let counts = if sees_ancestors {
                judged.by(place)
            } else {
                judged.member()
            };
            let Some(member) = counts.filter(|member| keys::member(&member.account, &user) == key)
            else {
                return Ok(None);
            };
            let (account, role) = (member.account.clone(), member.role.clone());
            Ok(Some(AccessHolder {
                held_as: held_as(member, &self.account),
                user,
                account,
                role,
                scope,
            }))
        })?;
        Ok(AccessHolderList { holders, next })
    }
}

impl Operation for Explain {
    type Answer = AccessExplanation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccessExplanation, Error> {
        let tree = ctx.tree();
        let place = place_of(&tree, &self.permission)?;
        let judged = judge(ctx, &self.account, &self.user)?;
        let (refusal, scope, steps) = match &judged {
            None => (
                Some(Code::NotMember),
                None,
                vec![AccessStep {
                    code: Some(Code::NotMember),
                    ..step(AccessStepKind::Status, &self.user)
                }],
            ),
            Some(Judged {
                refusal: Some(code),
                ..
            }) => {
                let of_user = matches!(code, Code::UserDisabled | Code::MemberDisabled);
                let subject = if of_user { &self.user } else { &self.account };
                (
                    Some(*code),
                    None,
                    vec![AccessStep {
                        code: Some(*code),
                        ..step(AccessStepKind::Status, subject)
                    }],
                )
            }
            Some(judged) => {
                let scope = judged.permissions.at(place);
                let refusal = if scope.is_none() {
                    Some(Code::PermissionDenied)
                } else {
                    None
                };
                let mut steps = self.steps(ctx, &tree, place, judged)?;
                let behind = ctx.actor.behind().map(|behind| &behind.user);
                if let Some(acts) = behind
                    .or(ctx.actor.api_key().map(|key| &key.id))
                    .filter(|_| visibility::is_self(ctx, &self.user))
                {
                    steps.push(AccessStep {
                        scope,
                        ..step(AccessStepKind::Behind, acts)
                    });
                }
                (refusal, scope, steps)
            }
        };
        Ok(AccessExplanation {
            allowed: scope.is_some(),
            scope,
            path: tree.path(place).into_iter().map(str::to_owned).collect(),
            refusal,
            steps,
        })
    }
}

/// A step that says no more than its kind and whom it is about.
fn step(kind: AccessStepKind, subject: &Id) -> AccessStep {
    let subject = subject.clone();
    AccessStep {
        kind,
        subject,
        included_by: Vec::new(),
        account: None,
        package: None,
        permission: None,
        scope: None,
        code: None,
    }
}

impl Explain {
    /// What each membership says, the one that reaches furthest last; then what the ceilings leave.
    fn steps(
        &self,
        ctx: &mut Ctx<'_>,
        tree: &PermissionTree,
        place: usize,
        judged: &Judged,
    ) -> Result<Vec<AccessStep>, Error> {
        if tree.node(place).is_some_and(|node| node.operators) {
            return Ok(vec![step(AccessStepKind::OperatorsOnly, &self.user)]);
        }
        let mut ways = Vec::new();
        let mut on_hold = Vec::new();
        for member in judged.memberships_on_hold() {
            let status = ctx.engine.cell(&member.account)?.view(ctx.engine)?.status;
            on_hold.push(AccessStep {
                account: Some(member.account.clone()),
                code: status.refusal(),
                ..step(AccessStepKind::Status, &member.account)
            });
        }
        for member in judged.memberships() {
            ways.push(self.way(ctx, tree, place, member)?);
        }
        ways.reverse();
        ways.sort_by_key(|(scope, _)| *scope);
        let held = ways.last().is_some_and(|(scope, _)| scope.is_some());
        let steps = ways.into_iter().flat_map(|(_, steps)| steps);
        let mut steps: Vec<AccessStep> = on_hold.into_iter().chain(steps).collect();
        if !held {
            return Ok(steps);
        }
        let is_own = judged
            .memberships()
            .any(|member| member.account == self.account);
        if !is_own
            && tree
                .node(place)
                .is_some_and(|node| node.id == OF_OWN_MEMBERS)
        {
            steps.push(step(AccessStepKind::NoGrant, &self.user));
            return Ok(steps);
        }
        for ceiling in ceilings(ctx, tree, place, &self.account)? {
            let missing = ceiling.scope.is_none();
            steps.push(ceiling);
            if missing {
                break;
            }
        }
        Ok(steps)
    }

    /// What one membership gives before the ceilings, and why.
    fn way(
        &self,
        ctx: &mut Ctx<'_>,
        tree: &PermissionTree,
        place: usize,
        member: &Member,
    ) -> Result<(Option<Scope>, Vec<AccessStep>), Error> {
        let mut steps = Vec::new();
        if member.account != self.account {
            steps.push(AccessStep {
                account: Some(member.account.clone()),
                ..step(AccessStepKind::Ancestor, &member.user)
            });
        }
        if member.owner {
            let scope = Some(Scope::Any);
            steps.push(AccessStep {
                account: Some(member.account.clone()),
                scope,
                ..step(AccessStepKind::Owner, &member.user)
            });
            return Ok((scope, steps));
        }
        if !ctx
            .engine
            .cell(&self.account)?
            .view(ctx.engine)?
            .is_by_package(member)
        {
            let scope = role_steps(ctx, tree, place, member, &mut steps)?;
            return Ok((scope, steps));
        }
        steps.push(step(AccessStepKind::ByPackage, &member.user));
        if ceilings(ctx, tree, place, &member.account)?.is_empty() {
            steps.push(step(AccessStepKind::NoGrant, &member.user));
            return Ok((None, steps));
        }
        Ok((Some(Scope::Any), steps))
    }
}

/// What the role of a member says, with all that it includes, the widest grant last; answers how
/// far it reaches.
fn role_steps(
    ctx: &mut Ctx<'_>,
    tree: &PermissionTree,
    place: usize,
    member: &Member,
    steps: &mut Vec<AccessStep>,
) -> Result<Option<Scope>, Error> {
    let included = match &member.role {
        Some(role) => with_ways(ctx, role)?,
        None => Vec::new(),
    };
    let found = steps.len();
    for (role, way) in &included {
        for grant in &role.allow {
            let alone = Role {
                allow: vec![grant.clone()],
                deny: Vec::new(),
                ..role.clone()
            };
            if let Some(scope) = permission_set(tree, &[alone]).at(place) {
                let permission = Some(grant.permission.to_string());
                steps.push(AccessStep {
                    included_by: way.clone(),
                    permission,
                    scope: Some(scope),
                    ..step(AccessStepKind::Grant, &role.id)
                });
            }
        }
    }
    steps.sort_by_key(|step| (step.kind == AccessStepKind::Grant, step.scope));
    let path = tree.path(place);
    for (role, way) in &included {
        for denied in role
            .deny
            .iter()
            .filter(|denied| path.contains(&denied.as_str()))
        {
            let permission = Some(denied.to_string());
            steps.push(AccessStep {
                included_by: way.clone(),
                permission,
                ..step(AccessStepKind::Denial, &role.id)
            });
        }
    }
    if steps.len() == found {
        steps.push(step(AccessStepKind::NoGrant, &member.user));
    }
    let roles: Vec<Role> = included.into_iter().map(|(role, _)| role).collect();
    let held = permission_set(tree, &roles).at(place);
    if let (Some(scope), Some(role)) = (held, roles.first().filter(|role| role.administrator))
        && scope < Scope::Any
    {
        steps.push(AccessStep {
            scope: Some(Scope::Any),
            ..step(AccessStepKind::Administrator, &role.id)
        });
        return Ok(Some(Scope::Any));
    }
    Ok(held)
}

/// A role and every role that it includes, each with the roles that lead to it from the first.
fn with_ways(ctx: &mut Ctx<'_>, role: &Id) -> Result<Vec<(Role, Vec<Id>)>, Error> {
    let mut seen = HashSet::new();
    let mut open = vec![(role.clone(), Vec::new())];
    let mut roles = Vec::new();
    while let Some((id, way)) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        if let Some(role) = load_role(&mut ctx.tx, &ctx.engine.views.tree.load(), &id)? {
            let below = [way.as_slice(), &[id]].concat();
            open.extend(
                role.includes
                    .iter()
                    .map(|included| (included.clone(), below.clone())),
            );
            roles.push((role, way));
        }
    }
    Ok(roles)
}

/// The ceilings of an account and of those above it, from the account up: what the role of each
/// package leaves.
fn ceilings(
    ctx: &mut Ctx<'_>,
    tree: &PermissionTree,
    place: usize,
    account: &Id,
) -> Result<Vec<AccessStep>, Error> {
    let mut steps = Vec::new();
    for ancestor in account_line(&mut ctx.tx, account)? {
        let Some(package) = ancestor.package else {
            continue;
        };
        let Some(role) = ctx
            .tx
            .get::<Package>(&keys::package(&package))?
            .and_then(|package| package.role)
        else {
            continue;
        };
        let scope = role_permissions(&mut ctx.tx, tree, &role)?.at(place);
        let kind = if scope.is_some() {
            AccessStepKind::Ceiling
        } else {
            AccessStepKind::CeilingMissing
        };
        steps.push(AccessStep {
            account: Some(ancestor.id),
            package: Some(package),
            scope,
            ..step(kind, &role)
        });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {

    use crate::access::state::Engine;

    use crate::access::allowed;
    use crate::catalogue;
    use crate::error::Error;
    use crate::kernel::keys;
    use crate::model::{Actor, Count, Id, PermissionTree, Policies, PolicyRecord, RoleScope};
    use crate::options::OpenOptions;

    use serde_json::{Value, json};
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    const ACCOUNTS: [&str; 4] = ["top", "mid", "leaf", "other"];

    const ROLES: [&str; 10] = [
        "r0",
        "r1",
        "r2",
        "r3",
        "r4",
        "of-top",
        "administrator",
        "editor",
        "author",
        "chief",
    ];

    const NODES: [&str; 12] = [
        "campaigns",
        "campaigns.send",
        "campaigns.view",
        "lists",
        "lists.edit",
        "users",
        "users.invite",
        "accounts.team",
        "contacts.export",
        "contacts",
        "clients",
        "reports.view",
    ];

    /// Numbers that look random and are the same in every run.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (self.0 >> 33) % sides
        }
        fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
            of[self.roll(of.len() as u64) as usize]
        }
        fn allow(&mut self, tree: &PermissionTree) -> Value {
            let line = |dice: &mut Dice| {
                let permission = dice.one_of(&NODES);
                let scoped = tree.node(tree.place(permission).unwrap()).unwrap().scoped;
                match (scoped, dice.roll(4)) {
                    (true, 0) => json!({"permission": permission, "scope": "own"}),
                    (true, 1) => json!({"permission": permission, "scope": "group"}),
                    _ => json!({ "permission": permission }),
                }
            };
            (0..self.roll(6)).map(|_| line(self)).collect()
        }
        fn deny(&mut self) -> Value {
            (0..self.roll(4) / 2).map(|_| self.one_of(&NODES)).collect()
        }
    }

    fn call(engine: &Engine, operation: &str, request: Value) -> Value {
        try_call(engine, operation, &request)
            .unwrap_or_else(|error| panic!("{operation} {request}: {error}"))
    }

    fn try_call(engine: &Engine, operation: &str, request: &Value) -> Result<Value, Error> {
        let answer = (catalogue::find(operation).unwrap().run_json)(
            engine,
            &Actor::System,
            request.to_string().as_bytes(),
        )?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    fn set_policies(engine: &Engine, account: Option<&Id>, set: Policies) {
        let mut tx = engine.kernel.tx();
        tx.put(keys::policy(account), &PolicyRecord { preset: None, set })
            .unwrap();
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

    /// A platform with a team three accounts deep and another account, and random roles, ceilings
    /// and members.
    fn platform(dice: &mut Dice) -> (std::sync::Arc<Engine>, BTreeSet<String>) {
        let engine = Engine::open(Path::new(":memory:"), &OpenOptions::default()).unwrap();
        let tree = engine.views.tree.load_full();
        let by_package = dice.roll(4) == 0;
        let role_scope = by_package.then_some(RoleScope::Package);
        let billing_hold_owner_enters = Some(dice.roll(2) == 0);
        set_policies(
            &engine,
            None,
            Policies {
                depth: Count::new(3).ok(),
                role_scope,
                billing_hold_owner_enters,
                ..Policies::default()
            },
        );
        for (number, id) in ROLES[..5].iter().enumerate() {
            let includes: Vec<&str> = ROLES[..number]
                .iter()
                .copied()
                .filter(|_| dice.roll(4) == 0)
                .collect();
            call(
                &engine,
                "roles.create",
                json!({"id": id, "name": id, "allow": dice.allow(&tree), "deny": dice.deny(),
                    "includes": includes}),
            );
        }
        call(
            &engine,
            "roles.copy",
            json!({"role": "administrator", "id": "chief"}),
        );
        call(
            &engine,
            "roles.edit",
            json!({"role": "chief", "allow": dice.allow(&tree), "deny": dice.deny(),
                "includes": ["r0"]}),
        );
        for id in ["p0", "p1"] {
            let mut package = json!({"id": id, "name": id});
            if dice.roll(3) > 0 {
                package["role"] = dice
                    .one_of(&[
                        "r0",
                        "r1",
                        "r2",
                        "r3",
                        "r4",
                        "full",
                        "administrator",
                        "chief",
                    ])
                    .into();
            }
            call(&engine, "packages.create", package);
        }
        let mut users: BTreeSet<String> = ["nobody".to_owned()].into();
        for (id, parent) in [
            ("top", None),
            ("mid", Some("top")),
            ("leaf", Some("mid")),
            ("other", None),
        ] {
            let owner = format!("owner-of-{id}");
            let mut account = json!({"id": id, "name": id, "owner": {"user": owner,
                "email": format!("{owner}@example.com")}});
            if let Some(parent) = parent {
                account["parent"] = parent.into();
            }
            if dice.roll(2) == 0 {
                account["package"] = dice.one_of(&["p0", "p1"]).into();
            }
            call(&engine, "accounts.create", account);
            users.insert(owner);
        }
        call(
            &engine,
            "roles.create",
            json!({"id": "of-top", "account": "top", "name": "Of top", "allow": dice.allow(&tree),
                "includes": ["r1"]}),
        );
        for number in 0..12 {
            let user = format!("u{number}");
            call(
                &engine,
                "users.create",
                json!({"id": user, "email": format!("{user}@example.com")}),
            );
            for account in ACCOUNTS {
                if dice.roll(3) == 0 {
                    // A role that cannot be used there is refused, and nobody joins.
                    let mut member = json!({"account": account, "user": user});
                    if !by_package {
                        member["role"] = dice.one_of(&ROLES).into();
                    }
                    let _ = try_call(&engine, "members.add", &member);
                }
            }
            users.insert(user);
        }
        for account in ACCOUNTS {
            if dice.roll(3) == 0 {
                let billing_hold_owner_enters = Some(dice.roll(2) == 0);
                let set = Policies {
                    billing_hold_owner_enters,
                    ..Policies::default()
                };
                set_policies(&engine, Some(&Id::new(account).unwrap()), set);
            }
        }
        (engine, users)
    }

    fn change(engine: &Engine, dice: &mut Dice, users: &BTreeSet<String>) {
        let tree = engine.views.tree.load_full();
        let user = users
            .iter()
            .nth(dice.roll(users.len() as u64) as usize)
            .unwrap();
        let account = dice.one_of(&ACCOUNTS);
        let (operation, request) = match dice.roll(9) {
            0 | 1 => (
                "roles.edit",
                json!({"role": dice.one_of(&ROLES[..6]), "allow": dice.allow(&tree),
                    "deny": dice.deny()}),
            ),
            2 | 3 => (
                "members.set_role",
                json!({"account": account, "user": user, "role": dice.one_of(&ROLES)}),
            ),
            4 => (
                "packages.edit",
                json!({"package": "p0", "role": dice.one_of(&ROLES)}),
            ),
            5 => ("members.disable", json!({"account": account, "user": user})),
            6 => ("users.disable", json!({ "user": user })),
            7 => (
                "accounts.hold",
                json!({
                    "account": account,
                    "reason": dice.one_of(&["billing", "billing", "admin"]),
                }),
            ),
            _ => ("accounts.release", json!({"account": account, "hold": 1})),
        };
        let _ = try_call(engine, operation, &request);
    }

    /// Who may do something, by walking every page.
    fn holders(engine: &Engine, account: &str, permission: &str) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        let mut request = json!({"account": account, "permission": permission, "limit": 3});
        loop {
            let page = call(engine, "access.who_can", request.clone());
            for holder in page["holders"].as_array().unwrap() {
                let before =
                    all.insert(holder["user"].as_str().unwrap().to_owned(), holder.clone());
                assert!(before.is_none(), "{holder} is listed twice");
            }
            match page.get("next") {
                Some(next) => request["after"] = next.clone(),
                None => return all,
            }
        }
    }

    /// Compares everything for everybody; notes what the explanations were made of.
    fn compare(
        engine: &Engine,
        dice: &mut Dice,
        users: &BTreeSet<String>,
        seed: u64,
        kinds: &mut BTreeSet<String>,
    ) {
        let tree = engine.views.tree.load_full();
        for account in ACCOUNTS {
            let cell = engine.cell_by_text(account).unwrap();
            let mut line = cell
                .view(engine)
                .unwrap()
                .ancestors
                .iter()
                .map(|ancestor| ancestor.id.clone())
                .collect::<Vec<_>>();
            line.push(cell.id.clone());
            let mut can: BTreeMap<&str, (BTreeMap<String, Value>, Value)> = BTreeMap::new();
            for user in users {
                let answer = call(
                    engine,
                    "access.what_can",
                    json!({"account": account, "user": user}),
                );
                let list = answer["permissions"].as_array().unwrap();
                let held = list
                    .iter()
                    .map(|grant| {
                        (
                            grant["permission"].as_str().unwrap().to_owned(),
                            grant["scope"].clone(),
                        )
                    })
                    .collect();
                can.insert(user, (held, answer));
            }
            for node in tree.nodes() {
                for user in users {
                    let allowed = allowed::allowed(engine, &cell, user, &node.id).unwrap();
                    assert_eq!(
                        allowed,
                        can[user.as_str()].0.contains_key(&node.id),
                        "seed {seed}: what {user} can in {account}: {}",
                        node.id
                    );
                }
            }
            for permission in NODES.iter().copied().chain((0..6).map(|_| {
                tree.node(dice.roll(tree.nodes().len() as u64) as usize)
                    .unwrap()
                    .id
                    .as_str()
            })) {
                let who = holders(engine, account, permission);
                for user in users {
                    let at = format!("seed {seed}: {user} in {account}: {permission}");
                    let (held, whole) = &can[user.as_str()];
                    let explained = call(
                        engine,
                        "access.explain",
                        json!({"account": account, "user": user, "permission": permission}),
                    );
                    assert_eq!(
                        explained["allowed"],
                        held.contains_key(permission),
                        "{at}: {explained}"
                    );
                    assert_eq!(
                        explained.get("scope"),
                        held.get(permission),
                        "{at}: {explained}"
                    );
                    let holder = who.get(user);
                    assert_eq!(
                        holder.map(|holder| &holder["scope"]),
                        held.get(permission),
                        "{at}: {holder:?}"
                    );
                    // Of several memberships that count the one is named that gives this
                    // permission.
                    let id = Id::new(user.as_str()).unwrap();
                    let memberships = line
                        .iter()
                        .filter(|ancestor| {
                            engine
                                .kernel
                                .tx()
                                .has(&keys::member(ancestor, &id))
                                .unwrap()
                        })
                        .count();
                    assert!(
                        memberships > 1
                            || holder.is_none_or(|holder| holder["held_as"] == whole["held_as"]),
                        "{at}: {holder:?}"
                    );
                    let is_of_ancestor = |holder: &&Value| holder["held_as"] == "ancestor";
                    assert_eq!(
                        holder.filter(is_of_ancestor).is_some(),
                        holder.is_some_and(|holder| holder["account"] != account),
                        "{at}: {holder:?}"
                    );
                    let checked = call(
                        engine,
                        "access.check",
                        json!({"account": account, "user": user, "permission": permission}),
                    );
                    assert_eq!(checked["allowed"], explained["allowed"], "{at}");
                    // What is answered is what operations then ask, from one of the accounts that
                    // the user can come from; also while some of these are on hold.
                    let passes = |home: &Id| {
                        let acting = Actor::in_account(id.clone(), home.clone(), None);
                        let mut ctx = engine.ctx(&acting);
                        ctx.require_in(&cell.id, permission).is_ok()
                    };
                    assert_eq!(
                        line.iter().any(passes),
                        explained["allowed"] == true,
                        "{at}: {explained}"
                    );
                    kinds.extend(
                        explained["steps"]
                            .as_array()
                            .unwrap()
                            .iter()
                            .map(|step| step["kind"].as_str().unwrap().to_owned()),
                    );
                    let last = explained["steps"]
                        .as_array()
                        .unwrap()
                        .last()
                        .unwrap_or_else(|| panic!("{at}: no steps"));
                    let grants = matches!(
                        last["kind"].as_str().unwrap(),
                        "owner" | "grant" | "administrator" | "ceiling"
                    );
                    assert_eq!(grants, explained["allowed"] == true, "{at}: {explained}");
                }
                assert!(
                    who.keys().all(|user| users.contains(user)),
                    "seed {seed}: {who:?}"
                );
            }
        }
    }

    /// R-ROL-9: check, explain, what can and who can give the same answers, also after changes.
    #[test]
    fn all_answers_about_access_agree() {
        let mut kinds = BTreeSet::new();
        for seed in 0..12 {
            let mut dice = Dice(seed);
            let (engine, users) = platform(&mut dice);
            compare(&engine, &mut dice, &users, seed, &mut kinds);
            for _ in 0..8 {
                change(&engine, &mut dice, &users);
            }
            compare(&engine, &mut dice, &users, seed, &mut kinds);
        }
        assert_eq!(kinds.len(), 11, "every kind of step came about: {kinds:?}");
    }

    /// R-ROL-9: a page looks at a bounded number of members, and all pages together find whoever is
    /// there.
    #[test]
    fn a_page_of_holders_may_be_empty_while_there_are_more() {
        let engine = Engine::open(
            Path::new(":memory:"),
            &OpenOptions {
                durability: crate::options::Durability::Relaxed,
                ..OpenOptions::default()
            },
        )
        .unwrap();
        call(
            &engine,
            "accounts.create",
            json!({"id": "acme", "name": "Acme", "owner": {"user": "zoe",
                "email": "zoe@example.com"}}),
        );
        for number in 0..2100 {
            let user = format!("m{number:05}");
            call(
                &engine,
                "members.add",
                json!({"account": "acme", "user": user, "email": format!("{user}@example.com"),
                    "role": "response_only"}),
            );
        }
        let first = call(
            &engine,
            "access.who_can",
            json!({"account": "acme", "permission": "campaigns.send"}),
        );
        assert_eq!(first["holders"], json!([]));
        let second = call(
            &engine,
            "access.who_can",
            json!({"account": "acme", "permission": "campaigns.send", "after": first["next"]}),
        );
        assert_eq!(second["holders"][0]["user"], "zoe");
        assert!(second.get("next").is_none());
    }
}
