//! Several processes on one store, in SQLite and in PostgreSQL: what one of them was answered, the
//! next call in any other obeys, and a limit is sold once, whatever is killed or stopped.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tenantry_cluster::Cluster;
use tenantry_tests::crash::{Dice, Kept, Scratch, count};
use tenantry_tests::many::{PATIENCE, Process, made, sent};

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

    /// A process with a clock of its own.
    fn process_at(&self, now_ms: u64) -> Process {
        Process::start_at(HOST, &self.store, &self.sent, now_ms)
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
                let allowed = ask_in_time(process, &json!({"allowed": null}));
                let admitted = ask_in_time(process, &json!({"admit": 1}));
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

/// What is answered from memory is answered in time, or not at all: then once more.
fn ask_in_time(process: &mut Process, what: &Value) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = process.ask(what);
        let is_late = ["prepared", "by_ids"].map(|one| answer[one] == "store_unreachable");
        if is_late == [false, false] || Instant::now() > until {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(20));
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

/// However slow the machine is: more is acknowledged than is killed.
fn wait_until_made(folder: &Path, count: usize) {
    let until = Instant::now() + PATIENCE;
    while made(folder).len() < count {
        assert!(Instant::now() < until, "nothing more is acknowledged");
        std::thread::sleep(Duration::from_millis(5));
    }
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
        wait_until_made(&platform.sent, kills + 1);
        processes.into_iter().for_each(Process::kill);
    }
    let mut last = platform.process();
    let ids = made(&platform.sent);
    assert!(ids.len() > kills, "{} for {kills} kills", ids.len());
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

/// What the clocks of the processes are within, of the end of a window.
const APART_MS: u64 = 5 * 60_000;
const DAY_MS: u64 = 24 * 3_600_000;
/// 2031-01-28T00:00:00Z: with the fourth day a month ends as well.
const FIRST_DAY_MS: u64 = 1_927_324_800_000;
/// What may go out on a day.
const OF_A_DAY: u64 = 500;

/// P12 (N9): the clocks of three processes are up to ten minutes apart, and are set back and forth
/// over the end of a window, while they send. Whatever the clock of a process says, it charges the
/// window that any of them has begun, with the same boundaries: no window sells more than its
/// limit, and each is sold whole.
#[test]
fn clocks_that_differ_sell_each_window_once() {
    clocks_differ(On::Sqlite, count("TENANTRY_WINDOWS", 8));
}

#[test]
fn clocks_that_differ_in_postgresql_sell_each_window_once() {
    clocks_differ(On::Postgres, count("TENANTRY_WINDOWS", 8).div_ceil(2));
}

fn clocks_differ(on: On, windows: u64) {
    let platform = Platform::new(on, "many-clocks");
    let mut dice = Dice::of_test("clocks of many processes");
    let mut first = platform.process_at(FIRST_DAY_MS);
    limited(&mut first, "acme", "email_per_day", OF_A_DAY);
    first.close();
    let mut clocks = Clocks {
        processes: (0..3).map(|_| platform.process_at(FIRST_DAY_MS)).collect(),
        platform: &platform,
        dice: &mut dice,
        moves: 0,
    };
    for process in &mut clocks.processes {
        process.ask(&json!({"prepare": "below"}));
    }
    for day in 1..=windows {
        clocks.go_over_the_end_of(day);
    }
    let (moves, sold) = (clocks.moves, windows * OF_A_DAY);
    let mut told: Vec<Value> = Vec::new();
    for process in &mut clocks.processes {
        let request = json!({"account": "acme", "limit": "email_per_day"});
        told.push(process.must("usage.history", &request));
    }
    let days = told[0]["windows"].as_array().unwrap();
    for (number, day) in days.iter().enumerate() {
        assert_eq!(day["starts_at_ms"], midnight(number as u64), "{day}");
        assert_eq!(day["used"], OF_A_DAY, "{day}");
    }
    assert_eq!(days.len() as u64, windows, "{told:?}");
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    clocks.processes.into_iter().for_each(Process::close);
    println!("{windows} windows, {moves} times a clock was set; {sold} sold, never over");
}

/// The processes, and their clocks.
struct Clocks<'a> {
    platform: &'a Platform,
    processes: Vec<Process>,
    dice: &'a mut Dice,
    moves: u64,
}

fn midnight(day: u64) -> u64 {
    FIRST_DAY_MS + day * DAY_MS
}

impl Clocks<'_> {
    fn set(&mut self, at: usize, now_ms: u64) {
        self.processes[at].must("clock.set", &json!({"now_ms": now_ms}));
        self.moves += 1;
    }

    /// Before the end of the day all of it is sold. Then the clocks go back and forth over it: at
    /// first none is beyond, and nothing goes out; once one was, the next day is sold.
    fn go_over_the_end_of(&mut self, day: u64) {
        let end_ms = midnight(day);
        for at in 0..self.processes.len() {
            let before_ms = 1 + self.dice.roll(2 * APART_MS);
            self.set(at, end_ms - before_ms);
        }
        self.sell_out(day);
        let mut has_begun = false;
        for _ in 0..12 {
            let at = self.dice.roll(self.processes.len() as u64) as usize;
            let now_ms = end_ms - APART_MS + self.dice.roll(2 * APART_MS);
            self.set(at, now_ms);
            let asked = 1 + self.dice.roll(OF_A_DAY / 24);
            let before = self.platform.sent();
            let answer = self.processes[at].ask(&json!({"send": asked}));
            has_begun |= now_ms >= end_ms;
            let out = self.platform.sent();
            let granted = if has_begun { asked } else { 0 };
            assert_eq!(out - before, granted, "at {now_ms}: {answer}");
            if has_begun {
                self.all_tell(end_ms);
            }
        }
        // All of them at once, and one is beyond the end for sure.
        let past_ms = end_ms + self.dice.roll(APART_MS);
        self.set(0, past_ms);
        for process in &mut self.processes {
            process.begin_to(&json!({"send": 10, "threads": 2}));
        }
        for process in &mut self.processes {
            process.answer();
        }
        self.all_tell(end_ms);
        assert!(self.platform.sent() <= (day + 1) * OF_A_DAY);
    }

    /// What is left of the day goes out: all of it, and nothing more.
    fn sell_out(&mut self, day: u64) {
        for process in &mut self.processes {
            process.begin_to(&json!({"send": OF_A_DAY, "threads": 2}));
        }
        let answers: Vec<_> = self.processes.iter_mut().map(Process::answer).collect();
        let sent = self.platform.sent();
        assert_eq!(sent, day * OF_A_DAY, "on day {day}: {answers:?}");
    }

    /// All processes tell the same of the window that has begun, whatever their clocks say.
    fn all_tell(&mut self, starts_at_ms: u64) {
        for process in &mut self.processes {
            let usage = process.must("usage.get", &json!({"account": "acme"}));
            let windows = usage["windows"].as_array().unwrap();
            let day = windows.iter().find(|one| one["limit"] == "email_per_day");
            let day = day.unwrap_or_else(|| panic!("{usage}"));
            assert_eq!(day["starts_at_ms"], starts_at_ms, "{day}");
            assert_eq!(day["resets_at_ms"], starts_at_ms + DAY_MS, "{day}");
        }
    }
}
