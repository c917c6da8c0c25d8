use crate::access::operation::Operation;
use crate::access::state::Engine;
use crate::api;
use crate::api::store::{
    Repair, StoreFinding, StoreFindingKind as Kind, StoreRemedy, StoreRepair, Verify,
};
use crate::error::{Code, Error};
use crate::kernel::keys::{self, Prefix};
use crate::model::{Actor, LimitName};
use crate::rules::limit::{CountedBy, counted_by};
use crate::tables;
use crate::tables::check::tests::{all, filled, kind, write};
use serde_json::{Value, json};
use std::collections::BTreeSet;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn run<O: Operation>(engine: &Engine, request: O) -> Result<O::Answer, Error> {
    engine.run(&Actor::System, request)
}

fn repair(engine: &Engine) -> StoreRepair {
    run(engine, Repair { dry_run: false }).unwrap()
}

fn findings(engine: &Engine) -> Vec<StoreFinding> {
    let found = run(engine, Verify {}).unwrap();
    assert_eq!(found.whole, found.findings.is_empty());
    assert_eq!(found.damaged.len(), found.findings.len());
    found.findings
}

/// All but the audit, which remembers each repair.
fn rows(engine: &Engine) -> Rows {
    let is_kept = |key: &[u8]| ![keys::AUDIT, keys::AUDIT_HEAD].contains(&kind(key));
    let mut rows = all(engine);
    rows.retain(|(key, _)| is_kept(key));
    rows
}

/// Whether a key is that of an index line or a count that follows from records.
fn is_derived(key: &[u8]) -> bool {
    let Some(table) = tables::of(kind(key)) else {
        return true;
    };
    let by_host = |limit: &str| {
        LimitName::find(limit).is_some_and(|limit| counted_by(limit) == CountedBy::Host)
    };
    table.is_derived
        && !(keys::part(key, 2) == Some("gauge") && keys::part(key, 3).is_some_and(by_host))
}

#[test]
fn all_that_follows_from_records_comes_back_from_them() {
    let engine = filled();
    let before = rows(&engine);
    let derived: Vec<_> = before.iter().filter(|(key, _)| is_derived(key)).collect();
    let kinds: BTreeSet<Prefix> = derived.iter().map(|(key, _)| kind(key)).collect();
    assert!(kinds.len() >= 15, "{kinds:?}");
    derived
        .iter()
        .for_each(|(key, _)| write(&engine, key, None));
    let told = run(&engine, Repair { dry_run: true }).unwrap();
    assert!(!told.whole && told.repaired_count > 60, "{told:?}");
    assert_eq!(rows(&engine).len(), before.len() - derived.len());
    let repaired = repair(&engine);
    assert_eq!(repaired.remaining, []);
    assert_eq!(rows(&engine), before);
    assert!(repaired.whole);
    assert_eq!(
        repaired.repaired.len() as u64,
        repaired.repaired_count.min(100)
    );
    assert!(repaired.repaired_count >= derived.len() as u64);
    let again = repair(&engine);
    assert!(again.whole && again.repaired_count == 0, "{again:?}");
}

/// Lines and counts that are gone, that say something else, and that nothing asks for.
fn damage(engine: &Engine, before: &Rows, mut roll: impl FnMut(usize) -> usize) {
    let derived: Vec<_> = before.iter().filter(|(key, _)| is_derived(key)).collect();
    for _ in 0..20 {
        let (key, value) = derived[roll(derived.len())];
        let others = ["top", "kid", "tom", "ann", "small", "default", "nobody"];
        let other = others[roll(others.len())];
        match roll(3) {
            0 => write(engine, key, None),
            1 => {
                let changed = match serde_json::from_slice::<Value>(value).unwrap() {
                    Value::Number(count) => json!(count.as_u64().unwrap() + 1),
                    _ => json!(other),
                };
                write(engine, key, Some(changed.to_string().as_bytes()));
            }
            _ => {
                let mut parts: Vec<&[u8]> = key.split(|byte| *byte == 0).collect();
                let place = 1 + roll(parts.len() - 1);
                parts[place] = other.as_bytes();
                let another = parts.join(&0);
                // Of other counts nothing is known, so they stay.
                let is_known = place == 1 || kind(key) != keys::TALLY;
                if is_known && is_derived(&another) && before.iter().all(|(key, _)| *key != another)
                {
                    write(engine, &another, Some(value));
                }
            }
        }
    }
}

#[test]
fn whatever_happened_to_lines_and_counts_is_repaired() {
    let engine = filled();
    let before = rows(&engine);
    let mut state = 22_u64;
    let mut roll = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for round in 0..5 {
        damage(&engine, &before, &mut roll);
        let damaged = rows(&engine);
        let found = findings(&engine);
        let told = run(&engine, Repair { dry_run: true }).unwrap();
        assert!(told.repaired_count > 0 && !told.whole, "round {round}");
        assert_eq!(rows(&engine), damaged, "a dry run changes nothing");
        let repaired = repair(&engine);
        assert_eq!(repaired.remaining, [], "round {round}: {found:?}");
        assert_eq!(rows(&engine), before, "round {round}: {found:?}");
        assert_eq!(findings(&engine), [], "round {round}");
        assert_eq!(repair(&engine).repaired_count, 0, "round {round}");
    }
}

/// The record at a key with a field that is another.
fn with_field(engine: &Engine, key: &[u8], field: &str, value: Value) -> Vec<u8> {
    let rows = all(engine);
    let (_, record) = rows.iter().find(|(other, _)| other == key).unwrap();
    let mut record: Value = serde_json::from_slice(record).unwrap();
    record[field] = value;
    record.to_string().into_bytes()
}

#[test]
fn each_kind_of_finding_says_what_is_wrong_and_what_to_do() {
    let engine = filled();
    let member = b"me\0top\0ann".as_slice();
    let flag = with_field(&engine, member, "owner", json!(true));
    let null = b"null".as_slice();
    /// A key and what is written there, and the finding.
    type Case<'c> = (&'c [u8], Option<&'c [u8]>, Kind, StoreRemedy, &'c str);
    let cases: [Case<'_>; 9] = [
        (
            b"mu\0ann\0top",
            None,
            Kind::MissingLine,
            StoreRemedy::Repair,
            "membership/ann/top: The index line of the member `top/ann` is missing.",
        ),
        (
            b"gm\0top\0default\0cat",
            Some(null),
            Kind::SuperfluousLine,
            StoreRemedy::Repair,
            "group_member/top/default/cat: The index line follows from no record: its record \
             has changed, or is gone.",
        ),
        (
            b"em\0ann@example.com",
            Some(b"\"ben\""),
            Kind::WrongLine,
            StoreRemedy::Repair,
            "email/ann@example.com: The index line holds another value than the one that follows \
             from its record.",
        ),
        (
            b"tl\0top\0members",
            Some(b"9"),
            Kind::WrongCount,
            StoreRemedy::Repair,
            "tally/top/members: The count is 9; it must be 2.",
        ),
        (
            b"tl\0top\0members",
            None,
            Kind::WrongCount,
            StoreRemedy::Repair,
            "tally/top/members: The count is missing; it must be 2.",
        ),
        (
            b"pw\0nobody",
            Some(b"{"),
            Kind::UnreadableRecord,
            StoreRemedy::RestoreBackup,
            "password/nobody: The record cannot be read (",
        ),
        (
            b"al\0user\0nobody",
            Some(null),
            Kind::MissingRecord,
            StoreRemedy::RestoreBackup,
            "allow_list/user/nobody: It needs the user `nobody`, which does not exist.",
        ),
        (
            member,
            Some(&flag),
            Kind::Contradiction,
            StoreRemedy::RestoreBackup,
            "member/top/ann: The membership and the account disagree on whether this user is the \
             owner.",
        ),
        (
            b"zz\0nobody",
            Some(null),
            Kind::UnknownKey,
            StoreRemedy::RestoreBackup,
            "zz/nobody: No key of this kind has these parts.",
        ),
    ];
    let before = rows(&engine);
    for (key, value, kind, remedy, text) in cases {
        write(&engine, key, value);
        let found = findings(&engine);
        let is_it = |one: &&StoreFinding| one.kind == kind && one.text().starts_with(text);
        let it = found.iter().find(is_it);
        assert_eq!(it.map(|one| one.remedy), Some(remedy), "{text}: {found:#?}");
        let damaged = rows(&engine);
        match (kind, remedy) {
            (_, StoreRemedy::Repair) => {
                assert!(repair(&engine).whole, "{text}");
                assert_eq!(rows(&engine), before, "{text}");
            }
            (Kind::UnreadableRecord, _) => {
                let refused = run(&engine, Repair { dry_run: false }).unwrap_err();
                assert_eq!(refused.code(), Code::StoreCorrupt);
                assert!(refused.message().contains("restore a backup"), "{refused}");
                assert_eq!(rows(&engine), damaged);
            }
            _ => {
                let left = repair(&engine);
                assert!(!left.whole && left.repaired_count == 0, "{left:?}");
                assert!(left.remaining.iter().any(|one| is_it(&one)), "{left:?}");
                assert_eq!(rows(&engine), damaged, "no record changes");
            }
        }
        let kept = before.iter().find(|(other, _)| other == key);
        write(&engine, key, kept.map(|(_, value)| value.as_slice()));
        assert_eq!(findings(&engine), [], "{text}");
    }
}

/// The audit of the platform remembers how much each commit has repaired.
#[test]
fn a_repair_is_in_the_audit() {
    let engine = filled();
    write(&engine, b"mu\0ann\0top", None);
    write(&engine, b"tl\0top\0members", Some(b"7"));
    assert_eq!(repair(&engine).repaired_count, 2);
    let page = json!({"chain": "platform"});
    let page: api::audit::List = serde_json::from_value(page).unwrap();
    let page = serde_json::to_value(run(&engine, page).unwrap()).unwrap();
    let records = page["records"].as_array().unwrap();
    let of_repair = |record: &&Value| record["operation"] == "store.repair";
    let of_repair: Vec<_> = records.iter().filter(of_repair).collect();
    assert_eq!(of_repair.len(), 2, "{page}");
    for record in of_repair {
        assert_eq!(record["actor"]["kind"], "system", "{record}");
        assert_eq!(record["changes"][0]["kind"], "store", "{record}");
    }
    let whole: api::audit::Verify = serde_json::from_value(json!({"chain": "platform"})).unwrap();
    assert!(run(&engine, whole).unwrap().whole);
}

/// What is due is known again at once, without opening the store anew.
#[test]
fn what_is_due_is_due_again() {
    let engine = filled();
    let reserve = json!({"account": "top", "count": 1, "life_ms": 1000});
    let reserve: api::reservations::Create = serde_json::from_value(reserve).unwrap();
    run(&engine, reserve).unwrap();
    engine.kernel.clock.next_due_ms.store(
        crate::kernel::due::NEVER,
        std::sync::atomic::Ordering::Release,
    );
    let lines = || {
        let mut lines = all(&engine);
        lines.retain(|(key, _)| kind(key) == keys::EXPIRE);
        lines
    };
    let before = lines();
    assert_eq!(before.len(), 1);
    write(&engine, &before[0].0, None);
    assert!(repair(&engine).whole);
    assert_eq!(lines(), before);
    let next_ms = engine
        .kernel
        .clock
        .next_due_ms
        .load(std::sync::atomic::Ordering::Acquire);
    assert_ne!(next_ms, crate::kernel::due::NEVER);
}
