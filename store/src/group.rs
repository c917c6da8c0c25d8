//! One sync for all who wait: the first thread to ask does it, the others wait and are served by it
//! or by the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::backend::StoreError;
use crate::raw::Failure;

pub(crate) struct Group<D> {
    state: Mutex<SyncState<D>>,
    changed: Condvar,
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
    /// How many threads are waiting or syncing now, and how many there were when the last sync
    /// began.
    asking: usize,
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
            asking: 0,
            served: 1,
            took: Duration::ZERO,
        };
        Group {
            state: Mutex::new(state),
            changed: Condvar::new(),
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
        state.asking += 1;
        if state.asking >= state.served {
            self.come.notify_one();
        }
        let outcome = self.wait(&mut state, commit, sync);
        state.asking -= 1;
        outcome
    }

    fn wait(
        &self,
        state: &mut MutexGuard<'_, SyncState<D>>,
        commit: u64,
        sync: impl Fn(&mut D) -> Result<u64, StoreError>,
    ) -> Result<(), StoreError> {
        loop {
            if state.durable >= commit {
                return Ok(());
            }
            if let Some(error) = self.failure.get() {
                return Err(error.clone());
            }
            if state.closed {
                return Err(StoreError::Closed);
            }
            let Some(mut disk) = state.disk.take() else {
                self.changed.wait(state);
                continue;
            };
            let until = Instant::now() + state.took / PATIENCE;
            while state.asking < state.served && !self.come.wait_until(state, until).timed_out() {}
            state.served = state.asking;
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
                    self.failure.get_or_init(|| error);
                }
            }
            self.changed.notify_all();
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
                None => self.changed.wait(&mut state),
            }
        }
    }

    pub(crate) fn close(&self, durable: Option<u64>) {
        let mut state = self.state.lock();
        state.durable = state.durable.max(durable.unwrap_or(0));
        state.closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

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
        while group.state.lock().asking == 0 && !first.is_finished() {
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
