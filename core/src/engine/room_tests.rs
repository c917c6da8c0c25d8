//! Counters, paces and accounts make room in memory for others (20.4).

use crate::Tenantry;
use crate::access::state::Engine;
use crate::meters::Ask;
use crate::model::{Channel, MessageInput};
use serde_json::{Value, json};
use std::sync::Arc;

/// 2026-06-15T12:00:00Z
pub(crate) const NOON_MS: u64 = 1_781_524_800_000;
pub(crate) const HOUR_MS: u64 = 3_600_000;

pub(crate) fn call(store: &Tenantry, operation: &str, request: Value) -> Value {
    let answer = store
        .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
        .unwrap_or_else(|error| panic!("{operation}: {error:?}"));
    serde_json::from_str(&answer).unwrap()
}

pub(crate) fn engine(store: &Tenantry) -> &Arc<Engine> {
    &store.guard_for_tests().engine
}

/// `acme`, with little memory, and a cap for each domain that it sends to.
pub(crate) fn store(window: &str, limit: u64, over: &str) -> Tenantry {
    let options = json!({"clock": {"manual_ms": NOON_MS}, "seed": 1, "cache_mib": 1});
    let store = Tenantry::open_json(":memory:", options.to_string().as_bytes()).unwrap();
    let owner = json!({"user": "olga", "email": "olga@acme.example"});
    call(
        &store,
        "accounts.create",
        json!({"id": "acme", "name": "Acme", "owner": owner}),
    );
    let cap = json!({"account": "acme", "id": "domains", "scope": "recipient_domain",
        "window": window, "limit": limit, "over": over});
    call(&store, "caps.set", cap);
    store
}

pub(crate) fn domain(number: usize) -> String {
    format!("d{number}.example")
}

pub(crate) fn send(store: &Tenantry, number: usize, count: u64) -> u64 {
    let message: MessageInput =
        serde_json::from_value(json!({"recipient_domain": domain(number)})).unwrap();
    let (engine, ask) = (engine(store), Ask::exact(count));
    let cell = engine.cell_by_text("acme").unwrap();
    crate::sending::decide::admit(engine, &cell, None, Channel::Email, &message, ask)
        .unwrap()
        .granted
}

fn send_until_refused(store: &Tenantry, number: usize) -> u64 {
    std::iter::from_fn(|| Some(send(store, number, 1)).filter(|granted| *granted > 0)).sum()
}

fn used(store: &Tenantry, limit: &str) -> u64 {
    let usage = call(store, "usage.get", json!({"account": "acme"}));
    let windows = usage["windows"].as_array().unwrap();
    let is_it = |window: &&Value| window["limit"] == limit;
    windows.iter().find(is_it).unwrap()["used"]
        .as_u64()
        .unwrap()
}

/// A cap for each domain, and 20,000 of them (20.4): memory holds as many counters as it has
/// room for, and what goes gives back what it did not use: each limit is sold to the last unit,
/// and no further.
#[test]
fn counters_make_room_for_others() {
    const DOMAINS: usize = 20_000;
    const LIMIT: u64 = 150;
    let store = store("day", LIMIT, "reject");
    let room = engine(&store).views.room.clone();
    let sender = store.sender("acme", None).unwrap();
    let mut sent = 0;
    let mut most = 0;
    for number in 0..DOMAINS {
        // Blocks of 1, 2 and 3, of which one is left.
        let times = if number % 40 == 0 { 5 } else { 1 };
        sent += (0..times).map(|_| send(&store, number, 1)).sum::<u64>();
        most = most.max(room.taken());
        if number % 100 == 0 {
            assert_eq!(sender.admit(1).unwrap().granted, 1);
            sent += 1;
        }
    }
    // Whoever takes the last place makes room at once.
    assert_eq!(most, room.most_for_tests() - 1);
    for number in (0..DOMAINS).step_by(1000) {
        let before = if number % 40 == 0 { 5 } else { 1 };
        assert_eq!(send_until_refused(&store, number), LIMIT - before);
        sent += LIMIT - before;
    }
    for limit in ["email_per_hour", "email_per_day", "email_per_month"] {
        assert_eq!(used(&store, limit), sent);
    }
}

/// The same of paces, which go on where they were.
#[test]
fn paces_make_room_for_others() {
    let store = store("hour", 1, "spread");
    let room = engine(&store).views.room.clone();
    for number in 0..3000 {
        assert_eq!(send(&store, number, 1), 1);
    }
    assert!(room.taken() <= room.most_for_tests());
    for number in (0..3000).step_by(100) {
        assert_eq!(send(&store, number, 1), 0, "{number} has no turn yet");
    }
    call(&store, "clock.set", json!({"now_ms": NOON_MS + HOUR_MS}));
    for number in (0..3000).step_by(100) {
        assert_eq!((send(&store, number, 1), send(&store, number, 1)), (1, 0));
    }
}

/// Accounts that hold unspent blocks make room as well, and what they hold comes back.
#[test]
fn accounts_with_unspent_blocks_make_room() {
    let options = json!({"clock": {"manual_ms": NOON_MS}, "seed": 1, "cache_mib": 1});
    let store = Tenantry::open_json(":memory:", options.to_string().as_bytes()).unwrap();
    let accounts = 600;
    for number in 0..accounts {
        let owner = json!({"user": format!("o{number}"), "email": format!("o{number}@x.example")});
        let account = json!({"id": format!("a{number}"), "name": "A", "owner": owner,
            "limits": {"email_per_day": 500}});
        call(&store, "accounts.create", account);
        for _ in 0..5 {
            let account = format!("a{number}");
            assert_eq!(store.admit(&account, None, 1).unwrap().granted, 1);
        }
    }
    let cells = engine(&store).views.cells.teams().len();
    assert!(cells <= 16 * 16 + 1, "{cells} teams are in memory");
    let room = &engine(&store).views.room;
    assert!(
        room.taken() <= 3 * cells,
        "{} counters of {cells} teams",
        room.taken()
    );
    for number in (0..accounts).step_by(50) {
        let account = format!("a{number}");
        assert_eq!(store.admit(&account, None, 495).unwrap().granted, 495);
        assert_eq!(store.admit(&account, None, 1).unwrap().granted, 0);
    }
}

/// While a send is under way its counters keep their places, however many others need room.
#[test]
fn who_holds_counters_keeps_them() {
    const LIMIT: u64 = 5;
    let store = store("day", LIMIT, "reject");
    let engine = engine(&store);
    let message: MessageInput =
        serde_json::from_value(json!({"recipient_domain": domain(0)})).unwrap();
    let cell = engine.cell_by_text("acme").unwrap();
    let held = cell
        .sending(engine, None, Channel::Email, &message)
        .unwrap();
    let mut granted = held.charge(&**engine, Ask::exact(1)).unwrap().granted;
    for number in 1..5000 {
        assert_eq!(send(&store, number, 1), 1);
    }
    for _ in 0..LIMIT {
        granted += held.charge(&**engine, Ask::exact(1)).unwrap().granted;
    }
    assert_eq!(granted, LIMIT);
    assert_eq!(send(&store, 0, 1), 0);
}
