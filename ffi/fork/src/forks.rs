//! Counts the forks of the process.

use crate::places;
use std::ffi::c_int;
use std::panic::catch_unwind;
use std::sync::OnceLock;
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
/// The first call registers the handler, so call it before the thing that it protects exists.
#[inline]
pub fn generation() -> u64 {
    if MODE.load(Ordering::Acquire) == COUNTING {
        FORKS.load(Ordering::Relaxed)
    } else {
        first_call()
    }
}

/// There is no lock and no `Once` here, because a fork in the middle would leave it taken in the
/// child for ever. Two threads at the same time register the handler twice, which only makes the
/// count grow by two.
#[cold]
fn first_call() -> u64 {
    if MODE.load(Ordering::Acquire) == UNKNOWN {
        // SAFETY: the handler reads and writes atomics and makes system calls that are allowed
        // between fork and exec.
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

/// What is done around every fork, by the thread that forks.
#[derive(Clone, Copy)]
pub struct Around {
    /// Before it.
    pub before: fn(),
    /// After it, in the process that has forked; also where the fork has failed.
    pub in_parent: fn(),
    /// After it, in the child, where [`generation`] already differs.
    pub in_child: fn(),
}

static AROUND: OnceLock<Around> = OnceLock::new();

/// Has something done around every fork from now on. There is one such thing: whoever names another
/// later is not heard. Whether it will be done.
pub fn around(around: Around) -> bool {
    // First: handlers run in a child in the order in which they came.
    generation();
    if MODE.load(Ordering::Acquire) != COUNTING {
        return false;
    }
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    AROUND.get_or_init(|| around);
    *REGISTERED.get_or_init(|| {
        // SAFETY: the handlers call functions of Rust, of which no panic gets out.
        unsafe { pthread_atfork(Some(before), Some(in_parent), Some(in_child)) == 0 }
    })
}

fn run(which: fn(&Around) -> fn()) {
    if let Some(around) = AROUND.get() {
        // The caller of `fork` cannot be told; what was not done is missed by who relies on it.
        let _ = catch_unwind(which(around));
    }
}

unsafe extern "C" fn before() {
    run(|around| around.before);
}

unsafe extern "C" fn in_parent() {
    run(|around| around.in_parent);
}

unsafe extern "C" fn in_child() {
    run(|around| around.in_child);
}

unsafe extern "C" fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    places::give_up();
}
