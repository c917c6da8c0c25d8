//! Open files that a forked child gives up.

use crate::forks::generation;
use crate::places::{self, Place};
use std::os::fd::RawFd;

/// Forked children give the file up until this is dropped.
#[derive(Debug)]
pub struct Withheld(&'static Place);

impl Drop for Withheld {
    fn drop(&mut self) {
        self.0.free();
    }
}

/// Makes children give up the open file of this number: in them, the number leads to `/dev/null`,
/// so that the file's lock does not live on. `None` when the number leads to no open file.
///
/// The number may be used for another file before the result is dropped, so a child checks whether
/// it is still the same file.
pub fn withhold(fd: RawFd) -> Option<Withheld> {
    // The handler must be there.
    generation();
    places::take(fd, false).map(Withheld)
}

/// As [`withhold`], and with it the same file under every other number at which a child finds it:
/// for as long as somebody else opens and locks it, and nobody knows at which number. A child goes
/// through all numbers for it, which takes milliseconds.
pub fn withhold_everywhere(fd: RawFd) -> Option<Withheld> {
    generation();
    places::take(fd, true).map(Withheld)
}
