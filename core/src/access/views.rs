//! What is kept in memory of the accounts and of the permission tree, and how it goes out of date.

use crate::access::view::Cells;
use crate::meters::Room;
use crate::model::PermissionTree;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The read model.
pub(crate) struct Views {
    pub(crate) tree: ArcSwap<PermissionTree>,
    /// Raised by changes that any account may depend on: roles, packages, accounts with children.
    pub(crate) epoch: AtomicU64,
    pub(crate) cells: Cells,
    /// For counters and paces.
    pub(crate) room: Arc<Room>,
}

impl Views {
    /// With room for accounts and their members in so much memory, and for counters in as much; no
    /// stamp is below `epoch`.
    pub(crate) fn new(tree: PermissionTree, epoch: u64, bytes: u64) -> Views {
        let room = Room::new(bytes);
        Views {
            tree: ArcSwap::from_pointee(tree),
            epoch: AtomicU64::new(epoch),
            cells: Cells::new(bytes, &room),
            room,
        }
    }

    /// Every view is out of date.
    pub(crate) fn invalidate_all(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}
