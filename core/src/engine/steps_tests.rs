//! R-QTA-16: large work goes in bounded steps, each whole, and goes on after a crash; what is only
//! forgotten holds nobody up.

use super::delegated::delegated;
use super::*;
use crate::catalogue;
use crate::domain::accounts::erase;
use crate::domain::due;
use crate::error::Code;
use crate::guard::Guard;
use crate::kernel::due::NEVER;
use crate::kernel::keys::{self, Prefix};
use crate::meters::Ask;
use crate::model::{Actor, Channel, Id};
use crate::tables::check::check;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tenantry_store::{Batch, Order, Record, StoreError};

/// 2026-06-15T12:00:00Z
pub(super) const NOON_MS: u64 = 1_781_524_800_000;
const DAY_MS: u64 = 24 * 3_600_000;
/// How many records an operation erases in its own commit here.
pub(super) const AT_ONCE: usize = 40;
/// The most keys that one commit of a step writes: what fills it, the records of its last account
/// or member, and what the audit adds.
pub(super) const MOST_WRITTEN: usize = AT_ONCE * 8 * 2;
/// Long enough for whatever is done in the background.
const PATIENCE: Duration = Duration::from_secs(60);

/// What outlives an engine: a store in memory, and what was committed to it.
pub(super) struct Disk {
    pub(super) inner: Box<dyn Backend>,
    /// How many keys each commit wrote.
    pub(super) written: Mutex<Vec<usize>>,
    /// After so many commits the power is gone.
    pub(super) spared: Mutex<Option<usize>>,
}

struct Plugged(Arc<Disk>);

impl Backend for Plugged {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.0.inner.get(key)
    }
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.0.inner.range(from, until, order, limit)
    }
    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        if let Some(spared) = self.0.spared.lock().as_mut() {
            if *spared == 0 {
                return Err(CommitError::from(StoreError::Failed {
                    what: "the power is gone".to_owned(),
                }));
            }
            *spared -= 1;
        }
        self.0.written.lock().push(batch.writes.len());
        self.0.inner.commit(batch)
    }
    delegated! { (0.inner): sync, last_commit, store_id, verify }
    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn abandon(&self) {}
}

pub(super) fn disk() -> Arc<Disk> {
    Arc::new(Disk {
        inner: tenantry_store::memory().unwrap(),
        written: Mutex::default(),
        spared: Mutex::default(),
    })
}

/// Opens what is on a disk, with a manual clock at an instant or with the system's.
pub(super) fn open(disk: &Arc<Disk>, manual_ms: Option<u64>) -> Guard {
    let mut options = json!({"edition": "commercial", "seed": 1});
    if let Some(manual_ms) = manual_ms {
        options["clock"] = json!({"manual_ms": manual_ms});
    }
    let options = serde_json::from_value(options).unwrap();
    let backend = Box::new(Plugged(disk.clone()));
    let engine = Engine::on(backend, Path::new(":memory:"), &options).unwrap();
    engine.background.set_at_once_for_tests(AT_ONCE);
    Guard::of_engine_for_tests(engine)
}

pub(super) fn call(guard: &Guard, operation: &str, request: Value) -> Result<Value, Error> {
    let entry = catalogue::find(operation).unwrap();
    let answer = guard.enter(entry.effect, |engine| {
        (entry.run_json)(engine, &Actor::System, request.to_string().as_bytes())
    })?;
    Ok(serde_json::from_str(&answer).unwrap())
}

pub(super) fn must(guard: &Guard, operation: &str, request: Value) -> Value {
    call(guard, operation, request.clone())
        .unwrap_or_else(|error| panic!("{operation} {request}: {error:?}"))
}

pub(super) fn code(guard: &Guard, operation: &str, request: Value) -> Option<Code> {
    call(guard, operation, request)
        .err()
        .map(|error| error.code())
}

pub(super) fn whole(disk: &Disk) {
    assert_eq!(check(&*disk.inner, 20).unwrap(), []);
}

/// How many keys begin with a prefix.
fn count(disk: &Disk, prefix: Prefix) -> usize {
    let (from, until) = keys::range(prefix, &[]);
    let rows = disk
        .inner
        .range(&from, &until, Order::Ascending, usize::MAX);
    rows.unwrap().len()
}

/// The account `big` below `top`, with something of everything, and `kid` below it; two of its
/// members are in `top` as well.
fn fill(guard: &Guard) {
    let owner = |user: &str| json!({"user": user, "email": format!("{user}@t.example")});
    let depth = json!({"policies": {"depth": 4}});
    must(guard, "policies.set", depth);
    must(
        guard,
        "accounts.create",
        json!({"id": "top", "name": "Top", "owner": owner("tom")}),
    );
    for (id, parent) in [("big", "top"), ("kid", "big"), ("other", "top")] {
        let account = json!({"id": id, "name": id, "parent": parent,
            "owner": owner(&format!("of-{id}"))});
        must(guard, "accounts.create", account);
    }
    let rows: String = (0..150).map(|at| format!("u{at}@t.example\n")).collect();
    for account in ["big", "kid"] {
        let rows = if account == "big" {
            rows.as_str()
        } else {
            "k1@t.example\nk2@t.example\n"
        };
        let csv = format!("email\n{rows}");
        must(
            guard,
            "users.import_csv",
            json!({"account": account, "csv": csv, "role": "full"}),
        );
    }
    for user in ["one", "two"] {
        let new = json!({"account": "top", "user": user, "role": "full",
            "email": format!("{user}@t.example")});
        must(guard, "members.add", new);
        let known = json!({"account": "big", "user": user, "role": "full"});
        must(guard, "members.add", known);
    }
    fill_with_belongings(guard);
}

fn fill_with_belongings(guard: &Guard) {
    for at in 0..100 {
        let resource = json!({"account": "big", "kind": "list", "id": format!("l{at}"),
            "owner": if at % 2 == 0 { "one" } else { "of-big" }});
        must(guard, "resources.register", resource);
        must(
            guard,
            "sending.admit",
            json!({"account": "big", "count": 1, "key": format!("k{at}")}),
        );
    }
    for at in 0..20 {
        must(
            guard,
            "credits.grant",
            json!({"account": "big", "channel": "sms", "amount": 1, "reason": "gift",
                "key": format!("c{at}")}),
        );
    }
    let entries: Vec<_> = (0..100)
        .map(|at| json!({"value": format!("d{at}.example"), "message_class": "marketing"}))
        .collect();
    must(
        guard,
        "suppressions.add",
        json!({"account": "big", "entries": entries}),
    );
    let addresses: String = (0..60).map(|at| format!("i{at}@mail.example ")).collect();
    must(
        guard,
        "invitations.create",
        json!({"account": "big", "addresses": addresses, "role": "full"}),
    );
    must(
        guard,
        "invitations.create",
        json!({"accounts": [
        {"account": "big", "role": "full"}, {"account": "other", "role": "full"}],
        "account": "big", "addresses": "both@mail.example"}),
    );
    for channel in ["email", "sms"] {
        must(
            guard,
            "credits.grant",
            json!({"account": "top", "channel": channel, "amount": 100, "reason": "bought"}),
        );
        must(
            guard,
            "credits.allocate",
            json!({"account": "big", "channel": channel, "amount": 30}),
        );
    }
    must(
        guard,
        "gauges.claim",
        json!({"account": "kid", "limit": "contacts", "count": 7}),
    );
    must(
        guard,
        "gauges.claim",
        json!({"account": "big", "limit": "contacts", "count": 5}),
    );
    must(
        guard,
        "threads.acquire",
        json!({"account": "big", "holder": "one", "ttl_ms": 5000}),
    );
    must(
        guard,
        "reservations.create",
        json!({"account": "big", "count": 3, "life_ms": 60_000}),
    );
}

fn delete(guard: &Guard) -> Result<Value, Error> {
    call(
        guard,
        "accounts.delete",
        json!({"account": "big", "children": "delete"}),
    )
}

/// Nothing is left of what was deleted but that it was, and what is remembered of it.
fn is_gone(disk: &Disk, guard: &Guard) {
    whole(disk);
    assert_eq!(must(guard, "store.info", json!({})).get("erasing"), None);
    let kept = [
        keys::AUDIT,
        keys::AUDIT_HEAD,
        keys::AUDIT_PERSON,
        keys::TOMBSTONE,
    ];
    let rows = disk
        .inner
        .range(keys::FIRST, &[0x7f], Order::Ascending, usize::MAX)
        .unwrap();
    let left: Vec<String> = rows
        .iter()
        .filter(|(key, _)| {
            let mut parts = key.split(|byte| *byte == 0).skip(1);
            !kept.contains(&Prefix::of(key).unwrap())
                && parts.any(|part| part == b"big" || part == b"kid")
        })
        .map(|(key, _)| key.escape_ascii().to_string())
        .collect();
    assert_eq!(left, Vec::<String>::new());
    let top = must(guard, "accounts.get", json!({"account": "top"}));
    assert_eq!(
        [&top["users"], &top["children"], &top["email_credits"]],
        [&json!(4), &json!(1), &json!(100)],
        "{top}"
    );
    let gauges = must(guard, "gauges.get", json!({"account": "top"}));
    let gauges = gauges["gauges"].as_array().unwrap();
    let contacts = gauges.iter().find(|one| one["limit"] == "contacts");
    assert_eq!(contacts.unwrap()["used"], 0, "{contacts:?}");
    assert_eq!(
        must(guard, "users.get", json!({"user": "one"}))["accounts"],
        json!(["top"])
    );
    assert_eq!(
        code(guard, "users.get", json!({"user": "of-big"})),
        Some(Code::NotFound)
    );
    let taken = json!({"id": "big", "name": "Big", "owner": {"user": "one"}});
    assert_eq!(code(guard, "accounts.create", taken), Some(Code::IdTaken));
}

#[test]
fn a_large_account_is_erased_in_bounded_commits() {
    let disk = disk();
    let guard = open(&disk, Some(NOON_MS));
    fill(&guard);
    whole(&disk);
    let before = disk.written.lock().len();
    let answer = delete(&guard).unwrap();
    // All but the two who are in `top` too: 150, of whom some are in the account below, and owners.
    assert_eq!(answer, json!({"accounts": 2, "users": 154}));
    let written = disk.written.lock()[before..].to_vec();
    assert!(written.len() > 10, "{written:?}");
    assert!(
        written.iter().all(|keys| *keys <= MOST_WRITTEN),
        "{written:?}"
    );
    is_gone(&disk, &guard);
}

#[test]
fn a_small_account_is_erased_in_one_commit() {
    let disk = disk();
    let guard = open(&disk, Some(NOON_MS));
    fill(&guard);
    let before = disk.written.lock().len();
    let answer = must(&guard, "accounts.delete", json!({"account": "kid"}));
    assert_eq!(answer, json!({"accounts": 1, "users": 3}));
    assert_eq!(disk.written.lock().len(), before + 1);
    whole(&disk);
}

/// Wherever the power goes: what is there is whole, the account is not there, and the next who open
/// the store bring it to its end, with a clock of their own or in the background.
#[test]
fn what_a_crash_cuts_off_goes_on() {
    for spared in [1, 2, 3, 5, 8, 10] {
        let disk = disk();
        fill(&open(&disk, Some(NOON_MS)));
        *disk.spared.lock() = Some(spared);
        let guard = open(&disk, Some(NOON_MS));
        let cut = delete(&guard).map_err(|error| error.code());
        *disk.spared.lock() = None;
        assert_eq!(cut.err(), Some(Code::StoreFailed), "{spared}");
        drop(guard);
        whole(&disk);
        let steps = disk.written.lock().len();
        let guard = open(&disk, (spared % 2 == 1).then_some(NOON_MS));
        let until = Instant::now() + PATIENCE;
        loop {
            assert_eq!(
                code(&guard, "accounts.get", json!({"account": "big"})),
                Some(Code::NotFound)
            );
            assert_eq!(must(&guard, "store.verify", json!({}))["whole"], true);
            if must(&guard, "store.info", json!({}))
                .get("erasing")
                .is_none()
            {
                break;
            }
            assert!(Instant::now() < until, "the work does not come to its end");
        }
        // A thread may have begun before the bound was lowered.
        let is_bounded = |keys: &usize| spared % 2 == 0 || *keys <= MOST_WRITTEN;
        assert!(disk.written.lock()[steps..].iter().all(is_bounded));
        is_gone(&disk, &guard);
    }
}

/// A store in which `big` is marked, and nothing of it is erased yet.
fn marked() -> (Arc<Disk>, Guard) {
    let disk = disk();
    fill(&open(&disk, Some(NOON_MS)));
    *disk.spared.lock() = Some(1);
    delete(&open(&disk, Some(NOON_MS))).unwrap_err();
    *disk.spared.lock() = None;
    let guard = open(&disk, Some(NOON_MS));
    // Nobody goes on with it.
    guard.engine.background.give_up_for_tests();
    (disk, guard)
}

#[test]
fn an_account_that_is_being_erased_is_not_there() {
    let (disk, guard) = marked();
    // Whatever asks for no more than an account answers as for one that never was.
    for entry in catalogue::CATALOGUE {
        let schema = serde_json::to_value((entry.request)()).unwrap();
        let asks = schema["properties"].get("account").is_some();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        if !asks || required.iter().any(|field| field != "account") {
            continue;
        }
        for account in ["big", "kid"] {
            let there = code(&guard, entry.name, json!({"account": account}));
            let never = code(&guard, entry.name, json!({"account": "never"}));
            let is_kept = entry.name.starts_with("audit.");
            assert!(
                there == never || is_kept,
                "{}: {there:?}, {never:?}",
                entry.name
            );
        }
    }
    let listed = must(&guard, "accounts.list", json!({}));
    let ids: Vec<_> = listed["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids, ["other", "top"]);
    let top = must(&guard, "accounts.get", json!({"account": "top"}));
    assert_eq!(
        (&top["children"], &top["email_credits"]),
        (&json!(1), &json!(70))
    );
    assert_eq!(
        must(&guard, "users.get", json!({"user": "one"}))["accounts"],
        json!(["top"])
    );
    let info = must(&guard, "store.info", json!({}));
    assert_eq!(info["erasing"].as_array().unwrap().len(), 2, "{info}");
    // What is done meanwhile with who is still in it fits what comes after.
    must(&guard, "users.disable", json!({"user": "one"}));
    must(&guard, "users.enable", json!({"user": "one"}));
    must(
        &guard,
        "users.edit",
        json!({"user": "one", "first_name": "Olga"}),
    );
    must(&guard, "users.delete", json!({"user": "of-big"}));
    must(
        &guard,
        "members.add",
        json!({"account": "other", "user": "two", "role": "full"}),
    );
    whole(&disk);
    let gone = must(&guard, "accounts.delete", json!({"account": "other"}));
    assert_eq!(gone["accounts"], 1);
    whole(&disk);
    guard.engine.resume().unwrap();
    while must(&guard, "store.info", json!({}))["erasing"].is_array() {}
    whole(&disk);
    assert_eq!(
        must(&guard, "users.get", json!({"user": "two"}))["accounts"],
        json!(["top"])
    );
}

/// A send that was prepared before its account was marked makes no counter for it (20.6).
#[test]
fn a_send_that_an_erasure_overtakes_writes_nothing() {
    let disk = disk();
    let guard = open(&disk, Some(NOON_MS));
    fill(&guard);
    let engine = &guard.engine;
    let cell = engine.cell_by_text("other").unwrap();
    let prepared = cell.sending(engine, None, Channel::Email, &Default::default());
    let prepared = prepared.unwrap();
    let id = Id::new("other").unwrap();
    {
        let _guard = engine.kernel.writer.lock();
        let marked = engine.commit(&Actor::System, Some("accounts.delete"), |ctx| {
            erase::leave(ctx, &id, &id)
        });
        marked.unwrap();
    }
    let charged = prepared.charge(&**engine, Ask::exact(1));
    assert_eq!(charged.unwrap_err().code(), Code::NotFound);
    let (from, until) = keys::range(keys::METER, &["other"]);
    let counters = engine
        .kernel
        .backend
        .range(&from, &until, Order::Ascending, 1);
    assert!(counters.unwrap().is_empty());
}

#[test]
fn those_who_are_deleted_one_after_the_other_in_one_request_have_their_turns() {
    let disk = disk();
    let guard = open(&disk, Some(NOON_MS));
    fill(&guard);
    let bulk = json!({"accounts": ["big", "other"], "action": "delete", "children": "delete"});
    assert_eq!(must(&guard, "accounts.bulk", bulk)["refused"], 0);
    whole(&disk);
    let top = must(&guard, "accounts.get", json!({"account": "top"}));
    assert_eq!((&top["children"], &top["users"]), (&json!(0), &json!(3)));
}

/// The account `acme`, which has sent so often with a key.
fn sent(disk: &Arc<Disk>, times: usize) -> Guard {
    let guard = open(disk, Some(NOON_MS));
    let owner = json!({"user": "olga", "email": "olga@acme.example"});
    must(
        &guard,
        "accounts.create",
        json!({"id": "acme", "name": "Acme", "owner": owner}),
    );
    for at in 0..times {
        send(&guard, at);
    }
    guard
}

fn send(guard: &Guard, at: usize) -> Value {
    let request = json!({"account": "acme", "count": 1, "key": format!("k{at}")});
    must(guard, "sending.admit", request)
}

/// R-QTA-5: what is to be forgotten is erased a part at a time, and no answer depends on when.
#[test]
fn what_is_over_holds_nobody_up() {
    const SENT: usize = 5000;
    let disk = disk();
    let guard = sent(&disk, SENT);
    let reservation = json!({"account": "acme", "count": 5, "life_ms": 1000});
    let reserved = must(&guard, "reservations.create", reservation)["reservation"].clone();
    let named = json!({"account": "acme", "reservation": reserved});
    guard.engine.kernel.clock.set(NOON_MS + 1000).unwrap();
    assert_eq!(
        must(&guard, "reservations.get", named.clone())["state"],
        "expired"
    );
    guard
        .engine
        .kernel
        .clock
        .set(NOON_MS + 1000 + DAY_MS)
        .unwrap();
    assert_eq!(count(&disk, keys::FORGET), SENT + 1);
    let before = disk.written.lock().len();
    let engine = &guard.engine;
    let cell = engine.cell_by_text("acme").unwrap();
    let prepared = cell
        .sending(
            engine,
            None,
            crate::model::Channel::Email,
            &Default::default(),
        )
        .unwrap();
    let granted = guard.enter(Effect::Send, |engine| {
        prepared.charge(engine, meters::Ask::exact(1))
    });
    assert_eq!(granted.unwrap().granted, 1);
    let commits = disk.written.lock()[before..].to_vec();
    // A part of what is over, and the window of the day.
    assert!(commits.len() <= 2, "{commits:?}");
    let written: usize = commits.iter().sum();
    assert!(
        (1..=2 * due::FORGOTTEN_AT_ONCE + 20).contains(&written),
        "{written}"
    );
    // Over is over, whether it is erased or not: the last are the last to be.
    assert_eq!(
        code(&guard, "reservations.get", named),
        Some(Code::NotFound)
    );
    let last = send(&guard, SENT - 1);
    assert_eq!(send(&guard, SENT - 1), last);
    whole(&disk);
    while guard.engine.background.next_ms.load(Ordering::Acquire) <= NOON_MS + 1000 + DAY_MS {
        must(&guard, "accounts.get", json!({"account": "acme"}));
    }
    // What was asked again is remembered from then on, and windows are cleared some day.
    assert_eq!(
        (count(&disk, keys::FORGET), count(&disk, keys::ANSWERED)),
        (2, 1)
    );
    assert_eq!(send(&guard, SENT - 1), last);
    whole(&disk);
}

#[test]
fn what_is_over_is_erased_beside_the_calls() {
    let disk = disk();
    drop(sent(&disk, 600));
    let guard = open(&disk, None);
    let until = Instant::now() + PATIENCE;
    while guard.engine.background.next_ms.load(Ordering::Acquire) != NEVER {
        assert!(Instant::now() < until, "nobody erases what is over");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(
        (count(&disk, keys::FORGET), count(&disk, keys::ANSWERED)),
        (0, 0)
    );
    whole(&disk);
}
