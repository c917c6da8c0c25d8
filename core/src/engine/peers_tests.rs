//! Several engines have one store open: what one has acknowledged, the next call of any other
//! applies.

use super::common_store::{Common, Dice, NOON_MS, Process, set};
use crate::Code;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const MINUTE_MS: u64 = 60_000;

/// `acme`, in which `ann` may send, and what she was given by the host.
struct Acme {
    common: Arc<Common>,
    all: Vec<Process>,
    session: Value,
    key: Value,
}

fn actor(user: &str) -> Value {
    json!({"kind": "user", "user": user, "account": "acme"})
}

fn acme(processes: u64) -> Acme {
    let (common, all) = Common::processes(processes);
    let one = &all[0];
    let allow = |permissions: &[&str]| -> Value {
        permissions
            .iter()
            .map(|name| json!({"permission": name}))
            .collect()
    };
    for (id, permissions) in [
        ("writer", &["campaigns", "lists", "groups", "users"][..]),
        ("reader", &["lists"]),
    ] {
        let request = json!({"id": id, "name": id, "allow": allow(permissions)});
        one.call("roles.create", request);
    }
    for (id, limit) in [("small", 100_000), ("none", 0)] {
        let limits = json!({"email_per_day": limit});
        one.call(
            "packages.create",
            json!({"id": id, "name": id, "limits": limits}),
        );
    }
    for id in ["acme", "other"] {
        let owner = json!({"user": format!("of-{id}"), "email": format!("{id}@x.example")});
        let account = json!({"id": id, "name": id, "package": "small", "owner": owner});
        one.call("accounts.create", account);
    }
    let ann = json!({"account": "acme", "user": "ann", "email": "ann@x.example", "role": "writer"});
    one.call("members.add", ann);
    let session = one.call("sessions.create", json!({"user": "ann"}));
    let key = json!({"account": "acme", "user": "ann", "name": "k",
        "permissions": [{"permission": "lists"}]});
    let key = one.call("api_keys.create", key);
    Acme {
        common,
        all,
        session,
        key,
    }
}

/// What is asked of every process.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ask {
    May,
    Sends,
    HasSession,
    HasKey,
}

/// What a process has prepared, and asks with.
struct Prepared<'a> {
    process: &'a Process,
    access: crate::Access,
    ann: crate::Sender,
}

impl<'a> Prepared<'a> {
    fn of(process: &'a Process) -> Prepared<'a> {
        let store = &process.store;
        Prepared {
            process,
            access: store.access("acme", "ann", "campaigns.send").unwrap(),
            ann: store.sender("acme", Some("ann")).unwrap(),
        }
    }

    /// The answers, by every way there is.
    fn ask(&self, acme: &Acme, ask: Ask) -> Vec<bool> {
        let store = &self.process.store;
        let sent = |decision: Result<crate::Decision, crate::Error>| {
            decision.is_ok_and(|decision| decision.granted == 1)
        };
        let checked = |operation: &str, token: &Value| {
            let request = json!({"token": token, "ip": "192.0.2.1"});
            self.process.try_call(operation, &request).is_ok()
        };
        match ask {
            Ask::May => vec![
                self.access.allowed().unwrap_or(false),
                store
                    .allowed("acme", "ann", "campaigns.send")
                    .unwrap_or(false),
            ],
            Ask::Sends => vec![
                sent(self.ann.admit(1)),
                sent(store.admit("acme", Some("ann"), 1)),
            ],
            Ask::HasSession => vec![checked("sessions.check", &acme.session["token"])],
            Ask::HasKey => vec![checked("api_keys.check", &acme.key["token"])],
        }
    }
}

const ALL: [Ask; 4] = [Ask::May, Ask::Sends, Ask::HasSession, Ask::HasKey];

/// A change, and what is refused from then on.
fn changes(acme: &Acme) -> Vec<(&'static str, Value, &'static [Ask])> {
    use Ask::*;
    let member = json!({"account": "acme", "user": "ann"});
    let with = |mut request: Value, field: &str, value: Value| {
        request[field] = value;
        request
    };
    let key = json!({"account": "acme", "api_key": acme.key["api_key"]["id"]});
    let policies = json!({"policies": {"session_idle_ms": MINUTE_MS}});
    let lists = json!([{"permission": "lists"}]);
    vec![
        ("members.remove", member.clone(), &[May, Sends]),
        ("members.disable", member.clone(), &[May, Sends]),
        (
            "members.set_role",
            with(member, "role", json!("reader")),
            &[May, Sends],
        ),
        (
            "roles.edit",
            json!({"role": "writer", "allow": lists}),
            &[May, Sends],
        ),
        (
            "roles.delete",
            json!({"role": "writer", "replace_with": "reader"}),
            &[May, Sends],
        ),
        (
            "accounts.hold",
            json!({"account": "acme", "reason": "abuse"}),
            &[May, Sends],
        ),
        (
            "accounts.delete",
            json!({"account": "acme"}),
            &[May, Sends, HasKey],
        ),
        (
            "users.disable",
            json!({"user": "ann"}),
            &[May, Sends, HasSession],
        ),
        (
            "users.delete",
            json!({"user": "ann"}),
            &[May, Sends, HasSession, HasKey],
        ),
        (
            "limits.set",
            json!({"account": "acme", "limit": "email_per_day", "value": 1}),
            &[Sends],
        ),
        (
            "packages.edit",
            json!({"package": "small", "limits": {"email_per_day": 1}}),
            &[Sends],
        ),
        (
            "packages.delete",
            json!({"package": "small", "move_to": "none"}),
            &[Sends],
        ),
        (
            "accounts.edit",
            json!({"account": "acme", "package": "none"}),
            &[Sends],
        ),
        (
            "sessions.end",
            json!({"session": acme.session["session"]}),
            &[HasSession],
        ),
        ("sessions.end_all", json!({"user": "ann"}), &[HasSession]),
        ("policies.set", policies, &[HasSession]),
        (
            "api_keys.edit",
            with(key.clone(), "allow_list", json!(["198.51.100.1"])),
            &[HasKey],
        ),
        ("api_keys.delete", key, &[HasKey]),
    ]
}

/// P1, N3: whatever one changes, each of the others refuses in its next call, with what was
/// prepared before too; also where no notes are kept, so that all is forgotten.
#[test]
fn what_one_takes_away_nobody_else_grants() {
    for loses_notes in [false, true] {
        for at in 0..changes(&acme(1)).len() {
            let acme = acme(4);
            acme.common
                .loses_notes
                .store(loses_notes, Ordering::Release);
            let (operation, request, refused) = changes(&acme).swap_remove(at);
            let prepared: Vec<_> = acme.all[1..].iter().map(Prepared::of).collect();
            for _ in 0..5 {
                for (one, ask) in prepared.iter().flat_map(|one| ALL.map(|ask| (one, ask))) {
                    assert!(one.ask(&acme, ask).iter().all(|is| *is), "{ask:?} before");
                }
            }
            acme.all
                .iter()
                .for_each(|process| process.set_clock(NOON_MS + 2 * MINUTE_MS));
            acme.all[0].call(operation, request.clone());
            for one in &prepared {
                assert_eq!(one.access.try_allowed().unwrap(), None, "it is behind");
                assert!(one.ann.try_admit(1).unwrap().is_none());
                // The first of these is the first call.
                for ask in refused {
                    let granted = one.ask(&acme, *ask);
                    assert!(
                        !granted.contains(&true),
                        "{ask:?} after {operation}: {granted:?}"
                    );
                }
            }
        }
    }
}

/// What is given is applied as well.
#[test]
fn what_one_gives_everybody_grants() {
    let acme = acme(3);
    let prepared: Vec<_> = acme.all.iter().map(Prepared::of).collect();
    let member = json!({"account": "acme", "user": "ann"});
    for round in 0..6 {
        let by = &acme.all[round % 3];
        by.call("members.disable", member.clone());
        for one in &prepared {
            assert_eq!(one.ask(&acme, Ask::Sends), [false, false]);
        }
        acme.all[(round + 1) % 3].call("members.enable", member.clone());
        for one in &prepared {
            assert_eq!(one.ask(&acme, Ask::May), [true, true]);
            assert_eq!(one.ask(&acme, Ask::Sends), [true, true]);
        }
    }
}

/// An engine reads in a snapshot, and what is committed after it is applied before the engine has
/// built what it builds of the snapshot: that is not kept.
#[test]
fn what_is_built_of_an_older_state_is_not_kept() {
    let acme = Arc::new(acme(2));
    let demote = json!({"account": "acme", "user": "ann", "role": "reader"});
    let as_ann = |acme: &Acme| {
        let members = json!({"account": "acme", "user": "ann"});
        acme.all[1].try_as(&actor("ann"), "members.get", &members)
    };
    // Other accounts in memory, and none of this one.
    let between = acme.clone();
    set(&acme.all[1].hooks.snapshot, move || {
        between.all[0].call("members.set_role", demote);
        std::thread::scope(|scope| {
            let applies = || {
                between.all[1]
                    .store
                    .allowed("other", "ann", "campaigns.send")
            };
            assert!(!scope.spawn(applies).join().unwrap().unwrap());
        });
        assert!(!between.all[1].engine().kernel.is_behind());
    });
    // It began before, and may be answered by what counted then.
    drop(as_ann(&acme));
    assert!(
        !acme.all[1]
            .store
            .allowed("acme", "ann", "campaigns.send")
            .unwrap()
    );
    assert!(as_ann(&acme).is_err());
}

/// What an operation sees in the store it applies, though that was committed after it began.
#[test]
fn what_is_seen_is_obeyed() {
    let acme = Arc::new(acme(2));
    let see = || {
        let ann = json!({"account": "acme", "user": "ann"});
        let seen = acme.all[1].try_as(&actor("ann"), "members.get", &ann);
        seen.map_err(|error| error.code())
    };
    assert_eq!(see().unwrap()["role"], "writer");
    let between = acme.clone();
    set(&acme.all[1].hooks.reading, move || {
        let demote = json!({"account": "acme", "user": "ann", "role": "reader"});
        between.all[0].call("members.set_role", demote);
    });
    assert_eq!(see(), Err(Code::PermissionDenied));
}

/// While one writes nobody else does.
#[test]
fn one_process_writes_at_a_time() {
    let acme = Arc::new(acme(2));
    let (done, is_done) = std::sync::mpsc::channel();
    let between = acme.clone();
    set(&acme.all[0].hooks.commit, move || {
        let (done, between) = (done.clone(), between.clone());
        let (early, is_early) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            between.all[1].call("roles.create", json!({"id": "new", "name": "New"}));
            let _ = early.send(());
            let _ = done.send(());
        });
        let waits = is_early.recv_timeout(Duration::from_millis(200));
        assert!(waits.is_err(), "both write");
    });
    acme.all[0].call("roles.edit", json!({"role": "writer", "name": "Author"}));
    is_done.recv_timeout(Duration::from_secs(20)).unwrap();
}

/// The same while a thread builds without a snapshot, and another applies.
#[test]
fn a_note_that_is_obeyed_meanwhile_makes_out_of_date_what_is_built() {
    let acme = Arc::new(acme(2));
    let demote = json!({"account": "acme", "user": "ann", "role": "reader"});
    let send = acme.all[1]
        .store
        .access("acme", "ann", "campaigns.send")
        .unwrap();
    let between = acme.clone();
    set(&acme.all[1].hooks.snapshot, move || {
        between.all[0].call("members.set_role", demote);
    });
    drop(send.allowed());
    assert!(!send.allowed().unwrap());
}

/// One changes again and again; in each of the others threads read and send all the time, and each
/// answer to a call that began after the change applies it.
#[test]
fn nobody_is_late_while_others_work() {
    let acme = acme(3);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for process in &acme.all[1..] {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Acquire) {
                    let who = json!({"account": "acme", "user": "ann"});
                    drop(process.try_as(&actor("ann"), "members.get", &who));
                    drop(process.store.admit("acme", Some("ann"), 1));
                    drop(process.store.allowed("acme", "of-acme", "lists.view"));
                }
            });
        }
        let prepared: Vec<_> = acme.all.iter().map(Prepared::of).collect();
        let late = (0..300).find(|round| {
            let is_writer = round % 2 == 1;
            let role = if is_writer { "writer" } else { "reader" };
            let request = json!({"account": "acme", "user": "ann", "role": role});
            acme.all[round % 3].call("members.set_role", request);
            prepared.iter().any(|one| {
                let answers = one.ask(&acme, Ask::May).into_iter();
                let mut answers = answers.chain(one.ask(&acme, Ask::Sends));
                answers.any(|answer| answer != is_writer)
            })
        });
        is_over.store(true, Ordering::Release);
        assert_eq!(late, None);
    });
}

/// Whoever waits for the lock of the writer decides by what is committed when it has it.
#[test]
fn a_writer_obeys_what_was_committed_while_it_waited() {
    let acme = Arc::new(acme(2));
    let create = |id: &str| {
        let request = json!({"account": "acme", "id": id, "name": id});
        let created = acme.all[1].try_as(&actor("ann"), "groups.create", &request);
        created.map_err(|error| error.code())
    };
    create("red").unwrap();
    let between = acme.clone();
    set(&acme.all[1].hooks.lock_writer, move || {
        let demote = json!({"account": "acme", "user": "ann", "role": "reader"});
        between.all[0].call("members.set_role", demote);
    });
    assert_eq!(create("blue"), Err(Code::PermissionDenied));
}

/// P8: what is concluded of several records holds when it is committed, whoever commits between.
#[test]
fn rules_between_records_hold_across_processes() {
    let add = |account: &str, user: &str| {
        let request = json!({"account": account, "user": user, "role": "reader"});
        ("members.add", request)
    };
    let policies = |policies: Value| {
        let request = json!({"account": "other", "policies": policies});
        ("policies.set", request)
    };
    let new = json!({"id": "new", "name": "New", "owner": {"user": "ann"}});
    let new = ("accounts.create", new);
    let invite = json!({"account": "other", "addresses": "a@x.example", "role": "reader"});
    let invite = ("invitations.create", invite);
    let delete = ("roles.delete", json!({"role": "reader"}));
    let exclusive = policies(json!({"owner_exclusive": true}));
    let seats = policies(json!({"seats": 2}));
    for (before, first, meanwhile, refused) in [
        (
            exclusive.clone(),
            new.clone(),
            add("other", "ann"),
            Code::OwnerNotExclusive,
        ),
        (exclusive, add("other", "ann"), new, Code::OwnerNotExclusive),
        (seats, add("other", "ann"), invite, Code::SeatsExhausted),
        (
            policies(json!({})),
            delete,
            add("other", "ann"),
            Code::RoleInUse,
        ),
    ] {
        let acme = Arc::new(acme(2));
        acme.all[0].call(before.0, before.1);
        let between = acme.clone();
        let (operation, request) = meanwhile.clone();
        set(&acme.all[1].hooks.lock_writer, move || {
            between.all[0].call(operation, request);
        });
        let code = acme.all[1].code(first.0, first.1.clone());
        assert_eq!(code, Some(refused), "{first:?} while {meanwhile:?}");
        let verified = acme.all[1].call("store.verify", json!({}));
        assert_eq!(verified["damaged"], json!([]));
    }
}

/// Who waits for messages is woken by those of other processes, and by the first of them.
#[test]
fn messages_of_others_wake_who_waits() {
    let common = Arc::new(Common::default());
    let [one, other] = [1, 2].map(|_| common.open_with(json!({"seed": 1})));
    other.set_ids(1 << 40);
    let outbox = |process: &Process| process.call("outbox.read", json!({"limit": 500}));
    let last = || outbox(&one)["messages"].as_array().unwrap().len() as u64;
    let owner = json!({"user": "olga", "email": "olga@x.example"});
    one.call(
        "accounts.create",
        json!({"id": "acme", "name": "Acme", "owner": owner}),
    );
    for _ in 0..3 {
        let before = last();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let began = Instant::now();
                let woken = other
                    .store
                    .wait_outbox(before, Duration::from_secs(20))
                    .unwrap();
                (woken, began.elapsed())
            });
            std::thread::sleep(Duration::from_millis(100));
            let reset = json!({"user": "olga"});
            one.call("users.request_password_reset", reset);
            let (woken, took) = waits.join().unwrap();
            assert!(woken.unwrap() > before);
            assert!(took < Duration::from_secs(5), "{took:?}");
        });
    }
    // Whoever closes ends the wait, and the thread with it.
    std::thread::scope(|scope| {
        let after = last();
        let waits = scope.spawn(move || {
            (
                other.store.wait_outbox(after, Duration::from_secs(20)),
                other,
            )
        });
        std::thread::sleep(Duration::from_millis(50));
        one.store.close().unwrap();
        let request = json!({"user": "olga"});
        let third = common.open_with(json!({"seed": 3}));
        third.set_ids(1 << 41);
        third.call("users.request_password_reset", request);
        assert!(waits.join().unwrap().0.unwrap().is_some());
    });
}

/// What becomes due is carried out by whoever calls first, whoever has planned it.
#[test]
fn what_one_plans_another_carries_out() {
    let acme = acme(3);
    let limit = json!({"account": "acme", "limit": "email_per_day", "value": 2});
    acme.all[0].call("limits.set", limit);
    let senders: Vec<_> = acme
        .all
        .iter()
        .map(|one| one.store.sender("acme", None).unwrap())
        .collect();
    let reserve = json!({"account": "acme", "count": 2, "life_ms": MINUTE_MS});
    acme.all[0].call("reservations.create", reserve);
    let refusal = senders[1].admit(1).unwrap().refusal.unwrap();
    // Only the store knows when it comes back.
    assert_eq!(refusal.retry_at_ms, Some(NOON_MS + MINUTE_MS));
    acme.all
        .iter()
        .for_each(|process| process.set_clock(NOON_MS + MINUTE_MS));
    assert_eq!(senders[2].admit(1).unwrap().granted, 1);
    assert_eq!(senders[1].admit(1).unwrap().granted, 1);
    assert_eq!(senders[0].admit(1).unwrap().granted, 0);
}

/// A commit of which nobody else keeps anything in memory has no note: others do not look.
#[test]
fn sends_have_no_note() {
    let acme = acme(2);
    let sender = acme.all[0].store.sender("acme", None).unwrap();
    let other = acme.all[1].store.sender("acme", None).unwrap();
    assert_eq!(other.admit(1).unwrap().granted, 1);
    let is_behind = || acme.all[1].engine().kernel.is_behind();
    for _ in 0..200 {
        assert_eq!(sender.admit(1).unwrap().granted, 1);
        assert!(!is_behind());
    }
    acme.all[0].set_clock(NOON_MS + 20 * MINUTE_MS);
    acme.all[0].call("sessions.check", json!({"token": acme.session["token"]}));
    let refund = json!({"account": "acme", "count": 2, "granted_at_ms": NOON_MS});
    acme.all[0].call("sending.refund", refund);
    let send = json!({"account": "acme", "count": 1, "key": "once"});
    acme.all[0].call("sending.admit", send);
    assert!(!is_behind());
    acme.all[0].call(
        "accounts.hold",
        json!({"account": "acme", "reason": "abuse"}),
    );
    assert!(is_behind());
    assert_eq!(other.admit(1).unwrap().granted, 0);
}

/// An id is used once: there are others later.
fn name_of_account(dice: &mut Dice, step: u64) -> String {
    format!("a{}", step / 50 + dice.throw(5))
}

/// Some operation, by numbers that look random.
fn operation(dice: &mut Dice, step: u64) -> (&'static str, Value) {
    let account = name_of_account(dice, step);
    let user = format!("u{}", dice.throw(8));
    let role = ["writer", "reader"][dice.throw(2) as usize];
    let number = dice.throw(100);
    let member = json!({"account": account, "user": user});
    match dice.throw(24) {
        0..4 => {
            let owner = json!({"user": user, "email": format!("{user}@x.example")});
            let mut request = json!({"id": account, "name": account, "package": "small",
                "owner": owner});
            if number < 50 {
                request["parent"] = json!(format!("a{}", step / 50 + number % 3));
            }
            ("accounts.create", request)
        }
        4 => {
            let children = if number < 50 { "delete" } else { "detach" };
            (
                "accounts.delete",
                json!({"account": account, "children": children}),
            )
        }
        5..8 => (
            "members.add",
            json!({"account": account, "user": user, "role": role,
                "email": format!("{user}@x.example")}),
        ),
        8 => ("members.remove", member),
        9 => (
            "members.set_role",
            json!({"account": account, "user": user, "role": role}),
        ),
        10 => ("members.disable", member),
        11 => ("members.enable", member),
        12 => (
            "groups.create",
            json!({"account": account, "id": format!("g{}", number % 3), "name": "Red"}),
        ),
        13 => (
            "groups.add_members",
            json!({"account": account, "group": format!("g{}", number % 3), "users": [user]}),
        ),
        14 => (
            "groups.delete",
            json!({"account": account, "group": format!("g{}", number % 3)}),
        ),
        15 => (
            "limits.set",
            json!({"account": account, "limit": "email_per_day", "value": number * 100}),
        ),
        16 => (
            "accounts.hold",
            json!({"account": account, "reason": "abuse"}),
        ),
        17 => (
            "accounts.release",
            json!({"account": account, "hold": number % 3 + 1}),
        ),
        18 => {
            let allow = if number < 50 { "campaigns" } else { "lists" };
            (
                "roles.edit",
                json!({"role": role, "allow": [{"permission": allow}]}),
            )
        }
        19 => (
            "policies.set",
            json!({"account": account, "policies": {"owner_exclusive": number < 20}}),
        ),
        20 => (
            "caps.set",
            json!({"account": account, "id": "few", "scope": "account", "window": "day",
                "limit": number}),
        ),
        21 => ("sessions.create", json!({"user": user})),
        22 => ("users.disable", json!({"user": user})),
        _ => ("users.enable", json!({"user": user})),
    }
}

/// What is asked after each operation.
fn questions(process: &Process, dice: &mut Dice, step: u64) -> Vec<Value> {
    let account = name_of_account(dice, step);
    let user = format!("u{}", dice.throw(8));
    let code = |error: crate::Error| json!(error.code().name());
    let call = |actor: &Value, operation: &str, request: &Value| {
        process
            .try_as(actor, operation, request)
            .unwrap_or_else(code)
    };
    let system = json!({"kind": "system"});
    let themself = json!({"kind": "user", "user": user, "account": account});
    let of_account = json!({"account": account});
    let may = process.store.allowed(&account, &user, "campaigns.send");
    let sender = process.store.sender(&account, Some(&user));
    vec![
        may.map_or_else(code, |may| json!(may)),
        sender.map_or_else(code, |_| json!("there")),
        call(&system, "accounts.get", &of_account),
        call(&system, "limits.explain", &of_account),
        call(&themself, "members.list", &of_account),
        call(&themself, "groups.list", &of_account),
    ]
}

/// Operations that three engines run in turn answer as one engine does, and make of the store the
/// same.
#[test]
fn three_engines_are_as_one() {
    for seed in 0..4 {
        let (many, alone) = (acme(3), acme(1));
        let (mut dice, mut done) = (Dice(seed), 0);
        for step in 1..400_u64 {
            let by = &many.all[dice.throw(3) as usize];
            let only = &alone.all[0];
            let (name, request) = operation(&mut dice, step);
            let asks = &many.all[dice.throw(3) as usize];
            let run = |process: &Process| {
                process.set_ids(step << 20);
                let answer = process.try_call(name, &request);
                answer.map_err(|error| (error.code(), error.message().to_owned()))
            };
            let answer = run(by);
            assert_eq!(
                answer,
                run(only),
                "{name} {request}, seed {seed}, step {step}"
            );
            done += u64::from(answer.is_ok());
            let asked = dice.0;
            let answers = questions(asks, &mut dice, step);
            assert_eq!(
                answers,
                questions(only, &mut Dice(asked), step),
                "after {name} {request}, seed {seed}, step {step}"
            );
            if step % 50 == 49 {
                let hash = |process: &Process| process.call("store.state_hash", json!({}));
                assert_eq!(hash(asks), hash(only), "seed {seed}, step {step}");
            }
        }
        assert!(done > 60, "{done}");
        assert_eq!(
            many.all[2].call("store.verify", json!({}))["damaged"],
            json!([])
        );
    }
}

/// S6: whoever guesses a password has no more tries where more processes let people in.
#[test]
fn all_processes_together_let_somebody_try_as_often_as_one() {
    let (_, all) = Common::processes(3);
    let owner = json!({"user": "olga", "email": "olga@x.example"});
    let account = json!({"id": "acme", "name": "Acme", "owner": owner});
    all[0].call("accounts.create", account);
    let place = Some(crate::model::Address::new("192.0.2.1").unwrap());
    let admit = |at: usize, person: &str, now_ms: u64| {
        all[at % 3]
            .engine()
            .attempts()
            .admit(person, place, now_ms)
            .unwrap()
    };
    let free = (0..20)
        .filter(|at| admit(*at, "olga@x.example", NOON_MS).is_ok())
        .count();
    assert_eq!(free, 6);
    assert_eq!(admit(1, "olga@x.example", NOON_MS), Err(NOON_MS + 1000));
    assert_eq!(admit(2, "olga@x.example", NOON_MS + 1000), Ok(()));
    assert_eq!(
        admit(0, "olga@x.example", NOON_MS + 1001),
        Err(NOON_MS + 3000)
    );
    assert_eq!(admit(0, "otto@x.example", NOON_MS + 1001), Ok(()));
    all[2]
        .engine()
        .attempts()
        .succeeded("olga@x.example", place)
        .unwrap();
    assert_eq!(admit(1, "olga@x.example", NOON_MS + 1001), Ok(()));
    let olga = crate::model::Id::new("olga").unwrap();
    let codes = (0..60).filter(|at| {
        let attempts = all[at % 3].engine().attempts();
        attempts.admit_code(&olga, NOON_MS).unwrap().is_ok()
    });
    assert_eq!(codes.count(), 30);
    all[1].engine().attempts().code_taken(&olga).unwrap();
    assert_eq!(
        all[0]
            .engine()
            .attempts()
            .admit_code(&olga, NOON_MS)
            .unwrap(),
        Ok(())
    );
    // Those who try at once all count.
    let free: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..30)
            .map(|at| {
                scope.spawn(move || usize::from(admit(at, "ben@x.example", NOON_MS + 1001).is_ok()))
            })
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(free, 6);
    let hash = all[0].call("store.state_hash", json!({}));
    admit(0, "new@x.example", NOON_MS + 1001).unwrap();
    assert_eq!(all[1].call("store.state_hash", json!({})), hash);
}

/// `big`, which takes many steps to erase.
fn with_big(processes: u64) -> Acme {
    let acme = acme(processes);
    let owner = json!({"user": "of-big", "email": "big@x.example"});
    acme.all[0].call(
        "accounts.create",
        json!({"id": "big", "name": "Big", "owner": owner}),
    );
    for number in 0..40 {
        let user = format!("m{number}");
        let member = json!({"account": "big", "user": user, "role": "reader",
            "email": format!("{user}@x.example")});
        acme.all[0].call("members.add", member);
    }
    for process in &acme.all {
        process.engine().background.set_at_once_for_tests(4);
    }
    acme
}

/// Calls until nothing goes on.
fn finish(process: &Process) {
    for _ in 0..1000 {
        process.call("outbox.consumers", json!({}));
        if !process.engine().background.is_under_way() {
            return;
        }
    }
    panic!("it goes on for ever");
}

/// An account that is erased in steps is there for nobody from the first on, and who asked for it
/// learns what went, whoever made the steps.
#[test]
fn steps_are_made_by_whoever_comes() {
    let acme = Arc::new(with_big(2));
    let sender = acme.all[1].store.sender("big", None).unwrap();
    assert_eq!(sender.admit(1).unwrap().granted, 1);
    let between = acme.clone();
    set(&acme.all[0].hooks.lock_writer, move || {
        let after = between.clone();
        set(&between.all[0].hooks.lock_writer, move || {
            let gone = json!({"account": "big"});
            assert_eq!(
                after.all[1].code("accounts.get", gone),
                Some(Code::NotFound)
            );
            assert_eq!(sender.admit(1).unwrap_err().code(), Code::NotFound);
            assert!(after.all[1].engine().background.is_under_way());
            assert!(after.all[1].engine().views.cells.get("big").is_none());
            let new = after.common.open(9);
            new.engine().background.set_at_once_for_tests(4);
            finish(&new);
        });
    });
    let deleted = acme.all[0].call("accounts.delete", json!({"account": "big"}));
    assert_eq!(
        (&deleted["accounts"], &deleted["users"]),
        (&json!(1), &json!(41)),
        "{deleted}"
    );
    assert_eq!(
        acme.all[1].call("store.verify", json!({}))["damaged"],
        json!([])
    );
}

/// Where the process that has begun it is no more, another goes on.
#[test]
fn steps_of_a_process_that_is_no_more_are_made_by_others() {
    let acme = Arc::new(with_big(2));
    let between = acme.clone();
    set(&acme.all[0].hooks.lock_writer, move || {
        set(&between.all[0].hooks.lock_writer, || panic!("it ends here"));
    });
    assert_eq!(
        acme.all[0].code("accounts.delete", json!({"account": "big"})),
        Some(Code::Internal)
    );
    let other = &acme.all[1];
    other.call("outbox.consumers", json!({}));
    assert!(other.engine().background.is_under_way());
    other.set_clock(NOON_MS + 2 * MINUTE_MS);
    finish(other);
    let key = crate::kernel::keys::account(&crate::model::Id::new("big").unwrap());
    assert_eq!(acme.common.value(&key), None);
    assert_eq!(other.call("store.verify", json!({}))["damaged"], json!([]));
}
