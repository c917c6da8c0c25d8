//! Members are added, granted roles, disabled and removed.

use crate::access::escalation::members::{
    refuse_escalation, refuse_granting, refuse_membership, refuse_stronger_in,
};
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::members::{
    Add, Disable, Enable, Get, Grant, Leave, Member, MemberRemoved, MembersGranted, Remove, SetRole,
};
use crate::domain;
use crate::domain::members::show::{answer_of, load_visible};
use crate::domain::members::until;
use crate::domain::membership::{
    Place, by_package, create, fitting_role, give_role, leave, put_disabled, roles_in_team, save,
    spans_accounts,
};
use crate::domain::{groups, roles};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::revision::check_rev;
use crate::model::{self, Actor, Id, NextRole, ResourcesTo, RoleScope};
use crate::tables::{accounts, users};

/// Most accounts that are granted at once.
const MOST_GRANTS: usize = 100;

/// Reads a user who is to get access, where the actor sees them: where they act, or in an account
/// in which both are.
fn load_known(ctx: &mut Ctx<'_>, user: &Id) -> Result<model::User, Error> {
    let mut known = visibility::sees(ctx, user)?;
    if !known {
        for account in users::accounts_of(&mut ctx.tx, user, usize::MAX)? {
            let hidden = known || visibility::hidden_in(ctx, &account)?.contains(user);
            known = known || (!hidden && visibility::holds_in(ctx, &account, "users.view")?);
        }
    }
    if known {
        users::load(&mut ctx.tx, user, "/user")
    } else {
        Err(Error::not_found("user", user.as_str()).at("/user"))
    }
}

/// Makes a user who is there a member of one more account; whether the actor may was looked at.
/// `at` is where the request names the account.
fn grant(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &model::User,
    place: Place,
    at: &str,
) -> Result<model::Member, Error> {
    let record = accounts::load(&mut ctx.tx, account, at)?;
    if place.group.is_some() {
        groups::require_groups(ctx, account, "/group")?;
    }
    if ctx.tx.has(&keys::member(account, &user.id))? {
        return Err(Error::new(
            Code::AlreadyMember,
            format!(
                "`{}` is a member of `{account}` already; edit the membership instead.",
                user.id
            ),
        )
        .at(at));
    }
    let mut role = fitting_role(ctx, account, &user.id, place.role)?;
    if role.is_none() && ctx.policies(Some(account))?.role_scope != RoleScope::Package {
        let default = record.default_role.ok_or_else(|| {
            Error::invalid(
                "/role",
                format!("`{account}` has no default role; name a `role`."),
            )
        })?;
        role = Some(default);
    }
    if let Some(role) = &role {
        roles::load_for(ctx, role, account, "/role")?;
    }
    refuse_membership(ctx, account, role.as_ref())?;
    create(ctx, account, user, Place { role, ..place })
}

impl Operation for Add {
    type Answer = Member;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        refuse_granting(ctx, &self.account, "/account")?;
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let until_ms = until::checked(ctx, self.until_ms)?;
        let user = match (self.email, self.user) {
            (Some(_), _) if visibility::home(ctx).is_some() => {
                return Err(Error::new(
                    Code::ActorNotAllowed,
                    "Users add existing users only; leave out `email`, or invite the new user.",
                )
                .at("/email"));
            }
            (Some(email), id) => domain::users::create::create(
                ctx,
                id,
                email,
                self.first_name,
                self.last_name,
                &domain::users::NamedAt {
                    id: "/user",
                    email: "/email",
                },
            )?,
            (None, Some(_)) if self.first_name.is_some() || self.last_name.is_some() => {
                return Err(Error::invalid(
                    "/first_name",
                    "Names go only with the `email` of a new user; leave out `first_name` and \
                     `last_name`.",
                ));
            }
            (None, Some(id)) => load_known(ctx, &id)?,
            (None, None) => {
                return Err(Error::invalid(
                    "/user",
                    "Name an existing `user`, or the `email` of a new one.",
                ));
            }
        };
        let place = Place {
            role: self.role,
            group: self.group,
            until_ms,
            ..Place::MEMBER
        };
        let member = grant(ctx, &self.account, &user, place, "/user")?;
        answer_of(ctx, member)
    }
}

impl Operation for Grant {
    type Answer = MembersGranted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<MembersGranted, Error> {
        if !(1..=MOST_GRANTS).contains(&self.accounts.len()) {
            return Err(Error::invalid(
                "/accounts",
                format!(
                    "One call takes 1 to {MOST_GRANTS} accounts, not {}.",
                    self.accounts.len()
                ),
            ));
        }
        for (at, account) in self.accounts.iter().enumerate() {
            refuse_granting(ctx, account, &format!("/accounts/{at}"))?;
        }
        let user = load_known(ctx, &self.user)?;
        let until_ms = until::checked(ctx, self.until_ms)?;
        let mut members = Vec::with_capacity(self.accounts.len());
        for (at, account) in self.accounts.iter().enumerate() {
            let place = Place {
                role: self.role.clone(),
                until_ms,
                ..Place::MEMBER
            };
            let member = grant(ctx, account, &user, place, &format!("/accounts/{at}"))?;
            members.push(answer_of(ctx, member)?);
        }
        Ok(MembersGranted {
            user: user.id,
            members,
        })
    }
}

impl Operation for Get {
    type Answer = Member;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        let member = load_visible(ctx, &self.account, &self.user)?;
        answer_of(ctx, member)
    }
}

/// Gives a member another role, for good or until an instant (R-INV-14); where a user has one role
/// in the whole team, in all of it (R-INV-8).
pub(crate) fn set_role(
    ctx: &mut Ctx<'_>,
    member: model::Member,
    role: &Id,
    group: Option<Id>,
    until_ms: Option<u64>,
) -> Result<Member, Error> {
    if member.owner {
        let error = Error::new(
            Code::OwnerTransferRequired,
            format!(
                "`{}` owns `{}` and needs no role; transfer the account first.",
                member.user, member.account
            ),
        );
        return Err(error.at("/user"));
    }
    refuse_stronger_in(ctx, &member.account, &member.user)?;
    if group.is_some() {
        groups::require_groups(ctx, &member.account, "/group")?;
    }
    let others = match ctx.policies(Some(&member.account))?.role_scope {
        RoleScope::Membership => Vec::new(),
        RoleScope::Package => return Err(by_package(&member.account)),
        RoleScope::User => {
            let all = roles_in_team(ctx, &member.account, &member.user)?;
            all.into_iter()
                .filter(|other| other.account != member.account)
                .collect()
        }
    };
    roles::load_for(ctx, role, &member.account, "/role")?;
    for other in &others {
        if !visibility::holds_in(ctx, &other.account, "users.edit_role")? {
            return Err(spans_accounts(&member.user));
        }
        refuse_stronger_in(ctx, &other.account, &other.user)?;
    }
    let (account, user) = (member.account.clone(), member.user.clone());
    let mut shown = None;
    for mut member in std::iter::once(member).chain(others) {
        refuse_escalation(ctx, &member.account, role)?;
        let group = if member.account == account {
            group.clone()
        } else {
            None
        };
        member.next_role = until_ms
            .map(|from_ms| next_role(&member, from_ms))
            .transpose()?;
        give_role(ctx, &mut member, role.clone(), group)?;
        let saved = save(ctx, member)?;
        shown.get_or_insert(saved);
    }
    shown.ok_or_else(|| Error::not_found("member", user.as_str()))
}

/// The role that a member will have again: the one that is theirs for good.
fn next_role(member: &model::Member, from_ms: u64) -> Result<NextRole, Error> {
    let before = member.next_role.as_ref().map(|next| &next.role);
    let role = before.or(member.role.as_ref()).ok_or_else(|| {
        let message = format!(
            "`{}` has no role in `{}` to return to; leave out `until_ms`.",
            member.user, member.account
        );
        Error::invalid("/until_ms", message)
    })?;
    Ok(NextRole {
        role: role.clone(),
        from_ms,
    })
}

impl Operation for SetRole {
    type Answer = Member;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        let member = load_visible(ctx, &self.account, &self.user)?;
        check_rev(self.expected_rev, member.rev)?;
        let until_ms = until::checked(ctx, self.until_ms)?;
        set_role(ctx, member, &self.role, self.group, until_ms)
    }
}

impl Operation for Remove {
    type Answer = MemberRemoved;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<MemberRemoved, Error> {
        let member = load_visible(ctx, &self.account, &self.user)?;
        remove(ctx, &member, self.resources_to.as_ref())
    }
}

pub(crate) fn remove(
    ctx: &mut Ctx<'_>,
    member: &model::Member,
    resources_to: Option<&ResourcesTo>,
) -> Result<MemberRemoved, Error> {
    refuse_owner(member).map_err(|error| error.at("/user"))?;
    refuse_stronger_in(ctx, &member.account, &member.user)?;
    let gone = leave(ctx, member, resources_to)?;
    // Whether they are in accounts of others is nobody's business.
    let user_deleted = gone || !visibility::sees(ctx, &member.user)?;
    Ok(MemberRemoved {
        account: member.account.clone(),
        user: member.user.clone(),
        user_deleted,
    })
}

/// An account always has an owner (R-TEA-2, R-TEA-5).
fn refuse_owner(member: &model::Member) -> Result<(), Error> {
    if !member.owner {
        return Ok(());
    }
    Err(Error::new(
        Code::OwnerTransferRequired,
        format!(
            "`{}` owns `{}`; transfer the account first.",
            member.user, member.account
        ),
    ))
}

impl Operation for Leave {
    type Answer = MemberRemoved;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<MemberRemoved, Error> {
        let Actor::User { user, .. } = ctx.actor else {
            accounts::load(&mut ctx.tx, &self.account, "/account")?;
            return Err(Error::new(
                Code::ActorNotAllowed,
                "Only a member leaves an account; end the membership of another with \
                 `members.remove`.",
            ));
        };
        if visibility::home(ctx).as_ref() != Some(&self.account) {
            return Err(Error::not_found("account", self.account.as_str()).at("/account"));
        }
        let member: Option<model::Member> = ctx.tx.get(&keys::member(&self.account, user))?;
        // Who acts here from an account above has nothing to leave.
        let member = member.ok_or_else(|| {
            Error::new(
                Code::NotMember,
                format!(
                    "`{user}` is no member of `{}`; there is nothing to leave.",
                    self.account
                ),
            )
            .at("/account")
        })?;
        refuse_owner(&member).map_err(|error| error.at("/account"))?;
        Ok(MemberRemoved {
            user_deleted: leave(ctx, &member, self.resources_to.as_ref())?,
            account: self.account,
            user: member.user,
        })
    }
}

pub(crate) fn set_disabled(
    ctx: &mut Ctx<'_>,
    mut member: model::Member,
    disabled: bool,
    until_ms: Option<u64>,
) -> Result<Member, Error> {
    visibility::refuse_self(ctx, &member.user, "disable or enable")?;
    refuse_stronger_in(ctx, &member.account, &member.user)?;
    if (member.disabled, member.until_ms) == (disabled, until_ms) {
        return answer_of(ctx, member);
    }
    member.until_ms = until_ms;
    put_disabled(ctx, &mut member, disabled)?;
    save(ctx, member)
}

impl Operation for Disable {
    type Answer = Member;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        let member = load_visible(ctx, &self.account, &self.user)?;
        set_disabled(ctx, member, true, None)
    }
}

impl Operation for Enable {
    type Answer = Member;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Member, Error> {
        let member = load_visible(ctx, &self.account, &self.user)?;
        let until_ms = until::checked(ctx, self.until_ms)?;
        if until_ms.is_some() {
            refuse_owner(&member).map_err(|error| error.at("/user"))?;
        }
        set_disabled(ctx, member, false, until_ms)
    }
}

#[cfg(test)]
mod tests {
    use crate::Tenantry;
    use crate::error::{Code, Error};
    use serde_json::{Value, json};

    fn call(
        store: &Tenantry,
        actor: &Value,
        operation: &str,
        request: Value,
    ) -> Result<Value, Error> {
        let answer = store.call_json(
            actor.to_string().as_bytes(),
            operation.as_bytes(),
            request.to_string().as_bytes(),
        );
        answer.map(|answer| serde_json::from_str(&answer).unwrap())
    }

    /// R-INV-12: who leaves and who is removed leave the same behind, and a sender that was
    /// prepared for them sends no more.
    #[test]
    fn leaving_does_what_removing_does() {
        let host = json!({"kind": "system"});
        let ann = json!({"kind": "user", "user": "ann", "account": "acme"});
        let olga = json!({"kind": "user", "user": "olga", "account": "acme"});
        let mut left = Vec::new();
        for (actor, operation, request) in [
            (&ann, "members.leave", json!({"account": "acme"})),
            (
                &olga,
                "members.remove",
                json!({"account": "acme", "user": "ann"}),
            ),
        ] {
            let options = json!({"clock": {"manual_ms": 1000}, "seed": 1}).to_string();
            let store = Tenantry::open_json(":memory:", options.as_bytes()).unwrap();
            let owner = json!({"user": "olga", "email": "olga@acme.example"});
            for (operation, request) in [
                (
                    "accounts.create",
                    json!({"id": "acme", "name": "Acme", "owner": owner}),
                ),
                (
                    "members.add",
                    json!({"account": "acme", "user": "ann",
                    "email": "ann@acme.example", "role": "full"}),
                ),
            ] {
                call(&store, &host, operation, request).unwrap();
            }
            let sender = store.sender("acme", Some("ann")).unwrap();
            assert_eq!(sender.admit(1).unwrap().granted, 1);
            let gone = call(&store, actor, operation, request.clone()).unwrap();
            assert_eq!(gone["user_deleted"], true, "{operation}");
            let refusal = sender.admit(1).unwrap().refusal.clone().unwrap();
            assert_eq!(refusal.code, Code::NotMember, "{operation}");
            let verified = call(&store, &host, "store.verify", json!({})).unwrap();
            assert_eq!(verified["whole"], true, "{operation}: {verified}");
            let again = call(&store, actor, operation, request).unwrap_err();
            assert_eq!(again.code(), Code::NotFound, "{operation}");
            left.push(verified["records"].clone());
        }
        assert_eq!(left[0], left[1]);
    }
}
