//! A store in PostgreSQL whose server, network or process fails: nothing is done twice, nothing
//! that was acknowledged is lost, and nobody answers for longer than it holds.

use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tenantry::{OpenOptions, Tenantry};
use tenantry_cluster::{COMES_LATE, Cluster, IS_LOST, LATE, LOSES_THE_ANSWER, PASSWORD, Proxy};
use tenantry_store::{
    At, Backend, Batch, CommitError, Notes, Options, Server, Standing, StoreError,
};
use tenantry_tests::crash::{Dice, Scratch, count};
use tenantry_tests::many::{Process, sent};

const HOST: &str = env!("CARGO_BIN_EXE_many_host");
/// The shortest that is allowed.
const SERVER: Server = Server {
    timeout: Duration::from_secs(4),
    poll: Duration::from_millis(50),
    stale: Duration::from_millis(1000),
};

fn open(address: &str) -> Result<Box<dyn Backend>, StoreError> {
    let options = Options {
        server: SERVER,
        ..Options::default()
    };
    tenantry_store::open(&At::new(Path::new(address)), &options)
}

fn by_tcp(user: &str, port: u16, rest: &str) -> String {
    let schema = Cluster::shared().new_schema();
    format!("postgresql://{user}@localhost:{port}/postgres?schema={schema}&{rest}")
}

fn put(key: &[u8], value: &[u8], note: &[u8]) -> Batch {
    Batch {
        writes: vec![(key.to_vec(), Some(value.to_vec()))],
        note: note.to_vec(),
        ..Batch::default()
    }
}

/// As a host opens it.
fn tenantry(address: &str) -> Tenantry {
    let options = json!({"token_key": "5c".repeat(32), "poll_ms": 50, "stale_ms": 1000,
        "store_timeout_ms": 2000});
    Tenantry::open_json(address, options.to_string().as_bytes()).unwrap()
}

fn call(store: &Tenantry, operation: &str, request: Value) -> Result<Value, tenantry::Error> {
    let answer = store.call_json(b"", operation.as_bytes(), request.to_string().as_bytes())?;
    Ok(serde_json::from_str(&answer).unwrap())
}

fn furnish(store: &Tenantry, limit: u64) {
    let package = json!({"id": "p", "name": "P", "limits": {"email_per_day": limit}});
    call(store, "packages.create", package).unwrap();
    let owner = json!({"user": "ann", "email": "ann@acme.example"});
    let account = json!({"id": "acme", "name": "Acme", "package": "p", "owner": owner});
    call(store, "accounts.create", account).unwrap();
}

/// P9 (N10): the answer to a write is lost, or the write, or it arrives when nobody waits for it
/// any more. What was acknowledged is made once, and nothing else ever.
#[test]
fn a_write_whose_answer_is_lost_is_made_once_or_never() {
    let mut dice = Dice::of_test("answers of postgresql are lost");
    let proxy = Proxy::before(Cluster::shared().port());
    let store = open(&by_tcp("app", proxy.port(), "sslmode=disable")).unwrap();
    let rounds = count("TENANTRY_LOST_ANSWERS", 50);
    let (mut made, mut lost) = (0_u64, 0);
    for round in 0..rounds {
        let how = [LOSES_THE_ANSWER, IS_LOST, COMES_LATE, b"arrives"][dice.roll(4) as usize];
        let before = store.get(b"count").unwrap();
        let seen = before.as_ref().map_or(0, |record| record.version);
        let mut batch = put(b"count", &(made + 1).to_be_bytes(), b"{}");
        batch.writes.push((b"how".to_vec(), Some(how.to_vec())));
        batch.expected.push((b"count".to_vec(), seen));
        match store.commit(&batch) {
            Ok(_) => made += 1,
            Err(CommitError::Store(StoreError::Unreachable { .. })) => lost += 1,
            other => panic!("round {round}: {other:?}"),
        }
        if how == COMES_LATE {
            std::thread::sleep(LATE * 2);
        }
        let now = store.get(b"count").unwrap();
        let value = now.map_or(0, |record| {
            u64::from_be_bytes(record.value.try_into().unwrap())
        });
        assert_eq!(value, made, "round {round}: {}", how.escape_ascii());
    }
    println!("{rounds} writes: {made} made, {lost} not");
    assert!(made > 0 && lost > 0);
    assert_eq!(store.verify().unwrap().damaged, []);
    store.close().unwrap();
}

/// P9 (N5): nothing arrives any more, and no connection ends. Sends from memory go on for as long
/// as they may, and then until the server is heard again they do not.
#[test]
fn nobody_answers_from_memory_for_longer_than_it_holds() {
    let proxy = Proxy::before(Cluster::shared().port());
    let store = tenantry(&by_tcp("app", proxy.port(), "sslmode=disable"));
    furnish(&store, 1_000_000);
    let sender = store.sender("acme", None).unwrap();
    // What is drawn at once grows.
    for _ in 0..3000 {
        sender.admit(1).unwrap();
    }
    for _ in 0..3 {
        proxy.hold();
        let began = Instant::now();
        let (mut last, mut admitted) = (began, 0);
        let refused = loop {
            match sender.admit(1) {
                Ok(_) => (last, admitted) = (Instant::now(), admitted + 1),
                Err(error) => break error,
            }
            assert!(began.elapsed() < Duration::from_secs(5), "it never stops");
        };
        assert_eq!(refused.code().name(), "store_unreachable", "{refused}");
        assert!(admitted > 10, "{admitted}");
        assert!(
            last - began <= Duration::from_millis(1100),
            "{:?}",
            last - began
        );
        let refused = call(&store, "accounts.get", json!({"account": "acme"})).unwrap_err();
        assert_eq!(refused.code().name(), "store_unreachable", "{refused}");
        proxy.let_go();
        let until = Instant::now() + Duration::from_secs(20);
        while let Err(error) = sender.admit(1) {
            assert_eq!(error.code().name(), "store_unreachable", "{error}");
            assert!(Instant::now() < until, "{error}");
            std::thread::sleep(Duration::from_millis(20));
        }
        call(&store, "accounts.get", json!({"account": "acme"})).unwrap();
    }
    store.close().unwrap();
}

/// P10 (N8, N11): a process is stopped for so long that it counts as gone; what it held is given to
/// another, which sells it. When it goes on, it sells none of it.
#[test]
fn a_process_that_was_silent_for_too_long_begins_anew() {
    let scratch = Scratch::new("postgres-zombie");
    let folder = scratch.at("sent");
    std::fs::create_dir_all(&folder).unwrap();
    let address = Cluster::shared().new_address();
    let start = || Process::start(HOST, Path::new(&address), &folder);
    let (mut stopped, mut other) = (start(), start());
    let package = json!({"id": "p", "name": "P", "limits": {"email_per_day": 100_000}});
    other.must("packages.create", &package);
    let owner = json!({"user": "ann", "email": "ann@acme.example"});
    let account = json!({"id": "acme", "name": "Acme", "package": "p", "owner": owner});
    other.must("accounts.create", &account);
    for process in [&mut stopped, &mut other] {
        process.ask(&json!({"prepare": "acme"}));
    }
    stopped.begin_to(&json!({"send": 1_000_000}));
    while sent(&folder) < 3000 {
        std::thread::sleep(Duration::from_millis(1));
    }
    // While it waits for its next block it holds nothing.
    let used = loop {
        stopped.signal("STOP");
        std::thread::sleep(Duration::from_millis(20));
        let usage = other.must("usage.get", &json!({"account": "acme"}));
        let (used, windows) = (sent(&folder), usage["windows"].as_array().unwrap());
        let counted = windows.iter().find(|one| one["limit"] == "email_per_day");
        if counted.unwrap()["used"].as_u64() > Some(used) {
            break used;
        }
        stopped.signal("CONT");
        std::thread::sleep(Duration::from_millis(3));
    };
    let until = Instant::now() + Duration::from_secs(40);
    let request = json!({"account": "acme", "limit": "email_per_day", "used": used});
    let back = loop {
        let answer = other.ask(&json!({"call": "usage.reconcile", "request": request}));
        match answer.get("ok") {
            Some(answer) => break answer["given_back"].as_u64().unwrap(),
            None => assert_eq!(answer["code"], "busy", "{answer}"),
        }
        assert!(
            Instant::now() < until,
            "the stopped process counts for ever"
        );
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(back > 0, "it held nothing");
    other.ask(&json!({"send": 1_000_000}));
    stopped.signal("CONT");
    let answer = stopped.answer();
    let code = &answer["refused"][0]["code"];
    let is_known = code == "store_unreachable" || code == "quota_exceeded";
    assert!(is_known, "{answer}");
    let out = sent(&folder);
    println!("{used} used before, {back} given back, {out} sent in all");
    // One was admitted before the process was stopped, and went out after it was counted.
    assert!((100_000..=100_001).contains(&out), "{out}");
    // And it is there again.
    assert_eq!(stopped.must("store.info", &json!({}))["processes"], 2);
    stopped.close();
    other.close();
}

/// P11: the server ends without a word and starts again, while accounts are made.
#[test]
fn what_was_acknowledged_is_there_after_the_server_has_crashed() {
    let cluster = Cluster::start();
    let store = tenantry(&cluster.new_address());
    furnish(&store, 10);
    let is_over = AtomicBool::new(false);
    let made = std::thread::scope(|scope| {
        let making = scope.spawn(|| {
            let mut made = Vec::new();
            for number in 0.. {
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                let id = format!("a{number}");
                let owner = json!({"user": id, "email": format!("{id}@x.example")});
                let request = json!({"id": id, "name": id, "parent": "acme", "owner": owner});
                match call(&store, "accounts.create", request) {
                    Ok(_) => made.push(id),
                    Err(error) => assert_eq!(error.code().name(), "store_unreachable", "{error}"),
                }
            }
            made
        });
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(400));
            cluster.crash_and_start_again();
        }
        std::thread::sleep(Duration::from_millis(400));
        is_over.store(true, Ordering::SeqCst);
        making.join().unwrap()
    });
    assert!(made.len() > 3, "{made:?}");
    for id in &made {
        call(&store, "accounts.get", json!({"account": id})).unwrap();
    }
    let verified = call(&store, "store.verify", json!({})).unwrap();
    assert_eq!(verified["damaged"], json!([]));
    println!("{} accounts, none lost", made.len());
    store.close().unwrap();
}

/// N8: nothing that a process writes that counts as gone is carried out.
#[test]
fn who_counts_as_gone_writes_nothing_until_it_begins_anew() {
    let cluster = Cluster::shared();
    let schema = cluster.new_schema();
    let store = open(&cluster.address_of(&schema)).unwrap();
    let shared = store.shared().unwrap();
    store.commit(&put(b"k", b"1", b"")).unwrap();
    assert!(!shared.is_stale());
    assert_eq!(shared.ask(), Ok(Standing::Member));
    cluster.sql(&format!("UPDATE {schema}.owner SET gone = true"));
    let refused = store.commit(&put(b"k", b"2", b""));
    let is_unreachable = matches!(
        refused,
        Err(CommitError::Store(StoreError::Unreachable { .. }))
    );
    assert!(is_unreachable, "{refused:?}");
    assert!(shared.is_stale());
    assert_eq!(shared.ask(), Ok(Standing::Expelled));
    assert_eq!(store.get(b"k").unwrap().unwrap().value, b"1");
    shared.rejoin().unwrap();
    assert!(!shared.is_stale());
    assert_eq!(shared.ask(), Ok(Standing::Member));
    assert_eq!(shared.count_processes(), Ok(1));
    store.commit(&put(b"k", b"2", b"")).unwrap();
    store.close().unwrap();
}

/// N1, N4: who is alone keeps others from writing; what is committed others hear of.
#[test]
fn notes_arrive_and_one_writes_at_a_time() {
    let address = Cluster::shared().new_address();
    let [one, other] = [(); 2].map(|()| open(&address).unwrap());
    let (here, there) = (one.shared().unwrap(), other.shared().unwrap());
    assert_eq!(here.count_processes(), Ok(2));
    let noted = one.commit(&put(b"a", b"1", b"note")).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while there.noted().load(Ordering::SeqCst) < noted {
        assert!(Instant::now() < until, "it is never heard of");
        std::thread::sleep(Duration::from_millis(5));
    }
    let notes = Notes::Next(vec![(noted, b"note".to_vec())]);
    assert_eq!(there.notes_after(0, 9), Ok(notes));
    assert_eq!(here.barrier(Duration::from_secs(10)), Ok(Vec::new()));
    let alone = here.lock_writer().unwrap();
    let refused = other.commit(&put(b"a", b"2", b""));
    let is_locked = matches!(refused, Err(CommitError::Store(StoreError::Locked { .. })));
    // The server lets go of whoever is silent for half of that time.
    assert!(is_locked || refused.is_ok(), "{refused:?}");
    let committed = one.commit(&put(b"b", b"1", b""));
    match refused.is_ok() {
        true => assert!(committed.is_err(), "others wrote meanwhile"),
        false => assert!(committed.is_ok(), "{committed:?}"),
    }
    drop(alone);
    other.commit(&put(b"a", b"3", b"")).unwrap();
    one.commit(&put(b"b", b"2", b"")).unwrap();
    one.close().unwrap();
    assert_eq!(there.count_processes(), Ok(1));
    other.close().unwrap();
}

#[test]
fn a_password_and_a_certificate_open_the_door_and_are_not_told() {
    let cluster = Cluster::shared();
    let roots = cluster.certificate().display().to_string();
    let encoded = PASSWORD
        .replace('/', "%2F")
        .replace(':', "%3A")
        .replace('@', "%40");
    for user in ["scram", "md5"] {
        let with = |password: &str, rest: &str| {
            let user = format!("{user}:{password}");
            open(&by_tcp(&user, cluster.port(), rest))
        };
        with(&encoded, "sslmode=disable").unwrap().close().unwrap();
        let by_root = format!("sslmode=verify-full&sslrootcert={roots}");
        with(&encoded, &by_root).unwrap().close().unwrap();
        // The system trusts another.
        for refused in [with("guessed", "sslmode=disable"), with(&encoded, "")] {
            let refused = refused.err().unwrap();
            assert!(matches!(refused, StoreError::Invalid { .. }), "{refused}");
            let said = refused.to_string();
            assert!(
                !said.contains("guessed") && !said.contains("s3cret"),
                "{said}"
            );
        }
    }
    let address = by_tcp(
        &format!("scram:{encoded}"),
        cluster.port(),
        "sslmode=disable",
    );
    let store = tenantry(&address);
    let shown = format!("{store:?}");
    assert!(
        shown.contains("localhost") && !shown.contains("s3cret"),
        "{shown}"
    );
    let refused = call(&store, "store.copy", json!({"to": address})).unwrap_err();
    assert!(!refused.to_json().contains("s3cret"), "{refused}");
    store.close().unwrap();
}

#[test]
fn a_store_moves_into_a_database_and_back() {
    let scratch = Scratch::new("postgres-copy");
    let address = Cluster::shared().new_address();
    let refused = Tenantry::open(&address, OpenOptions::default())
        .err()
        .unwrap();
    assert_eq!(refused.code().name(), "invalid_argument", "{refused}");
    let without = format!("{address}x");
    let missing = OpenOptions::default().create(false);
    let refused = Tenantry::open(without, missing).err().unwrap();
    assert_eq!(refused.code().name(), "store_missing", "{refused}");
    let copies = [
        Cluster::shared().new_address(),
        scratch.at("back").display().to_string(),
    ];
    let mut store = tenantry(&scratch.at("first").display().to_string());
    furnish(&store, 10);
    for (to, kind) in copies.iter().zip(["postgresql", "folder"]) {
        let hash = call(&store, "store.state_hash", json!({})).unwrap();
        let copied = call(&store, "store.copy", json!({"to": to})).unwrap();
        assert_eq!(copied["state_hash"], hash["state_hash"]);
        store.close().unwrap();
        store = tenantry(to);
        let info = call(&store, "store.info", json!({})).unwrap();
        assert_eq!(
            (&info["kind"], &info["processes"]),
            (&json!(kind), &json!(1))
        );
        assert_eq!(call(&store, "store.state_hash", json!({})).unwrap(), hash);
    }
    store.close().unwrap();
}
