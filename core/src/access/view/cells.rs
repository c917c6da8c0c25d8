//! The accounts in memory.

use crate::access::view::cell::{AccountCell, Platform};
use crate::access::view::member::MemberView;
use crate::meters::{Room, Team};
use crate::model::Id;
use arc_swap::ArcSwapOption;
use foldhash::fast::RandomState;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub(super) const SHARDS: usize = 16;

/// The accounts in memory, by id; those that nobody uses go when there are too many.
pub(crate) struct Cells {
    pub(super) shards: [RwLock<HashMap<Id, Arc<AccountCell>, RandomState>>; SHARDS],
    hasher: RandomState,
    pub(super) most_in_shard: usize,
    pub(super) platform: ArcSwapOption<Platform>,
    /// The meters of all accounts, where caps of the platform count them together: all are charged
    /// under one lock then.
    pub(super) all: Arc<Team>,
    /// How many members all accounts have cached. It changes under the lock of those that it
    /// counts.
    pub(super) members_kept: AtomicUsize,
    pub(super) most_members: usize,
    /// No epoch of an account that went was higher: one that comes back begins here, so that its
    /// stamps still only grow.
    pub(super) epoch_floor: AtomicU64,
}

impl Cells {
    /// Room for accounts and their members in this much memory, half of it for each.
    pub(crate) fn new(bytes: u64, room: &Arc<Room>) -> Cells {
        /// What an account in memory takes, with a view.
        const CELL_BYTES: u64 = 4096;
        /// What a member takes, with what was prepared for them.
        const MEMBER_BYTES: u64 = 1024;
        let most = |of_one: u64| usize::try_from(bytes / 2 / of_one).unwrap_or(usize::MAX);
        Cells {
            shards: Default::default(),
            hasher: RandomState::default(),
            platform: ArcSwapOption::empty(),
            all: Team::in_room(room),
            most_in_shard: (most(CELL_BYTES) / SHARDS).max(16),
            members_kept: AtomicUsize::new(0),
            most_members: most(MEMBER_BYTES),
            epoch_floor: AtomicU64::new(0),
        }
    }

    /// Caches what a member of an account may do; where that is one too many, about half of all are
    /// forgotten first.
    pub(super) fn keep_member(&self, cell: &AccountCell, user: Id, member: Arc<MemberView>) {
        if self.members_kept.load(Ordering::Acquire) >= self.most_members {
            self.forget_members(self.most_members / 2);
        }
        let mut members = cell.members.write();
        if members.insert(user, member).is_none() {
            self.members_kept.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Forgets at least so many members, account by account.
    fn forget_members(&self, mut going: usize) {
        for shard in &self.shards {
            for cell in shard.read().values() {
                if going == 0 {
                    return;
                }
                going = going.saturating_sub(cell.forget_members(&self.members_kept));
            }
        }
    }

    pub(super) fn shard(&self, id: &str) -> &RwLock<HashMap<Id, Arc<AccountCell>, RandomState>> {
        use std::hash::BuildHasher;
        let at = usize::try_from(self.hasher.hash_one(id) % SHARDS as u64).unwrap_or(0);
        let [first, ..] = &self.shards;
        self.shards.get(at).unwrap_or(first)
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<AccountCell>> {
        self.shard(id).read().get(id).cloned()
    }

    /// Looks at an account that is in memory, without holding on to it.
    #[inline]
    pub(crate) fn look<T>(
        &self,
        id: &str,
        at: impl FnOnce(&AccountCell) -> Option<T>,
    ) -> Option<T> {
        self.shard(id).read().get(id).and_then(|cell| at(cell))
    }

    /// An account that does not stay in memory.
    pub(crate) fn apart(&self, id: &Id) -> Arc<AccountCell> {
        let floor = self.epoch_floor.load(Ordering::Acquire);
        Arc::new(AccountCell::new(id.clone(), floor))
    }

    pub(crate) fn remove(&self, id: &Id) {
        if let Some(cell) = self.shard(id.as_str()).write().remove(id) {
            cell.forget_members(&self.members_kept);
            cell.team.get().inspect(|team| team.end());
            self.epoch_floor
                .fetch_max(cell.epoch.load(Ordering::Acquire), Ordering::AcqRel);
        }
    }

    /// The ids of the accounts in memory.
    pub(crate) fn ids(&self) -> Vec<Id> {
        let of_shard = |shard: &RwLock<HashMap<Id, _, _>>| -> Vec<Id> {
            shard.read().keys().cloned().collect()
        };
        self.shards.iter().flat_map(of_shard).collect()
    }

    /// The meters of every tree of accounts, and those of the platform.
    pub(crate) fn teams(&self) -> Vec<Arc<Team>> {
        let of_trees = |shard: &RwLock<HashMap<Id, Arc<AccountCell>, RandomState>>| {
            shard
                .read()
                .values()
                .filter_map(|cell| cell.team.get().cloned())
                .collect::<Vec<_>>()
        };
        self.shards
            .iter()
            .flat_map(of_trees)
            .chain([self.all.clone()])
            .collect()
    }

    /// The view of the account is out of date.
    pub(crate) fn invalidate(&self, id: &Id) {
        if let Some(cell) = self.get(id.as_str()) {
            cell.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }
}
