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
use crate::kernel::page::walk;
use crate::model::{Actor, Id, TEAM_PERMISSION};
use crate::rules::account::effective_status;
use crate::tables::accounts::{account_line, load, starting_with};
use crate::tables::people;

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
}

impl Operation for List {
    type Answer = AccountList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AccountList, Error> {
        let List {
            parent,
            mut team,
            status,
            package,
            search,
            order,
            after,
            limit,
        } = self;
        if parent.is_some() && team.is_some() {
            return Err(Error::invalid(
                "/team",
                "Send either `parent` or `team`, not both.",
            ));
        }
        match ctx.actor {
            Actor::System => {}
            Actor::Operator { .. } => ctx.require_as_operator("clients.view_all")?,
            Actor::User { account: home, .. } => {
                ctx.require_in(home, TEAM_PERMISSION)?;
                if parent.is_none() && team.is_none() {
                    team = Some(home.clone());
                }
            }
        }
        for (field, named) in [("/parent", &parent), ("/team", &team)] {
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
        let order = match (order, &search) {
            (None | Some(AccountOrder::Name), Some(_)) => AccountOrder::Name,
            (Some(_), Some(_)) => {
                return Err(Error::invalid(
                    "/order",
                    "What is found by `search` is ordered by name; leave out `order`.",
                ));
            }
            (order, None) => order.unwrap_or(AccountOrder::Id),
        };
        let prefix = search
            .as_ref()
            .map_or_else(String::new, |text| people::searched(text.as_str()));
        let among = team.as_ref().or(parent.as_ref());
        let ordered = |order: &str| match among {
            None => keys::range(keys::ACCOUNT_ORDER, &[order]),
            Some(root) => keys::range(keys::TEAM_ACCOUNT, &[root.as_str(), order]),
        };
        let spans = match (among, order) {
            _ if search.is_some() => ["name", "owner"]
                .map(|order| starting_with(ordered(order), &prefix))
                .to_vec(),
            (_, AccountOrder::Name) => vec![ordered("name")],
            (_, AccountOrder::Created) => vec![ordered("created")],
            (None, AccountOrder::Id) => match &package {
                Some(package) => vec![keys::range(keys::PACKAGE_ACCOUNT, &[package.as_str()])],
                None => vec![keys::range(keys::ACCOUNT, &[])],
            },
            (Some(root), AccountOrder::Id) if parent.is_some() => {
                vec![keys::range(keys::CHILD, &[root.as_str()])]
            }
            (Some(root), AccountOrder::Id) => {
                vec![keys::range(keys::TEAM_ACCOUNT, &[root.as_str(), "id", ""])]
            }
        };
        let order_at = if among.is_none() { 1 } else { 2 };
        let (accounts, next) = walk(ctx, &spans, after.as_ref(), limit, |ctx, key| {
            let id = keys::last_id(key).ok_or_else(|| {
                Error::corrupt(format!(
                    "The key `{}` ends in no id; restore a backup.",
                    key.escape_ascii()
                ))
            })?;
            let line = account_line(&mut ctx.tx, &id)?;
            let wanted = line.first().is_some_and(|account| {
                // Who is found by the name is not listed once more.
                let again = search.is_some()
                    && keys::part(key, order_at) == Some("owner")
                    && keys::orderable(account.name.as_str()).starts_with(&prefix);
                !(again || account.leaving)
                    && (parent.is_none() || account.parent == parent)
                    && (package.is_none() || account.package == package)
                    && status.is_none_or(|status| effective_status(&line) == status)
            });
            if !wanted {
                return Ok(None);
            }
            answer_of_line(ctx, line).map(Some)
        })?;
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
