//! Accounts below another: quoted, made, handed over and switched to.

use crate::access::escalation;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::view::NominalCache;
use crate::api::teams::{
    AccountQuote, AccountSwitch, ChildCreated, CreateChild, EnterAs, OwnerTransferred, Quote,
    Switch, Switchable, SwitchableAccount, SwitchableList, Team, TeamAccount, TeamList,
    TransferOwner,
};
use crate::domain::teams::tree::{next_in_tree, next_of_user, read_path, resume, write_path};
use crate::domain::{self, invitations, links, membership};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::{SCAN_MAX, page_size};
use crate::kernel::revision::check_rev;
use crate::model::{
    self, Actor, ChildOwner, Email, Id, Lifecycle, Limits, LinkKind, Member, OutboxKind,
    OutboxMessage, Package, TEAM_PERMISSION,
};
use crate::rules::account::effective_status;
use crate::tables::accounts::{self, account_line};
use crate::tables::people;
use crate::tables::users::{self, Users};

/// The top account of the team that an account is in, and what a further account costs there.
pub(crate) fn quote(ctx: &mut Ctx<'_>, parent: &Id) -> Result<AccountQuote, Error> {
    let top = account_line(&mut ctx.tx, parent)
        .map_err(|error| error.at("/parent"))?
        .pop();
    let (team, package) = top.map_or_else(|| (parent.clone(), None), |top| (top.id, top.package));
    let price = match package {
        Some(package) => ctx
            .tx
            .get::<Package>(&keys::package(&package))?
            .and_then(|package| package.child_price),
        None => None,
    };
    Ok(AccountQuote {
        parent: parent.clone(),
        team,
        price,
    })
}

/// The error with another field, where it names the first.
fn renamed(error: Error, from: &str, to: &str) -> Error {
    if error.field() == Some(from) {
        error.at(to)
    } else {
        error
    }
}

/// Sends the owner of a new account the link that they set their first password with.
fn send_first_password(ctx: &mut Ctx<'_>, account: &Id, user: &model::User) -> Result<(), Error> {
    let life_ms = ctx.policies(Some(account))?.link_life_ms;
    let link = links::create(
        ctx,
        LinkKind::PasswordReset,
        &user.id,
        user.email.clone(),
        life_ms,
    )?;
    ctx.enqueue_message(&OutboxMessage {
        user: Some(user.id.clone()),
        to: Some(user.email.clone()),
        accounts: vec![account.clone()],
        token_of: Some((link.id, link.generation)),
        ..OutboxMessage::about(OutboxKind::PasswordReset, Some(account.clone()), ctx.now_ms)
    })
}

/// Who owns a new account, and how it begins.
enum FirstOwner {
    /// Confirms their address first.
    Invited(Email),
    /// A user of the team, or the owner of the account above.
    Known(model::User),
    /// A new user, who sets a password.
    New(model::User),
}

fn leave_out(field: &str, why: &str) -> Error {
    let name = field.trim_start_matches('/');
    Error::invalid(field, format!("Leave out `{name}`: {why}."))
}

impl CreateChild {
    fn refuse_owner_fields(&self, why: &str) -> Result<(), Error> {
        let fields = [
            ("/owner_user", self.owner_user.is_some()),
            ("/owner_first_name", self.owner_first_name.is_some()),
            ("/owner_last_name", self.owner_last_name.is_some()),
        ];
        match fields.into_iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(leave_out(field, why)),
            None => Ok(()),
        }
    }

    /// The owner of the account above, who owns the new one too.
    fn owner_of_parent(&self, ctx: &mut Ctx<'_>) -> Result<FirstOwner, Error> {
        let why = "the owner of the account above owns this one too";
        if self.owner_email.is_some() {
            return Err(leave_out("/owner_email", why));
        }
        self.refuse_owner_fields(why)?;
        let owner = accounts::load(&mut ctx.tx, &self.parent, "/parent")?.owner;
        let owner = owner.ok_or_else(|| {
            Error::new(
                Code::AccountPending,
                format!(
                    "`{}` has no owner yet; try again when it has one.",
                    self.parent
                ),
            )
            .at("/parent")
        })?;
        let owner = users::load(&mut ctx.tx, &owner, "/parent")?;
        if owner.disabled {
            Err(escalation::members::disabled_owner(&owner).at("/parent"))
        } else {
            Ok(FirstOwner::Known(owner))
        }
    }

    /// Makes the user who owns the new account.
    fn new_owner(&self, ctx: &mut Ctx<'_>, email: Email) -> Result<FirstOwner, Error> {
        let mut user = domain::users::create::create(
            ctx,
            self.owner_user.clone(),
            email,
            self.owner_first_name.clone(),
            self.owner_last_name.clone(),
            &domain::users::NamedAt {
                id: "/owner_user",
                email: "/owner_email",
            },
        )?;
        user.must_set_password = true;
        ctx.tx.save::<Users>(&user)?;
        Ok(FirstOwner::New(user))
    }

    fn first_owner(&self, ctx: &mut Ctx<'_>, team: &Id) -> Result<FirstOwner, Error> {
        let policies = ctx.policies(Some(&self.parent))?;
        if policies.child_owner == ChildOwner::Parents {
            return self.owner_of_parent(ctx);
        }
        let email = self.owner_email.clone().ok_or_else(|| {
            Error::invalid(
                "/owner_email",
                "An account needs an owner; name the owner's address in `owner_email`.",
            )
        })?;
        let known = match ctx.tx.get::<Id>(&keys::email(email.key()))? {
            Some(user) => Some(users::load(&mut ctx.tx, &user, "/owner_email")?),
            None => None,
        };
        // Of an address that only others know, nothing is said.
        let in_team = match &known {
            Some(user) => people::seats_of(&mut ctx.tx, team, &user.id)? > 0,
            None => false,
        };
        if in_team && policies.owner_exclusive {
            let error = Error::new(
                Code::OwnerNotExclusive,
                format!(
                    "`{}` is a user of another account of the team; name an address that is in \
                     none.",
                    email.as_typed()
                ),
            );
            return Err(error.at("/owner_email"));
        }
        if !self.skip_verification {
            self.refuse_owner_fields("the owner gives it when they confirm their address")?;
            return Ok(FirstOwner::Invited(email));
        }
        if !policies.skip_verification {
            let error = Error::new(
                Code::PolicyForbids,
                "The owner of a new account has to confirm their address; leave out \
                 `skip_verification`.",
            );
            return Err(error
                .at("/skip_verification")
                .with("policy", "skip_verification"));
        }
        match known {
            Some(user) if in_team && user.disabled => Err(Error::new(
                Code::UserDisabled,
                format!("`{}` is disabled; enable the user first.", user.id),
            )
            .at("/owner_email")),
            Some(user) if in_team => {
                self.refuse_owner_fields("the owner is a user already")?;
                Ok(FirstOwner::Known(user))
            }
            _ => self.new_owner(ctx, email),
        }
    }
}

/// Who an operation about switching is about, and the account that they are in where they act
/// themselves.
fn subject(ctx: &mut Ctx<'_>, named: Option<Id>) -> Result<(Id, Option<Id>), Error> {
    match (ctx.actor, named) {
        (Actor::User { user, .. }, Some(named)) if named != *user => Err(Error::new(
            Code::ActorNotAllowed,
            "Users ask about themselves only; leave out `user`.",
        )
        .at("/user")),
        (Actor::User { user, account, .. }, _) => Ok((user.clone(), Some(account.clone()))),
        (actor, named) => {
            if matches!(actor, Actor::Operator { .. }) {
                ctx.require_as_operator("clients.view_all")?;
            }
            let named = named
                .ok_or_else(|| Error::invalid("/user", "Name the `user` whom you ask about."))?;
            Ok((users::load(&mut ctx.tx, &named, "/user")?.id, None))
        }
    }
}

/// An account as a user has access to it, by the membership nearest to it; none where they have no
/// access.
fn access(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
    current: Option<&Id>,
) -> Result<Option<SwitchableAccount>, Error> {
    if !ctx.tx.has(&keys::account(account))? {
        return Ok(None);
    }
    let line = account_line(&mut ctx.tx, account)?;
    let tree = ctx.tree();
    let view = ctx.engine.cell(account)?.view(ctx.engine)?;
    let judged = view.judge_whatever_status(&mut ctx.tx, &mut NominalCache::new(&tree), user)?;
    let (Some(judged), Some(own)) = (judged, line.first()) else {
        return Ok(None);
    };
    let Some(member) = judged.member() else {
        return Ok(None);
    };
    let how = match (member.account == *account, member.owner) {
        (true, true) => EnterAs::Owner,
        (true, false) => EnterAs::Member,
        (false, _) => EnterAs::Ancestor,
    };
    let refusal = match current {
        Some(current) if current == account => Some(Code::AlreadyThere),
        // Users are told what acting there would be answered: their address and their second factor
        // count.
        Some(_) => ctx.entry_refusal(account)?,
        None => judged.entry,
    };
    let (status, role) = (effective_status(&line), member.role.clone());
    Ok(Some(SwitchableAccount {
        account: own.id.clone(),
        name: own.name.clone(),
        status,
        how,
        role,
        offered: refusal.is_none(),
        refusal,
    }))
}

impl Operation for Quote {
    type Answer = AccountQuote;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountQuote, Error> {
        quote(ctx, &self.parent)
    }
}

impl Operation for CreateChild {
    type Answer = ChildCreated;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ChildCreated, Error> {
        let AccountQuote { team, price, .. } = quote(ctx, &self.parent)?;
        match ctx.actor {
            Actor::User { .. } if self.package.is_some() => {
                return Err(Error::new(
                    Code::ActorNotAllowed,
                    "The `package` is chosen by the platform; leave it out.",
                )
                .at("/package"));
            }
            Actor::Operator { .. } if self.package.is_some() => {
                ctx.require_as_operator("packages.assign")?
            }
            _ => {}
        }
        let first = self.first_owner(ctx, &team)?;
        let (lifecycle, owner) = match &first {
            FirstOwner::Invited(_) => (Lifecycle::Pending, None),
            FirstOwner::Known(user) | FirstOwner::New(user) => (Lifecycle::Active, Some(user)),
        };
        let new = domain::accounts::create::NewAccount {
            id: self.id,
            name: self.name,
            parent: Some(self.parent.clone()),
            package: self.package,
            limits: Limits::default(),
            time_zone: self.time_zone,
            lifecycle,
            owner,
        };
        let account = domain::accounts::create::make(ctx, new)
            .map_err(|error| renamed(error, "/owner", "/owner_email"))?;
        let mut invitation = None;
        let mut must_set_password = false;
        match first {
            FirstOwner::Invited(email) => {
                invitation = Some(invitations::offer::invite_owner(ctx, &account.id, email)?);
            }
            FirstOwner::Known(user) => must_set_password = user.must_set_password,
            FirstOwner::New(user) => {
                must_set_password = true;
                send_first_password(ctx, &account.id, &user)?;
            }
        }
        let status = effective_status(&account_line(&mut ctx.tx, &account.id)?);
        Ok(ChildCreated {
            account: account.id,
            parent: self.parent,
            status,
            owner: account.owner,
            must_set_password,
            invitation,
            price,
        })
    }
}

impl Operation for TransferOwner {
    type Answer = OwnerTransferred;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<OwnerTransferred, Error> {
        let before = accounts::load(&mut ctx.tx, &self.account, "/account")?;
        check_rev(self.expected_rev, before.rev)?;
        if matches!(ctx.actor, Actor::User { account: home, .. } if *home == self.account)
            && before.parent.is_some()
        {
            let error = Error::new(
                Code::PermissionDenied,
                format!(
                    "The owner of `{}` is chosen from the account above it (R-TEA-3); ask there.",
                    self.account
                ),
            );
            return Err(error.at("/account").with("missing", TEAM_PERMISSION));
        }
        // Whoever was asked to confirm their address would come as a second owner.
        let old_owner = before.owner.ok_or_else(|| {
            Error::new(
                Code::AccountPending,
                format!(
                    "`{}` waits for its first owner to confirm their address; remind them.",
                    self.account
                ),
            )
            .at("/account")
        })?;
        let account = membership::make_owner(ctx, &self.account, &self.to, self.old_owner_role)
            .map_err(|error| renamed(renamed(error, "/user", "/to"), "/role", "/old_owner_role"))?;
        let old: Option<Member> = ctx.tx.get(&keys::member(&self.account, &old_owner))?;
        Ok(OwnerTransferred {
            account: self.account,
            owner: self.to,
            old_owner,
            old_owner_role: old.and_then(|old| old.role),
            rev: account.rev,
        })
    }
}

impl Operation for Switchable {
    type Answer = SwitchableList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SwitchableList, Error> {
        let (user, current) = subject(ctx, self.user)?;
        let size = page_size(self.limit)?;
        let mut place = self.after.as_ref().map(read_path).transpose()?;
        let mut accounts = Vec::new();
        let mut looked_at = 0;
        while let Some(path) = next_of_user(ctx, &user, place.clone())? {
            if accounts.len() == size || looked_at == SCAN_MAX {
                return Ok(SwitchableList {
                    accounts,
                    next: place.as_deref().map(write_path).transpose()?,
                });
            }
            looked_at += 1;
            if let Some(account) = path.last() {
                // A membership has its own place in the list.
                let listed_elsewhere =
                    path.len() > 1 && ctx.tx.has(&keys::member(account, &user))?;
                if !listed_elsewhere {
                    accounts.extend(access(ctx, account, &user, current.as_ref())?);
                }
            }
            place = Some(path);
        }
        Ok(SwitchableList {
            accounts,
            next: None,
        })
    }
}

impl Operation for Switch {
    type Answer = AccountSwitch;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountSwitch, Error> {
        let (user, current) = subject(ctx, self.user)?;
        let found = access(ctx, &self.account, &user, current.as_ref())?;
        let found = found
            .ok_or_else(|| Error::not_found("account", self.account.as_str()).at("/account"))?;
        if let Some(code) = found.refusal {
            return Err(Error::new(
                code,
                format!(
                    "`{user}` cannot enter `{}`. {}",
                    self.account,
                    code.sentence()
                ),
            )
            .at("/account"));
        }
        Ok(AccountSwitch {
            account: found.account,
            name: found.name,
            user,
            how: found.how,
            role: found.role,
        })
    }
}

impl Operation for Team {
    type Answer = TeamList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<TeamList, Error> {
        if accounts::load(&mut ctx.tx, &self.account, "/account")?
            .parent
            .is_some()
        {
            return Err(Error::not_found("team", self.account.as_str()).at("/account"));
        }
        let size = page_size(self.limit)?;
        let mut place = self.after.as_ref().map(read_path).transpose()?;
        if place
            .as_ref()
            .is_some_and(|path| path.first() != Some(&self.account))
        {
            return Err(Error::invalid(
                "/after",
                "`after` must be the `next` of the previous page, unchanged.",
            ));
        }
        let mut accounts = Vec::new();
        loop {
            let next = match place.clone() {
                None => Some(vec![self.account.clone()]),
                Some(path) => {
                    let (path, still_there) = resume(ctx, path)?;
                    next_in_tree(ctx, path, still_there)?
                }
            };
            let Some(path) = next else {
                return Ok(TeamList {
                    accounts,
                    next: None,
                });
            };
            if accounts.len() == size {
                return Ok(TeamList {
                    accounts,
                    next: place.as_deref().map(write_path).transpose()?,
                });
            }
            if let Some(account) = path.last() {
                accounts.push(team_account(ctx, account)?);
            }
            place = Some(path);
        }
    }
}

fn team_account(ctx: &mut Ctx<'_>, id: &Id) -> Result<TeamAccount, Error> {
    let line = account_line(&mut ctx.tx, id)?;
    let status = effective_status(&line);
    let depth = line.len() as u64;
    let account = line
        .into_iter()
        .next()
        .ok_or_else(|| Error::not_found("account", id.as_str()))?;
    let owner_email = match &account.owner {
        Some(owner) => Some(
            users::load(&mut ctx.tx, owner, "/account")?
                .email
                .as_typed()
                .to_owned(),
        ),
        None => None,
    };
    Ok(TeamAccount {
        users: ctx.tx.count(&keys::tally(id, "members"))?,
        account: account.id,
        name: account.name,
        parent: account.parent,
        depth,
        owner: account.owner,
        owner_email,
        status,
        children: account.children,
    })
}
