//! The lock of the meters. The tests of the library can hand it to shuttle, which tries out in which order threads take it.

#[cfg(test)]
pub(crate) use explored::{Mutex, MutexGuard};
#[cfg(not(test))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

#[cfg(test)]
pub(crate) mod explored {
    use shuttle::scheduler::PctScheduler;
    use std::cell::Cell;
    use std::ops::{Deref, DerefMut};

    thread_local! {
        /// Whether shuttle runs on this thread: it runs all the threads of a scenario on one.
        static EXPLORING: Cell<bool> = const { Cell::new(false) };
    }

    /// How often the order of threads changes within one schedule, besides where they wait.
    const SWITCHES: usize = 4;
    /// Opening a store needs more than the stack that shuttle gives.
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
            if EXPLORING.get() { Mutex::Explored(shuttle::sync::Mutex::new(T::default())) } else { Mutex::Plain(Default::default()) }
        }
    }

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            match self {
                Mutex::Plain(lock) => MutexGuard::Plain(lock.lock()),
                Mutex::Explored(lock) => MutexGuard::Explored(lock.lock().unwrap()),
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

    /// Runs a scenario under so many schedules of its threads, which are those of `shuttle::thread`.
    pub(crate) fn explore(schedules: usize, scenario: impl Fn() + Send + Sync + 'static) {
        let mut config = shuttle::Config::new();
        config.stack_size = STACK;
        EXPLORING.set(true);
        shuttle::Runner::new(PctScheduler::new(SWITCHES, schedules), config).run(scenario);
        EXPLORING.set(false);
    }
}
