use crate::error::{Code, Error};
use crate::kernel::keys;
use crate::{OpenOptions, Tenantry};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tenantry_store::{At, Batch, Options};

pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tenantry-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(super) fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A place of each kind that lies on the disk.
    fn places(&self, name: &str) -> [String; 2] {
        [
            self.at(name),
            format!("sqlite:{}", self.at(&format!("{name}.db"))),
        ]
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn open(path: &str) -> Result<Tenantry, Error> {
    Tenantry::open(path, OpenOptions::default())
}

pub(super) fn call(store: &Tenantry, operation: &str, request: Value) -> Result<Value, Error> {
    let answer = store.call_json(b"", operation.as_bytes(), request.to_string().as_bytes())?;
    Ok(serde_json::from_str(&answer).unwrap())
}

fn hash(store: &Tenantry) -> Value {
    call(store, "store.state_hash", json!({})).unwrap()
}

fn furnish(store: &Tenantry) {
    let owner = json!({"user": "ann", "email": "ann@acme.example", "first_name": "Änn \"A\""});
    let account = json!({"id": "acme", "name": "Acme", "owner": owner});
    call(store, "accounts.create", account).unwrap();
    for number in 0..30 {
        let group = json!({"account": "acme", "name": format!("Group {number}\u{2028}")});
        call(store, "groups.create", group).unwrap();
    }
}

/// The token of an invitation, as the outbox has it.
pub(super) fn invited(store: &Tenantry) -> Value {
    let role = json!({"id": "plain", "name": "Plain"});
    call(store, "roles.create", role).unwrap();
    let request = json!({"account": "acme", "addresses": "bob@acme.example", "role": "plain"});
    call(store, "invitations.create", request).unwrap();
    let mut page = call(store, "outbox.read", json!({})).unwrap();
    page["messages"].as_array_mut().unwrap().pop().unwrap()["token"].take()
}

/// A store in memory that asks for others.
fn asking() -> Tenantry {
    open(":memory:").unwrap()
}

fn restore(from: &str, to: &str) -> Result<Value, Error> {
    call(
        &asking(),
        "store.restore",
        json!({"backup": from, "to": to}),
    )
}

#[test]
fn a_backup_of_each_kind_is_restored_as_each_kind() {
    let folder = Folder::new();
    let [first, second] = folder.places("store");
    for (number, place) in [":memory:".to_owned(), first, second].iter().enumerate() {
        let store = open(place).unwrap();
        furnish(&store);
        let token = invited(&store);
        let file = folder.at(&format!("backup-{number}"));
        let backup = call(&store, "store.backup", json!({"to": file})).unwrap();
        let info = call(&store, "store.info", json!({})).unwrap();
        assert_eq!(backup["store_id"], info["store_id"], "{place}");
        assert_eq!(backup["last_commit"], info["last_commit"], "{place}");
        let expected = hash(&store);
        assert_eq!(backup["state_hash"], expected["state_hash"], "{place}");
        assert_eq!(backup["records"], expected["records"], "{place}");
        let found = fs::metadata(&file).unwrap();
        assert_eq!(backup["bytes"], found.len(), "{place}");
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
        store.close().unwrap();
        for to in folder.places(&format!("restored-{number}")) {
            let restored = restore(&file, &to).unwrap();
            assert_eq!(restored["state_hash"], expected["state_hash"], "{to}");
            let store = open(&to).unwrap();
            assert_eq!(hash(&store), expected, "{to}");
            let verified = call(&store, "store.verify", json!({})).unwrap();
            assert_eq!(verified["whole"], true, "{verified}");
            if place != ":memory:" {
                // The links that were sent go on.
                let found = call(&store, "invitations.look_up", json!({"token": token}));
                assert_eq!(found.unwrap()["email"], "bob@acme.example");
            }
            store.close().unwrap();
        }
    }
}

/// What others commit meanwhile is in it whole or not at all.
#[test]
fn a_backup_is_of_one_instant() {
    let folder = Folder::new();
    for place in [":memory:".to_owned(), folder.places("store")[1].clone()] {
        let store = open(&place).unwrap();
        furnish(&store);
        let is_over = AtomicBool::new(false);
        let last = |value: &Value| value["last_commit"].as_u64().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0_u64.. {
                    if is_over.load(Ordering::Acquire) {
                        return;
                    }
                    let edit = json!({"account": "acme", "name": format!("Name {number}")});
                    call(&store, "accounts.edit", edit).unwrap();
                }
            });
            let backed_up = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for number in 0..3 {
                    let (file, to) = (
                        folder.at(&format!("file-{number}")),
                        folder.at(&format!("to-{number}")),
                    );
                    let before = call(&store, "store.info", json!({})).unwrap();
                    let backup = call(&store, "store.backup", json!({"to": file})).unwrap();
                    let after = call(&store, "store.info", json!({})).unwrap();
                    assert!(last(&before) <= last(&backup) && last(&backup) <= last(&after));
                    restore(&file, &to).unwrap();
                    let copy = open(&to).unwrap();
                    assert_eq!(hash(&copy)["state_hash"], backup["state_hash"]);
                    for chain in [json!({"account": "acme"}), json!({"chain": "platform"})] {
                        let whole = call(&copy, "audit.verify", chain).unwrap();
                        assert_eq!(whole["whole"], true);
                    }
                    copy.close().unwrap();
                    fs::remove_dir_all(&to).unwrap();
                    fs::remove_file(&file).unwrap();
                }
            }));
            is_over.store(true, Ordering::Release);
            backed_up.unwrap();
        });
        store.close().unwrap();
    }
}

/// A backup of a small store, and its lines.
fn lines(folder: &Folder) -> (String, Vec<String>) {
    let store = open(&folder.at("store")).unwrap();
    furnish(&store);
    let file = folder.at("backup");
    call(&store, "store.backup", json!({"to": file})).unwrap();
    store.close().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let lines = text.split_inclusive('\n').map(str::to_owned).collect();
    (file, lines)
}

#[test]
fn a_backup_that_was_cut_or_changed_makes_nothing() {
    let folder = Folder::new();
    let (_, lines) = lines(&folder);
    let whole = lines.concat();
    let (bad, to) = (folder.at("bad"), folder.at("to"));
    let refuses = |what: &str, text: &[u8]| {
        fs::write(&bad, text).unwrap();
        let refused = restore(&bad, &to).unwrap_err();
        assert_eq!(refused.field(), Some("/backup"), "{what}: {refused}");
        let codes = [Code::StoreCorrupt, Code::InvalidArgument, Code::StoreFormat];
        assert!(codes.contains(&refused.code()), "{what}: {refused}");
        assert!(!Path::new(&to).exists(), "{what}");
        refused.code()
    };
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        refuses("cut", &whole.as_bytes()[..at]);
        let mut bytes = whole.clone().into_bytes();
        bytes[at] ^= 2;
        refuses("flipped", &bytes);
    }
    for number in 1..lines.len() {
        let mut without = lines.clone();
        without.remove(number);
        refuses("a line is missing", without.concat().as_bytes());
        let mut twice = lines.clone();
        twice.insert(number, lines[number].clone());
        refuses("a line stands twice", twice.concat().as_bytes());
    }
    for (old, new) in [
        (r#""version":1"#, r#""version":2"#),
        (r#""format":2"#, r#""format":3"#),
    ] {
        let newer = whole.replacen(old, new, 1);
        assert_ne!(newer, whole);
        assert_eq!(refuses("newer", newer.as_bytes()), Code::StoreFormat);
    }
    refuses("empty", b"");
    refuses("text", b"text\n");
    refuses("another", b"{\"tenantry\":\"else\"}\n");
    let missing = restore(&folder.at("none"), &to).unwrap_err();
    assert_eq!(missing.code(), Code::InvalidArgument);
}

#[test]
fn what_was_changed_on_purpose_is_checked() {
    let folder = Folder::new();
    let (_, lines) = lines(&folder);
    let file = folder.at("edited");
    let edited = |to: &str| {
        let request = json!({"backup": file, "to": folder.at(to), "edited": true});
        call(&asking(), "store.restore", request)
    };
    let renamed = |line: &String| match line.starts_with(r#"{"kind":"group","#) {
        true => line.replace("Group 7", "Seven"),
        // What the audit remembers of it is what it was.
        false => line.clone(),
    };
    let renamed: String = lines.iter().map(renamed).collect();
    assert_ne!(renamed, lines.concat());
    fs::write(&file, renamed).unwrap();
    restore(&file, &folder.at("refused")).unwrap_err();
    edited("renamed").unwrap();
    let store = open(&folder.at("renamed")).unwrap();
    let groups = call(&store, "groups.list", json!({"account": "acme"})).unwrap();
    assert!(groups.to_string().contains("Seven"));
    store.close().unwrap();
    // A member whose user is gone fits nothing.
    let without: String = lines
        .iter()
        .filter(|line| !line.starts_with(r#"{"kind":"user","#))
        .map(String::as_str)
        .collect();
    assert_ne!(without, lines.concat());
    fs::write(&file, &without).unwrap();
    let refused = edited("broken").unwrap_err();
    assert_eq!(refused.code(), Code::StoreCorrupt);
    assert!(
        refused.message().contains("contradict each other"),
        "{refused}"
    );
    assert_eq!(
        open(&folder.at("broken")).err().unwrap().code(),
        Code::StoreCorrupt
    );
}

#[test]
fn what_is_there_is_left_as_it_is() {
    let folder = Folder::new();
    let (file, lines) = lines(&folder);
    let other = open(&folder.at("other")).unwrap();
    let before = hash(&other);
    other.close().unwrap();
    for to in [folder.at("other"), ":memory:".to_owned()] {
        let refused = restore(&file, &to).unwrap_err();
        assert_eq!(
            (refused.code(), refused.field()),
            (Code::InvalidArgument, Some("/to"))
        );
    }
    assert_eq!(hash(&open(&folder.at("other")).unwrap()), before);
    let store = asking();
    for (to, text) in [
        (&file, "is not overwritten"),
        (&folder.at("no/file"), "folder"),
    ] {
        let refused = call(&store, "store.backup", json!({"to": to})).unwrap_err();
        assert_eq!(refused.field(), Some("/to"));
        assert!(refused.message().contains(text), "{refused}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), lines.concat());
}

/// Where a restore was cut off, the next one begins it anew.
#[test]
fn a_store_that_was_cut_off_is_begun_anew() {
    let folder = Folder::new();
    let (file, _) = lines(&folder);
    for place in folder.places("half") {
        let how = Options {
            cache_bytes: 1 << 20,
            ..Options::default()
        };
        let half = tenantry_store::open(&At::new(Path::new(&place)), &how).unwrap();
        let null = || Some(b"null".to_vec());
        let mut writes = vec![(keys::copying(), null())];
        writes.extend((0..2500).map(|number| (format!("zz{number}").into_bytes(), null())));
        let batch = Batch {
            writes,
            ..Batch::default()
        };
        half.sync(half.commit(&batch).unwrap()).unwrap();
        half.close().unwrap();
        let refused = open(&place).err().unwrap();
        assert_eq!(refused.code(), Code::StoreCorrupt);
        assert!(refused.message().contains("cut off"), "{refused}");
        let restored = restore(&file, &place).unwrap();
        let store = open(&place).unwrap();
        assert_eq!(hash(&store)["state_hash"], restored["state_hash"]);
        let verified = call(&store, "store.verify", json!({})).unwrap();
        assert_eq!(verified["whole"], true, "{verified}");
    }
}

#[test]
fn what_takes_room_is_told_and_given_back() {
    let folder = Folder::new();
    for place in folder.places("store") {
        let store = open(&place).unwrap();
        furnish(&store);
        invited(&store);
        let reason = "r".repeat(2000);
        for part in 0..4 {
            let entry = |number: u32| {
                json!({"value": format!("b{part}-{number}@x.example"),
                    "message_class": "marketing", "reason": reason})
            };
            let entries: Vec<_> = (0..300).map(entry).collect();
            let request = json!({"account": "acme", "entries": entries});
            call(&store, "suppressions.add", request).unwrap();
        }
        let stats = call(&store, "store.stats", json!({})).unwrap();
        let verified = call(&store, "store.verify", json!({})).unwrap();
        assert_eq!(stats["records"], verified["records"], "{place}");
        assert_eq!(stats["bytes"], verified["bytes"], "{place}");
        let kinds = stats["kinds"].as_array().unwrap();
        let of_kind = |name: &str| kinds.iter().find(|kind| kind["kind"] == name).unwrap();
        assert_eq!(of_kind("suppression")["records"], 1200);
        let sum =
            |field: &str| -> u64 { kinds.iter().map(|kind| kind[field].as_u64().unwrap()).sum() };
        assert_eq!(stats["records"], sum("records"));
        assert_eq!(stats["bytes"], sum("bytes"));
        assert!(stats["outbox_messages"].as_u64().unwrap() > 0);
        assert_eq!(stats["outbox_backlog"], stats["outbox_messages"]);
        call(
            &store,
            "outbox.take",
            json!({"consumer": "mailer", "limit": 1}),
        )
        .unwrap();
        let later = call(&store, "store.stats", json!({})).unwrap();
        let backlog = |stats: &Value| stats["outbox_backlog"].as_u64().unwrap();
        assert_eq!(backlog(&later), backlog(&stats) - 1);
        for field in ["disk_bytes", "free_bytes"] {
            assert!(stats[field].as_u64().unwrap() > 100_000, "{stats}");
        }
        let list = json!({"account": "acme", "limit": 500});
        loop {
            let page = call(&store, "suppressions.list", list.clone()).unwrap();
            let entries = page["suppressions"].as_array().unwrap();
            if entries.is_empty() {
                break;
            }
            for part in entries.chunks(250) {
                let entries: Vec<_> = part
                    .iter()
                    .map(|entry| json!({"value": entry["value"], "message_class": "marketing"}))
                    .collect();
                let request = json!({"account": "acme", "entries": entries});
                call(&store, "suppressions.remove", request).unwrap();
            }
        }
        let before = hash(&store);
        let compacted = call(&store, "store.compact", json!({}));
        match place.starts_with("sqlite:") {
            true => {
                let bytes = |field: &str| compacted.as_ref().unwrap()[field].as_u64().unwrap();
                assert!(
                    bytes("bytes") + (8 << 20) < bytes("bytes_before"),
                    "{compacted:?}"
                );
                assert_eq!(hash(&store), before);
                // Others go on with what is prepared.
                furnish_more(&store);
            }
            false => {
                let refused = compacted.unwrap_err();
                assert!(refused.message().contains("store.copy"), "{refused}");
            }
        }
        store.close().unwrap();
        let store = open(&place).unwrap();
        assert_eq!(
            call(&store, "store.verify", json!({})).unwrap()["whole"],
            true
        );
    }
    let compacted = call(&asking(), "store.compact", json!({})).unwrap();
    assert_eq!(compacted, json!({"bytes_before": 0, "bytes": 0}));
}

#[test]
fn what_is_counted_is_told_in_openmetrics() {
    let store = asking();
    furnish(&store);
    invited(&store);
    for _ in 0..2 {
        call(&store, "accounts.get", json!({"account": "none"})).unwrap_err();
    }
    let admit = json!({"account": "acme", "count": 1});
    call(&store, "sending.admit", admit).unwrap();
    let read = || {
        let answer = call(&store, "store.metrics", json!({})).unwrap();
        answer["text"].as_str().unwrap().to_owned()
    };
    let text = read();
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(!text.contains("acme") && !text.contains("ann"), "{text}");
    assert!(
        text.contains("tenantry_refusals_total{code=\"not_found\"} 2\n"),
        "{text}"
    );
    // Each sample stands behind the type and the help of its family.
    let mut family = "";
    for line in text.lines().filter(|line| *line != "# EOF") {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["#", "TYPE", name, "counter" | "gauge"] => family = name,
            ["#", "HELP", name, ..] => assert_eq!(name, family),
            [sample, value] => {
                assert!(sample.starts_with(family), "{line}");
                value.parse::<u64>().unwrap();
            }
            _ => panic!("{line}"),
        }
    }
    let of = |text: &str, name: &str| -> u64 {
        let start = format!("tenantry_{name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse()
            .unwrap()
    };
    assert_eq!(of(&read(), "calls_total"), of(&text, "calls_total") + 1);
    assert_eq!(of(&text, "draws_total"), 1, "{text}");
    let backlog = of(&text, "outbox_backlog");
    assert!(backlog > 0);
    call(
        &store,
        "outbox.take",
        json!({"consumer": "mailer", "limit": 1}),
    )
    .unwrap();
    assert_eq!(of(&read(), "outbox_backlog"), backlog - 1);
}

fn furnish_more(store: &Tenantry) {
    let group = json!({"account": "acme", "name": "After"});
    call(store, "groups.create", group).unwrap();
}
