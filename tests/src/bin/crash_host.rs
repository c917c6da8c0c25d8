//! A host that is killed by the crash tests, and a process of its own in which they open what is
//! damaged.
//!
//! `crash_host work <store> <seed> <run> <end> <effects>` works with several threads, so that their
//! commits share syncs. Ids hold the number of the run, so that a later run on the same store makes
//! new ones. `crash_host tell <store> <run>` stops campaigns, each of which is a message of the
//! outbox, and takes messages meanwhile. `crash_host check <store>` says in one line of JSON
//! whether the store opens and what is in it.

use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use tenantry::{Code, Tenantry};
use tenantry_tests::crash::{
    BELOW, Dice, EXISTING, Effect, METERS, MOST_AT_ONCE, OPTIONS, THREADS, TOP,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["work", store, seed, run, end, effects] => {
            let store = Tenantry::open_json(store, OPTIONS.as_bytes())
                .unwrap_or_else(|error| panic!("{}", error.to_json()));
            let host = Host {
                store,
                out: stdout(),
            };
            host.set_up();
            let (seed, effects): (u64, u64) = (seed.parse().unwrap(), effects.parse().unwrap());
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let worker = Worker {
                        host: &host,
                        thread,
                        run,
                        dice: Dice::new(seed ^ (thread << 32)),
                        mine: Vec::new(),
                        created: 0,
                    };
                    scope.spawn(move || worker.work(effects));
                }
            });
            match end {
                "close" => host.store.close().unwrap(),
                "abort" => std::process::exit(0),
                _ => unreachable!("killed before"),
            }
        }
        ["tell", store, run] => {
            let store = Tenantry::open_json(store, OPTIONS.as_bytes())
                .unwrap_or_else(|error| panic!("{}", error.to_json()));
            let host = Host {
                store,
                out: stdout(),
            };
            if host.lacks("accounts.get", &json!({"account": TOP})) {
                host.must(
                    "accounts.create",
                    &json!({"id": TOP, "name": "Top",
                    "owner": {"user": "olga", "email": "olga@acme.example"}}),
                );
            }
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let host = &host;
                    scope.spawn(move || host.tell(&format!("r{run}t{thread}")));
                }
                host.carry_out();
            });
        }
        ["check", store] => println!("{}", check(Path::new(store))),
        _ => panic!("unknown arguments {arguments:?}"),
    }
}

/// Not `std::io::stdout`, which buffers: a line is one write, made after what it tells.
fn stdout() -> File {
    File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap())
}

struct Host {
    store: Tenantry,
    out: File,
}

impl Host {
    fn say(&self, line: &str) {
        (&self.out)
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    /// False when others were in the way, and nothing was changed.
    fn make(&self, thread: u64, effect: &Effect) -> bool {
        self.say(&format!(
            "try {thread} {}",
            serde_json::to_string(effect).unwrap()
        ));
        let (operation, request) = effect.request();
        match self
            .store
            .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
        {
            Ok(_) => {
                self.say(&format!("ack {thread}"));
                true
            }
            Err(error) if error.code() == Code::Busy => {
                self.say(&format!("busy {thread}"));
                false
            }
            Err(error) => panic!("{effect:?}: {}", error.to_json()),
        }
    }

    fn send(&self, account: &str, count: u64) {
        let decision = match self.store.admit(account, None, count) {
            Ok(decision) => decision,
            Err(error) if error.code() == Code::Busy => return,
            Err(error) => panic!("{account}: {}", error.to_json()),
        };
        if decision.granted > 0 {
            self.say(&format!("granted {account} {}", decision.granted));
        }
    }

    fn must(&self, operation: &str, request: &Value) -> Value {
        let answer =
            self.store
                .call_json(b"", operation.as_bytes(), request.to_string().as_bytes());
        serde_json::from_str(
            &answer.unwrap_or_else(|error| panic!("{operation} {request}: {}", error.to_json())),
        )
        .unwrap()
    }

    /// Causes of messages, until somebody kills it.
    fn tell(&self, name: &str) {
        for number in 0.. {
            let campaign = format!("{name}n{number}");
            self.must(
                "campaigns.stop",
                &json!({"account": TOP, "campaign": campaign}),
            );
            self.say(&format!("stopped {campaign}"));
        }
    }

    /// Carries out messages, until somebody kills it: every third is forgotten.
    fn carry_out(&self) {
        let mut known = 0;
        loop {
            let taken = self.must(
                "outbox.take",
                &json!({"consumer": "mails", "limit": 5, "hold_ms": 1000}),
            );
            for taken in taken["messages"].as_array().unwrap() {
                let number = taken["message"]["number"].as_u64().unwrap();
                known = known.max(number);
                if number % 3 != 0 {
                    self.must(
                        "outbox.ack",
                        &json!({"consumer": "mails", "numbers": [number]}),
                    );
                    self.say(&format!("carried-out {number}"));
                }
            }
            self.store
                .wait_outbox(known, std::time::Duration::from_millis(100))
                .unwrap();
        }
    }

    fn lacks(&self, operation: &str, request: &Value) -> bool {
        match self
            .store
            .call_json(b"", operation.as_bytes(), request.to_string().as_bytes())
        {
            Ok(_) => false,
            Err(error) if error.code() == Code::NotFound => true,
            Err(error) => panic!("{operation} {request}: {}", error.to_json()),
        }
    }

    /// What every run needs. An earlier one may have been killed half-way.
    fn set_up(&self) {
        for thread in 0..THREADS {
            let role = format!("role-{thread}");
            if self.lacks("roles.get", &json!({"role": role})) {
                assert!(self.make(0, &Effect::Role { role }));
            }
        }
        let own = (0..THREADS).map(|thread| (format!("own-{thread}"), None));
        let meters = METERS.map(|(meter, limit)| (meter.to_owned(), limit));
        for (account, limit) in [(TOP.to_owned(), None)]
            .into_iter()
            .chain(meters)
            .chain(own)
        {
            if self.lacks("accounts.get", &json!({"account": account})) {
                let parent = (account != TOP).then(|| TOP.to_owned());
                assert!(self.make(
                    0,
                    &Effect::Create {
                        owner: format!("owner-of-{account}"),
                        account,
                        parent,
                        limit
                    }
                ));
            }
        }
    }
}

/// An account that this thread has made in this run.
struct Mine {
    account: String,
    members: Vec<String>,
    holds: Vec<u64>,
    next_hold: u64,
    next_user: u64,
}

struct Worker<'a> {
    host: &'a Host,
    thread: u64,
    run: &'a str,
    dice: Dice,
    mine: Vec<Mine>,
    created: u64,
}

impl Worker<'_> {
    fn work(mut self, effects: u64) {
        for _ in 0..effects {
            self.change_something();
            for _ in 0..self.dice.roll(30) {
                let count = 1 + self.dice.roll(MOST_AT_ONCE);
                let meter = self.dice.roll(METERS.len() as u64 + 1) as usize;
                match (METERS.get(meter), self.mine.last()) {
                    (Some((meter, _)), _) => self.host.send(meter, count),
                    (None, Some(mine)) => self.host.send(&mine.account, count),
                    (None, None) => {}
                }
            }
        }
    }

    fn change_something(&mut self) {
        let role = format!("role-{}", self.dice.roll(THREADS));
        let pick = self.dice.number() as usize;
        let kind = self.dice.roll(12);
        if kind < 2 {
            self.change_what_every_run_has(kind, pick);
        } else if self.mine.is_empty() || kind < 4 {
            self.create();
        } else {
            self.change_mine(kind, pick, role);
        }
    }

    /// Changes the limit of the account of this thread, or the name of its role.
    fn change_what_every_run_has(&mut self, kind: u64, pick: usize) {
        let effect = if kind == 0 {
            Effect::Limit {
                account: format!("own-{}", self.thread),
                limit: self.dice.roll_limit(),
            }
        } else {
            Effect::Rename {
                role: format!("role-{}", self.thread),
                name: format!("role {pick} of run {}", self.run),
            }
        };
        self.make(&effect);
    }

    /// Changes one of the accounts that this thread has made in this run.
    fn change_mine(&mut self, kind: u64, pick: usize, role: String) {
        let at = pick % self.mine.len();
        let (effect, after) = self.change_of(at, kind, pick, role);
        if self.make(&effect) {
            after(&mut self.mine[at]);
            match effect {
                Effect::Remove { user, .. } => self.mine[at].members.retain(|other| *other != user),
                Effect::Delete { .. } => drop(self.mine.remove(at)),
                _ => {}
            }
        }
    }

    /// A change of the account at this place in `mine`, and how the account is to be remembered
    /// after it.
    fn change_of(
        &mut self,
        at: usize,
        kind: u64,
        pick: usize,
        role: String,
    ) -> (Effect, fn(&mut Mine)) {
        let mine = &self.mine[at];
        let account = mine.account.clone();
        let member = mine.members.get(pick % mine.members.len().max(1)).cloned();
        let held = mine.holds.last().copied();
        match (kind, member, held) {
            (4, ..) => (
                Effect::Limit {
                    account,
                    limit: self.dice.roll_limit(),
                },
                |_| {},
            ),
            (5, _, None) => (
                Effect::Hold {
                    account,
                    hold: mine.next_hold,
                },
                |mine| {
                    mine.holds.push(mine.next_hold);
                    mine.next_hold += 1;
                },
            ),
            (5, _, Some(hold)) => (Effect::Release { account, hold }, |mine| {
                mine.holds.pop();
            }),
            (6, Some(user), _) => (
                Effect::Remove {
                    account,
                    user: user.clone(),
                },
                |_| {},
            ),
            (7 | 8, Some(user), _) => (
                Effect::SetRole {
                    account,
                    user,
                    role,
                },
                |_| {},
            ),
            (9, ..) => (Effect::Delete { account }, |_| {}),
            _ => {
                let user = format!("{account}-u{}", mine.next_user);
                (
                    Effect::Add {
                        account,
                        user,
                        role,
                    },
                    |mine| {
                        mine.members
                            .push(format!("{}-u{}", mine.account, mine.next_user));
                        mine.next_user += 1;
                    },
                )
            }
        }
    }

    fn create(&mut self) {
        let below = self.dice.roll(2) == 0;
        let account = format!(
            "{}-r{}t{}n{}",
            if below { BELOW } else { "alone" },
            self.run,
            self.thread,
            self.created
        );
        self.created += 1;
        let effect = Effect::Create {
            owner: format!("owner-of-{account}"),
            account: account.clone(),
            parent: below.then(|| TOP.to_owned()),
            limit: (self.dice.roll(2) == 0).then(|| self.dice.roll_limit()),
        };
        if self.make(&effect) {
            self.mine.push(Mine {
                account,
                members: Vec::new(),
                holds: Vec::new(),
                next_hold: 1,
                next_user: 0,
            });
        }
    }

    fn make(&self, effect: &Effect) -> bool {
        self.host.make(self.thread, effect)
    }
}

/// What can be known about a store that may be damaged: the code and place of the first error, or
/// what is in it.
fn check(store: &Path) -> Value {
    let refused = |at: &str, error: tenantry::Error| {
        json!({"refused": error.code().name(),
        "at": at, "message": error.message()})
    };
    let opened = match Tenantry::open_json(store.to_str().unwrap(), EXISTING.as_bytes()) {
        Ok(opened) => opened,
        Err(error) => return refused("open", error),
    };
    let mut found = json!({});
    for operation in ["store.state_hash", "store.verify"] {
        match opened.call_json(b"", operation.as_bytes(), b"{}") {
            Ok(answer) => found[operation] = serde_json::from_str(&answer).unwrap(),
            Err(error) => return refused(operation, error),
        }
    }
    match opened.close() {
        Ok(()) => found,
        Err(error) => refused("close", error),
    }
}
