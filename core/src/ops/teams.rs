//! Accounts in teams: further accounts with their price, ownership, the accounts of a team,
//! switching between accounts (R-TEA-1 to R-TEA-5, R-SES-5).

use super::{Operation, accounts, invitations, links, members, users};
use crate::engine::Ctx;
use crate::engine::authority::TEAM_PERMISSION;
use crate::engine::view::Papers;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::{SCAN_MAX, page_size};
use crate::kernel::revision::check_rev;
use crate::model::{
    self, Actor, ChildOwner, Count, Cursor, Email, Id, Lifecycle, Limits, LinkKind, Member, Name,
    OutboxKind, OutboxMessage, Package, Price,
};
use crate::rules::account::{Status, effective_status};
use crate::tables::accounts::{MAX_DEPTH, account_line};
use crate::tables::people;
use crate::tables::users::Users;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Says what a further account below another costs each month, before it is made (R-TEA-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// The account that it would lie below.
    pub parent: Id,
}

/// Makes an account below another, with an owner of its own or, by policy `child_owner`, the owner
/// of the account above.
///
/// Its own owner confirms their address first: the account is pending until then. With
/// `skip_verification` it can be used at once; an owner who is new then gets a link to set a
/// password (R-TEA-4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateChild {
    /// The account above.
    pub parent: Id,
    /// The host's own id; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// The e-mail address of the owner; absent where the parent's owner owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_email: Option<Email>,
    /// The id that a new owner gets; with `skip_verification` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_user: Option<Id>,
    /// First name of a new owner; with `skip_verification` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_first_name: Option<Name>,
    /// Last name of a new owner; with `skip_verification` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_last_name: Option<Name>,
    /// Whether the account can be used before its owner has confirmed their address.
    #[serde(default)]
    pub skip_verification: bool,
    /// The package; without one the parent's values count. Not for users: the platform chooses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// IANA name of the time zone of its days and months; that of the policy when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Name>,
}

/// Makes a member of an account its owner; the owner until now becomes an ordinary member
/// (R-TEA-5). Where accounts below have their parent's owner, they get the new one too.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferOwner {
    /// The account.
    pub account: Id,
    /// The member who becomes the owner.
    pub to: Id,
    /// The role that the owner until now gets; the default role of the account when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_owner_role: Option<Id>,
    /// The revision of the account that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Lists the accounts that a user has access to, each with whether they can enter it now: those
/// that they are a member of, and those below an account whose team they manage (R-SES-5).
///
/// A user whose own account cannot be entered asks through the host, which names them in `user`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Switchable {
    /// The user, where the host or an operator asks; users ask about themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// Go on here: `next` of the page before. A page may be shorter than `limit` and still have a
    /// `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Decides whether a user enters another account (R-SES-5). An account that they have no access to
/// is `not_found`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// The account.
    pub account: Id,
    /// The user, where the host or an operator asks; users ask about themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
}

/// Lists all accounts of a team, each before those below it, a page at a time (R-TEA-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// The top account of the team; any other is `not_found`.
    pub account: Id,
    /// Go on here: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// What a further account costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountQuote {
    /// The account that it would lie below.
    pub parent: Id,
    /// The top account of the team, which pays for it.
    pub team: Id,
    /// The price of each month, from the package of the team; absent where that names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// An account that was made below another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChildCreated {
    /// The account.
    pub account: Id,
    /// The account above.
    pub parent: Id,
    /// Its status: pending until the owner has confirmed their address.
    pub status: Status,
    /// The owner; absent until they have confirmed their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Id>,
    /// Whether the owner has to set a password before they enter.
    pub must_set_password: bool,
    /// The invitation that the owner confirms their address with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Id>,
    /// What it costs each month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// An account that has another owner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OwnerTransferred {
    /// The account.
    pub account: Id,
    /// The owner.
    pub owner: Id,
    /// Who owned it until now.
    pub old_owner: Id,
    /// The role that they have now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_owner_role: Option<Id>,
    /// The revision of the account.
    pub rev: u64,
}

/// How a user enters an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnterAs {
    /// As its owner.
    Owner,
    /// As a member, with the role that they have there.
    Member,
    /// From an account above whose team they manage, with what they may do there.
    Above,
}

/// An account that a user has access to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SwitchableAccount {
    /// The account.
    pub account: Id,
    /// Its name.
    pub name: Name,
    /// Its effective status.
    pub status: Status,
    /// How they enter it.
    pub how: EnterAs,
    /// The role that they enter with; an owner needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
    /// Whether they can enter it now.
    pub offered: bool,
    /// The code that entering it is refused with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Code>,
}

/// A page of accounts that a user has access to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SwitchableList {
    /// The accounts.
    pub accounts: Vec<SwitchableAccount>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// An account that a user enters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountSwitch {
    /// The account.
    pub account: Id,
    /// Its name.
    pub name: Name,
    /// The user.
    pub user: Id,
    /// How they enter it.
    pub how: EnterAs,
    /// The role that they enter with; an owner needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Id>,
}

/// An account of a team.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TeamAccount {
    /// The account.
    pub account: Id,
    /// Its name.
    pub name: Name,
    /// The account above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// How deep it lies: 1 for the top account.
    pub depth: u64,
    /// Its owner; absent until they have confirmed their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Id>,
    /// The owner's e-mail address, as typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_email: Option<String>,
    /// Its effective status.
    pub status: Status,
    /// How many users it has, the owner included; `members.list` lists them.
    pub users: u64,
    /// How many accounts lie directly below it.
    pub children: u64,
}

/// A page of the accounts of a team.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TeamList {
    /// The accounts.
    pub accounts: Vec<TeamAccount>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

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
    ctx.tell_host(&OutboxMessage {
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

impl CreateChild {
    fn refuse_owner_fields(&self, why: &str) -> Result<(), Error> {
        let fields = [
            ("/owner_user", self.owner_user.is_some()),
            ("/owner_first_name", self.owner_first_name.is_some()),
            ("/owner_last_name", self.owner_last_name.is_some()),
        ];
        match fields.into_iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(Error::invalid(field, why)),
            None => Ok(()),
        }
    }

    fn first_owner(&self, ctx: &mut Ctx<'_>, team: &Id) -> Result<FirstOwner, Error> {
        let policies = ctx.policies(Some(&self.parent))?;
        if policies.child_owner == ChildOwner::Parents {
            let why = "the account is owned by the owner of the account above it";
            if self.owner_email.is_some() {
                return Err(Error::invalid("/owner_email", why));
            }
            self.refuse_owner_fields(why)?;
            let owner = accounts::load(ctx, &self.parent, "/parent")?.owner;
            let owner = owner.ok_or_else(|| {
                Error::new(
                    Code::AccountPending,
                    format!("`{}` has no owner yet", self.parent),
                )
                .at("/parent")
            })?;
            let owner = users::load(ctx, &owner, "/parent")?;
            return if owner.disabled {
                Err(members::disabled_owner(&owner).at("/parent"))
            } else {
                Ok(FirstOwner::Known(owner))
            };
        }
        let email = self.owner_email.clone().ok_or_else(|| {
            Error::invalid(
                "/owner_email",
                "an account has an owner: name their e-mail address",
            )
        })?;
        let known = match ctx.tx.get::<Id>(&keys::email(email.key()))? {
            Some(user) => Some(users::load(ctx, &user, "/owner_email")?),
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
                    "`{}` is a user of another account of the team",
                    email.as_typed()
                ),
            );
            return Err(error.at("/owner_email"));
        }
        if !self.skip_verification {
            self.refuse_owner_fields(
                "the owner says who they are when they confirm their address",
            )?;
            return Ok(FirstOwner::Invited(email));
        }
        if !policies.skip_verification {
            let error = Error::new(
                Code::PolicyForbids,
                "the owner of a new account has to confirm their address first",
            );
            return Err(error
                .at("/skip_verification")
                .with("policy", "skip_verification"));
        }
        match known {
            Some(user) if in_team && user.disabled => Err(Error::new(
                Code::UserDisabled,
                format!("`{}` is disabled", user.id),
            )
            .at("/owner_email")),
            Some(user) if in_team => {
                self.refuse_owner_fields("the owner is a user already")?;
                Ok(FirstOwner::Known(user))
            }
            _ => {
                let names = (self.owner_first_name.clone(), self.owner_last_name.clone());
                let mut user = users::create(
                    ctx,
                    self.owner_user.clone(),
                    email,
                    names.0,
                    names.1,
                    &users::NamedAt {
                        id: "/owner_user",
                        email: "/owner_email",
                    },
                )?;
                user.must_set_password = true;
                ctx.tx.save::<Users>(&user)?;
                Ok(FirstOwner::New(user))
            }
        }
    }
}

/// Who an operation about switching is about, and the account that they are in where they act
/// themselves.
fn subject(ctx: &mut Ctx<'_>, named: Option<Id>) -> Result<(Id, Option<Id>), Error> {
    match (ctx.actor, named) {
        (Actor::User { user, .. }, Some(named)) if named != *user => {
            Err(Error::new(Code::ActorNotAllowed, "users ask about themselves").at("/user"))
        }
        (Actor::User { user, account, .. }, _) => Ok((user.clone(), Some(account.clone()))),
        (actor, named) => {
            if matches!(actor, Actor::Operator { .. }) {
                ctx.require_as_operator("clients.view_all")?;
            }
            let named = named.ok_or_else(|| Error::invalid("/user", "name the user"))?;
            Ok((users::load(ctx, &named, "/user")?.id, None))
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
    let judged = view.judge_whatever_status(&mut ctx.tx, &mut Papers::new(&tree), user)?;
    let (Some(judged), Some(own)) = (judged, line.first()) else {
        return Ok(None);
    };
    let Some(member) = judged.member() else {
        return Ok(None);
    };
    let how = match (member.account == *account, member.owner) {
        (true, true) => EnterAs::Owner,
        (true, false) => EnterAs::Member,
        (false, _) => EnterAs::Above,
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

/// A place in a tree of accounts: the ids from where the walk began down to the account itself. A
/// walk visits an account before those below it; that it can go on from any place, even one that is
/// no more, is what makes pages stable.
type TreePath = Vec<Id>;

/// The child of an account that follows another one, or the first.
fn child_after(ctx: &mut Ctx<'_>, parent: &Id, after: Option<&Id>) -> Result<Option<Id>, Error> {
    first_after(ctx, keys::below(keys::CHILD, &[parent.as_str()]), after)
}

/// The id at the end of the key that follows that of another id, or of the first key.
fn first_after(
    ctx: &mut Ctx<'_>,
    (mut from, until): crate::kernel::page::Span,
    after: Option<&Id>,
) -> Result<Option<Id>, Error> {
    if let Some(after) = after {
        from.extend_from_slice(after.as_str().as_bytes());
        from.push(0);
    }
    Ok(ctx
        .tx
        .range::<()>(&from, &until, 1)?
        .first()
        .and_then(|(key, ())| keys::last_id(key)))
}

/// The place that follows in the tree; none at its end. Without `enter` what lies below the place
/// is left out.
fn next_in_tree(
    ctx: &mut Ctx<'_>,
    mut path: TreePath,
    enter: bool,
) -> Result<Option<TreePath>, Error> {
    if let Some(last) = path.last().filter(|_| enter)
        && let Some(child) = child_after(ctx, &last.clone(), None)?
    {
        path.push(child);
        return Ok(Some(path));
    }
    while let (Some(last), Some(parent)) = (path.pop(), path.last().cloned()) {
        if let Some(next) = child_after(ctx, &parent, Some(&last))? {
            path.push(next);
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The place to go on from: as it was, or where the accounts on the way to it were moved meanwhile,
/// as far as they are still there, and one more, which is not entered.
fn resume(ctx: &mut Ctx<'_>, mut path: TreePath) -> Result<(TreePath, bool), Error> {
    let mut above: Option<Id> = None;
    for (at, id) in path.clone().into_iter().enumerate() {
        if let Some(above) = above
            && !ctx.tx.has(&keys::child(&above, &id))?
        {
            path.truncate(at + 1);
            return Ok((path, false));
        }
        above = Some(id);
    }
    Ok((path, true))
}

fn write_path(path: &[Id]) -> Result<Cursor, Error> {
    use base64::Engine;
    let text = path.iter().map(Id::as_str).collect::<Vec<_>>().join("\0");
    Cursor::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text))
        .map_err(|error| Error::new(Code::Internal, error))
}

fn read_path(cursor: &Cursor) -> Result<TreePath, Error> {
    use base64::Engine;
    let read = || -> Option<TreePath> {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(cursor.as_str())
            .ok()?;
        let path: Option<TreePath> = std::str::from_utf8(&bytes)
            .ok()?
            .split('\0')
            .map(|id| Id::new(id).ok())
            .collect();
        path.filter(|path| path.len() <= MAX_DEPTH)
    };
    read().ok_or_else(|| {
        Error::invalid(
            "/after",
            "`after` is what the page before answered as `next`, unchanged",
        )
    })
}

/// Whether a membership of this account lets a user reach those below it.
fn manages_below(ctx: &mut Ctx<'_>, account: &Id, user: &Id) -> Result<bool, Error> {
    if !ctx.tx.has(&keys::member(account, user))? {
        return Ok(false);
    }
    let tree = ctx.tree();
    ctx.engine.cell(account)?.view(ctx.engine)?.reaches_below(
        &mut ctx.tx,
        &mut Papers::new(&tree),
        user,
    )
}

/// The place that follows among the accounts of a user: their memberships in order, and below each
/// whose team they manage the accounts there, but for what they manage by a nearer membership.
fn next_of_user(
    ctx: &mut Ctx<'_>,
    user: &Id,
    place: Option<TreePath>,
) -> Result<Option<TreePath>, Error> {
    let mut root = None;
    if let Some(path) = place {
        let (path, still_there) = resume(ctx, path)?;
        root = path.first().cloned();
        let manages = |ctx: &mut Ctx<'_>, account: Option<&Id>| match account {
            Some(account) => manages_below(ctx, account, user),
            None => Ok(false),
        };
        if manages(ctx, root.as_ref())? {
            let nearer = path.len() > 1 && manages(ctx, path.last())?;
            if let Some(next) = next_in_tree(ctx, path, still_there && !nearer)? {
                return Ok(Some(next));
            }
        }
    }
    let next = first_after(
        ctx,
        keys::below(keys::MEMBERSHIP, &[user.as_str()]),
        root.as_ref(),
    )?;
    Ok(next.map(|account| vec![account]))
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
                    "the package is chosen by the platform",
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
        let new = accounts::NewAccount {
            id: self.id,
            name: self.name,
            parent: Some(self.parent.clone()),
            package: self.package,
            limits: Limits::default(),
            time_zone: self.time_zone,
            lifecycle,
            owner,
        };
        let account =
            accounts::make(ctx, new).map_err(|error| renamed(error, "/owner", "/owner_email"))?;
        let mut invitation = None;
        let mut must_set_password = false;
        match first {
            FirstOwner::Invited(email) => {
                invitation = Some(invitations::invite_owner(ctx, &account.id, email)?);
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
        let before = accounts::load(ctx, &self.account, "/account")?;
        check_rev(self.expected_rev, before.rev)?;
        if matches!(ctx.actor, Actor::User { account: home, .. } if *home == self.account)
            && before.parent.is_some()
        {
            let error = Error::new(
                Code::PermissionDenied,
                "the owner of an account below another is chosen from above it (R-TEA-3)",
            );
            return Err(error.at("/account").with("missing", TEAM_PERMISSION));
        }
        // Whoever was asked to confirm their address would come as a second owner.
        let old_owner = before.owner.ok_or_else(|| {
            Error::new(
                Code::AccountPending,
                format!(
                    "`{}` waits for its first owner to confirm their address",
                    self.account
                ),
            )
            .at("/account")
        })?;
        let account = members::make_owner(ctx, &self.account, &self.to, self.old_owner_role)
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
                    "`{user}` cannot enter `{}`: {}",
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
        if accounts::load(ctx, &self.account, "/account")?
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
                "`after` is what the page before answered as `next`, unchanged",
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
            users::load(ctx, owner, "/account")?
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
