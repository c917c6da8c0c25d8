//! What an operation asks the store for: nothing twice, nothing that cannot be there, and at once
//! what is listed.

use super::delegated::delegated;
use super::*;
use crate::error::Code;
use crate::kernel::snapshot::Reads;
use crate::model::Id;
use crate::tables::limits::{all_promised, promised_key};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tenantry_store::{Batch, Order, Record, StoreError};

/// Most reads of a page of 50 users.
const MOST_FOR_A_PAGE: usize = 60;

/// What the store was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Key(String),
    Keys(Vec<String>),
    Range(String, String),
}

type Log = Arc<Mutex<Vec<Asked>>>;

/// A store that keeps what it is asked for.
struct Recording {
    inner: Arc<dyn Backend>,
    log: Log,
}

fn shown(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

impl Backend for Recording {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.log.lock().push(Asked::Key(shown(key)));
        self.inner.get(key)
    }
    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, StoreError> {
        let shown = keys.iter().map(|key| shown(key)).collect();
        self.log.lock().push(Asked::Keys(shown));
        self.inner.get_many(keys)
    }
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.log
            .lock()
            .push(Asked::Range(shown(from), shown(until)));
        self.inner.range(from, until, order, limit)
    }
    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        self.inner.commit(batch)
    }
    delegated! { (inner): sync, last_commit, store_id, verify }
    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn abandon(&self) {}
}

struct Platform {
    engine: Arc<Engine>,
    log: Log,
}

fn memory() -> Arc<dyn Backend> {
    tenantry_store::memory().unwrap().into()
}

impl Platform {
    /// The account `acme` and the account `sub` below it, each with an owner, and a role.
    fn new() -> Platform {
        let platform = Platform::on(memory(), &OpenOptions::default());
        platform.call(
            "roles.create",
            json!({"id": "sender", "name": "Sender", "allow": [{"permission": "campaigns"}]}),
        );
        platform.call(
            "packages.create",
            json!({"id": "tier", "name": "Tier", "limits": {"email_per_day": 1000}}),
        );
        for (id, parent) in [("acme", Value::Null), ("sub", json!("acme"))] {
            platform.call(
                "accounts.create",
                json!({"id": id, "name": "A", "package": "tier", "parent": parent,
                    "owner": {"user": format!("o-{id}"), "email": format!("{id}@owners.example")}}),
            );
        }
        platform
    }

    fn on(store: Arc<dyn Backend>, options: &OpenOptions) -> Platform {
        let log = Log::default();
        let backend = Box::new(Recording {
            inner: store,
            log: log.clone(),
        });
        let engine = Engine::on(backend, Path::new(":memory:"), options).unwrap();
        Platform { engine, log }
    }

    fn try_call(&self, actor: &Actor, operation: &str, request: &Value) -> Result<Value, Error> {
        let entry = crate::catalogue::find(operation).unwrap();
        let answer = (entry.run_json)(&self.engine, actor, request.to_string().as_bytes())?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    fn call(&self, operation: &str, request: Value) -> Value {
        self.try_call(&Actor::System, operation, &request)
            .unwrap_or_else(|error| panic!("{operation} {request}: {error}"))
    }

    /// What a call asks the store for, and its answer.
    fn asked(&self, operation: &str, request: Value) -> (Vec<Asked>, Value) {
        self.log.lock().clear();
        let answer = self.call(operation, request);
        (std::mem::take(&mut *self.log.lock()), answer)
    }
}

fn owner() -> Actor {
    let id = |text| Id::new(text).unwrap();
    Actor::in_account(id("o-acme"), id("acme"), None)
}

#[test]
fn a_page_of_50_users_takes_at_most_60_reads() {
    let platform = Platform::new();
    for number in 0..60 {
        let account = if number % 2 == 0 { "acme" } else { "sub" };
        platform.call(
            "members.add",
            json!({"account": account, "email": format!("u{number:02}@members.example"),
                "role": "sender"}),
        );
    }
    let by_host = Actor::System;
    let by_owner = owner();
    for (actor, operation, request) in [
        (&by_host, "users.list", json!({})),
        (&by_host, "users.list", json!({"order": "name"})),
        (&by_host, "users.list", json!({"account": "acme"})),
        (&by_host, "users.list", json!({"search": "u"})),
        (&by_owner, "users.list", json!({"order": "name"})),
        (
            &by_host,
            "members.list",
            json!({"account": "acme", "limit": 25}),
        ),
        (
            &by_host,
            "members.list",
            json!({"account": "acme", "order": "email", "limit": 25}),
        ),
    ] {
        // What is kept in memory of the actor is there.
        platform.try_call(actor, operation, &request).unwrap();
        platform.log.lock().clear();
        let answer = platform.try_call(actor, operation, &request).unwrap();
        let reads = platform.log.lock().len();
        println!("{operation} {request} by {}: {reads} reads", actor.label());
        let items = answer
            .as_object()
            .unwrap()
            .values()
            .find_map(Value::as_array);
        let most = request["limit"].as_u64().unwrap_or(50) as usize;
        assert_eq!(items.map(Vec::len), Some(most), "{operation} {request}");
        assert!(
            reads <= MOST_FOR_A_PAGE * most / 50,
            "{operation} {request}: {reads} reads"
        );
    }
}

/// What a change of a limit answers of guarantees is read by one range.
#[test]
fn limits_set_looks_at_no_absent_counts_one_by_one() {
    let platform = Platform::new();
    let request = json!({"account": "acme", "limit": "seats", "value": 7});
    let (asked, _) = platform.asked("limits.set", request);
    let counts: Vec<_> = asked
        .iter()
        .filter(|asked| matches!(asked, Asked::Key(key) if key.contains("guaranteed")))
        .collect();
    let own = Asked::Key(shown(&promised_key(
        &Id::new("acme").unwrap(),
        crate::model::LimitName::Seats,
    )));
    assert_eq!(counts, [&own], "{asked:#?}");
    assert!(asked.len() <= 9, "{} reads: {asked:#?}", asked.len());
}

#[test]
fn an_id_that_is_made_costs_no_reads() {
    let platform = Platform::new();
    for (operation, request, place) in [
        (
            "groups.create",
            json!({"account": "acme", "name": "G"}),
            "/id",
        ),
        (
            "members.add",
            json!({"account": "acme", "email": "bob@members.example", "role": "sender"}),
            "/user",
        ),
        ("roles.create", json!({"name": "R"}), "/id"),
    ] {
        let (asked, answer) = platform.asked(operation, request);
        let id = answer.pointer(place).and_then(Value::as_str).unwrap();
        let of_it: Vec<_> = asked
            .iter()
            .filter(|asked| format!("{asked:?}").contains(id))
            .collect();
        assert!(of_it.is_empty(), "{operation}: {of_it:#?}");
    }
}

/// What was put, taken out and counted is the same as where all is read.
#[test]
fn what_an_id_that_is_made_names_is_read_back() {
    let platform = Platform::new();
    let group = platform.call("groups.create", json!({"account": "acme", "name": "G"}));
    let members = json!({"account": "acme", "email": "bob@members.example", "role": "sender"});
    let member = platform.call("members.add", members);
    let moved = json!({"account": "acme", "group": group["id"], "users": [member["user"]]});
    platform.call("groups.add_members", moved);
    let group = platform.call(
        "groups.get",
        json!({"account": "acme", "group": group["id"]}),
    );
    assert_eq!(group["members"], json!(1));
    let found = platform.call("store.verify", json!({}));
    assert_eq!(found["damaged"], json!([]), "{found}");
}

/// With a seed the same ids come again in a store that is opened again: they are looked up, and
/// refused, so that nothing is written over.
#[test]
fn an_id_of_a_seed_is_never_given_twice_within_a_store() {
    let options: OpenOptions =
        serde_json::from_value(json!({"clock": {"manual_ms": 1_781_524_800_000_u64}, "seed": 7}))
            .unwrap();
    let store = memory();
    let request = json!({"name": "R"});
    let first = Platform::on(store.clone(), &options).call("roles.create", request.clone());
    let again = Platform::on(store, &options);
    let refused = again.try_call(&Actor::System, "roles.create", &request);
    assert_eq!(refused.unwrap_err().code(), Code::IdTaken);
    let other = again.call("roles.create", request);
    assert_ne!(first["id"], other["id"]);
}

#[test]
fn nothing_is_read_twice_within_one_operation() {
    let platform = Platform::new();
    for (operation, request) in [
        (
            "limits.set",
            json!({"account": "sub", "limit": "seats", "value": 5}),
        ),
        ("groups.create", json!({"account": "acme", "name": "G"})),
        (
            "groups.rename",
            json!({"account": "acme", "group": "default", "name": "G"}),
        ),
        (
            "members.add",
            json!({"account": "acme", "user": "bob", "email": "bob@m.example", "role": "sender"}),
        ),
        ("limits.explain", json!({"account": "sub"})),
        ("users.list", json!({})),
        ("members.list", json!({"account": "acme"})),
    ] {
        let (asked, _) = platform.asked(operation, request);
        let mut times = BTreeMap::<Asked, usize>::new();
        for one in asked {
            let single = match one {
                Asked::Keys(keys) => keys.into_iter().map(Asked::Key).collect(),
                other => vec![other],
            };
            single
                .into_iter()
                .for_each(|one| *times.entry(one).or_default() += 1);
        }
        times.retain(|_, times| *times > 1);
        assert!(times.is_empty(), "{operation}: {times:#?}");
    }
}

/// Reads as `read` does, lets another write at `key`, and commits.
fn commit_after(key: &[u8], read: impl Fn(&mut Tx<'_>)) -> Result<u64, CommitError> {
    let store = memory();
    let mut tx = Tx::new(&*store, 0);
    read(&mut tx);
    tx.mark(b"a\0own".to_vec());
    let mut other = Tx::new(&*store, 0);
    other.put(key.to_vec(), &1_u64).unwrap();
    store.commit(&other.finish().0.unwrap()).unwrap();
    store.commit(&tx.finish().0.unwrap())
}

/// What is read by one range, fetched with others, or known without reading is relied on like what
/// is read one by one: also that there was nothing.
#[test]
fn what_was_absent_when_it_was_read_at_once_conflicts_with_who_writes_it() {
    let acme = Id::new("acme").unwrap();
    let seats = promised_key(&acme, crate::model::LimitName::Seats);
    let group = keys::group(&acme, &Id::new("made").unwrap());
    let all = |tx: &mut Tx<'_>| drop(all_promised(tx, &acme).unwrap());
    assert_eq!(commit_after(&seats, all), Err(CommitError::Conflict));
    assert!(
        commit_after(&group, all).is_ok(),
        "it lies beside the range"
    );
    let fetched = |tx: &mut Tx<'_>| tx.fetch([seats.clone(), keys::account(&acme)]).unwrap();
    assert_eq!(commit_after(&seats, fetched), Err(CommitError::Conflict));
    let made = |tx: &mut Tx<'_>| {
        tx.is_new(&Id::new("made").unwrap());
        assert!(!tx.has(&group).unwrap());
    };
    assert_eq!(commit_after(&group, made), Err(CommitError::Conflict));
    let made = |tx: &mut Tx<'_>| {
        tx.is_new(&Id::new("made").unwrap());
        let (from, until) = keys::range(keys::GROUP, &["acme", "made"]);
        assert!(tx.range::<u64>(&from, &until, 9).unwrap().is_empty());
    };
    let below = [group.as_slice(), b"\0x"].concat();
    assert_eq!(commit_after(&below, made), Err(CommitError::Conflict));
}

/// A range that only begins at an id that was made goes on behind it.
#[test]
fn what_lies_behind_a_new_id_is_read() {
    let store = memory();
    let [acme, new, other] = ["acme", "m", "z"].map(|id| Id::new(id).unwrap());
    let mut tx = Tx::new(&*store, 0);
    tx.put(keys::group(&acme, &other), &1_u64).unwrap();
    store.commit(&tx.finish().0.unwrap()).unwrap();
    let mut tx = Tx::on(Reads::newest(&*store), 0);
    tx.is_new(&new);
    let (_, until) = keys::range(keys::GROUP, &["acme"]);
    let from = keys::group(&acme, &new);
    assert_eq!(tx.range::<u64>(&from, &until, 9).unwrap().len(), 1);
}
