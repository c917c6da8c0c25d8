//! Accounts are deleted, and leave their teams.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::accounts::{AccountDeleted, Children, Delete};
use crate::domain::accounts::show::load_to_change;
use crate::domain::accounts::{erase, lines_of_subtree};
use crate::domain::{caps, gauges, invitations, limits, packages, roles, sharing};
use crate::error::{Code, Error};
use crate::kernel::Erased;
use crate::kernel::keys;
use crate::model::{self, Actor, Id, PolicyRecord, TEAM_PERMISSION};
use crate::rules::policy::merged;
use crate::tables::accounts::{account_line, children_of, load, save};
use crate::tables::{deletions, people, users};

impl Operation for Delete {
    type Answer = AccountDeleted;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountDeleted, Error> {
        let account = load_to_change(ctx, &self.account, self.expected_rev)?;
        delete(ctx, account, self.children)
    }

    fn done(answer: AccountDeleted, erased: &Erased) -> AccountDeleted {
        AccountDeleted {
            accounts: answer.accounts + erased.accounts,
            users: answer.users + erased.users,
        }
    }
}

pub(crate) fn delete(
    ctx: &mut Ctx<'_>,
    account: model::Account,
    children: Option<Children>,
) -> Result<AccountDeleted, Error> {
    if account.children > 0 {
        let Some(children) = children else {
            return Err(Error::new(
                Code::ChildrenLeft,
                format!(
                    "`{}` has {} accounts below it; say in `children` what becomes of them.",
                    account.id, account.children
                ),
            )
            .at("/children")
            .with("children", account.children));
        };
        if let Actor::User { account: home, .. } = ctx.actor {
            ctx.require_in(home, TEAM_PERMISSION)
                .map_err(|error| error.at("/children"))?;
            if children == Children::Detach {
                // Below nobody, and with no package, an account would be free of every limit.
                return Err(Error::new(
                    Code::ActorNotAllowed,
                    "Only the platform can turn accounts into top accounts; name another value in \
                     `children`.",
                )
                .at("/children"));
            }
        }
    }
    let mut gone = AccountDeleted {
        accounts: 0,
        users: 0,
    };
    let goes_at_once = erase::fits(ctx, &account.id, children)?;
    let root = account.id.clone();
    let mut ends = vec![root.clone()];
    let mut at = 0;
    while let Some(ancestor) = ends.get(at).cloned() {
        for child in children_of(&mut ctx.tx, &ancestor)? {
            match children {
                // More than are marked at once have their turn later.
                Some(Children::Delete) if ends.len() <= ctx.engine.background.at_once() => {
                    ends.push(child)
                }
                Some(Children::Delete) => {}
                Some(Children::Detach) | None => {
                    let child = load(&mut ctx.tx, &child, "/account")?;
                    detach(ctx, child)?
                }
            }
        }
        at += 1;
    }
    // From the bottom up: what lies below still finds the accounts above it.
    for id in ends.iter().rev() {
        if goes_at_once {
            gone.users += erase::at_once(ctx, id, usize::MAX)?;
            gone.accounts += 1;
        } else {
            erase::leave(ctx, id, &root)?;
        }
    }
    Ok(gone)
}

/// Makes an account a top account: it and whoever is in it count for the accounts above no longer.
fn detach(ctx: &mut Ctx<'_>, mut account: model::Account) -> Result<(), Error> {
    limits::give_back(ctx, &mut account)?;
    let Some(parent) = account.parent.take() else {
        return Ok(());
    };
    let ancestors = account_line(&mut ctx.tx, &parent)?;
    keep_inherited(ctx, &mut account, &ancestors)?;
    let mut subtree = vec![account.id.clone()];
    let mut at = 0;
    while let Some(id) = subtree.get(at).cloned() {
        subtree.extend(children_of(&mut ctx.tx, &id)?);
        subtree.extend(deletions::leaving_descendants(&mut ctx.tx, &id)?);
        for ancestor in &ancestors {
            sharing::leave(ctx, &id, &ancestor.id)?;
        }
        let (from, until) = keys::range(keys::MEMBER, &[id.as_str()]);
        for (_, member) in ctx.tx.range::<model::Member>(&from, &until, usize::MAX)? {
            let user = users::load(&mut ctx.tx, &member.user, "/account")?;
            people::leave_lists(&mut ctx.tx, &ancestors, &member, &user)?;
        }
        at += 1;
    }
    gauges::leave(ctx, &account.id, &ancestors)?;
    roles::delete::refuse_roles_of_ancestors(ctx, &ancestors, &subtree)?;
    let old = lines_of_subtree(ctx, &subtree)?;
    save(&mut ctx.tx, account)?;
    let new = lines_of_subtree(ctx, &subtree)?;
    ctx.tx.replace_lines(old, new)?;
    invitations::offer::follow(ctx, &subtree, &parent)
}

/// An account that leaves those above keeps what it took from them: without a package of its own
/// their package, limits and assets, the caps and policies that they set, and the addresses that
/// every list on the way holds. Otherwise it would be free of all of that. The account itself is
/// not written.
fn keep_inherited(
    ctx: &mut Ctx<'_>,
    account: &mut model::Account,
    ancestors: &[model::Account],
) -> Result<(), Error> {
    for from in ancestors {
        if account.package.is_some() {
            break;
        }
        account.overrides.fill_from(&from.overrides);
        account.assets.add_all(&from.assets);
        // Also one that was retired since: the account has had it all the time.
        packages::link(ctx, &account.id, None, from.package.as_ref())?;
        account.package.clone_from(&from.package);
    }
    let mut levels = Vec::with_capacity(ancestors.len() + 1);
    for id in std::iter::once(&account.id).chain(ancestors.iter().map(|ancestor| &ancestor.id)) {
        levels.extend(ctx.tx.get::<PolicyRecord>(&keys::policy(Some(id)))?);
    }
    let own = merged(&levels);
    if own != PolicyRecord::default() {
        ctx.tx.put(keys::policy(Some(&account.id)), &own)?;
    }
    for from in ancestors {
        caps::keep(ctx, &account.id, &from.id)?;
        keep_addresses(ctx, &account.id, &from.id)?;
    }
    Ok(())
}

/// Makes the allow-list of an account hold no more than that of one above does. Where nobody could
/// come from anywhere then, the account cannot leave.
fn keep_addresses(ctx: &mut Ctx<'_>, account: &Id, ancestor: &Id) -> Result<(), Error> {
    let key = keys::account_allow_list(account);
    let theirs: Option<Vec<model::AddressRange>> =
        ctx.tx.get(&keys::account_allow_list(ancestor))?;
    let Some(theirs) = theirs else { return Ok(()) };
    let own: Option<Vec<model::AddressRange>> = ctx.tx.get(&key)?;
    let both = match own {
        Some(own) => model::common_ranges(&own, &theirs),
        None => theirs,
    };
    if both.is_empty() {
        let message = format!(
            "`children` cannot be `detach`: no address is in the lists of both `{account}` and \
             `{ancestor}`, so nobody could enter `{account}`; change a list."
        );
        return Err(Error::invalid("/children", message).with("account", account.as_str()));
    }
    ctx.tx.put(key, &both)
}
