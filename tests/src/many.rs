//! Several processes that have one store open: starts them, asks them, stops and kills them
//! (`src/bin/many_host.rs`).

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// One of the processes.
pub struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a process, which opens the store and says what it has sent in files in a folder.
    pub fn start(program: &str, store: &Path, folder: &Path) -> Process {
        Process::try_start(program, store, folder).unwrap_or_else(|refused| panic!("{refused}"))
    }

    /// The same, or what it was refused with.
    pub fn try_start(program: &str, store: &Path, folder: &Path) -> Result<Process, Value> {
        let mut process = Process::begin(program, store, folder);
        let opened = process.answer();
        match opened["open"].is_u64() {
            true => Ok(process),
            false => Err(opened),
        }
    }

    fn begin(program: &str, store: &Path, folder: &Path) -> Process {
        let mut child = Command::new(program)
            .arg(store)
            .arg(folder)
            .arg(options(store))
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
        let mut answer = self.ask(&json!({"call": operation, "request": request}));
        assert!(
            answer.get("ok").is_some(),
            "{operation} {request}: {answer}"
        );
        answer["ok"].take()
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

/// How a process opens its store. In a database it soon believes nothing that it has not heard of
/// it, so that nobody has to wait for those that are killed.
fn options(store: &Path) -> String {
    match store.starts_with("postgresql:") {
        true => json!({"token_key": "7a".repeat(32), "poll_ms": 50, "stale_ms": 1000}),
        false => json!({}),
    }
    .to_string()
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
