//! Several processes that have one store open: starts them, asks them, stops and kills them
//! (`src/bin/many_host.rs`).

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// For so long a machine may be busy with other things. A database that does not answer in time
/// then is asked again: how soon it answers is no concern of these tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One of the processes.
pub struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a process, which opens the store and says what it has sent in files in a folder.
    pub fn start(program: &str, store: &Path, folder: &Path) -> Process {
        let begun = patiently(|| Process::try_start(program, store, folder));
        begun.unwrap_or_else(|refused| panic!("{refused}"))
    }

    /// The same, or what it was refused with.
    pub fn try_start(program: &str, store: &Path, folder: &Path) -> Result<Process, Value> {
        Process::open(program, store, folder, &options(store))
    }

    /// The same, with a clock of its own that stands still until it is set.
    pub fn start_at(program: &str, store: &Path, folder: &Path, now_ms: u64) -> Process {
        let mut options = options(store);
        options["clock"] = json!({"manual_ms": now_ms});
        let opened = patiently(|| Process::open(program, store, folder, &options));
        opened.unwrap_or_else(|refused| panic!("{refused}"))
    }

    fn open(program: &str, store: &Path, folder: &Path, options: &Value) -> Result<Process, Value> {
        let mut process = Process::begin(program, store, folder, options);
        let opened = process.answer();
        match opened["open"].is_u64() {
            true => Ok(process),
            false => Err(opened),
        }
    }

    fn begin(program: &str, store: &Path, folder: &Path, options: &Value) -> Process {
        let mut child = Command::new(program)
            .arg(store)
            .arg(folder)
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the host starts");
        Process {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it begin something; [`answer`](Process::answer) waits for the answer.
    pub fn begin_to(&mut self, what: &Value) {
        self.input
            .write_all(format!("{what}\n").as_bytes())
            .expect("the host lives");
    }

    pub fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("`{line}`: {error}"))
    }

    pub fn ask(&mut self, what: &Value) -> Value {
        self.begin_to(what);
        self.answer()
    }

    /// An operation that is to succeed; its answer.
    pub fn must(&mut self, operation: &str, request: &Value) -> Value {
        let asked = json!({"call": operation, "request": request});
        let answer = patiently(|| {
            let mut answer = self.ask(&asked);
            let done = answer.get_mut("ok").map(Value::take);
            done.ok_or(answer)
        });
        answer.unwrap_or_else(|refused| panic!("{operation} {request}: {refused}"))
    }

    /// Closes the store and waits for the end of the process.
    pub fn close(mut self) {
        let closed = self.ask(&json!({"close": null}));
        assert_eq!(closed, json!({"ok": null}));
        assert!(self.child.wait().unwrap().success());
    }

    /// `SIGKILL`: it can do nothing more.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        // And it has not ended by itself before.
        assert_eq!(self.child.wait().unwrap().signal(), Some(9));
    }

    /// `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Where the test failed it is still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tries again what the database did not answer in time, where nothing of it was done.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, Value>) -> Result<T, Value> {
    let until = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Err(refused) if is_late(&refused) && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            outcome => return outcome,
        }
    }
}

fn is_late(refused: &Value) -> bool {
    refused["code"] == "store_unreachable" && refused["details"]["unknown"] != true
}

/// How a process opens its store. In a database it soon believes nothing that it has not heard of
/// it, so that nobody has to wait for those that are killed.
fn options(store: &Path) -> Value {
    match store.starts_with("postgresql:") {
        true => json!({"token_key": "7a".repeat(32), "poll_ms": 50, "stale_ms": 1000}),
        false => json!({}),
    }
}

/// How many messages went out, whatever became of the processes.
pub fn sent(folder: &Path) -> u64 {
    let files = files(folder, "sent-");
    files.map(|file| file.metadata().unwrap().len()).sum()
}

/// The ids of the accounts that processes were told they have made.
pub fn made(folder: &Path) -> Vec<String> {
    let texts = files(folder, "made-").map(|file| std::fs::read_to_string(file).unwrap());
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn files(folder: &Path, prefix: &'static str) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap())
        .filter(move |entry| entry.file_name().to_str().unwrap().starts_with(prefix))
        .map(|entry| entry.path())
}
