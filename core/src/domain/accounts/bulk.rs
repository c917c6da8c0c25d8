//! One action on many accounts.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api;
use crate::api::accounts::{AccountAction, Bulk, BulkAccount, PackageChange};
use crate::api::bulk::BulkResults;
use crate::domain::accounts::delete::delete;
use crate::domain::accounts::package::set_package;
use crate::domain::accounts::status::{activate, close, place_hold, reopen};
use crate::domain::bulk;
use crate::error::Error;
use crate::model::{Actor, HoldReason, Id};
use crate::tables::accounts::{load, save};
use std::collections::HashSet;

/// Most accounts of one request.
const MOST_AT_ONCE: usize = 500;

impl Operation for Bulk {
    type Answer = BulkResults<BulkAccount>;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<BulkResults<BulkAccount>, Error> {
        self.check()?;
        if let Actor::Operator { .. } = ctx.actor {
            for permission in self.action.permissions() {
                ctx.require_as_operator(permission)
                    .map_err(|error| error.at("/action"))?;
            }
        }
        let accounts = self.accounts.iter().cloned();
        let many = accounts.map(|account| (BulkAccount { account }, ()));
        bulk::each(ctx, self.atomic, many, |ctx, one, ()| {
            self.one(ctx, &one.account)
        })
    }
}

impl Bulk {
    /// Refuses a request whose fields do not fit together.
    fn check(&self) -> Result<(), Error> {
        self.check_accounts()?;
        self.check_package_and_reason()?;
        self.check_credits()?;
        if self.children.is_some() && self.action != AccountAction::Delete {
            return Err(Error::invalid(
                "/children",
                "`children` goes only with the action `delete`; leave it out.",
            ));
        }
        Ok(())
    }

    /// Refuses too many accounts, none, or one that is named twice.
    fn check_accounts(&self) -> Result<(), Error> {
        let accounts = &self.accounts;
        bulk::refuse_size("/accounts", accounts.len(), MOST_AT_ONCE)?;
        let mut seen = HashSet::new();
        if let Some((at, twice)) = accounts
            .iter()
            .enumerate()
            .find(|(_, id)| !seen.insert(*id))
        {
            return Err(Error::invalid(
                format!("/accounts/{at}"),
                format!("`{twice}` is named twice; name each account once."),
            ));
        }
        Ok(())
    }

    fn check_package_and_reason(&self) -> Result<(), Error> {
        let action = self.action;
        if self.package.is_some() != (action == AccountAction::SetPackage) {
            let message = match self.package {
                None => "The action `set_package` needs a `package`; name one.",
                Some(_) => "A `package` goes only with the action `set_package`; leave it out.",
            };
            return Err(Error::invalid("/package", message));
        }
        if self.reason.is_some()
            && !matches!(action, AccountAction::Suspend | AccountAction::Activate)
        {
            return Err(Error::invalid(
                "/reason",
                "A `reason` goes only with the actions `suspend` and `activate`; leave it out.",
            ));
        }
        Ok(())
    }

    /// Checks the fields that say how many credits are added or withdrawn, and why; the `note` is
    /// also that of a suspension.
    fn check_credits(&self) -> Result<(), Error> {
        let action = self.action;
        let of_credits = matches!(
            action,
            AccountAction::AddCredits | AccountAction::WithdrawCredits
        );
        if self.note.is_some() && !of_credits && action != AccountAction::Suspend {
            return Err(Error::invalid(
                "/note",
                "`note` goes only with `suspend`, `add_credits`, `withdraw_credits`; leave it out.",
            ));
        }
        if of_credits && self.note.is_none() {
            return Err(Error::invalid("/note", "Say why in `note`."));
        }
        if of_credits && self.channel.is_none() {
            let message = "Say in `channel` of which channel the credits are.";
            return Err(Error::invalid("/channel", message));
        }
        if self.channel.is_some() && !of_credits {
            let message =
                "`channel` goes only with `add_credits` and `withdraw_credits`; leave it out.";
            return Err(Error::invalid("/channel", message));
        }
        if action == AccountAction::AddCredits && self.amount.is_none() {
            let message = "Say in `amount` how many credits each account gets.";
            return Err(Error::invalid("/amount", message));
        }
        if self.amount.is_some() && !of_credits {
            let message =
                "`amount` goes only with `add_credits` and `withdraw_credits`; leave it out.";
            return Err(Error::invalid("/amount", message));
        }
        if self.expires_at_ms.is_some() && action != AccountAction::AddCredits {
            return Err(Error::invalid(
                "/expires_at_ms",
                "An `expires_at_ms` goes only with the action `add_credits`; leave it out.",
            ));
        }
        if self.key.is_some() && !of_credits {
            return Err(Error::invalid(
                "/key",
                "`key` goes only with `add_credits` and `withdraw_credits`; leave it out.",
            ));
        }
        Ok(())
    }

    /// The request for one account, where it is about credits.
    fn credits(&self, account: &Id) -> Option<(api::credits::Grant, api::credits::Withdraw)> {
        let (channel, reason) = (self.channel?, self.note.clone()?);
        let (account, key, expires_at_ms) = (account.clone(), self.key.clone(), self.expires_at_ms);
        let withdraw = api::credits::Withdraw {
            account: account.clone(),
            channel,
            amount: self.amount,
            reason: reason.clone(),
            key: key.clone(),
        };
        let amount = self.amount.unwrap_or_default();
        Some((
            api::credits::Grant {
                account,
                channel,
                amount,
                reason,
                priority: None,
                expires_at_ms,
                key,
            },
            withdraw,
        ))
    }

    /// Does it to one account.
    fn one(&self, ctx: &mut Ctx<'_>, id: &Id) -> Result<(), Error> {
        let mut account = load(&mut ctx.tx, id, "/account")?;
        match self.action {
            AccountAction::Activate => activate(ctx, account, self.reason),
            AccountAction::Suspend => place_hold(
                ctx,
                account,
                self.reason.unwrap_or(HoldReason::Admin),
                self.note.clone(),
            ),
            AccountAction::Close => close(ctx, account),
            AccountAction::Reopen => reopen(ctx, account),
            AccountAction::Delete => delete(ctx, account, self.children).map(drop),
            AccountAction::SetPackage => {
                set_package(ctx, &mut account, self.package.clone(), PackageChange::Now)?;
                save(&mut ctx.tx, account)
            }
            AccountAction::AddCredits | AccountAction::WithdrawCredits => {
                let (grant, withdraw) = self.credits(id).ok_or_else(|| {
                    Error::invalid("/channel", "Name the `channel` of the credits.")
                })?;
                if self.action == AccountAction::AddCredits {
                    grant.run(ctx).map(drop)
                } else {
                    withdraw.run(ctx).map(drop)
                }
            }
        }
    }
}
