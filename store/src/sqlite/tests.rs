mod many;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use rusqlite::Connection;

use super::maintenance::TICK;
use super::*;
use crate::backend::Damage;
use crate::contract::{self, all, put, said};
use crate::scratch::Scratch;
use crate::{At, Server, files};

const OPTIONS: Options = Options {
    cache_bytes: 16 << 20,
    create: true,
    server: Server::USUAL,
};

fn db(scratch: &Scratch) -> PathBuf {
    scratch.path().join("accounts.db")
}

fn beside(scratch: &Scratch, what: &str) -> PathBuf {
    scratch.path().join(format!("accounts.db{what}"))
}

fn open(scratch: &Scratch) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&db(scratch), &OPTIONS)
}

/// A store with `commits` commits, all durable, still open.
fn filled(scratch: &Scratch, commits: usize) -> SqliteStore {
    let store = open(scratch).unwrap();
    for i in 0..commits {
        let value = vec![i as u8; i * 37 % 3000];
        store
            .commit(&put(&format!("key{:04}", i % 400), &value))
            .unwrap();
    }
    store.sync(store.last_commit()).unwrap();
    store
}

/// The files as a process that is killed now would leave them.
fn crashed(scratch: &Scratch) -> Scratch {
    let to = Scratch::new();
    for name in files::names(scratch.path()).unwrap() {
        fs::copy(scratch.path().join(&name), to.path().join(&name)).unwrap();
    }
    to
}

fn invalid(scratch: &Scratch) -> String {
    refused(open(scratch), |error| match error {
        StoreError::Invalid { what } => Some(what),
        _ => None,
    })
}

fn corrupt(scratch: &Scratch) -> String {
    refused(open(scratch), |error| match error {
        StoreError::Corrupt { what } => Some(what),
        _ => None,
    })
}

fn refused(
    outcome: Result<SqliteStore, StoreError>,
    wanted: impl Fn(StoreError) -> Option<String>,
) -> String {
    match outcome {
        Ok(store) => panic!("opened with {} commits", store.last_commit()),
        Err(error) => {
            let shown = format!("{error:?}");
            wanted(error).unwrap_or_else(|| panic!("refused, but as {shown}"))
        }
    }
}

fn another_program(scratch: &Scratch) -> Connection {
    Connection::open(db(scratch)).unwrap()
}

// --- what may be opened, and what not
// ----------------------------------------------------------------------------

#[test]
fn nothing_is_created_unasked_and_nothing_in_place_of_something_else() {
    let scratch = Scratch::new();
    let options = Options {
        create: false,
        ..OPTIONS
    };
    let missing = SqliteStore::open(&db(&scratch), &options);
    assert_eq!(missing.err(), Some(StoreError::Missing));
    assert!(files::names(scratch.path()).unwrap().is_empty());

    for (path, said) in [
        (scratch.path().join("a?b"), "has a `?`"),
        (scratch.path().join("none/a.db"), "folder"),
        (scratch.path().join("a.db/"), "does not end in the name"),
        (PathBuf::from(":memory:"), "`:memory:` alone"),
        (PathBuf::new(), "cannot be used"),
        (scratch.path().to_owned(), "is a folder"),
    ] {
        match SqliteStore::open(&path, &OPTIONS) {
            Err(StoreError::Invalid { what }) if what.contains(said) => {}
            other => panic!("{}: {:?}", path.display(), other.err()),
        }
    }
    for content in [&b"text, and no database"[..], &[0; 4096]] {
        fs::write(db(&scratch), content).unwrap();
        assert!(invalid(&scratch).contains("is not a store"));
        assert_eq!(fs::read(db(&scratch)).unwrap(), content);
    }
    fs::remove_file(db(&scratch)).unwrap();
    let foreign = another_program(&scratch);
    foreign.execute_batch("CREATE TABLE kv (k)").unwrap();
    drop(foreign);
    let before = fs::read(db(&scratch)).unwrap();
    assert!(invalid(&scratch).contains("is not a store"));
    assert!(fs::read(db(&scratch)).unwrap() == before);
    assert_eq!(files::names(scratch.path()).unwrap(), ["accounts.db"]);
}

#[test]
fn links_pipes_and_folders_in_place_of_its_files_are_refused_at_once() {
    let scratch = Scratch::new();
    filled(&scratch, 3).close().unwrap();
    for what in [
        "",
        "-wal",
        "-shm",
        "-lock",
        "-locks",
        "-pulse",
        "-manifest",
        "-key",
        "-new",
    ] {
        let (path, aside) = (beside(&scratch, what), scratch.path().join("aside"));
        let is_there = path.exists();
        if is_there {
            fs::rename(&path, &aside).unwrap();
        }
        let pipe = || {
            assert!(
                Command::new("mkfifo")
                    .arg(&path)
                    .status()
                    .unwrap()
                    .success()
            )
        };
        for make in [
            &pipe as &dyn Fn(),
            &|| symlink(&aside, &path).unwrap(),
            &|| fs::create_dir(&path).unwrap(),
        ] {
            make();
            assert!(invalid(&scratch).contains(&*path.display().to_string()));
            let _ = fs::remove_dir(&path).or_else(|_| fs::remove_file(&path));
        }
        if is_there {
            fs::rename(&aside, &path).unwrap();
        }
    }
    fs::hard_link(db(&scratch), scratch.path().join("second.db")).unwrap();
    assert!(invalid(&scratch).contains("second name"));
    fs::remove_file(scratch.path().join("second.db")).unwrap();
    assert_eq!(open(&scratch).unwrap().last_commit(), 3);
}

#[test]
fn an_older_and_a_newer_format_are_called_so() {
    let scratch = Scratch::new();
    filled(&scratch, 1).close().unwrap();
    for found in [1, 3] {
        let file = fs::File::options().write(true).open(db(&scratch)).unwrap();
        file.write_all_at(&u32::to_be_bytes(found), 60).unwrap();
        let before = fs::read(db(&scratch)).unwrap();
        let format = StoreError::Format { found, known: 2 };
        assert_eq!(open(&scratch).err(), Some(format));
        assert!(fs::read(db(&scratch)).unwrap() == before);
    }
}

#[test]
fn only_the_owner_may_read_whatever_the_umask() {
    for umask in ["000", "077"] {
        let scratch = Scratch::new();
        for _ in 0..2 {
            let store = format!("sqlite:{}", db(&scratch).display());
            let mut child = contract::spawn(&format!("umask {umask}"), "hold", &store);
            let mut lines = contract::lines(&mut child);
            assert_eq!(said(&mut lines).as_deref(), Some("ready"));
            crate::token_key(&At::Sqlite(db(&scratch)), true).unwrap();
            let names = files::names(scratch.path()).unwrap();
            let known = [
                "",
                "-key",
                "-lock",
                "-locks",
                "-manifest",
                "-pulse",
                "-shm",
                "-wal",
            ];
            assert_eq!(names, known.map(|what| format!("accounts.db{what}")));
            for name in names {
                let found = fs::metadata(scratch.path().join(&name)).unwrap();
                assert_eq!(found.permissions().mode() & 0o7777, 0o600, "{name}");
            }
            child.stdin.take().unwrap().write_all(b"\n").unwrap();
            assert!(child.wait().unwrap().success());
        }
    }
}

#[test]
fn what_root_makes_belongs_to_the_owner_of_the_folder() {
    if files::user() != 0 {
        return;
    }
    let scratch = Scratch::new();
    std::os::unix::fs::chown(scratch.path(), Some(4242), Some(4243)).unwrap();
    let store = filled(&scratch, 3);
    crate::token_key(&At::Sqlite(db(&scratch)), true).unwrap();
    for name in files::names(scratch.path()).unwrap() {
        let found = fs::metadata(scratch.path().join(&name)).unwrap();
        assert_eq!((found.uid(), found.gid()), (4242, 4243), "{name}");
    }
    drop(store);
}

// --- how it lives
// ----------------------------------------------------------------------------

#[test]
fn a_creation_that_was_cut_short_is_started_anew() {
    let scratch = Scratch::new();
    for what in [
        "-new",
        "-new-wal",
        "-new-shm",
        "-new-journal",
        "-manifest-new",
    ] {
        fs::write(beside(&scratch, what), "half of it").unwrap();
    }
    let store = filled(&scratch, 3);
    store.close().unwrap();
    let names = files::names(scratch.path()).unwrap();
    let known = ["", "-lock", "-locks", "-manifest"];
    assert_eq!(names, known.map(|what| format!("accounts.db{what}")));
    // Cut short after the database had got its name.
    fs::remove_file(beside(&scratch, "-manifest")).unwrap();
    let store = open(&scratch).unwrap();
    assert_eq!(store.last_commit(), 3);
    assert!(beside(&scratch, "-manifest").exists());
}

#[test]
fn an_abandoned_store_is_left_alone() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 3);
    store.commit(&put("unsynced", b"")).unwrap();
    store.abandon();
    let forked = |error| matches!(error, StoreError::Forked { .. });
    assert!(forked(store.get(b"key0000").unwrap_err()));
    assert!(forked(store.sync(1).unwrap_err()) && forked(store.verify().unwrap_err()));
    assert!(forked(store.close().unwrap_err()) && store.commit(&put("a", b"")).is_err());
    drop(store);
    assert!(beside(&scratch, "-wal").metadata().unwrap().len() > 0);
    assert!(matches!(
        open(&scratch).err(),
        Some(StoreError::Locked { .. })
    ));
}

#[test]
fn forked_children_give_up_every_file_that_sqlite_opens() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 3);
    let begun = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let read = |_: &Connection| {
                    begun.wait();
                    Ok(())
                };
                store.shared.read(read).unwrap();
            });
        }
    });
    assert_eq!(store.shared.idle.lock().len(), 4);
    let opened = files::open_numbers(&store.shared.place.opened_by_sqlite());
    let withheld = store.shared.withheld.lock();
    assert!(opened.len() >= 10, "{opened:?}");
    // Our own handle on the log takes no lock.
    let missing = opened.iter().filter(|fd| !withheld.contains_key(fd));
    assert_eq!(missing.count(), 0, "{opened:?}, but {:?}", withheld.keys());
}

/// A child would find what is open, and believe that it has it locked.
#[test]
fn before_a_fork_everything_of_sqlite_is_closed_and_after_it_all_go_on() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 3);
    let opened = || files::open_numbers(&store.shared.place.opened_by_sqlite());
    // Our own handle on the log.
    let ours = files::open_numbers(&[files::Identity::from(
        &beside(&scratch, "-wal").metadata().unwrap(),
    )]);
    assert!(opened().len() > ours.len());
    for round in 0_u8..3 {
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                (0_u8..50).for_each(|i| _ = store.commit(&put("fork", &[round, i])).unwrap());
            });
            forking::before();
            let at_the_fork = store.last_commit();
            let left = opened();
            assert_eq!(left.len(), 1, "{left:?}");
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(store.last_commit(), at_the_fork);
            forking::in_parent();
            writing.join().unwrap();
        });
        assert_eq!(store.get(b"fork").unwrap().unwrap().value, [round, 49]);
        store.sync(store.last_commit()).unwrap();
        assert_eq!(store.verify().unwrap().damaged, []);
        assert!(!store.shared.withheld.lock().is_empty());
    }
    // A snapshot cannot be closed: the fork waits for it, and then goes on without.
    let snapshot = Backend::snapshot(&store).unwrap().unwrap();
    std::thread::scope(|scope| _ = scope.spawn(forking::before).join());
    assert!(opened().len() > 1);
    assert!(snapshot.get(b"fork").unwrap().is_some());
    drop(snapshot);
    store.close().unwrap();
}

#[test]
fn one_sync_serves_many_threads() {
    let scratch = Scratch::new();
    let store = open(&scratch).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let store = &store;
            scope.spawn(move || {
                for i in 0..40 {
                    let key = format!("{thread}-{i}");
                    let number = store.commit(&put(&key, b"value")).unwrap();
                    store.sync(number).unwrap();
                }
            });
        }
    });
    assert_eq!(
        (store.last_commit(), all(&store).unwrap().len()),
        (640, 640)
    );
    let mark = store.shared.group.look(|disk| disk.manifest.mark());
    assert_eq!(mark.commit, 640);
}

#[test]
fn a_commit_that_nobody_syncs_becomes_durable_soon() {
    let scratch = Scratch::new();
    let store = open(&scratch).unwrap();
    for number in 1..4 {
        // Longer than the maintenance thread is awake, so that it must be woken.
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
fn a_large_batch_is_one_commit_and_the_log_is_emptied() {
    let scratch = Scratch::new();
    let store = open(&scratch).unwrap();
    let batch = |round: u8| Batch {
        writes: (0..20_000_u32)
            .map(|i| (i.to_be_bytes().to_vec(), Some(vec![round; 600])))
            .collect(),
        ..Batch::default()
    };
    for round in 1..=8 {
        assert_eq!(store.commit(&batch(round)), Ok(u64::from(round)));
        store.relieve();
        let until = Instant::now() + 100 * TICK;
        while store.shared.pages.load(Ordering::Acquire) > 0 {
            assert!(Instant::now() < until, "round {round}: the log stays");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let log = beside(&scratch, "-wal").metadata().unwrap().len();
    assert!(log < 40 << 20, "the log has {log} bytes");
    // With a thread that has no time for it.
    store.shared.maintenance.end();
    for round in 9..=20 {
        store.commit(&batch(round)).unwrap();
        store.relieve();
    }
    let log = beside(&scratch, "-wal").metadata().unwrap().len();
    assert!(log < 120 << 20, "the log has {log} bytes");
    let verified = store.verify().unwrap();
    assert_eq!((verified.records, verified.damaged.len()), (20_000, 0));
    store.close().unwrap();
    assert!(!beside(&scratch, "-wal").exists() && !beside(&scratch, "-shm").exists());
}

#[test]
fn closing_ends_a_verification() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 900);
    std::thread::scope(|scope| {
        let verifies = scope.spawn(|| {
            loop {
                match store.verify() {
                    Ok(found) => assert_eq!(found.damaged, []),
                    Err(error) => return error,
                }
            }
        });
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(store.close(), Ok(()));
        assert_eq!(verifies.join().unwrap(), StoreError::Closed);
    });
}

// --- when it fails
// ----------------------------------------------------------------------------

#[test]
fn where_there_is_no_room_a_commit_is_taken_back_and_the_next_may_follow() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 5);
    let most_pages = |most: u32| {
        let mut writing = store.shared.writing.lock();
        let connection = writing.writer(&store.shared).unwrap().connection;
        let limit = format!("PRAGMA max_page_count = {most}");
        connection
            .query_row(&limit, [], |row| row.get::<_, i64>(0))
            .unwrap();
    };
    most_pages(20);
    let before = all(&store).unwrap();
    for _ in 0..3 {
        let large = Batch {
            writes: (0..200_u8)
                .map(|i| (vec![i], Some(vec![i; 2000])))
                .collect(),
            ..Batch::default()
        };
        match store.commit(&large) {
            Err(CommitError::Store(error @ StoreError::Full { .. })) => {
                assert!(store.goes_on_after(&error));
            }
            other => panic!("{other:?}"),
        }
        assert!(all(&store).unwrap() == before);
        assert_eq!((store.last_commit(), store.sync(5)), (5, Ok(())));
    }
    most_pages(1 << 20);
    let number = store.commit(&put("small", b"")).unwrap();
    assert_eq!((number, store.sync(6)), (6, Ok(())));
    assert_eq!(store.verify().unwrap().damaged, []);
}

#[test]
fn another_program_is_waited_for_and_not_written_over() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 5);
    let other = another_program(&scratch);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    {
        let mut writing = store.shared.writing.lock();
        let connection = writing.writer(&store.shared).unwrap().connection;
        connection.busy_timeout(Duration::from_millis(20)).unwrap();
    }
    let locked = StoreError::Locked {
        folder: db(&scratch).display().to_string(),
        pid: None,
    };
    assert_eq!(store.commit(&put("a", b"")), Err(locked.clone().into()));
    assert!(store.goes_on_after(&locked) && store.get(b"key0000").is_ok());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.commit(&put("a", b"")), Ok(6));
    other.execute_batch("UPDATE head SET n = 7").unwrap();
    let refused = store.commit(&put("b", b"")).unwrap_err();
    assert!(
        matches!(&refused, CommitError::Store(StoreError::Corrupt { .. })),
        "{refused:?}"
    );
    other
        .execute_batch("UPDATE head SET n = 6; DELETE FROM kv")
        .unwrap();
    assert_eq!(store.commit(&put("b", b"")), Ok(7));
    assert!(
        store.verify().unwrap().damaged[0]
            .to_string()
            .contains("missing")
    );
}

#[test]
fn files_that_were_removed_or_replaced_acknowledge_nothing() {
    for what in ["", "-wal", "-manifest", "-lock", "-locks", "-pulse"] {
        for replaced in [false, true] {
            let scratch = Scratch::new();
            let store = filled(&scratch, 5);
            let path = beside(&scratch, what);
            let bytes = fs::read(&path).unwrap();
            fs::rename(&path, scratch.path().join("aside")).unwrap();
            if replaced {
                fs::write(&path, bytes).unwrap();
            }
            let number = store.commit(&put("a", b"")).unwrap();
            let error = store.sync(number).unwrap_err();
            let how = if replaced { "replaced" } else { "removed" };
            let told = matches!(&error, StoreError::Failed { what } if what.contains(how));
            assert!(told, "{what}: {error:?}");
            assert!(!store.goes_on_after(&error));
            assert_eq!(store.commit(&put("b", b"")), Err(error.clone().into()));
            assert_eq!(store.sync(5), Ok(()), "what was durable is");
            assert_eq!(store.get(b"a").unwrap().unwrap().version, number);
            assert_eq!(store.close(), Err(error));
        }
    }
}

// --- damage
// ----------------------------------------------------------------------------

#[test]
fn a_damaged_record_is_named_and_not_written_over() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 5);
    let other = another_program(&scratch);
    other
        .execute_batch("UPDATE kv SET v = x'00' WHERE k = CAST('key0003' AS BLOB)")
        .unwrap();
    let names = |what: &str| what.contains("key0003");
    let named = |error: &StoreError| matches!(error, StoreError::Corrupt { what } if names(what));
    assert!(named(&store.get(b"key0003").unwrap_err()));
    assert!(named(
        &store
            .range(b"key0003", b"z", Order::Ascending, 1)
            .unwrap_err()
    ));
    let refused = store.commit(&put("key0003", b""));
    assert!(
        matches!(&refused, Err(CommitError::Store(error)) if named(error)),
        "{refused:?}"
    );
    store.commit(&put("key0002", b"")).unwrap();
    assert_eq!(
        store.verify().unwrap().damaged,
        [Damage::Record(b"key0003".into())]
    );
}

#[test]
fn a_store_without_one_of_its_files_is_refused_or_whole() {
    let scratch = Scratch::new();
    // Few enough that all of it is in the log.
    let store = filled(&scratch, 200);
    crate::token_key(&At::Sqlite(db(&scratch)), true).unwrap();
    let everything = all(&store).unwrap();
    let killed = crashed(&scratch);
    store.close().unwrap();
    let closed = crashed(&scratch);
    for (base, what, is_whole) in [
        (&killed, "", false),
        (&killed, "-wal", false),
        (&killed, "-shm", true),
        (&killed, "-manifest", true),
        (&killed, "-lock", true),
        (&closed, "", false),
        (&closed, "-manifest", true),
        (&closed, "-lock", true),
    ] {
        let copy = crashed(base);
        fs::remove_file(beside(&copy, what)).unwrap();
        if is_whole {
            assert!(all(&open(&copy).unwrap()).unwrap() == everything);
        } else {
            assert!(corrupt(&copy).contains("commit") || what.is_empty());
            assert!(what == "-wal" || !beside(&copy, what).exists());
            corrupt(&copy);
        }
    }
    fs::write(db(&closed), b"").unwrap();
    assert!(corrupt(&closed).contains("header"));
}

#[test]
fn older_files_and_those_of_another_store_are_noticed() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 300);
    let (older, everything) = (crashed(&scratch), Scratch::new());
    store.close().unwrap();
    drop(everything);
    let older_closed = crashed(&scratch);
    let store = filled(&scratch, 100);
    let newer = crashed(&scratch);
    let wanted = all(&store).unwrap();
    store.close().unwrap();
    let other = Scratch::new();
    let store = filled(&other, 600);
    let other_killed = crashed(&other);
    store.close().unwrap();
    for (name, base, put_in, from) in [
        ("older database", &scratch, &[""][..], &older_closed),
        ("older log", &newer, &["-wal"], &older),
        ("older database and log", &newer, &["", "-wal"], &older),
        ("older database beside a newer log", &newer, &[""], &older),
        ("database of another", &scratch, &[""], &other),
        ("log of another", &scratch, &["-wal"], &other_killed),
        (
            "log of another after a crash",
            &newer,
            &["-wal"],
            &other_killed,
        ),
        ("manifest of another", &scratch, &["-manifest"], &other),
        ("older manifest", &scratch, &["-manifest"], &older),
    ] {
        let copy = crashed(base);
        for what in put_in {
            fs::copy(beside(from, what), beside(&copy, what)).unwrap();
        }
        match open(&copy) {
            Err(StoreError::Corrupt { .. }) => {}
            Err(other) => panic!("{name}: {other:?}"),
            Ok(store) => {
                let found = store.verify().unwrap().damaged;
                assert!(
                    !found.is_empty() || all(&store).unwrap() == wanted,
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn flipped_bits_and_cuts_are_never_taken_for_data() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 700);
    {
        // A part of it is in the database by now.
        store.shared.empty();
        (0..300).for_each(|i| drop(store.commit(&put(&format!("more{i}"), b"value"))));
        store.sync(store.last_commit()).unwrap();
    }
    let everything = all(&store).unwrap();
    let killed = crashed(&scratch);
    store.close().unwrap();
    let closed = crashed(&scratch);
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let (mut refused, mut found, mut harmless) = (0, 0, 0);
    for round in 0..240 {
        let (base, what) = [
            (&closed, ""),
            (&killed, "-wal"),
            (&killed, ""),
            (&killed, "-manifest"),
        ][round % 4];
        let copy = crashed(base);
        let path = beside(&copy, what);
        let file = fs::File::options()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let length = file.metadata().unwrap().len();
        // The header is a small part of the file, and the most of what can go wrong.
        let at = if round % 3 == 0 {
            next(200)
        } else {
            next(length)
        };
        if round % 5 == 4 && what != "-manifest" {
            file.set_len(at).unwrap();
        } else {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 1 << next(8)], at).unwrap();
        }
        let outcome = open(&copy).and_then(|store| {
            let (verified, read) = (store.verify()?, all(&store));
            if verified.damaged.is_empty() {
                assert!(read? == everything, "round {round}: byte {at} of `{what}`");
                harmless += 1;
            } else {
                found += 1;
            }
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            Err(StoreError::Failed { what }) => panic!("round {round}: {what}"),
            Err(_) => refused += 1,
        }
    }
    println!("{refused} refused, {found} found by verifying, {harmless} harmless");
    assert!(
        refused > 20 && found > 5,
        "{refused} refused, {found} found"
    );
}
