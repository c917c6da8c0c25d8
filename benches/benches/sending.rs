//! What a send costs on a platform as it is lived in: a folder on the disk with full durability,
//! two thousand accounts with ordinary limits, a few of which send most, one call after the other.
//!
//! The worst call is what such a platform feels, and criterion does not tell it. So every call is
//! timed, and the figures are printed for `cargo xtask bench`. `TENANTRY_BENCH_SENDS` says how many
//! calls there are.

use governor::{Quota, RateLimiter};
use std::fs::File;
use std::io::Write;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Instant;
use tenantry::{OpenOptions, Sender, Tenantry};
use tenantry_benches::{Folder, account, number, platform_of, random};

const ACCOUNTS: usize = 2_000;
const PER_HOUR: u64 = 5_000;
const PER_DAY: u64 = 50_000;
/// How many calls there are, if `TENANTRY_BENCH_SENDS` does not say.
const CALLS: usize = 1_500_000;
/// How often the disk alone is asked.
const SYNCS: usize = 2_000;

/// How long each call of a kind took, in nanoseconds.
#[derive(Default)]
struct Times(Vec<u64>);

impl Times {
    /// Prints the figures under a name.
    fn print(&mut self, name: &str) {
        self.0.sort_unstable();
        let Some(worst) = self.0.last() else { return };
        let mean = self.0.iter().sum::<u64>() as f64 / self.0.len() as f64;
        let part = self.0[self.0.len() * 999 / 1000];
        println!("figure {name}, mean: {mean:.1}");
        println!("figure {name}, 99.9 %: {part}");
        println!("figure {name}, worst: {worst}");
    }
}

/// Whose turn it is, call after call: the account of rank r as often as 1/r says (Zipf), from a
/// fixed seed.
fn turns(calls: usize) -> Vec<usize> {
    let mut until = Vec::with_capacity(ACCOUNTS);
    let mut sum = 0.0;
    for rank in 1..=ACCOUNTS {
        sum += 1.0 / rank as f64;
        until.push(sum);
    }
    let mut next = random();
    (0..calls)
        .map(|_| {
            let at = next() * sum;
            until
                .partition_point(|until| *until <= at)
                .min(ACCOUNTS - 1)
        })
        .collect()
}

/// One call after the other, each by whose turn it is.
fn closed_loop(senders: &[Sender], turns: &[usize]) {
    let (mut granted, mut refused) = (Times::default(), Times::default());
    granted.0.reserve(turns.len());
    refused.0.reserve(turns.len());
    let mut waited = 0_u64;
    let mut before = Instant::now();
    for turn in turns {
        let sender = &senders[*turn];
        let decision = match sender.try_admit(1).expect("answered") {
            Some(decision) => decision,
            None => {
                waited += 1;
                sender.admit(1).expect("answered")
            }
        };
        let now = Instant::now();
        let took = now.duration_since(before).as_nanos() as u64;
        before = now;
        if decision.granted == 1 {
            granted.0.push(took);
        } else {
            refused.0.push(took);
        }
    }
    let share = waited as f64 / granted.0.len() as f64;
    println!("figure closed loop/calls that waited for the disk, share: {share:.5}");
    println!(
        "{} calls were granted, {} refused; {waited} waited for the disk",
        granted.0.len(),
        refused.0.len()
    );
    granted.print("closed loop/send");
    refused.print("closed loop/refusal");
}

/// The same turns asked of governor, in memory.
fn peer(turns: &[usize]) {
    let per_hour = NonZeroU32::new(PER_HOUR as u32).expect("a number");
    let peer = RateLimiter::keyed(Quota::per_hour(per_hour).allow_burst(per_hour));
    let keys: Vec<_> = (0..ACCOUNTS).map(|number| format!("a{number}")).collect();
    let mut times = Times(Vec::with_capacity(turns.len()));
    let mut before = Instant::now();
    for turn in turns {
        std::hint::black_box(peer.check_key(&keys[*turn]).is_ok());
        let now = Instant::now();
        times.0.push(now.duration_since(before).as_nanos() as u64);
        before = now;
    }
    times.print("closed loop/governor, one window in memory");
}

/// What the disk takes to write four kilobytes durably.
fn disk(folder: &Path) {
    let mut file = File::create(folder.join("raw")).expect("a file");
    let mut times = Times::default();
    for _ in 0..SYNCS {
        let before = Instant::now();
        file.write_all(&[7; 4096]).expect("written");
        file.sync_data().expect("synced");
        times.0.push(before.elapsed().as_nanos() as u64);
    }
    times.print("closed loop/the disk alone, 4 KiB");
}

fn main() {
    // What `cargo bench` passes to every benchmark means nothing here.
    let folder = Folder::new(env!("CARGO_TARGET_TMPDIR"), "sending");
    disk(&folder.0);
    let path = folder.0.join("store");
    let t = Tenantry::open(path, OpenOptions::default()).expect("the store opens");
    platform_of(
        &t,
        &[("email_per_hour", PER_HOUR), ("email_per_day", PER_DAY)],
    );
    let senders: Vec<_> = (0..ACCOUNTS)
        .map(|number| {
            let id = format!("a{number}");
            account(&t, &id, None);
            t.sender(&id, Some(&format!("o-{id}"))).expect("a sender")
        })
        .collect();
    let turns = turns(number("TENANTRY_BENCH_SENDS", CALLS));
    peer(&turns);
    closed_loop(&senders, &turns);
    t.close().expect("closed");
}
