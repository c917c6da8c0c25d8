//! Delays after failed log-ins: growing, never longer than a quarter of an hour, never for ever
//! (R-SES-1).
//!
//! Failures are counted for a person, for the place that they come from, and for both together. Who
//! is delayed because of the failures of others gets a turn: when it comes, they are let in
//! whatever others have done since. So somebody who fails on purpose keeps nobody out, from however
//! many places.
//!
//! It is all in memory. An address that nobody has is counted like any other, so that it answers
//! alike; on disk strangers could fill the store with it.

use crate::model::{Address, Id};
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// The longest delay.
pub(crate) const LONGEST_MS: u64 = 15 * 60_000;
/// The first delay; each further failure doubles it.
const FIRST_MS: u64 = 1000;
/// Failures that are forgotten when nothing happens for so long.
const FORGOTTEN_MS: u64 = 24 * 3_600_000;
/// How often one may fail before the first delay: a person from one place, a person from
/// everywhere, a place.
const FREE_OF_BOTH: u32 = 5;
const FREE_OF_PERSON: u32 = 20;
const FREE_OF_PLACE: u32 = 50;
/// How many wrong codes of a second factor somebody may give in a day: of a million, three are
/// right.
const MOST_CODES: u32 = 30;
/// The most entries.
const MOST: usize = 100_000;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Both(String, Option<IpAddr>),
    Person(String),
    Place(IpAddr),
}

#[derive(Clone, Copy, Default)]
struct Entry {
    failures: u32,
    last_ms: u64,
    until_ms: u64,
    /// Whether an attempt is scheduled for `until_ms`: then it counts, whatever others have done.
    scheduled: bool,
}

impl Entry {
    /// The end of the delay. One that lies further ahead than any can is from before the clock
    /// stepped back.
    fn delayed_until(&self, now_ms: u64) -> Option<u64> {
        Some(self.until_ms).filter(|until_ms| now_ms < *until_ms && until_ms - now_ms <= LONGEST_MS)
    }

    fn fail(&mut self, free: u32, now_ms: u64) {
        if now_ms.saturating_sub(self.last_ms) >= FORGOTTEN_MS {
            *self = Entry::default();
        }
        self.failures = self.failures.saturating_add(1);
        self.last_ms = now_ms;
        self.scheduled = false;
        let delay_ms = match self.failures.saturating_sub(free) {
            0 => 0,
            beyond => FIRST_MS
                .checked_shl(beyond - 1)
                .filter(|delay| delay >> (beyond - 1).min(63) == FIRST_MS)
                .unwrap_or(LONGEST_MS)
                .min(LONGEST_MS),
        };
        self.until_ms = now_ms.saturating_add(delay_ms);
    }
}

/// Wrong codes of a second factor, after the right password.
struct Codes {
    tried: u32,
    since_ms: u64,
}

/// Who has failed how often.
#[derive(Default)]
pub(crate) struct Throttle {
    entries: Mutex<HashMap<Key, Entry, RandomState>>,
    /// By user.
    codes: Mutex<HashMap<Id, Codes, RandomState>>,
}

impl Throttle {
    /// Counts an attempt as a failure until [`succeeded`](Throttle::succeeded) says otherwise, so
    /// that many at once count too. Refused, with the instant of the next turn, it counts for
    /// nothing.
    pub(crate) fn admit(
        &self,
        person: &str,
        place: Option<Address>,
        now_ms: u64,
    ) -> Result<(), u64> {
        let [both, one, other] = keys(person, place);
        let mut entries = self.entries.lock();
        let delay = |key: &Option<Key>, entries: &HashMap<Key, Entry, RandomState>| {
            key.as_ref()
                .and_then(|key| entries.get(key))
                .and_then(|entry| entry.delayed_until(now_ms))
        };
        if let Some(until_ms) = delay(&both, &entries) {
            return Err(until_ms);
        }
        let is_scheduled = both
            .as_ref()
            .and_then(|key| entries.get(key))
            .is_some_and(|entry| entry.scheduled);
        let by_others = delay(&one, &entries).max(delay(&other, &entries));
        if entries.len() >= MOST {
            make_room(&mut entries);
        }
        if let (Some(until_ms), Some(both), false) = (by_others, &both, is_scheduled) {
            let entry = entries.entry(both.clone()).or_default();
            entry.until_ms = until_ms;
            entry.last_ms = now_ms;
            entry.scheduled = true;
            return Err(until_ms);
        }
        for (key, free) in [
            (both, FREE_OF_BOTH),
            (one, FREE_OF_PERSON),
            (other, FREE_OF_PLACE),
        ] {
            if let Some(key) = key {
                entries.entry(key).or_default().fail(free, now_ms);
            }
        }
        Ok(())
    }

    /// The attempt was neither a failure nor a success: the right password without the code that is
    /// needed besides.
    pub(crate) fn withdrawn(&self, person: &str, place: Option<Address>) {
        let mut entries = self.entries.lock();
        for key in keys(person, place).into_iter().flatten() {
            if let Some(entry) = entries.get_mut(&key) {
                entry.failures = entry.failures.saturating_sub(1);
            }
        }
    }

    /// Counts a code of a second factor as a wrong one until [`code_taken`](Throttle::code_taken).
    /// Refused, with the instant from which on codes count again, when there were too many: six
    /// digits are soon guessed, from however many places.
    pub(crate) fn admit_code(&self, user: &Id, now_ms: u64) -> Result<(), u64> {
        let mut codes = self.codes.lock();
        if codes.len() >= MOST {
            codes.retain(|_, codes| now_ms.saturating_sub(codes.since_ms) < FORGOTTEN_MS);
        }
        let entry = codes.entry(user.clone()).or_insert(Codes {
            tried: 0,
            since_ms: now_ms,
        });
        if now_ms.saturating_sub(entry.since_ms) >= FORGOTTEN_MS || now_ms < entry.since_ms {
            *entry = Codes {
                tried: 0,
                since_ms: now_ms,
            };
        }
        if entry.tried >= MOST_CODES {
            return Err(entry.since_ms.saturating_add(FORGOTTEN_MS));
        }
        entry.tried += 1;
        Ok(())
    }

    /// The code was the right one.
    pub(crate) fn code_taken(&self, user: &Id) {
        self.codes.lock().remove(user);
    }

    /// The attempt was none that failed: the failures of this person are forgotten. Those of the
    /// place are not: who has a password of their own could try those of others for ever.
    pub(crate) fn succeeded(&self, person: &str, place: Option<Address>) {
        let [both, one, other] = keys(person, place);
        let mut entries = self.entries.lock();
        for key in [both, one].into_iter().flatten() {
            entries.remove(&key);
        }
        if let Some(entry) = other.and_then(|key| entries.get_mut(&key)) {
            entry.failures = entry.failures.saturating_sub(1);
            entry.until_ms = entry.last_ms;
        }
    }
}

fn keys(person: &str, place: Option<Address>) -> [Option<Key>; 3] {
    let place = place.map(network);
    [
        Some(Key::Both(person.to_owned(), place)),
        Some(Key::Person(person.to_owned())),
        place.map(Key::Place),
    ]
}

/// One place: whoever has a network of v6 has more addresses than can be counted.
fn network(address: Address) -> IpAddr {
    match address.ip() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// Forgets those who failed least.
fn make_room(entries: &mut HashMap<Key, Entry, RandomState>) {
    let mut least = 0;
    while entries.len() > MOST / 2 {
        entries.retain(|_, entry| entry.failures > least);
        least = least.saturating_mul(2).saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn place(text: &str) -> Option<Address> {
        Some(Address::new(text).unwrap())
    }

    /// S6: the delay grows, and has an end.
    #[test]
    fn the_delay_doubles_up_to_a_quarter_of_an_hour() {
        let (throttle, mut now_ms) = (Throttle::default(), 1_000_000);
        for _ in 0..=FREE_OF_BOTH {
            assert_eq!(throttle.admit("ann", place("192.0.2.1"), now_ms), Ok(()));
        }
        let mut delays = Vec::new();
        for _ in 0..100 {
            let until_ms = throttle
                .admit("ann", place("192.0.2.1"), now_ms)
                .unwrap_err();
            assert_eq!(
                throttle.admit("ann", place("192.0.2.1"), until_ms - 1),
                Err(until_ms)
            );
            delays.push(until_ms - now_ms);
            now_ms = until_ms;
            assert_eq!(throttle.admit("ann", place("192.0.2.1"), now_ms), Ok(()));
        }
        assert_eq!(delays[..4], [1000, 2000, 4000, 8000]);
        assert_eq!(delays[20..], [LONGEST_MS; 80]);
        throttle.succeeded("ann", place("192.0.2.1"));
        assert_eq!(throttle.admit("ann", place("192.0.2.1"), now_ms), Ok(()));
    }

    /// S6: from a new address one gets in within a quarter of an hour, whatever others do meanwhile
    /// from however many places.
    #[test]
    fn nobody_keeps_another_out() {
        let (throttle, mut now_ms, mut tries) = (Throttle::default(), 1_000_000, 0_u32);
        let mut attack = |now_ms: u64, times: u32| {
            for _ in 0..times {
                tries += 1;
                let from = Address::from(IpAddr::V4(tries.into()));
                let _ = throttle.admit("ann", Some(from), now_ms);
            }
        };
        attack(now_ms, 1000);
        let Err(scheduled_ms) = throttle.admit("ann", place("203.0.113.9"), now_ms) else {
            panic!("nothing delays her")
        };
        assert!(scheduled_ms - now_ms <= LONGEST_MS);
        while now_ms < scheduled_ms {
            now_ms += MINUTE / 2;
            attack(now_ms.min(scheduled_ms), 50);
        }
        assert_eq!(
            throttle.admit("ann", place("203.0.113.9"), scheduled_ms),
            Ok(())
        );
    }

    /// S6: 64 at once are not 64 free attempts.
    #[test]
    fn attempts_at_once_all_count() {
        let throttle = Throttle::default();
        let admitted = std::thread::scope(|scope| {
            let all: Vec<_> = (0..64)
                .map(|_| scope.spawn(|| throttle.admit("ann", place("192.0.2.1"), 1000).is_ok()))
                .collect();
            all.into_iter()
                .filter(|_| true)
                .map(|one| one.join().unwrap())
                .filter(|admitted| *admitted)
                .count()
        });
        assert_eq!(admitted as u32, FREE_OF_BOTH + 1);
    }

    #[test]
    fn a_place_is_delayed_for_many_people_and_a_network_of_v6_is_one_place() {
        let throttle = Throttle::default();
        for number in 0..=FREE_OF_PLACE {
            assert_eq!(
                throttle.admit(
                    &format!("user {number}"),
                    place(&format!("2001:db8::{number:x}")),
                    1000
                ),
                Ok(())
            );
        }
        assert_eq!(
            throttle.admit("another", place("2001:db8::ffff:1"), 1000),
            Err(2000)
        );
        assert_eq!(
            throttle.admit("another", place("2001:db8:0:1::1"), 1000),
            Ok(())
        );
    }

    /// S6: with the right password one tries few codes a day, from however many places, and a day
    /// later again.
    #[test]
    fn codes_are_few_in_a_day() {
        let (throttle, ann) = (Throttle::default(), Id::new("ann").unwrap());
        for at_ms in 0..u64::from(MOST_CODES) {
            assert_eq!(throttle.admit_code(&ann, 1000 + at_ms), Ok(()));
        }
        assert_eq!(
            throttle.admit_code(&ann, 1000 + FORGOTTEN_MS - 1),
            Err(1000 + FORGOTTEN_MS)
        );
        assert_eq!(throttle.admit_code(&Id::new("bob").unwrap(), 2000), Ok(()));
        assert_eq!(throttle.admit_code(&ann, 1000 + FORGOTTEN_MS), Ok(()));
        for _ in 0..100 {
            throttle.admit_code(&ann, 1000 + FORGOTTEN_MS).unwrap();
            throttle.code_taken(&ann);
        }
    }

    /// S6: the right password without its code is no failure, and forgives none.
    #[test]
    fn a_withdrawn_attempt_counts_for_nothing() {
        let throttle = Throttle::default();
        for _ in 0..100 {
            throttle.admit("ann", place("192.0.2.1"), 1000).unwrap();
            throttle.withdrawn("ann", place("192.0.2.1"));
        }
        for _ in 0..=FREE_OF_BOTH {
            throttle.admit("ann", place("192.0.2.1"), 1000).unwrap();
        }
        throttle.withdrawn("ann", place("192.0.2.1"));
        assert!(throttle.admit("ann", place("192.0.2.1"), 1000).is_err());
    }

    #[test]
    fn a_clock_that_steps_back_delays_nobody_for_long() {
        let throttle = Throttle::default();
        for _ in 0..=FREE_OF_BOTH {
            throttle.admit("ann", None, 1 << 40).unwrap();
        }
        assert!(throttle.admit("ann", None, 1 << 40).is_err());
        assert_eq!(throttle.admit("ann", None, 1000), Ok(()));
    }

    #[test]
    fn strangers_do_not_fill_the_memory() {
        let throttle = Throttle::default();
        for _ in 0..=FREE_OF_BOTH {
            throttle.admit("ann", None, 1000).unwrap();
        }
        for number in 0..MOST {
            throttle.admit(&number.to_string(), None, 1000).unwrap();
        }
        assert!(throttle.entries.lock().len() <= MOST + 2);
        assert!(throttle.admit("ann", None, 1000).is_err());
    }
}
