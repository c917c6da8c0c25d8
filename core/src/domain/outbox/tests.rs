//! R-OUT-1: every consumer gets every message, in order, until it has acknowledged it.

use crate::access::operation::Operation;
use crate::access::state::Engine;
use crate::api;
use crate::api::outbox::{Ack, Clear, Consumers, Dead, Fail, Forget, Read, Retry, Revive, Take};
use crate::error::Code;
use crate::model::{self, Actor, OutboxKind};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

fn engine(messages: usize) -> Arc<Engine> {
    let engine = Engine::open(
        Path::new(":memory:"),
        &serde_json::from_str(r#"{"clock": {"manual_ms": 1000}, "seed": 1}"#).unwrap(),
    )
    .unwrap();
    run::<api::accounts::Create>(
        &engine,
        json!({"id": "acme", "name": "Acme",
        "owner": {"user": "ann", "email": "ann@acme.example"}}),
    )
    .unwrap();
    tell(&engine, 0, messages);
    engine
}

/// Each campaign that is stopped is a message.
fn tell(engine: &Engine, from: usize, until: usize) {
    for number in from..until {
        run::<api::campaigns::Stop>(
            engine,
            json!({"account": "acme", "campaign": format!("c{number}")}),
        )
        .unwrap();
    }
}

fn run<O: Operation>(engine: &Engine, request: Value) -> Result<O::Answer, Code> {
    let answer = engine
        .run(
            &Actor::System,
            serde_json::from_value::<O>(request).unwrap(),
        )
        .map_err(|error| error.code());
    assert_eq!(
        crate::tables::check::check(&*engine.kernel.backend, 10).unwrap(),
        []
    );
    answer
}

fn take(engine: &Engine, request: Value) -> Vec<(u64, u64)> {
    let taken = run::<Take>(engine, request).unwrap();
    taken
        .messages
        .iter()
        .map(|one| (one.message.number, one.deliveries))
        .collect()
}

fn at(engine: &Engine, now_ms: u64) {
    run::<api::clock::Set>(engine, json!({"now_ms": now_ms})).unwrap();
}

#[test]
fn a_message_comes_again_until_it_is_acknowledged() {
    let engine = engine(3);
    let mails = || json!({"consumer": "mails", "limit": 2, "hold_ms": 100});
    assert_eq!(take(&engine, mails()), [(1, 1), (2, 1)]);
    assert_eq!(take(&engine, mails()), [(3, 1)]);
    assert_eq!(take(&engine, mails()), []);
    run::<Ack>(&engine, json!({"consumer": "mails", "numbers": [2, 2]})).unwrap();
    assert_eq!(
        run::<Take>(&engine, mails()).unwrap().retry_at_ms,
        Some(1100)
    );
    at(&engine, 1100);
    assert_eq!(take(&engine, mails()), [(1, 2), (3, 2)]);
    let settled = run::<Ack>(&engine, json!({"consumer": "mails", "numbers": [1, 2, 3]})).unwrap();
    assert_eq!((settled.settled, settled.open), (2, 0));
    at(&engine, 9999);
    assert_eq!(take(&engine, mails()), []);
    assert_eq!(
        run::<Ack>(&engine, json!({"consumer": "mails", "numbers": [4]})).unwrap_err(),
        Code::NotTaken
    );
    // Another consumer knows nothing of all that.
    assert_eq!(
        take(&engine, json!({"consumer": "log"})),
        [(1, 1), (2, 1), (3, 1)]
    );
}

#[test]
fn what_was_given_too_often_is_dead_and_can_be_revived() {
    let engine = engine(2);
    let mails = || json!({"consumer": "mails", "limit": 1, "hold_ms": 10, "tries": 2});
    assert_eq!(take(&engine, mails()), [(1, 1)]);
    at(&engine, 2000);
    assert_eq!(take(&engine, mails()), [(1, 2)]);
    at(&engine, 3000);
    assert_eq!(take(&engine, mails()), [(2, 1)]);
    run::<Fail>(
        &engine,
        json!({"consumer": "mails", "numbers": [2], "reason": "no such host"}),
    )
    .unwrap();
    let dead = run::<Dead>(&engine, json!({"consumer": "mails"}))
        .unwrap()
        .messages;
    assert_eq!(
        dead.iter()
            .map(|one| (one.message.number, one.deliveries, one.reason.is_some()))
            .collect::<Vec<_>>(),
        [(1, 2, false), (2, 1, true)]
    );
    assert_eq!(
        run::<Clear>(&engine, json!({})).unwrap().cleared,
        0,
        "a dead message is not done"
    );
    assert_eq!(
        run::<Revive>(&engine, json!({"consumer": "mails", "numbers": [3]})).unwrap_err(),
        Code::NotFound
    );
    run::<Revive>(&engine, json!({"consumer": "mails", "numbers": [1]})).unwrap();
    assert_eq!(take(&engine, mails()), [(1, 1)]);
    run::<Retry>(
        &engine,
        json!({"consumer": "mails", "numbers": [1], "after_ms": 0}),
    )
    .unwrap();
    assert_eq!(take(&engine, mails()), [(1, 2)]);
    let forgotten = run::<Forget>(&engine, json!({"consumer": "mails"})).unwrap();
    assert_eq!((forgotten.open, forgotten.dead), (1, 1));
    assert_eq!(run::<Consumers>(&engine, json!({})).unwrap().consumers, []);
    assert_eq!(run::<Clear>(&engine, json!({})).unwrap().cleared, 2);
}

#[test]
fn what_every_consumer_has_acknowledged_may_be_cleared() {
    let engine = engine(3);
    for consumer in ["one", "two"] {
        take(&engine, json!({"consumer": consumer}));
    }
    run::<Ack>(&engine, json!({"consumer": "one", "numbers": [1, 2, 3]})).unwrap();
    run::<Ack>(&engine, json!({"consumer": "two", "numbers": [1, 3]})).unwrap();
    let list = run::<Consumers>(&engine, json!({})).unwrap();
    let shown: Vec<_> = list
        .consumers
        .iter()
        .map(|one| (one.consumer.as_str(), one.taken_to, one.done_to, one.open))
        .collect();
    assert_eq!(
        (shown, list.last),
        (vec![("one", 3, 3, 0), ("two", 3, 1, 1)], 3)
    );
    assert_eq!(run::<Clear>(&engine, json!({})).unwrap().cleared, 1);
    assert_eq!(
        run::<Read>(&engine, json!({})).unwrap().messages[0].number,
        2
    );
    run::<Ack>(&engine, json!({"consumer": "two", "numbers": [2]})).unwrap();
    assert_eq!(
        run::<Clear>(&engine, json!({"before_ms": 1000}))
            .unwrap()
            .cleared,
        0
    );
    assert_eq!(
        run::<Clear>(&engine, json!({"up_to": 2})).unwrap().cleared,
        1
    );
    assert_eq!(run::<Clear>(&engine, json!({})).unwrap().cleared, 1);
    tell(&engine, 3, 4);
    assert_eq!(
        take(&engine, json!({"consumer": "one"})),
        [(4, 1)],
        "numbers go on"
    );
}

/// What is kept of a consumer has a bound.
#[test]
fn nobody_has_more_than_a_thousand_open_messages() {
    let engine = Engine::open(
        Path::new(":memory:"),
        &serde_json::from_str(r#"{"clock": {"manual_ms": 1000}, "seed": 1}"#).unwrap(),
    )
    .unwrap();
    let told = engine.commit_durably(&Actor::System, None, |ctx| {
        for _ in 0..1500 {
            ctx.enqueue_message(&model::OutboxMessage::about(
                OutboxKind::StopCampaign,
                None,
                0,
            ))?;
        }
        Ok(())
    });
    told.unwrap();
    let mut numbers = Vec::new();
    for expected in [500, 500, 0] {
        let taken = take(&engine, json!({"consumer": "mails", "limit": 500}));
        assert_eq!(taken.len(), expected);
        numbers.extend(taken.into_iter().map(|(number, _)| number));
    }
    run::<Ack>(
        &engine,
        json!({"consumer": "mails", "numbers": numbers[900..1000]}),
    )
    .unwrap();
    assert_eq!(
        take(&engine, json!({"consumer": "mails", "limit": 500})).len(),
        100
    );
}

/// Whoever waits is woken by any commit that holds a message, also one that a send makes, and by
/// closing.
#[test]
fn who_waits_is_woken() {
    use std::time::{Duration, Instant};
    let long = Duration::from_secs(60);
    let t = crate::Tenantry::open(":memory:", crate::OpenOptions::default()).unwrap();
    let call = |operation: &str, request: Value| {
        drop(
            t.call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
                .unwrap(),
        )
    };
    let owner = json!({"user": "ann", "email": "ann@acme.example"});
    call(
        "accounts.create",
        json!({"id": "acme", "name": "Acme", "owner": owner, "limits": {"email_per_day": 10}}),
    );
    assert_eq!(t.wait_outbox(0, Duration::ZERO).unwrap(), None);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let store = &t;
        let waits = |after| scope.spawn(move || t_wait(store, after, long));
        let first = waits(0);
        std::thread::sleep(Duration::from_millis(50));
        call(
            "campaigns.stop",
            json!({"account": "acme", "campaign": "spring"}),
        );
        assert_eq!(first.join().unwrap(), Ok(Some(1)));
        let second = waits(1);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(t.admit("acme", None, 9).unwrap().granted, 9);
        assert_eq!(
            second.join().unwrap(),
            Ok(Some(2)),
            "a threshold was reached"
        );
        let third = waits(2);
        std::thread::sleep(Duration::from_millis(50));
        t.close().unwrap();
        assert_eq!(third.join().unwrap(), Err(Code::Closed));
    });
    assert!(began.elapsed() < long);
}

fn t_wait(
    t: &crate::Tenantry,
    after: u64,
    timeout: std::time::Duration,
) -> Result<Option<u64>, Code> {
    t.wait_outbox(after, timeout).map_err(|error| error.code())
}
