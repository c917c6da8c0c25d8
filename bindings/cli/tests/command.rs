//! The command itself, run as people and programs run it; and the page for those who operate a
//! platform (docs/operate.md), whose commands are run in its order.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

const TENANTRY: &str = env!("CARGO_BIN_EXE_tenantry");

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tenantry-command-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn run(&self, store: &str, arguments: &[&str]) -> Output {
        Command::new(TENANTRY)
            .args(arguments)
            .env("TENANTRY_STORE", store)
            .current_dir(&self.0)
            .output()
            .unwrap()
    }

    fn text(&self, store: &str, arguments: &[&str]) -> String {
        let output = self.run(store, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, store: &str, arguments: &[&str]) -> Value {
        let text = self.text(store, &[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// A store with an account that may send ten e-mails a day, of which eight are sent.
    fn furnish(&self, store: &str) {
        let owner = r#"{"user":"ann","email":"ann@acme.example"}"#;
        let limits = r#"{"email_per_day":10}"#;
        for arguments in [
            &[
                "--create",
                "accounts.create",
                "--id",
                "acme",
                "--name",
                "Acme",
                "--owner",
                owner,
                "--limits",
                limits,
            ][..],
            &["roles.create", "--with", r#"{"id":"plain","name":"Plain"}"#],
            &[
                "members.add",
                "--account",
                "acme",
                "--user",
                "bob",
                "--email",
                "bob@acme.example",
                "--role",
                "plain",
            ],
            &["sending.admit", "--account", "acme", "--count", "8"],
            &[
                "invitations.create",
                "--account",
                "acme",
                "--addresses",
                "cat@acme.example",
                "--role",
                "plain",
            ],
        ] {
            self.text(store, arguments);
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn any_operation_is_a_command_with_options_or_json() {
    let scratch = Scratch::new();
    scratch.furnish("store");
    let created = scratch.json(
        "store",
        &["groups.create", "--account", "acme", "--name", "Sales"],
    );
    assert_eq!(created["name"], "Sales");
    let with = r#"{"account":"acme","name":"Overwritten"}"#;
    let created = scratch.json(
        "store",
        &["groups.create", "--with", with, "--name", "Support"],
    );
    assert_eq!(created["name"], "Support");
    let table = scratch.text("store", &["groups.list", "--account", "acme"]);
    assert!(table.contains("NAME") && table.contains("Sales"), "{table}");
    // As somebody else than the host.
    let actor = r#"{"kind":"user","user":"bob","account":"acme"}"#;
    let refused = scratch.run(
        "store",
        &[
            "--actor",
            actor,
            "groups.create",
            "--account",
            "acme",
            "--name",
            "Own",
        ],
    );
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("(permission_denied)"),
        "{refused:?}"
    );
    let refused = scratch.run("store", &["--json", "accounts.get", "--account", "none"]);
    assert_eq!(refused.status.code(), Some(1));
    let refused: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(refused["code"], "not_found");
    for wrong in [
        &["nothing"][..],
        &["groups.create", "--nothing", "x"],
        &["outbox.take", "--consumer", "a", "--limit", "many"],
        &["groups.create", "--with", "[]"],
    ] {
        assert_eq!(
            scratch.run("store", wrong).status.code(),
            Some(2),
            "{wrong:?}"
        );
    }
    let missing = scratch.run("elsewhere", &["stats"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains("(store_missing)"), "{missing:?}");
    let found = scratch.text("store", &["operations", "credits"]);
    assert!(
        found.contains("credits.balance ") && !found.contains("outbox.take "),
        "{found}"
    );
}

#[test]
fn a_refusal_is_explained_in_sentences() {
    let scratch = Scratch::new();
    scratch.furnish("store");
    let why = scratch.run("store", &["why", "acme", "--count", "5"]);
    assert_eq!(why.status.code(), Some(1));
    let text = String::from_utf8(why.stdout).unwrap();
    for sentence in [
        "The account `acme` may not send 5 e-mails now.\n",
        "The limit `email_per_day` of the account `acme` is 10, and 8 of it are used \
         (`quota_exceeded`).\n",
        "2 could go out now.\n",
        "The same send is let through at 20",
    ] {
        assert!(text.contains(sentence), "{text}");
    }
    let text = scratch.text("store", &["why", "acme", "ann", "--count", "2"]);
    assert!(
        text.starts_with("`ann` in the account `acme` may send 2 e-mails now.\n"),
        "{text}"
    );
    let why = scratch.run("store", &["why", "acme", "bob"]);
    assert_eq!(why.status.code(), Some(1));
    let text = String::from_utf8(why.stdout).unwrap();
    assert!(
        text.contains("`permission_denied`") && text.contains("Looked at: "),
        "{text}"
    );
    assert!(text.contains("Time alone does not change that."), "{text}");
    let json = scratch.run("store", &["why", "acme", "--count", "5", "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["sending"]["refusal"]["code"], "quota_exceeded");
}

#[test]
fn bars_show_what_is_used() {
    let scratch = Scratch::new();
    scratch.furnish("store");
    let top = ["top", "--once", "--interval", "1"];
    let accounts = &scratch.json("store", &top)["accounts"];
    assert_eq!(accounts[0]["account"], "acme");
    assert_eq!(accounts[0]["per_minute"], 0);
    assert_eq!(accounts[0]["fullest"]["used"], 8);
    assert_eq!(accounts[0]["fullest"]["is_reached"], false);
    assert!(scratch.text("store", &top).contains("8 of 10"));
    let bars = scratch.text("store", &["usage", "acme"]);
    let day = bars
        .lines()
        .find(|line| line.contains("email_per_day"))
        .unwrap();
    assert_eq!(day.matches('█').count(), 16, "{day}");
    assert_eq!(day.matches('·').count(), 4, "{day}");
    assert!(day.contains("8 of 10"), "{day}");
}

#[test]
fn the_tail_of_the_outbox_takes_nothing_and_shows_no_token() {
    let scratch = Scratch::new();
    scratch.furnish("store");
    for is_json in [false, true] {
        let more: &[&str] = if is_json { &["--json"] } else { &[] };
        let tail = scratch.text("store", &[&["outbox", "tail"], more].concat());
        assert!(tail.contains("cat@acme.example"), "{tail}");
        assert!(!tail.contains("tny_link_"), "{tail}");
    }
    let one = scratch.text("store", &["outbox", "tail", "-n", "1"]);
    assert_eq!(one.lines().count(), 1, "{one}");
    let taken = scratch.json("store", &["outbox.take", "--consumer", "mailer"]);
    assert!(!taken["messages"].as_array().unwrap().is_empty());
}

#[test]
fn a_backup_comes_back_and_damage_is_told_and_never_repaired() {
    let scratch = Scratch::new();
    for (store, to) in [("store", "sqlite:copy.db"), ("sqlite:a.db", "copy")] {
        scratch.furnish(store);
        let file = format!("{}.backup", to.trim_start_matches("sqlite:"));
        let backup = scratch.json(store, &["backup", &file]);
        let again = scratch.run(store, &["backup", &file]);
        assert_eq!(again.status.code(), Some(1), "never written over");
        let restored = scratch.json("", &["restore", &file, to]);
        assert_eq!(restored["state_hash"], backup["state_hash"]);
        assert_eq!(scratch.json(to, &["verify"])["whole"], true);
        let copied = scratch.json(to, &["copy", &format!("{}-2", to)]);
        assert_eq!(copied["state_hash"], backup["state_hash"]);
        assert!(scratch.json(to, &["stats"])["disk_bytes"].as_u64().unwrap() > 0);
    }
    scratch.text("sqlite:a.db", &["compact"]);
    let db = scratch.0.join("a.db");
    let mut bytes = fs::read(&db).unwrap();
    let place = |bytes: &[u8]| bytes.windows(6).position(|found| found == b"\"Acme\"");
    assert!(place(&bytes).is_some());
    while let Some(at) = place(&bytes) {
        bytes[at + 1] = b'B';
    }
    fs::write(&db, bytes).unwrap();
    let damaged = scratch.run("sqlite:a.db", &["verify"]);
    assert_eq!(damaged.status.code(), Some(3), "{damaged:?}");
    let said = String::from_utf8(damaged.stdout).unwrap();
    for part in ["unreadable record", "account acme", "restore a backup"] {
        assert!(said.contains(part), "{said}");
    }
    // What follows from a record that cannot be read would be taken away.
    for more in [&["--dry-run"][..], &[]] {
        let refused = scratch.run("sqlite:a.db", &[&["repair"], more].concat());
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("nothing was repaired"), "{said}");
    }
    let again = scratch.run("sqlite:a.db", &["verify"]);
    assert_eq!(String::from_utf8(again.stdout).unwrap(), said);
}

/// Writes to a store as no operation does.
fn tamper(scratch: &Scratch, store: &str, writes: Vec<(&[u8], Option<&[u8]>)>) {
    let place = match store.strip_prefix("sqlite:") {
        Some(file) => format!("sqlite:{}", scratch.0.join(file).display()),
        None => scratch.0.join(store).display().to_string(),
    };
    let how = tenantry_store::Options {
        cache_bytes: 1 << 20,
        ..tenantry_store::Options::default()
    };
    let open = tenantry_store::open(&tenantry_store::At::new(Path::new(&place)), &how).unwrap();
    let writes = writes
        .into_iter()
        .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)));
    let batch = tenantry_store::Batch {
        writes: writes.collect(),
        ..tenantry_store::Batch::default()
    };
    open.sync(open.commit(&batch).unwrap()).unwrap();
    open.close().unwrap();
}

#[test]
fn what_follows_from_records_is_repaired_and_the_rest_is_named() {
    let scratch = Scratch::new();
    for store in ["store", "sqlite:a.db"] {
        scratch.furnish(store);
        assert!(
            scratch
                .text("", &["verify", store])
                .starts_with("Nothing is wrong in ")
        );
        let before = scratch.json(store, &["store.state_hash"]);
        tamper(
            &scratch,
            store,
            vec![
                (b"em\0ann@acme.example", None),
                (b"tl\0acme\0members", Some(b"9")),
            ],
        );
        let found = scratch.run("", &["verify", store]);
        assert_eq!(found.status.code(), Some(3), "{found:?}");
        let said = String::from_utf8(found.stdout).unwrap();
        for part in [
            "2 findings",
            "email ann@acme.example\n  missing line: The index line of the user `ann` is missing.",
            "tally acme/members\n  wrong count: The count is 9; it must be ",
            "`tenantry repair` puts it right",
        ] {
            assert!(said.contains(part), "{said}");
        }
        let told = scratch.run("", &["repair", store, "--dry-run"]);
        assert_eq!(told.status.code(), Some(3), "{told:?}");
        assert!(
            told.stdout.starts_with(b"Would be repaired: 2 "),
            "{told:?}"
        );
        assert_ne!(scratch.json(store, &["store.state_hash"]), before);
        let repaired = scratch.json(store, &["repair"]);
        assert_eq!(repaired["repaired_count"], 2, "{repaired}");
        assert_eq!(
            scratch.json("", &["verify", store])["findings"],
            serde_json::json!([])
        );
        let again = scratch.text("", &["repair", store]);
        assert_eq!(again, "Repaired: 0 index lines and counts.\n");
        // A record that contradicts the others is named, and stays.
        tamper(&scratch, store, vec![(b"al\0user\0nobody", Some(b"[]"))]);
        let left = scratch.run(store, &["repair"]);
        assert_eq!(left.status.code(), Some(3), "{left:?}");
        let said = String::from_utf8(left.stdout).unwrap();
        for part in [
            "Not repaired: 1 finding.",
            "missing record",
            "restore a backup",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }
}

#[test]
fn shells_complete_commands_operations_and_their_options() {
    let scratch = Scratch::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = scratch.text("", &["completion", shell]);
        for word in ["backup", "groups.create", "addresses"] {
            assert!(text.contains(word), "{shell} completes no {word}");
        }
    }
    let checked = Command::new("bash")
        .args([
            "-c",
            r#"source <("$0" completion bash) && complete -p tenantry"#,
        ])
        .arg(TENANTRY)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

/// Every block of commands of the page, one after the other, in one shell.
#[test]
fn the_commands_of_the_page_for_operators_run() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operate.md");
    let page = fs::read_to_string(page).unwrap();
    let mut script = String::from("set -eu\n");
    let mut is_command = false;
    for line in page.lines() {
        match line {
            "```sh" => is_command = true,
            "```" => is_command = false,
            command if is_command => script.push_str(&format!("{command}\n")),
            _ => {}
        }
    }
    assert!(script.lines().count() > 15, "{script}");
    let scratch = Scratch::new();
    let folder = Path::new(TENANTRY).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", format!("{}:{path}", folder.display()))
        .current_dir(&scratch.0)
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}\n{output:?}");
}
