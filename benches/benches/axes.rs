//! How the cost of one admission, and of one durable write, changes with one thing at a time:
//! threads, accounts, the depth of the tree, the number of limits. `TENANTRY_BENCH_ACCOUNTS` says
//! how many accounts there are at most.

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use governor::{Quota, RateLimiter};
use std::fs::File;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use tenantry::{OpenOptions, Sender, Tenantry};
use tenantry_benches::{
    Folder, PLENTY, account, call, number, prepare, store, store_at_one_instant,
};

/// How long it takes until each thread has done its work so often; they begin together.
fn together<W: FnMut() + Send>(mut work: Vec<W>, times: u64) -> Duration {
    let start = Barrier::new(work.len() + 1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = work
            .iter_mut()
            .map(|work| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    (0..times).for_each(|_| work());
                })
            })
            .collect();
        // Before the last of them may go.
        let began = Instant::now();
        start.wait();
        threads
            .into_iter()
            .for_each(|thread| thread.join().expect("a thread ends"));
        began.elapsed()
    })
}

fn sender(t: &Tenantry, account: &str) -> Sender {
    let sender = t.sender(account, None).expect("a sender");
    sender.admit(1).expect("granted");
    sender
}

/// Each thread sends for an account of its own.
fn threads(c: &mut Criterion) {
    let t = store();
    let senders: Vec<_> = (0..8)
        .map(|number| {
            let id = format!("a{number}");
            account(&t, &id, None);
            sender(&t, &id)
        })
        .collect();
    let mut group = c.benchmark_group("threads");
    for many in [1_usize, 2, 4, 8] {
        group.throughput(Throughput::Elements(many as u64));
        group.bench_function(BenchmarkId::from_parameter(many), |b| {
            b.iter_custom(|times| {
                let work = senders
                    .iter()
                    .take(many)
                    .map(|sender| || drop(sender.admit(black_box(1)).expect("granted")))
                    .collect();
                together(work, times)
            })
        });
    }
    group.finish();
}

/// What an account has sent before it is measured: its first blocks are small, and what they cost
/// is another question.
const SENT_BEFORE: usize = 400;

/// Numbers below `many` in no order.
fn at_random(many: u64) -> impl FnMut() -> usize {
    let mut state = 1_u64;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % many) as usize
    }
}

/// Each message of another account, in no order; and the same with keys of governor, which miss the
/// caches as well.
fn accounts(c: &mut Criterion) {
    let most = number("TENANTRY_BENCH_ACCOUNTS", 1_000_000) as u64;
    let sizes = || {
        [1000_u64, 10_000, 100_000, 1_000_000]
            .into_iter()
            .filter(|many| *many <= most)
    };
    let mut group = c.benchmark_group("accounts of governor");
    let peer = RateLimiter::keyed(Quota::per_second(NonZeroU32::MAX).allow_burst(NonZeroU32::MAX));
    let mut keys = Vec::new();
    for many in sizes() {
        keys.extend((keys.len() as u64..many).map(|number| format!("a{number}")));
        let mut next = at_random(many);
        group.bench_function(BenchmarkId::from_parameter(many), |b| {
            b.iter(|| peer.check_key(&keys[next()]).is_ok())
        });
    }
    group.finish();
    let t = store_at_one_instant();
    let mut senders = Vec::new();
    let mut group = c.benchmark_group("accounts");
    for many in sizes() {
        while (senders.len() as u64) < many {
            let id = format!("a{}", senders.len());
            account(&t, &id, None);
            let sender = sender(&t, &id);
            (0..SENT_BEFORE).for_each(|_| drop(sender.admit(1).expect("granted")));
            senders.push(sender);
        }
        let mut next = at_random(many);
        group.bench_function(BenchmarkId::from_parameter(many), |b| {
            b.iter(|| senders[next()].admit(1).expect("granted"))
        });
    }
    group.finish();
}

fn depth(c: &mut Criterion) {
    let t = store();
    let mut group = c.benchmark_group("depth");
    let mut above = None;
    for depth in 1..=5 {
        let id = format!("d{depth}");
        account(&t, &id, above.as_deref());
        let sender = sender(&t, &id);
        group.bench_function(BenchmarkId::from_parameter(depth), |b| {
            b.iter(|| sender.admit(black_box(1)).expect("granted"))
        });
        above = Some(id);
    }
    group.finish();
}

fn limits(c: &mut Criterion) {
    let t = store();
    account(&t, "acme", None);
    let sender = sender(&t, "acme");
    let mut group = c.benchmark_group("limits");
    for limits in 3..=12 {
        if limits > 3 {
            call(
                &t,
                "caps.set",
                &format!(
                    r#"{{"account":"acme","id":"c{limits}","scope":"account",
                        "window":"week","limit":{PLENTY}}}"#
                ),
            );
        }
        if limits % 3 == 0 {
            group.bench_function(BenchmarkId::from_parameter(limits), |b| {
                b.iter(|| sender.admit(black_box(1)).expect("granted"))
            });
        }
    }
    group.finish();
}

/// One change that survives a power loss, beside sled with what it takes to do the same for one
/// record, and for four that belong together: the change, its link of the audit chain, that chain's
/// head and the store's.
fn writes(c: &mut Criterion) {
    let mut group = c.benchmark_group("durable write");
    let folder = Folder::new(env!("CARGO_TARGET_TMPDIR"), "axes-raw");
    let db = sled::Config::new()
        .path(&folder.0)
        .segment_size(512 * 1024)
        .flush_every_ms(None)
        .open()
        .expect("sled opens");
    let file = File::open(folder.0.join("db")).expect("sled's file");
    let mut number = 0_u64;
    group.bench_function("raw sled", |b| {
        b.iter(|| {
            number += 1;
            db.insert(number.to_be_bytes(), vec![7_u8; 200])
                .expect("inserted");
            db.flush().expect("flushed");
            file.sync_data().expect("synced");
        })
    });
    group.bench_function("raw sled, four records at once", |b| {
        b.iter(|| {
            let mut batch = sled::Batch::default();
            for _ in 0..4 {
                number += 1;
                batch.insert(&number.to_be_bytes(), vec![7_u8; 200]);
            }
            db.apply_batch(batch).expect("inserted");
            db.flush().expect("flushed");
            file.sync_data().expect("synced");
        })
    });
    let folder = Folder::new(env!("CARGO_TARGET_TMPDIR"), "axes-store");
    let path = folder.0.join("store");
    let path = path.to_str().expect("text");
    writes_of(&mut group, "tenantry", path);
    writes_of(
        &mut group,
        "tenantry in SQLite",
        &format!("sqlite:{path}.db"),
    );
    group.finish();
}

fn writes_of(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, path: &str) {
    let t = Tenantry::open(path, OpenOptions::default()).expect("the store opens");
    prepare(&t);
    for number in 0..16 {
        account(&t, &format!("a{number}"), None);
    }
    for many in [1, 16] {
        group.throughput(Throughput::Elements(many));
        group.bench_function(format!("{name}, threads: {many}"), |b| {
            b.iter_custom(|times| {
                let work = (0..many).map(|number| {
                    let (t, mut value) = (&t, 0);
                    move || {
                        value += 1;
                        call(
                            t,
                            "limits.set",
                            &format!(
                                r#"{{"account":"a{number}","limit":"seats","value":{value}}}"#
                            ),
                        );
                    }
                });
                together(work.collect(), times)
            })
        });
    }
    t.close().expect("closed");
}

criterion_group!(benches, threads, depth, limits, writes, accounts);
criterion_main!(benches);
