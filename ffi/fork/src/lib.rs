//! Tells whether the process has forked, and takes files away from forked children.
//!
//! [`generation`] answers one number in a process, and another number in each child that it forks.
//! Whoever keeps something that a forked child must not touch, such as a store with its lock and
//! its threads, remembers the number when it opens and compares it on every entry. This costs one
//! atomic load, where asking for the process id is a system call.
//!
//! What a process has locked stays locked as long as any process has the open file, and children
//! inherit open files. [`withhold`] names the files that children have to give up;
//! [`withhold_everywhere`] does while a library opens one of them by itself.
//!
//! [`around`] has something done just before every fork, and after it in both processes.
//! [`PerProcess`] is a value that a child begins anew.
//!
//! `vfork`, `posix_spawn` and a bare `clone` do not run the handler, because such children are
//! about to `exec`.

#![allow(unsafe_code)] // registering a C handler, and what it does

mod forks;
mod per_process;
mod places;
mod withheld;

pub use forks::{Around, around, generation};
pub use per_process::PerProcess;
pub use withheld::{Withheld, withhold, withhold_everywhere};

#[cfg(test)]
mod tests {
    use super::{Around, PerProcess, around, generation, withhold, withhold_everywhere};
    use std::ffi::c_int;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::{AtomicU64, Ordering};

    unsafe extern "C" {
        fn fork() -> c_int;
        fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
        fn _exit(status: c_int) -> !;
    }

    /// Runs `child` in a forked process and answers its exit status.
    fn in_child(child: impl FnOnce() -> bool) -> c_int {
        // SAFETY: the child only reads atomics and leaves by `_exit`.
        unsafe {
            let pid = fork();
            assert!(pid >= 0, "fork failed");
            if pid == 0 {
                _exit(if child() { 0 } else { 1 });
            }
            let mut status = -1;
            assert_eq!(waitpid(pid, &mut status, 0), pid);
            status
        }
    }

    /// Which file the number of an open file leads to in this process.
    fn leads_to(fd: c_int) -> (u64, u64) {
        let found = std::fs::metadata(format!("/dev/fd/{fd}")).unwrap();
        (found.dev(), found.ino())
    }

    #[test]
    fn a_child_keeps_no_lock_and_no_number_that_could_be_taken_for_another() {
        let path = std::env::temp_dir().join(format!("tenantry-fork-{}", std::process::id()));
        let null = std::fs::metadata("/dev/null").unwrap();
        let null = (null.dev(), null.ino());
        for withheld in [true, false] {
            let file = File::create(&path).unwrap();
            let fd = file.as_raw_fd();
            let mine = leads_to(fd);
            // First, for the children of other tests.
            let guard = withheld.then(|| withhold(fd).unwrap());
            file.lock().unwrap();
            let expected = if withheld { null } else { mine };
            assert_eq!(in_child(|| leads_to(fd) == expected), 0);
            assert_eq!(leads_to(fd), mine, "the parent keeps it");

            // A child that lives on while the parent closes the file.
            let (mut told, mut tell) = std::io::pipe().unwrap();
            let (mut reader, writer) = std::io::pipe().unwrap();
            // SAFETY: the child only reads and writes, and leaves by `_exit`.
            let child = unsafe { fork() };
            if child == 0 {
                drop(writer);
                let _ = tell.write(b"!");
                let _ = reader.read(&mut [0]);
                // SAFETY: nothing is to be cleaned up here.
                unsafe { _exit(0) }
            }
            told.read_exact(&mut [0]).unwrap();
            drop((guard, file));
            let other = File::open(&path).unwrap();
            // A child that another test is just forking may have it for a moment.
            let is_free = (0..100).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(1));
                other.try_lock().is_ok()
            });
            assert_eq!(is_free, withheld);
            drop(writer);
            let mut status = -1;
            // SAFETY: `status` outlives the call.
            assert_eq!(unsafe { waitpid(child, &mut status, 0) }, child);
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_child_gives_up_what_is_just_being_opened() {
        let path = std::env::temp_dir().join(format!("tenantry-opening-{}", std::process::id()));
        let null = std::fs::metadata("/dev/null").unwrap();
        let null = (null.dev(), null.ino());
        let known = File::create(&path).unwrap();
        let elsewhere = File::open("/dev/zero").unwrap();
        let guard = withhold_everywhere(known.as_raw_fd()).unwrap();
        // Somebody opens it at a number that is not told.
        let opening = File::open(&path).unwrap();
        let numbers = [&known, &opening, &elsewhere].map(|file| file.as_raw_fd());
        let mine = numbers.map(leads_to);
        let expected = [null, null, mine[2]];
        assert_eq!(in_child(|| numbers.map(leads_to) == expected), 0);
        assert_eq!(numbers.map(leads_to), mine, "the parent keeps them");
        drop(guard);
        assert_eq!(in_child(|| numbers.map(leads_to) == mine), 0);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_number_that_leads_elsewhere_by_now_is_left_alone() {
        let file = File::open("/dev/null").unwrap();
        let fd = file.as_raw_fd();
        let guard = withhold(fd).unwrap();
        let other = File::open("/dev/zero").unwrap();
        // SAFETY: both numbers are of files that are open here.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), fd) }, fd);
        let zero = leads_to(other.as_raw_fd());
        assert_eq!(in_child(|| leads_to(fd) == zero), 0);
        drop(guard);
    }

    #[test]
    fn something_is_done_before_and_after_a_fork_in_both_processes() {
        static BEFORE: AtomicU64 = AtomicU64::new(0);
        static PARENT: AtomicU64 = AtomicU64::new(0);
        static CHILD: AtomicU64 = AtomicU64::new(0);
        let done = || [&BEFORE, &PARENT, &CHILD].map(|count| count.load(Ordering::SeqCst));
        assert!(around(Around {
            before: || _ = BEFORE.fetch_add(1, Ordering::SeqCst),
            in_parent: || _ = PARENT.fetch_add(1, Ordering::SeqCst),
            in_child: || _ = CHILD.fetch_add(1, Ordering::SeqCst),
        }));
        // Other tests fork meanwhile, in this process.
        let before = done();
        let in_child = in_child(|| {
            let now = done();
            now[0] > before[0] && now[2] == before[2] + 1
        });
        assert_eq!(in_child, 0);
        let now = done();
        assert!(
            now[0] > before[0] && now[1] > before[1],
            "{now:?} {before:?}"
        );
        assert_eq!(now[2], before[2], "nothing was done here as in a child");
    }

    #[test]
    fn a_child_begins_a_value_anew() {
        static COUNT: PerProcess<AtomicU64> = PerProcess::new();
        COUNT.get().store(7, Ordering::SeqCst);
        let of_child = in_child(|| {
            let of_child = COUNT.get().load(Ordering::SeqCst);
            COUNT.get().store(8, Ordering::SeqCst);
            of_child == 0 && COUNT.get().load(Ordering::SeqCst) == 8
        });
        assert_eq!(of_child, 0);
        assert_eq!(COUNT.get().load(Ordering::SeqCst), 7);
    }

    #[test]
    fn a_child_and_a_grandchild_differ_and_the_parent_stays() {
        let mine = generation();
        assert_eq!(generation(), mine);
        assert_eq!(
            in_child(|| {
                let child = generation();
                child != mine
                    && child == generation()
                    && in_child(|| generation() != child && generation() != mine) == 0
            }),
            0
        );
        assert_eq!(generation(), mine);
    }
}
