//! R-AUD-1, S12: what a change is remembered as, and that nobody alters it unnoticed.

use crate::access::operation::Operation;
use crate::access::state::Engine;
use crate::api::audit::{AuditProblemKind, AuditWhat, Export, Head, List, Prune, Verify};
use crate::error::Code;
use crate::kernel::keys;
use crate::model::{Actor, AuditChain, AuditHead, AuditKind, AuditLink, Id};
use crate::rules::audit::hash;
use crate::{api, catalogue};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tenantry_store::{Batch, Order};

const SECOND: u64 = 1000;

fn engine() -> Arc<Engine> {
    let engine = Engine::open(
        Path::new(":memory:"),
        &serde_json::from_str(r#"{"clock": {"manual_ms": 1000}, "seed": 1}"#).unwrap(),
    )
    .unwrap();
    run::<api::accounts::Create>(
        &engine,
        json!({"id": "acme", "name": "Acme", "owner": {"user": "ann", "email": "ann@acme.example",
            "first_name": "Ann", "last_name": "Lee"}}),
    );
    engine
}

fn run_as<O: Operation>(
    engine: &Engine,
    actor: &Actor,
    request: serde_json::Value,
) -> Result<O::Answer, Code> {
    engine
        .run(actor, serde_json::from_value::<O>(request).unwrap())
        .map_err(|error| error.code())
}

fn run<O: Operation>(engine: &Engine, request: serde_json::Value) -> O::Answer {
    run_as::<O>(engine, &Actor::System, request).unwrap()
}

fn ann() -> Actor {
    Actor::in_account(
        Id::new("ann").unwrap(),
        Id::new("acme").unwrap(),
        Some("203.0.113.7".parse().unwrap()),
    )
}

fn at(engine: &Engine, now_ms: u64) {
    run::<api::clock::Set>(engine, json!({"now_ms": now_ms}));
}

fn write(engine: &Engine, key: &[u8], value: Option<&[u8]>) {
    let batch = Batch {
        writes: vec![(key.to_vec(), value.map(<[u8]>::to_vec))],
        ..Batch::default()
    };
    engine.kernel.backend.commit(&batch).unwrap();
}

fn stored(engine: &Engine, key: &[u8]) -> Vec<u8> {
    engine.kernel.backend.get(key).unwrap().unwrap().value
}

fn acme() -> AuditChain {
    AuditChain::Account(Id::new("acme").unwrap())
}

fn verify(engine: &Engine, request: serde_json::Value) -> Option<(AuditProblemKind, u64)> {
    run::<Verify>(engine, request)
        .problem
        .map(|problem| (problem.kind, problem.number))
}

/// A chain of five records.
fn filled() -> Arc<Engine> {
    let engine = engine();
    for (number, name) in ["B", "C", "D", "E"].into_iter().enumerate() {
        at(&engine, SECOND * (number as u64 + 2));
        run::<api::accounts::Edit>(&engine, json!({"account": "acme", "name": name}));
    }
    assert_eq!(run::<Head>(&engine, json!({"account": "acme"})).number, 5);
    engine
}

#[test]
fn a_change_has_a_record_with_who_what_before_and_after() {
    let engine = engine();
    at(&engine, 5000);
    run::<api::members::Add>(
        &engine,
        json!({"account": "acme", "user": "bob", "email": "bob@acme.example", "role": "editor"}),
    );
    run_as::<api::members::SetRole>(
        &engine,
        &ann(),
        json!({"account": "acme", "user": "bob", "role": "author"}),
    )
    .unwrap();
    let page = run::<List>(&engine, json!({"account": "acme", "limit": 1}));
    let expected = json!({
        "number": 3,
        "at_ms": 5000,
        "actor": {"kind": "user", "user": "ann", "account": "acme", "ip": "203.0.113.7"},
        "operation": "members.set_role",
        "changes": [{"kind": "member", "id": "bob", "what": "changed", "fields": [{"name": "role",
            "before": "editor", "after": "author"}]}]
    });
    assert_eq!(serde_json::to_value(&page.records[0]).unwrap(), expected);
    let users = run::<List>(&engine, json!({"chain": "users", "user": "bob"}));
    assert_eq!(users.records.len(), 1);
    let created = &users.records[0].changes[0];
    assert!(
        created.what == AuditWhat::Created
            && created
                .fields
                .iter()
                .any(|field| field.after.as_deref() == Some("bob@acme.example"))
    );
    assert_eq!(
        run::<Head>(&engine, json!({})).number,
        1,
        "the platform knows that the account came"
    );
}

#[test]
fn what_is_refused_or_changes_nothing_leaves_no_record() {
    let engine = engine();
    let before = run::<Head>(&engine, json!({"account": "acme"}));
    assert!(
        run_as::<api::members::SetRole>(
            &engine,
            &ann(),
            json!({"account": "acme", "user": "nobody", "role": "author"})
        )
        .is_err()
    );
    engine
        .decide(
            &Actor::System,
            &engine
                .cell_by_text("acme")
                .unwrap()
                .sending(
                    &engine,
                    None,
                    crate::model::Channel::Email,
                    &Default::default(),
                )
                .unwrap(),
            crate::meters::Ask::exact(3),
        )
        .unwrap();
    assert_eq!(run::<Head>(&engine, json!({"account": "acme"})), before);
}

#[test]
fn every_record_that_is_altered_cut_or_taken_away_is_found() {
    use AuditProblemKind::{Altered, Cut, HeadAltered, Missing};
    let of_acme = || json!({"account": "acme"});
    let engine = filled();
    assert_eq!(verify(&engine, of_acme()), None);
    for number in 1..=5 {
        let key = keys::audit(&acme(), number);
        let value = stored(&engine, &key);
        write(&engine, &key, None);
        assert_eq!(verify(&engine, of_acme()), Some((Missing, number)));
        let altered = String::from_utf8(value.clone())
            .unwrap()
            .replace("accounts.", "invented.");
        write(&engine, &key, Some(altered.as_bytes()));
        assert_eq!(
            verify(&engine, of_acme()),
            Some((Altered, if number == 5 { 5 } else { number + 1 }))
        );
        write(&engine, &key, Some(&value));
    }
    assert_eq!(verify(&engine, of_acme()), None);

    // Who cuts the end off and mends the head is found by a head that was saved elsewhere, and by
    // nothing else.
    let saved = run::<Head>(&engine, of_acme());
    let anchored = || json!({"account": "acme", "number": saved.number, "hash": saved.hash});
    assert_eq!(verify(&engine, anchored()), None);
    let (last, head) = (
        stored(&engine, &keys::audit(&acme(), 5)),
        stored(&engine, &keys::audit_head(&acme())),
    );
    let fourth = AuditLink {
        number: 4,
        hash: hash(&stored(&engine, &keys::audit(&acme(), 4))),
    };
    let mended = AuditHead {
        last: fourth.clone(),
        ..AuditHead::default()
    };
    write(
        &engine,
        &keys::audit_head(&acme()),
        Some(&serde_json::to_vec(&mended).unwrap()),
    );
    assert_eq!(verify(&engine, of_acme()), Some((HeadAltered, 5)));
    write(&engine, &keys::audit(&acme(), 5), None);
    assert_eq!(verify(&engine, of_acme()), None);
    assert_eq!(verify(&engine, anchored()), Some((Cut, 5)));
    // Written anew with something else.
    run::<api::accounts::Edit>(&engine, json!({"account": "acme", "name": "Z"}));
    assert_eq!(verify(&engine, of_acme()), None);
    assert_eq!(verify(&engine, anchored()), Some((Altered, 5)));
    write(&engine, &keys::audit(&acme(), 5), Some(&last));
    write(&engine, &keys::audit_head(&acme()), Some(&head));
    assert_eq!(verify(&engine, anchored()), None);
}

#[test]
fn the_lines_of_an_export_can_be_checked_by_anybody() {
    let engine = filled();
    let (mut lines, mut after) = (String::new(), None);
    loop {
        let page = run::<Export>(
            &engine,
            json!({"account": "acme", "limit": 2, "after": after.unwrap_or(0)}),
        );
        lines.push_str(&page.lines);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut previous = "0".repeat(64);
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["previous"], *previous);
        previous = hash(line.as_bytes());
    }
    assert_eq!(lines.lines().count(), 5);
    assert_eq!(
        run::<Head>(&engine, json!({"account": "acme"})).hash,
        previous
    );
}

#[test]
fn a_chain_that_was_pruned_can_still_be_checked() {
    let engine = filled();
    let saved = run::<Head>(&engine, json!({"account": "acme"}));
    let early = AuditLink {
        number: 2,
        hash: hash(&stored(&engine, &keys::audit(&acme(), 2))),
    };
    let pruned = run::<Prune>(&engine, json!({"account": "acme", "before_ms": 4 * SECOND}));
    assert_eq!((pruned.pruned, pruned.more), (3, false));
    assert_eq!(verify(&engine, json!({"account": "acme"})), None);
    assert_eq!(
        verify(
            &engine,
            json!({"account": "acme", "number": saved.number, "hash": saved.hash})
        ),
        None
    );
    assert_eq!(
        verify(
            &engine,
            json!({"account": "acme", "number": 2, "hash": early.hash})
        ),
        Some((AuditProblemKind::Pruned, 2))
    );
    let head = run::<Head>(&engine, json!({"account": "acme"}));
    assert_eq!((head.number, head.pruned_to), (6, 3));
    let page = run::<List>(&engine, json!({"account": "acme"}));
    assert_eq!(
        page.records
            .iter()
            .map(|record| record.number)
            .collect::<Vec<_>>(),
        [6, 5, 4]
    );
    assert_eq!(
        (
            page.records[0].operation.as_str(),
            page.records[0].changes[0].kind
        ),
        ("audit.prune", AuditKind::Audit)
    );
    // Everything, and it goes on behind.
    assert_eq!(
        run::<Prune>(
            &engine,
            json!({"account": "acme", "before_ms": 99 * SECOND})
        )
        .pruned,
        3
    );
    assert_eq!(verify(&engine, json!({"account": "acme"})), None);
    assert_eq!(run::<Head>(&engine, json!({"account": "acme"})).number, 7);
    assert!(
        crate::tables::check::check(&*engine.kernel.backend, 10)
            .unwrap()
            .is_empty()
    );
}

/// R-USR-4: of a person who is erased nothing is left that tells who they were, and the chain is
/// whole.
#[test]
fn who_is_erased_leaves_a_chain_that_is_whole() {
    let engine = engine();
    run::<api::members::Add>(
        &engine,
        json!({"account": "acme", "user": "bob", "email": "bob@acme.example",
            "first_name": "Bobby", "role": "editor"}),
    );
    run::<api::users::Edit>(&engine, json!({"user": "bob", "last_name": "Tables"}));
    let saved = run::<Head>(&engine, json!({"chain": "users"}));
    let everything = || {
        let rows = engine
            .kernel
            .backend
            .range(keys::FIRST, &[0x7f], Order::Ascending, usize::MAX)
            .unwrap();
        rows.into_iter()
            .map(|(_, record)| String::from_utf8(record.value).unwrap())
            .collect::<String>()
    };
    assert!(
        ["bob@acme.example", "Bobby", "Tables"]
            .iter()
            .all(|known| everything().contains(known))
    );
    run::<api::users::Delete>(&engine, json!({"user": "bob"}));
    assert!(
        ["bob@acme", "Bobby", "Tables"]
            .iter()
            .all(|known| !everything().contains(known)),
        "{}",
        everything()
    );
    assert_eq!(
        verify(
            &engine,
            json!({"chain": "users", "number": saved.number, "hash": saved.hash})
        ),
        None
    );
    let page = run::<List>(&engine, json!({"chain": "users", "user": "bob"}));
    assert_eq!(page.records.len(), 3);
    assert!(page.records[1].changes[0].erased && page.records[2].changes[0].erased);
    assert!(
        crate::tables::check::check(&*engine.kernel.backend, 10)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn what_is_kept_of_a_person_cannot_be_altered_unnoticed() {
    let engine = engine();
    let key = keys::audit_person(
        AuditKind::User,
        &Id::new("ann").unwrap(),
        &AuditChain::Users,
        1,
        0,
    );
    let altered = String::from_utf8(stored(&engine, &key))
        .unwrap()
        .replace("Lee", "Low");
    write(&engine, &key, Some(altered.as_bytes()));
    assert_eq!(
        verify(&engine, json!({"chain": "users"})),
        Some((AuditProblemKind::PersonalAltered, 1))
    );
    // Nor where they came from.
    let add = json!({"account": "acme", "addresses": "new@acme.example", "role": "full"});
    run_as::<api::invitations::Create>(&engine, &ann(), add).unwrap();
    let number = run::<Head>(&engine, json!({"account": "acme"})).number;
    let key = keys::audit_actor(&Id::new("ann").unwrap(), &acme(), number);
    let kept = stored(&engine, &key);
    let altered = String::from_utf8(kept.clone())
        .unwrap()
        .replace("203.0.113.7", "203.0.113.8");
    for wrong in [Some(altered.as_bytes()), None] {
        write(&engine, &key, wrong);
        assert_eq!(
            verify(&engine, json!({"account": "acme"})),
            Some((AuditProblemKind::PersonalAltered, number))
        );
        let found = crate::tables::check::check(&*engine.kernel.backend, 10).unwrap();
        assert!(!found.is_empty());
    }
    write(&engine, &key, Some(&kept));
    assert_eq!(verify(&engine, json!({"account": "acme"})), None);
}

#[test]
fn the_chain_of_an_account_outlives_it() {
    let engine = engine();
    run::<api::accounts::Delete>(&engine, json!({"account": "acme"}));
    let page = run::<List>(&engine, json!({"account": "acme"}));
    let gone = page.records[0]
        .changes
        .iter()
        .find(|change| change.kind == AuditKind::Account)
        .unwrap();
    assert_eq!(gone.what, AuditWhat::Deleted);
    assert_eq!(
        run::<List>(
            &engine,
            json!({"chain": "platform", "kind": "account", "subject": "acme"})
        )
        .records
        .len(),
        2
    );
    assert_eq!(
        run_as::<List>(&engine, &Actor::System, json!({"account": "never"})).unwrap_err(),
        Code::NotFound
    );
}

#[test]
fn filters_and_pages() {
    let engine = filled();
    for number in 0..30 {
        run_as::<api::caps::Set>(
            &engine,
            &ann(),
            json!({"account": "acme", "id": format!("c{number}"), "scope": "account",
                "channel": "email", "window": "day", "limit": 5}),
        )
        .unwrap();
    }
    let count = |request: serde_json::Value| {
        let (mut found, mut request) = (0, request);
        loop {
            let page = run::<List>(&engine, request.clone());
            found += page.records.len();
            match page.next {
                Some(next) => request["after"] = json!(next),
                None => return found,
            }
        }
    };
    assert_eq!(count(json!({"account": "acme", "limit": 7})), 35);
    assert_eq!(
        count(json!({"account": "acme", "actor": "ann", "limit": 7})),
        30
    );
    assert_eq!(
        count(json!({"account": "acme", "operation": "caps.set"})),
        30
    );
    assert_eq!(
        count(json!({"account": "acme", "kind": "cap", "subject": "c7"})),
        1
    );
    assert_eq!(
        count(json!({"account": "acme", "from_ms": 2000, "until_ms": 4000})),
        2
    );
    assert_eq!(
        run_as::<List>(&engine, &ann(), json!({"chain": "platform"})).unwrap_err(),
        Code::ActorNotAllowed
    );
    assert_eq!(
        run_as::<List>(&engine, &ann(), json!({"after": "x"})).unwrap_err(),
        Code::InvalidArgument
    );
}

/// An import of 500 rows is remembered in few records, none of which the store has to split.
#[test]
fn every_record_stays_small() {
    let engine = engine();
    let rows: String = (0..500)
        .map(|row| format!("user{row}@people.example,First{row},Last\n"))
        .collect();
    let import = json!({"account": "acme", "role": "editor",
        "csv": format!("email,first_name,last_name\n{rows}")});
    (catalogue::find("users.import_csv").unwrap().run_json)(
        &engine,
        &Actor::System,
        import.to_string().as_bytes(),
    )
    .unwrap();
    let (from, until) = keys::range(keys::AUDIT, &[]);
    let rows = engine
        .kernel
        .backend
        .range(&from, &until, Order::Ascending, 9999)
        .unwrap();
    let longest = rows
        .iter()
        .map(|(_, record)| record.value.len())
        .max()
        .unwrap();
    assert!(
        rows.len() < 200 && longest < 4082,
        "{} records, the longest of {longest} bytes",
        rows.len()
    );
}
