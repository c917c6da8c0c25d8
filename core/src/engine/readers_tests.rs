//! Readers beside writers: a reader is stopped in the middle, and whoever writes meanwhile does not
//! wait for it; what a reader answers is of one commit, and is durable before it leaves.

use super::delegated::delegated;
use super::*;
use crate::access::request::Ctx;
use crate::api;
use crate::error::Code;
use crate::guard::Guard;
use crate::model::Id;
use crate::rules::account::Status;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;
use tenantry_store::{Batch, Order, Record, StoreError};

/// Long enough for whatever does not wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a thread tells that it has come, and waits until it may go on.
struct Gate {
    came: Sender<()>,
    go: Receiver<()>,
}

impl Gate {
    fn new() -> (Gate, Receiver<()>, Sender<()>) {
        let ((came, has_come), (let_go, go)) = (channel(), channel());
        (Gate { came, go }, has_come, let_go)
    }

    fn pass(self) {
        self.came.send(()).unwrap();
        self.go.recv_timeout(PATIENCE).unwrap();
    }
}

/// The threads that are to be stopped: at their next read, at the next sync, or when the next
/// commit was made.
#[derive(Default)]
struct Gates {
    reads: Mutex<BTreeMap<String, Gate>>,
    sync: Mutex<Vec<Gate>>,
    relieve: Mutex<Vec<Gate>>,
}

/// A store in memory that stops threads.
struct Stopping {
    inner: Box<dyn Backend>,
    gates: Arc<Gates>,
}

impl Stopping {
    fn stop_here(&self) {
        let gate = thread::current()
            .name()
            .and_then(|name| self.gates.reads.lock().remove(name));
        if let Some(gate) = gate {
            gate.pass();
        }
    }
}

impl Backend for Stopping {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.stop_here();
        self.inner.get(key)
    }
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.stop_here();
        self.inner.range(from, until, order, limit)
    }
    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        self.inner.commit(batch)
    }
    fn relieve(&self) {
        let gate = self.gates.relieve.lock().pop();
        if let Some(gate) = gate {
            gate.pass();
        }
        self.inner.relieve();
    }
    fn sync(&self, commit: u64) -> Result<(), StoreError> {
        let gate = self.gates.sync.lock().pop();
        if let Some(gate) = gate {
            gate.pass();
        }
        self.inner.sync(commit)
    }
    delegated! { (inner): last_commit, store_id, verify, close, abandon }
}

/// A handle on a store with the account `acme` and its owner `olga`.
fn stopping() -> (Arc<Guard>, Arc<Gates>) {
    let gates = Arc::new(Gates::default());
    let backend = Box::new(Stopping {
        inner: tenantry_store::memory().unwrap(),
        gates: gates.clone(),
    });
    let guard = Guard::of_engine_for_tests(
        Engine::on(backend, Path::new(":memory:"), &OpenOptions::default()).unwrap(),
    );
    let owner = json!({"user": "olga", "email": "olga@acme.example"});
    call(
        &guard,
        "accounts.create",
        json!({"id": "acme", "name": "Acme", "owner": owner}),
    );
    (Arc::new(guard), gates)
}

fn call(guard: &Guard, name: &str, request: Value) -> Value {
    let entry = crate::catalogue::find(name).unwrap();
    let answer = guard.enter(entry.effect, |engine| {
        (entry.run_json)(engine, &Actor::System, request.to_string().as_bytes())
    });
    serde_json::from_str(&answer.unwrap()).unwrap()
}

/// Runs an operation on a thread of its own; the answer comes over the channel.
fn begin(guard: &Arc<Guard>, thread: &str, name: &str, request: Value) -> Receiver<Value> {
    let (sender, answer) = channel();
    let (guard, name) = (guard.clone(), name.to_owned());
    thread::Builder::new()
        .name(thread.to_owned())
        .spawn(move || sender.send(call(&guard, &name, request)))
        .unwrap();
    answer
}

fn create_user(guard: &Arc<Guard>, id: &str) -> Receiver<Value> {
    let email = format!("{id}@acme.example");
    begin(
        guard,
        "writer",
        "users.create",
        json!({"id": id, "email": email}),
    )
}

/// R-QTA-16.
#[test]
fn a_write_does_not_wait_for_readers_nor_for_the_walk_over_the_store() {
    let (guard, gates) = stopping();
    let mut readers = Vec::new();
    for number in 0..16 {
        let (gate, has_come, let_go) = Gate::new();
        let name = format!("reader {number}");
        gates.reads.lock().insert(name.clone(), gate);
        let (operation, request) = match number {
            0 => ("store.verify", json!({})),
            1 => ("store.state_hash", json!({})),
            _ => ("accounts.get", json!({"account": "acme"})),
        };
        let answer = begin(&guard, &name, operation, request);
        has_come.recv_timeout(PATIENCE).unwrap();
        readers.push((answer, let_go));
    }
    let before = call(&guard, "store.state_hash", json!({}));
    // All sixteen are in the middle of their work until they are let go.
    for write in 0..3 {
        let written = create_user(&guard, &format!("user-{write}"));
        assert_eq!(
            written.recv_timeout(PATIENCE).unwrap()["id"],
            format!("user-{write}")
        );
    }
    let name = json!({"account": "acme", "name": "Changed"});
    call(&guard, "accounts.edit", name);
    for (number, (answer, let_go)) in readers.into_iter().enumerate() {
        let_go.send(()).unwrap();
        let answer = answer.recv_timeout(PATIENCE).unwrap();
        match number {
            0 => assert_eq!(answer["whole"], true),
            1 => assert_eq!(answer, before, "a reader sees what was there when it began"),
            _ => assert_eq!(answer["name"], "Acme"),
        }
    }
    let now = call(&guard, "accounts.get", json!({"account": "acme"}));
    assert_eq!(now["name"], "Changed");
}

#[test]
fn a_view_of_an_old_snapshot_is_not_kept() {
    // Once with a view in memory, and once where the reader has to build one.
    for is_known in [true, false] {
        let (guard, _) = stopping();
        let engine = &guard.engine;
        let cell = engine.cell(&Id::new("acme").unwrap()).unwrap();
        if is_known {
            cell.view(engine).unwrap();
        }
        let reading = engine.kernel.begin_reading();
        let request = json!({"account": "acme", "reason": "admin"});
        let held = begin(&guard, "writer", "accounts.hold", request);
        held.recv_timeout(PATIENCE).unwrap();
        let of_reader = cell.view(engine).unwrap().status;
        drop(reading);
        assert_eq!(
            (of_reader, cell.view(engine).unwrap().status),
            (Status::Active, Status::Suspended)
        );
    }
}

/// R-DUR-1.
#[test]
fn what_is_shown_is_durable_first() {
    let (guard, gates) = stopping();
    let ((first, _first_came, first_go), (second, second_came, second_go)) =
        (Gate::new(), Gate::new());
    *gates.sync.lock() = vec![second, first];
    let written = create_user(&guard, "ann");
    // The commit is made, and its sync is held back.
    let began = std::time::Instant::now();
    while guard
        .engine
        .kernel
        .tx()
        .get::<Value>(&keys::user(&Id::new("ann").unwrap()))
        .unwrap()
        .is_none()
    {
        assert!(began.elapsed() < PATIENCE);
        thread::yield_now();
    }
    let shown = begin(&guard, "reader", "users.get", json!({"user": "ann"}));
    // The reader waits for a sync of its own before it answers.
    second_came.recv_timeout(PATIENCE).unwrap();
    assert_eq!(shown.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(written.try_recv(), Err(TryRecvError::Empty));
    second_go.send(()).unwrap();
    assert_eq!(shown.recv_timeout(PATIENCE).unwrap()["id"], "ann");
    first_go.send(()).unwrap();
    written.recv_timeout(PATIENCE).unwrap();
    // What is durable is shown at once.
    let (third, third_came, _third_go) = Gate::new();
    gates.sync.lock().push(third);
    call(&guard, "users.get", json!({"user": "ann"}));
    assert_eq!(third_came.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn an_answer_that_is_given_again_is_durable_first() {
    let (guard, gates) = stopping();
    let claim = json!({"account": "acme", "limit": "contacts", "count": 1, "key": "once"});
    let ((first, first_came, first_go), (second, second_came, second_go)) =
        (Gate::new(), Gate::new());
    *gates.sync.lock() = vec![second, first];
    let one = begin(&guard, "one", "gauges.claim", claim.clone());
    first_came.recv_timeout(PATIENCE).unwrap();
    let other = begin(&guard, "other", "gauges.claim", claim);
    // It waits for a sync of its own.
    second_came.recv_timeout(PATIENCE).unwrap();
    assert_eq!(other.try_recv(), Err(TryRecvError::Empty));
    second_go.send(()).unwrap();
    first_go.send(()).unwrap();
    assert_eq!(
        one.recv_timeout(PATIENCE).unwrap(),
        other.recv_timeout(PATIENCE).unwrap()
    );
}

/// What an operation answers with what it is run with.
fn run<O: Operation + DeserializeOwned>(ctx: &mut Ctx<'_>, request: &Value) -> Value
where
    O::Answer: Serialize,
{
    let request: O = serde_json::from_value(request.clone()).unwrap();
    serde_json::to_value(request.run(ctx).unwrap()).unwrap()
}

/// Meters are as memory has them, and records as the snapshot has them: nobody is told of more
/// messages than the limit beside them allows, nor of a reservation as of messages that were sent.
#[test]
fn meters_and_records_are_told_of_one_moment() {
    let (guard, _) = stopping();
    let (engine, actor) = (&guard.engine, Actor::System);
    let write = |name: &str, request: Value| {
        let answer = begin(&guard, "writer", name, request);
        answer.recv_timeout(PATIENCE).unwrap()
    };
    let limit = |value: u64| {
        let limit = json!({"account": "acme", "limit": "email_per_month", "value": value});
        write("limits.set", limit);
    };
    let (usage, send) = (
        json!({"account": "acme"}),
        json!({"account": "acme", "count": 10}),
    );
    type Run = fn(&mut Ctx<'_>, &Value) -> Value;
    let looks: [(&str, Run, &Value); 4] = [
        ("usage.get", run::<api::usage::Get>, &usage),
        ("sending.explain", run::<api::sending::Explain>, &send),
        ("sending.what_if", run::<api::sending::WhatIf>, &send),
        ("sending.forecast", run::<api::sending::Forecast>, &send),
    ];
    for (name, look, request) in looks {
        limit(10);
        let reading = engine.kernel.begin_reading();
        let mut ctx = engine.reading(&actor);
        limit(20);
        let reserve = json!({"account": "acme", "count": 20, "life_ms": 600_000});
        let reserved = write("reservations.create", reserve);
        let answer = look(&mut ctx, request);
        drop(reading);
        assert_eq!(answer, call(&guard, name, request.clone()), "{name}");
        let release = json!({"account": "acme", "reservation": reserved["reservation"]});
        write("reservations.release", release);
    }
}

#[test]
fn no_reader_waits_while_a_commit_makes_room_in_memory() {
    let (guard, gates) = stopping();
    let (gate, has_come, let_go) = Gate::new();
    gates.relieve.lock().push(gate);
    let written = create_user(&guard, "ann");
    has_come.recv_timeout(PATIENCE).unwrap();
    let shown = begin(&guard, "reader", "users.get", json!({"user": "ann"}));
    assert_eq!(shown.recv_timeout(PATIENCE).unwrap()["id"], "ann");
    let_go.send(()).unwrap();
    written.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn an_account_that_was_deleted_since_is_still_there_for_who_reads() {
    let (guard, _) = stopping();
    let (engine, acme) = (&guard.engine, Id::new("acme").unwrap());
    let reading = engine.kernel.begin_reading();
    let deleted = begin(
        &guard,
        "writer",
        "accounts.delete",
        json!({"account": "acme"}),
    );
    deleted.recv_timeout(PATIENCE).unwrap();
    let view = engine.cell(&acme).unwrap().view(engine).unwrap();
    assert_eq!(view.status, Status::Active);
    drop(reading);
    assert_eq!(
        engine.cell(&acme).map(drop).unwrap_err().code(),
        Code::NotFound
    );
}

/// `cargo test -p tenantry --lib readers_tests::latencies -- --ignored --nocapture` prints how long
/// a write takes alone, beside 16 readers, and beside `store.verify`.
#[test]
#[ignore = "a measurement"]
fn latencies_of_a_write_beside_readers() {
    use std::sync::atomic::AtomicBool;
    let (guard, _) = stopping();
    for user in 0..5_000 {
        let id = format!("member-{user}");
        let email = format!("{id}@acme.example");
        call(&guard, "users.create", json!({"id": id, "email": email}));
    }
    let mut next = 0;
    for (what, operation, threads) in [
        ("alone", "accounts.get", 0),
        ("beside 16 readers", "accounts.get", 16),
        ("beside store.verify", "store.verify", 1),
    ] {
        let over = Arc::new(AtomicBool::new(false));
        let reads = Arc::new(AtomicU64::new(0));
        let readers: Vec<_> = (0..threads)
            .map(|_| {
                let (guard, over, reads) = (guard.clone(), over.clone(), reads.clone());
                thread::spawn(move || {
                    while !over.load(Ordering::Acquire) {
                        let request = match operation {
                            "accounts.get" => json!({"account": "acme"}),
                            _ => json!({}),
                        };
                        call(&guard, operation, request);
                        reads.fetch_add(1, Ordering::AcqRel);
                    }
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(100));
        let began = std::time::Instant::now();
        let (mut worst, mut writes) = (Duration::ZERO, 0_u32);
        while began.elapsed() < Duration::from_secs(5) {
            let one = std::time::Instant::now();
            let id = format!("written-{next}");
            let email = format!("{id}@acme.example");
            call(&guard, "users.create", json!({"id": id, "email": email}));
            worst = worst.max(one.elapsed());
            (next, writes) = (next + 1, writes + 1);
        }
        let mean = began.elapsed() / writes.max(1);
        over.store(true, Ordering::Release);
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
        let reads = reads.load(Ordering::Acquire);
        println!("{what}: {writes} writes, mean {mean:?}, worst {worst:?}; {reads} reads");
    }
}
