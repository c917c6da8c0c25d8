//! Templates that an account shares with those below it (R-TEA-6, R-TEA-7).
//!
//! A shared template stays where it is: what lies below reads the same resource, so that an edit
//! above is live for all.

use crate::access::authorise::holds;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::sharing::{
    Check, List, Received, ReceivedList, ReceivedTemplate, Share, ShareEnded, ShareableList,
    ShareableTemplate, SharedAction, SharingCheck, Unshare,
};
use crate::domain::access;
use crate::domain::resources::{self, Kind, Need};
use crate::error::{Code, Error};
use crate::kernel::keys::{self, Prefix};
use crate::kernel::page::walk;
use crate::model::{Account, Actor, Id, Resource, Share as ShareRecord};
use crate::rules::sharing::{Direction, TEMPLATE, direction, includes};
use crate::tables::accounts::{self, account_line};
use crate::tables::shares::{ids, replace};

/// Most accounts that a template is shared with by name.
const MOST_ACCOUNTS: usize = 500;

fn template_kind() -> Result<Id, Error> {
    Id::new(TEMPLATE).map_err(Error::internal)
}

/// The line of an account that shares: one that can have accounts below. In any other there is
/// nothing to manage (R-TEA-3).
fn sharing_line(ctx: &mut Ctx<'_>, account: &Id) -> Result<Vec<Account>, Error> {
    let line = account_line(&mut ctx.tx, account).map_err(|error| error.at("/account"))?;
    let has_children = line.first().is_some_and(|account| account.children > 0);
    if has_children || (line.len() as u64) < ctx.policies(Some(account))?.depth.get() {
        return Ok(line);
    }
    Err(Error::new(
        Code::ShareDirection,
        format!(
            "`{account}` has no accounts below it, and templates are shared downwards only; name \
             one that has."
        ),
    )
    .at("/account"))
}

fn refuse_other_kinds(kind: &Id) -> Result<(), Error> {
    if kind.as_str() == TEMPLATE {
        return Ok(());
    }
    Err(Error::new(
        Code::NotShareable,
        format!(
            "Resources of the kind `{kind}` are never shared between accounts; only templates are."
        ),
    )
    .at("/kind"))
}

/// A resource that the actor may share: within the scope of their permission (R-ROL-3).
fn shareable(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: &Id,
    id: &Id,
    permission: &str,
) -> Result<Resource, Error> {
    let Actor::User { user, .. } = ctx.actor else {
        let resource: Option<Resource> = ctx.tx.get(&keys::resource(account, kind, id))?;
        return resource.ok_or_else(|| Error::not_found(kind.as_str(), id.as_str()).at("/id"));
    };
    let (found, resource) = resources::look(ctx, account, kind.clone(), id)?;
    resources::require(ctx, user, &found, &resource, &[permission], Need::Any)
        .map_err(|error| error.at("/id"))?;
    Ok(resource)
}

/// Whether the actor may share a resource.
fn is_eligible(ctx: &mut Ctx<'_>, kind: &Kind, resource: &Resource) -> Result<bool, Error> {
    let Actor::User { user, .. } = ctx.actor else {
        return Ok(true);
    };
    match resources::require(ctx, user, kind, resource, &["share_down"], Need::Any) {
        Ok(()) => Ok(true),
        Err(error) if error.code() == Code::PermissionDenied => Ok(false),
        Err(error) => Err(error),
    }
}

fn answer_of(resource: Resource, share: Option<ShareRecord>) -> ShareableTemplate {
    ShareableTemplate {
        account: resource.account,
        kind: resource.kind,
        id: resource.id,
        owner: resource.owner,
        rev: resource.rev,
        shared: share.is_some(),
        all: share.as_ref().is_some_and(|share| share.all),
        shared_at_ms: share.as_ref().map(|share| share.shared_at_ms),
        accounts: share.map(|share| share.accounts).unwrap_or_default(),
    }
}

/// The account above that shares a resource with this one, the nearest first; none where nobody
/// does.
pub(crate) fn seen_from_ancestor(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: &Id,
    id: &Id,
) -> Result<Option<Id>, Error> {
    for ancestor in account_line(&mut ctx.tx, account)?.into_iter().skip(1) {
        if ctx
            .tx
            .get::<ShareRecord>(&keys::share(&ancestor.id, kind, id))?
            .is_some_and(|share| includes(&share, account))
        {
            return Ok(Some(ancestor.id));
        }
    }
    Ok(None)
}

/// The account above that shares a resource which is not of this account, where the actor sees it
/// here (R-TEA-7).
pub(crate) fn received(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: &Id,
    id: &Id,
) -> Result<Option<Id>, Error> {
    if ctx.tx.has(&keys::resource(account, kind, id))? {
        return Ok(None);
    }
    let ancestor = seen_from_ancestor(ctx, account, kind, id)?;
    if let (Actor::User { user, .. }, Some(_)) = (ctx.actor, &ancestor)
        && refusal(ctx, account, user, SharedAction::Preview)?.is_some()
    {
        return Ok(None);
    }
    Ok(ancestor)
}

/// Refuses to change what an account above shares (R-TEA-7).
pub(crate) fn refuse_read_only(
    ctx: &mut Ctx<'_>,
    account: &Id,
    kind: &Id,
    id: &Id,
) -> Result<(), Error> {
    let Some(ancestor) = received(ctx, account, kind, id)? else {
        return Ok(());
    };
    Err(Error::new(
        Code::SharedReadOnly,
        format!("The {kind} `{id}` is shared by `{ancestor}`; change it there."),
    )
    .at("/id"))
}

/// The account is deleted: what it shares and what is shared with it by name ends.
pub(crate) fn erase_all_of(ctx: &mut Ctx<'_>, account: &Id) -> Result<(), Error> {
    let (from, until) = keys::range(keys::SHARE, &[account.as_str()]);
    for (_, share) in ctx.tx.range::<ShareRecord>(&from, &until, usize::MAX)? {
        replace(&mut ctx.tx, Some(&share), None)?;
    }
    for ancestor in account_line(&mut ctx.tx, account)?.into_iter().skip(1) {
        leave(ctx, account, &ancestor.id)?;
    }
    Ok(())
}

/// An account no longer lies below another: what is shared with it by name ends. What is shared
/// with all ends by itself.
pub(crate) fn leave(ctx: &mut Ctx<'_>, account: &Id, ancestor: &Id) -> Result<(), Error> {
    let (from, until) = keys::range(keys::SHARED_WITH, &[account.as_str(), ancestor.as_str()]);
    for (key, ()) in ctx.tx.range::<()>(&from, &until, usize::MAX)? {
        let Some((kind, id)) = keys::last_pair(&key) else {
            continue;
        };
        let Some(old) = ctx
            .tx
            .get::<ShareRecord>(&keys::share(ancestor, &kind, &id))?
        else {
            continue;
        };
        let mut new = old.clone();
        new.accounts.retain(|descendant| descendant != account);
        // Shared with nobody is not shared.
        replace(
            &mut ctx.tx,
            Some(&old),
            Some(&new).filter(|new| !new.accounts.is_empty()),
        )?;
    }
    Ok(())
}

/// Why a user may not do something with what an account above shares; none where they may.
pub(crate) fn refusal(
    ctx: &mut Ctx<'_>,
    account: &Id,
    user: &Id,
    action: SharedAction,
) -> Result<Option<Code>, Error> {
    let acts = visibility::home(ctx).is_some() && visibility::is_self(ctx, user);
    let member = if acts {
        ctx.member_in(account)?
    } else {
        access::member_seen(ctx, account, user)?
    };
    let unless_held =
        |permission| (!holds(ctx.engine, &member, permission)).then_some(Code::PermissionDenied);
    Ok(member.refusal.or_else(|| match action {
        SharedAction::Preview => unless_held("templates.view"),
        SharedAction::Use => unless_held("templates.use_shared"),
        SharedAction::Edit | SharedAction::Rename | SharedAction::Delete | SharedAction::Share => {
            unless_held("templates.view").or(Some(Code::SharedReadOnly))
        }
    }))
}

impl Operation for Share {
    type Answer = ShareableTemplate;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ShareableTemplate, Error> {
        let mut account = accounts::load(&mut ctx.tx, &self.account, "/account")?;
        refuse_other_kinds(&self.kind)?;
        if self.all != self.accounts.is_empty() {
            return Err(Error::invalid(
                "/accounts",
                "Share either with `all`, or with the `accounts` that you name.",
            ));
        }
        if self.accounts.len() > MOST_ACCOUNTS {
            return Err(Error::invalid(
                "/accounts",
                format!(
                    "A template is shared with at most {MOST_ACCOUNTS} accounts, not {}.",
                    self.accounts.len()
                ),
            ));
        }
        let own = ids(&account_line(&mut ctx.tx, &self.account)?);
        for (at, target) in self.accounts.iter().enumerate() {
            let field = format!("/accounts/{at}");
            let line =
                ids(&account_line(&mut ctx.tx, target).map_err(|error| error.at(field.as_str()))?);
            match direction(&own, &line) {
                Direction::Below => {}
                Direction::AncestorOrSibling => {
                    return Err(Error::new(
                        Code::ShareDirection,
                        format!(
                            "`{target}` is not below `{}`, and templates are shared downwards \
                             only.",
                            self.account
                        ),
                    )
                    .at(field));
                }
                Direction::Elsewhere => {
                    return Err(Error::not_found("account", target.as_str()).at(field));
                }
            }
        }
        sharing_line(ctx, &self.account)?;
        refuse_read_only(ctx, &self.account, &self.kind, &self.id)?;
        let resource = shareable(ctx, &self.account, &self.kind, &self.id, "share_down")?;
        let old: Option<ShareRecord> =
            ctx.tx
                .get(&keys::share(&self.account, &self.kind, &self.id))?;
        let mut accounts = self.accounts;
        accounts.sort();
        accounts.dedup();
        let new = ShareRecord {
            account: self.account,
            kind: self.kind,
            id: self.id,
            all: self.all,
            accounts,
            shared_at_ms: old.as_ref().map_or(ctx.now_ms, |old| old.shared_at_ms),
        };
        replace(&mut ctx.tx, old.as_ref(), Some(&new))?;
        if account.shares_since_ms.is_none() {
            account.shares_since_ms = Some(ctx.now_ms);
            accounts::save(&mut ctx.tx, account)?;
        }
        Ok(answer_of(resource, Some(new)))
    }
}

impl Operation for Unshare {
    type Answer = ShareEnded;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ShareEnded, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        refuse_read_only(ctx, &self.account, &self.kind, &self.id)?;
        shareable(ctx, &self.account, &self.kind, &self.id, "unshare")?;
        let share: Option<ShareRecord> =
            ctx.tx
                .get(&keys::share(&self.account, &self.kind, &self.id))?;
        let share =
            share.ok_or_else(|| Error::not_found("shared template", self.id.as_str()).at("/id"))?;
        replace(&mut ctx.tx, Some(&share), None)?;
        Ok(ShareEnded {
            account: self.account,
            kind: self.kind,
            id: self.id,
        })
    }
}

impl Operation for List {
    type Answer = ShareableList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ShareableList, Error> {
        sharing_line(ctx, &self.account)?;
        let prefix = if self.shared == Some(true) {
            keys::SHARE
        } else {
            keys::RESOURCE
        };
        let span = keys::range(prefix, &[self.account.as_str(), TEMPLATE]);
        let template = Kind::find(ctx, template_kind()?)?;
        let (templates, next) = walk(ctx, &[span], self.after.as_ref(), self.limit, |ctx, key| {
            let Some((kind, id)) = keys::last_pair(key) else {
                return Ok(None);
            };
            let Some(resource) =
                ctx.tx
                    .get::<Resource>(&keys::resource(&self.account, &kind, &id))?
            else {
                return Ok(None);
            };
            let share: Option<ShareRecord> = ctx.tx.get(&keys::share(&self.account, &kind, &id))?;
            let listed = self.shared.is_none_or(|shared| shared == share.is_some())
                && is_eligible(ctx, &template, &resource)?;
            Ok(listed.then(|| answer_of(resource, share)))
        })?;
        Ok(ShareableList { templates, next })
    }
}

impl Operation for Received {
    type Answer = ReceivedList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ReceivedList, Error> {
        let line =
            account_line(&mut ctx.tx, &self.account).map_err(|error| error.at("/account"))?;
        // The account that shares has the folder too.
        let folder = line
            .iter()
            .any(|ancestor| ancestor.shares_since_ms.is_some());
        let kind = template_kind()?;
        let mut spans = Vec::new();
        let mut sources = Vec::new();
        for ancestor in line.into_iter().skip(1) {
            // What is shared with all below, and what with this account by name: a share is one or
            // the other.
            spans.push(keys::range(keys::SHARE, &[ancestor.id.as_str(), TEMPLATE]));
            spans.push(keys::range(
                keys::SHARED_WITH,
                &[self.account.as_str(), ancestor.id.as_str(), TEMPLATE],
            ));
            sources.push(ancestor.id);
        }
        let (templates, next) = walk(ctx, &spans, self.after.as_ref(), self.limit, |ctx, key| {
            let by_name = Prefix::of(key) == Some(keys::SHARED_WITH);
            let Some(id) = keys::last_id(key) else {
                return Ok(None);
            };
            let source = sources.iter().find(|source| {
                key == if by_name {
                    keys::shared_with(&self.account, source, &kind, &id)
                } else {
                    keys::share(source, &kind, &id)
                }
            });
            let Some(source) = source else {
                return Ok(None);
            };
            let Some(share) = ctx
                .tx
                .get::<ShareRecord>(&keys::share(source, &kind, &id))?
                .filter(|share| share.all != by_name)
            else {
                return Ok(None);
            };
            let Some(resource) = ctx
                .tx
                .get::<Resource>(&keys::resource(source, &kind, &id))?
            else {
                return Ok(None);
            };
            Ok(Some(ReceivedTemplate {
                account: resource.account,
                kind: resource.kind,
                id: resource.id,
                rev: resource.rev,
                updated_at_ms: resource.updated_at_ms,
                shared_at_ms: share.shared_at_ms,
            }))
        })?;
        Ok(ReceivedList {
            folder,
            templates,
            next,
        })
    }
}

impl Operation for Check {
    type Answer = SharingCheck;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<SharingCheck, Error> {
        match ctx.actor {
            Actor::User { user, .. } if *user == self.user => drop(ctx.member_in(&self.account)?),
            _ => ctx.require(&self.account, "users.view", "clients.view_all")?,
        }
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        let missing = || Error::not_found("shared template", self.id.as_str()).at("/id");
        let source =
            seen_from_ancestor(ctx, &self.account, &self.kind, &self.id)?.ok_or_else(missing)?;
        let resource: Resource = ctx
            .tx
            .get(&keys::resource(&source, &self.kind, &self.id))?
            .ok_or_else(missing)?;
        let refusal = refusal(ctx, &self.account, &self.user, self.action)?;
        Ok(SharingCheck {
            allowed: refusal.is_none(),
            refusal,
            account: source,
            rev: resource.rev,
        })
    }
}
