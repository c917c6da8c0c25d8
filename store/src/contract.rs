//! What every backend has to do, tried with each of them: in memory, in a folder, in SQLite, in
//! PostgreSQL.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tenantry_cluster::Cluster;

use crate::scratch::Scratch;
use crate::{At, Backend, Batch, CommitError, Options, Order, Record, StoreError, memory};

/// Runs a test against every backend.
fn each(test: impl Fn(&dyn Backend)) {
    test(&*memory().unwrap());
    each_kept(|at| {
        let store = open(at).unwrap();
        test(&*store);
        store.close().unwrap();
    });
}

/// Runs a test with a place for a store of each kind that is kept.
fn each_kept(test: impl Fn(&At)) {
    let scratch = Scratch::new();
    test(&At::Folder(scratch.store()));
    if cfg!(feature = "sqlite") {
        test(&At::Sqlite(scratch.path().join("store.db")));
    }
    if cfg!(feature = "postgres") {
        let address = Cluster::shared().new_address();
        test(&At::new(Path::new(&address)));
    }
}

/// As `open` names it.
fn named(at: &At) -> String {
    match at {
        At::Postgres(address) => address.0.clone(),
        at => at.shown(),
    }
}

pub(crate) fn open(at: &At) -> Result<Box<dyn Backend>, StoreError> {
    crate::open(at, &Options::default())
}

pub(crate) fn write(key: &[u8], value: Option<Vec<u8>>) -> Batch {
    Batch {
        writes: vec![(key.to_vec(), value)],
        expected: Vec::new(),
        ..Batch::default()
    }
}

pub(crate) fn text(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|i| ((i * 31 + seed) % 251) as u8).collect()
}

pub(crate) fn all(store: &dyn Backend) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
    store.range(b"", &[0xFF], Order::Ascending, usize::MAX)
}

/// A store with `commits` commits, all durable, still open.
pub(crate) fn filled(at: &At, commits: usize) -> Box<dyn Backend> {
    let store = open(at).unwrap();
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

pub(crate) fn locked(path: &Path, pid: u32) -> StoreError {
    StoreError::Locked {
        folder: path.display().to_string(),
        pid: Some(pid),
    }
}

pub(crate) fn put(key: &str, value: &[u8]) -> Batch {
    Batch {
        writes: vec![(key.as_bytes().to_vec(), Some(value.to_vec()))],
        expected: Vec::new(),
        ..Batch::default()
    }
}

#[test]
fn several_keys_are_read_at_once_in_the_order_that_they_are_asked_for() {
    each(|store| {
        store.commit(&write(b"a", Some(text(10, 1)))).unwrap();
        let synced = store
            .commit(&write(b"c", Some(text(100 * 1024, 1))))
            .unwrap();
        store.sync(synced).unwrap();
        store.commit(&write(b"d", Some(text(10, 2)))).unwrap();
        store.commit(&write(b"a", None)).unwrap();
        let keys = ["d", "b", "c", "a", "d"].map(|key| key.as_bytes().to_vec());
        let read: Vec<_> = keys.iter().map(|key| store.get(key).unwrap()).collect();
        let there: Vec<_> = read.iter().map(Option::is_some).collect();
        assert_eq!(there, [true, false, true, false, true]);
        assert_eq!(store.get_many(&keys).unwrap(), read);
        let refused = store.get_many(&[b"a".to_vec(), vec![0xff]]);
        assert!(matches!(refused, Err(StoreError::Invalid { .. })));
    });
}

const SIZES: [usize; 9] = [100 * 1024, 0, 4095, 4082, 4083, 4096, 1, 20_000, 0];

#[test]
fn values_of_every_size_replace_each_other() {
    each(|store| {
        for first in SIZES {
            for second in SIZES {
                store.commit(&write(b"k", Some(text(first, 1)))).unwrap();
                if (first + second) % 3 == 0 {
                    store.sync(store.last_commit()).unwrap();
                }
                let version = store.commit(&write(b"k", Some(text(second, 2)))).unwrap();
                if first % 2 == 0 {
                    store.sync(version).unwrap();
                }
                assert_eq!(
                    store.get(b"k").unwrap(),
                    Some(Record {
                        version,
                        value: text(second, 2)
                    })
                );
                let verified = store.verify().unwrap();
                assert_eq!(
                    (verified.records, verified.bytes, verified.damaged),
                    (1, 1 + second as u64, Vec::new())
                );
                store.commit(&write(b"k", None)).unwrap();
                assert_eq!(store.get(b"k").unwrap(), None);
                let verified = store.verify().unwrap();
                assert_eq!(
                    (verified.records, verified.damaged),
                    (0, Vec::new()),
                    "{first} then {second} then deleted"
                );
            }
        }
    });
}

#[test]
fn a_conflict_changes_nothing() {
    each(|store| {
        assert_eq!(store.commit(&write(b"a", Some(b"1".to_vec()))), Ok(1));
        assert_eq!(store.commit(&write(b"b", Some(b"1".to_vec()))), Ok(2));
        for expected in [
            vec![(b"a".to_vec(), 2)],
            vec![(b"a".to_vec(), 0)],
            vec![(b"a".to_vec(), 1), (b"c".to_vec(), 1)],
            vec![(b"a".to_vec(), 1), (b"b".to_vec(), 1)],
        ] {
            let writes = vec![(b"a".to_vec(), None), (b"c".to_vec(), Some(text(9000, 3)))];
            assert_eq!(
                store.commit(&Batch {
                    writes,
                    expected: expected.clone(),
                    ..Batch::default()
                }),
                Err(CommitError::Conflict)
            );
            assert_eq!(
                store.commit(&Batch {
                    writes: Vec::new(),
                    expected,
                    ..Batch::default()
                }),
                Err(CommitError::Conflict)
            );
        }
        assert_eq!(store.last_commit(), 2);
        assert_eq!(
            store.range(b"", b"z", Order::Ascending, 10).unwrap().len(),
            2
        );
        let expected = vec![(b"a".to_vec(), 1), (b"b".to_vec(), 2), (b"c".to_vec(), 0)];
        assert_eq!(
            store.commit(&Batch {
                writes: vec![(b"a".to_vec(), None)],
                expected,
                ..Batch::default()
            }),
            Ok(3)
        );
        assert_eq!(store.get(b"a").unwrap(), None);
        assert_eq!(
            store.commit(&Batch {
                writes: Vec::new(),
                expected: vec![(b"a".to_vec(), 0)],
                ..Batch::default()
            }),
            Ok(3)
        );
    });
}

#[test]
fn ranges_are_ordered_bounded_and_never_show_chunks() {
    each(|store| {
        let writes = (0..40_u8)
            .rev()
            .map(|i| (vec![b'k', i], Some(text(usize::from(i) * 500, 1))))
            .collect();
        store
            .commit(&Batch {
                writes,
                expected: Vec::new(),
                ..Batch::default()
            })
            .unwrap();
        let keys = |from: &[u8], until: &[u8], order, limit| -> Vec<u8> {
            let found = store.range(from, until, order, limit).unwrap();
            found.iter().for_each(|(key, record)| {
                assert_eq!(record.value, text(usize::from(key[1]) * 500, 1))
            });
            found.iter().map(|(key, _)| key[1]).collect()
        };
        assert_eq!(
            keys(b"", &[0xFF, 0xFF], Order::Ascending, 1000),
            (0..40).collect::<Vec<_>>()
        );
        assert_eq!(
            keys(&[b'k', 10], &[b'k', 13], Order::Ascending, 9),
            [10, 11, 12]
        );
        assert_eq!(
            keys(&[b'k', 10], &[b'k', 13], Order::Descending, 2),
            [12, 11]
        );
        assert!(keys(&[b'k', 13], &[b'k', 10], Order::Ascending, 9).is_empty());
        assert!(keys(b"k", b"l", Order::Ascending, 0).is_empty());
    });
}

#[test]
fn batches_that_cannot_be_are_refused_and_harmless() {
    each(|store| {
        let twice = vec![
            (b"b".to_vec(), None),
            (b"a".to_vec(), None),
            (b"b".to_vec(), Some(Vec::new())),
        ];
        for writes in [
            twice,
            vec![(vec![0xFF, 1], Some(Vec::new()))],
            vec![(Vec::new(), None)],
        ] {
            let refused = store.commit(&Batch {
                writes,
                expected: Vec::new(),
                ..Batch::default()
            });
            assert!(
                matches!(refused, Err(CommitError::Store(StoreError::Invalid { .. }))),
                "{refused:?}"
            );
        }
        assert!(matches!(store.sync(1), Err(StoreError::Invalid { .. })));
        assert_eq!(store.commit(&write(b"a", None)), Ok(1));
    });
}

#[test]
fn versions_are_checked_by_one_writer_at_a_time() {
    each(|store| {
        store
            .commit(&write(b"n", Some(0_u64.to_le_bytes().to_vec())))
            .unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        loop {
                            let seen = store.get(b"n").unwrap().unwrap();
                            let value = u64::from_le_bytes(seen.value.try_into().unwrap()) + 1;
                            let writes = vec![(b"n".to_vec(), Some(value.to_le_bytes().to_vec()))];
                            match store.commit(&Batch {
                                writes,
                                expected: vec![(b"n".to_vec(), seen.version)],
                                ..Batch::default()
                            }) {
                                Ok(_) => break,
                                Err(error) => assert_eq!(error, CommitError::Conflict),
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(
            store.get(b"n").unwrap().unwrap().value,
            400_u64.to_le_bytes()
        );
    });
}

#[test]
fn readers_and_verifiers_see_whole_commits_only() {
    each(|store| {
        // Two records and a split one always carry the same number.
        let set = |number: usize| Batch {
            writes: [b"a".to_vec(), b"m".to_vec(), b"z".to_vec()]
                .into_iter()
                .zip([10, 9000 + number % 3 * 5000, 10])
                .map(|(key, length)| (key, Some(text(length, number))))
                .chain((0..300).map(|i| {
                    (
                        format!("p{i:03}").into_bytes(),
                        (i + number).is_multiple_of(2).then(|| text(20, i)),
                    )
                }))
                .collect(),
            expected: Vec::new(),
            ..Batch::default()
        };
        store.commit(&set(0)).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (1..150).for_each(|number| assert!(store.commit(&set(number)).is_ok()));
                done.store(true, Ordering::Release);
            });
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    store.sync(store.last_commit()).unwrap();
                }
            });
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let found = store.range(b"a", b"zz", Order::Ascending, 1000).unwrap();
                    assert_eq!(found.len(), 153);
                    assert!(
                        found
                            .iter()
                            .filter(|(key, _)| key[0] != b'p')
                            .all(|(_, r)| r.version == found[0].1.version)
                    );
                }
            });
            while !done.load(Ordering::Acquire) {
                assert_eq!(store.verify().unwrap().damaged, []);
            }
        });
    });
}

// --- the life of a store
// -----------------------------------------------------------------------------------------

#[test]
fn reopening_keeps_everything() {
    each_kept(|at| {
        let store = filled(at, 900);
        let (id, before, verified) = (
            store.store_id(),
            all(&*store).unwrap(),
            store.verify().unwrap(),
        );
        assert_eq!(
            (
                verified.records,
                verified.last_commit,
                verified.damaged.len()
            ),
            (400, 900, 0)
        );
        store.close().unwrap();
        for _ in 0..3 {
            let store = open(at).unwrap();
            assert_eq!((store.last_commit(), store.store_id()), (900, id.clone()));
            assert!(all(&*store).unwrap() == before && store.verify().unwrap() == verified);
            store.close().unwrap();
        }
    });
}

#[test]
fn a_closed_store_refuses_everything_and_closes_again() {
    each_kept(|at| {
        let store = filled(at, 3);
        assert_eq!((store.close(), store.close()), (Ok(()), Ok(())));
        assert_eq!(store.get(b"key0000"), Err(StoreError::Closed));
        assert_eq!(all(&*store), Err(StoreError::Closed));
        assert_eq!(
            store.commit(&put("a", b"")),
            Err(CommitError::Store(StoreError::Closed))
        );
        assert_eq!(store.sync(3), Ok(()), "what was durable is");
        assert_eq!(store.verify(), Err(StoreError::Closed));
        assert_eq!(store.last_commit(), 3);
    });
}

#[test]
fn calls_beside_close_are_done_or_closed() {
    for _ in 0..20 {
        each_kept(|at| {
            let store = open(at).unwrap();
            let done = AtomicU64::new(0);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (store, done) = (&store, &done);
                    scope.spawn(move || {
                        for i in 0.. {
                            let committed = store.commit(&put(&format!("{thread}-{i}"), b"value"));
                            let outcome = committed.and_then(|number| Ok(store.sync(number)?));
                            let read = store.get(b"0-0").map(drop);
                            assert!(matches!(read, Ok(()) | Err(StoreError::Closed)), "{read:?}");
                            match outcome {
                                Ok(()) => done.fetch_add(1, Ordering::SeqCst),
                                Err(CommitError::Store(StoreError::Closed)) => break,
                                Err(other) => panic!("{other:?}"),
                            };
                        }
                    });
                }
                std::thread::sleep(Duration::from_millis(10));
                assert_eq!(store.close(), Ok(()));
            });
            let done = done.load(Ordering::SeqCst);
            let store = open(at).unwrap();
            let kept = all(&*store).unwrap().len() as u64;
            assert!(kept >= done && kept <= done + 4, "{kept} of {done}");
        });
    }
}

// --- other processes
// ---------------------------------------------------------------------------------------------

/// Starts this test program again, to do what [`child`] says with a store, through a shell that
/// runs `first`.
pub(crate) fn spawn(first: &str, role: &str, store: &str) -> Child {
    spawn_test(concat!(module_path!(), "::child"), first, role, store)
}

pub(crate) fn spawn_test(test: &str, first: &str, role: &str, store: &str) -> Child {
    let (_, test) = test.split_once("::").unwrap();
    Command::new("sh")
        .args(["-c", &format!("{first}; exec \"$@\""), "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            test,
            "--ignored",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .envs([("TENANTRY_TEST_ROLE", role), ("TENANTRY_TEST_STORE", store)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The next line that the child printed for us.
pub(crate) fn said(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Option<String> {
    lines
        .map(Result::unwrap)
        .find_map(|line| line.split_once("child: ").map(|(_, said)| said.to_owned()))
}

pub(crate) fn lines(child: &mut Child) -> impl Iterator<Item = std::io::Result<String>> + use<> {
    BufReader::new(child.stdout.take().unwrap()).lines()
}

pub(crate) fn say(what: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "child: {what}").unwrap();
    out.flush().unwrap();
}

/// What a child was started for, and with which store.
pub(crate) fn asked() -> (String, String) {
    let asked = |name| std::env::var(name).expect("only other tests run this one");
    (asked("TENANTRY_TEST_ROLE"), asked("TENANTRY_TEST_STORE"))
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child() {
    let (role, store) = asked();
    let at = At::new(Path::new(&store));
    match role.as_str() {
        "hold" => {
            let store = filled(&at, 10);
            say("ready");
            std::io::stdin().read_line(&mut String::new()).unwrap();
            store.close().unwrap();
        }
        // Until it is killed.
        "write" => {
            let store = open(&at).unwrap();
            loop {
                let number = store.last_commit() + 1;
                let writes = (0..3)
                    .map(|i| {
                        (
                            vec![b'k', i],
                            Some(vec![number as u8; (number as usize * 977) % 9000]),
                        )
                    })
                    .collect();
                assert_eq!(
                    store.commit(&Batch {
                        writes,
                        expected: Vec::new(),
                        ..Batch::default()
                    }),
                    Ok(number)
                );
                store.sync(number).unwrap();
                say(number);
            }
        }
        other => panic!("no role {other}"),
    }
}

#[test]
fn another_process_is_named_and_its_death_frees_the_store() {
    each_kept(|at| {
        let mut child = spawn(":", "hold", &named(at));
        assert_eq!(said(&mut lines(&mut child)).as_deref(), Some("ready"));
        match at {
            At::Sqlite(_) | At::Postgres(_) => open(at).unwrap().close().unwrap(),
            _ => assert_eq!(open(at).err(), Some(locked(at.path().unwrap(), child.id()))),
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = open(at).unwrap();
        assert_eq!((store.last_commit(), all(&*store).unwrap().len()), (10, 10));
        if let Some(path) = at.path() {
            assert_eq!(open(at).err(), Some(locked(path, std::process::id())));
        }
        store.close().unwrap();
        open(at).unwrap().close().unwrap();
    });
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    each_kept(|at| {
        let mut acknowledged = 0;
        for round in 1..=12 {
            let mut child = spawn(":", "write", &named(at));
            let mut lines = lines(&mut child);
            for _ in 0..round * 7 {
                acknowledged = said(&mut lines).unwrap().parse().unwrap();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            while let Some(number) = said(&mut lines) {
                acknowledged = number.parse().unwrap();
            }
            let store = open(at).unwrap();
            let last = store.last_commit();
            assert!(last >= acknowledged, "{last} of {acknowledged}");
            let records = all(&*store).unwrap();
            assert!(
                records.len() == 3 && records.iter().all(|(_, record)| record.version == last),
                "whole commits only"
            );
            assert_eq!(store.verify().unwrap().damaged, []);
        }
    });
}
