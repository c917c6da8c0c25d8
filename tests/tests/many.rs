//! Several processes on one store, in SQLite and in PostgreSQL: what one of them was answered, the
//! next call in any other obeys, and a limit is sold once, whatever is killed or stopped.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tenantry_cluster::Cluster;
use tenantry_tests::crash::{Dice, Kept, Scratch, count};
use tenantry_tests::many::{Process, made, sent};

const HOST: &str = env!("CARGO_BIN_EXE_many_host");

/// What keeps the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Sqlite,
    Postgres,
}

/// A store with three accounts, and the processes that have it open.
struct Platform {
    on: On,
    store: PathBuf,
    sent: PathBuf,
    _scratch: Scratch,
}

impl Platform {
    fn new(on: On, test: &str) -> Platform {
        let scratch = Scratch::new(test);
        let store = match on {
            On::Sqlite => Kept::Sqlite.named(&scratch.at("store")),
            On::Postgres => Cluster::shared().new_address().into(),
        };
        let sent = scratch.at("sent");
        std::fs::create_dir_all(&sent).unwrap();
        let platform = Platform {
            on,
            store,
            sent,
            _scratch: scratch,
        };
        let mut first = platform.process();
        for (operation, request) in [
            (
                "roles.create",
                json!({"id": "sends", "name": "Sends",
                    "allow": [{"permission": "campaigns"}]}),
            ),
            (
                "roles.create",
                json!({"id": "reads", "name": "Reads", "allow": [{"permission": "lists"}]}),
            ),
            (
                "packages.create",
                json!({"id": "small", "name": "Small", "limits": {"email_per_day": "unlimited"}}),
            ),
            ("accounts.create", account("acme", None)),
            ("accounts.create", account("below", Some("acme"))),
            ("accounts.create", account("other", None)),
            (
                "members.add",
                json!({"account": "acme", "user": "ann", "email": "ann@acme.example",
                    "role": "sends"}),
            ),
        ] {
            first.must(operation, &request);
        }
        first.close();
        platform
    }

    fn process(&self) -> Process {
        Process::start(HOST, &self.store, &self.sent)
    }

    /// Another process, while one is stopped. Where that one was stopped as it wrote, all others
    /// are told to wait for it or to end it, and it goes on.
    fn process_beside(&self, stopped: &Process) -> Process {
        Process::try_start(HOST, &self.store, &self.sent).unwrap_or_else(|refused| {
            assert_eq!(refused["code"], "busy", "{refused}");
            let message = refused["message"].as_str().unwrap();
            let who = format!("The process {} has kept others from writing", stopped.pid());
            assert!(message.starts_with(&who), "{message}");
            stopped.signal("CONT");
            self.process()
        })
    }

    fn processes(&self, count: usize) -> Vec<Process> {
        (0..count).map(|_| self.process()).collect()
    }

    /// Until then a process may not have heard of what another was answered.
    fn wait_until_all_know(&self, process: &mut Process) {
        if self.on == On::Postgres {
            let barrier = process.must("store.barrier", &json!({"timeout_ms": 20_000}));
            assert_eq!(barrier, json!({"reached": true, "behind": []}));
        }
    }

    fn sent(&self) -> u64 {
        sent(Path::new(&self.sent))
    }
}

fn account(id: &str, parent: Option<&str>) -> Value {
    json!({"id": id, "name": id, "package": "small", "parent": parent,
        "owner": {"user": format!("owner-of-{id}"), "email": format!("owner@{id}.example")}})
}

fn limited(process: &mut Process, account: &str, limit: &str, value: u64) {
    let request = json!({"account": account, "limit": limit, "value": value});
    process.must("limits.set", &request);
}

/// A change in one process, and what the others are to answer from then on.
struct Change {
    operation: &'static str,
    request: Value,
    /// Whether the user may send.
    allowed: Value,
    /// What a message of theirs is answered.
    admitted: Value,
}

fn changes() -> Vec<Change> {
    let change = |operation, request, allowed, admitted| Change {
        operation,
        request,
        allowed,
        admitted,
    };
    let member = |role: &str| json!({"account": "acme", "user": "ann", "role": role});
    let hold = json!({"account": "acme", "reason": "abuse"});
    let limit = |value: u64| json!({"account": "acme", "limit": "email_per_day", "value": value});
    let role = |allow: &str| json!({"role": "sends", "allow": [{"permission": allow}]});
    vec![
        change("members.set_role", member("reads"), json!(false), json!(0)),
        change("members.set_role", member("sends"), json!(true), json!(1)),
        change("roles.edit", role("lists"), json!(false), json!(0)),
        change("roles.edit", role("campaigns"), json!(true), json!(1)),
        change("accounts.hold", hold.clone(), json!(false), json!(0)),
        change("accounts.activate", hold, json!(true), json!(1)),
        change("limits.set", limit(0), json!(true), json!(0)),
        change("limits.set", limit(1_000_000_000), json!(true), json!(1)),
    ]
}

/// P1 (N3, N4): each change is made in one of several processes; as soon as it was acknowledged,
/// the next call in each other one obeys it, prepared or by ids. Beside them processes are killed
/// in the middle of their commits, whenever that is.
#[test]
fn what_one_process_was_answered_all_obey_at_once() {
    all_obey(On::Sqlite, count("TENANTRY_CHANGES", 300));
}

/// The same in PostgreSQL, where a process hears of it a little later (N5).
#[test]
fn what_one_process_was_answered_all_obey_after_a_barrier() {
    all_obey(On::Postgres, count("TENANTRY_CHANGES", 300).div_ceil(6));
}

fn all_obey(on: On, changed: u64) {
    let platform = Platform::new(on, "many-obey");
    let mut dice = Dice::of_test("many processes obey");
    let rounds = changed.div_ceil(changes().len() as u64);
    let mut processes = platform.processes(6);
    for process in &mut processes {
        prepare(process);
    }
    let (mut asked, mut killed) = (0, 0);
    for _ in 0..rounds {
        let mut victim = platform.process();
        victim.begin_to(&json!({"churn": "other"}));
        for (number, change) in changes().into_iter().enumerate() {
            let at = dice.roll(processes.len() as u64) as usize;
            processes[at].must(change.operation, &change.request);
            platform.wait_until_all_know(&mut processes[at]);
            for process in &mut processes {
                let allowed = process.ask(&json!({"allowed": null}));
                let admitted = process.ask(&json!({"admit": 1}));
                let both = |value: &Value| json!({"prepared": value, "by_ids": value});
                let why = format!("{} {}", change.operation, change.request);
                assert_eq!(allowed, both(&change.allowed), "{why}");
                assert_eq!(admitted, both(&change.admitted), "{why}");
                asked += 1;
            }
            if number == 3 {
                victim.kill();
                killed += 1;
                victim = platform.process();
                victim.begin_to(&json!({"churn": "other"}));
            }
        }
        victim.kill();
        killed += 1;
    }
    println!("{asked} processes asked after a change, none late; {killed} killed beside them");
    for process in processes {
        process.close();
    }
}

fn prepare(process: &mut Process) {
    let request = json!({"prepare": "acme", "user": "ann", "permission": "campaigns.send"});
    assert_eq!(process.ask(&request), json!({"ok": null}));
}

/// P2 (N7, N8): several processes send under limits of an account and of the one above it. Without
/// an accident exactly the limit goes out.
#[test]
fn a_limit_is_sold_once_and_whole() {
    is_sold_once_and_whole(On::Sqlite);
}

#[test]
fn a_limit_in_postgresql_is_sold_once_and_whole() {
    is_sold_once_and_whole(On::Postgres);
}

fn is_sold_once_and_whole(on: On) {
    for (round, limit) in [("hour", "email_per_hour"), ("day", "email_per_day")] {
        let platform = Platform::new(on, &format!("many-sell-{round}"));
        let mut first = platform.process();
        limited(&mut first, "acme", limit, 20_000);
        limited(&mut first, "below", limit, 15_000);
        let mut processes = platform.processes(5);
        processes.push(first);
        for (number, process) in processes.iter_mut().enumerate() {
            let account = ["acme", "below"][number % 2];
            process.ask(&json!({"prepare": account}));
            process.begin_to(&json!({"send": 20_000, "threads": 2}));
        }
        let answers: Vec<_> = processes.iter_mut().map(Process::answer).collect();
        assert_eq!(platform.sent(), 20_000, "{limit}: {answers:?}");
        let mut used = 0;
        for process in processes {
            process.close();
        }
        let mut last = platform.process();
        let usage = last.must("usage.get", &json!({"account": "acme"}));
        used += used_of(&usage, limit);
        assert_eq!(used, 20_000, "{usage}");
        last.close();
    }
}

fn used_of(usage: &Value, limit: &str) -> u64 {
    let window = usage["windows"]
        .as_array()
        .and_then(|windows| windows.iter().find(|window| window["limit"] == limit));
    window.unwrap_or(&usage["limits"][limit])["used"]
        .as_u64()
        .unwrap_or_else(|| panic!("{limit} in {usage}"))
}

/// P2 with accidents: processes are killed and stopped while they send. Never more goes out than
/// the limit; what is lost is what the killed had drawn ahead.
#[test]
fn a_limit_is_never_exceeded_whatever_is_killed() {
    is_never_exceeded(On::Sqlite, count("TENANTRY_ROUNDS", 20));
}

#[test]
fn a_limit_in_postgresql_is_never_exceeded_whatever_is_killed() {
    is_never_exceeded(On::Postgres, count("TENANTRY_ROUNDS", 20).div_ceil(4));
}

fn is_never_exceeded(on: On, rounds: u64) {
    let mut dice = Dice::of_test("many processes are killed");
    let (mut sent, mut lost) = (0, 0);
    for _ in 0..rounds {
        let platform = Platform::new(on, "many-kill");
        let mut first = platform.process();
        limited(&mut first, "acme", "email_per_day", 20_000);
        let mut processes = platform.processes(3);
        processes.push(first);
        for (number, process) in processes.iter_mut().enumerate() {
            let account = ["acme", "below"][number % 2];
            process.ask(&json!({"prepare": account}));
            process.begin_to(&json!({"send": 20_000, "threads": 2}));
        }
        let mut stopped = processes.pop().unwrap();
        stopped.signal("STOP");
        for _ in 0..6 {
            std::thread::sleep(dice.millis(1, 30));
            let at = dice.roll(processes.len() as u64) as usize;
            processes.swap_remove(at).kill();
            let mut next = platform.process_beside(&stopped);
            next.ask(&json!({"prepare": "below"}));
            next.begin_to(&json!({"send": 20_000, "threads": 2}));
            processes.push(next);
        }
        stopped.signal("CONT");
        stopped.answer();
        for process in &mut processes {
            process.answer();
        }
        processes.push(stopped);
        let out = platform.sent();
        assert!(out <= 20_000, "{out} were sent");
        processes.into_iter().for_each(Process::close);
        let mut last = platform.process();
        assert_eq!(last.must("store.verify", &json!({}))["damaged"], json!([]));
        last.close();
        (sent, lost) = (sent + out, lost + 20_000 - out);
    }
    println!("{rounds} rounds: {sent} sent, never over; {lost} counted as used and not sent");
}

/// P3 (N1): processes that write are killed at any instant, and others go on. Everything that one
/// of them was acknowledged is there, and all records and chains fit.
#[test]
fn what_was_acknowledged_is_there_whatever_is_killed() {
    is_there(On::Sqlite, count("TENANTRY_CRASHES", 60));
}

#[test]
fn what_was_acknowledged_is_in_postgresql_whatever_is_killed() {
    is_there(On::Postgres, count("TENANTRY_CRASHES", 60).div_ceil(2));
}

fn is_there(on: On, crashes: u64) {
    let platform = Platform::new(on, "many-crash");
    let mut dice = Dice::of_test("many processes crash");
    let (rounds, mut kills) = (crashes.div_ceil(6), 0);
    for _ in 0..rounds {
        let mut processes = platform.processes(4);
        for process in &mut processes {
            process.begin_to(&json!({"churn": "other"}));
        }
        for _ in 0..6 {
            std::thread::sleep(dice.millis(1, 60));
            let at = dice.roll(processes.len() as u64) as usize;
            processes.swap_remove(at).kill();
            let mut next = platform.process();
            next.begin_to(&json!({"churn": "other"}));
            processes.push(next);
            kills += 1;
        }
        // With the last of them the store has crashed.
        kills += processes.len();
        processes.into_iter().for_each(Process::kill);
    }
    let mut last = platform.process();
    let ids = made(&platform.sent);
    assert!(ids.len() > kills, "{ids:?}");
    for id in &ids {
        let account = last.must("accounts.get", &json!({"account": id}));
        assert_eq!(account["id"], **id);
    }
    assert_eq!(last.must("store.verify", &json!({}))["damaged"], json!([]));
    for chain in [
        json!({"account": "other"}),
        json!({"chain": "platform"}),
        json!({"chain": "users"}),
    ] {
        assert_eq!(last.must("audit.verify", &chain)["whole"], true, "{chain}");
    }
    println!("{kills} kills, {} acknowledged, none lost", ids.len());
    last.close();
}
