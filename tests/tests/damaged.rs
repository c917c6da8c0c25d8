//! Stores that were cut, robbed of files, or altered by a bit: each opens with everything in it, or
//! is refused as `store_corrupt`. None opens empty, or as it was some time ago.
//!
//! Every damage is looked at by a process of its own, because sled's threads may panic or hang on
//! it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tenantry::{Code, Tenantry};
use tenantry_tests::crash::{Dice, Kept, Scratch, copy, count, finish, host, look};

const HOST: &str = env!("CARGO_BIN_EXE_crash_host");

/// A whole store, how it was left, and what is in it.
struct Base {
    kept: Kept,
    store: PathBuf,
    looked_at: PathBuf,
    end: &'static str,
    hash: String,
    /// Records, bytes and the last commit: what an intact store has too.
    verified: Value,
    tally: BTreeMap<String, u64>,
    // Last, so that it is removed last.
    _scratch: Scratch,
}

impl Base {
    /// Some thousand commits in two runs, so that there is a snapshot and a log behind it.
    fn new(dice: &mut Dice, end: &'static str) -> Base {
        Base::of(Kept::Sled, dice, end)
    }

    fn of(kept: Kept, dice: &mut Dice, end: &'static str) -> Base {
        let scratch = Scratch::new(&format!("damaged-{kept:?}-{end}"));
        let store = scratch.at("store");
        let effects = match kept {
            Kept::Sled => count("TENANTRY_DAMAGED_EFFECTS", 400),
            // There is nothing to be reached by so many.
            Kept::Sqlite => count("TENANTRY_DAMAGED_EFFECTS", 400) / 4,
        };
        let mut acknowledged = 0;
        for run in 0..2 {
            acknowledged += finish(&mut host(
                HOST,
                &kept.named(&store),
                dice.number(),
                run,
                Some((end, effects)),
            ))
            .acknowledgements;
        }
        let few = acknowledged <= effects * 5;
        assert!(!few, "only {acknowledged} acknowledgements");
        let mut base = Base {
            kept,
            looked_at: scratch.at("looked-at"),
            store,
            end,
            hash: String::new(),
            verified: Value::Null,
            tally: BTreeMap::new(),
            _scratch: scratch,
        };
        copy(&base.store, &base.looked_at);
        let found = base.look();
        assert_eq!(found["store.verify"]["whole"], true, "{found}");
        base.verified = found["store.verify"].clone();
        base.hash = found["store.state_hash"]["state_hash"]
            .as_str()
            .unwrap()
            .to_owned();
        base
    }

    fn at(&self, name: &str) -> PathBuf {
        self.looked_at.join(name)
    }

    fn look(&self) -> Value {
        let mut host = Command::new(HOST);
        host.arg("check").arg(self.kept.named(&self.looked_at));
        look(&mut host)
    }

    /// Damages a copy and opens it: twice, because a refused store must not open at the next
    /// attempt as something less.
    fn damage(&mut self, what: &str, damage: impl FnOnce(&Base)) -> bool {
        copy(&self.store, &self.looked_at);
        damage(self);
        let mut refused = false;
        for attempt in ["first", "second"] {
            let found = self.look();
            let intact = found["store.state_hash"]["state_hash"] == self.hash.as_str()
                && found["store.verify"] == self.verified;
            // SQLite does not read everything when it opens; then the verification tells.
            refused = found["refused"] == "store_corrupt"
                || found["refused"] == "store_format"
                || self.kept == Kept::Sqlite && found["store.verify"]["whole"] == false;
            assert!(
                intact || refused,
                "{} store, {what}, {attempt} attempt: {found}",
                self.end
            );
            if attempt == "first" {
                let place = found["at"].as_str().unwrap_or_default();
                let outcome = if intact {
                    "opens, whole".to_owned()
                } else {
                    format!("refused by {place}")
                };
                *self.tally.entry(outcome).or_default() += 1;
            }
        }
        refused
    }

    fn refuses(&mut self, what: &str, damage: impl FnOnce(&Base)) {
        assert!(
            self.damage(what, damage),
            "{} store, {what}: opened",
            self.end
        );
    }

    fn report(&self, what: &str) {
        println!(
            "{} store, {what}: {:?}",
            if self.end == "close" {
                "closed"
            } else {
                "killed"
            },
            self.tally
        );
    }
}

fn flip(file: &Path, dice: &mut Dice) -> String {
    let bit = dice.roll(fs::metadata(file).unwrap().len() * 8);
    let open = OpenOptions::new()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    let mut byte = [0];
    open.read_exact_at(&mut byte, bit / 8).unwrap();
    open.write_all_at(&[byte[0] ^ 1 << (bit % 8)], bit / 8)
        .unwrap();
    format!("bit {bit}")
}

/// Where the segment begins that sled wrote last, by the log sequence numbers in the headers of the
/// segments.
fn newest_segment(db: &Path) -> u64 {
    const SEGMENT: usize = 512 * 1024;
    let log = fs::read(db).unwrap();
    let written = |place: &usize| {
        log[place * SEGMENT + 20..]
            .iter()
            .take(SEGMENT - 20)
            .any(|byte| *byte != 0)
    };
    let sequence = |place: &usize| {
        u64::from_le_bytes(log[place * SEGMENT + 4..][..8].try_into().unwrap()) ^ (u64::MAX >> 1)
    };
    let newest = (0..log.len() / SEGMENT)
        .filter(written)
        .max_by_key(sequence)
        .expect("a segment with records");
    (newest * SEGMENT) as u64
}

fn snapshot(base: &Base) -> PathBuf {
    let entries = fs::read_dir(base.at("sled"))
        .unwrap()
        .map(|entry| entry.unwrap());
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("snap."))
        .map(|entry| entry.path())
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn cut_and_removed_files_are_noticed() {
    let mut dice = Dice::of_test("cut and removed files");
    for end in ["close", "abort"] {
        let mut base = Base::new(&mut dice, end);
        for per_cent in [99, 90, 50, 10, 0] {
            let what = format!("db cut to {per_cent} %");
            let cut = |base: &Base| {
                let db = OpenOptions::new()
                    .write(true)
                    .open(base.at("sled/db"))
                    .unwrap();
                db.set_len(db.metadata().unwrap().len() * per_cent / 100)
                    .unwrap();
            };
            // sled uses segments again, so the end of the file is not the end of the log: after a
            // crash a small cut can hit records that were superseded since. Then the store opens
            // with all that it held, which `damage` checks; after a clean close the length itself
            // is known.
            if end == "abort" && per_cent >= 90 {
                base.damage(&what, cut);
            } else {
                base.refuses(&what, cut);
            }
        }
        base.refuses("db cut before what was written last", |base| {
            let db = base.at("sled/db");
            let newest = newest_segment(&db);
            OpenOptions::new()
                .write(true)
                .open(db)
                .unwrap()
                .set_len(newest)
                .unwrap();
        });
        base.refuses("db removed", |base| {
            fs::remove_file(base.at("sled/db")).unwrap()
        });
        base.refuses("snapshot removed", |base| {
            fs::remove_file(snapshot(base)).unwrap()
        });
        base.refuses("snapshot emptied", |base| {
            drop(fs::File::create(snapshot(base)).unwrap())
        });
        base.refuses("conf removed", |base| {
            fs::remove_file(base.at("sled/conf")).unwrap()
        });
        base.refuses("folder sled removed", |base| {
            fs::remove_dir_all(base.at("sled")).unwrap()
        });
        base.refuses("folder sled emptied", |base| {
            fs::remove_dir_all(base.at("sled")).unwrap();
            fs::create_dir(base.at("sled")).unwrap();
        });
        base.refuses("token.key removed", |base| {
            fs::remove_file(base.at("token.key")).unwrap()
        });
        base.refuses("token.key emptied", |base| {
            drop(fs::File::create(base.at("token.key")).unwrap())
        });
        base.refuses("token.key cut", |base| {
            OpenOptions::new()
                .write(true)
                .open(base.at("token.key"))
                .unwrap()
                .set_len(31)
                .unwrap()
        });
        base.refuses("token.key longer", |base| {
            OpenOptions::new()
                .write(true)
                .open(base.at("token.key"))
                .unwrap()
                .set_len(33)
                .unwrap()
        });
        base.refuses("manifest removed", |base| {
            fs::remove_file(base.at("manifest")).unwrap()
        });
        base.refuses("manifest emptied", |base| {
            drop(fs::File::create(base.at("manifest")).unwrap())
        });
        base.refuses("manifest of another store", |base| {
            let other = Scratch::new("other");
            finish(&mut host(
                HOST,
                &other.at("store"),
                1,
                0,
                Some(("close", 0)),
            ));
            fs::copy(other.at("store/manifest"), base.at("manifest")).unwrap();
        });
        base.refuses("token.key of another store", |base| {
            let other = Scratch::new("other");
            finish(&mut host(
                HOST,
                &other.at("store"),
                1,
                0,
                Some(("close", 0)),
            ));
            fs::copy(other.at("store/token.key"), base.at("token.key")).unwrap();
        });
        base.report("cut and removed files");
    }
}

/// The state of yesterday, or only a part of it, put back beside a manifest that knows better.
#[test]
fn an_older_copy_of_the_files_is_noticed() {
    let mut dice = Dice::of_test("older files");
    for end in ["close", "abort"] {
        let mut base = Base::new(&mut dice, end);
        let older = base._scratch.at("older");
        copy(&base.store, &older);
        finish(&mut host(
            HOST,
            &base.store,
            dice.number(),
            2,
            Some((end, 100)),
        ));
        copy(&base.store, &base.looked_at);
        base.hash = base.look()["store.state_hash"]["state_hash"]
            .as_str()
            .unwrap()
            .to_owned();
        base.refuses("older folder sled", |base| {
            copy(&older.join("sled"), &base.at("sled"))
        });
        base.refuses("older db", |base| {
            assert!(fs::copy(older.join("sled/db"), base.at("sled/db")).unwrap() > 0)
        });
        base.report("older files");
    }
}

#[test]
fn single_flipped_bits_are_harmless_or_noticed() {
    let mut dice = Dice::of_test("flipped bits");
    let flips = count("TENANTRY_FLIPS", 200);
    for end in ["close", "abort"] {
        let mut base = Base::new(&mut dice, end);
        for (file, flips) in [
            ("db", flips / 2),
            ("snapshot", flips / 10),
            ("conf", flips / 20),
            ("manifest", flips / 10),
            ("token.key", flips / 20),
        ] {
            for _ in 0..flips {
                let mut bit = String::new();
                let seed = dice.number();
                let refused = base.damage(&format!("a bit of {file}, dice {seed}"), |base| {
                    let path = match file {
                        "snapshot" => snapshot(base),
                        "manifest" | "token.key" => base.at(file),
                        other => base.at("sled").join(other),
                    };
                    bit = flip(&path, &mut Dice::new(seed));
                });
                assert!(
                    refused || file != "token.key",
                    "{} store, {bit} of token.key: opened",
                    base.end
                );
            }
            base.report(&format!("flipped bits of {file}"));
            base.tally.clear();
        }
    }
}

/// P15, short: in none of the files of a store in SQLite is anything taken for what it is not.
#[test]
fn damage_to_sqlite_is_noticed_or_harmless() {
    let mut dice = Dice::of_test("damage to SQLite");
    let rounds = count("TENANTRY_FLIPS", 200) / 10;
    let other = Scratch::new("other-sqlite");
    for end in ["close", "abort"] {
        let mut base = Base::of(Kept::Sqlite, &mut dice, end);
        let another = other.at(end);
        let other_host = Kept::Sqlite.named(&another);
        finish(&mut host(HOST, &other_host, 1, 0, Some((end, 50))));
        for file in ["", "-wal", "-manifest", "-key", "-lock"] {
            let name = format!("accounts.db{file}");
            if !base.store.join(&name).exists() {
                continue;
            }
            for _ in 0..rounds {
                let seed = dice.number();
                base.damage(&format!("a bit of {name}, dice {seed}"), |base| {
                    flip(&base.at(&name), &mut Dice::new(seed));
                });
            }
            for per_cent in [99, 50, 1, 0] {
                base.damage(&format!("{name} cut to {per_cent} %"), |base| {
                    let file = OpenOptions::new().write(true).open(base.at(&name));
                    let file = file.unwrap();
                    let length = file.metadata().unwrap().len();
                    file.set_len(length * per_cent / 100).unwrap();
                });
            }
            base.damage(&format!("{name} of another store"), |base| {
                fs::copy(another.join(&name), base.at(&name)).unwrap();
            });
            let removed = base.damage(&format!("{name} removed"), |base| {
                fs::remove_file(base.at(&name)).unwrap();
            });
            // All that was in the log may be in the database by now.
            let is_needed = ["", "-key"].contains(&file);
            assert!(removed || !is_needed, "{end}: opened without {name}");
            base.report(&name);
            base.tally.clear();
        }
    }
}

/// As a library of the format before, or of the next one, would have written it: everything whole,
/// but the number. Nothing of it is changed.
#[test]
fn a_store_of_an_older_or_a_newer_format_is_called_so() {
    for (format, sentence) in [(1, "has the older format 1,"), (3, "has format 3,")] {
        is_called_so(format, sentence);
    }
}

fn is_called_so(format: u32, sentence: &str) {
    let scratch = Scratch::new(&format!("format-{format}"));
    let path = scratch.at("store");
    let open = || Tenantry::open(&path, tenantry::OpenOptions::default());
    open().unwrap().close().unwrap();
    let manifest = path.join("manifest");
    let text = fs::read(&manifest).unwrap();
    let line = text.split(|byte| *byte == b'\n').next().unwrap();
    let line = std::str::from_utf8(line).unwrap();
    let (known, _) = line.split_once(", check ").unwrap();
    assert!(known.contains("format 2,"), "{known}");
    let other = known.replace("format 2,", &format!("format {format},"));
    let other = format!("{other}, check {:08x}\n", crc32(other.as_bytes()));
    let file = OpenOptions::new().write(true).open(&manifest).unwrap();
    file.write_all_at(other.as_bytes(), 0).unwrap();
    let before = fs::read(&manifest).unwrap();
    let error = open().err().unwrap();
    assert_eq!(error.code(), Code::StoreFormat, "{error}");
    assert_eq!(
        (&error.details()["format"], &error.details()["known"]),
        (&format.into(), &2.into())
    );
    assert!(error.message().contains(sentence), "{error}");
    assert_eq!(fs::read(&manifest).unwrap(), before);
}

/// The checksum of the manifest's first line.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = !0_u32;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ if sum & 1 == 1 { 0xEDB8_8320 } else { 0 };
        }
    }
    !sum
}
