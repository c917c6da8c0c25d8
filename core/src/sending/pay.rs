//! What was charged is paid with credits, and booked; or it comes back.

use crate::access::request::Ctx;
use crate::access::state::Engine;
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::meters::{
    Ask, Charge, Charged, Coming, MeterId, MeterScope, Paid, Prepared, ROUNDS, Wanted,
};
use crate::model::{Actor, Decision, Limit, PaidWithCredits, Reservation, ReservationState};
use crate::sending::credits;
use crate::sending::refund::Sent;
use crate::tables::{accounts, reservations};
use std::sync::Arc;

impl Charge<'_> {
    /// Pays what is owed with credits, and says what was decided (R-CRD-2).
    pub(crate) fn pay(&self, ctx: &mut Ctx<'_>) -> Result<Decision, Error> {
        let mut decision = self.decision.clone();
        if self.owed.amount > 0 {
            let Prepared {
                account,
                channel,
                group,
                ..
            } = &**self.prepared;
            // The reserve of a group that is gone has become free.
            let group = match group {
                Some(group) if ctx.tx.has(&keys::group(account, group))? => Some(group),
                _ => None,
            };
            let Paid { amount, lifted } = &self.owed;
            let entry = credits::pay_for_send(
                ctx,
                account,
                *channel,
                group,
                *amount,
                lifted.as_deref().unwrap_or_default(),
            )?
            .entry;
            decision.credits = Some(Box::new(PaidWithCredits {
                amount: *amount,
                entry,
            }));
        }
        Ok(decision)
    }
}

impl Engine {
    /// Refuses, or charges what is asked for, with credits where the account pays with them.
    pub(crate) fn decide(
        &self,
        actor: &Actor,
        prepared: &Arc<Prepared>,
        ask: Ask,
    ) -> Result<Decision, Error> {
        if prepared.refusal.is_none() && !prepared.pays {
            return prepared.charge(self, ask);
        }
        let charge = self.charge_unpaid(actor, prepared, ask)?;
        match charge.owed.amount {
            0 => Ok(charge.decision),
            _ => self.commit_charge(actor, charge, |ctx, charge| {
                charge.pay(ctx).map(Charged::Kept)
            }),
        }
    }

    /// As [`decide`](Engine::decide), but what credits are to pay for is owed until it is
    /// [committed](Engine::commit_charge).
    pub(crate) fn charge_unpaid<'p>(
        &self,
        actor: &Actor,
        prepared: &'p Arc<Prepared>,
        ask: Ask,
    ) -> Result<Charge<'p>, Error> {
        let at_ms = self.kernel.clock.now_ms();
        let charge = |decision, owed| Charge {
            prepared,
            ask,
            decision,
            owed,
            at_ms,
        };
        if let Some(code) = prepared.refusal {
            return Ok(charge(Decision::refused_for(code), Paid::default()));
        }
        let left = if ask.later.is_some() {
            None
        } else {
            prepared.charge_in_memory(self, ask.count)
        };
        if let Some(left) = left {
            return Ok(charge(Decision::granted(ask.count, left), Paid::default()));
        }
        if let Some(refused) = prepared.refused_in_memory(self, ask)? {
            return Ok(charge(refused, Paid::default()));
        }
        let credits = if prepared.pays {
            self.payable(actor, prepared)?
        } else {
            0
        };
        let (decision, owed) = prepared.charge_with_credits(self, ask, credits)?;
        Ok(charge(decision, owed))
    }

    /// Commits what `write` makes of a charge; in the same commit, what is owed for it is paid.
    /// Where nothing is committed, or the charge is not kept, it comes back.
    pub(crate) fn commit_charge<A>(
        &self,
        actor: &Actor,
        mut charge: Charge<'_>,
        write: impl Fn(&mut Ctx<'_>, &Charge<'_>) -> Result<Charged<A>, Error>,
    ) -> Result<A, Error> {
        for _ in 0..ROUNDS {
            let outcome = self.commit_durably(actor, None, |ctx| {
                accounts::load(&mut ctx.tx, &charge.prepared.account, "/account")?;
                write(ctx, &charge)
            });
            if let Ok(Charged::Kept(answer)) = outcome {
                return Ok(answer);
            }
            let Charge {
                prepared,
                ask,
                decision,
                owed,
                at_ms,
            } = charge;
            prepared.refund(self, decision.granted, &owed, at_ms)?;
            prepared.return_slots(
                self,
                decision.granted,
                if ask.later.is_some() { u64::MAX } else { at_ms },
            )?;
            match outcome {
                Ok(Charged::Kept(answer) | Charged::Before(answer)) => return Ok(answer),
                // Others have spent the credits meanwhile.
                Err(error) if owed.amount > 0 && error.code() == Code::CreditsExhausted => {
                    charge = self.charge_unpaid(actor, prepared, ask)?
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(
            "Other callers keep spending the same credits; try again.",
        ))
    }

    /// How many credits there are to pay with.
    fn payable(&self, actor: &Actor, prepared: &Prepared) -> Result<u64, Error> {
        credits::payable(
            &mut self.reading(actor),
            &prepared.account,
            prepared.channel,
            prepared.group.as_ref(),
        )
    }

    /// Gives back so many of a reservation, to the counters that it was charged to, whatever counts
    /// by now.
    pub(crate) fn return_reserved(
        &self,
        reservation: &Reservation,
        count: u64,
    ) -> Result<(), Error> {
        let cell = match self.cell(&reservation.account) {
            // With the account its counters have gone.
            Err(error) if error.code() == Code::NotFound => return Ok(()),
            cell => cell?,
        };
        let Reservation {
            account,
            user,
            group,
            channel,
            message,
            counters,
            ..
        } = reservation;
        let sent = Sent {
            user: user.as_ref(),
            groups: group.as_slice(),
            channel: *channel,
            message,
        };
        let view = cell.view(self)?;
        let mut wanted = self.may_be_charged(&cell, &view, &sent)?;
        wanted.retain(|wanted| counters.contains(&wanted.id.text()));
        let prepared =
            Prepared::new(&cell, &view, wanted).hold_places(self.kernel.clock.now_ms())?;
        let lifted = match reservation.credits {
            Some(paid) => {
                credits::lifted_by(&mut self.ctx(&Actor::System), account, *channel, paid.entry)?
            }
            None => None,
        };
        // Its slots are given back when it expires, whoever calls next.
        let now_ms = self.kernel.clock.now_ms();
        let at_ms = if reservation.state == ReservationState::Expired {
            reservation.expires_at_ms.min(now_ms)
        } else {
            now_ms
        };
        prepared.return_slots_at(self, count, reservation.slots_from_ms(), at_ms)?;
        prepared.refund(
            self,
            count,
            &Paid {
                amount: reservation.paid_of(count),
                lifted,
            },
            reservation.reserved_at_ms,
        )
    }
}

/// What comes back by itself to the counters of a send, and what credits there are to pay for
/// it.
pub(crate) fn coming(engine: &Engine, prepared: &Prepared) -> Result<Coming, Error> {
    let actor = Actor::System;
    let mut ctx = engine.reading(&actor);
    // Whatever comes back to an account comes back to those above it.
    let accounts = || {
        prepared
            .wanted
            .iter()
            .filter(|wanted| !matches!(wanted.id.scope, MeterScope::Group(_)))
    };
    let height = |id: &MeterId| {
        id.account.as_ref().map_or(Some(usize::MAX), |of| {
            accounts()
                .map(|wanted| wanted.id.account.as_ref())
                .enumerate()
                .filter(|(_, account)| *account == Some(of))
                .last()
                .map(|(at, _)| at)
        })
    };
    let limited =
        |wanted: &&Wanted| wanted.resolved.limit != Limit::Unlimited || !wanted.later.is_empty();
    let limited = prepared
        .all()
        .map(|(_, wanted)| wanted)
        .chain(&prepared.paced)
        .chain(&prepared.planned_paces)
        .filter(limited);
    let ancestor = limited
        .max_by_key(|wanted| height(&wanted.id))
        .map_or(Some(&prepared.account), |wanted| wanted.id.account.as_ref());
    let open = reservations::open_in_tree(&mut ctx.tx, ancestor)?;
    let grants =
        match prepared.pays_from.is_empty() && !ctx.includes_credits(Some(&prepared.account))? {
            true => Vec::new(),
            false => credits::payable_parts(
                &mut ctx,
                &prepared.account,
                prepared.channel,
                prepared.group.as_ref(),
                &open,
            )?,
        };
    Ok(Coming { open, grants })
}
