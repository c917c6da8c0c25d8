//! What a transaction changes beside the store.

use super::note::{Job, Note};
use super::remembered::Parsed;
use crate::model::{Id, Reservation};
use std::collections::{BTreeMap, BTreeSet};

/// Whose limits may be lower.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lowered {
    /// Those of an account, and of those below it, which may inherit.
    Account(Id),
    /// None: the counters of an account are higher.
    Counters(Id),
    /// Those of all accounts that have a package.
    Package(Id),
    /// The caps of the platform.
    Platform,
    /// Those of every account.
    Everybody,
}

/// What the commit changes in memory, and what whoever commits does then.
#[derive(Default)]
pub(crate) struct Changes {
    /// What everybody applies who has the store open.
    pub(crate) note: Note,
    /// Reservations of which so many come back.
    pub(crate) returned: Vec<(Reservation, u64)>,
    /// Whose limits may be lower.
    pub(crate) lowered: BTreeSet<Lowered>,
    /// What goes on in further commits.
    pub(crate) jobs: BTreeSet<Job>,
    /// Records as they are written, for [`Remembered`](super::remembered::Remembered).
    pub(super) parsed: BTreeMap<Vec<u8>, Parsed>,
}
