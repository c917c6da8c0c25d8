//! What the threads that send share: the lock of the meters, and the numbers that are read and
//! written without it. The tests of the library can give both to shuttle, which tries different
//! orders of the threads' steps.

#[cfg(test)]
pub(crate) use explored::{AtomicU64, Mutex, MutexGuard};
#[cfg(not(test))]
pub(crate) use parking_lot::{Mutex, MutexGuard};
#[cfg(not(test))]
pub(crate) use std::sync::atomic::AtomicU64;

#[cfg(test)]
pub(crate) mod explored {
    use shuttle::scheduler::PctScheduler;
    use std::cell::Cell;
    use std::ops::{Deref, DerefMut};
    use std::sync::atomic::Ordering;

    thread_local! {
        /// Whether shuttle runs on this thread; it runs all threads of a scenario on one thread.
        static EXPLORING: Cell<bool> = const { Cell::new(false) };
    }

    /// How often a schedule changes the order of the threads, beside the places where they wait.
    const SWITCHES: usize = 4;
    /// Opening a store needs a larger stack than shuttle's default.
    const STACK: usize = 1 << 20;

    pub(crate) enum Mutex<T> {
        Plain(parking_lot::Mutex<T>),
        Explored(shuttle::sync::Mutex<T>),
    }

    pub(crate) enum MutexGuard<'a, T> {
        Plain(parking_lot::MutexGuard<'a, T>),
        Explored(shuttle::sync::MutexGuard<'a, T>),
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            if EXPLORING.get() {
                Mutex::Explored(shuttle::sync::Mutex::new(T::default()))
            } else {
                Mutex::Plain(Default::default())
            }
        }
    }

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            match self {
                Mutex::Plain(lock) => MutexGuard::Plain(lock.lock()),
                Mutex::Explored(lock) => MutexGuard::Explored(lock.lock().unwrap()),
            }
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            match self {
                Mutex::Plain(lock) => lock.try_lock().map(MutexGuard::Plain),
                Mutex::Explored(lock) => lock.try_lock().ok().map(MutexGuard::Explored),
            }
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            match self {
                MutexGuard::Plain(guard) => guard,
                MutexGuard::Explored(guard) => guard,
            }
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            match self {
                MutexGuard::Plain(guard) => guard,
                MutexGuard::Explored(guard) => guard,
            }
        }
    }

    pub(crate) enum AtomicU64 {
        Plain(std::sync::atomic::AtomicU64),
        Explored(shuttle::sync::atomic::AtomicU64),
    }

    impl Default for AtomicU64 {
        fn default() -> Self {
            if EXPLORING.get() {
                AtomicU64::Explored(Default::default())
            } else {
                AtomicU64::Plain(Default::default())
            }
        }
    }

    impl AtomicU64 {
        pub(crate) fn new(value: u64) -> Self {
            let number = AtomicU64::default();
            number.store(value, Ordering::Relaxed);
            number
        }

        pub(crate) fn load(&self, order: Ordering) -> u64 {
            match self {
                AtomicU64::Plain(number) => number.load(order),
                AtomicU64::Explored(number) => number.load(order),
            }
        }

        pub(crate) fn store(&self, value: u64, order: Ordering) {
            match self {
                AtomicU64::Plain(number) => number.store(value, order),
                AtomicU64::Explored(number) => number.store(value, order),
            }
        }

        pub(crate) fn swap(&self, value: u64, order: Ordering) -> u64 {
            match self {
                AtomicU64::Plain(number) => number.swap(value, order),
                AtomicU64::Explored(number) => number.swap(value, order),
            }
        }

        pub(crate) fn compare_exchange_weak(
            &self,
            from: u64,
            to: u64,
            done: Ordering,
            failed: Ordering,
        ) -> Result<u64, u64> {
            match self {
                AtomicU64::Plain(number) => number.compare_exchange_weak(from, to, done, failed),
                AtomicU64::Explored(number) => number.compare_exchange_weak(from, to, done, failed),
            }
        }
    }

    /// Runs a scenario under this number of schedules of its threads, which are threads of
    /// `shuttle::thread`.
    pub(crate) fn explore(schedules: usize, scenario: impl Fn() + Send + Sync + 'static) {
        let mut config = shuttle::Config::new();
        config.stack_size = STACK;
        EXPLORING.set(true);
        shuttle::Runner::new(PctScheduler::new(SWITCHES, schedules), config).run(scenario);
        EXPLORING.set(false);
    }
}
