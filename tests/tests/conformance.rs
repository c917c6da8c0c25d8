//! Runs every scenario of `tests/conformance` through five drivers, step by step: each step must be
//! answered as the scenario says, and alike by all. `src/scenario.rs` describes the scenarios.
//!
//! C, Python and Node are programs that speak a protocol of lines. Their command lines come from
//! `TENANTRY_DRIVER_C`, `TENANTRY_DRIVER_PYTHON` and `TENANTRY_DRIVER_NODE`, which `cargo xtask
//! test` sets. `TENANTRY_DRIVERS=rust` leaves them out. `TENANTRY_SCENARIO=limits` runs the
//! scenarios with `limits` in the name of the file alone.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tenantry::catalogue::{CATALOGUE, Visitor, visit};
use tenantry::{Access, Actor, Caller, Code, Error, Operation, Sender, Tenantry};
use tenantry_cluster::Cluster;
use tenantry_tests::crash::{Kept, Scratch};
use tenantry_tests::messages;
use tenantry_tests::records::records_but_counters;
use tenantry_tests::scenario::{Action, Place, Saved, Scenario, Step, all, matches};

/// How long a driver may take for one step.
const PATIENCE: Duration = Duration::from_secs(60);

/// One way into tenantry. Answers are `{"ok": ..}` or `{"error": ..}`.
trait Driver {
    fn name(&self) -> &'static str;
    fn open(&mut self, path: &str, options: &str) -> Value;
    fn call(&mut self, actor: Option<&Value>, operation: &str, request: &Value) -> Value;
    fn admit(
        &mut self,
        account: &str,
        user: Option<&str>,
        count: u64,
        options: &Map<String, Value>,
    ) -> Value;
    fn check(&mut self, account: &str, user: &str, permission: &str) -> Value;
    fn close(&mut self) -> Value;
}

fn outcome(answer: Result<Value, Error>) -> Value {
    match answer {
        Ok(answer) => json!({ "ok": answer }),
        Err(error) => json!({"error": serde_json::from_str::<Value>(&error.to_json()).unwrap()}),
    }
}

/// Rust with its own types. Handles are kept until the store is closed, so that they must see every
/// change.
#[derive(Default)]
struct Typed {
    store: Option<Tenantry>,
    senders: HashMap<(String, Option<String>, String), Sender>,
    accesses: HashMap<[String; 3], Access>,
    admissions: usize,
    untyped: usize,
}

impl Typed {
    fn store(&self) -> &Tenantry {
        self.store
            .as_ref()
            .expect("the scenario opens the store first")
    }
}

impl Driver for Typed {
    fn name(&self) -> &'static str {
        "Rust typed"
    }

    fn open(&mut self, path: &str, options: &str) -> Value {
        let opened = match serde_json::from_str(options) {
            Ok(typed) => Tenantry::open(path, typed),
            Err(_) => Tenantry::open_json(path, options.as_bytes()),
        };
        outcome(opened.map(|store| {
            self.store = Some(store);
            json!({})
        }))
    }

    fn call(&mut self, actor: Option<&Value>, operation: &str, request: &Value) -> Value {
        struct Run<'a> {
            store: &'a Tenantry,
            actor: &'a Actor,
            request: &'a Value,
        }
        impl Visitor for Run<'_> {
            /// None where the types cannot say the request.
            type Output = Option<Result<Value, Error>>;
            fn operation<O: Operation>(self) -> Self::Output {
                let typed: O = serde_json::from_value(self.request.clone()).ok()?;
                matches(self.request, &serde_json::to_value(&typed).unwrap(), "").ok()?;
                Some(
                    self.store
                        .call(self.actor, typed)
                        .map(|answer| serde_json::to_value(answer).unwrap()),
                )
            }
        }
        let caller: Option<Caller> = actor.map_or(Some(Caller::default()), |actor| {
            serde_json::from_value(actor.clone()).ok()
        });
        let answer = match caller.map(|caller| self.store().actor(&caller)) {
            Some(Ok(actor)) => visit(
                operation,
                Run {
                    store: self.store(),
                    actor: &actor,
                    request,
                },
            )
            .flatten(),
            Some(Err(error)) => Some(Err(error)),
            None => None,
        };
        match answer {
            Some(answer) => outcome(answer),
            None => {
                self.untyped += 1;
                call_json(self.store(), actor, operation, request)
            }
        }
    }

    fn admit(
        &mut self,
        account: &str,
        user: Option<&str>,
        count: u64,
        options: &Map<String, Value>,
    ) -> Value {
        self.admissions += 1;
        let store = self.store.as_ref().unwrap();
        let decided = if options.is_empty() && self.admissions.is_multiple_of(2) {
            store.admit(account, user, count)
        } else {
            let key = (
                account.to_owned(),
                user.map(str::to_owned),
                json!(options).to_string(),
            );
            match self.senders.get(&key) {
                Some(sender) => sender.admit(count),
                None => serde_json::from_value(json!(options))
                    .map_err(|error| Error::new(Code::InvalidArgument, error.to_string()))
                    .and_then(|options| store.sender_for(account, user, options))
                    .and_then(|sender| self.senders.entry(key).or_insert(sender).admit(count)),
            }
        };
        outcome(decided.map(|decision| serde_json::to_value(decision).unwrap()))
    }

    fn check(&mut self, account: &str, user: &str, permission: &str) -> Value {
        let store = self.store.as_ref().unwrap();
        let by_ids = store.allowed(account, user, permission);
        let key = [account, user, permission].map(str::to_owned);
        let prepared = match self.accesses.get(&key) {
            Some(access) => access.allowed(),
            None => store
                .access(account, user, permission)
                .and_then(|access| self.accesses.entry(key).or_insert(access).allowed()),
        };
        let [by_ids, prepared] = [by_ids, prepared]
            .map(|allowed| outcome(allowed.map(|allowed| json!({ "allowed": allowed }))));
        assert_eq!(
            by_ids, prepared,
            "{account} {user} {permission}: by ids and prepared"
        );
        by_ids
    }

    fn close(&mut self) -> Value {
        self.senders.clear();
        self.accesses.clear();
        outcome(self.store().close().map(|()| json!({})))
    }
}

/// Rust with JSON in and out, hot calls included.
#[derive(Default)]
struct Untyped(Option<Tenantry>);

fn call_json(store: &Tenantry, actor: Option<&Value>, operation: &str, request: &Value) -> Value {
    let actor = actor.map(Value::to_string).unwrap_or_default();
    let answer = store.call_json(
        actor.as_bytes(),
        operation.as_bytes(),
        request.to_string().as_bytes(),
    );
    outcome(answer.map(|answer| serde_json::from_str(&answer).unwrap()))
}

impl Driver for Untyped {
    fn name(&self) -> &'static str {
        "Rust JSON"
    }

    fn open(&mut self, path: &str, options: &str) -> Value {
        outcome(Tenantry::open_json(path, options.as_bytes()).map(|store| {
            self.0 = Some(store);
            json!({})
        }))
    }

    fn call(&mut self, actor: Option<&Value>, operation: &str, request: &Value) -> Value {
        call_json(
            self.0.as_ref().expect("the scenario opens the store first"),
            actor,
            operation,
            request,
        )
    }

    fn admit(
        &mut self,
        account: &str,
        user: Option<&str>,
        count: u64,
        options: &Map<String, Value>,
    ) -> Value {
        let mut request = json!({"account": account, "count": count});
        let mut options = options.clone();
        let acting = options.remove("acting");
        request.as_object_mut().unwrap().extend(options);
        if let Some(user) = user {
            request["user"] = user.into();
        }
        let Some(mut actor) = acting else {
            return self.call(None, "sending.admit", &request);
        };
        actor["kind"] = "user".into();
        actor["account"] = account.into();
        actor["user"] = user.into();
        let answer = self.call(Some(&actor), "sending.admit", &request);
        // Of who may not even ask, a prepared sender says so in its decision.
        match &answer["error"] {
            error if error["code"] == "ip_not_allowed" => {
                let fields = ["code", "http_status", "smtp_reply"];
                let kept = fields.map(|field| (field.to_owned(), error[field].clone()));
                let refusal = Map::from_iter(kept);
                json!({"ok": {"granted": 0, "refusal": refusal}})
            }
            _ => answer,
        }
    }

    fn check(&mut self, account: &str, user: &str, permission: &str) -> Value {
        self.call(
            None,
            "access.check",
            &json!({"account": account, "user": user, "permission": permission}),
        )
    }

    fn close(&mut self) -> Value {
        outcome(self.0.as_ref().unwrap().close().map(|()| json!({})))
    }
}

/// A program in another language.
struct Program {
    name: &'static str,
    child: Child,
    questions: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Program {
    fn start(name: &'static str, command_line: &str) -> Program {
        let mut words = command_line.split_whitespace();
        let program = words
            .next()
            .unwrap_or_else(|| panic!("the driver in {name} has an empty command line"));
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("the driver in {name}, `{command_line}`, cannot be started: {error}")
            });
        let (said, answers) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .all(|line| said.send(line).is_ok())
        });
        Program {
            name,
            questions: child.stdin.take(),
            child,
            answers,
        }
    }

    fn ask(&mut self, words: &[&str]) -> Value {
        assert!(
            words.iter().all(|word| !word.contains(['\t', '\n'])),
            "a word of the protocol holds a tab or a line break: {words:?}"
        );
        let line = words.join("\t");
        // A driver that has ended says why on its standard error; here it shows as the missing
        // answer.
        let _ = writeln!(self.questions.as_mut().unwrap(), "{line}");
        let answer = self.answers.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            panic!(
                "the driver in {} does not answer `{line}`: {error}",
                self.name
            )
        });
        serde_json::from_str(&answer).unwrap_or_else(|error| {
            panic!(
                "the driver in {} answers `{answer}` to `{line}`: {error}",
                self.name
            )
        })
    }

    /// Ends the program; it must end well.
    fn end(mut self) {
        self.questions = None;
        assert_eq!(
            self.answers.recv_timeout(PATIENCE).ok(),
            None,
            "the driver in {} says more than it was asked",
            self.name
        );
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the driver in {}: {status}", self.name);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.questions.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Driver for Program {
    fn name(&self) -> &'static str {
        self.name
    }

    fn open(&mut self, path: &str, options: &str) -> Value {
        self.ask(&["open", path, options])
    }

    fn call(&mut self, actor: Option<&Value>, operation: &str, request: &Value) -> Value {
        self.ask(&[
            "call",
            &actor.map(Value::to_string).unwrap_or_default(),
            operation,
            &request.to_string(),
        ])
    }

    fn admit(
        &mut self,
        account: &str,
        user: Option<&str>,
        count: u64,
        options: &Map<String, Value>,
    ) -> Value {
        let options = if options.is_empty() {
            String::new()
        } else {
            json!(options).to_string()
        };
        self.ask(&[
            "admit",
            account,
            user.unwrap_or("-"),
            &count.to_string(),
            &options,
        ])
    }

    fn check(&mut self, account: &str, user: &str, permission: &str) -> Value {
        self.ask(&["check", account, user, permission])
    }

    fn close(&mut self) -> Value {
        self.ask(&["close"])
    }
}

/// The programs that the environment names.
fn programs() -> Vec<Program> {
    let named = [
        ("C", "TENANTRY_DRIVER_C"),
        ("Python", "TENANTRY_DRIVER_PYTHON"),
        ("Node", "TENANTRY_DRIVER_NODE"),
    ];
    let only_rust = std::env::var("TENANTRY_DRIVERS").is_ok_and(|drivers| drivers == "rust");
    let mut programs = Vec::new();
    for (name, variable) in named {
        match std::env::var(variable) {
            _ if only_rust => {
                println!("!!! the driver in {name} did NOT run: TENANTRY_DRIVERS=rust")
            }
            Ok(command_line) => programs.push(Program::start(name, &command_line)),
            Err(_) => panic!(
                "{variable} is not set: run `cargo xtask test`, or set TENANTRY_DRIVERS=rust to \
                 leave the other languages out"
            ),
        }
    }
    programs
}

/// What a driver has done, by its own count.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    scenarios: usize,
    steps: usize,
}

struct Run<'a> {
    driver: &'a mut dyn Driver,
    path: String,
    tally: Tally,
}

impl Run<'_> {
    fn act(&mut self, action: &Action) -> Value {
        self.tally.steps += 1;
        match action {
            Action::Open(options) => {
                let mut options = options.clone();
                // Every step would wait for the disk, and no answer depends on that.
                if self.path.starts_with("sqlite:")
                    && let Some(options) = options.as_object_mut()
                {
                    options.entry("durability").or_insert(json!("relaxed"));
                }
                // Where none follows from the seed it is to be given.
                if self.path.starts_with("postgresql:")
                    && let Some(options) = options.as_object_mut()
                    && !options.contains_key("seed")
                {
                    options.entry("token_key").or_insert("7a".repeat(32).into());
                }
                self.driver.open(&self.path, &options.to_string())
            }
            Action::Close => self.driver.close(),
            Action::Call {
                actor,
                operation,
                request,
            } => {
                let request = self.placed(request);
                self.driver.call(actor.as_ref(), operation, &request)
            }
            Action::Admit {
                account,
                user,
                count,
                options,
            } => self.driver.admit(account, user.as_deref(), *count, options),
            Action::Check {
                account,
                user,
                permission,
            } => self.driver.check(account, user, permission),
        }
    }

    /// A request with the names of this driver in the place of what the scenario says.
    fn placed(&self, request: &Value) -> Value {
        let mut request = request.clone();
        for field in ["backup", "to"] {
            let place = BESIDE.iter().find(|(said, _)| request[field] == *said);
            if let Some((said, end)) = place {
                let path = match said.contains("file") {
                    true => file_beside(&self.path),
                    false => self.path.clone(),
                };
                request[field] = format!("{path}{end}").into();
            }
        }
        request
    }
}

/// What a scenario says where a copy or a file is made, and what the name of that ends in: beside
/// the store of each driver.
const BESIDE: &[(&str, &str)] = &[
    ("a place beside the store", "_copy"),
    ("another place beside the store", "_restored"),
    ("a file beside the store", "_backup"),
];

/// How a file begins that lies beside a store; beside one on a server, in the folder of that.
fn file_beside(path: &str) -> String {
    let on_server = path.strip_prefix("postgresql://app@");
    match on_server.and_then(|rest| rest.split_once(':')) {
        Some((folder, rest)) => {
            let schema = rest.rsplit('=').next().unwrap_or_default();
            format!("{}/{schema}", folder.replace("%2F", "/"))
        }
        None => path.strip_prefix("sqlite:").unwrap_or(path).to_owned(),
    }
}

/// What all drivers tell of an error that they have no text of; not all tell the field, the last.
const SAME_IN_ALL: [&str; 7] = [
    "code",
    "number",
    "class",
    "retry",
    "http_status",
    "smtp_reply",
    "field",
];

/// The part of an answer in which all drivers are alike.
///
/// An error of a hot call has no more than its code in C, an error of opening names the path, which
/// is each driver's own, and so is the id that a store gets when it is made. Why a handle is
/// closed, C cannot know: its driver frees it.
fn comparable(action: &Action, mut outcome: Value) -> Value {
    let only: &[&str] = match action {
        Action::Call { .. } if outcome["error"]["code"] == "closed" => &SAME_IN_ALL[..6],
        // What is refused names a place, which is each driver's own.
        Action::Call { operation, .. }
            if outcome["error"].is_object()
                && ["store.backup", "store.copy", "store.restore"]
                    .contains(&operation.as_str()) =>
        {
            &SAME_IN_ALL
        }
        // One in a folder refuses it, and one in SQLite does it.
        Action::Call { operation, .. } if operation == "store.compact" => {
            let refused = outcome["error"]["code"] == "invalid_argument";
            assert!(refused || outcome["ok"]["bytes"].is_u64(), "{outcome}");
            return json!({"ok": {}});
        }
        Action::Call { operation, .. } => {
            if let (true, Some(stats)) = (
                operation == "store.stats",
                outcome.get_mut("ok").and_then(Value::as_object_mut),
            ) {
                // What lies on the disk is each driver's own, and so is what it keeps in memory.
                for field in ["disk_bytes", "free_bytes", "cached_accounts"] {
                    stats.remove(field);
                }
            }
            if let (true, Some(metrics)) = (
                operation == "store.metrics",
                outcome.get_mut("ok").and_then(Value::as_object_mut),
            ) {
                // How often each was called is its own.
                let text = metrics.remove("text").unwrap_or_default();
                assert!(text.as_str().is_some_and(|text| text.ends_with("# EOF\n")));
            }
            if let (true, Some(info)) = (
                matches!(
                    operation.as_str(),
                    "store.backup" | "store.copy" | "store.info" | "store.restore"
                ),
                outcome.get_mut("ok").and_then(Value::as_object_mut),
            ) {
                // Two drivers may have stores of two kinds.
                info.remove("kind");
                let id = info.remove("store_id");
                assert!(
                    id.is_some_and(|id| id.as_str().is_some_and(|id| id.len() == 32)),
                    "a store has an id"
                );
            }
            return outcome;
        }
        Action::Open(_) => &SAME_IN_ALL,
        Action::Close | Action::Admit { .. } | Action::Check { .. } => &SAME_IN_ALL[..6],
    };
    if let Some(error) = outcome.get_mut("error").and_then(Value::as_object_mut) {
        error.retain(|key, _| only.contains(&key.as_str()));
    }
    outcome
}

/// Runs an action through every driver; the answer, which is that of all of them.
/// What operations tell that is not the same in all stores: the operation, and fields.
type LeftOut = &'static [(&'static str, &'static [&'static str])];

fn ask_all(runs: &mut [Run<'_>], action: &Action, left_out: LeftOut) -> Result<Value, String> {
    let mut first: Option<(&'static str, Value)> = None;
    let request = match action {
        Action::Call { request, .. } => request,
        _ => &Value::Null,
    };
    for run in runs {
        let answer = run.act(action);
        let problems = messages::problems(&answer, &run.placed(request));
        if !problems.is_empty() {
            return Err(format!("{}: {}", run.driver.name(), problems.join("; ")));
        }
        let answer = comparable(action, answer);
        match &first {
            None => first = Some((run.driver.name(), answer)),
            Some((name, same))
                if without(action, same, left_out) != without(action, &answer, left_out) =>
            {
                return Err(format!(
                    "the answers differ\n  {name}: {same}\n  {}: {answer}",
                    run.driver.name()
                ));
            }
            Some(_) => {}
        }
    }
    first
        .map(|(_, answer)| answer)
        .ok_or_else(|| "there are no drivers".to_owned())
}

/// An answer without some of its fields.
fn without(action: &Action, outcome: &Value, left_out: LeftOut) -> Value {
    let mut outcome = outcome.clone();
    if let (Action::Call { operation, .. }, Some(answer)) =
        (action, outcome.get_mut("ok").and_then(Value::as_object_mut))
    {
        let fields = left_out.iter().filter(|(name, _)| name == operation);
        for field in fields.flat_map(|(_, fields)| *fields) {
            answer.remove(*field);
        }
    }
    outcome
}

/// Every index and every count must be what the records say, whatever a step has done; a closed
/// store is not asked.
fn whole(driver: &mut dyn Driver) -> Result<(), String> {
    let verified = driver.call(None, "store.verify", &json!({}));
    match (&verified["ok"]["damaged"], &verified["error"]["code"]) {
        (Value::Array(damaged), _) if damaged.is_empty() => Ok(()),
        (_, Value::String(code)) if code == "closed" => Ok(()),
        _ => Err(format!("the records do not fit each other: {verified}")),
    }
}

fn play(scenario: &Scenario, runs: &mut [Run<'_>]) -> Result<(), String> {
    play_to(scenario, runs, &[], |_| Ok(()))
}

/// As [`play`], where some fields are not compared; at the end the stores are looked at.
fn play_to(
    scenario: &Scenario,
    runs: &mut [Run<'_>],
    left_out: LeftOut,
    ended: impl FnOnce(&mut [Run<'_>]) -> Result<(), String>,
) -> Result<(), String> {
    let mut saved = Saved::default();
    if !scenario.open.is_null() {
        let opened = ask_all(
            runs,
            &Action::Open(saved.put_into(&scenario.open)?),
            left_out,
        )?;
        if opened != json!({"ok": {}}) {
            return Err(format!("opening answers {opened}"));
        }
    }
    for (number, step) in scenario.steps.iter().enumerate() {
        let line = || format!("step {}, {}", number + 1, shown(step));
        let action = step
            .action(&saved)
            .map_err(|error| format!("{}: {error}", line()))?;
        let answer =
            ask_all(runs, &action, left_out).map_err(|error| format!("{}: {error}", line()))?;
        step.judge(&answer, &mut saved)
            .map_err(|error| format!("{}: {error}\n  answered: {answer}", line()))?;
        whole(&mut *runs[0].driver).map_err(|error| format!("{}: afterwards {error}", line()))?;
    }
    for run in &mut *runs {
        whole(&mut *run.driver).map_err(|error| format!("{}: {error}", run.driver.name()))?;
    }
    let hash = Action::Call {
        actor: None,
        operation: "store.state_hash".to_owned(),
        request: json!({}),
    };
    let answer = ask_all(runs, &hash, left_out)?;
    if answer["ok"]["state_hash"]
        .as_str()
        .is_none_or(|hash| hash.len() != 64)
    {
        return Err(format!("the state hash is {answer}"));
    }
    ended(runs)?;
    let closed = ask_all(runs, &Action::Close, left_out)?;
    if closed != json!({"ok": {}}) {
        return Err(format!("closing answers {closed}"));
    }
    for run in runs {
        run.tally.scenarios += 1;
    }
    Ok(())
}

fn shown(step: &Step) -> String {
    match (&step.time, step.operation()) {
        (Some(time), _) => format!("time {time}"),
        (None, Some(operation)) => {
            let what = step
                .with
                .as_ref()
                .or(step.admit.as_ref())
                .or(step.check.as_ref())
                .map(Value::to_string)
                .unwrap_or_default();
            format!("{operation} {what}")
        }
        (None, None) => if step.open.is_some() { "open" } else { "close" }.to_owned(),
    }
}

#[test]
fn every_scenario_through_every_driver() {
    let wanted = std::env::var("TENANTRY_SCENARIO").unwrap_or_default();
    let scenarios: Vec<Scenario> = all()
        .into_iter()
        .filter(|scenario| scenario.file.contains(&wanted))
        .collect();
    assert!(!scenarios.is_empty(), "there are no scenarios");
    let mut typed = Typed::default();
    let mut untyped = Untyped::default();
    let mut programs = programs();

    let mut tallies: BTreeMap<&'static str, Tally> = BTreeMap::new();
    let mut failures = Vec::new();
    {
        let mut drivers: Vec<&mut dyn Driver> = vec![&mut typed, &mut untyped];
        drivers.extend(
            programs
                .iter_mut()
                .map(|program| program as &mut dyn Driver),
        );
        for scenario in &scenarios {
            let scratch = Scratch::new("conformance");
            let mut runs: Vec<Run<'_>> = drivers
                .iter_mut()
                .map(|driver| Run {
                    path: match scenario.store {
                        Place::Memory => ":memory:".to_owned(),
                        Place::Folder => scratch
                            .at(&driver.name().replace(' ', "_"))
                            .to_str()
                            .unwrap()
                            .to_owned(),
                    },
                    driver: &mut **driver,
                    tally: Tally::default(),
                })
                .collect();
            if let Err(error) = play(scenario, &mut runs) {
                failures.push(format!("{}: {error}", scenario.file));
                // What is open stays open in the failed drivers: the next scenario begins with a
                // closed store.
                runs.iter_mut().for_each(|run| drop(run.driver.close()));
            }
            for run in runs {
                let tally = tallies.entry(run.driver.name()).or_default();
                tally.scenarios += run.tally.scenarios;
                tally.steps += run.tally.steps;
            }
        }
    }
    programs.into_iter().for_each(Program::end);

    println!("\n{:<12} {:>9} {:>6}", "driver", "scenarios", "steps");
    for (name, tally) in &tallies {
        println!("{name:<12} {:>9} {:>6}", tally.scenarios, tally.steps);
    }
    println!(
        "({} calls of `Rust typed` were such that no Rust type can say them)",
        typed.untyped
    );
    assert!(
        failures.is_empty(),
        "{} scenarios failed\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
    let ran = tallies.values().next().unwrap();
    assert_eq!(ran.scenarios, scenarios.len());
    assert!(
        tallies.values().all(|tally| tally == ran),
        "the drivers did not run the same: {tallies:?}"
    );
}

/// P13: each scenario in the kind of store that it is for, and in SQLite: the answers are the same,
/// and so are the records at the end, but for counters, which a store that processes share writes
/// at other moments.
#[test]
fn every_scenario_in_sqlite() {
    every_scenario_in(|scratch| {
        let path = Kept::Sqlite.named(&scratch.at("sqlite"));
        path.to_str().unwrap().to_owned()
    });
}

/// The same in PostgreSQL.
#[test]
fn every_scenario_in_postgresql() {
    every_scenario_in(|_| Cluster::shared().new_address());
}

fn every_scenario_in(another: impl Fn(&Scratch) -> String) {
    let wanted = std::env::var("TENANTRY_SCENARIO").unwrap_or_default();
    let (mut typed, mut untyped) = (Typed::default(), Untyped::default());
    let mut failures = Vec::new();
    for scenario in &all() {
        if !scenario.file.contains(&wanted) {
            continue;
        }
        let scratch = Scratch::new("conformance-kinds");
        let path = match scenario.store {
            Place::Memory => ":memory:".to_owned(),
            Place::Folder => scratch.at("folder").to_str().unwrap().to_owned(),
        };
        let drivers: [(&mut dyn Driver, String); 2] =
            [(&mut typed, path), (&mut untyped, another(&scratch))];
        let mut runs = drivers.map(|(driver, path)| Run {
            driver,
            path,
            tally: Tally::default(),
        });
        let ended = |runs: &mut [Run<'_>]| same_records(runs, &scratch);
        if let Err(error) = play_to(scenario, &mut runs, OF_COUNTERS, ended) {
            failures.push(format!("{}: {error}", scenario.file));
            runs.iter_mut().for_each(|run| drop(run.driver.close()));
        }
    }
    assert!(
        failures.is_empty(),
        "{} scenarios failed\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

/// What an answer tells of how many records and commits there are, and of how counters lie in the
/// store.
const OF_COUNTERS: &[(&str, &[&str])] = &[
    (
        "store.backup",
        &["bytes", "last_commit", "records", "state_hash"],
    ),
    ("store.copy", &["records", "state_hash"]),
    ("store.restore", &["records", "state_hash"]),
    ("store.stats", &["bytes", "kinds", "records"]),
    ("store.info", &["last_commit"]),
    ("store.state_hash", &["records", "state_hash"]),
    ("store.verify", &["bytes", "last_commit", "records"]),
];

/// Whether all stores have the same records but for counters. A store that was closed has ended
/// alike.
fn same_records(runs: &mut [Run<'_>], scratch: &Scratch) -> Result<(), String> {
    let mut records = Vec::new();
    for (number, run) in runs.iter_mut().enumerate() {
        let copy = scratch.at(&format!("copy-{number}"));
        let copied = run.driver.call(None, "store.copy", &json!({"to": copy}));
        match copied["error"]["code"].as_str() {
            Some("closed") => return Ok(()),
            Some(_) => return Err(format!("{}: {copied}", run.driver.name())),
            None => records.push(records_but_counters(&copy)),
        }
    }
    let (first, others) = records.split_first().unwrap();
    for other in others {
        let differ: Vec<_> = first
            .iter()
            .filter(|(key, value)| other.get(*key) != Some(*value))
            .map(|(key, _)| key)
            .chain(other.keys().filter(|key| !first.contains_key(*key)))
            .collect();
        if !differ.is_empty() {
            return Err(format!("the records differ at {differ:?}"));
        }
    }
    Ok(())
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn catalogue_file() -> Value {
    serde_json::from_str(
        &std::fs::read_to_string(repository().join("include/tenantry.json")).unwrap(),
    )
    .unwrap()
}

fn names(list: &Value) -> BTreeSet<String> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_operation_occurs_in_a_scenario() {
    let operations = names(&catalogue_file()["operations"]);
    assert_eq!(
        operations,
        CATALOGUE
            .iter()
            .map(|entry| entry.name.to_owned())
            .collect(),
        "include/tenantry.json is that of another catalogue"
    );
    let scenarios = all();
    // The runner itself ends each scenario with this one.
    let mut seen = BTreeSet::from(["store.state_hash".to_owned()]);
    let answered = scenarios
        .iter()
        .flat_map(|scenario| &scenario.steps)
        .filter(|step| step.refused.is_none());
    seen.extend(answered.filter_map(|step| step.operation().map(str::to_owned)));
    let missing: Vec<_> = operations.difference(&seen).collect();
    assert!(
        missing.is_empty(),
        "no scenario has an answer of {missing:?}"
    );
    let unknown: Vec<_> = seen.difference(&operations).collect();
    assert!(
        unknown.is_empty(),
        "scenarios have answers of what is no operation: {unknown:?}"
    );
}

/// The codes that no request can bring about, and the test that does: code, file, test.
const BROUGHT_ABOUT_ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "busy",
        "core/src/engine/tests.rs",
        "fn others_who_are_always_first_make_it_busy",
    ),
    (
        "too_large",
        "core/src/engine/replacing_tests.rs",
        "fn what_is_too_large_for_one_commit_is_refused",
    ),
    (
        "forked",
        "tests/python/test_handles.py",
        "def test_a_forked_child_is_refused_and_ends",
    ),
    (
        "poisoned",
        "core/src/engine/tests.rs",
        "fn a_panic_is_internal_and_leaves_a_handle_that_only_reads",
    ),
    (
        "internal",
        "core/src/engine/tests.rs",
        "fn a_panic_is_internal_and_leaves_a_handle_that_only_reads",
    ),
    (
        "store_locked",
        "tests/node/process.test.mjs",
        "test('another process gets store_locked, with the pid of the first'",
    ),
    (
        "store_corrupt",
        "tests/tests/damaged.rs",
        "fn cut_and_removed_files_are_noticed",
    ),
    (
        "store_format",
        "tests/tests/damaged.rs",
        "fn a_store_of_an_older_or_a_newer_format_is_called_so",
    ),
    (
        "store_full",
        "core/src/engine/tests.rs",
        "fn a_store_that_fails_is_read_and_no_longer_written",
    ),
    (
        "store_failed",
        "core/src/engine/tests.rs",
        "fn a_store_that_fails_is_read_and_no_longer_written",
    ),
    (
        "store_unreachable",
        "tests/tests/postgres.rs",
        "fn nobody_answers_from_memory_for_longer_than_it_holds",
    ),
];

#[test]
fn every_code_occurs_in_a_scenario_or_in_a_test_of_its_own() {
    let codes = names(&catalogue_file()["errors"]);
    assert_eq!(
        codes,
        Code::all()
            .iter()
            .map(|code| code.name().to_owned())
            .collect(),
        "include/tenantry.json has another table of codes"
    );
    let seen: BTreeSet<String> = all()
        .iter()
        .flat_map(|scenario| &scenario.steps)
        .flat_map(Step::codes)
        .collect();
    let unknown: Vec<_> = seen.difference(&codes).collect();
    assert!(
        unknown.is_empty(),
        "scenarios expect what is no code: {unknown:?}"
    );
    for (code, file, test) in BROUGHT_ABOUT_ELSEWHERE {
        assert!(codes.contains(*code), "`{code}` is no code");
        assert!(
            !seen.contains(*code),
            "`{code}` occurs in a scenario: it needs no test of its own"
        );
        let text = std::fs::read_to_string(repository().join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let variant = Code::from_name(code)
            .map(|code| format!("{code:?}"))
            .unwrap();
        let names_code = text.contains(*code)
            || text.contains(&format!("Code::{variant}"))
            || text.contains(&format!("TENANTRY_{}", code.to_uppercase()));
        assert!(
            text.contains(*test),
            "{file} has no test `{test}`, which brings `{code}` about"
        );
        assert!(names_code, "{file} does not name `{code}`");
    }
    let elsewhere: BTreeSet<String> = BROUGHT_ABOUT_ELSEWHERE
        .iter()
        .map(|(code, ..)| (*code).to_owned())
        .collect();
    let missing: Vec<_> = codes
        .iter()
        .filter(|code| !seen.contains(*code) && !elsewhere.contains(*code))
        .collect();
    assert!(missing.is_empty(), "nothing brings about {missing:?}");
}
