//! Roles are made, copied, edited and tried out.

use crate::access::escalation::roles::{bound, counted, refuse_beyond, refuse_beyond_own};
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::roles::{
    Copy, Create, Edit, Get, List, RoleList, RoleTrial, Trial, TryOut, WouldRefuse,
};
use crate::domain::roles::uses::{Place, places_of};
use crate::domain::roles::{load, load_usable_with};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::page_size;
use crate::kernel::revision::check_rev;
use crate::model::{Actor, BuiltIn, Grant, Id, PermissionTree, Role};
use crate::rules::role::PermissionSet;
use crate::tables::accounts::{self, account_line};
use crate::tables::roles::{
    Roles, including, insert, no_role, role_with_includes, stored_id, without_repeats,
};

/// Most grants, denials or includes of one role.
const MOST_ENTRIES: usize = 1000;

/// Reads a role that the actor can see: for a user those usable where they act, and those of
/// accounts below that they manage and hold the permission in. Any other is `not_found`, as if it
/// were not there.
pub(crate) fn load_visible(
    ctx: &mut Ctx<'_>,
    id: &Id,
    permission: &str,
    field: &str,
) -> Result<Role, Error> {
    let role = load(ctx, id, field)?;
    let (Actor::User { account: home, .. }, Some(of)) = (ctx.actor, &role.account) else {
        return Ok(role);
    };
    if account_line(&mut ctx.tx, home)?
        .iter()
        .any(|ancestor| ancestor.id == *of)
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
pub(crate) fn require_change(
    ctx: &mut Ctx<'_>,
    role: &Role,
    permission: &str,
) -> Result<(), Error> {
    if role.built_in {
        return Err(Error::new(
            Code::RoleBuiltIn,
            format!("`{}` is built in; copy it, and change the copy.", role.id),
        )
        .at("/role"));
    }
    let Actor::User { .. } = ctx.actor else {
        return Ok(());
    };
    let Some(of) = &role.account else {
        return Err(Error::new(
            Code::ActorNotAllowed,
            format!(
                "`{}` is a role of the platform; ask the platform to change it.",
                role.id
            ),
        )
        .at("/role"));
    };
    ctx.require_in(of, permission)
        .map_err(|error| match error.code() {
            Code::NotFound => {
                let error = Error::new(
                    Code::PermissionDenied,
                    format!(
                        "`{}` belongs to the account above; ask there to change it.",
                        role.id
                    ),
                );
                error.at("/role").with("missing", permission)
            }
            _ => error,
        })
}

/// Whose own a role is: the account named, or the one that a user acts in, or the platform's.
pub(super) fn owner_of(ctx: &Ctx<'_>, named: Option<Id>) -> Option<Id> {
    match (ctx.actor, named) {
        (Actor::User { account: home, .. }, None) => Some(home.clone()),
        (_, named) => named,
    }
}

fn owning_account(ctx: &mut Ctx<'_>, named: Option<Id>) -> Result<Option<Id>, Error> {
    let account = owner_of(ctx, named);
    require_custom_roles(ctx, account.as_ref())?;
    Ok(account)
}

/// Accounts have roles of their own where policy `custom_roles` says so (R-ROL-4).
pub(crate) fn require_custom_roles(ctx: &mut Ctx<'_>, account: Option<&Id>) -> Result<(), Error> {
    let Some(account) = account else {
        return Ok(());
    };
    accounts::load(&mut ctx.tx, account, "/account")?;
    if ctx.policies(Some(account))?.custom_roles {
        return Ok(());
    }
    Err(Error::new(
        Code::PolicyForbids,
        format!(
            "By policy `{account}` has no roles of its own; set the policy `custom_roles` to have \
             them."
        ),
    )
    .with("policy", "custom_roles"))
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
        let place = tree.find(grant.permission.as_str(), &named)?;
        if grant.scope.is_some() && !tree.node(place).is_some_and(|node| node.scoped) {
            return Err(Error::invalid(
                format!("{field}/{at}/scope"),
                format!(
                    "The permission `{}` has no `scope`; leave it out.",
                    grant.permission
                ),
            ));
        }
    }
    Ok(())
}

pub(super) fn check(ctx: &mut Ctx<'_>, role: &Role) -> Result<(), Error> {
    for (field, entries) in [
        ("/allow", role.allow.len()),
        ("/deny", role.deny.len()),
        ("/includes", role.includes.len()),
    ] {
        if entries > MOST_ENTRIES {
            return Err(Error::invalid(
                field,
                format!(
                    "The list has {entries} entries, and at most {MOST_ENTRIES} are allowed; leave \
                     some out."
                ),
            ));
        }
    }
    let tree = ctx.tree();
    check_grants(&tree, &role.allow, "/allow")?;
    for (at, denied) in role.deny.iter().enumerate() {
        tree.find(denied.as_str(), &format!("/deny/{at}"))?;
    }
    for (at, included) in role.includes.iter().enumerate() {
        let field = format!("/includes/{at}");
        load_usable_with(ctx, included, role.account.as_ref(), &field)?;
        let below = role_with_includes(&mut ctx.tx, &ctx.engine.views.tree.load(), included)?;
        if *included == role.id || below.iter().any(|other| other.id == role.id) {
            let path = [role.id.as_str(), included.as_str(), role.id.as_str()]
                .map(str::to_owned)
                .to_vec();
            let error = Error::new(
                Code::RoleCycle,
                format!(
                    "The role `{}` would include itself through `{included}`; leave that one out.",
                    role.id
                ),
            );
            return Err(error.at(field).with("path", path));
        }
    }
    Ok(())
}

/// Looks at a role, and at every role that includes it, before and after a change: a denial taken
/// away below can give much above, also to whoever makes the change, and one that is added takes
/// from those who can do more. And a role of an account is used in those below it (R-ROL-7).
pub(crate) struct Watch {
    /// The role itself. Who holds what it allows narrows it, wherever it is used.
    pub(crate) changed: Id,
    pub(crate) held: PermissionSet,
    pub(crate) before: Vec<(Id, PermissionSet)>,
    pub(crate) places: Vec<Place>,
}

impl Watch {
    /// None for the host, whom nothing bounds. Nobody changes a role that allows more than they
    /// hold.
    pub(crate) fn begin(ctx: &mut Ctx<'_>, role: &Id) -> Result<Option<Watch>, Error> {
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
        for id in including(&mut ctx.tx, role)? {
            let places = places_of(ctx, &id, &watch.held)?;
            watch.places.extend(places);
            let permissions = counted(ctx, &id)?;
            watch.before.push((id, permissions));
        }
        Ok(Some(watch))
    }

    /// Another role that takes the place of one, which is gone then. What the actor held before
    /// counts: they may have had that one themselves.
    pub(crate) fn refuse_giving(
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
            format!(
                "The role `{other}` allows more than you hold; ask somebody who holds all of it."
            ),
            field,
        )?;
        self.refuse_in_places(ctx, role, &wanted, field)?;
        self.before.retain(|(id, _)| id != role);
        Ok(())
    }

    /// After the change is written: what it gives, wherever, the actor must hold.
    pub(crate) fn end(self, ctx: &mut Ctx<'_>, field: &str) -> Result<(), Error> {
        for (id, before) in &self.before {
            let now = counted(ctx, id)?;
            let gained = now.clone().gained_since(before);
            refuse_beyond(
                &ctx.tree(),
                &gained,
                &self.held,
                format!(
                    "The role `{id}` would allow more than you hold; ask somebody who holds all of \
                     it."
                ),
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
        now: &PermissionSet,
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
                "The role `{role}` would allow more than you hold in an account that uses it; ask \
                 somebody who holds all of it."
            );
            refuse_beyond(&tree, &gained, &place.held, message, field)?;
            if *role != self.changed && !before.beyond(&now).is_empty() {
                let message = format!(
                    "The role `{role}` allows more than you hold in an account that uses it; ask \
                     somebody who holds all of it."
                );
                refuse_beyond(&tree, &before, &place.held, message, field)?;
            }
        }
        Ok(())
    }
}

/// What is cached of its holders is out of date where another role is tried in the place of one, or
/// none is any more.
pub(crate) fn trial_changes(ctx: &mut Ctx<'_>, role: &Id, old: Option<&Id>, new: Option<&Id>) {
    if old.or(new).is_some() {
        ctx.tx.change_trial(role, new);
    }
}

fn new_id(ctx: &mut Ctx<'_>, given: Option<Id>) -> Result<Id, Error> {
    if let Some(id) = given
        .as_ref()
        .filter(|id| BuiltIn::named(id.as_str()).is_some())
    {
        return Err(Error::new(
            Code::IdTaken,
            format!("The id `{id}` is that of a built-in role; choose another."),
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
        insert(&mut ctx.tx, &role)?;
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
        let original = load_visible(ctx, &self.role, "roles.create", "/role")?;
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
        insert(&mut ctx.tx, &role)?;
        refuse_beyond_own(ctx, &role.id, "/role")?;
        Ok(role)
    }
}

impl Operation for Edit {
    type Answer = Role;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Role, Error> {
        let before = load_visible(ctx, &self.role, "roles.edit", "/role")?;
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
        check(ctx, &role)?;
        save_changed(ctx, role, watch, field)
    }
}

/// Writes what became of a role; everybody who has it sees it at once (R-ROL-6). `field` is what is
/// wrong where the role comes to give what the actor does not hold.
pub(super) fn save_changed(
    ctx: &mut Ctx<'_>,
    mut role: Role,
    watch: Option<Watch>,
    field: &str,
) -> Result<Role, Error> {
    role.rev += 1;
    role.updated_at_ms = ctx.now_ms;
    ctx.tx.save::<Roles>(&role)?;
    ctx.tx.invalidate_all();
    if let Some(watch) = watch {
        watch.end(ctx, field)?;
    }
    Ok(role)
}

impl Operation for Get {
    type Answer = Role;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Role, Error> {
        load_visible(ctx, &self.role, "roles.view", "/role")
    }
}

impl Operation for TryOut {
    type Answer = Role;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Role, Error> {
        let before = load_visible(ctx, &self.role, "roles.edit", "/role")?;
        require_change(ctx, &before, "roles.edit")?;
        require_custom_roles(ctx, before.account.as_ref())?;
        if before.administrator {
            return Err(Error::invalid(
                "/role",
                format!(
                    "`{}` is a role of administrators, and no role can be tried in its place; name \
                     another role.",
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
                    format!(
                        "The role `{candidate}` cannot be tried in its own place; name another."
                    ),
                ));
            }
            load_usable_with(ctx, candidate, before.account.as_ref(), "/candidate")?;
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
        let role = load_visible(ctx, &self.role, "roles.view", "/role")?;
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
        for of in std::iter::once("").chain(line.iter().map(|ancestor| ancestor.id.as_str())) {
            let (mut from, until) = keys::range(keys::ACCOUNT_ROLE, &[of]);
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
