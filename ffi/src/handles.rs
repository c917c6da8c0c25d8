//! Handles: numbers that stand for objects, and are never their addresses.
//!
//! A table is a list of slots that only grows. A handle contains its kind, its slot and the
//! generation of the slot, so that a handle that was freed, made up or meant for another table
//! finds nothing. Generations begin at an unpredictable number, so that small made-up numbers find
//! nothing either.
//!
//! Nothing here takes a lock or waits in any other way: a forked child may find the work of another
//! thread half done, and must still be able to free what it inherited and to open stores of its
//! own.

use arc_swap::ArcSwapOption;
use once_cell::race::OnceBox;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const INDEX_BITS: u32 = 26;
const GENERATION_BITS: u32 = 36;
const FIRST_CHUNK: usize = 64;
const CHUNKS: usize = 20;
const CAPACITY: usize = FIRST_CHUNK * ((1 << CHUNKS) - 1);
const NONE: u32 = u32::MAX;

const _: () = assert!(CAPACITY <= 1 << INDEX_BITS);
const _: () = assert!(INDEX_BITS + GENERATION_BITS + 2 == u64::BITS);

/// The table of one kind of handle.
pub(crate) struct Table<T> {
    kind: u64,
    chunks: [OnceBox<Box<[Slot<T>]>>; CHUNKS],
    /// How many slots have ever been used.
    used: AtomicU64,
    /// The freed slots, as a stack: the top slot, and a count of changes above it.
    free: AtomicU64,
}

struct Slot<T> {
    entry: ArcSwapOption<Entry<T>>,
    generation: AtomicU64,
    next_free: AtomicU32,
}

struct Entry<T> {
    id: u64,
    value: T,
}

impl<T> Table<T> {
    /// A table for handles of this kind (1, 2 or 3).
    pub(crate) const fn new(kind: u64) -> Table<T> {
        assert!(kind >= 1 && kind <= 3);
        Table {
            kind: kind << (INDEX_BITS + GENERATION_BITS),
            chunks: [const { OnceBox::new() }; CHUNKS],
            used: AtomicU64::new(0),
            free: AtomicU64::new(NONE as u64),
        }
    }

    /// A handle for the object, or nothing when the table is full.
    pub(crate) fn insert(&self, value: T) -> Option<u64> {
        let (index, slot) = match self.pop() {
            Some(freed) => freed,
            None => self.fresh()?,
        };
        let id =
            self.kind | slot.generation.load(Ordering::Relaxed) << INDEX_BITS | u64::from(index);
        slot.entry.store(Some(Arc::new(Entry { id, value })));
        Some(id)
    }

    /// Works with the object of a handle, which stays alive meanwhile even if the handle is freed.
    #[inline]
    pub(crate) fn with<R>(&self, id: u64, work: impl FnOnce(&T) -> R) -> Option<R> {
        let entry = self.slot_of(id)?.entry.load();
        let entry = entry.as_deref()?;
        (entry.id == id).then(|| work(&entry.value))
    }

    /// Removes a handle, and says whether there was one. The object is dropped when its last user
    /// is done.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let Some(slot) = self.slot_of(id) else {
            return false;
        };
        let entry = slot.entry.load();
        if entry.as_deref().is_none_or(|entry| entry.id != id) {
            return false;
        }
        let seen = entry.as_ref().map(Arc::as_ptr);
        let previous = slot.entry.compare_and_swap(&entry, None);
        if previous.as_ref().map(Arc::as_ptr) != seen {
            return false; // another thread freed it first
        }
        let generation = slot.generation.load(Ordering::Relaxed) + 1;
        slot.generation.store(generation, Ordering::Relaxed);
        if generation >> GENERATION_BITS == 0 {
            self.push((id & ((1 << INDEX_BITS) - 1)) as u32, slot);
        } // else the slot has had every generation that an id can name, and rests for ever
        true
    }

    #[inline]
    fn slot_of(&self, id: u64) -> Option<&Slot<T>> {
        const KIND: u64 = !0 << (INDEX_BITS + GENERATION_BITS);
        if id & KIND != self.kind {
            return None;
        }
        self.slot((id & ((1 << INDEX_BITS) - 1)) as u32)
    }

    /// Chunk `n` holds twice as many slots as the one before, so an index finds its place by its
    /// highest bit.
    #[inline]
    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        let place = index as usize + FIRST_CHUNK;
        let (chunk, start) = (place.ilog2() - FIRST_CHUNK.ilog2(), 1 << place.ilog2());
        self.chunks.get(chunk as usize)?.get()?.get(place - start)
    }

    fn fresh(&self) -> Option<(u32, &Slot<T>)> {
        let index = self
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                (used < CAPACITY as u64).then_some(used + 1)
            })
            .ok()? as u32;
        let place = index as usize + FIRST_CHUNK;
        let chunk = (place.ilog2() - FIRST_CHUNK.ilog2()) as usize;
        self.chunks
            .get(chunk)?
            .get_or_init(|| Box::new(new_chunk(FIRST_CHUNK << chunk)));
        Some((index, self.slot(index)?))
    }

    fn pop(&self) -> Option<(u32, &Slot<T>)> {
        let mut top = self.free.load(Ordering::Acquire);
        loop {
            let index = top as u32;
            let slot = self.slot(index)?; // `NONE` has no slot
            let next = slot.next_free.load(Ordering::Relaxed);
            match self.free.compare_exchange_weak(
                top,
                changed(top, next),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some((index, slot)),
                Err(now) => top = now,
            }
        }
    }

    fn push(&self, index: u32, slot: &Slot<T>) {
        let mut top = self.free.load(Ordering::Acquire);
        loop {
            slot.next_free.store(top as u32, Ordering::Relaxed);
            match self.free.compare_exchange_weak(
                top,
                changed(top, index),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }
}

/// The stack's head with another top. The count in it makes sure that a head that comes back to the
/// same top is a different one.
fn changed(head: u64, top: u32) -> u64 {
    u64::from(((head >> 32) as u32).wrapping_add(1)) << 32 | u64::from(top)
}

fn new_chunk<T>(slots: usize) -> Box<[Slot<T>]> {
    let random = RandomState::new();
    (0..slots)
        .map(|slot| Slot {
            entry: ArcSwapOption::const_empty(),
            generation: AtomicU64::new(random.hash_one(slot) >> (u64::BITS - GENERATION_BITS + 1)),
            next_free: AtomicU32::new(NONE),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_handle_finds_its_object_until_it_is_freed() {
        let table = Table::new(1);
        let first = table.insert("first").unwrap();
        let second = table.insert("second").unwrap();
        assert_eq!(table.with(first, |text| *text), Some("first"));
        assert!(table.remove(first));
        assert!(!table.remove(first), "freed twice");
        assert_eq!(table.with(first, |text| *text), None);
        let third = table.insert("third").unwrap();
        assert_ne!(third, first, "the slot is used again, the handle is not");
        assert_eq!(third as u32 & 0x3ff_ffff, first as u32 & 0x3ff_ffff);
        assert_eq!(table.with(first, |text| *text), None);
        assert_eq!(table.with(second, |text| *text), Some("second"));
        assert_eq!(table.with(third, |text| *text), Some("third"));
    }

    #[test]
    fn forged_zero_and_foreign_handles_find_nothing() {
        let table = Table::new(1);
        let other = Table::new(2);
        let id = table.insert(()).unwrap();
        for forged in (0..64)
            .map(|bit| id ^ 1 << bit)
            .chain(0..10_000)
            .chain([u64::MAX, u64::MAX >> 2])
        {
            assert_eq!(table.with(forged, |_| ()), None, "{forged:#x}");
            assert!(!table.remove(forged), "{forged:#x}");
        }
        assert_eq!(other.with(id, |_: &()| ()), None);
        assert!(table.remove(id));
    }

    #[test]
    fn chunks_meet_without_a_gap() {
        let table = Table::new(3);
        let ids: Vec<u64> = (0..1000_u32)
            .map(|value| table.insert(value).unwrap())
            .collect();
        for (value, id) in ids.iter().enumerate() {
            assert_eq!(table.with(*id, |value| *value), Some(value as u32));
        }
        assert!(table.slot(CAPACITY as u32).is_none());
    }

    #[test]
    fn a_worn_out_slot_is_not_used_again() {
        let table = Table::new(1);
        let id = table.insert(()).unwrap();
        let index = (id & ((1 << INDEX_BITS) - 1)) as u32;
        assert!(table.remove(id));
        table
            .slot(index)
            .unwrap()
            .generation
            .store((1 << GENERATION_BITS) - 1, Ordering::Relaxed);
        let last = table.insert(()).unwrap();
        assert_eq!(last as u32 & 0x3ff_ffff, index);
        assert!(table.remove(last));
        let next = table.insert(()).unwrap();
        assert_ne!(next as u32 & 0x3ff_ffff, index);
    }

    /// Threads use, free and make handles of the same few slots; each object is dropped once and
    /// nobody sees an object that is not theirs.
    #[test]
    fn many_threads_use_and_free_the_same_slots() {
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        static FREED: AtomicUsize = AtomicUsize::new(0);
        struct Counted(u64);
        impl Drop for Counted {
            fn drop(&mut self) {
                ALIVE.fetch_sub(1, Ordering::Relaxed);
            }
        }
        const ROUNDS: u64 = 20_000;
        let table = Table::new(1);
        let shared: [AtomicU64; 4] = Default::default();
        std::thread::scope(|threads| {
            for thread in 0..4_u64 {
                let (table, shared) = (&table, &shared);
                threads.spawn(move || {
                    for round in 0..ROUNDS {
                        let mark = thread << 32 | round;
                        ALIVE.fetch_add(1, Ordering::Relaxed);
                        let id = table.insert(Counted(mark)).unwrap();
                        assert_eq!(table.with(id, |counted| counted.0), Some(mark));
                        let previous = shared[(round % 4) as usize].swap(id, Ordering::AcqRel);
                        let neighbour = shared[((round + 1) % 4) as usize].load(Ordering::Acquire);
                        table.with(neighbour, |counted| assert!(counted.0 >> 32 < 4));
                        if round % 3 == 0 && table.remove(neighbour) {
                            FREED.fetch_add(1, Ordering::Relaxed);
                        }
                        if table.remove(previous) {
                            FREED.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        for last in &shared {
            if table.remove(last.load(Ordering::Relaxed)) {
                FREED.fetch_add(1, Ordering::Relaxed);
            }
        }
        assert_eq!(FREED.load(Ordering::Relaxed), 4 * ROUNDS as usize);
        assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
    }
}
