//! The list of the open files that a forked child gives up.

use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};

/// The value of a place in the list that nobody uses, and of one that is being filled in.
const FREE: i32 = -1;
const TAKEN: i32 = -2;
/// A file that is given up under every number is looked for below this one. Numbers are given out
/// from 0 on.
const NUMBERS: i32 = 65_536;

pub(crate) struct Place {
    fd: AtomicI32,
    /// Whether the file is given up under whatever number it is open.
    everywhere: AtomicBool,
    device: AtomicU64,
    inode: AtomicU64,
}

/// A block of places, which are never freed, so that a child can go through them whenever the fork
/// was.
struct Block {
    places: [Place; 32],
    next: AtomicPtr<Block>,
}

static FIRST: Block = Block::new();

impl Block {
    const fn new() -> Block {
        Block {
            places: [const {
                Place {
                    fd: AtomicI32::new(FREE),
                    everywhere: AtomicBool::new(false),
                    device: AtomicU64::new(0),
                    inode: AtomicU64::new(0),
                }
            }; 32],
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    fn next(&self) -> Option<&'static Block> {
        // SAFETY: null, or a block that was leaked.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }

    fn next_or_new(&self) -> &'static Block {
        if let Some(next) = self.next() {
            return next;
        }
        let new = Box::into_raw(Box::new(Block::new()));
        let raced =
            self.next
                .compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire);
        // SAFETY: a block that somebody has put there was leaked; otherwise ours is.
        unsafe {
            match raced {
                Ok(_) => &*new,
                Err(theirs) => {
                    drop(Box::from_raw(new));
                    &*theirs
                }
            }
        }
    }
}

impl Place {
    pub(crate) fn free(&self) {
        self.fd.store(FREE, Ordering::Release);
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Place({})", self.fd.load(Ordering::Relaxed))
    }
}

/// Fills a free place in with the open file of this number; `None` when the number leads to no open
/// file. `everywhere` also means the same file under other numbers.
pub(crate) fn take(fd: RawFd, everywhere: bool) -> Option<&'static Place> {
    let (device, inode) = identity(fd)?;
    let mut block = &FIRST;
    loop {
        let free = block.places.iter().find(|place| {
            place
                .fd
                .compare_exchange(FREE, TAKEN, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        });
        if let Some(place) = free {
            place.everywhere.store(everywhere, Ordering::Relaxed);
            place.device.store(device, Ordering::Relaxed);
            place.inode.store(inode, Ordering::Relaxed);
            place.fd.store(fd, Ordering::Release);
            return Some(place);
        }
        block = block.next_or_new();
    }
}

#[allow(clippy::unnecessary_cast)] // the types differ between systems
fn identity(fd: RawFd) -> Option<(u64, u64)> {
    let mut found = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `found` is as large as what is written; it is read only where that was done.
    unsafe {
        (libc::fstat(fd, found.as_mut_ptr()) == 0).then(|| {
            let found = found.assume_init();
            (found.st_dev as u64, found.st_ino as u64)
        })
    }
}

/// Runs in a child, between the fork and whatever the child does: no allocation, no lock.
///
/// The numbers stay in use, because the child's copy of the store still has them and must not find
/// there what the child opens later.
pub(crate) fn give_up() {
    let mut null = -1;
    let mut block = Some(&FIRST);
    while let Some(each) = block {
        for place in &each.places {
            let fd = place.fd.load(Ordering::Acquire);
            let known = (
                place.device.load(Ordering::Relaxed),
                place.inode.load(Ordering::Relaxed),
            );
            let numbers = match place.everywhere.load(Ordering::Relaxed) {
                _ if fd < 0 => continue,
                true => 0..NUMBERS,
                false => fd..fd + 1,
            };
            for fd in numbers {
                if identity(fd) == Some(known) {
                    lead_to_null(fd, &mut null);
                }
            }
        }
        block = each.next();
    }
    if null >= 0 {
        // SAFETY: it was opened for this.
        unsafe {
            libc::close(null);
        }
    }
}

/// Closes a file and has its number lead to `/dev/null`, which is opened once.
fn lead_to_null(fd: RawFd, null: &mut RawFd) {
    // SAFETY: system calls on a number that leads to a file of ours.
    unsafe {
        if *null < 0 {
            *null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        }
        if *null < 0 || libc::dup2(*null, fd) < 0 {
            libc::close(fd);
        } else {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}
