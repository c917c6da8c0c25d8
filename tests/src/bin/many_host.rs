//! One of several processes that have one store open at once (`tests/many.rs`).
//!
//! `many_host <store> <folder> <options>` opens the store, and then reads what it is to do from its
//! standard input, a line of JSON each, and answers each with one. Each message that it sends is
//! one byte more in a file of its own in the folder: so it is known what went out, whenever the
//! process is killed.
//!
//! - `{"call": "limits.set", "request": {…}}`: an operation, as the host itself.
//! - `{"prepare": "acme"}`: a sender, and where `user` and `permission` are given a check, prepared
//!   for later.
//! - `{"allowed": null}`, `{"admit": 1}`: the check, the sender; prepared and by ids, which are to
//!   answer alike.
//! - `{"send": 100}`: so many messages through the prepared sender, until one is refused; with
//!   `threads` of them at once.
//! - `{"churn": "acme"}`: makes accounts below that one until the process is killed, and keeps
//!   their ids in a file of its own, each after it was acknowledged.
//! - `{"close": null}`: the store is closed, and the process ends.

use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tenantry::{Access, Error, Sender, Tenantry};
use tenantry_tests::many::PATIENCE;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, folder, options] = &arguments[..] else {
        panic!("unknown arguments {arguments:?}");
    };
    let store = match Tenantry::open_json(store, options.as_bytes()) {
        Ok(store) => store,
        Err(error) => return say(&refused(&error)),
    };
    let mut host = Host {
        store,
        folder: folder.into(),
        prepared: None,
    };
    say(&json!({"open": std::process::id()}));
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line.unwrap()).unwrap();
        say(&host.answer(&asked));
        if asked.get("close").is_some() {
            return;
        }
    }
}

/// A line is one write, made after what it tells.
fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

struct Host {
    store: Tenantry,
    folder: PathBuf,
    prepared: Option<Prepared>,
}

struct Prepared {
    account: String,
    user: Option<String>,
    permission: String,
    sender: Sender,
    access: Option<Access>,
}

impl Host {
    fn answer(&mut self, asked: &Value) -> Value {
        let of = |name: &str| asked.get(name).filter(|value| !value.is_null());
        if let Some(operation) = of("call") {
            let request = asked["request"].to_string();
            let operation = operation.as_str().unwrap();
            return match self
                .store
                .call_json(b"", operation.as_bytes(), request.as_bytes())
            {
                Ok(answer) => json!({"ok": serde_json::from_str::<Value>(&answer).unwrap()}),
                Err(error) => refused(&error),
            };
        }
        if let Some(account) = of("prepare") {
            return self.prepare(account.as_str().unwrap(), asked);
        }
        if let Some(count) = of("send") {
            let threads = asked["threads"].as_u64().unwrap_or(1);
            return self.send(count.as_u64().unwrap(), threads);
        }
        if let Some(count) = of("admit") {
            return self.admit(count.as_u64().unwrap());
        }
        if asked.get("allowed").is_some() {
            return self.allowed();
        }
        if let Some(account) = of("churn") {
            self.churn(account);
        }
        match self.store.close() {
            Ok(()) => json!({"ok": null}),
            Err(error) => refused(&error),
        }
    }

    fn prepare(&mut self, account: &str, asked: &Value) -> Value {
        let text = |name: &str| asked[name].as_str().map(str::to_owned);
        let (user, permission) = (text("user"), text("permission").unwrap_or_default());
        let prepare = || {
            let sender = self.store.sender(account, user.as_deref())?;
            let access = user
                .as_deref()
                .map(|user| self.store.access(account, user, &permission))
                .transpose()?;
            Ok(Prepared {
                account: account.to_owned(),
                user: user.clone(),
                permission: permission.clone(),
                sender,
                access,
            })
        };
        match prepare() {
            Ok(prepared) => {
                self.prepared = Some(prepared);
                json!({"ok": null})
            }
            Err(error) => refused(&error),
        }
    }

    fn prepared(&self) -> &Prepared {
        self.prepared.as_ref().expect("prepared before")
    }

    fn allowed(&self) -> Value {
        let prepared = self.prepared();
        let (user, access) = (
            prepared.user.as_deref().unwrap(),
            prepared.access.as_ref().unwrap(),
        );
        let by_ids = self
            .store
            .allowed(&prepared.account, user, &prepared.permission);
        both(
            answered(access.allowed().map(|allowed| json!(allowed))),
            answered(by_ids.map(|allowed| json!(allowed))),
        )
    }

    /// Asks for so many twice, and sends what is granted.
    fn admit(&self, count: u64) -> Value {
        let prepared = self.prepared();
        let by_ids = self
            .store
            .admit(&prepared.account, prepared.user.as_deref(), count);
        let prepared = prepared.sender.admit(count);
        let of = |decision: Result<tenantry::Decision, Error>| {
            answered(decision.map(|decision| {
                sent(&self.file("sent-admitted"), decision.granted);
                json!(decision.granted)
            }))
        };
        both(of(prepared), of(by_ids))
    }

    fn send(&self, count: u64, threads: u64) -> Value {
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|thread| scope.spawn(move || self.send_alone(count, thread)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let sent: u64 = outcomes.iter().map(|(sent, _)| sent).sum();
        let refused: Vec<_> = outcomes.into_iter().filter_map(|(_, why)| why).collect();
        json!({"sent": sent, "refused": refused})
    }

    fn send_alone(&self, count: u64, thread: u64) -> (u64, Option<Value>) {
        let file = self.file(&format!("sent-{thread}"));
        let until = Instant::now() + PATIENCE;
        let mut number = 0;
        while number < count {
            match self.prepared().sender.admit(1) {
                Ok(decision) if decision.granted == 1 => {
                    sent(&file, 1);
                    number += 1;
                }
                Ok(decision) => {
                    let why = decision.refusal.as_ref().map(|why| json!(why));
                    return (number, Some(why.unwrap_or_default()));
                }
                // Others draw from the same records, or the database is slow: the sender tries
                // again.
                Err(error) if is_to_be_asked_again(&error) && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return (number, Some(refused(&error))),
            }
        }
        (count, None)
    }

    /// Makes accounts, until somebody kills it. On a machine that is busy with other things the
    /// database may not answer in time, or others may write for too long: then it goes on with the
    /// next one, and has not acknowledged this one.
    fn churn(&self, parent: &Value) -> ! {
        let made = self.file("made");
        for number in 0_u64.. {
            let id = format!("p{}-{number}", std::process::id());
            let owner = json!({"user": format!("of-{id}"), "email": format!("{id}@t.example")});
            let request = json!({"id": id, "name": id, "parent": parent, "owner": owner});
            let answer =
                self.store
                    .call_json(b"", b"accounts.create", request.to_string().as_bytes());
            match answer {
                Ok(_) => (&made).write_all(format!("{id}\n").as_bytes()).unwrap(),
                Err(error) if is_to_be_asked_again(&error) => {}
                Err(error) => panic!("{}", error.to_json()),
            }
        }
        unreachable!("killed before")
    }

    /// What was sent, or made, in a file that only grows.
    fn file(&self, name: &str) -> File {
        let path = self.folder.join(format!("{name}-{}", std::process::id()));
        open_to_append(&path)
    }
}

fn open_to_append(path: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
}

/// Messages go out.
fn sent(mut file: &File, count: u64) {
    let bytes = vec![b'.'; usize::try_from(count).unwrap()];
    file.write_all(&bytes).unwrap();
}

/// What a slow machine may answer to anybody.
fn is_to_be_asked_again(error: &Error) -> bool {
    ["busy", "store_unreachable"].contains(&error.code().name())
}

fn refused(error: &Error) -> Value {
    serde_json::from_str(&error.to_json()).unwrap()
}

fn answered(outcome: Result<Value, Error>) -> Value {
    outcome.unwrap_or_else(|error| json!(error.code().name()))
}

/// What is prepared answers as what is asked by ids.
fn both(prepared: Value, by_ids: Value) -> Value {
    json!({"prepared": prepared, "by_ids": by_ids})
}
