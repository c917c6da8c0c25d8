//! Several processes with one store. The others are this test program, run again for [`child`].

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::mpsc;

use rusqlite::TransactionBehavior;
use rustix::process::{Pid, Signal, kill_process};

use super::*;
use crate::contract::{asked, say, spawn_test};
use crate::lock::Lock;
use crate::manifest::Manifest;

const COUNTER: &[u8] = b"counter";

/// Another process that has the store open, and does what it is told line by line.
struct Other {
    child: Child,
    tell: Option<ChildStdin>,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Other {
    fn new(scratch: &Scratch, role: &str) -> Other {
        let store = format!("sqlite:{}", db(scratch).display());
        let mut child = spawn_test(concat!(module_path!(), "::child"), ":", role, &store);
        Other {
            tell: child.stdin.take(),
            lines: child.stdout.take().map(|out| BufReader::new(out).lines()),
            child,
        }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn says(&mut self) -> String {
        self.says_or_ends().expect("the other process has ended")
    }

    fn says_or_ends(&mut self) -> Option<String> {
        said(self.lines.as_mut().unwrap())
    }

    fn tell(&mut self, what: &str) {
        writeln!(self.tell.as_ref().unwrap(), "{what}").unwrap();
    }

    /// What it answers to being told.
    fn does(&mut self, what: &str) -> String {
        self.tell(what);
        self.says()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Has it close the store.
    fn end(mut self) {
        drop(self.tell.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// Adds one to the counter where it still is as it was seen; the note is its new value.
fn count_on(store: &SqliteStore, also: &str) -> Result<(u64, u64), CommitError> {
    let seen = store.get(COUNTER)?;
    let version = seen.as_ref().map_or(0, |seen| seen.version);
    let next = seen.map_or(0, |seen| number(&seen.value)) + 1;
    let value = next.to_string().into_bytes();
    let batch = Batch {
        writes: vec![
            (COUNTER.to_vec(), Some(value.clone())),
            (also.as_bytes().to_vec(), Some(value.clone())),
        ],
        expected: vec![(COUNTER.to_vec(), version)],
        note: value,
        ..Batch::default()
    };
    Ok((next, store.commit(&batch)?))
}

/// Every note from the first on, until there are so many.
fn follow(store: &SqliteStore, most: u64) {
    let (mut at, mut seen) = (0, 0);
    while seen < most {
        store.wait_for_note(at, Duration::from_secs(10));
        match store.notes_after(at, 7).unwrap() {
            Notes::Next(notes) => {
                for (commit, note) in notes {
                    seen += 1;
                    assert!(commit > at && number(&note) == seen, "{commit} after {at}");
                    at = commit;
                }
            }
            lost => panic!("{lost:?}"),
        }
    }
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child() {
    let (role, path) = asked();
    let path = path.strip_prefix("sqlite:").unwrap();
    let words: Vec<_> = role.split(' ').collect();
    let open = || SqliteStore::open(Path::new(path), &OPTIONS).unwrap();
    match words[..] {
        ["count", rounds, all] => {
            let store = open();
            let (rounds, all): (u64, u64) = (rounds.parse().unwrap(), all.parse().unwrap());
            std::thread::scope(|scope| {
                scope.spawn(|| follow(&store, all));
                for round in 0..rounds {
                    let guard = (round % 2 == 0).then(|| store.lock_writer().unwrap());
                    loop {
                        match count_on(&store, "also") {
                            Ok((_, commit)) => {
                                assert!(store.noted().load(Ordering::SeqCst) >= commit);
                                break store.sync(commit).unwrap();
                            }
                            Err(CommitError::Conflict) => assert!(guard.is_none()),
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                }
            });
            say("done");
        }
        // Until it is killed. Each writes to a record of its own, too.
        ["write"] => {
            let store = open();
            let own = format!("own {}", std::process::id());
            say("ready");
            loop {
                match count_on(&store, &own) {
                    Ok((value, commit)) => say(format!("{value} {commit}")),
                    Err(CommitError::Conflict) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
        ["open"] => drop(open()),
        ["serve"] => serve(&open()),
        _ => panic!("no role {role}"),
    }
}

/// Does what the lines of the standard input say.
fn serve(store: &SqliteStore) {
    say("ready");
    let mut guard = None;
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "count" => say(count_on(store, "also").unwrap().1),
            "put" => say(store.commit(&put("put", b"")).unwrap()),
            "large" => say(store.commit(&large()).unwrap()),
            "processes" => say(store.processes()),
            "sync" => say(match store.sync(store.last_commit()) {
                Ok(()) => "durable".to_owned(),
                Err(error) => error.to_string(),
            }),
            "lock_writer" => {
                guard = Some(store.lock_writer().unwrap());
                say("lock_writer");
            }
            "let go" => {
                drop(guard.take());
                say("gone");
            }
            "delete and die" => {
                commit_untold(store);
                say("owed");
                std::process::abort();
            }
            other => panic!("told {other}"),
        }
    }
    drop(guard);
}

fn large() -> Batch {
    let write = |i: u32| (i.to_be_bytes().to_vec(), Some(vec![0; 600]));
    Batch {
        writes: (0..2000).map(write).collect(),
        ..Batch::default()
    }
}

/// Commits a deletion and a note as a process does that is killed before it can tell of them.
fn commit_untold(store: &SqliteStore) {
    let mut writing = store.shared.writing.lock();
    let writer = writing.writer(&store.shared).unwrap();
    let transaction = writer
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    let mut state = rows::state(&transaction).unwrap();
    state.head.commit += 1;
    let old = rows::get(&transaction, b"also").unwrap().unwrap().checksum;
    rows::delete(&transaction, b"also").unwrap();
    let head = &mut state.head;
    record::count(&mut head.records, &mut head.sum, Some(old), None);
    notes::add(&transaction, state.head.commit, state.noted, b"0").unwrap();
    state.noted = state.head.commit;
    rows::write_state(&transaction, &state).unwrap();
    transaction.commit().unwrap();
}

fn noted(store: &SqliteStore) -> u64 {
    store.noted().load(Ordering::SeqCst)
}

fn counter(store: &SqliteStore) -> u64 {
    number(&store.get(COUNTER).unwrap().unwrap().value)
}

fn whole(store: &SqliteStore) {
    assert_eq!(store.verify().unwrap().damaged, []);
}

fn left_behind(scratch: &Scratch) -> Vec<String> {
    let names = files::names(scratch.path()).unwrap();
    let named = names
        .iter()
        .filter_map(|name| name.strip_prefix("accounts.db"));
    named.map(str::to_owned).collect()
}

// --- together
// ----------------------------------------------------------------------------

#[test]
fn a_counter_of_many_processes_misses_nothing_and_each_sees_every_note_in_order() {
    for (processes, rounds) in [(2, 60), (8, 24)] {
        let scratch = Scratch::new();
        let all = processes * rounds;
        let role = format!("count {rounds} {all}");
        let mut others: Vec<_> = (0..processes)
            .map(|_| Other::new(&scratch, &role))
            .collect();
        for other in &mut others {
            assert_eq!(other.says(), "done");
        }
        others.into_iter().for_each(Other::end);
        assert_eq!(left_behind(&scratch), ["", "-lock", "-locks", "-manifest"]);
        let store = open(&scratch).unwrap();
        assert_eq!((counter(&store), store.last_commit()), (all, all));
        follow(&store, all);
        whole(&store);
        let mark = store.shared.group.look(|disk| disk.manifest.mark());
        assert_eq!(mark.commit, all);
    }
}

#[test]
fn what_one_process_has_committed_the_others_know_at_once() {
    let scratch = Scratch::new();
    let store = open(&scratch).unwrap();
    let mut other = Other::new(&scratch, "serve");
    assert_eq!(other.says(), "ready");
    for round in 1..=200 {
        let commit: u64 = other.does("count").parse().unwrap();
        assert!(noted(&store) >= commit && store.last_commit() >= commit);
        assert_eq!(counter(&store), 2 * round - 1);
        let (_, commit) = count_on(&store, "also").unwrap();
        assert_eq!((noted(&store), commit), (commit, 2 * round));
    }
    // Without a note, nobody is to look.
    let commit = store.commit(&put("quiet", b"")).unwrap();
    assert_eq!((noted(&store), store.last_commit()), (commit - 1, commit));
    store.sync(commit).unwrap();
    assert_eq!(other.does("sync"), "durable");
    whole(&store);
    other.end();
}

#[test]
fn the_manifest_of_several_tells_the_newest_that_is_durable() {
    let scratch = Scratch::new();
    let store = open(&scratch).unwrap();
    let mut other = Other::new(&scratch, "serve");
    assert_eq!(other.says(), "ready");
    let told = || {
        let manifest = Manifest::open(&beside(&scratch, "-manifest")).unwrap();
        manifest.mark().commit
    };
    for round in 1..=40 {
        // Not always in turn.
        if round % 3 != 0 {
            let commit: u64 = other.does("put").parse().unwrap();
            assert!(other.does("sync") == "durable" && told() == commit);
        }
        let commit = store.commit(&put("a", b"")).unwrap();
        assert_eq!((store.sync(commit), told()), (Ok(()), commit));
    }
    // Who had nothing to write does not lower it.
    assert_eq!(other.does("sync"), "durable");
    other.end();
    assert_eq!(told(), store.last_commit());
}

#[test]
fn processes_are_counted_and_the_last_one_cleans_up() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 3);
    assert_eq!(store.processes(), 1);
    let mut others: Vec<_> = (0..3).map(|_| Other::new(&scratch, "serve")).collect();
    for (before, other) in others.iter_mut().enumerate() {
        assert_eq!(other.says(), "ready");
        assert!(store.processes() > before as u64 + 1);
    }
    assert_eq!(store.processes(), 4);
    others.pop().unwrap().end();
    assert_eq!(store.processes(), 3);
    others.pop().unwrap().kill();
    std::thread::sleep(Duration::from_millis(110));
    assert_eq!(store.processes(), 2);
    store.close().unwrap();
    let everything = ["", "-lock", "-locks", "-manifest", "-pulse", "-shm", "-wal"];
    assert_eq!(left_behind(&scratch), everything);
    let mut last = others.pop().unwrap();
    assert_eq!(
        (last.does("count"), last.does("sync")),
        ("4".into(), "durable".into())
    );
    last.end();
    assert_eq!(left_behind(&scratch), ["", "-lock", "-locks", "-manifest"]);
    let store = open(&scratch).unwrap();
    assert_eq!(
        (store.last_commit(), noted(&store), store.processes()),
        (4, 4, 1)
    );
}

#[test]
fn a_snapshot_stays_as_it_is_and_outlives_the_store() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 3);
    let mut other = Other::new(&scratch, "serve");
    assert_eq!(other.says(), "ready");
    other.does("count");
    let snapshot = store.snapshot().unwrap().unwrap();
    let seen = |snapshot: &dyn Snapshot| {
        let keys = [COUNTER.to_vec(), b"also".to_vec(), b"none".to_vec()];
        let many = snapshot.get_many(&keys)?;
        assert_eq!(many[0], snapshot.get(COUNTER)?);
        assert!(many[2].is_none());
        let all = snapshot.range(b"", b"z", Order::Ascending, 100)?;
        Ok::<_, StoreError>((number(&many[0].as_ref().unwrap().value), all.len()))
    };
    for _ in 0..20 {
        other.does("count");
        store.commit(&put("more", b"")).unwrap();
    }
    assert_eq!(seen(&*snapshot), Ok((1, 5)));
    assert_eq!((snapshot.last_commit(), snapshot.noted()), (4, 4));
    let later = store.snapshot().unwrap().unwrap();
    assert_eq!(seen(&*later), Ok((21, 6)));
    assert_eq!((later.last_commit(), later.noted()), (44, 43));
    drop(later);
    assert_eq!(store.shared.idle.lock().len(), 1, "it is used again");
    other.end();
    store.close().unwrap();
    assert_eq!(seen(&*snapshot), Err(StoreError::Closed));
    assert!(matches!(store.snapshot().err(), Some(StoreError::Closed)));
    assert_eq!(left_behind(&scratch), ["", "-lock", "-locks", "-manifest"]);
    drop(store);
    assert_eq!(snapshot.get(b"a"), Err(StoreError::Closed));
}

#[test]
fn the_log_is_emptied_beside_the_commits_of_several() {
    let scratch = Scratch::new();
    let store = open(&scratch).unwrap();
    let mut other = Other::new(&scratch, "serve");
    assert_eq!(other.says(), "ready");
    let until = Instant::now() + 100 * TICK;
    let mut before = 0;
    loop {
        other.does("large");
        store.commit(&large()).unwrap();
        let pages = store.shared.pages.load(Ordering::Acquire);
        if pages < before {
            break;
        }
        before = pages;
        assert!(
            Instant::now() < until,
            "the log has {pages} pages and only grows"
        );
        std::thread::sleep(TICK / 5);
    }
    store.relieve();
    assert!(beside(&scratch, "-wal").metadata().unwrap().len() < 80 << 20);
    whole(&store);
    other.end();
}

// --- the lock of the writer
// ----------------------------------------------------------------------------

#[test]
fn who_is_alone_keeps_other_processes_out_and_not_its_own_threads() {
    let scratch = Scratch::new();
    let store = open(&scratch).unwrap();
    store.shared.lock_timeout_ms.store(150, Ordering::Relaxed);
    let mut other = Other::new(&scratch, "serve");
    assert_eq!(other.says(), "ready");
    let guard = store.lock_writer().unwrap();
    let nested = store.lock_writer().unwrap();
    other.tell("put");
    count_on(&store, "also").unwrap();
    drop(nested);
    std::thread::scope(|scope| {
        let commits = || {
            count_on(&store, "also").unwrap();
            // It is another thread's turn.
            store.lock_writer().err()
        };
        let ours = contract::locked(&db(&scratch), std::process::id());
        assert_eq!(scope.spawn(commits).join().unwrap(), Some(ours));
    });
    assert_eq!(store.last_commit(), 2);
    drop(guard);
    assert_eq!(other.says(), "3");
    assert_eq!(counter(&store), 2);
    other.end();
}

#[test]
fn a_process_that_is_stopped_in_its_turn_is_named_and_keeps_no_reader_waiting() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 3);
    store.shared.lock_timeout_ms.store(150, Ordering::Relaxed);
    let mut other = Other::new(&scratch, "serve");
    assert_eq!(
        (other.says(), other.does("lock_writer")),
        ("ready".into(), "lock_writer".into())
    );
    other.signal(Signal::STOP);
    let locked = contract::locked(&db(&scratch), other.pid());
    assert_eq!(store.lock_writer().err(), Some(locked.clone()));
    assert_eq!(store.commit(&put("a", b"")), Err(locked.clone().into()));
    assert!(store.goes_on_after(&locked) && store.get(b"key0000").is_ok());
    assert_eq!((store.sync(3), store.processes()), (Ok(()), 2));
    other.signal(Signal::CONT);
    assert_eq!(other.does("let go"), "gone");
    assert_eq!(store.commit(&put("a", b"")), Ok(4));
    // Killed, it keeps nobody waiting.
    assert_eq!(other.does("lock_writer"), "lock_writer");
    other.kill();
    assert_eq!(store.commit(&put("a", b"")), Ok(5));
}

#[test]
fn closing_ends_a_turn_and_every_wait() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 3);
    let long = Duration::from_secs(20);
    store
        .shared
        .lock_timeout_ms
        .store(20_000, Ordering::Relaxed);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let guard = store.lock_writer().unwrap();
        let sleepers = [
            scope.spawn(|| store.wait_for_note(9, long)),
            scope.spawn(|| store.wait_for_note(9, long)),
        ];
        let waits = scope.spawn(|| store.lock_writer().err());
        // They may not sleep yet.
        while !sleepers.iter().all(|sleeper| sleeper.is_finished()) {
            store.wake_waiting();
            std::thread::sleep(Duration::from_millis(5));
        }
        let sleeps = scope.spawn(|| store.wait_for_note(9, long));
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(store.close(), Ok(()));
        assert_eq!(waits.join().unwrap(), Some(StoreError::Closed));
        sleeps.join().unwrap();
        // Other processes do not wait for the turn that this one never gave back.
        let mut other = Other::new(&scratch, "serve");
        assert_eq!(
            (other.says(), other.does("put")),
            ("ready".into(), "4".into())
        );
        // What the closed store gives back is not taken from the next.
        let next = open(&scratch).unwrap();
        let next_guard = next.lock_writer().unwrap();
        drop(guard);
        other.tell("put");
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(next.commit(&put("first", b"")), Ok(5));
        drop(next_guard);
        assert_eq!(other.says(), "6");
        other.end();
    });
    assert!(began.elapsed() < long);
}

#[test]
fn a_closed_store_that_is_dropped_takes_nothing_from_the_next() {
    let scratch = Scratch::new();
    let first = filled(&scratch, 3);
    first.close().unwrap();
    let next = open(&scratch).unwrap();
    let mut other = Other::new(&scratch, "serve");
    assert_eq!(
        (other.says(), other.does("processes")),
        ("ready".into(), "2".into())
    );
    let guard = next.lock_writer().unwrap();
    drop(first);
    other.tell("put");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(next.commit(&put("first", b"")), Ok(4));
    drop(guard);
    assert_eq!(
        (other.says(), other.does("processes")),
        ("5".into(), "2".into())
    );
    std::thread::sleep(Duration::from_millis(110));
    assert_eq!(other.does("processes"), "2");
    other.end();
}

// --- death
// ----------------------------------------------------------------------------

#[test]
fn what_a_killed_process_could_not_tell_is_told_by_whoever_reads_it() {
    type Look = fn(&SqliteStore);
    let looks: [(&str, Look); 9] = [
        ("get", |store| assert_eq!(store.get(b"also"), Ok(None))),
        ("get_many", |store| {
            assert_eq!(store.get_many(&[b"also".to_vec()]), Ok(vec![None]));
        }),
        ("range", |store| {
            let found = store.range(b"also", b"b", Order::Ascending, 9);
            assert_eq!(found, Ok(Vec::new()));
        }),
        ("snapshot", |store| drop(store.snapshot().unwrap())),
        ("lock_writer", |store| drop(store.lock_writer().unwrap())),
        ("check", |store| {
            assert!(store.commit(&Batch::default()).is_ok())
        }),
        ("verify", whole),
        ("notes", |store| {
            let notes = Notes::Next(vec![(2, b"0".to_vec())]);
            assert_eq!(store.notes_after(1, 9), Ok(notes));
        }),
        ("open", |_| {}),
    ];
    for (name, look) in looks {
        let scratch = Scratch::new();
        let store = open(&scratch).unwrap();
        assert_eq!(count_on(&store, "also"), Ok((1, 1)));
        let mut other = Other::new(&scratch, "serve");
        assert_eq!(other.says(), "ready");
        assert_eq!(other.does("delete and die"), "owed");
        other.child.wait().unwrap();
        assert_eq!((noted(&store), store.last_commit()), (1, 1), "{name}");
        if name == "open" {
            let mut next = Other::new(&scratch, "serve");
            assert_eq!(next.says(), "ready");
            next.end();
        }
        // Whoever sleeps until then is woken.
        let began = Instant::now();
        std::thread::scope(|scope| {
            let slept = scope.spawn(|| store.wait_for_note(1, Duration::from_secs(20)));
            std::thread::sleep(Duration::from_millis(5));
            look(&store);
            slept.join().unwrap();
        });
        assert!(began.elapsed() < Duration::from_secs(10), "{name}");
        assert_eq!((noted(&store), store.last_commit()), (2, 2), "{name}");
        assert_eq!(count_on(&store, "also"), Ok((2, 3)));
    }
}

#[test]
fn killed_processes_take_nothing_with_them_and_keep_nobody_waiting() {
    const PROCESSES: usize = 3;
    let scratch = Scratch::new();
    let store = open(&scratch).unwrap();
    let (heard, hears) = mpsc::channel();
    let start = || {
        let mut other = Other::new(&scratch, "write");
        assert_eq!(other.says(), "ready");
        let (pid, heard) = (other.pid(), heard.clone());
        let mut lines = other.lines.take().unwrap();
        let reads = std::thread::spawn(move || {
            while let Some(line) = said(&mut lines) {
                let (value, commit) = line.split_once(' ').unwrap();
                let _ = heard.send((pid, number(value.as_bytes()), number(commit.as_bytes())));
            }
        });
        (other, reads)
    };
    let mut others: Vec<_> = (0..PROCESSES).map(|_| start()).collect();
    let mut random = u64::from(std::process::id()) | 1;
    println!("seed {random}");
    let mut acknowledged = BTreeMap::new();
    for _ in 0..24 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_micros(random % 40_000));
        let (mut killed, reads) = others.remove(random as usize % PROCESSES);
        killed.kill();
        reads.join().unwrap();
        for (pid, value, commit) in hears.try_iter() {
            acknowledged.insert(pid, value);
            assert!(store.last_commit() >= commit && noted(&store) >= commit);
        }
        // The others go on, and so do we.
        let began = Instant::now();
        let from = hears.recv_timeout(Duration::from_secs(2)).unwrap().0;
        assert!(from != killed.pid());
        while count_on(&store, "ours").is_err() {}
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
        others.push(start());
    }
    for (other, _) in &mut others {
        other.kill();
    }
    others
        .into_iter()
        .for_each(|(_, reads)| reads.join().unwrap());
    acknowledged.extend(hears.try_iter().map(|(pid, value, _)| (pid, value)));
    whole(&store);
    let last = counter(&store);
    assert_eq!((store.last_commit(), noted(&store)), (last, last));
    follow(&store, last);
    for (pid, value) in acknowledged {
        let kept = store.get(format!("own {pid}").as_bytes()).unwrap().unwrap();
        assert!(number(&kept.value) >= value, "{pid} was told {value}");
    }
    println!("{last} commits");
}

#[test]
fn a_process_that_is_killed_while_it_opens_or_closes_keeps_nobody_out() {
    let scratch = Scratch::new();
    let mut commits = 0;
    for round in 0..24_u64 {
        // Every other time it joins us.
        let before = (round % 2 == 0).then(|| open(&scratch).unwrap());
        let mut other = Other::new(&scratch, "open");
        std::thread::sleep(Duration::from_micros(500 * round));
        other.kill();
        let store = before.unwrap_or_else(|| open(&scratch).unwrap());
        commits += 1;
        assert_eq!(store.commit(&put("a", &[0])), Ok(commits));
        store.close().unwrap();
        assert_eq!(left_behind(&scratch), ["", "-lock", "-locks", "-manifest"]);
    }
}

/// As the children do of a process that forks: it closes its connections meanwhile.
#[test]
fn others_open_and_write_while_a_process_forks() {
    let scratch = Scratch::new();
    let store = open(&scratch).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let is_done = || done.load(Ordering::SeqCst);
    let written = std::thread::scope(|scope| {
        let at_work: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while !is_done() {
                        match count_on(&store, "also") {
                            Ok(_) => count += 1,
                            Err(CommitError::Conflict) => {}
                            Err(error) => panic!("{error:?}"),
                        }
                        store.range(b"a", b"z", Order::Ascending, 5).unwrap();
                    }
                    count
                })
            })
            .collect();
        for _ in 0..60 {
            forking::before();
            let mut other = Other::new(&scratch, "serve");
            std::thread::sleep(Duration::from_millis(2));
            forking::in_parent();
            if other.says_or_ends().as_deref() != Some("ready") {
                done.store(true, Ordering::SeqCst);
                panic!("it cannot open the store");
            }
            other.does("put");
            other.end();
        }
        done.store(true, Ordering::SeqCst);
        at_work
            .into_iter()
            .map(|work| work.join().unwrap())
            .sum::<u64>()
    });
    assert_eq!(counter(&store), written);
    whole(&store);
    store.close().unwrap();
}

// --- when it fails
// ----------------------------------------------------------------------------

#[test]
fn where_one_process_could_not_sync_none_writes_until_all_have_closed() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 3);
    let mut other = Other::new(&scratch, "serve");
    assert_eq!(
        (other.says(), other.does("count")),
        ("ready".into(), "4".into())
    );
    let (manifest, aside) = (beside(&scratch, "-manifest"), scratch.path().join("aside"));
    fs::rename(&manifest, &aside).unwrap();
    assert!(
        other
            .does("sync")
            .contains("removed while the store was open")
    );
    fs::rename(&aside, &manifest).unwrap();
    let named = |error: &StoreError| {
        let pid = format!("process {} failed to sync", other.pid());
        matches!(error, StoreError::Failed { what } if what.contains(&pid))
    };
    let error = store.sync(4).unwrap_err();
    assert!(named(&error), "{error:?}");
    assert_eq!(store.commit(&put("a", b"")), Err(error.clone().into()));
    assert_eq!(store.lock_writer().err(), Some(error.clone()));
    assert!(!store.goes_on_after(&error));
    assert_eq!(
        (store.sync(3), counter(&store)),
        (Ok(()), 1),
        "what was durable is"
    );
    // Whoever joins them may read, too.
    let mut late = Other::new(&scratch, "serve");
    assert_eq!(late.says(), "ready");
    assert!(late.does("sync").contains("failed to sync"));
    assert_eq!(store.close(), Err(error));
    other.kill();
    late.kill();
    let store = open(&scratch).unwrap();
    assert_eq!(store.commit(&put("a", b"")), Ok(5));
    store.sync(5).unwrap();
    whole(&store);
}

#[test]
fn what_sqlite_itself_could_not_sync_is_told_from_other_errors() {
    let error = |code| {
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        rows::sqlite_error("cannot commit", &error)
    };
    assert!(rows::is_failed_sync(&error(
        rusqlite::ffi::SQLITE_IOERR_FSYNC
    )));
    let other = error(rusqlite::ffi::SQLITE_IOERR_WRITE);
    assert!(matches!(other, StoreError::Failed { .. }) && !rows::is_failed_sync(&other));
}

#[test]
fn a_version_that_wants_the_store_alone_and_this_one_keep_each_other_out() {
    let scratch = Scratch::new();
    filled(&scratch, 3).close().unwrap();
    let ours = contract::locked(&db(&scratch), std::process::id());
    let lock = || Lock::take(&beside(&scratch, "-lock"), &db(&scratch));
    let guard = lock().unwrap();
    assert_eq!(open(&scratch).err(), Some(ours));
    guard.release().unwrap();
    let store = open(&scratch).unwrap();
    let nobody = StoreError::Locked {
        folder: db(&scratch).display().to_string(),
        pid: None,
    };
    assert_eq!(lock().err(), Some(nobody.clone()));
    // Whoever would begin anew without the locks of those who have it open is kept out by it, too.
    fs::rename(beside(&scratch, "-locks"), scratch.path().join("aside")).unwrap();
    let mut child = Other::new(&scratch, "open");
    assert!(!child.child.wait().unwrap().success());
    fs::rename(scratch.path().join("aside"), beside(&scratch, "-locks")).unwrap();
    store.commit(&put("a", b"")).unwrap();
    store.sync(4).unwrap();
    store.close().unwrap();
    lock().unwrap().release().unwrap();
}

#[test]
fn what_another_copy_of_this_library_has_open_in_this_process_is_refused() {
    let scratch = Scratch::new();
    let mut other = Other::new(&scratch, "serve");
    assert_eq!(other.says(), "ready");
    // Who only looks is no other SQLite.
    let shm = beside(&scratch, "-shm");
    let looks = fs::File::open(&shm).unwrap();
    open(&scratch).unwrap().close().unwrap();
    drop(looks);
    let as_sqlite_does = fs::File::options()
        .read(true)
        .write(true)
        .open(&shm)
        .unwrap();
    let ours = contract::locked(&db(&scratch), std::process::id());
    assert_eq!(open(&scratch).err(), Some(ours));
    drop(as_sqlite_does);
    assert_eq!(open(&scratch).unwrap().processes(), 2);
    other.end();
}

#[test]
fn a_page_that_is_gone_or_something_else_is_not_joined() {
    let scratch = Scratch::new();
    let store = filled(&scratch, 3);
    let page = beside(&scratch, "-pulse");
    let bytes = fs::read(&page).unwrap();
    fs::rename(&page, scratch.path().join("aside")).unwrap();
    for wrong in [None, Some(&b"short"[..]), Some(&[0; 4096])] {
        if let Some(wrong) = wrong {
            fs::write(&page, wrong).unwrap();
        }
        let mut child = Other::new(&scratch, "open");
        assert!(!child.child.wait().unwrap().success(), "{wrong:?}");
    }
    // A copy is no page of ours, which only who syncs can see.
    fs::write(&page, bytes).unwrap();
    let number = store.commit(&put("a", b"")).unwrap();
    let error = store.sync(number).unwrap_err();
    assert!(error.to_string().contains("replaced"), "{error}");
    assert_eq!(store.close(), Err(error));
    assert_eq!(open(&scratch).unwrap().last_commit(), 4);
}

// --- notes
// ----------------------------------------------------------------------------

#[test]
fn old_notes_go_and_who_asks_for_them_is_told() {
    let scratch = Scratch::new();
    let store = open(&scratch).unwrap();
    assert_eq!(store.notes_after(0, 9), Ok(Notes::Next(Vec::new())));
    for _ in 0..700 {
        count_on(&store, "also").unwrap();
        store.commit(&put("quiet", b"")).unwrap();
    }
    let notes = |after, most| match store.notes_after(after, most).unwrap() {
        Notes::Next(notes) => Some(notes.into_iter().map(|(commit, _)| commit).collect()),
        Notes::Lost { noted } => {
            assert_eq!(noted, 1399);
            None
        }
    };
    assert_eq!(notes(0, 3), Some(vec![1, 3, 5]));
    assert_eq!(notes(4, 2), Some(vec![5, 7]));
    store.shared.prune(3).unwrap();
    assert_eq!(notes(0, 9), None);
    assert_eq!(notes(1392, 9), None);
    for after in [1393, 1394] {
        assert_eq!(notes(after, 9), Some(vec![1395, 1397, 1399]));
    }
    assert_eq!(notes(1400, 9), Some(vec![]));
    assert_eq!(store.commit(&put("a", b"")), Ok(1401));
    // One that is missing in the middle is missed as well.
    let other = another_program(&scratch);
    other
        .execute_batch("DELETE FROM log WHERE n = 1397")
        .unwrap();
    assert_eq!(notes(1394, 9), None);
    assert_eq!(notes(1397, 9), Some(vec![1399]));
    other.execute_batch("DELETE FROM log").unwrap();
    assert_eq!(notes(1397, 9), None);
}

#[test]
fn a_store_from_before_there_were_notes_gets_a_place_for_them() {
    let scratch = Scratch::new();
    filled(&scratch, 3).close().unwrap();
    let before = another_program(&scratch);
    before
        .execute_batch("ALTER TABLE head DROP COLUMN noted; DROP TABLE log")
        .unwrap();
    before.close().unwrap();
    let store = open(&scratch).unwrap();
    assert_eq!((store.last_commit(), noted(&store)), (3, 0));
    assert_eq!(count_on(&store, "also"), Ok((1, 4)));
    let notes = Notes::Next(vec![(4, b"1".to_vec())]);
    assert_eq!(store.notes_after(0, 9), Ok(notes));
    whole(&store);
}
