//! What takes long is told in the log (docs/adr/0062).

use std::time::{Duration, Instant};
use tenantry_store::in_ms;
use tracing::warn;

/// From how long on something is told, by the option `slow_ms`.
pub(crate) struct Slow {
    from: Option<Duration>,
}

impl Slow {
    /// With 0, nothing is told.
    pub(super) fn new(slow_ms: u64) -> Slow {
        Slow {
            from: (slow_ms > 0).then(|| Duration::from_millis(slow_ms)),
        }
    }

    /// Whether something that took so long is to be told.
    pub(crate) fn is_slow(&self, took: Duration) -> bool {
        self.from.is_some_and(|from| took >= from)
    }

    /// Does a step of the store, such as a commit, and tells if it took long.
    pub(super) fn watch<T>(&self, step: &'static str, work: impl FnOnce() -> T) -> T {
        if self.from.is_none() {
            return work();
        }
        let began = Instant::now();
        let outcome = work();
        let took = began.elapsed();
        if self.is_slow(took) {
            warn!(
                target: "tenantry::store",
                step,
                took_ms = in_ms(took),
                "A step of the store was slow."
            );
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_0_nothing_is_slow() {
        let (never, second) = (Slow::new(0), Slow::new(1_000));
        for (took_ms, is_slow) in [(0, false), (999, false), (1_000, true), (1_001, true)] {
            let took = Duration::from_millis(took_ms);
            assert_eq!(second.is_slow(took), is_slow, "{took_ms}");
            assert!(!never.is_slow(took));
        }
    }
}
