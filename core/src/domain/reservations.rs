//! Reservations: messages are charged for a campaign now, and go out later or come back (R-QTA-5).

use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::access::view::{Judged, NominalCache};
use crate::api::reservations::{
    Commit, Create, Get, List, Release, Reservation, ReservationDecision, ReservationList,
};
use crate::domain::sending::{own_message, sender_of};
use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::kernel::page::walk;
use crate::meters::{Ask, Prepared};
use crate::model::{
    self, Actor, Decision, Id, MessageInput, PaidWithCredits, ReservationState, TEAM_PERMISSION,
};
use crate::sending::{credits, idempotency};
use crate::tables::reservations::{Reservations, load};
use crate::tables::{accounts, campaigns};
use std::sync::atomic::Ordering;

const SHORTEST_MS: u64 = 1000;
const LONGEST_MS: u64 = 31 * 24 * 3_600_000;
fn answer_of(reservation: model::Reservation) -> Reservation {
    Reservation {
        account: reservation.account,
        id: reservation.id,
        user: reservation.user,
        channel: reservation.channel,
        count: reservation.count,
        state: reservation.state,
        committed: reservation.committed,
        reserved_at_ms: reservation.reserved_at_ms,
        expires_at_ms: reservation.expires_at_ms,
        not_before_ms: reservation.not_before_ms,
        credits: reservation.credits,
    }
}

/// Writes a reservation and when something happens to it next.
fn save(ctx: &mut Ctx<'_>, reservation: &model::Reservation) -> Result<(), Error> {
    ctx.engine.has_reserved.store(true, Ordering::Release);
    ctx.tx.save::<Reservations>(reservation)?;
    match reservation.state {
        ReservationState::Open => ctx.tx.schedule_due(reservation.due_at_ms()),
        _ => ctx.tx.schedule_forget(reservation.due_at_ms()),
    }
    Ok(())
}

/// Ends an open reservation: what was not committed comes back once this is committed.
fn end(
    ctx: &mut Ctx<'_>,
    mut reservation: model::Reservation,
    state: ReservationState,
    committed: u64,
) -> Result<model::Reservation, Error> {
    reservation.state = state;
    reservation.committed = committed;
    reservation.ended_at_ms = Some(ctx.now_ms);
    save(ctx, &reservation)?;
    let left = reservation.count - committed;
    if left > 0 {
        give_back_credits(ctx, &reservation, left)?;
        ctx.tx.give_back(reservation.clone(), left);
    }
    Ok(reservation)
}

/// Of so many that come back, gives back the credits that paid for them.
fn give_back_credits(
    ctx: &mut Ctx<'_>,
    reservation: &model::Reservation,
    count: u64,
) -> Result<(), Error> {
    let amount = reservation.paid_of(count);
    match reservation.credits {
        Some(paid) => credits::refund_at_most(
            ctx,
            &reservation.account,
            reservation.channel,
            paid.entry,
            amount,
        )
        .map(drop),
        None => Ok(()),
    }
}

/// The time of an open reservation is over.
pub(crate) fn expire(ctx: &mut Ctx<'_>, account: &Id, id: &Id) -> Result<(), Error> {
    let key = keys::reservation(account, id);
    match ctx.tx.get::<model::Reservation>(&key)? {
        Some(open) if open.state == ReservationState::Open => {
            end(ctx, open, ReservationState::Expired, 0).map(drop)
        }
        Some(_) | None => Ok(()),
    }
}

/// A day after a reservation ended it is forgotten.
pub(crate) fn forget(ctx: &mut Ctx<'_>, account: &Id, id: &Id) -> Result<(), Error> {
    let key = keys::reservation(account, id);
    match ctx.tx.get::<model::Reservation>(&key)? {
        Some(ended) => ctx.tx.erase::<Reservations>(&ended),
        None => Ok(()),
    }
}

/// Whether a reservation was made, or ended, after now.
pub(crate) fn is_ahead(reservation: &model::Reservation, now_ms: u64) -> bool {
    reservation
        .reserved_at_ms
        .max(reservation.ended_at_ms.unwrap_or(0))
        > now_ms
}

/// One that was made in a wrong future is as if it were made now: what it charged counts in
/// the windows of now (R-QTA-13).
pub(crate) fn undo_future(
    ctx: &mut Ctx<'_>,
    mut reservation: model::Reservation,
) -> Result<(), Error> {
    let ahead_ms = reservation.reserved_at_ms.saturating_sub(ctx.now_ms);
    reservation.reserved_at_ms -= ahead_ms;
    reservation.expires_at_ms = reservation.expires_at_ms.saturating_sub(ahead_ms);
    reservation.not_before_ms = reservation
        .not_before_ms
        .map(|at_ms| at_ms.saturating_sub(ahead_ms));
    reservation.ended_at_ms = reservation.ended_at_ms.map(|at_ms| at_ms.min(ctx.now_ms));
    save(ctx, &reservation)
}

/// An account is suspended or closed: its open reservations come back (R-ACC-4).
pub(crate) fn void_all_of(ctx: &mut Ctx<'_>, account: &Id) -> Result<(), Error> {
    let (from, until) = keys::range(keys::RESERVATION, &[account.as_str()]);
    for (_, reservation) in ctx
        .tx
        .range::<model::Reservation>(&from, &until, usize::MAX)?
    {
        let state = match reservation.is_over(ctx.now_ms) {
            true => ReservationState::Expired,
            false => ReservationState::Void,
        };
        if reservation.state == ReservationState::Open {
            end(ctx, reservation, state, 0)?;
        }
    }
    Ok(())
}

/// A reservation that is asked for: who sends what, and from when on it counts.
struct NewReservation<'a> {
    request: &'a Create,
    user: Option<&'a Id>,
    message: &'a MessageInput,
    prepared: &'a Prepared,
    now_ms: u64,
}

impl NewReservation<'_> {
    /// Reserves what was granted, if anything was, and answers what came of it.
    fn answer(&self, ctx: &mut Ctx<'_>, decision: Decision) -> Result<ReservationDecision, Error> {
        let credits = decision.credits.map(|paid| *paid);
        let mut answer = ReservationDecision {
            reservation: None,
            granted: decision.granted,
            expires_at_ms: None,
            not_before_ms: None,
            refusal: decision.refusal,
            credits,
        };
        if decision.granted > 0 {
            let reservation = self.reserve(ctx, decision.granted, credits)?;
            answer.not_before_ms = reservation.not_before_ms;
            answer.expires_at_ms = Some(reservation.expires_at_ms);
            answer.reservation = Some(reservation.id);
        }
        Ok(answer)
    }

    fn reserve(
        &self,
        ctx: &mut Ctx<'_>,
        granted: u64,
        credits: Option<PaidWithCredits>,
    ) -> Result<model::Reservation, Error> {
        let Create {
            account,
            channel,
            life_ms,
            ..
        } = self.request;
        let not_before_ms = self.prepared.not_before_ms(ctx.engine)?;
        let reservation = model::Reservation {
            account: account.clone(),
            id: ctx.new_id(
                None,
                keys::RESERVATION,
                |id| keys::reservation(account, id),
                "reservation",
            )?,
            user: self.user.cloned(),
            group: self.prepared.group.clone(),
            channel: *channel,
            message: self.message.clone(),
            count: granted,
            state: ReservationState::Open,
            committed: 0,
            reserved_at_ms: self.now_ms,
            expires_at_ms: self.now_ms.saturating_add(life_ms.get()),
            ended_at_ms: None,
            counters: self.prepared.counters(),
            not_before_ms,
            credits,
            listed: true,
        };
        save(ctx, &reservation)?;
        Ok(reservation)
    }
}

impl Operation for Create {
    type Answer = ReservationDecision;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ReservationDecision, Error> {
        let ask =
            Ask::of(self.count, self.min)?.later(ctx.now_ms.saturating_add(self.life_ms.get()));
        if !(SHORTEST_MS..=LONGEST_MS).contains(&self.life_ms.get()) {
            return Err(Error::invalid(
                "/life_ms",
                format!(
                    "`life_ms` must be from {SHORTEST_MS} to {LONGEST_MS}, and is {}.",
                    self.life_ms.get()
                ),
            ));
        }
        ctx.require_in(&self.account, self.channel.permission())?;
        let user = sender_of(ctx, self.user.clone())?;
        let message = own_message(ctx, &self.account, user.as_ref(), self.message.clone())?;
        let cell = ctx.engine.cell(&self.account)?;
        let prepared = cell.sending(
            ctx.engine,
            user.as_ref().map(Id::as_str),
            self.channel,
            &message,
        )?;
        ctx.count_tried(&prepared);
        let new = NewReservation {
            request: &self,
            user: user.as_ref(),
            message: &message,
            prepared: &prepared,
            now_ms: ctx.now_ms,
        };
        idempotency::charge_idempotent(
            ctx,
            &self,
            self.key.as_ref(),
            &prepared,
            ask,
            |ctx, decision| new.answer(ctx, decision),
        )
    }
}

impl Operation for Commit {
    type Answer = Reservation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Reservation, Error> {
        let reservation = load(&mut ctx.tx, &self.account, &self.reservation)?;
        let count = self.count.get();
        if count > reservation.count {
            return Err(Error::invalid(
                "/count",
                format!(
                    "The reservation is for {} sends, and {count} are more; commit fewer.",
                    reservation.count
                ),
            ));
        }
        match reservation.state {
            ReservationState::Open => {
                if count > 0 {
                    refuse_what_is_stopped(ctx, &reservation)?;
                }
                end(ctx, reservation, ReservationState::Committed, count).map(answer_of)
            }
            ReservationState::Committed if reservation.committed == count => {
                Ok(answer_of(reservation))
            }
            state => Err(over(&reservation.id, state)),
        }
    }
}

impl Operation for Release {
    type Answer = Reservation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Reservation, Error> {
        let reservation = load(&mut ctx.tx, &self.account, &self.reservation)?;
        match reservation.state {
            ReservationState::Open => {
                end(ctx, reservation, ReservationState::Released, 0).map(answer_of)
            }
            ReservationState::Released => Ok(answer_of(reservation)),
            state => Err(over(&reservation.id, state)),
        }
    }
}

/// Refuses what may no longer go out: that of a stopped campaign, of somebody who may send no
/// longer (R-QTA-5). An account on hold is another matter: it is [voided](void_all_of) or, by
/// policy, drained (R-ACC-4).
fn refuse_what_is_stopped(
    ctx: &mut Ctx<'_>,
    reservation: &model::Reservation,
) -> Result<(), Error> {
    let model::Reservation {
        account,
        user,
        channel,
        message,
        ..
    } = reservation;
    if let Some(campaign) = &message.campaign
        && campaigns::is_stopped(&mut ctx.tx, account, campaign)?
    {
        return Err(campaigns::bounce_stop(campaign).at("/reservation"));
    }
    let Some(user) = user else { return Ok(()) };
    let (tree, view) = (ctx.tree(), ctx.engine.cell(account)?.view(ctx.engine)?);
    let judged = view.judge_whatever_status(&mut ctx.tx, &mut NominalCache::new(&tree), user)?;
    let refusal = match judged {
        None => Some(Code::NotMember),
        Some(Judged {
            disabled: Some(code),
            ..
        }) => Some(code),
        Some(Judged { permissions, .. }) => {
            let may_send = tree
                .place(channel.permission())
                .is_some_and(|place| permissions.at(place).is_some());
            (!may_send).then_some(Code::PermissionDenied)
        }
    };
    let why = match refusal {
        Some(Code::PermissionDenied) => "their role does not allow it",
        Some(Code::NotMember) => "they are no member of the account",
        _ => "the user or the membership is disabled",
    };
    match refusal {
        Some(code) => Err(Error::new(
            code,
            format!("`{user}` can no longer send: {why}; name another user."),
        )
        .at("/reservation")
        .with("user", user.as_str())),
        None => Ok(()),
    }
}

fn over(id: &Id, state: ReservationState) -> Error {
    let (code, what) = match state {
        ReservationState::Void => (
            Code::ReservationVoid,
            "came back when the account was suspended or closed",
        ),
        ReservationState::Expired => (Code::ReservationOver, "has expired"),
        ReservationState::Released => (Code::ReservationOver, "was released"),
        ReservationState::Open | ReservationState::Committed => {
            (Code::ReservationOver, "was committed")
        }
    };
    Error::new(
        code,
        format!("The reservation `{id}` {what}; make a new one."),
    )
    .at("/reservation")
}

impl Operation for Get {
    type Answer = Reservation;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<Reservation, Error> {
        load(&mut ctx.tx, &self.account, &self.reservation).map(answer_of)
    }
}

impl Operation for List {
    type Answer = ReservationList;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<ReservationList, Error> {
        accounts::load(&mut ctx.tx, &self.account, "/account")?;
        if self.include_descendants && matches!(ctx.actor, Actor::User { .. }) {
            ctx.require_in(&self.account, TEAM_PERMISSION)
                .map_err(|error| error.at("/include_descendants"))?;
        }
        // The lines of an account are those of the accounts below it as well.
        let span = keys::range(keys::OPEN_RESERVATION, &[self.account.as_str()]);
        let (reservations, next) =
            walk(ctx, &[span], self.after.as_ref(), self.limit, |ctx, key| {
                let Some((account, id)) = keys::last_pair(key) else {
                    return Ok(None);
                };
                if !self.include_descendants && account != self.account {
                    return Ok(None);
                }
                let key = keys::reservation(&account, &id);
                let open = ctx.tx.get::<model::Reservation>(&key)?;
                Ok(open
                    .filter(|open| self.fits(open, ctx.now_ms))
                    .map(answer_of))
            })?;
        Ok(ReservationList { reservations, next })
    }
}

impl List {
    /// Whether a reservation that has a line is listed: one whose time is over has expired,
    /// whenever it comes back.
    fn fits(&self, reservation: &model::Reservation, now_ms: u64) -> bool {
        !reservation.is_over(now_ms)
            && (self.user.is_none() || reservation.user == self.user)
            && self
                .channel
                .is_none_or(|channel| channel == reservation.channel)
    }
}

#[cfg(test)]
mod tests {
    use crate::Tenantry;
    use serde_json::{Value, json};

    const NOON_MS: u64 = 1_781_524_800_000;

    fn call(store: &Tenantry, operation: &str, request: Value) -> Value {
        let answer = store.call_json(b"", operation.as_bytes(), request.to_string().as_bytes());
        serde_json::from_str(&answer.unwrap()).unwrap()
    }

    /// `acme` and below it `kid`; credits pay for what `acme` sends beyond ten messages a day.
    fn store() -> Tenantry {
        let options = json!({"clock": {"manual_ms": NOON_MS}, "seed": 1, "edition": "commercial"});
        let store = Tenantry::open_json(":memory:", options.to_string().as_bytes()).unwrap();
        let package = json!({"id": "pays", "name": "Pays", "credits": true, "overuse": true,
            "limits": {"email_per_day": 10}});
        call(&store, "packages.create", package);
        for (account, parent, package) in
            [("acme", None, Some("pays")), ("kid", Some("acme"), None)]
        {
            let owner = json!({"user": format!("{account}-owner"),
                "email": format!("owner@{account}.example")});
            let account = json!({"id": account, "name": account, "parent": parent,
                "package": package, "owner": owner});
            call(&store, "accounts.create", account);
        }
        store
    }

    fn reserve(store: &Tenantry, account: &str, count: u64, life_ms: u64) -> Value {
        let one = json!({"account": account, "count": count, "life_ms": life_ms});
        let reserved = call(store, "reservations.create", one);
        assert_eq!(reserved["granted"], count);
        reserved["reservation"].clone()
    }

    /// R-QTA-17: a page goes on behind the one before it, whatever ended in between.
    #[test]
    fn the_pages_of_a_list_hold_while_reservations_end() {
        let store = store();
        let all: Vec<Value> = (1..=7)
            .map(|number| reserve(&store, "acme", 1, number * 1000))
            .collect();
        let page = |after: Value| {
            let request = json!({"account": "acme", "limit": 2, "after": after});
            call(&store, "reservations.list", request)
        };
        let listed = |page: &Value| -> Vec<Value> {
            let reservations = page["reservations"].as_array().unwrap();
            reservations.iter().map(|one| one["id"].clone()).collect()
        };
        let first = page(Value::Null);
        assert_eq!(listed(&first), all[..2]);
        // One that was listed, and one that was to come.
        for gone in [1, 3] {
            let request = json!({"account": "acme", "reservation": all[gone]});
            call(&store, "reservations.release", request);
        }
        let second = page(first["next"].clone());
        assert_eq!(listed(&second), [all[2].clone(), all[4].clone()]);
        let engine = &store.guard_for_tests().engine;
        engine.kernel.clock.set(NOON_MS + 6000).unwrap();
        let third = page(second["next"].clone());
        assert_eq!(
            (listed(&third), &third["next"]),
            (vec![all[6].clone()], &Value::Null)
        );
    }

    /// R-QTA-17, R-CRD-2: what credits paid for is used of no limit, and so it is not reserved.
    #[test]
    fn what_credits_paid_for_is_not_reserved() {
        let store = store();
        let credits = json!({"account": "acme", "channel": "email", "amount": 50,
            "reason": "bought"});
        call(&store, "credits.grant", credits);
        let used = || {
            let usage = call(&store, "usage.get", json!({"account": "acme"}));
            let day = &usage["windows"][1];
            assert_eq!(day["limit"], "email_per_day");
            (day["used"].clone(), day["reserved"].clone())
        };
        reserve(&store, "kid", 4, 60_000);
        assert_eq!(used(), (json!(4), json!(4)));
        // Six fit, and nine are paid for.
        let paid = reserve(&store, "acme", 15, 60_000);
        assert_eq!(used(), (json!(10), json!(10)));
        let commit = json!({"account": "acme", "reservation": paid, "count": 15});
        call(&store, "reservations.commit", commit);
        assert_eq!(used(), (json!(10), json!(4)));
    }
}
