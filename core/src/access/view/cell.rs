//! An account in memory, and what counts for it.

use crate::access::view::level::Level;
use crate::access::view::member::{MemberView, PerChannel};
use crate::meters::{Frame, Guaranteed, Resolved, Team, value_of};
use crate::model::{AddressRange, Assets, Cap, CapPeriod, Id, LimitName};
use crate::rules::account::Status;
use arc_swap::ArcSwapOption;
use foldhash::fast::RandomState;
use once_cell::sync::OnceCell;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// An account in memory.
pub(crate) struct AccountCell {
    pub(crate) id: Id,
    pub(super) epoch: AtomicU64,
    pub(super) view: ArcSwapOption<View>,
    pub(crate) members: RwLock<HashMap<Id, Arc<MemberView>, RandomState>>,
    /// Sending by the host itself, prepared, for each channel.
    pub(crate) prepared: PerChannel,
    /// The meters of the whole tree, where this is its top account.
    pub(super) team: OnceCell<Arc<Team>>,
}

/// What counts for an account now.
pub(crate) struct View {
    pub(crate) account: Id,
    pub(crate) frame: Frame,
    pub(crate) status: Status,
    /// In the order of [`LimitName::ALL`].
    pub(crate) limits: [Resolved; LimitName::COUNT],
    /// Whether credits pay for what exceeds the account's own limits (R-CRD-2).
    pub(crate) pays: bool,
    /// What planned packages make of it, in order (R-PKG-6).
    pub(crate) later: Vec<Later>,
    /// What is guaranteed to the accounts directly below, of each limit that something of is
    /// (R-TEA-9).
    pub(crate) guaranteed: Vec<Arc<Guaranteed>>,
    /// The account's own caps.
    pub(crate) caps: Vec<Cap>,
    /// What it may send with; of a kind of which none is assigned, everything (R-PKG-5).
    pub(crate) assets: Assets,
    /// The allow-lists of the account and of those above.
    pub(crate) addresses: Vec<Vec<AddressRange>>,
    /// The accounts above, up to the top.
    pub(crate) ancestors: Vec<Arc<AccountCell>>,
    /// The meters of the tree.
    pub(crate) team: Arc<Team>,
    /// What counts for all accounts together.
    pub(crate) platform: Arc<Platform>,
    /// What bounds the members of the account and of each account above it, from the account up.
    pub(super) levels: Vec<Level>,
    /// Whether there are groups here; where there are none, those that were made bind nobody.
    pub(crate) groups: bool,
    pub(crate) group_cap_period: CapPeriod,
    /// Whether sessions need a second factor here (R-SES-1).
    pub(crate) needs_second_factor: bool,
}

/// What counts from an instant on, when a planned package comes into force.
pub(crate) struct Later {
    pub(crate) from_ms: u64,
    pub(crate) limits: [Resolved; LimitName::COUNT],
    pub(crate) pays: bool,
}

/// What counts for all accounts together. Its windows are those of UTC.
pub(crate) struct Platform {
    pub(crate) frame: Frame,
    pub(crate) caps: Vec<Cap>,
}

impl AccountCell {
    pub(super) fn new(id: Id, epoch: u64) -> AccountCell {
        AccountCell {
            id,
            epoch: AtomicU64::new(epoch),
            view: ArcSwapOption::empty(),
            members: RwLock::new(HashMap::default()),
            prepared: PerChannel::default(),
            team: OnceCell::new(),
        }
    }

    /// The view as it was when it was last asked for.
    pub(crate) fn last_view(&self) -> Option<Arc<View>> {
        self.view.load_full()
    }

    /// Answers how many there were.
    pub(super) fn forget_members(&self, kept: &AtomicUsize) -> usize {
        let mut members = self.members.write();
        // The table goes too, not only what is in it.
        let gone = std::mem::take(&mut *members).len();
        kept.fetch_sub(gone, Ordering::AcqRel);
        gone
    }
}

impl View {
    /// The value of a limit of the account itself.
    pub(crate) fn limit(&self, name: LimitName) -> Resolved {
        value_of(&self.limits, name)
    }
}
