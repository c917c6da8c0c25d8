//! Sleeping on a word that other processes write.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The system compares 32 bits. Whoever sleeps through exactly 2^32 changes is woken by the time.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) fn wait(word: &AtomicU64, seen: u64, most: Duration) {
    let most = libc::timespec {
        tv_sec: most.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: most.subsec_nanos().into(),
    };
    // SAFETY: the word and the time outlive the call. Not "private": other processes wake it.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            lower_half(word),
            libc::FUTEX_WAIT,
            low(seen),
            &raw const most,
        );
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) fn wake(word: &AtomicU64, most: i32) {
    // SAFETY: the word is only named; nothing is read or written there.
    unsafe {
        libc::syscall(libc::SYS_futex, lower_half(word), libc::FUTEX_WAKE, most);
    }
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn lower_half(word: &AtomicU64) -> *const u32 {
    let halves = word.as_ptr().cast::<u32>().cast_const();
    if cfg!(target_endian = "big") {
        halves.wrapping_add(1)
    } else {
        halves
    }
}

#[allow(clippy::cast_possible_truncation)] // the lower half is what is meant
fn low(number: u64) -> u32 {
    number as u32
}

/// Where the system cannot sleep on a word of several processes, it is looked at again and again.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) fn wait(word: &AtomicU64, seen: u64, most: Duration) {
    const POLL_INTERVAL: Duration = Duration::from_millis(1);
    let until = std::time::Instant::now().checked_add(most);
    while low(word.load(std::sync::atomic::Ordering::SeqCst)) == low(seen) {
        let left = until.map(|until| until.saturating_duration_since(std::time::Instant::now()));
        match left {
            Some(Duration::ZERO) => return,
            left => std::thread::sleep(left.unwrap_or(POLL_INTERVAL).min(POLL_INTERVAL)),
        }
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) fn wake(_: &AtomicU64, _: i32) {}
