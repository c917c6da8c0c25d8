//! Accounts are read, listed and edited.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::accounts::{Account, AccountList, AccountOrder, Edit, Get, List, PackageChange};
use crate::domain::accounts::package::{authorise_package, set_default_role, set_package};
use crate::domain::accounts::show::{
    answer_of, answer_of_line, check_time_zone, load_to_change, save_and_show,
};
use crate::error::Error;
use crate::kernel::keys;
use crate::kernel::page::{Span, walk, walk_merged};
use crate::model::{self, Actor, Id, Replaceable, TEAM_PERMISSION, folded};
use crate::rules::account::effective_status;
use crate::tables::accounts::{account_line, load, starting_with};
use crate::tables::people;
use crate::tables::replacements::names_of;

impl Operation for Get {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        answer_of(ctx, &self.account).map_err(|error| error.at("/account"))
    }
}

impl List {
    /// The account at the head of the team that is listed, or else the one whose children are.
    pub(crate) fn team_or_parent(&self) -> Option<&Id> {
        self.team.as_ref().or(self.parent.as_ref())
    }

    /// Refuses an actor who may not list these accounts. A user who names no account lists the team
    /// of their own.
    fn authorise(&mut self, ctx: &mut Ctx<'_>) -> Result<(), Error> {
        match ctx.actor {
            Actor::System => {}
            Actor::Operator { .. } => ctx.require_as_operator("clients.view_all")?,
            Actor::User { account: home, .. } => {
                ctx.require_in(home, TEAM_PERMISSION)?;
                if self.parent.is_none() && self.team.is_none() {
                    self.team = Some(home.clone());
                }
            }
        }
        for (field, named) in [("/parent", &self.parent), ("/team", &self.team)] {
            if let Some(named) = named
                && !ctx
                    .manages_team_of(named)
                    .map_err(|error| error.at(field))?
            {
                return Err(Error::not_found("account", named.as_str()).at(field));
            }
            if let Some(named) = named {
                load(&mut ctx.tx, named, field)?;
            }
        }
        Ok(())
    }

    fn order_of_answer(&self) -> Result<AccountOrder, Error> {
        match (self.order, &self.search) {
            (None | Some(AccountOrder::Name), Some(_)) => Ok(AccountOrder::Name),
            (Some(_), Some(_)) => Err(Error::invalid(
                "/order",
                "A list with `search` is always ordered by name; leave out `order`.",
            )),
            (order, None) => Ok(order.unwrap_or(AccountOrder::Id)),
        }
    }

    /// The spans of keys in which the accounts lie; `prefix` is that of the names and addresses
    /// that are searched for.
    fn spans(&self, order: AccountOrder, prefix: &str) -> Vec<Span> {
        let among = self.team_or_parent();
        let ordered = |order: &str| match among {
            None => keys::range(keys::ACCOUNT_ORDER, &[order]),
            Some(root) => keys::range(keys::TEAM_ACCOUNT, &[root.as_str(), order]),
        };
        match (among, order) {
            _ if self.search.is_some() => ["name", "owner"]
                .map(|order| starting_with(ordered(order), prefix))
                .to_vec(),
            (_, AccountOrder::Name) => vec![ordered("name")],
            (_, AccountOrder::Created) => vec![ordered("created")],
            (None, AccountOrder::Id) => vec![keys::range(keys::ACCOUNT, &[])],
            (Some(root), AccountOrder::Id) if self.parent.is_some() => {
                vec![keys::range(keys::CHILD, &[root.as_str()])]
            }
            (Some(root), AccountOrder::Id) => {
                vec![keys::range(keys::TEAM_ACCOUNT, &[root.as_str(), "id", ""])]
            }
        }
    }

    /// Whether the index of the accounts that have a package is the one to go by.
    fn goes_by_package(&self) -> bool {
        let is_by_id = matches!(self.order, None | Some(AccountOrder::Id));
        let is_of_all = self.team_or_parent().is_none() && self.search.is_none();
        self.package.is_some() && is_by_id && is_of_all
    }

    /// Whether an account, which comes with all above it, is one of those that are listed.
    fn is_listed(&self, line: &[model::Account], key: &[u8], prefix: &str) -> bool {
        line.first().is_some_and(|account| {
            !(self.is_found_by_name_too(account, key, prefix) || account.leaving)
                && (self.parent.is_none() || account.parent == self.parent)
                && (self.package.is_none() || account.package == self.package)
                && self
                    .status
                    .is_none_or(|status| effective_status(line) == status)
        })
    }

    /// Who is found by the name is not listed once more for the address of the owner.
    fn is_found_by_name_too(&self, account: &model::Account, key: &[u8], prefix: &str) -> bool {
        let order_at = if self.team_or_parent().is_none() {
            1
        } else {
            2
        };
        self.search.is_some()
            && keys::part(key, order_at) == Some("owner")
            && keys::orderable(account.name.as_str()).starts_with(prefix)
    }
}

/// Whether the name of an account, which comes with all above it, or the address of its owner holds
/// these words; every account does where there are none.
fn is_named(
    ctx: &mut Ctx<'_>,
    line: &[model::Account],
    words: Option<&str>,
) -> Result<bool, Error> {
    let (Some(words), Some(account)) = (words, line.first()) else {
        return Ok(true);
    };
    if folded(account.name.as_str()).contains(words) {
        return Ok(true);
    }
    let Some(owner) = &account.owner else {
        return Ok(false);
    };
    let owner: Option<model::User> = ctx.tx.get(&keys::user(owner))?;
    Ok(owner.is_some_and(|owner| {
        let addresses = [owner.email.key(), owner.email.as_typed()];
        addresses
            .iter()
            .any(|address| folded(address).contains(words))
    }))
}

impl Operation for List {
    type Answer = AccountList;

    fn run(mut self, ctx: &mut Ctx<'_>) -> Result<AccountList, Error> {
        if self.parent.is_some() && self.team.is_some() {
            return Err(Error::invalid(
                "/team",
                "Send either `parent` or `team`, not both.",
            ));
        }
        self.authorise(ctx)?;
        let order = self.order_of_answer()?;
        let prefix = self
            .search
            .as_ref()
            .map_or_else(String::new, |text| people::searched(text.as_str()));
        let words = self
            .contains
            .as_ref()
            .map(|text| people::searched(text.as_str()));
        let spans = match &self.package {
            Some(package) if self.goes_by_package() => {
                names_of(&mut ctx.tx, Replaceable::Package, package)?
                    .iter()
                    .map(|name| keys::range(keys::PACKAGE_ACCOUNT, &[name.as_str()]))
                    .collect()
            }
            _ => self.spans(order, &prefix),
        };
        let keep = |ctx: &mut Ctx<'_>, _: usize, key: &[u8]| {
            let id = keys::last_id(key).ok_or_else(|| {
                Error::corrupt(format!(
                    "The key `{}` ends in no id; restore a backup.",
                    key.escape_ascii()
                ))
            })?;
            let line = account_line(&mut ctx.tx, &id)?;
            if !self.is_listed(&line, key, &prefix) || !is_named(ctx, &line, words.as_deref())? {
                return Ok(None);
            }
            answer_of_line(ctx, line).map(Some)
        };
        let after = self.after.as_ref();
        let (accounts, next) = if self.goes_by_package() {
            walk_merged(ctx, &spans, after, self.limit, keep)?
        } else {
            walk(ctx, &spans, after, self.limit, |ctx, key| keep(ctx, 0, key))?
        };
        Ok(AccountList { accounts, next })
    }
}

impl Operation for Edit {
    type Answer = Account;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Account, Error> {
        let mut account = load_to_change(ctx, &self.account, self.expected_rev)?;
        if let Some(zone) = self.time_zone {
            check_time_zone(zone.as_str())?;
            account.time_zone = zone.into();
        }
        match (self.package, self.without_package) {
            (Some(_), true) => {
                return Err(Error::invalid(
                    "/without_package",
                    "Send either `package` or `without_package`, not both.",
                ));
            }
            (None, false) if self.at.is_some() => {
                return Err(Error::invalid(
                    "/at",
                    "The time `at` goes with a `package`; name one, or leave it out.",
                ));
            }
            (None, false) => {}
            (package, _) => {
                authorise_package(ctx)?;
                set_package(
                    ctx,
                    &mut account,
                    package,
                    self.at.unwrap_or(PackageChange::Now),
                )?;
            }
        }
        if self.default_role.is_some() && self.without_default_role {
            return Err(Error::invalid(
                "/without_default_role",
                "Send either `default_role` or `without_default_role`, not both.",
            ));
        }
        if self.default_role.is_some() || self.without_default_role {
            set_default_role(ctx, &mut account, self.default_role)?;
        }
        account.name = self.name.unwrap_or(account.name);
        save_and_show(ctx, account)
    }
}
