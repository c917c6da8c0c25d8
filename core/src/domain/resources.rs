//! Resources: references to what the host keeps, and who may do what with which (R-RES-1, R-RES-2,
//! R-GRP-3).

use crate::access::operation::Operation;
use crate::access::reach;
use crate::access::request::Ctx;
use crate::access::view::MemberView;
use crate::api::resources::{
    Can, Edit, Get, ListVisibleOwners, Register, Remove, ResourceDecision, ResourceList,
    ResourceRemoved, Save, ShareKind, UnshareKind, UnsharedKinds, Visible, VisibleOwner,
    VisibleOwners,
};
use crate::api::sharing::SharedAction;
use crate::domain;
use crate::domain::{access, leases, members, sharing};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::kernel::revision::check_rev;
use crate::model::permission::unknown_permission;
use crate::model::{
    self, Actor, Id, PermissionTree, Resource, ResourceReason, ResourcesTo, ResourcesToKind, Scope,
};
use crate::rules::resource::{branch, seen_by};
use crate::tables::resources::{Resources, change, count_of, dangling, erase, find, indexed};
use crate::tables::{accounts, groups};
use std::collections::HashMap;
use std::sync::Arc;

/// A kind of resource, and the branch of the permission tree that decides about it.
pub(crate) struct Kind {
    pub(crate) id: Id,
    tree: Arc<PermissionTree>,
    branch: usize,
}

/// What creating needs: the first of these that the branch has. Where nothing can be made, as with
/// reports, who may view may register their own, and change and remove that.
const CREATE: &[&str] = &["create", "add"];
/// What changing needs. Where nothing can be edited, who may make it may change it.
pub(crate) const EDIT: &[&str] = &["edit", "create", "add"];
const DELETE: &[&str] = &["delete", "edit"];
const SHARE: &[&str] = &["share", "edit", "create", "add"];
const VIEW: &[&str] = &["view"];

impl Kind {
    /// The kind of this name (R-RES-1).
    pub(crate) fn find(ctx: &mut Ctx<'_>, id: Id) -> Result<Kind, Error> {
        let tree = ctx.tree();
        let place = match branch(id.as_str()) {
            Some(branch) => tree.place(branch),
            None if ctx.tx.has(&keys::tree_node(&id))? => tree.place(id.as_str()).filter(|place| {
                tree.node(*place)
                    .is_some_and(|node| node.scoped && !node.operators && !node.children.is_empty())
            }),
            None => None,
        };
        let branch = place.ok_or_else(|| {
            Error::invalid("/kind", format!("There is no kind of resources `{id}`."))
        })?;
        Ok(Kind { id, tree, branch })
    }

    /// The permission with this last part.
    fn action(&self, last: &str) -> Option<usize> {
        let above = self.tree.node(self.branch)?;
        self.tree
            .place(&format!("{}.{last}", above.id))
            .filter(|place| above.children.contains(place))
    }

    /// The first of these permissions that the branch has.
    fn permission(&self, choice: &[&str]) -> Result<usize, Error> {
        let found = choice.iter().chain(VIEW).find_map(|last| self.action(last));
        found.ok_or_else(|| {
            let branch = self
                .tree
                .node(self.branch)
                .map_or("", |node| node.id.as_str());
            unknown_permission(
                &format!("{branch}.{}", choice.first().copied().unwrap_or_default()),
                "/kind",
            )
        })
    }

    /// Whether none of these permissions is there, so that viewing decides about what is one's own.
    fn is_of_ones_own(&self, choice: &[&str]) -> bool {
        choice != VIEW && choice.iter().all(|last| self.action(last).is_none())
    }

    fn name_of(&self, place: usize) -> String {
        self.tree
            .node(place)
            .map(|node| node.id.clone())
            .unwrap_or_default()
    }
}

/// A user as far as resources are concerned.
struct Viewer {
    user: Id,
    standing: Arc<MemberView>,
    /// Whether the account has groups by policy.
    groups: bool,
}

impl Viewer {
    /// What they may do, whether they are asked about or act themselves.
    fn of(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<Viewer, Error> {
        let acts = matches!(ctx.actor, Actor::User { user: acting, .. } if acting == user);
        let standing = if acts {
            ctx.standing(account)?
        } else {
            access::member_seen(ctx, account, user)?
        };
        Ok(Viewer {
            user: user.clone(),
            standing,
            groups: ctx.policies(Some(account))?.groups,
        })
    }

    /// The group that a plain member sees the shared resources of. Where the account has no groups,
    /// that is whichever a resource carries: what is switched off hides nothing (section 16).
    fn group_beside<'a>(&'a self, resource: &'a Resource) -> Option<&'a Id> {
        let member = self
            .standing
            .member
            .as_deref()
            .filter(|member| !(member.owner || member.administrator))?;
        if self.groups {
            member.group.as_ref()
        } else {
            resource.group.as_ref()
        }
    }

    /// The groups whose shared resources a plain member sees.
    fn groups_seen(&self, ctx: &mut Ctx<'_>, account: &Id) -> Result<Vec<Id>, Error> {
        let Some(member) = self
            .standing
            .member
            .as_deref()
            .filter(|member| !(member.owner || member.administrator))
        else {
            return Ok(Vec::new());
        };
        if self.groups {
            Ok(member.group.iter().cloned().collect())
        } else {
            groups::all_of(&mut ctx.tx, account)
        }
    }

    /// How far a permission reaches.
    fn scope(&self, place: usize) -> Option<Scope> {
        self.standing
            .powers
            .at(place)
            .filter(|_| self.standing.refusal.is_none())
    }

    /// By what the permission at this place covers a resource of a kind.
    fn covers(
        &self,
        ctx: &mut Ctx<'_>,
        place: usize,
        kind: &Kind,
        resource: &Resource,
    ) -> Result<Option<ResourceReason>, Error> {
        let Some(scope) = self.scope(place) else {
            return Ok(None);
        };
        let shared =
            resource.group.is_some() && shares(ctx, &resource.account, kind, &resource.owner)?;
        Ok(seen_by(
            scope,
            &self.user,
            self.group_beside(resource),
            resource,
            shared,
        ))
    }
}

/// Whether a member's group sees what they own of a kind: not where they stopped that, nor where
/// they lack the permission to share it (R-GRP-3).
fn shares(ctx: &mut Ctx<'_>, account: &Id, kind: &Kind, owner: &Id) -> Result<bool, Error> {
    let Some(member) = ctx.tx.get::<model::Member>(&keys::member(account, owner))? else {
        return Ok(true);
    };
    if member.unshared.contains(&kind.id) {
        return Ok(false);
    }
    let Some(share) = kind.action("share") else {
        return Ok(true);
    };
    Ok(ctx
        .engine
        .cell(account)?
        .member_whatever_status(ctx.engine, owner)?
        .powers
        .at(share)
        .is_some())
}

/// Refuses those to whom an account is none of their business.
fn enter(ctx: &mut Ctx<'_>, account: &Id) -> Result<(), Error> {
    match ctx.actor {
        Actor::User { .. } => ctx.standing(account).map(drop),
        Actor::Operator { .. } => {
            ctx.require_as_operator("clients.view_all")?;
            accounts::load(&mut ctx.tx, account, "/account").map(drop)
        }
        Actor::System => accounts::load(&mut ctx.tx, account, "/account").map(drop),
    }
}

fn is_absent(error: &Error) -> bool {
    error.code() == Code::NotFound && error.field() == Some("/id")
}

fn absent(kind: &Kind, id: &Id) -> Error {
    Error::not_found(kind.id.as_str(), id.as_str()).at("/id")
}

/// A resource that the actor may look at. Who may not see it is answered as if it were not there.
pub(crate) fn look(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: Id,
    id: &Id,
) -> Result<(Kind, Resource), Error> {
    enter(ctx, account)?;
    let kind = Kind::find(ctx, kind)?;
    let resource = find(&mut ctx.tx, account, &kind.id, id)?.ok_or_else(|| absent(&kind, id))?;
    if let Actor::User { user, .. } = ctx.actor {
        let viewer = Viewer::of(ctx, account, user)?;
        let view = kind.permission(VIEW)?;
        if viewer.covers(ctx, view, &kind, &resource)?.is_none() {
            return Err(absent(&kind, id));
        }
    }
    Ok((kind, resource))
}

/// As [`look`], for what is to be changed: what an account above shares is seen here, and changed
/// by nobody (R-TEA-7).
pub(crate) fn look_to_change(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: Id,
    id: &Id,
) -> Result<(Kind, Resource), Error> {
    let found = look(ctx, account, kind.clone(), id);
    if found.as_ref().is_err_and(is_absent) {
        sharing::refuse_read_only(ctx, account, &kind, id)?;
    }
    found
}

/// As [`look`], for what is to be read: also what an account above shares (R-TEA-7). People here
/// are not told whose it is there: it is that account's.
pub(crate) fn look_to_read(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: Id,
    id: &Id,
) -> Result<(Kind, Resource), Error> {
    let found = look(ctx, account, kind.clone(), id);
    if !found.as_ref().is_err_and(is_absent) {
        return found;
    }
    let Some(above) = sharing::received(ctx, account, &kind, id)? else {
        return found;
    };
    let Some(mut resource) = find(&mut ctx.tx, &above, &kind, id)? else {
        return found;
    };
    if let Actor::User { .. } = ctx.actor {
        resource.owner = above;
        resource.group = None;
    }
    Ok((Kind::find(ctx, kind)?, resource))
}

/// Refuses unless a user may do one of `choice` with a resource; `everything` where only a
/// permission for all of them will do.
pub(crate) fn require(
    ctx: &mut Ctx<'_>,
    user: &Id,
    kind: &Kind,
    resource: &Resource,
    choice: &[&str],
    need: Need,
) -> Result<(), Error> {
    let viewer = Viewer::of(ctx, &resource.account, user)?;
    let place = kind.permission(choice)?;
    let reason = viewer.covers(ctx, place, kind, resource)?;
    let enough = |reason| match kind.is_of_ones_own(choice) {
        true => reason == ResourceReason::Owner,
        false => need.is_met(reason, viewer.scope(place)),
    };
    if reason.is_some_and(enough) {
        return Ok(());
    }
    let missing = kind.name_of(place);
    let error = Error::new(
        Code::PermissionDenied,
        format!(
            "`{missing}` of `{user}` does not reach the {} `{}`; ask for a role that reaches it.",
            kind.id, resource.id
        ),
    );
    Err(error.with("missing", missing))
}

/// How a permission has to cover a resource.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// In whatever way.
    Any,
    /// As its owner's, or by reaching everything.
    OwnerOrAll,
    /// By reaching everything.
    All,
}

impl Need {
    /// Whether it is enough that a permission of this scope covers a resource for this reason.
    fn is_met(self, reason: ResourceReason, scope: Option<Scope>) -> bool {
        let reaches_all = scope == Some(Scope::Any);
        match self {
            Need::Any => true,
            Need::OwnerOrAll => reason == ResourceReason::Owner || reaches_all,
            Need::All => reaches_all,
        }
    }
}

/// The same for whoever acts: the host may do everything, an operator nothing here.
fn require_of_actor(
    ctx: &mut Ctx<'_>,
    kind: &Kind,
    resource: &Resource,
    choice: &[&str],
    need: Need,
) -> Result<(), Error> {
    match ctx.actor {
        Actor::System => Ok(()),
        Actor::Operator { .. } => Err(no_operator()),
        Actor::User { user, .. } => require(ctx, user, kind, resource, choice, need),
    }
}

fn no_operator() -> Error {
    Error::new(
        Code::ActorNotAllowed,
        "An operator has no permissions in an account; ask as one of its users.",
    )
}

/// The acting user; whom the host names.
pub(crate) fn acting(ctx: &Ctx<'_>, named: Option<Id>) -> Result<Option<Id>, Error> {
    match (ctx.actor, named) {
        (Actor::System, named) => Ok(named),
        (Actor::User { user, .. }, None) => Ok(Some(user.clone())),
        (Actor::User { user, .. }, Some(named)) if named == *user => Ok(Some(named)),
        (Actor::User { .. }, Some(_)) => Err(Error::new(
            Code::PermissionDenied,
            "Only the host names another user here; leave out `user`.",
        )
        .at("/user")),
        (Actor::Operator { .. }, _) => Err(no_operator()),
    }
}

/// Whom a decision is about: the acting user, or another for who may view users.
fn asked_about(ctx: &mut Ctx<'_>, account: &Id, named: Option<Id>) -> Result<Id, Error> {
    enter(ctx, account)?;
    match (ctx.actor, named) {
        (Actor::User { user, .. }, None) => Ok(user.clone()),
        (Actor::User { user, .. }, Some(named)) if named == *user => Ok(named),
        (Actor::User { .. }, Some(named)) => {
            ctx.require_in(account, "users.view")?;
            Ok(named)
        }
        (_, Some(named)) => Ok(named),
        (_, None) => Err(Error::invalid("/user", "Name the `user`.")),
    }
}

/// The group that a member's resources carry: none for owner and administrators.
fn group_of(ctx: &mut Ctx<'_>, account: &Id, owner: &Id, field: &str) -> Result<Option<Id>, Error> {
    let member = members::show::find(ctx, account, owner)?;
    Ok(member
        .ok_or_else(|| Error::not_found("member", owner.as_str()).at(field))?
        .group)
}

/// Who owns an account, and with it what is nobody else's.
fn owner_of(ctx: &mut Ctx<'_>, account: &Id, field: &str) -> Result<Id, Error> {
    let owner = accounts::load(&mut ctx.tx, account, "/account")?.owner;
    owner.ok_or_else(|| {
        Error::invalid(
            field,
            format!("`{account}` still waits for its owner; name a member."),
        )
    })
}

/// What becomes of the resources of a member who leaves (R-USR-4): where there are some, it has to
/// be said who gets them. Answers how many there were. Before the membership ends.
pub(crate) fn settle(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
    to: Option<&ResourcesTo>,
) -> Result<u64, Error> {
    if let Some(to) = to {
        return hand_over(ctx, account, user, to);
    }
    match count_of(&mut ctx.tx, account, user)? {
        0 => Ok(0),
        left => Err(Error::invalid(
            "/resources_to",
            format!("`{user}` owns {left} resources; name in `resources_to` who gets them."),
        )
        .with("resources", left)),
    }
}

/// Gives all resources of a member to another member, to a group, or to the account (R-USR-4).
/// Answers how many.
pub(crate) fn hand_over(
    ctx: &mut Ctx<'_>,
    account: &Id,
    from: &Id,
    to: &ResourcesTo,
) -> Result<u64, Error> {
    let field = "/resources_to/id";
    let (owner, group) = match (to.kind, &to.id) {
        (ResourcesToKind::Member, Some(member)) => {
            (member.clone(), group_of(ctx, account, member, field)?)
        }
        (ResourcesToKind::Group, Some(group)) => {
            domain::groups::require_groups(ctx, account, field)?;
            let group = groups::load(&mut ctx.tx, account, group, field)?.id;
            (owner_of(ctx, account, "/resources_to")?, Some(group))
        }
        (ResourcesToKind::Account, None) => (owner_of(ctx, account, "/resources_to")?, None),
        (ResourcesToKind::Account, Some(_)) => {
            return Err(Error::invalid(field, "Leave out the `id` of the account."));
        }
        (ResourcesToKind::Member | ResourcesToKind::Group, None) => {
            return Err(Error::invalid(field, "Name a member or a group by `id`."));
        }
    };
    if owner == *from {
        return Err(Error::invalid(
            "/resources_to",
            format!("`{from}` would get their own resources; name somebody else."),
        ));
    }
    let theirs = indexed(
        &mut ctx.tx,
        account,
        keys::below(keys::RESOURCE_OF_OWNER, &[account.as_str(), from.as_str()]),
    )?;
    let count = theirs.len() as u64;
    for resource in theirs {
        change(&mut ctx.tx, resource, |resource| {
            resource.owner = owner.clone();
            resource.group = group.clone();
            // A group that gets them is to see them.
            resource.shared |= to.kind == ResourcesToKind::Group;
        })?;
    }
    Ok(count)
}

impl Operation for Register {
    type Answer = Resource;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Resource, Error> {
        enter(ctx, &self.account)?;
        let kind = Kind::find(ctx, self.kind)?;
        let mut owner = self.owner;
        match ctx.actor {
            Actor::System => {}
            Actor::Operator { .. } => return Err(no_operator()),
            Actor::User { user, .. } => {
                let create = kind.permission(CREATE)?;
                ctx.require_in(&self.account, &kind.name_of(create))?;
                if owner.as_ref().is_some_and(|owner| owner != user) {
                    return Err(Error::new(
                        Code::PermissionDenied,
                        "Users register only what is their own; leave out `owner`.",
                    )
                    .at("/owner"));
                }
                if owner.is_none() && ctx.tx.has(&keys::member(&self.account, user))? {
                    owner = Some(user.clone());
                }
            }
        }
        let owner = match owner {
            Some(owner) => owner,
            None => owner_of(ctx, &self.account, "/owner")?,
        };
        if find(&mut ctx.tx, &self.account, &kind.id, &self.id)?.is_some() {
            return Err(Error::new(
                Code::IdTaken,
                format!("The {} `{}` exists; choose another id.", kind.id, self.id),
            )
            .at("/id"));
        }
        let resource = Resource {
            group: group_of(ctx, &self.account, &owner, "/owner")?,
            account: self.account,
            kind: kind.id,
            id: self.id,
            owner,
            shared: true,
            rev: 1,
            created_at_ms: ctx.now_ms,
            updated_at_ms: ctx.now_ms,
        };
        ctx.tx.save::<Resources>(&resource)?;
        Ok(resource)
    }
}

impl Operation for Edit {
    type Answer = Resource;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Resource, Error> {
        let (kind, resource) = look_to_change(ctx, &self.account, self.kind, &self.id)?;
        // To stop sharing what is one's own needs no permission.
        let stops_own = self.shared == Some(false) && reach::is_in_person(ctx, &resource.owner);
        if self.shared.is_some() && !stops_own {
            require_of_actor(ctx, &kind, &resource, SHARE, Need::OwnerOrAll)?;
        }
        if self.owner.is_some() || self.shared.is_none() {
            require_of_actor(ctx, &kind, &resource, EDIT, Need::All)?;
        }
        check_rev(self.expected_rev, resource.rev)?;
        let owner = match self.owner {
            Some(owner) if owner != resource.owner => {
                Some((group_of(ctx, &self.account, &owner, "/owner")?, owner))
            }
            _ => None,
        };
        change(&mut ctx.tx, resource, |resource| {
            if let Some((group, owner)) = owner {
                resource.owner = owner;
                resource.group = group;
            }
            resource.shared = self.shared.unwrap_or(resource.shared);
        })
    }
}

impl Operation for Save {
    type Answer = Resource;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Resource, Error> {
        let (kind, mut resource) = look_to_change(ctx, &self.account, self.kind, &self.id)?;
        let user = acting(ctx, self.user)?;
        if let Some(user) = &user {
            require(ctx, user, &kind, &resource, EDIT, Need::Any)?;
        }
        leases::refuse_beside(ctx, &kind, &resource, user.as_ref())?;
        check_rev(Some(self.expected_rev), resource.rev)?;
        resource.rev += 1;
        resource.updated_at_ms = ctx.now_ms;
        ctx.tx.save::<Resources>(&resource)?;
        Ok(resource)
    }
}

impl Operation for Remove {
    type Answer = ResourceRemoved;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ResourceRemoved, Error> {
        let (kind, resource) = look_to_change(ctx, &self.account, self.kind, &self.id)?;
        require_of_actor(ctx, &kind, &resource, DELETE, Need::Any)?;
        if let Actor::User { user, .. } = ctx.actor {
            leases::refuse_beside(ctx, &kind, &resource, Some(user))?;
        }
        check_rev(self.expected_rev, resource.rev)?;
        erase(&mut ctx.tx, &resource)?;
        Ok(ResourceRemoved {
            account: resource.account,
            kind: resource.kind,
            id: resource.id,
        })
    }
}

impl Operation for Get {
    type Answer = Resource;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Resource, Error> {
        Ok(look_to_read(ctx, &self.account, self.kind, &self.id)?.1)
    }
}

/// Refuses unless the actor may say whether a member shares a kind: themself, who needs nothing to
/// stop; the host; and who may share everything of the kind.
fn require_sharing(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: &Kind,
    user: &Id,
    shared: bool,
) -> Result<(), Error> {
    match ctx.actor {
        Actor::System => return Ok(()),
        Actor::Operator { .. } => return Err(no_operator()),
        Actor::User { .. } if !shared && reach::is_in_person(ctx, user) => {
            // Of what they cannot even look at there is nothing to keep.
            let view = kind.permission(VIEW)?;
            if ctx.standing(account)?.powers.at(view).is_some() {
                return Ok(());
            }
        }
        Actor::User { .. } => {}
    }
    let share = kind.permission(SHARE)?;
    let missing = kind.name_of(share);
    if reach::is_self(ctx, user) {
        return ctx.require_in(account, &missing);
    }
    if ctx.standing(account)?.powers.at(share) != Some(Scope::Any) {
        let error = Error::new(
            Code::PermissionDenied,
            format!("Only who may share all of the kind names a `user`; `{missing}` is needed."),
        );
        return Err(error.at("/user").with("missing", missing));
    }
    Ok(())
}

/// Whether a member shares a kind; owner and administrators have no group to keep anything from.
fn set_kind_shared(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: Id,
    user: Option<Id>,
    shared: bool,
) -> Result<UnsharedKinds, Error> {
    enter(ctx, account)?;
    let kind = Kind::find(ctx, kind)?;
    let user = user
        .or_else(|| ctx.actor.user().cloned())
        .ok_or_else(|| Error::invalid("/user", "Name the `user` whose resources you mean."))?;
    require_sharing(ctx, account, &kind, &user, shared)?;
    let key = keys::member(account, &user);
    let mut member = members::show::find(ctx, account, &user)?
        .ok_or_else(|| Error::not_found("member", user.as_str()).at("/user"))?;
    if !reach::is_self(ctx, &user) {
        members::escalation::refuse_stronger_in(ctx, account, &user)?;
    }
    if !shared && member.group.is_none() {
        return Err(Error::new(
            Code::AdminHasNoGroup,
            format!("`{user}` is in no group to keep anything from; name a plain member."),
        )
        .at("/user"));
    }
    let at = member.unshared.binary_search(&kind.id);
    match (at, shared) {
        (Ok(at), true) => drop(member.unshared.remove(at)),
        (Err(at), false) => member.unshared.insert(at, kind.id),
        (Ok(_), false) | (Err(_), true) => {
            return Ok(UnsharedKinds {
                account: account.clone(),
                user,
                unshared: member.unshared,
            });
        }
    }
    member.rev += 1;
    member.updated_at_ms = ctx.now_ms;
    ctx.tx.put(key, &member)?;
    ctx.tx.touch(account);
    Ok(UnsharedKinds {
        account: account.clone(),
        user,
        unshared: member.unshared,
    })
}

impl Operation for UnshareKind {
    type Answer = UnsharedKinds;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UnsharedKinds, Error> {
        set_kind_shared(ctx, &self.account, self.kind, self.user, false)
    }
}

impl Operation for ShareKind {
    type Answer = UnsharedKinds;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<UnsharedKinds, Error> {
        set_kind_shared(ctx, &self.account, self.kind, self.user, true)
    }
}

impl Operation for Can {
    type Answer = ResourceDecision;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ResourceDecision, Error> {
        let user = asked_about(ctx, &self.account, self.user)?;
        let kind = Kind::find(ctx, self.kind)?;
        let place = kind
            .action(self.action.as_str())
            .ok_or_else(|| unknown_permission(self.action.as_str(), "/action"))?;
        let Some(resource) = find(&mut ctx.tx, &self.account, &kind.id, &self.id)? else {
            // What an account above shares is not in this one, and is seen all the same (R-TEA-7).
            sharing::seen_from_above(ctx, &self.account, &kind.id, &self.id)?
                .ok_or_else(|| absent(&kind, &self.id))?;
            let action = match self.action.as_str() {
                "view" => SharedAction::Preview,
                "use_shared" => SharedAction::Use,
                _ => SharedAction::Edit,
            };
            let refusal = sharing::refusal(ctx, &self.account, &user, action)?;
            let scope = Viewer::of(ctx, &self.account, &user)?.scope(place);
            let reason = refusal.is_none().then_some(ResourceReason::SharedFromAbove);
            return Ok(ResourceDecision {
                allowed: refusal.is_none(),
                permission: kind.name_of(place),
                scope,
                reason,
                refusal,
            });
        };
        let viewer = Viewer::of(ctx, &self.account, &user)?;
        // What a group shares its owner stops, and who reaches everything.
        let need = if SHARE.first() == Some(&self.action.as_str()) {
            Need::OwnerOrAll
        } else {
            Need::Any
        };
        let reason = viewer
            .covers(ctx, place, &kind, &resource)?
            .filter(|reason| need.is_met(*reason, viewer.scope(place)));
        let refusal = match reason {
            Some(_) => None,
            None => Some(viewer.standing.refusal.unwrap_or(Code::PermissionDenied)),
        };
        Ok(ResourceDecision {
            allowed: reason.is_some(),
            permission: kind.name_of(place),
            scope: viewer.scope(place),
            reason,
            refusal,
        })
    }
}

impl Operation for Visible {
    type Answer = ResourceList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ResourceList, Error> {
        let user = asked_about(ctx, &self.account, self.user)?;
        let kind = Kind::find(ctx, self.kind)?;
        let viewer = Viewer::of(ctx, &self.account, &user)?;
        let (account, kind_id) = (&self.account, &kind.id);
        let own = || {
            keys::below(
                keys::RESOURCE_OF_OWNER,
                &[account.as_str(), user.as_str(), kind_id.as_str()],
            )
        };
        let scope = viewer.scope(kind.permission(VIEW)?);
        let mut spans = match scope {
            None => Vec::new(),
            Some(Scope::Any) => vec![keys::below(
                keys::RESOURCE,
                &[account.as_str(), kind_id.as_str()],
            )],
            Some(Scope::Group | Scope::Own) => vec![own()],
        };
        if scope == Some(Scope::Group) {
            for group in viewer.groups_seen(ctx, account)? {
                spans.push(keys::below(
                    keys::RESOURCE_OF_GROUP,
                    &[account.as_str(), group.as_str(), kind_id.as_str()],
                ));
            }
        }
        // Many resources have few owners: each owner is asked once.
        let mut sharing: HashMap<Id, bool> = HashMap::new();
        let (resources, next) = walk(ctx, &spans, self.after.as_ref(), self.limit, |ctx, key| {
            let id = keys::last_id(key).ok_or_else(|| dangling(key))?;
            let resource =
                find(&mut ctx.tx, account, kind_id, &id)?.ok_or_else(|| dangling(key))?;
            if key.first() != Some(&keys::RESOURCE_OF_GROUP) {
                return Ok(Some(resource));
            }
            let shared = match sharing.get(&resource.owner) {
                Some(known) => *known,
                None => {
                    let shared = shares(ctx, account, &kind, &resource.owner)?;
                    sharing.insert(resource.owner.clone(), shared);
                    shared
                }
            };
            // What is their own was listed before.
            let by_group = seen_by(
                Scope::Group,
                &user,
                viewer.group_beside(&resource),
                &resource,
                shared,
            ) == Some(ResourceReason::Group);
            Ok(by_group.then_some(resource))
        })?;
        Ok(ResourceList { resources, next })
    }
}

impl Operation for ListVisibleOwners {
    type Answer = VisibleOwners;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<VisibleOwners, Error> {
        let user = asked_about(ctx, &self.account, self.user)?;
        let kind = Kind::find(ctx, self.kind)?;
        let viewer = Viewer::of(ctx, &self.account, &user)?;
        let (account, kind_id) = (&self.account, &kind.id);
        let scope = viewer.scope(kind.permission(VIEW)?);
        let mut spans = Vec::new();
        if matches!(scope, Some(Scope::Own | Scope::Group)) {
            let themself = keys::member(account, &user);
            let until = [themself.as_slice(), &[1]].concat();
            spans.push((themself, until));
        }
        let groups = if scope == Some(Scope::Group) {
            viewer.groups_seen(ctx, account)?
        } else {
            Vec::new()
        };
        spans.extend(
            groups
                .iter()
                .map(|group| keys::shared_tallies(account, group, kind_id)),
        );
        let (owners, next) = walk(ctx, &spans, self.after.as_ref(), self.limit, |ctx, key| {
            let owner = keys::last_id(key).ok_or_else(|| dangling(key))?;
            if key.first() == Some(&keys::MEMBER) {
                return Ok(Some(VisibleOwner {
                    user: owner,
                    all: true,
                }));
            }
            if owner == user || !shares(ctx, account, &kind, &owner)? {
                return Ok(None);
            }
            let (mut first, mut shared) = (None, 0);
            for group in &groups {
                let tally = keys::shared_tally(account, group, kind_id, &owner);
                let here = ctx.tx.count(&tally)?;
                shared += here;
                if here > 0 {
                    first.get_or_insert(tally);
                }
            }
            // Who shares in several groups is listed with the first.
            if first.as_deref() != Some(key) {
                return Ok(None);
            }
            let all = shared == ctx.tx.count(&keys::owner_tally(account, &owner, kind_id))?;
            Ok(Some(VisibleOwner { user: owner, all }))
        })?;
        Ok(VisibleOwners {
            everything: scope == Some(Scope::Any),
            owners,
            next,
        })
    }
}
