//! The meters of a tree of accounts, under one lock: their counters and paces, and where each lies.

use crate::error::Error;
use crate::locks::{AtomicU64, Mutex, MutexGuard};
use crate::meters::allowance::{Alike, Lent};
use crate::meters::counter::{Cold, Hot};
use crate::meters::id::MeterId;
use crate::meters::places::{Hold, Places, Room, Share};
use crate::meters::wanted::Wanted;
use crate::model::Meter;
use crate::rules::pace::Pace;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The meters of a tree of accounts.
#[derive(Default)]
pub(crate) struct Team {
    /// To be reached by [`meters`](Team::meters) alone.
    locked: Mutex<Meters>,
    /// How often they were changed.
    pub(super) changes: AtomicU64,
    /// Held by whoever draws from the store for this team.
    pub(super) drawing: Mutex<()>,
    /// Whether its top account is gone: nothing more is charged here.
    has_ended: AtomicBool,
    /// What senders have in common who are charged alike.
    pub(super) alike: Alike,
}

#[derive(Default)]
pub(super) struct Meters {
    /// What every send reads and writes, apart from the rest.
    pub(super) hot: Vec<Hot>,
    pub(super) cold: Vec<Cold>,
    pub(super) places: Places<MeterId>,
    pub(super) paces: Vec<Pace>,
    /// The key of the record of each pace, and the version of it that says that it is in memory
    /// here.
    pub(super) pace_records: Vec<(Vec<u8>, u64)>,
    /// By when they were made, too: a cap that is made anew has a pace of its own.
    pub(super) pace_places: Places<(Arc<MeterId>, u64)>,
    share: Share,
    /// What one sender may take without the lock; nothing while somebody holds it.
    pub(super) lent: Option<Lent>,
    /// Where the allowance of who sent last lies, and the one that they share with those who are
    /// charged alike. It may be gone, and be the place of another by now: that one is lent to
    /// early.
    pub(super) sent_last: [usize; 2],
}

impl Team {
    /// The meters, with nothing lent of them.
    pub(super) fn meters(&self) -> Locked<'_> {
        Locked::new(self.locked.lock(), &self.changes)
    }

    /// Looks at the meters without taking back what is lent of them, which counts as used, and at
    /// how often they were changed.
    pub(super) fn look<T>(&self, at: impl FnOnce(&Meters, u64) -> T) -> T {
        let meters = self.locked.lock();
        at(&meters, self.changes.load(Ordering::Relaxed))
    }

    /// From here on nothing is drawn any more; what is drawn now is given back after it.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
    }

    /// What was prepared before the top account went is charged to another team, if to any.
    pub(super) fn refuse_when_ended(&self) -> Result<(), Error> {
        match self.has_ended.load(Ordering::Acquire) {
            true => Err(overtaken()),
            false => Ok(()),
        }
    }

    /// One whose counters and paces take their part of a room.
    pub(crate) fn in_room(room: &Arc<Room>) -> Arc<Team> {
        let team = Team::default();
        team.locked.lock().share = Share::of(room);
        Arc::new(team)
    }

    /// Lets no pace be further ahead than its burst.
    pub(crate) fn bound_paces(&self, now_ms: u64) {
        self.meters()
            .paces
            .iter_mut()
            .for_each(|pace| pace.bound(now_ms));
    }

    /// Whether something is drawn from a counter that could still be used, or came back to it and
    /// the store does not know of it.
    pub(crate) fn holds_unspent(&self, id: &MeterId) -> bool {
        let is_here = self.locked.lock().places.at(id).is_some();
        // What is lent comes back only where there is something to look at.
        is_here && {
            let meters = self.meters();
            let pair = meters
                .places
                .at(id)
                .and_then(|place| meters.pair(place).ok());
            pair.is_some_and(|(hot, cold)| hot.unspent > 0 || !cold.unwritten.is_empty())
        }
    }

    /// Whether nothing is drawn that could still be used, and nothing came back that the store does
    /// not know of.
    pub(crate) fn is_idle(&self) -> bool {
        let meters = self.meters();
        meters.hot.iter().all(|hot| hot.unspent == 0)
            && meters.cold.iter().all(|cold| cold.unwritten.is_empty())
    }

    /// Whether it is known here alone how far a pace is.
    pub(crate) fn has_paces(&self) -> bool {
        self.meters()
            .paces
            .iter()
            .any(|pace| pace.next_slot_us().is_some())
    }
}

impl Meters {
    /// Makes a counter. Its window has ended: the first charge looks into the store.
    fn add(&mut self, wanted: &Wanted) -> (usize, Hold) {
        let (place, hold) = self.places.take(wanted.id.clone());
        let hot = Hot {
            ends_at_ms: 0,
            unspent: 0,
            used: 0,
            limit: 0,
            stop: 0,
            low: 0,
        };
        let cold = Cold {
            id: wanted.id.clone(),
            window: wanted.window,
            source: wanted.resolved.source,
            over: wanted.over,
            limit: 0,
            calendar: wanted.calendar.clone(),
            guaranteed: Arc::default(),
            guaranteed_by: None,
            keeps_apart: false,
            alert_at: wanted.alert_at.clone(),
            stamp: wanted.stamp,
            meter: Meter::default(),
            charged: Meter::default(),
            unwritten: Vec::new(),
            version: 0,
            read_at_ms: 0,
            block: 0,
            filled: 0,
            used_of_block: 0,
            low: 0,
            drawn_at_ms: 0,
        };
        match self.pair_mut(place) {
            Ok(free) => (*free.0, *free.1) = (hot, cold),
            Err(_) => {
                self.hot.push(hot);
                self.cold.push(cold);
            }
        }
        (place, hold)
    }

    pub(super) fn place(&mut self, wanted: &Wanted) -> (usize, Hold) {
        match self.places.find(&wanted.id) {
            Some(place) => place,
            None => self.add(wanted),
        }
    }

    /// Where a pace lies that spreads as `pace` does.
    pub(super) fn pace_place(&mut self, wanted: &Wanted, pace: Pace) -> (usize, Hold) {
        let key = (wanted.id.clone(), wanted.made_at_ms);
        if let Some(place) = self.pace_places.find(&key) {
            return place;
        }
        let (place, hold) = self.pace_places.take(Arc::new(key));
        let (pace, record) = (pace.unknown(), (wanted.id.pace_key(), 0));
        match self
            .paces
            .get_mut(place)
            .zip(self.pace_records.get_mut(place))
        {
            Some(free) => (*free.0, *free.1) = (pace, record),
            None => {
                self.paces.push(pace);
                self.pace_records.push(record);
            }
        }
        (place, hold)
    }

    /// Says how many there are now.
    pub(super) fn count_places(&mut self) {
        self.share.is(self.places.len() + self.pace_places.len());
    }

    pub(super) fn pair(&self, place: usize) -> Result<(&Hot, &Cold), Error> {
        self.hot
            .get(place)
            .zip(self.cold.get(place))
            .ok_or_else(lost_place)
    }

    pub(super) fn pair_mut(&mut self, place: usize) -> Result<(&mut Hot, &mut Cold), Error> {
        self.hot
            .get_mut(place)
            .zip(self.cold.get_mut(place))
            .ok_or_else(lost_place)
    }
}

/// The answer where something is gone that a send was prepared for, and not its own account.
pub(crate) fn overtaken() -> Error {
    Error::busy("Something that the send is charged to was deleted meanwhile; ask again.")
}

pub(super) fn lost_place() -> Error {
    Error::internal("This is a defect to report: a counter has no place.")
}

/// The meters under their lock, with nothing lent of them. It counts how often they may have been
/// changed: only what looks at them leaves the number as it is.
pub(super) struct Locked<'t> {
    pub(super) meters: MutexGuard<'t, Meters>,
    changes: &'t AtomicU64,
}

impl<'t> Locked<'t> {
    /// What was lent was counted as a change when it was.
    #[inline]
    pub(super) fn new(mut meters: MutexGuard<'t, Meters>, changes: &'t AtomicU64) -> Locked<'t> {
        meters.take_back();
        Locked { meters, changes }
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Whoever looks at the number without the lock comes before the change or sees it.
    #[inline]
    pub(super) fn count_change(&self) {
        self.changes
            .store(self.changes.load(Ordering::Relaxed) + 1, Ordering::Release);
    }
}

impl Deref for Locked<'_> {
    type Target = Meters;

    #[inline]
    fn deref(&self) -> &Meters {
        &self.meters
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Meters {
        self.count_change();
        &mut self.meters
    }
}
