//! sled's log as a file: what can be known about it before sled opens it, and what sled leaves
//! undone.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::backend::{StoreError, hex};
use crate::files::private_file;
use crate::folder::Folder;
use crate::manifest::Mark;
use crate::record::Head;

/// How long threads of a store that was just closed may take to let go of its files.
const LET_GO: Duration = Duration::from_secs(2);
/// sled's unit of its log.
pub(crate) const SEGMENT: usize = 512 * 1024;

/// Opens the log and waits for a store that this process has just closed: sled's threads keep its
/// own lock a little longer. While a forked child of the last holder lives, sled's lock never comes
/// free.
pub(crate) fn open_log(folder: &Folder) -> Result<File, StoreError> {
    let log = private_file(&folder.db())?;
    if unused(&log)? {
        Ok(log)
    } else {
        Err(folder.held())
    }
}

/// Reads what sled will read, because sled takes what it cannot read for absent and writes over it.
/// After a clean close that must be what it was then. After a crash the head of the last durable
/// commit must be in it: otherwise the log was cut. (A head is rewritten by every commit, and by
/// sled only to a later place, so the newest is always in that part.)
pub(crate) fn examine(
    folder: &Folder,
    log: &File,
    mark: &Mark,
    id: &str,
) -> Result<Replayed, StoreError> {
    let replayed = replayed(log, mark.snapshot)?;
    if let Some(files) = mark.files {
        if files != folder.fingerprint(replayed.checksum)? {
            return Err(StoreError::corrupt(
                "the files in `sled` are not as they were when the store was closed",
            ));
        }
        return Ok(replayed);
    }
    if mark.commit == mark.opened {
        return Ok(replayed);
    }
    let mut segments = replayed.segments.clone();
    segments.sort_unstable();
    let mut newest = mark.opened;
    let mut segment = vec![0; SEGMENT];
    for (_, at) in segments.iter().rev() {
        let bytes = read_segment(log, *at, &mut segment)?;
        newest = Head::find_all(bytes)
            .filter(|head| hex(&head.id) == id)
            .map(|head| head.commit)
            .fold(newest, u64::max);
        if newest >= mark.commit {
            return Ok(replayed);
        }
    }
    Err(StoreError::corrupt(format!(
        "the log was cut: it ends with commit {newest}, but commit {} was durable",
        mark.commit
    )))
}

/// The part of the log that sled replays when it opens.
pub(crate) struct Replayed {
    /// Position in the log and place in the file.
    segments: Vec<(u64, u64)>,
    pub(crate) checksum: u32,
}

impl Replayed {
    /// Where its segments lie in the file, in the order of that.
    pub(super) fn places(&self) -> impl Iterator<Item = u64> {
        self.segments.iter().map(|(_, at)| *at)
    }
}

pub(crate) fn replayed(log: &File, snapshot: Option<u64>) -> Result<Replayed, StoreError> {
    let length = log.metadata().map_err(|error| log_unread(&error))?.len();
    let mut segments = Vec::new();
    let mut checksum = crc32fast::Hasher::new();
    let mut segment = vec![0; SEGMENT];
    for at in (0..length).step_by(SEGMENT) {
        let mut header = [0; 12];
        match log.read_exact_at(&mut header, at) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => continue,
            other => other.map_err(|error| log_unread(&error))?,
        }
        let position = header
            .last_chunk::<8>()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
            ^ i64::MAX as u64;
        if position.saturating_add(SEGMENT as u64) > snapshot.unwrap_or(0) {
            checksum.update(read_segment(log, at, &mut segment)?);
            segments.push((position, at));
        }
    }
    Ok(Replayed {
        segments,
        checksum: checksum.finalize(),
    })
}

fn log_unread(error: &std::io::Error) -> StoreError {
    StoreError::io("cannot read sled's log", error)
}

pub(super) fn read_segment<'a>(
    log: &File,
    at: u64,
    segment: &'a mut [u8],
) -> Result<&'a [u8], StoreError> {
    let mut filled = 0;
    while let Some(rest) = segment.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match log.read_at(rest, at.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(log_unread(&error)),
        }
    }
    Ok(segment.get(..filled).unwrap_or_default())
}

/// Whether sled holds no lock on its log any more, so that none of its threads can change it.
pub(crate) fn unused(log: &File) -> Result<bool, StoreError> {
    let until = Instant::now() + LET_GO;
    loop {
        match log.try_lock() {
            Ok(()) => break,
            Err(std::fs::TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(1))
            }
            Err(std::fs::TryLockError::WouldBlock) => return Ok(false),
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(StoreError::io("cannot lock sled's log", &error));
            }
        }
    }
    log.unlock()
        .map_err(|error| StoreError::io("cannot unlock sled's log", &error))?;
    Ok(true)
}

/// Makes what sled did while opening private and durable.
pub(crate) fn make_durable(folder: &Folder, log: &File) -> Result<(), StoreError> {
    folder.restrict()?;
    log.sync_all()
        .map_err(|error| StoreError::io("cannot sync sled's log", &error))?;
    folder.sync_names()
}
