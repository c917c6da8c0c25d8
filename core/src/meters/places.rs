//! Where counters and paces lie in memory, and how many of them there may be.
//!
//! Hosts name as many recipients' domains, campaigns and members as they like, and a cap may count
//! each of them. What is prepared holds the places that it charges. Where there are too many, those
//! that nobody holds go, in the order of a clock: a hand goes round, takes what it finds, and
//! spares once what was asked for since it came by. Nothing of that is on the way of a send that
//! memory covers.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a counter or a pace takes in memory, with its ids.
const BYTES: u64 = 1024;
/// So many are always kept.
const FEWEST: usize = 1024;

/// As long as this lives, its place is not given to another.
pub(super) type Hold = Arc<()>;

/// The places of one kind, by what lies there.
pub(super) struct Places<K> {
    by_key: HashMap<Arc<K>, usize>,
    slots: Vec<Slot<K>>,
    free: Vec<usize>,
    /// Where the clock goes on.
    hand: usize,
}

struct Slot<K> {
    /// None where the place is free.
    key: Option<Arc<K>>,
    hold: Hold,
    /// Whether somebody has asked for it since the hand came by.
    is_wanted: bool,
}

impl<K> Default for Places<K> {
    fn default() -> Places<K> {
        Places {
            by_key: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hand: 0,
        }
    }
}

impl<K: Hash + Eq> Places<K> {
    /// How many are taken.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Where something lies, for whoever looks once.
    pub(super) fn at(&self, key: &K) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// Where something lies, for whoever holds it.
    pub(super) fn find(&mut self, key: &K) -> Option<(usize, Hold)> {
        let place = self.at(key)?;
        let slot = self.slots.get_mut(place)?;
        slot.is_wanted = true;
        Some((place, slot.hold.clone()))
    }

    /// Takes a place: one that is free, or one behind all others.
    pub(super) fn take(&mut self, key: Arc<K>) -> (usize, Hold) {
        let hold = Hold::default();
        let slot = Slot {
            key: Some(key.clone()),
            hold: hold.clone(),
            is_wanted: false,
        };
        let place = match self.free.pop() {
            Some(place) => place,
            None => self.slots.len(),
        };
        match self.slots.get_mut(place) {
            Some(free) => *free = slot,
            None => self.slots.push(slot),
        }
        self.by_key.insert(key, place);
        (place, hold)
    }

    /// Frees up to so many places that nobody holds, and answers which.
    pub(super) fn sweep(&mut self, most: usize) -> Vec<usize> {
        let mut swept = Vec::new();
        // In two rounds everything that was spared once is met again.
        for _ in 0..2 * self.slots.len() {
            if swept.len() == most {
                break;
            }
            let place = self.hand;
            self.hand = (place + 1) % self.slots.len();
            let Some(slot) = self.slots.get_mut(place) else {
                continue;
            };
            let is_held = Arc::strong_count(&slot.hold) > 1;
            if is_held || std::mem::take(&mut slot.is_wanted) {
                continue;
            }
            if let Some(key) = slot.key.take() {
                self.by_key.remove(&key);
                self.free.push(place);
                swept.push(place);
            }
        }
        swept
    }
}

/// How many counters and paces there are in memory, of all teams, and how many there should be.
pub(crate) struct Room {
    most: usize,
    taken: AtomicUsize,
    /// With so many it is time to look for those that can go.
    look_at: AtomicUsize,
}

impl Room {
    /// For what fits into so much memory.
    pub(crate) fn new(bytes: u64) -> Arc<Room> {
        let most = usize::try_from(bytes / BYTES).unwrap_or(usize::MAX);
        let most = most.max(FEWEST);
        Arc::new(Room {
            most,
            taken: AtomicUsize::new(0),
            look_at: AtomicUsize::new(most),
        })
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    #[cfg(test)]
    pub(crate) fn most_for_tests(&self) -> usize {
        self.most
    }

    /// How many are to go, where it is time for that: half of all, so that this is seldom.
    #[inline]
    pub(crate) fn excess(&self) -> Option<usize> {
        let taken = self.taken();
        (taken >= self.look_at.load(Ordering::Acquire)).then(|| taken.saturating_sub(self.most / 2))
    }

    /// All that could go has gone: where the rest is held, it is looked at again once there is a
    /// quarter more.
    pub(crate) fn was_looked_at(&self) {
        let next = self.taken().saturating_add(self.most / 4).max(self.most);
        self.look_at.store(next, Ordering::Release);
    }
}

/// What the counters and paces of one team take of the room.
#[derive(Default)]
pub(super) struct Share {
    room: Option<Arc<Room>>,
    taken: usize,
}

impl Share {
    pub(super) fn of(room: &Arc<Room>) -> Share {
        Share {
            room: Some(room.clone()),
            taken: 0,
        }
    }

    /// They are so many now.
    pub(super) fn is(&mut self, now: usize) {
        let before = std::mem::replace(&mut self.taken, now);
        if let Some(room) = self.room.as_ref().filter(|_| now != before) {
            room.taken.fetch_add(now, Ordering::AcqRel);
            room.taken.fetch_sub(before, Ordering::AcqRel);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.is(0);
    }
}
