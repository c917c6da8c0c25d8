//! One sync for all who wait: the first thread to ask does it, the others wait and are served by it
//! or by the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tracing::error;

use crate::backend::StoreError;
use crate::raw::Failure;

pub(crate) struct Group<D> {
    state: Mutex<SyncState<D>>,
    /// For those who are served by a sync with an even number, and by one with an odd one: whoever
    /// comes while a sync is under way may not be served by it, and sleeps on when it is over.
    served: [Condvar; 2],
    /// For whoever closes, until no sync is under way.
    idle: Condvar,
    /// For the thread that lets others come before it syncs.
    come: Condvar,
    failure: Failure,
}

struct SyncState<D> {
    /// All commits up to this one are durable.
    durable: u64,
    /// What syncing needs; whoever syncs has taken it.
    disk: Option<D>,
    closed: bool,
    /// How many syncs were begun.
    begun: u64,
    /// How many threads the next sync serves, as far as they have come, and how many the last one.
    coming: usize,
    served: usize,
    /// How long the last sync took, [`LONGEST`] at most.
    took: Duration,
}

/// A thread that could begin a sync lets others come for this part of the time that syncs take.
/// Those that the last sync has served are about to come back; beginning without them makes every
/// second sync serve one thread only. Where syncs are short, they rather come while it syncs.
const PATIENCE: u32 = 4;
/// A sync that took longer, as where a disk hangs, says nothing of the next one.
const LONGEST: Duration = Duration::from_millis(20);

impl<D> Group<D> {
    pub(crate) fn new(durable: u64, disk: D, failure: Failure) -> Self {
        let state = SyncState {
            durable,
            disk: Some(disk),
            closed: false,
            begun: 0,
            coming: 0,
            served: 1,
            took: Duration::ZERO,
        };
        Group {
            state: Mutex::new(state),
            served: Default::default(),
            idle: Condvar::new(),
            come: Condvar::new(),
            failure,
        }
    }

    /// Returns when `commit` is durable. `sync` makes everything durable that was committed before
    /// it began, which must include `commit`, and returns the number of the last such commit.
    pub(crate) fn wait_for(
        &self,
        commit: u64,
        sync: impl Fn(&mut D) -> Result<u64, StoreError>,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        state.coming += 1;
        if state.coming >= state.served {
            self.come.notify_one();
        }
        let own = state.begun + 1;
        let outcome = self.wait(&mut state, commit, sync);
        if state.begun < own {
            // The one before has served it as well.
            state.coming -= 1;
        }
        outcome
    }

    fn served_by(&self, sync: u64) -> &Condvar {
        let [even, odd] = &self.served;
        if sync.is_multiple_of(2) { even } else { odd }
    }

    fn wake_all(&self) {
        self.served.iter().chain([&self.idle]).for_each(|those| {
            those.notify_all();
        });
    }

    fn wait(
        &self,
        state: &mut MutexGuard<'_, SyncState<D>>,
        commit: u64,
        sync: impl Fn(&mut D) -> Result<u64, StoreError>,
    ) -> Result<(), StoreError> {
        // Whether this thread was woken to begin the next sync.
        let mut is_next = false;
        loop {
            if state.durable >= commit {
                if is_next {
                    self.served_by(state.begun + 1).notify_one();
                }
                return Ok(());
            }
            if let Some(error) = self.failure.get() {
                return Err(error.clone());
            }
            if state.closed {
                return Err(StoreError::Closed);
            }
            let Some(mut disk) = state.disk.take() else {
                let next = state.begun + 1;
                self.served_by(next).wait(state);
                is_next = state.begun < next;
                continue;
            };
            let until = Instant::now() + state.took / PATIENCE;
            while state.coming < state.served && !self.come.wait_until(state, until).timed_out() {}
            state.served = std::mem::take(&mut state.coming);
            state.begun += 1;
            let began = Instant::now();
            let outcome = MutexGuard::unlocked(state, || {
                let outcome = catch_unwind(AssertUnwindSafe(|| sync(&mut disk)));
                outcome.unwrap_or_else(|_| Err(StoreError::failed("a panic while syncing")))
            });
            state.disk = Some(disk);
            state.took = began.elapsed().min(LONGEST);
            match outcome {
                Ok(durable) => state.durable = state.durable.max(durable),
                Err(error) => {
                    error!(target: "tenantry::store", "A sync failed; nothing more is written.");
                    self.failure.get_or_init(|| error);
                    self.wake_all();
                }
            }
            self.idle.notify_all();
            // In this order they go on: while those who are served come back, the next sync begins.
            self.served_by(state.begun + 1).notify_one();
            self.served_by(state.begun).notify_all();
        }
    }

    pub(crate) fn durable(&self) -> u64 {
        self.state.lock().durable
    }

    #[cfg(test)]
    pub(crate) fn look<T>(&self, at: impl FnOnce(&D) -> T) -> T {
        at(self.state.lock().disk.as_ref().unwrap())
    }

    /// For closing: waits for a sync that is under way and takes what syncing needs.
    /// [`Group::close`] must follow.
    pub(crate) fn take(&self) -> Option<D> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            match state.disk.take() {
                Some(disk) => return Some(disk),
                None => self.idle.wait(&mut state),
            }
        }
    }

    pub(crate) fn close(&self, durable: Option<u64>) {
        let mut state = self.state.lock();
        state.durable = state.durable.max(durable.unwrap_or(0));
        state.closed = true;
        self.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::channel;

    #[test]
    fn many_threads_share_syncs_and_none_returns_too_early() {
        let group = Arc::new(Group::new(0, 0_u64, Failure::default()));
        let committed = Arc::new(AtomicU64::new(0));
        let durable = Arc::new(AtomicU64::new(0));
        let threads: Vec<_> = (0..16)
            .map(|_| {
                let (group, committed, durable) =
                    (group.clone(), committed.clone(), durable.clone());
                std::thread::spawn(move || {
                    for _ in 0..50 {
                        let mine = committed.fetch_add(1, Ordering::SeqCst) + 1;
                        group
                            .wait_for(mine, |syncs| {
                                *syncs += 1;
                                let target = committed.load(Ordering::SeqCst);
                                std::thread::sleep(Duration::from_micros(200));
                                durable.store(target, Ordering::SeqCst);
                                Ok(target)
                            })
                            .unwrap();
                        assert!(durable.load(Ordering::SeqCst) >= mine);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let syncs = group.take().unwrap();
        assert!((1..=400).contains(&syncs), "{syncs} syncs for 800 commits");
    }

    /// After a sync that served two threads and took so long.
    fn after_two(took: Duration) -> Arc<Group<u64>> {
        let group = Group::new(0, 0, Failure::default());
        let mut state = group.state.lock();
        (state.served, state.took) = (2, took);
        drop(state);
        Arc::new(group)
    }

    #[test]
    fn those_who_are_about_to_come_back_share_the_next_sync() {
        // Nobody waits for so long: both are there before.
        let group = after_two(Duration::from_secs(3600));
        let ask = |group: Arc<Group<u64>>| {
            std::thread::spawn(move || {
                group.wait_for(2, |syncs| {
                    *syncs += 1;
                    Ok(2)
                })
            })
        };
        let first = ask(group.clone());
        while group.state.lock().coming == 0 && !first.is_finished() {
            std::thread::yield_now();
        }
        let second = ask(group.clone());
        assert_eq!(
            (first.join().unwrap(), second.join().unwrap()),
            (Ok(()), Ok(()))
        );
        assert_eq!(group.take(), Some(1));
    }

    #[test]
    fn who_does_not_come_back_is_not_waited_for() {
        let took = Duration::from_millis(40);
        let group = after_two(took);
        let began = Instant::now();
        assert_eq!(group.wait_for(1, |_| Ok(1)), Ok(()));
        assert!(began.elapsed() >= took / PATIENCE);
    }

    /// Who came during a sync that has served them nevertheless, and is woken to begin the next
    /// one, leaves that to the others.
    #[test]
    fn who_needs_no_sync_any_more_lets_the_next_one_begin_it() {
        const LONG: Duration = Duration::from_secs(30);
        let group = Arc::new(Group::new(0, (), Failure::default()));
        let until = |is_so: fn(&SyncState<()>) -> bool| {
            let began = Instant::now();
            while !is_so(&group.state.lock()) {
                assert!(began.elapsed() < LONG);
                std::thread::yield_now();
            }
        };
        let (done, all_done) = channel();
        let (go, goes) = channel();
        let goes = Mutex::new(goes);
        let first = (group.clone(), done.clone());
        std::thread::spawn(move || {
            let (group, done) = first;
            let outcome = group.wait_for(1, |()| {
                goes.lock().recv_timeout(LONG).unwrap();
                Ok(2)
            });
            done.send(outcome)
        });
        until(|state| state.begun == 1);
        for commit in [2, 3] {
            let (group, done) = (group.clone(), done.clone());
            std::thread::spawn(move || done.send(group.wait_for(commit, |()| Ok(3))));
            match commit {
                2 => until(|state| state.coming == 1),
                _ => until(|state| state.coming == 2),
            }
        }
        go.send(()).unwrap();
        for _ in 0..3 {
            assert_eq!(all_done.recv_timeout(LONG).unwrap(), Ok(()));
        }
    }

    #[test]
    fn an_error_and_a_panic_are_final_and_wake_everyone() {
        for panics in [false, true] {
            let group = Arc::new(Group::new(3, (), Failure::default()));
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let group = group.clone();
                    std::thread::spawn(move || {
                        group.wait_for(4, |()| {
                            std::thread::sleep(Duration::from_millis(20));
                            if panics {
                                panic!("while syncing");
                            }
                            Err(StoreError::failed("the disk"))
                        })
                    })
                })
                .collect();
            for thread in threads {
                assert!(matches!(
                    thread.join().unwrap(),
                    Err(StoreError::Failed { .. })
                ));
            }
            assert!(
                group.wait_for(4, |()| Ok(9)).is_err(),
                "a failed sync is not tried again"
            );
            assert_eq!(
                group.wait_for(3, |()| Ok(9)),
                Ok(()),
                "what was durable stays so"
            );
        }
    }

    #[test]
    fn closing_waits_for_the_sync_under_way() {
        let group = Arc::new(Group::new(0, (), Failure::default()));
        let done = Arc::new(AtomicU64::new(0));
        let started = Arc::new(std::sync::Barrier::new(2));
        let thread = std::thread::spawn({
            let (group, done, started) = (group.clone(), done.clone(), started.clone());
            move || {
                group.wait_for(1, |()| {
                    started.wait();
                    std::thread::sleep(Duration::from_millis(30));
                    done.store(1, Ordering::SeqCst);
                    Ok(1)
                })
            }
        });
        started.wait();
        assert!(group.take().is_some());
        assert_eq!(done.load(Ordering::SeqCst), 1);
        group.close(None);
        assert_eq!(thread.join().unwrap(), Ok(()));
        assert_eq!(group.wait_for(1, |()| Ok(1)), Ok(()));
        assert_eq!(group.wait_for(2, |()| Ok(2)), Err(StoreError::Closed));
        assert!(group.take().is_none());
    }
}
