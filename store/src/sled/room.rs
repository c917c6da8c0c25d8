//! Room on the disk, taken before sled writes.
//!
//! sled notes the first error of a write for ever, and from then on refuses many reads too: those
//! that want to tidy a page, and those of pages whose newest part has not reached the file. So it
//! must not meet a full disk: the blocks that it will need are taken before it is given anything,
//! and when there are none, only the write is refused.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::backend::StoreError;

/// What sled writes beside what it is given: parts of pages, segments that it moves.
const BESIDE: u64 = 2 << 20;
/// For each record, besides its bytes: the page around it is written anew now and then.
const FOR_EACH: u64 = 256;
/// Taken at once, so that not every sync asks the system.
const STEP: u64 = 4 << 20;

/// How far the file has blocks.
#[derive(Default)]
pub(crate) struct Room {
    until: u64,
    /// How many blocks it had then, in all.
    blocks: u64,
}

impl Room {
    /// Takes what sled may need for `records` of `bytes` in all.
    pub(crate) fn take(
        &mut self,
        log: &File,
        records: usize,
        bytes: usize,
    ) -> Result<(), StoreError> {
        let found = look_at(log)?;
        let length = found.len();
        let need = (bytes as u64)
            .saturating_mul(3)
            .saturating_add((records as u64).saturating_mul(FOR_EACH))
            .saturating_add(BESIDE);
        let until = length.saturating_add(need);
        if getrlimit(Resource::Fsize)
            .current
            .is_some_and(|most| until > most)
        {
            return Err(full(Errno::FBIG));
        }
        // sled cuts its log off now and then, which gives back what was taken beyond its end, and
        // the length does not tell when it has grown again since.
        if found.blocks() < self.blocks {
            self.until = 0;
        }
        if until <= self.until {
            return Ok(());
        }
        let room = allocate(log, length, need.saturating_add(STEP)).or_else(|error| match error {
            // Less may be there.
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => allocate(log, length, need),
            other => Err(other),
        });
        match room {
            Ok(taken) => {
                self.blocks = look_at(log)?.blocks();
                self.until = length.saturating_add(taken);
            }
            Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => return Err(full(error)),
            // A file system that takes no blocks ahead at least says how many it has.
            Err(_) => look(log, need)?,
        }
        Ok(())
    }
}

fn look_at(log: &File) -> Result<Metadata, StoreError> {
    log.metadata()
        .map_err(|error| StoreError::io("cannot read sled's log", &error))
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn allocate(log: &File, from: u64, bytes: u64) -> Result<u64, Errno> {
    // The length stays: sled takes it for what was written.
    rustix::fs::fallocate(log, FallocateFlags::KEEP_SIZE, from, bytes).map(|()| bytes)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn allocate(_: &File, _: u64, _: u64) -> Result<u64, Errno> {
    Err(Errno::OPNOTSUPP)
}

fn look(log: &File, need: u64) -> Result<(), StoreError> {
    match rustix::fs::fstatvfs(log) {
        Ok(found) if found.f_bavail.saturating_mul(found.f_frsize) < need => {
            Err(full(Errno::NOSPC))
        }
        // What cannot be known here is met by sled.
        _ => Ok(()),
    }
}

fn full(error: Errno) -> StoreError {
    StoreError::io(
        "cannot take room for sled's log",
        &std::io::Error::from(error),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::FileExt;

    /// Cut off and grown again, the file is no shorter than before, and has no blocks behind it.
    #[test]
    fn what_cutting_off_gives_back_is_taken_again() {
        let folder = Scratch::new();
        let log = File::create(folder.path().join("log")).unwrap();
        log.write_all_at(&[1; 64 << 10], 0).unwrap();
        let mut room = Room::default();
        room.take(&log, 1, 1).unwrap();
        if room.until == 0 {
            // This file system takes nothing ahead.
            return;
        }
        let taken = log.metadata().unwrap().blocks();
        assert!(taken * 512 > BESIDE + STEP, "{taken}");
        log.set_len(32 << 10).unwrap();
        log.write_all_at(&[2; 33 << 10], 32 << 10).unwrap();
        assert!(log.metadata().unwrap().blocks() < taken);
        room.take(&log, 1, 1).unwrap();
        assert!(log.metadata().unwrap().blocks() >= taken);
    }
}
