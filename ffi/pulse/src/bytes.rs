//! Locks on the bytes of a file, which end with the process that holds them.
//!
//! These are record locks (`fcntl`), for two properties: a forked child does not inherit them, and
//! the system tells which process holds one. They belong to the process and not to the descriptor:
//! a process that locks a byte twice has it once, so its threads need a mutex before it; and
//! closing *any* descriptor of the file gives all of them back. So a file is opened once in this
//! process, however many [`Bytes`] there are of it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tenantry_fork::PerProcess;

/// The bytes of a file that can be locked, whatever is in the file.
#[derive(Debug)]
pub struct Bytes {
    fd: RawFd,
    /// Device and inode.
    file: (u64, u64),
    /// In which process it was opened: [`tenantry_fork::generation`].
    generation: u64,
}

struct Opened {
    file: File,
    identity: (u64, u64),
    users: usize,
}

/// The files that this process has open, each for all its users. A forked child opens them anew.
static OPENED: PerProcess<Mutex<Vec<Opened>>> = PerProcess::new();

fn opened() -> MutexGuard<'static, Vec<Opened>> {
    OPENED.get().lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bytes {
    /// Opens the file, and makes one that only its owner may open where there is none. It may not
    /// be opened in this process by anything else.
    pub fn open(path: &Path) -> io::Result<Bytes> {
        // Nobody closes it meanwhile.
        let mut opened = opened();
        match std::fs::symlink_metadata(path) {
            Ok(found) => {
                if let Some(bytes) = join(&mut opened, (found.dev(), found.ino())) {
                    return Ok(bytes);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)?;
        let found = file.metadata()?;
        let identity = (found.dev(), found.ino());
        // Put at the path since it was looked at: it must not be closed.
        if let Some(bytes) = join(&mut opened, identity) {
            std::mem::forget(file);
            return Ok(bytes);
        }
        if !found.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a file"));
        }
        if found.permissions().mode() & 0o7777 != 0o600 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        let fd = file.as_raw_fd();
        opened.push(Opened {
            file,
            identity,
            users: 1,
        });
        Ok(Bytes::of(fd, identity))
    }

    fn of(fd: RawFd, file: (u64, u64)) -> Bytes {
        let generation = tenantry_fork::generation();
        Bytes {
            fd,
            file,
            generation,
        }
    }

    /// Locks a byte for this process; false where another process has it.
    pub fn try_lock(&self, byte: u64) -> io::Result<bool> {
        match self.ask(libc::F_SETLK, libc::F_WRLCK, byte..byte + 1) {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EACCES) | Some(libc::EAGAIN)
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives a byte back.
    pub fn unlock(&self, byte: u64) -> io::Result<()> {
        self.ask(libc::F_SETLK, libc::F_UNLCK, byte..byte + 1)
            .map(drop)
    }

    /// Which other process has locked a byte, if one has: 0 where the system does not tell, as of
    /// a process in another container.
    pub fn holder(&self, byte: u64) -> io::Result<Option<u32>> {
        Ok(self.first_of(byte..byte + 1)?.map(|(_, pid)| pid))
    }

    /// How many bytes of a range other processes have locked, each of them alone.
    pub fn count_of_others(&self, bytes: Range<u64>) -> io::Result<u64> {
        let mut ranges: Vec<_> = std::iter::once(bytes).collect();
        let mut count = 0;
        while let Some(range) = ranges.pop() {
            if range.is_empty() {
                continue;
            }
            // Any of them, not the first.
            if let Some((byte, _)) = self.first_of(range.clone())? {
                count += 1;
                ranges.extend([range.start..byte, byte + 1..range.end]);
            }
        }
        Ok(count)
    }

    /// A byte of the range that another process has locked, and which that is.
    fn first_of(&self, bytes: Range<u64>) -> io::Result<Option<(u64, u32)>> {
        let start = bytes.start;
        let found = self.ask(libc::F_GETLK, libc::F_WRLCK, bytes)?;
        if found.l_type == libc::F_UNLCK as libc::c_short {
            return Ok(None);
        }
        let byte = u64::try_from(found.l_start).unwrap_or(start).max(start);
        Ok(Some((byte, u32::try_from(found.l_pid).unwrap_or(0))))
    }

    #[allow(clippy::unnecessary_cast)] // the types differ between systems
    fn ask(
        &self,
        what: libc::c_int,
        kind: libc::c_int,
        bytes: Range<u64>,
    ) -> io::Result<libc::flock> {
        let too_far = |_| io::Error::from(ErrorKind::InvalidInput);
        // SAFETY: numbers alone, of which all may be 0.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = kind as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
        lock.l_start = bytes.start.try_into().map_err(too_far)?;
        lock.l_len = (bytes.end - bytes.start).try_into().map_err(too_far)?;
        // SAFETY: the file is open as long as `self` lives, and the lock outlives the call.
        match unsafe { libc::fcntl(self.fd, what, &raw mut lock) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(lock),
        }
    }

    /// Device and inode of the file.
    pub fn file(&self) -> (u64, u64) {
        self.file
    }
}

/// Another user of a file that is open.
fn join(opened: &mut [Opened], identity: (u64, u64)) -> Option<Bytes> {
    let there = opened.iter_mut().find(|there| there.identity == identity)?;
    there.users += 1;
    Some(Bytes::of(there.file.as_raw_fd(), identity))
}

impl AsRawFd for Bytes {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        // A child leaves the parent's descriptor as it is.
        if self.generation != tenantry_fork::generation() {
            return;
        }
        let mut opened = opened();
        let Some(at) = opened.iter().position(|there| there.identity == self.file) else {
            return;
        };
        if let Some(there) = opened.get_mut(at) {
            there.users -= 1;
            if there.users == 0 {
                // Closed here, before anybody can open it again.
                drop(opened.swap_remove(at));
            }
        }
    }
}
