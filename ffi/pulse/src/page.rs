//! A page of memory that is shared by all who map the same file.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sleep;

/// How large the file is.
const SIZE: usize = 4096;
/// Each word is on a line of its own, so that who writes one slows nobody down who reads another.
const LINE: usize = 64;
const MAGIC: &[u8; 8] = b"tnnypuls";
/// Is raised whenever a word changes its meaning or its place.
const LAYOUT: u32 = 1;

/// What the words of a page mean. None is ever lowered while the page is in use, but `Waiting`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Word {
    /// The last commit with a note.
    Noted = 1,
    /// The last commit.
    Commit = 2,
    /// The process that could not bring to the disk what was written; 0 while none has failed.
    Broken = 3,
    /// How often the store was opened and closed.
    Opened = 4,
    /// How often those who sleep until there is a note were woken.
    NoteWakeups = 5,
    /// How often the writer's lock was given back.
    Freed = 6,
    /// Whether somebody has waited for the writer's lock since it was given back last.
    Waiting = 7,
}

/// The page.
#[derive(Debug)]
pub struct Pulse {
    page: NonNull<u8>,
    /// Device and inode of the file.
    file: (u64, u64),
}

// SAFETY: what is behind the pointer is mapped as long as the value lives, and is only reached as
// atomic words.
unsafe impl Send for Pulse {}
// SAFETY: as above.
unsafe impl Sync for Pulse {}

impl Pulse {
    /// Makes the file, which must not be there, with all words 0.
    pub fn create(path: &Path) -> io::Result<Pulse> {
        let mut file = options().create_new(true).mode(0o600).open(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        let mut page = [0; SIZE];
        let header = MAGIC.iter().copied().chain(LAYOUT.to_ne_bytes());
        page.iter_mut()
            .zip(header)
            .for_each(|(to, from)| *to = from);
        // Written, not only made as long: so the room for it is taken.
        file.write_all(&page)?;
        Pulse::map(&file)
    }

    /// Maps a file that [`Pulse::create`] has made.
    pub fn open(path: &Path) -> io::Result<Pulse> {
        let mut file = options().open(path)?;
        let found = file.metadata()?;
        if !found.is_file() || found.len() != SIZE as u64 {
            return Err(no_page(&format!(
                "it has {} bytes, not {SIZE}",
                found.len()
            )));
        }
        let mut header = [0; MAGIC.len() + 4];
        file.read_exact(&mut header)?;
        let layout = header
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.first_chunk());
        match layout.map(|layout| u32::from_ne_bytes(*layout)) {
            Some(LAYOUT) => Pulse::map(&file),
            Some(other) => Err(no_page(&format!("it has layout {other}, not {LAYOUT}"))),
            None => Err(no_page("it begins with something else")),
        }
    }

    fn map(file: &File) -> io::Result<Pulse> {
        let found = file.metadata()?;
        // SAFETY: a new mapping, at a place that the system chooses.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(page.cast::<u8>()) {
            Some(page) if !std::ptr::eq(page.as_ptr().cast(), libc::MAP_FAILED) => Ok(Pulse {
                page,
                file: (found.dev(), found.ino()),
            }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// One of the words.
    #[inline]
    pub fn word(&self, word: Word) -> &AtomicU64 {
        // SAFETY: inside of the page for every word, aligned as its lines are, mapped as long as
        // `self` lives, and only reached as an atomic number, by all processes.
        unsafe { self.page.add(word as usize * LINE).cast().as_ref() }
    }

    /// Sets a word to `least`, where it is less.
    #[inline]
    pub fn raise(&self, word: Word, least: u64) {
        self.word(word).fetch_max(least, Ordering::SeqCst);
    }

    /// Sleeps while the lower half of the word is that of `seen`, until somebody calls
    /// [`Pulse::wake`], and no longer than `most`. May return earlier.
    pub fn wait(&self, word: Word, seen: u64, most: Duration) {
        sleep::wait(self.word(word), seen, most);
    }

    /// Wakes all who sleep on a word, in all processes.
    pub fn wake(&self, word: Word) {
        sleep::wake(self.word(word), i32::MAX);
    }

    /// Wakes one of those who sleep on a word.
    pub fn wake_one(&self, word: Word) {
        sleep::wake(self.word(word), 1);
    }

    /// Device and inode of the file that is mapped.
    pub fn file(&self) -> (u64, u64) {
        self.file
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this size, and nobody has a word of it any more.
        unsafe {
            libc::munmap(self.page.as_ptr().cast(), SIZE);
        }
    }
}

/// Follows no link, and waits for nobody at the other end of a pipe.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

fn no_page(why: &str) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("the file is no page of this version: {why}"),
    )
}
