use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::watcher::TICK;
use super::*;
use crate::backend::Damage;
use crate::contract::{self, lines, put, said, say};
use crate::files;
use crate::record;
use crate::scratch::Scratch;

fn open(path: &Path) -> Result<SledStore, StoreError> {
    SledStore::open(
        path,
        &Options {
            cache_bytes: 16 << 20,
            ..Options::default()
        },
    )
}

fn all(store: &SledStore) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
    store.range(b"", &[0xFF], Order::Ascending, usize::MAX)
}

/// A store with `commits` commits, all durable, still open.
fn filled(path: &Path, commits: usize) -> SledStore {
    let store = open(path).unwrap();
    for i in 0..commits {
        store
            .commit(&put(
                &format!("key{:04}", i % 400),
                &vec![i as u8; i * 37 % 3000],
            ))
            .unwrap();
    }
    store.sync(store.last_commit()).unwrap();
    store
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// All files below a folder and what is in them.
fn content(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(content(&entry.path()));
        } else if entry.file_type().unwrap().is_file() {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

/// What an open that is refused as not usable says. It must not wait for anything.
fn is_invalid(path: &Path) -> String {
    let (tell, told) = std::sync::mpsc::channel();
    let path = path.to_owned();
    std::thread::spawn(move || tell.send(open(&path).err()));
    match told.recv_timeout(Duration::from_secs(20)) {
        Ok(Some(StoreError::Invalid { what })) => what,
        Ok(Some(other)) => panic!("refused, but as {other:?}"),
        Ok(None) => panic!("opened"),
        Err(_) => panic!("hangs"),
    }
}

fn is_corrupt(outcome: Result<SledStore, StoreError>) -> String {
    match outcome {
        Err(StoreError::Corrupt { what }) => what,
        Err(other) => panic!("refused, but as {other:?}"),
        Ok(store) => panic!("opened with {} commits", store.last_commit()),
    }
}

// --- other processes
// ---------------------------------------------------------------------------------------------

fn spawn_here(first: &str, role: &str, path: &Path) -> Child {
    let store = path.to_str().unwrap();
    contract::spawn_test(concat!(module_path!(), "::child"), first, role, store)
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child() {
    let (role, store) = contract::asked();
    let path = PathBuf::from(store);
    match role.as_str() {
        // Until the disk is full.
        "fill" => {
            let store = open(&path).unwrap();
            let mut durable = store.last_commit();
            let error = loop {
                let written = store.commit(&put(&format!("key{:06}", durable + 1), &[7; 3000]));
                match written.and_then(|number| Ok(store.sync(number).map(|()| number)?)) {
                    Ok(number) => durable = number,
                    Err(error) => break error,
                }
            };
            assert!(
                matches!(&error, CommitError::Store(StoreError::Full { .. })),
                "{error:?}"
            );
            assert_eq!(
                store.commit(&put("other", b"")),
                Err(error.clone()),
                "refused from now on"
            );
            assert_eq!(store.sync(durable), Ok(()), "what was durable is");
            let records = all(&store).unwrap();
            assert!(records.len() as u64 >= durable, "reads go on");
            for (key, record) in &records {
                assert_eq!(store.get(key).unwrap().as_ref(), Some(record));
            }
            assert_eq!(store.close().map_err(CommitError::Store), Err(error));
            say(durable);
        }
        // Until the disk is full, in batches all over a tree that does not fit into the memory.
        "spread" => {
            let options = Options {
                cache_bytes: 0,
                ..Options::default()
            };
            let store = SledStore::open(&path, &options).unwrap();
            let (mut written, mut random) = (BTreeMap::new(), 0x1234_5678_9ABC_DEF1_u64);
            let error = loop {
                let mut batch = Batch::default();
                for _ in 0..200 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let key = format!("key{:05}", random % 20_000).into_bytes();
                    let value = vec![random as u8; (random >> 32) as usize % 700];
                    if batch.writes.iter().all(|(other, _)| *other != key) {
                        batch.writes.push((key, Some(value)));
                    }
                }
                let number = match store.commit(&batch) {
                    Ok(number) => number,
                    Err(error) => break error,
                };
                for (key, value) in batch.writes {
                    written.insert(key, value.unwrap());
                }
                if let Err(error) = store.sync(number) {
                    break error.into();
                }
            };
            assert!(
                matches!(&error, CommitError::Store(StoreError::Full { .. })),
                "{error:?}"
            );
            let mut failed = BTreeMap::new();
            for (key, value) in &written {
                match store.get(key) {
                    Ok(found) => assert_eq!(found.unwrap().value, *value),
                    Err(error) => *failed.entry(error.to_string()).or_insert(0) += 1,
                }
            }
            assert!(failed.is_empty(), "of {}: {failed:?}", written.len());
            assert_eq!(all(&store).unwrap().len(), written.len());
            say(written.len());
        }
        other => panic!("no role {other}"),
    }
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let scratch = Scratch::new();
    open(&scratch.store()).unwrap().close().unwrap();
    // A limit on the size of a file stands for a full disk: it needs neither root nor a disk of our
    // own.
    let mut child = spawn_here("trap '' XFSZ; ulimit -f 9000", "fill", &scratch.store());
    let mut lines = lines(&mut child);
    let durable: u64 = said(&mut lines).expect("the child failed").parse().unwrap();
    assert!(child.wait().unwrap().success() && durable > 50, "{durable}");
    let store = open(&scratch.store()).unwrap();
    assert!(store.last_commit() >= durable);
    assert_eq!(all(&store).unwrap().len() as u64, store.last_commit());
    assert_eq!(store.verify().unwrap().damaged, []);
    store.commit(&put("other", b"")).unwrap();
}

#[test]
fn a_full_disk_stops_writes_and_no_read() {
    let scratch = Scratch::new();
    open(&scratch.store()).unwrap().close().unwrap();
    let mut child = spawn_here("trap '' XFSZ; ulimit -f 12000", "spread", &scratch.store());
    let mut lines = lines(&mut child);
    let written: usize = said(&mut lines).expect("the child failed").parse().unwrap();
    assert!(
        child.wait().unwrap().success() && written > 1000,
        "{written}"
    );
}

/// S19
#[test]
fn only_the_owner_may_read_whatever_the_umask() {
    for umask in ["000", "077", "277"] {
        let scratch = Scratch::new();
        for _ in 0..2 {
            let mut child = contract::spawn(
                &format!("umask {umask}"),
                "hold",
                scratch.store().to_str().unwrap(),
            );
            let mut lines = lines(&mut child);
            assert_eq!(said(&mut lines).as_deref(), Some("ready"));
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
            for folder in ["", "sled", "sled/blobs"] {
                assert_eq!(mode(&scratch.store().join(folder)), 0o700, "{folder}");
            }
            let files = content(&scratch.store());
            assert!(files.len() >= 4, "lock, manifest, db, conf");
            for file in files.keys() {
                assert_eq!(mode(file), 0o600, "{}", file.display());
            }
            child.stdin.take().unwrap().write_all(b"\n").unwrap();
            assert!(child.wait().unwrap().success());
        }
    }
}

// --- the life of a store
// -----------------------------------------------------------------------------------------

#[test]
fn an_abandoned_store_is_left_alone() {
    let scratch = Scratch::new();
    let store = filled(&scratch.store(), 3);
    store.commit(&put("unsynced", b"")).unwrap();
    let before = content(&scratch.store());
    store.abandon();
    assert!(
        store.get(b"key0000").is_err()
            && store.commit(&put("a", b"")).is_err()
            && store.sync(1).is_err()
    );
    assert!(store.verify().is_err() && store.close().is_err());
    drop(store);
    assert!(content(&scratch.store()) == before);
    assert!(matches!(
        open(&scratch.store()).err(),
        Some(StoreError::Locked { .. })
    ));
}

#[test]
fn one_sync_serves_many_threads() {
    let scratch = Scratch::new();
    let store = open(&scratch.store()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let store = &store;
            scope.spawn(move || {
                for i in 0..40 {
                    let number = store
                        .commit(&put(&format!("{thread}-{i}"), b"value"))
                        .unwrap();
                    store.sync(number).unwrap();
                    store.sync(number).unwrap();
                }
            });
        }
    });
    assert_eq!(
        (store.last_commit(), all(&store).unwrap().len()),
        (640, 640)
    );
    let (syncs, mark) = store
        .shared
        .group
        .look(|disk| (disk.syncs, disk.manifest.mark()));
    assert!(syncs > 0 && syncs < 400, "{syncs} syncs for 640 commits");
    assert_eq!(mark.commit, 640);
}

#[test]
fn a_commit_that_nobody_syncs_becomes_durable_soon() {
    let scratch = Scratch::new();
    let store = open(&scratch.store()).unwrap();
    for number in 1..4 {
        // Longer than the watcher is awake, so that it must be woken.
        std::thread::sleep(3 * TICK);
        assert_eq!(store.commit(&put("a", &[number as u8])), Ok(number));
        let until = Instant::now() + 40 * TICK;
        while store.shared.group.durable() < number {
            assert!(Instant::now() < until, "commit {number} is not durable");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_large_batch_is_one_commit() {
    let scratch = Scratch::new();
    let store = open(&scratch.store()).unwrap();
    let writes = (0..20_000_u32)
        .map(|i| (i.to_be_bytes().to_vec(), Some(vec![i as u8; 200])))
        .collect();
    assert_eq!(
        store.commit(&Batch {
            writes,
            expected: Vec::new(),
            ..Batch::default()
        }),
        Ok(1)
    );
    store.sync(1).unwrap();
    let crashed = scratch.path().join("crashed");
    copy(&scratch.store(), &crashed);
    let store = open(&crashed).unwrap();
    let verified = store.verify().unwrap();
    assert_eq!((verified.records, verified.damaged.len()), (20_000, 0));
    assert_eq!(
        fs::read_dir(crashed.join("sled/blobs")).unwrap().count(),
        0,
        "nothing went where sled never syncs"
    );
}

#[test]
fn a_damaged_record_is_named_and_not_written_over() {
    let scratch = Scratch::new();
    let store = filled(&scratch.store(), 5);
    store.commit(&put("big", &[1; 50_000])).unwrap();
    store.sync(6).unwrap();
    let damage = |key: &[u8]| {
        store.shared.table.look(|tree| {
            let mut bytes = tree.0.db.get(key).unwrap().unwrap().to_vec();
            bytes[20] ^= 4;
            tree.0.db.insert(key, bytes).unwrap();
        });
    };
    damage(b"key0003");
    damage(&record::chunk_key(b"big", 2));
    for key in ["key0003", "big"] {
        let named = |error: &StoreError| {
            matches!(error,
            StoreError::Corrupt { what } if what.contains(key))
        };
        assert!(named(&store.get(key.as_bytes()).unwrap_err()));
        assert!(named(
            &store
                .range(key.as_bytes(), b"z", Order::Ascending, 1)
                .unwrap_err()
        ));
    }
    assert!(matches!(
        store.commit(&put("key0003", b"")),
        Err(CommitError::Store(StoreError::Corrupt { .. }))
    ));
    assert!(store.get(b"key0002").unwrap().is_some());
    store.commit(&put("key0002", b"")).unwrap();
    let damaged = [b"big".to_vec(), b"key0003".to_vec()].map(Damage::Record);
    assert_eq!(store.verify().unwrap().damaged, damaged);
}

// --- what may be opened, and what not
// ----------------------------------------------------------------------------

#[test]
fn nothing_is_created_unasked() {
    let scratch = Scratch::new();
    let options = Options {
        cache_bytes: 0,
        create: false,
        ..Options::default()
    };
    assert_eq!(
        SledStore::open(&scratch.store(), &options).err(),
        Some(StoreError::Missing)
    );
    assert!(!scratch.store().exists());
    fs::create_dir(scratch.store()).unwrap();
    assert_eq!(
        SledStore::open(&scratch.store(), &options).err(),
        Some(StoreError::Missing)
    );
    assert_eq!(fs::read_dir(scratch.store()).unwrap().count(), 0);
    filled(&scratch.store(), 2).close().unwrap();
    assert_eq!(
        SledStore::open(&scratch.store(), &options)
            .unwrap()
            .last_commit(),
        2
    );
}

/// S19
#[test]
fn links_files_and_folders_of_others_are_not_touched() {
    let scratch = Scratch::new();
    filled(&scratch.path().join("real"), 1).close().unwrap();
    symlink(scratch.path().join("real"), scratch.path().join("link")).unwrap();
    symlink("nowhere", scratch.path().join("dangling")).unwrap();
    fs::write(scratch.path().join("file"), "text").unwrap();
    for (folder, file) in [
        ("foreign", "notes.txt"),
        ("half", "creating"),
        ("app", "manifest"),
    ] {
        fs::create_dir(scratch.path().join(folder)).unwrap();
        fs::write(scratch.path().join(folder).join(file), "text").unwrap();
    }
    fs::write(scratch.path().join("half/notes.txt"), "text").unwrap();
    let before = content(scratch.path());
    for name in [
        "link", "link/", "link/.", "dangling", "file", "foreign", "half", "app",
    ] {
        let outcome = open(&scratch.path().join(name));
        assert!(
            matches!(outcome, Err(StoreError::Invalid { .. })),
            "{name}: {:?}",
            outcome.err()
        );
    }
    assert!(content(scratch.path()) == before);

    for inner in ["sled", "sled/db", "manifest", "lock"] {
        let (store, away) = (scratch.path().join("linked"), scratch.path().join("away"));
        copy(&scratch.path().join("real"), &store);
        fs::rename(store.join(inner), &away).unwrap();
        symlink(&away, store.join(inner)).unwrap();
        let outcome = open(&store);
        assert!(
            matches!(outcome, Err(StoreError::Invalid { .. })),
            "{inner}: {:?}",
            outcome.err()
        );
        fs::remove_dir_all(&store).unwrap();
        if away.is_dir() {
            fs::remove_dir_all(&away).unwrap()
        } else {
            fs::remove_file(&away).unwrap()
        }
    }
}

#[test]
fn whoever_names_something_else_than_a_folder_is_told_what_to_name() {
    let scratch = Scratch::new();
    filled(&scratch.path().join("real"), 1).close().unwrap();
    symlink(scratch.path().join("real"), scratch.path().join("link")).unwrap();
    let what = is_invalid(&scratch.path().join("link"));
    let real = fs::canonicalize(scratch.path().join("real")).unwrap();
    let way_out = format!("name the folder itself, `{}`.", real.display());
    assert!(what.ends_with(&way_out), "{what}");
    fs::create_dir(scratch.path().join("other")).unwrap();
    fs::write(scratch.path().join("other/file"), "text").unwrap();
    let what = is_invalid(&scratch.path().join("other"));
    assert!(what.contains("name a folder that is empty"), "{what}");
    let what = is_invalid(&scratch.path().join("other/file"));
    assert!(what.contains("is not a folder; name one"), "{what}");
}

#[test]
fn pipes_sockets_and_folders_in_place_of_files_are_refused_at_once() {
    let scratch = Scratch::new();
    let store = filled(&scratch.store(), 20);
    crate::token_key(&crate::At::Folder(scratch.store()), true).unwrap();
    store.close().unwrap();
    // A second time, so that there is a snapshot.
    filled(&scratch.store(), 1).close().unwrap();
    let names = fs::read_dir(scratch.store().join("sled")).unwrap();
    let mut files: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "blobs")
        .map(|name| format!("sled/{name}"))
        .collect();
    assert!(files.iter().any(|name| name.starts_with("sled/snap.")));
    files.extend(["lock", "manifest", "token.key"].map(String::from));
    assert_eq!(files.len(), 6, "{files:?}");
    for name in &files {
        let file = scratch.store().join(name);
        let away = scratch.path().join("away");
        fs::rename(&file, &away).unwrap();
        for kind in ["pipe", "socket", "folder"] {
            match kind {
                "pipe" => {
                    let made = Command::new("mkfifo").arg(&file).status().unwrap();
                    assert!(made.success());
                }
                "socket" => drop(std::os::unix::net::UnixListener::bind(&file).unwrap()),
                _ => fs::create_dir(&file).unwrap(),
            }
            let what = is_invalid(&scratch.store());
            assert!(
                what.contains(name) && what.contains("is not a file; move it away"),
                "{kind}: {what}"
            );
            match kind {
                "folder" => fs::remove_dir(&file).unwrap(),
                _ => fs::remove_file(&file).unwrap(),
            }
        }
        fs::rename(&away, &file).unwrap();
    }
    assert_eq!(all(&open(&scratch.store()).unwrap()).unwrap().len(), 20);
}

#[test]
fn an_older_and_a_newer_format_are_called_so() {
    for (found, called) in [(1, "the older format 1,"), (3, "format 3,")] {
        let scratch = Scratch::new();
        filled(&scratch.store(), 1).close().unwrap();
        let first = format!("tenantry store, format {found}, id {}", "01".repeat(16));
        let first = format!("{first}, check {:08x}\n", crc32fast::hash(first.as_bytes()));
        let manifest = scratch.store().join("manifest");
        let manifest = fs::File::options().write(true).open(manifest).unwrap();
        manifest.write_all_at(first.as_bytes(), 0).unwrap();
        let error = open(&scratch.store()).err().unwrap();
        assert_eq!(error, StoreError::Format { found, known: 2 });
        assert!(error.to_string().contains(called), "{error}");
    }
}

/// Whoever works in the folder of an open store, and what the store says then.
#[test]
fn a_folder_that_was_removed_or_replaced_acknowledges_nothing() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 6] = [
        ("removed", |path| fs::remove_dir_all(path).unwrap()),
        ("removed", |path| {
            fs::rename(path, path.with_extension("away")).unwrap()
        }),
        ("removed", |path| {
            fs::remove_file(path.join("manifest")).unwrap()
        }),
        ("replaced", |path| {
            copy(path, &path.with_extension("copy"));
            fs::remove_dir_all(path).unwrap();
            fs::rename(path.with_extension("copy"), path).unwrap();
        }),
        ("replaced", |path| {
            fs::copy(path.join("sled/db"), path.join("sled/new")).unwrap();
            fs::rename(path.join("sled/new"), path.join("sled/db")).unwrap();
        }),
        ("removed", |path| {
            fs::remove_dir_all(path).unwrap();
            fs::write(path, "a file").unwrap();
        }),
    ];
    for (round, (how, change)) in changes.into_iter().enumerate() {
        let scratch = Scratch::new();
        let store = filled(&scratch.store(), 5);
        change(&scratch.store());
        let number = store.commit(&put("a", b"")).unwrap();
        let error = store.sync(number).unwrap_err();
        assert!(
            matches!(&error, StoreError::Failed { what } if what.contains(how)),
            "round {round}: {error:?}"
        );
        assert_eq!(
            store.commit(&put("b", b"")),
            Err(CommitError::Store(error)),
            "round {round}"
        );
        assert_eq!(all(&store).unwrap().len(), 6, "reads go on");
        assert!(store.close().is_err());
    }
}

/// Needs the rights of root; without them there is nobody whom it could lock out.
#[test]
fn what_root_makes_belongs_to_the_owner_of_the_folder() {
    if files::user() != 0 {
        return eprintln!("not run: only root can give files away");
    }
    let scratch = Scratch::new();
    fs::create_dir(scratch.store()).unwrap();
    let owner = files::Owner {
        user: 12345,
        group: 54321,
    };
    let given = |path: &Path| {
        std::os::unix::fs::chown(path, Some(owner.user), Some(owner.group)).unwrap();
    };
    given(&scratch.store());
    for round in 0..3 {
        let store = filled(&scratch.store(), 10);
        if round == 0 {
            crate::token_key(&crate::At::Folder(scratch.store()), true).unwrap();
        }
        let mut seen = 0;
        let mut folders = vec![scratch.store()];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
            {
                let found = fs::symlink_metadata(&path).unwrap();
                assert_eq!(found.uid(), 12345, "{}", path.display());
                seen += 1;
                if found.is_dir() {
                    folders.push(path);
                }
            }
        }
        assert!(seen >= 7, "only {seen} files and folders");
        store.close().unwrap();
    }
    // What root has elsewhere does not become theirs by a second name of it.
    let (secret, second) = (
        scratch.path().join("secret"),
        scratch.store().join("second"),
    );
    fs::write(&secret, "of root").unwrap();
    fs::hard_link(&secret, &second).unwrap();
    files::give(&second, owner).unwrap();
    assert_eq!(fs::metadata(&secret).unwrap().uid(), 0);
    fs::remove_file(&secret).unwrap();
    files::give(&second, owner).unwrap();
    assert_eq!(fs::metadata(&second).unwrap().uid(), 12345);
}

/// Needs the rights of root, to make a folder of somebody else.
#[test]
fn a_volume_of_a_group_is_taken_as_it_is_unless_everybody_may_write_to_it() {
    if files::user() != 0 {
        return eprintln!("not run: only root can make a folder of somebody else");
    }
    let scratch = Scratch::new();
    for (mode, taken) in [(0o2775, true), (0o2770, true), (0o2777, false)] {
        let path = scratch.path().join(format!("{mode:o}"));
        fs::create_dir(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(12345), Some(54321)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for _ in 0..2 {
            if taken {
                let store = filled(&path, 3);
                assert_eq!(
                    fs::metadata(path.join("sled")).unwrap().mode() & 0o7777,
                    0o700
                );
                store.close().unwrap();
            } else {
                let what = is_invalid(&path);
                assert!(what.contains("chmod o-w"), "{what}");
                assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
            }
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        }
    }
}

#[test]
fn a_lock_that_sled_does_not_get_is_no_damage() {
    let scratch = Scratch::new();
    filled(&scratch.store(), 3).close().unwrap();
    let (folder, _) = Folder::open(&scratch.store(), false).unwrap();
    let other = fs::File::open(folder.db()).unwrap();
    other.lock().unwrap();
    let options = Options {
        cache_bytes: 0,
        create: false,
        ..Options::default()
    };
    assert!(matches!(
        Engine::start(&folder, &options).err(),
        Some(StoreError::Locked { pid: None, .. })
    ));
    let failed = "could not acquire lock on \"/a/db\": Os { code: 37, kind: Uncategorized, \
                  message: \"No locks available\" }";
    let failed = sled::Error::Io(std::io::Error::other(failed));
    let error = engine::not_opened(&folder, failed);
    assert!(
        matches!(&error, StoreError::Failed { what } if what.contains("os error 37")),
        "{error:?}"
    );
}

#[test]
fn a_store_behind_its_manifest_is_refused() {
    let scratch = Scratch::new();
    let store = filled(&scratch.store(), 5);
    let crashed = scratch.path().join("crashed");
    copy(&scratch.store(), &crashed);
    let mut manifest = Manifest::open(&crashed.join("manifest")).unwrap();
    manifest
        .write_and_sync(Mark {
            commit: 6,
            ..manifest.mark()
        })
        .unwrap();
    for _ in 0..2 {
        let what = is_corrupt(open(&crashed));
        assert!(
            what.contains("commit 5") && what.contains("commit 6"),
            "{what}"
        );
    }
    drop(store);
}

#[test]
fn an_older_or_another_log_is_refused() {
    let scratch = Scratch::new();
    let older = scratch.path().join("older");
    let store = filled(&scratch.store(), 5);
    copy(&scratch.store().join("sled"), &older);
    store.commit(&put("a", b"")).unwrap();
    store.sync(6).unwrap();
    let crashed = scratch.path().join("crashed");
    copy(&scratch.store(), &crashed);
    fs::remove_dir_all(crashed.join("sled")).unwrap();
    copy(&older, &crashed.join("sled"));
    let what = is_corrupt(open(&crashed));
    assert!(
        what.contains("commit 5") && what.contains("commit 6"),
        "{what}"
    );

    // Only the id tells this one apart: nothing was written since the last opening.
    store.close().unwrap();
    let store = open(&scratch.store()).unwrap();
    let other = scratch.path().join("other");
    filled(&other, 50).close().unwrap();
    let _running = open(&other).unwrap();
    fs::remove_dir_all(&crashed).unwrap();
    copy(&scratch.store(), &crashed);
    fs::remove_dir_all(crashed.join("sled")).unwrap();
    copy(&other.join("sled"), &crashed.join("sled"));
    let what = is_corrupt(open(&crashed));
    assert!(what.contains(&store.store_id()), "{what}");
}

#[test]
fn a_store_without_one_of_its_parts_is_refused_and_not_touched() {
    let scratch = Scratch::new();
    filled(&scratch.store(), 20).close().unwrap();
    let running = filled(&scratch.store(), 20);
    let snapshot = running
        .shared
        .group
        .look(|disk| disk.manifest.mark().snapshot.unwrap());
    let snapshot = format!("sled/snap.{snapshot:016X}");
    let parts = ["sled", "sled/db", "sled/conf", &snapshot, "manifest"];
    let crashed = scratch.path().join("crashed");
    for part in parts {
        for emptied in [false, true] {
            copy(&scratch.store(), &crashed);
            if crashed.join(part).is_dir() {
                fs::remove_dir_all(crashed.join(part)).unwrap();
                if emptied {
                    fs::create_dir(crashed.join(part)).unwrap();
                }
            } else if emptied {
                fs::write(crashed.join(part), "").unwrap();
            } else {
                fs::remove_file(crashed.join(part)).unwrap();
            }
            let left = |mut files: BTreeMap<PathBuf, Vec<u8>>| {
                files.remove(&crashed.join("lock"));
                // Says since then that the store is not closed.
                files.remove(&crashed.join("manifest"));
                files
            };
            let before = left(content(&crashed));
            for _ in 0..2 {
                is_corrupt(open(&crashed));
            }
            if (part, emptied) != (&snapshot, true) {
                assert!(left(content(&crashed)) == before, "{part}");
            }
            fs::remove_dir_all(&crashed).unwrap();
        }
    }
}

#[test]
fn a_cut_log_is_refused_and_not_touched() {
    let scratch = Scratch::new();
    filled(&scratch.store(), 300).close().unwrap();
    let running = filled(&scratch.store(), 300);
    let crashed = scratch.path().join("crashed");
    let whole = fs::metadata(scratch.store().join("sled/db")).unwrap().len();
    let refused = |closed: bool| {
        let mut untouched = 0;
        for length in (0..8)
            .map(|part| whole / 8 * part)
            .chain([whole - 4096, whole - 20])
        {
            copy(&scratch.store(), &crashed);
            let log = fs::File::options()
                .write(true)
                .open(crashed.join("sled/db"))
                .unwrap();
            log.set_len(length).unwrap();
            let before = content(&crashed.join("sled"));
            let what = is_corrupt(open(&crashed));
            // Without the newest part it must be seen at once; an older part may only be missed by
            // sled.
            if closed || length == 0 || what.contains("the log was cut") {
                assert!(
                    content(&crashed.join("sled")) == before,
                    "{length} of {whole}"
                );
                untouched += 1;
            }
            is_corrupt(open(&crashed));
            fs::remove_dir_all(&crashed).unwrap();
        }
        untouched
    };
    let untouched = refused(false);
    assert!(untouched > 4, "{untouched} of 10");
    running.close().unwrap();
    refused(true);
}

#[test]
fn a_creation_that_was_cut_short_is_started_anew() {
    let scratch = Scratch::new();
    let full = scratch.path().join("full");
    let _open = filled(&full, 0);
    fs::write(full.join("creating"), "").unwrap();
    fs::copy(full.join("manifest"), full.join("manifest.new")).unwrap();
    let steps: [&[&str]; 8] = [
        &[],
        &["creating"],
        &["creating", "lock"],
        &["creating", "lock", "sled/conf"],
        &["creating", "lock", "sled/conf", "sled/db"],
        &["creating", "lock", "sled/conf", "sled/db", "manifest.new"],
        &["creating", "lock", "sled/conf", "sled/db", "manifest"],
        &["lock", "sled/conf", "sled/db", "manifest"],
    ];
    for (step, files) in steps.into_iter().enumerate() {
        let path = scratch.path().join(format!("step{step}"));
        fs::create_dir(&path).unwrap();
        for file in files {
            fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
            fs::copy(full.join(file), path.join(file)).unwrap();
        }
        let store = open(&path).unwrap_or_else(|error| panic!("step {step}: {error}"));
        assert_eq!((store.last_commit(), all(&store).unwrap().len()), (0, 0));
        store.commit(&put("a", b"")).unwrap();
        store.close().unwrap();
        assert!(!path.join("creating").exists() && !path.join("manifest.new").exists());
        let store = open(&path).unwrap();
        assert_eq!(store.last_commit(), 1, "step {step}");
    }
}

#[test]
fn a_left_over_mark_of_creation_never_empties_a_store() {
    let scratch = Scratch::new();
    filled(&scratch.store(), 4).close().unwrap();
    fs::write(scratch.store().join("creating"), "").unwrap();
    let store = open(&scratch.store()).unwrap();
    assert_eq!(store.last_commit(), 4);
    assert!(!scratch.store().join("creating").exists());
    store.close().unwrap();
    fs::write(scratch.store().join("creating"), "").unwrap();
    fs::File::options()
        .write(true)
        .open(scratch.store().join("manifest"))
        .unwrap()
        .write_all_at(b"x", 40)
        .unwrap();
    is_corrupt(open(&scratch.store()));
}

/// The manifest is gone, and something says that the store was only being created.
#[test]
fn a_stray_mark_of_creation_deletes_nothing() {
    let scratch = Scratch::new();
    for commits in [1, 300] {
        let path = scratch.path().join(format!("store{commits}"));
        filled(&path, commits).close().unwrap();
        fs::write(path.join("creating"), "").unwrap();
        fs::rename(path.join("manifest"), scratch.path().join("aside")).unwrap();
        let before = content(&path);
        for _ in 0..2 {
            let what = is_corrupt(open(&path));
            assert!(what.contains("manifest"), "{what}");
        }
        let mut after = content(&path);
        after.insert(path.join("lock"), before[&path.join("lock")].clone());
        assert!(after == before);
        fs::rename(scratch.path().join("aside"), path.join("manifest")).unwrap();
        assert_eq!(open(&path).unwrap().last_commit(), commits as u64);
    }
}

/// A disk that is not mounted is an empty folder; what was removed whole is meant to be gone.
#[test]
fn nothing_is_created_in_a_folder_that_was_emptied() {
    let scratch = Scratch::new();
    let path = scratch.store();
    filled(&path, 2).close().unwrap();
    let aside = scratch.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    fs::create_dir(&path).unwrap();
    let what = is_invalid(&path);
    assert!(
        what.contains("is empty") && what.contains("store.tenantry"),
        "{what}"
    );
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    fs::remove_dir(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!(open(&path).unwrap().last_commit(), 2);
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(open(&path).unwrap().last_commit(), 0);
    fs::remove_dir_all(&path).unwrap();
    fs::create_dir(&path).unwrap();
    is_invalid(&path);
    fs::remove_file(scratch.path().join("store.tenantry")).unwrap();
    assert_eq!(open(&path).unwrap().last_commit(), 0);
}

/// What was put aside before sled opened is put back by whoever comes next.
#[test]
fn an_opening_that_was_cut_off_is_taken_back() {
    let scratch = Scratch::new();
    filled(&scratch.store(), 100).close().unwrap();
    // Only the second opening makes a snapshot.
    filled(&scratch.store(), 200).close().unwrap();
    let (folder, found) = Folder::open(&scratch.store(), false).unwrap();
    let Found::Known(manifest) = found else {
        panic!("there is a store");
    };
    let (log, mark) = (open_log(&folder).unwrap(), manifest.mark());
    let replayed = examine(&folder, &log, &mark, manifest.id()).unwrap();
    Kept::keep(&folder, &log, &replayed).unwrap();
    drop((folder, manifest, log));
    // As sled does with what it could not read.
    let snapshot = mark.snapshot.unwrap();
    fs::write(scratch.store().join("sled/db"), "").unwrap();
    let sled = scratch.store().join("sled");
    fs::remove_file(sled.join(format!("snap.{snapshot:016X}"))).unwrap();
    fs::write(sled.join("snap.00000000FFFFFFFF"), "none").unwrap();
    let store = open(&scratch.store()).unwrap();
    assert_eq!(
        (store.last_commit(), all(&store).unwrap().len()),
        (300, 200)
    );
    assert!(!scratch.store().join("kept").exists());
}

#[test]
fn a_half_written_snapshot_does_no_harm() {
    let scratch = Scratch::new();
    filled(&scratch.store(), 50).close().unwrap();
    for content in ["", "half of a snapshot"] {
        let stale = scratch
            .store()
            .join("sled/snap.00000000FFFFFFFF.generating");
        fs::write(&stale, content).unwrap();
        let store = open(&scratch.store()).unwrap();
        assert_eq!((store.last_commit(), all(&store).unwrap().len()), (50, 50));
        store.close().unwrap();
        assert!(!stale.exists());
    }
}

#[test]
fn flipped_bits_are_never_taken_for_data() {
    let scratch = Scratch::new();
    filled(&scratch.store(), 400).close().unwrap();
    let running = filled(&scratch.store(), 100);
    let expected = all(&running).unwrap();
    let crashed = scratch.path().join("crashed");
    let length = fs::metadata(scratch.store().join("sled/db")).unwrap().len();
    let (mut random, mut harmless, mut noticed) = (0x1234_5678_9ABC_DEF1_u64, 0, 0);
    for round in 0..60 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        copy(&scratch.store(), &crashed);
        let log = fs::File::options()
            .read(true)
            .write(true)
            .open(crashed.join("sled/db"))
            .unwrap();
        let mut byte = [0];
        log.read_exact_at(&mut byte, random % length).unwrap();
        // The first round flips nothing, and must be harmless.
        let flip = if round == 0 { 0 } else { 1 << (random >> 61) };
        log.write_all_at(&[byte[0] ^ flip], random % length)
            .unwrap();
        match open(&crashed) {
            Ok(store) => match (all(&store), store.verify()) {
                (Ok(records), Ok(verified)) if verified.damaged.is_empty() => {
                    assert!(
                        records == expected,
                        "byte {}: {} records",
                        random % length,
                        records.len()
                    );
                    harmless += 1;
                }
                _ => noticed += 1,
            },
            Err(StoreError::Corrupt { .. }) if round > 0 => noticed += 1,
            Err(other) => panic!("byte {}: {other:?}", random % length),
        }
        fs::remove_dir_all(&crashed).unwrap();
    }
    assert!(
        harmless > 0 && noticed > 0,
        "{harmless} harmless, {noticed} noticed"
    );
}
