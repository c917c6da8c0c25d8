use super::{Bytes, Pulse, Word};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A folder for one test, removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let name = format!("tenantry-pulse-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("file")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A forked child that does `work` and lives until it is dropped.
struct Child {
    pid: libc::pid_t,
    told: io::PipeReader,
}

impl Child {
    /// `work` must neither allocate nor take a lock: other threads may have had that at the fork.
    fn new(work: impl FnOnce() -> u8) -> Child {
        let (told, mut tell) = io::pipe().unwrap();
        // SAFETY: the child makes system calls alone, and is killed.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            let _ = tell.write(&[work()]);
            loop {
                // SAFETY: it waits for a signal.
                unsafe { libc::pause() };
            }
        }
        Child { pid, told }
    }

    fn says(&mut self) -> u8 {
        let mut said = [0xFF];
        self.told.read_exact(&mut said).unwrap();
        said[0]
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let mut status = -1;
        // SAFETY: it is our child, and `status` outlives the call.
        assert_eq!(
            unsafe {
                libc::kill(self.pid, libc::SIGKILL);
                libc::waitpid(self.pid, &mut status, 0)
            },
            self.pid
        );
    }
}

#[test]
fn words_are_shared_by_all_who_map_the_file_and_stay_in_it() {
    let scratch = Scratch::new("words");
    let ours = Pulse::create(&scratch.file()).unwrap();
    let theirs = Pulse::open(&scratch.file()).unwrap();
    let words = [
        Word::Noted,
        Word::Commit,
        Word::Broken,
        Word::Opened,
        Word::NoteWakeups,
        Word::Freed,
        Word::Waiting,
    ];
    for (word, number) in words.into_iter().zip(1 << 40..) {
        assert_eq!(ours.word(word).load(Ordering::SeqCst), 0);
        ours.raise(word, number);
        ours.raise(word, 7);
    }
    for (word, number) in words.into_iter().zip(1 << 40..) {
        assert_eq!(theirs.word(word).load(Ordering::SeqCst), number, "{word:?}");
    }
    let mut child = Child::new(|| {
        theirs.word(Word::Noted).store(5, Ordering::SeqCst);
        0
    });
    child.says();
    assert_eq!(ours.word(Word::Noted).load(Ordering::SeqCst), 5);
    let found = fs::metadata(scratch.file()).unwrap();
    assert_eq!(
        (found.len(), found.permissions().mode() & 0o7777),
        (4096, 0o600)
    );
    assert_eq!(ours.file(), (found.dev(), found.ino()));
    assert!(Pulse::create(&scratch.file()).is_err(), "it is there");
}

#[test]
fn what_is_no_page_is_not_mapped() {
    let scratch = Scratch::new("no-page");
    let refused = |what: &str| {
        let error = Pulse::open(&scratch.file()).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    refused("No such file");
    drop(Pulse::create(&scratch.file()).unwrap());
    let good = fs::read(scratch.file()).unwrap();
    fs::write(scratch.file(), &good[..4095]).unwrap();
    refused("4095 bytes");
    fs::write(scratch.file(), [&good[..], &[0]].concat()).unwrap();
    refused("4097 bytes");
    for (at, what) in [(0, "something else"), (8, "layout")] {
        let mut bad = good.clone();
        bad[at] ^= 2;
        fs::write(scratch.file(), bad).unwrap();
        refused(what);
    }
    fs::write(scratch.0.join("page"), &good).unwrap();
    fs::remove_file(scratch.file()).unwrap();
    std::os::unix::fs::symlink(scratch.0.join("page"), scratch.file()).unwrap();
    refused("symbolic link");
    assert!(Bytes::open(&scratch.file()).is_err());
}

#[test]
fn another_process_is_woken_at_once_and_by_the_time() {
    let scratch = Scratch::new("sleep");
    let pulse = Pulse::create(&scratch.file()).unwrap();
    let long = Duration::from_secs(20);
    let began = Instant::now();
    let mut child = Child::new(|| {
        while pulse.word(Word::NoteWakeups).load(Ordering::SeqCst) == 0 {
            pulse.wait(Word::NoteWakeups, 0, long);
        }
        1
    });
    // Most often it sleeps by then.
    std::thread::sleep(Duration::from_millis(30));
    pulse.word(Word::NoteWakeups).fetch_add(1, Ordering::SeqCst);
    pulse.wake(Word::NoteWakeups);
    assert_eq!(child.says(), 1);
    // What has changed before is not waited for.
    pulse.wait(Word::NoteWakeups, 0, long);
    assert!(began.elapsed() < long / 2);
    let began = Instant::now();
    pulse.wait(Word::NoteWakeups, 1, Duration::from_millis(30));
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_millis(25) && waited < long / 2,
        "{waited:?}"
    );
}

#[test]
fn a_byte_is_held_by_one_process_until_that_unlocks_it_or_dies() {
    let scratch = Scratch::new("bytes");
    let bytes = Bytes::open(&scratch.file()).unwrap();
    let lock = |byte| u8::from(bytes.try_lock(byte).unwrap_or(false));
    assert!(
        bytes.try_lock(0).unwrap() && bytes.try_lock(0).unwrap(),
        "not for its threads"
    );
    assert_eq!(bytes.holder(0).unwrap(), None, "it is ours");
    // A child inherits no lock, and its end takes none of ours away.
    let mut child = Child::new(|| lock(0));
    assert_eq!(child.says(), 0);
    drop(child);
    let mut child = Child::new(|| lock(0) * 2 + lock(5));
    assert_eq!(child.says(), 1);
    assert_eq!(bytes.holder(5).unwrap(), Some(child.pid as u32));
    assert_eq!(
        (bytes.try_lock(5).unwrap(), bytes.try_lock(6).unwrap()),
        (false, true)
    );
    bytes.unlock(0).unwrap();
    let mut next = Child::new(|| lock(0));
    assert_eq!(next.says(), 1);
    assert!(!bytes.try_lock(0).unwrap());
    drop(child);
    assert_eq!(
        (bytes.holder(5).unwrap(), bytes.try_lock(5).unwrap()),
        (None, true)
    );
}

#[test]
fn others_are_counted_each_byte_alone() {
    let scratch = Scratch::new("count");
    let bytes = Bytes::open(&scratch.file()).unwrap();
    let count = || bytes.count_of_others(64..1088).unwrap();
    assert!(bytes.try_lock(70).unwrap() && count() == 0);
    let mut children = Vec::new();
    for (others, byte) in [64, 65, 69, 71, 1087, 63, 1088].into_iter().enumerate() {
        let mut child = Child::new(|| u8::from(bytes.try_lock(byte).unwrap_or(false)));
        assert_eq!(child.says(), 1);
        children.push(child);
        assert_eq!(count(), (others as u64 + 1).min(5));
    }
    drop(children.remove(2));
    assert_eq!(count(), 4);
}

#[test]
fn a_second_open_in_this_process_drops_no_lock() {
    let scratch = Scratch::new("second");
    let first = Bytes::open(&scratch.file()).unwrap();
    let held = |bytes: &Bytes| {
        let mut child = Child::new(|| u8::from(bytes.try_lock(0).unwrap_or(true)));
        child.says() == 0
    };
    assert!(first.try_lock(0).unwrap() && held(&first));
    let second = Bytes::open(&scratch.file()).unwrap();
    drop(second);
    assert!(held(&first));
    let second = Bytes::open(&scratch.file()).unwrap();
    drop(first);
    assert!(held(&second), "the last one closes it");
    // Another file at the same path is another file.
    fs::rename(scratch.file(), scratch.0.join("aside")).unwrap();
    let other = Bytes::open(&scratch.file()).unwrap();
    assert_ne!(other.file(), second.file());
    drop(other);
    assert!(held(&second));
}
