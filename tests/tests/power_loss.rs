//! A host whose machine loses power: only what was made durable is left (`powerloss/shim.c`), and
//! everything that it acknowledged is there all the same.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tenantry_tests::crash::{
    Dice, Kept, Ledger, Moment, Said, Scratch, assemble, copy, count, host, kill, remove, shim,
};

const HOST: &str = env!("CARGO_BIN_EXE_crash_host");
/// So many images follow upon each other before the next fresh store.
const CHAIN: u64 = 5;

fn preloaded() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| shim("shim.c", Path::new(env!("CARGO_TARGET_TMPDIR"))))
}

/// A disk with a store on it, and what a power loss would leave of it.
struct Machine {
    kept: Kept,
    disk: PathBuf,
    image: PathBuf,
    scratch: Scratch,
}

impl Machine {
    fn new(test: &str, kept: Kept) -> Machine {
        let scratch = Scratch::new(test);
        Machine {
            kept,
            disk: scratch.at("disk"),
            image: scratch.at("image"),
            scratch,
        }
    }

    fn fresh(&self) {
        remove(&self.disk);
        std::fs::create_dir(&self.disk).unwrap();
    }

    /// Runs a host on the disk and cuts the power: the disk then holds what was durable, and what
    /// else of the un-synced pages and names (`keep` per cent) has reached it.
    fn lose_power(
        &self,
        dice: &mut Dice,
        run: u64,
        moment: Moment,
        keep: u64,
        without_fdatasync: bool,
    ) -> Result<Said, String> {
        remove(&self.image);
        std::fs::create_dir(&self.image).unwrap();
        let store = self.kept.named(&self.disk.join("store"));
        let mut host = host(HOST, &store, dice.number(), run, None);
        self.watch(&mut host);
        host.env("TENANTRY_POWER_KEEP", keep.to_string())
            .env("TENANTRY_POWER_SEED", dice.number().to_string());
        host.env(
            "TENANTRY_POWER_PAGE",
            if dice.roll(4) == 0 { "512" } else { "4096" },
        );
        if without_fdatasync {
            host.env("TENANTRY_POWER_IGNORE_FDATASYNC", "1");
        }
        let said = kill(&mut host, moment);
        if self.image.join("root").exists() {
            assemble(&self.image, &self.disk);
        }
        said
    }

    fn watch(&self, host: &mut Command) {
        host.env("LD_PRELOAD", preloaded())
            .env("TENANTRY_POWER_STORE", &self.disk)
            .env("TENANTRY_POWER_IMAGE", &self.image);
    }

    /// A copy of the store on the disk, so that the next host finds the disk as the power loss left
    /// it.
    fn copied(&self) -> PathBuf {
        let copied = self.scratch.at("looked-at");
        copy(&self.disk, &copied);
        self.kept.named(&copied.join("store"))
    }
}

fn moment(dice: &mut Dice, run: u64) -> Moment {
    match (run % CHAIN, dice.roll(4)) {
        (0, 0 | 1) => Moment::AfterStart(dice.millis(0, 60)),
        (_, 0) => Moment::AfterStart(dice.millis(0, 30)),
        _ => Moment::AfterFirstAcknowledgement(dice.millis(5, 80)),
    }
}

fn nothing_is_lost(test: &str, kept: Kept, images: u64, keep: &[u64]) {
    let mut dice = Dice::of_test(test);
    let machine = Machine::new("power", kept);
    let mut ledger = Ledger::default();
    let (mut in_all, mut unopened) = (0, 0);
    for run in 0..images {
        if run % CHAIN == 0 {
            machine.fresh();
            ledger = Ledger::default();
        }
        let moment = moment(&mut dice, run);
        let keep = keep[dice.roll(keep.len() as u64) as usize];
        let context = format!("image {run}, {moment:?}, {keep} % kept");
        let said = machine
            .lose_power(&mut dice, run, moment, keep, false)
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        in_all += said.acknowledgements;
        unopened += u64::from(said.acknowledgements == 0);
        ledger
            .check(said, &machine.copied())
            .unwrap_or_else(|error| panic!("{context}: {error}"));
    }
    println!(
        "{test}: {images} images ({unopened} from before any work), {in_all} acknowledgements, \
         none lost"
    );
}

#[test]
fn what_was_acknowledged_survives_when_only_synced_data_does() {
    nothing_is_lost(
        "power loss, strict",
        Kept::Sled,
        count("TENANTRY_IMAGES", 100) / 2,
        &[0],
    );
}

#[test]
fn what_was_acknowledged_survives_when_some_unsynced_pages_do_too() {
    nothing_is_lost(
        "power loss, random",
        Kept::Sled,
        count("TENANTRY_IMAGES", 100).div_ceil(2),
        &[5, 30, 70, 95],
    );
}

/// P4.
#[test]
fn what_was_acknowledged_in_sqlite_survives() {
    let images = count("TENANTRY_IMAGES", 100).div_ceil(4);
    for (test, keep) in [
        ("power loss, SQLite, strict", &[0][..]),
        ("power loss, SQLite, random", &[5, 30, 70, 95]),
    ] {
        nothing_is_lost(test, Kept::Sqlite, images, keep);
    }
}

/// The story: sled's flush calls `sync_file_range`, which a power loss does not respect. If this
/// test saw no loss, the two above would prove nothing.
#[test]
fn without_fdatasync_acknowledged_work_is_lost() {
    is_lost_without_fdatasync(Kept::Sled);
}

/// SQLite itself syncs its log only when it empties it.
#[test]
fn without_fdatasync_acknowledged_work_in_sqlite_is_lost() {
    is_lost_without_fdatasync(Kept::Sqlite);
}

fn is_lost_without_fdatasync(kept: Kept) {
    let mut dice = Dice::of_test("power loss without fdatasync");
    let machine = Machine::new("power-without", kept);
    let images = 12;
    let (mut lost, mut first) = (0, None);
    for run in 0..images {
        machine.fresh();
        let moment = Moment::AfterFirstAcknowledgement(dice.millis(20, 80));
        let keep = [0, 30, 95][run as usize % 3];
        let said = machine
            .lose_power(&mut dice, run, moment, keep, true)
            .unwrap();
        if let Err(error) = Ledger::default().check(said, &machine.copied()) {
            lost += 1;
            first.get_or_insert(error);
        }
    }
    println!(
        "{kept:?}: without fdatasync {lost} of {images} images lost work, the first: {}",
        first.unwrap_or_default()
    );
    assert!(
        lost >= images / 2,
        "only {lost} of {images} images have lost something: does the shim see what is synced?"
    );
}

/// If the shim missed a way of writing, it would see losses that are none.
#[test]
fn after_a_clean_close_the_image_is_the_store() {
    is_all_after_a_clean_close(Kept::Sled, "lock");
}

#[test]
fn after_a_clean_close_the_image_is_the_store_in_sqlite() {
    is_all_after_a_clean_close(Kept::Sqlite, "accounts.db-lock");
}

fn is_all_after_a_clean_close(kept: Kept, lock: &str) {
    let mut dice = Dice::of_test("power loss after closing");
    let machine = Machine::new("power-closed", kept);
    machine.fresh();
    for run in 0..3 {
        remove(&machine.image);
        std::fs::create_dir(&machine.image).unwrap();
        let mut host = host(
            HOST,
            &kept.named(&machine.disk.join("store")),
            dice.number(),
            run,
            Some(("close", 50)),
        );
        machine.watch(&mut host);
        let said = tenantry_tests::crash::finish(&mut host);
        assert!(said.acknowledgements >= 150);
        let image = machine.scratch.at("closed");
        assemble(&machine.image, &image);
        // The pid in it is for people; its loss does no harm.
        for folder in [&machine.disk, &image] {
            std::fs::remove_file(folder.join("store").join(lock)).unwrap();
        }
        let differ = Command::new("diff")
            .arg("-r")
            .args([&machine.disk, &image])
            .output()
            .unwrap();
        assert!(
            differ.status.success(),
            "{}",
            String::from_utf8_lossy(&differ.stdout)
        );
    }
}
