//! Accounts: creation in two steps, holds, the end and the way back (R-ACC-1 to R-ACC-3).

use super::{Access, Effect, Operation, check_rev, groups, invitations, members, packages, page, users};
use crate::engine::view::{MAX_DEPTH, account_line};
use crate::engine::{Ctx, keys, people};
use crate::error::{Code, Error};
use crate::model::{self, Actor, Count, Email, Hold as HoldEntry, HoldLevel, HoldReason, Id, Lifecycle, LimitName, Limits, Name, Note};
use crate::rules::account::{Status, effective_status, hold_level};
use crate::rules::window;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most holds of one account.
const MOST_HOLDS: usize = 100;

/// Creates a client or an account below another: details, owner and package in one step (R-ACC-1).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The host's own id; made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The name that people see.
    pub name: Name,
    /// Who owns it.
    pub owner: OwnerInput,
    /// The account above; without one it is a client of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// IANA name of the time zone of its days and months; `UTC` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Name>,
    /// The package; without one the parent's values count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// Limits of its own, over those of the package.
    #[serde(default)]
    pub limits: Limits,
    /// Waits for its owner: nothing is sent until `accounts.activate`.
    #[serde(default)]
    pub pending: bool,
}

/// The first step of the creation by itself: says what is wrong with the details, and changes nothing (R-ACC-1).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validate {
    /// The host's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The name that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The e-mail address of the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_email: Option<String>,
    /// IANA name of the time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// The owner of a new account: an existing user, or a new one by e-mail address.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnerInput {
    /// The existing user, or the id that the new one gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Id>,
    /// The e-mail address of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// First name of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Name>,
    /// Last name of a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Name>,
}

/// Reads an account.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The account.
    pub account: Id,
}

/// Lists accounts by id, a page at a time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Only the accounts directly below this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// Go on after this id: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Id>,
    /// At most this many (1 to 500, 50 when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
}

/// Changes an account. What is absent stays. A new time zone acts from the next window on. The package is for `system` alone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The account.
    pub account: Id,
    /// The name that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// IANA name of the time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Name>,
    /// Another package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// Takes the package away; not together with `package`.
    #[serde(default)]
    pub without_package: bool,
    /// The revision that the change was made from; a stale one is `rev_conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rev: Option<Count>,
}

/// Makes a pending account active.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    /// The account.
    pub account: Id,
}

/// Suspends an account for a reason, beside any other reason (R-ACC-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The account.
    pub account: Id,
    /// Why.
    pub reason: HoldReason,
    /// A remark for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// Clears one hold; the others stay. Only the level that placed it, or one above, can (R-ACC-2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The account.
    pub account: Id,
    /// The number of the hold.
    pub hold: Count,
}

/// Closes an account: it sends nothing and cannot be entered; within 30 days it can be reopened (R-ACC-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// The account.
    pub account: Id,
}

/// Reopens a closed account within its grace period; one that was waiting for its owner waits again (R-ACC-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reopen {
    /// The account.
    pub account: Id,
}

/// Deletes an account for good; its id is never used again, and users without another account go with it (R-ACC-3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The account.
    pub account: Id,
    /// What becomes of the accounts below; needed when there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<Children>,
}

/// What becomes of the accounts below one that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Children {
    /// They are deleted too, and all below them.
    Delete,
    /// They become top accounts.
    Detach,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// The id.
    pub id: Id,
    /// The name that people see.
    pub name: Name,
    /// The account above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// The user who owns it; absent only while the account waits for its first owner's confirmation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Id>,
    /// The package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Id>,
    /// The limits that it has of its own; the others are inherited.
    pub limits: Limits,
    /// IANA name of the time zone of its days and months.
    pub time_zone: String,
    /// The effective status: the worst along the accounts above.
    pub status: Status,
    /// What suspends this account itself.
    pub holds: Vec<HoldEntry>,
    /// When it was closed, in unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at_ms: Option<u64>,
    /// How many accounts are directly below.
    pub children: u64,
    /// Raised by every change.
    pub rev: u64,
    /// When it was made, in unix milliseconds.
    pub created_at_ms: u64,
    /// When it was last changed, in unix milliseconds.
    pub updated_at_ms: u64,
}

/// A page of accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountList {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Id>,
}

/// What is wrong with the details of an account to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountValidation {
    /// Whether the details will do.
    pub valid: bool,
    /// What is wrong with them.
    pub problems: Vec<AccountProblem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountProblem {
    /// The JSON pointer of the field.
    pub field: String,
    /// The code that creating would be refused with.
    pub code: Code,
    /// A sentence a person can act on.
    pub message: String,
}

/// An account that was deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountDeleted {
    /// How many accounts are gone, this one included.
    pub accounts: u64,
    /// How many users went with them.
    pub users: u64,
}

/// Reads an account inside an operation.
pub(crate) fn load(ctx: &mut Ctx<'_>, id: &Id, field: &str) -> Result<model::Account, Error> {
    ctx.tx.get(&keys::account(id))?.ok_or_else(|| Error::not_found("account", id.as_str()).at(field))
}

/// Writes an account that was changed.
pub(crate) fn save(ctx: &mut Ctx<'_>, mut account: model::Account) -> Result<(), Error> {
    account.rev += 1;
    account.updated_at_ms = ctx.now_ms;
    if account.children > 0 {
        ctx.tx.touch_everything();
    } else {
        ctx.tx.touch(&account.id);
    }
    ctx.tx.put(keys::account(&account.id), &account)
}

fn shown(ctx: &mut Ctx<'_>, id: &Id) -> Result<Account, Error> {
    let line = account_line(&mut ctx.tx, id)?;
    let status = effective_status(&line);
    let account = line.into_iter().next().ok_or_else(|| Error::not_found("account", id.as_str()))?;
    Ok(Account {
        id: account.id,
        name: account.name,
        parent: account.parent,
        owner: account.owner,
        package: account.package,
        limits: account.overrides,
        time_zone: account.time_zone,
        status,
        holds: account.holds,
        closed_at_ms: match account.lifecycle {
            Lifecycle::Closed { at_ms, .. } => Some(at_ms),
            Lifecycle::Pending | Lifecycle::Active => None,
        },
        children: account.children,
        rev: account.rev,
        created_at_ms: account.created_at_ms,
        updated_at_ms: account.updated_at_ms,
    })
}

fn save_and_show(ctx: &mut Ctx<'_>, account: model::Account) -> Result<Account, Error> {
    let id = account.id.clone();
    save(ctx, account)?;
    shown(ctx, &id)
}

fn check_time_zone(name: &str) -> Result<(), Error> {
    match window::zone(name) {
        Some(_) => Ok(()),
        None => Err(Error::invalid("/time_zone", format!("`{}` is not an IANA time zone", name.chars().take(64).collect::<String>()))),
    }
}

impl Operation for Create {
    const NAME: &'static str = "accounts.create";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let id = ctx.new_id(self.id, keys::ACCOUNT, keys::account, "account")?;
        let time_zone = self.time_zone.map_or_else(|| "UTC".to_owned(), String::from);
        check_time_zone(&time_zone)?;
        if let Some(parent) = &self.parent {
            let line = account_line(&mut ctx.tx, parent).map_err(|error| error.at("/parent"))?;
            let depth = ctx.policies(Some(parent))?.depth.get();
            if line.len() as u64 >= depth.min(MAX_DEPTH as u64) {
                return Err(Error::new(Code::DepthExceeded, format!("accounts can be {depth} deep")).at("/parent").with("depth", depth));
            }
            let mut above = load(ctx, parent, "/parent")?;
            above.children += 1;
            ctx.tx.put(keys::account(parent), &above)?;
            ctx.tx.mark(keys::child(parent, &id));
        }
        packages::relink(ctx, &id, None, self.package.as_ref())?;
        let owner = match (self.owner.email, self.owner.user) {
            (Some(email), user) => users::create(ctx, user, email, self.owner.first_name, self.owner.last_name, "/owner/email")?,
            (None, Some(_)) if self.owner.first_name.is_some() || self.owner.last_name.is_some() => {
                return Err(Error::invalid("/owner/first_name", "names are given with the `email` of a new user only"));
            }
            (None, Some(user)) => users::load(ctx, &user, "/owner/user")?,
            (None, None) => return Err(Error::invalid("/owner", "name an existing `user`, or the `email` of a new one")),
        };
        let account = model::Account {
            id: id.clone(),
            name: self.name,
            parent: self.parent,
            owner: Some(owner.id.clone()),
            package: self.package,
            next_package: None,
            overrides: self.limits,
            guaranteed: Vec::new(),
            assets: model::Assets::default(),
            default_role: None,
            default_group: groups::create_default(ctx, &id)?,
            pooled: false,
            shares_since_ms: None,
            time_zone,
            lifecycle: if self.pending { Lifecycle::Pending } else { Lifecycle::Active },
            holds: Vec::new(),
            next_hold: 1,
            children: 0,
            rev: 1,
            created_at_ms: ctx.now_ms,
            updated_at_ms: ctx.now_ms,
        };
        ctx.tx.put(keys::account(&id), &account)?;
        members::create(ctx, &id, &owner, members::Place { role: None, owner: true, group: None })?;
        shown(ctx, &id)
    }
}

impl Operation for Validate {
    const NAME: &'static str = "accounts.validate";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::System;
    type Answer = AccountValidation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountValidation, Error> {
        let mut problems = Vec::new();
        let mut note = |field: &str, code: Code, message: String| problems.push(AccountProblem { field: field.to_owned(), code, message });
        if let Some(id) = self.id
            && let Err(error) = ctx.new_id(Some(id), keys::ACCOUNT, keys::account, "account")
        {
            note("/id", error.code(), error.message().to_owned());
        }
        match self.name.map(Name::new) {
            None => note("/name", Code::InvalidArgument, "an account has a name".to_owned()),
            Some(Err(error)) => note("/name", Code::InvalidArgument, format!("`name` {error}")),
            Some(Ok(_)) => {}
        }
        match self.owner_email.map(Email::new) {
            None => note("/owner_email", Code::InvalidArgument, "an account has an owner with an e-mail address".to_owned()),
            Some(Err(error)) => note("/owner_email", Code::InvalidArgument, error),
            Some(Ok(email)) if ctx.tx.has(&keys::email(email.key()))? => {
                note("/owner_email", Code::EmailTaken, format!("`{}` belongs to a user already", email.as_typed()));
            }
            Some(Ok(_)) => {}
        }
        if let Some(Err(error)) = self.time_zone.as_deref().map(check_time_zone) {
            note("/time_zone", error.code(), error.message().to_owned());
        }
        Ok(AccountValidation { valid: problems.is_empty(), problems })
    }
}

impl Operation for Get {
    const NAME: &'static str = "accounts.get";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::account("accounts.view", "clients.view_all");
    type Answer = Account;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        shown(ctx, &self.account).map_err(|error| error.at("/account"))
    }
}

impl Operation for List {
    const NAME: &'static str = "accounts.list";
    const EFFECT: Effect = Effect::Read;
    const ACCESS: Access = Access::System;
    type Answer = AccountList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountList, Error> {
        let range = match &self.parent {
            Some(parent) => {
                load(ctx, parent, "/parent")?;
                keys::below(keys::CHILD, &[parent.as_str()])
            }
            None => keys::below(keys::ACCOUNT, &[]),
        };
        let (rows, next) = page::<serde::de::IgnoredAny>(ctx, range, self.after.as_ref(), self.limit)?;
        let accounts = rows.iter().map(|(id, _)| shown(ctx, id)).collect::<Result<_, _>>()?;
        Ok(AccountList { accounts, next })
    }
}

impl Operation for Edit {
    const NAME: &'static str = "accounts.edit";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::account("accounts.edit", "clients.edit");
    type Answer = Account;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let mut account = load(ctx, &self.account, "/account")?;
        check_rev(self.expected_rev, account.rev)?;
        if (self.package.is_some() || self.without_package) && *ctx.actor != Actor::System {
            return Err(Error::new(Code::ActorNotAllowed, "the package is chosen by `system` alone").at("/package"));
        }
        if self.package.is_some() && self.without_package {
            return Err(Error::invalid("/without_package", "`package` and `without_package` exclude each other"));
        }
        if let Some(zone) = self.time_zone {
            check_time_zone(zone.as_str())?;
            account.time_zone = zone.into();
        }
        let package = if self.without_package { None } else { self.package.or_else(|| account.package.clone()) };
        packages::relink(ctx, &account.id, account.package.as_ref(), package.as_ref())?;
        account.package = package;
        account.name = self.name.unwrap_or(account.name);
        save_and_show(ctx, account)
    }
}

impl Operation for Activate {
    const NAME: &'static str = "accounts.activate";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Account;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let mut account = load(ctx, &self.account, "/account")?;
        match account.lifecycle {
            Lifecycle::Active => return shown(ctx, &self.account),
            Lifecycle::Pending => account.lifecycle = Lifecycle::Active,
            Lifecycle::Closed { .. } => {
                return Err(Error::new(Code::AccountClosed, format!("`{}` is closed; reopen it", self.account)).at("/account"));
            }
        }
        save_and_show(ctx, account)
    }
}

impl Operation for Hold {
    const NAME: &'static str = "accounts.hold";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::account("accounts.edit", "clients.edit");
    type Answer = Account;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let mut account = load(ctx, &self.account, "/account")?;
        let level = hold_level(ctx.actor, &account.id);
        if level == HoldLevel::Account && self.reason != HoldReason::OwnerRequest {
            return Err(Error::new(Code::PermissionDenied, "an account puts itself on hold by `owner_request` only").at("/reason"));
        }
        if account.holds.len() >= MOST_HOLDS {
            return Err(Error::invalid("/account", format!("an account has at most {MOST_HOLDS} holds")));
        }
        let hold = HoldEntry {
            hold: account.next_hold,
            reason: self.reason,
            level,
            placed_by: ctx.actor.label(),
            placed_at_ms: ctx.now_ms,
            note: self.note,
        };
        account.next_hold += 1;
        account.holds.push(hold);
        save_and_show(ctx, account)
    }
}

impl Operation for Release {
    const NAME: &'static str = "accounts.release";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Account;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let mut account = load(ctx, &self.account, "/account")?;
        let hold = account
            .holds
            .iter()
            .find(|hold| hold.hold == self.hold.get())
            .ok_or_else(|| Error::not_found("hold", &self.hold.get().to_string()).at("/hold"))?;
        if hold.level > hold_level(ctx.actor, &account.id) {
            return Err(Error::new(Code::HoldAbove, "the hold was placed by a higher level and is cleared there").at("/hold"));
        }
        account.holds.retain(|hold| hold.hold != self.hold.get());
        save_and_show(ctx, account)
    }
}

impl Operation for Close {
    const NAME: &'static str = "accounts.close";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::account("accounts.close", "clients.status");
    type Answer = Account;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let mut account = load(ctx, &self.account, "/account")?;
        if let Lifecycle::Closed { .. } = account.lifecycle {
            return shown(ctx, &self.account);
        }
        account.lifecycle = Lifecycle::Closed { at_ms: ctx.now_ms, was_pending: account.lifecycle == Lifecycle::Pending };
        save_and_show(ctx, account)
    }
}

impl Operation for Reopen {
    const NAME: &'static str = "accounts.reopen";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = Account;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let mut account = load(ctx, &self.account, "/account")?;
        let Lifecycle::Closed { at_ms, was_pending } = account.lifecycle else {
            return Err(Error::new(Code::AccountNotClosed, format!("`{}` is not closed", self.account)).at("/account"));
        };
        let until_ms = at_ms.saturating_add(ctx.policies(Some(&self.account))?.grace_ms.get());
        if ctx.now_ms >= until_ms {
            return Err(Error::new(Code::GraceOver, format!("`{}` could be reopened until {until_ms}", self.account))
                .at("/account")
                .with("until_ms", until_ms));
        }
        account.lifecycle = if was_pending { Lifecycle::Pending } else { Lifecycle::Active };
        save_and_show(ctx, account)
    }
}

impl Operation for Delete {
    const NAME: &'static str = "accounts.delete";
    const EFFECT: Effect = Effect::Write;
    const ACCESS: Access = Access::System;
    type Answer = AccountDeleted;

    fn account(&self) -> Option<&Id> {
        Some(&self.account)
    }

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountDeleted, Error> {
        let account = load(ctx, &self.account, "/account")?;
        if account.children > 0 && self.children.is_none() {
            return Err(Error::new(Code::ChildrenLeft, format!("`{}` has {} accounts below", account.id, account.children))
                .at("/children")
                .with("children", account.children));
        }
        if let Some(parent) = &account.parent {
            ctx.tx.delete(keys::child(parent, &account.id));
            let mut above = load(ctx, parent, "/account")?;
            above.children -= 1;
            ctx.tx.put(keys::account(parent), &above)?;
        }
        let mut gone = AccountDeleted { accounts: 0, users: 0 };
        let mut ends = vec![account];
        let mut at = 0;
        while let Some(above) = ends.get(at).map(|account| account.id.clone()) {
            for child in children_of(ctx, &above)? {
                let below = load(ctx, &child, "/account")?;
                match self.children {
                    Some(Children::Delete) => ends.push(below),
                    Some(Children::Detach) | None => detach(ctx, below)?,
                }
            }
            at += 1;
        }
        // From the bottom up: what lies below still finds the accounts above it.
        for account in ends.iter().rev() {
            gone.users += erase(ctx, account)?;
            gone.accounts += 1;
        }
        Ok(gone)
    }
}

/// Makes an account a top account: whoever counted for the accounts above counts for them no longer.
fn detach(ctx: &mut Ctx<'_>, mut account: model::Account) -> Result<(), Error> {
    let Some(parent) = account.parent.take() else { return Ok(()) };
    let above = account_line(&mut ctx.tx, &parent)?;
    let mut subtree = vec![account.id.clone()];
    let mut at = 0;
    while let Some(id) = subtree.get(at).cloned() {
        subtree.extend(children_of(ctx, &id)?);
        let (from, until) = keys::below(keys::MEMBER, &[id.as_str()]);
        for (_, member) in ctx.tx.range::<model::Member>(&from, &until, usize::MAX)? {
            let user = users::load(ctx, &member.user, "/account")?;
            people::leave_lists(ctx, &above, &user)?;
        }
        at += 1;
    }
    ctx.tx.delete(keys::child(&parent, &account.id));
    save(ctx, account)?;
    invitations::follow(ctx, &subtree, &parent)
}

fn children_of(ctx: &mut Ctx<'_>, id: &Id) -> Result<Vec<Id>, Error> {
    let (from, until) = keys::below(keys::CHILD, &[id.as_str()]);
    Ok(ctx.tx.range::<()>(&from, &until, usize::MAX)?.iter().filter_map(|(key, ())| keys::last_id(key)).collect())
}

/// Removes an account with its memberships and meters; answers how many users went with it.
fn erase(ctx: &mut Ctx<'_>, account: &model::Account) -> Result<u64, Error> {
    if let Some(parent) = &account.parent {
        ctx.tx.delete(keys::child(parent, &account.id));
    }
    let (from, until) = keys::below(keys::MEMBER, &[account.id.as_str()]);
    let mut users = 0;
    for (_, member) in ctx.tx.range::<model::Member>(&from, &until, usize::MAX)? {
        users += u64::from(members::erase(ctx, &member)?);
    }
    packages::relink(ctx, &account.id, account.package.as_ref(), None)?;
    groups::erase_all(ctx, &account.id)?;
    invitations::erase_all_of(ctx, &account.id)?;
    ctx.tx.delete(keys::policy(Some(&account.id)));
    for limit in LimitName::ALL {
        ctx.tx.delete(keys::meter(&account.id, *limit));
    }
    ctx.tx.delete(keys::account(&account.id));
    ctx.tx.mark(keys::tombstone(keys::ACCOUNT, &account.id));
    ctx.tx.touch_gone(&account.id);
    Ok(users)
}
