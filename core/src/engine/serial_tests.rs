//! P7 (N1, N2): whatever several processes commit on one store at once is what one process makes
//! of it that does the same in the order of the log. Each process writes down what it commits: the
//! number that the store gave the commit, who asked for what, what time it was, from where on the
//! ids came, and the answer. All of it is replayed on a store in memory: every commit gets the same
//! number and the same answer, and the fingerprint of the store is the same in the end.
//!
//! Nothing is left out of the fingerprint. What is random elsewhere (ids, the secrets of sessions
//! and API keys, the salts of the audit) comes from a seed here, and the tokens of invitations from
//! the key of tests, so that they are replayed as well. Three things the processes do not do: they
//! send nothing, since how much is drawn ahead depends on how many processes there are; they set no
//! passwords, whose hashes take long; and nothing becomes due while they work, since whoever calls
//! first would carry it out.
//!
//! The processes are this test program, run again for [`child`]. `TENANTRY_SERIAL` says how many
//! operations there are, `TENANTRY_SEED` which.

mod walk;

use super::delegated::delegated;
use super::simulation_tests::Dice;
use super::*;
use crate::Tenantry;
use crate::kernel::clock::IdSource;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Lines, Write};
use std::iter::Peekable;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use tenantry_cluster::Cluster;
use tenantry_store::{Batch, Kind, Order, Record, SharedStore, Snapshot};
use walk::Walk;

/// How many processes there are beside the first, which furnishes the platform.
const PROCESSES: u64 = 4;
/// 2026-06-15T12:00:00Z
const NOON_MS: u64 = 1_781_524_800_000;
/// How far apart the clocks of two processes are.
const APART_MS: u64 = 41_000;
/// The longest that a clock stands still: the longest run ends before anything becomes due.
const TICK_MS: u64 = 1000;
/// No operation takes more ids than this.
const IDS_OF_ONE: u64 = 1 << 12;
/// How many operations there are.
const OPERATIONS: &str = "TENANTRY_SERIAL";
/// What a child is told to do.
const TASK: &str = "TENANTRY_SERIAL_TASK";

/// A store that writes down the number of each commit that is made through it.
struct Recorded {
    inner: Box<dyn Backend>,
    commits: Arc<Mutex<Vec<u64>>>,
}

impl Backend for Recorded {
    fn get(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.inner.get(key)
    }
    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.get_many(keys)
    }
    fn range(
        &self,
        from: &[u8],
        until: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.inner.range(from, until, order, limit)
    }
    fn commit(&self, batch: &Batch) -> Result<u64, CommitError> {
        let outcome = self.inner.commit(batch);
        match &outcome {
            Ok(number) if !batch.writes.is_empty() || !batch.note.is_empty() => {
                self.commits.lock().push(*number);
            }
            // The operation would run again, and take other ids than those that it is told to have.
            Err(CommitError::Conflict) => panic!("somebody wrote who had not the lock of all"),
            _ => {}
        }
        outcome
    }
    fn relieve(&self) {
        self.inner.relieve();
    }
    fn kind(&self) -> Kind {
        self.inner.kind()
    }
    fn shared(&self) -> Option<&dyn SharedStore> {
        self.inner.shared()
    }
    fn snapshot(&self) -> Result<Option<Box<dyn Snapshot>>, StoreError> {
        self.inner.snapshot()
    }
    fn goes_on_after(&self, error: &StoreError) -> bool {
        self.inner.goes_on_after(error)
    }
    delegated! { (inner): sync, last_commit, store_id, verify, close, abandon }
}

/// What was asked, and what it takes to ask it once more.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Asked {
    actor: Value,
    operation: String,
    request: Value,
    now_ms: u64,
    ids: u64,
}

/// A commit, and what it was made for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    commit: u64,
    asked: Asked,
    answer: Value,
}

/// A store that is open, in this process.
struct Opened {
    store: Tenantry,
    commits: Arc<Mutex<Vec<u64>>>,
}

impl Opened {
    fn new(path: &str) -> Opened {
        let backend = tenantry_store::open(&At::new(Path::new(path)), &Default::default());
        let commits = Arc::<Mutex<Vec<u64>>>::default();
        let recorded = Recorded {
            inner: backend.unwrap(),
            commits: commits.clone(),
        };
        let options = json!({"clock": {"manual_ms": NOON_MS}, "seed": 0, "edition": "commercial"});
        let options = serde_json::from_value(options).unwrap();
        let engine = Engine::on(Box::new(recorded), Path::new(path), &options).unwrap();
        Opened {
            store: Tenantry::of_engine_for_tests(engine),
            commits,
        }
    }

    /// The answer, or the code of the error; and the number of the commit, where there is one.
    fn ask(&self, asked: &Asked) -> (Result<Value, String>, Option<u64>) {
        let kernel = &self.store.guard_for_tests().engine.kernel;
        kernel.clock.set(asked.now_ms).unwrap();
        let IdSource::Seeded(ids) = &kernel.ids else {
            panic!("the store was opened with a seed");
        };
        ids.store(asked.ids, Ordering::Relaxed);
        let (actor, request) = (asked.actor.to_string(), asked.request.to_string());
        let outcome = self.store.call_json(
            actor.as_bytes(),
            asked.operation.as_bytes(),
            request.as_bytes(),
        );
        let taken = ids.load(Ordering::Relaxed) - asked.ids;
        assert!(taken <= IDS_OF_ONE, "{taken} ids for {asked:?}");
        let commits = std::mem::take(&mut *self.commits.lock());
        assert!(commits.len() <= 1, "{commits:?} for {asked:?}");
        let outcome = outcome
            .map(|answer| serde_json::from_str(&answer).unwrap())
            .map_err(|error| error.code().name().to_owned());
        if let (Err(code), Some(commit)) = (&outcome, commits.first()) {
            panic!("commit {commit} and `{code}` for {asked:?}");
        }
        (outcome, commits.first().copied())
    }

    fn must(&self, operation: &str, request: Value) -> Value {
        let answer = self
            .store
            .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
            .unwrap_or_else(|error| panic!("{operation} {request}: {error:?}"));
        serde_json::from_str(&answer).unwrap()
    }

    fn state_hash(&self) -> Value {
        self.must("store.state_hash", json!({}))
    }
}

/// What one process writes down.
struct Journal {
    number: u64,
    now_ms: u64,
    asked: u64,
    file: BufWriter<File>,
    /// How often each code was answered, and `ok`.
    codes: BTreeMap<String, u64>,
}

impl Journal {
    fn new(number: u64, folder: &Path) -> Journal {
        Journal {
            number,
            now_ms: NOON_MS + number * APART_MS,
            asked: 0,
            file: BufWriter::new(File::create(journal_of(folder, number)).unwrap()),
            codes: BTreeMap::new(),
        }
    }

    fn ask(
        &mut self,
        opened: &Opened,
        (actor, operation, request): (Value, &str, Value),
    ) -> Result<Value, String> {
        self.asked += 1;
        let asked = Asked {
            actor,
            operation: operation.to_owned(),
            request,
            now_ms: self.now_ms,
            ids: (self.number << 48) + self.asked * IDS_OF_ONE,
        };
        let (outcome, commit) = opened.ask(&asked);
        let code = outcome.as_ref().map_or_else(String::as_str, |_| "ok");
        let defects = ["internal", "poisoned", "store_failed", "busy"];
        assert!(!defects.contains(&code), "`{code}` for {asked:?}");
        let of_each = outcome.iter().flat_map(refused_among_many);
        for code in of_each.chain([code]) {
            *self.codes.entry(code.to_owned()).or_default() += 1;
        }
        if let (Ok(answer), Some(commit)) = (&outcome, commit) {
            self.write(&json!(Entry {
                commit,
                asked,
                answer: answer.clone(),
            }));
        }
        outcome
    }

    fn write(&mut self, line: &Value) {
        writeln!(self.file, "{line}").unwrap();
    }
}

/// With what those were refused that were asked for with others.
fn refused_among_many(answer: &Value) -> impl Iterator<Item = &str> {
    let results = answer["results"].as_array();
    let results = results.map_or(&[][..], Vec::as_slice);
    results
        .iter()
        .filter_map(|one| one["problem"]["code"].as_str())
}

fn journal_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("journal-{number}"))
}

/// The commits of one process, in the order in which it made them.
fn entries(folder: &Path, number: u64) -> Peekable<impl Iterator<Item = Entry> + use<>> {
    let file = File::open(journal_of(folder, number)).unwrap();
    let lines = BufReader::new(file).lines();
    lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .peekable()
}

#[derive(Debug, Serialize, Deserialize)]
struct Task {
    store: String,
    folder: PathBuf,
    number: u64,
    operations: u64,
    seed: u64,
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child() {
    let task = std::env::var(TASK).expect("only other tests run this one");
    let task: Task = serde_json::from_str(&task).unwrap();
    let opened = Opened::new(&task.store);
    let mut journal = Journal::new(task.number, &task.folder);
    let mut dice = Dice(task.seed.wrapping_add(task.number << 32));
    say("open");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    assert_eq!(line, "begin\n");
    let mut walk = Walk::default();
    for step in 0..task.operations {
        journal.now_ms += dice.roll(TICK_MS);
        let asked = walk.next(&mut dice, step);
        let operation = asked.1;
        if let Ok(answer) = journal.ask(&opened, asked) {
            walk.learn(operation, &answer);
        }
    }
    journal.file.flush().unwrap();
    opened.store.close().unwrap();
    let at_the_end = std::mem::take(&mut *opened.commits.lock());
    assert!(at_the_end.is_empty(), "{at_the_end:?} as it was closed");
    say(&json!(journal.codes).to_string());
}

/// A line for the process that started this one, in the midst of what the test program prints.
fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "child: {what}").unwrap();
    out.flush().unwrap();
}

/// One of the processes; it ends with the test.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(task: &Task) -> Running {
        let (_, test) = concat!(module_path!(), "::child").split_once("::").unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env(TASK, json!(task).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }

    fn says(&mut self) -> String {
        let said = self.lines.by_ref().map(Result::unwrap);
        let mut said = said.filter_map(|line| Some(line.split_once("child: ")?.1.to_owned()));
        said.next().expect("the process has failed")
    }

    fn begin(&mut self) {
        let mut input = self.child.stdin.take().unwrap();
        input.write_all(b"begin\n").unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where the test failed it is still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

/// Several processes work on a store at once; the fingerprint of the store then, and how often each
/// code was answered.
fn run_at_once(store: &str, folder: &Path, operations: u64, seed: u64) -> (Value, Codes) {
    let opened = Opened::new(store);
    let mut first = Journal::new(0, folder);
    // Whatever the opening commits, opening one in memory commits too.
    let opening = std::mem::take(&mut *opened.commits.lock());
    assert_eq!(opening, [1]);
    for (operation, request) in walk::platform() {
        let outcome = first.ask(&opened, (json!({"kind": "system"}), operation, request));
        outcome.unwrap_or_else(|code| panic!("{operation}: {code}"));
    }
    first.file.flush().unwrap();
    let mut all: Vec<_> = (1..=PROCESSES)
        .map(|number| {
            Running::start(&Task {
                store: store.to_owned(),
                folder: folder.to_owned(),
                number,
                operations: operations / PROCESSES,
                seed,
            })
        })
        .collect();
    for running in &mut all {
        assert_eq!(running.says(), "open");
    }
    all.iter_mut().for_each(Running::begin);
    let mut codes = Codes::new();
    for running in &mut all {
        let said: Codes = serde_json::from_str(&running.says()).unwrap();
        for (code, count) in said {
            *codes.entry(code).or_default() += count;
        }
        assert!(running.child.wait().unwrap().success());
    }
    let hash = opened.state_hash();
    let verified = opened.must("store.verify", json!({}));
    assert_eq!(verified["damaged"], json!([]));
    opened.store.close().unwrap();
    (hash, codes)
}

/// How often each code was answered.
type Codes = BTreeMap<String, u64>;

/// Does what the journals tell, in the order of the log; the fingerprint of the store then, how
/// many commits there were, and how often one process followed upon another.
fn replay(folder: &Path) -> (Value, u64, u64) {
    let opened = Opened::new(":memory:");
    let opening = std::mem::take(&mut *opened.commits.lock());
    assert_eq!(opening, [1]);
    let mut journals: Vec<_> = (0..=PROCESSES)
        .map(|number| entries(folder, number))
        .collect();
    let (mut last, mut turns, mut by) = (1, 0, 0);
    loop {
        // N1: no number is left out, and none is there twice.
        let mut next: Vec<_> = (0..journals.len())
            .filter_map(|at| Some((journals[at].peek()?.commit, at)))
            .collect();
        next.sort_unstable();
        let Some((commit, at)) = next.first().copied() else {
            return (opened.state_hash(), last, turns);
        };
        assert_eq!(commit, last + 1, "the commits after {last} are {next:?}");
        turns += u64::from(at != by);
        (last, by) = (commit, at);
        let entry = journals[at].next().unwrap();
        let asked = &entry.asked;
        let again = opened.ask(asked);
        assert_eq!(again, (Ok(entry.answer), Some(commit)), "{asked:?}");
    }
}

/// What others may do between the look of an operation and its commit: if it were not seen, two of
/// them would be answered well of which one is to be refused.
const PHANTOMS: [&str; 7] = [
    // The same e-mail address for two.
    "email_taken",
    "already_invited",
    // The last seat.
    "seats_exhausted",
    // The owner, the only operator, the only group.
    "owner_transfer_required",
    "owner_not_exclusive",
    // Whoever has made it first has it.
    "id_taken",
    "limit_reached",
];

fn is_serial(store: &str, folder: &Path, operations: u64, seed: u64) {
    let (at_once, codes) = run_at_once(store, folder, operations, seed);
    let (one_by_one, last, turns) = replay(folder);
    println!("{last} commits, {turns} times another process than before; {codes:?}");
    for code in PHANTOMS {
        assert!(codes.contains_key(code), "nobody was refused with `{code}`");
    }
    assert!(turns > 10 * PROCESSES, "they did not work at once: {turns}");
    assert_eq!(at_once, one_by_one);
}

/// A folder of its own, which stays where the test fails.
fn folder(test: &str) -> PathBuf {
    let name = format!("tenantry-serial-{test}-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder.canonicalize().unwrap()
}

/// Few operations are always the same ones, which are known to reach all [`PHANTOMS`]; how the
/// processes get in each other's way differs each time.
const SEED_OF_FEW: u64 = 1;

fn seed_of(test: &str) -> u64 {
    let new = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let usual = || number(OPERATIONS).map_or(SEED_OF_FEW, |_| new());
    let seed = number("TENANTRY_SEED").unwrap_or_else(usual);
    println!("{test}: TENANTRY_SEED={seed}");
    seed
}

#[test]
fn what_processes_commit_at_once_is_what_one_makes_of_it_in_their_order() {
    let folder = folder("sqlite");
    let store = format!("sqlite:{}", folder.join("accounts.db").display());
    let operations = number(OPERATIONS).unwrap_or(2000);
    is_serial(&store, &folder, operations, seed_of("serial in sqlite"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_processes_commit_at_once_in_postgresql_is_what_one_makes_of_it_in_their_order() {
    let folder = folder("postgresql");
    let operations = number(OPERATIONS).unwrap_or(2000).div_ceil(4);
    let store = Cluster::shared().new_address();
    is_serial(&store, &folder, operations, seed_of("serial in postgresql"));
    std::fs::remove_dir_all(folder).unwrap();
}
