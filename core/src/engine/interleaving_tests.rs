//! The meters under many orders of threads, which shuttle makes up: who takes the lock when,
//! between a look at the counters and a draw, a draw and its charge, the end of a window and the
//! first send after it (ADR 19).
//!
//! `TENANTRY_SCHEDULES` says how many orders are tried.

use super::delegated::delegated;
use super::*;
use crate::guard::Guard;
use crate::locks::explored::explore;
use crate::model::Channel;
use meters::{Ask, Paid, Prepared, draw_ahead};
use shuttle::thread;
use tenantry_store::{Batch, Order, Record, StoreError};

/// 2026-06-15T12:00Z
const START_MS: u64 = 1_781_524_800_000;
const HOUR_MS: u64 = 3_600_000;

fn schedules() -> usize {
    std::env::var("TENANTRY_SCHEDULES").map_or(1000, |text| text.parse().unwrap())
}

/// A store that several engines have in common, as processes with leases would.
#[derive(Clone)]
struct Shared(Arc<dyn Backend>);

impl Backend for Shared {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.0.get(key)
    }
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.0.range(from, until, order, limit)
    }
    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        self.0.commit(batch)
    }
    delegated! { (0): sync, last_commit, store_id, verify }
    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn abandon(&self) {}
}

fn open(shared: &Shared) -> Arc<Guard> {
    let options =
        serde_json::from_value(serde_json::json!({"clock": {"manual_ms": START_MS}, "seed": 1}))
            .unwrap();
    Arc::new(Guard::of_engine_for_tests(
        Engine::on(Box::new(shared.clone()), Path::new(":memory:"), &options).unwrap(),
    ))
}

/// An account `top` with a limit each hour, and `one` and `two` below it.
fn tree(limit: u64) -> (Shared, Arc<Guard>) {
    let shared = Shared(Arc::from(tenantry_store::memory().unwrap()));
    let guard = open(&shared);
    for (id, parent) in [("top", None), ("one", Some("top")), ("two", Some("top"))] {
        let limits = if parent.is_none() {
            serde_json::json!({ "email_per_hour": limit })
        } else {
            serde_json::json!({})
        };
        let owner =
            serde_json::json!({"user": format!("of-{id}"), "email": format!("{id}@t.example")});
        let mut request =
            serde_json::json!({"id": id, "name": id, "owner": owner, "limits": limits});
        if let Some(parent) = parent {
            request["parent"] = parent.into();
        }
        let entry = crate::catalogue::find("accounts.create").unwrap();
        guard
            .enter(entry.effect, |engine| {
                (entry.run_json)(engine, &Actor::System, request.to_string().as_bytes())
            })
            .unwrap();
    }
    (shared, guard)
}

/// What sends of an account are charged to, found before the threads begin: preparing holds locks
/// that shuttle does not know.
fn prepared(guard: &Guard, account: &str) -> Arc<Prepared> {
    let engine = &guard.engine;
    engine
        .cell_by_text(account)
        .unwrap()
        .sending(engine, None, Channel::Email, &Default::default())
        .unwrap()
}

fn send(guard: &Guard, prepared: &Arc<Prepared>, count: u64) -> u64 {
    prepared
        .charge(&*guard.engine, Ask::exact(count))
        .unwrap()
        .granted
}

fn send_until_refused(guard: &Guard, prepared: &Arc<Prepared>, count: u64) -> u64 {
    std::iter::from_fn(|| Some(send(guard, prepared, count)).filter(|granted| *granted > 0)).sum()
}

/// What the hour counts as used.
fn used(guard: &Guard, prepared: &Prepared) -> u64 {
    prepared
        .readings(&*guard.engine, 1)
        .unwrap()
        .iter()
        .map(|reading| reading.reading.used)
        .max()
        .unwrap()
}

fn sum(threads: Vec<thread::JoinHandle<u64>>) -> u64 {
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum()
}

/// The last unit is sold, and sold once, whoever draws for whom (R-QTA-1).
#[test]
fn the_last_unit_is_sold_once() {
    explore(schedules(), || {
        let (_, guard) = tree(7);
        let threads = ["one", "two", "top"].map(|account| {
            let (guard, prepared) = (guard.clone(), prepared(&guard, account));
            thread::spawn(move || send_until_refused(&guard, &prepared, 1))
        });
        assert_eq!(sum(threads.into()), 7);
    });
}

/// Blocks drawn ahead, sends and refunds at once: what is used is what went out, and the rest can
/// still be sold (R-QTA-6, R-QTA-9).
#[test]
fn refunds_and_blocks_drawn_ahead() {
    const LIMIT: u64 = 200;
    explore(schedules(), || {
        let (_, guard) = tree(LIMIT);
        let of_one = prepared(&guard, "one");
        let of_two = prepared(&guard, "two");
        let ahead = {
            let (guard, prepared) = (guard.clone(), of_one.clone());
            thread::spawn(move || {
                for _ in 0..3 {
                    draw_ahead(&*guard.engine, std::slice::from_ref(&prepared)).unwrap();
                }
                0
            })
        };
        let sends = {
            let (guard, prepared) = (guard.clone(), of_one.clone());
            thread::spawn(move || (0..12).map(|_| send(&guard, &prepared, 2)).sum())
        };
        let refunds = {
            let (guard, prepared) = (guard.clone(), of_two.clone());
            thread::spawn(move || {
                let mut kept = 0;
                for _ in 0..4 {
                    kept += send(&guard, &prepared, 5) - 3;
                    prepared
                        .refund(&*guard.engine, 3, &Paid::default(), START_MS)
                        .unwrap();
                }
                kept
            })
        };
        let out = sum(vec![ahead, sends, refunds]);
        assert_eq!(out, 24 + 8);
        assert_eq!(used(&guard, &prepared(&guard, "top")), out);
        assert_eq!(send_until_refused(&guard, &of_two, 1), LIMIT - out);
    });
}

/// An hour ends while all send: neither gives more than its limit, and the second gives all of it
/// (R-QTA-4).
#[test]
fn a_window_ends_between_sends() {
    const LIMIT: u64 = 6;
    explore(schedules(), || {
        let (_, guard) = tree(LIMIT);
        let mut threads = Vec::new();
        for account in ["one", "two"] {
            let (guard, prepared) = (guard.clone(), prepared(&guard, account));
            threads.push(thread::spawn(move || {
                (0..5).map(|_| send(&guard, &prepared, 1)).sum()
            }));
        }
        let clock = guard.clone();
        threads.push(thread::spawn(move || {
            // Where shuttle may put others before it.
            thread::yield_now();
            clock.engine.kernel.clock.set(START_MS + HOUR_MS).unwrap();
            0
        }));
        let out = sum(threads);
        let top = prepared(&guard, "top");
        let of_second = used(&guard, &top);
        assert!(
            of_second <= LIMIT && out - of_second <= LIMIT,
            "{out} of which {of_second} in the second hour"
        );
        assert_eq!(of_second + send_until_refused(&guard, &top, 1), LIMIT);
    });
}

/// What is lent to one comes back when another sends or looks, and with the end of its hour
/// (R-QTA-4, R-QTA-9).
#[test]
fn what_is_lent_comes_back() {
    const LIMIT: u64 = 400;
    explore(schedules(), || {
        let (_, guard) = tree(LIMIT);
        let (one, two) = (prepared(&guard, "one"), prepared(&guard, "two"));
        let before: u64 = (0..40).map(|_| send(&guard, &one, 1)).sum();
        let threads = [one.clone(), one.clone(), two.clone()].map(|prepared| {
            let guard = guard.clone();
            thread::spawn(move || {
                let sent = (0..6).map(|_| send(&guard, &prepared, 1)).sum();
                let now = used(&guard, &prepared);
                assert!((sent..=LIMIT).contains(&now));
                sent
            })
        });
        let clock = guard.clone();
        let later = thread::spawn(move || {
            thread::yield_now();
            clock.engine.kernel.clock.set(START_MS + HOUR_MS).unwrap();
            0
        });
        let out = before + sum(threads.into()) + sum(vec![later]);
        assert_eq!(out, 40 + 18);
        let of_second = used(&guard, &two);
        assert!(of_second <= out);
        assert_eq!(of_second + send_until_refused(&guard, &one, 1), LIMIT);
    });
}

/// Two engines that draw from one store: together they never send more than the limit (R-QTA-9).
#[test]
fn others_draw_from_the_same_store() {
    const LIMIT: u64 = 9;
    explore(schedules(), || {
        let (shared, guard) = tree(LIMIT);
        let threads = [(guard, 1), (open(&shared), 1), (open(&shared), 2)].map(|(guard, count)| {
            let prepared = prepared(&guard, "one");
            thread::spawn(move || send_until_refused(&guard, &prepared, count))
        });
        let out = sum(threads.into());
        assert!((LIMIT - 1..=LIMIT).contains(&out), "{out}");
    });
}
