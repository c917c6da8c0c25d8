//! Senders of one account that are charged alike share an allowance (ADR 45).

use crate::locks::AtomicU64;
use crate::meters::allowance::{Allowance, Kind};
use crate::meters::prepared::Prepared;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

/// The allowance that a sender has in common with others who are charged alike, to take from it
/// without a look at what is prepared.
#[derive(Default)]
pub(crate) struct InCommon {
    /// Of whom the sender was charged like first.
    allowance: OnceLock<Arc<Allowance>>,
    /// With which stamp the sender is still charged like them; 0 where they are not.
    stamp: AtomicU64,
}

impl InCommon {
    /// The sender is prepared so from now on.
    pub(crate) fn follow(&self, prepared: &Prepared) {
        let allowance = self.allowance.get_or_init(|| prepared.allowance.clone());
        let is_alike = Arc::ptr_eq(allowance, &prepared.allowance)
            && prepared.refusal.is_none()
            && prepared.is_lent_to()
            // Otherwise it may be out of date before its stamp is.
            && prepared.until_ms == u64::MAX;
        let stamp = if is_alike { prepared.stamp } else { 0 };
        self.stamp.store(stamp, Ordering::Release);
    }

    /// As [`Allowance::take`], for whoever is charged alike with this stamp.
    #[inline]
    pub(crate) fn take(&self, stamp: u64, count: u64, now_ms: u64) -> Option<u64> {
        if self.stamp.load(Ordering::Acquire) != stamp {
            return None;
        }
        self.allowance.get()?.take(stamp, count, now_ms)
    }
}

impl Prepared {
    /// Lets it share with those of its team who are charged alike.
    pub(crate) fn shared(mut self) -> Prepared {
        if self.is_lent_to() {
            let kind = Kind {
                places: self.places.clone(),
                promised: self.promised.clone(),
                paid: (self.lifted, self.credits),
            };
            self.allowance = self.team.alike.share(kind, self.allowance);
        }
        self
    }

    /// Whether something may be lent to who sends so: not where each send is to be looked at.
    pub(super) fn is_lent_to(&self) -> bool {
        self.pace_places.is_empty() && self.missing.is_none()
    }

    #[cfg(test)]
    pub(crate) fn lent_for_tests(&self) -> u64 {
        self.allowance.unspent_for_tests()
    }

    /// Takes `count` from what is lent to all who are charged alike.
    #[inline]
    pub(crate) fn take_shared(&self, count: u64, now_ms: u64) -> Option<u64> {
        if now_ms >= self.until_ms {
            return None;
        }
        self.allowance.take(self.stamp, count, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Sender, Tenantry};
    use serde_json::{Value, json};

    const LIMIT: u64 = 1_000_000;

    fn call(store: &Tenantry, operation: &str, request: Value) {
        store
            .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
            .unwrap();
    }

    /// `acme` with its owner `olga` and a limit for each hour.
    fn acme() -> Tenantry {
        let options = json!({"clock": {"manual_ms": 1_781_524_800_000_u64}, "seed": 1});
        let store = Tenantry::open_json(":memory:", options.to_string().as_bytes()).unwrap();
        let owner = json!({"user": "olga", "email": "olga@acme.example"});
        let request = json!({"id": "acme", "name": "Acme", "owner": owner,
            "limits": {"email_per_hour": LIMIT}});
        call(&store, "accounts.create", request);
        store
    }

    /// How often the meters of `acme` were changed under their lock.
    fn changes(store: &Tenantry) -> u64 {
        let engine = &store.guard_for_tests().engine;
        let cell = engine.cell_by_text("acme").unwrap();
        cell.view(engine).unwrap().team.meters().changes()
    }

    /// One message of each of two in turn, so often; of each the limit that is left is told.
    fn in_turn(two: [&Sender; 2], times: usize, left: &mut u64) {
        for sender in std::iter::repeat_n(two, times).flatten() {
            let decision = sender.admit(1).unwrap();
            *left -= 1;
            assert_eq!((decision.granted, decision.remaining), (1, Some(*left)));
        }
    }

    /// 20.11: two who send in turn take from one allowance, without the lock, and are told what is
    /// left as if there were none (R-QTA-3).
    #[test]
    fn two_in_turn_seldom_lock_the_meters() {
        let store = acme();
        let olga = store.sender("acme", Some("olga")).unwrap();
        let host = store.sender("acme", None).unwrap();
        let mut left = LIMIT;
        in_turn([&olga, &host], 500, &mut left);
        let before = changes(&store);
        in_turn([&olga, &host], 500, &mut left);
        let locked = changes(&store) - before;
        assert!(
            locked < 100,
            "the lock was taken {locked} times for 1,000 messages"
        );
    }

    /// Who was charged like others, and is not any more, takes nothing of what is lent to them,
    /// whatever came between: a cap of their own, or that they may not send (R-QTA-4).
    #[test]
    fn who_is_no_longer_alike_shares_no_longer() {
        let store = acme();
        let [ann, bob, cat] = ["ann", "bob", "cat"].map(|user| {
            let member = json!({"account": "acme", "user": user,
                "email": format!("{user}@acme.example"), "role": "full"});
            call(&store, "members.add", member);
            store.sender("acme", Some(user)).unwrap()
        });
        let mut left = LIMIT;
        let lend = |two: [&Sender; 2], left: &mut u64| {
            in_turn(two, 100, left);
            while two[0].lent_in_common_for_tests() == 0 {
                in_turn(two, 1, left);
            }
        };
        let cap = json!({"account": "acme", "id": "few", "scope": "member", "subject": "bob",
            "window": "day", "limit": 3});
        let disable = json!({"account": "acme", "user": "bob"});
        for (change, request, most) in [("caps.set", cap, 3), ("members.disable", disable, 0)] {
            lend([&ann, &bob], &mut left);
            call(&store, change, request);
            let mut granted = 0;
            for _ in 0..10 {
                // Whoever locks the meters takes back what is lent.
                lend([&ann, &cat], &mut left);
                let sent = bob.admit(1).unwrap().granted;
                (granted, left) = (granted + sent, left - sent);
            }
            assert_eq!(granted, most, "{change}");
            if change == "caps.set" {
                call(
                    &store,
                    "caps.remove",
                    json!({"account": "acme", "cap": "few"}),
                );
            }
        }
    }

    /// Who has a counter or a pace of their own takes nothing of what is lent to others: each of
    /// their sends is looked at (R-QTA-4, R-QTA-14).
    #[test]
    fn what_is_ones_own_is_not_shared() {
        let store = acme();
        for (cap, over, subject) in [("few", "reject", "bob"), ("slow", "spread", "cat")] {
            let member = json!({"account": "acme", "user": subject,
                "email": format!("{subject}@acme.example"), "role": "full"});
            call(&store, "members.add", member);
            call(
                &store,
                "caps.set",
                json!({"account": "acme", "id": cap, "scope": "member", "subject": subject,
                    "window": "day", "limit": 3, "over": over}),
            );
        }
        let olga = store.sender("acme", Some("olga")).unwrap();
        let host = store.sender("acme", None).unwrap();
        let mut left = LIMIT;
        in_turn([&olga, &host], 500, &mut left);
        for (user, most) in [("bob", 3), ("cat", 1)] {
            let other = store.sender("acme", Some(user)).unwrap();
            let mut granted = 0;
            for _ in 0..10 {
                granted += other.admit(1).unwrap().granted;
                granted += store.admit("acme", Some(user), 1).unwrap().granted;
                assert_eq!(
                    [&olga, &host].map(|other| other.admit(1).unwrap().granted),
                    [1, 1]
                );
            }
            assert_eq!(granted, most, "{user}");
        }
    }
}
