//! What one sender may send before anybody looks at the counters again (ADR 24).
//!
//! Taking the lock of the meters costs more than all that is decided under it. So a sender that
//! sends twice in a row is lent what its counters cover: they are charged for it in advance, and
//! the sender takes from it in one step. Whoever locks the meters takes back what is left before
//! anything else. Under the lock nothing is ever lent, and every rule is decided on counters that
//! are exact.

use crate::locks::AtomicU64;
use crate::meters::guaranteed::Promise;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// On a line of its own in the caches: senders of other accounts are not to wait for it.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Allowance {
    /// How many messages it holds. The other numbers are written while this is 0, and read after
    /// it.
    unspent: AtomicU64,
    /// Holds for what was prepared with this stamp.
    stamp: AtomicU64,
    ends_at_ms: AtomicU64,
    /// How many could be granted once it is used up; `u64::MAX` where nothing limits them.
    beyond: AtomicU64,
    /// Whether meters have lent it. Those of one account may follow those of another as its own:
    /// only one lends at a time.
    is_lent: AtomicBool,
}

/// What senders have in common who are charged alike.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    /// The counters, of which the account's own are nobody else's.
    pub(crate) places: Arc<[usize]>,
    pub(crate) promised: Arc<[Promise]>,
    /// How many of the counters credits pay beyond, and how many credits there are.
    pub(crate) paid: (usize, u64),
}

/// The allowances of a team that senders have in common who are charged alike.
#[derive(Default)]
pub(crate) struct Alike(Mutex<HashMap<Kind, Arc<Allowance>>>);

impl Alike {
    /// The allowance of a kind of senders; `own` for the first of them.
    pub(crate) fn share(&self, kind: Kind, own: Arc<Allowance>) -> Arc<Allowance> {
        let mut kinds = self.0.lock();
        if kinds.len() == kinds.capacity() {
            // Before it grows: of some nobody is left.
            kinds.retain(|_, allowance| Arc::strong_count(allowance) > 1);
        }
        kinds.entry(kind).or_insert(own).clone()
    }
}

/// For what an allowance is good.
pub(crate) struct Terms {
    pub(crate) stamp: u64,
    pub(crate) ends_at_ms: u64,
    pub(crate) beyond: u64,
}

impl Allowance {
    #[cfg(test)]
    pub(crate) fn unspent_for_tests(&self) -> u64 {
        self.unspent.load(Ordering::Acquire)
    }

    /// Takes `count`, or nothing, and says how many are left then; none where the counters are to
    /// be looked at.
    ///
    /// Meanwhile it may be taken back and lent anew, on other terms. Then the send is as one that
    /// came after the change: it is charged to the counters of the new terms, whose windows are
    /// open at least until `now_ms`.
    #[inline]
    pub(crate) fn take(&self, stamp: u64, count: u64, now_ms: u64) -> Option<u64> {
        let mut unspent = self.unspent.load(Ordering::Acquire);
        loop {
            let after = unspent.checked_sub(count)?;
            if self.stamp.load(Ordering::Relaxed) != stamp
                || now_ms >= self.ends_at_ms.load(Ordering::Relaxed)
            {
                return None;
            }
            let beyond = self.beyond.load(Ordering::Relaxed);
            match self.unspent.compare_exchange_weak(
                unspent,
                after,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(beyond.saturating_add(after)),
                Err(now) => unspent = now,
            }
        }
    }
}

/// An allowance that is lent, and the counters that are charged for it.
pub(crate) struct Lent {
    allowance: Arc<Allowance>,
    pub(crate) places: Arc<[usize]>,
    /// What is kept apart for who was lent to.
    pub(crate) promised: Arc<[Promise]>,
}

impl Lent {
    /// Lends `amount`; not what others have lent.
    pub(crate) fn new(
        allowance: &Arc<Allowance>,
        places: &Arc<[usize]>,
        promised: &Arc<[Promise]>,
        amount: u64,
        terms: Terms,
    ) -> Option<Lent> {
        if allowance.is_lent.swap(true, Ordering::AcqRel) {
            return None;
        }
        allowance.stamp.store(terms.stamp, Ordering::Relaxed);
        allowance
            .ends_at_ms
            .store(terms.ends_at_ms, Ordering::Relaxed);
        allowance.beyond.store(terms.beyond, Ordering::Relaxed);
        allowance.unspent.store(amount, Ordering::Release);
        Some(Lent {
            allowance: allowance.clone(),
            places: places.clone(),
            promised: promised.clone(),
        })
    }

    /// Takes back what is left, and answers how many they are.
    pub(crate) fn take_back(&self) -> u64 {
        self.allowance.unspent.swap(0, Ordering::AcqRel)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.take_back();
        self.allowance.is_lent.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use crate::{Sender, Tenantry};
    use serde_json::{Value, json};

    /// 2026-06-15T12:00:00Z
    const NOON_MS: u64 = 1_781_524_800_000;
    const HOUR_MS: u64 = 3_600_000;
    /// Until blocks have grown, most sends draw one.
    const WARM: u64 = 400;

    fn call(store: &Tenantry, operation: &str, request: Value) -> Value {
        let answer = store
            .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
            .unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// `acme`, which may send so many in each hour.
    fn store(options: &Value, per_hour: u64) -> Tenantry {
        let store = Tenantry::open_json(":memory:", options.to_string().as_bytes()).unwrap();
        let owner = json!({"user": "olga", "email": "olga@acme.example"});
        call(
            &store,
            "accounts.create",
            json!({"id": "acme", "name": "Acme", "owner": owner,
                "limits": {"email_per_hour": per_hour}}),
        );
        store
    }

    fn manual(per_hour: u64) -> Tenantry {
        store(
            &json!({"clock": {"manual_ms": NOON_MS}, "seed": 1}),
            per_hour,
        )
    }

    fn send(sender: &Sender) -> Option<u64> {
        let decision = sender.admit(1).unwrap();
        (decision.granted == 1).then(|| decision.remaining.unwrap())
    }

    fn used(store: &Tenantry) -> u64 {
        let usage = call(store, "usage.get", json!({"account": "acme"}));
        usage["windows"]
            .as_array()
            .unwrap()
            .iter()
            .find(|window| window["limit"] == "email_per_hour")
            .unwrap()["used"]
            .as_u64()
            .unwrap()
    }

    /// What is lent is not used yet: each answer is the one of a counter, whoever looks or sends
    /// between (R-QTA-3, R-QTA-9).
    #[test]
    fn nobody_sees_what_is_lent() {
        const LIMIT: u64 = 10_000;
        let store = manual(LIMIT);
        let (one, other) = (
            store.sender("acme", None).unwrap(),
            store.sender("acme", Some("olga")).unwrap(),
        );
        let (mut sent, mut most, mut looked_while_lent) = (0, 0, 0);
        let mut sends = |sender: &Sender| {
            sent += 1;
            assert_eq!(send(sender), Some(LIMIT - sent));
            sent
        };
        for round in 0..WARM {
            for _ in 0..round % 7 {
                sends(&one);
                most = most.max(one.lent_for_tests());
            }
            if round % 3 == 0 {
                let lent = one.lent_for_tests() + one.lent_in_common_for_tests();
                looked_while_lent += u64::from(lent > 0);
                let used = used(&store);
                assert_eq!((sends(&other), one.lent_for_tests()), (used + 1, 0));
            }
            for _ in 0..round % 5 {
                sends(&other);
                assert_eq!(one.lent_for_tests(), 0);
            }
        }
        assert!(
            most > 50 && looked_while_lent > 20,
            "{most} lent, looked {looked_while_lent} times"
        );
        while sent < LIMIT {
            sent += 1;
            assert_eq!(
                send(if sent % 1000 < 500 { &one } else { &other }),
                Some(LIMIT - sent)
            );
        }
        assert_eq!(
            (send(&one), send(&other), used(&store)),
            (None, None, LIMIT)
        );
    }

    /// A change counts at once (R-ACC-3, R-QTA-9), as do the end of a window (R-QTA-4) and a
    /// threshold (R-QTA-8); what is to be looked at each time is not lent at all.
    #[test]
    fn what_is_lent_ends_with_its_terms() {
        let store = manual(10_000);
        let sender = store.sender("acme", Some("olga")).unwrap();
        let lent = || {
            (0..WARM).any(|_| {
                send(&sender);
                sender.lent_for_tests() > 0
            })
        };
        assert!(lent());
        call(
            &store,
            "accounts.hold",
            json!({"account": "acme", "reason": "abuse"}),
        );
        assert_eq!(send(&sender), None);
        call(
            &store,
            "accounts.release",
            json!({"account": "acme", "hold": 1}),
        );
        assert!(lent());
        let before = used(&store);
        assert!(lent());
        call(
            &store,
            "limits.set",
            json!({"account": "acme", "limit": "email_per_hour", "value": before + 1}),
        );
        assert_eq!(send(&sender), None);
        call(
            &store,
            "limits.set",
            json!({"account": "acme", "limit": "email_per_hour", "value": 10_000}),
        );

        assert!(lent());
        call(
            &store,
            "caps.set",
            json!({"account": "acme", "id": "slowly", "scope": "account", "window": "hour",
                "limit": 36_000, "burst": 300, "over": "spread"}),
        );
        assert!(!lent());
        call(
            &store,
            "caps.remove",
            json!({"account": "acme", "cap": "slowly"}),
        );
        assert!(lent());
        call(
            &store,
            "clock.set",
            json!({"now_ms": NOON_MS + 2 * HOUR_MS}),
        );
        assert_eq!((send(&sender), used(&store)), (Some(9_999), 1));
        assert!(lent());

        call(
            &store,
            "policies.set",
            json!({"account": "acme", "policies": {"alert_at_percent": [50]}}),
        );
        let told = || {
            call(&store, "outbox.read", json!({"limit": 100}))["messages"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|message| message["kind"] == "limit_alert")
                .count()
        };
        let before = told();
        while send(&sender).unwrap() > 5_001 {}
        assert_eq!(told(), before);
        assert_eq!((send(&sender), told()), (Some(5_000), before + 1));
    }

    /// Senders, who ask by ids, and who look, at once: the limit is sold to the last unit
    /// (R-QTA-1).
    #[test]
    fn all_is_sold_once_by_many_threads() {
        const LIMIT: u64 = 300_000;
        let store = store(&json!({}), LIMIT);
        let shared = store.sender("acme", None).unwrap();
        let granted: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|number| {
                    let (store, shared) = (&store, &shared);
                    scope.spawn(move || {
                        let own = store.sender("acme", Some("olga")).unwrap();
                        let mut granted = 0;
                        loop {
                            let decision = match number % 3 {
                                0 => shared.admit(1),
                                1 => own.admit(1),
                                _ => store.admit("acme", None, 1),
                            };
                            match decision.unwrap().granted {
                                0 => return granted,
                                count => granted += count,
                            }
                            if number == 5 && granted % 256 == 0 {
                                assert!(used(store) <= LIMIT);
                            }
                        }
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!((granted, used(&store)), (LIMIT, LIMIT));
    }
}
