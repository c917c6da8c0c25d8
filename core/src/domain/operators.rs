//! Operators: the platform's staff, users with a role on the platform itself and in no account
//! (R-PLT-2).

use crate::access::escalation::operators::refuse_beyond_own;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::operators::{
    Add, Disable, Enable, Get, List, Operator, OperatorList, OperatorRemoved, Remove, SetRole,
};
use crate::domain::{self, roles};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::page;
use crate::kernel::revision::check_rev;
use crate::model::{self, Id};
use crate::tables::operators::{Operators, load};
use crate::tables::{sessions, users};

fn save(ctx: &mut Ctx<'_>, mut operator: model::Operator) -> Result<Operator, Error> {
    operator.rev += 1;
    operator.updated_at_ms = ctx.now_ms;
    ctx.tx.save::<Operators>(&operator)?;
    answer_of(ctx, operator)
}

fn answer_of(ctx: &mut Ctx<'_>, operator: model::Operator) -> Result<Operator, Error> {
    let user = users::load(&mut ctx.tx, &operator.user, "/user")?;
    Ok(Operator {
        user: operator.user,
        email: user.email.as_typed().to_owned(),
        first_name: user.profile.first_name,
        last_name: user.profile.last_name,
        role: operator.role,
        disabled: operator.disabled || user.disabled,
        rev: operator.rev,
        created_at_ms: operator.created_at_ms,
        updated_at_ms: operator.updated_at_ms,
    })
}

fn refuse_giving(ctx: &mut Ctx<'_>, role: &Id) -> Result<(), Error> {
    roles::load_of_platform(ctx, role, "/role")?;
    refuse_beyond_own(
        ctx,
        role,
        format!("The role `{role}` allows more than you hold; ask somebody who holds all of it."),
        "/role",
    )
}

/// Reads an operator whom the actor may change: somebody else, who can do no more than they can.
fn load_to_change(ctx: &mut Ctx<'_>, user: &Id) -> Result<model::Operator, Error> {
    let operator = load(&mut ctx.tx, user)?;
    if ctx.actor.user() == Some(user) {
        return Err(Error::new(
            Code::SelfForbidden,
            format!("You are `{user}`, and nobody does this to themselves; ask another operator."),
        )
        .at("/user"));
    }
    refuse_beyond_own(
        ctx,
        &operator.role,
        format!("`{user}` can do more than you; ask somebody who can do as much."),
        "/user",
    )?;
    Ok(operator)
}

fn set_disabled(ctx: &mut Ctx<'_>, user: &Id, disabled: bool) -> Result<Operator, Error> {
    let mut operator = load_to_change(ctx, user)?;
    if operator.disabled == disabled {
        return answer_of(ctx, operator);
    }
    if disabled {
        sessions::end_log_ins_as(&mut ctx.tx, user, None)?;
    }
    operator.disabled = disabled;
    save(ctx, operator)
}

impl Operation for Add {
    type Answer = Operator;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Operator, Error> {
        refuse_giving(ctx, &self.role)?;
        let user = match (self.email, self.user) {
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
            (None, Some(id)) => users::load(&mut ctx.tx, &id, "/user")?,
            (None, None) => {
                return Err(Error::invalid(
                    "/user",
                    "Name an existing `user`, or the `email` of a new one.",
                ));
            }
        };
        if ctx.tx.has(&keys::operator(&user.id))? {
            return Err(Error::new(
                Code::IsOperator,
                format!(
                    "`{}` is an operator already; give them another role instead.",
                    user.id
                ),
            )
            .at("/user"));
        }
        if !users::memberships_of(&mut ctx.tx, &user.id, 1)?.is_empty() {
            return Err(Error::new(
                Code::IsMember,
                format!(
                    "`{}` is a member of an account and cannot be an operator; name another user.",
                    user.id
                ),
            )
            .at("/user"));
        }
        let operator = model::Operator {
            user: user.id,
            role: self.role,
            disabled: false,
            rev: 1,
            created_at_ms: ctx.now_ms,
            updated_at_ms: ctx.now_ms,
        };
        ctx.tx.save::<Operators>(&operator)?;
        answer_of(ctx, operator)
    }
}

impl Operation for Get {
    type Answer = Operator;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Operator, Error> {
        let operator = load(&mut ctx.tx, &self.user)?;
        answer_of(ctx, operator)
    }
}

impl Operation for List {
    type Answer = OperatorList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OperatorList, Error> {
        let (rows, next) = page::<model::Operator>(
            ctx,
            keys::range(keys::OPERATOR, &[]),
            self.after.as_ref(),
            self.limit,
        )?;
        let operators = rows
            .into_iter()
            .map(|(_, operator)| answer_of(ctx, operator))
            .collect::<Result<_, _>>()?;
        Ok(OperatorList { operators, next })
    }
}

impl Operation for SetRole {
    type Answer = Operator;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Operator, Error> {
        let mut operator = load_to_change(ctx, &self.user)?;
        check_rev(self.expected_rev, operator.rev)?;
        refuse_giving(ctx, &self.role)?;
        operator.role = self.role;
        save(ctx, operator)
    }
}

impl Operation for Disable {
    type Answer = Operator;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Operator, Error> {
        set_disabled(ctx, &self.user, true)
    }
}

impl Operation for Enable {
    type Answer = Operator;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Operator, Error> {
        set_disabled(ctx, &self.user, false)
    }
}

impl Operation for Remove {
    type Answer = OperatorRemoved;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OperatorRemoved, Error> {
        let operator = load_to_change(ctx, &self.user)?;
        ctx.tx.erase::<Operators>(&operator)?;
        let user = users::load(&mut ctx.tx, &operator.user, "/user")?;
        domain::users::erase(ctx, &user)?;
        Ok(OperatorRemoved { user: self.user })
    }
}
