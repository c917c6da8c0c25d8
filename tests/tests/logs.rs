//! What the log is told (docs/adr/0062): which events come, that only fields that are known are in
//! them, and that no secret, no address and no name of a person is.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};
use tenantry::{HexKey, OpenOptions, Tenantry};
use tenantry_cluster::Cluster;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Every field that an event may have.
const FIELDS: [&str; 20] = [
    "check_ms",
    "code",
    "durable_commit",
    "forks",
    "found_commit",
    "goes_on",
    "kind",
    "last_commit",
    "lock_wait_ms",
    "log_bytes",
    "message",
    "operation",
    "path",
    "pid",
    "processes",
    "server",
    "silent_ms",
    "step",
    "took_ms",
    "was_closed",
];

/// What was told, in the order in which it came.
static TOLD: Mutex<Vec<BTreeMap<String, String>>> = Mutex::new(Vec::new());
/// One test listens at a time.
static ONE: Mutex<()> = Mutex::new(());

struct Listener;

struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        assert!(FIELDS.contains(&field.name()), "an unknown field: {field}");
        let value = format!("{value:?}").trim_matches('"').to_owned();
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tenantry")
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let metadata = event.metadata();
        let target = metadata.target();
        assert!(
            ["tenantry::store", "tenantry::operations"].contains(&target),
            "{target}"
        );
        fields.0.insert("target".to_owned(), target.to_owned());
        fields
            .0
            .insert("level".to_owned(), metadata.level().to_string());
        TOLD.lock().unwrap().push(fields.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// What is told from here on, by this test alone.
struct Told {
    _alone: MutexGuard<'static, ()>,
}

impl Told {
    fn begin() -> Told {
        static LISTENS: Once = Once::new();
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        LISTENS.call_once(|| tracing::subscriber::set_global_default(Listener).unwrap());
        TOLD.lock().unwrap().clear();
        Told { _alone: alone }
    }

    fn all(&self) -> Vec<BTreeMap<String, String>> {
        TOLD.lock().unwrap().clone()
    }

    fn forget(&self) {
        TOLD.lock().unwrap().clear();
    }

    /// The only event whose message begins so, which is forgotten with all others.
    fn only(&self, message: &str) -> BTreeMap<String, String> {
        let all = std::mem::take(&mut *TOLD.lock().unwrap());
        let mut found = all
            .iter()
            .filter(|event| event["message"].starts_with(message));
        let first = found
            .next()
            .unwrap_or_else(|| panic!("no `{message}` in {all:?}"));
        assert!(found.next().is_none(), "two of `{message}` in {all:?}");
        first.clone()
    }
}

/// An empty folder, which is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path =
            std::env::temp_dir().join(format!("tenantry-logs-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(path: &str, slow_ms: u64) -> Tenantry {
    Tenantry::open(path, OpenOptions::default().slow_ms(slow_ms)).unwrap()
}

fn call(
    t: &Tenantry,
    operation: &str,
    request: &str,
) -> Result<serde_json::Value, tenantry::Error> {
    let answer = t.call_json(b"", operation.as_bytes(), request.as_bytes())?;
    Ok(serde_json::from_str(&answer).unwrap())
}

fn account(t: &Tenantry) {
    let request =
        r#"{"id":"acme","name":"Acme","owner":{"user":"ann","email":"ann@acme.example"}}"#;
    call(t, "accounts.create", request).unwrap();
}

/// Copies as another program: a host must not open the files of a store that it has open.
fn copy(from: &str, to: &str) {
    let copied = Command::new("cp").args(["-R", from, to]).status().unwrap();
    assert!(copied.success());
}

#[test]
fn opening_and_closing_are_told_for_each_kind_of_store() {
    let (told, scratch) = (Told::begin(), Scratch::new("kinds"));
    let sqlite = format!("sqlite:{}", scratch.at("store.db"));
    for (path, kind) in [
        (":memory:", "memory"),
        (&*scratch.at("folder"), "folder"),
        (&*sqlite, "sqlite"),
    ] {
        let t = open(path, 0);
        account(&t);
        let opened = told.only("The store was opened.");
        assert_eq!((&*opened["kind"], &*opened["path"]), (kind, path));
        assert_eq!((&*opened["level"], &*opened["forks"]), ("INFO", "0"));
        opened["took_ms"].parse::<u64>().unwrap();
        t.close().unwrap();
        let closed = told.only("The store was closed.");
        assert_eq!(closed["kind"], kind);
        assert_ne!(closed["last_commit"], "0");
    }
    assert!(told.all().is_empty());
    let options = OpenOptions::default().create(false);
    assert!(Tenantry::open(scratch.at("none"), options).is_err());
    assert!(told.all().is_empty(), "it is not the store that is wrong");
}

#[test]
fn what_is_recovered_and_what_is_refused_is_told() {
    let (told, scratch) = (Told::begin(), Scratch::new("recovery"));
    let (folder, db) = (scratch.at("folder"), scratch.at("store.db"));
    let both = [open(&folder, 0), open(&format!("sqlite:{db}"), 0)];
    both.iter().for_each(account);
    // As after a crash.
    let cut = scratch.at("cut");
    copy(&folder, &cut);
    for part in ["", "-wal", "-manifest", "-key"] {
        copy(
            &format!("{db}{part}"),
            &format!("{}{part}", scratch.at("cut.db")),
        );
    }
    told.forget();
    open(&cut, 0).close().unwrap();
    let replayed = told.only("sled replayed its log");
    assert_eq!(
        (&*replayed["path"], &*replayed["was_closed"]),
        (&*cut, "false")
    );
    open(&format!("sqlite:{}", scratch.at("cut.db")), 0)
        .close()
        .unwrap();
    let kept = told.only("The store was not closed;");
    assert_eq!(kept["path"], scratch.at("cut.db"));
    assert_ne!(kept["log_bytes"], "0");
    both.iter().for_each(|t| t.close().unwrap());

    std::fs::write(Path::new(&cut).join("sled/db"), b"").unwrap();
    told.forget();
    let refused = Tenantry::open(&cut, OpenOptions::default()).err().unwrap();
    let event = told.only("The store could not be opened.");
    assert_eq!(refused.code().name(), "store_corrupt");
    assert_eq!((&*event["code"], &*event["path"]), ("store_corrupt", &*cut));
    assert_eq!(event["level"], "ERROR");
}

#[test]
fn slow_operations_are_told_with_their_names_and_none_with_0() {
    let told = Told::begin();
    for slow_ms in [1, 0] {
        let t = open(":memory:", slow_ms);
        account(&t);
        told.only("The store was opened.");
        // Hashing takes longer, however fast the machine is.
        let request = r#"{"user":"ann","password":"nine wild horses at noon"}"#;
        call(&t, "passwords.set", request).unwrap();
        call(&t, "passwords.set", r#"{"user":"bob","password":"x"}"#).unwrap_err();
        let is_slow =
            |event: &BTreeMap<String, String>| event["message"] == "An operation was slow.";
        let slow: Vec<_> = told.all().into_iter().filter(is_slow).collect();
        if slow_ms == 0 {
            assert!(slow.is_empty(), "{slow:?}");
            continue;
        }
        let event = &slow[0];
        assert_eq!(
            (&*event["operation"], &*event["code"]),
            ("passwords.set", "ok")
        );
        assert_eq!(
            (&*event["target"], &*event["level"]),
            ("tenantry::operations", "WARN")
        );
        assert!(event["took_ms"].parse::<u64>().unwrap() >= 1);
    }
}

#[test]
fn who_waits_long_for_the_lock_of_the_writer_is_told() {
    let told = Told::begin();
    let t = open(":memory:", 1);
    account(&t);
    let rows: String = (0..300)
        .map(|row| format!("u{row}@acme.example\\n"))
        .collect();
    let import = format!(r#"{{"account":"acme","role":"editor","csv":"email\n{rows}"}}"#);
    let is_told = || {
        let all = told.all();
        all.iter()
            .any(|event| event.get("step").is_some_and(|step| step == "lock"))
    };
    std::thread::scope(|scope| {
        let importing = scope.spawn(|| call(&t, "users.import_csv", &import).unwrap());
        while !importing.is_finished() && !is_told() {
            call(&t, "groups.create", r#"{"account":"acme","name":"Sales"}"#).unwrap();
        }
    });
    assert!(is_told(), "{:?}", told.all());
}

#[test]
fn what_the_store_refuses_is_told_with_operation_and_code() {
    let (told, scratch) = (Told::begin(), Scratch::new("failed"));
    let folder = scratch.at("folder");
    let t = open(&folder, 0);
    account(&t);
    std::fs::remove_file(Path::new(&folder).join("manifest")).unwrap();
    let request = r#"{"account":"acme","name":"Sales"}"#;
    let refused = call(&t, "groups.create", request).unwrap_err();
    assert_eq!(refused.code().name(), "store_failed");
    let all = told.all();
    let of = |message: &str| {
        let found = all
            .iter()
            .find(|event| event["message"].starts_with(message));
        found.unwrap_or_else(|| panic!("no `{message}` in {all:?}"))
    };
    let event = of("The store refused an operation.");
    assert_eq!(
        (&*event["operation"], &*event["code"]),
        ("groups.create", "store_failed")
    );
    assert_eq!(
        of("The store did not carry out a write.")["goes_on"],
        "false"
    );
    of("A sync failed;");
    of("The store refuses writes until it is opened anew.");
    t.close().unwrap_err();
    assert_eq!(
        told.only("The store was not closed cleanly.")["code"],
        "store_failed"
    );
}

#[test]
fn who_waits_for_another_process_is_told() {
    let (told, scratch) = (Told::begin(), Scratch::new("locked"));
    let folder = scratch.at("folder");
    open(&folder, 0).close().unwrap();
    // As another process would have it.
    let lock = Path::new(&folder).join("lock");
    std::fs::write(&lock, "4321      \n").unwrap();
    let held = std::fs::File::open(lock).unwrap();
    held.lock().unwrap();
    let options = OpenOptions::default().lock_wait_ms(50);
    Tenantry::open(&folder, options).err().unwrap();
    let event = told.only("Another process has the store open");
    assert_eq!((&*event["pid"], &*event["lock_wait_ms"]), ("4321", "50"));
}

#[test]
fn a_database_that_goes_and_comes_is_told_once_each() {
    let (told, cluster) = (Told::begin(), Cluster::start());
    let address = cluster.new_address();
    let options = OpenOptions::default()
        .token_key(HexKey::try_from("5c".repeat(32)).unwrap())
        .poll_ms(50)
        .slow_ms(0);
    let t = Tenantry::open(&address, options).unwrap();
    account(&t);
    let opened = told.only("The store was opened.");
    assert_eq!(opened["kind"], "postgres");
    cluster.crash_and_start_again();
    call(&t, "accounts.get", r#"{"account":"acme"}"#).unwrap();
    let count = |message: &str| {
        let all = told.all();
        let of = all
            .iter()
            .filter(|event| event["message"].starts_with(message));
        of.count()
    };
    let began = Instant::now();
    while count("The database answers again.") == 0 {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{:?}",
            told.all()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(count("The database does not answer."), 1);
    assert!(count("A connection to the database was lost") >= 1);
    let again = told.only("The database answers again.");
    assert_eq!(again["server"], opened["path"]);
    again["silent_ms"].parse::<u64>().unwrap();
    t.close().unwrap();
}

/// S18: every operation that takes or gives a secret, all of them slow, and a store that fails.
#[test]
fn no_secret_no_address_and_no_name_is_in_an_event() {
    let (told, scratch) = (Told::begin(), Scratch::new("secrets"));
    let folder = scratch.at("folder");
    let t = open(&folder, 1);
    const CANARY: &str = "27182818284590452353";
    let mut secrets: Vec<String> = vec![CANARY.to_owned(), "hunter2".to_owned()];
    let password = format!("a password with {CANARY}");
    call(
        &t,
        "accounts.create",
        &format!(
            r#"{{"id":"acme","name":"Name {CANARY}",
        "owner":{{"user":"ann","email":"ann{CANARY}@acme.example"}}}}"#
        ),
    )
    .unwrap();
    let email = format!("ann{CANARY}@acme.example");
    let set = format!(r#"{{"user":"ann","password":"{password}"}}"#);
    call(&t, "passwords.set", &set).unwrap();
    let profile = format!(r#"{{"user":"ann","first_name":"First {CANARY}"}}"#);
    call(&t, "users.edit", &profile).unwrap();
    let log_in = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
    let session = call(&t, "sessions.create", &log_in).unwrap();
    let token = session["token"].as_str().unwrap().to_owned();
    let key = r#"{"account":"acme","user":"ann","name":"key",
        "permissions":[{"permission":"accounts.view"}]}"#;
    let key = call(&t, "api_keys.create", key).unwrap();
    let key = key["token"].as_str().unwrap().to_owned();
    secrets.extend([&token, &key].map(|token| token[token.len() - 40..].to_owned()));
    let guest =
        format!(r#"{{"account":"acme","role":"editor","addresses":"guest{CANARY}@acme.example"}}"#);
    call(&t, "invitations.create", &guest).unwrap();
    for (operation, request) in [
        (
            "sessions.create",
            format!(r#"{{"email":"{email}","password":"{password}!"}}"#),
        ),
        ("sessions.check", format!(r#"{{"token":"{token}"}}"#)),
        (
            "sessions.check",
            format!(r#"{{"token":"{token}x{CANARY}"}}"#),
        ),
        ("api_keys.check", format!(r#"{{"token":"{key}"}}"#)),
        ("invitations.accept", format!(r#"{{"token":"{CANARY}"}}"#)),
        ("invitations.decline", format!(r#"{{"token":"{CANARY}"}}"#)),
        (
            "passwords.set",
            format!(r#"{{"token":"{CANARY}","password":"{password}"}}"#),
        ),
        ("outbox.list", "{}".to_owned()),
        ("audit.list", r#"{"account":"acme"}"#.to_owned()),
        (
            "users.list",
            format!(r#"{{"account":"acme","search":"{CANARY}"}}"#),
        ),
        ("store.verify", "{}".to_owned()),
        (
            "store.backup",
            format!(r#"{{"path":"{}"}}"#, scratch.at("backup")),
        ),
    ] {
        let actor = format!(r#"{{"kind":"session","token":"{token}","account":"acme"}}"#);
        for actor in ["", &actor] {
            let _ = t.call_json(actor.as_bytes(), operation.as_bytes(), request.as_bytes());
        }
    }
    std::fs::remove_file(Path::new(&folder).join("manifest")).unwrap();
    call(&t, "passwords.set", &set).unwrap_err();
    call(&t, "users.edit", &profile).unwrap_err();
    t.close().unwrap_err();
    let server = format!("postgresql://app:hunter2@127.0.0.1:9/{}", "mail");
    let token_key = HexKey::try_from(CANARY.repeat(4)[..64].to_owned()).unwrap();
    let options = OpenOptions::default().token_key(token_key);
    Tenantry::open(server, options).err().unwrap();

    let all = told.all();
    let of = |target: &str| all.iter().filter(|event| event["target"] == target).count();
    assert!(
        of("tenantry::operations") >= 5 && of("tenantry::store") >= 5,
        "{all:?}"
    );
    let unreachable = |event: &BTreeMap<String, String>| event["path"].contains("127.0.0.1");
    assert!(
        all.iter()
            .any(|event| event.contains_key("path") && unreachable(event))
    );
    for event in &all {
        for secret in &secrets {
            assert!(
                !format!("{event:?}").contains(secret),
                "{secret} is in {event:?}"
            );
        }
        for person in ["@", "First", "Name "] {
            assert!(
                !format!("{event:?}").contains(person),
                "{person} is in {event:?}"
            );
        }
    }
}
