//! A disk that fails to read, once, while a store is opened: at some of its reads in turn. The
//! store is then whole or refused, and nothing of it is destroyed: when the disk answers again, it
//! opens with everything in it.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tenantry_tests::crash::{Dice, Kept, Scratch, copy, count, finish, host, look, shim};

const HOST: &str = env!("CARGO_BIN_EXE_crash_host");
/// Before all records are counted, which are the most reads.
const FIRST: u64 = 80;

fn preloaded() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| shim("reads.c", Path::new(env!("CARGO_TARGET_TMPDIR"))))
}

/// A store, and a copy of it that is opened.
struct Base {
    kept: Kept,
    store: PathBuf,
    opened: PathBuf,
    reads: PathBuf,
    /// What is in it.
    hash: Value,
    // Last, so that it is removed last.
    _scratch: Scratch,
}

impl Base {
    fn of(kept: Kept, dice: &mut Dice, end: &'static str) -> Base {
        let scratch = Scratch::new(&format!("reads-{kept:?}-{end}"));
        let store = scratch.at("store");
        for run in 0..2 {
            let named = kept.named(&store);
            finish(&mut host(HOST, &named, dice.number(), run, Some((end, 20))));
        }
        let mut base = Base {
            kept,
            store,
            opened: scratch.at("opened"),
            reads: scratch.at("reads"),
            hash: Value::Null,
            _scratch: scratch,
        };
        base.anew();
        let found = base.look(0, "eio");
        assert_eq!(found["store.verify"]["whole"], true, "{found}");
        base.hash = found["store.state_hash"]["state_hash"].clone();
        base
    }

    fn anew(&self) {
        copy(&self.store, &self.opened);
    }

    /// Opens the copy in a process of its own, in which this read fails.
    fn look(&self, failing: u64, how: &str) -> Value {
        let mut host = Command::new(HOST);
        host.arg("check")
            .arg(self.kept.named(&self.opened))
            .env("LD_PRELOAD", preloaded())
            .env("TENANTRY_READS_STORE", &self.opened)
            .env("TENANTRY_READS_FAIL", failing.to_string())
            .env("TENANTRY_READS_HOW", how)
            .env("TENANTRY_READS_COUNT", &self.reads);
        look(&mut host)
    }

    fn is_whole(&self, found: &Value) -> bool {
        found["store.state_hash"]["state_hash"] == self.hash
            && found["store.verify"]["whole"] == true
    }

    /// Whether that read failing made the store refused.
    fn survives(&self, failing: u64, how: &str, context: &str) -> bool {
        self.anew();
        let found = self.look(failing, how);
        let is_whole = self.is_whole(&found);
        // SQLite does not read everything when it opens; then the verification tells.
        let is_refused = found["refused"].is_string()
            || self.kept == Kept::Sqlite && found["store.verify"]["whole"] == false;
        assert!(is_whole || is_refused, "{context}: {found}");
        let after = self.look(0, how);
        assert!(self.is_whole(&after), "{context}, and then: {after}");
        !is_whole
    }
}

/// Which of the reads fail in turn: so many of the first ones, in which sled reads its log, and
/// half as many of the others.
fn positions(dice: &mut Dice, reads: u64, rounds: u64) -> Vec<u64> {
    let first = reads.min(FIRST);
    let steps = [
        (1, first, (first / rounds).max(1)),
        (first + 1, reads, (2 * (reads - first) / rounds).max(1)),
    ];
    let mut positions = Vec::new();
    for (from, to, step) in steps {
        positions.extend((from + dice.roll(step)..=to).step_by(step as usize));
    }
    positions
}

fn nothing_is_destroyed(kept: Kept, rounds: u64) {
    let mut dice = Dice::of_test("failed reads");
    for end in ["close", "abort"] {
        let base = Base::of(kept, &mut dice, end);
        base.anew();
        base.look(0, "eio");
        let reads = fs::read_to_string(&base.reads).unwrap();
        let reads: u64 = reads.trim().parse().unwrap();
        assert!(reads > 10, "{reads} reads");
        for how in ["eio", "short", "none"] {
            let (mut looked, mut refused) = (0, 0);
            for failing in positions(&mut dice, reads, rounds) {
                let context = format!("{kept:?}, {end}, read {failing} of {reads}, {how}");
                looked += 1;
                refused += u64::from(base.survives(failing, how, &context));
            }
            println!("{kept:?}, {end}, {how}: {looked} of {reads} reads, {refused} refused");
        }
    }
}

#[test]
fn a_failed_read_destroys_nothing() {
    nothing_is_destroyed(Kept::Sled, count("TENANTRY_READS", 8));
}

#[test]
fn a_failed_read_destroys_nothing_in_sqlite() {
    nothing_is_destroyed(Kept::Sqlite, count("TENANTRY_READS", 8) / 2);
}
