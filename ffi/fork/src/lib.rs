//! Tells whether the process has forked.
//!
//! [`generation`] answers one number in a process and another one in each child that it forks.
//! Whoever keeps something that a forked child must not touch (a store, its lock, its threads)
//! remembers the number when it opens and compares it at every entry: one atomic load, where asking
//! for the process id is a system call.
//!
//! `vfork`, `posix_spawn` and a bare `clone` do not run the handler: such children are about to
//! `exec`.

#![allow(unsafe_code)] // registering a C handler

use std::ffi::c_int;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

type Handler = Option<unsafe extern "C" fn()>;

unsafe extern "C" {
    fn pthread_atfork(prepare: Handler, parent: Handler, child: Handler) -> c_int;
}

const UNKNOWN: u8 = 0;
const COUNTING: u8 = 1;
const ASKING: u8 = 2;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);
static FORKS: AtomicU64 = AtomicU64::new(0);

/// A number that stays the same in this process and differs in every forked child.
///
/// The first call registers the handler, so call it before the thing to be protected exists.
#[inline]
pub fn generation() -> u64 {
    if MODE.load(Ordering::Acquire) == COUNTING {
        FORKS.load(Ordering::Relaxed)
    } else {
        first_call()
    }
}

/// No lock and no `Once` here: a fork in the middle would leave it taken in the child for ever.
/// Two threads that race register the handler twice, which only makes the count grow by two.
#[cold]
fn first_call() -> u64 {
    if MODE.load(Ordering::Acquire) == UNKNOWN {
        // SAFETY: the handler only adds to an atomic, which is allowed between fork and exec.
        let refused = unsafe { pthread_atfork(None, None, Some(forked)) } != 0;
        let mode = if refused { ASKING } else { COUNTING };
        let _ = MODE.compare_exchange(UNKNOWN, mode, Ordering::AcqRel, Ordering::Acquire);
    }
    if MODE.load(Ordering::Acquire) == COUNTING {
        FORKS.load(Ordering::Relaxed)
    } else {
        // No memory for the handler: the process id says the same, at the cost of a system call.
        u64::from(std::process::id())
    }
}

unsafe extern "C" fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::generation;
    use std::ffi::c_int;

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
