//! What questions cost on a platform of a thousand users and on one of a million, and what
//! importing users costs beside raw sled.
//!
//! The platforms lie on disk, with the cache of the defaults. `TENANTRY_BENCH_USERS` says how many
//! users the large one has.

use criterion::{Criterion, criterion_group};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use tenantry::{Actor, Durability, Id, ImportUsers, OpenOptions, Tenantry};
use tenantry_benches::{Folder, call, number};

/// Users of one account.
const MEMBERS: usize = 10_000;
/// How many users the small platform has.
const SMALL: usize = 1_000;
/// How many the large one has, if `TENANTRY_BENCH_USERS` does not say.
const LARGE: usize = 1_000_000;
/// How many rows are imported beside raw sled, if `TENANTRY_BENCH_IMPORT` does not say.
const IMPORTED: usize = 100_000;
/// How often that is done; the middle one counts.
const ROUNDS: usize = 3;

fn open(folder: &Path, durability: Durability) -> Tenantry {
    let options = OpenOptions::default().durability(durability);
    Tenantry::open(folder, options).expect("the store opens")
}

/// A file of users.
fn csv(users: std::ops::Range<usize>) -> String {
    let rows = users.map(|number| format!("user{number:07}@people.example,Ann{number},Miller\n"));
    std::iter::once("email,first_name,last_name\n".to_owned())
        .chain(rows)
        .collect()
}

/// An account whose members are imported.
fn fill(t: &Tenantry, account: &str, csv: &str) {
    call(
        t,
        "accounts.create",
        &format!(
            r#"{{"id":"{account}","name":"A","owner":{{"email":"owner@{account}.example"}}}}"#
        ),
    );
    let request =
        ImportUsers::new(Id::new(account).expect("an id")).role(Id::new("editor").expect("an id"));
    let answer = t
        .import_users(&Actor::System, request, csv.as_bytes(), &mut |_| true)
        .expect("imported");
    assert_eq!(answer.refused, 0, "{:?}", answer.results.first());
}

/// A platform of many users, at most ten thousand in each account.
fn platform(users: usize) -> (Folder, Tenantry) {
    let folder = Folder::new(env!("CARGO_TARGET_TMPDIR"), &users.to_string());
    let t = open(&folder.0, Durability::Relaxed);
    let began = Instant::now();
    for first in (0..users).step_by(MEMBERS) {
        fill(
            &t,
            &format!("a{first}"),
            &csv(first..users.min(first + MEMBERS)),
        );
    }
    println!(
        "a platform of {users} users on disk, imported in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    (folder, t)
}

fn questions(c: &mut Criterion) {
    for users in [SMALL, number("TENANTRY_BENCH_USERS", LARGE)] {
        let (folder, t) = platform(users);
        let mut group = c.benchmark_group(format!("of {users} users"));
        let mut ask = |name: &str, operation: &str, request: &str| {
            group.bench_function(name, |b| b.iter(|| call(&t, operation, black_box(request))));
        };
        ask("a page of 50", "users.list", r#"{"order":"name"}"#);
        ask(
            "one by e-mail",
            "users.get",
            r#"{"email":"user0000500@people.example"}"#,
        );
        ask(
            &format!("a page of who_can among {} members", users.min(MEMBERS)),
            "access.who_can",
            r#"{"account":"a0","permission":"campaigns.edit"}"#,
        );
        ask(
            "a page of 50 of these members",
            "members.list",
            r#"{"account":"a0"}"#,
        );
        let user = call(&t, "users.get", r#"{"email":"user0000500@people.example"}"#);
        let user = user
            .split(r#""id":""#)
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .expect("an id");
        let access = t.access("a0", user, "campaigns.edit").expect("known");
        group.bench_function("check, prepared", |b| {
            b.iter(|| access.allowed().expect("answered"))
        });
        group.bench_function("check, by ids", |b| {
            b.iter(|| {
                t.allowed(black_box("a0"), user, "campaigns.edit")
                    .expect("answered")
            })
        });
        group.finish();
        t.close().expect("closed");
        drop(t);
        if users > SMALL {
            opening(&folder);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to)
        } else {
            std::fs::copy(&from, &to).map(drop).expect("copied")
        }
    }
}

/// Opening a store that was closed well, beside sled alone.
fn opening(folder: &Folder) {
    // Its own copy: the store notices when anybody else has written its files.
    let alone = Folder::new(env!("CARGO_TARGET_TMPDIR"), "sled-alone");
    copy(&folder.0.join("sled"), &alone.0);
    let ratios = (0..ROUNDS).map(|_| {
        let mut ours = None;
        let opened = Cost::of(|| ours = Some(open(&folder.0, Durability::Full)));
        ours.expect("open").close().expect("closed");
        let mut theirs = None;
        let raw = Cost::of(|| theirs = Some(raw(&alone.0)));
        drop(theirs);
        println!("open, each: {opened}; sled's own: {raw}");
        opened.took / raw.took
    });
    println!(
        "open: {:.2} times as long as sled's own (target: below 1.5)",
        middle(ratios)
    );
}

/// How long something took, and how much of the processors: on a busy machine that says more.
#[derive(Clone, Copy)]
struct Cost {
    took: f64,
    processors: f64,
}

impl Cost {
    fn of(work: impl FnOnce()) -> Cost {
        let (began, used) = (Instant::now(), processors());
        work();
        Cost {
            took: began.elapsed().as_secs_f64(),
            processors: processors() - used,
        }
    }

    /// Of a part that runs as a process of its own: memory that another left in pieces would count
    /// otherwise.
    fn of_part(part: &str, folder: &Folder) -> Cost {
        let program = std::env::current_exe().expect("this program");
        let output = Command::new(program)
            .args([PART, part])
            .arg(&folder.0)
            .stderr(Stdio::inherit())
            .output()
            .expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        match text
            .split_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect::<Vec<f64>>()
            .as_slice()
        {
            [took, processors] if output.status.success() => Cost {
                took: *took,
                processors: *processors,
            },
            _ => panic!("{part}: {}: {text}", output.status),
        }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{:.2} s, {:.2} s of processors",
            self.took, self.processors
        )
    }
}

/// The seconds that all threads of this process have computed for; 0 where the system does not
/// tell.
fn processors() -> f64 {
    // Linux counts in hundredths; the two numbers are the 12th and the 13th behind the name, which
    // may hold spaces.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2);
    fields
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

fn raw(path: &Path) -> sled::Db {
    let cache = OpenOptions::default().cache_mib << 20;
    sled::Config::new()
        .path(path)
        .cache_capacity(cache)
        .segment_size(512 * 1024)
        .flush_every_ms(None)
        .open()
        .expect("sled opens")
}

/// Where the keys and values of an import lie for who writes them raw.
const ENTRIES: &str = "entries";

/// Writes down what lies in a store, in the order of the commits that wrote it: a record begins
/// with a checksum (4), its kind (1) and the number of its commit (8). Answers how many commits,
/// keys and bytes there are.
fn write_down(folder: &Folder) -> (usize, usize, usize) {
    let mut commits: BTreeMap<u64, Vec<(sled::IVec, sled::IVec)>> = BTreeMap::new();
    for entry in raw(&folder.0.join("store/sled")).iter() {
        let (key, value) = entry.expect("read");
        let commit = value
            .get(5..13)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_le_bytes)
            .expect("a header");
        commits.entry(commit).or_default().push((key, value));
    }
    let mut text = Vec::new();
    for (number, entries) in commits.values().enumerate() {
        for (key, value) in entries {
            for length in [number, key.len(), value.len()] {
                text.extend_from_slice(&(length as u64).to_le_bytes());
            }
            text.extend_from_slice(key);
            text.extend_from_slice(value);
        }
    }
    std::fs::write(folder.0.join(ENTRIES), text).expect("written");
    let entries = commits.values().flatten();
    let (keys, bytes) = entries.fold((0, 0), |(keys, bytes), (key, value)| {
        (keys + 1, bytes + key.len() + value.len())
    });
    (commits.len(), keys, bytes)
}

/// The batches that were written down.
fn batches(text: &[u8]) -> Vec<Vec<(&[u8], &[u8])>> {
    let mut batches: Vec<Vec<(&[u8], &[u8])>> = Vec::new();
    let mut rest = text;
    let mut part = |length: usize| {
        let (part, behind) = rest.split_at(length);
        rest = behind;
        part
    };
    let mut at = 0;
    while at < text.len() {
        let [batch, key, value] =
            [(); 3].map(|()| u64::from_le_bytes(part(8).try_into().expect("eight bytes")) as usize);
        batches.resize_with(batches.len().max(batch + 1), Vec::new);
        batches
            .last_mut()
            .expect("a batch")
            .push((part(key), part(value)));
        at += 24 + key + value;
    }
    batches
}

fn import_part(folder: &Path) -> Cost {
    let csv = csv(0..number("TENANTRY_BENCH_IMPORT", IMPORTED));
    let t = open(&folder.join("store"), Durability::Full);
    let cost = Cost::of(|| fill(&t, "acme", &csv));
    t.close().expect("closed");
    cost
}

fn raw_part(folder: &Path) -> Cost {
    let text = std::fs::read(folder.join(ENTRIES)).expect("read");
    let batches = batches(&text);
    let db = raw(&folder.join("raw"));
    Cost::of(|| {
        for entries in &batches {
            let mut batch = sled::Batch::default();
            for (key, value) in entries {
                batch.insert(*key, *value);
            }
            db.apply_batch(batch).expect("written");
        }
        db.flush().expect("flushed");
    })
}

/// The one in the middle.
fn middle(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// Not by criterion: one run takes seconds.
fn import(_: &mut Criterion) {
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let folder = Folder::new(env!("CARGO_TARGET_TMPDIR"), "import");
        let imported = Cost::of_part("import", &folder);
        let (number, keys, bytes) = write_down(&folder);
        let raw = Cost::of_part("raw", &folder);
        println!(
            "import: {imported}; raw sled, {keys} keys of {} MiB in {number} batches: {raw}",
            bytes >> 20
        );
        costs.push((imported, raw));
    }
    let took = middle(costs.iter().map(|(imported, raw)| imported.took / raw.took));
    let processors = middle(
        costs
            .iter()
            .map(|(imported, raw)| imported.processors / raw.processors),
    );
    println!(
        "import, durable: {took:.2} times as long as raw sled, {processors:.2} times the \
         processors (target: below 3)"
    );
}

criterion_group!(benches, import, questions);

/// The argument that asks for one part alone.
const PART: &str = "--part";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let cost = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [PART, "import", folder] => import_part(Path::new(folder)),
        [PART, "raw", folder] => raw_part(Path::new(folder)),
        _ => {
            benches();
            return Criterion::default().configure_from_args().final_summary();
        }
    };
    println!("{} {}", cost.took, cost.processors);
}
