//! What questions cost on a platform of a thousand users and on one of a million, and what importing users costs beside
//! raw sled.
//!
//! The platforms lie on disk, with the cache of the defaults. `TENANTRY_BENCH_USERS` says how many users the large one has.

use criterion::{Criterion, criterion_group, criterion_main};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tenantry::{Actor, Durability, Id, ImportUsers, OpenOptions, Tenantry};

/// Users of one account.
const MEMBERS: usize = 10_000;
/// How many users the small platform has.
const SMALL: usize = 1_000;
/// How many rows are imported beside raw sled.
const IMPORTED: usize = 100_000;
/// How often that is done; the middle one of the times counts.
const ROUNDS: usize = 3;

/// A folder that is gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap_or_else(|error| eprintln!("{}: {error}", self.0.display()));
    }
}

fn open(folder: &Folder, durability: Durability) -> Tenantry {
    let path = folder.0.to_str().expect("the path is text");
    Tenantry::open(path, OpenOptions { durability, ..OpenOptions::default() }).expect("the store opens")
}

fn call(t: &Tenantry, operation: &str, request: &str) -> String {
    t.call_json(b"", operation.as_bytes(), request.as_bytes()).unwrap_or_else(|error| panic!("{operation} {request}: {error}"))
}

/// A file of users.
fn csv(users: std::ops::Range<usize>) -> String {
    let rows = users.map(|number| format!("user{number:07}@people.example,Ann{number},Miller\n"));
    std::iter::once("email,first_name,last_name\n".to_owned()).chain(rows).collect()
}

/// An account whose members are imported.
fn fill(t: &Tenantry, account: &str, csv: &str) {
    call(t, "accounts.create", &format!(r#"{{"id":"{account}","name":"A","owner":{{"email":"owner@{account}.example"}}}}"#));
    let request = ImportUsers {
        account: Id::new(account).expect("an id"),
        role: Some(Id::new("editor").expect("an id")),
        atomic: false,
    };
    let answer = t.import_users(&Actor::System, request, csv.as_bytes(), &mut |_| true).expect("imported");
    assert_eq!(answer.rejected, 0, "{:?}", answer.problems.first());
}

/// A platform of many users, at most ten thousand in each account.
fn platform(users: usize) -> (Folder, Tenantry) {
    let folder = Folder::new(&format!("tenantry-bench-{users}"));
    let t = open(&folder, Durability::Relaxed);
    let began = Instant::now();
    for first in (0..users).step_by(MEMBERS) {
        fill(&t, &format!("a{first}"), &csv(first..users.min(first + MEMBERS)));
    }
    println!("a platform of {users} users on disk, imported in {:.1} s", began.elapsed().as_secs_f64());
    (folder, t)
}

fn questions(c: &mut Criterion) {
    let users = std::env::var("TENANTRY_BENCH_USERS").map_or(1_000_000, |users| users.parse().expect("TENANTRY_BENCH_USERS is a number"));
    for users in [SMALL, users] {
        let (_folder, t) = platform(users);
        let mut group = c.benchmark_group(format!("of {users} users"));
        let mut ask = |name: &str, operation: &str, request: &str| {
            group.bench_function(name, |b| b.iter(|| call(&t, operation, black_box(request))));
        };
        ask("a page of 50", "users.list", r#"{"order":"name"}"#);
        ask("one by e-mail", "users.get", r#"{"email":"user0000500@people.example"}"#);
        ask(&format!("a page of who_can among {} members", users.min(MEMBERS)), "access.who_can", r#"{"account":"a0","permission":"campaigns.edit"}"#);
        ask("a page of 50 of these members", "members.list", r#"{"account":"a0"}"#);
        group.finish();
    }
}

/// The batches that the import wrote, as bytes for sled.
type Batches = BTreeMap<u64, Vec<(sled::IVec, sled::IVec)>>;

fn raw(path: &Path) -> sled::Db {
    let cache = OpenOptions::default().cache_mib << 20;
    sled::Config::new().path(path).cache_capacity(cache).segment_size(512 * 1024).flush_every_ms(None).open().expect("sled opens")
}

/// What lies in a store, by the commit that wrote it: a record begins with a checksum (4), its kind (1) and that number (8).
fn batches(store: &Folder) -> Batches {
    let mut batches = Batches::new();
    for entry in raw(&store.0.join("sled")).iter() {
        let (key, value) = entry.expect("read");
        let commit = u64::from_le_bytes(value.get(5..13).and_then(|bytes| bytes.try_into().ok()).expect("a header"));
        batches.entry(commit).or_default().push((key, value));
    }
    batches
}

fn import_once(csv: &str) -> (Folder, Duration) {
    let folder = Folder::new("tenantry-bench-import");
    let t = open(&folder, Durability::Full);
    let began = Instant::now();
    fill(&t, "acme", csv);
    let took = began.elapsed();
    t.close().expect("closed");
    (folder, took)
}

fn write_raw(batches: &Batches) -> Duration {
    let folder = Folder::new("tenantry-bench-raw");
    let db = raw(&folder.0);
    let began = Instant::now();
    for entries in batches.values() {
        let mut batch = sled::Batch::default();
        for (key, value) in entries {
            batch.insert(key, value);
        }
        db.apply_batch(batch).expect("written");
    }
    db.flush().expect("flushed");
    began.elapsed()
}

/// Not by criterion: one run takes seconds.
fn import(_: &mut Criterion) {
    let csv = csv(0..IMPORTED);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let (folder, imported) = import_once(&csv);
        let batches = batches(&folder);
        drop(folder);
        let raw = write_raw(&batches);
        let (keys, bytes) = batches.values().flatten().fold((0, 0), |(keys, bytes), (key, value)| (keys + 1, bytes + key.len() + value.len()));
        println!(
            "import of {IMPORTED} users: {:.2} s; raw sled, {keys} keys of {} MiB in {} batches: {:.2} s; {:.2} times as long",
            imported.as_secs_f64(),
            bytes >> 20,
            batches.len(),
            raw.as_secs_f64(),
            imported.as_secs_f64() / raw.as_secs_f64()
        );
        times.push((imported, raw));
    }
    let middle = |of: fn(&(Duration, Duration)) -> Duration| {
        let mut times: Vec<_> = times.iter().map(of).collect();
        times.sort_unstable();
        times.get(ROUNDS / 2).map_or(0.0, Duration::as_secs_f64)
    };
    let (imported, raw) = (middle(|times| times.0), middle(|times| times.1));
    println!("import of {IMPORTED} users, durable: {imported:.2} s, {:.2} times as long as raw sled (target: below 3)", imported / raw);
}

criterion_group!(benches, import, questions);
criterion_main!(benches);
