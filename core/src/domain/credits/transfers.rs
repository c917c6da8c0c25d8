//! Credits that move between an account and the one above it.

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::credits::{Allocate, CreditMove, TakeBack};
use crate::domain::credits::check;
use crate::error::{Code, Error};
use crate::model::{self, Actor, Channel, Count, CreditEntry, CreditKind, Id};
use crate::sending::credits::{OpenLedger, Taken, exhausted, parts_of, sum};
use crate::sending::idempotency;
use crate::tables::accounts;
use serde::{Deserialize, Serialize};

/// A move as the store remembers it for the key of its request.
#[derive(Serialize, Deserialize)]
struct RememberedMove {
    account: Id,
    parent: Id,
    channel: Channel,
    amount: u64,
    balance: u64,
    /// The format of the store has this name.
    #[serde(rename = "free_above")]
    parent_free: u64,
}

impl From<RememberedMove> for CreditMove {
    fn from(of: RememberedMove) -> CreditMove {
        CreditMove {
            account: of.account,
            parent: of.parent,
            channel: of.channel,
            amount: of.amount,
            balance: of.balance,
            parent_free: of.parent_free,
        }
    }
}

impl Operation for Allocate {
    type Answer = CreditMove;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditMove, Error> {
        idempotency::run_idempotent(ctx, &self, self.key.as_ref(), |ctx| {
            self.clone().carry_out(ctx)
        })
        .map(CreditMove::from)
    }
}

impl Allocate {
    fn carry_out(self, ctx: &mut Ctx<'_>) -> Result<RememberedMove, Error> {
        let parent = parent_of(ctx, &self.account)?;
        check(ctx, &self.account, Some(self.amount))?;
        let mut from = OpenLedger::open(ctx, &parent, self.channel)?;
        let mut to = OpenLedger::open(ctx, &self.account, self.channel)?;
        let sources = from.sources(ctx, None)?;
        let (amount, free) = (self.amount.get(), from.payable(ctx, &sources)?);
        if free < amount {
            return Err(exhausted(
                format!(
                    "`{parent}` would give {amount} credits and has {free} free ones; give fewer."
                ),
                free,
            ));
        }
        let taken = from.take(ctx, &sources, amount, None)?;
        let entry = from.entry(ctx, CreditKind::Allocated, amount);
        from.append(
            ctx,
            CreditEntry {
                other: Some(self.account),
                parts: parts_of(&taken),
                ..entry
            },
        )?;
        for Taken {
            rank, amount: part, ..
        } in taken
        {
            let entry = CreditEntry {
                other: Some(parent.clone()),
                from_grant: Some(rank.grant()),
                priority: Some(rank.priority()),
                expires_at_ms: rank.expires_at_ms(),
                granted_at_ms: Some(rank.granted_at_ms()),
                ..to.entry(ctx, CreditKind::Received, part)
            };
            to.bring_in(ctx, entry)?;
        }
        moved(ctx, &from, to, amount)
    }
}

impl Operation for TakeBack {
    type Answer = CreditMove;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<CreditMove, Error> {
        idempotency::run_idempotent(ctx, &self, self.key.as_ref(), |ctx| {
            self.clone().carry_out(ctx)
        })
        .map(CreditMove::from)
    }
}

impl TakeBack {
    fn carry_out(self, ctx: &mut Ctx<'_>) -> Result<RememberedMove, Error> {
        let parent = parent_of(ctx, &self.account)?;
        check(ctx, &self.account, self.amount)?;
        let mut from = OpenLedger::open(ctx, &self.account, self.channel)?;
        let mut to = OpenLedger::open(ctx, &parent, self.channel)?;
        let sources = from.sources(ctx, None)?;
        let taken = from.take(
            ctx,
            &sources,
            self.amount.map_or(u64::MAX, Count::get),
            Some(Some(&parent)),
        )?;
        let amount = sum(&taken);
        if taken.is_empty() || self.amount.is_some_and(|wanted| wanted.get() > amount) {
            return Err(exhausted(
                format!(
                    "`{}` has {amount} free credits from `{parent}`; take back at most that many.",
                    self.account
                ),
                amount,
            ));
        }
        to.take_in(ctx, &from, &taken)?;
        let entry = from.entry(ctx, CreditKind::Returned, amount);
        from.append(
            ctx,
            CreditEntry {
                other: Some(parent),
                parts: parts_of(&taken),
                ..entry
            },
        )?;
        moved(ctx, &to, from, amount)
    }
}

/// The account above, for whoever may move credits between it and this one.
fn parent_of(ctx: &mut Ctx<'_>, id: &Id) -> Result<Id, Error> {
    match ctx.actor {
        Actor::System => {}
        // As for credits that are added: editing a client does not imply it.
        Actor::Operator { .. } => ctx.require_as_operator("clients.add_credits")?,
        Actor::User { account: home, .. } if home == id => {
            return Err(Error::new(
                Code::PermissionDenied,
                format!("Only the account above `{id}` gives it credits; ask there."),
            )
            .at("/account"));
        }
        Actor::User { .. } => {
            if !ctx
                .manages_team_of(id)
                .map_err(|error| error.at("/account"))?
            {
                return Err(Error::not_found("account", id.as_str()).at("/account"));
            }
        }
    }
    let parent = accounts::load(&mut ctx.tx, id, "/account")?.parent;
    let parent = parent.ok_or_else(|| {
        Error::invalid(
            "/account",
            format!("`{id}` has no account above it; give credits with `credits.grant`."),
        )
    })?;
    if let Actor::User { .. } = ctx.actor {
        ctx.require_in(&parent, "credits.allocate")?;
    }
    Ok(parent)
}

fn moved(
    ctx: &mut Ctx<'_>,
    parent: &OpenLedger,
    child: OpenLedger,
    amount: u64,
) -> Result<RememberedMove, Error> {
    Ok(RememberedMove {
        parent_free: parent.bucket(ctx, None)?.left,
        parent: parent.account.clone(),
        channel: child.channel,
        amount,
        balance: child.head.balance,
        account: child.account,
    })
}

/// An account is deleted: what is left of what came from the account above goes back (R-CRD-3).
pub(crate) fn return_to_parent(ctx: &mut Ctx<'_>, account: &model::Account) -> Result<(), Error> {
    if let Some(parent) = &account.parent {
        for channel in Channel::ALL {
            let ledger = OpenLedger::open(ctx, &account.id, channel)?;
            let mut sources = vec![None];
            sources.extend(ledger.reserves(ctx)?.into_iter().map(Some));
            let taken = ledger.take(ctx, &sources, u64::MAX, Some(Some(parent)))?;
            if !taken.is_empty() {
                OpenLedger::open(ctx, parent, channel)?.take_in(ctx, &ledger, &taken)?;
            }
        }
    }
    Ok(())
}
