//! What the crash tests share: the work that a killed host was doing, what has to be left of it,
//! and the folders.
//!
//! A host (`src/bin/crash_host.rs`) says on its standard output what it is about to do and what was
//! acknowledged, one line each, the second only after the acknowledgement. It is killed at some
//! moment. From the lines a [`Ledger`] knows what a store has to hold: everything that was
//! acknowledged, and of each thread's last effect all or nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tenantry::Tenantry;

/// The clock stands still, so that all cycles of a test are in one window of every limit.
pub const OPTIONS: &str = r#"{"durability":"full","clock":{"manual_ms":1750000000000}}"#;
/// As [`OPTIONS`], for a store that must be there.
pub const EXISTING: &str =
    r#"{"durability":"full","clock":{"manual_ms":1750000000000},"create":false}"#;
pub const THREADS: u64 = 4;
/// One admission asks for 1 to this many.
pub const MOST_AT_ONCE: u64 = 3;
/// Accounts that every host sends from, with their daily limits. They are below [`TOP`], which
/// counts their sends too.
pub const METERS: [(&str, Option<u64>); 3] = [
    ("meter-0", None),
    ("meter-1", Some(100_000)),
    ("meter-2", Some(1000)),
];
pub const TOP: &str = "top";
/// How the ids of the other accounts below it begin.
pub const BELOW: &str = "below";

/// The dice of a test: the seed comes from TENANTRY_SEED or is new, and is printed either way.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub fn of_test(test: &str) -> Dice {
        let seed = match std::env::var("TENANTRY_SEED") {
            Ok(text) => text.parse().expect("TENANTRY_SEED is a number"),
            Err(_) => std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64,
        };
        println!("{test}: TENANTRY_SEED={seed}");
        Dice(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 up to `below`, without it.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.number() % below
    }

    /// A daily limit: often one that is soon used up.
    pub fn roll_limit(&mut self) -> u64 {
        let most = [20, 1000, 1_000_000][self.roll(3) as usize];
        self.roll(most)
    }

    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(from * 1000 + self.roll((to - from) * 1000))
    }
}

/// How often something is done: from the environment, for long runs.
pub fn count(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

/// A folder for one test; it stays when the test fails.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(test: &str) -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("tenantry-{test}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path.canonicalize().unwrap())
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("left for inspection: {}", self.0.display());
        } else {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

/// Replaces `to` by a copy of `from`.
pub fn copy(from: &Path, to: &Path) {
    remove(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            panic!("{}: {error}", folder.display())
        }
        _ => {}
    }
}

/// Makes a folder of an image that `powerloss/shim.c` has kept.
pub fn assemble(image: &Path, to: &Path) {
    let root = fs::read_to_string(image.join("root")).expect("the shim was loaded");
    remove(to);
    assemble_folder(image, root.trim(), to);
}

fn assemble_folder(image: &Path, inode: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    // A folder whose own names were never synced is empty.
    let names = fs::read_to_string(image.join(format!("{inode}.dir"))).unwrap_or_default();
    for line in names.lines() {
        let (inode, name) = line.split_once(' ').unwrap();
        let contents = image.join(inode);
        if contents.exists() {
            fs::copy(contents, to.join(name)).unwrap();
        } else {
            assemble_folder(image, inode, &to.join(name));
        }
    }
}

/// A change that a host makes, and waits for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Effect {
    Role {
        role: String,
    },
    Rename {
        role: String,
        name: String,
    },
    Create {
        account: String,
        owner: String,
        parent: Option<String>,
        limit: Option<u64>,
    },
    Limit {
        account: String,
        limit: u64,
    },
    Hold {
        account: String,
        hold: u64,
    },
    Release {
        account: String,
        hold: u64,
    },
    Add {
        account: String,
        user: String,
        role: String,
    },
    SetRole {
        account: String,
        user: String,
        role: String,
    },
    Remove {
        account: String,
        user: String,
    },
    Delete {
        account: String,
    },
}

pub fn email(user: &str) -> String {
    format!("{user}@example.test")
}

impl Effect {
    /// The operation, and its request.
    pub fn request(&self) -> (&'static str, Value) {
        match self {
            Effect::Role { role } => ("roles.create", json!({"id": role, "name": role})),
            Effect::Rename { role, name } => ("roles.edit", json!({"role": role, "name": name})),
            Effect::Create {
                account,
                owner,
                parent,
                limit,
            } => {
                let mut request = json!({"id": account, "name": account, "owner": {"user": owner,
                    "email": email(owner)}, "limits": {}});
                if let Some(parent) = parent {
                    request["parent"] = json!(parent);
                }
                if let Some(limit) = limit {
                    request["limits"]["email_per_day"] = json!(limit);
                }
                ("accounts.create", request)
            }
            Effect::Limit { account, limit } => (
                "limits.set",
                json!({"account": account, "limit": "email_per_day", "value": limit}),
            ),
            Effect::Hold { account, hold } => (
                "accounts.hold",
                json!({"account": account, "reason": "abuse",
                    "note": "n".repeat((hold * 97 % 400) as usize)}),
            ),
            Effect::Release { account, hold } => (
                "accounts.release",
                json!({"account": account, "hold": hold}),
            ),
            Effect::Add {
                account,
                user,
                role,
            } => (
                "members.add",
                json!({"account": account, "user": user, "email": email(user), "role": role}),
            ),
            Effect::SetRole {
                account,
                user,
                role,
            } => (
                "members.set_role",
                json!({"account": account, "user": user, "role": role}),
            ),
            Effect::Remove { account, user } => {
                ("members.remove", json!({"account": account, "user": user}))
            }
            Effect::Delete { account } => ("accounts.delete", json!({"account": account})),
        }
    }

    /// The account or role that it is about.
    fn subject(&self) -> &str {
        match self {
            Effect::Role { role } | Effect::Rename { role, .. } => role,
            Effect::Create { account, .. }
            | Effect::Limit { account, .. }
            | Effect::Hold { account, .. }
            | Effect::Release { account, .. }
            | Effect::Add { account, .. }
            | Effect::SetRole { account, .. }
            | Effect::Remove { account, .. }
            | Effect::Delete { account } => account,
        }
    }
}

/// What a store holds, as its operations tell it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    accounts: BTreeMap<String, Account>,
    roles: BTreeMap<String, Role>,
    /// Users of whom nothing may be left.
    gone: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Account {
    owner: String,
    parent: Option<String>,
    children: u64,
    limit: Option<u64>,
    holds: Vec<u64>,
    rev: u64,
    /// The role of each member and the revision of the membership; the owner has no role.
    members: BTreeMap<String, (Option<String>, u64)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Role {
    name: String,
    rev: u64,
}

impl State {
    fn apply(&mut self, effect: &Effect) {
        match effect.clone() {
            Effect::Role { role } => {
                self.roles.insert(role.clone(), Role { name: role, rev: 1 });
            }
            Effect::Rename { role, name } => {
                let role = self.role(&role);
                role.name = name;
                role.rev += 1;
            }
            Effect::Create {
                account,
                owner,
                parent,
                limit,
            } => {
                if let Some(parent) = &parent {
                    self.account(parent).children += 1;
                }
                let members = BTreeMap::from([(owner.clone(), (None, 1))]);
                self.accounts.insert(
                    account,
                    Account {
                        owner,
                        parent,
                        children: 0,
                        limit,
                        holds: Vec::new(),
                        rev: 1,
                        members,
                    },
                );
            }
            Effect::Limit { account, limit } => self.change(&account).limit = Some(limit),
            Effect::Hold { account, hold } => self.change(&account).holds.push(hold),
            Effect::Release { account, hold } => {
                self.change(&account).holds.retain(|other| *other != hold)
            }
            Effect::Add {
                account,
                user,
                role,
            } => {
                self.role(&role);
                self.account(&account).members.insert(user, (Some(role), 1));
            }
            Effect::SetRole {
                account,
                user,
                role,
            } => {
                let member = self
                    .account(&account)
                    .members
                    .get_mut(&user)
                    .expect("a member");
                member.1 += 1;
                member
                    .0
                    .replace(role.clone())
                    .expect("a member with a role");
                self.role(&role);
            }
            Effect::Remove { account, user } => {
                self.account(&account)
                    .members
                    .remove(&user)
                    .expect("a member");
                self.gone.insert(user);
            }
            Effect::Delete { account } => {
                let account = self.accounts.remove(&account).expect("an account");
                if let Some(parent) = &account.parent {
                    self.account(parent).children -= 1;
                }
                self.gone.extend(account.members.into_keys());
            }
        }
    }

    fn account(&mut self, id: &str) -> &mut Account {
        self.accounts
            .get_mut(id)
            .unwrap_or_else(|| panic!("an effect on the account {id}, which was not acknowledged"))
    }

    fn change(&mut self, id: &str) -> &mut Account {
        let account = self.account(id);
        account.rev += 1;
        account
    }

    fn role(&mut self, id: &str) -> &mut Role {
        self.roles
            .get_mut(id)
            .unwrap_or_else(|| panic!("an effect on the role {id}, which was not acknowledged"))
    }

    fn has_same(&self, other: &State, effect: &Effect) -> bool {
        let subject = effect.subject();
        let role = |state: &State| state.roles.get(subject).cloned();
        let account = |state: &State| {
            state.accounts.get(subject).map(|account| Account {
                children: 0,
                ..account.clone()
            })
        };
        role(self) == role(other) && account(self) == account(other)
    }

    /// Reads all of it, and indexes from both of their ends; `store.verify` has looked at all of
    /// them.
    pub fn read(store: &Tenantry, gone: &BTreeSet<String>) -> Result<State, String> {
        let mut state = State {
            gone: gone.clone(),
            ..State::default()
        };
        for role in pages(store, "roles.list", "roles", json!({}))?
            .into_iter()
            .filter(|role| role["built_in"] == false)
        {
            state.roles.insert(
                text(&role["id"]),
                Role {
                    name: text(&role["name"]),
                    rev: number(&role["rev"]),
                },
            );
        }
        let mut children: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for account in pages(store, "accounts.list", "accounts", json!({}))? {
            let id = text(&account["id"]);
            let mut members = BTreeMap::new();
            for member in pages(store, "members.list", "members", json!({"account": id}))? {
                let user = text(&member["user"]);
                for by in [json!({"user": user}), json!({"email": email(&user)})] {
                    let found = call(store, "users.get", &by)?;
                    if found["id"] != user || found["accounts"] != json!([id]) {
                        return Err(format!("the user {user} of {id} by {by} is {found}"));
                    }
                }
                if member["owner"] != (account["owner"] == user) {
                    return Err(format!(
                        "{user} in {id} is half an owner: {member} {account}"
                    ));
                }
                members.insert(
                    user,
                    (
                        member["role"].as_str().map(str::to_owned),
                        number(&member["rev"]),
                    ),
                );
            }
            let parent = account["parent"].as_str().map(str::to_owned);
            if let Some(parent) = &parent {
                children
                    .entry(parent.clone())
                    .or_default()
                    .insert(id.clone());
            }
            state.accounts.insert(
                id,
                Account {
                    owner: text(&account["owner"]),
                    parent,
                    children: number(&account["children"]),
                    limit: account["limits"]["email_per_day"].as_u64(),
                    holds: account["holds"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .map(|hold| number(&hold["hold"]))
                        .collect(),
                    rev: number(&account["rev"]),
                    members,
                },
            );
        }
        for (parent, expected) in children {
            let listed = pages(
                store,
                "accounts.list",
                "accounts",
                json!({"parent": parent}),
            )?;
            let listed: BTreeSet<String> =
                listed.iter().map(|account| text(&account["id"])).collect();
            if listed != expected {
                return Err(format!(
                    "below {parent} are {expected:?}, its index has {listed:?}"
                ));
            }
        }
        for user in gone {
            absent(store, user)?;
        }
        Ok(state)
    }
}

fn absent(store: &Tenantry, user: &str) -> Result<(), String> {
    for by in [json!({"user": user}), json!({"email": email(user)})] {
        match store.call_json(b"", b"users.get", by.to_string().as_bytes()) {
            Err(error) if error.code() == tenantry::Code::NotFound => {}
            other => {
                return Err(format!(
                    "something is left of {user}: {by} answers {other:?}"
                ));
            }
        }
    }
    Ok(())
}

/// Calls an operation that is to succeed.
pub fn call(store: &Tenantry, operation: &str, request: &Value) -> Result<Value, String> {
    let answer = store.call_json(b"", operation.as_bytes(), request.to_string().as_bytes());
    let answer = answer.map_err(|error| format!("{operation} {request}: {}", error.to_json()))?;
    serde_json::from_str(&answer).map_err(|error| format!("{operation} answered {answer}: {error}"))
}

fn pages(
    store: &Tenantry,
    operation: &str,
    field: &str,
    mut request: Value,
) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    request["limit"] = json!(500);
    loop {
        let mut page = call(store, operation, &request)?;
        all.append(
            page[field]
                .as_array_mut()
                .ok_or_else(|| format!("{operation} answers without {field}"))?,
        );
        match page.get("next") {
            Some(next) => request["after"] = next.clone(),
            None => return Ok(all),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("(no text)").to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(u64::MAX)
}

/// What one run of a host said before it was killed.
#[derive(Default)]
pub struct Said {
    acknowledged: Vec<Effect>,
    /// The last effect of each thread that was not.
    open: BTreeMap<String, Effect>,
    granted: BTreeMap<String, u64>,
    /// How many lines acknowledge something.
    pub acknowledgements: u64,
}

impl Said {
    fn hear_all(lines: impl IntoIterator<Item = String>) -> Said {
        let mut said = Said::default();
        lines.into_iter().for_each(|line| said.hear(&line));
        said
    }

    /// `try <thread> <effect>`, `ack <thread>`, `busy <thread>` (nothing was changed), `granted
    /// <account> <count>`.
    fn hear(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let mut word = || {
            words
                .next()
                .unwrap_or_else(|| panic!("the host said `{line}`"))
        };
        match word() {
            "try" => {
                let thread = word().to_owned();
                let effect = serde_json::from_str(word())
                    .unwrap_or_else(|error| panic!("the host said `{line}`: {error}"));
                self.open.insert(thread, effect);
            }
            "ack" => {
                self.acknowledged
                    .push(self.open.remove(word()).expect("tried before"));
                self.acknowledgements += 1;
            }
            "busy" => drop(self.open.remove(word()).expect("tried before")),
            "granted" => {
                let granted = self.granted.entry(word().to_owned()).or_default();
                *granted += word()
                    .parse::<u64>()
                    .unwrap_or_else(|error| panic!("the host said `{line}`: {error}"));
                self.acknowledgements += 1;
            }
            _ => panic!("the host said `{line}`"),
        }
    }
}

/// What has to be in a store after all that was done to it.
#[derive(Clone, Default)]
pub struct Ledger {
    expected: State,
    granted: BTreeMap<String, u64>,
    crashes: u64,
    /// How many acknowledgements there were.
    pub acknowledgements: u64,
}

/// S12: whatever the crash, the chains of the audit are whole: the platform's, the users', and that
/// of every account.
fn check_chains(store: &Tenantry) -> Result<(), String> {
    let mut chains = vec![json!({"chain": "platform"}), json!({"chain": "users"})];
    let mut after = Value::Null;
    loop {
        let page = call(
            store,
            "accounts.list",
            &if after.is_null() {
                json!({"limit": 500})
            } else {
                json!({"limit": 500, "after": after})
            },
        )?;
        chains.extend(
            page["accounts"]
                .as_array()
                .ok_or("a page without accounts")?
                .iter()
                .map(|account| json!({"account": account["id"]})),
        );
        match page.get("next") {
            Some(next) => after = next.clone(),
            None => break,
        }
    }
    for chain in chains {
        let verified = call(store, "audit.verify", &chain)?;
        if verified["whole"] != true {
            return Err(format!("the chain {chain} is broken: {verified}"));
        }
    }
    Ok(())
}

impl Ledger {
    /// Takes in what a host said before it was killed, and checks what the store holds now. The
    /// store is opened, and closed again.
    pub fn check(&mut self, said: Said, path: &Path) -> Result<(), String> {
        self.crashes += 1;
        self.acknowledgements += said.acknowledgements;
        for effect in &said.acknowledged {
            self.expected.apply(effect);
        }
        for (account, granted) in &said.granted {
            *self.granted.entry(account.clone()).or_default() += granted;
            if account.starts_with(BELOW) || METERS.iter().any(|(meter, _)| meter == account) {
                *self.granted.entry(TOP.to_owned()).or_default() += granted;
            }
        }
        let options = if self.acknowledgements == 0 {
            OPTIONS
        } else {
            EXISTING
        };
        let store = Tenantry::open_json(path.to_str().unwrap(), options.as_bytes())
            .map_err(|error| format!("does not open: {}", error.to_json()))?;
        let verified = call(&store, "store.verify", &json!({}))?;
        if verified["whole"] != true {
            return Err(format!("not whole: {verified}"));
        }
        check_chains(&store)?;
        let found = State::read(&store, &self.expected.gone)?;
        for effect in said.open.values() {
            let mut with = self.expected.clone();
            with.apply(effect);
            if found.has_same(&with, effect) {
                for user in with.gone.difference(&self.expected.gone) {
                    absent(&store, user)?;
                }
                self.expected = with;
            } else if let Effect::Create { owner: user, .. } | Effect::Add { user, .. } = effect {
                absent(&store, user)?;
            }
        }
        self.compare(&State {
            gone: self.expected.gone.clone(),
            ..found
        })?;
        self.check_usage(&store)?;
        store
            .close()
            .map_err(|error| format!("does not close: {}", error.to_json()))
    }

    fn compare(&self, found: &State) -> Result<(), String> {
        if *found == self.expected {
            return Ok(());
        }
        let mut differences = Vec::new();
        differ(
            "account",
            &self.expected.accounts,
            &found.accounts,
            &mut differences,
        );
        differ("role", &self.expected.roles, &found.roles, &mut differences);
        Err(format!(
            "{} differences, the first: {}",
            differences.len(),
            differences.first().map_or("none", String::as_str)
        ))
    }

    /// Never less than was granted, never more than the limit, and at most a block for each crash
    /// too much.
    fn check_usage(&self, store: &Tenantry) -> Result<(), String> {
        for (account, granted) in self
            .granted
            .iter()
            .filter(|(account, _)| self.expected.accounts.contains_key(*account))
        {
            let limit = METERS
                .iter()
                .find(|(meter, _)| meter == account)
                .map(|(_, limit)| limit.unwrap_or(u64::MAX));
            let limit = if account == TOP {
                Some(u64::MAX)
            } else {
                limit
            };
            let used = call(store, "usage.get", &json!({"account": account}))?;
            // The ledger sends no text messages, and nothing acts by itself.
            let windows = used["windows"].as_array().ok_or("usage without windows")?;
            for window in windows.iter().filter(|window| {
                window["limit"]
                    .as_str()
                    .is_some_and(|limit| limit.starts_with("email_"))
            }) {
                let used = number(&window["used"]);
                if used < *granted {
                    return Err(format!(
                        "{account} was granted {granted} in all, but {window} says less"
                    ));
                }
                let Some(limit) = limit else { continue };
                let limit = if window["limit"] == "email_per_day" {
                    limit
                } else {
                    u64::MAX
                };
                // A block, what was left of the one before, and what was granted but not told any
                // more.
                let lost = (limit / 50).clamp(1, 1 << 20) + MOST_AT_ONCE + THREADS * MOST_AT_ONCE;
                if used > limit || used > granted + self.crashes * lost {
                    return Err(format!(
                        "{account} was granted {granted}, there were {} crashes, but {window}",
                        self.crashes
                    ));
                }
            }
        }
        Ok(())
    }
}

fn differ<T: PartialEq + std::fmt::Debug>(
    kind: &str,
    expected: &BTreeMap<String, T>,
    found: &BTreeMap<String, T>,
    differences: &mut Vec<String>,
) {
    let ids: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    for id in ids {
        if expected.get(id) != found.get(id) {
            differences.push(format!(
                "{kind} {id} should be {:?} and is {:?}",
                expected.get(id),
                found.get(id)
            ));
        }
    }
}

/// When a host is killed.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    AfterStart(Duration),
    AfterFirstAcknowledgement(Duration),
}

/// A running host, for [`kill`].
struct Host {
    child: Child,
    lines: Receiver<String>,
    errors: std::thread::JoinHandle<String>,
}

impl Host {
    fn start(command: &mut Command) -> Host {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the host starts");
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            stderr
                .read_to_string(&mut text)
                .map_or_else(|error| error.to_string(), |_| text)
        });
        Host {
            child,
            lines,
            errors,
        }
    }

    /// Listens until the instant, or until a line that is wanted; false when the host has ended.
    fn listen(
        &self,
        lines: &mut Vec<String>,
        until: Instant,
        wanted: impl Fn(&str) -> bool,
    ) -> bool {
        loop {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    lines.push(line);
                    if lines.last().is_some_and(|line| wanted(line)) {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

/// Starts a host and kills it; answers its lines. A host that ends by itself, or complains, is an
/// error.
pub fn kill_after(
    command: &mut Command,
    moment: Moment,
    acknowledges: impl Fn(&str) -> bool,
) -> Result<Vec<String>, String> {
    let mut host = Host::start(command);
    let mut lines = Vec::new();
    let delay = match moment {
        Moment::AfterStart(delay) => delay,
        Moment::AfterFirstAcknowledgement(delay) => {
            host.listen(
                &mut lines,
                Instant::now() + Duration::from_secs(60),
                &acknowledges,
            );
            if !lines.last().is_some_and(|line| acknowledges(line)) {
                host.child
                    .kill()
                    .map_err(|error| format!("cannot kill the host: {error}"))?;
                return Err(format!(
                    "the host acknowledged nothing: {}",
                    host.errors.join().expect("reading a pipe does not panic")
                ));
            }
            delay
        }
    };
    let lives = host.listen(&mut lines, Instant::now() + delay, |_| false);
    host.child
        .kill()
        .map_err(|error| format!("cannot kill the host: {error}"))?;
    let status = host
        .child
        .wait()
        .map_err(|error| format!("cannot wait for the host: {error}"))?;
    lines.extend(host.lines.iter());
    let errors = host.errors.join().expect("reading a pipe does not panic");
    if lives && errors.is_empty() {
        Ok(lines)
    } else {
        Err(format!("the host ended by itself ({status}): {errors}"))
    }
}

/// Starts `crash_host` and kills it; answers what it said.
pub fn kill(command: &mut Command, moment: Moment) -> Result<Said, String> {
    let lines = kill_after(command, moment, |line| line.starts_with("ack"))?;
    Ok(Said::hear_all(lines))
}

/// Lets a host work to its end; answers what it said.
pub fn finish(command: &mut Command) -> Said {
    let mut host = Host::start(command);
    let said = Said::hear_all(host.lines.iter());
    let status = host.child.wait().unwrap();
    let errors = host.errors.join().unwrap();
    assert!(errors.is_empty(), "the host: {status} {errors}");
    said
}

/// The command for a host that works on the store until it is killed, or until each thread has made
/// `effects` changes: then it is closed, or it aborts, as `end` says (`close` or `abort`).
pub fn host(program: &str, store: &Path, seed: u64, run: u64, end: Option<(&str, u64)>) -> Command {
    let mut command = Command::new(program);
    let (end, effects) = end.unwrap_or(("never", u64::MAX));
    command.arg("work").arg(store).args([
        &seed.to_string(),
        &run.to_string(),
        end,
        &effects.to_string(),
    ]);
    command
}
