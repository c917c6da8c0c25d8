//! Accounts are made.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::accounts::{Account, AccountValidation, Create, OwnerInput, Validate};
use crate::api::bulk::Problem;
use crate::domain::accounts::show::{answer_of, check_time_zone};
use crate::domain::{groups, limits, membership, packages, users};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{self, Actor, Email, Id, Lifecycle, LimitName, Limits, Name};
use crate::tables;
use crate::tables::accounts::{Accounts, MAX_DEPTH, account_line};

/// What an account is made of.
pub(crate) struct NewAccount<'a> {
    /// The host's own id; one is generated when it is absent.
    pub(crate) id: Option<Id>,
    /// The name that people see.
    pub(crate) name: Name,
    /// The account above.
    pub(crate) parent: Option<Id>,
    /// The package; without one the parent's values count.
    pub(crate) package: Option<Id>,
    /// Limits of its own, over those of the package.
    pub(crate) limits: Limits,
    /// IANA name of the time zone; that of the policy when absent.
    pub(crate) time_zone: Option<Name>,
    /// Where it begins its life.
    pub(crate) lifecycle: Lifecycle,
    /// Who owns it; none only for a pending account whose owner has to confirm first (R-TEA-4).
    pub(crate) owner: Option<&'a model::User>,
}

/// Makes an account, whoever asks for it: depth, number of accounts below, package, licence, group,
/// owner (R-ACC-1).
///
/// Errors name the fields of `accounts.create`.
pub(crate) fn make(ctx: &mut Ctx<'_>, new: NewAccount<'_>) -> Result<model::Account, Error> {
    let id = ctx.new_id(new.id, keys::ACCOUNT, keys::account, "account")?;
    let ancestors = match &new.parent {
        Some(parent) => account_line(&mut ctx.tx, parent).map_err(|error| error.at("/parent"))?,
        None => Vec::new(),
    };
    let policies = ctx.policies(new.parent.as_ref())?;
    let time_zone = new.time_zone.unwrap_or(policies.time_zone);
    check_time_zone(time_zone.as_str())?;
    limits::check_own(ctx, &new.limits, new.parent.as_ref())?;
    if let Some(parent) = ancestors.first() {
        let depth = policies.depth.get();
        if ancestors.len() as u64 >= depth.min(MAX_DEPTH as u64) {
            return Err(Error::new(
                Code::DepthExceeded,
                format!("Accounts are at most {depth} deep; choose a `parent` that is higher up."),
            )
            .at("/parent")
            .with("depth", depth));
        }
        limits::check_children(ctx, &ancestors)?;
        let mut parent = parent.clone();
        parent.children += 1;
        ctx.tx.save::<Accounts>(&parent)?;
    }
    packages::relink(ctx, &id, None, new.package.as_ref())?;
    let account = model::Account {
        leaving: false,
        id: id.clone(),
        name: new.name,
        parent: new.parent,
        owner: new.owner.map(|owner| owner.id.clone()),
        package: new.package,
        next_package: None,
        allocated: match ctx.actor {
            Actor::User { .. } => LimitName::ALL
                .iter()
                .copied()
                .filter(|name| new.limits.get(*name).is_some())
                .collect(),
            Actor::System | Actor::Operator { .. } => Vec::new(),
        },
        overrides: new.limits,
        guaranteed: Vec::new(),
        assets: model::Assets::default(),
        default_role: None,
        default_group: groups::create_default(ctx, &id)?,
        pooled: false,
        shares_since_ms: None,
        time_zone: time_zone.into(),
        lifecycle: new.lifecycle,
        holds: Vec::new(),
        next_hold: 1,
        children: 0,
        rev: 1,
        created_at_ms: ctx.now_ms,
        updated_at_ms: ctx.now_ms,
    };
    ctx.tx.save::<Accounts>(&account)?;
    if let Some(owner) = new.owner {
        membership::create(ctx, &id, owner, membership::Place::OWNER).map_err(|error| {
            if error.field() == Some("/user") {
                error.at("/owner")
            } else {
                error
            }
        })?;
    }
    Ok(account)
}

/// The owner that a request names: an existing user, or a new one.
fn owner_of(ctx: &mut Ctx<'_>, owner: OwnerInput) -> Result<model::User, Error> {
    match (owner.email, owner.user) {
        (Some(email), user) => users::create::create(
            ctx,
            user,
            email,
            owner.first_name,
            owner.last_name,
            &users::NamedAt {
                id: "/owner/user",
                email: "/owner/email",
            },
        ),
        (None, Some(_)) if owner.first_name.is_some() || owner.last_name.is_some() => {
            Err(Error::invalid(
                "/owner/first_name",
                "Names go only with the `email` of a new user; leave out `first_name` and \
                 `last_name`.",
            ))
        }
        (None, Some(user)) => tables::users::load(&mut ctx.tx, &user, "/owner/user"),
        (None, None) => Err(Error::invalid(
            "/owner",
            "Name an existing `user`, or the `email` of a new one.",
        )),
    }
}

impl Operation for Create {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        if let Actor::Operator { .. } = ctx.actor {
            if self.package.is_some() {
                ctx.require_as_operator("packages.assign")
                    .map_err(|error| error.at("/package"))?;
            }
            if self.limits != Limits::default() {
                ctx.require_as_operator("packages.override_limits")
                    .map_err(|error| error.at("/limits"))?;
            }
        }
        let owner = owner_of(ctx, self.owner)?;
        let account = make(
            ctx,
            NewAccount {
                id: self.id,
                name: self.name,
                parent: self.parent,
                package: self.package,
                limits: self.limits,
                time_zone: self.time_zone,
                lifecycle: if self.pending {
                    Lifecycle::Pending
                } else {
                    Lifecycle::Active
                },
                owner: Some(&owner),
            },
        )?;
        answer_of(ctx, &account.id)
    }
}

impl Operation for Validate {
    type Answer = AccountValidation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountValidation, Error> {
        let mut problems = Vec::new();
        let mut note = |field: &str, code: Code, message: String| {
            problems.push(Problem {
                field: Some(field.to_owned()),
                code,
                message,
            })
        };
        if let Some(id) = self.id
            && let Err(error) = ctx.new_id(Some(id), keys::ACCOUNT, keys::account, "account")
        {
            note("/id", error.code(), error.message().to_owned());
        }
        match self.name.map(Name::new) {
            None => note(
                "/name",
                Code::InvalidArgument,
                "An account needs a `name`.".to_owned(),
            ),
            Some(Err(error)) => note("/name", Code::InvalidArgument, error),
            Some(Ok(_)) => {}
        }
        match self.owner_email.map(Email::new) {
            None => note(
                "/owner_email",
                Code::InvalidArgument,
                "An account needs an owner; name the owner's address in `owner_email`.".to_owned(),
            ),
            Some(Err(error)) => note("/owner_email", Code::InvalidArgument, error),
            Some(Ok(email)) if ctx.tx.has(&keys::email(email.key()))? => {
                note(
                    "/owner_email",
                    Code::EmailTaken,
                    format!(
                        "`{}` belongs to a user already; name another address.",
                        email.as_typed()
                    ),
                );
            }
            Some(Ok(_)) => {}
        }
        if let Some(Err(error)) = self.time_zone.as_deref().map(check_time_zone) {
            note("/time_zone", error.code(), error.message().to_owned());
        }
        Ok(AccountValidation {
            valid: problems.is_empty(),
            problems,
        })
    }
}
