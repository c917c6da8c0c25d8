//! Allow-lists: where people may come from (R-SES-3).

use crate::access::escalation;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::visibility;
use crate::api::addresses::{AddressList, Get, Set};
use crate::api::operation::Effect;
use crate::domain::members;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::model::{Actor, Id};
use crate::rules::session::may_come_from;
use crate::tables::{self, accounts, users};

const MOST_ADDRESSES: usize = 100;

/// Where the list of an account, a user or a membership lies. Refuses who may not do this.
fn key_of(
    ctx: &mut Ctx<'_>,
    account: Option<&Id>,
    user: Option<&Id>,
    effect: Effect,
) -> Result<Vec<u8>, Error> {
    let changes = effect == Effect::Write;
    let operator = if changes {
        "clients.edit"
    } else {
        "clients.view_all"
    };
    match (account, user) {
        (Some(account), None) => {
            let permission = if changes {
                "accounts.edit"
            } else {
                "accounts.view"
            };
            ctx.require(account, permission, operator)
                .map_err(|error| error.at("/account"))?;
            accounts::load(&mut ctx.tx, account, "/account")?;
            Ok(keys::account_allow_list(account))
        }
        (Some(account), Some(user)) => {
            let permission = if changes {
                "users.disable"
            } else {
                "users.view"
            };
            ctx.require(account, permission, operator)
                .map_err(|error| error.at("/account"))?;
            let hidden = visibility::hidden_in(ctx, account)?.contains(user);
            let member = members::show::find(ctx, account, user)?.filter(|_| !hidden);
            member.ok_or_else(|| Error::not_found("member", user.as_str()).at("/user"))?;
            if changes {
                escalation::members::refuse_stronger_in(ctx, account, user)?;
            }
            Ok(keys::member_allow_list(account, user))
        }
        (None, Some(user)) => {
            match ctx.actor {
                Actor::Operator { .. } if !visibility::is_self(ctx, user) => {
                    ctx.require_as_operator(operator)?;
                    escalation::members::refuse_stronger(ctx, user)?;
                }
                _ => visibility::require_self(ctx, user, "self.password")?,
            }
            users::load(&mut ctx.tx, user, "/user")?;
            Ok(keys::user_allow_list(user))
        }
        (None, None) => Err(Error::invalid(
            "/account",
            "Name an `account`, a `user`, or both.",
        )),
    }
}

impl Operation for Set {
    type Answer = AddressList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AddressList, Error> {
        if self.addresses.len() > MOST_ADDRESSES {
            return Err(Error::invalid(
                "/addresses",
                format!(
                    "The list has {} entries, and at most {MOST_ADDRESSES} are allowed; leave some \
                     out.",
                    self.addresses.len()
                ),
            ));
        }
        let key = key_of(
            ctx,
            self.account.as_ref(),
            self.user.as_ref(),
            Effect::Write,
        )?;
        let concerns_actor = self
            .user
            .as_ref()
            .map_or(matches!(ctx.actor, Actor::User { .. }), |user| {
                visibility::is_self(ctx, user)
            });
        if concerns_actor && !may_come_from([self.addresses.as_slice()], ctx.actor.ip()) {
            return Err(Error::new(
                Code::IpNotAllowed,
                "The list does not hold the address that you come from, so you would lock yourself \
                 out; add it.",
            )
            .at("/addresses"));
        }
        let mut addresses = self.addresses;
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            ctx.tx.delete(key);
        } else {
            ctx.tx.put(key, &addresses)?;
        }
        match (&self.account, &self.user) {
            (Some(account), _) => tables::members::invalidate(&mut ctx.tx, account)?,
            (None, Some(user)) => {
                for account in users::accounts_of(&mut ctx.tx, user, usize::MAX)? {
                    tables::members::invalidate(&mut ctx.tx, &account)?;
                }
            }
            (None, None) => {}
        }
        Ok(AddressList {
            account: self.account,
            user: self.user,
            addresses,
        })
    }
}

impl Operation for Get {
    type Answer = AddressList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<AddressList, Error> {
        let key = key_of(ctx, self.account.as_ref(), self.user.as_ref(), Effect::Read)?;
        let addresses = ctx.tx.get(&key)?.unwrap_or_default();
        Ok(AddressList {
            account: self.account,
            user: self.user,
            addresses,
        })
    }
}
