//! Refusals from memory: who keeps asking is answered for little more than a grant costs.
//!
//! What a refusal says depends on the meters, on the time, and on what may come back by itself:
//! open reservations and credits, which only the store has. So it is remembered together with how
//! often the meters had been changed, until when nothing turns by itself, and where the store has a
//! say with its last commit. Without reservations and credits the first refusal, too, needs no
//! look into the store. Where other processes may give back what they have drawn, it stands for a
//! moment only.

use crate::error::Error;
use crate::kernel::Kernel;
use crate::locks::AtomicU64;
use crate::meters::ask::Ask;
use crate::meters::limit_state::{Coming, LimitState};
use crate::meters::outlook::Question;
use crate::meters::prepared::Prepared;
use crate::meters::remembered::{Refused, Stood, Told};
use crate::meters::store::MeterStore;
use crate::meters::team::Meters;
use crate::meters::wanted::Wanted;
use crate::meters::windows::next_window;
use crate::model::{Decision, Refusal};
use crate::rules::{send, threshold};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// For so long a refusal stands without a look into a store that other processes have open, and so
/// long before it the counters may have been looked at.
const SHARED_MS: u64 = 50;

/// Until when something holds that the store said at an instant. With a clock that stands still
/// nothing does.
fn holds_until_ms(kernel: &Kernel, said_at_ms: u64) -> u64 {
    match kernel.is_shared() {
        true if kernel.has_manual_clock() => said_at_ms,
        true => said_at_ms.saturating_add(SHARED_MS),
        false => u64::MAX,
    }
}

impl Prepared {
    /// Why nothing at all may go out, whatever the limits are.
    pub(crate) fn refused_before_limits(&self) -> Option<Arc<Refusal>> {
        let code = self.refusal?;
        let refusal = || Arc::new(Refusal::of(code));
        Some(self.remembered.before_limits.get_or_init(refusal).clone())
    }

    /// Remembers a refusal; of what the store says nothing changes without a commit.
    pub(super) fn remember(
        &self,
        kernel: &Kernel,
        state: &LimitState,
        ask: Ask,
        decision: &Decision,
        commit: Option<u64>,
        stood: Option<Box<[Stood]>>,
    ) {
        let Some(refusal) = decision.refusal.clone().filter(|_| is_plain(ask)) else {
            return;
        };
        self.remembered.set(Refused {
            count: ask.count,
            from_ms: state.at_ms,
            until_ms: state
                .changes_at_ms()
                .min(self.until_ms)
                .min(holds_until_ms(kernel, state.at_ms)),
            changes: AtomicU64::new(state.changes),
            commit,
            stood,
            refusal,
            remaining: decision.remaining,
        });
    }

    /// The refusal of such a send that still holds.
    #[inline]
    pub(crate) fn remembered(
        &self,
        store: &impl MeterStore,
        count: u64,
        now_ms: u64,
    ) -> Option<Told> {
        let holds = |refused: &Refused| {
            (refused.from_ms..refused.until_ms).contains(&now_ms)
                && match refused.commit {
                    Some(commit) => commit == store.kernel().backend.last_commit(),
                    // It was told without the store, which may have got a say since.
                    None => !self.asks_store(store),
                }
                && (self.team.changes.load(Ordering::Acquire)
                    == refused.changes.load(Ordering::Acquire)
                    || self.holds_after_changes(refused))
        };
        self.remembered.get(|refused| refused.count == count, holds)
    }

    /// Whether a refusal holds though the meters were changed since: others who are charged to some
    /// of the same counters have sent.
    #[cold]
    fn holds_after_changes(&self, refused: &Refused) -> bool {
        self.team.look(|meters, changes| {
            let holds = meters.still_refuse(&self.places, refused);
            if holds {
                refused.changes.store(changes, Ordering::Release);
            }
            holds
        })
    }

    /// Whether the counters that a send is charged to are all that a refusal looks at.
    fn is_decided_by_counters(&self) -> bool {
        self.refusal.is_none()
            && self.missing.is_none()
            && self.planned.is_empty()
            && self.planned_paces.is_empty()
    }
}

/// A send of which all go out now, or none.
fn is_plain(ask: Ask) -> bool {
    ask.later.is_none() && ask.min == ask.count
}

impl LimitState {
    /// The first instant at which another refusal may be right. A pace turns all the time.
    fn changes_at_ms(&self) -> u64 {
        let now_ms = self.at_ms;
        if self.readings.iter().any(|reading| reading.is_pace) {
            return now_ms.saturating_add(1);
        }
        let instants = self.readings.iter().flat_map(|reading| {
            reading
                .reading
                .changes_at()
                .chain(std::iter::once(reading.ends_at_ms))
        });
        instants
            .chain(self.credits.changes_at())
            .filter(|at_ms| *at_ms > now_ms)
            .min()
            .unwrap_or(u64::MAX)
    }
}

impl Meters {
    /// Whether something is kept apart of what a send is charged to.
    pub(super) fn keeps_apart_of(&self, prepared: &Prepared) -> Result<bool, Error> {
        for place in prepared.places.iter() {
            if !self.pair(*place)?.1.guaranteed.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a window that nobody has charged is still the one of now: there is nothing to do.
    pub(super) fn is_still_uncharged(
        &self,
        place: usize,
        wanted: Option<&Wanted>,
        version: u64,
        now_ms: u64,
    ) -> Result<bool, Error> {
        let (hot, cold) = self.pair(place)?;
        let is_open = version == cold.version
            && !cold.meter.is_charged()
            && hot.unspent == 0
            && now_ms < hot.ends_at_ms
            && cold.guaranteed.is_empty();
        if !is_open || wanted.is_some_and(|wanted| wanted.growth.is_some()) {
            return Ok(false);
        }
        let meter = next_window(cold.charged.clone(), cold.window, now_ms, &cold.calendar)?;
        Ok(meter == cold.meter && meter.ends_at_ms == hot.ends_at_ms)
    }

    /// Whether everything that a refusal says is here: every window is open, every pace known, and
    /// nobody is to be told of a threshold.
    fn tells_all(&self, kernel: &Kernel, prepared: &Prepared, now_ms: u64) -> Result<bool, Error> {
        for place in prepared.places.iter() {
            let (hot, cold) = self.pair(*place)?;
            let is_open = now_ms < hot.ends_at_ms
                && cold.meter.is_charged()
                && now_ms < holds_until_ms(kernel, cold.read_at_ms);
            let alert =
                threshold::crossed(&cold.alert_at, cold.limit, hot.used, cold.meter.alerted);
            if !is_open || !cold.guaranteed.is_empty() || alert.is_some() {
                return Ok(false);
            }
        }
        let paces = self.paces_of(prepared)?;
        Ok(paces.iter().all(|pace| pace.next_slot_us().is_some()))
    }
}

impl Prepared {
    /// The refusal of a send, where memory alone can tell that it is refused, and with what.
    pub(crate) fn refused_in_memory(
        &self,
        store: &impl MeterStore,
        ask: Ask,
    ) -> Result<Option<Decision>, Error> {
        if !is_plain(ask) || self.refusal.is_some() || self.missing.is_some() {
            return Ok(None);
        }
        let now_ms = store.kernel().clock.now_ms();
        let refused = match self.remembered(store, ask.count, now_ms) {
            Some(refused) => Some(refused),
            None => self.refuse_from_meters(store, ask.count, now_ms)?,
        };
        Ok(refused.map(|(refusal, remaining)| Decision::refused(refusal, remaining)))
    }

    /// Whether the store has a say in a refusal: of what is reserved, and of credits.
    pub(super) fn asks_store(&self, store: &impl MeterStore) -> bool {
        !self.pays_from.is_empty() || store.has_reserved()
    }

    /// Finds out from the meters alone that a send is refused, and remembers it.
    #[cold]
    pub(crate) fn refuse_from_meters(
        &self,
        store: &impl MeterStore,
        count: u64,
        now_ms: u64,
    ) -> Result<Option<Told>, Error> {
        if !self.is_decided_by_counters()
            || now_ms >= self.until_ms
            || store.kernel().is_shut()
            || self.asks_store(store)
        {
            return Ok(None);
        }
        let (ask, meters) = (Ask::exact(count), self.team.meters());
        if !meters.tells_all(store.kernel(), self, now_ms)?
            || send::most(&meters.readings_now(self, ask, now_ms)?, 0) >= count
        {
            return Ok(None);
        }
        let question = Question {
            count,
            now_ms,
            and_at_ms: None,
        };
        // What a pace lets through changes all the time.
        let stood = match self.pace_places.is_empty() {
            true => meters.stand(&self.places, count),
            false => None,
        };
        let state = self.limit_state_of(store.kernel(), meters, &question, Coming::default())?;
        let Some(refusal) = state.refusal(&self.account, count) else {
            return Ok(None);
        };
        let decision = Decision::refused(Arc::new(refusal), state.remaining());
        self.remember(store.kernel(), &state, ask, &decision, None, stood);
        Ok(decision.refusal.zip(Some(decision.remaining)))
    }
}

#[cfg(test)]
mod tests {
    use crate::access::state::Engine;
    use crate::model::{Decision, Refusal};
    use crate::{Sender, Tenantry};
    use serde_json::{Value, json};
    use std::sync::Arc;

    /// 2026-06-15T12:00:00Z
    const NOON_MS: u64 = 1_781_524_800_000;

    /// Until the day is over.
    const REST_MS: u64 = 12 * 3_600_000;

    fn call(store: &Tenantry, operation: &str, request: Value) -> Value {
        let answer = store
            .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
            .unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    fn limit(store: &Tenantry, name: &str, value: u64) {
        call(
            store,
            "limits.set",
            json!({"account": "acme", "limit": name, "value": value}),
        );
    }

    /// `acme`, which may send 5 a day, and its sender, who has sent them.
    fn full() -> (Tenantry, Sender) {
        let options = json!({"clock": {"manual_ms": NOON_MS}, "seed": 1, "edition": "commercial"});
        let store = Tenantry::open_json(":memory:", options.to_string().as_bytes()).unwrap();
        let owner = json!({"user": "olga", "email": "olga@acme.example"});
        call(
            &store,
            "accounts.create",
            json!({"id": "acme", "name": "Acme", "owner": owner,
                "limits": {"email_per_day": 5, "email_per_month": 8}}),
        );
        let sender = store.sender("acme", Some("olga")).unwrap();
        assert_eq!(sender.admit(5).unwrap().granted, 5);
        (store, sender)
    }

    fn engine(store: &Tenantry) -> &Arc<Engine> {
        &store.guard_for_tests().engine
    }

    fn refusal(decision: Option<Decision>) -> Arc<Refusal> {
        decision.and_then(|decision| decision.refusal).unwrap()
    }

    /// What the store says, which nobody remembers.
    fn answer_of_store(store: &Tenantry, count: u64) -> Decision {
        let engine = engine(store);
        let cell = engine.cell_by_text("acme").unwrap();
        let prepared = cell
            .sending(
                engine,
                Some("olga"),
                Default::default(),
                &Default::default(),
            )
            .unwrap();
        let state = prepared.outlook(&**engine, count).unwrap();
        let refusal = state.refusal(&prepared.account, count).unwrap();
        Decision::refused(Arc::new(refusal), state.remaining())
    }

    /// What others send of the same limits changes nothing for who has reached one of their own:
    /// the refusal is the one and the same, and still what the store says. Once it is not, it is
    /// told anew (20.11).
    #[test]
    fn a_refusal_outlives_what_others_send() {
        let (store, sender) = full();
        call(
            &store,
            "caps.set",
            json!({"account": "acme", "id": "few", "scope": "member", "subject": "olga",
                "window": "year", "limit": 5}),
        );
        limit(&store, "email_per_day", 100);
        limit(&store, "email_per_month", 100);
        assert_eq!(sender.admit(5).unwrap().granted, 5);
        let host = store.sender("acme", None).unwrap();
        let refuse = || {
            let told = refusal(sender.try_admit(1).unwrap());
            assert_eq!(Some(&told), answer_of_store(&store, 1).refusal.as_ref());
            told
        };
        let cell = engine(&store).cell_by_text("acme").unwrap();
        let team = cell.view(engine(&store)).unwrap().team.clone();
        // What is lent is taken back by it: the next send changes the meters again.
        let changes = || team.meters().changes();
        let first = refuse();
        for _ in 0..20 {
            let before = changes();
            assert_eq!(host.admit(1).unwrap().granted, 1);
            assert!(changes() > before);
            assert!(Arc::ptr_eq(&refusal(sender.try_admit(1).unwrap()), &first));
        }
        assert_eq!(refuse(), first);
        // The limit of the account is reached, too: from here on it is told as the store tells it.
        while host.admit(1).unwrap().granted == 1 {}
        assert!(!Arc::ptr_eq(&refuse(), &first));
        let refund = json!({"account": "acme", "user": "olga", "count": 2,
            "granted_at_ms": NOON_MS});
        call(&store, "sending.refund", refund);
        assert_eq!(sender.try_admit(1).unwrap().unwrap().granted, 1);
    }

    /// As much may be used as before, and yet come back at another instant: what was sent early
    /// was given back, and as much was sent late. The refusal is told anew.
    #[test]
    fn a_refusal_ends_where_as_much_was_used_later() {
        let (store, sender) = full();
        for (name, value) in [("email_per_day", 100), ("email_per_month", 100)] {
            limit(&store, name, value);
        }
        let at_minute = |minute: u64| NOON_MS + minute * 60_000;
        let set_clock = |minute| call(&store, "clock.set", json!({"now_ms": at_minute(minute)}));
        set_clock(120);
        limit(&store, "email_per_hour", 5);
        let host = store.sender("acme", None).unwrap();
        assert_eq!(host.admit(2).unwrap().granted, 2);
        set_clock(130);
        assert_eq!(host.admit(3).unwrap().granted, 3);
        let refused = || {
            let told = refusal(sender.try_admit(1).unwrap());
            assert_eq!(Some(&told), answer_of_store(&store, 1).refusal.as_ref());
            told.retry_at_ms.unwrap()
        };
        let early = refused();
        let request = json!({"account": "acme", "count": 2, "granted_at_ms": at_minute(120)});
        call(&store, "sending.refund", request);
        assert_eq!(host.admit(2).unwrap().granted, 2);
        assert!(refused() > early);
    }

    /// The first refusal, and each after it, say what the store would, by whatever way they are
    /// asked for; those that are remembered are one and the same (20.7).
    #[test]
    fn what_memory_can_tell_is_told_at_once() {
        let (store, sender) = full();
        let first = sender.try_admit(1).unwrap().unwrap();
        assert_eq!(first, answer_of_store(&store, 1));
        let shown = first.refusal.as_deref().unwrap();
        assert_eq!(
            (shown.code.name(), shown.retry_at_ms, first.remaining),
            ("quota_exceeded", Some(NOON_MS + REST_MS), Some(0))
        );
        let again = [
            sender.try_admit(1).unwrap(),
            Some(sender.admit(1).unwrap()),
            store.try_admit("acme", Some("olga"), 1).unwrap(),
            Some(store.admit("acme", Some("olga"), 1).unwrap()),
        ];
        let first = refusal(Some(first));
        for again in again {
            assert!(Arc::ptr_eq(&refusal(again), &first));
        }
        let request = json!({"account": "acme", "user": "olga", "count": 1});
        assert_eq!(
            call(&store, "sending.admit", request),
            serde_json::to_value(sender.admit(1).unwrap()).unwrap()
        );
        assert_eq!(
            sender.try_admit(6).unwrap().unwrap(),
            answer_of_store(&store, 6)
        );
        // Two who ask in turn do not make each other forget.
        let host = store.sender("acme", None).unwrap();
        assert_eq!(host.admit(1).unwrap().granted, 0);
        let both = || [&sender, &host].map(|each| refusal(each.try_admit(1).unwrap()));
        let (one, other) = (both(), both());
        assert!(
            one.iter()
                .zip(&other)
                .all(|(one, other)| Arc::ptr_eq(one, other))
        );
    }

    /// What memory told alone ends when the store gets a say, whether or not the counters had
    /// been changed by then.
    #[test]
    fn the_first_reservation_ends_what_was_told_without_the_store() {
        let (store, sender) = full();
        let first = refusal(sender.try_admit(1).unwrap());
        assert!(Arc::ptr_eq(&refusal(sender.try_admit(1).unwrap()), &first));
        engine(&store)
            .has_reserved
            .store(true, std::sync::atomic::Ordering::Release);
        assert!(sender.try_admit(1).unwrap().is_none());
        let asked = sender.admit(1).unwrap();
        assert_eq!(asked, answer_of_store(&store, 1));
        assert_eq!(sender.try_admit(1).unwrap(), Some(asked));
    }

    /// Where something is due the question goes another way, which looks at the count, too.
    #[test]
    fn a_count_that_cannot_be_is_refused_also_where_something_is_due() {
        let (store, sender) = full();
        let ask = |ask: &dyn Fn() -> Result<Decision, crate::Error>| {
            let due = &engine(&store).kernel.clock.next_due_ms;
            due.store(0, std::sync::atomic::Ordering::Release);
            assert_eq!(ask().unwrap_err().code(), crate::Code::InvalidArgument);
        };
        for count in [0, u64::MAX] {
            ask(&|| sender.admit(count));
            ask(&|| store.admit("acme", Some("olga"), count));
        }
    }

    /// Neither the store nor whoever writes is needed for it.
    #[test]
    fn nobody_is_waited_for() {
        let (store, sender) = full();
        let (answer, answered) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let engine = engine(&store);
            let _guard = engine.kernel.writer.lock();
            let (sender, store) = (&sender, &store);
            scope.spawn(move || {
                let tried = [
                    sender.try_admit(1),
                    store.try_admit("acme", Some("olga"), 2),
                ];
                answer.send(tried.map(|tried| refusal(tried.unwrap()).code.name()))
            });
            let told = answered.recv_timeout(std::time::Duration::from_secs(30));
            assert_eq!(told, Ok(["quota_exceeded"; 2]));
        });
        engine(&store).kernel.backend.close().unwrap();
        assert_eq!(
            refusal(sender.try_admit(3).unwrap()).code.name(),
            "quota_exceeded"
        );
        assert!(
            store
                .call_json(b"", b"accounts.get", br#"{"account":"acme"}"#)
                .is_err()
        );
    }

    /// R-QTA-3, R-QTA-9: a change counts at once, and so does time.
    #[test]
    fn what_is_remembered_ends_with_what_it_was_told_by() {
        let (store, sender) = full();
        let sees = |granted: u64| {
            let decision = sender.admit(1).unwrap();
            assert_eq!(decision.granted, granted);
            if granted == 0 {
                // Whatever was remembered, the store says the same.
                assert_eq!(decision, answer_of_store(&store, 1));
                assert_eq!(sender.try_admit(1).unwrap(), Some(decision));
            }
        };
        sees(0);
        limit(&store, "email_per_day", 6);
        sees(1);
        sees(0);
        let back = json!({"account": "acme", "user": "olga", "count": 2, "granted_at_ms": NOON_MS});
        call(&store, "sending.refund", back);
        sees(1);
        sees(1);
        sees(0);
        let hold = json!({"account": "acme", "reason": "abuse"});
        call(&store, "accounts.hold", hold);
        for _ in 0..2 {
            let refused = refusal(sender.try_admit(1).unwrap());
            assert_eq!(refused.code.name(), "account_suspended");
        }
        call(
            &store,
            "accounts.release",
            json!({"account": "acme", "hold": 1}),
        );
        sees(0);
        call(
            &store,
            "clock.set",
            json!({"now_ms": NOON_MS + REST_MS - 1}),
        );
        sees(0);
        call(&store, "clock.set", json!({"now_ms": NOON_MS + REST_MS}));
        // Of the month 2 are left.
        sees(1);
        sees(1);
        sees(0);
        let refused = refusal(sender.try_admit(1).unwrap());
        assert_eq!(refused.limit.as_ref().unwrap().name, "email_per_month");
    }

    /// What is reserved comes back by itself, and the store alone knows when; a limit that lets
    /// nothing through is never charged; and a threshold is told of first.
    #[test]
    fn what_the_store_has_to_say_is_heard() {
        let (store, sender) = full();
        limit(&store, "email_per_day", 7);
        let reserve = json!({"account": "acme", "user": "olga", "count": 2, "life_ms": 60_000});
        let reserved = call(&store, "reservations.create", reserve);
        assert!(sender.try_admit(1).unwrap().is_none());
        let decision = sender.admit(1).unwrap();
        assert_eq!(decision, answer_of_store(&store, 1));
        assert_eq!(
            refusal(Some(decision.clone())).retry_at_ms,
            Some(NOON_MS + 60_000)
        );
        assert_eq!(sender.try_admit(1).unwrap(), Some(decision));
        let commit = json!({"account": "acme", "reservation": reserved["reservation"],
            "count": 2});
        call(&store, "reservations.commit", commit);
        // It went out and comes back no more: the counters have not changed.
        assert!(sender.try_admit(1).unwrap().is_none());
        let decision = sender.admit(1).unwrap();
        assert_eq!(refusal(Some(decision)).retry_at_ms, Some(NOON_MS + REST_MS));

        limit(&store, "email_per_month", 0);
        let never = sender.admit(1).unwrap();
        assert_eq!(refusal(Some(never.clone())).code.name(), "exceeds_limit");
        assert_eq!(sender.try_admit(1).unwrap(), Some(never));
    }
}
