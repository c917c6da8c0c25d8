//! Counting all records of a store that nobody has yet, by several threads at once.
//!
//! How the keys are spread is not known. So the first thread begins with all of them, and whoever
//! is at work gives half of what is left to a thread that has nothing to do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parking_lot::{Condvar, Mutex};

use crate::backend::{Order, StoreError};
use crate::layers::{Layers, PAGE, next_key};
use crate::raw::Raw;
use crate::record::{self, Head, Kind, count};

/// More threads than this wait for each other.
const MOST_THREADS: usize = 8;

/// The keys from the first up to the second, which is not among them.
type Range = (Vec<u8>, Vec<u8>);

/// What is still to be counted.
struct Work {
    state: Mutex<State>,
    changed: Condvar,
    threads: usize,
}

struct State {
    waiting: Vec<Range>,
    idle: usize,
    /// Something was found that is not as it should be, or a read failed.
    is_over: bool,
}

/// Whether every record is undamaged, and they are those that the head counts. What is wrong is not
/// told: a verification does.
pub(crate) fn is_whole<R: Raw>(layers: &Layers<R>, head: &Head) -> Result<bool, StoreError> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let work = Work {
        state: Mutex::new(State {
            waiting: vec![(Vec::new(), vec![record::OWN])],
            idle: 0,
            is_over: false,
        }),
        changed: Condvar::new(),
        threads: processors.min(MOST_THREADS),
    };
    let parts: Vec<_> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..work.threads)
            .map(|_| std::thread::Builder::new().spawn_scoped(scope, || work.count(layers)))
            .collect();
        // Threads that cannot be had are not waited for.
        let missing = others.iter().filter(|other| other.is_err()).count();
        work.state.lock().idle += missing;
        let own = work.count(layers);
        let counted = others.into_iter().flatten().map(|other| other.join());
        counted
            .map(|part| part.unwrap_or_else(|_| Err(StoreError::failed("a panic in a thread"))))
            .chain([own])
            .collect()
    });
    let (mut records, mut sum) = (0_u64, 0_u64);
    for part in parts {
        match part {
            Ok((some, of_some)) => {
                records += some;
                sum = sum.wrapping_add(of_some);
            }
            Err(StoreError::Corrupt { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok((records, sum) == (head.records, head.sum))
}

impl Work {
    /// Counts until nothing is left.
    fn count<R: Raw>(&self, layers: &Layers<R>) -> Result<(u64, u64), StoreError> {
        let (mut records, mut sum) = (0, 0);
        while let Some(range) = self.next() {
            let count = || self.count_range(layers, range, &mut records, &mut sum);
            // The others would wait for a thread that is gone.
            let counted = catch_unwind(AssertUnwindSafe(count))
                .unwrap_or_else(|_| Err(StoreError::failed("a panic while counting records")));
            if let Err(error) = counted {
                self.state.lock().is_over = true;
                self.changed.notify_all();
                return Err(error);
            }
        }
        Ok((records, sum))
    }

    /// The next keys; none once nobody has any left.
    fn next(&self) -> Option<Range> {
        let mut state = self.state.lock();
        state.idle += 1;
        loop {
            if state.is_over {
                return None;
            }
            if let Some(range) = state.waiting.pop() {
                state.idle -= 1;
                return Some(range);
            }
            if state.idle >= self.threads {
                state.is_over = true;
                self.changed.notify_all();
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    fn count_range<R: Raw>(
        &self,
        layers: &Layers<R>,
        (mut from, mut until): Range,
        records: &mut u64,
        sum: &mut u64,
    ) -> Result<(), StoreError> {
        loop {
            let page = layers.entries(&from, &until, Order::Ascending, PAGE)?;
            for (key, bytes) in &page {
                let bytes = bytes.as_ref();
                if record::unseal(key, bytes)?.kind != Kind::Whole {
                    // Its parts are checked with it.
                    layers.load(key, bytes)?;
                }
                count(records, sum, None, Some(record::checksum_of(bytes)));
            }
            let Some((last, _)) = page.last().filter(|_| page.len() == PAGE) else {
                return Ok(());
            };
            from = next_key(last);
            if let Some(middle) = self.give_half(layers, &from, &until)? {
                until = middle;
            }
            if self.state.lock().is_over {
                return Ok(());
            }
        }
    }

    /// Gives the upper half of the keys to somebody who has none; answers where it begins.
    fn give_half<R: Raw>(
        &self,
        layers: &Layers<R>,
        from: &[u8],
        until: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        {
            let state = self.state.lock();
            if state.idle == 0 || !state.waiting.is_empty() {
                return Ok(None);
            }
        }
        let last = layers.entries(from, until, Order::Descending, 1)?;
        let middle = last.first().and_then(|(last, _)| between(from, last));
        if let Some(middle) = &middle {
            let mut state = self.state.lock();
            state.waiting.push((middle.clone(), until.to_vec()));
            self.changed.notify_one();
        }
        Ok(middle)
    }
}

/// A key about halfway from the first to the last; none where they are too close.
fn between(first: &[u8], last: &[u8]) -> Option<Vec<u8>> {
    let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let number = |key: &[u8]| {
        let mut bytes = [0; 8];
        let rest = key.get(common..).unwrap_or_default();
        bytes
            .iter_mut()
            .zip(rest)
            .for_each(|(to, from)| *to = *from);
        u64::from_be_bytes(bytes)
    };
    let (low, high) = (number(first), number(last));
    let middle = low.midpoint(high);
    (low < middle).then(|| {
        [
            first.get(..common).unwrap_or_default(),
            &middle.to_be_bytes(),
        ]
        .concat()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_lies_between() {
        for (first, last) in [
            (&b""[..], &b"z"[..]),
            (b"u000000", b"u099999"),
            (b"u0", b"u0\0\0\0\0\0\x01\0"),
            (b"same-same-same-1", b"same-same-same-2-and-more"),
        ] {
            let middle = between(first, last).unwrap();
            assert!(first < &middle[..] && &middle[..] <= last, "{middle:?}");
        }
        for (first, last) in [(b"a", b"a"), (b"b", b"a")] {
            assert_eq!(between(first, last), None);
        }
    }
}
