//! What no request can bring about by itself: a store that fails, others that are always first, a
//! defect, a level of hosts that is not there yet.

use super::delegated::delegated;
use crate::access::operation::Operation;
use crate::access::state::Engine;
use crate::api;
use crate::api::operation::Effect;
use crate::error::{Code, Error};
use crate::guard::Guard;
use crate::kernel::keys;
use crate::meters::{Ask, Charged};
use crate::model::{Actor, Channel, Email, HoldReason, Id, Name};
use crate::options::OpenOptions;
use crate::sending::decide;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tenantry_store::{Backend, Batch, CommitError, Order, Record, StoreError};

/// 2026-06-15T12:00:00Z
const NOON_MS: u64 = 1_781_524_800_000;

/// A store in memory whose commits and syncs fail as they are told to.
struct Troubled {
    inner: Box<dyn Backend>,
    trouble: Arc<Mutex<Trouble>>,
}

#[derive(Default)]
struct Trouble {
    commit: Option<CommitError>,
    /// How many commits go well before.
    spared: usize,
    sync: Option<StoreError>,
    /// Whether the store goes on when this is over.
    passes: bool,
    /// How many records were read.
    reads: usize,
}

impl Backend for Troubled {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.trouble.lock().reads += 1;
        self.inner.get(key)
    }
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        let rows = self.inner.range(from, until, order, limit)?;
        self.trouble.lock().reads += rows.len();
        Ok(rows)
    }
    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        let mut trouble = self.trouble.lock();
        match (&trouble.commit, trouble.spared) {
            (Some(error), 0) => return Err(error.clone()),
            (Some(_), _) => trouble.spared -= 1,
            (None, _) => {}
        }
        drop(trouble);
        self.inner.commit(batch)
    }
    fn sync(&self, commit: u64) -> Result<(), StoreError> {
        match &self.trouble.lock().sync {
            Some(error) => Err(error.clone()),
            None => self.inner.sync(commit),
        }
    }
    fn goes_on_after(&self, _: &StoreError) -> bool {
        self.trouble.lock().passes
    }
    delegated! { (inner): last_commit, store_id, verify, close, abandon }
}

/// A handle on a store with the account `acme`, and the means to trouble it.
fn troubled() -> (Guard, Arc<Mutex<Trouble>>) {
    let trouble = Arc::new(Mutex::new(Trouble::default()));
    let backend = Box::new(Troubled {
        inner: tenantry_store::memory().unwrap(),
        trouble: trouble.clone(),
    });
    let options = serde_json::from_value(
        serde_json::json!({"edition": "commercial", "clock": {"manual_ms": NOON_MS}}),
    )
    .unwrap();
    let guard =
        Guard::of_engine_for_tests(Engine::on(backend, Path::new(":memory:"), &options).unwrap());
    let account = api::accounts::Create {
        id: Some(Id::new("acme").unwrap()),
        name: Name::new("Acme").unwrap(),
        owner: api::accounts::OwnerInput {
            user: None,
            email: Some(Email::new("olga@acme.example").unwrap()),
            first_name: None,
            last_name: None,
        },
        parent: None,
        time_zone: None,
        package: None,
        limits: Default::default(),
        pending: false,
    };
    run(&guard, account).unwrap();
    (guard, trouble)
}

fn run<O: Operation>(guard: &Guard, request: O) -> Result<O::Answer, Error> {
    guard.enter(O::EFFECT, |engine| engine.run(&Actor::System, request))
}

fn write(guard: &Guard) -> Result<(), Code> {
    let user = api::users::Create {
        id: Some(Id::new("ann").unwrap()),
        email: Email::new("ann@acme.example").unwrap(),
        first_name: None,
        last_name: None,
    };
    run(guard, user).map(drop).map_err(|error| error.code())
}

fn send(guard: &Guard) -> Result<u64, Code> {
    let sent = guard.enter(Effect::Send, |engine| {
        decide::admit(
            engine,
            &engine.cell_by_text("acme")?,
            None,
            Channel::Email,
            &Default::default(),
            crate::meters::Ask::exact(1),
        )
    });
    sent.map(|decision| decision.granted)
        .map_err(|error| error.code())
}

fn read(guard: &Guard) -> Result<bool, Code> {
    let ann = run(
        guard,
        api::users::Get {
            user: Some(Id::new("ann").unwrap()),
            email: None,
        },
    );
    match ann.map_err(|error| error.code()) {
        Ok(_) => Ok(true),
        Err(Code::NotFound) => Ok(false),
        Err(code) => Err(code),
    }
}

#[test]
fn others_who_are_always_first_make_it_busy() {
    let (guard, trouble) = troubled();
    trouble.lock().commit = Some(CommitError::Conflict);
    assert_eq!(write(&guard), Err(Code::Busy));
    assert_eq!(send(&guard), Err(Code::Busy));
    assert_eq!(read(&guard), Ok(false));
    trouble.lock().commit = None;
    assert_eq!(write(&guard), Ok(()));
    assert_eq!(send(&guard), Ok(1));
}

#[test]
fn a_store_that_fails_is_read_and_no_longer_written() {
    let full = || StoreError::Full {
        what: "no room".to_owned(),
    };
    let failed = || StoreError::Failed {
        what: "input/output error".to_owned(),
    };
    let troubles: [(Trouble, Code, bool); 4] = [
        (
            Trouble {
                commit: Some(full().into()),
                ..Trouble::default()
            },
            Code::StoreFull,
            false,
        ),
        (
            Trouble {
                commit: Some(failed().into()),
                ..Trouble::default()
            },
            Code::StoreFailed,
            false,
        ),
        (
            Trouble {
                sync: Some(full()),
                ..Trouble::default()
            },
            Code::StoreFull,
            true,
        ),
        (
            Trouble {
                sync: Some(failed()),
                ..Trouble::default()
            },
            Code::StoreFailed,
            true,
        ),
    ];
    for (told, code, is_there) in troubles {
        let (guard, trouble) = troubled();
        *trouble.lock() = told;
        assert_eq!(write(&guard), Err(code));
        *trouble.lock() = Trouble::default();
        assert_eq!(write(&guard), Err(Code::Poisoned));
        assert_eq!(send(&guard), Err(Code::Poisoned));
        assert_eq!(read(&guard), Ok(is_there));
    }
}

/// As in SQLite, which takes back a commit for which there is no room.
#[test]
fn a_store_that_goes_on_is_written_again() {
    let (guard, trouble) = troubled();
    let full = StoreError::Full {
        what: "no room".to_owned(),
    };
    let used = |guard: &Guard| {
        let usage = call(guard, "usage.get", json!({"account": "acme"})).unwrap();
        let mut windows = usage["windows"].as_array().unwrap().iter();
        let day = windows.find(|window| window["limit"] == "email_per_day");
        day.unwrap()["used"].clone()
    };
    call(
        &guard,
        "limits.set",
        json!({"account": "acme", "limit": "email_per_day", "value": 10}),
    )
    .unwrap();
    assert_eq!(send(&guard), Ok(1));
    *trouble.lock() = Trouble {
        commit: Some(full.into()),
        passes: true,
        ..Trouble::default()
    };
    let reconcile = json!({"account": "acme", "limit": "email_per_day", "used": 0});
    assert_eq!(write(&guard), Err(Code::StoreFull));
    let reconciled = call(&guard, "usage.reconcile", reconcile.clone());
    assert_eq!(reconciled, Err(Code::StoreFull));
    assert_eq!(read(&guard), Ok(false));
    *trouble.lock() = Trouble::default();
    assert_eq!(used(&guard), 1, "nothing of it is in memory");
    assert_eq!(write(&guard), Ok(()));
    assert_eq!(send(&guard), Ok(1));
    assert_eq!(used(&guard), 2);
    call(&guard, "usage.reconcile", reconcile).unwrap();
    assert_eq!((used(&guard), read(&guard)), (json!(0), Ok(true)));
}

#[test]
fn a_send_that_cannot_be_stored_is_not_granted() {
    let (guard, trouble) = troubled();
    trouble.lock().sync = Some(StoreError::Failed {
        what: "input/output error".to_owned(),
    });
    assert_eq!(send(&guard), Err(Code::StoreFailed));
    assert_eq!(send(&guard), Err(Code::Poisoned));
}

fn call(guard: &Guard, operation: &str, request: Value) -> Result<Value, Code> {
    let entry = crate::catalogue::find(operation).unwrap();
    let answer = guard.enter(entry.effect, |engine| {
        (entry.run_json)(engine, &Actor::System, request.to_string().as_bytes())
    });
    answer
        .map(|answer| serde_json::from_str(&answer).unwrap())
        .map_err(|error| error.code())
}

/// As [`troubled`]; `acme` may send 10 e-mails a day, and pays for more with the 5 credits that it
/// has.
fn troubled_with_credits() -> (Guard, Arc<Mutex<Trouble>>) {
    let (guard, trouble) = troubled();
    let limits =
        json!({"email_per_hour": "unlimited", "email_per_day": 10, "email_per_month": "unlimited"});
    call(
        &guard,
        "packages.create",
        json!({"id": "pays", "name": "P", "credits": true, "overuse": true, "limits": limits}),
    )
    .unwrap();
    call(
        &guard,
        "accounts.edit",
        json!({"account": "acme", "package": "pays"}),
    )
    .unwrap();
    call(
        &guard,
        "credits.grant",
        json!({"account": "acme", "channel": "email", "amount": 5, "reason": "r"}),
    )
    .unwrap();
    (guard, trouble)
}

fn credits_left(guard: &Guard) -> u64 {
    let balance = call(
        guard,
        "credits.balance",
        json!({"account": "acme", "channel": "email"}),
    )
    .unwrap();
    balance["channels"][0]["total"].as_u64().unwrap()
}

/// R-CRD-2, R-QTA-5. Wherever a crash cuts it off, credits are spent with what they pay for or not
/// at all; where others are always first, what was charged comes back.
#[test]
fn credits_are_spent_in_the_commit_of_what_they_pay_for() {
    let sends = [
        (
            "reservations.create",
            json!({"account": "acme", "count": 12, "life_ms": 60_000}),
            keys::RESERVATION,
        ),
        (
            "reservations.create",
            json!({"account": "acme", "count": 12, "life_ms": 60_000, "key": "k"}),
            keys::RESERVATION,
        ),
        (
            "sending.admit",
            json!({"account": "acme", "count": 12, "key": "k"}),
            keys::ANSWERED,
        ),
    ];
    for (operation, request, kind) in sends {
        let mut ends = Vec::new();
        for spared in 0..4 {
            let failed = CommitError::from(StoreError::Failed {
                what: "input/output error".to_owned(),
            });
            for (error, code) in [
                (failed, Code::StoreFailed),
                (CommitError::Conflict, Code::Busy),
            ] {
                let (guard, trouble) = troubled_with_credits();
                *trouble.lock() = Trouble {
                    commit: Some(error),
                    spared,
                    ..Trouble::default()
                };
                let granted = call(&guard, operation, request.clone())
                    .map(|answer| answer["granted"].as_u64().unwrap());
                *trouble.lock() = Trouble::default();
                let (from, until) = keys::range(kind, &["acme"]);
                let stored = guard
                    .engine
                    .kernel
                    .backend
                    .range(&from, &until, Order::Ascending, usize::MAX)
                    .unwrap()
                    .len() as u64;
                assert_eq!(granted, if stored == 1 { Ok(12) } else { Err(code) });
                assert_eq!(credits_left(&guard), 5 - 2 * stored, "{operation} {spared}");
                if stored == 0 && code == Code::Busy {
                    let all = call(
                        &guard,
                        "sending.admit",
                        json!({"account": "acme", "count": 10}),
                    )
                    .unwrap();
                    assert_eq!(
                        (&all["granted"], &all["credits"]),
                        (&json!(10), &Value::Null)
                    );
                }
                ends.push(stored);
            }
        }
        // The limits first, then all the rest at once.
        assert_eq!(ends, [0, 0, 0, 0, 1, 1, 1, 1], "{operation}");
    }
}

/// R-CRD-2. What happens between a charge and its payment.
#[test]
fn what_cannot_be_paid_any_more_comes_back() {
    let meanwhile = [
        (
            "credits.spend",
            json!({"account": "acme", "channel": "email", "amount": 4}),
            Ok(0),
        ),
        (
            "credits.grant",
            json!({"account": "acme", "channel": "email", "amount": 4, "reason": "r"}),
            Ok(12),
        ),
        (
            "groups.delete",
            json!({"account": "acme", "group": "red", "to": "default"}),
            Ok(12),
        ),
        (
            "accounts.delete",
            json!({"account": "acme"}),
            Err(Code::NotFound),
        ),
    ];
    for (operation, request, expected) in meanwhile {
        let (guard, _) = troubled_with_credits();
        call(
            &guard,
            "members.add",
            json!({"account": "acme", "user": "ann", "email": "ann@acme.example", "role": "full"}),
        )
        .unwrap();
        call(
            &guard,
            "groups.create",
            json!({"account": "acme", "id": "red", "name": "Red"}),
        )
        .unwrap();
        call(
            &guard,
            "groups.add_members",
            json!({"account": "acme", "group": "red", "users": ["ann"]}),
        )
        .unwrap();
        call(
            &guard,
            "credits.reserve",
            json!({"account": "acme", "group": "red", "channel": "email", "amount": 1}),
        )
        .unwrap();
        let cell = guard.engine.cell_by_text("acme").unwrap();
        let prepared = cell
            .sending(
                &guard.engine,
                Some("ann"),
                Channel::Email,
                &Default::default(),
            )
            .unwrap();
        let charge = guard
            .engine
            .charge_unpaid(&Actor::System, &prepared, Ask::exact(12))
            .unwrap();
        call(&guard, operation, request).unwrap();
        let outcome = guard
            .engine
            .commit_charge(&Actor::System, charge, |ctx, charge| {
                charge.pay(ctx).map(Charged::Kept)
            });
        assert_eq!(
            outcome
                .map(|decision| decision.granted)
                .map_err(|error| error.code()),
            expected,
            "{operation}"
        );
        if expected == Ok(0) {
            assert_eq!(
                call(
                    &guard,
                    "sending.admit",
                    json!({"account": "acme", "count": 10})
                )
                .unwrap()["granted"],
                10
            );
        }
        assert_eq!(
            crate::tables::check::check(&*guard.engine.kernel.backend, 10).unwrap(),
            [],
            "{operation}"
        );
    }
}

/// R-ACC-7, R-QTA-13. An invoice tells what the ledger does, whatever the bounds are and where the
/// clock stepped back too, and does not read all of it.
#[test]
fn an_invoice_finds_its_way_in_a_long_ledger() {
    let (guard, trouble) = troubled_with_credits();
    let step = |number: u64| {
        // Two of them at each instant, now and then a step back.
        guard
            .engine
            .kernel
            .clock
            .set(
                NOON_MS + number / 2 * 10
                    - if number.is_multiple_of(7) {
                        25.min(number)
                    } else {
                        0
                    },
            )
            .unwrap();
        let of = |mut request: Value| {
            request["account"] = "acme".into();
            request["channel"] = "email".into();
            request
        };
        let ends = guard.engine.kernel.clock.now_ms() + 35;
        match number % 3 {
            0 => call(
                &guard,
                "credits.grant",
                of(json!({"amount": number, "reason": "r", "expires_at_ms": ends})),
            ),
            1 => call(&guard, "credits.spend", of(json!({"amount": 1}))),
            _ => call(
                &guard,
                "credits.reserve",
                of(json!({"amount": 1, "group": "default"})),
            ),
        }
        .unwrap();
    };
    let ledger = || {
        let mut entries = Vec::new();
        let mut request =
            json!({"account": "acme", "channel": "email", "order": "oldest", "limit": 500});
        loop {
            let page = call(&guard, "credits.ledger", request.clone()).unwrap();
            entries.extend(page["entries"].as_array().unwrap().clone());
            let Some(next) = page.get("next") else {
                return entries;
            };
            request["after"] = next.clone();
        }
    };
    let invoice = |from: u64, until: u64| {
        let lines = call(
            &guard,
            "usage.invoice",
            json!({"account": "acme", "from_ms": from, "until_ms": until}),
        )
        .unwrap();
        lines["lines"][0]["email_credits"].clone()
    };
    (3..60).for_each(step);
    let entries = ledger();
    let at_ms = |entry: &Value| entry["at_ms"].as_u64().unwrap();
    assert!(entries.is_sorted_by_key(at_ms));
    let last = entries.iter().map(at_ms).max().unwrap();
    for from in (NOON_MS - 5..last + 10).step_by(5) {
        for until in (from + 1..last + 10).step_by(4) {
            let mut told = json!({"granted": 0, "received": 0, "returned": 0, "spent": 0,
                "refunded": 0, "expired": 0, "withdrawn": 0});
            for entry in entries
                .iter()
                .filter(|entry| (from..until).contains(&at_ms(entry)))
            {
                if let Some(total) = told.get_mut(entry["kind"].as_str().unwrap()) {
                    *total = json!(total.as_u64().unwrap() + entry["amount"].as_u64().unwrap());
                }
            }
            assert_eq!(invoice(from, until), told, "{from} until {until}");
        }
    }
    let reads = |from: u64, until: u64| {
        // The account itself is read anew after a change of its credits, however long its ledger
        // is.
        invoice(from, until);
        trouble.lock().reads = 0;
        invoice(from, until);
        trouble.lock().reads
    };
    let before = reads(NOON_MS + 100, NOON_MS + 200);
    (60..1000).for_each(step);
    let after = reads(NOON_MS + 1000, NOON_MS + 3000);
    assert!(
        ledger().len() > 1000 && after < before + 12,
        "{before} and {after} records were read"
    );
}

/// S17
#[test]
fn a_panic_is_internal_and_leaves_a_handle_that_only_reads() {
    let (guard, _) = troubled();
    let panicked = guard.enter(Effect::Write, |_| -> Result<(), Error> {
        std::panic::resume_unwind(Box::new("a defect"))
    });
    assert_eq!(panicked.map_err(|error| error.code()), Err(Code::Internal));
    assert_eq!(write(&guard), Err(Code::Poisoned));
    assert_eq!(send(&guard), Err(Code::Poisoned));
    assert_eq!(read(&guard), Ok(false));
}

/// R-PKG-6: what is due is carried out before anything is read, in batches however much it is; a
/// store that is only read any more is read as it is.
#[test]
fn what_is_due_is_seen_by_the_first_who_asks() {
    const ACCOUNTS: usize = 1201;
    let options: OpenOptions =
        serde_json::from_str(r#"{"clock":{"manual_ms":1781524800000},"seed":1}"#).unwrap();
    let guard = Guard::of_engine_for_tests(Engine::open(Path::new(":memory:"), &options).unwrap());
    let call = |operation: &str, request: String| {
        let entry = crate::catalogue::find(operation).unwrap();
        guard.enter(entry.effect, |engine| {
            (entry.run_json)(engine, &Actor::System, request.as_bytes())
        })
    };
    for package in ["small", "large"] {
        call(
            "packages.create",
            format!(r#"{{"id":"{package}","name":"P"}}"#),
        )
        .unwrap();
    }
    call(
        "users.create",
        r#"{"id":"olga","email":"olga@acme.example"}"#.to_owned(),
    )
    .unwrap();
    for number in 0..ACCOUNTS {
        call(
            "accounts.create",
            format!(
                r#"{{"id":"a{number}","name":"A","package":"small","owner":{{"user":"olga"}}}}"#
            ),
        )
        .unwrap();
        call(
            "accounts.edit",
            format!(r#"{{"account":"a{number}","package":"large","at":"next_month"}}"#),
        )
        .unwrap();
    }
    let accounts = |package: &str| {
        let answer = call("packages.get", format!(r#"{{"package":"{package}"}}"#)).unwrap();
        serde_json::from_str::<serde_json::Value>(&answer).unwrap()["accounts"]
            .as_u64()
            .unwrap()
    };
    let first_of_july = 1_782_864_000_000;
    assert_eq!(
        guard
            .engine
            .kernel
            .clock
            .next_due_ms
            .load(Ordering::Acquire),
        first_of_july
    );
    guard.engine.kernel.clock.set(first_of_july - 1).unwrap();
    assert_eq!((accounts("small"), accounts("large")), (ACCOUNTS as u64, 0));
    guard.engine.kernel.clock.set(first_of_july).unwrap();
    guard.engine.kernel.poison();
    assert_eq!(accounts("large"), 0);
    guard.engine.kernel.unpoison();
    assert_eq!((accounts("large"), accounts("small")), (ACCOUNTS as u64, 0));
    assert_eq!(
        guard
            .engine
            .kernel
            .clock
            .next_due_ms
            .load(Ordering::Acquire),
        u64::MAX
    );
}

/// R-ACC-2, at the operation itself, which trusts nobody to have asked before.
#[test]
fn a_hold_is_cleared_at_its_level_or_above() {
    let (guard, _) = troubled();
    let acme = Id::new("acme").unwrap();
    let hold = |reason| api::accounts::Hold {
        account: acme.clone(),
        reason,
        note: None,
        expected_rev: None,
    };
    let release = |hold| api::accounts::Release {
        account: acme.clone(),
        hold: crate::model::Count::new(hold).unwrap(),
        expected_rev: None,
    };
    let user = Actor::in_account(Id::new("olga").unwrap(), acme.clone(), None);
    run(&guard, hold(HoldReason::Billing)).unwrap();
    let by_user = guard.enter(Effect::Write, |engine| {
        release(1).run(&mut engine.ctx(&user))
    });
    assert_eq!(
        by_user.map_err(|error| error.code()),
        Err(Code::HoldOfHigherLevel)
    );
    assert!(run(&guard, release(1)).unwrap().holds.is_empty());
}

/// R-PLT-2: changing the status is never implied by editing.
#[test]
fn an_operator_who_edits_does_not_suspend() {
    let handle = crate::handle::Tenantry::open(":memory:", OpenOptions::default()).unwrap();
    let call = |actor: &str, operation: &str, request: &str| {
        handle.call_json(actor.as_bytes(), operation.as_bytes(), request.as_bytes())
    };
    call(
        "",
        "accounts.create",
        r#"{"id":"acme","name":"Acme","owner":{"email":"olga@acme.example"}}"#,
    )
    .unwrap();
    let may = |permission: &str| {
        let role = format!(
            r#"{{"id":"{permission}","name":"R","allow":[{{"permission":"{permission}"}}]}}"#
        );
        call("", "roles.create", &role).unwrap();
        let operator = format!(
            r#"{{"user":"{permission}","email":"{permission}@staff.example",
                "role":"{permission}"}}"#
        );
        call("", "operators.add", &operator).unwrap();
        let actor = format!(r#"{{"kind":"operator","user":"{permission}"}}"#);
        call(
            &actor,
            "accounts.hold",
            r#"{"account":"acme","reason":"abuse"}"#,
        )
        .map(drop)
        .map_err(|error| error.code())
    };
    assert_eq!(may("clients.edit"), Err(Code::PermissionDenied));
    assert_eq!(may("clients.status"), Ok(()));
}

/// What is not there, what is somebody else's and what lies above are alike to who asks whether
/// they manage it.
#[test]
fn nobody_manages_what_is_not_below() {
    let (guard, _) = troubled();
    for (id, parent) in [
        ("top", None),
        ("kid", Some("top")),
        ("sibling", Some("top")),
    ] {
        let mut request = serde_json::json!({"id": id, "name": "A", "owner": {"user": id,
            "email": format!("{id}@owners.example")}});
        if let Some(parent) = parent {
            request["parent"] = parent.into();
        }
        run::<api::accounts::Create>(&guard, serde_json::from_value(request).unwrap()).unwrap();
    }
    let manages = |user: &str, home: &str, account: &str| {
        let actor = Actor::in_account(Id::new(user).unwrap(), Id::new(home).unwrap(), None);
        guard
            .engine
            .ctx(&actor)
            .manages_team_of(&Id::new(account).unwrap())
            .unwrap()
    };
    for below in ["top", "kid", "sibling"] {
        assert!(manages("top", "top", below), "{below}");
    }
    assert!(manages("top", "kid", "kid") && manages("kid", "kid", "kid"));
    for other in ["top", "sibling", "acme", "nobody"] {
        assert!(
            !manages("kid", "kid", other) && !manages("top", "kid", other),
            "{other}"
        );
    }
}

/// R-QTA-1. Threads on a tree of accounts, blocks drawn in the background: together they get the
/// limit of the top, no message more and none less.
#[test]
fn threads_sell_the_last_unit_exactly_once() {
    for seed in 0..20_u64 {
        let handle = crate::handle::Tenantry::open(":memory:", OpenOptions::default()).unwrap();
        let json = |operation: &str, request: String| {
            handle
                .call_json(b"", operation.as_bytes(), request.as_bytes())
                .unwrap()
        };
        let limit = 5_000 + seed * 37;
        json(
            "accounts.create",
            format!(
                r#"{{"id":"top","name":"T","owner":{{"user":"tom","email":"tom@t.example"}},
                    "limits":{{"email_per_month":{limit}}}}}"#
            ),
        );
        for child in ["one", "two"] {
            json(
                "accounts.create",
                format!(
                    r#"{{"id":"{child}","name":"C","parent":"top",
                        "owner":{{"user":"{child}-o","email":"{child}@t.example"}}}}"#
                ),
            );
        }
        let granted: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6_u64)
                .map(|thread| {
                    let gate = handle
                        .sender(["one", "two", "top"][(thread % 3) as usize], None)
                        .unwrap();
                    scope.spawn(move || {
                        let (mut granted, mut refused) = (0, 0);
                        while refused < 3 {
                            let count = 1 + (thread + granted + seed) % 3;
                            match gate.admit(count).unwrap().granted {
                                0 if gate.admit(1).unwrap().granted == 0 => refused += 1,
                                0 => granted += 1,
                                some => granted += some,
                            }
                        }
                        granted
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(granted, limit, "seed {seed}");
    }
}

/// 18.11, R-QTA-13: ten years ahead for a moment. A jump that the steady clock did not see is held
/// back and told of; one that the host believed is undone.
#[test]
fn a_clock_that_jumps_is_held_back() {
    const TEN_YEARS_MS: u64 = 3652 * 24 * 3_600_000;
    let engine = Engine::on(
        tenantry_store::memory().unwrap(),
        Path::new(":memory:"),
        &OpenOptions::default(),
    )
    .unwrap();
    let guard = crate::guard::Guard::of_engine_for_tests(engine);
    let must = |operation: &str, request: Value| call(&guard, operation, request).unwrap();
    let fake = |system_ms, steady_ms| guard.engine.kernel.clock.fake(system_ms, steady_ms);
    let send = |count: u64| {
        must("sending.admit", json!({"account": "acme", "count": count}))["granted"].clone()
    };
    let used = || must("usage.get", json!({"account": "acme"}))["windows"][1]["used"].clone();
    fake(NOON_MS, 1000);
    let owner = json!({"user": "olga", "email": "olga@acme.example"});
    must(
        "accounts.create",
        json!({"id": "acme", "name": "Acme", "owner": owner, "limits": {"email_per_day": 10}}),
    );
    assert_eq!(send(4), 4);

    fake(NOON_MS + TEN_YEARS_MS, 2000);
    assert_eq!((send(4), used()), (json!(4), json!(8)));
    let jump = json!({"from_ms": NOON_MS + 1000, "to_ms": NOON_MS + TEN_YEARS_MS, "held": true});
    assert_eq!(
        must("clock.get", json!({})),
        json!({"now_ms": NOON_MS + 1000, "manual": false, "held_back_ms": NOON_MS + TEN_YEARS_MS})
    );
    assert_eq!(must("store.info", json!({}))["clock_jump"], jump);
    let messages = must("outbox.read", json!({}))["messages"].clone();
    let told: Vec<_> = messages
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["kind"] == "clock_jumped")
        .collect();
    assert_eq!(told.len(), 1, "{messages}");
    assert_eq!(
        (&told[0]["clock_jump"], &told[0]["at_ms"]),
        (&jump, &json!(NOON_MS + 1000))
    );

    fake(NOON_MS + 5000, 6000);
    assert_eq!(
        must("clock.get", json!({})),
        json!({"now_ms": NOON_MS + 5000, "manual": false})
    );
    assert_eq!(must("store.info", json!({}))["clock_jump"]["held"], false);

    fake(NOON_MS + TEN_YEARS_MS, 7000);
    assert_eq!(
        must("clock.confirm", json!({}))["now_ms"],
        NOON_MS + TEN_YEARS_MS
    );
    assert_eq!((send(1), used()), (json!(1), json!(1)));
    fake(NOON_MS + 9000, 10_000);
    assert_eq!((send(2), used()), (json!(2), json!(3)));
    assert_eq!(must("clock.undo", json!({})), json!({"counters": 3}));
    assert_eq!((send(1), used()), (json!(0), json!(11)));
    fake(NOON_MS + TEN_YEARS_MS, 11_000);
    assert_eq!(
        (
            used(),
            must("store.info", json!({}))["clock_jump"]["held"].clone()
        ),
        (json!(11), json!(true))
    );
}
