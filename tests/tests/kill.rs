//! A host that is killed with SIGKILL, again and again, on one store: everything it acknowledged is
//! there afterwards, nothing is there by halves, and nothing that was granted is forgotten.

use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use tenantry::Tenantry;
use tenantry_tests::crash::{
    self, Dice, Kept, Ledger, Moment, Scratch, copy, count, host, kill, remove,
};
use tenantry_tests::library;

const HOST: &str = env!("CARGO_BIN_EXE_crash_host");

#[test]
fn what_was_acknowledged_survives_kill_9() {
    acknowledged_survives(Kept::Sled, count("TENANTRY_KILLS", 200));
}

/// P3, with one host.
#[test]
fn what_was_acknowledged_survives_kill_9_in_sqlite() {
    acknowledged_survives(Kept::Sqlite, count("TENANTRY_KILLS", 200).div_ceil(4));
}

fn acknowledged_survives(kept: Kept, kills: u64) {
    let mut dice = Dice::of_test("kill");
    let scratch = Scratch::new("kill");
    let (store, looked_at) = (scratch.at("store"), scratch.at("looked-at"));
    let mut ledger = Ledger::default();
    for run in 0..kills {
        // Some are killed while they open, most at work.
        let moment = match dice.roll(8) {
            0 => Moment::AfterStart(dice.millis(0, 25)),
            _ => Moment::AfterFirstAcknowledgement(dice.millis(5, 80)),
        };
        let seed = dice.number();
        let named = kept.named(&store);
        let said = kill(&mut host(HOST, &named, seed, run, None), moment);
        let said = said.unwrap_or_else(|error| panic!("run {run}, {moment:?}: {error}"));
        // Where only a copy is opened, the next crash comes upon what the last one left.
        let opened = if dice.roll(2) == 0 && store.exists() {
            copied(&store, &looked_at)
        } else {
            store.as_path()
        };
        ledger
            .check(said, &kept.named(opened))
            .unwrap_or_else(|error| panic!("run {run}, {moment:?}: {error}"));
    }
    println!(
        "{kept:?}: {kills} kills, {} acknowledgements, none lost",
        ledger.acknowledgements
    );
}

#[test]
fn a_store_that_was_being_created_opens() {
    being_created_opens(Kept::Sled, count("TENANTRY_KILLS", 200) / 4);
}

#[test]
fn a_store_that_was_being_created_in_sqlite_opens() {
    being_created_opens(Kept::Sqlite, count("TENANTRY_KILLS", 200).div_ceil(10));
}

fn being_created_opens(kept: Kept, kills: u64) {
    let mut dice = Dice::of_test("kill while creating");
    let scratch = Scratch::new("create");
    let (store, looked_at) = (scratch.at("store"), scratch.at("looked-at"));
    let mut before_the_first = 0;
    for run in 0..kills {
        remove(&store);
        let mut ledger = Ledger::default();
        // A second kill upon the first, in half of them.
        for attempt in 0..=dice.roll(2) {
            let moment = Moment::AfterStart(dice.millis(0, 25));
            let said = kill(
                &mut host(HOST, &kept.named(&store), dice.number(), attempt, None),
                moment,
            );
            let said = said.unwrap_or_else(|error| panic!("run {run}, {moment:?}: {error}"));
            before_the_first += u64::from(said.acknowledgements == 0);
            let opened = if dice.roll(2) == 0 && store.exists() {
                copied(&store, &looked_at)
            } else {
                store.as_path()
            };
            ledger
                .check(said, &kept.named(opened))
                .unwrap_or_else(|error| panic!("run {run}, {moment:?}: {error}"));
        }
    }
    println!("{kept:?}: {kills} stores, {before_the_first} kills before anything was acknowledged");
}

/// R-OUT-1, S12: a message is there when its cause is, and comes until it was acknowledged; the
/// chains of the audit are whole.
#[test]
fn no_message_is_lost_to_kill_9() {
    let mut dice = Dice::of_test("kill and messages");
    let kills = count("TENANTRY_KILLS", 200).div_ceil(10);
    let scratch = Scratch::new("kill-outbox");
    let (store, looked_at) = (scratch.at("store"), scratch.at("looked-at"));
    let (mut stopped, mut carried_out) = (BTreeSet::new(), BTreeSet::new());
    let mut delivered = 0;
    for run in 0..kills {
        let moment = Moment::AfterFirstAcknowledgement(dice.millis(5, 80));
        let mut host = Command::new(HOST);
        host.arg("tell").arg(&store).arg(run.to_string());
        let lines = crash::kill_after(&mut host, moment, |_| true)
            .unwrap_or_else(|error| panic!("run {run}, {moment:?}: {error}"));
        for line in &lines {
            match line.split_once(' ') {
                Some(("stopped", campaign)) => drop(stopped.insert(campaign.to_owned())),
                Some(("carried-out", number)) => {
                    carried_out.insert(number.parse::<u64>().unwrap());
                }
                _ => panic!("run {run}: the host says `{line}`"),
            }
        }
        // Later, so that nobody has anything any more.
        let options =
            br#"{"durability":"full","clock":{"manual_ms":1750000100000},"create":false}"#;
        let opened = Tenantry::open_json(copied(&store, &looked_at).to_str().unwrap(), options);
        let opened = opened.unwrap_or_else(|error| panic!("run {run}: {}", error.to_json()));
        let call = |operation, request| {
            crash::call(&opened, operation, &request)
                .unwrap_or_else(|error| panic!("run {run}: {operation}: {error}"))
        };
        assert_eq!(
            call("store.verify", json!({}))["damaged"],
            json!([]),
            "run {run}"
        );
        for chain in [
            json!({"account": "top"}),
            json!({"chain": "platform"}),
            json!({"chain": "users"}),
        ] {
            assert_eq!(call("audit.verify", chain)["whole"], true, "run {run}");
        }
        let mut told: BTreeMap<u64, String> = BTreeMap::new();
        loop {
            let page = call(
                "outbox.read",
                json!({"after": told.keys().next_back().copied().unwrap_or(0), "limit": 500}),
            );
            for message in page["messages"].as_array().unwrap() {
                told.insert(
                    message["number"].as_u64().unwrap(),
                    message["campaign"].as_str().unwrap().to_owned(),
                );
            }
            if page.get("next").is_none() {
                break;
            }
        }
        assert!(
            told.keys().copied().eq(1..=told.len() as u64),
            "run {run}: {:?}",
            told.keys()
        );
        let causes: BTreeSet<String> = told.values().cloned().collect();
        assert_eq!(
            causes.len(),
            told.len(),
            "run {run}: a cause has two messages"
        );
        assert!(
            stopped.is_subset(&causes),
            "run {run}: causes without a message: {:?}",
            stopped.difference(&causes).collect::<Vec<_>>()
        );
        for cause in causes.difference(&stopped) {
            assert!(
                call(
                    "campaigns.get",
                    json!({"account": "top", "campaign": cause})
                )
                .get("stop")
                .is_some(),
                "run {run}: {cause}"
            );
        }
        let mut again = BTreeSet::new();
        loop {
            let taken = call("outbox.take", json!({"consumer": "mails", "limit": 500}));
            let numbers: Vec<u64> = taken["messages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["message"]["number"].as_u64().unwrap())
                .collect();
            if numbers.is_empty() {
                break;
            }
            call(
                "outbox.ack",
                json!({"consumer": "mails", "numbers": numbers}),
            );
            again.extend(numbers);
        }
        let lost: Vec<_> = told
            .keys()
            .filter(|number| !again.contains(number) && !carried_out.contains(number))
            .collect();
        // One was acknowledged, and the host was killed before it could say so.
        assert!(
            lost.len() as u64 <= run + 1,
            "run {run}: neither acknowledged nor delivered: {lost:?}"
        );
        assert!(
            carried_out.is_disjoint(&again),
            "run {run}: delivered after they were acknowledged"
        );
        delivered += again.len();
        opened.close().unwrap();
    }
    println!(
        "{kills} kills, {} messages, {} acknowledged, {delivered} deliveries afterwards",
        stopped.len(),
        carried_out.len()
    );
}

fn copied<'a>(store: &Path, to: &'a Path) -> &'a Path {
    copy(store, to);
    to
}

/// `tests/c/kill_host.c`, which says `granted <n>` for the account `acme` and `wrote <user>`.
fn c_host() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kill_host");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-std=c11", "-O2", "-I"])
        .arg(tests.join("../include"))
        .arg(tests.join("c/kill_host.c"));
    compiler
        .arg(library::folder().join("libtenantry.a"))
        .args([
            "-lgcc_s",
            "-lutil",
            "-lrt",
            "-lpthread",
            "-lm",
            "-ldl",
            "-o",
        ])
        .arg(&program);
    assert!(
        compiler.status().expect("a C compiler").success(),
        "the host does not compile"
    );
    program
}

#[test]
fn the_same_through_the_c_abi() {
    let mut dice = Dice::of_test("kill through C");
    let kills = count("TENANTRY_KILLS", 200).div_ceil(10);
    let scratch = Scratch::new("kill-c");
    let (program, store) = (c_host(), scratch.at("store"));
    let (mut granted, mut crashes, mut month) = (0, 0, None);
    let mut users = Vec::new();
    for run in 0..kills {
        let moment = Moment::AfterFirstAcknowledgement(dice.millis(5, 80));
        let mut host = Command::new(&program);
        let lines = crash::kill_after(host.arg(&store).arg(format!("run{run}")), moment, |line| {
            !line.starts_with("ready")
        });
        let lines = lines.unwrap_or_else(|error| panic!("run {run}, {moment:?}: {error}"));
        crashes += 1;
        for line in &lines {
            match line.split_once(' ') {
                Some(("granted", number)) => granted += number.parse::<u64>().unwrap(),
                Some(("wrote", user)) => users.push(user.to_owned()),
                _ => assert_eq!(line, "ready"),
            }
        }
        let store = Tenantry::open_json(store.to_str().unwrap(), br#"{"create":false}"#)
            .unwrap_or_else(|error| panic!("run {run}: {}", error.to_json()));
        assert_eq!(
            crash::call(&store, "store.verify", &json!({})).unwrap()["whole"],
            true,
            "run {run}"
        );
        for user in &users {
            crash::call(&store, "users.get", &json!({"user": user}))
                .unwrap_or_else(|error| panic!("run {run}: {error}"));
        }
        let usage = crash::call(&store, "usage.get", &json!({"account": "acme"})).unwrap();
        let window = usage["windows"]
            .as_array()
            .unwrap()
            .iter()
            .find(|window| window["limit"] == "email_per_month")
            .unwrap();
        if *month.get_or_insert(window["starts_at_ms"].clone()) != window["starts_at_ms"] {
            println!("a new month has begun after {run} kills");
            return;
        }
        let used = window["used"].as_u64().unwrap();
        // What was granted but not told any more; and blocks, which double: no more is drawn ahead
        // than twice what went out before.
        let most = 3 * (granted + crashes * 20) + crashes * (20 + 20);
        assert!(
            (granted..=most).contains(&used),
            "run {run}: {granted} granted in {crashes} runs, {window}"
        );
        store.close().unwrap();
    }
    println!(
        "{kills} kills, {granted} messages and {} users, none lost",
        users.len()
    );
}
