//! Several engines sell one limit: never more than it, and in the end all of it.

use super::common_store::{Common, Dice, NOON_MS, Process, set};
use crate::kernel::keys;
use crate::model::{Id, Meter};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn create(process: &Process, id: &str, parent: Option<&str>, per_day: u64) {
    let owner = json!({"user": format!("of-{id}"), "email": format!("{id}@x.example")});
    let limits = json!({"email_per_day": per_day});
    let mut account = json!({"id": id, "name": id, "owner": owner, "limits": limits});
    if let Some(parent) = parent {
        account["parent"] = parent.into();
    }
    process.call("accounts.create", account);
}

fn set_limit(process: &Process, value: u64) {
    let limit = json!({"account": "acme", "limit": "email_per_day", "value": value});
    process.call("limits.set", limit);
}

/// What the store has drawn of the limit of a day.
fn drawn(common: &Common) -> u64 {
    let account = Id::new("acme").unwrap();
    let value = common.value(&keys::meter(Some(&account), "email_per_day", "", ""));
    value.map_or(0, |value| {
        serde_json::from_slice::<Meter>(&value).unwrap().drawn
    })
}

fn used(process: &Process) -> u64 {
    let usage = process.call("usage.get", json!({"account": "acme"}));
    let windows = usage["windows"].as_array().unwrap();
    let day = windows
        .iter()
        .find(|window| window["limit"] == "email_per_day");
    day.unwrap()["used"].as_u64().unwrap()
}

fn admit(process: &Process, count: u64) -> u64 {
    process.store.admit("acme", None, count).unwrap().granted
}

/// N7: engines that send, close, open again and give back at random, one after the other: what is
/// used is never more than the limit, and exactly what went out once all have closed.
#[test]
fn a_limit_is_sold_once_in_any_order() {
    const LIMIT: u64 = 300;
    for seed in 0..15 {
        let mut dice = Dice(seed);
        let (common, mut all) = Common::processes(3);
        create(&all[0], "acme", None, LIMIT);
        let (mut sent, mut opened) = (0, 3);
        for _ in 0..400 {
            let at = dice.throw(3) as usize;
            match dice.throw(20) {
                0 => {
                    all[at].store.close().unwrap();
                    opened += 1;
                    all[at] = common.open(opened);
                }
                1 if sent > 5 => {
                    let back = dice.throw(5) + 1;
                    let request =
                        json!({"account": "acme", "count": back, "granted_at_ms": NOON_MS});
                    all[at].call("sending.refund", request);
                    sent -= back;
                }
                _ => sent += admit(&all[at], dice.throw(9) + 1),
            }
            assert!(
                sent <= LIMIT && drawn(&common) <= LIMIT,
                "{sent} of {LIMIT}, seed {seed}"
            );
            assert!(drawn(&common) >= sent, "seed {seed}");
        }
        all.iter()
            .for_each(|process| process.store.close().unwrap());
        assert_eq!(drawn(&common), sent, "seed {seed}");
        let last = common.open(99);
        assert_eq!(used(&last), sent);
        while admit(&last, 1) == 1 {
            sent += 1;
        }
        assert_eq!(sent, LIMIT);
    }
}

/// The same by many threads, whose next blocks are drawn beside them.
#[test]
fn a_limit_is_sold_once_by_many_threads() {
    const LIMIT: u64 = 20_000;
    let common = Arc::new(Common::default());
    let all: Vec<_> = (1..4_u64)
        .map(|seed| common.open_with(json!({"seed": seed << 32})))
        .collect();
    create(&all[0], "acme", None, LIMIT);
    create(&all[1], "kid", Some("acme"), LIMIT);
    let (sent, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for (at, process) in all.iter().enumerate() {
            for number in 0..2 {
                let (sent, is_over) = (&sent, &is_over);
                scope.spawn(move || {
                    let account = if number == 0 { "acme" } else { "kid" };
                    let sender = process.store.sender(account, None).unwrap();
                    let mut dice = Dice(at as u64 * 2 + number);
                    while !is_over.load(Ordering::Acquire) {
                        let granted = sender.admit(dice.throw(4) + 1).unwrap().granted;
                        let now = sent.fetch_add(granted, Ordering::AcqRel) + granted;
                        assert!(now <= LIMIT, "{now} of {LIMIT}");
                        if granted == 0 {
                            is_over.store(true, Ordering::Release);
                        }
                    }
                });
            }
        }
    });
    all.iter()
        .for_each(|process| process.store.close().unwrap());
    let mut sent = sent.into_inner();
    assert_eq!(drawn(&common), sent);
    let last = common.open_with(json!({"seed": 9}));
    assert_eq!(used(&last), sent);
    while admit(&last, 1) == 1 {
        sent += 1;
    }
    assert_eq!(sent, LIMIT);
}

/// A limit that one engine lowers while others send: what begins after that is refused where as
/// much went out before, and together no more goes out than is allowed then.
#[test]
fn a_lower_limit_counts_for_what_others_send() {
    for round in 0..25 {
        let common = Arc::new(Common::default());
        let options = |seed: u64| json!({"seed": seed << 32});
        let all: Vec<_> = (1..4).map(|seed| common.open_with(options(seed))).collect();
        create(&all[0], "acme", None, 100_000);
        let is_lower = AtomicBool::new(false);
        let (before, after) = (AtomicU64::new(0), AtomicU64::new(0));
        let lower = 200 + round * 20;
        std::thread::scope(|scope| {
            for process in &all[1..] {
                for _ in 0..2 {
                    let (is_lower, before, after) = (&is_lower, &before, &after);
                    scope.spawn(move || {
                        let sender = process.store.sender("acme", None).unwrap();
                        let mut refused = 0;
                        while refused < 3 {
                            let was_lower = is_lower.load(Ordering::Acquire);
                            let granted = sender.admit(1).unwrap().granted;
                            let sum = if was_lower { after } else { before };
                            sum.fetch_add(granted, Ordering::AcqRel);
                            refused += u64::from(granted == 0);
                        }
                    });
                }
            }
            while before.load(Ordering::Acquire) < 150 + round * 10 {
                std::thread::yield_now();
            }
            set_limit(&all[0], lower);
            is_lower.store(true, Ordering::Release);
        });
        let (before, after) = (before.into_inner(), after.into_inner());
        match before >= lower {
            true => assert_eq!(after, 0, "{before} before, of {lower}"),
            false => assert!(before + after <= lower, "{before} and {after} of {lower}"),
        }
    }
}

/// A limit is lowered between the draw of one engine and what it does then.
#[test]
fn what_was_drawn_under_an_older_limit_is_looked_at_again() {
    let (common, all) = Common::processes(2);
    let all = Arc::new(all);
    create(&all[0], "acme", None, 1000);
    let one = all[0].store.sender("acme", None).unwrap();
    let other = all[1].store.sender("acme", None).unwrap();
    assert_eq!(one.admit(30).unwrap().granted, 30);
    let between = all.clone();
    let refused = Arc::new(AtomicU64::new(9));
    let granted = refused.clone();
    set(&all[1].hooks.commit, move || {
        set_limit(&between[0], 40);
        // Whoever asks now knows nothing of the other's draw.
        let decision = between[0].store.admit("acme", None, 10).unwrap();
        granted.store(decision.granted, Ordering::Release);
    });
    let late = other.admit(8).unwrap().granted;
    let sent = 30 + late + refused.load(Ordering::Acquire);
    assert!(sent <= 40, "{sent}");
    assert!(drawn(&common) <= 40);
}

/// What one gives back, the next of another finds: of a refund, a reservation, a close.
#[test]
fn what_one_gives_back_another_sends() {
    let (common, mut all) = Common::processes(2);
    create(&all[0], "acme", None, 100);
    assert_eq!(admit(&all[0], 100), 100);
    let refused = |process: &Process| {
        (0..3).for_each(|_| assert_eq!(admit(process, 1), 0));
    };
    refused(&all[1]);
    let refund = json!({"account": "acme", "count": 7, "granted_at_ms": NOON_MS});
    all[0].call("sending.refund", refund);
    // Nothing was said here in between.
    assert_eq!(admit(&all[1], 1), 1);
    assert_eq!(used(&all[1]), 94);
    assert_eq!(admit(&all[1], 6), 6);
    refused(&all[0]);
    refused(&all[1]);

    let refund = json!({"account": "acme", "count": 5, "granted_at_ms": NOON_MS});
    all[0].call("sending.refund", refund);
    let reserve = json!({"account": "acme", "count": 5, "life_ms": 60_000});
    let reserved = all[1].call("reservations.create", reserve);
    refused(&all[0]);
    let release = json!({"account": "acme", "reservation": reserved["reservation"]});
    all[1].call("reservations.release", release);
    assert_eq!(admit(&all[0], 5), 5);
    refused(&all[0]);

    // Blocks are drawn, and not used.
    set_limit(&all[0], 10_000);
    (0..60).for_each(|_| assert_eq!(admit(&all[1], 1), 1));
    assert!(drawn(&common) > 160, "{}", drawn(&common));
    assert_eq!(admit(&all[0], 10_000 - 160), 0);
    all.pop().unwrap().store.close().unwrap();
    assert_eq!((drawn(&common), used(&all[0])), (160, 160));
    assert_eq!(admit(&all[0], 10_000 - 160), 10_000 - 160);
}

/// ADR 5: all blocks together are at most 2 % of the limit.
#[test]
fn blocks_are_the_smaller_the_more_processes_there_are() {
    const LIMIT: u64 = 40_000;
    for processes in [1, 2, 8] {
        let (common, all) = Common::processes(processes);
        create(&all[0], "acme", None, LIMIT);
        let senders: Vec<_> = all
            .iter()
            .map(|one| one.store.sender("acme", None).unwrap())
            .collect();
        let (mut sent, mut most) = (0, 0);
        for sender in senders.iter().cycle().take(16_000) {
            sent += sender.admit(1).unwrap().granted;
            most = most.max(drawn(&common) - sent);
        }
        assert!(
            most <= LIMIT / 50 && most > LIMIT / 200,
            "{most} with {processes}"
        );
    }
}

fn paced(process: &Process) {
    let cap = json!({"account": "acme", "id": "slowly", "scope": "account", "window": "hour",
        "limit": 3600, "burst": 10, "over": "spread"});
    process.call("caps.set", cap);
}

/// R-QTA-4: all processes together go no faster than one.
#[test]
fn a_pace_is_that_of_all_together() {
    let (common, mut all) = Common::processes(3);
    create(&all[0], "acme", None, 10_000);
    paced(&all[0]);
    let mut dice = Dice(1);
    let (mut sent, mut opened) = (0, 9);
    for second in 0..60 {
        all.iter()
            .for_each(|process| process.set_clock(NOON_MS + second * 1000));
        for _ in 0..20 {
            let at = dice.throw(3) as usize;
            if dice.throw(40) == 0 {
                // Whether it closes or ends as it is.
                if dice.throw(2) == 0 {
                    all[at].store.close().unwrap();
                }
                opened += 1;
                all[at] = common.open(opened);
                all[at].set_clock(NOON_MS + second * 1000);
            }
            sent += admit(&all[at], dice.throw(2) + 1);
        }
        // One in each second after the burst: nothing is lost, either.
        assert_eq!(sent, 10 + second, "after {second} s");
    }
    let from_ms = NOON_MS + 59 * 1000;
    let refund = json!({"account": "acme", "count": 4, "granted_at_ms": from_ms});
    all[0].call("sending.refund", refund);
    let more: u64 = (0..30).map(|at| admit(&all[at % 3], 1)).sum();
    assert_eq!(more, 4);
}

/// The same by threads at once, with the time of the system.
#[test]
fn a_pace_is_kept_by_threads() {
    let common = Arc::new(Common::default());
    let all: Vec<_> = (1..4_u64)
        .map(|seed| common.open_with(json!({"seed": seed << 32})))
        .collect();
    create(&all[0], "acme", None, 100_000);
    let cap = json!({"account": "acme", "id": "slowly", "scope": "account", "window": "hour",
        "limit": 360_000, "burst": 20, "over": "spread"});
    all[0].call("caps.set", cap);
    let began = std::time::Instant::now();
    let sent: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|at| {
                let process = &all[at % 3];
                scope.spawn(move || {
                    let mut sent = 0;
                    while began.elapsed().as_millis() < 500 {
                        match process.store.admit("acme", None, 1) {
                            Ok(decision) => sent += decision.granted,
                            Err(error) => assert_eq!(error.code(), crate::Code::Busy),
                        }
                    }
                    sent
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    // A hundred in a second.
    let most = 20 + began.elapsed().as_millis() as u64 / 10 + 1;
    assert!(sent <= most, "{sent} of {most}");
    assert!(sent > 20 + 10, "{sent} of {most}");
}

/// The counters of a tree that is taken apart in one process are given back in the others.
#[test]
fn other_locks_guard_the_meters_in_every_process() {
    let (common, all) = Common::processes(2);
    create(&all[0], "acme", None, 10_000);
    create(&all[1], "kid", Some("acme"), 10_000);
    let senders: Vec<_> = all
        .iter()
        .map(|one| one.store.sender("kid", None).unwrap())
        .collect();
    let send = |times: usize| -> u64 {
        let turns = senders.iter().cycle().take(times);
        turns.map(|sender| sender.admit(1).unwrap().granted).sum()
    };
    assert_eq!(send(100), 100);
    let cap = json!({"id": "all", "scope": "account", "window": "day", "limit": 100_000});
    all[0].call("caps.set", cap);
    assert_eq!(send(100), 100);
    assert_eq!(all[0].call("store.verify", json!({}))["damaged"], json!([]));
    let delete = json!({"account": "acme", "children": "detach"});
    all[1].call("accounts.delete", delete);
    assert_eq!(send(100), 100);
    assert_eq!(drawn(&common), 0);
    all.iter()
        .for_each(|process| process.store.close().unwrap());
    let last = common.open(7);
    let usage = last.call("usage.get", json!({"account": "kid"}));
    let windows = usage["windows"].as_array().unwrap();
    let day: &Value = windows
        .iter()
        .find(|window| window["limit"] == "email_per_day")
        .unwrap();
    assert_eq!(day["used"], 300);
    assert_eq!(last.call("store.verify", json!({}))["damaged"], json!([]));
}

/// Something is deleted that a send is charged to, between its look at the counters and the commit
/// that makes their records: who is left sends on, by what counts then.
#[test]
fn a_send_that_is_overtaken_is_decided_anew() {
    let cap = json!({"account": "kid", "id": "few", "scope": "account", "window": "day",
        "limit": 1000});
    for (meanwhile, request, granted) in [
        (
            "accounts.delete",
            json!({"account": "kid"}),
            Err(crate::Code::NotFound),
        ),
        (
            "accounts.delete",
            json!({"account": "acme", "children": "detach"}),
            Ok(1),
        ),
        (
            "caps.remove",
            json!({"account": "kid", "cap": "few"}),
            Ok(1),
        ),
        (
            "accounts.hold",
            json!({"account": "kid", "reason": "abuse"}),
            Ok(0),
        ),
    ] {
        let (_, all) = Common::processes(2);
        let all = Arc::new(all);
        create(&all[0], "acme", None, 1000);
        create(&all[0], "kid", Some("acme"), 1000);
        all[0].call("caps.set", cap.clone());
        let between = all.clone();
        let change = request.clone();
        set(&all[1].hooks.commit, move || {
            between[0].call(meanwhile, change);
        });
        let decision = all[1].store.admit("kid", None, 1);
        let answer = decision
            .map(|decision| decision.granted)
            .map_err(|error| error.code());
        let is_before = meanwhile == "accounts.hold" && answer == Ok(1);
        assert!(
            answer == granted || is_before,
            "{meanwhile} {request}: {answer:?}"
        );
        assert_eq!(all[1].call("store.verify", json!({}))["damaged"], json!([]));
    }
}
